#pragma once

// The loop of the American kernels, compiled once for each instruction set: by american_avx512.cpp,
// american_avx2.cpp and american_baseline.cpp. Nothing of the standard library's inline code may be used here
// (see european_lanes.hpp).

#include "american_table.hpp"
#include "optionsib/math/simd/columns.hpp"
#include "optionsib/pricing/american_kernel.hpp"

namespace optionsib::pricing {
inline namespace OPTIONSIB_LANES {

inline constexpr SimdPath lanes_path = Reals::width == 8   ? SimdPath::avx512
                                       : Reals::width == 4 ? SimdPath::avx2
                                                           : SimdPath::baseline;

// Compiled once for every family and use.
template <Tier tier, class T>
[[gnu::noinline, gnu::visibility("hidden")]] void solve_lanes(const AmericanGrids& grids, const Inputs<T>& in,
                                                              SolvedAmerican<T, tier>& boundary) {
    boundary.put = american_put(in);
    solve_american<tier>(grids, boundary);
}

template <Family family, Tier tier>
struct AmericanLoop {
    Column<std::int8_t> kind;
    Column<double> spot, strike, expiry, rate, yield, volatility;
    const AmericanTask& task;

    OPTIONSIB_INLINE explicit AmericanLoop(const AmericanTask& of)
        : kind(column<std::int8_t>(of.options->kind)),
          spot(column<double>(of.options->spot)),
          strike(column<double>(of.options->strike)),
          expiry(column<double>(of.options->time_to_expiry)),
          rate(column<double>(of.options->rate)),
          yield(column<double>(of.options->dividend_yield)),
          volatility(column<double>(of.volatility)),
          task(of) {}

    template <class T>
    OPTIONSIB_INLINE Inputs<T> inputs(std::size_t begin, std::size_t count) const {
        Inputs<T> in;
        in.kind = load<T>(kind, begin, count);
        in.spot = load<T>(spot, begin, count);
        in.strike = load<T>(strike, begin, count);
        in.expiry = load<T>(expiry, begin, count);
        in.rate = load<T>(rate, begin, count);
        in.yield = family == Family::spot ? load<T>(yield, begin, count) : in.rate;
        in.volatility = load<T>(volatility, begin, count);
        return in;
    }

    template <class T>
    OPTIONSIB_INLINE void price(std::size_t begin, std::size_t count) const {
        const std::uint64_t all = ~std::uint64_t{0} >> (64 - T::size);
        Inputs<T> in = inputs<T>(begin, count);
        const auto good = ordinary<family>(in);
        const AmericanLanes<T> lanes = american_lanes(in);
        const auto solved = good & lanes.solved;
        T european;
        evaluate<family, 0>(in, Keep<T>{&european});
        T value = european;
        if (bits(solved) != 0) {
            const T intrinsic = max(flip_sign(in.spot - in.strike, in.kind), T(0.0));
            make_harmless(solved, in);
            SolvedAmerican<T, tier> boundary;
            solve_lanes<tier>(*task.grids, in, boundary);
            const T premium =
                american_premium(AmericanSize<tier>::grid(*task.grids), boundary) * boundary.put.strike;
            value = select(boundary.put.log_spot <= boundary.log_critical(), intrinsic,
                           max(european + premium, intrinsic));
            value = select(solved, max(value, european), european);
        }
        const std::uint64_t odd = ~bits(solved | (good & lanes.european)) & all;
        const Out<double>& to = task.price;
        if (odd == 0 && count == static_cast<std::size_t>(T::size) && to.stride == sizeof(double))
            [[likely]] {
            store(reinterpret_cast<double*>(to.data) + begin, value);
            put_status(begin, count, nullptr);
            return;
        }
        alignas(64) double values[T::size];
        store(values, value);
        std::int8_t status[T::size] = {};
        for (std::size_t i = 0; i < count; ++i)
            if ((odd >> i & 1) != 0)
                status[i] = static_cast<std::int8_t>(
                    american_price_edge(task.model, task.tier, lanes_path, option(begin + i),
                                        one(volatility, begin + i), values[i]));
        put_values(to, begin, count, values);
        put_status(begin, count, status);
    }

    template <class T>
    OPTIONSIB_INLINE void boundary(std::size_t begin, std::size_t count) const {
        const std::uint64_t all = ~std::uint64_t{0} >> (64 - T::size);
        Inputs<T> in = inputs<T>(begin, count);
        in.spot = in.strike;
        const auto solved = ordinary<family>(in) & american_lanes(in).solved;
        const auto call = in.kind > 0.0;
        const T level = in.strike;
        make_harmless(solved, in);
        SolvedAmerican<T, tier> boundary;
        solve_lanes<tier>(*task.grids, in, boundary);
        const T log_critical = boundary.log_critical();
        const T critical = level * exp_bounded(select(call, -log_critical, log_critical));
        alignas(64) double lower[T::size], upper[T::size];
        store(lower, select(call, critical, T(0.0)));
        store(upper, select(call, T(__builtin_huge_val()), critical));
        std::int8_t status[T::size] = {};
        const std::uint64_t odd = ~bits(solved) & all;
        for (std::size_t i = 0; i < count; ++i)
            if ((odd >> i & 1) != 0)
                status[i] = static_cast<std::int8_t>(
                    exercise_boundary_edge(task.model, task.tier, option(begin + i),
                                           one(volatility, begin + i), lower[i], upper[i]));
        put_values(task.lower, begin, count, lower);
        put_values(task.upper, begin, count, upper);
        put_status(begin, count, status);
    }

    template <class T>
    struct Keep {
        T* value;

        OPTIONSIB_INLINE bool wants(int) const { return true; }
        OPTIONSIB_INLINE void operator()(int, T result) const { *value = result; }
    };

    OPTIONSIB_INLINE European option(std::size_t element) const {
        return {one(kind, element),   one(spot, element), one(strike, element),
                one(expiry, element), one(rate, element), family == Family::spot ? one(yield, element) : 0.0};
    }

    template <class E>
    OPTIONSIB_INLINE static double one(const Column<E>& from, std::size_t element) {
        if (from.stride == 0) return from.value;
        return static_cast<double>(read<E>(from.data + static_cast<std::ptrdiff_t>(element) * from.stride));
    }

    OPTIONSIB_INLINE static void put_values(const Out<double>& to, std::size_t begin, std::size_t count,
                                            const double* values) {
        if (to.data == nullptr) return;
        for (std::size_t i = 0; i < count; ++i)
            __builtin_memcpy(to.data + static_cast<std::ptrdiff_t>(begin + i) * to.stride, &values[i],
                             sizeof(double));
    }

    OPTIONSIB_INLINE void put_status(std::size_t begin, std::size_t count, const std::int8_t* status) const {
        if (task.status.data == nullptr) return;
        for (std::size_t i = 0; i < count; ++i) {
            const std::int8_t value = status == nullptr ? std::int8_t{0} : status[i];
            __builtin_memcpy(task.status.data + static_cast<std::ptrdiff_t>(begin + i) * task.status.stride,
                             &value, 1);
        }
    }
};

// As many registers side by side as pay: found by measurement, no influence on results.
inline constexpr int registers_of_american = Reals::width == 8 ? 2 : 1;

template <Family family, Tier tier>
[[gnu::visibility("hidden")]] void run_american_price(const AmericanTask& task) noexcept {
    constexpr int registers = tier == Tier::high ? 1 : registers_of_american;  // more do not fit the cache
    using Wide = Pack<registers>;
    using Narrow = Pack<1>;
    constexpr std::size_t wide = Wide::size, narrow = Narrow::size;
    const AmericanLoop<family, tier> loop(task);
    std::size_t i = 0;
    if constexpr (registers > 1)
        for (; i + wide <= task.size; i += wide) loop.template price<Wide>(i, wide);
    for (; i < task.size; i += narrow)
        loop.template price<Narrow>(i, task.size - i < narrow ? task.size - i : narrow);
}

template <Family family, Tier tier>
[[gnu::visibility("hidden")]] void run_exercise_boundary(const AmericanTask& task) noexcept {
    using Narrow = Pack<1>;
    constexpr std::size_t narrow = Narrow::size;
    const AmericanLoop<family, tier> loop(task);
    for (std::size_t i = 0; i < task.size; i += narrow)
        loop.template boundary<Narrow>(i, task.size - i < narrow ? task.size - i : narrow);
}

inline constexpr AmericanKernels american_runs = {
    {{run_american_price<Family::spot, Tier::fast>, run_american_price<Family::spot, Tier::accurate>,
      run_american_price<Family::spot, Tier::high>},
     {run_american_price<Family::forward, Tier::fast>, run_american_price<Family::forward, Tier::accurate>,
      run_american_price<Family::forward, Tier::high>}},
    {{run_exercise_boundary<Family::spot, Tier::fast>, run_exercise_boundary<Family::spot, Tier::accurate>,
      run_exercise_boundary<Family::spot, Tier::high>},
     {run_exercise_boundary<Family::forward, Tier::fast>,
      run_exercise_boundary<Family::forward, Tier::accurate>,
      run_exercise_boundary<Family::forward, Tier::high>}}};

}  // namespace OPTIONSIB_LANES
}  // namespace optionsib::pricing
