#include "optionsib/payoff/geometry.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

namespace optionsib::payoff {

namespace {

__extension__ using Int128 = __int128;

// How each number system accumulates, scales prices to money, checks inputs and gives results back.
struct Exact {
    using Number = std::int64_t;
    using Sum = Int128;
    static constexpr Sum money_per_price = 100;  // 1/1000000 over 1/10000
    static constexpr Number largest = 1'000'000'000'000'000;

    static Status check(Number value) {
        return value >= -largest && value <= largest ? Status::ok : Status::overflow;
    }
    static bool fits(Sum value) {
        return value >= std::numeric_limits<Number>::min() && value <= std::numeric_limits<Number>::max();
    }
};

struct Floating {
    using Number = double;
    using Sum = double;
    static constexpr Sum money_per_price = 1.0;
    static constexpr Number largest = std::numeric_limits<double>::max();

    static Status check(Number value) { return std::isfinite(value) ? Status::ok : Status::bad_number; }
    static bool fits(Sum value) { return std::isfinite(value); }
};

template <class System>
Status check_inputs(std::span<const Leg<typename System::Number>> legs, typename System::Number cash) {
    if (const Status status = System::check(cash); status != Status::ok) return status;
    for (const auto& leg : legs) {
        if (leg.kind < -1 || leg.kind > 1) return Status::bad_kind;
        for (const auto number : {leg.strike, leg.quantity, leg.multiplier}) {
            if (const Status status = System::check(number); status != Status::ok) return status;
        }
        if (leg.kind != 0 && leg.strike < 0) return Status::bad_strike;
        using Sum = typename System::Sum;
        const Sum size = Sum{leg.quantity} * Sum{leg.multiplier};
        if (size > Sum{System::largest} || size < -Sum{System::largest}) return Status::overflow;
    }
    return Status::ok;
}

template <class Sum>
double root(double kink, Sum value, Sum slope) {
    return kink - static_cast<double>(value) / static_cast<double>(slope);
}

// Kinks and the payoff there; false where a value does not fit.
template <class System>
bool evaluate(std::span<const Leg<typename System::Number>> legs, typename System::Number cash,
              Geometry<typename System::Number>& out, typename System::Sum& tail) {
    using Number = typename System::Number;
    using Sum = typename System::Sum;
    out.kinks.assign(1, Number{0});
    tail = 0;
    for (const auto& leg : legs) {
        if (leg.kind != 0) out.kinks.push_back(leg.strike);
        if (leg.kind >= 0) tail += Sum{leg.quantity} * leg.multiplier * System::money_per_price;
    }
    std::sort(out.kinks.begin(), out.kinks.end());
    out.kinks.erase(std::unique(out.kinks.begin(), out.kinks.end()), out.kinks.end());

    out.values.clear();
    for (const Number spot : out.kinks) {
        Sum payoff = cash;
        for (const auto& leg : legs) {
            const Number intrinsic =
                leg.kind == 0 ? spot
                              : std::max<Number>(static_cast<Number>(leg.kind) * (spot - leg.strike), 0);
            payoff += Sum{leg.quantity} * leg.multiplier * System::money_per_price * intrinsic;
        }
        if (!System::fits(payoff)) return false;
        out.values.push_back(static_cast<Number>(payoff));
    }
    return System::fits(tail);
}

template <class Number, class Sum>
void find_break_evens(Geometry<Number>& out, Sum tail) {
    out.break_evens.clear();
    const std::size_t last = out.kinks.size() - 1;
    for (std::size_t i = 0; i <= last; ++i) {
        const Number value = out.values[i];
        const auto kink = static_cast<double>(out.kinks[i]);
        if (value == 0) {
            out.break_evens.push_back(kink);
        } else if (i < last) {
            const Number next = out.values[i + 1];
            if ((value < 0 && next > 0) || (value > 0 && next < 0)) {
                const double width = static_cast<double>(out.kinks[i + 1]) - kink;
                const double rise = static_cast<double>(Sum{next} - Sum{value});
                out.break_evens.push_back(kink - static_cast<double>(value) / rise * width);
            }
        } else if ((value < 0 && tail > 0) || (value > 0 && tail < 0)) {
            out.break_evens.push_back(root<Sum>(kink, value, tail));
        }
    }
}

template <class System>
Status geometry(std::span<const Leg<typename System::Number>> legs, typename System::Number cash,
                Geometry<typename System::Number>& out) {
    using Number = typename System::Number;
    if (const Status status = check_inputs<System>(legs, cash); status != Status::ok) return status;
    typename System::Sum tail{};
    if (!evaluate<System>(legs, cash, out, tail)) return Status::overflow;
    const auto [lowest, highest] = std::minmax_element(out.values.begin(), out.values.end());
    if (*lowest == std::numeric_limits<Number>::min()) return Status::overflow;  // its negative does not fit
    out.max_loss = -*lowest;
    out.max_gain = *highest;
    out.loss_bounded = tail >= 0;
    out.gain_bounded = tail <= 0;
    out.tail_slope = static_cast<Number>(tail);
    find_break_evens(out, tail);
    return Status::ok;
}

}  // namespace

Status payoff_geometry(std::span<const Leg<std::int64_t>> legs, std::int64_t cash,
                       Geometry<std::int64_t>& out) {
    return geometry<Exact>(legs, cash, out);
}

Status payoff_geometry(std::span<const Leg<double>> legs, double cash, Geometry<double>& out) {
    return geometry<Floating>(legs, cash, out);
}

}  // namespace optionsib::payoff
