#pragma once

// American puts on a grid, sharing nothing with the boundary methods: Crank-Nicolson in ln S after four
// implicit half steps, the complementarity problem of every step solved by policy iteration, time steps that
// shrink towards expiry, and Richardson extrapolation of two grids.

#include <algorithm>
#include <cmath>
#include <vector>

namespace american_finite_difference {

struct Put {
    double strike, expiry, rate, yield, volatility;
};

// At the spots that are nodes of the grid: S = spot. The strike is a node for every even `nodes`.
inline double on_grid(const Put& put, double spot, int nodes, int steps) {
    const double width = put.volatility * std::sqrt(put.expiry),
                 drift = std::fabs(put.rate - put.yield) * put.expiry;
    const double away = std::log(spot / put.strike);
    // The grid runs through spot and strike; where they are close, through the strike, and the value is
    // interpolated.
    double h = 2.0 * (6.5 * width + drift + std::fabs(away)) / nodes;
    const double between = std::round(std::fabs(away) / h);
    if (between >= 1.0) h = std::fabs(away) / between;
    const int count = nodes + 1, middle = nodes / 2;
    std::vector<double> S(static_cast<std::size_t>(count)), V, payoff;
    for (int i = 0; i < count; ++i) S[static_cast<std::size_t>(i)] = put.strike * std::exp(h * (i - middle));
    for (const double s : S) payoff.push_back(std::max(put.strike - s, 0.0));
    V = payoff;
    V[static_cast<std::size_t>(middle)] = put.strike * h / 8.0;  // cell average of the kink
    const double v2 = put.volatility * put.volatility, mu = put.rate - put.yield - 0.5 * v2;
    const double a = 0.5 * v2 / (h * h) - 0.5 * mu / h, c = 0.5 * v2 / (h * h) + 0.5 * mu / h,
                 b = -a - c - put.rate;
    const auto n = static_cast<std::size_t>(count);
    std::vector<double> right(n), upper(n), next(n);
    std::vector<char> exercised(n);
    const auto step = [&](double dt, double theta, double tau) {
        for (std::size_t i = 1; i + 1 < n; ++i)
            right[i] = V[i] + (1.0 - theta) * dt * (a * V[i - 1] + b * V[i] + c * V[i + 1]);
        right[0] = std::max(put.strike * std::exp(-put.rate * tau) - S[0] * std::exp(-put.yield * tau),
                            put.strike - S[0]);
        right[n - 1] = 0.0;
        for (std::size_t i = 0; i < n; ++i) exercised[i] = V[i] <= payoff[i] && payoff[i] > 0.0;
        exercised[0] = exercised[n - 1] = 0;
        const double lower = -theta * dt * a, diagonal = 1.0 - theta * dt * b, above = -theta * dt * c;
        for (int policy = 0; policy < 60; ++policy) {
            upper[0] = 0.0;
            next[0] = right[0];
            for (std::size_t i = 1; i + 1 < n; ++i) {
                if (exercised[i] != 0) {
                    upper[i] = 0.0;
                    next[i] = payoff[i];
                } else {
                    const double pivot = diagonal - lower * upper[i - 1];
                    upper[i] = above / pivot;
                    next[i] = (right[i] - lower * next[i - 1]) / pivot;
                }
            }
            next[n - 1] = right[n - 1];
            for (std::size_t i = n - 1; i-- > 0;) next[i] -= upper[i] * next[i + 1];
            bool changed = false;
            for (std::size_t i = 1; i + 1 < n; ++i) {
                const double hold = lower * next[i - 1] + diagonal * next[i] + above * next[i + 1] - right[i];
                const char now = payoff[i] > 0.0 && next[i] - payoff[i] < hold ? 1 : 0;
                changed = changed || now != exercised[i];
                exercised[i] = now;
            }
            if (!changed) break;
        }
        V = next;
    };
    double tau = 0.0;
    for (int j = 1; j <= steps; ++j) {
        const double to = put.expiry * (static_cast<double>(j) / steps) * (static_cast<double>(j) / steps);
        const double dt = to - tau;
        if (j <= 2) {
            step(0.5 * dt, 1.0, tau + 0.5 * dt);
            step(0.5 * dt, 1.0, to);
        } else {
            step(dt, 0.5, to);
        }
        tau = to;
    }
    // Cubic through the four nodes around the spot.
    const double place = away / h + middle;
    const auto left = static_cast<std::size_t>(std::floor(place + 1e-9)) - 1;
    const double x = place - static_cast<double>(left);
    double value = 0.0;
    for (std::size_t k = 0; k < 4; ++k) {
        double weight = 1.0;
        for (std::size_t j = 0; j < 4; ++j)
            if (j != k)
                weight *= (x - static_cast<double>(j)) / (static_cast<double>(k) - static_cast<double>(j));
        value += weight * V[left + k];
    }
    return value;
}

inline double price(const Put& put, double spot, int nodes) {
    const double coarse = on_grid(put, spot, nodes, nodes / 2), fine = on_grid(put, spot, 2 * nodes, nodes);
    return fine + (fine - coarse) / 3.0;
}

}  // namespace american_finite_difference
