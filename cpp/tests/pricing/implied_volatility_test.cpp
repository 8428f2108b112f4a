// Implied volatility kernels: accuracy by round trip, statuses, and that a result depends on its inputs only.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "../../src/pricing/implied_volatility_kernels.hpp"
#include "optionsib/pricing/european.hpp"

namespace {

using namespace optionsib;
using namespace optionsib::pricing;

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double epsilon = std::numeric_limits<double>::epsilon();
constexpr std::array models = {Model::bsm, Model::black76, Model::displaced, Model::bachelier};
constexpr std::array paths = {SimdPath::baseline, SimdPath::avx2, SimdPath::avx512};

template <typename T>
In<T> column(const std::vector<T>& values, std::ptrdiff_t step = 1) {
    return {reinterpret_cast<const std::byte*>(values.data()), step * static_cast<std::ptrdiff_t>(sizeof(T))};
}

template <typename T>
Out<T> into(std::vector<T>& values, std::ptrdiff_t step = 1) {
    return {reinterpret_cast<std::byte*>(values.data()), step * static_cast<std::ptrdiff_t>(sizeof(T))};
}

bool same_bits(double a, double b) {
    return std::memcmp(&a, &b, sizeof a) == 0;
}

struct Solved {
    Status status;
    double volatility;
};

Solved solve(Model model, const European& option, double quote, double guess = not_a_number) {
    Solved result{};
    result.status = implied_volatility(model, option, quote, guess, result.volatility);
    return result;
}

double value_of(Model model, const European& option, double volatility) {
    double result = 0.0;
    REQUIRE(price(model, option, volatility, result) == Status::ok);
    return result;
}

// Options of every kind for one model, their volatilities and quotes; some rows have no volatility.
struct Book {
    Model model;
    std::vector<std::int8_t> kind;
    std::vector<double> spot, strike, expiry, rate, yield, shift, volatility, quote;

    Book(Model of, std::size_t size, unsigned seed) : model(of) {
        std::mt19937_64 engine(seed);
        const auto between = [&](double low, double high) {
            return low + (high - low) * std::generate_canonical<double, 53>(engine);
        };
        for (std::size_t i = 0; i < size; ++i) {
            const double t = std::exp(between(std::log(1e-5), std::log(5.0)));
            const double v = std::exp(between(std::log(0.01), std::log(3.0))), width = v * std::sqrt(t);
            const double money = model == Model::displaced ? 0.02 : between(5, 500);
            const double z = between(-4.0, 4.0), r = between(-0.02, 0.08);
            kind.push_back(engine() % 2 == 0 ? 1 : -1);
            spot.push_back(money);
            shift.push_back(model == Model::displaced ? 0.03125 : 0.0);
            strike.push_back(model == Model::bachelier
                                 ? money * (1.0 + z * width)
                                 : (money + shift.back()) * std::exp(z * width) - shift.back());
            expiry.push_back(t);
            rate.push_back(r);
            yield.push_back(model == Model::bsm ? between(0.0, 0.05) : 0.0);
            volatility.push_back(model == Model::bachelier ? v * money : v);
            double value = 0.0;
            static_cast<void>(price(model, option(i), volatility.back(), value));
            quote.push_back(i % 13 == 5 ? -value : i % 17 == 3 ? 0.0 : value);
        }
    }

    [[nodiscard]] std::size_t size() const { return kind.size(); }
    [[nodiscard]] European option(std::size_t i) const {
        return {static_cast<double>(kind[i]), spot[i], strike[i], expiry[i], rate[i], yield[i], shift[i]};
    }
    [[nodiscard]] EuropeanColumns columns() const {
        return {column(kind), column(spot),  column(strike), column(expiry),
                column(rate), column(yield), column(shift)};
    }
};

// How many relative roundings of the volatility one rounding of the quote, or of the larger discounted
// amount where the time value is a difference, causes.
double amplification(const Book& book, std::size_t i) {
    const European option = book.option(i);
    Greeks g{};
    REQUIRE(greeks(book.model, 1, Units::raw, option, book.volatility[i], g) == Status::ok);
    const double largest =
        std::max(std::fabs(option.spot + option.shift), std::fabs(option.strike + option.shift));
    return std::max(1.0, largest / (g[Greek::vega] * book.volatility[i]));
}

}  // namespace

TEST_CASE("the volatility put in comes back, for every model") {
    for (const Model model : models) {
        const Book book(model, 20'000, 7);
        std::size_t tested = 0;
        for (std::size_t i = 0; i < book.size(); ++i) {
            const double scale = amplification(book, i);
            if (!(book.quote[i] > 0.0) || !(scale < 1e12)) continue;
            ++tested;
            const Solved solved = solve(model, book.option(i), book.quote[i]);
            CAPTURE(static_cast<int>(model));
            CAPTURE(i);
            CAPTURE(scale);
            REQUIRE(solved.status == Status::ok);
            REQUIRE(std::fabs(solved.volatility / book.volatility[i] - 1.0) <= 12 * epsilon * scale);
        }
        CHECK(tested > book.size() / 2);
    }
}

TEST_CASE("hard grid: no failure, 2e-14 in forward form") {
    std::mt19937_64 engine(3);
    const auto between = [&](double low, double high) {
        return low + (high - low) * std::generate_canonical<double, 53>(engine);
    };
    double largest = 0.0;
    for (int i = 0; i < 200'000; ++i) {
        const double spot = 100.0 * std::exp(between(std::log(0.2), std::log(5.0)));
        const double volatility = std::exp(between(std::log(0.01), std::log(3.0)));
        const European option{spot > 100.0 ? -1.0 : 1.0, spot, 100.0, between(1.0 / 365, 5.0), 0.0, 0.0};
        const double quote = value_of(Model::black76, option, volatility);
        if (quote < 1e-290) continue;
        const Solved solved = solve(Model::black76, option, quote);
        REQUIRE(solved.status == Status::ok);
        largest = std::max(largest, std::fabs(solved.volatility / volatility - 1.0));
    }
    CHECK(largest < 2e-14);
}

TEST_CASE("a result depends on nothing but its own inputs") {
    for (const Model model : models) {
        const Book book(model, 150, 11);
        std::vector<double> alone, guess;
        std::vector<Status> outcome;
        for (std::size_t i = 0; i < book.size(); ++i) {
            // Good, poor, useless and no guesses.
            const double g = std::array{1.0005, 1.3, 1e-6, not_a_number, -1.0}[i % 5] * book.volatility[i];
            const Solved solved = solve(model, book.option(i), book.quote[i], g);
            guess.push_back(g);
            alone.push_back(solved.volatility);
            outcome.push_back(solved.status);
        }
        for (const std::size_t begin : {std::size_t{0}, std::size_t{1}, std::size_t{7}})
            for (std::size_t size = 0; begin + size <= book.size(); size += size < 70 ? 1 : 13)
                for (const std::ptrdiff_t step : {1, -1, 3}) {
                    const auto from = [begin, size, step](auto in) {
                        in.data += static_cast<std::ptrdiff_t>(begin) * in.stride;
                        if (step < 0) {
                            in.data += (static_cast<std::ptrdiff_t>(size) - 1) * in.stride;
                            in.stride = -in.stride;
                        }
                        return in;
                    };
                    const EuropeanColumns all = book.columns();
                    const EuropeanColumns part{
                        from(all.kind), from(all.spot),           from(all.strike), from(all.time_to_expiry),
                        from(all.rate), from(all.dividend_yield), from(all.shift)};
                    const std::size_t gap = step == 3 ? 3 : 1;
                    std::vector<double> result(gap * size + 1, -7.0);
                    std::vector<std::int8_t> status(gap * size + 1, 99);
                    const auto spacing = static_cast<std::ptrdiff_t>(gap);
                    implied_volatility(model, size, part, from(column(book.quote)), from(column(guess)),
                                       into(result, spacing), into(status, spacing));
                    bool equal = true;
                    for (std::size_t i = 0; i < size; ++i) {
                        const std::size_t source = begin + (step < 0 ? size - 1 - i : i);
                        equal = equal && same_bits(result[gap * i], alone[source]) &&
                                static_cast<Status>(status[gap * i]) == outcome[source];
                    }
                    CHECK(equal);
                    CHECK(result.back() == -7.0);
                    CHECK(status.back() == 99);
                }
    }
}

TEST_CASE("instruction sets agree within 8 attainable ulps") {
    for (const Model model : models) {
        const Book book(model, 5'000, 13);
        const EuropeanColumns columns = book.columns();
        std::vector<double> reference(book.size());
        std::vector<std::int8_t> reference_status(book.size());
        for (const SimdPath path : paths) {
            if (!simd_path_supported(path)) continue;
            std::vector<double> result(book.size());
            std::vector<std::int8_t> status(book.size());
            const std::size_t family = model == Model::bsm ? 0 : model == Model::bachelier ? 2 : 1;
            implied_volatility_kernels(path).run[family](
                {book.size(), &columns, column(book.quote), {}, into(result), into(status), model});
            if (path == SimdPath::baseline) {
                reference = result;
                reference_status = status;
                continue;
            }
            for (std::size_t i = 0; i < book.size(); ++i) {
                const double scale = amplification(book, i);
                if (!(scale < 1e12)) continue;
                REQUIRE(status[i] == reference_status[i]);
                if (status[i] == 0) REQUIRE(std::fabs(result[i] / reference[i] - 1.0) <= 8 * epsilon * scale);
            }
        }
    }
}

TEST_CASE("any guess leads to the same volatility") {
    for (const Model model : models) {
        const Book book(model, 500, 17);
        for (std::size_t i = 0; i < book.size(); ++i) {
            const double scale = amplification(book, i);
            if (!(book.quote[i] > 0.0) || !(scale < 1e12)) continue;
            for (const double factor : {1e-300, 1e-9, 0.5, 0.95, 0.999, 1.0, 1.0019, 1.05, 2.0, 1e4, 1e300}) {
                const Solved warm = solve(model, book.option(i), book.quote[i], factor * book.volatility[i]);
                CAPTURE(factor);
                REQUIRE(warm.status == Status::ok);
                REQUIRE(std::fabs(warm.volatility / book.volatility[i] - 1.0) <= 12 * epsilon * scale);
            }
            const double cold = solve(model, book.option(i), book.quote[i]).volatility;
            // Within the table it does not even change the last digit.
            if (scale < 1e8)
                REQUIRE(same_bits(solve(model, book.option(i), book.quote[i], 1.01 * cold).volatility, cold));
            for (const double none : {not_a_number, 0.0, -1.0, infinity})
                REQUIRE(same_bits(solve(model, book.option(i), book.quote[i], none).volatility, cold));
        }
    }
}

TEST_CASE("prices on and next to their bounds") {
    for (const double kind : {1.0, -1.0})
        for (const double spot : {60.0, 99.0, 100.0, 101.0, 170.0})
            for (const double expiry : {1.0 / 525'600, 0.5, 3.0})
                for (const double r : {0.0, 0.04}) {
                    const European option{kind, spot, 100.0, expiry, r, 0.0};
                    const double intrinsic = value_of(Model::bsm, option, 0.0);
                    const double maximum = kind > 0.0 ? spot : 100.0 * std::exp(-r * expiry);
                    CAPTURE(kind);
                    CAPTURE(spot);
                    CAPTURE(expiry);
                    const Solved none = solve(Model::bsm, option, intrinsic);
                    CHECK(none.status == Status::no_vega);
                    CHECK(none.volatility == 0.0);
                    double above = intrinsic;
                    for (int ulps = 1; ulps <= 4; ++ulps) {
                        above = std::nextafter(above, infinity);
                        const Solved solved = solve(Model::bsm, option, above);
                        CHECK(solved.status == Status::ok);
                        CHECK(solved.volatility > 0.0);
                        if (intrinsic > 0.0) {
                            const double back = value_of(Model::bsm, option, solved.volatility);
                            CHECK(std::fabs(back - above) <= std::nextafter(above, infinity) - above);
                        }
                    }
                    const double ulp =
                        std::nextafter(std::max(spot, 100.0), infinity) - std::max(spot, 100.0);
                    CHECK(solve(Model::bsm, option, intrinsic - 3 * ulp).status == Status::no_vega);
                    const Solved below = solve(Model::bsm, option, intrinsic - 6 * ulp);
                    CHECK(below.status == Status::below_intrinsic);
                    CHECK(std::isnan(below.volatility));
                    double near = maximum;
                    for (int ulps = 1; ulps <= 4; ++ulps) {
                        near = std::nextafter(near, 0.0);
                        const Solved solved = solve(Model::bsm, option, near);
                        CHECK(solved.status == Status::ok);
                        const double back = value_of(Model::bsm, option, solved.volatility);
                        CHECK(std::fabs(back - near) <= std::nextafter(near, infinity) - near);
                    }
                    const Solved beyond = solve(Model::bsm, option, maximum * (1 + 4 * epsilon));
                    CHECK(beyond.status == Status::above_maximum);
                    CHECK(std::isnan(beyond.volatility));
                }
}

TEST_CASE("bad input has a status and no volatility") {
    for (const Model model : models) {
        const European good{1, 100, 100, 1, 0.01, 0.0, 0.0};
        const auto status = [&](auto change, double quote = 8.0) {
            European option = good;
            change(option);
            const Solved solved = solve(model, option, quote);
            CHECK(std::isnan(solved.volatility) == (solved.status != Status::ok));
            return solved.status;
        };
        CHECK(status([](European&) {}) == Status::ok);
        for (const double bad : {not_a_number, infinity, -infinity}) {
            CHECK(status([&](European& o) { o.spot = bad; }) == Status::invalid_input);
            CHECK(status([&](European& o) { o.strike = bad; }) == Status::invalid_input);
            CHECK(status([&](European& o) { o.time_to_expiry = bad; }) == Status::invalid_input);
            CHECK(status([&](European& o) { o.rate = bad; }) == Status::invalid_input);
            CHECK(status([](European&) {}, bad) == Status::invalid_input);
        }
        CHECK(status([](European& o) { o.kind = 0; }) == Status::invalid_input);
        CHECK(status([](European& o) { o.time_to_expiry = -1e-9; }) == Status::expired);
        CHECK(status([](European& o) { o.time_to_expiry = 0.0; }) == Status::above_maximum);
        const bool any_sign = model == Model::bachelier;
        CHECK((status([](European& o) { o.spot = -1.0; }) == Status::invalid_input) == !any_sign);
        CHECK((status([](European& o) { o.strike = 0.0; }, 100.0) == Status::invalid_input) == !any_sign);
    }
}

TEST_CASE("wings beyond the table and sizes at the ends of the number range") {
    for (const double x : {13.5, 30.0, 200.0, 690.0})
        for (const double h : {0.5, 3.0, 20.0})
            for (const double sign : {1.0, -1.0}) {
                const European option{-sign, std::exp(0.5 * sign * x), std::exp(-0.5 * sign * x), 1.0, 0.0,
                                      0.0};
                const double quote = value_of(Model::black76, option, x / h);
                const double maximum = std::min(option.spot, option.strike);
                if (!(quote > 1e-300) || maximum - quote < 1e-6 * maximum) continue;
                const Solved solved = solve(Model::black76, option, quote);
                CAPTURE(x);
                CAPTURE(h);
                CHECK(solved.status == Status::ok);
                CHECK(std::fabs(solved.volatility / (x / h) - 1.0) <= 1e-9);
                // Taken, beyond the reach of a step, useless.
                for (const double factor : {1.0, 1.0001, 0.95, 1.09, 1.2, 0.3, 1e3, 1e-200}) {
                    const Solved warm = solve(Model::black76, option, quote, factor * solved.volatility);
                    CAPTURE(factor);
                    CHECK(warm.status == Status::ok);
                    CHECK(std::fabs(warm.volatility / solved.volatility - 1.0) <= 4 * epsilon);
                }
            }
    for (const Model model : {Model::black76, Model::bachelier})
        for (const double size : {1e-290, 1e-100, 1e100, 1e290}) {
            const European option{1, 98 * size, 100 * size, 0.25, 0.0, 0.0};
            const double volatility = model == Model::bachelier ? 20.0 * size : 0.2;
            const Solved solved = solve(model, option, value_of(model, option, volatility));
            CAPTURE(size);
            CHECK(solved.status == Status::ok);
            CHECK(std::fabs(solved.volatility / volatility - 1.0) <= 1e-12);
        }
}

TEST_CASE("no finite input gives NaN with an ok status, nor anything else without one") {
    const double numbers[] = {0.0, 5e-324, 1e-300, 1e-8, 0.3, 1.0, 40.0, 1e8, 1e154, 1.7e308};
    for (const Model model : models)
        for (const double spot : numbers)
            for (const double strike : numbers)
                for (const double expiry : numbers)
                    for (const double quote : numbers)
                        for (const double r : {0.0, -0.01, 0.05})
                            for (const double kind : {1.0, -1.0}) {
                                const Solved solved =
                                    solve(model, {kind, spot, strike, expiry, r, 0.0}, quote);
                                const bool good =
                                    solved.status == Status::ok || solved.status == Status::no_vega;
                                if (good != (solved.volatility >= 0.0)) {
                                    CAPTURE(static_cast<int>(model));
                                    CAPTURE(spot);
                                    CAPTURE(strike);
                                    CAPTURE(expiry);
                                    CAPTURE(quote);
                                    CAPTURE(r);
                                    CAPTURE(kind);
                                    CAPTURE(solved.volatility);
                                    CHECK(good == (solved.volatility >= 0.0));
                                }
                            }
}

TEST_CASE("volatility and Greeks in one call are the two calls, bit for bit") {
    for (const Model model : models) {
        const Book book(model, 700, 19);
        std::vector<double> expected(book.size()), volatility(book.size());
        std::vector<std::int8_t> expected_status(book.size()), status(book.size());
        std::vector<std::vector<double>> apart(greek_count, std::vector<double>(book.size()));
        std::vector<std::vector<double>> together = apart;
        GreekColumns apart_columns, together_columns;
        for (std::size_t j = 0; j < greek_count; ++j) {
            apart_columns.columns[j] = into(apart[j]);
            together_columns.columns[j] = into(together[j]);
        }
        const EuropeanColumns columns = book.columns();
        implied_volatility(model, book.size(), columns, column(book.quote), {}, into(expected),
                           into(expected_status));
        greeks(model, 3, Units::desk, book.size(), columns, column(expected), apart_columns, {});
        implied_volatility_and_greeks(model, 3, Units::desk, book.size(), columns, column(book.quote), {},
                                      into(volatility), together_columns, into(status));
        CHECK(status == expected_status);
        for (std::size_t i = 0; i < book.size(); ++i) {
            CHECK(same_bits(volatility[i], expected[i]));
            for (std::size_t j = 0; j < greek_count; ++j) CHECK(same_bits(together[j][i], apart[j][i]));
        }
    }
}

TEST_CASE("powers of two of the money change nothing else") {
    const Book book(Model::bsm, 300, 23);
    for (std::size_t i = 0; i < book.size(); ++i) {
        if (std::fabs(std::log(book.spot[i] / book.strike[i])) > 12.0) continue;  // beyond the table
        for (const int power : {-60, -3, 1, 45}) {
            European scaled = book.option(i);
            scaled.spot = std::ldexp(scaled.spot, power);
            scaled.strike = std::ldexp(scaled.strike, power);
            const Solved one = solve(Model::bsm, book.option(i), book.quote[i]);
            const Solved other = solve(Model::bsm, scaled, std::ldexp(book.quote[i], power));
            CHECK(one.status == other.status);
            if (one.status == Status::ok) CHECK(same_bits(one.volatility, other.volatility));
        }
    }
}
