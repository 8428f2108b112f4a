#pragma once

// The American kernels of one instruction set; private to the library.

#include <cstddef>

#include "optionsib/pricing/american.hpp"
#include "optionsib/simd.hpp"

namespace optionsib::pricing {

struct AmericanGrids;

struct AmericanTask {
    std::size_t size;
    const EuropeanColumns* options;
    In<double> volatility;
    Out<double> price;         // of `price`
    Out<double> lower, upper;  // of `boundary`
    Out<std::int8_t> status;
    Model model;  // bsm or black76
    Tier tier;
    const AmericanGrids* grids;
};

struct AmericanKernels {
    // [bsm, black76][tier]
    void (*price[2][3])(const AmericanTask&) noexcept;
    void (*boundary[2][3])(const AmericanTask&) noexcept;
};

extern const AmericanKernels american_baseline;
#ifdef OPTIONSIB_X86_PATHS
extern const AmericanKernels american_avx2, american_avx512;
#endif

[[nodiscard]] const AmericanKernels& american_kernels(SimdPath path) noexcept;
[[nodiscard]] const AmericanGrids& american_grids() noexcept;

// The element that the kernels leave aside. `path`: whose European price is the floor.
[[nodiscard]] Status american_price_edge(Model model, Tier tier, SimdPath path, const European& option,
                                         double volatility, double& price) noexcept;
[[nodiscard]] Status exercise_boundary_edge(Model model, Tier tier, const European& option, double volatility,
                                            double& lower, double& upper) noexcept;

}  // namespace optionsib::pricing
