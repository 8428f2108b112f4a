// The European kernels of every instruction set of this machine: a result depends on its element's inputs
// and on nothing else, the paths agree, the Greeks are the derivatives they are called.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "../../src/pricing/european_table.hpp"

using namespace optionsib;
using namespace optionsib::pricing;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr Model models[] = {Model::bsm, Model::displaced, Model::bachelier};

std::vector<SimdPath> supported_paths() {
    std::vector<SimdPath> found;
    for (const SimdPath path : {SimdPath::baseline, SimdPath::avx2, SimdPath::avx512})
        if (simd_path_supported(path)) found.push_back(path);
    return found;
}

struct Book {
    std::vector<std::int8_t> kind;
    std::vector<double> spot, strike, expiry, rate, yield, volatility, shift;

    [[nodiscard]] std::size_t size() const { return kind.size(); }
};

Book random_book(std::size_t size, Model model, bool with_oddities, unsigned seed = 5) {
    std::mt19937_64 generator(seed);
    const auto uniform = [&](double low, double high) {
        return low + (high - low) * static_cast<double>(generator() >> 11) * 0x1p-53;
    };
    const double odd[] = {0.0,   -1.0,    5e-324,   1e-310,    1e-200,
                          1e200, 1.7e308, infinity, -infinity, std::numeric_limits<double>::quiet_NaN()};
    Book book;
    for (std::size_t i = 0; i < size; ++i) {
        const double spot = uniform(20, 200);
        book.kind.push_back(uniform(0, 1) < 0.5 ? 1 : -1);
        book.spot.push_back(spot);
        book.strike.push_back(i % 7 == 0 ? spot : spot * std::exp(uniform(-1, 1)));
        book.expiry.push_back(std::exp(uniform(-9, 1.5)));
        book.rate.push_back(uniform(-0.02, 0.08));
        book.yield.push_back(model == Model::bsm ? uniform(0, 0.05) : 0.0);
        const double volatility = std::exp(uniform(-4, 0.7));
        book.volatility.push_back(model == Model::bachelier ? volatility * spot : volatility);
        book.shift.push_back(uniform(0, 20));
        if (!with_oddities || uniform(0, 1) < 0.8) continue;
        std::vector<double>* const columns[] = {&book.spot,  &book.strike,     &book.expiry, &book.rate,
                                                &book.yield, &book.volatility, &book.shift};
        columns[generator() % 7]->back() = odd[generator() % 10];
        if (generator() % 10 == 0) book.kind.back() = static_cast<std::int8_t>(generator() % 5);
    }
    return book;
}

// Inputs and results `step` elements apart, the latter with room at both ends that must stay untouched.
struct Run {
    std::vector<std::vector<double>> values;
    std::vector<std::int8_t> status;
};

template <typename T>
std::vector<T> spread(const std::vector<T>& values, std::size_t begin, std::size_t size,
                      std::ptrdiff_t step) {
    const auto width = static_cast<std::size_t>(std::abs(step));
    std::vector<T> result(size * width + 1);
    for (std::size_t i = 0; i < size; ++i) result[(step > 0 ? i : size - 1 - i) * width] = values[begin + i];
    return result;
}

template <typename T>
In<T> walk(const std::vector<T>& values, std::size_t size, std::ptrdiff_t step) {
    const auto width = static_cast<std::size_t>(std::abs(step));
    const T* first = values.data() + (step > 0 ? 0 : (size - 1) * width);
    return {reinterpret_cast<const std::byte*>(first), step * static_cast<std::ptrdiff_t>(sizeof(T))};
}

Run run(SimdPath path, Model model, std::size_t order, const Book& book, std::size_t begin, std::size_t size,
        std::ptrdiff_t step = 1, std::size_t offset = 0) {
    const std::size_t family = model == Model::bsm ? 0 : model == Model::bachelier ? 2 : 1;
    const std::size_t outputs = order == 0 ? 1 : greeks_of_order(static_cast<int>(order));
    const auto kind = spread(book.kind, begin, size, step);
    const auto take = [&](const std::vector<double>& column) { return spread(column, begin, size, step); };
    const auto spot = take(book.spot), strike = take(book.strike), expiry = take(book.expiry),
               rate = take(book.rate), yield = take(book.yield), volatility = take(book.volatility),
               shift = take(book.shift);
    EuropeanColumns options{walk(kind, size, step),   walk(spot, size, step), walk(strike, size, step),
                            walk(expiry, size, step), walk(rate, size, step), walk(yield, size, step)};
    if (model == Model::displaced) options.shift = walk(shift, size, step);
    Run result;
    const auto width = static_cast<std::size_t>(std::abs(step));
    std::vector<std::vector<double>> space(outputs, std::vector<double>(offset + size * width + 8, 12345.0));
    std::vector<Out<double>> columns;
    for (auto& column : space)
        columns.push_back({reinterpret_cast<std::byte*>(column.data() + offset),
                           static_cast<std::ptrdiff_t>(width * sizeof(double))});
    result.status.assign(size, 99);
    const EuropeanTask task{size,
                            &options,
                            walk(volatility, size, step),
                            columns.data(),
                            {reinterpret_cast<std::byte*>(result.status.data()), 1},
                            model,
                            nullptr};
    european_kernels(path).run[family][order](task);
    for (const auto& column : space) {
        std::vector<double> values;
        for (std::size_t i = 0; i < size; ++i) values.push_back(column[offset + i * width]);
        for (std::size_t i = 0; i < offset; ++i) REQUIRE(column[i] == 12345.0);
        for (std::size_t i = offset + (size - 1) * width + 1; i < column.size(); ++i)
            REQUIRE(column[i] == 12345.0);
        result.values.push_back(values);
    }
    return result;
}

bool same_part(const Run& whole, std::size_t begin, const Run& part) {
    const std::size_t size = part.status.size();
    for (std::size_t j = 0; j < part.values.size(); ++j)
        if (std::memcmp(whole.values[j].data() + begin, part.values[j].data(), size * sizeof(double)) != 0)
            return false;
    return std::memcmp(whole.status.data() + begin, part.status.data(), size) == 0;
}

}  // namespace

TEST_CASE("a European result is a function of its element alone") {
    std::mt19937_64 generator(3);
    for (const SimdPath path : supported_paths())
        for (const Model model : models) {
            const Book book = random_book(500, model, true);
            const Run all = run(path, model, 3, book, 0, book.size());
            for (std::size_t order = 0; order <= 3; ++order) {
                CAPTURE(std::string(simd_path_name(path)));
                CAPTURE(static_cast<int>(model));
                CAPTURE(order);
                CHECK(same_part(all, 0, run(path, model, order, book, 0, book.size())));
                for (std::size_t i = 0; i < 60; ++i)
                    CHECK(same_part(all, i, run(path, model, order, book, i, 1)));
                for (int round = 0; round < 20; ++round) {
                    const std::size_t begin = generator() % 400, size = 1 + generator() % 100;
                    const std::ptrdiff_t step = static_cast<std::ptrdiff_t>(1 + generator() % 3);
                    CHECK(same_part(all, begin,
                                    run(path, model, order, book, begin, size, step, generator() % 9)));
                    CHECK(same_part(all, begin, run(path, model, order, book, begin, size, -step)));
                }
            }
        }
}

TEST_CASE("the kernels of a single option give the bits of the array kernels") {
    for (const SimdPath path : supported_paths())
        for (const Model model : models) {
            const Book book = random_book(3000, model, true, 11);
            const std::size_t family = model == Model::bsm ? 0 : model == Model::bachelier ? 2 : 1;
            for (std::size_t order = 0; order <= 3; ++order) {
                CAPTURE(std::string(simd_path_name(path)));
                CAPTURE(static_cast<int>(model));
                CAPTURE(order);
                const Run all = run(path, model, order, book, 0, book.size());
                std::size_t done = 0;
                for (std::size_t i = 0; i < book.size(); ++i) {
                    double values[greek_count];
                    if (!european_kernels(path).run_one[family][order](
                            book.kind[i], book.spot[i], book.strike[i], book.expiry[i], book.rate[i],
                            book.yield[i], book.shift[i], book.volatility[i], values))
                        continue;
                    ++done;
                    bool same = all.status[i] == 0;
                    for (std::size_t j = 0; j < all.values.size(); ++j)
                        same = same && std::memcmp(&values[j], &all.values[j][i], sizeof(double)) == 0;
                    if (same) continue;
                    CAPTURE(i);
                    CHECK(same);
                }
                CHECK(done > 2000);
            }
        }
}

TEST_CASE("results stored past the caches are the same, the first and last elements too") {
    for (const SimdPath path : supported_paths()) {
        const Book book = random_book(40'000, Model::bsm, true);
        for (const std::size_t offset : {std::size_t{0}, std::size_t{1}, std::size_t{6}}) {
            const Run large = run(path, Model::bsm, 1, book, 0, book.size(), 1, offset);
            for (std::size_t begin = 0; begin < book.size(); begin += 4000)
                CHECK(same_part(large, begin, run(path, Model::bsm, 1, book, begin, 4000)));
        }
    }
}

TEST_CASE("a value repeated by stride 0 is the same as a column of it") {
    for (const SimdPath path : supported_paths()) {
        Book book = random_book(101, Model::bsm, false);
        for (auto* column : {&book.rate, &book.yield, &book.expiry})
            std::fill(column->begin(), column->end(), column->front());
        const Run columns = run(path, Model::bsm, 2, book, 0, book.size());
        EuropeanColumns options{walk(book.kind, 101, 1),   walk(book.spot, 101, 1), walk(book.strike, 101, 1),
                                walk(book.expiry, 101, 1), walk(book.rate, 101, 1), walk(book.yield, 101, 1)};
        options.rate.stride = options.dividend_yield.stride = options.time_to_expiry.stride = 0;
        std::vector<double> delta(101);
        Out<double> outs[13]{};
        outs[1] = {reinterpret_cast<std::byte*>(delta.data()), sizeof(double)};
        european_kernels(path).run[0][2](
            {101, &options, walk(book.volatility, 101, 1), outs, {}, Model::bsm, nullptr});
        CHECK(std::memcmp(delta.data(), columns.values[1].data(), 101 * sizeof(double)) == 0);
    }
}

TEST_CASE("the instruction sets agree: price within 2e-15 of max(S, K), Greeks within 1e-13 of their scale") {
    for (const Model model : models) {
        const Book book = random_book(3000, model, false);
        const Run expected = run(SimdPath::baseline, model, 3, book, 0, book.size());
        for (const SimdPath path : supported_paths()) {
            const Run got = run(path, model, 3, book, 0, book.size());
            CAPTURE(std::string(simd_path_name(path)));
            for (std::size_t i = 0; i < book.size(); ++i) {
                const double largest = std::max(book.spot[i], book.strike[i]) + 20;
                const double expiry = book.expiry[i], v = book.volatility[i], s = v * std::sqrt(expiry);
                const double unit = model == Model::bachelier ? 1.0 : book.spot[i];  // of s, in money
                const double root = std::sqrt(expiry), gamma = 1 / (unit * s);
                const double carry = 0.2;
                const double vega = (model == Model::bachelier ? 1.0 : largest) * root;
                const double scales[greek_count] = {largest * 0.02,  // 2e-15 in units of 1e-13
                                                    1.0,
                                                    gamma,
                                                    vega,
                                                    vega * v / expiry + largest * carry,
                                                    largest * expiry,
                                                    largest * expiry,
                                                    1.0,
                                                    gamma * 8,
                                                    1 / v,
                                                    vega / v,
                                                    1 / expiry + carry / s,
                                                    vega / expiry + vega * carry / s,
                                                    gamma / (unit * s),
                                                    gamma / v,
                                                    gamma / expiry + gamma * carry / s,
                                                    vega / (v * v)};
                for (std::size_t j = 0; j < greek_count; ++j) {
                    const double error = std::fabs(got.values[j][i] - expected.values[j][i]);
                    if (error <= 1e-13 * scales[j]) continue;
                    CAPTURE(std::string(greek_names[j]));
                    CAPTURE(i);
                    CHECK(error <= 1e-13 * scales[j]);
                }
            }
        }
    }
}

TEST_CASE("every Greek is the derivative it is called") {
    struct Derivative {
        Greek greek, of;
        double European::* by;  // nullptr: by the volatility
        double sign;
    };
    const Derivative derivatives[] = {
        {Greek::delta, Greek::price, &European::spot, 1},
        {Greek::gamma, Greek::delta, &European::spot, 1},
        {Greek::vega, Greek::price, nullptr, 1},
        {Greek::theta, Greek::price, &European::time_to_expiry, -1},
        {Greek::rho, Greek::price, &European::rate, 1},
        {Greek::epsilon, Greek::price, &European::dividend_yield, 1},
        {Greek::dual_delta, Greek::price, &European::strike, 1},
        {Greek::dual_gamma, Greek::dual_delta, &European::strike, 1},
        {Greek::vanna, Greek::delta, nullptr, 1},
        {Greek::volga, Greek::vega, nullptr, 1},
        {Greek::charm, Greek::delta, &European::time_to_expiry, -1},
        {Greek::veta, Greek::vega, &European::time_to_expiry, -1},
        {Greek::speed, Greek::gamma, &European::spot, 1},
        {Greek::zomma, Greek::gamma, nullptr, 1},
        {Greek::color, Greek::gamma, &European::time_to_expiry, -1},
        {Greek::ultima, Greek::volga, nullptr, 1},
    };
    for (const Model model : {Model::bsm, Model::black76, Model::displaced, Model::bachelier})
        for (const double kind : {1.0, -1.0})
            for (const double strike : {70.0, 100.0, 103.0, 140.0}) {
                const double yield = model == Model::bsm ? 0.02 : 0.0;
                const European option{
                    kind, 100, strike, 0.7, 0.05, yield, model == Model::displaced ? 15.0 : 0.0};
                const double volatility = model == Model::bachelier ? 30.0 : 0.3;
                const auto value = [&](const Derivative& d, double change) {
                    European moved = option;
                    double vol = volatility;
                    (d.by == nullptr ? vol : moved.*d.by) += change;
                    Greeks g{};
                    REQUIRE(greeks(model, 3, Units::raw, moved, vol, g) == Status::ok);
                    return g[d.of];
                };
                Greeks at{};
                REQUIRE(greeks(model, 3, Units::raw, option, volatility, at) == Status::ok);
                for (const Derivative& d : derivatives) {
                    if (d.greek == Greek::epsilon && model != Model::bsm) {
                        CHECK(at[Greek::epsilon] == 0.0);
                        continue;
                    }
                    const double start = d.by == nullptr ? volatility : option.*d.by;
                    const double h = 2e-3 * start;
                    const double slope =
                        (8 * (value(d, h) - value(d, -h)) - (value(d, 2 * h) - value(d, -2 * h))) / (12 * h);
                    CAPTURE(std::string(greek_names[static_cast<std::size_t>(d.greek)]));
                    CAPTURE(static_cast<int>(model));
                    CAPTURE(kind);
                    CAPTURE(strike);
                    const double scale = std::fabs(at[d.of] / start) + std::fabs(slope);
                    CHECK(std::fabs(at[d.greek] - d.sign * slope) <= 1e-8 * scale);
                }
            }
}

TEST_CASE("desk units divide by days and percent") {
    const European option{1, 100, 95, 0.5, 0.03, 0.01};
    Greeks raw{}, desk{};
    REQUIRE(greeks(Model::bsm, 3, Units::raw, option, 0.2, raw) == Status::ok);
    REQUIRE(greeks(Model::bsm, 3, Units::desk, option, 0.2, desk) == Status::ok);
    const double divisors[greek_count] = {1,   1,   1,   100,   365, 100, 100, 1,  1,
                                          100, 1e4, 365, 36500, 1,   100, 365, 1e6};
    for (std::size_t j = 0; j < greek_count; ++j)
        CHECK(desk.values[j] == doctest::Approx(raw.values[j] / divisors[j]).epsilon(1e-14));
}

TEST_CASE("models: domains") {
    double result = 0.0;
    CHECK(price(Model::bachelier, {1, -5, -3, 1, 0.01, 0}, 2.0, result) == Status::ok);
    CHECK(result > 0.0);
    CHECK(price(Model::displaced, {1, -5, -3, 1, 0.01, 0, 10}, 0.2, result) == Status::ok);
    CHECK(price(Model::displaced, {1, -5, -3, 1, 0.01, 0, 4}, 0.2, result) == Status::invalid_input);
    CHECK(price(Model::black76, {1, 5, 3, 1, 0.01, 0, 100}, 0.2, result) ==
          Status::ok);  // the shift is not its
    double plain = 0.0;
    CHECK(price(Model::black76, {1, 5, 3, 1, 0.01, 0}, 0.2, plain) == Status::ok);
    CHECK(result == plain);
    CHECK(price(Model::bachelier, {1, 100, 100, 0, 0.01, 0}, 2.0, result) == Status::ok);
    CHECK(result == 0.0);
    Greeks g{};
    CHECK(greeks(Model::bachelier, 3, Units::raw, {1, 100, 100, 1, 0, 0}, 0.0, g) == Status::ok);
    CHECK(g[Greek::delta] == 0.5);
    CHECK(g[Greek::gamma] == infinity);
    CHECK(g[Greek::vega] == doctest::Approx(0.3989422804014327));
}

TEST_CASE("denormal numbers are numbers") {
    volatile double least = 5e-324;
    CHECK(least * 1.0 != 0.0);
}
