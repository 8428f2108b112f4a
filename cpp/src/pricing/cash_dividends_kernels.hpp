#pragma once

// The grid of options with cash dividends, one lane an option; private to the library. The scalar side
// (cash_dividends.cpp) lays out time and space, the kernel of one instruction set steps.

#include <cstddef>
#include <cstdint>

#include "optionsib/simd.hpp"

namespace optionsib::pricing {

// The derivatives carried along with the price.
enum class Tangent : int { vega = 0, rho = 1, epsilon = 2, dual_delta = 3 };
inline constexpr int tangent_count = 4;

inline constexpr int most_lanes = 16;
inline constexpr int most_segments = 65;  // most_cash_dividends + 1

// One value a lane.
struct alignas(64) Lanes {
    double lane[most_lanes];
};

// Segment k lies between the k-th counted ex-date (k = 0: now) and the next one (or expiry). Its grid has the
// nodes z = center - kind (i - nodes / 2) step, i = 0..nodes, in z = ln S - mu (t - start): node 0 is the
// far end of the side where exercise is.
struct Segment {
    Lanes start, end;     // years from now
    Lanes amount;         // of the dividend at `start` (k = 0: none)
    Lanes center, step;   // of the grid
    Lanes steps;          // in time
    Lanes present;        // escrowed: value at `start`, after its dividend, of those to come
    Lanes present_times;  // the same, each multiplied by its time from `start`: minus d/d(r - q)
};

// What the grid gave at the spot.
struct GridResult {
    Lanes values[5];  // undiscounted prices at the nodes next to the spot, by rising z
    Lanes exercise;   // undiscounted exercise value at the spot
    Lanes tangents[tangent_count];
};

struct CashDividendGroup {
    int nodes;
    bool american, escrowed;
    // After the last ex-date exercise is never best: the value there is that of Black and Scholes.
    bool closed;
    // No exercise up to the first ex-date, it included.
    bool hold_first;
    bool vega, dual_delta, all_tangents;  // one of them, or none; a single tangent is in the first place
    int segments;                         // of the lane with most
    Lanes kind, strike, expiry, rate, yield, volatility;
    Lanes dividends;  // how many count
    Segment segment[most_segments];
    GridResult result;
    double* workspace;  // cash_dividend_workspace(nodes)
    // If not nullptr: at the ex-date k > 0 the hold value minus the exercise value, undiscounted, of node i
    // goes to [(k (nodes + 1) + i) most_lanes + lane], on the grid of segment k - 1.
    double* record;
};

// Rows of nodes: exp(z), the next grid's, four to convolve with, and three for the price and each tangent;
// some to spare, as weights are stored one past the last.
[[nodiscard]] constexpr std::size_t cash_dividend_workspace(std::size_t nodes) noexcept {
    return (nodes + 1) * most_lanes * (6 + 3 * (1 + tangent_count)) + 2 * most_lanes;
}

struct CashDividendKernels {
    int lanes;
    void (*run)(CashDividendGroup&) noexcept;
};

extern const CashDividendKernels cash_dividends_baseline;
#ifdef OPTIONSIB_X86_PATHS
extern const CashDividendKernels cash_dividends_avx2, cash_dividends_avx512;
#endif

[[nodiscard]] const CashDividendKernels& cash_dividend_kernels(SimdPath path) noexcept;

}  // namespace optionsib::pricing
