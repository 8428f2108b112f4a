// American Greeks and implied volatilities that the kernels leave aside: bad input, the limits at expiry and
// at zero volatility, two boundaries, prices at or outside their bounds, and extreme sizes.

#include <algorithm>
#include <cmath>
#include <limits>

#include "american_greeks_table.hpp"
#include "european_table.hpp"
#include "optionsib/pricing/american_double_boundary.hpp"

namespace optionsib::pricing {
namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t count = greeks_of_order(1);

In<double> at(const double& value) noexcept {
    return {reinterpret_cast<const std::byte*>(&value), 0};
}
template <typename T>
Out<T> into(T& value) noexcept {
    return {reinterpret_cast<std::byte*>(&value), sizeof value};
}

// One option as columns of stride 0; `kind` is kept for them.
struct Single {
    std::int8_t kind;
    EuropeanColumns columns;

    explicit Single(const European& option) noexcept
        : kind(static_cast<std::int8_t>(option.kind)),
          columns{{reinterpret_cast<const std::byte*>(&kind), 0},
                  at(option.spot),
                  at(option.strike),
                  at(option.time_to_expiry),
                  at(option.rate),
                  at(option.dividend_yield)} {}
};

// What everything here is asked of.
struct Element {
    Model model;
    Tier tier;
    SimdPath path;
    European option;

    [[nodiscard]] std::size_t family() const noexcept { return model == Model::bsm ? 0 : 1; }
    [[nodiscard]] double yield() const noexcept {
        return model == Model::bsm ? option.dividend_yield : option.rate;
    }
    [[nodiscard]] double intrinsic() const noexcept {
        return std::max(option.kind * (option.spot - option.strike), 0.0);
    }
    // Rate and yield of the put that the option mirrors.
    [[nodiscard]] double put_rate() const noexcept { return option.kind > 0.0 ? yield() : option.rate; }
    [[nodiscard]] double put_yield() const noexcept { return option.kind > 0.0 ? option.rate : yield(); }
    [[nodiscard]] bool never_exercised() const noexcept {
        return put_rate() <= 0.0 && put_yield() >= put_rate();
    }
    [[nodiscard]] bool has_two_boundaries() const noexcept {
        return put_yield() < put_rate() && put_rate() < 0.0;
    }

    [[nodiscard]] Status european(double volatility, double* values) const noexcept {
        const Single one(option);
        std::array<Out<double>, count> to{};
        for (std::size_t j = 0; j < count; ++j) to[j] = into(values[j]);
        std::int8_t status = 0;
        european_kernels(path).run[family()][1](
            {1, &one.columns, at(volatility), to.data(), into(status), model, nullptr});
        return static_cast<Status>(status);
    }
    [[nodiscard]] Status price(double volatility, double& value) const noexcept {
        const Single one(option);
        std::int8_t status = 0;
        american_kernels(path).price[family()][static_cast<std::size_t>(tier)]({1,
                                                                                &one.columns,
                                                                                at(volatility),
                                                                                into(value),
                                                                                {},
                                                                                {},
                                                                                into(status),
                                                                                model,
                                                                                tier,
                                                                                &american_grids()});
        return static_cast<Status>(status);
    }
};

void exercised(const Element& e, double* values) noexcept {
    std::fill_n(values, count, 0.0);
    values[static_cast<std::size_t>(Greek::price)] = e.intrinsic();
    values[static_cast<std::size_t>(Greek::delta)] = e.option.kind;
    values[static_cast<std::size_t>(Greek::dual_delta)] = -e.option.kind;
}

// Without volatility exercise at t earns w (S e^{-qt} - K e^{-rt}): `values` has the European Greeks, right
// when t = T is best or nothing is earned.
void deterministic(const Element& e, double* values) noexcept {
    const European& o = e.option;
    const double q = e.yield(), w = o.kind;
    const auto value = [&](double t) {
        return w * (o.spot * std::exp(-q * t) - o.strike * std::exp(-o.rate * t));
    };
    const double european = std::max(values[0], 0.0);
    const double level = std::log(o.rate * o.strike / (q * o.spot)) / (o.rate - q);
    if (level > 0.0 && level < o.time_to_expiry && value(level) > std::max(european, value(0.0))) {
        Greeks g{};
        const double growth = std::exp(-q * level), discount = std::exp(-o.rate * level);
        g[Greek::price] = value(level);
        g[Greek::delta] = w * growth;
        g[Greek::gamma] = w * growth * q / (o.spot * (o.rate - q));
        g[Greek::rho] = w * o.strike * level * discount;
        g[Greek::epsilon] = -w * o.spot * level * growth;
        g[Greek::dual_delta] = -w * discount;
        g[Greek::dual_gamma] = g[Greek::gamma] * (o.spot / o.strike) * (o.spot / o.strike);
        std::copy_n(g.values.begin(), count, values);
    } else if (value(0.0) > european) {
        exercised(e, values);
    }
}

// Central differences of the price, for sizes at the ends of the number range.
Status differences(const Element& e, double volatility, double* values) noexcept {
    const European& o = e.option;
    double base = 0.0;
    const Status status = e.price(volatility, base);
    if (status != Status::ok) {
        std::fill_n(values, count, not_a_number);
        return status;
    }
    if (e.intrinsic() > 0.0 && base <= e.intrinsic()) {
        exercised(e, values);
        return status;
    }
    const auto moved = [&](double European::* field, double by) {
        Element other = e;
        other.option.*field += by;
        double value = 0.0;
        static_cast<void>(other.price(volatility, value));
        return value;
    };
    const auto slope = [&](double European::* field, double by) {
        return (moved(field, by) - moved(field, -by)) / (2.0 * by);
    };
    const auto bend = [&](double European::* field, double by) {
        return (moved(field, by) - 2.0 * base + moved(field, -by)) / (by * by);
    };
    double up = 0.0, down = 0.0;
    static_cast<void>(e.price(volatility * 1.0001, up));
    static_cast<void>(e.price(volatility * 0.9999, down));
    const double rate = 1e-5 * std::max(std::fabs(o.rate), std::fabs(e.yield()));
    Greeks g{};
    g[Greek::price] = base;
    g[Greek::delta] = slope(&European::spot, 1e-5 * o.spot);
    g[Greek::gamma] = bend(&European::spot, 1e-3 * o.spot);
    g[Greek::vega] = (up - down) / (2e-4 * volatility);
    g[Greek::rho] = slope(&European::rate, rate);
    g[Greek::epsilon] = e.model == Model::bsm ? slope(&European::dividend_yield, rate) : 0.0;
    // The value is homogeneous in spot and strike, and depends on r T, q T and v sqrt(T) alone.
    const double ratio = o.spot / o.strike;
    g[Greek::theta] =
        -(o.rate * g[Greek::rho] + o.dividend_yield * g[Greek::epsilon] + 0.5 * volatility * g[Greek::vega]) /
        o.time_to_expiry;
    g[Greek::dual_delta] = base / o.strike - ratio * g[Greek::delta];
    g[Greek::dual_gamma] = ratio * ratio * g[Greek::gamma];
    std::copy_n(g.values.begin(), count, values);
    return Status::ok;
}

}  // namespace

Status american_greeks_edge(Model model, Tier tier, SimdPath path, const European& option, double volatility,
                            double* values) noexcept {
    const Element e{model, tier, path, option};
    const Status status = e.european(volatility, values);
    if (status != Status::ok || e.never_exercised()) return status;
    if (option.time_to_expiry == 0.0 || volatility == 0.0) {
        deterministic(e, values);
        return status;
    }
    if (has_negligible_rate(e.put_rate(), e.put_yield(), option.time_to_expiry)) {
        European without = option;
        (option.kind > 0.0 ? without.dividend_yield : without.rate) = 0.0;
        const Single one(without);
        const double floor = std::max(values[0], e.intrinsic());
        std::array<Out<double>, count> to{};
        for (std::size_t j = 0; j < count; ++j) to[j] = into(values[j]);
        std::int8_t said = 0;
        american_greeks_kernels(path).greeks[static_cast<std::size_t>(tier)](
            {1, &one.columns, at(volatility), to.data(), into(said), model, tier, &american_grids(),
             nullptr});
        values[0] = std::max(values[0], floor);
        return static_cast<Status>(said);
    }
    if (!e.has_two_boundaries()) return differences(e, volatility, values);
    std::array<double, count> result;
    const Status solved = american_double_boundary_greeks(tier, option, volatility, result);
    std::copy_n(result.begin(), count, values);
    return solved;
}

Status american_volatility_edge(Model model, Tier tier, SimdPath path, const European& option, double price,
                                double& volatility) noexcept {
    const Element e{model, tier, path, option};
    volatility = not_a_number;
    double floor = 0.0;
    const Status status = e.price(0.0, floor);
    if (status != Status::ok) return status;
    if (!std::isfinite(price)) return Status::invalid_input;
    const double T = option.time_to_expiry, intrinsic = e.intrinsic();
    const double few_ulps =
        4.0 * std::numeric_limits<double>::epsilon() * std::max(option.spot, option.strike);
    const double most = option.kind > 0.0 ? option.spot * std::exp(std::max(-e.yield(), 0.0) * T)
                                          : option.strike * std::exp(std::max(-option.rate, 0.0) * T);
    if (price < floor - few_ulps) return Status::below_intrinsic;
    if (price > most + few_ulps) return Status::above_maximum;
    // Out of the money so small a price says nothing of the premium.
    const double least = 1e-200 * std::max(option.spot, option.strike);
    if (price <= floor + (floor > 0.0 ? few_ulps : least)) {
        // Exercise is best for every small volatility where it earns now.
        const bool earns = option.kind * (e.yield() * option.spot - option.rate * option.strike) > 0.0;
        if (intrinsic > 0.0 && floor <= intrinsic && !e.never_exercised() && (earns || T == 0.0))
            return Status::at_intrinsic;
        volatility = 0.0;
        return Status::no_vega;
    }
    if (T == 0.0) return Status::above_maximum;

    // Outwards from the European volatility, which is no less; out of the money in logarithms, since prices
    // there are of every size.
    const bool logarithmic = floor == 0.0;
    const auto miss = [&](double at_volatility, double& f) {
        const Status solved = e.price(at_volatility, f);
        f = logarithmic ? std::log(std::max(f, 1e-320) / price) : f - price;
        return solved;
    };
    double start = 0.0;
    static_cast<void>(implied_volatility(model, option, price, not_a_number, start));
    if (!(start > 0.0)) start = 0.25 / std::sqrt(T);
    double low = start, high = start, f_low = 0.0, f_high = 0.0, reach = 1e-6;
    Status solved = miss(start, f_low);
    f_high = f_low;
    for (; solved == Status::ok && f_high < 0.0; reach *= 8.0) {
        low = high;
        f_low = f_high;
        high *= 1.0 + std::min(reach, 1.0);
        if (high > 1e4 / std::sqrt(T)) return Status::above_maximum;
        solved = miss(high, f_high);
    }
    for (; solved == Status::ok && f_low >= 0.0; reach *= 8.0) {
        high = low;
        f_high = f_low;
        low /= 1.0 + std::min(reach, 1.0);
        if (low < 1e-8 / std::sqrt(T)) {
            volatility = 0.0;
            return Status::no_vega;
        }
        solved = miss(low, f_low);
    }
    if (solved != Status::ok) return solved;
    for (int step = 0; step < 60 && high - low > 1e-9 * high; ++step) {
        double middle = step % 3 == 2 ? 0.5 * (low + high) : (low * f_high - high * f_low) / (f_high - f_low);
        // Never so near to an end that the other one cannot follow.
        const double margin = std::min(0.25 * (high - low), 4e-10 * high);
        middle = std::min(std::max(middle, low + margin), high - margin);
        double f = 0.0;
        if ((solved = miss(middle, f)) != Status::ok) return solved;
        if (f < 0.0) {
            low = middle;
            f_low = f;
        } else {
            high = middle;
            f_high = f;
        }
    }
    volatility = 0.5 * (low + high);
    return Status::ok;
}

}  // namespace optionsib::pricing
