// The boundary of a put found node by node, from expiry outwards: at each the smooth-pasting condition
//   0 = e^{-q tau} N(d1(b)) + int_0^tau e^{-qv} [ q N(d1) - (r / b(u) - q) n(d1) / (s sqrt v) ] du
// (american_kernel.hpp) has one unknown, found by bisection and the secant. Between the nodes, which lie at
// sqrt(tau) = z^2, G / sqrt(tau) is cubic in z. The integrals are taken by panels of Gauss-Legendre points of
// the kernels' angle, more of them the steeper the drift makes the integrand.

#include "american_march.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

#include "optionsib/pricing/american_grids.hpp"

namespace optionsib::pricing {
namespace {

constexpr std::size_t most_nodes = 96;
constexpr int panel_points = 16;

// Nodes; panels for a drift; how near the boundary is found, relative to its depth.
struct MarchSize {
    std::size_t nodes;
    double panels, tolerance;
};
constexpr MarchSize march_sizes[] = {{28, 0.4, 1e-9}, {44, 0.5, 1e-10}, {most_nodes, 1.0, 1e-13}};

double density(double x) noexcept {
    return 0.39894228040143267794 * std::exp(-0.5 * x * x);
}
double cumulative(double x) noexcept {
    return 0.5 * std::erfc(-0.70710678118654752440 * x);
}

constexpr int most_panels = 2 * 62;

// Points of int_0^1 f(v) dv with v = sine^2, 1 - v = cosine^2.
struct Points {
    int size = 0;
    std::array<double, most_panels * panel_points> sine, cosine, weight;

    explicit Points(int panels) noexcept {
        constexpr double half_pi = 1.57079632679489661923;
        double point[panel_points], share[panel_points];
        grids::gauss_legendre(point, share);
        for (int panel = 0; panel < panels; ++panel)
            for (int k = 0; k < panel_points; ++k) {
                const double t = (panel + point[k]) / panels,
                             rest = (panels - 1 - panel + point[panel_points - 1 - k]) / panels;
                const auto i = static_cast<std::size_t>(size++);
                sine[i] = std::sin(half_pi * t * t * (3.0 - 2.0 * t));
                cosine[i] = std::sin(half_pi * rest * rest * (3.0 - 2.0 * rest));
                weight[i] = share[k] / panels * 12.0 * half_pi * t * rest * sine[i] * cosine[i];
            }
    }
};

class March {
  public:
    March(Tier tier, const ScaledPut& put) noexcept
        : put_(put),
          size_(march_sizes[static_cast<std::size_t>(tier)]),
          drift_((put.rate - put.yield) / put.total),
          panels_(2 + static_cast<int>(size_.panels * (std::abs(drift_) < 60.0 ? std::abs(drift_) : 60.0))),
          points_(panels_) {
        const double variance = put.total * put.total;
        const double product = 2.0 * put.rate / variance, sum = 2.0 * (put.rate - put.yield) / variance - 1.0;
        const double large = 0.5 * (std::sqrt(sum * sum + 4.0 * product) + std::abs(sum));
        const double size = std::max(sum > 0.0 ? large : product / large, 1e-9);
        log_limit_ = put.yield > put.rate ? std::log(put.rate / put.yield) : 0.0;
        deepest_ = std::max(log_limit_ + std::log1p(1.0 / size), 1e-300);
        for (std::size_t i = 1; i <= size_.nodes; ++i) solve(i);
    }

    [[nodiscard]] double depth() const noexcept { return ratio_[size_.nodes]; }

    [[nodiscard]] double premium(double log_spot) const noexcept {
        double sum = 0.0;
        const Points points(2 * panels_);
        for (std::size_t k = 0; k < static_cast<std::size_t>(points.size); ++k) {
            const double sine = points.sine[k], cosine = points.cosine[k], weight = points.weight[k];
            const double s = put_.total * sine, v = sine * sine;
            const double d1 =
                (log_spot - log_limit_ + depth_at(cosine, size_.nodes)) / s + drift_ * sine + 0.5 * s;
            sum += weight * (put_.rate * std::exp(-put_.rate * v) * cumulative(s - d1) -
                             put_.yield * std::exp(log_spot - put_.yield * v) * cumulative(-d1));
        }
        return std::max(sum, 0.0);
    }

  private:
    [[nodiscard]] double position(std::size_t i) const noexcept {
        const double z = static_cast<double>(i) / static_cast<double>(size_.nodes);
        return z * z;
    }

    // G at x, known up to node `last`: the cubic through four nodes of G / x.
    [[nodiscard]] double depth_at(double x, std::size_t last) const noexcept {
        const double z = std::sqrt(x) * static_cast<double>(size_.nodes);
        const auto j = static_cast<std::size_t>(z);
        if (last < 3) {
            const std::size_t from = std::min(j, last - 1);
            return x * (ratio_[from] + (z - static_cast<double>(from)) * (ratio_[from + 1] - ratio_[from]));
        }
        const std::size_t from = std::min(j < 1 ? 0 : j - 1, last - 3);
        const double t = z - static_cast<double>(from), t1 = t - 1.0, t2 = t - 2.0, t3 = t - 3.0;
        return x * (t1 * t2 * (t * ratio_[from + 3] - t3 * ratio_[from]) / 6.0 +
                    0.5 * t * t3 * (t2 * ratio_[from + 1] - t1 * ratio_[from + 2]));
    }

    // Above 0 where b is too high, that is G too small.
    double condition(std::size_t i, double G) noexcept {
        const double x = position(i);
        ratio_[i] = G / x;
        if (i == 1) ratio_[0] = ratio_[1];
        const double q = put_.yield * x * x, larger = std::max(put_.rate * x * x, q);
        const double scale = 1.0 / (put_.total * x);
        double sum = std::exp(-q) * cumulative((log_limit_ - G) * scale + drift_ * x + 0.5 * put_.total * x);
        for (std::size_t k = 0; k < static_cast<std::size_t>(points_.size); ++k) {
            const double sine = points_.sine[k], cosine = points_.cosine[k], weight = points_.weight[k];
            const double there = depth_at(x * cosine, i), s = put_.total * x * sine;
            const double d1 = (there - G) / s + drift_ * x * sine + 0.5 * s;
            sum += weight * std::exp(-q * sine * sine) *
                   (q * cumulative(d1) - (larger * std::exp(std::min(there, 700.0)) - q) * density(d1) / s);
        }
        return sum;
    }

    void solve(std::size_t i) noexcept {
        double low = i == 1 ? 0.0 : std::min(ratio_[i - 1] * position(i - 1), deepest_), high = low;
        const double reach = i == 1 ? 0.5 * put_.total * position(1) : 0.02 * put_.total;
        double at_high = 1.0, at_low = 1.0;
        for (double step = reach; high < deepest_; step *= 2.0) {
            low = high;
            at_low = at_high;
            high = std::min(high + step, deepest_);
            at_high = condition(i, high);
            if (!(at_high > 0.0)) break;
        }
        double root = high;
        if (at_high <= 0.0) {
            for (int step = 0; step < 60 && high - low > size_.tolerance * high; ++step) {
                // The first value at `low` is not known, only its sign.
                double middle = 0.5 * (low + high);
                if (step > 2 && step % 4 != 0)
                    middle = std::clamp(low + (high - low) * at_low / (at_low - at_high), low, high);
                const double value = condition(i, middle);
                (value > 0.0 ? low : high) = middle;
                (value > 0.0 ? at_low : at_high) = value;
            }
            root = 0.5 * (low + high);
        }
        ratio_[i] = root / position(i);
        if (i == 1) ratio_[0] = ratio_[1];
    }

    ScaledPut put_;
    MarchSize size_;
    double drift_;
    int panels_;
    Points points_;
    double log_limit_, deepest_;
    std::array<double, most_nodes + 1> ratio_{};  // G / x
};

}  // namespace

double american_march_depth(Tier tier, const ScaledPut& put) noexcept {
    return March(tier, put).depth();
}

double american_march_premium(Tier tier, const ScaledPut& put, double log_spot, double& depth) noexcept {
    const March march(tier, put);
    depth = march.depth();
    return march.premium(log_spot);
}

}  // namespace optionsib::pricing
