#pragma once

// The loop of the European kernels, compiled once for each instruction set: by european_avx512.cpp,
// european_avx2.cpp and european_baseline.cpp. Nothing of the standard library's inline code may be used
// here: the linker would keep one copy of it, perhaps the one made of AVX-512.

#include "european_table.hpp"
#include "optionsib/math/simd/columns.hpp"
#include "optionsib/pricing/european_kernel.hpp"

namespace optionsib::pricing {
inline namespace OPTIONSIB_LANES {

// From here on results are stored past the caches: as many doubles as two megabytes hold, and so many
// elements that the first ones do not matter.
inline constexpr std::size_t least_streamed_values = std::size_t{1} << 18, least_streamed = 4096;

template <Family family, int order>
struct EuropeanLoop {
    static constexpr int outputs = order == 0 ? 1 : order == 1 ? 9 : order == 2 ? 13 : 17;

    Column<std::int8_t> kind;
    Column<double> spot, strike, expiry, rate, yield, volatility, shift;
    const EuropeanTask& task;
    // Where each result goes if it is a plain run of doubles, nullptr where it is not wanted.
    double* plain[outputs];
    bool all_plain = true;
    bool streamed = false;

    OPTIONSIB_INLINE explicit EuropeanLoop(const EuropeanTask& of)
        : kind(column<std::int8_t>(of.options->kind)),
          spot(column<double>(of.options->spot)),
          strike(column<double>(of.options->strike)),
          expiry(column<double>(of.options->time_to_expiry)),
          rate(column<double>(of.options->rate)),
          yield(column<double>(of.options->dividend_yield)),
          volatility(column<double>(of.volatility)),
          shift(column<double>(of.options->shift)),
          task(of) {
        for (int j = 0; j < outputs; ++j) {
            const Out<double>& to = of.results[j];
            all_plain = all_plain && (to.data == nullptr || to.stride == sizeof(double));
            plain[j] = reinterpret_cast<double*>(to.data);
        }
    }

    // How many elements to do first so that stores past the caches may begin: results too large to stay
    // there, and all at the same place within a cache line.
    OPTIONSIB_INLINE std::size_t lead() {
        constexpr std::uintptr_t line = 64;
        if (!all_plain || task.size < least_streamed) return 0;
        std::uintptr_t offset = 0;
        std::size_t wanted = 0;
        for (int j = 0; j < outputs; ++j) {
            if (plain[j] == nullptr) continue;
            const std::uintptr_t here = reinterpret_cast<std::uintptr_t>(plain[j]) % line;
            if (here % sizeof(double) != 0 || (wanted > 0 && here != offset)) return 0;
            offset = here;
            ++wanted;
        }
        streamed = wanted * task.size >= least_streamed_values;
        return offset == 0 ? 0 : (line - offset) / sizeof(double);
    }

    // Takes the values of one step to their place.
    template <class T, bool past_caches>
    struct Put {
        double* const* targets;
        std::size_t begin;
        const double* factors;

        OPTIONSIB_INLINE bool wants(int position) const { return targets[position] != nullptr; }
        OPTIONSIB_INLINE void operator()(int position, T value) const {
            double* const target = targets[position];
            if (target == nullptr) return;
            if (factors != nullptr) value = value * T(factors[position]);
            if constexpr (past_caches)
                stream(target + begin, value);
            else
                store(target + begin, value);
        }
    };

    template <class T>
    OPTIONSIB_INLINE Inputs<T> inputs(std::size_t begin, std::size_t count) const {
        Inputs<T> in;
        in.kind = load<T>(kind, begin, count);
        in.spot = load<T>(spot, begin, count);
        in.strike = load<T>(strike, begin, count);
        in.expiry = load<T>(expiry, begin, count);
        in.rate = load<T>(rate, begin, count);
        if constexpr (family == Family::spot) in.yield = load<T>(yield, begin, count);
        in.volatility = load<T>(volatility, begin, count);
        if constexpr (family == Family::forward) {
            const T by = load<T>(shift, begin, count);
            in.spot = in.spot + by;
            in.strike = in.strike + by;
        }
        return in;
    }

    template <class T, bool past_caches>
    OPTIONSIB_INLINE void step(std::size_t begin, std::size_t count) const {
        const Inputs<T> in = inputs<T>(begin, count);
        const std::uint64_t all = ~std::uint64_t{0} >> (64 - T::size);
        const std::uint64_t odd = ~bits(ordinary<family>(in)) & all;
        if (odd == 0 && all_plain && count == static_cast<std::size_t>(T::size)) [[likely]] {
            evaluate<family, order>(in, Put<T, past_caches>{plain, begin, task.factors});
            put_status(begin, count, nullptr);
        } else {
            aside(in, begin, count, odd);
        }
    }

    template <class T, bool past_caches>
    OPTIONSIB_INLINE std::size_t steps(std::size_t begin, std::size_t end) const {
        for (; begin + T::size <= end; begin += T::size) step<T, past_caches>(begin, T::size);
        return begin;
    }

    template <class T>
    [[gnu::noinline, gnu::visibility("hidden")]] void aside(const Inputs<T>& in, std::size_t begin,
                                                            std::size_t count, std::uint64_t odd) const {
        alignas(64) double values[outputs][T::size];
        double* targets[outputs];
        for (int j = 0; j < outputs; ++j) targets[j] = task.results[j].data == nullptr ? nullptr : values[j];
        evaluate<family, order>(in, Put<T, false>{targets, 0, task.factors});
        std::int8_t status[T::size] = {};
        for (std::size_t i = 0; i < count; ++i)
            if ((odd >> i & 1) != 0) status[i] = redo(begin + i, i, values);
        for (int j = 0; j < outputs; ++j) {
            const Out<double>& to = task.results[j];
            if (to.data == nullptr) continue;
            for (std::size_t i = 0; i < count; ++i)
                __builtin_memcpy(to.data + static_cast<std::ptrdiff_t>(begin + i) * to.stride, &values[j][i],
                                 sizeof(double));
        }
        put_status(begin, count, status);
    }

    template <std::size_t size>
    OPTIONSIB_INLINE std::int8_t redo(std::size_t element, std::size_t lane,
                                      double (&values)[outputs][size]) const {
        const European option{one(kind, element),   one(spot, element), one(strike, element),
                              one(expiry, element), one(rate, element), one(yield, element),
                              one(shift, element)};
        double result[outputs];
        const Status status = european_edge(task.model, order, option, one(volatility, element), result);
        for (int j = 0; j < outputs; ++j)
            values[j][lane] = task.factors != nullptr ? result[j] * task.factors[j] : result[j];
        return static_cast<std::int8_t>(status);
    }

    template <class E>
    OPTIONSIB_INLINE static double one(const Column<E>& from, std::size_t element) {
        if (from.stride == 0) return from.value;
        return static_cast<double>(read<E>(from.data + static_cast<std::ptrdiff_t>(element) * from.stride));
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
inline constexpr int registers_of_price = Reals::width >= 4 ? 3 : 2;
inline constexpr int registers_of_greeks = Reals::width >= 4 ? 2 : 1;

template <Family family, int order>
[[gnu::visibility("hidden")]] void run_european(const EuropeanTask& task) noexcept {
    using Wide = Pack<order == 0 ? registers_of_price : registers_of_greeks>;
    using Narrow = Pack<1>;
    EuropeanLoop<family, order> loop(task);
    const std::size_t lead = loop.lead(), narrow = Narrow::size;
    std::size_t i = 0;
    for (; i < lead; i += narrow) loop.template step<Narrow, false>(i, lead - i < narrow ? lead - i : narrow);
    i = lead;
    if (loop.streamed) {
        i = loop.template steps<Wide, true>(i, task.size);
        fence();
    } else {
        i = loop.template steps<Wide, false>(i, task.size);
    }
    i = loop.template steps<Narrow, false>(i, task.size);
    if (i < task.size) loop.template step<Narrow, false>(i, task.size - i);
}

template <Family family, int order>
[[gnu::visibility("hidden")]] bool run_european_one(double kind, double spot, double strike, double expiry,
                                                    double rate, double yield, double shift,
                                                    double volatility, double* values) noexcept {
    Inputs<One> in{kind, spot, strike, expiry, rate, yield, volatility};
    if constexpr (family == Family::forward) {
        in.spot = in.spot + shift;
        in.strike = in.strike + shift;
    }
    if (!is_true(ordinary<family>(in))) return false;
    evaluate<family, order>(in, PutOne{values});
    return true;
}

inline constexpr EuropeanKernels european_table = {
    {{run_european<Family::spot, 0>, run_european<Family::spot, 1>, run_european<Family::spot, 2>,
      run_european<Family::spot, 3>},
     {run_european<Family::forward, 0>, run_european<Family::forward, 1>, run_european<Family::forward, 2>,
      run_european<Family::forward, 3>},
     {run_european<Family::normal, 0>, run_european<Family::normal, 1>, run_european<Family::normal, 2>,
      run_european<Family::normal, 3>}},
    {{run_european_one<Family::spot, 0>, run_european_one<Family::spot, 1>, run_european_one<Family::spot, 2>,
      run_european_one<Family::spot, 3>},
     {run_european_one<Family::forward, 0>, run_european_one<Family::forward, 1>,
      run_european_one<Family::forward, 2>, run_european_one<Family::forward, 3>},
     {run_european_one<Family::normal, 0>, run_european_one<Family::normal, 1>,
      run_european_one<Family::normal, 2>, run_european_one<Family::normal, 3>}},
};

}  // namespace OPTIONSIB_LANES
}  // namespace optionsib::pricing
