#pragma once

// The root of the normalised price in lanes. T is a register of reals or a pack of registers; the same source
// serves every instruction set and a single lane, and every operation acts lane by lane, so that a result
// depends on nothing but its own inputs.
//
// With x = |ln(F/K)| >= 0, s the total volatility, h = x/s, t = s/2, d = t - h and A the Mills ratio:
//
//   c = n(d) r,      r = A(-d) - A(h + t)     out-of-the-money price over D min(F, K), for d <= 1/4
//   1 - c = n(d) r,  r = A(d) + A(h + t)      elsewhere
//
// G = ln(n(d) r) is nearly straight in s and needs no exponential. Its inverse s(G) has a Taylor series in
// closed form: with p = ds/dG = +-r, P = p/s, b = (h^2 - t^2) P and U = P^2 (h^2 + t^2) the rules
//   dP/dG = P (1 - b) - P^2,   d(h^2 - t^2)/dG = -2 P (h^2 + t^2),   d(h^2 + t^2)/dG = -2 P (h^2 - t^2)
// give the k-th derivative as s P e_k with e_1 = 1, e_2 = 1 - b, ... One evaluation of r so yields a step
// of order five; from the table's start (relative error below 8e-4) one step ends at rounding level.
//
// Near the money one rounding of G is one of s, and the largest ones are those of the divided difference in r
// (at a = 0 it is 3.1 - 2.1): |s / exact - 1| stays below 1.4e-15 where multiply and add round once, below
// 2e-15 elsewhere, 3.3e-16 in the mean (3000 random options, |x| <= 1e-3, against 50 digits).
//
// A guess saves nothing here. Even a perfect one, believed without a test, would save the table's look-up
// alone, a third of the time; to test it takes the step itself, and where the test fails the step was in
// vain. So guesses serve the problems outside the table only (polish), and change no bit of the others.
//
// The Bachelier model is the limit x, s -> 0 of the same problem: h = |F - K| / s, t = 0, r = s (1 - h A(h)).

#include "optionsib/math/simd/functions.hpp"
#include "optionsib/math/simd/lanes.hpp"
#include "optionsib/pricing/implied_volatility_table.hpp"

namespace optionsib::pricing {
inline namespace OPTIONSIB_LANES {
namespace implied_volatility_kernel {

using namespace simd;  // NOLINT: the kernels speak the language of the lanes

// What is solved for: price and complement are amounts, c = price / unit and 1 - c = complement / unit.
template <class T>
struct Problem {
    T distance;    // x, or |F - K| in the Bachelier model
    T price;       // of the out-of-the-money option
    T complement;  // its maximum less its price
    T unit;        // its maximum, D min(F, K); Bachelier: D
};

inline constexpr double root_two_pi = 2.50662827463100050242, log_root_two_pi = 0.91893853320467274178;
// Of the Newton step relative to s: up to it a step is exact to rounding.
inline constexpr double step_is_exact = 6e-4;
// Beyond it the Taylor series is not to be trusted.
inline constexpr double step_is_blind = 0.1;

// Coordinate of the table: whole cells and fraction. z >= 1.
template <class T>
OPTIONSIB_INLINE void locate(T z, double cells, T& index, T& fraction) {
    const T position = (exponent(z) + (mantissa(z) - 1.0)) * T(cells);
    index = round(position - 0.5);  // a node may count as the end of the cell before it
    fraction = position - index;
}

// Total volatility to 8e-4, from the table.
template <bool bachelier, class T>
OPTIONSIB_INLINE T start(const Problem<T>& problem) {
    namespace table = implied_volatility_table;
    const T per_unit = reciprocal(problem.unit), c = problem.price * per_unit;
    T base, row, column, offset, scale;
    if constexpr (bachelier) {
        base = c * table::at_the_money[0];
        row = fma(problem.distance, reciprocal(base), T(1.0));
        scale = problem.distance;
    } else {
        const T square = c * c;
        const auto lower = c < T(0.5);
        T series = T(table::at_the_money[3]);
        series = fma(series, square, T(table::at_the_money[2]));
        series = fma(series, square, T(table::at_the_money[1]));
        series = fma(series, square, T(table::at_the_money[0]));
        base = select(lower, c * series, T(0.0));
        const T inverse = reciprocal(select(lower, base, problem.complement * per_unit));
        row = select(lower, fma(problem.distance, inverse, T(1.0)), inverse);
        column = T(1.0) + problem.distance + base;
        offset = select(lower, T(0.0), T(double(table::lower_rows)));
        scale = select(lower, problem.distance, T(1.0));
    }
    const T m = mantissa(row) - T(1.0);
    T rough = T(table::rough_log[3]);
    rough = fma(rough, m, T(table::rough_log[2]));
    rough = fma(rough, m, T(table::rough_log[1]));
    rough = fma(rough, m, T(table::rough_log[0]));
    T i, f, j, g;
    locate(T(1.0) + fma(rough, m, exponent(row)), table::rows_per_octave, i, f);
    constexpr double columns = table::columns;
    if constexpr (bachelier) {
        const T at = i * T(columns);
        const T top = gather(table::values, at), bottom = gather(table::values + table::columns, at);
        return fma(scale, fma(f, bottom - top, top), base);
    } else {
        locate(column, table::columns_per_octave, j, g);
        const T at = fma(i + offset, T(columns), j);
        const T a = gather(table::values, at), b = gather(table::values + 1, at);
        const T c1 = gather(table::values + table::columns, at);
        const T d1 = gather(table::values + table::columns + 1, at);
        const T top = fma(g, b - a, a), bottom = fma(g, d1 - c1, c1);
        return fma(scale, fma(f, bottom - top, top), base);
    }
}

// One evaluation of G and its derivatives at s.
template <class T>
struct Step {
    T next;                     // s after a step of order five
    T newton;                   // what Newton's step would be, relative to s
    typename T::Boolean rises;  // the root is above s
};

// With `logarithms` the problem holds ln c and ln(1 - c) for price and complement: no range is too wide.
template <bool bachelier, bool logarithms = false, class T>
OPTIONSIB_INLINE Step<T> step(const Problem<T>& problem, T s) {
    const T inverse = logarithms ? T(1.0) / s : reciprocal(s), h = problem.distance * inverse;
    // r = above / below.
    T above, below, p, target, half_square, u, b;
    if constexpr (bachelier) {
        p = mills_slope(h);
        above = s * p;
        below = T(1.0);
        target = problem.price;
        const T square = h * h;
        half_square = T(0.5) * square;
        b = square * p;
        u = p * b;
    } else {
        const T t = T(0.5) * s, d = t - h;
        const auto near = d <= T(0.25);
        const auto mills = mills_pair(select(near, -d, d), h + t, select(near, s, h + h));
        above = select(near, mills.difference, mills.first + mills.second);
        below = mills.denominator;
        target = select(near, problem.price, problem.complement);
        p = above * (reciprocal(below) * inverse);
        p = select(near, p, -p);
        half_square = T(0.5) * d * d;
        const T hh = h * h, tt = t * t;
        b = p * (hh - tt);
        u = p * p * (hh + tt);
    }
    T delta;  // the G wanted less G(s)
    if constexpr (logarithms)
        delta = (target + T(log_root_two_pi)) + (half_square - log(above / below));
    else
        delta = log_ratio(T(root_two_pi) * target * below, problem.unit * above) + half_square;

    const T pb = p * b;
    const T e2 = T(1.0) - b;
    const T e3 = fma(b, fma(b, T(2.0), T(-3.0)), T(1.0)) + fma(u, T(2.0), pb);
    T e4 = fma(b, fma(b, fma(b, T(-6.0), T(12.0)), T(-7.0)), T(1.0));
    e4 = fma(u, fma(p, T(-6.0), fma(b, T(-14.0), T(12.0))), e4);
    e4 = fma(pb, fma(p, T(-6.0), fma(b, T(-7.0), T(6.0))), e4);
    T sum = fma(delta * T(0.25), e4, e3);
    sum = fma(delta * T(1.0 / 3.0), sum, e2);
    sum = fma(delta * T(0.5), sum, T(1.0));
    Step<T> result;
    result.newton = delta * p;
    result.next = fma(s * result.newton, sum, s);
    if constexpr (bachelier)
        result.rises = delta > T(0.0);
    else
        result.rises = result.newton > T(0.0);
    return result;
}

// The total volatility of the lanes in `wanted`; `failed` gets the bits of those in which it was not found.
template <bool bachelier, class T, class M = typename T::Boolean>
OPTIONSIB_INLINE T solve(const Problem<T>& problem, M wanted, std::uint64_t& failed) {
    T s = start<bachelier>(problem);
    int steps = 0;
    do {
        const Step<T> now = step<bachelier>(problem, s);
        s = select(wanted, now.next, s);
        wanted = wanted & !(abs(now.newton) <= T(step_is_exact));
        failed = bits(wanted);
    } while (failed != 0 && ++steps < 4);
    return s;
}

// The last steps to the root, for a problem that holds logarithms; the lanes in which s had been near it.
template <bool bachelier, class T>
OPTIONSIB_INLINE typename T::Boolean polish(const Problem<T>& problem, T& s) {
    T newton;
    for (int i = 0; i < 3; ++i) {
        const Step<T> now = step<bachelier, true>(problem, s);
        newton = abs(now.newton);
        s = select(newton <= T(step_is_blind), now.next, s);
    }
    return newton <= T(step_is_exact);
}

// The root of any problem at all, slowly: bisection between closed bounds. The problem holds ln c and
// ln(1 - c); `c` may have underflowed to 0.
template <bool bachelier, class T>
OPTIONSIB_INLINE T bisect(const Problem<T>& problem, T c) {
    // h < 60 for any c above 1e-700; s >= root_two_pi c; s <= 2.7 c + 1.3 x for c <= 1/2.
    const T& x = problem.distance;
    T low = max(max(x * T(1.0 / 60.0), c * T(2.5)), T(1e-300));
    T high = max(fma(x, T(1.3), c * T(2.7)), T(2e-300));
    if constexpr (!bachelier) high = select(c <= T(0.5), high, T(20.0) + T(2.0) * sqrt(x));
    for (int i = 0; i < 20; ++i) {
        const T middle = sqrt(low) * sqrt(high);
        const auto rises = step<bachelier, true>(problem, middle).rises;
        low = select(rises, middle, low);
        high = select(rises, high, middle);
    }
    T s = sqrt(low) * sqrt(high);
    static_cast<void>(polish<bachelier>(problem, s));
    return s;
}

}  // namespace implied_volatility_kernel
}  // namespace OPTIONSIB_LANES
}  // namespace optionsib::pricing
