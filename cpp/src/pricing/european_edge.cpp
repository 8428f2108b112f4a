// European options that the kernels leave aside: bad input, the limits at expiry and at zero volatility, and
// sizes at the ends of the number range, which are brought to the middle of it: T = 1 by the choice of the
// unit of time, S and K near 1 by the unit of money.

#include <algorithm>
#include <cmath>
#include <limits>

#include "european_table.hpp"
#include "optionsib/pricing/european_kernel.hpp"

namespace optionsib::pricing {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double density_at_zero = 0.39894228040143267794;

double exponential(double x) noexcept {
    return first(simd::exp(One(x)));
}

struct Discounted {
    double drift, yield;  // of the forward; what discounts the spot
    double growth, discount;
    double spot, strike;  // discounted
    double moneyness;     // a number with the sign of kind (F - K)
};

struct Element {
    Model model;
    European option;  // displaced: shifted
    double volatility;

    [[nodiscard]] bool normal() const noexcept { return model == Model::bachelier; }
    [[nodiscard]] bool carried() const noexcept { return model == Model::bsm; }
};

Status discount(const Element& element, Discounted& at) noexcept {
    const European& o = element.option;
    bool valid = (o.kind == 1.0 || o.kind == -1.0) && std::isfinite(o.spot) && std::isfinite(o.strike) &&
                 std::isfinite(o.time_to_expiry) && std::isfinite(o.rate) && element.volatility >= 0.0 &&
                 std::isfinite(element.volatility);
    if (!element.normal()) valid = valid && o.spot > 0.0 && o.strike > 0.0;
    if (element.carried()) valid = valid && std::isfinite(o.dividend_yield);
    if (!valid) return Status::invalid_input;
    if (o.time_to_expiry < 0.0) return Status::expired;
    at.yield = element.carried() ? o.dividend_yield : o.rate;
    at.drift = o.rate - at.yield;
    at.discount = exponential(-o.rate * o.time_to_expiry);
    at.growth = exponential(-at.yield * o.time_to_expiry);
    at.spot = o.spot * at.growth;
    at.strike = o.strike * at.discount;
    // Near the money the difference tells the side without rounding when nothing is carried.
    const double carry = at.drift * o.time_to_expiry;
    const double side =
        element.normal() || carry == 0.0 ? o.spot - o.strike : std::log(o.spot) - std::log(o.strike) + carry;
    at.moneyness = o.kind * side;
    const bool finite = std::isfinite(at.spot) && std::isfinite(at.strike) && std::isfinite(at.discount) &&
                        std::isfinite(at.growth) && std::isfinite(at.moneyness);
    return finite ? Status::ok : Status::invalid_input;
}

// T = 0 or v = 0: the limits, on both sides of the kink and on it.
void limits(const Element& element, const Discounted& at, Greeks& g) noexcept {
    const European& o = element.option;
    const double w = o.kind, expiry = o.time_to_expiry, root = std::sqrt(expiry);
    const double share = at.moneyness > 0.0 ? 1.0 : (at.moneyness < 0.0 ? 0.0 : 0.5);  // N(w d1), N(w d2)
    const double difference = element.normal() ? (o.spot - o.strike) * at.discount : at.spot - at.strike;
    g.values.fill(0.0);
    g[Greek::price] = std::max(w * difference, 0.0);
    g[Greek::delta] = w * at.growth * share;
    g[Greek::theta] =
        element.carried() ? w * share * (at.yield * at.spot - o.rate * at.strike) : o.rate * g[Greek::price];
    g[Greek::rho] = element.carried() ? w * share * at.strike * expiry : -expiry * g[Greek::price];
    g[Greek::epsilon] = element.carried() ? -w * share * at.spot * expiry : 0.0;
    g[Greek::dual_delta] = -w * at.discount * share;
    g[Greek::charm] = w * share * at.yield * at.growth;
    if (at.moneyness != 0.0) return;

    // On the kink, approached along x = 0: d1 = s/2 and d2 = -s/2, in the normal model d = 0.
    const double unit = element.normal() ? at.discount : at.spot;
    const double rate = 0.5 / expiry;  // infinite at expiry
    const bool decays = expiry == 0.0 && element.volatility > 0.0;
    const double vega = unit * root * density_at_zero;
    g[Greek::gamma] = g[Greek::dual_gamma] = infinity;
    g[Greek::vega] = vega;
    if (decays) g[Greek::theta] = -infinity;
    g[Greek::veta] = expiry == 0.0 ? -infinity : vega * (at.yield + 0.5 * at.drift - rate);
    g[Greek::color] = infinity;
    g[Greek::zomma] = -infinity;
    if (element.normal()) return;
    g[Greek::vanna] = 0.5 * at.growth * density_at_zero * root;
    g[Greek::speed] = -infinity;
    g[Greek::ultima] = -0.25 * vega * expiry;
    if (at.drift != 0.0)
        g[Greek::charm] = at.drift > 0.0 ? -infinity : infinity;
    else if (decays)
        g[Greek::charm] = -infinity;
}

// The powers of money and of time in each Greek, for a volatility without a unit of money.
struct Dimension {
    int money;
    double time;  // time to this power, the price having none
    int per_volatility;
};
constexpr Dimension dimensions[greek_count] = {
    {1, 0.0, 0},    // price
    {0, 0.0, 0},    // delta
    {-1, 0.0, 0},   // gamma
    {1, 0.5, 1},    // vega
    {1, -1.0, 0},   // theta
    {1, 1.0, 0},    // rho
    {1, 1.0, 0},    // epsilon
    {0, 0.0, 0},    // dual_delta
    {-1, 0.0, 0},   // dual_gamma
    {0, 0.5, 1},    // vanna
    {1, 1.0, 2},    // volga
    {0, -1.0, 0},   // charm
    {1, -0.5, 1},   // veta
    {-2, 0.0, 0},   // speed
    {-1, 0.5, 1},   // zomma
    {-1, -1.0, 0},  // color
    {1, 1.5, 3},    // ultima
};

double times_power(double value, double base, double power) noexcept {
    if (value == 0.0) return value;
    const double root = std::sqrt(base);
    for (double p = power; p > 0.0; p -= 0.5) value *= root;
    for (double p = power; p < 0.0; p += 0.5) value /= root;
    return value;
}

int binary_exponent(double x) noexcept {
    return x == 0.0 ? -5000 : std::ilogb(x);
}

// Any sizes with s > 0.
void rescaled(const Element& element, Greeks& g) noexcept {
    const European& o = element.option;
    const double expiry = o.time_to_expiry, root = std::sqrt(expiry);
    double s = std::min(element.volatility * root, std::numeric_limits<double>::max());
    const int largest = std::max(binary_exponent(o.spot), binary_exponent(o.strike));
    // The normal model's s is money: it may be beyond the largest number where the price is not.
    int k = element.normal() ? std::max(largest, std::ilogb(element.volatility) + std::ilogb(root)) : largest;
    // A strike far below the spot must stay a normal number.
    if (!element.normal()) {
        const int least = std::min(binary_exponent(o.spot), binary_exponent(o.strike));
        k = std::min(k, least + 900);
        k = std::max(k, largest - 900);
    }
    if (element.normal()) s = std::ldexp(element.volatility, -k) * root;
    s = std::min(std::max(s, 0x1p-1000), 0x1p500);
    Inputs<One> in;
    in.kind = o.kind;
    in.spot = std::ldexp(o.spot, -k);
    in.strike = element.normal() ? std::ldexp(o.strike, -k)
                                 : std::max(std::ldexp(o.strike, -k), std::numeric_limits<double>::min());
    if (!element.normal()) in.spot = std::max(std::ldexp(o.spot, -k), std::numeric_limits<double>::min());
    in.expiry = 1.0;
    // A discount factor is 0 long before 3000; what is discounted no longer counts, its sign does.
    in.rate = std::min(o.rate * expiry, 3000.0);
    in.yield = std::min(o.dividend_yield * expiry, 3000.0);
    in.volatility = s;
    const PutOne put{g.values.data()};
    if (element.carried())
        evaluate<Family::spot, 3>(in, put);
    else if (element.normal())
        evaluate<Family::normal, 3>(in, put);
    else
        evaluate<Family::forward, 3>(in, put);
    for (std::size_t j = 0; j < greek_count; ++j) {
        const Dimension& power = dimensions[j];
        const int money = power.money - (element.normal() ? power.per_volatility : 0);
        g.values[j] = times_power(std::ldexp(g.values[j], k * money), expiry, power.time);
    }
}

}  // namespace

Status european_edge(Model model, int order, const European& option, double volatility,
                     double* values) noexcept {
    const std::size_t count = order == 0 ? 1 : greeks_of_order(order);
    Element element{model, option, volatility};
    if (model == Model::displaced) {
        element.option.spot += option.shift;
        element.option.strike += option.shift;
    }
    Discounted at{};
    const Status status = discount(element, at);
    Greeks g;
    if (status != Status::ok)
        g.values.fill(std::numeric_limits<double>::quiet_NaN());
    else if (volatility * std::sqrt(option.time_to_expiry) > 0.0)
        rescaled(element, g);
    else
        limits(element, at, g);
    std::copy_n(g.values.begin(), count, values);
    return status;
}

}  // namespace optionsib::pricing
