#include "optionsib/pricing/american.hpp"

#include <limits>

#include "american_table.hpp"
#include "optionsib/pricing/american_kernel.hpp"

namespace optionsib::pricing {
namespace {

AmericanGrids make_grids() noexcept {
    AmericanGrids grids;
    fill(grids.first);
    fill(grids.fast);
    fill(grids.accurate);
    fill(grids.high);
    fill(grids.to_fast);
    fill(grids.to_accurate);
    fill_fine(grids.to_high, nearest_of_fine_start);
    fill(grids.fast_premium);
    fill(grids.accurate_premium);
    fill_fine(grids.high_premium);
    return grids;
}

bool supported(Model model) noexcept {
    return model == Model::bsm || model == Model::black76;
}

void refuse(std::size_t size, Out<double> result, Out<std::int8_t> status) noexcept {
    for (std::size_t i = 0; i < size; ++i) {
        result.put(i, std::numeric_limits<double>::quiet_NaN());
        status.put(i, static_cast<std::int8_t>(Status::unsupported));
    }
}

}  // namespace

const AmericanGrids& american_grids() noexcept {
    static const AmericanGrids grids = make_grids();
    return grids;
}

const AmericanKernels& american_kernels(SimdPath path) noexcept {
#ifdef OPTIONSIB_X86_PATHS
    if (path == SimdPath::avx512) return american_avx512;
    if (path == SimdPath::avx2) return american_avx2;
#else
    static_cast<void>(path);
#endif
    return american_baseline;
}

void american_price(Model model, Tier tier, std::size_t size, const EuropeanColumns& options,
                    In<double> volatility, Out<double> result, Out<std::int8_t> status) noexcept {
    if (!supported(model)) return refuse(size, result, status);
    static const AmericanKernels& kernels = american_kernels(simd_path());
    const AmericanTask task{size, &options, volatility, result, {},
                            {},   status,   model,      tier,   &american_grids()};
    kernels.price[model == Model::bsm ? 0 : 1][static_cast<std::size_t>(tier)](task);
}

void exercise_boundary(Model model, Tier tier, std::size_t size, const EuropeanColumns& options,
                       In<double> volatility, Out<double> lower, Out<double> upper,
                       Out<std::int8_t> status) noexcept {
    if (!supported(model)) {
        refuse(size, lower, status);
        return refuse(size, upper, status);
    }
    static const AmericanKernels& kernels = american_kernels(simd_path());
    const AmericanTask task{size,  &options, volatility, {},   lower,
                            upper, status,   model,      tier, &american_grids()};
    kernels.boundary[model == Model::bsm ? 0 : 1][static_cast<std::size_t>(tier)](task);
}

}  // namespace optionsib::pricing
