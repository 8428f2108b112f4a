// American prices and boundaries: published values, two independent solutions (american_reference.hpp, and
// the kernel's own method in long double on twice the nodes), the borders of the regions, and what holds bit
// for bit.

#include "optionsib/pricing/american.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "../../src/pricing/american_table.hpp"
#include "../../src/pricing/european_table.hpp"
#include "american_reference.hpp"
#include "optionsib/pricing/american_kernel.hpp"

using namespace optionsib;
using namespace optionsib::pricing;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr Tier tiers[] = {Tier::fast, Tier::accurate, Tier::high};

struct Option {
    double kind, spot, strike, expiry, rate, yield, volatility;
};

struct Book {
    std::vector<std::int8_t> kind;
    std::vector<double> spot, strike, expiry, rate, yield, volatility;

    Book() = default;
    explicit Book(const std::vector<Option>& options) {
        for (const Option& option : options) add(option);
    }
    void add(const Option& o) {
        kind.push_back(static_cast<std::int8_t>(o.kind));
        spot.push_back(o.spot), strike.push_back(o.strike), expiry.push_back(o.expiry);
        rate.push_back(o.rate), yield.push_back(o.yield), volatility.push_back(o.volatility);
    }
    [[nodiscard]] std::size_t size() const { return kind.size(); }
    [[nodiscard]] EuropeanColumns columns(std::size_t begin) const {
        return {in(kind, begin),   in(spot, begin), in(strike, begin),
                in(expiry, begin), in(rate, begin), in(yield, begin)};
    }
    template <typename T>
    static In<T> in(const std::vector<T>& values, std::size_t begin) {
        return {reinterpret_cast<const std::byte*>(values.data() + begin), sizeof(T)};
    }
};

template <typename T>
Out<T> out(std::vector<T>& values) {
    return {reinterpret_cast<std::byte*>(values.data()), sizeof(T)};
}

struct Result {
    std::vector<double> first, second;  // price; or lower and upper
    std::vector<std::int8_t> status;
};

std::vector<SimdPath> supported_paths() {
    std::vector<SimdPath> found;
    for (const SimdPath path : {SimdPath::baseline, SimdPath::avx2, SimdPath::avx512})
        if (simd_path_supported(path)) found.push_back(path);
    return found;
}

Result prices(SimdPath path, Tier tier, const Book& book, std::size_t begin, std::size_t size) {
    Result result{std::vector<double>(size), {}, std::vector<std::int8_t>(size)};
    const EuropeanColumns columns = book.columns(begin);
    american_kernels(path).price[0][static_cast<std::size_t>(tier)]({size,
                                                                     &columns,
                                                                     Book::in(book.volatility, begin),
                                                                     out(result.first),
                                                                     {},
                                                                     {},
                                                                     out(result.status),
                                                                     Model::bsm,
                                                                     tier,
                                                                     &american_grids()});
    return result;
}

std::vector<double> european_prices(SimdPath path, const Book& book) {
    std::vector<double> result(book.size());
    const EuropeanColumns columns = book.columns(0);
    const Out<double> to = out(result);
    european_kernels(path).run[0][0](
        {book.size(), &columns, Book::in(book.volatility, 0), &to, {}, Model::bsm, nullptr});
    return result;
}

Result boundaries(Tier tier, const Book& book) {
    Result result{std::vector<double>(book.size()), std::vector<double>(book.size()),
                  std::vector<std::int8_t>(book.size())};
    exercise_boundary(Model::bsm, tier, book.size(), book.columns(0), Book::in(book.volatility, 0),
                      out(result.first), out(result.second), out(result.status));
    return result;
}

double price_of(const Option& option, Tier tier = Tier::high) {
    const Book book({option});
    std::vector<double> result(1);
    std::vector<std::int8_t> status(1);
    american_price(Model::bsm, tier, 1, book.columns(0), Book::in(book.volatility, 0), out(result),
                   out(status));
    REQUIRE(status[0] == 0);
    return result[0];
}

double european_price_of(const Option& o) {
    double result = 0.0;
    REQUIRE(price(Model::bsm, {o.kind, o.spot, o.strike, o.expiry, o.rate, o.yield}, o.volatility, result) ==
            Status::ok);
    return result;
}

class Random {
  public:
    explicit Random(unsigned seed) : generator_(seed) {}

    double operator()(double low, double high) {
        return low + (high - low) * static_cast<double>(generator_() >> 11) * 0x1p-53;
    }

  private:
    std::mt19937_64 generator_;
};

// Spot 100; 14 days to 3 years, rates and yields of 0 to 9 %, volatility 10 to 80 %.
std::vector<Option> random_options(std::size_t size, unsigned seed) {
    Random uniform(seed);
    std::vector<Option> options;
    for (std::size_t i = 0; i < size; ++i) {
        const double kind = uniform(0, 1) < 0.5 ? 1.0 : -1.0, strike = 100.0 * std::exp(uniform(-0.45, 0.45));
        const double expiry = uniform(14.0 / 365.0, 3.0), rate = uniform(0, 0.09);
        options.push_back({kind, 100.0, strike, expiry, rate, uniform(0, 0.09), uniform(0.1, 0.8)});
    }
    return options;
}

// With every region, and sizes and times that the kernels leave to others.
Book wild_book(std::size_t size, unsigned seed) {
    Random uniform(seed);
    Book book;
    for (std::size_t i = 0; i < size; ++i) {
        const double expiry = std::exp(uniform(-9, 1.5)), volatility = std::exp(uniform(-3, 0.5));
        const double strike = uniform(50, 150), spread = std::max(volatility * std::sqrt(expiry), 0.01);
        double rate = uniform(-0.02, 0.1), yield = uniform(-0.01, 0.1);
        if (i % 11 == 0) rate = 0.0;
        if (i % 13 == 0) yield = 0.0;
        if (i % 17 == 0) yield = rate;
        if (rate < 0.0 && yield < 0.0 && i % 4 != 0) yield = -yield;  // two boundaries take long
        book.add({i % 2 == 0 ? 1.0 : -1.0, strike * std::exp(uniform(-3, 3) * spread), strike, expiry, rate,
                  yield, volatility});
        if (i % 19 == 5) book.volatility.back() = 0.0;
        if (i % 23 == 5) book.expiry.back() = 0.0;
        if (i % 29 == 5) book.rate.back() = std::numeric_limits<double>::quiet_NaN();
        if (i % 31 == 5) book.expiry.back() = -1.0;
        if (i % 37 == 5) book.spot.back() *= 1e200;
        if (i % 53 == 5) book.spot.back() *= 1e-200;
        if (i % 59 == 5) book.expiry.back() *= 1e-12;
    }
    return book;
}

// What the kernels' templates need, on one long double.
struct Long {
    using Boolean = bool;
    static constexpr int width = 1;

    long double value;

    Long() = default;
    Long(double v) : value(v) {}       // NOLINT: as Reals
    Long(long double v) : value(v) {}  // NOLINT

    friend Long operator+(Long a, Long b) { return a.value + b.value; }
    friend Long operator-(Long a, Long b) { return a.value - b.value; }
    friend Long operator*(Long a, Long b) { return a.value * b.value; }
    friend Long operator/(Long a, Long b) { return a.value / b.value; }
    friend Long operator-(Long a) { return -a.value; }
    friend bool operator>(Long a, Long b) { return a.value > b.value; }
    friend Long fma(Long a, Long b, Long c) { return a.value * b.value + c.value; }
    friend Long fms(Long a, Long b, Long c) { return a.value * b.value - c.value; }
    friend Long fnma(Long a, Long b, Long c) { return c.value - a.value * b.value; }
    friend Long sqrt(Long a) { return std::sqrt(a.value); }
    friend Long abs(Long a) { return std::abs(a.value); }
    friend Long min(Long a, Long b) { return std::min(a.value, b.value); }
    friend Long max(Long a, Long b) { return std::max(a.value, b.value); }
    friend Long log(Long a) { return std::log(a.value); }
    friend Long log_ratio(Long a, Long b) { return std::log(a.value / b.value); }
    friend Long exp_bounded(Long a) { return std::exp(a.value); }
    friend Long reciprocal(Long a) { return 1.0L / a.value; }
    friend Long select(bool condition, Long yes, Long no) { return condition ? yes : no; }
    friend Distribution<Long> normal_distribution(Long a) {
        return {american_reference::cumulative(a.value), std::exp(-a.value * a.value / 2)};
    }
    friend Distribution<Long> coarse_distribution(Long a) { return normal_distribution(a); }
};

// The high tier's method on twice the nodes and points of every grid.
struct DoubledGrids {
    BoundaryGrid<long double, 8, 8> first;
    BoundaryGrid<long double, 18, 20> second;
    FineGrid<long double, 80, 64> fine;
    Refinement<long double, 18, 8> to_second;
    Refinement<long double, 80, 18> to_fine;
    PremiumGrid<long double, 80, 128> premium;

    DoubledGrids() {
        fill(first);
        fill(second);
        fill(fine);
        fill(to_second);
        fill_fine(to_fine, 0.05L);
        fill_fine(premium);
    }
};

double doubled_price(const DoubledGrids& grids, const Option& o) {
    AmericanBoundary<Long, 80, false> boundary;
    const Inputs<Long> in{o.kind, o.spot, o.strike, o.expiry, o.rate, o.yield, o.volatility};
    boundary.put = american_put(in);
    Long first[8], second[18];
    guess_boundary(grids.first, boundary.put, first);
    improve_boundary<5>(grids.first, boundary.put, first);
    refine_boundary(grids.to_second, first, second);
    improve_boundary<2>(grids.second, boundary.put, second);
    start_fine(grids.fine, grids.to_fine, 0.05L, boundary.put, second, boundary.values);
    for (int step = 0; step < 8; ++step) improve_fine(grids.fine, boundary.put, boundary.values);
    if (!(boundary.put.log_spot > boundary.log_critical()))
        return std::max(o.kind * (o.spot - o.strike), 0.0);
    return european_price_of(o) +
           static_cast<double>((american_premium(grids.premium, boundary) * boundary.put.strike).value);
}

// By smooth pasting on other nodes; for a put or call with one boundary.
double reference_price(const Option& o) {
    const bool call = o.kind > 0.0;
    const double spot = call ? o.strike : o.spot, strike = call ? o.spot : o.strike;
    const american_reference::Put<long double> put{strike, call ? o.yield : o.rate, call ? o.rate : o.yield,
                                                   o.volatility, o.expiry};
    const american_reference::Boundary<long double> boundary(put, 32, 81);
    if (spot <= boundary.at(o.expiry)) return strike - spot;
    return static_cast<double>(boundary.value(spot).price);
}

struct Errors {
    double largest = 0.0, squares = 0.0, count = 0.0;

    void add(double error) {
        largest = std::max(largest, std::abs(error));
        squares += error * error;
        ++count;
    }
    [[nodiscard]] double root_mean_square() const { return std::sqrt(squares / count); }
};

std::string described(const Option& o) {
    return (o.kind > 0.0 ? "call, S " : "put, S ") + std::to_string(o.spot) + ", K " +
           std::to_string(o.strike) + ", T " + std::to_string(o.expiry) + ", r " + std::to_string(o.rate) +
           ", q " + std::to_string(o.yield) + ", v " + std::to_string(o.volatility);
}

bool same_bits(double a, double b) {
    return std::memcmp(&a, &b, sizeof a) == 0;
}

}  // namespace

TEST_CASE("American puts of Longstaff and Schwartz 2001, table 1") {
    // Strike 40, rate 6 %: spot, volatility, expiry, American by finite differences with 50 exercise dates a
    // year (which is a little less than any time), European.
    constexpr double rows[][5] = {
        {36, 0.2, 1, 4.478, 3.844}, {36, 0.2, 2, 4.840, 3.763}, {36, 0.4, 1, 7.101, 6.711},
        {36, 0.4, 2, 8.508, 7.700}, {38, 0.2, 1, 3.250, 2.852}, {38, 0.2, 2, 3.745, 2.991},
        {38, 0.4, 1, 6.148, 5.834}, {38, 0.4, 2, 7.670, 6.979}, {40, 0.2, 1, 2.314, 2.066},
        {40, 0.2, 2, 2.885, 2.356}, {40, 0.4, 1, 5.312, 5.060}, {40, 0.4, 2, 6.920, 6.326},
        {42, 0.2, 1, 1.617, 1.465}, {42, 0.2, 2, 2.212, 1.841}, {42, 0.4, 1, 4.582, 4.379},
        {42, 0.4, 2, 6.248, 5.736}, {44, 0.2, 1, 1.110, 1.017}, {44, 0.2, 2, 1.690, 1.429},
        {44, 0.4, 1, 3.948, 3.783}, {44, 0.4, 2, 5.647, 5.202},
    };
    for (const auto& row : rows) {
        const Option put{-1, row[0], 40, row[2], 0.06, 0.0, row[1]};
        INFO(described(put));
        CHECK(european_price_of(put) == doctest::Approx(row[4]).epsilon(0.0006 / row[4]));
        for (const Tier tier : tiers) {
            CHECK(price_of(put, tier) > row[3] - 0.0015);
            CHECK(price_of(put, tier) < row[3] + 0.012);
        }
    }
}

TEST_CASE("the American premium of Andersen, Lake and Offengenden 2016, table 2") {
    // A put of one year at the money, rate and yield 5 %, volatility 25 %, spot 100.
    const Option put{-1, 100, 100, 1, 0.05, 0.05, 0.25};
    constexpr double premium = 0.106952702747, error[] = {2e-4, 2e-5, 2e-10};
    for (std::size_t t = 0; t < 3; ++t)
        CHECK(std::abs(price_of(put, tiers[t]) - european_price_of(put) - premium) < error[t]);
}

TEST_CASE("errors of the tiers per 100 of spot, against another solution" * doctest::test_suite("slow")) {
    const std::vector<Option> options = random_options(60, 3);
    Errors errors[3];
    for (const Option& option : options) {
        const double expected = reference_price(option);
        for (std::size_t t = 0; t < 3; ++t) errors[t].add(price_of(option, tiers[t]) - expected);
    }
    const double largest[] = {1.6e-3, 1.5e-4, 1e-6}, mean[] = {2.9e-4, 1.1e-5, 1e-7};
    for (std::size_t t = 0; t < 3; ++t) {
        CAPTURE(t);
        CHECK(errors[t].largest < largest[t]);
        CHECK(errors[t].root_mean_square() < mean[t]);
    }
}

TEST_CASE("the high tier is its own method in long double on twice the nodes, to 1e-8 of 100" *
          doctest::test_suite("slow")) {
    const auto grids = std::make_unique<DoubledGrids>();
    for (const Option& option : random_options(25, 8)) {
        INFO(described(option));
        CHECK(std::abs(price_of(option) - doubled_price(*grids, option)) < 1e-8);
    }
}

TEST_CASE("price >= European price and intrinsic value bit for bit, on every path; exact where exercised") {
    const Book book = wild_book(700, 4);
    for (const SimdPath path : supported_paths()) {
        CAPTURE(std::string(simd_path_name(path)));
        const std::vector<double> european = european_prices(path, book);
        for (const Tier tier : {Tier::fast, Tier::accurate}) {
            const Result result = prices(path, tier, book, 0, book.size());
            for (std::size_t i = 0; i < book.size(); ++i) {
                CAPTURE(i);
                if (result.status[i] != 0) {
                    CHECK(std::isnan(result.first[i]));
                    continue;
                }
                const double intrinsic = std::max(book.kind[i] * (book.spot[i] - book.strike[i]), 0.0);
                CHECK(result.first[i] >= european[i]);
                CHECK(result.first[i] >= intrinsic);
                const bool call = book.kind[i] > 0;
                const double rate = call ? book.yield[i] : book.rate[i],
                             yield = call ? book.rate[i] : book.yield[i];
                if (rate <= 0.0 && yield >= rate && book.expiry[i] > 0.0)
                    CHECK(same_bits(result.first[i], european[i]));
            }
        }
    }
}

TEST_CASE("an American result is a function of its element alone") {
    const Book book = wild_book(300, 5);
    std::mt19937_64 generator(3);
    for (const SimdPath path : supported_paths())
        for (const Tier tier : {Tier::fast, Tier::accurate}) {
            const Result all = prices(path, tier, book, 0, book.size());
            for (int round = 0; round < 60; ++round) {
                const std::size_t begin = generator() % 270, size = 1 + generator() % 30;
                const Result part = prices(path, tier, book, begin, size);
                CHECK(std::memcmp(all.first.data() + begin, part.first.data(), size * sizeof(double)) == 0);
                CHECK(std::memcmp(all.status.data() + begin, part.status.data(), size) == 0);
            }
        }
}

TEST_CASE("the instruction sets agree to 1e-9 of 100") {
    const Book book(random_options(200, 6));
    for (const Tier tier : tiers) {
        const Result expected = prices(SimdPath::baseline, tier, book, 0, book.size());
        for (const SimdPath path : supported_paths()) {
            const Result got = prices(path, tier, book, 0, book.size());
            for (std::size_t i = 0; i < book.size(); ++i)
                CHECK(std::abs(got.first[i] - expected.first[i]) < 1e-9);
        }
    }
}

TEST_CASE("calls mirror puts") {
    for (const Option& o : random_options(60, 9)) {
        const Option mirror{-o.kind, o.strike, o.spot, o.expiry, o.yield, o.rate, o.volatility};
        for (const Tier tier : tiers)
            CHECK(price_of(o, tier) == doctest::Approx(price_of(mirror, tier)).epsilon(1e-13));
    }
}

TEST_CASE("the boundary parts exercise from holding") {
    for (const Tier tier : tiers) {
        const std::vector<Option> options = random_options(60, 10);
        const Result boundary = boundaries(tier, Book(options));
        for (std::size_t i = 0; i < options.size(); ++i) {
            REQUIRE(boundary.status[i] == 0);
            Option option = options[i];
            const bool call = option.kind > 0.0;
            CHECK((call ? boundary.second[i] == infinity : boundary.first[i] == 0.0));
            const double critical = call ? boundary.first[i] : boundary.second[i];
            option.spot = critical * (1.0 + option.kind * 1e-10);
            CHECK(same_bits(price_of(option, tier), option.kind * (option.spot - option.strike)));
            option.spot = critical * (1.0 - option.kind * 0.01);
            CHECK(price_of(option, tier) > option.kind * (option.spot - option.strike));
        }
    }
}

TEST_CASE("no jump where a rate passes 0, a yield the rate, or the boundary a border of the kernels") {
    struct Path {
        double rate, rate_slope, yield, yield_slope;
    };
    const Path borders[] = {
        {0.0, 1, 0.03, 0},  // premium begins, slowly
        {0.0, 1, 0.0, 0},   {0.0, 1, 0.0, -1}, {0.04, 0, 0.04, 1},
        {0.04, 1, 0.04, 0}, {0.04, 0, 0.0, 1}, {0.0, 1, -0.03, 0},  // one boundary and two
    };
    const double jump[] = {2e-3, 2e-4, 2e-6}, gap = 1e-9;
    for (const Path& at : borders)
        for (const double volatility : {0.15, 0.4})
            for (const double expiry : {0.1, 1.0})
                for (const double spot : {85.0, 100.0, 115.0})
                    for (std::size_t t = 0; t < 3; ++t) {
                        Option option{-1, spot, 100, expiry, 0, 0, volatility};
                        double value[2];
                        for (int side = 0; side < 2; ++side) {
                            const double step = side == 0 ? -gap : gap;
                            option.rate = at.rate + step * at.rate_slope;
                            option.yield = at.yield + step * at.yield_slope;
                            value[side] = price_of(option, tiers[t]);
                        }
                        INFO(described(option));
                        CAPTURE(t);
                        CHECK(std::abs(value[1] - value[0]) < jump[t]);
                    }
    // |r - q| sqrt(T) / v = 2.5, v sqrt(T) = 3, rT = 3: from the kernels to the edge.
    for (const double side : {-1e-9, 1e-9}) {
        CHECK(price_of({-1, 100, 100, 4, 0.125 + side, 0.0, 0.1}) ==
              doctest::Approx(price_of({-1, 100, 100, 4, 0.125 - side, 0.0, 0.1})).epsilon(1e-5));
        CHECK(price_of({-1, 100, 100, 4, 0.1, 0.05, 1.5 + side}) ==
              doctest::Approx(price_of({-1, 100, 100, 4, 0.1, 0.05, 1.5 - side})).epsilon(1e-5));
        CHECK(price_of({-1, 100, 100, 10, 0.3 + side, 0.2, 0.4}) ==
              doctest::Approx(price_of({-1, 100, 100, 10, 0.3 - side, 0.2, 0.4})).epsilon(1e-5));
    }
}

TEST_CASE("a rate of rounding size is none") {
    for (const double none : {5e-324, 1e-310, 1e-30, 1e-12, -5e-324, -1e-30, -1e-12})
        for (const Tier tier : tiers)
            for (const double yield : {-0.02, 0.0, 0.05}) {
                const double exact = price_of({-1, 100, 105, 1.0, 0.0, yield, 0.3}, tier);
                CAPTURE(none);
                CAPTURE(yield);
                CHECK(std::abs(price_of({-1, 100, 105, 1.0, none, yield, 0.3}, tier) - exact) < 2e-8);
                CHECK(std::abs(price_of({1, 105, 100, 1.0, yield, none, 0.3}, tier) - exact) < 2e-8);
            }
    const Result expected = boundaries(Tier::fast, Book({{-1, 100, 105, 1.0, 0.0, -0.02, 0.3}}));
    const Result found = boundaries(Tier::fast, Book({{-1, 100, 105, 1.0, -5e-324, -0.02, 0.3}}));
    CHECK(found.status[0] == 0);
    CHECK(found.first[0] == doctest::Approx(expected.first[0]));
    CHECK(found.second[0] == doctest::Approx(expected.second[0]));
}

TEST_CASE("steep drifts in the tiers, and exercise below the perpetual boundary") {
    const Option options[] = {
        {-1, 100, 105, 1, 0.05, 0.15, 0.01},  {-1, 100, 95, 1, 0.05, 0.15, 0.03},
        {1, 100, 105, 1, 0.15, 0.05, 0.02},   {-1, 100, 90, 3, 0.02, 0.12, 0.05},
        {-1, 100, 100, 4, 0.15, -0.01, 0.05}, {-1, 100, 100, 20, 0.05, 0.02, 0.9},
        {1, 100, 100, 30, 0.03, 0.05, 0.6},
    };
    for (const Option& option : options) {
        INFO(described(option));
        const double exact = price_of(option, Tier::high);
        CHECK(std::abs(price_of(option, Tier::fast) - exact) < 3e-4);
        CHECK(std::abs(price_of(option, Tier::accurate) - exact) < 3e-5);
    }
    for (const Tier tier : tiers) CHECK(price_of({-1, 100, 105, 1, 0.3, 0.02, 0.05}, tier) == 5.0);
}

TEST_CASE("without volatility the best time of exercise is found") {
    Random uniform(12);
    for (int i = 0; i < 300; ++i) {
        const Option o{i % 2 == 0 ? 1.0 : -1.0, uniform(50, 200),   100, uniform(0, 5),
                       uniform(-0.1, 0.1),      uniform(-0.1, 0.1), 0.0};
        double best = 0.0;
        for (int step = 0; step <= 2000; ++step) {
            const double t = o.expiry * step / 2000;
            best =
                std::max(best, o.kind * (o.spot * std::exp(-o.yield * t) - o.strike * std::exp(-o.rate * t)));
        }
        CHECK(price_of(o) >= best * (1 - 1e-14));
        CHECK(price_of(o) <= best + 1e-4);
        // and a little volatility is nearly none
        Option little = o;
        little.volatility = 1e-5;
        if (std::min(o.rate, o.yield) > 0.001 && std::abs(o.rate - o.yield) > 0.01 && o.expiry > 0.1)
            CHECK(price_of(little) == doctest::Approx(price_of(o)).epsilon(1e-4));
    }
    CHECK(price_of({-1, 90, 100, 0, 0.05, 0.02, 0.3}) == 10.0);
    CHECK(price_of({1, 90, 100, 0, 0.05, 0.02, 0.3}) == 0.0);
}

TEST_CASE("far from the middle: against another solution, and the perpetual put") {
    // Long, volatile, steep and short; per 100 of the larger of spot and strike.
    const Option options[] = {
        {-1, 100, 100, 20, 0.05, 0.02, 0.9},  {-1, 100, 100, 10, 0.08, 0.01, 0.1},
        {-1, 110, 100, 10, 0.4, 0.1, 0.8},    {-1, 90, 100, 10, 0.05, -0.15, 0.5},
        {1, 100, 100, 30, 0.03, 0.05, 0.6},   {-1, 100.001, 100, 1e-10, 0.05, 0.02, 0.3},
        {-1, 100, 100, 1.0, 1e-7, 0.05, 0.3}, {-1, 100, 100, 5, 0.02, 0.12, 0.05},
    };
    for (const Option& option : options) {
        INFO(described(option));
        CHECK(std::abs(price_of(option) - reference_price(option)) < 1e-3);
    }
    CHECK(price_of({-1, 100, 100, 1, 0.05, 0.02, 1e6}) ==
          doctest::Approx(100).epsilon(1e-9));  // exercised at once
    const double power = 2.0 * 0.05 / 0.04,
                 boundary = 100 * power / (1 + power);  // Merton 1973, without yield
    CHECK(price_of({-1, 100, 100, 1e6, 0.05, 0.0, 0.2}) ==
          doctest::Approx((100 - boundary) * std::pow(100 / boundary, -power)).epsilon(1e-6));
}

TEST_CASE("forwards: the yield is the rate; other models are unsupported") {
    const Book book(random_options(40, 14));
    Book carried = book;
    carried.yield = carried.rate;
    std::vector<double> forward(40), spot(40);
    std::vector<std::int8_t> status(40);
    american_price(Model::black76, Tier::accurate, 40, book.columns(0), Book::in(book.volatility, 0),
                   out(forward), out(status));
    american_price(Model::bsm, Tier::accurate, 40, carried.columns(0), Book::in(book.volatility, 0),
                   out(spot), {});
    for (std::size_t i = 0; i < 40; ++i) CHECK(forward[i] == doctest::Approx(spot[i]).epsilon(1e-13));
    for (const Model model : {Model::displaced, Model::bachelier}) {
        american_price(model, Tier::fast, 40, book.columns(0), Book::in(book.volatility, 0), out(spot),
                       out(status));
        for (std::size_t i = 0; i < 40; ++i)
            CHECK((std::isnan(spot[i]) && status[i] == static_cast<std::int8_t>(Status::unsupported)));
    }
}
