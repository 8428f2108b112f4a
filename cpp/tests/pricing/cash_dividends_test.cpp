// Options with cash dividends against published values, independent integrals, QuantLib and themselves.

#include "optionsib/pricing/cash_dividends.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <random>
#include <vector>

#include "../../src/pricing/cash_dividends_grid.hpp"
#include "optionsib/pricing/finite_difference.hpp"

using namespace optionsib;
using namespace optionsib::pricing;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr auto european = ExerciseStyle::european, american = ExerciseStyle::american;
constexpr auto spot_model = DividendModel::spot, escrowed = DividendModel::escrowed;

template <typename T>
In<T> column(const std::vector<T>& values) {
    return {reinterpret_cast<const std::byte*>(values.data()), sizeof(T)};
}

template <typename T>
Out<T> into(std::vector<T>& values) {
    return {reinterpret_cast<std::byte*>(values.data()), sizeof(T)};
}

bool same_bits(double a, double b) {
    return std::memcmp(&a, &b, sizeof a) == 0;
}

// Options with schedules of their own.
struct Book {
    std::vector<std::int8_t> kind{};
    std::vector<double> spot{}, strike{}, expiry{}, rate{}, yield{}, volatility{}, times{}, amounts{};
    std::vector<std::int64_t> offsets{0};

    void add(const European& o, double v, const std::vector<double>& at, const std::vector<double>& cash) {
        kind.push_back(static_cast<std::int8_t>(o.kind));
        spot.push_back(o.spot);
        strike.push_back(o.strike);
        expiry.push_back(o.time_to_expiry);
        rate.push_back(o.rate);
        yield.push_back(o.dividend_yield);
        volatility.push_back(v);
        times.insert(times.end(), at.begin(), at.end());
        amounts.insert(amounts.end(), cash.begin(), cash.end());
        offsets.push_back(static_cast<std::int64_t>(times.size()));
    }
    [[nodiscard]] std::size_t size() const { return kind.size(); }
    [[nodiscard]] EuropeanColumns columns() const {
        return {column(kind), column(spot), column(strike), column(expiry), column(rate), column(yield)};
    }
    [[nodiscard]] CashDividends dividends(DividendModel model) const {
        return {model, {column(times), column(amounts), times.size(), column(offsets)}};
    }
    [[nodiscard]] std::vector<double> price(ExerciseStyle style, Tier tier, DividendModel model) const {
        std::vector<double> result(size());
        std::vector<std::int8_t> status(size(), 99);
        cash_dividend_price(style, tier, size(), columns(), dividends(model), column(volatility),
                            into(result), into(status));
        for (std::size_t i = 0; i < size(); ++i) CHECK((status[i] == 0) == std::isfinite(result[i]));
        return result;
    }
    [[nodiscard]] std::array<std::vector<double>, 9> greeks(ExerciseStyle style, Tier tier,
                                                            DividendModel model) const {
        std::array<std::vector<double>, 9> result;
        GreekColumns to;
        for (std::size_t j = 0; j < 9; ++j) {
            result[j].resize(size());
            to.columns[j] = into(result[j]);
        }
        std::vector<std::int8_t> status(size());
        cash_dividend_greeks(style, tier, Units::raw, size(), columns(), dividends(model), column(volatility),
                             to, into(status));
        return result;
    }
};

double price_of(ExerciseStyle style, Tier tier, DividendModel model, const European& o, double v,
                const std::vector<double>& times, const std::vector<double>& amounts) {
    Book book;
    book.add(o, v, times, amounts);
    return book.price(style, tier, model)[0];
}

double black_scholes(const European& o, double v) {
    double result = 0.0;
    REQUIRE(price(Model::bsm, o, v, result) == Status::ok);
    return result;
}

// E f(S_t) discounted, S lognormal from `spot` without dividends, by Simpson's rule on 20,000 intervals.
double expectation(const European& o, double spot, double v, double t,
                   const std::function<double(double)>& f) {
    constexpr int intervals = 20000;
    const double s = v * std::sqrt(t), from = -9.0, h = 18.0 / intervals;
    double sum = 0.0;
    for (int i = 0; i <= intervals; ++i) {
        const double x = from + i * h;
        const double weight = i == 0 || i == intervals ? 1.0 : i % 2 == 1 ? 4.0 : 2.0;
        const double at = spot * std::exp((o.rate - o.dividend_yield) * t - 0.5 * s * s + s * x);
        sum += weight * std::exp(-0.5 * x * x) * f(at);
    }
    return std::exp(-o.rate * t) * sum * h / 3.0 * 0.39894228040143267794;
}

// One dividend and q = 0: the call is exercised just before the ex-date or at expiry. For the escrowed model
// this is the integral that Roll, Geske and Whaley evaluate, for the other that of Haug, Haug and Lewis.
double one_dividend_call(DividendModel model, const European& o, double v, double t, double cash,
                         bool exercise) {
    const double worth = model == escrowed ? cash * std::exp(-o.rate * t) : 0.0;
    return expectation(o, o.spot - worth, v, t, [&](double x) {
        European later = o;
        later.spot = model == escrowed ? x : x - cash;
        later.time_to_expiry = o.time_to_expiry - t;
        const double before = model == escrowed ? x + cash : x;
        const double hold = later.spot > 0.0 ? black_scholes(later, v) : 0.0;
        return exercise ? std::max(hold, before - o.strike) : hold;
    });
}

std::vector<double> quarterly(double first, double expiry) {
    std::vector<double> times;
    for (double t = first; t <= expiry; t += 0.25) times.push_back(t);
    return times;
}

Book random_book(std::size_t size, unsigned seed) {
    std::mt19937_64 generator(seed);
    const auto uniform = [&](double low, double high) {
        return low + (high - low) * static_cast<double>(generator() >> 11) * 0x1p-53;
    };
    Book book;
    for (std::size_t i = 0; i < size; ++i) {
        const double expiry = uniform(0.05, 2.0), v = uniform(0.12, 0.6);
        const std::vector<double> times = quarterly(uniform(0.003, 0.04), expiry);
        book.add({i % 2 == 0 ? 1.0 : -1.0, 100.0, 100.0 * std::exp(uniform(-0.3, 0.3)), expiry,
                  uniform(0.0, 0.06), i % 4 < 2 ? 0.0 : uniform(0.0, 0.03)},
                 v, times, std::vector<double>(times.size(), uniform(0.2, 1.0)));
    }
    return book;
}

}  // namespace

TEST_CASE("cash dividends: published European calls") {
    // Haug, Haug and Lewis (2003), table 6, column HHL: S = K = 100, r = 6 %, v = 25 %, 4 a year at mid-year;
    // as corrected by A. Lewis ("Errata for Back to Basics", 2016).
    const double published[] = {10.6606, 15.2007, 18.6002};
    std::vector<double> times, amounts;
    for (int years = 1; years <= 3; ++years) {
        times.push_back(years - 0.5);
        amounts.push_back(4.0);
        const European o{1, 100, 100, static_cast<double>(years), 0.06, 0.0};
        for (const Tier tier : {Tier::fast, Tier::accurate, Tier::high})
            CHECK(std::fabs(price_of(european, tier, spot_model, o, 0.25, times, amounts) -
                            published[years - 1]) < 5.1e-5);
    }
}

TEST_CASE("cash dividends: calls with one dividend are an integral") {
    for (const double t : {0.002, 0.3, 0.95, 1.0 - 1.0 / 365.0})  // the last: one day before expiry
        for (const double cash : {0.5, 7.0})
            for (const double strike : {80.0, 100.0, 125.0}) {
                const European o{1, 100, strike, 1.0, 0.06, 0.0};
                CAPTURE(t);
                CAPTURE(cash);
                CAPTURE(strike);
                for (const DividendModel model : {spot_model, escrowed}) {
                    const double truth = one_dividend_call(model, o, 0.3, t, cash, true);
                    CHECK(std::fabs(price_of(american, Tier::fast, model, o, 0.3, {t}, {cash}) - truth) <
                          1.5e-3);
                    CHECK(std::fabs(price_of(american, Tier::accurate, model, o, 0.3, {t}, {cash}) - truth) <
                          1e-4);
                    CHECK(std::fabs(price_of(american, Tier::high, model, o, 0.3, {t}, {cash}) - truth) <
                          2e-5);
                }
                const double truth = one_dividend_call(spot_model, o, 0.3, t, cash, false);
                CHECK(std::fabs(price_of(european, Tier::high, spot_model, o, 0.3, {t}, {cash}) - truth) <
                      2e-5);
            }
}

TEST_CASE("cash dividends: QuantLib") {
    // Computed with QuantLib 1.44: FdBlackScholesVanillaEngine, TR-BDF2, cash dividend models Spot and
    // Escrowed, extrapolated from 1000 x 500 and 2000 x 1000 (space x time); S = 100, a dividend each 91 days
    // from `first`, each larger than the one before by 2 % of the first. Its own error is about 2e-4.
    struct Row {
        double kind, strike;
        int days;
        double rate, yield, volatility;
        int first;
        double cash;
        int count;
        double values[4];  // American and European of the spot model, then of the escrowed one
    };
    const Row rows[] = {
        {-1,
         126.91257537874935,
         428,
         0.01351243139943551,
         0,
         0.5393056537902057,
         70,
         0.20421224365245977,
         4,
         {40.84317, 40.62287, 40.75183, 40.53236}},
        {-1,
         119.51140943282783,
         99,
         0.01818194560915881,
         0,
         0.2423374020739798,
         43,
         0.55606104470611728,
         1,
         {20.18108, 19.96679, 20.17647, 19.96210}},
        {-1,
         76.06098028773836,
         332,
         0.030893329216282215,
         0,
         0.5602405311325691,
         4,
         0.70338100359280842,
         4,
         {8.93643, 8.87169, 8.71716, 8.65430}},
        {1,
         74.247991827244306,
         456,
         0.009267664863686392,
         0,
         0.5425594339107978,
         75,
         0.60783264789473856,
         5,
         {34.81476, 34.39663, 34.44291, 34.02413}},
        {-1,
         105.54793414285557,
         328,
         0.03827979484729993,
         0.004523640575051061,
         0.33135046425033,
         55,
         0.39165116946361866,
         4,
         {14.83199, 14.67490, 14.71493, 14.55939}},
        {1,
         78.507380725317361,
         304,
         0.012900242241352802,
         0.009012602444372108,
         0.5395569725517622,
         88,
         0.72977179067076303,
         3,
         {28.99832, 28.56329, 28.77274, 28.33940}},
        {1,
         123.00374210319288,
         359,
         0.05423500729175561,
         0.004363798612827807,
         0.21238247758479953,
         86,
         0.94232454779561958,
         4,
         {2.38150, 2.23092, 2.24562, 2.09952}},
        {1,
         105.56688946381428,
         214,
         0.021324826621410723,
         0.02295742149835568,
         0.5564060707154641,
         62,
         0.32084982246145238,
         2,
         {14.22876, 14.17522, 14.17364, 14.12062}},
        {-1,
         93.468975123892079,
         582,
         0.04562239775941093,
         0.00443964446286194,
         0.4620843245095031,
         13,
         0.86025872024003225,
         7,
         {18.49382, 18.37325, 17.79870, 17.68194}},
    };
    for (const Row& row : rows) {
        std::vector<double> times, amounts;
        for (int j = 0; j < row.count; ++j) {
            times.push_back((row.first + 91 * j) / 365.0);
            amounts.push_back(row.cash * (1.0 + 0.02 * j));
        }
        const European o{row.kind, 100, row.strike, row.days / 365.0, row.rate, row.yield};
        CAPTURE(row.strike);
        for (int m = 0; m < 4; ++m) {
            const DividendModel model = m < 2 ? spot_model : escrowed;
            const ExerciseStyle style = m % 2 == 0 ? american : european;
            const double tolerance = style == european ? 6e-5 : 6e-4;
            CAPTURE(m);
            CHECK(std::fabs(price_of(style, Tier::high, model, o, row.volatility, times, amounts) -
                            row.values[m]) < tolerance);
            CHECK(std::fabs(price_of(style, Tier::fast, model, o, row.volatility, times, amounts) -
                            row.values[m]) < 5e-3);
        }
    }
}

TEST_CASE("cash dividends: the tiers converge" * doctest::test_suite("slow")) {
    const Book book = random_book(48, 11);
    for (const ExerciseStyle style : {european, american})
        for (const DividendModel model : {spot_model, escrowed}) {
            const std::vector<double> high = book.price(style, Tier::high, model);
            const std::vector<double> accurate = book.price(style, Tier::accurate, model);
            const std::vector<double> fast = book.price(style, Tier::fast, model);
            for (std::size_t i = 0; i < book.size(); ++i) {
                CAPTURE(i);
                CHECK(std::fabs(accurate[i] - high[i]) < (style == european ? 1e-5 : 4e-4));
                CHECK(std::fabs(fast[i] - high[i]) < (style == european ? 2e-4 : 5e-3));
            }
        }
}

TEST_CASE("cash dividends: a dividend of nothing is none") {
    std::vector<double> workspace(finite_difference_workspace({1600, 1600}));
    for (const double kind : {1.0, -1.0})
        for (const auto& [rate, yield] : {std::pair{0.05, 0.0}, std::pair{0.03, 0.06},
                                          std::pair{-0.005, -0.02}, std::pair{-0.02, -0.005}}) {
            const European o{kind, 100, 104, 1.5, rate, yield};
            FiniteDifferenceResult plain{};
            REQUIRE(finite_difference(american, o, 0.22, {1600, 1600}, workspace, plain) == Status::ok);
            for (const DividendModel model : {spot_model, escrowed}) {
                CHECK(std::fabs(price_of(american, Tier::accurate, model, o, 0.22, {0.4, 0.9}, {0, 0}) -
                                plain.price) < 6e-4);
                CHECK(std::fabs(price_of(european, Tier::accurate, model, o, 0.22, {0.4, 0.9}, {0, 0}) -
                                black_scholes(o, 0.22)) < 1e-5);
            }
        }
}

TEST_CASE("cash dividends: without one that counts, the kernels without") {
    const European o{-1, 100, 104, 0.5, 0.04, 0.01};
    Book book;
    book.add(o, 0.3, {-0.1, 0.0, 0.500001}, {5, 5, 5});
    book.add(o, 0.3, {}, {});
    std::vector<double> plain(2), greek(2);
    std::vector<std::int8_t> status(2);
    american_price(Model::bsm, Tier::fast, 2, book.columns(), column(book.volatility), into(plain),
                   into(status));
    const std::vector<double> found = book.price(american, Tier::fast, spot_model);
    for (std::size_t i = 0; i < 2; ++i) {
        CHECK(same_bits(found[i], plain[i]));
        CHECK(same_bits(book.price(european, Tier::fast, spot_model)[i], black_scholes(o, 0.3)));
    }
}

TEST_CASE("cash dividends: Greeks are derivatives of the price" * doctest::test_suite("slow")) {
    Book book = random_book(24, 3);
    const std::size_t size = book.size();
    for (const ExerciseStyle style : {european, american})
        for (const DividendModel model : {spot_model, escrowed}) {
            const auto greeks = book.greeks(style, Tier::high, model);
            const std::vector<double> middle = book.price(style, Tier::high, model);
            const auto check = [&](Greek greek, std::vector<double>& moved, double h, double tolerance,
                                   bool second) {
                const std::vector<double> kept = moved;
                for (double& x : moved) x += h;
                const std::vector<double> up = book.price(style, Tier::high, model);
                for (std::size_t i = 0; i < moved.size(); ++i) moved[i] = kept[i] - h;
                const std::vector<double> down = book.price(style, Tier::high, model);
                moved = kept;
                for (std::size_t i = 0; i < size; ++i) {
                    const double slope = second ? (up[i] - 2.0 * middle[i] + down[i]) / (h * h)
                                                : (up[i] - down[i]) / (2.0 * h);
                    CAPTURE(i);
                    CAPTURE(static_cast<int>(greek));
                    CHECK(std::fabs(greeks[static_cast<std::size_t>(greek)][i] - slope) < tolerance);
                }
            };
            const double loose = style == american ? 1.0 : 0.1;
            check(Greek::delta, book.spot, 0.05, 6e-4 * loose, false);
            check(Greek::gamma, book.spot, 0.5, 4e-4 * loose, true);
            check(Greek::vega, book.volatility, 2e-3, 0.06 * loose, false);
            check(Greek::rho, book.rate, 1e-3, 0.2 * loose, false);
            check(Greek::epsilon, book.yield, 1e-3, 0.3 * loose, false);
            check(Greek::dual_delta, book.strike, 0.05, 6e-4 * loose, false);
            check(Greek::dual_gamma, book.strike, 0.5, 6e-4 * loose, true);
            // theta: the calendar moves, every time is shorter.
            Book later = book;
            constexpr double h = 2e-4;
            std::vector<double> ends[2];
            for (int side = 0; side < 2; ++side) {
                const double by = side == 0 ? h : -h;
                for (std::size_t i = 0; i < size; ++i) later.expiry[i] = book.expiry[i] - by;
                for (std::size_t j = 0; j < book.times.size(); ++j) later.times[j] = book.times[j] - by;
                ends[side] = later.price(style, Tier::high, model);
            }
            for (std::size_t i = 0; i < size; ++i) {
                CAPTURE(i);
                const double theta = greeks[static_cast<std::size_t>(Greek::theta)][i];
                CHECK(std::fabs(theta - (ends[0][i] - ends[1][i]) / (2.0 * h)) < 0.03 * loose);
            }
        }
}

TEST_CASE("cash dividends: exercise at once") {
    const European o{-1, 60, 100, 1.0, 0.08, 0.0};
    Book book;
    book.add(o, 0.15, {0.7}, {0.1});
    const auto greeks = book.greeks(american, Tier::fast, spot_model);
    CHECK(greeks[0][0] == 40.0);
    CHECK(greeks[1][0] == -1.0);
    for (const std::size_t j : {2u, 3u, 4u, 5u, 6u, 8u}) CHECK(greeks[j][0] == 0.0);
    CHECK(greeks[7][0] == 1.0);
}

TEST_CASE("cash dividends: what the prices obey") {
    const Book book = random_book(64, 29);
    Book more = book;
    for (double& cash : more.amounts) cash *= 1.5;
    for (const DividendModel model : {spot_model, escrowed}) {
        const std::vector<double> early = book.price(american, Tier::accurate, model);
        const std::vector<double> late = book.price(european, Tier::accurate, model);
        const std::vector<double> poorer = more.price(european, Tier::accurate, model);
        for (std::size_t i = 0; i < book.size(); ++i) {
            CAPTURE(i);
            CHECK(early[i] >= late[i] - 3e-4);
            CHECK(early[i] >= std::max(book.kind[i] * (book.spot[i] - book.strike[i]), 0.0));
            CHECK(book.kind[i] * (poorer[i] - late[i]) < 0.0);
        }
    }
    // Put-call parity: the forward less the strike.
    Book flipped = book;
    for (auto& kind : flipped.kind) kind = static_cast<std::int8_t>(-kind);
    const std::vector<double> a = book.price(european, Tier::high, spot_model);
    const std::vector<double> b = flipped.price(european, Tier::high, spot_model);
    for (std::size_t i = 0; i < book.size(); ++i) {
        double forward = book.spot[i] * std::exp(-book.yield[i] * book.expiry[i]);
        for (auto j = static_cast<std::size_t>(book.offsets[i]);
             j < static_cast<std::size_t>(book.offsets[i + 1]); ++j)
            forward -= book.amounts[j] * std::exp(-book.rate[i] * book.times[j] -
                                                  book.yield[i] * (book.expiry[i] - book.times[j]));
        const double parity = forward - book.strike[i] * std::exp(-book.rate[i] * book.expiry[i]);
        CHECK(std::fabs(book.kind[i] * (a[i] - b[i]) - parity) < 2e-6);
    }
}

TEST_CASE("cash dividends: more than the spot can pay") {
    // What is left after the third dividend is next to nothing, with a volatility relative to it without
    // bound.
    const European ruined{1, 99.499, 51.769, 2.2708, -0.00685, 0.0};
    const std::vector<double> when{0.3588, 1.0907, 1.1115}, paid{55.38, 38.38, 41.94};
    for (const ExerciseStyle style : {european, american}) {
        const double truth = price_of(style, Tier::high, spot_model, ruined, 0.8504, when, paid);
        CHECK(truth >= (style == american ? 99.499 - 51.769 : 0.0));
        CHECK(std::fabs(price_of(style, Tier::fast, spot_model, ruined, 0.8504, when, paid) - truth) < 5e-3);
        CHECK(std::fabs(price_of(style, Tier::accurate, spot_model, ruined, 0.8504, when, paid) - truth) <
              5e-4);
    }
    // Two dividends in succession are their sum paid once, however little is left: an integral.
    for (const double strike : {20.0, 60.0}) {
        const European o{1, 100, strike, 1.0, 0.02, 0.0};
        const double exact = one_dividend_call(spot_model, o, 0.6, 0.5, 160.0, false);
        const std::vector<double> times{0.5, 0.5}, amounts{75.0, 85.0};
        CHECK(std::fabs(price_of(european, Tier::accurate, spot_model, o, 0.6, times, amounts) - exact) <
              1e-2);
    }
}

TEST_CASE("cash dividends: no price out of its bounds, whatever is paid") {
    std::mt19937_64 generator(97);
    const auto uniform = [&](double low, double high) {
        return low + (high - low) * static_cast<double>(generator() >> 11) * 0x1p-53;
    };
    for (const double largest : {30.0, 150.0}) {
        Book book;
        for (int i = 0; i < 150; ++i) {
            const double expiry = std::exp(uniform(-4.0, 1.0));
            std::vector<double> times(1 + generator() % 5), amounts;
            for (double& t : times) t = uniform(0.0, expiry);
            std::sort(times.begin(), times.end());
            for (std::size_t j = 0; j < times.size(); ++j) amounts.push_back(uniform(0.0, largest));
            book.add({i % 2 == 0 ? 1.0 : -1.0, 100.0, 100.0 * std::exp(uniform(-0.8, 0.8)), expiry,
                      i % 7 == 0 ? 0.0 : uniform(-0.03, 0.1), i % 3 != 0 ? 0.0 : uniform(-0.03, 0.1)},
                     std::exp(uniform(-3.0, 0.7)), times, amounts);
        }
        for (const DividendModel model : {spot_model, escrowed}) {
            const std::vector<double> least = book.price(european, Tier::fast, model);
            const auto all = book.greeks(american, Tier::fast, model);
            for (std::size_t i = 0; i < book.size(); ++i) {
                if (std::isnan(least[i])) continue;  // escrowed dividends worth more than the spot
                CAPTURE(i);
                const double price = all[0][i], kind = book.kind[i], T = book.expiry[i];
                const double most = kind > 0.0 ? book.spot[i] * std::exp(std::max(-book.yield[i], 0.0) * T)
                                               : book.strike[i] * std::exp(std::max(-book.rate[i], 0.0) * T);
                CHECK(least[i] >= 0.0);
                CHECK(least[i] <= most + 1e-6);
                CHECK(price >= kind * (book.spot[i] - book.strike[i]));
                CHECK(price >= least[i] - 2e-2);  // the error of the tier where v sqrt(T) is 3
                CHECK(price <= most + 1e-6);
                for (const auto& values : all) CHECK(std::isfinite(values[i]));
            }
        }
    }
}

TEST_CASE("cash dividends: where the grid breaks down the status says so") {
    // An ex-date so near that the square of the grid's step is no number.
    Book book;
    book.add({-1, 100, 100, 0.001, 0.05, 0.03}, 0.2, {1e-303}, {1.0});
    std::vector<double> result(1, 0.0), delta(1, 0.0), again(1, 0.0), hold(1, 0.0), exercise(1, 0.0);
    std::vector<std::int8_t> status(1);
    GreekColumns to;
    to[Greek::delta] = into(delta);
    const auto refused = [&](double value) {
        CHECK(static_cast<Status>(status[0]) == Status::unsupported);
        CHECK(std::isnan(value));
        status[0] = 0;
    };
    for (const ExerciseStyle style : {european, american}) {
        cash_dividend_price(style, Tier::fast, 1, book.columns(), book.dividends(spot_model),
                            column(book.volatility), into(result), into(status));
        refused(result[0]);
        cash_dividend_greeks(style, Tier::fast, Units::desk, 1, book.columns(), book.dividends(spot_model),
                             column(book.volatility), to, into(status));
        refused(delta[0]);
        const std::vector<double> price{2.0};
        cash_dividend_implied_volatility(style, Tier::fast, 1, book.columns(), book.dividends(spot_model),
                                         column(price), {}, into(again), into(status));
        refused(again[0]);
    }
    exercise_before_dividend(Tier::fast, 1, book.columns(), book.dividends(spot_model),
                             column(book.volatility), into(hold), into(exercise), {}, into(status));
    refused(hold[0]);
    CHECK(std::isnan(exercise[0]));
}

TEST_CASE("cash dividends: a rate of rounding size is none") {
    for (const double none : {5e-324, 1e-30, 1e-12, -1e-12, -5e-324})
        for (const double kind : {1.0, -1.0}) {
            const European o{kind, 100, 105, 1.0, kind > 0.0 ? 0.03 : 0.0, kind > 0.0 ? 0.0 : 0.03};
            European with = o;
            (kind > 0.0 ? with.dividend_yield : with.rate) = none;
            const double expected = price_of(american, Tier::fast, spot_model, o, 0.3, {0.4}, {2.0});
            CHECK(std::fabs(price_of(american, Tier::fast, spot_model, with, 0.3, {0.4}, {2.0}) - expected) <
                  1e-8);
        }
}

TEST_CASE("cash dividends: an element's result is its own") {
    const Book book = random_book(37, 17);
    for (const ExerciseStyle style : {european, american}) {
        const auto together = book.greeks(style, Tier::fast, spot_model);
        for (const std::size_t i : {0u, 5u, 18u, 36u}) {
            const auto begin = static_cast<std::size_t>(book.offsets[i]),
                       end = static_cast<std::size_t>(book.offsets[i + 1]);
            const European o{static_cast<double>(book.kind[i]),
                             book.spot[i],
                             book.strike[i],
                             book.expiry[i],
                             book.rate[i],
                             book.yield[i]};
            Book alone;
            alone.add(o, book.volatility[i],
                      {book.times.begin() + static_cast<std::ptrdiff_t>(begin),
                       book.times.begin() + static_cast<std::ptrdiff_t>(end)},
                      {book.amounts.begin() + static_cast<std::ptrdiff_t>(begin),
                       book.amounts.begin() + static_cast<std::ptrdiff_t>(end)});
            const auto single = alone.greeks(style, Tier::fast, spot_model);
            // The same schedule for all instead of offsets.
            CashDividends shared = alone.dividends(spot_model);
            shared.schedule.offsets = {};
            std::vector<double> price(1);
            std::vector<std::int8_t> status(1);
            cash_dividend_price(style, Tier::fast, 1, alone.columns(), shared, column(alone.volatility),
                                into(price), into(status));
            CHECK(std::fabs(price[0] - single[0][0]) == 0.0);
            for (std::size_t j = 0; j < 9; ++j) {
                CAPTURE(j);
                CHECK(same_bits(single[j][0], together[j][i]));
            }
        }
    }
}

TEST_CASE("cash dividends: the instruction sets agree") {
    const Book book = random_book(24, 41);
    const CashDividends dividends = book.dividends(spot_model);
    for (const ExerciseStyle style : {european, american}) {
        std::vector<CashDividendOption> options;
        std::vector<std::size_t> which;
        for (std::size_t i = 0; i < book.size(); ++i) {
            options.push_back(read_option(style, book.columns(), dividends, book.volatility[i], i));
            which.push_back(i);
        }
        std::vector<CashDividendValue> base(book.size()), other(book.size());
        CashDividendSolver(style, Tier::fast, dividends, SimdPath::baseline)
            .solve(Wanted::all, options.data(), which.data(), which.size(), base.data());
        for (const SimdPath path : {SimdPath::avx2, SimdPath::avx512}) {
            if (!simd_path_supported(path)) continue;
            CashDividendSolver(style, Tier::fast, dividends, path)
                .solve(Wanted::all, options.data(), which.data(), which.size(), other.data());
            for (std::size_t i = 0; i < book.size(); ++i) {
                CAPTURE(i);
                CHECK(std::fabs(base[i].price - other[i].price) < 1e-9);
                CHECK(std::fabs(base[i].delta - other[i].delta) < 1e-9);
                CHECK(std::fabs(base[i].vega - other[i].vega) < 1e-6);
                CHECK(std::fabs(base[i].rho - other[i].rho) < 1e-6);
            }
        }
    }
}

TEST_CASE("cash dividends: implied volatility") {
    const Book book = random_book(64, 53);
    const std::size_t size = book.size();
    for (const ExerciseStyle style : {european, american})
        for (const DividendModel model : {spot_model, escrowed}) {
            const std::vector<double> price = book.price(style, Tier::fast, model);
            const std::vector<double> vega = book.greeks(style, Tier::fast, model)[3];
            std::vector<double> volatility(size), again(size);
            std::vector<std::int8_t> status(size);
            cash_dividend_implied_volatility(style, Tier::fast, size, book.columns(), book.dividends(model),
                                             column(price), {}, into(volatility), into(status));
            Book found = book;
            for (std::size_t i = 0; i < size; ++i) {
                CAPTURE(i);
                if (style == american && price[i] == book.kind[i] * (book.spot[i] - book.strike[i])) {
                    CHECK(static_cast<Status>(status[i]) == Status::at_intrinsic);
                    CHECK(std::isnan(volatility[i]));
                    found.volatility[i] = book.volatility[i];
                    continue;
                }
                // Next to its bound a price of this tier's accuracy tells nothing.
                if (vega[i] > 1.0) {
                    CHECK(status[i] == 0);
                    CHECK(std::fabs(volatility[i] / book.volatility[i] - 1.0) < 1e-6);
                }
                found.volatility[i] = status[i] == 0 ? volatility[i] : book.volatility[i];
            }
            again = found.price(style, Tier::fast, model);
            for (std::size_t i = 0; i < size; ++i) CHECK(std::fabs(again[i] - price[i]) < 1e-5);
        }
}

TEST_CASE("cash dividends: prices that no volatility gives") {
    struct Case {
        ExerciseStyle style;
        double kind, strike, price;
        Status status;
    };
    const Case cases[] = {
        {american, -1, 110, 9.9, Status::below_intrinsic},
        {american, -1, 110, 10.0, Status::at_intrinsic},
        {american, -1, 110, 110.0, Status::above_maximum},
        {american, 1, 110, 100.0, Status::above_maximum},
        {american, 1, 110, 0.0, Status::no_vega},
        {american, 1, 110, -1.0, Status::below_intrinsic},
        {european, 1, 90, 1.0, Status::below_intrinsic},
        {european, -1, 110, 109.99, Status::above_maximum},
        {american, 1, 110, not_a_number, Status::invalid_input},
    };
    for (const Case& c : cases) {
        Book book;
        book.add({c.kind, 100, c.strike, 1.0, 0.05, 0.0}, 0.2, {0.5}, {1.0});
        std::vector<double> volatility(1), price{c.price}, delta(1);
        std::vector<std::int8_t> status(1);
        GreekColumns to;
        to[Greek::delta] = into(delta);
        cash_dividend_implied_volatility_and_greeks(c.style, Tier::fast, Units::raw, 1, book.columns(),
                                                    book.dividends(spot_model), column(price), {},
                                                    into(volatility), to, into(status));
        CAPTURE(c.price);
        CAPTURE(c.kind);
        CHECK(static_cast<Status>(status[0]) == c.status);
        CHECK(std::isnan(volatility[0]) == (c.status != Status::no_vega));
        CHECK(std::isnan(delta[0]) == (c.status != Status::no_vega));
    }
}

TEST_CASE("cash dividends: bad input") {
    const European good{1, 100, 100, 1.0, 0.05, 0.0};
    const auto status_of = [](const European& o, double v, const std::vector<double>& times,
                              const std::vector<double>& amounts, DividendModel model = spot_model) {
        Book book;
        book.add(o, v, times, amounts);
        std::vector<double> result(1, 0.0);
        std::vector<std::int8_t> status(1);
        cash_dividend_price(american, Tier::fast, 1, book.columns(), book.dividends(model),
                            column(book.volatility), into(result), into(status));
        CHECK(std::isnan(result[0]) == (status[0] != 0));
        return static_cast<Status>(status[0]);
    };
    CHECK(status_of(good, 0.2, {0.5}, {1}) == Status::ok);
    CHECK(status_of(good, 0.2, {0.5, 0.4}, {1, 1}) == Status::invalid_input);  // not ascending
    CHECK(status_of(good, 0.2, {0.5, 0.5}, {1, 1}) == Status::ok);
    CHECK(status_of(good, 0.2, {0.5}, {-1}) == Status::invalid_input);
    CHECK(status_of(good, 0.2, {not_a_number}, {1}) == Status::invalid_input);
    CHECK(status_of(good, 0.2, {2.0}, {not_a_number}) == Status::invalid_input);
    CHECK(status_of(good, -0.2, {0.5}, {1}) == Status::invalid_input);
    CHECK(status_of(good, not_a_number, {0.5}, {1}) == Status::invalid_input);
    CHECK(status_of({1, -100, 100, 1, 0.05, 0}, 0.2, {0.5}, {1}) == Status::invalid_input);
    CHECK(status_of({2, 100, 100, 1, 0.05, 0}, 0.2, {0.5}, {1}) == Status::invalid_input);
    CHECK(status_of({1, 100, 100, 1, not_a_number, 0}, 0.2, {0.5}, {1}) == Status::invalid_input);
    CHECK(status_of(good, 0.2, {0.5}, {150}, escrowed) == Status::invalid_input);  // worth more than the spot
    CHECK(status_of(good, 0.2, {0.5}, {150}) == Status::ok);
    CHECK(status_of(good, 5.0, {0.5}, {1}) == Status::unsupported);
    CHECK(status_of(good, 0.0, {0.5}, {1}) == Status::ok);
    CHECK(status_of(good, 0.2, std::vector<double>(65, 0.5), std::vector<double>(65, 0.1)) ==
          Status::unsupported);
}

TEST_CASE("cash dividends: no volatility is a certain path") {
    // Exercised at the best of now, just before the dividend and expiry.
    const European o{1, 100, 95, 1.0, 0.05, 0.0};
    const double before = std::exp(-0.05 * 0.5) * (100.0 * std::exp(0.05 * 0.5) - 95.0);
    CHECK(std::fabs(price_of(american, Tier::fast, spot_model, o, 0.0, {0.5}, {6.0}) - before) < 1e-4);
    const double forward = (100.0 * std::exp(0.05 * 0.5) - 6.0) * std::exp(0.05 * 0.5);
    const double held = std::exp(-0.05) * (forward - 95.0);
    CHECK(std::fabs(price_of(european, Tier::fast, spot_model, o, 0.0, {0.5}, {6.0}) - held) < 1e-4);
}

TEST_CASE("cash dividends: whether to exercise before the ex-date") {
    Book book;
    for (const double spot : {95.0, 110.0, 116.0, 130.0})
        book.add({1, spot, 100, 0.5, 0.03, 0.0}, 0.25, {0.01, 0.26}, {2, 2});
    std::vector<double> hold(4), exercise(4), critical(4), all(8);
    std::vector<std::int8_t> status(4);
    for (const DividendModel model : {spot_model, escrowed}) {
        exercise_before_dividend(Tier::accurate, 4, book.columns(), book.dividends(model),
                                 column(book.volatility), into(hold), into(exercise), into(critical),
                                 into(status));
        const std::vector<double> best = book.price(american, Tier::accurate, model);
        for (std::size_t i = 0; i < 4; ++i) {
            CHECK(status[i] == 0);
            CHECK(hold[i] <= best[i] + 1e-9);
            CHECK(exercise[i] <= best[i] + 1e-9);
            CHECK(std::fabs(critical[i] - critical[0]) < 2e-3);
            CHECK((hold[i] > exercise[i]) == (book.spot[i] * std::exp(0.03 * 0.01) < critical[i]));
        }
        exercise_boundary_before_dividends(Tier::accurate, 4, book.columns(), book.dividends(model),
                                           column(book.volatility), into(all), into(status));
        for (std::size_t i = 0; i < 4; ++i) CHECK(same_bits(all[2 * i], critical[i]));
        // At the last critical spot exercise and the option after the dividend are worth the same.
        const double after = all[1] - 2.0;
        CHECK(std::fabs(black_scholes({1, after, 100, 0.24, 0.03, 0.0}, 0.25) - (all[1] - 100.0)) < 2e-4);
    }
    // A dividend smaller than the interest on the strike: never.
    Book small;
    small.add({1, 110, 100, 0.5, 0.10, 0.0}, 0.25, {0.1}, {0.5});
    exercise_before_dividend(Tier::accurate, 1, small.columns(), small.dividends(spot_model),
                             column(small.volatility), into(hold), into(exercise), into(critical),
                             into(status));
    CHECK(std::isnan(critical[0]));
}

TEST_CASE("cash dividends: the expansion") {
    Book book = random_book(64, 71);
    const std::size_t size = book.size();
    std::vector<double> expanded(size);
    std::vector<std::int8_t> status(size);
    for (const auto& [factor, tolerance] : {std::pair{1.0, 1e-4}, std::pair{3.0, 2e-3}}) {
        Book scaled = book;
        for (double& cash : scaled.amounts) cash *= factor;
        const std::vector<double> truth = scaled.price(european, Tier::high, spot_model);
        cash_dividend_expansion_price(size, scaled.columns(), scaled.dividends(spot_model),
                                      column(book.volatility), into(expanded), into(status));
        for (std::size_t i = 0; i < size; ++i) {
            CAPTURE(i);
            CHECK(status[i] == 0);
            CHECK(std::fabs(expanded[i] - truth[i]) < tolerance);
        }
    }
}
