// American Greeks: against differences of an independent solution, against one another, at the limits, and
// that a result depends on its inputs only.
#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "../../src/pricing/american_greeks_table.hpp"
#include "american_reference.hpp"
#include "optionsib/pricing/american.hpp"

namespace {

using namespace optionsib;
using namespace optionsib::pricing;

constexpr std::array tiers = {Tier::fast, Tier::accurate, Tier::high};
constexpr std::array paths = {SimdPath::baseline, SimdPath::avx2, SimdPath::avx512};
constexpr std::size_t count = greeks_of_order(1);
using Nine = std::array<double, count>;

constexpr std::size_t at(Greek greek) {
    return static_cast<std::size_t>(greek);
}

template <typename T>
In<T> column(const std::vector<T>& values) {
    return {reinterpret_cast<const std::byte*>(values.data()), sizeof(T)};
}
template <typename T>
Out<T> into(std::vector<T>& values) {
    return {reinterpret_cast<std::byte*>(values.data()), sizeof(T)};
}

struct Book {
    std::vector<std::int8_t> kind;
    std::vector<double> spot, strike, expiry, rate, yield, volatility;

    void add(const European& o, double v) {
        kind.push_back(static_cast<std::int8_t>(o.kind));
        spot.push_back(o.spot);
        strike.push_back(o.strike);
        expiry.push_back(o.time_to_expiry);
        rate.push_back(o.rate);
        yield.push_back(o.dividend_yield);
        volatility.push_back(v);
    }
    [[nodiscard]] std::size_t size() const { return kind.size(); }
    [[nodiscard]] European option(std::size_t i) const {
        return {static_cast<double>(kind[i]), spot[i], strike[i], expiry[i], rate[i], yield[i]};
    }
    [[nodiscard]] EuropeanColumns columns() const {
        return {column(kind), column(spot), column(strike), column(expiry), column(rate), column(yield)};
    }
};

// Both kinds, every sign of rate and yield with one boundary, and some European ones.
Book random_book(std::size_t size, unsigned seed) {
    std::mt19937_64 engine(seed);
    const auto between = [&](double low, double high) {
        return low + (high - low) * std::generate_canonical<double, 53>(engine);
    };
    Book book;
    for (std::size_t i = 0; i < size; ++i) {
        double of_strike = between(0.005, 0.09), of_spot = between(-0.03, 0.09);
        if (i % 11 == 7) of_strike = 0.0;
        const double strike = 100.0 * std::exp(between(-0.35, 0.35)), T = between(14.0 / 365.0, 3.0);
        const double v = between(0.1, 0.8);
        if (i % 2 == 0)
            book.add({-1.0, 100.0, strike, T, of_strike, of_spot}, v);
        else
            book.add({1.0, strike, 100.0, T, of_spot, of_strike}, v);
    }
    return book;
}

struct Table {
    std::array<std::vector<double>, count> values;
    std::vector<std::int8_t> status;

    explicit Table(std::size_t size) : status(size, 99) {
        for (auto& v : values) v.assign(size, -77.0);
    }
    [[nodiscard]] GreekColumns columns() {
        GreekColumns to;
        for (std::size_t j = 0; j < count; ++j) to.columns[j] = into(values[j]);
        return to;
    }
    [[nodiscard]] double operator()(Greek greek, std::size_t i) const { return values[at(greek)][i]; }
};

Table greeks_of(const Book& book, Tier tier, Model model = Model::bsm, Units units = Units::raw) {
    Table table(book.size());
    american_greeks(model, tier, units, book.size(), book.columns(), column(book.volatility), table.columns(),
                    into(table.status));
    return table;
}

Nine greeks_of(const European& option, double volatility, Tier tier, Model model = Model::bsm) {
    Book book;
    book.add(option, volatility);
    const Table table = greeks_of(book, tier, model);
    REQUIRE(table.status[0] == 0);
    Nine result{};
    for (std::size_t j = 0; j < count; ++j) result[j] = table.values[j][0];
    return result;
}

double price_of(const European& option, double volatility, Tier tier, Model model = Model::bsm) {
    Book book;
    book.add(option, volatility);
    std::vector<double> price(1);
    std::vector<std::int8_t> status(1);
    american_price(model, tier, 1, book.columns(), column(book.volatility), into(price), into(status));
    REQUIRE(status[0] == 0);
    return price[0];
}

// The reference's value of a put in units of the strike, and by ln S; a call is the put that mirrors it.
double reference_price(const European& o, double v) {
    const bool call = o.kind > 0.0;
    const double spot = call ? o.strike : o.spot, strike = call ? o.spot : o.strike;
    const american_reference::Boundary<double> boundary(
        {strike, call ? o.dividend_yield : o.rate, call ? o.rate : o.dividend_yield, v, o.time_to_expiry}, 32,
        81);
    return spot <= boundary.at(o.time_to_expiry) ? strike - spot : boundary.value(spot).price;
}

double slope(const European& o, double v, double European::* field, double by) {
    European up = o, down = o;
    up.*field += by;
    down.*field -= by;
    return (reference_price(up, v) - reference_price(down, v)) / (2.0 * by);
}

Nine reference_greeks(const European& o, double v) {
    const double h = 1e-3 * o.spot, k = 1e-3 * o.strike, base = reference_price(o, v);
    const auto moved = [&](double European::* field, double by) {
        European other = o;
        other.*field += by;
        return reference_price(other, v);
    };
    const auto bend = [&](double European::* field, double by) {
        return (moved(field, by) - 2.0 * base + moved(field, -by)) / (by * by);
    };
    Nine g{};
    g[at(Greek::price)] = base;
    g[at(Greek::delta)] = slope(o, v, &European::spot, 0.1 * h);
    g[at(Greek::gamma)] = bend(&European::spot, h);
    g[at(Greek::vega)] = (reference_price(o, v * 1.0002) - reference_price(o, v * 0.9998)) / (4e-4 * v);
    g[at(Greek::theta)] = -slope(o, v, &European::time_to_expiry, 2e-4 * o.time_to_expiry);
    g[at(Greek::rho)] = slope(o, v, &European::rate, 2e-5);
    g[at(Greek::epsilon)] = slope(o, v, &European::dividend_yield, 2e-5);
    g[at(Greek::dual_delta)] = slope(o, v, &European::strike, 0.1 * k);
    g[at(Greek::dual_gamma)] = bend(&European::strike, k);
    return g;
}

Nine scales(const European& o, double v) {
    const double root = std::sqrt(o.time_to_expiry), money = std::max(o.spot, o.strike);
    return {money,
            1.0,
            1.0 / (o.spot * v * root),
            money * root,
            money,
            money * o.time_to_expiry,
            money * o.time_to_expiry,
            1.0,
            1.0 / (o.strike * v * root)};
}

bool same_bits(double a, double b) {
    return std::memcmp(&a, &b, sizeof a) == 0;
}

}  // namespace

TEST_CASE("Greeks are the slopes of an independent solution's price" * doctest::test_suite("slow")) {
    const Book book = random_book(20, 3);
    // Of each Greek's scale; the reference's second differences are good to 2e-5.
    constexpr std::array<Nine, 3> bounds = {{
        {1.6e-5, 5e-4, 3e-4, 6e-4, 3e-5, 1.2e-3, 1.2e-3, 5e-4, 3e-4},
        {2e-6, 8e-5, 8e-5, 1.2e-4, 1e-5, 5e-4, 5e-4, 8e-5, 8e-5},
        {1e-8, 1e-6, 4e-5, 1e-6, 1e-6, 2e-5, 2e-5, 1e-6, 4e-5},
    }};
    std::array<Table, 3> tables = {greeks_of(book, Tier::fast), greeks_of(book, Tier::accurate),
                                   greeks_of(book, Tier::high)};
    std::size_t compared = 0;
    for (std::size_t i = 0; i < book.size(); ++i) {
        const European o = book.option(i);
        const double v = book.volatility[i];
        const double boundary_rate = o.kind > 0.0 ? o.dividend_yield : o.rate;
        if (boundary_rate < 1e-4) continue;  // the differences would reach into the region of two boundaries
        const Nine reference = reference_greeks(o, v), scale = scales(o, v);
        const double intrinsic = o.kind * (o.spot - o.strike);
        if (reference[0] <= intrinsic * (1.0 + 1e-9)) continue;
        ++compared;
        for (std::size_t t = 0; t < tiers.size(); ++t)
            for (std::size_t j = 0; j < count; ++j) {
                CAPTURE(i);
                CAPTURE(t);
                CAPTURE(greek_names[j]);
                CAPTURE(o.kind);
                CAPTURE(o.spot);
                CAPTURE(o.strike);
                CAPTURE(o.time_to_expiry);
                CAPTURE(o.rate);
                CAPTURE(o.dividend_yield);
                CAPTURE(v);
                CAPTURE(tables[t].values[j][i]);
                CAPTURE(reference[j]);
                CHECK(std::fabs(tables[t].values[j][i] - reference[j]) <= bounds[t][j] * scale[j]);
            }
    }
    CHECK(compared >= 12);
}

TEST_CASE("Gamma and theta satisfy the pricing equation with differences of delta and price") {
    const Book book = random_book(60, 17);
    const Table table = greeks_of(book, Tier::high);
    for (std::size_t i = 0; i < book.size(); ++i) {
        const European o = book.option(i);
        if (table(Greek::delta, i) == o.kind) continue;
        const double v = book.volatility[i], h = 1e-4 * o.spot, dT = 1e-4 * o.time_to_expiry;
        European up = o, down = o, later = o, sooner = o;
        up.spot += h;
        down.spot -= h;
        later.time_to_expiry += dT;
        sooner.time_to_expiry -= dT;
        const double delta_up = greeks_of(up, v, Tier::high)[at(Greek::delta)];
        const double delta_down = greeks_of(down, v, Tier::high)[at(Greek::delta)];
        if (delta_up == o.kind || delta_down == o.kind) continue;
        const double gamma = (delta_up - delta_down) / (2.0 * h);
        const double theta = -(price_of(later, v, Tier::high) - price_of(sooner, v, Tier::high)) / (2.0 * dT);
        const Nine scale = scales(o, v);
        CAPTURE(i);
        CHECK(std::fabs(table(Greek::gamma, i) - gamma) <= 2e-5 * scale[at(Greek::gamma)]);
        CHECK(std::fabs(table(Greek::theta, i) - theta) <= 1e-6 * scale[at(Greek::theta)]);
        const double residual = theta + 0.5 * v * v * o.spot * o.spot * gamma +
                                (o.rate - o.dividend_yield) * o.spot * table(Greek::delta, i) -
                                o.rate * table(Greek::price, i);
        CHECK(std::fabs(residual) <= 1e-5 * scale[at(Greek::theta)]);
    }
}

TEST_CASE("The price among the Greeks is american_price, and the Greeks are homogeneous") {
    const Book book = random_book(101, 5);
    for (const Tier tier : tiers) {
        const Table table = greeks_of(book, tier);
        std::vector<double> price(book.size());
        american_price(Model::bsm, tier, book.size(), book.columns(), column(book.volatility), into(price),
                       {});
        for (std::size_t i = 0; i < book.size(); ++i) {
            CAPTURE(i);
            CHECK(same_bits(table(Greek::price, i), price[i]));
            const double money =
                book.spot[i] * table(Greek::delta, i) + book.strike[i] * table(Greek::dual_delta, i);
            CHECK(std::fabs(money - price[i]) <= 1e-11 * (book.spot[i] + book.strike[i]));
        }
    }
}

TEST_CASE("In the exercise region the price is the intrinsic value and the Greeks those of it") {
    for (const Tier tier : tiers) {
        const Nine put = greeks_of({-1.0, 60.0, 100.0, 1.0, 0.08, 0.01}, 0.2, tier);
        CHECK(put == Nine{40.0, -1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0});
        const Nine call = greeks_of({1.0, 170.0, 100.0, 1.0, 0.01, 0.08}, 0.2, tier);
        CHECK(call == Nine{70.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0});
    }
}

TEST_CASE("An option that is never exercised has the European Greeks") {
    for (const European o :
         {European{1.0, 105.0, 100.0, 0.7, 0.04, 0.0}, European{-1.0, 95.0, 100.0, 2.0, -0.01, 0.02}}) {
        Greeks european{};
        REQUIRE(greeks(Model::bsm, 1, Units::raw, o, 0.3, european) == Status::ok);
        const Nine american = greeks_of(o, 0.3, Tier::fast);
        for (std::size_t j = 0; j < count; ++j) CHECK(same_bits(american[j], european.values[j]));
    }
}

TEST_CASE("A rate of rounding size is none") {
    for (const double none : {5e-324, -5e-324, -1e-12})
        for (const Tier tier : tiers) {
            const Nine expected = greeks_of({-1, 100, 105, 1.0, 0.0, -0.02}, 0.3, tier);
            const Nine found = greeks_of({-1, 100, 105, 1.0, none, -0.02}, 0.3, tier);
            for (std::size_t j = 0; j < count; ++j)
                CHECK(found[j] == doctest::Approx(expected[j]).epsilon(1e-8));
        }
}

TEST_CASE("black76 holds the forward, desk units scale") {
    const European o{-1.0, 96.0, 100.0, 1.5, 0.05, 0.0};
    const Nine forward = greeks_of(o, 0.25, Tier::high, Model::black76);
    European up = o, down = o;
    up.rate += 1e-4;
    down.rate -= 1e-4;
    const double rho =
        (price_of(up, 0.25, Tier::high, Model::black76) - price_of(down, 0.25, Tier::high, Model::black76)) /
        2e-4;
    CHECK(forward[at(Greek::rho)] == doctest::Approx(rho).epsilon(1e-5));
    CHECK(forward[at(Greek::epsilon)] == 0.0);
    Book book;
    book.add(o, 0.25);
    const Table raw = greeks_of(book, Tier::fast, Model::black76);
    const Table desk = greeks_of(book, Tier::fast, Model::black76, Units::desk);
    constexpr Nine factors = {1.0, 1.0, 1.0, 0.01, 1.0 / 365.0, 0.01, 0.01, 1.0, 1.0};
    for (std::size_t j = 0; j < count; ++j)
        CHECK(same_bits(desk.values[j][0], raw.values[j][0] * factors[j]));
    CHECK(greeks_of(book, Tier::fast, Model::bachelier).status[0] ==
          static_cast<std::int8_t>(Status::unsupported));
}

TEST_CASE("At expiry and without volatility the Greeks are the limits") {
    // S e^{-qt} earns most against K e^{-rt} at once, later, or never.
    CHECK(greeks_of({-1.0, 90.0, 100.0, 1.0, 0.05, 0.0}, 0.0, Tier::fast)[at(Greek::delta)] == -1.0);
    CHECK(greeks_of({-1.0, 110.0, 100.0, 1.0, 0.05, 0.0}, 0.0, Tier::fast)[at(Greek::price)] == 0.0);
    CHECK(greeks_of({-1.0, 90.0, 100.0, 0.0, 0.05, 0.0}, 0.3, Tier::fast)[at(Greek::price)] == 10.0);
    const European falling{-1.0, 100.0, 95.0, 30.0, 0.02, 0.06};
    const double when = std::log(0.02 * 95.0 / (0.06 * 100.0)) / (0.02 - 0.06);
    const double value = 95.0 * std::exp(-0.02 * when) - 100.0 * std::exp(-0.06 * when);
    const Nine g = greeks_of(falling, 0.0, Tier::fast);
    CHECK(g[at(Greek::price)] == doctest::Approx(value).epsilon(1e-13));
    const double h = 0.01;
    European up = falling, down = falling;
    up.spot += h;
    down.spot -= h;
    CHECK(g[at(Greek::delta)] ==
          doctest::Approx((price_of(up, 0.0, Tier::fast) - price_of(down, 0.0, Tier::fast)) / (2 * h))
              .epsilon(1e-6));
    CHECK(g[at(Greek::gamma)] ==
          doctest::Approx((price_of(up, 0.0, Tier::fast) - 2 * value + price_of(down, 0.0, Tier::fast)) /
                          (h * h))
              .epsilon(1e-3));
}

TEST_CASE("A bad element gets NaN and its status, its neighbours nothing of it") {
    Book book = random_book(9, 8);
    const Table good = greeks_of(book, Tier::fast);
    book.spot[3] = -1.0;
    book.expiry[5] = -0.1;
    const Table table = greeks_of(book, Tier::fast);
    for (std::size_t i = 0; i < book.size(); ++i) {
        const Status expected = i == 3 ? Status::invalid_input : i == 5 ? Status::expired : Status::ok;
        CHECK(table.status[i] == static_cast<std::int8_t>(expected));
        for (std::size_t j = 0; j < count; ++j) {
            if (expected == Status::ok)
                CHECK(same_bits(table.values[j][i], good.values[j][i]));
            else
                CHECK(std::isnan(table.values[j][i]));
        }
    }
}

TEST_CASE("On every path a result depends on its inputs only, and the paths agree") {
    const Book book = random_book(61, 21);
    const EuropeanColumns columns = book.columns();
    for (const Tier tier : {Tier::fast, Tier::accurate}) {
        Table first(book.size());
        bool filled = false;
        for (const SimdPath path : paths) {
            if (path > simd_path()) continue;
            const auto run = american_greeks_kernels(path).greeks[static_cast<std::size_t>(tier)];
            Table whole(book.size());
            const GreekColumns to = whole.columns();
            run({book.size(), &columns, column(book.volatility), to.columns.data(), into(whole.status),
                 Model::bsm, tier, &american_grids(), nullptr});
            for (std::size_t i = 0; i < book.size(); i += 7) {
                Book one;
                one.add(book.option(i), book.volatility[i]);
                Table alone(1);
                const GreekColumns here = alone.columns();
                const EuropeanColumns single = one.columns();
                run({1, &single, column(one.volatility), here.columns.data(), into(alone.status), Model::bsm,
                     tier, &american_grids(), nullptr});
                for (std::size_t j = 0; j < count; ++j)
                    CHECK(same_bits(alone.values[j][0], whole.values[j][i]));
            }
            if (!filled) {
                first = whole;
                filled = true;
            }
            for (std::size_t i = 0; i < book.size(); ++i) {
                const Nine scale = scales(book.option(i), book.volatility[i]);
                for (std::size_t j = 0; j < count; ++j)
                    CHECK(std::fabs(whole.values[j][i] - first.values[j][i]) <= 1e-9 * scale[j]);
            }
        }
    }
}
