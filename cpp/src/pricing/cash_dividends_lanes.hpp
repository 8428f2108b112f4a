#pragma once

// The grid of options with cash dividends, compiled once for each instruction set: by
// cash_dividends_avx512.cpp, cash_dividends_avx2.cpp and cash_dividends_baseline.cpp. Nothing of the standard
// library's inline code may be used here (see european_lanes.hpp).
//
// With tau = T - t, mu = r - q - v^2/2 and z = ln S - mu (t - start), u = exp(r tau) V solves
//   u_tau = v^2/2 u_zz,   u >= g = kind (exp(z) alpha - beta),  alpha = exp(r tau + mu (t - start)),
//   beta = K exp(r tau)   (escrowed: K less the value of the dividends to come)
// in space by M u_tau = v^2/2 d2 u / h^2, M = 1 + d2/12 (S. H. Crandall 1955, order 4), in time by TR-BDF2
// with both stages' matrix the same (R. E. Bank et al. 1985; M. E. Hosea, L. F. Shampine 1996). The matrix is
// Toeplitz, so is its factorisation U L of the half line, and nothing is stored: with m = a/d,
//   y_i = rhs_i / d - m y_(i+1)  from the far end of the holding side,
//   u_i = max(g_i, y_i - m u_(i-1))  from the exercise side (Brennan and Schwartz).
// Tangents are the exact derivatives of this with respect to v, r, q, K; the step is a multiple of v, so that
// the matrix depends on none of them. The grids' centers are held.
//
// Kinks, at expiry and where exercise before an ex-date begins, are smoothed by the operator of order 4 of
// H.-O. Kreiss, V. Thomee and O. Widlund (1970), (1 - d2/6) of the cubic B-spline average.

#include "cash_dividends_kernels.hpp"
#include "optionsib/math/simd/functions.hpp"

namespace optionsib::pricing {
inline namespace OPTIONSIB_LANES {

// Too large to be inlined more than once; of this instruction set alone by its namespace.
#define OPTIONSIB_LAMBDA __attribute__((always_inline))
#define OPTIONSIB_ASIDE [[gnu::noinline, gnu::visibility("hidden")]]

using namespace simd;  // NOLINT

inline constexpr double gamma_stage = 0.58578643762690495120;  // 2 - sqrt 2
inline constexpr double theta_stage = 0.29289321881345247560;  // gamma / 2
inline constexpr double stage_first = 1.20710678118654752440;  // 1 / (gamma (2 - gamma))
inline constexpr double stage_start = 0.20710678118654752440;  // (1 - gamma)^2 / (gamma (2 - gamma))

// M = 1 + mass_side d2.
inline constexpr double mass_side = 1.0 / 12.0;

// The smoothing operator on a kink x nodes away, less the kink: of the step 1(x > 0), the ramp max(x, 0) and
// max(x, 0)^2 / 2 for power 0, 1, 2; for power -1 and -3 the operator's kernel and its second derivative. On
// the negative side these are c1 (1 - a)^(n) + c2 (2 - a)^(n) + c3 (3 - a)^(n), n = power + 4, over n!, and
// they are odd or even.
template <int power, class T>
OPTIONSIB_INLINE T smoothed_kink(T distance) {
    constexpr int n = power + 4;
    constexpr double factorial[] = {1, 1, 2, 6, 24, 120, 720};
    T sum(0.0);
    const T a = abs(distance);
    constexpr double weights[] = {-6.5, 2.0, -1.0 / 6.0};
#pragma GCC unroll 3
    for (int j = 0; j < 3; ++j) {
        const T left = max(T(j + 1.0) - a, T(0.0));
        T product(1.0);
#pragma GCC unroll 6
        for (int k = 0; k < n; ++k) product = product * left;
        sum = fma(product, T(weights[j] / factorial[n]), sum);
    }
    if constexpr (power % 2 == 0) return flip_sign(sum, -distance);
    return sum;
}

// The operator's kernel, 0 from |x| = 3 on, and its second derivative.
template <class T>
OPTIONSIB_INLINE T kernel_of(T x) {
    return smoothed_kink<-1>(x);
}
template <class T>
OPTIONSIB_INLINE T kernel_curve(T x) {
    return smoothed_kink<-3>(x);
}

// `tangents`: none, one (vega or dual delta), or all four.
template <class T, int tangents>
struct CashDividendGrid {
    static constexpr int size = T::size;
    static constexpr int fields = 1 + tangents;

    CashDividendGroup& group;
    int nodes, half;
    // Whether the first tangent is that of volatility or, the only one, of the strike.
    T kind, strike, expiry, rate, yield, volatility, dividends, by_volatility, by_strike, mu, variance,
        lane_number;
    double* spots;      // exp(z) of the grid in use
    double* other;      // of the next one
    double* u[fields];  // price and tangents
    double* v[fields];  // the first stage, the next grid
    double* y[fields];
    double* extra[4];

    OPTIONSIB_INLINE static T lanes(const Lanes& from) { return load<T>(from.lane); }

    OPTIONSIB_INLINE explicit CashDividendGrid(CashDividendGroup& of)
        : group(of),
          nodes(of.nodes),
          half(of.nodes / 2),
          kind(lanes(of.kind)),
          strike(lanes(of.strike)),
          expiry(lanes(of.expiry)),
          rate(lanes(of.rate)),
          yield(lanes(of.yield)),
          volatility(lanes(of.volatility)),
          dividends(lanes(of.dividends)),
          by_volatility(of.dual_delta ? 0.0 : 1.0),
          by_strike(of.dual_delta ? 1.0 : 0.0) {
        variance = volatility * volatility;
        mu = fma(variance, T(-0.5), rate - yield);
        const std::ptrdiff_t row = static_cast<std::ptrdiff_t>(nodes + 1) * size;
        double* next = of.workspace;
        spots = next;
        other = next += row;
        for (int f = 0; f < fields; ++f) {
            u[f] = next += row;
            v[f] = next += row;
            y[f] = next += row;
        }
        for (double*& e : extra) e = next += row;
        double numbers[most_lanes];
        for (int i = 0; i < size; ++i) numbers[i] = i;
        lane_number = load<T>(numbers);
    }

    OPTIONSIB_INLINE static T at(const double* row, int i) { return load<T>(row + i * size); }
    OPTIONSIB_INLINE static void put(double* row, int i, T value) { store(row + i * size, value); }

    // What the exercise value and its derivatives are made of at one time.
    struct Obstacle {
        T weight, amount;  // g = weight exp(z) - amount
        T weights[fields], amounts[fields],
            distance;  // tangent p: exp(z) (weights + distance (i - half)) - amounts
    };

    // `own` years after the start of the segment, `tau` before expiry.
    OPTIONSIB_INLINE Obstacle obstacle(const Segment& segment, T own, T tau, T present,
                                       T present_times) const {
        Obstacle o;
        const T growth = exp(rate * tau);
        const T alpha = growth * exp(mu * own);
        const T paid = strike - present;
        o.weight = kind * alpha;
        o.amount = kind * growth * paid;
        if constexpr (tangents > 0) {
            o.weights[1] = o.weight * (-volatility * own) * by_volatility;
            o.amounts[1] = kind * growth * by_strike;
            o.distance = o.weight * (-kind * lanes(segment.step) / volatility) * by_volatility;
        }
        if constexpr (tangents > 1) {
            o.weights[2] = o.weight * (own + tau);
            o.amounts[2] = fma(kind * growth, present_times, o.amount * tau);
            o.weights[3] = o.weight * (-own);
            o.amounts[3] = -kind * growth * present_times;
            o.weights[4] = T(0.0);
            o.amounts[4] = kind * growth;
        }
        return o;
    }
    // Escrowed: the value of the dividends to come moves with the carry until the next ex-date.
    OPTIONSIB_INLINE Obstacle obstacle(const Segment& segment, T time) const {
        const T own = time - lanes(segment.start);
        T present(0.0), times(0.0);
        if (group.escrowed) {
            const T carry = exp((rate - yield) * own);
            present = lanes(segment.present) * carry;
            times = fnma(own, present, lanes(segment.present_times) * carry);
        }
        return obstacle(segment, own, expiry - time, present, times);
    }
    OPTIONSIB_INLINE T value(const Obstacle& o, T spot) const { return fms(o.weight, spot, o.amount); }
    template <int field>
    OPTIONSIB_INLINE T derivative(const Obstacle& o, T spot, int i) const {
        if constexpr (field == 1)
            return fms(spot, fma(o.distance, T(static_cast<double>(i - half)), o.weights[1]), o.amounts[1]);
        else
            return fms(o.weights[field], spot, o.amounts[field]);
    }

    OPTIONSIB_INLINE void lay(const Segment& segment, double* to) const {
        const T center = lanes(segment.center), step = -kind * lanes(segment.step);
        // By multiplication from exact points every sixteen nodes.
        const T ratio = exp(step);
        T spot(0.0);
        for (int i = 0; i <= nodes; ++i) {
            spot = (i & 15) == 0 ? exp(fma(step, T(static_cast<double>(i - half)), center)) : spot * ratio;
            put(to, i, spot);
        }
        put(to, half, exp(center));
    }

    // u = max(hold, exercise) for the lanes in `chosen`, from hold in v and hold - exercise in y[0].
    template <class Mask>
    OPTIONSIB_ASIDE void maximum(const Obstacle& o, const double* grid, Mask chosen) {
        for (int i = 0; i <= nodes; ++i) {
            const T spot = at(grid, i);
            const auto exercised = chosen & (at(y[0], i) <= T(0.0));
            put(u[0], i, select(exercised, value(o, spot), at(v[0], i)));
            if constexpr (tangents > 0)
                put(u[1], i, select(exercised, derivative<1>(o, spot, i), at(v[1], i)));
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
    OPTIONSIB_ASIDE void smooth(int i, int lane) {
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
            const Reals first = smoothed_kink<1>(x), second = smoothed_kink<2>(x),
                        zeroth = smoothed_kink<0>(x);
            double lanes_first[Reals::width], lanes_second[Reals::width], lanes_zeroth[Reals::width];
            store(lanes_first, first);
            store(lanes_second, second);
            store(lanes_zeroth, zeroth);
            const int place = (i + j) * size + lane;
            u[0][place] += ramp * lanes_first[0] + bend * lanes_second[0];
            for (int f = 1; f < fields; ++f)
                u[f][place] += jump[f] * lanes_zeroth[0] + tilt[f] * lanes_first[0];
        }
    }
    OPTIONSIB_INLINE static void cubic(double before, double here, double next, double last, double* c) {
        c[0] = here;
        c[2] = 0.5 * (next + before) - here;
        c[3] = (last - before) / 6.0 - 0.5 * (next - here);
        c[1] = next - here - c[2] - c[3];
    }

    // The value at expiry, for the lanes whose last segment this is.
    template <class Mask>
    OPTIONSIB_ASIDE void start(const Segment& segment, Mask begins) {
        const Obstacle o = obstacle(segment, expiry);
        for (int f = 0; f < fields; ++f)
            for (int i = 0; i <= nodes; ++i) put(v[f], i, select(begins, T(0.0), at(u[f], i)));
        for (int i = 0; i <= nodes; ++i) put(y[0], i, -value(o, at(spots, i)));
        maximum(o, spots, begins);
    }

    // The ends of the grid, where u is linear in S: u = A exp(z) exp(v^2/2 tau) + B. A exp(z) is read once a
    // segment, so that no error feeds itself.
    struct Ends {
        T top[fields], bottom[fields];                                  // at the start of the stepping
        T next[fields];                                                 // of the node next to the top
        T top_slope[fields], next_slope[fields], bottom_slope[fields];  // A exp(z)
    };
    OPTIONSIB_INLINE Ends ends(const Segment& segment) const {
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
    template <int f>
    OPTIONSIB_INLINE T end_value(const T* value, const T* slope, T growth, T moved) const {
        const T sum = fma(slope[f], growth, value[f]);
        if constexpr (f == 1) return fma(slope[0], moved, sum);
        return sum;
    }
    OPTIONSIB_INLINE void end_values(const T* value, const T* slope, T since, T* to) const {
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
    template <bool exercise, class Mask>
    OPTIONSIB_ASIDE void advance(const Segment& segment, const Ends& grid_ends, T from, T dt, Mask active,
                                 bool all) {
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

    template <bool exercise>
    OPTIONSIB_ASIDE void substitute(double* const* to, const T* bottom, T m, const Obstacle& o, T step) {
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
                            next[f] =
                                select(moved, fnma(ghost, slope[f], next[f]) / (T(1.0) - ghost), next[f]);
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
    template <bool exercise>
    OPTIONSIB_ASIDE void step_through(const Segment& segment, T in_segment, int most) {
        const T start_time = lanes(segment.start), length = lanes(segment.end) - start_time;
        const T count = in_segment, inverse = T(1.0) / max(count, T(1.0));
        constexpr std::uint64_t every = ~std::uint64_t{0} >> (64 - size);
        const Ends grid_ends = ends(segment);
        for (int s = 0; s < most; ++s) {
            const T x0 = min(T(static_cast<double>(s)) * inverse, T(1.0));
            const T x1 = min(T(static_cast<double>(s + 1)) * inverse, T(1.0));
            // Finer towards the later end, where the values are least smooth.
            const T from = lanes(segment.end) - length * grade(x0),
                    to = lanes(segment.end) - length * grade(x1);
            const auto active = T(static_cast<double>(s)) < count;
            advance<exercise>(segment, grid_ends, from, from - to, active, bits(active) == every);
        }
    }
    OPTIONSIB_INLINE static T grade(T x) { return x * sqrt(x); }

    // Without exercise the step over a whole segment is the convolution with its Gaussian, by the trapezoidal
    // rule: exact to rounding for values as smooth as the grid, if the Gaussian is wider than its nodes are
    // apart. Beyond the ends u is linear in S.
    static constexpr double least_width = 1.1, reach = 7.5;  // in nodes; in standard deviations

    OPTIONSIB_INLINE T width_of(const Segment& segment) const {
        const T length = lanes(segment.end) - lanes(segment.start);
        return volatility * sqrt(length) / lanes(segment.step);
    }
    template <class Mask>
    OPTIONSIB_ASIDE void convolve(const Segment& segment, Mask chosen) {
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

    // European value after the last ex-date, undiscounted, at `spot` and `tau` before expiry, and its
    // derivatives; weights of the derivative through the spot in `slope`.
    OPTIONSIB_INLINE void black_scholes(T spot, T tau, T spacing, T* result, T& slope) const {
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
    template <class Mask>
    OPTIONSIB_ASIDE void cross(int k, Mask crosses, Mask closed, bool exercise) {
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
                hold[2] = select(alive, hold[2],
                                 group.american ? select(rate > T(0.0), zero * tau, T(0.0)) : T(0.0));
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
    template <class Mask>
    OPTIONSIB_ASIDE void exercise_before(int k, Mask crosses, bool exercise, const double* grid) {
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
    OPTIONSIB_INLINE Obstacle before_dividend(const Segment& before, const Segment& after) const {
        const T time = lanes(after.start);
        T present(0.0), times(0.0);
        if (group.escrowed) {
            present = lanes(after.present) + lanes(after.amount);
            times = lanes(after.present_times);
        }
        return obstacle(before, time - lanes(before.start), expiry - time, present, times);
    }

    // Quintic, by six nodes; beyond the grid linear in S. `slope` is d/dz of the price.
    OPTIONSIB_INLINE void interpolate(T x, T spot, T* hold, T& slope, T edge0, T edge1, T zero,
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
    T after_step{};
    OPTIONSIB_INLINE T quintic_slope(T p, const T* node) const {
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

    OPTIONSIB_ASIDE void run() {
        for (int f = 0; f < fields; ++f)
            for (int i = 0; i <= nodes; ++i) {
                put(u[f], i, T(0.0));
                put(v[f], i, T(0.0));
                put(y[f], i, T(0.0));
            }
        lay(group.segment[group.segments - 1], spots);
        for (int k = group.segments - 1; k >= 0; --k) {
            const Segment& segment = group.segment[k];
            const T number(static_cast<double>(k));
            const auto begins = dividends == number, present = dividends >= number;
            const bool closed = group.closed;
            if (bits(begins) != 0 && !closed) {
                if (k < group.segments - 1) {
                    lay(segment, other);
                    for (int i = 0; i <= nodes; ++i)
                        put(spots, i, select(begins, at(other, i), at(spots, i)));
                }
                start(segment, begins);
            }
            const auto stepping = closed ? (dividends > number) : present;
            if (bits(stepping) != 0) {
                const auto wide = stepping & (width_of(segment) >= T(least_width));
                const bool exercised = group.american && !closed && !(group.hold_first && k == 0);
                if (!exercised && bits(wide) != 0) convolve(segment, wide);
                const T count = exercised ? select(stepping, lanes(segment.steps), T(0.0))
                                          : select(stepping & (!wide), lanes(segment.steps), T(0.0));
                int most = 0;
                double counts[most_lanes];
                store(counts, count);
                for (int i = 0; i < size; ++i)
                    if (counts[i] > most) most = static_cast<int>(counts[i]);
                if (exercised)
                    step_through<true>(segment, count, most);
                else if (most > 0)
                    step_through<false>(segment, count, most);
            }
            if (k == 0) break;
            const auto crosses = dividends >= number;
            const auto from_formula = closed ? begins : (begins & (!begins));
            const bool exercise = group.american && !(group.hold_first && k == 1);
            after_step = lanes(segment.step);
            cross(k, crosses, from_formula, exercise);
        }
        finish();
    }

    OPTIONSIB_INLINE void finish() {
        GridResult& result = group.result;
        // By rising z.
        const auto up = kind > T(0.0);
        for (int j = -2; j <= 2; ++j)
            store(result.values[j + 2].lane, select(up, at(u[0], half - j), at(u[0], half + j)));
        const Obstacle o = obstacle(group.segment[0], T(0.0));
        store(result.exercise.lane, value(o, at(spots, half)));
        for (int f = 1; f < fields; ++f) store(result.tangents[f - 1].lane, at(u[f], half));
    }
};

// As many registers side by side as pay: found by measurement, no influence on results.
inline constexpr int registers_of_cash_dividends = 1;

template <int registers>
[[gnu::visibility("hidden")]] void run_cash_dividends(CashDividendGroup& group) noexcept {
    using T = Pack<registers>;
    if (group.all_tangents)
        CashDividendGrid<T, 4>(group).run();
    else if (group.vega || group.dual_delta)
        CashDividendGrid<T, 1>(group).run();
    else
        CashDividendGrid<T, 0>(group).run();
}

}  // namespace OPTIONSIB_LANES
}  // namespace optionsib::pricing
