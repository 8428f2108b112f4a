#include "optionsib/pricing/european.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

namespace {

using namespace optionsib::pricing;

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

double value_of(const European& option, double volatility, Model model = Model::bsm) {
    double result = 0.0;
    REQUIRE(price(model, option, volatility, result) == Status::ok);
    return result;
}

Greeks greeks_of(const European& option, double volatility, Model model = Model::bsm) {
    Greeks result{};
    REQUIRE(greeks(model, 2, Units::raw, option, volatility, result) == Status::ok);
    return result;
}

bool same_bits(double a, double b) {
    return std::memcmp(&a, &b, sizeof a) == 0;
}

template <typename T>
In<T> column(const std::vector<T>& values) {
    return {reinterpret_cast<const std::byte*>(values.data()), sizeof(T)};
}

template <typename T>
In<T> repeated(const T& value) {
    return {reinterpret_cast<const std::byte*>(&value), 0};
}

template <typename T>
Out<T> into(std::vector<T>& values) {
    return {reinterpret_cast<std::byte*>(values.data()), sizeof(T)};
}

}  // namespace

TEST_CASE("textbook values") {
    // J. C. Hull, Options, Futures, and Other Derivatives, 8th ed., example 14.6.
    CHECK(std::fabs(value_of({1, 42, 40, 0.5, 0.10, 0.0}, 0.20) - 4.76) < 0.005);
    CHECK(std::fabs(value_of({-1, 42, 40, 0.5, 0.10, 0.0}, 0.20) - 0.81) < 0.005);
    // E. G. Haug, The Complete Guide to Option Pricing Formulas, 1998, pp. 2-8.
    CHECK(std::fabs(value_of({1, 60, 65, 0.25, 0.08, 0.0}, 0.30) - 2.1334) < 5e-5);
    CHECK(std::fabs(value_of({-1, 100, 95, 0.5, 0.10, 0.05}, 0.20) - 2.4648) < 5e-5);
    CHECK(std::fabs(value_of({1, 19, 19, 0.75, 0.10, 0.0}, 0.28, Model::black76) - 1.7011) < 5e-5);
}

TEST_CASE("the price of greeks is the price, bit for bit") {
    for (const double kind : {1.0, -1.0})
        for (const double spot : {20.0, 99.0, 100.0, 101.0, 700.0})
            for (const double vol : {0.0, 1e-6, 0.05, 0.4, 3.0, 1e4}) {
                const European option{kind, spot, 100.0, 0.7, 0.03, 0.01};
                CHECK(same_bits(value_of(option, vol), greeks_of(option, vol)[Greek::price]));
            }
}

TEST_CASE("limits at expiry and at zero volatility") {
    for (const auto& [expiry, vol] : {std::pair{0.0, 0.2}, std::pair{1.0, 0.0}, std::pair{0.0, 0.0}}) {
        const Greeks in = greeks_of({1, 110, 100, expiry, 0.05, 0.02}, vol);
        CHECK(in[Greek::price] ==
              std::fmax(110 * std::exp(-0.02 * expiry) - 100 * std::exp(-0.05 * expiry), 0.0));
        CHECK(in[Greek::delta] == std::exp(-0.02 * expiry));
        CHECK(in[Greek::gamma] == 0.0);
        CHECK(in[Greek::vega] == 0.0);
        const Greeks out = greeks_of({-1, 110, 100, expiry, 0.05, 0.02}, vol);
        CHECK(out[Greek::price] == 0.0);
        CHECK(out[Greek::delta] == 0.0);
        CHECK(out[Greek::rho] == 0.0);
        const Greeks kink = greeks_of({-1, 100, 100, expiry, 0.0, 0.0}, vol);
        CHECK(kink[Greek::price] == 0.0);
        CHECK(kink[Greek::delta] == -0.5);
        CHECK(kink[Greek::gamma] == infinity);
        CHECK(kink[Greek::vega] == 100 * std::sqrt(expiry) * 0.39894228040143267794);
    }
}

TEST_CASE("a normal volatility whose square root of time scaling overflows still has its price") {
    // At the money price = s n(0), s = v sqrt(T) = 3.4e308.
    double value = 0;
    REQUIRE(price(Model::bachelier, {1, 100, 100, 4.0, 0.0, 0.0}, 1.7e308, value) == Status::ok);
    CHECK(std::fabs(value / (0.85e308 * 0.39894228040143267794) - 4.0) <= 1e-14);
}

TEST_CASE("no finite input gives NaN with an ok status") {
    const double numbers[] = {0.0, 5e-324, 1e-300, 1e-8, 0.3, 1.0, 40.0, 1e8, 1e154, 1.7e308};
    for (const double spot : numbers)
        for (const double strike : numbers)
            for (const double expiry : numbers)
                for (const double vol : numbers)
                    for (const double rate : {0.0, -0.01, 0.05})
                        for (const double kind : {1.0, -1.0}) {
                            const European option{kind, spot, strike, expiry, rate, 0.0};
                            Greeks g{};
                            const Status status = greeks(Model::bsm, 2, Units::raw, option, vol, g);
                            if (status != Status::ok) {
                                CHECK(std::isnan(g[Greek::price]));
                                continue;
                            }
                            const bool bad = std::isnan(g[Greek::price] + g[Greek::delta] + g[Greek::vega]) ||
                                             std::isnan(g[Greek::gamma]) || std::isnan(g[Greek::theta]) ||
                                             std::isnan(g[Greek::rho]) || std::isnan(g[Greek::vanna]) ||
                                             std::isnan(g[Greek::volga]) || std::isnan(g[Greek::charm]) ||
                                             g[Greek::price] < 0.0;
                            if (bad) {
                                CAPTURE(spot);
                                CAPTURE(strike);
                                CAPTURE(expiry);
                                CAPTURE(vol);
                                CAPTURE(rate);
                                CHECK_FALSE(bad);
                            }
                        }
}

TEST_CASE("status of bad input") {
    const European good{1, 100, 100, 1, 0.01, 0.0};
    double result = 0.0;
    const auto status = [&](auto change, double vol = 0.2) {
        European option = good;
        change(option);
        const Status outcome = price(Model::bsm, option, vol, result);
        CHECK((outcome == Status::ok) == !std::isnan(result));
        return outcome;
    };
    CHECK(status([](European&) {}) == Status::ok);
    for (const double bad : {0.0, -1.0, not_a_number, infinity}) {
        CHECK(status([&](European& o) { o.spot = bad; }) == Status::invalid_input);
        CHECK(status([&](European& o) { o.strike = bad; }) == Status::invalid_input);
    }
    for (const double bad : {-0.1, not_a_number, infinity})
        CHECK(status([](European&) {}, bad) == Status::invalid_input);
    CHECK(status([](European& o) { o.time_to_expiry = -1e-9; }) == Status::expired);
    CHECK(status([](European& o) { o.time_to_expiry = not_a_number; }) == Status::invalid_input);
    CHECK(status([](European& o) { o.rate = not_a_number; }) == Status::invalid_input);
    CHECK(status([](European& o) { o.dividend_yield = infinity; }) == Status::invalid_input);
    CHECK(status([](European& o) { o.rate = -1000; }) == Status::invalid_input);
    CHECK(status([](European& o) { o.kind = 0; }) == Status::invalid_input);
}

TEST_CASE("implied volatility: bounds of the price") {
    const European call{1, 110, 100, 1, 0.0, 0.0};
    const double ulp = std::nextafter(110.0, infinity) - 110.0;
    double vol = 0.0;
    const auto status = [&](double quote) {
        return implied_volatility(Model::bsm, call, quote, not_a_number, vol);
    };
    CHECK(status(10.0) == Status::no_vega);
    CHECK(vol == 0.0);
    CHECK(status(10.0 - 4 * ulp) == Status::no_vega);
    CHECK(status(10.0 - 5 * ulp) == Status::below_intrinsic);
    CHECK(std::isnan(vol));
    CHECK(status(111.0) == Status::above_maximum);
    CHECK(std::isnan(vol));
    CHECK(status(not_a_number) == Status::invalid_input);
    CHECK(status(10.0 + 1e-9) == Status::ok);
    const European expired{1, 110, 100, 0, 0.0, 0.0};
    CHECK(implied_volatility(Model::bsm, expired, 10.0, not_a_number, vol) == Status::no_vega);
    CHECK(implied_volatility(Model::bsm, expired, 11.0, not_a_number, vol) == Status::above_maximum);
}

TEST_CASE("implied volatility: no failure on the hard grid, from any start") {
    for (const double moneyness : {0.2, 0.5, 0.8, 0.95, 0.999999, 1.0, 1.01, 1.25, 2.0, 5.0})
        for (const double expiry : {1.0 / 365, 0.02, 0.25, 1.0, 5.0})
            for (const double vol : {0.01, 0.03, 0.1, 0.3, 1.0, 3.0}) {
                const European option{moneyness > 1 ? -1.0 : 1.0, 100 * moneyness, 100, expiry, 0.0, 0.0};
                const double quote = value_of(option, vol, Model::black76);
                if (quote < 1e-290) continue;
                for (const double guess : {not_a_number, -1.0, 1e-9, 0.01, vol, 10.0, 1e9}) {
                    double result = 0.0;
                    CHECK(implied_volatility(Model::black76, option, quote, guess, result) == Status::ok);
                    CAPTURE(moneyness);
                    CAPTURE(expiry);
                    CAPTURE(vol);
                    CAPTURE(guess);
                    CHECK(std::fabs(result / vol - 1) < 2e-14);
                }
            }
}

TEST_CASE("array kernels equal the scalar ones for any stride") {
    std::mt19937_64 generator(7);
    std::uniform_real_distribution<double> unit(0.0, 1.0);
    const std::size_t size = 101;
    std::vector<double> spots(size), vols(size), prices(size), delta(size), back(size);
    std::vector<std::int8_t> kinds(size), status(size);
    for (std::size_t i = 0; i < size; ++i) {
        spots[i] = 60 + 80 * unit(generator);
        vols[i] = i % 10 == 3 ? -1.0 : 0.05 + unit(generator);
        kinds[i] = unit(generator) < 0.5 ? 1 : -1;
    }
    const double strike = 100.0, expiry = 0.4, rate = 0.03, yield = 0.01;
    const EuropeanColumns options{column(kinds),    column(spots),  repeated(strike),
                                  repeated(expiry), repeated(rate), repeated(yield)};
    price(Model::bsm, size, options, column(vols), into(prices), into(status));
    GreekColumns outputs{};
    outputs[Greek::delta] = into(delta);
    greeks(Model::bsm, 2, Units::raw, size, options, column(vols), outputs, {});
    implied_volatility(Model::bsm, size, options, column(prices), {}, into(back), into(status));
    for (std::size_t i = 0; i < size; ++i) {
        const European option{static_cast<double>(kinds[i]), spots[i], strike, expiry, rate, yield};
        double expected = 0.0, vol = 0.0;
        Greeks g{};
        const bool good = price(Model::bsm, option, vols[i], expected) == Status::ok;
        CHECK(good == (vols[i] > 0));
        CHECK(same_bits(prices[i], expected));
        CHECK(greeks(Model::bsm, 2, Units::raw, option, vols[i], g) ==
              (good ? Status::ok : Status::invalid_input));
        CHECK(same_bits(delta[i], g[Greek::delta]));
        CHECK(implied_volatility(Model::bsm, option, prices[i], not_a_number, vol) ==
              static_cast<Status>(status[i]));
        CHECK(same_bits(back[i], vol));
    }
}
