#pragma once

// The points at which an American boundary is known and integrated over: numbers that no option changes.
//
// The boundary of a put is held as H = ln(B(tau) / B(0+))^2 at the Chebyshev nodes of x = sqrt(tau / T) in
// (0, 1], H(0) = 0 (Andersen, Lake and Offengenden, "High-performance American option pricing", Journal of
// Computational Finance 20(1), 2016). An integral over u in [0, tau] is taken with tau - u = tau sin(a)^2,
// u = tau cos(a)^2, by Gauss-Legendre points of the angle a in [0, pi/2]: the square roots at both ends, of
// tau - u in the normal distribution and of u in the boundary, turn analytic, where the substitution
// tau - u = tau y^2 of the paper leaves the second.
//
// Worked out once, in sums, products and square roots alone, so that every machine gets the same bits. F is
// double, or long double for a reference.

#include "optionsib/math/simd/inline.hpp"
#include "optionsib/pricing/american.hpp"

namespace optionsib::pricing {

// Matrices take the values at the L nodes to other points.
template <class F, int L, int N>
struct BoundaryGrid {
    F x[L], inverse_x[L];  // x[0] = 1, falling
    F sine[N], inverse_sine[N], weight[N];
    F boundary[L][N][L];  // to x[i] cos(a_k)
    F least[N];           // of H there over H(x[i]): cos(a_k)^2 / 25, below which no boundary gets
};

// For the last digits: nodes of tau^{1/4}, which crowd at expiry, where the boundary leaves its limit like
// sqrt(-tau ln tau) or, with a yield just above the rate, bends sharply; and points that crowd at both ends.
// The boundary is G = sqrt(H) itself.
template <class F, int L, int N>
struct FineGrid {
    F x[L], inverse_x[L];
    F sine[N], inverse_sine[N], weight[N];
    F boundary[L][N][L];
};

template <class F, int L, int P>
struct PremiumGrid {
    F sine[P], inverse_sine[P], weight[P];
    F boundary[P][L];  // to cos(a_k)
};

template <class F, int To, int From>
struct Refinement {
    F matrix[To][From];
    F least[To];  // of H there over H(1), as in BoundaryGrid
};

namespace grids {

template <class F>
inline constexpr F pi = static_cast<F>(3.14159265358979323846264338327950288L);

template <class F>
F square_root(F x) {
    F root = x > 1 ? x : F(1);
    for (int i = 0; i < 80; ++i) root = (root + x / root) / 2;
    return root;
}

// 0 <= x <= pi/2, by the series of a quarter of x.
template <class F>
void sine_and_cosine(F x, F& sine, F& cosine) {
    const F y = x / 4, square = y * y;
    F s = 0, c = 0;
    for (int i = 14; i > 0; --i) {
        c = (1 - c) * square / static_cast<F>(2 * i * (2 * i - 1));
        s = (1 - s) * square / static_cast<F>(2 * i * (2 * i + 1));
    }
    s = y * (1 - s);
    c = 1 - c;
    for (int i = 0; i < 2; ++i) {
        const F doubled = 2 * s * c;
        c = (c - s) * (c + s);
        s = doubled;
    }
    sine = s;
    cosine = c;
}

// Gauss-Legendre on [0, 1], rising.
template <class F, int N>
void gauss_legendre(F (&point)[N], F (&weight)[N]) {
    for (int i = 0; i < (N + 1) / 2; ++i) {
        F sine, z;
        sine_and_cosine(pi<F> * static_cast<F>(4 * i + 3) / static_cast<F>(4 * N + 2), sine, z);
        F slope = 1;
        for (int step = 0; step < 12; ++step) {
            F last = 1, value = z;
            for (int j = 2; j <= N; ++j) {
                const F next = (static_cast<F>(2 * j - 1) * z * value - static_cast<F>(j - 1) * last) /
                               static_cast<F>(j);
                last = value;
                value = next;
            }
            slope = static_cast<F>(N) * (z * value - last) / (z * z - 1);
            z -= value / slope;
        }
        if (2 * i + 1 == N) z = 0;
        point[i] = (1 - z) / 2;
        point[N - 1 - i] = (1 + z) / 2;
        weight[i] = weight[N - 1 - i] = 1 / ((1 - z * z) * slope * slope);
    }
}

// The angles' sines, cosines, and weights of du / tau = 2 sin cos da.
template <class F, int N>
void angles(F (&sine)[N], F (&inverse_sine)[N], F (&cosine)[N], F (&weight)[N]) {
    F point[N];
    gauss_legendre(point, weight);
    for (int k = 0; k < N; ++k) {
        sine_and_cosine(point[k] * pi<F> / 2, sine[k], cosine[k]);
        inverse_sine[k] = 1 / sine[k];
        weight[k] *= pi<F> * sine[k] * cosine[k];
    }
}

// The same with a = pi/2 t^2 (3 - 2 t), t the Gauss-Legendre point.
template <class F, int N>
void crowded_angles(F (&sine)[N], F (&inverse_sine)[N], F (&cosine)[N], F (&weight)[N]) {
    F point[N];
    gauss_legendre(point, weight);
    for (int k = 0; k < N; ++k) {
        const F t = point[k], rest = point[N - 1 - k];
        F unused;
        sine_and_cosine(t * t * (3 - 2 * t) * pi<F> / 2, sine[k], unused);
        sine_and_cosine(rest * rest * (3 - 2 * rest) * pi<F> / 2, cosine[k], unused);
        inverse_sine[k] = 1 / sine[k];
        weight[k] *= 6 * t * rest * pi<F> * sine[k] * cosine[k];
    }
}

template <class F, int L>
void nodes(F (&x)[L]) {
    // (1 + cos(pi i / L)) / 2 = cos(pi i / 2L)^2
    for (int i = 0; i < L; ++i) {
        F sine, cosine;
        sine_and_cosine(pi<F> * static_cast<F>(i) / static_cast<F>(2 * L), sine, cosine);
        x[i] = cosine * cosine;
    }
}

// The barycentric formula; the value at the node 0 is 0.
template <class F, int L>
void interpolate(const F (&x)[L], F at, F (&row)[L]) {
    F sum = 0;
    for (int j = 0; j <= L; ++j) {
        const F distance = at - (j < L ? x[j] : F(0));
        if (distance == 0) {
            for (F& value : row) value = 0;
            if (j < L) row[j] = 1;
            return;
        }
        const F weight =
            static_cast<F>(j % 2 == 0 ? 1 : -1) / static_cast<F>(j == 0 || j == L ? 2 : 1) / distance;
        if (j < L) row[j] = weight;
        sum += weight;
    }
    for (F& value : row) value /= sum;
}

}  // namespace grids

template <class F, int L, int N>
void fill(BoundaryGrid<F, L, N>& grid) {
    F cosine[N];
    grids::nodes(grid.x);
    grids::angles(grid.sine, grid.inverse_sine, cosine, grid.weight);
    for (int k = 0; k < N; ++k) grid.least[k] = cosine[k] * cosine[k] / 25;
    for (int i = 0; i < L; ++i) {
        grid.inverse_x[i] = 1 / grid.x[i];
        for (int k = 0; k < N; ++k) grids::interpolate(grid.x, grid.x[i] * cosine[k], grid.boundary[i][k]);
    }
}

template <class F, int L, int N>
void fill(FineGrid<F, L, N>& grid) {
    F z[L], cosine[N];
    grids::nodes(z);
    grids::crowded_angles(grid.sine, grid.inverse_sine, cosine, grid.weight);
    for (int i = 0; i < L; ++i) {
        grid.x[i] = z[i] * z[i];
        grid.inverse_x[i] = 1 / grid.x[i];
        for (int k = 0; k < N; ++k)
            grids::interpolate(z, z[i] * grids::square_root(cosine[k]), grid.boundary[i][k]);
    }
}

// The premium of a boundary on fine nodes.
template <class F, int L, int P>
void fill_fine(PremiumGrid<F, L, P>& grid) {
    F z[L], cosine[P];
    grids::nodes(z);
    grids::crowded_angles(grid.sine, grid.inverse_sine, cosine, grid.weight);
    for (int k = 0; k < P; ++k) grids::interpolate(z, grids::square_root(cosine[k]), grid.boundary[k]);
}

// To fine nodes; those nearer to expiry than `nearest` get the value there.
template <class F, int To, int From>
void fill_fine(Refinement<F, To, From>& refinement, F nearest) {
    F from[From], to[To];
    grids::nodes(from);
    grids::nodes(to);
    for (int i = 0; i < To; ++i) {
        const F square = to[i] * to[i], x = square < nearest ? nearest : square;
        grids::interpolate(from, x, refinement.matrix[i]);
        refinement.least[i] = x * x / 25;
    }
}

template <class F, int L, int P>
void fill(PremiumGrid<F, L, P>& grid) {
    F x[L], cosine[P];
    grids::nodes(x);
    grids::angles(grid.sine, grid.inverse_sine, cosine, grid.weight);
    for (int k = 0; k < P; ++k) grids::interpolate(x, cosine[k], grid.boundary[k]);
}

template <class F, int To, int From>
void fill(Refinement<F, To, From>& refinement) {
    F from[From], to[To];
    grids::nodes(from);
    grids::nodes(to);
    for (int i = 0; i < To; ++i) {
        grids::interpolate(from, to[i], refinement.matrix[i]);
        refinement.least[i] = to[i] * to[i] / 25;
    }
}

// Below this x the fine grid's start follows the closed-form guess.
inline constexpr double nearest_of_fine_start = 0.05;

// What each tier solves on: its nodes, and the points of its premium.
struct AmericanGrids {
    BoundaryGrid<double, 4, 4> first;
    BoundaryGrid<double, 6, 6> fast;
    BoundaryGrid<double, 10, 12> accurate;
    FineGrid<double, 40, 32> high;
    Refinement<double, 6, 4> to_fast;
    Refinement<double, 10, 6> to_accurate;
    Refinement<double, 40, 10> to_high;
    PremiumGrid<double, 6, 16> fast_premium;
    PremiumGrid<double, 10, 32> accurate_premium;
    PremiumGrid<double, 40, 64> high_premium;
};

template <Tier tier>
struct AmericanSize;
template <>
struct AmericanSize<Tier::fast> {
    static constexpr bool squares = true;  // of what the boundary holds
    static constexpr int nodes = 6, premium = 16;
    OPTIONSIB_INLINE static const PremiumGrid<double, 6, 16>& grid(const AmericanGrids& grids) {
        return grids.fast_premium;
    }
};
template <>
struct AmericanSize<Tier::accurate> {
    static constexpr bool squares = true;  // of what the boundary holds
    static constexpr int nodes = 10, premium = 32;
    OPTIONSIB_INLINE static const PremiumGrid<double, 10, 32>& grid(const AmericanGrids& grids) {
        return grids.accurate_premium;
    }
};
template <>
struct AmericanSize<Tier::high> {
    static constexpr bool squares = false;  // of what the boundary holds
    static constexpr int nodes = 40, premium = 64;
    OPTIONSIB_INLINE static const PremiumGrid<double, 40, 64>& grid(const AmericanGrids& grids) {
        return grids.high_premium;
    }
};

}  // namespace optionsib::pricing
