#pragma once

// The loops of American Greeks and implied volatility, compiled once for each instruction set: by
// american_greeks_avx512.cpp, american_greeks_avx2.cpp and american_greeks_baseline.cpp. Nothing of the
// standard library's inline code may be used here (see european_lanes.hpp).

#include "american_greeks_table.hpp"
#include "optionsib/math/simd/columns.hpp"
#include "optionsib/pricing/american_greeks_kernel.hpp"

namespace optionsib::pricing {
inline namespace OPTIONSIB_LANES {

inline constexpr SimdPath greeks_path = Reals::width == 8   ? SimdPath::avx512
                                        : Reals::width == 4 ? SimdPath::avx2
                                                            : SimdPath::baseline;
inline constexpr int american_greek_count = 9;

// Columns of options; black76 is bsm with the yield equal to the rate.
struct AmericanInputs {
    Column<std::int8_t> kind;
    Column<double> spot, strike, expiry, rate, yield;
    bool forward;

    OPTIONSIB_INLINE AmericanInputs(const EuropeanColumns& of, Model model)
        : kind(column<std::int8_t>(of.kind)),
          spot(column<double>(of.spot)),
          strike(column<double>(of.strike)),
          expiry(column<double>(of.time_to_expiry)),
          rate(column<double>(of.rate)),
          yield(column<double>(of.dividend_yield)),
          forward(model == Model::black76) {}

    template <class T>
    OPTIONSIB_INLINE Inputs<T> load_inputs(std::size_t begin, std::size_t count) const {
        Inputs<T> in;
        in.kind = load<T>(kind, begin, count);
        in.spot = load<T>(spot, begin, count);
        in.strike = load<T>(strike, begin, count);
        in.expiry = load<T>(expiry, begin, count);
        in.rate = load<T>(rate, begin, count);
        in.yield = forward ? in.rate : load<T>(yield, begin, count);
        return in;
    }

    OPTIONSIB_INLINE European option(std::size_t element) const {
        return {one(kind, element),   one(spot, element), one(strike, element),
                one(expiry, element), one(rate, element), forward ? 0.0 : one(yield, element)};
    }

    template <class E>
    OPTIONSIB_INLINE static double one(const Column<E>& from, std::size_t element) {
        if (from.stride == 0) return from.value;
        return static_cast<double>(read<E>(from.data + static_cast<std::ptrdiff_t>(element) * from.stride));
    }
};

template <class E>
OPTIONSIB_INLINE void put_one(const Out<E>& to, std::size_t element, E value) {
    if (to.data != nullptr)
        __builtin_memcpy(to.data + static_cast<std::ptrdiff_t>(element) * to.stride, &value, sizeof value);
}

template <class T>
struct KeepNine {
    T* values;

    OPTIONSIB_INLINE bool wants(int) const { return true; }
    OPTIONSIB_INLINE void operator()(int position, T value) const { values[position] = value; }
};

template <Tier tier, class T>
[[gnu::noinline, gnu::visibility("hidden")]] void solved_slopes(const AmericanGrids& grids,
                                                                const Inputs<T>& in, AmericanPut<T>& put,
                                                                T& log_critical, PremiumSlopes<T>& slopes) {
    SolvedAmerican<T, tier> boundary;
    boundary.put = american_put(in);
    solve_american<tier>(grids, boundary);
    premium_slopes<tier>(grids, boundary, slopes);
    put = boundary.put;
    log_critical = boundary.log_critical();
}

// The nine values of the lanes that are solved or European.
template <Tier tier, class T>
OPTIONSIB_INLINE void american_values(const AmericanGrids& grids, const Inputs<T>& given,
                                      typename T::Boolean solved, bool forward,
                                      T (&values)[american_greek_count]) {
    evaluate<Family::spot, 1>(given, KeepNine<T>{values});
    if (bits(solved) != 0) {
        Inputs<T> in = given;
        make_harmless(solved, in);
        AmericanPut<T> put;
        T log_critical;
        PremiumSlopes<T> slopes;
        solved_slopes<tier>(grids, in, put, log_critical, slopes);
        const T strike = put.strike, inverse_spot = reciprocal(in.spot),
                inverse_strike = reciprocal(in.strike);
        const auto call = in.kind > 0.0;
        const auto add = [&](Position position, T value) {
            values[position] = select(solved, values[position] + value, values[position]);
        };
        const T european = values[at_price];
        const T premium = max(slopes.price, T(0.0)) * strike;
        const T intrinsic = max(flip_sign(in.spot - in.strike, in.kind), T(0.0));
        const T held = max(max(european + premium, intrinsic), european);
        const auto exercised =
            solved & ((put.log_spot <= log_critical) | ((intrinsic > 0.0) & (held <= intrinsic)));
        // By ln S of the option: for a call, which is a put on the strike, what homogeneity leaves.
        const T other = slopes.price - slopes.spot;
        const T by_spot = select(call, other, slopes.spot), by_strike = select(call, slopes.spot, other);
        const T R = -put.discount_exponent, Q = -put.growth_exponent;
        const T decay =
            fma(R, slopes.rate, fma(Q, slopes.yield, 0.5 * put.total * slopes.volatility));  // T V_T
        // s^2 / 2 (V_xx - V_x) = T V_T - (R - Q) V_x + R V, x = ln S.
        const T bend = (2.0 * put.inverse_total * put.inverse_total) *
                       fma(R, slopes.price, fnma(R - Q, slopes.spot, decay)) * strike;
        add(at_delta, by_spot * strike * inverse_spot);
        add(at_gamma, bend * inverse_spot * inverse_spot);
        add(at_vega, slopes.volatility * strike * sqrt(in.expiry));
        add(at_theta, -decay * strike / in.expiry);
        add(at_rho, select(call, slopes.yield, slopes.rate) * strike * in.expiry);
        add(at_epsilon, select(call, slopes.rate, slopes.yield) * strike * in.expiry);
        add(at_dual_delta, by_strike * strike * inverse_strike);
        add(at_dual_gamma, bend * inverse_strike * inverse_strike);
        values[at_price] = select(solved, held, european);
        for (int j = 0; j < american_greek_count; ++j)
            values[j] = select(exercised,
                               j == at_price        ? intrinsic
                               : j == at_delta      ? in.kind
                               : j == at_dual_delta ? -in.kind
                                                    : T(0.0),
                               values[j]);
    }
    if (forward) {
        values[at_rho] = values[at_rho] + values[at_epsilon];
        values[at_epsilon] = 0.0;
    }
}

template <Tier tier, class T>
OPTIONSIB_INLINE void step_american_greeks(const AmericanGreeksTask& task, const AmericanInputs& inputs,
                                           const Column<double>& volatility, std::size_t begin,
                                           std::size_t count) {
    constexpr std::uint64_t all = ~std::uint64_t{0} >> (64 - T::size);
    Inputs<T> in = inputs.template load_inputs<T>(begin, count);
    in.volatility = load<T>(volatility, begin, count);
    const auto good = ordinary<Family::spot>(in);
    const AmericanLanes<T> lanes = american_lanes(in);
    T values[american_greek_count];
    american_values<tier>(*task.grids, in, good & lanes.solved, inputs.forward, values);
    const std::uint64_t odd = ~bits(good & (lanes.solved | lanes.european)) & all;
    alignas(64) double plain[american_greek_count][T::size];
    for (int j = 0; j < american_greek_count; ++j) store(plain[j], values[j]);
    for (std::size_t i = 0; i < count; ++i) {
        std::int8_t status = 0;
        if ((odd >> i & 1) != 0) {
            double edge[american_greek_count];
            status = static_cast<std::int8_t>(
                american_greeks_edge(task.model, task.tier, greeks_path, inputs.option(begin + i),
                                     AmericanInputs::one(volatility, begin + i), edge));
            for (int j = 0; j < american_greek_count; ++j) plain[j][i] = edge[j];
        }
        put_one(task.status, begin + i, status);
    }
    for (int j = 0; j < american_greek_count; ++j) {
        if (task.results[j].data == nullptr) continue;
        const double factor = task.factors == nullptr ? 1.0 : task.factors[j];
        for (std::size_t i = 0; i < count; ++i) put_one(task.results[j], begin + i, plain[j][i] * factor);
    }
}

// As many registers side by side as pay: found by measurement, no influence on results.
inline constexpr int registers_of_american_greeks = Reals::width == 8 ? 2 : 1;

template <Tier tier>
[[gnu::visibility("hidden")]] void run_american_greeks(const AmericanGreeksTask& task) noexcept {
    using Wide = Pack<registers_of_american_greeks>;
    using Narrow = Pack<1>;
    constexpr std::size_t wide = Wide::size, narrow = Narrow::size;
    const AmericanInputs inputs(*task.options, task.model);
    const Column<double> volatility = column<double>(task.volatility);
    std::size_t i = 0;
    if constexpr (registers_of_american_greeks > 1)
        for (; i + wide <= task.size; i += wide)
            step_american_greeks<tier, Wide>(task, inputs, volatility, i, wide);
    for (; i < task.size; i += narrow)
        step_american_greeks<tier, Narrow>(task, inputs, volatility, i,
                                           task.size - i < narrow ? task.size - i : narrow);
}

// An implied volatility is found when a step is at most this part of it: Halley's error is then of its cube,
// and what the slope lacks, 1e-3 of it, counts for no more than that.
inline constexpr double small_volatility_step = 2e-4;
inline constexpr int most_volatility_steps = 12;

// Newton's step from a price `miss` too high. Far out of the money it is bent like the European price
// (Halley); where exercise is near, the price leaves its floor like a square, whose root is nearly straight.
template <class T>
OPTIONSIB_INLINE T volatility_step(const Inputs<T>& in, T value, T quote, T intrinsic, T vega) {
    const T miss = value - quote, newton = -miss / vega;
    const T s = in.volatility * sqrt(in.expiry), inverse_s = 1.0 / s;
    const T center = fma(in.rate - in.yield, in.expiry, log_ratio(in.spot, in.strike)) * inverse_s;
    const T bend = 0.5 * newton * fms(center, center, 0.25 * s * s) / in.volatility;
    const T halley = newton / max(min(1.0 + bend, T(2.0)), T(0.5));
    const T over = sqrt(max(value - intrinsic, T(0.0))), sought = sqrt(quote - intrinsic);
    const auto near = (intrinsic > 0.0) & (quote - intrinsic < 0.1 * s * in.spot);
    return select(near, newton * ((over + over) / (over + sought)), halley);
}

template <Tier tier, class T>
OPTIONSIB_INLINE void step_american_volatility(const AmericanVolatilityTask& task,
                                               const AmericanInputs& inputs, const Column<double>& price,
                                               const Column<double>& start, std::size_t begin,
                                               std::size_t count) {
    constexpr std::uint64_t all = ~std::uint64_t{0} >> (64 - T::size);
    Inputs<T> in = inputs.template load_inputs<T>(begin, count);
    const T quote = load<T>(price, begin, count), first = load<T>(start, begin, count);
    in.volatility = select(first > 0.0, first, T(0.0));
    const T intrinsic = max(flip_sign(in.spot - in.strike, in.kind), T(0.0));
    const T noise = 0x1p-49 * max(in.spot, in.strike);
    // Lanes that anything is special about are done one by one.
    auto alive = (first > 0.0) & (quote > intrinsic + noise);
    auto done = first < first;  // none yet
    T low = 0.0, high = in.volatility * 16.0;
    for (int step = 0; step < most_volatility_steps; ++step) {
        const auto good = ordinary<Family::spot>(in);
        const AmericanLanes<T> lanes = american_lanes(in);
        alive = alive & (done | (good & (lanes.solved | lanes.european)));
        const auto going = alive & !done;
        if (bits(going) == 0) break;
        Inputs<T> safe = in;
        T values[american_greek_count];
        const auto solved = good & lanes.solved;
        make_harmless(good, safe);
        american_values<tier>(*task.grids, safe, solved, false, values);
        const T miss = values[at_price] - quote;
        high = select(going & (miss >= 0.0), min(high, in.volatility), high);
        low = select(going & (miss < 0.0), max(low, in.volatility), low);
        const T change = volatility_step(safe, values[at_price], quote, intrinsic, values[at_vega]);
        const auto small = abs(change) <= small_volatility_step * in.volatility;
        T next = in.volatility + change;
        next =
            select(small | ((next > low) & (next < high)), next, sqrt(max(low, 0.25 * in.volatility) * high));
        in.volatility = select(going, next, in.volatility);
        done = done | (going & small);
    }
    const std::uint64_t odd = ~bits(alive & done) & all;
    alignas(64) double result[T::size];
    store(result, in.volatility);
    for (std::size_t i = 0; i < count; ++i) {
        std::int8_t status = 0;
        if ((odd >> i & 1) != 0)
            status = static_cast<std::int8_t>(
                american_volatility_edge(task.model, task.tier, greeks_path, inputs.option(begin + i),
                                         AmericanInputs::one(price, begin + i), result[i]));
        put_one(task.status, begin + i, status);
        put_one(task.volatility, begin + i, result[i]);
    }
}

template <Tier tier>
[[gnu::visibility("hidden")]] void run_american_volatility(const AmericanVolatilityTask& task) noexcept {
    using Wide = Pack<registers_of_american_greeks>;
    using Narrow = Pack<1>;
    constexpr std::size_t wide = Wide::size, narrow = Narrow::size;
    const AmericanInputs inputs(*task.options, task.model);
    const Column<double> price = column<double>(task.price), start = column<double>(task.start);
    std::size_t i = 0;
    if constexpr (registers_of_american_greeks > 1)
        for (; i + wide <= task.size; i += wide)
            step_american_volatility<tier, Wide>(task, inputs, price, start, i, wide);
    for (; i < task.size; i += narrow)
        step_american_volatility<tier, Narrow>(task, inputs, price, start, i,
                                               task.size - i < narrow ? task.size - i : narrow);
}

inline constexpr AmericanGreeksKernels american_greeks_runs = {
    {run_american_greeks<Tier::fast>, run_american_greeks<Tier::accurate>, run_american_greeks<Tier::high>},
    {run_american_volatility<Tier::fast>, run_american_volatility<Tier::accurate>,
     run_american_volatility<Tier::high>}};

}  // namespace OPTIONSIB_LANES
}  // namespace optionsib::pricing
