#pragma once

// The grid of options with cash dividends, compiled once for each instruction set: by
// cash_dividends_avx512.cpp, cash_dividends_avx2.cpp and cash_dividends_baseline.cpp. Nothing of the standard
// library's inline code may be used here (see european_lanes.hpp).
//
// With tau = T - t, mu = r - q - v^2/2 and z = ln S - mu (t - start), u = exp(r tau) V solves
//   u_tau = v^2/2 u_zz,   u >= g = kind (exp(z) alpha - beta),  alpha = exp(r tau + mu (t - start)),
//   beta = K exp(r tau)   (escrowed: K less the value of the dividends to come)
// in space by M u_tau = v^2/2 d2 u / h^2, M = 1 + d2/12 (S. H. Crandall 1955, order 4), in time by TR-BDF2
// with both stages' matrix the same (R. E. Bank et al. 1985; M. E. Hosea, L. F. Shampine 1996). The matrix is
// Toeplitz, so is its factorisation U L of the half line, and nothing is stored: with m = a/d,
//   y_i = rhs_i / d - m y_(i+1)  from the far end of the holding side,
//   u_i = max(g_i, y_i - m u_(i-1))  from the exercise side (Brennan and Schwartz).
// Tangents are the exact derivatives of this with respect to v, r, q, K; the step is a multiple of v, so that
// the matrix depends on none of them. The grids' centers are held.
//
// Kinks, at expiry and where exercise before an ex-date begins, are smoothed by the operator of order 4 of
// H.-O. Kreiss, V. Thomee and O. Widlund (1970), (1 - d2/6) of the cubic B-spline average.

#include "cash_dividends_kernels.hpp"
#include "optionsib/math/simd/functions.hpp"

namespace optionsib::pricing {
inline namespace OPTIONSIB_LANES {

// Too large to be inlined more than once; of this instruction set alone by its namespace.
#define OPTIONSIB_LAMBDA __attribute__((always_inline))
#define OPTIONSIB_ASIDE [[gnu::noinline, gnu::visibility("hidden")]]

using namespace simd;  // NOLINT

inline constexpr double gamma_stage = 0.58578643762690495120;  // 2 - sqrt 2
inline constexpr double theta_stage = 0.29289321881345247560;  // gamma / 2
inline constexpr double stage_first = 1.20710678118654752440;  // 1 / (gamma (2 - gamma))
inline constexpr double stage_start = 0.20710678118654752440;  // (1 - gamma)^2 / (gamma (2 - gamma))

// M = 1 + mass_side d2.
inline constexpr double mass_side = 1.0 / 12.0;

// The smoothing operator on a kink x nodes away, less the kink: of the step 1(x > 0), the ramp max(x, 0) and
// max(x, 0)^2 / 2 for power 0, 1, 2; for power -1 and -3 the operator's kernel and its second derivative. On
// the negative side these are c1 (1 - a)^(n) + c2 (2 - a)^(n) + c3 (3 - a)^(n), n = power + 4, over n!, and
// they are odd or even.
template <int power, class T>
OPTIONSIB_INLINE T smoothed_kink(T distance) {
    constexpr int n = power + 4;
    constexpr double factorial[] = {1, 1, 2, 6, 24, 120, 720};
    T sum(0.0);
    const T a = abs(distance);
    constexpr double weights[] = {-6.5, 2.0, -1.0 / 6.0};
#pragma GCC unroll 3
    for (int j = 0; j < 3; ++j) {
        const T left = max(T(j + 1.0) - a, T(0.0));
        T product(1.0);
#pragma GCC unroll 6
        for (int k = 0; k < n; ++k) product = product * left;
        sum = fma(product, T(weights[j] / factorial[n]), sum);
    }
    if constexpr (power % 2 == 0) return flip_sign(sum, -distance);
    return sum;
}

// The operator's kernel, 0 from |x| = 3 on, and its second derivative.
template <class T>
OPTIONSIB_INLINE T kernel_of(T x) {
    return smoothed_kink<-1>(x);
}
template <class T>
OPTIONSIB_INLINE T kernel_curve(T x) {
    return smoothed_kink<-3>(x);
}

// `tangents`: none, one (vega or dual delta), or all four.
template <class T, int tangents>
struct CashDividendGrid {
    static constexpr int size = T::size;
    static constexpr int fields = 1 + tangents;

    CashDividendGroup& group;
    int nodes, half;
    // Whether the first tangent is that of volatility or, the only one, of the strike.
    T kind, strike, expiry, rate, yield, volatility, dividends, by_volatility, by_strike, mu, variance,
        lane_number;
    double* spots;      // exp(z) of the grid in use
    double* other;      // of the next one
    double* u[fields];  // price and tangents
    double* v[fields];  // the first stage, the next grid
    double* y[fields];
    double* extra[4];

    OPTIONSIB_INLINE static T lanes(const Lanes& from) { return load<T>(from.lane); }

    OPTIONSIB_INLINE explicit CashDividendGrid(CashDividendGroup& of)
        : group(of),
          nodes(of.nodes),
          half(of.nodes / 2),
          kind(lanes(of.kind)),
          strike(lanes(of.strike)),
          expiry(lanes(of.expiry)),
          rate(lanes(of.rate)),
          yield(lanes(of.yield)),
          volatility(lanes(of.volatility)),
          dividends(lanes(of.dividends)),
          by_volatility(of.dual_delta ? 0.0 : 1.0),
          by_strike(of.dual_delta ? 1.0 : 0.0) {
        variance = volatility * volatility;
        mu = fma(variance, T(-0.5), rate - yield);
        const std::ptrdiff_t row = static_cast<std::ptrdiff_t>(nodes + 1) * size;
        double* next = of.workspace;
        spots = next;
        other = next += row;
        for (int f = 0; f < fields; ++f) {
            u[f] = next += row;
            v[f] = next += row;
            y[f] = next += row;
        }
        for (double*& e : extra) e = next += row;
        double numbers[most_lanes];
        for (int i = 0; i < size; ++i) numbers[i] = i;
        lane_number = load<T>(numbers);
    }

    OPTIONSIB_INLINE static T at(const double* row, int i) { return load<T>(row + i * size); }
    OPTIONSIB_INLINE static void put(double* row, int i, T value) { store(row + i * size, value); }

    // What the exercise value and its derivatives are made of at one time.
    struct Obstacle {
        T weight, amount;  // g = weight exp(z) - amount
        T weights[fields], amounts[fields],
            distance;  // tangent p: exp(z) (weights + distance (i - half)) - amounts
    };

    // `own` years after the start of the segment, `tau` before expiry.
    OPTIONSIB_INLINE Obstacle obstacle(const Segment& segment, T own, T tau, T present,
                                       T present_times) const {
        Obstacle o;
        const T growth = exp(rate * tau);
        const T alpha = growth * exp(mu * own);
        const T paid = strike - present;
        o.weight = kind * alpha;
        o.amount = kind * growth * paid;
        if constexpr (tangents > 0) {
            o.weights[1] = o.weight * (-volatility * own) * by_volatility;
            o.amounts[1] = kind * growth * by_strike;
            o.distance = o.weight * (-kind * lanes(segment.step) / volatility) * by_volatility;
        }
        if constexpr (tangents > 1) {
            o.weights[2] = o.weight * (own + tau);
            o.amounts[2] = fma(kind * growth, present_times, o.amount * tau);
            o.weights[3] = o.weight * (-own);
            o.amounts[3] = -kind * growth * present_times;
            o.weights[4] = T(0.0);
            o.amounts[4] = kind * growth;
        }
        return o;
    }
    // Escrowed: the value of the dividends to come moves with the carry until the next ex-date.
    OPTIONSIB_INLINE Obstacle obstacle(const Segment& segment, T time) const {
        const T own = time - lanes(segment.start);
        T present(0.0), times(0.0);
        if (group.escrowed) {
            const T carry = exp((rate - yield) * own);
            present = lanes(segment.present) * carry;
            times = fnma(own, present, lanes(segment.present_times) * carry);
        }
        return obstacle(segment, own, expiry - time, present, times);
    }
    OPTIONSIB_INLINE T value(const Obstacle& o, T spot) const { return fms(o.weight, spot, o.amount); }
    template <int field>
    OPTIONSIB_INLINE T derivative(const Obstacle& o, T spot, int i) const {
        if constexpr (field == 1)
            return fms(spot, fma(o.distance, T(static_cast<double>(i - half)), o.weights[1]), o.amounts[1]);
        else
            return fms(o.weights[field], spot, o.amounts[field]);
    }

    OPTIONSIB_INLINE void lay(const Segment& segment, double* to) const {
        const T center = lanes(segment.center), step = -kind * lanes(segment.step);
        // By multiplication from exact points every sixteen nodes.
        const T ratio = exp(step);
        T spot(0.0);
        for (int i = 0; i <= nodes; ++i) {
            spot = (i & 15) == 0 ? exp(fma(step, T(static_cast<double>(i - half)), center)) : spot * ratio;
            put(to, i, spot);
        }
        put(to, half, exp(center));
    }

    // Defined by subject: cash_dividends_exercise.hpp, _steps.hpp, _convolution.hpp, _jump.hpp.
    template <class Mask>
    OPTIONSIB_ASIDE void maximum(const Obstacle& o, const double* grid, Mask chosen);
    OPTIONSIB_ASIDE void smooth(int i, int lane);
    OPTIONSIB_INLINE static void cubic(double before, double here, double next, double last, double* c);

    template <class Mask>
    OPTIONSIB_ASIDE void start(const Segment& segment, Mask begins);

    // The ends of the grid, where u is linear in S: u = A exp(z) exp(v^2/2 tau) + B. A exp(z) is read once a
    // segment, so that no error feeds itself.
    struct Ends {
        T top[fields], bottom[fields];                                  // at the start of the stepping
        T next[fields];                                                 // of the node next to the top
        T top_slope[fields], next_slope[fields], bottom_slope[fields];  // A exp(z)
    };
    OPTIONSIB_INLINE Ends ends(const Segment& segment) const;
    template <int f>
    OPTIONSIB_INLINE T end_value(const T* value, const T* slope, T growth, T moved) const;
    OPTIONSIB_INLINE void end_values(const T* value, const T* slope, T since, T* to) const;

    template <bool exercise, class Mask>
    OPTIONSIB_ASIDE void advance(const Segment& segment, const Ends& grid_ends, T from, T dt, Mask active,
                                 bool all);

    template <bool exercise>
    OPTIONSIB_ASIDE void substitute(double* const* to, const T* bottom, T m, const Obstacle& o, T step);

    template <bool exercise>
    OPTIONSIB_ASIDE void step_through(const Segment& segment, T in_segment, int most);
    // Of a segment's times: finer towards the later end.
    OPTIONSIB_INLINE static T grade(T x) { return x * sqrt(x); }

    // Of the convolution's Gaussian.
    static constexpr double least_width = 1.1, reach = 7.5;  // in nodes; in standard deviations

    OPTIONSIB_INLINE T width_of(const Segment& segment) const;
    template <class Mask>
    OPTIONSIB_ASIDE void convolve(const Segment& segment, Mask chosen);

    OPTIONSIB_INLINE void black_scholes(T spot, T tau, T spacing, T* result, T& slope) const;

    template <class Mask>
    OPTIONSIB_ASIDE void cross(int k, Mask crosses, Mask closed, bool exercise);

    template <class Mask>
    OPTIONSIB_ASIDE void exercise_before(int k, Mask crosses, bool exercise, const double* grid);
    OPTIONSIB_INLINE Obstacle before_dividend(const Segment& before, const Segment& after) const;

    OPTIONSIB_INLINE void interpolate(T x, T spot, T* hold, T& slope, T edge0, T edge1, T zero,
                                      double last) const;
    T after_step{};
    OPTIONSIB_INLINE T quintic_slope(T p, const T* node) const;

    OPTIONSIB_ASIDE void run() {
        for (int f = 0; f < fields; ++f)
            for (int i = 0; i <= nodes; ++i) {
                put(u[f], i, T(0.0));
                put(v[f], i, T(0.0));
                put(y[f], i, T(0.0));
            }
        lay(group.segment[group.segments - 1], spots);
        for (int k = group.segments - 1; k >= 0; --k) {
            const Segment& segment = group.segment[k];
            const T number(static_cast<double>(k));
            const auto begins = dividends == number, present = dividends >= number;
            const bool closed = group.closed;
            if (bits(begins) != 0 && !closed) {
                if (k < group.segments - 1) {
                    lay(segment, other);
                    for (int i = 0; i <= nodes; ++i)
                        put(spots, i, select(begins, at(other, i), at(spots, i)));
                }
                start(segment, begins);
            }
            const auto stepping = closed ? (dividends > number) : present;
            if (bits(stepping) != 0) {
                const auto wide = stepping & (width_of(segment) >= T(least_width));
                const bool exercised = group.american && !closed && !(group.hold_first && k == 0);
                if (!exercised && bits(wide) != 0) convolve(segment, wide);
                const T count = exercised ? select(stepping, lanes(segment.steps), T(0.0))
                                          : select(stepping & (!wide), lanes(segment.steps), T(0.0));
                int most = 0;
                double counts[most_lanes];
                store(counts, count);
                for (int i = 0; i < size; ++i)
                    if (counts[i] > most) most = static_cast<int>(counts[i]);
                if (exercised)
                    step_through<true>(segment, count, most);
                else if (most > 0)
                    step_through<false>(segment, count, most);
            }
            if (k == 0) break;
            const auto crosses = dividends >= number;
            const auto from_formula = closed ? begins : (begins & (!begins));
            const bool exercise = group.american && !(group.hold_first && k == 1);
            after_step = lanes(segment.step);
            cross(k, crosses, from_formula, exercise);
        }
        finish();
    }

    OPTIONSIB_INLINE void finish() {
        GridResult& result = group.result;
        // By rising z.
        const auto up = kind > T(0.0);
        for (int j = -2; j <= 2; ++j)
            store(result.values[j + 2].lane, select(up, at(u[0], half - j), at(u[0], half + j)));
        const Obstacle o = obstacle(group.segment[0], T(0.0));
        store(result.exercise.lane, value(o, at(spots, half)));
        for (int f = 1; f < fields; ++f) store(result.tangents[f - 1].lane, at(u[f], half));
    }
};

// As many registers side by side as pay: found by measurement, no influence on results.
inline constexpr int registers_of_cash_dividends = 1;

template <int registers>
[[gnu::visibility("hidden")]] void run_cash_dividends(CashDividendGroup& group) noexcept {
    using T = Pack<registers>;
    if (group.all_tangents)
        CashDividendGrid<T, 4>(group).run();
    else if (group.vega || group.dual_delta)
        CashDividendGrid<T, 1>(group).run();
    else
        CashDividendGrid<T, 0>(group).run();
}

}  // namespace OPTIONSIB_LANES
}  // namespace optionsib::pricing

#include "cash_dividends_convolution.hpp"  // IWYU pragma: export
#include "cash_dividends_exercise.hpp"     // IWYU pragma: export
#include "cash_dividends_jump.hpp"         // IWYU pragma: export
#include "cash_dividends_steps.hpp"        // IWYU pragma: export
