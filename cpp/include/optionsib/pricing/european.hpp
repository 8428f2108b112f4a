#pragma once

// European options under Black-Scholes-Merton, Black 1976, displaced Black and Bachelier.
//
//   F = S exp((r - q) T),  D = exp(-r T),  s = v sqrt(T),  x = ln(F / K),  d1 = x/s + s/2,  d2 = d1 - s
//   price = w D (F N(w d1) - K N(w d2)),   w = +1 call, -1 put
//
// black76: `spot` is the forward F, and q = r in the formulas above. displaced: black76 of F + shift and
// K + shift. bachelier: with d = (F - K) / s, price = D (w (F - K) N(w d) + s n(d)); v in price units.
//
// Greeks, raw units, with P = S exp(-qT) n(d1), b = r - q, m = b/s - d2/(2T); d/dt is calendar time, -d/dT:
//   delta dV/dS, gamma d2V/dS2, vega dV/dv, theta dV/dt, rho dV/dr, epsilon dV/dq (0 where F is given),
//   dual_delta dV/dK, dual_gamma d2V/dK2
//   vanna d delta/dv = -P d2 / (S v)       volga d vega/dv = vega d1 d2 / v
//   charm d delta/dt = (w q S exp(-qT) N(w d1) - P m) / S
//   veta  d vega/dt  = vega (q + b d1/s - (1 + d1 d2) / (2T))
//   speed d gamma/dS = -gamma (d1/s + 1) / S     zomma d gamma/dv = gamma (d1 d2 - 1) / v
//   color d gamma/dt = gamma (q + d1 m + 1/(2T))
//   ultima d volga/dv = -vega (d1 d2 (1 - d1 d2) + d1^2 + d2^2) / v^2
// rho holds spot and dividend yield, and where `spot` is the forward, the forward: -T price. For bachelier:
//   vanna -D n d/v, volga vega d^2/v, charm r delta + D n d/(2T), veta vega (r - (1 + d^2)/(2T)),
//   speed -gamma d/s, zomma gamma (d^2 - 1)/v, color gamma (r + (1 - d^2)/(2T)), ultima vega d^2 (d^2 -
//   3)/v^2
//
// Units: rates and yields continuous per year, volatility per sqrt(year), time in years (ACT/365F).
//
// Domain: S, K > 0 (displaced: after the shift; bachelier: any); T >= 0; v >= 0; all finite; S exp(-qT) and
// K exp(-rT) finite. At T = 0 or v = 0 the results are the limits: price max(w (F - K), 0) D; delta
// w exp(-qT) in the money, 0 out, half at F = K; gamma and vega 0 off the kink, at F = K gamma = +inf and
// vega = S exp(-qT) sqrt(T) n(0).
//
// Error bounds: price 1e-15 max(S, K), out-of-the-money prices relative 1e-12 down to 1e-280 of min(F, K) D;
// Greeks 1e-13 of their scale; implied volatility 8 eps times max(1, amplification), the
// amplification being what a rounding of the price, or in the money of the larger amount, does to it.
//
// Method. The out-of-the-money price is worked out first, in units of D min(F, K), with h = -|x|/s, t = s/2:
//   c = n(h+t) [A(-h-t) - A(t-h)],  A the Mills ratio,
// the bracket by divided differences, so that no s is too small for it (math/simd/functions.hpp); where d1 >
// 0 and t > 1/4 it is 1 - n(h+t) [A(h+t) + A(t-h)]. In the money the intrinsic value is added: put-call
// parity holds to the rounding of one addition. The implied volatility is the root of ln c (or of ln(1 - c)
// where d1 > 1/4): a table gives it to 8e-4 and one step of the Taylor series of the inverse, of order five,
// to rounding (implied_volatility_kernel.hpp); where the table ends, bisection and the same steps, or a guess
// within 5 % and the steps. The use of ln c and of the Mills ratio, and the normalisation of the
// Bachelier model's problem by |F - K|, follow P. Jaeckel, "Let's Be Rational", Wilmott, Jan 2015, 40-53, and
// "Implied Normal Volatility", jaeckel.org, June 2017; formulas: E. G. Haug, "The Complete Guide to Option
// Pricing Formulas", 2nd ed., 2007, chapters 1-2.
//
// Every result is a pure function of the inputs of its element and of the instruction set (simd.hpp): the
// scalar functions are the array kernels on one element. Elements out of the ordinary, as at expiry, are the
// same on every instruction set.
// No exceptions, no allocation, no global state.

#include <array>
#include <cstddef>
#include <cstdint>

#include "optionsib/pricing/status.hpp"
#include "optionsib/pricing/strided.hpp"

namespace optionsib::pricing {

// The values of `greeks`, in the order of every result. Order 1 ends with dual_gamma, order 2 with veta,
// order 3 with ultima.
enum class Greek : std::uint8_t {
    price,
    delta,
    gamma,
    vega,
    theta,
    rho,
    epsilon,
    dual_delta,
    dual_gamma,
    vanna,
    volga,
    charm,
    veta,
    speed,
    zomma,
    color,
    ultima,
};

inline constexpr std::size_t greek_count = 17;
inline constexpr std::array<const char*, greek_count> greek_names = {
    "price", "delta", "gamma", "vega", "theta", "rho",   "epsilon", "dual_delta", "dual_gamma",
    "vanna", "volga", "charm", "veta", "speed", "zomma", "color",   "ultima"};

// How many values `greeks` of order 1, 2 or 3 gives, the price included.
[[nodiscard]] constexpr std::size_t greeks_of_order(int order) noexcept {
    return order == 1 ? 9 : order == 2 ? 13 : greek_count;
}

// Raw: derivatives per 1.00 and per year. Desk: each d/dt over 365, each d/dvol, d/dr, d/dq over 100.
enum class Units : std::int8_t { raw = 0, desk = 1 };

struct European {
    double kind;  // +1 call, -1 put
    double spot;  // the forward for every model but bsm
    double strike;
    double time_to_expiry;
    double rate;
    double dividend_yield;  // bsm; 0 for the other models
    double shift = 0.0;     // displaced only
};

struct Greeks {
    std::array<double, greek_count> values;

    [[nodiscard]] double& operator[](Greek greek) noexcept { return values[static_cast<std::size_t>(greek)]; }
    [[nodiscard]] double operator[](Greek greek) const noexcept {
        return values[static_cast<std::size_t>(greek)];
    }
};

// One option. NaN results go with every status but ok and no_vega.
[[nodiscard]] Status price(Model model, const European& option, double volatility, double& result) noexcept;

// Fills the first greeks_of_order(order) values and leaves the others alone.
[[nodiscard]] Status greeks(Model model, int order, Units units, const European& option, double volatility,
                            Greeks& result) noexcept;

// `guess` is a volatility near the result, used where the table ends; NaN or <= 0 means none.
[[nodiscard]] Status implied_volatility(Model model, const European& option, double price, double guess,
                                        double& result) noexcept;

// The Greeks at the implied volatility; the price among them is the model's, not the quote.
[[nodiscard]] Status implied_volatility_and_greeks(Model model, int order, Units units,
                                                   const European& option, double price, double guess,
                                                   double& volatility, Greeks& result) noexcept;

// Many options. A column of stride 0 is one value for all, read once. An output may be the very array of an
// input (same address and stride), not a part of it.
struct EuropeanColumns {
    In<std::int8_t> kind;
    In<double> spot, strike, time_to_expiry, rate, dividend_yield;
    In<double> shift = {};  // no data: 0
};

struct GreekColumns {
    std::array<Out<double>, greek_count> columns{};  // no data: not wanted

    [[nodiscard]] Out<double>& operator[](Greek greek) noexcept {
        return columns[static_cast<std::size_t>(greek)];
    }
};

void price(Model model, std::size_t size, const EuropeanColumns& options, In<double> volatility,
           Out<double> result, Out<std::int8_t> status) noexcept;

void greeks(Model model, int order, Units units, std::size_t size, const EuropeanColumns& options,
            In<double> volatility, const GreekColumns& result, Out<std::int8_t> status) noexcept;

// `guess` without data: none.
void implied_volatility(Model model, std::size_t size, const EuropeanColumns& options, In<double> price,
                        In<double> guess, Out<double> result, Out<std::int8_t> status) noexcept;

void implied_volatility_and_greeks(Model model, int order, Units units, std::size_t size,
                                   const EuropeanColumns& options, In<double> price, In<double> guess,
                                   Out<double> volatility, const GreekColumns& result,
                                   Out<std::int8_t> status) noexcept;

}  // namespace optionsib::pricing
