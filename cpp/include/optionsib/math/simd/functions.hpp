#pragma once

// Elementary functions and the normal distribution on registers. Error bounds in units in the last place
// (ulp), tested on every path by tests/math/simd_test.cpp:
//
//   exp 1.5 (results that are normal numbers; 0, denormals and infinity come out right)
//   log, log1p, log_ratio 3 (relative, also near log 1 = 0)
//   mills_ratio, mills_slope, erfcx 12 for x >= 0; mills_pair().difference 30, 100 beyond a = 3
//   normal_density 4 + x^2 / 2, normal_cdf 10 + x^2
//
//   A(x) = (1 - N(x)) / n(x)   Mills ratio, = sqrt(pi/2) erfcx(x / sqrt 2)
//
// exp and log reduce their argument by powers of two; A is a quotient of polynomials with positive
// coefficients (scripts/generate_simd_coefficients.py).

#include "optionsib/math/simd/coefficients.hpp"
#include "optionsib/math/simd/lanes.hpp"

namespace optionsib::simd {
inline namespace OPTIONSIB_LANES {

inline constexpr double inverse_sqrt_two_pi = 0.39894228040143267794;

// c[0] + c[1] x + ..., by Horner's rule.
template <class T, int N>
OPTIONSIB_INLINE T polynomial(const double (&c)[N], T x) {
    T sum = c[N - 1];
#pragma GCC unroll 32
    for (int i = N - 2; i >= 0; --i) sum = fma(sum, x, c[i]);
    return sum;
}

// |x| <= 10000. As exp_bounded below, but with n in sixteenths, their powers of two from a table held in
// registers, and half the polynomial.
template <class T>
OPTIONSIB_INLINE T exp_by_table(T x) {
    const T shifted = fma(x, 0x1.71547652b82fep+0, 0x1.8p48);
    const T n = shifted - 0x1.8p48;
    const T r = fnma(n, 0x1.a39ef35793c76p-33, fnma(n, 0x1.62e42feep-1, x));
    const T power = sixteenths(exp_table, shifted);
    const T square = r * r;
    const auto& c = exp_short_coefficients;
    const T even = fma(fma(c[4], square, c[2]), square, c[0]), odd = fma(c[3], square, c[1]);
    return scale_down(fma(power, fma(fma(odd, r, even), square, r), power), n);
}

// |x| <= 10000.
template <class T>
OPTIONSIB_INLINE T exp_bounded(T x) {
    // Adding 1.5 2^52 rounds to an integer. ln 2 in two parts, the first short enough for an exact product.
    if constexpr (Reals::width == 8) return exp_by_table(x);
    const T n = fma(x, 0x1.71547652b82fep+0, 0x1.8p52) - 0x1.8p52;
    const T r = fnma(n, 0x1.a39ef35793c76p-33, fnma(n, 0x1.62e42feep-1, x));
    const T square = r * r;
    const auto& c = exp_coefficients;
    const T even = fma(fma(fma(fma(c[8], square, c[6]), square, c[4]), square, c[2]), square, c[0]);
    const T odd = fma(fma(fma(fma(c[9], square, c[7]), square, c[5]), square, c[3]), square, c[1]);
    return scale(fma(fma(odd, r, even), square, r) + 1.0, n);
}

template <class T>
struct Two {
    T first, second;
};

template <class T>
OPTIONSIB_INLINE Two<T> exp_bounded(T x, T y) {
    if constexpr (T::width == 1) {
        const T both = exp_bounded(join(x, y));
        return {lower(both), upper(both)};
    } else {
        return {exp_bounded(x), exp_bounded(y)};
    }
}

template <class T>
OPTIONSIB_INLINE T exp(T x) {
    // In this order NaN stays NaN.
    return exp_bounded(max(T(-1000.0), min(T(1000.0), x)));
}

// 2 atanh(z) = ln((1 + z) / (1 - z)), |z| <= 1/5.
template <class T>
OPTIONSIB_INLINE T twice_atanh(T z) {
    const T square = z * z;
    const T twice = z + z;
    return fma(twice * square, polynomial(atanh_coefficients, square), twice);
}

// ln(a / b) of normal positive numbers with a normal quotient. a - b' is exact, so nothing is lost near 0.
template <class T>
OPTIONSIB_INLINE T log_ratio(T a, T b) {
    T k;
    const T matched = match_exponent(a, b, k);
    return fma(k, 0x1.62e42fefa39efp-1, twice_atanh((a - matched) / (a + matched)));
}

// Normal x in (0, 2^1023).
template <class T>
OPTIONSIB_INLINE T log(T x) {
    return log_ratio(x, T(1.0));
}

// x > -1 by more than the least normal number.
template <class T>
OPTIONSIB_INLINE T log1p(T x) {
    // Of ln(1 + x) = ln(w) + ln((1 + x) / w), w the rounded sum, the second is its rounding error over w.
    const T w = x + 1.0;
    const T virtual_x = w - 1.0;
    const T rounding = (1.0 - (w - virtual_x)) + (x - virtual_x);
    T k;
    const T one = match_exponent(w, T(1.0), k);
    const auto near = abs(x) < 0.25;
    // Within the matched octave 2 + x is the exact denominator.
    const T z = select(near, x, w - one) / select(near, x + 2.0, w + one);
    const T far_rest = select(near, T(0.0), rounding / w);
    return fma(select(near, T(0.0), k), 0x1.62e42fefa39efp-1, twice_atanh(z) + far_rest);
}

// The Mills ratio as the quotient n / q, and its divided differences between two points.
template <class T>
struct MillsQuotient {
    T numerator, denominator;
};

template <class T>
OPTIONSIB_INLINE MillsQuotient<T> mills_quotient(T x) {
    return {polynomial(mills_numerator, x), polynomial(mills_denominator, x)};
}

// x >= -1/4.
template <class T>
OPTIONSIB_INLINE T mills_ratio(T x) {
    // Far out the powers overflow where A is 1/x to the last bit.
    const T bounded = min(T(1e20), x);
    const MillsQuotient<T> q = mills_quotient(bounded);
    return q.numerator / q.denominator;
}

// Value at a and divided difference between a and b of one polynomial.
template <class T>
struct Secant {
    T value, slope;
};

template <class T, int N>
OPTIONSIB_INLINE Secant<T> secant(const double (&c)[N], T a, T b) {
    T value = fma(T(c[N - 1]), a, c[N - 2]), slope = c[N - 1];
#pragma GCC unroll 32
    for (int i = N - 3; i >= 0; --i) {
        slope = fma(slope, b, value);
        value = fma(value, a, c[i]);
    }
    return {value, slope};
}

// Mills ratios at a and b = a + width, a >= -1/4, |a|, |b| <= 1e13, as parts over one denominator:
//   A(a) = first / denominator,  A(b) = second / denominator,  A(a) - A(b) = difference / denominator.
// `difference` comes from divided differences: its relative error is the same for every width, so the time
// value n(d1) [A(-d1) - A(-d2)] of an option needs no series for small total volatility.
template <class T>
struct MillsPair {
    T first, second, difference, denominator;
};

// Denominator and numerator side by side: their steps are the same, the numerator's first ones add to zeros.
struct MillsColumns {
    static constexpr int size = sizeof mills_denominator / sizeof *mills_denominator;
    double at[size][2];

    consteval MillsColumns() : at() {
        for (int i = 0; i < size; ++i) {
            at[i][0] = mills_denominator[i];
            at[i][1] = i < size - 1 ? mills_numerator[i] : 0.0;
        }
    }
};
inline constexpr MillsColumns mills_columns;

template <class T>
OPTIONSIB_INLINE MillsPair<T> mills_pair_of_one(T a, T b, T width) {
    const T both_a = join(a, a), both_b = join(b, b), both_widths = join(width, width);
    const auto& c = mills_columns.at;
    T value = fma(T::both(c[MillsColumns::size - 1]), both_a, T::both(c[MillsColumns::size - 2]));
    T slope = T::both(c[MillsColumns::size - 1]);
#pragma GCC unroll 32
    for (int i = MillsColumns::size - 3; i >= 0; --i) {
        slope = fma(slope, both_b, value);
        value = fma(value, both_a, T::both(c[i]));
    }
    const T other = swapped(value), at_b = fma(both_widths, slope, value);
    const T products = other * at_b, cross = slope * other;
    return {lower(products), upper(products), width * fms(other, slope, upper(cross)), value * at_b};
}

template <class T>
OPTIONSIB_INLINE MillsPair<T> mills_pair(T a, T b, T width) {
    if constexpr (T::width == 1) return mills_pair_of_one(a, b, width);
    const Secant<T> n = secant(mills_numerator, a, b), q = secant(mills_denominator, a, b);
    const T q2 = fma(width, q.slope, q.value), n2 = fma(width, n.slope, n.value);
    return {n.value * q2, n2 * q.value, width * fms(n.value, q.slope, n.slope * q.value), q.value * q2};
}

// B(x) = 1 - x A(x), x >= 0: the slope of the Mills ratio, sign changed.
template <class T>
OPTIONSIB_INLINE T mills_slope(T x) {
    const T bounded = min(T(1e20), x);
    return polynomial(mills_slope_numerator, bounded) / polynomial(mills_slope_denominator, bounded);
}

// exp(-x^2 / 2) / sqrt(2 pi).
template <class T>
OPTIONSIB_INLINE T normal_density(T x) {
    const T bounded = max(T(-64.0), min(T(64.0), x));
    return inverse_sqrt_two_pi * exp_bounded(-0.5 * bounded * bounded);
}

template <class T>
OPTIONSIB_INLINE T normal_cdf(T x) {
    const T tail = normal_density(x) * mills_ratio(abs(x));
    return select(x > 0.0, 1.0 - tail, tail);
}

// exp(x^2) erfc(x), x >= 0.
template <class T>
OPTIONSIB_INLINE T erfcx(T x) {
    return 0.79788456080286535588 * mills_ratio(1.41421356237309504880 * x);
}

}  // namespace OPTIONSIB_LANES
}  // namespace optionsib::simd
