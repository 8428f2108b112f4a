#include "optionsib/pricing/finite_difference.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace optionsib::pricing {
namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

// Of |r - q - v^2/2| times the step to v^2.
constexpr double largest_cell_drift = 0.25;

// One option on x = ln(S / spot), |x| <= half_width.
struct Grid {
    const European& option;
    bool american;
    std::size_t nodes;  // the last one's number
    double half_width, step;
    double lower, middle, upper;  // of the operator V -> v^2/2 V_xx + (r - q - v^2/2) V_x - r V
    std::span<double> value, payoff, right, diagonal, solution, active;

    [[nodiscard]] double spot(std::size_t i) const noexcept {
        return option.spot * std::exp((static_cast<double>(i) - 0.5 * static_cast<double>(nodes)) * step);
    }
    [[nodiscard]] double edge(std::size_t i, double tau) const noexcept {
        const double forward = option.kind * (spot(i) * std::exp(-option.dividend_yield * tau) -
                                              option.strike * std::exp(-option.rate * tau));
        const double european = std::max(forward, 0.0);
        return american ? std::max(european, payoff[i]) : european;
    }
};

// (1 - weight dt L) V_new = (1 + (1 - weight) dt L) V_old, V_new >= payoff.
void advance(Grid& g, double dt, double weight, double tau_new) noexcept {
    const std::size_t n = g.nodes;
    const double explicit_dt = (1.0 - weight) * dt, implicit_dt = weight * dt;
    for (std::size_t i = 1; i < n; ++i)
        g.right[i] = g.value[i] + explicit_dt * (g.lower * g.value[i - 1] + g.middle * g.value[i] +
                                                 g.upper * g.value[i + 1]);
    const double low = g.edge(0, tau_new), high = g.edge(n, tau_new);
    const double a = -implicit_dt * g.lower, b = 1.0 - implicit_dt * g.middle, c = -implicit_dt * g.upper;
    if (g.american)
        for (std::size_t i = 1; i < n; ++i) g.active[i] = g.value[i] <= g.payoff[i] ? 1.0 : 0.0;
    for (int iteration = 0; iteration < 100; ++iteration) {
        // Thomas' algorithm; an active row says V = payoff.
        g.solution[0] = low;
        g.diagonal[0] = 0.0;  // the upper entry over the pivot
        for (std::size_t i = 1; i < n; ++i) {
            if (g.american && g.active[i] > 0.0) {
                g.solution[i] = g.payoff[i];
                g.diagonal[i] = 0.0;
            } else {
                const double pivot = b - a * g.diagonal[i - 1];
                g.solution[i] = (g.right[i] - a * g.solution[i - 1]) / pivot;
                g.diagonal[i] = c / pivot;
            }
        }
        g.solution[n] = high;
        for (std::size_t i = n; i-- > 1;) g.solution[i] -= g.diagonal[i] * g.solution[i + 1];
        if (!g.american) break;
        // Of V - payoff and of the residual the smaller must be 0.
        bool changed = false;
        for (std::size_t i = 1; i < n; ++i) {
            const double residual =
                a * g.solution[i - 1] + b * g.solution[i] + c * g.solution[i + 1] - g.right[i];
            const double excess = g.solution[i] - g.payoff[i];
            const double now = g.active[i] > 0.0 ? (residual >= 0.0 ? 1.0 : 0.0) : (excess < 0.0 ? 1.0 : 0.0);
            changed = changed || now != g.active[i];
            g.active[i] = now;
        }
        if (!changed) break;
    }
    std::copy(g.solution.begin(), g.solution.end(), g.value.begin());
}

Status check(const European& o, double volatility) noexcept {
    const bool valid = (o.kind == 1.0 || o.kind == -1.0) && std::isfinite(o.spot) && o.spot > 0.0 &&
                       std::isfinite(o.strike) && o.strike > 0.0 && std::isfinite(o.time_to_expiry) &&
                       std::isfinite(o.rate) && std::isfinite(o.dividend_yield) &&
                       std::isfinite(volatility) && volatility >= 0.0;
    if (!valid) return Status::invalid_input;
    return o.time_to_expiry < 0.0 ? Status::expired : Status::ok;
}

FiniteDifferenceGrid usable(FiniteDifferenceGrid grid) noexcept {
    const std::size_t space = std::max<std::size_t>(grid.space_steps, 8);
    return {space + space % 2, std::max<std::size_t>(grid.time_steps, 1)};
}

}  // namespace

Status finite_difference(ExerciseStyle style, const European& option, double volatility,
                         FiniteDifferenceGrid grid, std::span<double> workspace,
                         FiniteDifferenceResult& result) noexcept {
    result = {not_a_number, not_a_number, not_a_number, not_a_number};
    const Status status = check(option, volatility);
    if (status != Status::ok) return status;
    const FiniteDifferenceGrid used = usable(grid);
    const double expiry = option.time_to_expiry, deviation = volatility * std::sqrt(expiry);
    if (!(deviation > 0.0) || workspace.size() < finite_difference_workspace(used))
        return Status::unsupported;
    const std::size_t n = used.space_steps, row = n + 2;
    const double variance = volatility * volatility, carry = option.rate - option.dividend_yield;
    const double half_width = 6.0 * deviation + std::fabs(carry - 0.5 * variance) * expiry;
    const double step = 2.0 * half_width / static_cast<double>(n);
    // A grid that is coarse for its drift makes up values: the layer where exercise is worth something, and
    // all that crosses the grid, are v^2 / |r - q - v^2/2| wide.
    if (!(std::fabs(carry - 0.5 * variance) * step <= largest_cell_drift * variance))
        return Status::unsupported;
    const double diffusion = 0.5 * variance / (step * step), drift = 0.5 * (carry - 0.5 * variance) / step;
    const auto part = [&](std::size_t i) { return workspace.subspan(i * row, n + 1); };
    Grid g{option,
           style == ExerciseStyle::american,
           n,
           half_width,
           step,
           diffusion - drift,
           -2.0 * diffusion - option.rate,
           diffusion + drift,
           part(0),
           part(1),
           part(2),
           part(3),
           part(4),
           part(5)};
    const double strike_at = std::log(option.strike / option.spot);
    for (std::size_t i = 0; i <= n; ++i) {
        g.payoff[i] = option.kind * (g.spot(i) - option.strike);
        g.value[i] = std::max(g.payoff[i], 0.0);
        g.active[i] = 0.0;
        // The node next to the kink starts with its cell's mean.
        const double x = -half_width + static_cast<double>(i) * step, low = x - 0.5 * step,
                     high = x + 0.5 * step;
        if (low < strike_at && strike_at < high) {
            const double from = option.kind > 0.0 ? strike_at : low,
                         to = option.kind > 0.0 ? high : strike_at;
            g.value[i] = option.kind *
                         (option.spot * (std::exp(to) - std::exp(from)) - option.strike * (to - from)) / step;
        }
        if (g.american) g.value[i] = std::max(g.value[i], g.payoff[i]);
    }
    // Four implicit half steps instead of the first two, then Crank-Nicolson.
    const double dt = expiry / static_cast<double>(used.time_steps);
    double tau = 0.0;
    for (std::size_t s = 0; s < used.time_steps; ++s) {
        const bool damped = s < 2;
        for (int half = 0; half < (damped ? 2 : 1); ++half) {
            const double length = damped ? 0.5 * dt : dt;
            tau += length;
            advance(g, length, damped ? 1.0 : 0.5, tau);
        }
    }
    const std::size_t m = n / 2;
    const double intrinsic = option.kind * (option.spot - option.strike);
    const double first = (g.value[m + 1] - g.value[m - 1]) / (2.0 * step);
    const double second = (g.value[m + 1] - 2.0 * g.value[m] + g.value[m - 1]) / (step * step);
    result.price = g.american ? std::max(g.value[m], intrinsic) : g.value[m];
    result.delta = first / option.spot;
    result.gamma = (second - first) / (option.spot * option.spot);
    result.theta =
        g.american && g.value[m] <= intrinsic
            ? 0.0
            : option.rate * result.price - (carry - 0.5 * variance) * first - 0.5 * variance * second;
    if (!std::isfinite(result.price)) {  // out of the range of doubles on the way
        result = {not_a_number, not_a_number, not_a_number, not_a_number};
        return Status::unsupported;
    }
    return Status::ok;
}

void finite_difference(ExerciseStyle style, std::size_t size, const EuropeanColumns& options,
                       In<double> volatility, FiniteDifferenceGrid grid,
                       const FiniteDifferenceColumns& result, Out<std::int8_t> status) {
    std::vector<double> workspace(finite_difference_workspace(usable(grid)));
    for (std::size_t i = 0; i < size; ++i) {
        const European option{static_cast<double>(options.kind[i]),
                              options.spot[i],
                              options.strike[i],
                              options.time_to_expiry[i],
                              options.rate[i],
                              options.dividend_yield[i]};
        FiniteDifferenceResult found{};
        status.put(i, static_cast<std::int8_t>(
                          finite_difference(style, option, volatility[i], grid, workspace, found)));
        result.price.put(i, found.price);
        result.delta.put(i, found.delta);
        result.gamma.put(i, found.gamma);
        result.theta.put(i, found.theta);
    }
}

}  // namespace optionsib::pricing
