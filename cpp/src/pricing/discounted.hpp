#pragma once

// What every European computation starts from; private to the library.

#include <algorithm>
#include <cmath>

#include "optionsib/math/log_ratio.hpp"
#include "optionsib/pricing/european.hpp"

namespace optionsib::pricing {

struct Discounted {
    double spot = 0.0;           // S exp(-q T) = D F
    double strike = 0.0;         // K exp(-r T) = D K
    double log_moneyness = 0.0;  // ln(F / K)

    [[nodiscard]] double intrinsic(double kind) const noexcept {
        return kind * log_moneyness > 0.0 ? std::max(kind * (spot - strike), 0.0) : 0.0;
    }
};

[[nodiscard]] inline Status discount(const European& option, double yield, Discounted& result) noexcept {
    const bool valid = option.spot > 0.0 && option.strike > 0.0 && std::isfinite(option.spot) &&
                       std::isfinite(option.strike) && std::isfinite(option.time_to_expiry) &&
                       std::isfinite(option.rate) && std::isfinite(option.dividend_yield) &&
                       (option.kind == 1.0 || option.kind == -1.0);
    if (!valid) return Status::invalid_input;
    if (option.time_to_expiry < 0.0) return Status::expired;
    result.spot = option.spot * std::exp(-yield * option.time_to_expiry);
    result.strike = option.strike * std::exp(-option.rate * option.time_to_expiry);
    result.log_moneyness =
        math::log_ratio(option.spot, option.strike) + (option.rate - yield) * option.time_to_expiry;
    const bool finite =
        std::isfinite(result.spot) && std::isfinite(result.strike) && std::isfinite(result.log_moneyness);
    return finite ? Status::ok : Status::invalid_input;
}

[[nodiscard]] inline European row(const EuropeanColumns& options, std::size_t i) noexcept {
    return {static_cast<double>(options.kind[i]),
            options.spot[i],
            options.strike[i],
            options.time_to_expiry[i],
            options.rate[i],
            options.dividend_yield[i]};
}

}  // namespace optionsib::pricing
