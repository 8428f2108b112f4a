#pragma once

// A plain finite difference pricer: Crank-Nicolson in ln S with implicit Euler half steps first (R.
// Rannacher, "Finite element solution of diffusion problems with irregular data", Numerische Mathematik 43
// (1984) 309-327) and exercise by policy iteration (P. A. Forsyth and K. R. Vetzal, "Quadratic convergence
// for valuing American options using a penalty method", SIAM J. Sci. Comput. 23 (2002) 2095-2122, without the
// penalty: the active rows are set to the exercise value). An independent check of the fast kernels, plain on
// purpose: one option at a time, double precision, no SIMD, no assumption on where exercise is best (two
// boundaries included). The error falls as 1 / space_steps^2 + 1 / time_steps^2 (American: about
// 1 / time_steps^1.5).

#include <cstddef>
#include <span>

#include "optionsib/pricing/cash_dividends.hpp"

namespace optionsib::pricing {

struct FiniteDifferenceGrid {
    std::size_t space_steps = 800;  // >= 8, an odd number is raised by one
    std::size_t time_steps = 400;   // >= 1
};

struct FiniteDifferenceResult {
    double price, delta, gamma, theta;
};

// Doubles of working memory.
[[nodiscard]] constexpr std::size_t finite_difference_workspace(FiniteDifferenceGrid grid) noexcept {
    return 6 * (grid.space_steps + 2);
}

// Without volatility, time or enough workspace to lay a grid, the status is unsupported; and where the drift
// is too steep for the grid, |r - q - v^2/2| h > v^2 / 4 with its step h in ln S: more space steps help.
[[nodiscard]] Status finite_difference(ExerciseStyle style, const European& option, double volatility,
                                       FiniteDifferenceGrid grid, std::span<double> workspace,
                                       FiniteDifferenceResult& result) noexcept;

// Many options; a result column without data is not wanted. Working memory is allocated once
// (std::bad_alloc).
struct FiniteDifferenceColumns {
    Out<double> price, delta, gamma, theta;
};
void finite_difference(ExerciseStyle style, std::size_t size, const EuropeanColumns& options,
                       In<double> volatility, FiniteDifferenceGrid grid,
                       const FiniteDifferenceColumns& result, Out<std::int8_t> status);

}  // namespace optionsib::pricing
