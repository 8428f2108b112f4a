#pragma once

// American options to nine digits and more, slowly and plainly: the truth the kernels are tested against.
//
// The critical spot B of a put solves the smooth-pasting condition of the early exercise representation,
//   V(tau, S) = p(tau, S) + int_0^tau [ r K e^{-r t} N(-d2) - q S e^{-q t} N(-d1) ] du,   t = tau - u,
//   d1, d2 = (ln(S / B(u)) + (r - q) t +- v^2 t / 2) / (v sqrt t),   V_S(tau, B(tau)) = -1
// (Kim 1990; Jacka 1991; Carr, Jarrow and Myneni 1992), here by collocation at Chebyshev nodes of tau^{1/6},
// tanh-sinh quadrature and Newton's method with the dense Jacobian. The change of variable makes the
// boundary, which leaves the strike like sqrt(tau ln tau), smooth enough for the interpolation to converge
// fast. Nothing is shared with the kernels: other nodes, other quadrature, other iteration, libm.

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

namespace american_reference {

template <class Real>
struct Put {
    Real strike, rate, yield, volatility, expiry;
};

template <class Real>
Real density(Real x) {
    return std::exp(-x * x / 2) / std::sqrt(2 * std::acos(Real(-1)));
}

template <class Real>
Real cumulative(Real x) {
    return std::erfc(-x / std::sqrt(Real(2))) / 2;
}

// Nodes on (0, 1), given as the distance from the nearer end, and weights of tanh-sinh quadrature.
template <class Real>
struct Quadrature {
    std::vector<Real> below, above, weight;  // x, 1 - x

    explicit Quadrature(int points) {
        const Real half_pi = std::acos(Real(-1)) / 2;
        const Real reach =
            std::asinh(-std::log(std::numeric_limits<Real>::epsilon()) / (2 * half_pi) * Real(1.2));
        const Real step = 2 * reach / (points - 1);
        for (int k = 0; k < points; ++k) {
            const Real t = -reach + step * k, y = half_pi * std::sinh(t);
            below.push_back(1 / (1 + std::exp(-2 * y)));
            above.push_back(1 / (1 + std::exp(2 * y)));
            weight.push_back(step * half_pi * std::cosh(t) / (2 * std::cosh(y) * std::cosh(y)));
        }
    }
};

// Which side of the boundary is exercised: a put's ordinary boundary has exercise below it; the lower one of
// the two where yield < rate < 0 has it above.
enum class Exercise { below, above };

template <class Real>
struct Value {
    Real price, delta, gamma;
};

template <class Real>
class Boundary {
  public:
    Boundary(const Put<Real>& put, int nodes, int points, Exercise side = Exercise::below)
        : put_(put),
          sign_(side == Exercise::below ? -1 : 1),
          quadrature_(points),
          log_level_(std::log(put.strike)) {
        if (side == Exercise::above || put.rate < put.yield) log_level_ += std::log(put.rate / put.yield);
        for (int i = 0; i <= nodes; ++i) {
            z_.push_back((1 - std::cos(std::acos(Real(-1)) * i / nodes)) / 2);
            barycentric_.push_back(Real(i % 2 == 0 ? 1 : -1) / Real(i == 0 || i == nodes ? 2 : 1));
        }
        x_.assign(z_.size(), Real(0));
        march();
        newton();
    }

    // ln B at remaining time tau in [0, expiry].
    [[nodiscard]] Real log_at(Real tau) const {
        std::vector<Real> row(z_.size());
        interpolation(std::pow(tau / put_.expiry, 1 / power), row);
        Real x = 0;
        for (std::size_t j = 0; j < z_.size(); ++j) x += row[j] * x_[j];
        return log_level_ + sign_ * x;
    }
    [[nodiscard]] Real at(Real tau) const { return std::exp(log_at(tau)); }
    // The last change Newton's method made to ln B.
    [[nodiscard]] Real change() const { return change_; }

    // On the side of the boundary that is held.
    [[nodiscard]] Value<Real> value(Real spot) const {
        const Real K = put_.strike, r = put_.rate, q = put_.yield, T = put_.expiry;
        Value<Real> sum = european(spot);
        for (std::size_t k = 0; k < quadrature_.weight.size(); ++k) {
            const Real t = T * quadrature_.above[k], s = put_.volatility * std::sqrt(t);
            const Real d1 = (std::log(spot) - log_at(T * quadrature_.below[k]) + (r - q) * t) / s + s / 2;
            const Real d2 = d1 - s, w = T * quadrature_.weight[k];
            const Real gain = w * r * K * std::exp(-r * t), loss = w * q * std::exp(-q * t);
            const Real n1 = density(d1), n2 = density(d2), N1 = cumulative(sign_ * d1);
            sum.price += gain * cumulative(sign_ * d2) - spot * loss * N1;
            sum.delta += sign_ * gain * n2 / (spot * s) - loss * (N1 + sign_ * n1 / s);
            sum.gamma -= sign_ * (gain * n2 * (d2 + s) / spot + loss * n1 * (s - d1)) / (spot * s * s);
        }
        return sum;
    }

    [[nodiscard]] Value<Real> european(Real spot) const {
        const Real s = put_.volatility * std::sqrt(put_.expiry);
        const Real d1 = (std::log(spot / put_.strike) + (put_.rate - put_.yield) * put_.expiry) / s + s / 2;
        const Real growth = std::exp(-put_.yield * put_.expiry),
                   strike = put_.strike * std::exp(-put_.rate * put_.expiry);
        return {strike * cumulative(s - d1) - spot * growth * cumulative(-d1), -growth * cumulative(-d1),
                growth * density(d1) / (spot * s)};
    }

  private:
    static constexpr Real power = 6;

    void interpolation(Real z, std::vector<Real>& row) const {
        Real total = 0;
        for (std::size_t j = 0; j < z_.size(); ++j) {
            const Real gap = z - z_[j];
            if (gap == 0) {
                std::fill(row.begin(), row.end(), Real(0));
                row[j] = 1;
                return;
            }
            row[j] = barycentric_[j] / gap;
            total += row[j];
        }
        for (Real& entry : row) entry /= total;
    }

    // V_S + 1 at ln b = log_level_ + sign_ x with remaining time tau, and what one point of the integral
    // adds.
    struct Residual {
        Real tau, log_b, value, slope;  // slope: in ln b
    };
    [[nodiscard]] Residual residual(Real tau, Real x) const {
        const Real log_b = log_level_ + sign_ * x, s = put_.volatility * std::sqrt(tau);
        const Real d1 = (log_b - std::log(put_.strike) + (put_.rate - put_.yield) * tau) / s + s / 2;
        const Real growth = std::exp(-put_.yield * tau);
        return {tau, log_b, growth * cumulative(d1) - std::expm1(-put_.yield * tau),
                growth * density(d1) / s};
    }
    // Returns the derivative in the boundary's ln B(u).
    Real add(Residual& f, std::size_t k, Real x) const {
        const Real r = put_.rate, q = put_.yield;
        const Real t = f.tau * quadrature_.above[k], s = put_.volatility * std::sqrt(t);
        const Real d1 = (f.log_b - log_level_ - sign_ * x + (r - q) * t) / s + s / 2, d2 = d1 - s;
        const Real w = f.tau * quadrature_.weight[k], loss = w * q * std::exp(-q * t);
        const Real gain = w * r * std::exp(std::log(put_.strike) - f.log_b - r * t);
        const Real n1 = density(d1), n2 = density(d2);
        f.value += sign_ * gain * n2 / s - loss * (cumulative(sign_ * d1) + sign_ * n1 / s);
        const Real slope = -sign_ * (gain * n2 * d2 + loss * n1 * (s - d1)) / (s * s);
        f.slope += slope - sign_ * gain * n2 / s;
        return -slope;
    }

    // A start: node by node by bisection, x / sqrt(tau) linear in z between the nodes.
    void march() {
        std::vector<Real> g(z_.size());
        for (std::size_t i = 1; i < z_.size(); ++i) {
            const Real tau = put_.expiry * std::pow(z_[i], power), root = std::sqrt(tau);
            const auto value = [&](Real x) {
                g[i] = x / root;
                if (i == 1) g[0] = g[1];
                Residual f = residual(tau, x);
                for (std::size_t k = 0; k < quadrature_.weight.size(); ++k) {
                    const Real z = z_[i] * std::pow(quadrature_.below[k], 1 / power);
                    const std::size_t j = static_cast<std::size_t>(
                        std::upper_bound(z_.begin(), z_.begin() + static_cast<std::ptrdiff_t>(i), z) -
                        z_.begin());
                    const Real part = (z - z_[j - 1]) / (z_[j] - z_[j - 1]);
                    add(f, k, std::sqrt(tau * quadrature_.below[k]) * (g[j - 1] + part * (g[j] - g[j - 1])));
                }
                return f.value;
            };
            Real low = x_[i - 1], high = low + put_.volatility * root / 8;
            const bool rising = value(low) < 0;
            while ((value(high) < 0) == rising && high < 100) high += high - low;
            for (int step = 0; step < 20; ++step) {
                const Real middle = (low + high) / 2;
                ((value(middle) < 0) == rising ? low : high) = middle;
            }
            x_[i] = (low + high) / 2;
            g[i] = x_[i] / root;
            if (i == 1) g[0] = g[1];
        }
    }

    void newton() {
        const std::size_t n = z_.size() - 1, points = quadrature_.weight.size();
        std::vector<Real> row(n + 1), rows, matrix(n * n), right(n);
        for (std::size_t i = 1; i <= n; ++i)
            for (std::size_t k = 0; k < points; ++k) {
                interpolation(z_[i] * std::pow(quadrature_.below[k], 1 / power), row);
                rows.insert(rows.end(), row.begin() + 1, row.end());
            }
        for (int iteration = 0; iteration < 50; ++iteration) {
            std::fill(matrix.begin(), matrix.end(), Real(0));
            for (std::size_t i = 0; i < n; ++i) {
                Residual f = residual(put_.expiry * std::pow(z_[i + 1], power), x_[i + 1]);
                for (std::size_t k = 0; k < points; ++k) {
                    const Real* weights = &rows[(i * points + k) * n];
                    Real x = 0;
                    for (std::size_t j = 0; j < n; ++j) x += weights[j] * x_[j + 1];
                    const Real slope = add(f, k, x);
                    for (std::size_t j = 0; j < n; ++j) matrix[i * n + j] += slope * weights[j];
                }
                matrix[i * n + i] += f.slope;
                right[i] = -f.value;
            }
            eliminate(matrix, right);
            const Real last = change_;
            change_ = 0;
            for (std::size_t i = 0; i < n; ++i) {
                x_[i + 1] += sign_ * right[i];
                change_ = std::max(change_, std::abs(right[i]));
            }
            if (!(change_ < 10)) throw std::runtime_error("reference boundary: Newton's method diverges");
            if (change_ < Real(1e-9) && change_ > last / 4) return;
        }
    }

    static void eliminate(std::vector<Real>& matrix, std::vector<Real>& right) {
        const std::size_t n = right.size();
        for (std::size_t c = 0; c < n; ++c) {
            std::size_t best = c;
            for (std::size_t i = c + 1; i < n; ++i)
                if (std::abs(matrix[i * n + c]) > std::abs(matrix[best * n + c])) best = i;
            if (best != c) {
                for (std::size_t j = 0; j < n; ++j) std::swap(matrix[c * n + j], matrix[best * n + j]);
                std::swap(right[c], right[best]);
            }
            for (std::size_t i = c + 1; i < n; ++i) {
                const Real factor = matrix[i * n + c] / matrix[c * n + c];
                for (std::size_t j = c; j < n; ++j) matrix[i * n + j] -= factor * matrix[c * n + j];
                right[i] -= factor * right[c];
            }
        }
        for (std::size_t c = n; c-- > 0;) {
            for (std::size_t j = c + 1; j < n; ++j) right[c] -= matrix[c * n + j] * right[j];
            right[c] /= matrix[c * n + c];
        }
    }

    Put<Real> put_;
    Real sign_;  // of S - B where exercise is best
    Quadrature<Real> quadrature_;
    Real log_level_;  // ln B(0+)
    std::vector<Real> z_, barycentric_, x_;
    Real change_ = std::numeric_limits<Real>::infinity();
};

}  // namespace american_reference
