#include "optionsib/pricing/cash_dividends.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "cash_dividends_grid.hpp"

namespace optionsib::pricing {
namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t greeks_of_first_order = greeks_of_order(1);

// What desk units are of raw ones, in the order of Greek.
constexpr double desk_units[greeks_of_first_order] = {1, 1, 1, 0.01, 1.0 / 365, 0.01, 0.01, 1, 1};

struct Row {
    std::array<double, greeks_of_first_order> values;

    [[nodiscard]] double& operator[](Greek greek) noexcept { return values[static_cast<std::size_t>(greek)]; }
};

Row row_of(double value) noexcept {
    Row row;
    row.values.fill(value);
    return row;
}

bool wants(const GreekColumns& to, Greek greek) noexcept {
    return to.columns[static_cast<std::size_t>(greek)].data != nullptr;
}

// One call: the options that pay dividends, by element; the others, gathered for the kernels without.
struct Call {
    ExerciseStyle style;
    Tier tier;
    const CashDividends& dividends;
    std::vector<CashDividendOption> options;
    std::vector<std::size_t> plain, paying;  // elements; `paying` has status ok
    CashDividendSolver solver;

    Call(ExerciseStyle by, Tier in, std::size_t size, const EuropeanColumns& columns, const CashDividends& of,
         In<double> volatility)
        : style(by), tier(in), dividends(of), solver(by, in, of) {
        options.reserve(size);
        for (std::size_t i = 0; i < size; ++i) {
            options.push_back(
                read_option(by, columns, of, volatility.data == nullptr ? 0.0 : volatility[i], i));
            const CashDividendOption& option = options.back();
            if (option.status != Status::ok) continue;
            (option.count == 0 ? plain : paying).push_back(i);
        }
    }

    [[nodiscard]] bool in_closed_form() const noexcept {
        return style == ExerciseStyle::european && dividends.model == DividendModel::escrowed;
    }
};

// The elements of `which` in columns of their own.
struct Gathered {
    std::vector<std::int8_t> kind;
    std::vector<double> columns[5], volatility, price, guess;

    Gathered(const std::vector<CashDividendOption>& options, const std::vector<std::size_t>& which) {
        for (const std::size_t i : which) {
            const European& o = options[i].option;
            kind.push_back(static_cast<std::int8_t>(o.kind));
            columns[0].push_back(o.spot);
            columns[1].push_back(o.strike);
            columns[2].push_back(o.time_to_expiry);
            columns[3].push_back(o.rate);
            columns[4].push_back(o.dividend_yield);
            volatility.push_back(options[i].volatility);
        }
    }
    template <typename T>
    static In<T> in(const std::vector<T>& of) noexcept {
        return {reinterpret_cast<const std::byte*>(of.data()), sizeof(T)};
    }
    template <typename T>
    static Out<T> out(std::vector<T>& of) noexcept {
        return {reinterpret_cast<std::byte*>(of.data()), sizeof(T)};
    }
    [[nodiscard]] EuropeanColumns view() const noexcept {
        return {in(kind), in(columns[0]), in(columns[1]), in(columns[2]), in(columns[3]), in(columns[4])};
    }
};

Row greeks_of(const CashDividendValue& v) noexcept {
    Row row = row_of(not_a_number);
    row[Greek::price] = v.price;
    row[Greek::delta] = v.delta;
    row[Greek::gamma] = v.gamma;
    row[Greek::vega] = v.vega;
    row[Greek::theta] = v.theta;
    row[Greek::rho] = v.rho;
    row[Greek::epsilon] = v.epsilon;
    row[Greek::dual_delta] = v.dual_delta;
    row[Greek::dual_gamma] = 0.0;
    return row;
}

// Escrowed European: Black and Scholes of the spot less what its dividends are worth, which the carry moves.
Row escrowed_greeks(const CashDividendOption& of) noexcept {
    European option = of.option;
    option.spot -= of.present;
    Greeks g{};
    static_cast<void>(greeks(Model::bsm, 1, Units::raw, option, of.volatility, g));
    Row row;
    std::copy_n(g.values.begin(), greeks_of_first_order, row.values.begin());
    row[Greek::theta] -= row[Greek::delta] * (option.rate - option.dividend_yield) * of.present;
    row[Greek::rho] += row[Greek::delta] * of.present_times;
    row[Greek::epsilon] -= row[Greek::delta] * of.present_times;
    return row;
}

// Greeks of the elements `which` of a call, at the volatilities of their options.
void solve_greeks(Call& call, const std::vector<std::size_t>& which, bool dual_gamma, Wanted wanted,
                  std::vector<Row>& rows) {
    if (call.in_closed_form()) {
        for (std::size_t j = 0; j < which.size(); ++j) rows[j] = escrowed_greeks(call.options[which[j]]);
        return;
    }
    std::vector<CashDividendValue> values(which.size());
    call.solver.solve(wanted, call.options.data(), which.data(), which.size(), values.data());
    for (std::size_t j = 0; j < which.size(); ++j) rows[j] = greeks_of(values[j]);
    if (!dual_gamma) return;
    // The difference of two dual deltas, a twentieth of a standard deviation to either side.
    std::vector<CashDividendValue> moved(which.size());
    std::vector<CashDividendOption> options(which.size());
    std::vector<std::size_t> all(which.size());
    for (std::size_t j = 0; j < which.size(); ++j) {
        options[j] = call.options[which[j]];
        all[j] = j;
    }
    for (const double side : {1.0, -1.0}) {
        for (std::size_t j = 0; j < which.size(); ++j) {
            const CashDividendOption& o = call.options[which[j]];
            const double by = 0.05 * std::clamp(o.volatility * std::sqrt(o.option.time_to_expiry), 1e-4, 2.0);
            options[j].option.strike = o.option.strike * (1.0 + side * by);
        }
        call.solver.solve(Wanted::dual_delta, options.data(), all.data(), all.size(), moved.data());
        for (std::size_t j = 0; j < which.size(); ++j) {
            const double distance =
                std::fabs(options[j].option.strike - call.options[which[j]].option.strike);
            if (!values[j].exercised)
                rows[j][Greek::dual_gamma] += side * moved[j].dual_delta / (2.0 * distance);
        }
    }
}

void put_greeks(const GreekColumns& to, Units units, std::size_t element, const Row& row) noexcept {
    for (std::size_t j = 0; j < greeks_of_first_order; ++j)
        to.columns[j].put(element, units == Units::desk ? row.values[j] * desk_units[j] : row.values[j]);
}

void refuse(const Call& call, Out<double> result, Out<std::int8_t> status) noexcept {
    for (std::size_t i = 0; i < call.options.size(); ++i) {
        if (call.options[i].status == Status::ok) continue;
        result.put(i, not_a_number);
        status.put(i, static_cast<std::int8_t>(call.options[i].status));
    }
}

void plain_greeks(const Call& call, Units units, const GreekColumns& result, Out<std::int8_t> status,
                  const std::vector<CashDividendOption>& options) {
    const std::vector<std::size_t>& which = call.plain;
    if (which.empty()) return;
    Gathered gathered(options, which);
    std::vector<std::int8_t> said(which.size());
    std::vector<double> columns[greeks_of_first_order];
    GreekColumns to;
    for (std::size_t j = 0; j < greeks_of_first_order; ++j) {
        if (result.columns[j].data == nullptr) continue;
        columns[j].resize(which.size());
        to.columns[j] = Gathered::out(columns[j]);
    }
    const EuropeanColumns view = gathered.view();
    if (call.style == ExerciseStyle::american)
        american_greeks(Model::bsm, call.tier, units, which.size(), view, Gathered::in(gathered.volatility),
                        to, Gathered::out(said));
    else
        greeks(Model::bsm, 1, units, which.size(), view, Gathered::in(gathered.volatility), to,
               Gathered::out(said));
    for (std::size_t k = 0; k < which.size(); ++k) {
        for (std::size_t j = 0; j < greeks_of_first_order; ++j)
            if (!columns[j].empty()) result.columns[j].put(which[k], columns[j][k]);
        status.put(which[k], said[k]);
    }
}

void paying_greeks(Call& call, Units units, const GreekColumns& result, Out<std::int8_t> status) {
    const bool only_grid = !wants(result, Greek::vega) && !wants(result, Greek::rho) &&
                           !wants(result, Greek::epsilon) && !wants(result, Greek::dual_delta) &&
                           !wants(result, Greek::dual_gamma);
    const bool only_vega = !wants(result, Greek::rho) && !wants(result, Greek::epsilon) &&
                           !wants(result, Greek::dual_delta) && !wants(result, Greek::dual_gamma);
    std::vector<Row> rows(call.paying.size());
    solve_greeks(call, call.paying, wants(result, Greek::dual_gamma),
                 only_grid   ? Wanted::price
                 : only_vega ? Wanted::vega
                             : Wanted::all,
                 rows);
    for (std::size_t k = 0; k < call.paying.size(); ++k) {
        // Where the grid breaks down the status says so.
        bool found = std::isfinite(rows[k][Greek::price]);
        for (std::size_t j = 0; j < greeks_of_first_order && !call.in_closed_form(); ++j)
            found = found && (result.columns[j].data == nullptr || std::isfinite(rows[k].values[j]));
        if (!found) {
            rows[k] = row_of(not_a_number);
            call.options[call.paying[k]].status = Status::unsupported;
            status.put(call.paying[k], static_cast<std::int8_t>(Status::unsupported));
        }
        put_greeks(result, units, call.paying[k], rows[k]);
    }
}

// The least price there is, as the volatility goes to nothing: of exercising now, before an ex-date or at the
// end when the spot moves as its forward; and the greatest.
struct Bounds {
    double intrinsic, least, greatest;
};
Bounds bounds_of(ExerciseStyle style, const CashDividendOption& of,
                 const DividendSchedule& schedule) noexcept {
    const European& o = of.option;
    const double carry = o.rate - o.dividend_yield;
    const bool american = style == ExerciseStyle::american;
    Bounds b{american ? std::max(o.kind * (o.spot - o.strike), 0.0) : 0.0, 0.0, 0.0};
    b.least = b.intrinsic;
    double forward = o.spot, time = 0.0;
    for (int k = 0; k < of.count; ++k) {
        const auto entry = static_cast<std::size_t>(of.first + k);
        const double next = schedule.ex_times_years[entry];
        forward *= std::exp(carry * (next - time));
        time = next;
        if (american) b.least = std::max(b.least, std::exp(-o.rate * time) * o.kind * (forward - o.strike));
        forward = std::max(forward - schedule.cash_amounts[entry], 0.0);
    }
    const double discount = std::exp(-o.rate * o.time_to_expiry);
    forward *= std::exp(carry * (o.time_to_expiry - time));
    b.least = std::max(b.least, discount * o.kind * (forward - o.strike));
    if (o.kind > 0.0)
        b.greatest = american ? o.spot * std::exp(std::max(-o.dividend_yield, 0.0) * o.time_to_expiry)
                              : std::exp(-o.dividend_yield * o.time_to_expiry) * o.spot;
    else
        b.greatest = o.strike * (american ? std::max(discount, 1.0) : discount);
    return b;
}

// A root in volatility between what was too low and too high.
struct Search {
    double low = 0.0, high = std::numeric_limits<double>::infinity();
    bool done = false, too_high = false, too_low = false, failed = false;
};

// From one solved price and vega to the next volatility. The price is monotone in it.
void improve(Search& search, CashDividendOption& option, double price, double vega, double target) noexcept {
    constexpr double close = 2e-5;  // the step after is its square times the volga
    const double here = option.volatility, difference = price - target;
    (difference < 0.0 ? search.low : search.high) = here;
    double next = here - difference / vega;
    if (std::fabs(next - here) <= close * here) {
        option.volatility = next;
        search.done = true;
        return;
    }
    const bool inside = next > search.low && next < search.high;
    // Newton, but not far in one go where the price is flat.
    if (inside) next = std::clamp(next, here / 3.0, here * 3.0);
    if (!inside || !(next > search.low && next < search.high))
        next = std::isfinite(search.high)
                   ? (search.low > 0.0 ? std::sqrt(search.low * search.high) : 0.3 * search.high)
                   : 1.6 * here;
    if (search.high <= search.low * (1.0 + 1e-11)) search.done = true;
    option.volatility = next;
}

double first_guess(const CashDividendOption& of, const DividendSchedule& schedule, double price) noexcept {
    European option = of.option;
    double worth = 0.0;
    for (int k = 0; k < of.count; ++k) {
        const auto entry = static_cast<std::size_t>(of.first + k);
        worth += schedule.cash_amounts[entry] *
                 std::exp((option.dividend_yield - option.rate) * schedule.ex_times_years[entry]);
    }
    option.spot = std::max(option.spot - worth, 0.05 * option.spot);
    double guess = not_a_number;
    static_cast<void>(implied_volatility(Model::bsm, option, price, not_a_number, guess));
    const double root = std::sqrt(option.time_to_expiry);
    return guess > 0.02 && guess * root < 5.0 ? guess : std::min(0.3, 1.0 / root);
}

// Newton for the elements `active` until all are done, or for so many rounds that bisection alone would be;
// `settle` hears of those that are done.
template <typename Settle>
void search_rounds(Call& call, CashDividendSolver& solver, In<double> price, std::vector<std::size_t>& active,
                   std::vector<Search>& searches, const Settle& settle) {
    std::vector<CashDividendValue> values(active.size());
    for (int round = 0; round < 80 && !active.empty(); ++round) {
        if (call.in_closed_form())
            for (std::size_t k = 0; k < active.size(); ++k) {
                Row row = escrowed_greeks(call.options[active[k]]);
                values[k].price = row[Greek::price];
                values[k].vega = row[Greek::vega];
            }
        else
            solver.solve(Wanted::vega, call.options.data(), active.data(), active.size(), values.data());
        std::size_t left = 0;
        for (std::size_t k = 0; k < active.size(); ++k) {
            const std::size_t i = active[k];
            CashDividendOption& of = call.options[i];
            Search& search = searches[i];
            search.failed = !std::isfinite(values[k].price);
            if (!search.failed) improve(search, of, values[k].price, values[k].vega, price[i]);
            const double deviation = of.volatility * std::sqrt(of.option.time_to_expiry);
            search.too_high = !search.done && deviation > largest_deviation;
            search.too_low = !search.done && deviation < 2e-5;
            if (search.done || search.too_high || search.too_low || search.failed)
                settle(i, search);
            else
                active[left++] = i;
        }
        active.resize(left);
    }
}

void search_volatility(Call& call, In<double> price, In<double> guess, Out<double> result,
                       Out<std::int8_t> status) {
    const DividendSchedule& schedule = call.dividends.schedule;
    std::vector<std::size_t> active;
    const auto settle = [&](std::size_t i, Status said, double volatility) {
        call.options[i].status = said;
        call.options[i].volatility = volatility;
        result.put(i, volatility);
        status.put(i, static_cast<std::int8_t>(said));
    };
    for (const std::size_t i : call.paying) {
        CashDividendOption& of = call.options[i];
        const double target = price[i];
        const Bounds b = bounds_of(call.style, of, schedule);
        const double noise =
            4.0 * std::numeric_limits<double>::epsilon() * std::max(of.option.spot, of.option.strike);
        if (!std::isfinite(target)) {
            settle(i, Status::invalid_input, not_a_number);
        } else if (target < b.least - noise) {
            settle(i, Status::below_intrinsic, not_a_number);
        } else if (target <= b.least + noise) {
            const bool at_exercise = b.intrinsic > 0.0 && b.least <= b.intrinsic;
            settle(i, at_exercise ? Status::at_intrinsic : Status::no_vega, at_exercise ? not_a_number : 0.0);
        } else if (target >= b.greatest) {
            settle(i, Status::above_maximum, not_a_number);
        } else {
            const double given = guess.data == nullptr ? not_a_number : guess[i];
            of.volatility = given > 0.0 && std::isfinite(given) ? given : first_guess(of, schedule, target);
            of.volatility = std::min(of.volatility, largest_deviation / std::sqrt(of.option.time_to_expiry));
            active.push_back(i);
        }
    }
    // The finer tiers begin where the fast one ends.
    if (call.tier != Tier::fast && !call.in_closed_form()) {
        CashDividendSolver coarse(call.style, Tier::fast, call.dividends);
        std::vector<std::size_t> left = active;
        std::vector<Search> searches(call.options.size());
        search_rounds(call, coarse, price, left, searches, [](std::size_t, Search) {});
        for (const std::size_t i : active) {
            CashDividendOption& of = call.options[i];
            of.volatility = std::min(of.volatility, largest_deviation / std::sqrt(of.option.time_to_expiry));
        }
    }
    std::vector<Search> searches(call.options.size());
    search_rounds(call, call.solver, price, active, searches, [&](std::size_t i, Search search) {
        const double found = call.options[i].volatility;
        const Status said = search.failed     ? Status::unsupported
                            : search.too_high ? Status::above_maximum
                            : search.too_low  ? Status::no_vega
                                              : Status::ok;
        settle(i, said, said == Status::ok ? found : said == Status::no_vega ? 0.0 : not_a_number);
    });
    for (const std::size_t i : active) settle(i, Status::ok, call.options[i].volatility);
}

void plain_volatility(const Call& call, In<double> price, In<double> guess, Out<double> result,
                      Out<std::int8_t> status, std::vector<CashDividendOption>& options) {
    const std::vector<std::size_t>& which = call.plain;
    if (which.empty()) return;
    Gathered gathered(options, which);
    for (const std::size_t i : which) {
        gathered.price.push_back(price[i]);
        if (guess.data != nullptr) gathered.guess.push_back(guess[i]);
    }
    std::vector<std::int8_t> said(which.size());
    std::vector<double> found(which.size());
    const EuropeanColumns view = gathered.view();
    const In<double> start = guess.data != nullptr ? Gathered::in(gathered.guess) : In<double>{};
    if (call.style == ExerciseStyle::american)
        american_implied_volatility(Model::bsm, call.tier, which.size(), view, Gathered::in(gathered.price),
                                    start, Gathered::out(found), Gathered::out(said));
    else
        implied_volatility(Model::bsm, which.size(), view, Gathered::in(gathered.price), start,
                           Gathered::out(found), Gathered::out(said));
    for (std::size_t k = 0; k < which.size(); ++k) {
        options[which[k]].volatility = found[k];
        result.put(which[k], found[k]);
        status.put(which[k], said[k]);
    }
}

}  // namespace

void cash_dividend_price(ExerciseStyle style, Tier tier, std::size_t size, const EuropeanColumns& options,
                         const CashDividends& dividends, In<double> volatility, Out<double> result,
                         Out<std::int8_t> status) {
    GreekColumns columns;
    columns[Greek::price] = result;
    cash_dividend_greeks(style, tier, Units::raw, size, options, dividends, volatility, columns, status);
}

void cash_dividend_greeks(ExerciseStyle style, Tier tier, Units units, std::size_t size,
                          const EuropeanColumns& options, const CashDividends& dividends,
                          In<double> volatility, const GreekColumns& result, Out<std::int8_t> status) {
    Call call(style, tier, size, options, dividends, volatility);
    for (std::size_t j = 0; j < greeks_of_first_order; ++j) refuse(call, result.columns[j], status);
    const bool only_price = std::all_of(result.columns.begin() + 1, result.columns.end(),
                                        [](const Out<double>& o) { return o.data == nullptr; });
    if (only_price && !call.plain.empty()) {
        Gathered gathered(call.options, call.plain);
        std::vector<double> found(call.plain.size());
        std::vector<std::int8_t> said(call.plain.size());
        const EuropeanColumns view = gathered.view();
        if (style == ExerciseStyle::american)
            american_price(Model::bsm, tier, found.size(), view, Gathered::in(gathered.volatility),
                           Gathered::out(found), Gathered::out(said));
        else
            price(Model::bsm, found.size(), view, Gathered::in(gathered.volatility), Gathered::out(found),
                  Gathered::out(said));
        for (std::size_t k = 0; k < found.size(); ++k) {
            result.columns[0].put(call.plain[k], found[k]);
            status.put(call.plain[k], said[k]);
        }
    } else {
        plain_greeks(call, units, result, status, call.options);
    }
    for (const std::size_t i : call.paying) status.put(i, 0);
    paying_greeks(call, units, result, status);
}

void cash_dividend_implied_volatility(ExerciseStyle style, Tier tier, std::size_t size,
                                      const EuropeanColumns& options, const CashDividends& dividends,
                                      In<double> price, In<double> guess, Out<double> result,
                                      Out<std::int8_t> status) {
    cash_dividend_implied_volatility_and_greeks(style, tier, Units::raw, size, options, dividends, price,
                                                guess, result, {}, status);
}

void cash_dividend_implied_volatility_and_greeks(ExerciseStyle style, Tier tier, Units units,
                                                 std::size_t size, const EuropeanColumns& options,
                                                 const CashDividends& dividends, In<double> price,
                                                 In<double> guess, Out<double> volatility,
                                                 const GreekColumns& result, Out<std::int8_t> status) {
    Call call(style, tier, size, options, dividends, {});
    refuse(call, volatility, status);
    plain_volatility(call, price, guess, volatility, status, call.options);
    search_volatility(call, price, guess, volatility, status);
    const bool greeks_wanted = std::any_of(result.columns.begin(), result.columns.end(),
                                           [](const Out<double>& o) { return o.data != nullptr; });
    if (!greeks_wanted) return;
    plain_greeks(call, units, result, {}, call.options);
    for (std::size_t i = 0; i < size; ++i)
        if (std::isnan(call.options[i].volatility) || call.options[i].status == Status::invalid_input ||
            call.options[i].status == Status::unsupported)
            put_greeks(result, units, i, row_of(not_a_number));
    std::erase_if(call.paying, [&](std::size_t i) { return std::isnan(call.options[i].volatility); });
    paying_greeks(call, units, result, status);
    for (const std::size_t i : call.paying)
        if (call.options[i].status == Status::unsupported) volatility.put(i, not_a_number);
}

void exercise_before_dividend(Tier tier, std::size_t size, const EuropeanColumns& options,
                              const CashDividends& dividends, In<double> volatility, Out<double> hold,
                              Out<double> exercise, Out<double> critical_spot, Out<std::int8_t> status) {
    Call call(ExerciseStyle::american, tier, size, options, dividends, volatility);
    std::vector<CashDividendValue> values(call.paying.size());
    call.solver.solve(Wanted::price, call.options.data(), call.paying.data(), call.paying.size(),
                      values.data(), true);
    for (std::size_t k = 0; k < call.paying.size(); ++k)
        if (!std::isfinite(values[k].price)) call.options[call.paying[k]].status = Status::unsupported;
    for (std::size_t i = 0; i < size; ++i) {
        const Status said = call.options[i].status;
        hold.put(i, not_a_number);
        exercise.put(i, not_a_number);
        critical_spot.put(i, not_a_number);
        status.put(i, static_cast<std::int8_t>(said));
    }
    std::array<double, most_cash_dividends> spots;
    for (std::size_t k = 0; k < call.paying.size(); ++k) {
        const std::size_t i = call.paying[k];
        const CashDividendOption& of = call.options[i];
        if (of.status != Status::ok) continue;
        const European& o = of.option;
        const double time = dividends.schedule.ex_times_years[static_cast<std::size_t>(of.first)];
        hold.put(i, values[k].price);
        exercise.put(
            i, o.kind * (o.spot * std::exp(-o.dividend_yield * time) - o.strike * std::exp(-o.rate * time)));
        if (critical_spot.data == nullptr) continue;
        call.solver.critical_spots(of, spots.data());
        critical_spot.put(i, spots[0]);
    }
}

void exercise_boundary_before_dividends(Tier tier, std::size_t size, const EuropeanColumns& options,
                                        const CashDividends& dividends, In<double> volatility,
                                        Out<double> critical_spots, Out<std::int8_t> status) {
    Call call(ExerciseStyle::american, tier, size, options, dividends, volatility);
    const DividendSchedule& schedule = dividends.schedule;
    const bool shared = schedule.offsets.data == nullptr;
    const std::size_t places = shared ? size * schedule.count : schedule.count;
    for (std::size_t j = 0; j < places; ++j) critical_spots.put(j, not_a_number);
    std::array<double, most_cash_dividends> spots;
    for (std::size_t i = 0; i < size; ++i) {
        const CashDividendOption& of = call.options[i];
        status.put(i, static_cast<std::int8_t>(of.status));
        if (of.status != Status::ok || of.count == 0) continue;
        call.solver.critical_spots(of, spots.data());
        for (int k = 0; k < of.count; ++k)
            critical_spots.put((shared ? i * schedule.count : 0) + static_cast<std::size_t>(of.first + k),
                               spots[static_cast<std::size_t>(k)]);
    }
}

}  // namespace optionsib::pricing
