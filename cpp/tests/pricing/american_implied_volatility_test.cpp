// American implied volatility: the price comes back, statuses at and outside the bounds, and that a result
// depends on its inputs only.
#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "../../src/pricing/american_greeks_table.hpp"
#include "optionsib/pricing/american.hpp"

namespace {

using namespace optionsib;
using namespace optionsib::pricing;

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr std::array tiers = {Tier::fast, Tier::accurate, Tier::high};

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
    std::vector<double> spot, strike, expiry, rate, yield, volatility, quote;

    void add(const European& o, double v, double price) {
        kind.push_back(static_cast<std::int8_t>(o.kind));
        spot.push_back(o.spot);
        strike.push_back(o.strike);
        expiry.push_back(o.time_to_expiry);
        rate.push_back(o.rate);
        yield.push_back(o.dividend_yield);
        volatility.push_back(v);
        quote.push_back(price);
    }
    [[nodiscard]] std::size_t size() const { return kind.size(); }
    [[nodiscard]] EuropeanColumns columns() const {
        return {column(kind), column(spot), column(strike), column(expiry), column(rate), column(yield)};
    }
    void reprice(Tier tier) {
        american_price(Model::bsm, tier, size(), columns(), column(volatility), into(quote), {});
    }
};

Book random_book(std::size_t size, unsigned seed) {
    std::mt19937_64 engine(seed);
    const auto between = [&](double low, double high) {
        return low + (high - low) * std::generate_canonical<double, 53>(engine);
    };
    Book book;
    for (std::size_t i = 0; i < size; ++i) {
        const double T = std::exp(between(std::log(2.0 / 365.0), std::log(3.0))), v = between(0.08, 0.9);
        const double strike = 100.0 * std::exp(between(-2.5, 2.5) * v * std::sqrt(T));
        book.add({i % 2 == 0 ? 1.0 : -1.0, 100.0, strike, T, between(0.0, 0.09), between(-0.01, 0.09)}, v,
                 0.0);
    }
    return book;
}

struct Solved {
    std::vector<double> volatility;
    std::vector<std::int8_t> status;
};

Solved solve(const Book& book, Tier tier, In<double> guess = {}) {
    Solved result{std::vector<double>(book.size(), -7.0), std::vector<std::int8_t>(book.size(), 99)};
    american_implied_volatility(Model::bsm, tier, book.size(), book.columns(), column(book.quote), guess,
                                into(result.volatility), into(result.status));
    return result;
}

struct One {
    Status status;
    double volatility;
};

One solve(const European& option, double quote) {
    Book book;
    book.add(option, 0.0, quote);
    const Solved solved = solve(book, Tier::fast);
    return {static_cast<Status>(solved.status[0]), solved.volatility[0]};
}

bool same_bits(double a, double b) {
    return std::memcmp(&a, &b, sizeof a) == 0;
}

}  // namespace

TEST_CASE("The implied volatility gives the price back") {
    for (const Tier tier : tiers) {
        Book book = random_book(tier == Tier::high ? 64 : 400, 31);
        book.reprice(tier);
        const Solved solved = solve(book, tier);
        std::vector<double> again(book.size()), vega(book.size());
        american_price(Model::bsm, tier, book.size(), book.columns(), column(solved.volatility), into(again),
                       {});
        GreekColumns wanted;
        wanted[Greek::vega] = into(vega);
        american_greeks(Model::bsm, tier, Units::raw, book.size(), book.columns(), column(solved.volatility),
                        wanted, {});
        std::size_t found = 0;
        for (std::size_t i = 0; i < book.size(); ++i) {
            const double intrinsic =
                std::max(static_cast<double>(book.kind[i]) * (book.spot[i] - book.strike[i]), 0.0);
            CAPTURE(i);
            CAPTURE(book.strike[i]);
            CAPTURE(book.expiry[i]);
            CAPTURE(book.rate[i]);
            CAPTURE(book.yield[i]);
            CAPTURE(book.volatility[i]);
            CAPTURE(solved.volatility[i]);
            if (book.quote[i] == intrinsic) {
                CHECK(solved.status[i] == static_cast<std::int8_t>(Status::at_intrinsic));
                CHECK(std::isnan(solved.volatility[i]));
                continue;
            }
            REQUIRE(solved.status[i] == 0);
            ++found;
            // In volatility, beside a few roundings of the amounts.
            CHECK(std::fabs(again[i] - book.quote[i]) <=
                  1e-6 * solved.volatility[i] * vega[i] + 1e-13 * (book.spot[i] + book.strike[i]));
        }
        CHECK(found >= book.size() * 3 / 4);
    }
}

TEST_CASE("A guess is a start, no more") {
    Book book = random_book(100, 5);
    book.reprice(Tier::fast);
    const Solved cold = solve(book, Tier::fast);
    std::vector<double> guesses;
    for (std::size_t i = 0; i < book.size(); ++i)
        guesses.push_back(i % 3 == 0 ? not_a_number : i % 3 == 1 ? 1.01 * book.volatility[i] : 3.0);
    const Solved warm = solve(book, Tier::fast, column(guesses));
    for (std::size_t i = 0; i < book.size(); ++i) {
        CAPTURE(i);
        CHECK(warm.status[i] == cold.status[i]);
        if (cold.status[i] != 0) continue;
        std::vector<double> price(2);
        const double time_value =
            book.quote[i] -
            std::max(static_cast<double>(book.kind[i]) * (book.spot[i] - book.strike[i]), 0.0);
        if (time_value > 1e-4) CHECK(warm.volatility[i] == doctest::Approx(cold.volatility[i]).epsilon(2e-6));
    }
}

TEST_CASE("Statuses at and outside the bounds of the price") {
    const European put{-1.0, 90.0, 100.0, 1.0, 0.05, 0.01};
    CHECK(solve(put, 10.0).status == Status::at_intrinsic);
    CHECK(std::isnan(solve(put, 10.0).volatility));
    CHECK(solve(put, 10.0 - 1e-15).status == Status::at_intrinsic);
    CHECK(solve(put, 9.99).status == Status::below_intrinsic);
    CHECK(solve(put, 100.1).status == Status::above_maximum);
    CHECK(solve(put, not_a_number).status == Status::invalid_input);
    CHECK(solve({-1.0, -90.0, 100.0, 1.0, 0.05, 0.01}, 10.0).status == Status::invalid_input);
    CHECK(solve({-1.0, 90.0, 100.0, -1.0, 0.05, 0.01}, 10.0).status == Status::expired);
    CHECK(solve({-1.0, 90.0, 100.0, 0.0, 0.05, 0.01}, 10.0).status == Status::at_intrinsic);
    CHECK(solve({-1.0, 90.0, 100.0, 0.0, 0.05, 0.01}, 12.0).status == Status::above_maximum);
    // With a negative rate waiting is worth more than the strike.
    CHECK(solve({-1.0, 90.0, 100.0, 1.0, -0.05, 0.01}, 104.0).status == Status::ok);
    CHECK(solve({-1.0, 90.0, 100.0, 1.0, -0.05, 0.01}, 105.2).status == Status::above_maximum);
    // A call without dividends is never exercised: its price may not fall to S - K.
    const European call{1.0, 120.0, 100.0, 1.0, 0.05, 0.0};
    CHECK(solve(call, 20.0).status == Status::below_intrinsic);
    CHECK(solve(call, 120.1).status == Status::above_maximum);
    const double least = 120.0 - 100.0 * std::exp(-0.05);
    CHECK(solve(call, least).status == Status::no_vega);
    CHECK(solve(call, least).volatility == 0.0);
    CHECK(solve({-1.0, 110.0, 100.0, 1.0, 0.05, 0.01}, 0.0).status == Status::no_vega);
}

TEST_CASE("Two boundaries: the price comes back") {
    Book book;
    for (const double v : {0.08, 0.3})
        for (const double strike : {80.0, 100.0, 115.0})
            book.add({-1.0, 100.0, strike, 1.0, -0.01, -0.05}, v, 0.0);
    book.reprice(Tier::fast);
    const Solved solved = solve(book, Tier::fast);
    for (std::size_t i = 0; i < book.size(); ++i) {
        CAPTURE(i);
        if (book.quote[i] == std::max(book.strike[i] - book.spot[i], 0.0)) {
            CHECK(solved.status[i] == static_cast<std::int8_t>(Status::at_intrinsic));
            continue;
        }
        CHECK(solved.status[i] == 0);
        CHECK(solved.volatility[i] == doctest::Approx(book.volatility[i]).epsilon(1e-6));
    }
}

TEST_CASE("A volatility depends on its inputs only, and comes with its Greeks") {
    Book book = random_book(43, 77);
    book.reprice(Tier::fast);
    book.quote[4] = -1.0;
    book.quote[9] = 1e6;
    const Solved whole = solve(book, Tier::fast);
    for (std::size_t i = 0; i < book.size(); ++i) {
        Book one;
        one.add({static_cast<double>(book.kind[i]), book.spot[i], book.strike[i], book.expiry[i],
                 book.rate[i], book.yield[i]},
                0.0, book.quote[i]);
        const Solved alone = solve(one, Tier::fast);
        CAPTURE(i);
        CHECK(alone.status[0] == whole.status[i]);
        CHECK((same_bits(alone.volatility[0], whole.volatility[i]) ||
               (std::isnan(alone.volatility[0]) && std::isnan(whole.volatility[i]))));
    }
    std::vector<double> volatility(book.size()), fused(book.size()), separate(book.size());
    std::vector<std::int8_t> status(book.size());
    GreekColumns to, other;
    to[Greek::rho] = into(fused);
    other[Greek::rho] = into(separate);
    american_implied_volatility_and_greeks(Model::bsm, Tier::fast, Units::desk, book.size(), book.columns(),
                                           column(book.quote), {}, into(volatility), to, into(status));
    american_greeks(Model::bsm, Tier::fast, Units::desk, book.size(), book.columns(),
                    column(whole.volatility), other, {});
    for (std::size_t i = 0; i < book.size(); ++i) {
        CHECK(status[i] == whole.status[i]);
        if (status[i] == 0) CHECK(same_bits(volatility[i], whole.volatility[i]));
        CHECK((same_bits(fused[i], separate[i]) || (std::isnan(fused[i]) && std::isnan(separate[i]))));
    }
}
