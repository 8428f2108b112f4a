#include "optionsib/pricing/american_double_boundary.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace optionsib::pricing {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

constexpr std::size_t most_nodes = 24, most_points = 61;
// How near to the place where the boundaries meet the horizon comes.
constexpr double closeness = 0.02;
constexpr double pi = 3.14159265358979323846;

double density(double x) noexcept {
    return 0.39894228040143267794 * std::exp(-0.5 * x * x);
}
double cumulative(double x) noexcept {
    return 0.5 * std::erfc(-0.70710678118654752440 * x);
}

// Nodes z in [0, 1] with tau = horizon z^4, z[0] = 0; and tanh-sinh points u = tau below, t = tau above.
struct Grid {
    std::size_t nodes, points;  // nodes after expiry's
    std::array<double, most_nodes + 1> z{}, barycentric{};
    std::array<double, most_points> below{}, above{}, weight{}, root{};  // root: below^{1/4}

    Grid(std::size_t node_count, std::size_t point_count) noexcept : nodes(node_count), points(point_count) {
        for (std::size_t i = 0; i <= nodes; ++i) {
            z[i] = 0.5 * (1.0 - std::cos(pi * static_cast<double>(i) / static_cast<double>(nodes)));
            barycentric[i] = (i % 2 == 0 ? 1.0 : -1.0) * (i == 0 || i == nodes ? 0.5 : 1.0);
        }
        // As far as the weights of fewer points deserve.
        const double reach = points > 40 ? 3.2 : points > 24 ? 2.9 : 2.6;
        const double step = 2.0 * reach / static_cast<double>(points - 1);
        for (std::size_t k = 0; k < points; ++k) {
            const double at = step * static_cast<double>(k) - reach, y = 0.5 * pi * std::sinh(at);
            below[k] = 1.0 / (1.0 + std::exp(-2.0 * y));
            above[k] = 1.0 / (1.0 + std::exp(2.0 * y));
            weight[k] = 0.25 * pi * step * std::cosh(at) / (std::cosh(y) * std::cosh(y));
            root[k] = std::sqrt(std::sqrt(below[k]));
        }
    }

    // The weights of the node values (that at expiry is 0) in the polynomial's value at x.
    void interpolation(double x, std::array<double, most_nodes + 1>& row) const noexcept {
        double total = 0.0;
        for (std::size_t j = 0; j <= nodes; ++j) {
            const double gap = x - z[j];
            if (gap == 0.0) {
                row.fill(0.0);
                row[j] = 1.0;
                return;
            }
            total += row[j] = barycentric[j] / gap;
        }
        for (std::size_t j = 0; j <= nodes; ++j) row[j] /= total;
    }
};

const Grid& grid_of(Tier tier) noexcept {
    static const std::array<Grid, 3> grids = {Grid(8, 21), Grid(12, 31), Grid(24, 61)};
    return grids[static_cast<std::size_t>(tier)];
}

// A put in units of its strike.
struct Market {
    double rate, yield, volatility, expiry;
};

using Nodes = std::array<double, most_nodes + 1>;

// One of the two boundaries up to a horizon, as x = |ln(B / B(0))| at the nodes.
class Boundary {
  public:
    Boundary(const Grid& grid, bool upper) noexcept
        : grid_(&grid), sign_(upper ? -1.0 : 1.0), upper_(upper) {}

    [[nodiscard]] double level(const Market& market) const noexcept {
        return upper_ ? 0.0 : std::log(market.rate / market.yield);
    }
    [[nodiscard]] double log_at(const Market& market, const Nodes& row) const noexcept {
        double x = 0.0;
        for (std::size_t j = 1; j <= grid_->nodes; ++j) x += row[j] * x_[j];
        return level(market) + sign_ * x;
    }
    [[nodiscard]] double log_at_node(const Market& market, std::size_t i) const noexcept {
        return level(market) + sign_ * x_[i];
    }
    // x of the other parameters, to first order.
    void move(const Nodes& slope, double by) noexcept {
        for (std::size_t j = 1; j <= grid_->nodes; ++j) x_[j] += by * slope[j];
    }

    // The start at node i, the earlier ones being known: x / sqrt(tau) linear between nodes, one equation
    // by regula falsi. False if it has no root before the boundary would cross the other's start.
    [[nodiscard]] bool march(const Market& market, double horizon, std::size_t i) noexcept {
        const double zi = grid_->z[i], tau = horizon * (zi * zi) * (zi * zi), root = std::sqrt(tau);
        const double most = -std::log(market.rate / market.yield) / root;
        const auto value = [&](double g) {
            g_[i] = g;
            if (i == 1) g_[0] = g;
            Residual f = residual(market, tau, root * g);
            std::size_t j = i;
            for (std::size_t k = grid_->points; k-- > 0;) {
                const double at = zi * grid_->root[k];
                while (at < grid_->z[j - 1]) --j;
                const double part = (at - grid_->z[j - 1]) / (grid_->z[j] - grid_->z[j - 1]);
                add(market, f, k,
                    root * std::sqrt(grid_->below[k]) * (g_[j - 1] + part * (g_[j] - g_[j - 1])));
            }
            return f.value;
        };
        // It may stand still for long.
        double low = i == 1 ? 0.0 : 0.8 * x_[i - 1] / root,
               high = i == 1 ? 0.5 * market.volatility : g_[i - 1];
        high = std::max(high, low + 0.01 * market.volatility);
        double f_low = value(low), f_high = value(high);
        while ((f_high > 0.0) == (f_low > 0.0)) {
            if (high > most) return false;
            low = high;
            f_low = f_high;
            high *= i == 1 ? 2.0 : 1.2;
            f_high = value(high);
        }
        for (int step = 0; step < 30 && high - low > 1e-3 * high; ++step) {
            // The middle now and then keeps both ends moving.
            const double middle =
                step % 3 == 2 ? 0.5 * (low + high) : (low * f_high - high * f_low) / (f_high - f_low);
            const double f = value(middle);
            if ((f > 0.0) == (f_low > 0.0)) {
                low = middle;
                f_low = f;
            } else {
                high = middle;
                f_high = f;
            }
        }
        g_[i] = 0.5 * (low + high);
        if (i == 1) g_[0] = g_[1];
        x_[i] = root * g_[i];
        return true;
    }

    [[nodiscard]] bool newton(const Market& market, double horizon) noexcept {
        for (int iteration = 0; iteration < 12; ++iteration) {
            Nodes right{};
            residuals(market, horizon, right, true);
            factorize();
            substitute(right);
            double change = 0.0;
            for (std::size_t i = 1; i <= grid_->nodes; ++i) {
                x_[i] -= right[i];
                change = std::max(change, std::fabs(right[i]));
                if (!(x_[i] > 0.0)) return false;
            }
            if (change < 1e-9 * x_[grid_->nodes]) return true;
        }
        return false;
    }

    // d x / d parameter from the residuals on both sides of it, with the matrix of the last Newton step.
    [[nodiscard]] Nodes tangent(const Market& up, const Market& down, double horizon, double width) noexcept {
        Nodes above{}, below{};
        residuals(up, horizon, above, false);
        residuals(down, horizon, below, false);
        for (std::size_t i = 1; i <= grid_->nodes; ++i) above[i] = (below[i] - above[i]) / width;
        substitute(above);
        return above;
    }

  private:
    // V_S + 1 at ln b with remaining time tau, and its slope in ln b while the boundary before stays. V holds
    // on both sides of the boundary: beyond the lower one it is K - S for every spot, at expiry too.
    struct Residual {
        double tau, log_b, value, slope;
    };

    [[nodiscard]] Residual residual(const Market& m, double tau, double x) const noexcept {
        const double log_b = level(m) + sign_ * x;
        const double carry = -std::expm1(-m.yield * tau);
        if (!upper_) return {tau, log_b, carry, 0.0};
        const double s = m.volatility * std::sqrt(tau), growth = std::exp(-m.yield * tau);
        const double d1 = (log_b + (m.rate - m.yield) * tau) / s + 0.5 * s;
        return {tau, log_b, growth * cumulative(d1) + carry, growth * density(d1) / s};
    }

    // Adds point k of the integral, where the boundary is at x; returns its derivative in that ln B.
    double add(const Market& m, Residual& f, std::size_t k, double x) const noexcept {
        const double t = f.tau * grid_->above[k], s = m.volatility * std::sqrt(t);
        const double d1 = (f.log_b - level(m) - sign_ * x + (m.rate - m.yield) * t) / s + 0.5 * s,
                     d2 = d1 - s;
        const double w = f.tau * grid_->weight[k], loss = w * m.yield * std::exp(-m.yield * t);
        const double gain = w * m.rate * std::exp(-f.log_b - m.rate * t) * density(d2) / s;
        const double n1 = density(d1) / s;
        f.value += sign_ * gain - loss * (cumulative(sign_ * d1) + sign_ * n1);
        const double slope = -sign_ * (gain * d2 / s + loss * n1 * (1.0 - d1 / s));
        f.slope += slope - sign_ * gain;
        return -slope;
    }

    // In units of x: the boundary is level + sign x.
    void residuals(const Market& market, double horizon, Nodes& values, bool matrix) noexcept {
        Nodes row;
        for (std::size_t i = 1; i <= grid_->nodes; ++i) {
            const double zi = grid_->z[i], square = zi * zi;
            Residual f = residual(market, horizon * square * square, x_[i]);
            if (matrix) matrix_[i].fill(0.0);
            for (std::size_t k = 0; k < grid_->points; ++k) {
                grid_->interpolation(zi * grid_->root[k], row);
                double x = 0.0;
                for (std::size_t j = 1; j <= grid_->nodes; ++j) x += row[j] * x_[j];
                const double slope = add(market, f, k, x);
                if (matrix)
                    for (std::size_t j = 1; j <= grid_->nodes; ++j) matrix_[i][j] += sign_ * slope * row[j];
            }
            if (matrix) matrix_[i][i] += sign_ * f.slope;
            values[i] = f.value;
        }
    }

    void factorize() noexcept {
        const std::size_t n = grid_->nodes;
        for (std::size_t c = 1; c <= n; ++c) {
            std::size_t best = c;
            for (std::size_t i = c + 1; i <= n; ++i)
                if (std::fabs(matrix_[i][c]) > std::fabs(matrix_[best][c])) best = i;
            pivot_[c] = best;
            if (best != c) std::swap(matrix_[c], matrix_[best]);
            for (std::size_t i = c + 1; i <= n; ++i) {
                const double factor = matrix_[i][c] /= matrix_[c][c];
                for (std::size_t j = c + 1; j <= n; ++j) matrix_[i][j] -= factor * matrix_[c][j];
            }
        }
    }
    void substitute(Nodes& right) const noexcept {
        const std::size_t n = grid_->nodes;
        for (std::size_t c = 1; c <= n; ++c) std::swap(right[c], right[pivot_[c]]);
        for (std::size_t i = 2; i <= n; ++i)
            for (std::size_t j = 1; j < i; ++j) right[i] -= matrix_[i][j] * right[j];
        for (std::size_t i = n; i >= 1; --i) {
            for (std::size_t j = i + 1; j <= n; ++j) right[i] -= matrix_[i][j] * right[j];
            right[i] /= matrix_[i][i];
        }
    }

    const Grid* grid_;
    double sign_;
    bool upper_;
    Nodes x_{}, g_{};
    std::array<Nodes, most_nodes + 1> matrix_;
    std::array<std::size_t, most_nodes + 1> pivot_;
};

struct Premium {
    double price, delta, gamma;
};

// Both boundaries of one put.
class Pair {
  public:
    Pair(const Grid& grid, const Market& market) noexcept
        : grid_(&grid), market_(market), upper_(grid, true), lower_(grid, false) {}

    // The horizon is expiry, or else just around the place where the boundaries meet: beyond it there may be
    // no solution. What lies between the last horizon tried that has one and the first that has none is
    // small.
    [[nodiscard]] bool solve() noexcept {
        const std::size_t n = grid_->nodes;
        double known = 0.0, beyond = infinity;
        horizon_ = market_.expiry;
        for (int attempt = 0; attempt < 40; ++attempt) {
            const Reach reach = march();
            if (reach.node == n && reach.crossed) break;
            if (reach.node > n) {
                known = horizon_;
                if (known == market_.expiry || beyond - known < closeness * known) break;
                horizon_ = 0.5 * (known + beyond);
                continue;
            }
            const std::size_t i = reach.node;
            double z = grid_->z[i];
            if (reach.crossed) {
                const double before = i == 1 ? -std::log(market_.rate / market_.yield) : gap(i - 1);
                z = grid_->z[i - 1] + (z - grid_->z[i - 1]) * before / (before - gap(i));
                z = std::min(1.02 * z, grid_->z[i]);
                horizon_ *= (z * z) * (z * z);
                continue;
            }
            beyond = std::min(beyond, horizon_ * (z * z) * (z * z));
            const double last = grid_->z[i - 1] * grid_->z[i - 1];
            known = std::max(known, horizon_ * last * last);
            horizon_ = 0.5 * (known + beyond);
        }
        const bool ends = beyond < infinity || horizon_ < market_.expiry;
        for (int attempt = 0; attempt < (ends ? 6 : 1); ++attempt) {
            if (march().node >= n && upper_.newton(market_, horizon_) && lower_.newton(market_, horizon_)) {
                close();
                return true;
            }
            horizon_ *= 0.98;
        }
        return false;
    }

    // Exercise is best at some spot now.
    [[nodiscard]] bool open() const noexcept { return closing_ >= 1.0 && horizon_ >= market_.expiry; }
    [[nodiscard]] double log_upper() const noexcept { return upper_.log_at_node(market_, grid_->nodes); }
    [[nodiscard]] double log_lower() const noexcept { return lower_.log_at_node(market_, grid_->nodes); }

    [[nodiscard]] Premium value(double log_spot) const noexcept {
        const Market& m = market_;
        const double spot = std::exp(log_spot),
                     until = horizon_ * (closing_ * closing_) * (closing_ * closing_);
        Premium sum{};
        Nodes row;
        for (std::size_t k = 0; k < grid_->points; ++k) {
            grid_->interpolation(closing_ * grid_->root[k], row);
            const double t = (m.expiry - until) + until * grid_->above[k], s = m.volatility * std::sqrt(t);
            const double gain = until * grid_->weight[k] * m.rate * std::exp(-m.rate * t);
            const double loss = until * grid_->weight[k] * m.yield * std::exp(-m.yield * t);
            const auto add = [&](double log_b, double sign) {
                const double d1 = (log_spot - log_b + (m.rate - m.yield) * t) / s + 0.5 * s, d2 = d1 - s;
                const double N1 = cumulative(-d1), n1 = density(d1), n2 = density(d2);
                sum.price += sign * (gain * cumulative(-d2) - spot * loss * N1);
                sum.delta -= sign * (gain * n2 / (spot * s) + loss * (N1 - n1 / s));
                sum.gamma += sign * (gain * n2 * d1 / spot + loss * n1 * (s - d1)) / (spot * s * s);
            };
            add(upper_.log_at(m, row), 1.0);
            add(lower_.log_at(m, row), -1.0);
        }
        return sum;
    }

    // The premium by volatility, rate and yield: every function of the inputs in differences, the boundaries
    // by the linearised equations.
    [[nodiscard]] std::array<double, 3> slopes(double log_spot) noexcept {
        std::array<double, 3> result{};
        for (std::size_t p = 0; p < 3; ++p) {
            const auto moved = [&](double by) {
                Market m = market_;
                (p == 0 ? m.volatility : p == 1 ? m.rate : m.yield) += by;
                return m;
            };
            const double size =
                p == 0 ? market_.volatility : std::min(-market_.rate, market_.rate - market_.yield);
            const double step = 1e-4 * size;
            const Market up = moved(step), down = moved(-step);
            const double width =
                up.volatility - down.volatility + up.rate - down.rate + up.yield - down.yield;
            const Nodes of_upper = upper_.tangent(up, down, horizon_, width);
            const Nodes of_lower = lower_.tangent(up, down, horizon_, width);
            const auto value_of = [&](const Market& m, double by) {
                Pair other = *this;
                other.market_ = m;
                other.upper_.move(of_upper, by);
                other.lower_.move(of_lower, by);
                return other.value(log_spot).price;
            };
            result[p] = (value_of(up, 0.5 * width) - value_of(down, -0.5 * width)) / width;
        }
        return result;
    }

  private:
    [[nodiscard]] double gap(std::size_t i) const noexcept {
        return upper_.log_at_node(market_, i) - lower_.log_at_node(market_, i);
    }

    // How far the march gets: the first node that has no root or a crossing, and whether it is a crossing.
    struct Reach {
        std::size_t node;
        bool crossed;
    };
    [[nodiscard]] Reach march() noexcept {
        std::size_t i = 1;
        for (; i <= grid_->nodes; ++i) {
            if (!(upper_.march(market_, horizon_, i) && lower_.march(market_, horizon_, i)))
                return {i, false};
            if (gap(i) <= 0.0) return {i, true};
        }
        return {i, false};
    }

    // The place z where they meet, 1 if they do not.
    void close() noexcept {
        closing_ = 1.0;
        if (gap(grid_->nodes) >= 0.0) return;
        Nodes row;
        double low = 0.0, high = 1.0;
        for (int step = 0; step < 40; ++step) {
            const double middle = 0.5 * (low + high);
            grid_->interpolation(middle, row);
            (upper_.log_at(market_, row) > lower_.log_at(market_, row) ? low : high) = middle;
        }
        closing_ = 0.5 * (low + high);
    }

    const Grid* grid_;
    Market market_;
    Boundary upper_, lower_;
    double horizon_ = 0.0, closing_ = 1.0;
};

// Premiums below this, per strike, may be left out; the bound on them is cautious by two digits.
constexpr std::array<double, 3> least_premium = {5e-5, 1e-5, 2e-7};

struct Problem {
    bool call;
    double spot, strike;  // of the mirrored put
    Market market;
    double intrinsic;

    Problem(const European& option, double volatility) noexcept
        : call(option.kind > 0.0),
          spot(call ? option.strike : option.spot),
          strike(call ? option.spot : option.strike),
          market{call ? option.dividend_yield : option.rate, call ? option.rate : option.dividend_yield,
                 volatility, option.time_to_expiry},
          intrinsic(std::max(strike - spot, 0.0)) {}

    [[nodiscard]] double log_spot() const noexcept { return std::log(spot / strike); }
    // The rate of gain is at most |q| w of the strike, w = ln(q / r), and the boundaries, which fall and rise
    // at least like v sqrt(tau), have met by then.
    [[nodiscard]] bool matters(Tier tier) const noexcept {
        const double width = std::log(market.yield / market.rate), meet = 2.0 * width / market.volatility;
        return -market.yield * width * std::min(market.expiry, meet * meet) >
               least_premium[static_cast<std::size_t>(tier)];
    }
    // By the tier's grid, or one of the others where Newton's method fails on it.
    [[nodiscard]] bool solve(Tier tier, Pair& pair) const noexcept {
        if (!matters(tier)) return false;
        const auto own = static_cast<std::size_t>(tier);
        for (const std::size_t choice : {own, (own + 1) % 3, (own + 2) % 3}) {
            pair = Pair(grid_of(static_cast<Tier>(choice)), market);
            if (pair.solve()) return true;
        }
        return false;
    }
    [[nodiscard]] bool exercised(const Pair& pair) const noexcept {
        const double at = log_spot();
        return pair.open() && pair.log_lower() <= at && at <= pair.log_upper();
    }
};

}  // namespace

Status american_double_boundary_price(Tier tier, const European& option, double volatility,
                                      double& result) noexcept {
    const Problem problem(option, volatility);
    const Status status = price(Model::bsm, option, volatility, result);
    if (status != Status::ok) return status;
    Pair pair(grid_of(tier), problem.market);
    double held = result;
    if (problem.solve(tier, pair)) {
        if (problem.exercised(pair)) {
            result = problem.intrinsic;
            return status;
        }
        held += problem.strike * std::max(pair.value(problem.log_spot()).price, 0.0);
    }
    result = std::max(held, problem.intrinsic);
    return status;
}

Status american_double_boundary_greeks(Tier tier, const European& option, double volatility,
                                       std::array<double, 9>& values) noexcept {
    const Problem problem(option, volatility);
    Greeks of_european;
    const Status status = greeks(Model::bsm, 1, Units::raw, option, volatility, of_european);
    std::copy_n(of_european.values.begin(), values.size(), values.begin());
    if (status != Status::ok) return status;
    const auto at = [&](Greek greek) -> double& { return values[static_cast<std::size_t>(greek)]; };
    Pair pair(grid_of(tier), problem.market);
    if (problem.solve(tier, pair) && !problem.exercised(pair)) {
        const double log_spot = problem.log_spot(), ratio = std::exp(log_spot), strike = problem.strike;
        const Premium premium = pair.value(log_spot);
        const std::array<double, 3> slope = pair.slopes(log_spot);
        const double other = premium.price - ratio * premium.delta;
        const Market& m = problem.market;
        at(Greek::price) += strike * std::max(premium.price, 0.0);
        at(Greek::delta) += problem.call ? other : premium.delta;
        at(Greek::dual_delta) += problem.call ? premium.delta : other;
        at(Greek::gamma) += premium.gamma * (problem.call ? ratio * ratio : 1.0) / strike;
        at(Greek::dual_gamma) += premium.gamma * (problem.call ? 1.0 : ratio * ratio) / strike;
        at(Greek::vega) += strike * slope[0];
        at(Greek::rho) += strike * slope[problem.call ? 2 : 1];
        at(Greek::epsilon) += strike * slope[problem.call ? 1 : 2];
        // The value depends on r T, q T and v sqrt(T) alone.
        at(Greek::theta) -=
            strike * (m.rate * slope[1] + m.yield * slope[2] + 0.5 * m.volatility * slope[0]) / m.expiry;
        if (at(Greek::price) > problem.intrinsic) return status;
    } else if (at(Greek::price) > problem.intrinsic) {
        return status;
    }
    values.fill(0.0);
    at(Greek::price) = problem.intrinsic;
    at(Greek::delta) = option.kind;
    at(Greek::dual_delta) = -option.kind;
    return status;
}

Status american_double_boundary_exercise(Tier tier, const European& option, double volatility, double& lower,
                                         double& upper) noexcept {
    const Problem problem(option, volatility);
    lower = upper = not_a_number;
    Pair pair(grid_of(tier), problem.market);
    if (!problem.solve(tier, pair) || !pair.open()) return Status::ok;
    const double low = std::exp(pair.log_lower()), high = std::exp(pair.log_upper());
    lower = problem.call ? option.strike / high : option.strike * low;
    upper = problem.call ? option.strike / low : option.strike * high;
    return Status::ok;
}

}  // namespace optionsib::pricing
