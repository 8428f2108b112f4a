#include <algorithm>
#include <cmath>
#include <limits>

#include "discounted.hpp"
#include "optionsib/pricing/european.hpp"
#include "optionsib/pricing/implied_volatility_seed.hpp"
#include "optionsib/pricing/normalised.hpp"

namespace optionsib::pricing {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

// The normalised price to invert: c and 1 - c, each with its own relative accuracy.
struct Target {
    double x;           // -|ln(F/K)|
    double price;       // c
    double complement;  // 1 - c
};

// Total volatility of an at-the-money option of price c = erf(s / sqrt 8): Winitzki's closed form of the
// inverse error function (relative error 2e-3).
double at_the_money_volatility(const Target& target) noexcept {
    constexpr double a = 0.147, shift = 2.0 / (3.14159265358979323846 * a);
    const double log_term = target.price < 0.5 ? std::log1p(-target.price * target.price)
                                               : std::log(target.complement * (1.0 + target.price));
    if (target.price < 1e-7) return target.price / math::inverse_sqrt_two_pi;
    const double half = shift + 0.5 * log_term;
    const double product = -log_term / a;
    const double root = std::sqrt(half * half + product);
    const double square = half > 0.0 ? product / (root + half) : root - half;
    return 2.0 * std::sqrt(2.0 * square);
}

double seed(const Target& target) noexcept {
    const double base = at_the_money_volatility(target), distance = -target.x;
    const double root = std::sqrt(std::log1p(std::min(distance / base, 1e300)));
    const double u = root / (root + 2.0) * 2.0 - 1.0, v = distance / (1.0 + distance) * 2.0 - 1.0;
    double sum = 0.0;
    for (int i = seed_rows - 1; i >= 0; --i) {
        double inner = 0.0;
        for (int j = seed_columns - 1; j >= 0; --j)
            inner = inner * v + seed_coefficients[i * seed_columns + j];
        sum = sum * u + inner;
    }
    return std::max(base + distance * std::max(sum, 0.0), std::numeric_limits<double>::min());
}

// The objective g(s) and its derivative ratios g'/.., for Householder's method.
struct Objective {
    double value;   // increasing in s, zero at the root
    double slope;   // its derivative, > 0
    double second;  // second derivative over the first
    double third;   // third derivative over the first
};

// g = ln c(s) - ln c below one half, g = ln(1 - c) - ln(1 - c(s)) above: nearly straight in either tail.
Objective objective(const Target& target, double log_target, double s) noexcept {
    const Arguments d = arguments(target.x, s);
    const bool small = d.t < series_limit, below = d.d1 <= 0.0;
    const double mills1 = small ? 0.0 : math::mills_ratio(std::fabs(d.d1));
    const double mills2 = small ? 0.0 : math::mills_ratio(-d.d2);
    const double log_density = -0.5 * d.d1 * d.d1 - math::log_sqrt_two_pi;
    const bool lower = target.price < 0.5;

    double ratio;  // c / c' or (1 - c) / c'
    double log_value;
    if (lower ? (small || below) : !(small || below)) {
        // Straight from the Mills ratios: no exponential, no underflow.
        ratio = lower ? (small ? mills_difference_series(d.h, d.t) : mills1 - mills2) : mills1 + mills2;
        log_value = log_density + std::log(ratio);
    } else {
        const double density = math::normal_density(d.d1);
        const double c = normalised_price(d, density, mills1, mills2);
        ratio = (lower ? c : 1.0 - c) / density;
        log_value = std::log(lower ? c : 1.0 - c);
    }
    const double sign = lower ? 1.0 : -1.0;
    const double v = sign / ratio;  // derivative of ln c or of ln(1 - c)
    const double h_over_s = d.h / s;
    const double q = d.h * h_over_s - 0.25 * s;                     // c'' / c'
    const double cubic = q * q - 3.0 * h_over_s * h_over_s - 0.25;  // c''' / c'
    return {sign * (log_value - log_target), sign * v, q - v, cubic - 3.0 * q * v + 2.0 * v * v};
}

double total_volatility(const Target& target, double guess) noexcept {
    const double log_target = std::log(target.price < 0.5 ? target.price : target.complement);
    double s = guess > 0.0 && guess < infinity ? guess : seed(target);
    double low = 0.0, high = infinity;
    for (int step = 0; step < 200; ++step) {
        const Objective g = objective(target, log_target, s);
        if (g.value == 0.0) return s;
        if (g.value > 0.0)
            high = s;
        else
            low = s;
        const double newton = -g.value / g.slope;
        const double factor =
            (1.0 + 0.5 * g.second * newton) / (1.0 + newton * (g.second + g.third * newton / 6.0));
        double next = s + newton * (factor > 0.1 && factor < 10.0 ? factor : 1.0);
        // Fourth order: a step of 1e-5 leaves an error of about 1e-20.
        if (std::fabs(newton) <= 1e-5 * s) return next;
        // Far from the root, where a guess may lie, the slope says little: no step beyond a factor of 8.
        next = std::min(std::max(next, 0.125 * s), 8.0 * s);
        if (!(next > low && next < high)) {
            next = std::sqrt(low) * std::sqrt(high);
            if (!(next > low && next < high)) return s;
        }
        s = next;
    }
    return s;
}

}  // namespace

Status implied_volatility(Model model, const European& option, double price, double guess,
                          double& result) noexcept {
    result = std::numeric_limits<double>::quiet_NaN();
    if (!std::isfinite(price)) return Status::invalid_input;
    Discounted at;
    const double yield = model == Model::black76 ? option.rate : option.dividend_yield;
    if (const Status status = discount(option, yield, at); status != Status::ok) return status;

    const double excess = price - at.intrinsic(option.kind);
    const double ceiling = option.kind > 0.0 ? at.spot : at.strike;
    if (price > std::nextafter(ceiling, infinity)) return Status::above_maximum;
    if (!(excess > 0.0)) {
        const double largest = std::max(option.spot, option.strike);
        const double ulp = std::nextafter(largest, infinity) - largest;
        if (excess < -4.0 * ulp) return Status::below_intrinsic;
        result = 0.0;
        return Status::no_vega;
    }
    // At expiry the intrinsic value is the maximum as well.
    if (option.time_to_expiry == 0.0) return Status::above_maximum;

    const double unit = std::min(at.spot, at.strike), root = std::sqrt(option.time_to_expiry);
    Target target;
    target.x = -std::fabs(at.log_moneyness);
    target.price = excess / unit;
    // A price that has reached the ceiling by rounding is half an ulp away from it.
    target.complement = std::max((ceiling - price) / unit, 0.25 * std::numeric_limits<double>::epsilon());
    result = total_volatility(target, guess * root) / root;
    return Status::ok;
}

void implied_volatility(Model model, std::size_t size, const EuropeanColumns& options, In<double> price,
                        In<double> guess, Out<double> result, Out<std::int8_t> status) noexcept {
    for (std::size_t i = 0; i < size; ++i) {
        double value;
        const double start = guess.data == nullptr ? 0.0 : guess[i];
        const Status outcome = implied_volatility(model, row(options, i), price[i], start, value);
        result.put(i, value);
        status.put(i, static_cast<std::int8_t>(outcome));
    }
}

Status implied_volatility_and_greeks(Model model, int order, Units units, const European& option,
                                     double price, double guess, double& volatility,
                                     Greeks& result) noexcept {
    const Status outcome = implied_volatility(model, option, price, guess, volatility);
    const Status priced = greeks(model, order, units, option, volatility, result);
    return outcome == Status::ok ? priced : outcome;
}

void implied_volatility_and_greeks(Model model, int order, Units units, std::size_t size,
                                   const EuropeanColumns& options, In<double> price, In<double> guess,
                                   Out<double> volatility, const GreekColumns& result,
                                   Out<std::int8_t> status) noexcept {
    for (std::size_t i = 0; i < size; ++i) {
        double vol;
        Greeks value;
        const double start = guess.data == nullptr ? 0.0 : guess[i];
        const Status outcome =
            implied_volatility_and_greeks(model, order, units, row(options, i), price[i], start, vol, value);
        volatility.put(i, vol);
        for (std::size_t j = 0; j < greeks_of_order(order); ++j) result.columns[j].put(i, value.values[j]);
        status.put(i, static_cast<std::int8_t>(outcome));
    }
}

}  // namespace optionsib::pricing
