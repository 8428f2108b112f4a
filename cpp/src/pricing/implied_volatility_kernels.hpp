#pragma once

// The implied volatility kernels of one instruction set; private to the library.

#include <cstddef>

#include "optionsib/pricing/european.hpp"
#include "optionsib/simd.hpp"

namespace optionsib::pricing {

struct ImpliedVolatilityTask {
    std::size_t size;
    const EuropeanColumns* options;
    In<double> price;
    In<double> guess;  // for implied_volatility_edge; no data: none
    Out<double> volatility;
    Out<std::int8_t> status;
    Model model;  // the same
};

struct ImpliedVolatilityKernels {
    void (*run[3])(const ImpliedVolatilityTask&) noexcept;  // [family]
};

extern const ImpliedVolatilityKernels implied_volatility_baseline;
#ifdef OPTIONSIB_X86_PATHS
extern const ImpliedVolatilityKernels implied_volatility_avx2, implied_volatility_avx512;
#endif

[[nodiscard]] const ImpliedVolatilityKernels& implied_volatility_kernels(SimdPath path) noexcept;

// The element that is not ordinary: bad input, a price outside its bounds, extreme sizes, wings beyond the
// table. `discount` and `growth` are exp(-rT) and exp(-qT) as the kernel has them, so that both find the same
// intrinsic value. A volatility near `guess` is found sooner; one that is not positive stands for none.
// `volatility` is NaN unless the status is ok or no_vega.
[[nodiscard]] Status implied_volatility_edge(Model model, const European& option, double price, double guess,
                                             double discount, double growth, double& volatility) noexcept;

}  // namespace optionsib::pricing
