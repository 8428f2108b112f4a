#pragma once

// The better of holding and exercise on a grid, and its kink. Part of cash_dividends_lanes.hpp.

#include "cash_dividends_lanes.hpp"

namespace optionsib::pricing {
inline namespace OPTIONSIB_LANES {

// u = max(hold, exercise) for the lanes in `chosen`, from hold in v and hold - exercise in y[0].
template <class T, int tangents>
template <class Mask>
void CashDividendGrid<T, tangents>::maximum(const Obstacle& o, const double* grid, Mask chosen) {
    for (int i = 0; i <= nodes; ++i) {
        const T spot = at(grid, i);
        const auto exercised = chosen & (at(y[0], i) <= T(0.0));
        put(u[0], i, select(exercised, value(o, spot), at(v[0], i)));
        if constexpr (tangents > 0) put(u[1], i, select(exercised, derivative<1>(o, spot, i), at(v[1], i)));
        if constexpr (tangents > 1) {
            put(u[2], i, select(exercised, derivative<2>(o, spot, i), at(v[2], i)));
            put(u[3], i, select(exercised, derivative<3>(o, spot, i), at(v[3], i)));
            put(u[4], i, select(exercised, derivative<4>(o, spot, i), at(v[4], i)));
        }
    }
    // The differences of the tangents, for their kinks.
    if constexpr (tangents > 0)
        for (int i = 0; i <= nodes; ++i) {
            const T spot = at(grid, i);
            put(y[1], i, at(v[1], i) - derivative<1>(o, spot, i));
            if constexpr (tangents > 1) {
                put(y[2], i, at(v[2], i) - derivative<2>(o, spot, i));
                put(y[3], i, at(v[3], i) - derivative<3>(o, spot, i));
                put(y[4], i, at(v[4], i) - derivative<4>(o, spot, i));
            }
        }
    const std::uint64_t wanted = bits(chosen);
    for (int i = 1; i < nodes - 1; ++i) {
        const std::uint64_t here = bits(at(y[0], i) > T(0.0)), next = bits(at(y[0], i + 1) > T(0.0));
        std::uint64_t changed = (here ^ next) & wanted;
        while (changed != 0) [[unlikely]] {
            smooth(i, __builtin_ctzll(changed));
            changed &= changed - 1;
        }
    }
}

// One lane's kink between nodes i and i + 1.
template <class T, int tangents>
void CashDividendGrid<T, tangents>::smooth(int i, int lane) {
    const auto node = [&](int field, int j) { return y[field][(i + j) * size + lane]; };
    // The cubic through four nodes, in powers of the distance from node i.
    double c[4];
    cubic(node(0, -1), node(0, 0), node(0, 1), node(0, 2), c);
    double root = c[0] / (c[0] - node(0, 1));
    for (int k = 0; k < 4; ++k) {
        const double f = c[0] + root * (c[1] + root * (c[2] + root * c[3]));
        const double slope = c[1] + root * (2.0 * c[2] + root * 3.0 * c[3]);
        const double next = root - f / slope;
        if (!(next >= 0.0 && next <= 1.0)) break;
        root = next;
    }
    const double slope = c[1] + root * (2.0 * c[2] + root * 3.0 * c[3]);
    const double curve = 2.0 * c[2] + 6.0 * root * c[3];
    // The larger of two is the smaller plus a ramp in the direction of its growth.
    const double side = slope > 0.0 ? 1.0 : -1.0;
    const double ramp = slope * side, bend = curve;
    double jump[fields], tilt[fields];
    for (int f = 1; f < fields; ++f) {
        double t[4];
        cubic(node(f, -1), node(f, 0), node(f, 1), node(f, 2), t);
        jump[f] = t[0] + root * (t[1] + root * (t[2] + root * t[3]));
        tilt[f] = (t[1] + root * (2.0 * t[2] + root * 3.0 * t[3])) * side;
    }
    for (int j = -3; j <= 4; ++j) {
        if (i + j < 0 || i + j > nodes) continue;
        const Reals x((j - root) * side);
        const Reals first = smoothed_kink<1>(x), second = smoothed_kink<2>(x), zeroth = smoothed_kink<0>(x);
        double lanes_first[Reals::width], lanes_second[Reals::width], lanes_zeroth[Reals::width];
        store(lanes_first, first);
        store(lanes_second, second);
        store(lanes_zeroth, zeroth);
        const int place = (i + j) * size + lane;
        u[0][place] += ramp * lanes_first[0] + bend * lanes_second[0];
        for (int f = 1; f < fields; ++f) u[f][place] += jump[f] * lanes_zeroth[0] + tilt[f] * lanes_first[0];
    }
}

template <class T, int tangents>
void CashDividendGrid<T, tangents>::cubic(double before, double here, double next, double last, double* c) {
    c[0] = here;
    c[2] = 0.5 * (next + before) - here;
    c[3] = (last - before) / 6.0 - 0.5 * (next - here);
    c[1] = next - here - c[2] - c[3];
}

// The value at expiry, for the lanes whose last segment this is.
template <class T, int tangents>
template <class Mask>
void CashDividendGrid<T, tangents>::start(const Segment& segment, Mask begins) {
    const Obstacle o = obstacle(segment, expiry);
    for (int f = 0; f < fields; ++f)
        for (int i = 0; i <= nodes; ++i) put(v[f], i, select(begins, T(0.0), at(u[f], i)));
    for (int i = 0; i <= nodes; ++i) put(y[0], i, -value(o, at(spots, i)));
    maximum(o, spots, begins);
}

}  // namespace OPTIONSIB_LANES
}  // namespace optionsib::pricing
