#pragma once

// Price and Greeks of European options on registers, for ordinary inputs (see `ordinary`); everything else
// is the business of european_edge.cpp. Formulas and bounds: european.hpp.
//
// The out-of-the-money side is worked out first, in units of the smaller of the discounted forward and
// strike. With h = -|x|/s, t = s/2, d1 = h + t, d2 = h - t its value is n(d1) [A(-d1) - A(-d2)], whose
// bracket comes from divided differences (mills_pair) and so keeps its accuracy for every s. Where d1 > 0
// and t > 1/4 the value is above a fifth and 1 - n(d1) [A(d1) + A(-d2)] is accurate.

#include "optionsib/math/simd/functions.hpp"

namespace optionsib::pricing {
inline namespace OPTIONSIB_LANES {

using namespace simd;  // NOLINT: the kernels speak the language of the lanes

// bsm; black76 and displaced (spot is the forward, carried at the rate); bachelier.
enum class Family { spot, forward, normal };

template <class T>
struct Inputs {
    T kind, spot, strike, expiry, rate, yield, volatility;
};

// Where the Greeks stand in every result (the order of `Greek`).
enum Position {
    at_price,
    at_delta,
    at_gamma,
    at_vega,
    at_theta,
    at_rho,
    at_epsilon,
    at_dual_delta,
    at_dual_gamma,
    at_vanna,
    at_volga,
    at_charm,
    at_veta,
    at_speed,
    at_zomma,
    at_color,
    at_ultima,
};

inline constexpr double largest_ordinary = 0x1p300, largest_ordinary_time = 0x1p100;

// The lanes `evaluate` is right for. NaN is in none of the ranges.
template <Family family, class T>
OPTIONSIB_INLINE typename T::Boolean ordinary(const Inputs<T>& in) {
    constexpr double large = largest_ordinary, small = 1.0 / largest_ordinary;
    constexpr double long_time = largest_ordinary_time, short_time = 1.0 / largest_ordinary_time;
    const T s = in.volatility * sqrt(in.expiry);
    // The sum of squares holds both exponents of the discount factors below 600 in size.
    const T discount = in.rate * in.expiry;
    T exponents = discount * discount;
    if constexpr (family == Family::spot) {
        const T growth = in.yield * in.expiry;
        exponents = fma(growth, growth, exponents);
    }
    const auto good = (in.kind * in.kind == 1.0) & (in.expiry > short_time) & (in.expiry < long_time) &
                      (exponents < 360000.0);
    if constexpr (family == Family::normal)
        return good & (s > small) & (s < large) & (abs(in.spot) < large) & (abs(in.strike) < large);
    return good & (s > short_time) & (s < long_time) & (in.spot > small) & (in.spot < large) &
           (in.strike > small) & (in.strike < large);
}

// Beyond +-64 densities are 0 and distribution functions 0 or 1.
inline constexpr double largest_argument = 64.0;

template <Family family, int order, class T, class Put>
OPTIONSIB_INLINE void evaluate_lognormal(const Inputs<T>& in, const Put& put) {
    constexpr bool carried = family == Family::spot;
    const T root = sqrt(in.expiry), s = in.volatility * root, inverse_s = 1.0 / s;
    const T drift = carried ? in.rate - in.yield : T(0.0);
    T discount, growth;
    if constexpr (carried) {
        const Two<T> factors = exp_bounded(-in.rate * in.expiry, -in.yield * in.expiry);
        discount = factors.first;
        growth = factors.second;
    } else {
        discount = growth = exp_bounded(-in.rate * in.expiry);
    }
    const T spot = in.spot * growth, strike = in.strike * discount;
    T x = log_ratio(in.spot, in.strike);
    if constexpr (carried) x = fma(drift, in.expiry, x);

    // distance = -h, so that near = d1 and rest = -d2.
    const T distance = min(abs(x) * inverse_s, largest_argument), t = min(0.5 * s, largest_argument);
    const T near = t - distance, rest = t + distance;
    const auto beyond = (near > 0.0) & (t > 0.25);
    const T half = select(beyond, distance, t);
    const MillsPair<T> mills = mills_pair(select(beyond, near, distance - t), rest, half + half);
    const T low = min(spot, strike);
    const T density = low * (inverse_sqrt_two_pi * exp_bounded(-0.5 * near * near));
    const T unit = density / mills.denominator;
    const T tail = unit * select(beyond, mills.first + mills.second, mills.difference);
    const T time_value = select(beyond, low - tail, tail);
    const T intrinsic = max(flip_sign(spot - strike, in.kind), 0.0);
    const T value = min(intrinsic + time_value, select(in.kind > 0.0, spot, strike));
    put(at_price, value);
    if constexpr (order == 0) return;

    // The two terms of the price, spot N(w d1) and strike N(w d2), first for the side out of the money.
    const T near_tail = unit * mills.first, far_term = unit * mills.second;
    const T near_term = select(beyond, low - near_tail, near_tail);
    const auto high = x > 0.0;
    const auto inside = high ^ (in.kind < 0.0);
    const T outside1 = select(high, far_term, near_term), outside2 = select(high, near_term, far_term);
    const T term1 = select(inside, spot - outside1, outside1);
    const T term2 = select(inside, strike - outside2, outside2);
    const T signed1 = flip_sign(term1, in.kind), signed2 = flip_sign(term2, in.kind);

    // density = spot n(d1) = strike n(d2).
    const T inverse_spot = reciprocal(in.spot);
    const T per_spot = density * inverse_spot;
    const T gamma = per_spot * inverse_s * inverse_spot;
    const T vega = density * root;
    const T inverse_root = in.volatility * inverse_s;
    const T yield = carried ? in.yield : in.rate;
    put(at_delta, signed1 * inverse_spot);
    put(at_gamma, gamma);
    put(at_vega, vega);
    put(at_theta,
        fnma(0.5 * (density * in.volatility), inverse_root, fms(yield, signed1, in.rate * signed2)));
    put(at_rho, (carried ? signed2 : -value) * in.expiry);
    put(at_epsilon, carried ? -in.expiry * signed1 : T(0.0));
    if (put.wants(at_dual_delta) || put.wants(at_dual_gamma)) {
        const T inverse_strike = reciprocal(in.strike);
        put(at_dual_delta, -signed2 * inverse_strike);
        put(at_dual_gamma, density * inverse_strike * inverse_s * inverse_strike);
    }
    if constexpr (order == 1) return;

    const T d1 = select(high, rest, near), d2 = select(high, -near, -rest);
    const T inverse_vol = root * inverse_s;
    const T half_rate = 0.5 * (inverse_root * inverse_root);  // 1 / (2 T)
    const T product = d1 * d2;
    const T slope = fnma(d2, half_rate, drift * inverse_s);  // of d1 in T
    // Grouped so that what is 0 on its way to the limits is never multiplied by infinity.
    put(at_vanna, -per_spot * (inverse_vol * d2));
    put(at_volga, vega * (inverse_vol * product));
    put(at_charm, fms(yield, signed1, density * slope) * inverse_spot);
    put(at_veta, vega * fnma(1.0 + product, half_rate, fma(drift * inverse_s, d1, yield)));
    if constexpr (order == 2) return;

    put(at_speed, -(gamma * inverse_spot) * fma(d1, inverse_s, 1.0));
    put(at_zomma, gamma * (inverse_vol * (product - 1.0)));
    put(at_color, gamma * (yield + fma(d1, slope, half_rate)));
    const T squares = fma(d1, d1, d2 * d2);
    put(at_ultima, -(vega * inverse_vol) * (inverse_vol * fma(product, 1.0 - product, squares)));
}

// d = (F - K) / s; out of the money D s n(d) [1 - |d| A(|d|)].
template <int order, class T, class Put>
OPTIONSIB_INLINE void evaluate_normal(const Inputs<T>& in, const Put& put) {
    const T root = sqrt(in.expiry), s = in.volatility * root, inverse_s = reciprocal(s);
    const T discount = exp_bounded(-in.rate * in.expiry);
    const T difference = in.spot - in.strike;
    const T d = max(min(difference * inverse_s, largest_argument), -largest_argument), distance = abs(d);
    const T density = discount * (inverse_sqrt_two_pi * exp_bounded(-0.5 * d * d));
    const T time_value = s * density * mills_slope(distance);
    const T value = max(flip_sign(discount * difference, in.kind), 0.0) + time_value;
    put(at_price, value);
    if constexpr (order == 0) return;

    const T tail = density * mills_ratio(distance);
    const auto inside = flip_sign(d, in.kind) > 0.0;
    const T delta = flip_sign(select(inside, discount - tail, tail), in.kind);
    const T gamma = density * inverse_s, vega = density * root;
    const T inverse_root = in.volatility * inverse_s;
    put(at_delta, delta);
    put(at_gamma, gamma);
    put(at_vega, vega);
    put(at_theta, fnma(0.5 * (density * in.volatility), inverse_root, in.rate * value));
    put(at_rho, -in.expiry * value);
    put(at_epsilon, T(0.0));
    put(at_dual_delta, -delta);
    put(at_dual_gamma, gamma);
    if constexpr (order == 1) return;

    const T inverse_vol = root * inverse_s;
    const T half_rate = 0.5 * (inverse_root * inverse_root);  // 1 / (2 T)
    const T square = d * d;
    put(at_vanna, -density * (inverse_vol * d));
    put(at_volga, vega * (inverse_vol * square));
    put(at_charm, fma(in.rate, delta, density * (d * half_rate)));
    put(at_veta, vega * fnma(1.0 + square, half_rate, in.rate));
    if constexpr (order == 2) return;

    put(at_speed, -(gamma * inverse_s) * d);
    put(at_zomma, gamma * (inverse_vol * (square - 1.0)));
    put(at_color, gamma * fma(1.0 - square, half_rate, in.rate));
    put(at_ultima, vega * inverse_vol * (inverse_vol * (square * (square - 3.0))));
}

// For a single option: every value to its place.
struct PutOne {
    double* values;

    OPTIONSIB_INLINE bool wants(int) const { return true; }
    OPTIONSIB_INLINE void operator()(int position, One value) const { values[position] = first(value); }
};

// Calls put(position, value) for the price and the Greeks up to `order` (0: the price alone).
template <Family family, int order, class T, class Put>
OPTIONSIB_INLINE void evaluate(const Inputs<T>& in, const Put& put) {
    if constexpr (family == Family::normal)
        evaluate_normal<order>(in, put);
    else
        evaluate_lognormal<family, order>(in, put);
}

}  // namespace OPTIONSIB_LANES
}  // namespace optionsib::pricing
