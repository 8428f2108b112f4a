#include "optionsib/pricing/european.hpp"

#include <limits>

#include "european_table.hpp"

namespace optionsib::pricing {
namespace {

// Days of a calendar year; percent.
constexpr double day = 1.0 / 365.0, percent = 0.01;
constexpr double desk_factors[greek_count] = {
    1.0,                        // price
    1.0,                        // delta
    1.0,                        // gamma
    percent,                    // vega
    day,                        // theta
    percent,                    // rho
    percent,                    // epsilon
    1.0,                        // dual_delta
    1.0,                        // dual_gamma
    percent,                    // vanna
    percent* percent,           // volga
    day,                        // charm
    percent* day,               // veta
    1.0,                        // speed
    percent,                    // zomma
    day,                        // color
    percent* percent* percent,  // ultima
};

std::size_t family(Model model) noexcept {
    switch (model) {
        case Model::bsm:
            return 0;
        case Model::black76:
        case Model::displaced:
            return 1;
        case Model::bachelier:
            break;
    }
    return 2;
}

const EuropeanKernels& kernels() noexcept {
    static const EuropeanKernels& chosen = european_kernels(simd_path());
    return chosen;
}

void run(Model model, std::size_t order, std::size_t size, const EuropeanColumns& options,
         In<double> volatility, const Out<double>* results, Out<std::int8_t> status,
         const double* factors) noexcept {
    EuropeanColumns used = options;
    if (model != Model::displaced) used.shift = {};
    const EuropeanTask task{size, &used, volatility, results, status, model, factors};
    kernels().run[family(model)][order](task);
}

Status run_one(Model model, std::size_t order, const European& option, double volatility,
               double* values) noexcept {
    const double shift = model == Model::displaced ? option.shift : 0.0;
    if (kernels().run_one[family(model)][order](option.kind, option.spot, option.strike,
                                                option.time_to_expiry, option.rate, option.dividend_yield,
                                                shift, volatility, values)) [[likely]]
        return Status::ok;
    return european_edge(model, static_cast<int>(order), option, volatility, values);
}

}  // namespace

const EuropeanKernels& european_kernels(SimdPath path) noexcept {
#ifdef OPTIONSIB_X86_PATHS
    if (path == SimdPath::avx512) return european_avx512;
    if (path == SimdPath::avx2) return european_avx2;
#else
    static_cast<void>(path);
#endif
    return european_baseline;
}

Status price(Model model, const European& option, double volatility, double& result) noexcept {
    return run_one(model, 0, option, volatility, &result);
}

Status greeks(Model model, int order, Units units, const European& option, double volatility,
              Greeks& result) noexcept {
    const Status status =
        run_one(model, static_cast<std::size_t>(order), option, volatility, result.values.data());
    if (units == Units::desk)
        for (std::size_t j = 0; j < greeks_of_order(order); ++j) result.values[j] *= desk_factors[j];
    return status;
}

void price(Model model, std::size_t size, const EuropeanColumns& options, In<double> volatility,
           Out<double> result, Out<std::int8_t> status) noexcept {
    run(model, 0, size, options, volatility, &result, status, nullptr);
}

void greeks(Model model, int order, Units units, std::size_t size, const EuropeanColumns& options,
            In<double> volatility, const GreekColumns& result, Out<std::int8_t> status) noexcept {
    run(model, static_cast<std::size_t>(order), size, options, volatility, result.columns.data(), status,
        units == Units::desk ? desk_factors : nullptr);
}

}  // namespace optionsib::pricing
