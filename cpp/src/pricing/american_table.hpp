#pragma once

// The American kernels of one instruction set; private to the library.

#include <cstddef>

#include "optionsib/pricing/american.hpp"
#include "optionsib/simd.hpp"

namespace optionsib::pricing {

struct AmericanGrids;

// So little of an exponent r T changes no price by more than that part of the strike, less than the error of
// any tier.
inline constexpr double negligible_exponent = 1e-10;

// Whether the rate of the put, of rounding size, would lead to two boundaries or out of the kernels' range:
// then it counts as 0.
[[nodiscard]] inline bool has_negligible_rate(double put_rate, double put_yield, double expiry) noexcept {
    return put_rate != 0.0 && put_rate <= 1e-30 && put_rate * expiry >= -negligible_exponent &&
           put_yield < 0.0;
}

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
