#pragma once

// Kernels in double precision whatever the rows are.

#include "optionsib/montecarlo/normals.hpp"
#include "rows_machine.hpp"

namespace optionsib::montecarlo {
inline namespace OPTIONSIB_LANES {

// A row to be read, or written, as doubles.
template <class E>
struct Wide;
template <>
struct Wide<double> {
    double* row;
    OPTIONSIB_INLINE explicit Wide(double* from) : row(from) {}
    OPTIONSIB_INLINE void give_back() {}
};
template <>
struct Wide<float> {
    float* origin;
    double row[row_paths];
    OPTIONSIB_INLINE explicit Wide(float* from) : origin(from) {
        for (int j = 0; j < row_paths; ++j) row[j] = static_cast<double>(from[j]);
    }
    OPTIONSIB_INLINE void give_back() {
        for (int j = 0; j < row_paths; ++j) origin[j] = static_cast<float>(row[j]);
    }
};

template <class E>
void normal_cdf_row(Machine<E>& m, const Instruction& i) noexcept {
    Wide<E> a(m.row(i.a)), d(m.row(i.d));
    for (int j = 0; j < row_paths; j += Reals::size) put(d.row + j, simd::normal_cdf(get(a.row + j)));
    d.give_back();
}

template <class E>
void heston_qe_row(Machine<E>& m, const Instruction& i) noexcept {
    using namespace simd;  // NOLINT
    Wide<E> x(m.row(i.a)), v(m.row(i.b)), driver(m.row(i.c)), rest(m.row(static_cast<std::uint16_t>(i.n)));
    Wide<E> d(m.row(i.d)), e(m.row(i.e));
    const double* k = m.wide_constants + i.k;
    const Reals one = 1.0, big_a = k[9], zero = 0.0;
    for (int j = 0; j < row_paths; j += Reals::size) {
        const Reals variance = get(v.row + j), z = get(driver.row + j);
        const Reals mean = fma(Reals(k[1]), variance, Reals(k[0]));
        const Reals psi = fma(Reals(k[2]), variance, Reals(k[3])) / (mean * mean);
        const Mask spread = psi > 1.5;
        // Quadratic: a (b + Z)^2.
        const Reals inverse = max(2.0 / psi, Reals(1.0));
        const Reals b2 = inverse - one + fast_root(inverse * (inverse - one)), a = mean / (one + b2);
        const Reals sum = fast_root(b2) + z;
        Reals next = a * sum * sum;
        const Reals divisor = fnma(2.0 * big_a, a, one);
        Reals correction = fma(Reals(0.5), log(max(divisor, Reals(1e-300))), -(big_a * b2 * a / divisor));
        Mask exists = divisor > 0.0;
        if (bits(spread) != 0) {
            // Exponential with a mass at 0.
            const Reals p = (psi - one) / (psi + one), beta = (one - p) / mean;
            const Reals upper = normal_cdf(-z);  // 1 - U
            const Reals jump = log((one - p) / max(upper, Reals(1e-300))) / beta;
            next = select(spread, select(upper < one - p, jump, zero), next);
            const Reals quotient = p + beta * (one - p) / (beta - big_a);
            correction = select(spread, -log(max(quotient, Reals(1e-300))), correction);
            exists = (spread & (beta > big_a)) | (!spread & exists);
        }
        // Of K0* + K1 v the latter is in k5.
        const Reals drift = select(exists, fnma(Reals(k[11]), variance, correction), Reals(k[10]));
        const Reals deviation = fast_root(fma(Reals(k[7]), variance, k[8] * next));
        const Reals mean_x =
            get(x.row + j) + drift + fma(Reals(k[5]), variance, fma(Reals(k[6]), next, k[4]));
        put(d.row + j, fma(deviation, get(rest.row + j), mean_x));
        put(e.row + j, next);
    }
    d.give_back();
    e.give_back();
}

}  // namespace OPTIONSIB_LANES
}  // namespace optionsib::montecarlo
