#pragma once

// One kernel per operation on rows, and the loop over a block's instructions. See program.hpp.

#include "optionsib/montecarlo/normals.hpp"
#include "optionsib/montecarlo/philox.hpp"
#include "optionsib/montecarlo/sobol.hpp"
#include "optionsib/montecarlo/xoshiro.hpp"
#include "rows_table.hpp"

namespace optionsib::montecarlo {
inline namespace OPTIONSIB_LANES {

using simd::Floats;
using simd::Reals;
using simd::Words;

template <class E>
struct LanesOf;
template <>
struct LanesOf<double> {
    using type = Reals;
};
template <>
struct LanesOf<float> {
    using type = Floats;
};

OPTIONSIB_INLINE Reals get(const double* from) {
    return simd::load_reals(from);
}
OPTIONSIB_INLINE Floats get(const float* from) {
    return simd::load_floats(from);
}
OPTIONSIB_INLINE void put(double* to, Reals a) {
    simd::store(to, a);
}
OPTIONSIB_INLINE void put(float* to, Floats a) {
    simd::store(to, a);
}

template <class E>
struct Machine {
    using T = typename LanesOf<E>::type;

    E* rows;
    const E* constants;
    const double* wide_constants;
    const Program* program;
    double* stored;
    PhiloxKeys keys;
    XoshiroState streams;
    std::uint64_t path;  // first of the row
    int paths;           // of the row that count

    OPTIONSIB_INLINE E* row(std::uint16_t i) const { return rows + std::size_t{i} * row_paths; }
};

template <class E>
using Kernel = void (*)(Machine<E>&, const Instruction&) noexcept;

// --- arithmetic ------------------------------------------------------------------------------------------

// d = f(a, b, c, k); operands that f does not take are loaded and thrown away by the compiler.
template <class E, class F>
OPTIONSIB_INLINE void map(Machine<E>& m, const Instruction& i, F f) {
    using T = typename Machine<E>::T;
    E* d = m.row(i.d);
    const E *a = m.row(i.a), *b = m.row(i.b), *c = m.row(i.c);
    // Copied, so that they stay in registers while d is written; there are always four to read.
    const E *from = m.constants + i.k, k[4] = {from[0], from[1], from[2], from[3]};
#pragma GCC unroll 2
    for (int j = 0; j < row_paths; j += T::size) put(d + j, f(get(a + j), get(b + j), get(c + j), k));
}

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
        double* to = m.stored + i.n * m.program->paths + m.path;
        for (int j = 0; j < m.paths; ++j) to[j] = static_cast<double>(a[j]);
    }
};

// --- in double precision whatever the rows are -------------------------------------------------------------

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

// --- random numbers ----------------------------------------------------------------------------------------

// `next(j, words)` gives the words of registers j and j + 1 of the row.
template <class Source>
OPTIONSIB_INLINE void fill(Source& next, double* d, double* e) {
    for (int j = 0; j < row_paths / Words::size; j += 2) {
        WordPair words[2];
        next(j, words);
#pragma GCC unroll 2
        for (int i = 0; i < 2; ++i) {
            const auto pair = normal_pair(words[i].first, words[i].second);
            put(d + (j + i) * Words::size, pair.first);
            put(e + (j + i) * Words::size, pair.second);
        }
    }
}
template <class Source>
OPTIONSIB_INLINE void fill(Source& next, float* d, float* e) {
    for (int j = 0; j < row_paths / Floats::size; j += 2) {
        WordPair words[2];
        next(j, words);
#pragma GCC unroll 2
        for (int i = 0; i < 2; ++i) {
            const auto pair = narrow_normal_pair(words[i].first, words[i].second);
            put(d + (j + i) * Floats::size, pair.first);
            put(e + (j + i) * Floats::size, pair.second);
        }
    }
}
template <class Source>
void fill_paired(Source& next, double* d, double* e) {
    std::uint32_t first[row_paths], second[row_paths];
    std::uint64_t one[row_paths], two[row_paths];
    for (int j = 0; j < row_paths / Floats::size; j += 2) {
        WordPair words[2];
        next(j, words);
        for (int i = 0; i < 2; ++i) {
            const auto a = simd::halves(words[i].first), b = simd::halves(words[i].second);
            __builtin_memcpy(first + (j + i) * Floats::size, &a, sizeof a);
            __builtin_memcpy(second + (j + i) * Floats::size, &b, sizeof b);
        }
    }
    for (int j = 0; j < row_paths; ++j) {
        one[j] = word_of_first_half(first[j]);
        two[j] = word_of_second_half(second[j]);
    }
    auto paired = [&](int j, WordPair(&words)[2]) {
        for (int i = 0; i < 2; ++i) {
            const int at = (j + i) * Words::size;
            words[i] = {simd::load_words(one + at), simd::load_words(two + at)};
        }
    };
    fill(paired, d, e);
}
template <class E, class Source>
OPTIONSIB_INLINE void fill_rows(Machine<E>& m, Source& next, E* d, E* e) {
    if constexpr (sizeof(E) == 8) {
        if (m.program->precision == Precision::paired) {
            fill_paired(next, d, e);
            return;
        }
    }
    fill(next, d, e);
}

// Single precision: two neighbouring paths share the 128 bits of a counter.
template <class E>
void philox_rows(Machine<E>& m, const Instruction& i) noexcept {
    const bool shared = m.program->precision != Precision::wide;
    std::uint64_t first[Words::size];
    for (int j = 0; j < Words::size; ++j)
        first[j] = (shared ? m.path / 2 : m.path) + static_cast<std::uint64_t>(j);
    const Words lanes = simd::load_words(first);
    const PhiloxKeys keys = m.keys;  // where no store can change it
    const std::uint64_t draw = i.n;
    auto next = [&](int j, WordPair(&words)[2]) __attribute__((always_inline)) {
        const auto at = static_cast<std::uint64_t>(j) * Words::size;
        const Words path[2] = {lanes + Words(at), lanes + Words(at + Words::size)};
        philox(keys, path, draw, 0, words);
    };
    fill_rows(m, next, m.row(i.d), m.row(i.e));
}

template <class E>
void xoshiro_rows(Machine<E>& m, const Instruction& i) noexcept {
    Xoshiro streams(m.streams);
    auto next = [&](int j, WordPair(&words)[2]) __attribute__((always_inline)) {
        for (int r = 0; r < 2; ++r) {
            const int place = (j + r) % Xoshiro::registers;
            const Words first = streams.next(place);
            words[r] = {first, streams.next(place)};
        }
    };
    fill_rows(m, next, m.row(i.d), m.row(i.e));
    for (int r = 0; r < Xoshiro::registers; ++r) {
        const int place = r * Words::size;
        simd::store(m.streams.word[0] + place, streams.at[r].a);
        simd::store(m.streams.word[1] + place, streams.at[r].b);
        simd::store(m.streams.word[2] + place, streams.at[r].c);
        simd::store(m.streams.word[3] + place, streams.at[r].d);
    }
}

template <class E>
void sobol_row(Machine<E>& m, const Instruction& i) noexcept {
    const std::uint64_t replicate = m.path / m.program->replicate_paths;
    const auto index = static_cast<std::uint32_t>(m.path % m.program->replicate_paths);
    const std::uint32_t* v = m.program->directions.data() + std::size_t{i.n} * 32;
    std::uint32_t x[row_paths];
    x[0] = 0;
    for (int bit = 8; bit < 32; ++bit) x[0] ^= v[bit] & (0u - (index >> bit & 1u));
    for (int bit = 0; bit < 8; ++bit)
        for (int j = 0; j < 1 << bit; ++j) x[(1 << bit) + j] = x[j] ^ v[bit];
    const std::uint32_t seed = scramble_seed(m.program->seed, replicate, i.n);
    double uniforms[row_paths];
    for (int j = 0; j < row_paths; ++j) {
        std::uint32_t y = owen_scrambled(x[j], seed);
        y = (y >> 1 & 0x55555555u) | (y & 0x55555555u) << 1;
        y = (y >> 2 & 0x33333333u) | (y & 0x33333333u) << 2;
        y = (y >> 4 & 0x0f0f0f0fu) | (y & 0x0f0f0f0fu) << 4;
        y = (y >> 8 & 0x00ff00ffu) | (y & 0x00ff00ffu) << 8;
        y = y >> 16 | y << 16;
        uniforms[j] = (static_cast<double>(y) + 0.5) * 0x1p-32;
    }
    E* d = m.row(i.d);
    if constexpr (sizeof(E) == 8) {
        for (int j = 0; j < row_paths; j += Reals::size) put(d + j, normal_quantile(get(uniforms + j)));
    } else {
        for (int j = 0; j < row_paths; j += Reals::size)
            put(uniforms + j, normal_quantile(get(uniforms + j)));
        for (int j = 0; j < row_paths; ++j) d[j] = static_cast<float>(uniforms[j]);
    }
}

// --- blocks ------------------------------------------------------------------------------------------------

template <class E>
inline constexpr Kernel<E> kernels[] = {
    Arithmetic<E>::set,
    Arithmetic<E>::affine,
    Arithmetic<E>::combine,
    Arithmetic<E>::combine3,
    Arithmetic<E>::add,
    Arithmetic<E>::subtract,
    Arithmetic<E>::multiply,
    Arithmetic<E>::multiply_add,
    Arithmetic<E>::divide,
    Arithmetic<E>::minimum,
    Arithmetic<E>::maximum,
    Arithmetic<E>::floor,
    Arithmetic<E>::cap,
    Arithmetic<E>::less,
    Arithmetic<E>::below,
    Arithmetic<E>::choose,
    Arithmetic<E>::exponential,
    Arithmetic<E>::logarithm,
    Arithmetic<E>::root,
    normal_cdf_row<E>,
    Arithmetic<E>::grow,
    Arithmetic<E>::count_above,
    Arithmetic<E>::heston_euler,
    heston_qe_row<E>,
    Arithmetic<E>::store,
    philox_rows<E>,
    xoshiro_rows<E>,
    sobol_row<E>,
};
static_assert(sizeof(kernels<double>) / sizeof(Kernel<double>) == static_cast<std::size_t>(Op::count));

OPTIONSIB_INLINE double total(const double* a, const double* b) {
    Reals sums[4] = {0.0, 0.0, 0.0, 0.0};
    for (int j = 0; j < row_paths; j += 4 * Reals::size)
#pragma GCC unroll 4
        for (int q = 0; q < 4; ++q) {
            const int at = j + q * Reals::size;
            const Reals left = get(a + at);
            sums[q] = sums[q] + (b == nullptr ? left : left * get(b + at));
        }
    double lanes[Reals::size];
    put(lanes, (sums[0] + sums[1]) + (sums[2] + sums[3]));
    double sum = 0.0;
    for (const double lane : lanes) sum += lane;
    return sum;
}

template <class E>
void run_block(Block& block) noexcept {
    const Program& program = *block.program;
    const std::uint64_t first = block.number * block_paths;
    const std::uint64_t left = program.paths - first;
    const int paths = left < block_paths ? static_cast<int>(left) : block_paths;
    Machine<E> machine{static_cast<E*>(block.rows),
                       static_cast<const E*>(block.constants),
                       block.wide_constants,
                       &program,
                       block.stored,
                       PhiloxKeys(program.seed),
                       block.streams,
                       first,
                       0};
    const std::size_t outputs = program.outputs.size();
    // Sums of what is left of the block's first path: no digits are lost where the outputs hardly vary.
    double *sums = block.statistics, *shifts = block.outputs + outputs * row_paths;
    for (std::size_t s = 0; s < program.statistics(); ++s) sums[s] = 0.0;
    sums[0] = paths;
    for (int done = 0; done < paths; done += row_paths) {
        machine.path = first + static_cast<std::uint64_t>(done);
        machine.paths = paths - done < row_paths ? paths - done : row_paths;
        for (const Instruction& instruction : program.code) kernels<E>[instruction.op](machine, instruction);
        for (std::size_t o = 0; o < outputs; ++o) {
            const E* from = machine.row(program.outputs[o]);
            double* to = block.outputs + o * row_paths;
            if (done == 0) shifts[o] = static_cast<double>(from[0]);
            const double shift = shifts[o];
            for (int j = 0; j < row_paths; ++j)
                to[j] = j < machine.paths ? static_cast<double>(from[j]) - shift : 0.0;
        }
        double* product = sums + 1 + outputs;
        for (std::size_t o = 0; o < outputs; ++o) {
            const double* a = block.outputs + o * row_paths;
            sums[1 + o] += total(a, nullptr);
            for (std::size_t p = 0; p <= o; ++p) *product++ += total(a, block.outputs + p * row_paths);
        }
    }
    double* product = sums + 1 + outputs;
    for (std::size_t o = 0; o < outputs; ++o)
        for (std::size_t p = 0; p <= o; ++p) *product++ -= sums[1 + o] * sums[1 + p] / sums[0];
    for (std::size_t o = 0; o < outputs; ++o) sums[1 + o] = shifts[o] + sums[1 + o] / sums[0];
}

inline constexpr BlockRunners block_runners = {run_block<double>, run_block<float>};

}  // namespace OPTIONSIB_LANES
}  // namespace optionsib::montecarlo
