// American options that the kernels leave aside: bad input, the limits at expiry and at zero volatility, two
// boundaries, and sizes at the ends of the number range.

#include <algorithm>
#include <cmath>
#include <limits>

#include "american_march.hpp"
#include "american_table.hpp"
#include "european_table.hpp"
#include "optionsib/pricing/american_double_boundary.hpp"

namespace optionsib::pricing {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

In<double> at(const double& value) noexcept {
    return {reinterpret_cast<const std::byte*>(&value), 0};
}

template <typename T>
Out<T> into(T& value) noexcept {
    return {reinterpret_cast<std::byte*>(&value), sizeof value};
}

Status european_price(Model model, SimdPath path, const European& option, double volatility,
                      double& result) noexcept {
    const auto kind = static_cast<std::int8_t>(option.kind);
    const EuropeanColumns columns{{reinterpret_cast<const std::byte*>(&kind), 0},
                                  at(option.spot),
                                  at(option.strike),
                                  at(option.time_to_expiry),
                                  at(option.rate),
                                  at(option.dividend_yield)};
    std::int8_t status = 0;
    const Out<double> to{reinterpret_cast<std::byte*>(&result), sizeof(double)};
    european_kernels(path).run[model == Model::bsm ? 0 : 1][0](
        {1, &columns, at(volatility), &to, {reinterpret_cast<std::byte*>(&status), 1}, model, nullptr});
    return static_cast<Status>(status);
}

// Without volatility exercise earns w (S e^{-qt} - K e^{-rt}) at t: best at an end or where that is level.
double deterministic_price(const European& o) noexcept {
    const auto value = [&o](double t) {
        return o.kind * (o.spot * std::exp(-o.dividend_yield * t) - o.strike * std::exp(-o.rate * t));
    };
    double best = std::max(value(0.0), 0.0);
    const double quotient = o.rate * o.strike / (o.dividend_yield * o.spot);
    const double time = std::log(quotient) / (o.rate - o.dividend_yield);
    if (time > 0.0 && time < o.time_to_expiry) best = std::max(best, value(time));
    return best;
}

double put_rate(const European& o) noexcept {
    return o.kind > 0.0 ? o.dividend_yield : o.rate;
}
double put_yield(const European& o) noexcept {
    return o.kind > 0.0 ? o.rate : o.dividend_yield;
}

bool never_exercised(const European& o) noexcept {
    return put_rate(o) <= 0.0 && put_yield(o) >= put_rate(o);
}

bool has_two_boundaries(const European& o) noexcept {
    return put_rate(o) < 0.0 && put_yield(o) < put_rate(o);
}

// The option without the rate that counts for nothing, if it has one.
bool without_negligible_rate(European& o) noexcept {
    if (!has_negligible_rate(put_rate(o), put_yield(o), o.time_to_expiry)) return false;
    (o.kind > 0.0 ? o.dividend_yield : o.rate) = 0.0;
    return true;
}

// One element of a kernel's task.
struct Single {
    std::int8_t kind, status = 0;
    EuropeanColumns columns;

    explicit Single(const European& o) noexcept
        : kind(static_cast<std::int8_t>(o.kind)),
          columns{{reinterpret_cast<const std::byte*>(&kind), 0},
                  at(o.spot),
                  at(o.strike),
                  at(o.time_to_expiry),
                  at(o.rate),
                  at(o.dividend_yield)} {}
    Single(const Single&) = delete;
    Single& operator=(const Single&) = delete;

    [[nodiscard]] AmericanTask task(Tier tier, const double& volatility) noexcept {
        return {1, &columns, at(volatility), {}, {}, {}, into(status), Model::bsm, tier, &american_grids()};
    }
};

double log_limit(double rate, double yield) noexcept {
    return yield > rate ? std::log(rate) - std::log(yield) : 0.0;
}

// Steeper drifts in |r - q| sqrt(T) / v: upwards the option is perpetual but for exp(-d^2 / 2); downwards it
// pays what the forward's path says but for the square of v sqrt(T).
constexpr double perpetual_drift = 8.0, certain_drift = 60.0;

// What the option is as a put in units of its strike, its time cut where no more of it counts: e^{-rT} and
// the chance of a spot that has not moved far away are nothing.
struct OneBoundary {
    ScaledPut put;
    double log_spot, strike, expiry;
    double steepness;

    OneBoundary(const European& o, double volatility) noexcept {
        const double rate = put_rate(o), yield = put_yield(o);
        strike = o.kind > 0.0 ? o.spot : o.strike;
        log_spot = o.kind * (std::log(o.strike) - std::log(o.spot));
        expiry = std::min({o.time_to_expiry, 50.0 / rate, 400.0 / volatility / volatility});
        put = {rate * expiry, yield * expiry, volatility * std::sqrt(expiry)};
        steepness = (put.rate - put.yield) / put.total;
    }
    // Of the perpetual boundary, ln b.
    [[nodiscard]] double perpetual(double& power) const noexcept {
        const double variance = put.total * put.total, product = 2.0 * put.rate / variance;
        const double sum = 2.0 * (put.rate - put.yield) / variance - 1.0;
        const double large = 0.5 * (std::sqrt(sum * sum + 4.0 * product) + std::abs(sum));
        power = sum > 0.0 ? large : product / large;
        return -std::log1p(1.0 / power);
    }
};

// Where the premium is less than a rounding error of the strike.
bool hardly_exercised(const European& o) noexcept {
    return put_rate(o) * o.time_to_expiry <= 0x1p-60 && put_yield(o) >= 0.0;
}

double one_boundary_price(Tier tier, const European& option, double volatility, double european,
                          double floor) noexcept {
    if (hardly_exercised(option)) return floor;
    const OneBoundary one(option, volatility);
    if (one.steepness < -certain_drift) return std::max(floor, deterministic_price(option));
    const double intrinsic = std::max(option.kind * (option.spot - option.strike), 0.0);
    if (one.steepness > perpetual_drift) {
        double power = 0.0;
        const double boundary = one.perpetual(power);
        if (one.log_spot <= boundary) return intrinsic;
        return std::max(floor, one.strike * std::exp(-power * (one.log_spot - boundary)) / (1.0 + power));
    }
    double power = 0.0, depth = 0.0;
    if (one.log_spot <= one.perpetual(power)) return intrinsic;  // no boundary lies deeper
    const double premium = american_march_premium(tier, one.put, one.log_spot, depth);
    if (one.log_spot <= log_limit(one.put.rate, one.put.yield) - depth) return intrinsic;
    if (one.expiry < option.time_to_expiry) {
        European cut = option;
        cut.time_to_expiry = one.expiry;
        if (european_price(Model::bsm, SimdPath::baseline, cut, volatility, european) != Status::ok)
            return floor;
    }
    return std::max(floor, european + one.strike * premium);
}

}  // namespace

Status american_price_edge(Model model, Tier tier, SimdPath path, const European& given, double volatility,
                           double& price) noexcept {
    European option = given;
    const Status status = european_price(model, path, option, volatility, price);
    if (model == Model::black76) option.dividend_yield = option.rate;
    if (status != Status::ok || never_exercised(option)) return status;
    const double european = price, intrinsic = std::max(option.kind * (option.spot - option.strike), 0.0);
    const double floor = std::max(european, intrinsic);
    if (!(volatility * std::sqrt(option.time_to_expiry) > 0.0)) {
        price = std::max(floor, deterministic_price(option));
        return Status::ok;
    }
    if (without_negligible_rate(option)) {
        Single one(option);
        AmericanTask task = one.task(tier, volatility);
        task.price = into(price);
        american_kernels(path).price[0][static_cast<std::size_t>(tier)](task);
        price = std::max(floor, price);
        return static_cast<Status>(one.status);
    }
    if (!has_two_boundaries(option)) {
        price = one_boundary_price(tier, option, volatility, european, floor);
        return Status::ok;
    }
    const Status solved = american_double_boundary_price(tier, option, volatility, price);
    if (solved == Status::ok) price = std::max(floor, price);
    return solved;
}

Status exercise_boundary_edge(Model model, Tier tier, const European& given, double volatility, double& lower,
                              double& upper) noexcept {
    European option = given;
    option.spot = option.strike;
    double unused = 0.0;
    lower = upper = not_a_number;
    const Status status = european_price(model, SimdPath::baseline, option, volatility, unused);
    if (model == Model::black76) option.dividend_yield = option.rate;
    if (status != Status::ok || never_exercised(option)) return status;
    const bool certain = !(volatility * std::sqrt(option.time_to_expiry) > 0.0);
    if (!certain && without_negligible_rate(option)) {
        Single one(option);
        AmericanTask task = one.task(tier, volatility);
        task.lower = into(lower);
        task.upper = into(upper);
        american_kernels(SimdPath::baseline).boundary[0][static_cast<std::size_t>(tier)](task);
        return static_cast<Status>(one.status);
    }
    if (has_two_boundaries(option)) {
        if (!certain) return american_double_boundary_exercise(tier, option, volatility, lower, upper);
        const double other = option.rate / option.dividend_yield;
        lower = option.strike * std::min(1.0, other);
        upper = option.strike * std::max(1.0, other);
        return Status::ok;
    }
    double log_boundary = log_limit(put_rate(option), put_yield(option));
    if (!certain) {
        const OneBoundary one(option, volatility);
        double power = 0.0;
        if (hardly_exercised(option))
            log_boundary = -infinity;
        else if (one.steepness > perpetual_drift)
            log_boundary = one.perpetual(power);
        else if (one.steepness >= -certain_drift)
            log_boundary -= american_march_depth(tier, one.put);
    }
    lower = option.kind > 0.0 ? option.strike * std::exp(-log_boundary) : 0.0;
    upper = option.kind > 0.0 ? infinity : option.strike * std::exp(log_boundary);
    return Status::ok;
}

}  // namespace optionsib::pricing
