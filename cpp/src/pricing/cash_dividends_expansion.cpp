// European prices with cash dividends by expansion about a shifted lognormal.
//
// With c = r - q, e^X the spot's growth without dividends and Y_i = exp(X_T - X_(t_i)),
//   S_T - K = Z - e,  Z = A e^X - B,  e = sum D_i (Y_i - a_i - b_i e^X),
//   b_i = (1 - t_i/T) exp(-c t_i),  a_i = (t_i/T) exp(c (T - t_i)),  A = S - sum D_i b_i,  B = K + sum D_i
//   a_i:
// the split of R. Bos and S. Vandermark (2002), with E e = 0. To second order in e
//   E (w (Z - e))+ = E (w Z)+ - E e 1(Z > 0) + E e^2 delta(Z) / 2,
// all three in closed form, the last by the Brownian bridge to X_T = ln(B/A).

#include <array>
#include <cmath>
#include <limits>

#include "cash_dividends_grid.hpp"

namespace optionsib::pricing {
namespace {

constexpr double inverse_sqrt_two = 0.70710678118654752440, inverse_sqrt_two_pi = 0.39894228040143267794;

double normal(double x) noexcept {
    return 0.5 * std::erfc(-x * inverse_sqrt_two);
}

Status expand(const CashDividendOption& of, const CashDividends& dividends, double& result) noexcept {
    const European& o = of.option;
    const double expiry = o.time_to_expiry, carry = o.rate - o.dividend_yield;
    const DividendSchedule& schedule = dividends.schedule;
    if (dividends.model == DividendModel::escrowed) {
        European left = o;
        left.spot -= of.present;
        return price(Model::bsm, left, of.volatility, result);
    }
    std::array<double, most_cash_dividends> amount, time, fixed, share;
    European proxy = o;
    const auto count = static_cast<std::size_t>(of.count);
    for (std::size_t i = 0; i < count; ++i) {
        const std::size_t entry = static_cast<std::size_t>(of.first) + i;
        amount[i] = schedule.cash_amounts[entry];
        time[i] = schedule.ex_times_years[entry];
        const double part = time[i] / expiry;
        share[i] = (1.0 - part) * std::exp(-carry * time[i]);
        fixed[i] = part * std::exp(carry * (expiry - time[i]));
        proxy.spot -= amount[i] * share[i];
        proxy.strike += amount[i] * fixed[i];
    }
    if (!(proxy.spot > 0.0)) return Status::unsupported;
    const Status status = price(Model::bsm, proxy, of.volatility, result);
    const double s = of.volatility * std::sqrt(expiry);
    if (status != Status::ok || !(s > 0.0)) return status;
    const double k = std::log(proxy.strike / proxy.spot), mean = carry * expiry - 0.5 * s * s;
    const double h = (k - mean) / s, variance = of.volatility * of.volatility, strike_growth = std::exp(k);
    const double above = normal(-h), grown_above = std::exp(carry * expiry) * normal(s - h);
    double first = 0.0, second = 0.0;
    std::array<double, most_cash_dividends> bridge_mean, linear;
    for (std::size_t i = 0; i < count; ++i) {
        const double left = expiry - time[i];
        first += amount[i] * (std::exp(carry * left) * normal(of.volatility * left / std::sqrt(expiry) - h) -
                              fixed[i] * above - share[i] * grown_above);
        bridge_mean[i] = std::exp(k * left / expiry + 0.5 * variance * left * time[i] / expiry);
        linear[i] = fixed[i] + share[i] * strike_growth;
    }
    for (std::size_t i = 0; i < count; ++i)
        for (std::size_t j = i; j < count; ++j) {
            const double covariance = variance * (expiry - time[j]) * time[i] / expiry;
            const double both = bridge_mean[i] * bridge_mean[j] * std::exp(covariance);
            const double term =
                both - linear[j] * bridge_mean[i] - linear[i] * bridge_mean[j] + linear[i] * linear[j];
            second += (i == j ? 1.0 : 2.0) * amount[i] * amount[j] * term;
        }
    const double density = inverse_sqrt_two_pi * std::exp(-0.5 * h * h) / (s * proxy.strike);
    result += std::exp(-o.rate * expiry) * (0.5 * density * second - first);
    return Status::ok;
}

}  // namespace

void cash_dividend_expansion_price(std::size_t size, const EuropeanColumns& options,
                                   const CashDividends& dividends, In<double> volatility, Out<double> result,
                                   Out<std::int8_t> status) noexcept {
    for (std::size_t i = 0; i < size; ++i) {
        const CashDividendOption of =
            read_option(ExerciseStyle::european, options, dividends, volatility[i], i);
        double found = std::numeric_limits<double>::quiet_NaN();
        Status said = of.status;
        if (said == Status::ok)
            said = of.count == 0 ? price(Model::bsm, of.option, of.volatility, found)
                                 : expand(of, dividends, found);
        if (said == Status::ok && !std::isfinite(found)) said = Status::unsupported;
        if (said != Status::ok) found = std::numeric_limits<double>::quiet_NaN();
        result.put(i, found);
        status.put(i, static_cast<std::int8_t>(said));
    }
}

}  // namespace optionsib::pricing
