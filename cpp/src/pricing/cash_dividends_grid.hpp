#pragma once

// From options with cash dividends to lanes of grids and back; private to the library.

#include <cstddef>
#include <memory>
#include <vector>

#include "cash_dividends_kernels.hpp"
#include "optionsib/pricing/cash_dividends.hpp"

namespace optionsib::pricing {

// Of volatility times the root of time.
inline constexpr double largest_deviation = 4.0;

// One option whose dividends are those that count, and what became of it.
struct CashDividendOption {
    European option;
    double volatility;
    Status status = Status::ok;
    std::int64_t first = 0;      // place in the schedule of the first dividend that counts
    int count = 0;               // of those that count
    double last_time = 0.0;      // the last ex-time that counts
    bool closed = false;         // after the last ex-date exercise is never best
    double present = 0.0;        // escrowed: value now of the dividends that count
    double present_times = 0.0;  // the same, each times its ex-time
};

[[nodiscard]] European european_at(const EuropeanColumns& options, std::size_t i) noexcept;

// Bad input in the option, its schedule or its volatility goes to `status`.
[[nodiscard]] CashDividendOption read_option(ExerciseStyle style, const EuropeanColumns& options,
                                             const CashDividends& dividends, double volatility,
                                             std::size_t i) noexcept;

// What of a solved grid concerns one option, per unit of discounted money.
struct CashDividendValue {
    double price, delta, gamma, theta, vega, rho, epsilon, dual_delta;
    bool exercised;
};

enum class Wanted : int { price, vega, dual_delta, all };

// The working memory of one call, and the way to the kernel.
class CashDividendSolver {
  public:
    CashDividendSolver(ExerciseStyle style, Tier tier, const CashDividends& dividends,
                       SimdPath path = simd_path());

    // Solve the options at `which` (all with status ok and count > 0) into `values`, indexed as `which`.
    void solve(Wanted wanted, const CashDividendOption* options, const std::size_t* which, std::size_t count,
               CashDividendValue* values, bool hold_first = false);

    // The critical spots of one option's counted ex-dates.
    void critical_spots(const CashDividendOption& option, double* spots);

  private:
    void lay_out(int nodes);
    void fill(const CashDividendOption& option, int lane, bool wide);
    [[nodiscard]] CashDividendValue value(const CashDividendOption& option, int lane, Wanted wanted) const;

    ExerciseStyle style_;
    Tier tier_;
    const CashDividends& dividends_;
    const CashDividendKernels& kernels_;
    std::unique_ptr<double[]> workspace_;
    int room_ = 0;  // nodes the working memory is for
    std::vector<double> record_;
    std::unique_ptr<CashDividendGroup> group_;
    std::vector<std::size_t> order_;
    std::vector<std::size_t> place_;
};

}  // namespace optionsib::pricing
