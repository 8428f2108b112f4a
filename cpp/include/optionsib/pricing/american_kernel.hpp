#pragma once

// American options with one exercise boundary on registers of options, for ordinary inputs (american_lanes);
// everything else is the business of american_edge.cpp.
//
// With a call turned into the put that mirrors it, spot and boundary in units of the strike, b(tau) the
// boundary at remaining time tau, and v = tau - u,
//   d+- (v, z) = (ln z + (r - q) v) / (s sqrt v) +- s sqrt v / 2,
//   N(tau) = e^{-r tau} Phi(d-(tau, b)) + r int_0^tau e^{-rv} Phi(d-(v, b(tau) / b(u))) du,
//   D(tau) = e^{-q tau} Phi(d+(tau, b)) + q int_0^tau e^{-qv} Phi(d+(v, b(tau) / b(u))) du,
// value matching says b = N / D (Andersen, Lake and Offengenden 2016, the equation FP-B), and the early
// exercise premium is int_0^T r e^{-rv} Phi(-d-(v, S / b(u))) - q S e^{-qv} Phi(-d+(v, S / b(u))) du (Kim
// 1990). Grids and quadrature: american_grids.hpp.
//
// The solution: a closed-form guess, then Newton's method from grid to finer grid. On few nodes it solves
// b = N / D, whose Jacobian needs the densities alone, as the European terms of N / D drop out of it: with
// G = -ln(b / b(0)),
//   d ln(N / D) = (1 / N) int e^{-rv} phi(d-) (r - q b(u)) / (s sqrt v) (dG(u) - dG(tau)) du.
// On the many nodes of the high tier it solves the smooth-pasting equation (improve_fine). The steps are
// counted, not tested, so that a result depends on its element alone.
//
// Error per 100 of spot for 14 days to 3 years, rates to 9 %, volatility 10 to 80 %: fast 3e-4, accurate
// 3e-5, high 5e-7 (the last where the yield is a little above the rate; 1e-8 elsewhere). At the ends of what
// american_lanes admits 1e-2, 1e-3 and 1e-6.
//
// How a solved boundary is laid out, for whoever takes more than the price from it: `AmericanPut` is the
// option as a put, `AmericanBoundary` adds what stands at the nodes of its premium grid (H, in the high tier
// G; `depth` turns either into G; the first is that of the whole time to expiry), and `for_premium_points`
// goes through the points of the premium integral with everything known there: differentiate under it in the
// spot (its times and the boundary do not move), and use the pricing equation for theta.

#include "optionsib/pricing/american_coefficients.hpp"
#include "optionsib/pricing/american_grids.hpp"
#include "optionsib/pricing/european_kernel.hpp"

namespace optionsib::pricing {
inline namespace OPTIONSIB_LANES {

template <class T>
struct AmericanPut {
    T log_spot;  // ln(S / K)
    T strike;    // of the put
    T rate, yield, volatility, expiry;

    T total, inverse_total;                // volatility sqrt(expiry)
    T drift, drift_plus;                   // (r - q) T / total -+ total / 2
    T discount_exponent, growth_exponent;  // -rT, -qT
    T log_limit;                           // ln b(0+)
    T deepest;                             // G of the perpetual boundary
};

// Of H; keeps roots and quotients away from 0.
inline constexpr double least_square = 1e-60;

// Densities beyond are nothing, and stay normal numbers times any weight.
inline constexpr double largest_deviate = 35.0;

template <class T>
struct Distribution {
    T cumulative, density;
};

template <class T>
OPTIONSIB_INLINE Distribution<T> distribution_of_tail(T x, T density, T mills) {
    const T tail = inverse_sqrt_two_pi * density * mills;
    return {select(x > 0.0, 1.0 - tail, tail), density};
}

template <class T>
OPTIONSIB_INLINE Distribution<T> normal_distribution(T x) {
    const T bounded = max(T(-largest_deviate), min(T(largest_deviate), x));
    return distribution_of_tail(bounded, exp_bounded(-0.5 * bounded * bounded), mills_ratio(abs(bounded)));
}

// The tail to 3e-9 of it: far beyond what the grids of the fast and the accurate tier can tell.
template <class T>
OPTIONSIB_INLINE Distribution<T> coarse_distribution(T x) {
    const T bounded = max(T(-largest_deviate), min(T(largest_deviate), x)), distance = abs(bounded);
    const T mills =
        polynomial(coarse_mills_numerator, distance) / polynomial(coarse_mills_denominator, distance);
    return distribution_of_tail(bounded, exp_bounded(-0.5 * bounded * bounded), mills);
}

// The put that mirrors the option, and everything that does not change while its boundary is solved.
template <class T>
OPTIONSIB_INLINE AmericanPut<T> american_put(const Inputs<T>& in) {
    AmericanPut<T> put;
    const auto call = in.kind > 0.0;
    put.strike = select(call, in.spot, in.strike);
    put.log_spot = log_ratio(select(call, in.strike, in.spot), put.strike);
    put.rate = select(call, in.yield, in.rate);
    put.yield = select(call, in.rate, in.yield);
    put.volatility = in.volatility;
    put.expiry = in.expiry;
    put.total = in.volatility * sqrt(in.expiry);
    put.inverse_total = 1.0 / put.total;
    put.drift = fms((put.rate - put.yield) * put.expiry, put.inverse_total, 0.5 * put.total);
    put.drift_plus = put.drift + put.total;
    put.discount_exponent = -put.rate * put.expiry;
    put.growth_exponent = -put.yield * put.expiry;
    const auto below = put.yield > put.rate;
    put.log_limit =
        select(below, log_ratio(select(below, put.rate, T(1.0)), select(below, put.yield, T(1.0))), T(0.0));

    // The negative root of s^2/2 l (l - 1) + (r - q) l = r; the boundary ends at l / (l - 1).
    const T inverse_variance = 1.0 / (put.volatility * put.volatility);
    const T product = 2.0 * put.rate * inverse_variance;
    const T sum = fma(2.0 * (put.rate - put.yield), inverse_variance, T(-1.0));
    const T root = sqrt(fma(sum, sum, 4.0 * product));
    const auto positive = sum > 0.0;
    const T large = 0.5 * (root + abs(sum));
    const T size = max(select(positive, large, product / large), T(1e-9));  // -l
    put.deepest = max(put.log_limit + log((size + 1.0) / size), T(1e-12));
    return put;
}

// G at x: it rises from 0 like s sqrt(tau) times the root of a logarithm (r >= q; Evans, Kuske and Keller
// 2002) or 0.64 s sqrt(tau) (r < q), and ends at the perpetual one.
template <class T>
struct BoundaryGuess {
    T deepest, inverse_deepest, total, gap, slope, rate;

    OPTIONSIB_INLINE explicit BoundaryGuess(const AmericanPut<T>& put)
        : deepest(put.deepest),
          inverse_deepest(1.0 / put.deepest),
          total(put.total),
          gap(put.log_limit * put.inverse_total) {
        const T drift = put.drift + 0.5 * put.total;
        slope = 25.132741228718345 * drift * drift;
        rate = 50.26548245743669 *
               max(put.discount_exponent * put.discount_exponent, put.growth_exponent * put.growth_exponent);
    }
    OPTIONSIB_INLINE T operator()(T x, T inverse_x) const {
        const T square = x * x, distance = gap * inverse_x;
        const T y = max(fma(fma(rate, square, slope), square, distance * distance), T(1e-30));
        const T steepness = sqrt(0.41 + log((1.0 + y) / y));
        return deepest * (1.0 - exp_bounded(-min(0.9 * steepness * total * x * inverse_deepest, T(50.0))));
    }
};

template <class T, class F, int L, int N>
OPTIONSIB_INLINE void guess_boundary(const BoundaryGrid<F, L, N>& grid, const AmericanPut<T>& put,
                                     T (&H)[L]) {
    const BoundaryGuess<T> guess(put);
    for (int i = 0; i < L; ++i) {
        const T G = guess(T(grid.x[i]), T(grid.inverse_x[i]));
        H[i] = max(G * G, T(least_square));
    }
}

template <class T, class F, int To, int From>
OPTIONSIB_INLINE void refine_boundary(const Refinement<F, To, From>& refinement, const T (&from)[From],
                                      T (&to)[To]) {
    for (int i = 0; i < To; ++i) {
        T sum = T(refinement.matrix[i][0]) * from[0];
        for (int j = 1; j < From; ++j) sum = fma(T(refinement.matrix[i][j]), from[j], sum);
        to[i] = max(sum, T(refinement.least[i]) * from[0]);
    }
}

// What an option fixes on one grid: weights of the integrals and discount factors at the nodes.
template <class T, int L, int N>
struct BoundaryWeights {
    T gain[L][N], loss[L][N];  // r tau e^{-rv} w, q tau e^{-qv} w
    T discount[L], growth[L];  // e^{-r tau}, e^{-q tau}
};

template <class T, class F, int L, int N>
OPTIONSIB_INLINE void weigh_boundary(const BoundaryGrid<F, L, N>& grid, const AmericanPut<T>& put,
                                     BoundaryWeights<T, L, N>& weights) {
    for (int i = 0; i < L; ++i) {
        const T part = T(grid.x[i] * grid.x[i]);
        const T r = put.discount_exponent * part, q = put.growth_exponent * part;
        weights.discount[i] = exp_bounded(r);
        weights.growth[i] = exp_bounded(q);
        for (int k = 0; k < N; ++k) {
            const T square = T(grid.sine[k] * grid.sine[k]), weight = T(grid.weight[k]);
            weights.gain[i][k] = -r * weight * exp_bounded(r * square);
            weights.loss[i][k] = -q * weight * exp_bounded(q * square);
        }
    }
}

// Solves the system; what stands on its diagonal is about 1.
template <class T, int L>
OPTIONSIB_INLINE void solve_system(T (&matrix)[L][L], T (&right)[L]) {
    for (int c = 0; c < L; ++c) {
        const T pivot = reciprocal(matrix[c][c]);
        for (int i = c + 1; i < L; ++i) {
            const T factor = matrix[i][c] * pivot;
            for (int j = c + 1; j < L; ++j) matrix[i][j] = fnma(factor, matrix[c][j], matrix[i][j]);
            right[i] = fnma(factor, right[c], right[i]);
        }
        matrix[c][c] = pivot;
    }
    for (int c = L - 1; c >= 0; --c) {
        for (int j = c + 1; j < L; ++j) right[c] = fnma(matrix[c][j], right[j], right[c]);
        right[c] = right[c] * matrix[c][c];
    }
}

// One step of Newton's method.
template <class T, class F, int L, int N>
OPTIONSIB_INLINE void improve_boundary(const BoundaryGrid<F, L, N>& grid, const AmericanPut<T>& put,
                                       const BoundaryWeights<T, L, N>& weights, T (&H)[L]) {
    T G[L], change[L];
    T matrix[L][L];
    for (int j = 0; j < L; ++j) G[j] = sqrt(H[j]);
    for (int i = 0; i < L; ++i) {
        const T scale = put.inverse_total * T(grid.inverse_x[i]), drift = put.drift * T(grid.x[i]),
                total = put.total * T(grid.x[i]);
        const T log_boundary = put.log_limit - G[i];
        const T far = fma(log_boundary, scale, drift);
        T numerator = weights.discount[i] * coarse_distribution(far).cumulative;
        T denominator = weights.growth[i] * coarse_distribution(far + total).cumulative;
        T sum = 0.0;
        T row[L];  // of the matrix
        for (int j = 0; j < L; ++j) row[j] = 0.0;
        const T level = exp_bounded(log_boundary);
        for (int k = 0; k < N; ++k) {
            T square = T(grid.boundary[i][k][0]) * H[0];
            for (int j = 1; j < L; ++j) square = fma(T(grid.boundary[i][k][j]), H[j], square);
            const T there = sqrt(max(square, T(grid.least[k]) * H[i]));
            const T sharpness = scale * T(grid.inverse_sine[k]);
            const T d = fma(there - G[i], sharpness, drift * T(grid.sine[k]));
            const Distribution<T> minus = coarse_distribution(d);
            const Distribution<T> plus = coarse_distribution(fma(total, T(grid.sine[k]), d));
            numerator = fma(weights.gain[i][k], minus.cumulative, numerator);
            denominator = fma(weights.loss[i][k], plus.cumulative, denominator);
            const T slope = sharpness * fnma(level * weights.loss[i][k], plus.density,
                                             weights.gain[i][k] * minus.density);
            const T share = slope * reciprocal(there);
            sum = sum + slope;
            for (int j = 0; j < L; ++j) row[j] = fma(share, T(grid.boundary[i][k][j]), row[j]);
        }
        const T target = put.log_limit - log_ratio(numerator, max(denominator, 1e-6 * numerator));
        change[i] = target - G[i];
        const T unit = inverse_sqrt_two_pi / numerator;
        for (int j = 0; j < L; ++j) matrix[i][j] = row[j] * (G[j] * unit);
        matrix[i][i] = matrix[i][i] + fnma(sum, unit, T(1.0));
    }
    solve_system(matrix, change);
    for (int i = 0; i < L; ++i) {
        const T least = max(0.3 * G[i], T(grid.x[i] / 5) * G[0]);
        const T next = min(max(G[i] + change[i], least), put.deepest);
        H[i] = max(next * next, T(least_square));
    }
}

template <int steps, class T, class F, int L, int N>
OPTIONSIB_INLINE void improve_boundary(const BoundaryGrid<F, L, N>& grid, const AmericanPut<T>& put,
                                       T (&H)[L]) {
    BoundaryWeights<T, L, N> weights;
    weigh_boundary(grid, put, weights);
    for (int step = 0; step < steps; ++step) improve_boundary(grid, put, weights, H);
}

// The fine grid's start: the coarse boundary, and near expiry, where that knows little, the guess made to
// fit.
template <class T, class F, int L, int N, int From>
OPTIONSIB_INLINE void start_fine(const FineGrid<F, L, N>& grid, const Refinement<F, L, From>& refinement,
                                 F nearest, const AmericanPut<T>& put, const T (&H)[From], T (&G)[L]) {
    const BoundaryGuess<T> guess(put);
    const T at_nearest = 1.0 / guess(T(nearest), T(1 / nearest));
    T squares[L];
    refine_boundary(refinement, H, squares);
    for (int i = 0; i < L; ++i) {
        const T guessed = guess(T(grid.x[i]), T(grid.inverse_x[i]));
        G[i] = max(sqrt(squares[i]), 0.5 * guessed);
        if (grid.x[i] < nearest) G[i] = G[i] * guessed * at_nearest;
    }
}

// One step of Newton's method for dV/dS = -1 on the boundary (smooth pasting), the equation for many nodes:
// of value matching just that derivative is the diagonal, so that it is blind to high frequencies.
template <class T, class F, int L, int N>
OPTIONSIB_INLINE void improve_fine(const FineGrid<F, L, N>& grid, const AmericanPut<T>& put, T (&G)[L]) {
    T change[L];
    T matrix[L][L];
    for (int i = 0; i < L; ++i) {
        const T x = T(grid.x[i]), part = x * x;
        const T scale = put.inverse_total * T(grid.inverse_x[i]), drift = put.drift_plus * x;
        // r / b(0+) is the larger rate.
        const T q = -put.growth_exponent * part, larger = max(-put.discount_exponent * part, q);
        const Distribution<T> far = normal_distribution(fma(put.log_limit - G[i], scale, drift));
        const T growth = exp_bounded(-q);
        T value = growth * far.cumulative, diagonal = -growth * far.density * inverse_sqrt_two_pi * scale;
        T(&row)[L] = matrix[i];
        for (int j = 0; j < L; ++j) row[j] = 0.0;
        for (int k = 0; k < N; ++k) {
            T there = T(grid.boundary[i][k][0]) * G[0];
            for (int j = 1; j < L; ++j) there = fma(T(grid.boundary[i][k][j]), G[j], there);
            const T sine = T(grid.sine[k]), sharpness = scale * T(grid.inverse_sine[k]);
            const T d = fma(there - G[i], sharpness, drift * sine);
            const Distribution<T> at = normal_distribution(d);
            const T density = inverse_sqrt_two_pi * at.density * sharpness;
            const T weight = T(grid.weight[k]) * exp_bounded(-q * sine * sine);
            const T gain = weight * larger * density * exp_bounded(max(T(-700.0), min(T(700.0), there)));
            const T loss = weight * q;
            const T net = fnma(loss, density, gain);
            value = value + fms(loss, at.cumulative, net);
            const T moved = -fma(net * d, sharpness, loss * density);
            diagonal = diagonal + moved;
            const T share = -(moved + gain);
            for (int j = 0; j < L; ++j) row[j] = fma(share, T(grid.boundary[i][k][j]), row[j]);
        }
        row[i] = row[i] + diagonal;
        change[i] = -value;
    }
    solve_system(matrix, change);
    for (int i = 0; i < L; ++i) G[i] = min(max(G[i] + change[i], 0.1 * G[i]), put.deepest);
}

// The solved boundary: H, or G itself, at the nodes.
template <class T, int L, bool squares>
struct AmericanBoundary {
    AmericanPut<T> put;
    T values[L];

    OPTIONSIB_INLINE static T depth(T value) {
        if constexpr (squares)
            return sqrt(max(value, T(least_square)));
        else
            return max(value, T(0.0));
    }
    // ln b with the whole time to expiry left.
    OPTIONSIB_INLINE T log_critical() const { return put.log_limit - depth(values[0]); }
};

template <class T, Tier tier>
using SolvedAmerican = AmericanBoundary<T, AmericanSize<tier>::nodes, AmericanSize<tier>::squares>;

template <Tier tier, class T>
OPTIONSIB_INLINE void solve_american(const AmericanGrids& grids, SolvedAmerican<T, tier>& boundary) {
    const AmericanPut<T>& put = boundary.put;
    T first[4];
    guess_boundary(grids.first, put, first);
    improve_boundary<2>(grids.first, put, first);
    if constexpr (tier == Tier::fast) {
        refine_boundary(grids.to_fast, first, boundary.values);
        improve_boundary<2>(grids.fast, put, boundary.values);
    } else {
        T fast[6], accurate[10];
        refine_boundary(grids.to_fast, first, fast);
        improve_boundary<2>(grids.fast, put, fast);
        refine_boundary(grids.to_accurate, fast, accurate);
        improve_boundary<2>(grids.accurate, put, accurate);
        if constexpr (tier == Tier::accurate) {
            for (int j = 0; j < 10; ++j) boundary.values[j] = accurate[j];
        } else {
            start_fine(grids.high, grids.to_high, nearest_of_fine_start, put, accurate, boundary.values);
            for (int step = 0; step < 6; ++step) improve_fine(grids.high, put, boundary.values);
        }
    }
}

// A point of the premium integral at v = T sin^2: the premium gathers gain Phi(-d-) - loss Phi(-d+), and
// d(d+-)/d(ln S) = sharpness.
template <class T>
struct PremiumPoint {
    T d_minus, d_plus, sharpness;
    T gain, loss;  // in units of the strike; loss has the spot in it
};

template <class T, class F, int L, int P, bool squares, class Visit>
OPTIONSIB_INLINE void for_premium_points(const PremiumGrid<F, L, P>& grid,
                                         const AmericanBoundary<T, L, squares>& boundary,
                                         const Visit& visit) {
    const AmericanPut<T>& put = boundary.put;
    const T distance = put.log_spot - put.log_limit,
            spot = exp_bounded(max(T(-700.0), min(T(700.0), put.log_spot)));
    for (int k = 0; k < P; ++k) {
        T sum = T(grid.boundary[k][0]) * boundary.values[0];
        for (int j = 1; j < L; ++j) sum = fma(T(grid.boundary[k][j]), boundary.values[j], sum);
        const T there = boundary.depth(sum);
        const T part = T(grid.sine[k] * grid.sine[k]), weight = T(grid.weight[k]);
        const T r = put.discount_exponent * part, q = put.growth_exponent * part;
        PremiumPoint<T> point;
        point.sharpness = put.inverse_total * T(grid.inverse_sine[k]);
        point.d_minus = fma(distance + there, point.sharpness, put.drift * T(grid.sine[k]));
        point.d_plus = fma(put.total, T(grid.sine[k]), point.d_minus);
        point.gain = -put.discount_exponent * weight * exp_bounded(r);
        point.loss = -put.growth_exponent * weight * spot * exp_bounded(q);
        visit(point);
    }
}

template <class T>
struct SumPremium {
    T* sum;

    OPTIONSIB_INLINE void operator()(const PremiumPoint<T>& point) const {
        const T more = fma(point.gain, normal_distribution(-point.d_minus).cumulative, *sum);
        *sum = fnma(point.loss, normal_distribution(-point.d_plus).cumulative, more);
    }
};

// In units of the strike.
template <class T, class F, int L, int P, bool squares>
OPTIONSIB_INLINE T american_premium(const PremiumGrid<F, L, P>& grid,
                                    const AmericanBoundary<T, L, squares>& boundary) {
    T sum = 0.0;
    for_premium_points(grid, boundary, SumPremium<T>{&sum});
    return max(sum, T(0.0));
}

// Which lanes the solution above is right for, and which are worth their European price.
template <class T>
struct AmericanLanes {
    typename T::Boolean solved, european;
};

inline constexpr double largest_american_total = 3.0, least_american_total = 1e-9;
inline constexpr double largest_american_drift = 2.5;  // |r - q| sqrt(T) / volatility
inline constexpr double largest_american_exponent = 3.0, least_american_growth = -1.0;

// `in` ordinary as a European option.
template <class T>
OPTIONSIB_INLINE AmericanLanes<T> american_lanes(const Inputs<T>& in) {
    const auto call = in.kind > 0.0;
    const T rate = select(call, in.yield, in.rate), yield = select(call, in.rate, in.yield);
    const T total = in.volatility * sqrt(in.expiry);
    const T discount = rate * in.expiry, growth = yield * in.expiry;
    AmericanLanes<T> lanes;
    lanes.european = (rate <= 0.0) & (yield >= rate);
    lanes.solved = ((rate > 1e-30) | ((rate == 0.0) & (yield < 0.0))) & (total < largest_american_total) &
                   (total > least_american_total) &
                   (abs(discount - growth) < largest_american_drift * total) &
                   (discount < largest_american_exponent) & (growth < largest_american_exponent) &
                   (growth > least_american_growth);
    return lanes;
}

// A put that is as good as any, for the lanes that are not solved.
template <class T>
OPTIONSIB_INLINE void make_harmless(typename T::Boolean solved, Inputs<T>& in) {
    in.kind = select(solved, in.kind, T(-1.0));
    in.spot = select(solved, in.spot, T(1.0));
    in.strike = select(solved, in.strike, T(1.0));
    in.expiry = select(solved, in.expiry, T(1.0));
    in.rate = select(solved, in.rate, T(0.05));
    in.yield = select(solved, in.yield, T(0.02));
    in.volatility = select(solved, in.volatility, T(0.2));
}

}  // namespace OPTIONSIB_LANES
}  // namespace optionsib::pricing
