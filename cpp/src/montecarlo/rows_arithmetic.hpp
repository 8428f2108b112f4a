#pragma once

// Kernels of the arithmetic operations, and of Euler steps, in the precision of the rows.

#include "optionsib/montecarlo/normals.hpp"
#include "rows_machine.hpp"

namespace optionsib::montecarlo {
inline namespace OPTIONSIB_LANES {

// |x| <= 80.
OPTIONSIB_INLINE Reals exp_within(Reals x) {
    return simd::exp_bounded(x);
}
OPTIONSIB_INLINE Floats exp_within(Floats x) {
    return simd::exp_bounded(x);
}

template <class E>
struct Arithmetic {
    using T = typename Machine<E>::T;
    using M = Machine<E>;
    using I = Instruction;

    static void set(M& m, const I& i) noexcept {
        map(m, i, [](T, T, T, const E* k) { return T(k[0]); });
    }
    static void affine(M& m, const I& i) noexcept {
        map(m, i, [](T a, T, T, const E* k) { return fma(T(k[0]), a, T(k[1])); });
    }
    static void combine(M& m, const I& i) noexcept {
        map(m, i, [](T a, T b, T, const E* k) { return fma(T(k[0]), a, fma(T(k[1]), b, T(k[2]))); });
    }
    static void combine3(M& m, const I& i) noexcept {
        map(m, i, [](T a, T b, T c, const E* k) { return fma(T(k[0]), a, fma(T(k[1]), b, T(k[2]) * c)); });
    }
    static void add(M& m, const I& i) noexcept {
        map(m, i, [](T a, T b, T, const E*) { return a + b; });
    }
    static void subtract(M& m, const I& i) noexcept {
        map(m, i, [](T a, T b, T, const E*) { return a - b; });
    }
    static void multiply(M& m, const I& i) noexcept {
        map(m, i, [](T a, T b, T, const E*) { return a * b; });
    }
    static void multiply_add(M& m, const I& i) noexcept {
        map(m, i, [](T a, T b, T c, const E*) { return fma(a, b, c); });
    }
    static void divide(M& m, const I& i) noexcept {
        map(m, i, [](T a, T b, T, const E*) { return a / b; });
    }
    static void minimum(M& m, const I& i) noexcept {
        map(m, i, [](T a, T b, T, const E*) { return min(a, b); });
    }
    static void maximum(M& m, const I& i) noexcept {
        map(m, i, [](T a, T b, T, const E*) { return max(a, b); });
    }
    static void floor(M& m, const I& i) noexcept {
        map(m, i, [](T a, T, T, const E* k) { return max(a, T(k[0])); });
    }
    static void cap(M& m, const I& i) noexcept {
        map(m, i, [](T a, T, T, const E* k) { return min(a, T(k[0])); });
    }
    static void less(M& m, const I& i) noexcept {
        map(m, i, [](T a, T b, T, const E*) { return select(a < b, T(E(1)), T(E(0))); });
    }
    static void below(M& m, const I& i) noexcept {
        map(m, i, [](T a, T, T, const E* k) { return select(a < T(k[0]), T(E(1)), T(E(0))); });
    }
    static void choose(M& m, const I& i) noexcept {
        map(m, i, [](T a, T b, T c, const E*) { return select(c == T(E(0)), b, a); });
    }
    static void exponential(M& m, const I& i) noexcept {
        map(m, i, [](T a, T, T, const E*) { return exp(a); });
    }
    static void logarithm(M& m, const I& i) noexcept {
        map(m, i, [](T a, T, T, const E*) { return log(a); });
    }
    static void root(M& m, const I& i) noexcept {
        map(m, i, [](T a, T, T, const E*) { return fast_root(a); });
    }
    static void grow(M& m, const I& i) noexcept {
        map(m, i, [](T a, T b, T, const E* k) { return a * exp_within(fma(T(k[0]), b, T(k[1]))); });
    }
    static void count_above(M& m, const I& i) noexcept {
        const int n = static_cast<int>(i.n);
        const E* k = m.constants + i.k;
        map(m, i, [n, k](T a, T, T, const E*) {
            T count = E(0);
            for (int j = 0; j < n; ++j) count = count + select(a > T(k[j]), T(E(1)), T(E(0)));
            return count;
        });
    }
    static void heston_euler(M& m, const I& i) noexcept {
        E *d = m.row(i.d), *e = m.row(i.e);
        const E *x = m.row(i.a), *v = m.row(i.b), *driver = m.row(i.c);
        const E* rest = m.row(static_cast<std::uint16_t>(i.n));
        const E* from = m.constants + i.k;
        const T k[7] = {from[0], from[1], from[2], from[3], from[4], from[5], from[6]};
#pragma GCC unroll 2
        for (int j = 0; j < row_paths; j += T::size) {
            const T variance = get(v + j), positive = max(variance, T(E(0))), deviation = fast_root(positive);
            const T z = get(driver + j), y = fma(k[2], z, k[3] * get(rest + j));
            put(d + j, fma(deviation, y, get(x + j) + fma(k[1], positive, k[0])));
            put(e + j, fma(k[6] * deviation, z, fma(k[4], k[5] - positive, variance)));
        }
    }
    static void store(M& m, const I& i) noexcept {
        const E* a = m.row(i.a);
        double* to = m.stored + i.n * m.stored_paths + (m.path - m.stored_first);
        for (int j = 0; j < m.paths; ++j) to[j] = static_cast<double>(a[j]);
    }
};

}  // namespace OPTIONSIB_LANES
}  // namespace optionsib::montecarlo
