#pragma once

// Floor kernels: plain C++, compiled -O2 without vectorisation, that no change of ours can make faster or
// slower. A kernel's time over the time of its floor in the same run says how fast the kernel is, on a
// machine whose clock and neighbours move. The mixed floors do per element what the kernel of that name does:
// the same columns in and out, polynomials of the same degrees, the same number of divides and square roots.
// Their results mean nothing.

#include <cstddef>

namespace optionsib::floors {

struct Columns {
    const signed char* kind;
    const double *spot, *strike, *time_to_expiry, *rate, *volatility, *dividend_yield;
};

void price(std::size_t size, const Columns& options, double* result) noexcept;

// `results`: six columns.
void greeks(std::size_t size, const Columns& options, double* const* results) noexcept;

// `options.volatility` holds the prices.
void implied_volatility(std::size_t size, const Columns& options, double* result) noexcept;

// An American price: `boundary_points` and `premium_points` of its integrals, each with a root and two normal
// distributions.
void american(std::size_t size, const Columns& options, int boundary_points, int premium_points,
              double* result) noexcept;

// A grid of finite differences: per time step a tridiagonal system of `nodes` unknowns (at most 256).
void grid(std::size_t size, const Columns& options, int nodes, int steps, double* result) noexcept;

// What the machine does in scalar code. Each returns a value that depends on every operation.
[[nodiscard]] double dependent_multiply_add(std::size_t count) noexcept;  // one chain: latency
[[nodiscard]] double independent_divide(std::size_t count) noexcept;      // eight chains: throughput
[[nodiscard]] double independent_sqrt(std::size_t count) noexcept;

// Follow `next`, each load at an address that the one before gave: one cache miss a step where the entries
// (64 bytes each) fill more than the cache. Returns where it ended.
struct alignas(64) Line {
    std::size_t next;
};
[[nodiscard]] std::size_t dependent_load(const Line* lines, std::size_t count, std::size_t at) noexcept;

// One branch an element on its lowest bit; with random bytes every second one is missed.
[[nodiscard]] std::size_t branch(const unsigned char* bits, std::size_t count) noexcept;

// Read seven columns, write one: the memory traffic of a price.
void stream(std::size_t size, const double* const* columns, double* result) noexcept;

}  // namespace optionsib::floors
