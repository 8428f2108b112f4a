#pragma once

// Across an ex-date, from one grid to the next. Part of cash_dividends_lanes.hpp.

#include "cash_dividends_lanes.hpp"

namespace optionsib::pricing {
inline namespace OPTIONSIB_LANES {

// European value after the last ex-date, undiscounted, at `spot` and `tau` before expiry, and its
// derivatives; weights of the derivative through the spot in `slope`.
template <class T, int tangents>
void CashDividendGrid<T, tangents>::black_scholes(T spot, T tau, T spacing, T* result, T& slope) const {
    const T growth = exp((rate - yield) * tau), forward = spot * growth;
    const T s = max(volatility * sqrt(tau), T(1e-10));
    const T d1 = log(max(forward / strike, T(1e-280))) / s + T(0.5) * s, d2 = d1 - s;
    const T n1 = normal_cdf(kind * d1), n2 = normal_cdf(kind * d2);
    result[0] = kind * (forward * n1 - strike * n2);
    slope = kind * growth * n1;
    if constexpr (tangents > 0)
        result[1] = fma(forward * normal_density(d1) * sqrt(tau), by_volatility, -kind * n2 * by_strike);
    if constexpr (tangents > 1) {
        result[2] = tau * kind * forward * n1;
        result[3] = -result[2];
        result[4] = -kind * n2;
    }
    // The kink lies between nodes: its smoothed value, and what the variance adds.
    const auto sharp = (s < T(0.5) * spacing) & (spacing < T(0.3));
    if (bits(sharp) == 0) return;
    const T x = log(max(forward / strike, T(1e-280))) / spacing * kind, width = s / spacing;
    const T unit = strike * spacing, square = width * width;
    const T kernel = kernel_of(x);
    const T time_value = fma(T(0.5) * square, kernel, T(0.125) * square * square * kernel_curve(x));
    const T ramp = smoothed_kink<1>(x) + kind * spacing * smoothed_kink<2>(x);
    const T payoff = fma(unit, ramp + time_value, max(kind * (forward - strike), T(0.0)));
    const T share = kind * (select(x > T(0.0), T(1.0), T(0.0)) + smoothed_kink<0>(x));
    // A call is exercised before the dividend: what is left is nothing, and max(0, exercise) has the
    // kink.
    const auto nothing = (kind > T(0.0)) & (T(group.american ? 1.0 : 0.0) > T(0.0));
    const auto put_in = [&](int field, T smoothed) OPTIONSIB_LAMBDA {
        result[field] = select(sharp, select(nothing, T(0.0), smoothed), result[field]);
    };
    put_in(0, payoff);
    slope = select(sharp, select(nothing, T(0.0), growth * share), slope);
    const T by_strike_alone = (payoff - forward * share) / strike;
    if constexpr (tangents > 0)
        put_in(1, fma(strike * width * kernel * sqrt(tau), by_volatility, by_strike_alone * by_strike));
    if constexpr (tangents > 1) {
        put_in(2, tau * forward * share);
        put_in(3, -tau * forward * share);
        put_in(4, by_strike_alone);
    }
}

// Across the ex-date at the start of segment k, to the grid of segment k - 1, for the lanes that have it.
template <class T, int tangents>
template <class Mask>
void CashDividendGrid<T, tangents>::cross(int k, Mask crosses, Mask closed, bool exercise) {
    const Segment &after = group.segment[k], &before = group.segment[k - 1];
    const T time = lanes(after.start), own = time - lanes(before.start), tau = expiry - time;
    const T drift = exp(mu * own), amount = group.escrowed ? T(0.0) : lanes(after.amount);
    const T center = lanes(after.center), step = -kind * lanes(after.step), inverse = T(1.0) / step;
    const double last = nodes;
    lay(before, other);
    const bool any_closed = bits(closed) != 0, any_open = bits(crosses & (!closed)) != 0;
    // The value of a spot of nothing.
    const T zero =
        select(kind < T(0.0), group.american ? strike * max(exp(rate * tau), T(1.0)) : strike, T(0.0));
    const T edge0 = at(spots, 0), edge1 = at(spots, nodes);
    // Of ln(post) about the strike, where the values after have their kink.
    const T kink = strike * exp((yield - rate) * tau);
    const T spacing = lanes(before.step) * (T(1.0) + amount / kink);
    for (int i = 0; i <= nodes; ++i) {
        const T pre = at(other, i) * drift, post = pre - amount;
        const auto alive = post > pre * T(1e-9);
        const T spot = select(alive, post, pre * T(1e-9));
        // d ln(post) for a change of ln(pre)
        const T lever = pre / spot;
        const T distance = T(static_cast<double>(i - half)) * (-kind * lanes(before.step));
        T hold[fields] = {}, exact[fields], slope(0.0);
        if (any_open) {
            const T z = log(spot);
            const T x = fma(z - center, inverse, T(static_cast<double>(half)));
            interpolate(x, spot, hold, slope, edge0, edge1, zero, last);
            if constexpr (tangents > 0) {
                // Through the place on the grid; slope is d/dz.
                hold[1] = fma(slope,
                              by_volatility * fma(lever, distance / volatility - volatility * own,
                                                  -(z - center) / volatility),
                              hold[1]);
                if constexpr (tangents > 1) {
                    const T by = slope * lever * own;
                    hold[2] = hold[2] + by;
                    hold[3] = hold[3] - by;
                }
            }
        }
        if (any_closed) {
            T by;
            black_scholes(spot, tau, spacing, exact, by);
            if constexpr (tangents > 0) {
                const T moved = by * pre;
                exact[1] = fma(moved * by_volatility, distance / volatility - volatility * own, exact[1]);
                if constexpr (tangents > 1) {
                    exact[2] = fma(moved, own, exact[2]);
                    exact[3] = fnma(moved, own, exact[3]);
                }
            }
            for (int f = 0; f < fields; ++f)
                hold[f] = any_open ? select(closed, exact[f], hold[f]) : exact[f];
        }
        hold[0] = select(alive, hold[0], zero);
        if constexpr (tangents > 0) hold[1] = select(alive, hold[1], zero / strike * by_strike);
        if constexpr (tangents > 1) {
            hold[2] =
                select(alive, hold[2], group.american ? select(rate > T(0.0), zero * tau, T(0.0)) : T(0.0));
            hold[3] = select(alive, hold[3], T(0.0));
            hold[4] = select(alive, hold[4], zero / strike);
        }
        for (int f = 0; f < fields; ++f) put(v[f], i, hold[f]);
    }
    exercise_before(k, crosses, exercise, other);
    double* const used = spots;
    if (bits(crosses) == (~std::uint64_t{0} >> (64 - size))) {
        spots = other;
        other = used;
    } else {
        for (int i = 0; i <= nodes; ++i) put(spots, i, select(crosses, at(other, i), at(spots, i)));
    }
}

// u of the lanes that cross from the values of holding in v, all nodes of the grid before the ex-date.
template <class T, int tangents>
template <class Mask>
void CashDividendGrid<T, tangents>::exercise_before(int k, Mask crosses, bool exercise, const double* grid) {
    const Segment &after = group.segment[k], &before = group.segment[k - 1];
    const Obstacle o = before_dividend(before, after);
    if (group.record != nullptr || exercise)
        for (int i = 0; i <= nodes; ++i) put(y[0], i, at(v[0], i) - value(o, at(grid, i)));
    if (group.record != nullptr) {
        double* to = group.record + static_cast<std::ptrdiff_t>(k) * (nodes + 1) * most_lanes;
        for (int i = 0; i <= nodes; ++i) store(to + i * most_lanes, at(y[0], i));
    }
    for (int f = 0; f < fields; ++f)
        for (int i = 0; i <= nodes; ++i) put(v[f], i, select(crosses, at(v[f], i), at(u[f], i)));
    if (exercise)
        maximum(o, grid, crosses);
    else
        for (int f = 0; f < fields; ++f)
            for (int i = 0; i <= nodes; ++i) put(u[f], i, at(v[f], i));
}

// The exercise value just before an ex-date.
template <class T, int tangents>
auto CashDividendGrid<T, tangents>::before_dividend(const Segment& before, const Segment& after) const
    -> Obstacle {
    const T time = lanes(after.start);
    T present(0.0), times(0.0);
    if (group.escrowed) {
        present = lanes(after.present) + lanes(after.amount);
        times = lanes(after.present_times);
    }
    return obstacle(before, time - lanes(before.start), expiry - time, present, times);
}

// Quintic, by six nodes; beyond the grid linear in S. `slope` is d/dz of the price.
template <class T, int tangents>
void CashDividendGrid<T, tangents>::interpolate(T x, T spot, T* hold, T& slope, T edge0, T edge1, T zero,
                                                double last) const {
    const T base = min(max(round(x - T(2.5)), T(0.0)), T(last - 5.0));
    const T p = x - base;
    const T p0 = p, p1 = p - T(1.0), p2 = p - T(2.0), p3 = p - T(3.0), p4 = p - T(4.0), p5 = p - T(5.0);
    const T p01 = p0 * p1, p23 = p2 * p3, p45 = p4 * p5;
    T w[6];
    w[0] = p1 * p23 * p45 * T(-1.0 / 120);
    w[1] = p0 * p23 * p45 * T(1.0 / 24);
    w[2] = p01 * p3 * p45 * T(-1.0 / 12);
    w[3] = p01 * p2 * p45 * T(1.0 / 12);
    w[4] = p01 * p23 * p5 * T(-1.0 / 24);
    w[5] = p01 * p23 * p4 * T(1.0 / 120);
    const T index = fma(base, T(static_cast<double>(size)), lane_number);
    const auto low = x<T(0.0), high = x> T(last);
    const auto up = kind > T(0.0);  // node 0 is the highest spot
    const T first_beyond = edge0, last_beyond = edge1;
    for (int f = 0; f < fields; ++f) {
        T sum(0.0);
        T node[6];
#pragma GCC unroll 6
        for (int j = 0; j < 6; ++j) {
            node[j] = gather(u[f] + j * size, index);
            sum = fma(w[j], node[j], sum);
        }
        if (f == 0 && tangents > 0) slope = quintic_slope(p, node) / (-kind * after_step);
        // Linear in S through the two last nodes above, to the value of a spot of nothing below.
        const T e0 = at(u[f], 0), e1 = at(u[f], 1), n0 = at(u[f], nodes), n1 = at(u[f], nodes - 1);
        const T nothing = f == 0   ? zero
                          : f == 4 ? zero / strike
                          : f == 1 ? zero / strike * by_strike
                                   : T(0.0);
        const T highest = select(up, e0, n0), next = select(up, e1, n1);
        const T highest_spot = select(up, first_beyond, last_beyond);
        const T next_spot = select(up, at(spots, 1), at(spots, nodes - 1));
        const T above = fma((highest - next) / (highest_spot - next_spot), spot - highest_spot, highest);
        const T lowest = select(up, n0, e0), lowest_spot = select(up, last_beyond, first_beyond);
        const T below = fma((lowest - nothing) / lowest_spot, spot, nothing);
        const auto is_above = (up & low) | ((!up) & high), is_below = (up & high) | ((!up) & low);
        hold[f] = select(is_above, above, select(is_below, below, sum));
    }
}

template <class T, int tangents>
T CashDividendGrid<T, tangents>::quintic_slope(T p, const T* node) const {
    // Derivative of the interpolant by differences of the nodes, Newton form.
    T d[6];
    for (int j = 0; j < 6; ++j) d[j] = node[j];
    for (int order = 1; order < 6; ++order)
        for (int j = 5; j >= order; --j) d[j] = (d[j] - d[j - 1]) * T(1.0 / order);
    T sum = d[5], derivative(0.0);
    for (int j = 4; j >= 0; --j) {
        derivative = fma(derivative, p - T(static_cast<double>(j)), sum);
        sum = fma(sum, p - T(static_cast<double>(j)), d[j]);
    }
    return derivative;
}

}  // namespace OPTIONSIB_LANES
}  // namespace optionsib::pricing
