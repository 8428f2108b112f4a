#pragma once

// The loop of the implied volatility kernels, compiled once for each instruction set: by
// implied_volatility_avx512.cpp, implied_volatility_avx2.cpp and implied_volatility_baseline.cpp. Nothing of
// the standard library's inline code may be used here (see european_lanes.hpp).

#include "implied_volatility_kernels.hpp"
#include "optionsib/math/simd/columns.hpp"
#include "optionsib/pricing/european_kernel.hpp"
#include "optionsib/pricing/implied_volatility_kernel.hpp"

namespace optionsib::pricing {
inline namespace OPTIONSIB_LANES {

// Of the amounts: closer to the intrinsic value the lanes do not decide.
inline constexpr double next_to_intrinsic = 0x1p-48;
// Of the price over its unit: above it the table and the numbers on the way reach.
inline constexpr double least_ordinary_price = 1e-300;
// Of |rT| and |qT|: no discounted amount overflows.
inline constexpr double largest_ordinary_exponent = 400.0;

// The problem of every lane, and the lanes the kernel is right for: the others have a bad input or status,
// or lie outside the table. They depend on the element alone. NaN is in none of the ranges.
template <Family family, class T>
OPTIONSIB_INLINE typename T::Boolean prepare(const Inputs<T>& in, T price, T& discount, T& growth,
                                             implied_volatility_kernel::Problem<T>& problem) {
    constexpr double large = largest_ordinary, small = 1.0 / largest_ordinary;
    constexpr double long_time = largest_ordinary_time, short_time = 1.0 / largest_ordinary_time;
    constexpr bool carried = family == Family::spot;
    T exponent = abs(in.rate * in.expiry);
    if constexpr (carried) exponent = max(exponent, abs(in.yield * in.expiry));
    auto good = (abs(in.kind) == T(1.0)) & (in.expiry > T(short_time)) & (in.expiry < T(long_time)) &
                (exponent < T(largest_ordinary_exponent));
    // As the price kernel does it, so that the two agree to the last bit.
    discount = growth = exp_bounded(-in.rate * in.expiry);
    if constexpr (family == Family::normal) {
        const T difference = in.spot - in.strike;
        problem.distance = abs(difference);
        const T intrinsic = max(flip_sign(discount * difference, in.kind), T(0.0));
        problem.price = price - intrinsic;
        problem.complement = problem.unit = discount;
        return good & (abs(in.spot) < T(large)) & (abs(in.strike) < T(large)) &
               (problem.price > discount * max(T(0x1p-900), problem.distance * T(least_ordinary_price))) &
               (problem.price > intrinsic * T(next_to_intrinsic)) & (problem.price < discount * T(large)) &
               (problem.price > T(0x1p-1000));
    } else {
        if constexpr (carried) growth = exp_bounded(-in.yield * in.expiry);
        const T spot = in.spot * growth, strike = in.strike * discount;
        T x = log_ratio(in.spot, in.strike);
        if constexpr (carried) x = fma(in.rate - in.yield, in.expiry, x);
        const T low = min(spot, strike), maximum = select(in.kind > T(0.0), spot, strike);
        problem.distance = abs(x);
        const T intrinsic = max(flip_sign(spot - strike, in.kind), T(0.0));
        problem.price = price - intrinsic;
        // A price rounded to its maximum is half an ulp away from it.
        problem.complement = max(maximum - price, low * T(0x1p-54));
        problem.unit = low;
        // 0 out of the money, where nothing was subtracted from the price.
        const T noise = min(max(spot, strike) * T(next_to_intrinsic), intrinsic * T(0x1p100));
        return good & (min(in.spot, in.strike) > T(small)) & (max(in.spot, in.strike) < T(large)) &
               (problem.distance < T(implied_volatility_table::largest_distance)) &
               (problem.price > max(noise, max(low * T(least_ordinary_price), T(0x1p-1000)))) &
               (price <= maximum);
    }
}

template <Family family>
struct ImpliedVolatilityLoop {
    Column<std::int8_t> kind;
    Column<double> spot, strike, expiry, rate, yield, shift, price, guess;
    const ImpliedVolatilityTask& task;

    OPTIONSIB_INLINE explicit ImpliedVolatilityLoop(const ImpliedVolatilityTask& of)
        : kind(column<std::int8_t>(of.options->kind)),
          spot(column<double>(of.options->spot)),
          strike(column<double>(of.options->strike)),
          expiry(column<double>(of.options->time_to_expiry)),
          rate(column<double>(of.options->rate)),
          yield(column<double>(of.options->dividend_yield)),
          shift(column<double>(of.options->shift)),
          price(column<double>(of.price)),
          guess(column<double>(of.guess)),
          task(of) {}

    template <class T>
    OPTIONSIB_INLINE Inputs<T> inputs(std::size_t begin, std::size_t count) const {
        Inputs<T> in;
        in.kind = load<T>(kind, begin, count);
        in.spot = load<T>(spot, begin, count);
        in.strike = load<T>(strike, begin, count);
        in.expiry = load<T>(expiry, begin, count);
        in.rate = load<T>(rate, begin, count);
        if constexpr (family == Family::spot) in.yield = load<T>(yield, begin, count);
        if constexpr (family == Family::forward) {
            const T by = load<T>(shift, begin, count);
            in.spot = in.spot + by;
            in.strike = in.strike + by;
        }
        return in;
    }

    template <class T>
    OPTIONSIB_INLINE void step(std::size_t begin, std::size_t count) const {
        using namespace implied_volatility_kernel;  // NOLINT
        constexpr bool normal = family == Family::normal;
        constexpr std::uint64_t all = ~std::uint64_t{0} >> (64 - T::size);
        const Inputs<T> in = inputs<T>(begin, count);
        T discount, growth;
        Problem<T> problem;
        const typename T::Boolean good =
            prepare<family>(in, load<T>(price, begin, count), discount, growth, problem);
        std::uint64_t odd = ~bits(good) & all;
        if (odd != 0) [[unlikely]] {
            // Harmless numbers for the lanes to be redone.
            problem.distance = select(good, problem.distance, T(0.1));
            problem.price = select(good, problem.price, T(0.04));
            problem.complement = select(good, problem.complement, T(0.96));
            problem.unit = select(good, problem.unit, T(1.0));
        }
        std::uint64_t failed;
        const T volatility = solve<normal>(problem, good, failed) / sqrt(in.expiry);
        odd |= failed;
        const Out<double>& to = task.volatility;
        if (odd == 0 && count == static_cast<std::size_t>(T::size) && to.stride == sizeof(double))
            [[likely]] {
            store(reinterpret_cast<double*>(to.data) + begin, volatility);
            put_status(begin, count, nullptr);
        } else {
            put_aside<T>(volatility, discount, growth, begin, count, odd);
        }
    }

    template <class T>
    [[gnu::noinline, gnu::visibility("hidden")]] void put_aside(T volatility, T discount, T growth,
                                                                std::size_t begin, std::size_t count,
                                                                std::uint64_t odd) const {
        alignas(64) double volatilities[T::size], discounts[T::size], growths[T::size];
        store(volatilities, volatility);
        store(discounts, discount);
        store(growths, growth);
        std::int8_t status[T::size] = {};
        for (std::size_t i = 0; i < count; ++i) {
            const std::size_t element = begin + i;
            if ((odd >> i & 1) != 0) {
                const European option{one(kind, element),   one(spot, element), one(strike, element),
                                      one(expiry, element), one(rate, element), one(yield, element),
                                      one(shift, element)};
                status[i] = static_cast<std::int8_t>(
                    implied_volatility_edge(task.model, option, one(price, element), one(guess, element),
                                            discounts[i], growths[i], volatilities[i]));
            }
            __builtin_memcpy(
                task.volatility.data + static_cast<std::ptrdiff_t>(element) * task.volatility.stride,
                &volatilities[i], sizeof(double));
        }
        put_status(begin, count, status);
    }

    template <class E>
    OPTIONSIB_INLINE static double one(const Column<E>& from, std::size_t element) {
        if (from.stride == 0) return from.value;
        return static_cast<double>(read<E>(from.data + static_cast<std::ptrdiff_t>(element) * from.stride));
    }

    OPTIONSIB_INLINE void put_status(std::size_t begin, std::size_t count, const std::int8_t* status) const {
        if (task.status.data == nullptr) return;
        if (status == nullptr && task.status.stride == 1) {
            __builtin_memset(task.status.data + begin, 0, count);
            return;
        }
        for (std::size_t i = 0; i < count; ++i) {
            const std::int8_t value = status == nullptr ? std::int8_t{0} : status[i];
            __builtin_memcpy(task.status.data + static_cast<std::ptrdiff_t>(begin + i) * task.status.stride,
                             &value, 1);
        }
    }
};

// As many registers side by side as pay: found by measurement, no influence on results.
inline constexpr int registers_of_implied_volatility = 4;

// The last options, apart from the wide loop: a single one need not wait for its many constants.
template <Family family>
[[gnu::noinline, gnu::visibility("hidden")]] void finish_implied_volatility(
    const ImpliedVolatilityLoop<family>& loop, std::size_t begin) noexcept {
    using Narrow = Pack<1>;
    constexpr std::size_t narrow = Narrow::size;
    const std::size_t size = loop.task.size;
    for (std::size_t i = begin; i < size; i += narrow)
        loop.template step<Narrow>(i, size - i < narrow ? size - i : narrow);
}

template <Family family>
[[gnu::visibility("hidden")]] void run_implied_volatility(const ImpliedVolatilityTask& task) noexcept {
    using Wide = Pack<registers_of_implied_volatility>;
    constexpr std::size_t wide = Wide::size;
    const ImpliedVolatilityLoop<family> loop(task);
    std::size_t i = 0;
    for (; i + wide <= task.size; i += wide) loop.template step<Wide>(i, wide);
    // Two registers one after the other take as long as four together.
    if (task.size - i > 2 * Reals::width)
        loop.template step<Wide>(i, task.size - i);
    else if (i < task.size)
        finish_implied_volatility(loop, i);
}

inline constexpr ImpliedVolatilityKernels implied_volatility_runs = {
    {run_implied_volatility<Family::spot>, run_implied_volatility<Family::forward>,
     run_implied_volatility<Family::normal>}};

}  // namespace OPTIONSIB_LANES
}  // namespace optionsib::pricing
