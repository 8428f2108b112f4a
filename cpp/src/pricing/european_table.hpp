#pragma once

// The kernels of one instruction set; private to the library.

#include <cstddef>

#include "optionsib/pricing/european.hpp"
#include "optionsib/simd.hpp"

namespace optionsib::pricing {

// What a kernel works on. `results` has one entry (price) or greeks_of_order(order).
struct EuropeanTask {
    std::size_t size;
    const EuropeanColumns* options;
    In<double> volatility;
    const Out<double>* results;
    Out<std::int8_t> status;
    Model model;            // for the lanes that european_edge does
    const double* factors;  // nullptr: raw units
};

// A single option in registers, raw units. False, and nothing written, for one that european_edge must do.
using EuropeanOne = bool (*)(double kind, double spot, double strike, double expiry, double rate,
                             double yield, double shift, double volatility, double* values) noexcept;

// [family][order], order 0: the price alone.
struct EuropeanKernels {
    void (*run[3][4])(const EuropeanTask&) noexcept;
    EuropeanOne run_one[3][4];
};

extern const EuropeanKernels european_baseline;
#ifdef OPTIONSIB_X86_PATHS
extern const EuropeanKernels european_avx2, european_avx512;
#endif

[[nodiscard]] const EuropeanKernels& european_kernels(SimdPath path) noexcept;

// The element that is not ordinary: bad input, limits, extreme sizes. Fills the values of `order`.
[[nodiscard]] Status european_edge(Model model, int order, const European& option, double volatility,
                                   double* values) noexcept;

}  // namespace optionsib::pricing
