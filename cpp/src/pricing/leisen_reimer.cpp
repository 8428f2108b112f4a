#include "optionsib/pricing/leisen_reimer.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace optionsib::pricing {
namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

// What the cumulative normal at z is as a binomial probability: Peizer and Pratt's inversion, method 2.
double peizer_pratt(double z, double n) noexcept {
    const double scaled = z / (n + 1.0 / 3.0 + 0.1 / (n + 1.0));
    return 0.5 + std::copysign(0.5 * std::sqrt(-std::expm1(-scaled * scaled * (n + 1.0 / 6.0))), z);
}

Status check(const European& o, double volatility) noexcept {
    const bool valid = (o.kind == 1.0 || o.kind == -1.0) && std::isfinite(o.spot) && o.spot > 0.0 &&
                       std::isfinite(o.strike) && o.strike > 0.0 && std::isfinite(o.time_to_expiry) &&
                       std::isfinite(o.rate) && std::isfinite(o.dividend_yield) &&
                       std::isfinite(volatility) && volatility >= 0.0;
    if (!valid) return Status::invalid_input;
    return o.time_to_expiry < 0.0 ? Status::expired : Status::ok;
}

}  // namespace

Status leisen_reimer(ExerciseStyle style, const European& option, double volatility, std::size_t steps,
                     std::span<double> workspace, LeisenReimerResult& result) noexcept {
    result = {not_a_number, not_a_number, not_a_number, not_a_number};
    const Status status = check(option, volatility);
    if (status != Status::ok) return status;
    const std::size_t n = std::max<std::size_t>(steps, 3) | 1;
    const double deviation = volatility * std::sqrt(option.time_to_expiry);
    if (!(deviation > 0.0) || workspace.size() < leisen_reimer_workspace(n)) return Status::unsupported;
    const double real_n = static_cast<double>(n), dt = option.time_to_expiry / real_n;
    const double carry = option.rate - option.dividend_yield;
    const double d1 =
        (std::log(option.spot / option.strike) + carry * option.time_to_expiry) / deviation + 0.5 * deviation;
    const double d2 = d1 - deviation;
    const double p = peizer_pratt(d2, real_n),
                 q = peizer_pratt(-d2, real_n);  // q = 1 - p, also where p is near 1
    const double growth = std::exp(carry * dt), discount = std::exp(-option.rate * dt);
    const double up = growth * peizer_pratt(d1, real_n) / p, down = growth * peizer_pratt(-d1, real_n) / q;
    if (!(p > 0.0 && q > 0.0 && down > 0.0 && std::isfinite(up))) return Status::unsupported;

    // The tree begins two steps before now, at spot / (up down): node j of level m is there times
    // up^j down^(m - j).
    const std::size_t last = n + 2;
    const std::span<double> value = workspace.first(last + 1), spot = workspace.subspan(last + 1, last + 1);
    const bool american = style == ExerciseStyle::american;
    const double ratio = up / down;
    spot[0] = option.spot / (up * down) * std::pow(down, static_cast<double>(last));
    for (std::size_t j = 1; j <= last; ++j) spot[j] = spot[j - 1] * ratio;
    for (std::size_t j = 0; j <= last; ++j) value[j] = std::max(option.kind * (spot[j] - option.strike), 0.0);
    for (std::size_t level = last; level-- > 2;) {
        for (std::size_t j = 0; j <= level; ++j) {
            spot[j] /= down;
            value[j] = discount * (p * value[j + 1] + q * value[j]);
            if (american) value[j] = std::max(value[j], option.kind * (spot[j] - option.strike));
        }
    }
    const double intrinsic = option.kind * (option.spot - option.strike);
    result.price = american ? std::max(value[1], intrinsic) : value[1];
    const double low = option.spot / ratio, high = option.spot * ratio;
    const double below = (value[1] - value[0]) / (option.spot - low),
                 above = (value[2] - value[1]) / (high - option.spot);
    result.gamma = 2.0 * (above - below) / (high - low);
    // The slope of the parabola through the three nodes.
    result.delta = (below * (high - option.spot) + above * (option.spot - low)) / (high - low);
    if (american && value[1] <= intrinsic)
        result.theta = 0.0;
    else
        result.theta = option.rate * result.price - carry * option.spot * result.delta -
                       0.5 * volatility * volatility * option.spot * option.spot * result.gamma;
    return Status::ok;
}

void leisen_reimer(ExerciseStyle style, std::size_t size, const EuropeanColumns& options,
                   In<double> volatility, std::size_t steps, const LeisenReimerColumns& result,
                   Out<std::int8_t> status) {
    std::vector<double> workspace(leisen_reimer_workspace(std::max<std::size_t>(steps, 3) | 1));
    for (std::size_t i = 0; i < size; ++i) {
        const European option{static_cast<double>(options.kind[i]),
                              options.spot[i],
                              options.strike[i],
                              options.time_to_expiry[i],
                              options.rate[i],
                              options.dividend_yield[i]};
        LeisenReimerResult found{};
        status.put(i, static_cast<std::int8_t>(
                          leisen_reimer(style, option, volatility[i], steps, workspace, found)));
        result.price.put(i, found.price);
        result.delta.put(i, found.delta);
        result.gamma.put(i, found.gamma);
        result.theta.put(i, found.theta);
    }
}

}  // namespace optionsib::pricing
