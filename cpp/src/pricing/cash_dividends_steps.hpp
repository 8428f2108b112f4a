#pragma once

// Time steps by TR-BDF2 with exercise. Part of cash_dividends_lanes.hpp.

#include "cash_dividends_lanes.hpp"

namespace optionsib::pricing {
inline namespace OPTIONSIB_LANES {

template <class T, int tangents>
auto CashDividendGrid<T, tangents>::ends(const Segment& segment) const -> Ends {
    Ends e;
    const T step = kind * lanes(segment.step);
    const T down = exp(-step), up = exp(step);  // exp(z) of the next node to that of the end
    const T bottom = T(1.0) / (T(1.0) - down), top = T(1.0) / (T(1.0) - up);
    for (int f = 0; f < fields; ++f) {
        e.top[f] = at(u[f], nodes);
        e.bottom[f] = at(u[f], 0);
        e.next[f] = at(u[f], nodes - 1);
        e.top_slope[f] = (e.top[f] - e.next[f]) * top;
        e.next_slope[f] = e.top_slope[f] * up;
        e.bottom_slope[f] = (e.bottom[f] - at(u[f], 1)) * bottom;
    }
    if constexpr (tangents > 0) {
        const T by = step / volatility * by_volatility;
        e.top_slope[1] = fma(e.top_slope[0] * by, up * top, e.top_slope[1]);
        e.next_slope[1] = up * fma(e.top_slope[0], by, e.top_slope[1]);
        e.bottom_slope[1] = fnma(e.bottom_slope[0] * by, down * bottom, e.bottom_slope[1]);
    }
    return e;
}

// `growth` is exp(v^2/2 tau) - 1 since the start, `moved` its derivative by volatility.
template <class T, int tangents>
template <int f>
T CashDividendGrid<T, tangents>::end_value(const T* value, const T* slope, T growth, T moved) const {
    const T sum = fma(slope[f], growth, value[f]);
    if constexpr (f == 1) return fma(slope[0], moved, sum);
    return sum;
}

template <class T, int tangents>
void CashDividendGrid<T, tangents>::end_values(const T* value, const T* slope, T since, T* to) const {
    const T whole = exp(T(0.5) * variance * since), growth = whole - T(1.0),
            moved = volatility * since * whole * by_volatility;
    to[0] = end_value<0>(value, slope, growth, moved);
    if constexpr (tangents > 0) to[1] = end_value<1>(value, slope, growth, moved);
    if constexpr (tangents > 1) {
        to[2] = end_value<2>(value, slope, growth, moved);
        to[3] = end_value<3>(value, slope, growth, moved);
        to[4] = end_value<4>(value, slope, growth, moved);
    }
}

// One step of TR-BDF2 for the lanes in `active`, from time `from` to `from - dt`.
template <class T, int tangents>
template <bool exercise, class Mask>
void CashDividendGrid<T, tangents>::advance(const Segment& segment, const Ends& grid_ends, T from, T dt,
                                            Mask active, bool all) {
    const T step = lanes(segment.step);
    const T lambda = T(0.5 * theta_stage) * variance * dt / (step * step);
    const T root = sqrt(fma(T(4.0), lambda, T(1.0 - 4.0 * mass_side)));
    const T diagonal = T(0.5) * (fma(T(2.0), lambda, T(1.0 - 2.0 * mass_side)) + root);
    const T inverse = T(1.0) / diagonal;
    const T m = (T(mass_side) - lambda) * inverse;
    const T center = fnma(T(2.0), lambda, T(1.0 - 2.0 * mass_side)) * inverse,
            side = (T(mass_side) + lambda) * inverse;
    const T first = fnma(T(gamma_stage), dt, from), last = from - dt;
    const Obstacle middle = obstacle(segment, first), final = obstacle(segment, last);

    // First stage: trapezoidal rule over gamma dt.
    T top[fields], bottom[fields], top_full[fields], bottom_full[fields], next[fields], next_full[fields];
    const T since = lanes(segment.end) - first, since_full = lanes(segment.end) - last;
    end_values(grid_ends.top, grid_ends.top_slope, since, top);
    end_values(grid_ends.top, grid_ends.top_slope, since_full, top_full);
    end_values(grid_ends.next, grid_ends.next_slope, since, next);
    end_values(grid_ends.next, grid_ends.next_slope, since_full, next_full);
    end_values(grid_ends.bottom, grid_ends.bottom_slope, since, bottom);
    end_values(grid_ends.bottom, grid_ends.bottom_slope, since_full, bottom_full);
    for (int f = 0; f < fields; ++f) {
        T right = at(u[f], nodes), here = at(u[f], nodes - 1);
        T down = fma(m, next[f], top[f]);
        put(v[f], nodes, top[f]);
        for (int i = nodes - 1; i > 0; --i) {
            const T left = at(u[f], i - 1);
            down = fnma(m, down, fma(center, here, side * (left + right)));
            put(y[f], i, down);
            right = here;
            here = left;
        }
    }
    substitute<exercise>(v, bottom, m, middle, step);

    // Second stage: BDF2.
    for (int f = 0; f < fields; ++f) {
        const T middle_weight = T(1.0 - 2.0 * mass_side) * inverse, side_weight = T(mass_side) * inverse;
        T right = stage_first * at(v[f], nodes) - stage_start * at(u[f], nodes);
        T here = stage_first * at(v[f], nodes - 1) - stage_start * at(u[f], nodes - 1);
        T down = fma(m, next_full[f], top_full[f]);
        for (int i = nodes - 1; i > 0; --i) {
            const T left = fms(T(stage_first), at(v[f], i - 1), stage_start * at(u[f], i - 1));
            down = fnma(m, down, fma(middle_weight, here, side_weight * (left + right)));
            put(y[f], i, down);
            right = here;
            here = left;
        }
    }
    if (all) {
        for (int f = 0; f < fields; ++f) put(u[f], nodes, top_full[f]);
        substitute<exercise>(u, bottom_full, m, final, step);
    } else {
        for (int f = 0; f < fields; ++f) put(v[f], nodes, top_full[f]);
        substitute<exercise>(v, bottom_full, m, final, step);
        for (int f = 0; f < fields; ++f)
            for (int i = 0; i <= nodes; ++i) put(u[f], i, select(active, at(v[f], i), at(u[f], i)));
    }
}

template <class T, int tangents>
template <bool exercise>
void CashDividendGrid<T, tangents>::substitute(double* const* to, const T* bottom, T m, const Obstacle& o,
                                               T step) {
    T previous[fields];
    for (int f = 0; f < fields; ++f) previous[f] = bottom[f];
    auto before = m > T(1.0);  // whether the node before is exercised: no
    const T curvature = T(2.0) * step * step / variance;
    for (int i = 0; i < nodes; ++i) {
        T next[fields];
        for (int f = 0; f < fields; ++f) next[f] = i == 0 ? bottom[f] : fnma(m, previous[f], at(y[f], i));
        if constexpr (exercise) {
            const T spot = at(spots, i), g = value(o, spot);
            if constexpr (tangents > 0) {
                T slope[fields];
                slope[1] = derivative<1>(o, spot, i);
                if constexpr (tangents > 1) {
                    slope[2] = derivative<2>(o, spot, i);
                    slope[3] = derivative<3>(o, spot, i);
                    slope[4] = derivative<4>(o, spot, i);
                }
                const auto held = next[0] > g;
                const auto first = held & before;
                if (bits(first) != 0) [[unlikely]] {
                    // The boundary lies `share` nodes beyond the last exercised one, -1/2..1/2: by the
                    // parabola of the discrete u - g, whose second difference the equation gives. A
                    // tangent meets that of g there, not at the node.
                    const T bend = curvature * fms(yield * o.weight, spot, rate * o.amount);
                    const T share = max(min(T(0.5) - (next[0] - g) / bend, T(0.5)), T(-0.5));
                    const T ghost = m * (share / (T(1.0) - share));
                    const auto moved = first & (bend > T(0.0));
                    for (int f = 1; f < fields; ++f)
                        next[f] = select(moved, fnma(ghost, slope[f], next[f]) / (T(1.0) - ghost), next[f]);
                }
                for (int f = 1; f < fields; ++f) next[f] = select(held, next[f], slope[f]);
                before = !held;
            }
            next[0] = max(g, next[0]);
        }
        for (int f = 0; f < fields; ++f) {
            put(to[f], i, next[f]);
            previous[f] = next[f];
        }
    }
}

// All the time steps of a segment.
template <class T, int tangents>
template <bool exercise>
void CashDividendGrid<T, tangents>::step_through(const Segment& segment, T in_segment, int most) {
    const T start_time = lanes(segment.start), length = lanes(segment.end) - start_time;
    const T count = in_segment, inverse = T(1.0) / max(count, T(1.0));
    constexpr std::uint64_t every = ~std::uint64_t{0} >> (64 - size);
    const Ends grid_ends = ends(segment);
    for (int s = 0; s < most; ++s) {
        const T x0 = min(T(static_cast<double>(s)) * inverse, T(1.0));
        const T x1 = min(T(static_cast<double>(s + 1)) * inverse, T(1.0));
        // Finer towards the later end, where the values are least smooth.
        const T from = lanes(segment.end) - length * grade(x0), to = lanes(segment.end) - length * grade(x1);
        const auto active = T(static_cast<double>(s)) < count;
        advance<exercise>(segment, grid_ends, from, from - to, active, bits(active) == every);
    }
}

}  // namespace OPTIONSIB_LANES
}  // namespace optionsib::pricing
