// Implied volatilities that the kernels leave aside: bad input, prices on or beyond their bounds, sizes at
// the ends of the number range, wings beyond the table. Slow (bisection), but for any problem at all.

#include <algorithm>
#include <cmath>
#include <limits>

#include "european_table.hpp"
#include "implied_volatility_kernels.hpp"
#include "optionsib/pricing/implied_volatility_kernel.hpp"

namespace optionsib::pricing {
namespace {

using simd::Reals;

constexpr double infinity = std::numeric_limits<double>::infinity();
// Beyond it the kernel's exponential is not in its range.
constexpr double largest_exponent = 400.0;

template <bool bachelier>
double solve(double distance, double log_price, double log_complement, double c, double guess) noexcept {
    namespace kernel = implied_volatility_kernel;
    const kernel::Problem<Reals> problem{distance, log_price, log_complement, 1.0};
    Reals s = guess;
    if (!(guess > 0.0) || simd::bits(kernel::polish<bachelier>(problem, s)) == 0)
        s = kernel::bisect<bachelier>(problem, Reals(c));
    double lanes[Reals::width];
    simd::store(lanes, s);
    return lanes[0];
}

// |ln(F/K)|, `carry` being (r - q) T.
double distance(double spot, double strike, double carry) noexcept {
    const double difference = spot - strike;
    const bool near = std::fabs(difference) < 0.5 * strike;
    return std::fabs((near ? std::log1p(difference / strike) : std::log(spot) - std::log(strike)) + carry);
}

// Four units in the last place of the larger amount.
double tolerance(double spot, double strike) noexcept {
    const double largest = std::max(std::fabs(spot), std::fabs(strike));
    return 4.0 * (std::nextafter(largest, infinity) - largest);
}

// In units of money that bring the larger of |F - K| and the price near 1.
double solve_normal(double spot, double strike, double excess, double discount, double guess) noexcept {
    const double gap = std::fabs(0.5 * spot - 0.5 * strike);
    const int of_excess = std::ilogb(excess), of_discount = std::ilogb(discount);
    const int k = std::max(gap > 0.0 ? std::ilogb(gap) : -5000, of_excess - of_discount - 1);
    const double mantissas = std::ldexp(excess, -of_excess) / std::ldexp(discount, -of_discount);
    const double value = std::ldexp(mantissas, of_excess - of_discount - 1 - k);
    const double log_price = std::log(excess) - std::log(discount) - (k + 1) * 0.69314718055994530942;
    return std::ldexp(solve<true>(std::ldexp(gap, -k), log_price, 0.0, value, std::ldexp(guess, -k - 1)),
                      k + 1);
}

}  // namespace

Status implied_volatility_edge(Model model, const European& option, double price, double guess,
                               double discount, double growth, double& volatility) noexcept {
    const bool normal = model == Model::bachelier, carried = model == Model::bsm;
    const double shift = model == Model::displaced ? option.shift : 0.0, expiry = option.time_to_expiry;
    const double spot = option.spot + shift, strike = option.strike + shift;
    const double yield = carried ? option.dividend_yield : option.rate;
    volatility = std::numeric_limits<double>::quiet_NaN();
    const bool valid = (option.kind == 1.0 || option.kind == -1.0) && std::isfinite(spot) &&
                       std::isfinite(strike) && std::isfinite(expiry) && std::isfinite(option.rate) &&
                       std::isfinite(yield) && std::isfinite(price) &&
                       (normal || (spot > 0.0 && strike > 0.0));
    if (!valid) return Status::invalid_input;
    if (expiry < 0.0) return Status::expired;
    if (!(std::fabs(option.rate * expiry) < largest_exponent)) discount = std::exp(-option.rate * expiry);
    if (!carried)
        growth = discount;
    else if (!(std::fabs(yield * expiry) < largest_exponent))
        growth = std::exp(-yield * expiry);
    const double forward_value = spot * growth, strike_value = strike * discount;
    const double carry = carried ? (option.rate - yield) * expiry : 0.0;
    if (!(std::isfinite(forward_value) && std::isfinite(strike_value) && std::isfinite(carry) &&
          std::isfinite(discount)))
        return Status::invalid_input;

    const double difference = normal ? discount * (spot - strike) : forward_value - strike_value;
    const double excess = price - std::max(option.kind * difference, 0.0);
    const double maximum = normal ? infinity : option.kind > 0.0 ? forward_value : strike_value;
    if (price > std::nextafter(maximum, infinity)) return Status::above_maximum;
    const double few_ulps = tolerance(spot, strike);
    if (excess < -few_ulps) return Status::below_intrinsic;
    bool none = !(excess > 0.0);
    if (!none && excess < few_ulps) {
        // What `price` calls the intrinsic value may differ in the last digits from the kernel's.
        double at_zero_volatility;
        const European shifted{option.kind, spot, strike, expiry, option.rate, option.dividend_yield};
        static_cast<void>(european_edge(model, 0, shifted, 0.0, &at_zero_volatility));
        none = price == at_zero_volatility;
    }
    if (none) {
        volatility = 0.0;
        return Status::no_vega;
    }
    // At expiry the intrinsic value is the maximum as well.
    const double root = std::sqrt(expiry);
    if (root == 0.0) return Status::above_maximum;
    if (normal) {
        if (discount == 0.0) return Status::above_maximum;
        volatility = solve_normal(spot, strike, excess, discount, guess * root) / root;
        return Status::ok;
    }
    const double unit = std::min(forward_value, strike_value);
    if (unit == 0.0) return Status::above_maximum;
    // A price rounded to its maximum is half an ulp away from it.
    const double complement = std::max((maximum - price) / unit, 0x1p-54);
    volatility = solve<false>(distance(spot, strike, carry), std::log(excess) - std::log(unit),
                              std::log(complement), excess / unit, guess * root) /
                 root;
    return Status::ok;
}

}  // namespace optionsib::pricing
