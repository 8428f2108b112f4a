#include "optionsib/pricing/european.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "discounted.hpp"
#include "optionsib/pricing/normalised.hpp"

namespace optionsib::pricing {
namespace {

// The rate at which the forward's discount runs: Black 1976 is Black-Scholes-Merton with q = r.
double carried_yield(Model model, const European& option) noexcept {
    return model == Model::black76 ? option.rate : option.dividend_yield;
}

// T = 0 or v = 0: the limits, on both sides of the kink and on it.
Greeks limit_greeks(const Discounted& at, const European& option, double volatility, double yield) noexcept {
    const double w = option.kind, expiry = option.time_to_expiry, root = std::sqrt(expiry);
    const double moneyness = w * at.log_moneyness;
    const double share =
        moneyness > 0.0 ? 1.0 : (moneyness < 0.0 ? 0.0 : 0.5);  // the limit of N(w d1), N(w d2)
    const double growth = at.spot / option.spot, density = math::inverse_sqrt_two_pi;
    const double infinity = std::numeric_limits<double>::infinity();
    Greeks result{};
    result[Greek::price] = std::max(w * (at.spot - at.strike), 0.0);
    result[Greek::delta] = w * growth * share;
    result[Greek::theta] = w * share * (yield * at.spot - option.rate * at.strike);
    result[Greek::rho] = w * share * at.strike * expiry;
    result[Greek::charm] = w * share * yield * growth;
    if (moneyness == 0.0) {
        result[Greek::gamma] = infinity;
        result[Greek::vega] = at.spot * root * density;
        result[Greek::vanna] = 0.5 * growth * density * root;
        const double drift = option.rate - yield;
        if (volatility > 0.0 && expiry == 0.0) result[Greek::theta] = -infinity;
        if (drift != 0.0)
            result[Greek::charm] = drift > 0.0 ? -infinity : infinity;
        else if (volatility > 0.0 && expiry == 0.0)
            result[Greek::charm] = -infinity;
    }
    return result;
}

double out_of_the_money(const Discounted& at, double s) noexcept {
    const Arguments d = arguments(-std::fabs(at.log_moneyness), s);
    const double c = d.t < series_limit
                         ? math::normal_density(d.d1) * mills_difference_series(d.h, d.t)
                         : normalised_price(d, math::normal_density(d.d1), math::mills_ratio(std::fabs(d.d1)),
                                            math::mills_ratio(-d.d2));
    return std::min(at.spot, at.strike) * c;
}

double with_intrinsic(const Discounted& at, double kind, double time_value) noexcept {
    const double ceiling = kind > 0.0 ? at.spot : at.strike;
    return std::min(at.intrinsic(kind) + time_value, ceiling);
}

}  // namespace

Status price(Model model, const European& option, double volatility, double& result) noexcept {
    result = std::numeric_limits<double>::quiet_NaN();
    if (!(volatility >= 0.0 && std::isfinite(volatility))) return Status::invalid_input;
    Discounted at;
    if (const Status status = discount(option, carried_yield(model, option), at); status != Status::ok)
        return status;
    const double s = volatility * std::sqrt(option.time_to_expiry);
    result = s > 0.0 ? with_intrinsic(at, option.kind, out_of_the_money(at, s))
                     : std::max(option.kind * (at.spot - at.strike), 0.0);
    return Status::ok;
}

Status greeks(Model model, int, Units, const European& option, double volatility, Greeks& result) noexcept {
    result.values.fill(std::numeric_limits<double>::quiet_NaN());
    if (!(volatility >= 0.0 && std::isfinite(volatility))) return Status::invalid_input;
    const double yield = carried_yield(model, option);
    Discounted at;
    if (const Status status = discount(option, yield, at); status != Status::ok) return status;

    const double w = option.kind, expiry = option.time_to_expiry, root = std::sqrt(expiry);
    const double s = volatility * root;
    if (!(s > 0.0)) {
        result = limit_greeks(at, option, volatility, yield);
        if (model == Model::black76) result[Greek::rho] = -expiry * result[Greek::price];
        return Status::ok;
    }

    // d holds the out-of-the-money side (x <= 0). For x > 0 the true d1 is -d.d2 and the true d2 is -d.d1.
    const Arguments d = arguments(-std::fabs(at.log_moneyness), s);
    const double near_mills = math::mills_ratio(std::fabs(d.d1)), far_mills = math::mills_ratio(-d.d2);
    const double near_density = math::normal_density(d.d1), far_density = math::normal_density(d.d2);
    const double c = normalised_price(d, near_density, near_mills, far_mills);
    const double near_tail = near_density * near_mills, far_tail = far_density * far_mills;
    const double near_cdf = d.d1 > 0.0 ? 1.0 - near_tail : near_tail;  // N(d.d1)
    const double near_rest = d.d1 > 0.0 ? near_tail : 1.0 - near_tail;
    const double far_cdf = far_tail, far_rest = 1.0 - far_tail;

    const bool high = at.log_moneyness > 0.0, call = w > 0.0;
    const double d1 = high ? -d.d2 : d.d1, d2 = high ? -d.d1 : d.d2;
    const double density = high ? far_density : near_density;
    // N(w d1) and N(w d2), each from the side that keeps its relative accuracy.
    const double cdf1 = high ? (call ? far_rest : far_cdf) : (call ? near_cdf : near_rest);
    const double cdf2 = high ? (call ? near_rest : near_cdf) : (call ? far_cdf : far_rest);

    const double growth = at.spot / option.spot;
    const double value = with_intrinsic(at, w, std::min(at.spot, at.strike) * c);
    result[Greek::price] = value;
    result[Greek::delta] = w * growth * cdf1;
    result[Greek::gamma] = growth * density / s / option.spot;
    result[Greek::vega] = at.spot * density * root;
    result[Greek::theta] = -at.spot * density * volatility / (2.0 * root) +
                           w * (yield * at.spot * cdf1 - option.rate * at.strike * cdf2);
    result[Greek::rho] = model == Model::black76 ? -expiry * value : w * cdf2 * at.strike * expiry;
    result[Greek::vanna] = -growth * (density * d2) / volatility;
    result[Greek::volga] = result[Greek::vega] * d1 * d2 / volatility;
    const double drift = density > 0.0 ? density * ((option.rate - yield) / s - d2 / (2.0 * expiry)) : 0.0;
    result[Greek::charm] = growth * (w * yield * cdf1 - drift);
    return Status::ok;
}

void price(Model model, std::size_t size, const EuropeanColumns& options, In<double> volatility,
           Out<double> result, Out<std::int8_t> status) noexcept {
    for (std::size_t i = 0; i < size; ++i) {
        double value;
        const Status outcome = price(model, row(options, i), volatility[i], value);
        result.put(i, value);
        status.put(i, static_cast<std::int8_t>(outcome));
    }
}

void greeks(Model model, int order, Units units, std::size_t size, const EuropeanColumns& options,
            In<double> volatility, const GreekColumns& result, Out<std::int8_t> status) noexcept {
    for (std::size_t i = 0; i < size; ++i) {
        Greeks value;
        const Status outcome = greeks(model, order, units, row(options, i), volatility[i], value);
        for (std::size_t j = 0; j < greeks_of_order(order); ++j) result.columns[j].put(i, value.values[j]);
        status.put(i, static_cast<std::int8_t>(outcome));
    }
}

}  // namespace optionsib::pricing
