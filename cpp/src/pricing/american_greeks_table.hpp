#pragma once

// The kernels of American Greeks and implied volatility of one instruction set; private to the library.

#include <cstddef>

#include "american_table.hpp"

namespace optionsib::pricing {

struct AmericanGreeksTask {
    std::size_t size;
    const EuropeanColumns* options;
    In<double> volatility;
    const Out<double>* results;  // nine, in the order of `Greek`
    Out<std::int8_t> status;
    Model model;  // bsm or black76
    Tier tier;
    const AmericanGrids* grids;
    const double* factors;  // nullptr: raw units
};

struct AmericanVolatilityTask {
    std::size_t size;
    const EuropeanColumns* options;
    In<double> price, start;  // start: a volatility for every element
    Out<double> volatility;
    Out<std::int8_t> status;
    Model model;
    Tier tier;
    const AmericanGrids* grids;
};

struct AmericanGreeksKernels {
    void (*greeks[3])(const AmericanGreeksTask&) noexcept;  // [tier]
    void (*volatility[3])(const AmericanVolatilityTask&) noexcept;
};

extern const AmericanGreeksKernels american_greeks_baseline;
#ifdef OPTIONSIB_X86_PATHS
extern const AmericanGreeksKernels american_greeks_avx2, american_greeks_avx512;
#endif

[[nodiscard]] const AmericanGreeksKernels& american_greeks_kernels(SimdPath path) noexcept;

// The element that the kernels leave aside: nine values in raw units.
[[nodiscard]] Status american_greeks_edge(Model model, Tier tier, SimdPath path, const European& option,
                                          double volatility, double* values) noexcept;
[[nodiscard]] Status american_volatility_edge(Model model, Tier tier, SimdPath path, const European& option,
                                              double price, double& volatility) noexcept;

}  // namespace optionsib::pricing
