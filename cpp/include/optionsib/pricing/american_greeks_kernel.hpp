#pragma once

// What an American option's premium does when its inputs move, on registers, from one solved boundary
// (american_kernel.hpp). In units of the put's strike the premium is f(ln(S / K), R, Q, s) with R = rT, Q =
// qT, s = v sqrt(T), so that its three slopes and the spot's give every Greek of order 1, theta too:
//   T V_T = R V_R + Q V_Q + s V_s / 2.
// Gamma follows from the pricing equation: in its own integral the densities over the square of the remaining
// time peak ever more sharply as the spot nears the boundary, and a fixed quadrature loses it there.
//
// The boundary moves with R, Q and s. Differentiating its equation G = ln b(0+) - ln(N / D) at every node
// gives a linear system with the matrix of Newton's method,
//   M dG = d ln b(0+) - d ln(N / D) with the boundary held,
// and the premium needs of its solution the sum a dG alone: the system is solved once, transposed, for a.
// With N = b D the slopes of ln(N / D) are (dN - b dD) / N, in which the European terms' densities cancel.

#include "optionsib/pricing/american_kernel.hpp"

namespace optionsib::pricing {
inline namespace OPTIONSIB_LANES {

template <class T>
struct PremiumSlopes {
    T price;
    T spot;                     // by ln S
    T rate, yield, volatility;  // by R, Q, s
};

template <Tier tier>
OPTIONSIB_INLINE const auto& boundary_grid(const AmericanGrids& grids) {
    if constexpr (tier == Tier::fast)
        return grids.fast;
    else if constexpr (tier == Tier::accurate)
        return grids.accurate;
    else
        return grids.high;
}

// The premium with the boundary held, and what it owes to the boundary: `limit` by ln b(0+), `node` by G.
template <class T, int L>
struct HeldPremium {
    PremiumSlopes<T> slopes;
    T limit;
    T node[L];
};

template <class T, class F, int L, int P, bool squares>
OPTIONSIB_INLINE void held_premium(const PremiumGrid<F, L, P>& grid,
                                   const AmericanBoundary<T, L, squares>& boundary, HeldPremium<T, L>& held) {
    const AmericanPut<T>& put = boundary.put;
    PremiumSlopes<T> sum{T(0.0), T(0.0), T(0.0), T(0.0), T(0.0)};
    T limit = 0.0;
    for (int j = 0; j < L; ++j) held.node[j] = 0.0;
    const T distance = put.log_spot - put.log_limit;
    const T spot = exp_bounded(max(T(-700.0), min(T(700.0), put.log_spot)));
    for (int k = 0; k < P; ++k) {
        T value = T(grid.boundary[k][0]) * boundary.values[0];
        for (int j = 1; j < L; ++j) value = fma(T(grid.boundary[k][j]), boundary.values[j], value);
        const T there = boundary.depth(value);
        const T root = T(grid.sine[k]), part = T(grid.sine[k] * grid.sine[k]), weight = T(grid.weight[k]);
        const T r = put.discount_exponent * part, q = put.growth_exponent * part;
        const T held_strike = exp_bounded(r), held_spot = spot * exp_bounded(q);
        const T sharpness = put.inverse_total * T(grid.inverse_sine[k]);
        const T d_minus = fma(distance + there, sharpness, put.drift * root);
        const T d_plus = fma(put.total, root, d_minus);
        const Distribution<T> minus = normal_distribution(-d_minus), plus = normal_distribution(-d_plus);
        // As american_premium adds them up, so that the prices agree to the last bit.
        const T of_strike = -put.discount_exponent * weight * held_strike;
        const T of_spot = -put.growth_exponent * weight * spot * exp_bounded(q);
        sum.price = fnma(of_spot, plus.cumulative, fma(of_strike, minus.cumulative, sum.price));
        const T gain = inverse_sqrt_two_pi * (of_strike * minus.density);
        const T loss = inverse_sqrt_two_pi * (of_spot * plus.density);
        const T net = gain - loss, slope = net * sharpness;
        sum.spot = sum.spot - fma(of_spot, plus.cumulative, slope);
        sum.volatility = fma(gain, d_plus, fnma(loss, d_minus, sum.volatility));
        const T carry = net * (root * put.inverse_total);
        sum.rate = fma(weight * held_strike * (1.0 + r), minus.cumulative, sum.rate - carry);
        sum.yield = fnma(weight * held_spot * (1.0 + q), plus.cumulative, sum.yield + carry);
        limit = limit + slope;
        // Near expiry the polynomial may leave the square root's domain: there the boundary is held.
        T share = slope;
        if constexpr (squares) {
            const T least = (0.04 - 0.04 * part) * boundary.values[0];
            share = select(value > least, slope / there, T(0.0));
        }
        for (int j = 0; j < L; ++j) held.node[j] = fnma(share, T(grid.boundary[k][j]), held.node[j]);
    }
    sum.volatility = sum.volatility * put.inverse_total;
    if constexpr (squares)
        for (int j = 0; j < L; ++j) held.node[j] = held.node[j] * boundary.depth(boundary.values[j]);
    held.slopes = sum;
    held.limit = limit;
}

// The linear system of the boundary's slopes: its matrix, transposed, and the right sides.
template <class T, int L>
struct BoundarySlopes {
    T matrix[L][L];
    T rate[L], yield[L], volatility[L];
};

template <class T, class F, int L, int N>
OPTIONSIB_INLINE void boundary_slopes(const BoundaryGrid<F, L, N>& grid,
                                      const AmericanBoundary<T, L, true>& boundary, T limit_rate,
                                      T limit_yield, BoundarySlopes<T, L>& slopes) {
    const AmericanPut<T>& put = boundary.put;
    const T R = -put.discount_exponent, Q = -put.growth_exponent;
    T G[L];
    for (int j = 0; j < L; ++j) G[j] = boundary.depth(boundary.values[j]);
    for (int i = 0; i < L; ++i) {
        const T x = T(grid.x[i]), part = T(grid.x[i] * grid.x[i]);
        const T scale = put.inverse_total * T(grid.inverse_x[i]), drift = put.drift * x,
                total = put.total * x;
        const T log_boundary = put.log_limit - G[i], level = exp_bounded(log_boundary);
        const T discount = exp_bounded(put.discount_exponent * part),
                growth = exp_bounded(put.growth_exponent * part);
        const T far = fma(log_boundary, scale, drift);
        const Distribution<T> strike = normal_distribution(far);
        const T stock = level * growth * normal_distribution(far + total).cumulative;
        T numerator = discount * strike.cumulative;
        T rate = -part * numerator, yield = part * stock, sum = 0.0;
        T volatility = -x * put.total * (inverse_sqrt_two_pi * (discount * strike.density));  // times s
        for (int j = 0; j < L; ++j) slopes.matrix[j][i] = 0.0;
        for (int k = 0; k < N; ++k) {
            T square = T(grid.boundary[i][k][0]) * boundary.values[0];
            for (int j = 1; j < L; ++j) square = fma(T(grid.boundary[i][k][j]), boundary.values[j], square);
            const T there = sqrt(max(square, T(grid.least[k]) * boundary.values[i]));
            const T sharpness = scale * T(grid.inverse_sine[k]), root = x * T(grid.sine[k]);
            const T d_minus = fma(there - G[i], sharpness, put.drift * root),
                    d_plus = fma(put.total, root, d_minus);
            const Distribution<T> minus = normal_distribution(d_minus), plus = normal_distribution(d_plus);
            const T weight = part * T(grid.weight[k]), r = put.discount_exponent * (root * root),
                    q = put.growth_exponent * (root * root);
            const T held = weight * exp_bounded(r), owed = level * weight * exp_bounded(q);
            const T gain = inverse_sqrt_two_pi * (R * held * minus.density);
            const T loss = inverse_sqrt_two_pi * (Q * owed * plus.density);
            const T net = gain - loss, carry = net * (root * put.inverse_total);
            numerator = fma(R * held, minus.cumulative, numerator);
            rate = fma(held * (1.0 + r), minus.cumulative, rate + carry);
            yield = fnma(owed * (1.0 + q), plus.cumulative, yield - carry);
            volatility = fnma(gain, d_plus, fma(loss, d_minus, volatility));
            const T slope = net * sharpness, share = slope / there;
            sum = sum + slope;
            for (int j = 0; j < L; ++j)
                slopes.matrix[j][i] = fma(share, T(grid.boundary[i][k][j]), slopes.matrix[j][i]);
        }
        const T unit = 1.0 / numerator;
        for (int j = 0; j < L; ++j) slopes.matrix[j][i] = slopes.matrix[j][i] * (G[j] * unit);
        slopes.matrix[i][i] = slopes.matrix[i][i] + fnma(sum, unit, T(1.0));
        slopes.rate[i] = fnma(rate, unit, limit_rate);
        slopes.yield[i] = fnma(yield, unit, limit_yield);
        slopes.volatility[i] = -volatility * unit * put.inverse_total;
    }
}

// The same of the equation dV/dS = -1, which the finest grid solves: the linear system is then
// (d value / dG) dG = -d value with the boundary held.
template <class T, class F, int L, int N>
OPTIONSIB_INLINE void boundary_slopes(const FineGrid<F, L, N>& grid,
                                      const AmericanBoundary<T, L, false>& boundary, T limit_rate,
                                      T limit_yield, BoundarySlopes<T, L>& slopes) {
    const AmericanPut<T>& put = boundary.put;
    const T R = -put.discount_exponent, Q = -put.growth_exponent;
    for (int i = 0; i < L; ++i) {
        const T x = T(grid.x[i]), part = x * x, scale = put.inverse_total * T(grid.inverse_x[i]);
        const T G = boundary.values[i], far = fma(put.log_limit - G, scale, put.drift_plus * x);
        const Distribution<T> spot = normal_distribution(far);
        const T growth = exp_bounded(put.growth_exponent * part);
        const T density = inverse_sqrt_two_pi * growth * spot.density;
        T rate = density * (x * put.inverse_total);
        T yield = -fma(part * growth, spot.cumulative, rate);
        T volatility = -density * fnma(put.total, x, far);  // times s
        T limit = density * scale, diagonal = -limit;
        for (int j = 0; j < L; ++j) slopes.matrix[j][i] = 0.0;
        for (int k = 0; k < N; ++k) {
            T there = T(grid.boundary[i][k][0]) * boundary.values[0];
            for (int j = 1; j < L; ++j) there = fma(T(grid.boundary[i][k][j]), boundary.values[j], there);
            const T root = x * T(grid.sine[k]), sharpness = scale * T(grid.inverse_sine[k]);
            const T d_plus = fma(there - G, sharpness, put.drift_plus * root),
                    d_minus = fnma(put.total, root, d_plus);
            const Distribution<T> at = normal_distribution(d_plus);
            const T weight = part * T(grid.weight[k]) * exp_bounded(put.growth_exponent * (root * root));
            const T thin = inverse_sqrt_two_pi * (weight * at.density), sharp = thin * sharpness;
            const T inverse_level = exp_bounded(max(T(-700.0), min(T(700.0), there - put.log_limit)));
            const T gain = R * sharp * inverse_level, net = fnma(Q, sharp, gain),
                    carry = root * put.inverse_total;
            const T both = fma(net, d_plus, Q * thin);
            rate = fma(both, carry, fnma(sharp, inverse_level, rate));
            yield = fma(weight, at.cumulative * fnma(Q, root * root, T(1.0)),
                        fma(net, root * root, yield) + fnma(both, carry, sharp));
            volatility = volatility + fnma(both, d_minus, net);
            limit = limit + gain;
            const T moved = -fma(net * d_plus, sharpness, Q * sharp), share = -(moved + gain);
            diagonal = diagonal + moved;
            for (int j = 0; j < L; ++j)
                slopes.matrix[j][i] = fma(share, T(grid.boundary[i][k][j]), slopes.matrix[j][i]);
        }
        slopes.matrix[i][i] = slopes.matrix[i][i] + diagonal;
        slopes.rate[i] = -fma(limit, limit_rate, rate);
        slopes.yield[i] = -fma(limit, limit_yield, yield);
        slopes.volatility[i] = -volatility * put.inverse_total;
    }
}

template <Tier tier, class T>
OPTIONSIB_INLINE void premium_slopes(const AmericanGrids& grids, const SolvedAmerican<T, tier>& boundary,
                                     PremiumSlopes<T>& result) {
    constexpr int L = AmericanSize<tier>::nodes;
    const AmericanPut<T>& put = boundary.put;
    HeldPremium<T, L> held;
    held_premium(AmericanSize<tier>::grid(grids), boundary, held);
    // ln b(0+) = min(0, ln(R / Q)).
    const auto below = put.yield > put.rate;
    const T limit_rate = select(below, -1.0 / select(below, put.discount_exponent, T(1.0)), T(0.0));
    const T limit_yield = select(below, 1.0 / select(below, put.growth_exponent, T(1.0)), T(0.0));
    BoundarySlopes<T, L> slopes;
    boundary_slopes(boundary_grid<tier>(grids), boundary, limit_rate, limit_yield, slopes);
    solve_system(slopes.matrix, held.node);
    result = held.slopes;
    result.rate = fma(held.limit, limit_rate, result.rate);
    result.yield = fma(held.limit, limit_yield, result.yield);
    for (int i = 0; i < L; ++i) {
        result.rate = fma(held.node[i], slopes.rate[i], result.rate);
        result.yield = fma(held.node[i], slopes.yield[i], result.yield);
        result.volatility = fma(held.node[i], slopes.volatility[i], result.volatility);
    }
}

}  // namespace OPTIONSIB_LANES
}  // namespace optionsib::pricing
