#pragma once

// European and American options on a spot that pays cash dividends at known times, on top of a continuous
// rate r and yield (or borrow) q.
//
// DividendModel::spot (piecewise lognormal): between ex-dates dS = (r - q) S dt + v S dW; at an ex-date
//   S -> max(S - D, 0)   ("liquidator" of Haug, Haug and Lewis: what the firm has is paid out, and the spot
//   stays 0).
// DividendModel::escrowed: S = X + sum of the dividends to come, each worth D exp(-(r - q)(t_ex - t)), and X
//   is lognormal with volatility v. Exercise pays on S, not on X. Where the dividends are worth more than
//   the spot the element is invalid.
// Both have the forward of carrying the spot, F = S exp((r-q)T) - sum D exp((r-q)(T - t_ex)), but for the
// spots that the liquidator stops at 0.
//
// A dividend counts if 0 < t_ex <= T. An American option can be exercised at any time, just before each
// ex-date included (and just before one at T). Where no dividend of an option counts its result is that of
// american.hpp or european.hpp, bit for bit.
//
// The schedule: ex-times in years, not descending, amounts >= 0, all finite; an option whose schedule is not
// like this has Status::invalid_input. Dividends that do not count are ignored otherwise. The same ex-time
// may occur more than once.
//
// Method (src/pricing/cash_dividends_lanes.hpp): in z = ln S minus its drift the undiscounted price solves
// the heat equation, on a grid each lane of which is an option. At an ex-date the values are carried to a
// grid of their own for the time before it, narrower as the time is shorter. Where exercise is never best
// between ex-dates (European options, calls with q <= 0 and r >= q, puts with r <= 0 and q >= r) a step spans
// the whole time between two ex-dates, as the convolution with its Gaussian, and the last one is Black and
// Scholes; otherwise TR-BDF2 on a compact scheme of fourth order, exercise solved for in each stage by the
// ordering of Brennan and Schwartz (1977). vega, rho, epsilon and dual delta are carried along with the price
// as its derivatives; dual gamma is a difference of two more dual deltas.
//
// Error of the price per 100 of spot, largest and root mean square, on 96 options of two weeks to two years
// with one to nine dividends, volatility 12 to 60 %, against the high tier (that against 3072 nodes: 2e-5):
//             without exercise between ex-dates    with
//   fast      5e-5 and 1e-5                        3.5e-3 and 9e-4
//   accurate  3e-6 and 6e-7                        2.5e-4 and 8e-5
// It grows where dividends are more than half of the spot (to 1e-2 in any tier: the spot stops at 0 between
// two nodes) and with v sqrt(T) above 1 (American, fast, v sqrt(T) = 3: 4e-2). v sqrt(T) > 4 is unsupported,
// and below 1e-5 it is raised to it. vega, rho and epsilon of American options have relative errors of about
// 2e-3 (fast) and 1e-3 (accurate).
//
// Sources: E. G. Haug, J. Haug, A. Lewis, "Back to basics: a new approach to the discrete dividend problem",
// Wilmott, Sept 2003, 37-47; M. H. Vellekoop, J. W. Nieuwenhuis, "Efficient pricing of derivatives on assets
// with discrete dividends", Applied Mathematical Finance 13 (2006) 265-284.
//
// Where the grid finds no finite number (ex-dates or sizes at the ends of the number range) the status is
// unsupported and every result of the element NaN.
//
// Every result is a pure function of the inputs of its element and of the instruction set. Working memory is
// allocated once a call, not per element: std::bad_alloc is the only exception. Units and domain are those
// of european.hpp; the model is Black-Scholes-Merton.

#include <cstddef>
#include <cstdint>

#include "optionsib/pricing/american.hpp"

namespace optionsib::pricing {

enum class DividendModel : std::int8_t { spot = 0, escrowed = 1 };

// `count` ex-times and amounts. Without offsets they are the schedule of every option; with them option i has
// the entries from offsets[i] up to offsets[i + 1], 0 <= offsets[i] <= offsets[i + 1] <= count (an option for
// which this fails is invalid).
struct DividendSchedule {
    In<double> ex_times_years, cash_amounts;
    std::size_t count = 0;
    In<std::int64_t> offsets = {};
};

// At most so many dividends may count for one option; with more its status is unsupported.
inline constexpr std::size_t most_cash_dividends = 64;

struct CashDividends {
    DividendModel model = DividendModel::spot;
    DividendSchedule schedule;
};

enum class ExerciseStyle : std::int8_t { european = 0, american = 1 };

void cash_dividend_price(ExerciseStyle style, Tier tier, std::size_t size, const EuropeanColumns& options,
                         const CashDividends& dividends, In<double> volatility, Out<double> result,
                         Out<std::int8_t> status);

// Order 1: price .. dual_gamma. Spot and amounts are held when the rate, yield or strike moves. theta is d/dt
// with the ex-dates where they are in the calendar. Columns that are not wanted save their work.
void cash_dividend_greeks(ExerciseStyle style, Tier tier, Units units, std::size_t size,
                          const EuropeanColumns& options, const CashDividends& dividends,
                          In<double> volatility, const GreekColumns& result, Out<std::int8_t> status);

// The volatility at which this very tier gives `price`. `guess` without data: none. Statuses as
// american_implied_volatility and implied_volatility.
void cash_dividend_implied_volatility(ExerciseStyle style, Tier tier, std::size_t size,
                                      const EuropeanColumns& options, const CashDividends& dividends,
                                      In<double> price, In<double> guess, Out<double> result,
                                      Out<std::int8_t> status);

void cash_dividend_implied_volatility_and_greeks(ExerciseStyle style, Tier tier, Units units,
                                                 std::size_t size, const EuropeanColumns& options,
                                                 const CashDividends& dividends, In<double> price,
                                                 In<double> guess, Out<double> volatility,
                                                 const GreekColumns& result, Out<std::int8_t> status);

// What to do with an American option before the first ex-date that counts, t1:
//   hold          its value now if it is not exercised up to that ex-date, and optimally after it
//   exercise      the value now of exercising it just before that ex-date,
//                 kind (S exp(-q t1) - K exp(-r t1)), the interim yield given up
//   critical_spot the spot just before t1 from which on exercising is better than holding: at and above it
//                 for a call; for a put at and below it; NaN where holding is always better.
// hold and exercise are values of two fixed plans: to know which is better at t1, compare the spot then with
// critical_spot. Each critical spot takes a grid of its own, of one option. All three are NaN
// where no dividend counts.
void exercise_before_dividend(Tier tier, std::size_t size, const EuropeanColumns& options,
                              const CashDividends& dividends, In<double> volatility, Out<double> hold,
                              Out<double> exercise, Out<double> critical_spot, Out<std::int8_t> status);

// critical_spot of every ex-date of every option: with one schedule for all entry j of option i goes to
// i * count + j, with offsets to its place in the schedule. NaN where the dividend does not count.
void exercise_boundary_before_dividends(Tier tier, std::size_t size, const EuropeanColumns& options,
                                        const CashDividends& dividends, In<double> volatility,
                                        Out<double> critical_spots, Out<std::int8_t> status);

// The European price of the spot model by an expansion to second order in what the dividends differ from a
// fixed share of the spot and a fixed amount of cash (expansion about Bos and Vandermark, "Finessing fixed
// dividends", Risk 15 (2002) 157-158); exact, as Black-Scholes, for the escrowed model. It lets the spot fall
// below 0 where the tiers stop it there. Error per 100 of spot: 3e-5 with dividends of 0.2 to 1 a quarter,
// 1e-3 with three times as much (48 options as above). No allocation.
void cash_dividend_expansion_price(std::size_t size, const EuropeanColumns& options,
                                   const CashDividends& dividends, In<double> volatility, Out<double> result,
                                   Out<std::int8_t> status) noexcept;

}  // namespace optionsib::pricing
