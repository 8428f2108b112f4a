#pragma once

// The binomial tree of D. Leisen and M. Reimer, "Binomial models for option valuation - examining and
// improving convergence", Applied Mathematical Finance 3 (1996) 319-346, with the Peizer-Pratt inversion of
// method 2: an independent check of the fast kernels, plain on purpose. One option at a time, double
// precision, no SIMD. European prices converge as 1 / steps^2, American ones about as 1 / steps.
//
// delta and gamma are those of the parabola through the three nodes at now of a tree that starts two steps
// before (A. Pelsser and T. Vorst, "The binomial model and the Greeks", Journal of Derivatives 1 (1994)
// 45-49); theta follows from them by the Black-Scholes equation, and is 0 where the option is exercised.

#include <cstddef>
#include <span>

#include "optionsib/pricing/cash_dividends.hpp"

namespace optionsib::pricing {

struct LeisenReimerResult {
    double price, delta, gamma, theta;
};

// Doubles of working memory for `steps`.
[[nodiscard]] constexpr std::size_t leisen_reimer_workspace(std::size_t steps) noexcept {
    return 2 * (steps + 6);
}

// `steps` >= 3; an even number is raised by one. Without volatility, time or enough workspace to grow a tree,
// the status is unsupported.
[[nodiscard]] Status leisen_reimer(ExerciseStyle style, const European& option, double volatility,
                                   std::size_t steps, std::span<double> workspace,
                                   LeisenReimerResult& result) noexcept;

// Many options; a result column without data is not wanted. Working memory is allocated once
// (std::bad_alloc).
struct LeisenReimerColumns {
    Out<double> price, delta, gamma, theta;
};
void leisen_reimer(ExerciseStyle style, std::size_t size, const EuropeanColumns& options,
                   In<double> volatility, std::size_t steps, const LeisenReimerColumns& result,
                   Out<std::int8_t> status);

}  // namespace optionsib::pricing
