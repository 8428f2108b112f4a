#pragma once

// Without exercise the step over a whole segment is the convolution with its Gaussian, by the trapezoidal
// rule: exact to rounding for values as smooth as the grid, if the Gaussian is wider than its nodes are
// apart. Beyond the ends u is linear in S. Part of cash_dividends_lanes.hpp.

#include "cash_dividends_lanes.hpp"

namespace optionsib::pricing {
inline namespace OPTIONSIB_LANES {

template <class T, int tangents>
T CashDividendGrid<T, tangents>::width_of(const Segment& segment) const {
    const T length = lanes(segment.end) - lanes(segment.start);
    return volatility * sqrt(length) / lanes(segment.step);
}

template <class T, int tangents>
template <class Mask>
void CashDividendGrid<T, tangents>::convolve(const Segment& segment, Mask chosen) {
    const T width = select(chosen, width_of(segment), T(least_width));
    const T inverse = T(1.0) / width;
    double* const weight = extra[0];
    int taps = 0;
    for (int d = 0; d <= nodes; ++d) {
        const T x = T(static_cast<double>(d)) * inverse;
        // Nothing from `reach` on, so that the number of taps has no influence on a lane.
        const T w = select(x <= T(reach), inverse * normal_density(x), T(0.0));
        put(weight, d, w);
        if (bits(w > T(0.0)) != 0) taps = d;
    }
    // Sums of the weights from d on, alone and times exp(z) d nodes up and down.
    put(extra[1], taps + 1, T(0.0));
    put(extra[2], taps + 1, T(0.0));
    put(extra[3], taps + 1, T(0.0));
    for (int d = taps; d > 0; --d) {
        const T x = T(static_cast<double>(d)) * (kind * lanes(segment.step)), w = at(weight, d);
        const T e = exp(x);
        put(extra[1], d, at(extra[1], d + 1) + w);
        put(extra[2], d, fma(w, T(1.0) / e, at(extra[2], d + 1)));
        put(extra[3], d, fma(w, e, at(extra[3], d + 1)));
    }
    for (int f = 0; f < fields; ++f) {
        const T top_slope =
            (at(u[f], nodes) - at(u[f], nodes - 1)) / (at(spots, nodes) - at(spots, nodes - 1));
        const T top_level = fnma(top_slope, at(spots, nodes), at(u[f], nodes));
        const T low_slope = (at(u[f], 0) - at(u[f], 1)) / (at(spots, 0) - at(spots, 1));
        const T low_level = fnma(low_slope, at(spots, 0), at(u[f], 0));
        constexpr int block = 6;
        for (int i = 0; i <= nodes; i += block) {
            T sum[block];
            for (int b = 0; b < block; ++b) sum[b] = T(0.0);
            const int first = i - taps > 0 ? i - taps : 0;
            const int last = i + block - 1 + taps < nodes ? i + block - 1 + taps : nodes;
            const auto add = [&](int j, int ascending) OPTIONSIB_LAMBDA {
                const T here = at(u[f], j);
                const double* const row = weight + ascending * (i - j) * size;
#pragma GCC unroll 6
                for (int b = 0; b < block; ++b)
                    sum[b] = fma(load<T>(row + ascending * b * size), here, sum[b]);
            };
            for (int j = first; j < i; ++j) add(j, 1);
            for (int j = i; j < i + block && j <= last; ++j) {
                const T here = at(u[f], j);
                for (int b = 0; b < block; ++b)
                    sum[b] = fma(at(weight, j > i + b ? j - i - b : i + b - j), here, sum[b]);
            }
            for (int j = i + block; j <= last; ++j) add(j, -1);
            for (int b = 0; b < block && i + b <= nodes; ++b) {
                const int above = nodes - (i + b) + 1, below = i + b + 1;
                const T spot = at(spots, i + b);
                T total = sum[b];
                if (above <= taps) {
                    total = fma(top_level, at(extra[1], above), total);
                    total = fma(top_slope * spot, at(extra[2], above), total);
                }
                if (below <= taps) {
                    total = fma(low_level, at(extra[1], below), total);
                    total = fma(low_slope * spot, at(extra[3], below), total);
                }
                put(v[f], i + b, total);
            }
        }
    }
    for (int f = 0; f < fields; ++f)
        for (int i = 0; i <= nodes; ++i) put(u[f], i, select(chosen, at(v[f], i), at(u[f], i)));
}

}  // namespace OPTIONSIB_LANES
}  // namespace optionsib::pricing
