#include <algorithm>
#include <cstring>
#include <limits>

#include "american_greeks_table.hpp"

namespace optionsib::pricing {
namespace {

constexpr std::size_t values = greeks_of_order(1);
// Of the nine values: days of a calendar year, percent.
constexpr std::array<double, values> desk_factors = {1.0, 1.0, 1.0, 0.01, 1.0 / 365.0, 0.01, 0.01, 1.0, 1.0};

template <typename T>
T from(T column, std::size_t begin) noexcept {
    if (column.data != nullptr) column.data += static_cast<std::ptrdiff_t>(begin) * column.stride;
    return column;
}

EuropeanColumns from(const EuropeanColumns& of, std::size_t begin) noexcept {
    return {from(of.kind, begin),           from(of.spot, begin), from(of.strike, begin),
            from(of.time_to_expiry, begin), from(of.rate, begin), from(of.dividend_yield, begin)};
}

bool supported(Model model) noexcept {
    return model == Model::bsm || model == Model::black76;
}

void refuse(std::size_t size, const Out<double>* results, std::size_t count,
            Out<std::int8_t> status) noexcept {
    for (std::size_t i = 0; i < size; ++i) {
        for (std::size_t j = 0; j < count; ++j) results[j].put(i, std::numeric_limits<double>::quiet_NaN());
        status.put(i, static_cast<std::int8_t>(Status::unsupported));
    }
}

template <typename T>
In<T> reading(const T* data) noexcept {
    return {reinterpret_cast<const std::byte*>(data), sizeof(T)};
}

template <typename T>
Out<T> writing(T* data) noexcept {
    return {reinterpret_cast<std::byte*>(data), sizeof(T)};
}

constexpr std::size_t block = 256;

// Where Newton's method starts: the guess, else the lesser of two European volatilities of the price, the one
// without rates and yields, which every price above the exercise value has, and the one with them, which is
// never below the American.
void start_volatility(Model model, std::size_t size, const EuropeanColumns& options, In<double> price,
                      In<double> guess, double* start) noexcept {
    static constexpr double nothing = 0.0;
    const In<double> none{reinterpret_cast<const std::byte*>(&nothing), 0};
    EuropeanColumns bare = options;
    bare.rate = bare.dividend_yield = none;
    double carried[block];
    implied_volatility(Model::black76, size, bare, price, {}, writing(start), {});
    implied_volatility(model, size, options, price, {}, writing(carried), {});
    for (std::size_t i = 0; i < size; ++i) {
        if (carried[i] > 0.0 && (carried[i] < start[i] || !(start[i] > 0.0))) start[i] = carried[i];
        if (guess.data != nullptr && guess[i] > 0.0 && guess[i] < 100.0) start[i] = guess[i];
    }
}

}  // namespace

const AmericanGreeksKernels& american_greeks_kernels(SimdPath path) noexcept {
#ifdef OPTIONSIB_X86_PATHS
    if (path == SimdPath::avx512) return american_greeks_avx512;
    if (path == SimdPath::avx2) return american_greeks_avx2;
#else
    static_cast<void>(path);
#endif
    return american_greeks_baseline;
}

void american_greeks(Model model, Tier tier, Units units, std::size_t size, const EuropeanColumns& options,
                     In<double> volatility, const GreekColumns& result, Out<std::int8_t> status) noexcept {
    if (!supported(model)) return refuse(size, result.columns.data(), values, status);
    static const AmericanGreeksKernels& kernels = american_greeks_kernels(simd_path());
    kernels.greeks[static_cast<std::size_t>(tier)]({size, &options, volatility, result.columns.data(), status,
                                                    model, tier, &american_grids(),
                                                    units == Units::desk ? desk_factors.data() : nullptr});
}

void american_implied_volatility(Model model, Tier tier, std::size_t size, const EuropeanColumns& options,
                                 In<double> price, In<double> guess, Out<double> result,
                                 Out<std::int8_t> status) noexcept {
    if (!supported(model)) return refuse(size, &result, 1, status);
    static const AmericanGreeksKernels& kernels = american_greeks_kernels(simd_path());
    double start[block];
    for (std::size_t begin = 0; begin < size; begin += block) {
        const std::size_t count = std::min(block, size - begin);
        const EuropeanColumns part = from(options, begin);
        start_volatility(model, count, part, from(price, begin), from(guess, begin), start);
        kernels.volatility[static_cast<std::size_t>(tier)]({count, &part, from(price, begin), reading(start),
                                                            from(result, begin), from(status, begin), model,
                                                            tier, &american_grids()});
    }
}

void american_implied_volatility_and_greeks(Model model, Tier tier, Units units, std::size_t size,
                                            const EuropeanColumns& options, In<double> price,
                                            In<double> guess, Out<double> volatility,
                                            const GreekColumns& result, Out<std::int8_t> status) noexcept {
    double solved[block];
    std::int8_t outcome[block];
    for (std::size_t begin = 0; begin < size; begin += block) {
        const std::size_t count = std::min(block, size - begin);
        const EuropeanColumns part = from(options, begin);
        american_implied_volatility(model, tier, count, part, from(price, begin), from(guess, begin),
                                    writing(solved), writing(outcome));
        GreekColumns to;
        for (std::size_t j = 0; j < values; ++j) to.columns[j] = from(result.columns[j], begin);
        american_greeks(model, tier, units, count, part, reading(solved), to, {});
        // Last, since an output may be the array of an input.
        for (std::size_t i = 0; i < count; ++i) {
            volatility.put(begin + i, solved[i]);
            status.put(begin + i, outcome[i]);
        }
    }
}

}  // namespace optionsib::pricing
