#pragma once

// American options on a spot with continuous rate r and dividend yield (or borrow) q.
//
// A call is the put with spot and strike, rate and yield exchanged (McDonald and Schroder 1998), so every
// case is a put: r <= 0 and q >= r is European; r >= 0 has one exercise boundary; q < r < 0 has two.
//
// Units and domain are those of european.hpp. In the exercise region the price is the intrinsic value
// exactly, delta the kind, dual delta its negative, every other Greek 0. price >= max(European, intrinsic)
// bit for bit.

#include <cstddef>
#include <cstdint>

#include "optionsib/pricing/european.hpp"

namespace optionsib::pricing {

// How finely the boundary is solved.
enum class Tier : std::int8_t { fast = 0, accurate = 1, high = 2 };

// `model` is bsm or black76 (spot is the forward, q = r); any other is unsupported, element by element.
// EuropeanColumns::shift is not used. threads: the caller splits (parallel.hpp).
void american_price(Model model, Tier tier, std::size_t size, const EuropeanColumns& options,
                    In<double> volatility, Out<double> result, Out<std::int8_t> status) noexcept;

// Order 1: price .. dual_gamma. rho holds spot and yield; with black76 the forward.
void american_greeks(Model model, Tier tier, Units units, std::size_t size, const EuropeanColumns& options,
                     In<double> volatility, const GreekColumns& result, Out<std::int8_t> status) noexcept;

// at_intrinsic: every volatility up to some level gives this price, so the answer is not unique: NaN.
void american_implied_volatility(Model model, Tier tier, std::size_t size, const EuropeanColumns& options,
                                 In<double> price, In<double> guess, Out<double> result,
                                 Out<std::int8_t> status) noexcept;

void american_implied_volatility_and_greeks(Model model, Tier tier, Units units, std::size_t size,
                                            const EuropeanColumns& options, In<double> price,
                                            In<double> guess, Out<double> volatility,
                                            const GreekColumns& result, Out<std::int8_t> status) noexcept;

// Critical spots at `time_to_expiry` of the columns; their spot is ignored. Exercise is best where
// lower <= spot <= upper: a put with one boundary has lower = 0, a call with one boundary upper = +inf; both
// are NaN where exercise is never best.
void exercise_boundary(Model model, Tier tier, std::size_t size, const EuropeanColumns& options,
                       In<double> volatility, Out<double> lower, Out<double> upper,
                       Out<std::int8_t> status) noexcept;

}  // namespace optionsib::pricing
