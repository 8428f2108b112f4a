#pragma once

#include <cstdint>

namespace optionsib::pricing {

// What became of one element. Every status but ok and no_vega goes with NaN results.
enum class Status : std::int8_t {
    ok = 0,
    invalid_input = 1,  // NaN, infinite, spot or strike <= 0, volatility < 0, or a discount factor overflows
    expired = 2,        // time to expiry < 0
    unsupported = 3,    // the model does not know this combination
    below_intrinsic = 4,  // implied volatility: price < discounted intrinsic by more than 4 ulp of max(S, K)
    above_maximum = 5,    // implied volatility: price above the discounted forward (call) or strike (put)
    no_vega = 6,          // implied volatility: price equals the intrinsic; the volatility is given as 0
    at_intrinsic = 7,     // American implied volatility: price equals the exercise value; not unique, NaN
};

enum class Model : std::int8_t {
    bsm = 0,        // Black-Scholes-Merton: spot, continuous rate and dividend yield
    black76 = 1,    // Black 1976: `spot` is the forward, the dividend yield must be 0
    displaced = 2,  // Black 1976 of forward + shift and strike + shift
    bachelier = 3,  // normal model: `spot` is the forward, volatility in price units per sqrt(year)
};

}  // namespace optionsib::pricing
