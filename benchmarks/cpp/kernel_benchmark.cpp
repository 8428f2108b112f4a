// Times the pricing kernels from C++ on options that stay in cache (4096, fewer where one takes long), and
// the order book, matching and the limit checks on as many messages, beside the floors.
//
//   kernel_benchmark paths                  the SIMD paths this machine can run, as JSON
//   kernel_benchmark kernels                every kernel and how many options one run of it does, as JSON
//   kernel_benchmark limits [ROUNDS]        nanoseconds per option of every kernel and floor, as JSON
//   kernel_benchmark limits ROUNDS KERNEL   the same of one kernel
//   kernel_benchmark gate [ROUNDS]          ratios (kernel / floor) of alternating rounds, as JSON
//   kernel_benchmark count                  under callgrind: a dump of counts for every kernel, with its name
//
// Times are CPU times of the thread, so that a neighbour who takes the core does not count. OPTIONSIB_SIMD
// chooses the path as everywhere.

#include <time.h>
#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#endif

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "book_blocks.hpp"
#include "floors.hpp"
#include "limit_blocks.hpp"
#include "matching_blocks.hpp"
#include "optionsib/pricing/american.hpp"
#include "optionsib/pricing/cash_dividends.hpp"
#include "optionsib/pricing/european.hpp"
#include "optionsib/simd.hpp"

namespace {

using namespace optionsib;
using pricing::Greek;
using Column = std::vector<double>;

constexpr std::size_t option_count = 4096;
constexpr double sample_seconds = 1e-3;

#ifdef OPTIONSIB_GATE_SELFTEST
// Proof that the gate bites: a fifth of the options is worked out twice.
constexpr std::size_t extra_parts = 5;
#else
constexpr std::size_t extra_parts = 0;
#endif

class Random {
  public:
    explicit Random(std::uint64_t seed) : state_(seed) {}

    double uniform(double low, double high) {
        state_ += 0x9e3779b97f4a7c15u;
        std::uint64_t z = state_;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return low + (high - low) * 0x1p-53 * static_cast<double>((z ^ (z >> 31)) >> 11);
    }

  private:
    std::uint64_t state_;
};

pricing::In<double> in(const Column& column) {
    return {reinterpret_cast<const std::byte*>(column.data()), sizeof(double)};
}

pricing::Out<double> out(Column& column) {
    return {reinterpret_cast<std::byte*>(column.data()), sizeof(double)};
}

struct Options {
    std::vector<std::int8_t> kind;
    Column spot, strike, time_to_expiry, rate, volatility, dividend_yield, quote;

    void add(double sign, double s, double k, double t, double r, double v, double q) {
        double value = 0.0;
        if (pricing::price(pricing::Model::bsm, {sign, s, k, t, r, q}, v, value) != pricing::Status::ok)
            throw std::runtime_error("a benchmark option has no price");
        if (!(value > 1e-280)) return;
        kind.push_back(sign > 0.0 ? 1 : -1);
        spot.push_back(s), strike.push_back(k), time_to_expiry.push_back(t), rate.push_back(r);
        volatility.push_back(v), dividend_yield.push_back(q), quote.push_back(value);
    }

    [[nodiscard]] pricing::EuropeanColumns columns() const {
        return {{reinterpret_cast<const std::byte*>(kind.data()), 1},
                in(spot),
                in(strike),
                in(time_to_expiry),
                in(rate),
                in(dividend_yield)};
    }
    [[nodiscard]] floors::Columns floor_columns(const Column& last) const {
        return {reinterpret_cast<const signed char*>(kind.data()),
                spot.data(),
                strike.data(),
                time_to_expiry.data(),
                rate.data(),
                last.data(),
                dividend_yield.data()};
    }
};

// Around the money with dividends: 1 week to 2 years, volatility 8 to 60 %.
Options random_options() {
    Random random(20140605);
    Options options;
    while (options.kind.size() < option_count) {
        const double s = random.uniform(20.0, 500.0), k = s * random.uniform(0.7, 1.4);
        const double t = random.uniform(7.0 / 365.0, 2.0), v = random.uniform(0.08, 0.6);
        const double r = random.uniform(0.0, 0.06), q = random.uniform(0.0, 0.04);
        options.add(random.uniform(0.0, 1.0) < 0.5 ? 1.0 : -1.0, s, k, t, r, v, q);
    }
    return options;
}

// |delta| 2 to 60 %, 2 days to 2 years, volatility 8 to 90 %.
Options listed_book() {
    Random random(20140606);
    Options options;
    while (options.kind.size() < option_count) {
        const double v = random.uniform(0.08, 0.9), t = random.uniform(2.0 / 365.0, 2.0);
        const double s = random.uniform(20.0, 500.0), r = random.uniform(0.0, 0.06),
                     q = random.uniform(0.0, 0.04);
        const double sign = random.uniform(0.0, 1.0) < 0.5 ? 1.0 : -1.0;
        const double distance = sign * random.uniform(-0.25, 2.05) * v * std::sqrt(t) + 0.5 * v * v * t;
        options.add(sign, s, s * std::exp((r - q) * t + distance), t, r, v, q);
    }
    return options;
}

// Out of the money: F/K 0.2 to 5, 1 day to 5 years, volatility 1 to 300 %, all log-uniform.
Options hard_grid() {
    Random random(20260722);
    Options options;
    while (options.kind.size() < option_count) {
        const double s = 100.0 * std::exp(random.uniform(std::log(0.2), std::log(5.0)));
        const double t = std::exp(random.uniform(std::log(1.0 / 365.0), std::log(5.0)));
        const double v = std::exp(random.uniform(std::log(0.01), std::log(3.0)));
        options.add(s > 100.0 ? -1.0 : 1.0, s, 100.0, t, 0.0, v, 0.0);
    }
    return options;
}

// American options of which the price determines the volatility, with their prices.
Options american_book(const Options& options, std::size_t count) {
    Column prices(2 * count);
    pricing::american_price(pricing::Model::bsm, pricing::Tier::fast, prices.size(), options.columns(),
                            in(options.volatility), out(prices), {});
    Options found;
    for (std::size_t i = 0; i < prices.size() && found.kind.size() < count; ++i) {
        const double intrinsic = options.kind[i] * (options.spot[i] - options.strike[i]);
        if (!(prices[i] > std::max(intrinsic, 0.0) + 1e-4 * options.spot[i])) continue;
        found.add(options.kind[i], options.spot[i], options.strike[i], options.time_to_expiry[i],
                  options.rate[i], options.volatility[i], options.dividend_yield[i]);
        found.quote.back() = prices[i];
    }
    if (found.kind.size() < count) throw std::runtime_error("too few American options to invert");
    return found;
}

struct Bench {
    Options mixed = random_options(), book = listed_book(), hard = hard_grid();
    benchmarks::BookBlocks one_book{1'000, 1}, many_books{12'800, 64};
    benchmarks::MatchingBlocks matching;
    benchmarks::LimitBlocks limits{false}, limits_and_losses{true};
    Options american_quotes = american_book(mixed, 256);
    Column ex_times, cash_amounts;  // a dividend every quarter
    Column result = Column(option_count), last_volatility;
    std::array<Column, pricing::greek_count> greeks;
    std::array<Column, 6> floor_results;

    Bench() {
        greeks.fill(Column(option_count));
        floor_results.fill(Column(option_count));
        Random random(3);
        for (const double v : book.volatility) last_volatility.push_back(v * random.uniform(0.98, 1.02));
        for (int i = 0; i < 8; ++i) ex_times.push_back(0.1 + 0.25 * i), cash_amounts.push_back(0.2);
    }

    void price(std::size_t size) {
        pricing::price(pricing::Model::bsm, size, mixed.columns(), in(mixed.volatility), out(result), {});
    }
    void greeks_first(std::size_t size, std::size_t count) {
        pricing::GreekColumns wanted;
        for (std::size_t i = 0; i < count; ++i) wanted.columns[i] = out(greeks[i]);
        const int order = count <= 9 ? 1 : count <= 13 ? 2 : 3;
        pricing::greeks(pricing::Model::bsm, order, pricing::Units::raw, size, mixed.columns(),
                        in(mixed.volatility), wanted, {});
    }
    void implied(std::size_t size, const Options& options, pricing::In<double> guess) {
        pricing::implied_volatility(pricing::Model::bsm, size, options.columns(), in(options.quote), guess,
                                    out(result), {});
    }
    void american(std::size_t size, pricing::Tier tier) {
        pricing::american_price(pricing::Model::bsm, tier, size, mixed.columns(), in(mixed.volatility),
                                out(result), {});
    }
    void american_greeks(std::size_t size) {
        pricing::GreekColumns wanted;
        for (std::size_t i = 0; i < 9; ++i) wanted.columns[i] = out(greeks[i]);
        pricing::american_greeks(pricing::Model::bsm, pricing::Tier::fast, pricing::Units::raw, size,
                                 mixed.columns(), in(mixed.volatility), wanted, {});
    }
    void american_implied(std::size_t size) {
        pricing::american_implied_volatility(pricing::Model::bsm, pricing::Tier::fast, size,
                                             american_quotes.columns(), in(american_quotes.quote), {},
                                             out(result), {});
    }
    void cash_dividends(std::size_t size) {
        const pricing::CashDividends dividends{pricing::DividendModel::spot,
                                               {in(ex_times), in(cash_amounts), ex_times.size()}};
        pricing::cash_dividend_price(pricing::ExerciseStyle::american, pricing::Tier::fast, size,
                                     mixed.columns(), dividends, in(mixed.volatility), out(result), {});
    }
    void floor_greeks() {
        std::array<double*, 6> results{};
        for (std::size_t i = 0; i < results.size(); ++i) results[i] = floor_results[i].data();
        floors::greeks(option_count, mixed.floor_columns(mixed.volatility), results.data());
    }
};

struct Kernel {
    std::string name;
    std::function<void(std::size_t)> run;
    std::function<void()> floor;
    std::size_t size = option_count;  // of what `run` is given and `floor` does
};

std::vector<Kernel> kernels(Bench& bench) {
    const auto floor_price = [&bench] {
        floors::price(option_count, bench.mixed.floor_columns(bench.mixed.volatility), bench.result.data());
    };
    const auto floor_greeks = [&bench] { bench.floor_greeks(); };
    const auto floor_book = [&bench] {
        floors::implied_volatility(option_count, bench.book.floor_columns(bench.book.quote),
                                   bench.result.data());
    };
    const auto floor_hard = [&bench] {
        floors::implied_volatility(option_count, bench.hard.floor_columns(bench.hard.quote),
                                   bench.result.data());
    };
    // As many options as take about a sample; the points of the floor are those of the tier's integrals.
    const auto american = [&bench](const char* name, std::function<void(std::size_t)> run, std::size_t size,
                                   int boundary, int premium) {
        return Kernel{name, std::move(run),
                      [&bench, size, boundary, premium] {
                          floors::american(size, bench.mixed.floor_columns(bench.mixed.volatility), boundary,
                                           premium, bench.result.data());
                      },
                      size};
    };
    const auto tier = [&bench](pricing::Tier chosen) {
        return [&bench, chosen](std::size_t n) { bench.american(n, chosen); };
    };
    const auto floor_grid = [&bench] {
        floors::grid(64, bench.mixed.floor_columns(bench.mixed.volatility), 100, 20, bench.result.data());
    };
    return {
        {"price", [&bench](std::size_t n) { bench.price(n); }, floor_price},
        {"price + 5 Greeks", [&bench](std::size_t n) { bench.greeks_first(n, 6); }, floor_greeks},
        {"Greeks of order 1", [&bench](std::size_t n) { bench.greeks_first(n, 9); }, floor_greeks},
        {"Greeks of order 3", [&bench](std::size_t n) { bench.greeks_first(n, 17); }, floor_greeks},
        {"implied volatility, book", [&bench](std::size_t n) { bench.implied(n, bench.book, {}); },
         floor_book},
        {"implied volatility, book, warm",
         [&bench](std::size_t n) { bench.implied(n, bench.book, in(bench.last_volatility)); }, floor_book},
        {"book, 1 k live orders", [&bench](std::size_t n) { bench.one_book.run(n); },
         [&bench] { bench.one_book.floor(); }},
        {"book, 64 books of 200", [&bench](std::size_t n) { bench.many_books.run(n); },
         [&bench] { bench.many_books.floor(); }},
        {"matching", [&bench](std::size_t n) { bench.matching.run(n); },
         [&bench] { bench.matching.floor(); }},
        {"limit check, 47 checks", [&bench](std::size_t n) { bench.limits.run(n); },
         [&bench] { bench.limits.floor(); }},
        {"limit check, all 50 checks", [&bench](std::size_t n) { bench.limits_and_losses.run(n); },
         [&bench] { bench.limits_and_losses.floor(); }},
        {"implied volatility, hard", [&bench](std::size_t n) { bench.implied(n, bench.hard, {}); },
         floor_hard},
        american("American price, fast", tier(pricing::Tier::fast), 512, 104, 16),
        american("American price, accurate", tier(pricing::Tier::accurate), 256, 344, 32),
        american("American price, high", tier(pricing::Tier::high), 16, 8024, 64),
        american(
            "American Greeks, fast", [&bench](std::size_t n) { bench.american_greeks(n); }, 512, 104, 16),
        american(
            "American implied volatility, fast", [&bench](std::size_t n) { bench.american_implied(n); }, 256,
            104, 16),
        {"American price, cash dividends, fast", [&bench](std::size_t n) { bench.cash_dividends(n); },
         floor_grid, 64},
    };
}

void run(const Kernel& kernel) {
    kernel.run(kernel.size);
    if constexpr (extra_parts > 0) kernel.run(kernel.size / extra_parts);
}

double cpu_seconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

template <typename Work>
double seconds_per_call(const Work& work, int calls) {
    const double start = cpu_seconds();
    for (int i = 0; i < calls; ++i) work();
    return (cpu_seconds() - start) / calls;
}

// As many calls as fill a sample; the calls made to find out warm up.
template <typename Work>
int calls_per_sample(const Work& work) {
    int calls = 1;
    while (calls < 1 << 24 && seconds_per_call(work, calls) * calls < sample_seconds) calls *= 2;
    return calls;
}

double median(std::vector<double> values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

template <typename Work>
double median_nanoseconds(const Work& work, int rounds, std::size_t items) {
    const int calls = calls_per_sample(work);
    std::vector<double> seconds;
    for (int i = 0; i < rounds; ++i) seconds.push_back(seconds_per_call(work, calls));
    return 1e9 * median(seconds) / static_cast<double>(items);
}

void print_paths() {
    const char* separator = "[";
    for (const SimdPath path : {SimdPath::baseline, SimdPath::avx2, SimdPath::avx512}) {
        if (!simd_path_supported(path)) continue;
        std::printf("%s\"%s\"", separator, simd_path_name(path));
        separator = ", ";
    }
    std::printf("]\n");
}

void print_kernels(Bench& bench) {
    const char* separator = "{";
    for (const Kernel& kernel : kernels(bench)) {
        std::printf("%s\"%s\": %zu", separator, kernel.name.c_str(), kernel.size);
        separator = ", ";
    }
    std::printf("}\n");
}

// `only`: one kernel's name, or empty for all and the machine's own floors.
void print_limits(Bench& bench, int rounds, std::string_view only) {
    std::printf("{\"path\": \"%s\", \"size\": %zu, \"kernels\": {", simd_path_name(simd_path()),
                option_count);
    const char* separator = "";
    for (const Kernel& kernel : kernels(bench)) {
        if (!only.empty() && kernel.name != only) continue;
        const double ours = median_nanoseconds([&] { run(kernel); }, rounds, kernel.size);
        const double floor = median_nanoseconds(kernel.floor, rounds, kernel.size);
        std::printf("%s\"%s\": {\"ns\": %.4g, \"floor_ns\": %.4g}", separator, kernel.name.c_str(), ours,
                    floor);
        separator = ", ";
    }
    if (!only.empty()) {
        std::printf("}}\n");
        return;
    }
    volatile double sink = 0.0;
    constexpr std::size_t count = 65536;
    const auto machine = [&](const char* name, auto work, std::size_t items) {
        std::printf("%s\"%s\": %.4g", separator, name, median_nanoseconds(work, rounds, items));
        separator = ", ";
    };
    std::printf("}, \"floors\": {");
    separator = "";
    machine("dependent multiply and add", [&] { sink = floors::dependent_multiply_add(count); }, count);
    machine("divide", [&] { sink = floors::independent_divide(count); }, count);
    machine("square root", [&] { sink = floors::independent_sqrt(count); }, count);
    for (const std::size_t size : {option_count, std::size_t{1'000'000}}) {
        const std::vector<Column> columns(8, Column(size, 1.0));
        std::array<const double*, 7> sources{};
        for (std::size_t i = 0; i < sources.size(); ++i) sources[i] = columns[i].data();
        Column target(size);
        const std::string name = "stream 7 columns in, 1 out, n = " + std::to_string(size);
        machine(name.c_str(), [&] { floors::stream(size, sources.data(), target.data()); }, size);
    }
    std::printf("}}\n");
}

void print_gate(Bench& bench, int rounds) {
    std::printf("{\"path\": \"%s\", \"ratios\": {", simd_path_name(simd_path()));
    const char* separator = "";
    for (const Kernel& kernel : kernels(bench)) {
        const auto ours = [&] { run(kernel); };
        const int our_calls = calls_per_sample(ours), floor_calls = calls_per_sample(kernel.floor);
        std::printf("%s\"%s\": [", separator, kernel.name.c_str());
        for (int i = 0; i < rounds; ++i) {
            const double time = seconds_per_call(ours, our_calls);
            std::printf("%s%.6g", i == 0 ? "" : ", ", time / seconds_per_call(kernel.floor, floor_calls));
        }
        std::printf("]");
        separator = ", ";
    }
    std::printf("}}\n");
}

// The first run of a kernel, which sets up what is made once, is not counted.
int count([[maybe_unused]] Bench& bench) {
#if __has_include(<valgrind/callgrind.h>)
    for (const Kernel& kernel : kernels(bench)) {
        run(kernel);
        CALLGRIND_START_INSTRUMENTATION;
        CALLGRIND_ZERO_STATS;  // starting leaves the last dump's totals standing
        run(kernel);
        CALLGRIND_DUMP_STATS_AT(kernel.name.c_str());
        CALLGRIND_STOP_INSTRUMENTATION;
    }
    return EXIT_SUCCESS;
#else
    std::fprintf(stderr, "kernel_benchmark: built without valgrind/callgrind.h\n");
    return EXIT_FAILURE;
#endif
}

}  // namespace

int main(int argc, char** argv) {
    if (const char* wrong = simd_path_error()) {
        std::fprintf(stderr, "kernel_benchmark: %s\n", wrong);
        return EXIT_FAILURE;
    }
    const std::string_view mode = argc > 1 ? argv[1] : "";
    if (mode == "paths" && argc == 2) {
        print_paths();
        return EXIT_SUCCESS;
    }
    Bench bench;
    if (mode == "kernels" && argc == 2) {
        print_kernels(bench);
    } else if (mode == "limits" && argc <= 4) {
        print_limits(bench, argc > 2 ? std::atoi(argv[2]) : 15, argc > 3 ? argv[3] : "");
    } else if (mode == "gate" && argc <= 3) {
        print_gate(bench, argc > 2 ? std::atoi(argv[2]) : 31);
    } else if (mode == "count" && argc == 2) {
        return count(bench);
    } else {
        std::fprintf(stderr,
                     "usage: kernel_benchmark paths | kernels | limits [ROUNDS [KERNEL]] | gate [ROUNDS] | "
                     "count\n");
        return 2;
    }
    return EXIT_SUCCESS;
}
