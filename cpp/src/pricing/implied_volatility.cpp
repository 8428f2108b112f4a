#include <algorithm>
#include <cstring>

#include "implied_volatility_kernels.hpp"
#include "optionsib/pricing/european.hpp"

namespace optionsib::pricing {
namespace {

void run(ImpliedVolatilityTask task) noexcept {
    static const ImpliedVolatilityKernels& kernels = implied_volatility_kernels(simd_path());
    EuropeanColumns used = *task.options;
    if (task.model != Model::displaced) used.shift = {};
    task.options = &used;
    kernels.run[task.model == Model::bsm ? 0 : task.model == Model::bachelier ? 2 : 1](task);
}

In<double> at(const double& value) noexcept {
    return {reinterpret_cast<const std::byte*>(&value), 0};
}

template <typename T>
In<T> from(In<T> column, std::size_t begin) noexcept {
    if (column.data != nullptr) column.data += static_cast<std::ptrdiff_t>(begin) * column.stride;
    return column;
}

template <typename T>
Out<T> from(Out<T> column, std::size_t begin) noexcept {
    if (column.data != nullptr) column.data += static_cast<std::ptrdiff_t>(begin) * column.stride;
    return column;
}

template <typename T>
void copy(const T* values, std::size_t count, Out<T> to) noexcept {
    if (to.data != nullptr && to.stride == sizeof(T))
        std::memcpy(to.data, values, count * sizeof(T));
    else
        for (std::size_t i = 0; i < count; ++i) to.put(i, values[i]);
}

// So few that everything stays in the first-level cache between the volatility and the Greeks. (Carrying
// the volatility over in registers was slower: too many values are alive at once.)
constexpr std::size_t block = 256;

}  // namespace

const ImpliedVolatilityKernels& implied_volatility_kernels(SimdPath path) noexcept {
#ifdef OPTIONSIB_X86_PATHS
    if (path == SimdPath::avx512) return implied_volatility_avx512;
    if (path == SimdPath::avx2) return implied_volatility_avx2;
#else
    static_cast<void>(path);
#endif
    return implied_volatility_baseline;
}

// The scalar call is the array kernel on one element.
Status implied_volatility(Model model, const European& option, double price, double guess,
                          double& result) noexcept {
    const auto kind = static_cast<std::int8_t>(option.kind == 1.0 ? 1 : option.kind == -1.0 ? -1 : 0);
    const EuropeanColumns columns{{reinterpret_cast<const std::byte*>(&kind), 0},
                                  at(option.spot),
                                  at(option.strike),
                                  at(option.time_to_expiry),
                                  at(option.rate),
                                  at(option.dividend_yield),
                                  at(option.shift)};
    std::int8_t status = 0;
    run({1,
         &columns,
         at(price),
         guess > 0.0 ? at(guess) : In<double>{},
         {reinterpret_cast<std::byte*>(&result), sizeof(double)},
         {reinterpret_cast<std::byte*>(&status), 1},
         model});
    return static_cast<Status>(status);
}

Status implied_volatility_and_greeks(Model model, int order, Units units, const European& option,
                                     double price, double guess, double& volatility,
                                     Greeks& result) noexcept {
    const Status status = implied_volatility(model, option, price, guess, volatility);
    static_cast<void>(greeks(model, order, units, option, volatility, result));
    return status;
}

void implied_volatility(Model model, std::size_t size, const EuropeanColumns& options, In<double> price,
                        In<double> guess, Out<double> result, Out<std::int8_t> status) noexcept {
    run({size, &options, price, guess, result, status, model});
}

void implied_volatility_and_greeks(Model model, int order, Units units, std::size_t size,
                                   const EuropeanColumns& options, In<double> price, In<double> guess,
                                   Out<double> volatility, const GreekColumns& result,
                                   Out<std::int8_t> status) noexcept {
    double solved[block];
    std::int8_t outcome[block];
    for (std::size_t begin = 0; begin < size; begin += block) {
        const std::size_t count = std::min(block, size - begin);
        const EuropeanColumns part{from(options.kind, begin),   from(options.spot, begin),
                                   from(options.strike, begin), from(options.time_to_expiry, begin),
                                   from(options.rate, begin),   from(options.dividend_yield, begin),
                                   from(options.shift, begin)};
        run({count,
             &part,
             from(price, begin),
             from(guess, begin),
             {reinterpret_cast<std::byte*>(solved), sizeof(double)},
             {reinterpret_cast<std::byte*>(outcome), 1},
             model});
        GreekColumns to;
        for (std::size_t j = 0; j < greeks_of_order(order); ++j)
            to.columns[j] = from(result.columns[j], begin);
        greeks(model, order, units, count, part, {reinterpret_cast<const std::byte*>(solved), sizeof(double)},
               to, {});
        // Last, since an output may be the array of an input.
        copy(solved, count, from(volatility, begin));
        copy(outcome, count, from(status, begin));
    }
}

}  // namespace optionsib::pricing
