// Payoff at expiry of a position in options and stock of one expiry, as a function of the spot S >= 0:
//
//   payoff(S) = cash + sum of quantity * multiplier * max(kind * (S - strike), 0)   (kind +1 call, -1 put)
//                    + sum of quantity * multiplier * S                             (kind 0: stock)
//
// It is linear between its kinks (0 and the strikes), so the extremes lie at a kink or in the right tail.
//
// Two number systems behind one algorithm. Exact: prices int64 in 1/10000, money int64 in 1/1000000; sums
// are kept in 128 bits, and a result that does not fit is reported as overflow. Floating: double, prices and
// money in the same currency unit; a payoff that touches zero without crossing it is then subject to
// rounding.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace optionsib::payoff {

enum class Status : std::uint8_t { ok, bad_kind, bad_strike, bad_number, overflow };

template <class Number>
struct Leg {
    int kind;
    Number strike;  // ignored for stock
    Number quantity;
    Number multiplier;
};

template <class Number>
struct Geometry {
    // -(lowest payoff) and highest payoff; meaningful only where bounded. max_loss is negative where every
    // outcome is a gain.
    Number max_loss{};
    Number max_gain{};
    bool loss_bounded = true;
    bool gain_bounded = true;
    // Spots where the payoff is zero, ascending, in price units; a stretch of zeros gives its ends (its
    // start alone where it never ends).
    std::vector<double> break_evens;
    std::vector<Number> kinks;   // 0 and the distinct strikes, ascending
    std::vector<Number> values;  // payoff there
    Number tail_slope{};         // money per price unit beyond the last kink
};

// Limits of the exact form: kind, then every number within +-10^15 and each leg's quantity * multiplier
// within +-10^15; otherwise Status::overflow. On anything but ok, `out` is unspecified.
Status payoff_geometry(std::span<const Leg<std::int64_t>> legs, std::int64_t cash,
                       Geometry<std::int64_t>& out);

Status payoff_geometry(std::span<const Leg<double>> legs, double cash, Geometry<double>& out);

}  // namespace optionsib::payoff
