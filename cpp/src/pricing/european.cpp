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

void run(Model model, std::size_t order, std::size_t size, const EuropeanColumns& options,
         In<double> volatility, const Out<double>* results, Out<std::int8_t> status,
         const double* factors) noexcept {
    static const EuropeanKernels& kernels = european_kernels(simd_path());
    EuropeanColumns used = options;
    if (model != Model::displaced) used.shift = {};
    const EuropeanTask task{size, &used, volatility, results, status, model, factors};
    kernels.run[family(model)][order](task);
}

// One option as columns of stride 0: the scalar call is the array kernel on one element.
struct Single {
    std::int8_t kind;
    EuropeanColumns columns;

    explicit Single(const European& option) noexcept
        : kind(static_cast<std::int8_t>(option.kind == 1.0    ? 1
                                        : option.kind == -1.0 ? -1
                                                              : 0)),
          columns{{reinterpret_cast<const std::byte*>(&kind), 0},
                  at(option.spot),
                  at(option.strike),
                  at(option.time_to_expiry),
                  at(option.rate),
                  at(option.dividend_yield),
                  at(option.shift)} {}

    static In<double> at(const double& value) noexcept {
        return {reinterpret_cast<const std::byte*>(&value), 0};
    }
};

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
    const Single one(option);
    std::int8_t status = 0;
    const Out<double> to{reinterpret_cast<std::byte*>(&result), sizeof(double)};
    run(model, 0, 1, one.columns, Single::at(volatility), &to, {reinterpret_cast<std::byte*>(&status), 1},
        nullptr);
    return static_cast<Status>(status);
}

Status greeks(Model model, int order, Units units, const European& option, double volatility,
              Greeks& result) noexcept {
    const Single one(option);
    std::int8_t status = 0;
    GreekColumns to;
    for (std::size_t j = 0; j < greeks_of_order(order); ++j)
        to.columns[j] = {reinterpret_cast<std::byte*>(&result.values[j]), sizeof(double)};
    run(model, static_cast<std::size_t>(order), 1, one.columns, Single::at(volatility), to.columns.data(),
        {reinterpret_cast<std::byte*>(&status), 1}, units == Units::desk ? desk_factors : nullptr);
    return static_cast<Status>(status);
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
