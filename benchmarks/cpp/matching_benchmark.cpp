// Times the matching engine from C++ on the streams of matching_stream.hpp, beside the floors of the machine.
//
//   matching_benchmark time COUNT ROUNDS            nanoseconds a message and a floor's step by shape, as
//   JSON matching_benchmark stream FILE SHAPE COUNT SEED the messages as records
//
// Times are CPU times of the thread; the reports go into one buffer of 4096, messages come 1024 at a time.
// Nothing is timed before the quantities of every report have been found to balance and every round must
// give the same reports.

#include <time.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "floors.hpp"
#include "matching_stream.hpp"
#include "optionsib/book/matching_engine.hpp"

namespace {

using namespace optionsib::book;
using namespace optionsib::benchmarks;
namespace floors = optionsib::floors;

constexpr std::size_t kBlock = 1024;

double nanoseconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return 1e9 * static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec);
}

// Feed all records; `take` gets the reports of each call.
template <class Take>
void feed(MatchingEngine& engine, std::span<const Record> left, std::vector<Report>& reports, Take take) {
    while (!left.empty() || engine.pending() != 0) {
        const auto progress = engine.apply(left.first(std::min(left.size(), kBlock)), reports);
        left = left.subspan(progress.consumed);
        take(std::span<const Report>(reports).first(progress.written));
    }
}

struct Sums {
    std::uint64_t hash = 0;
    std::size_t reports = 0;
    std::size_t trades = 0;
    std::size_t live = 0;
};

// One run with every check: what an order brought is traded, canceled or rests.
Sums check(std::span<const Record> stream) {
    Sums sums;
    MatchingEngine engine(1 << 17);
    std::vector<Report> reports(4096);
    std::unordered_map<OrderId, Quantity> open;
    feed(engine, stream, reports, [&](std::span<const Report> written) {
        for (const Report& report : written) {
            const auto kind = static_cast<ReportKind>(report.kind);
            if (kind == ReportKind::accepted || kind == ReportKind::replaced)
                open[report.order_id] = report.quantity;
            if (kind == ReportKind::traded) {
                open[report.other_id] -= report.quantity;
                ++sums.trades;
            }
            if (kind == ReportKind::traded || kind == ReportKind::canceled)
                open[report.order_id] -= report.quantity;
            sums.hash = (sums.hash ^ static_cast<std::uint64_t>(report.order_id * 31 + report.other_id * 17 +
                                                                report.price * 7 + report.quantity)) *
                        0x9E3779B97F4A7C15ULL;
            ++sums.reports;
        }
    });
    for (const auto& [id, quantity] : open) {
        const auto resting = engine.view().find(id);
        if (quantity != (resting ? resting->quantity : 0))
            throw std::runtime_error("quantities do not balance");
        sums.live += resting.has_value();
    }
    if (engine.view().order_count() != sums.live) throw std::runtime_error("an order nobody sent rests");
    const Top top = engine.core().top(0);
    if (top.bid_price >= top.ask_price) throw std::runtime_error("the book is crossed");
    return sums;
}

class Floors {
  public:
    Floors() : random_bits_(kBits), steady_bits_(kBits, 1), lines_(1 << 14) {
        std::mt19937_64 random(7);
        for (unsigned char& bit : random_bits_) bit = random() & 1;
        std::vector<std::size_t> order(lines_.size());
        std::iota(order.begin(), order.end(), std::size_t{0});
        std::shuffle(order.begin(), order.end(), random);
        for (std::size_t i = 0; i < order.size(); ++i) lines_[order[i]].next = order[(i + 1) % order.size()];
    }
    double branch_miss() {
        volatile std::size_t sink = 0;
        const double start = nanoseconds();
        sink = floors::branch(random_bits_.data(), kBits);
        const double middle = nanoseconds();
        sink = sink + floors::branch(steady_bits_.data(), kBits);
        return 2.0 * (2.0 * middle - start - nanoseconds()) / kBits;
    }
    double near_load() {  // 1 MiB
        const double start = nanoseconds();
        at_ = floors::dependent_load(lines_.data(), kLoads, at_);
        return (nanoseconds() - start) / kLoads;
    }

  private:
    static constexpr std::size_t kBits = 1 << 20, kLoads = 200'000;
    std::vector<unsigned char> random_bits_, steady_bits_;
    std::vector<floors::Line> lines_;
    std::size_t at_ = 0;
};

void print(const char* name, const std::vector<double>& values) {
    std::printf(", \"%s\": [", name);
    for (std::size_t i = 0; i < values.size(); ++i) std::printf("%s%.4g", i == 0 ? "" : ", ", values[i]);
    std::printf("]");
}

int time_shapes(std::size_t count, std::size_t rounds) {
    Floors machine;
    std::vector<Report> reports(4096);
    std::printf("{");
    for (std::size_t shape = 0; shape < kShapeNames.size(); ++shape) {
        const std::vector<Record> stream = make_matching_stream(static_cast<Shape>(shape), count, 7);
        const Sums sums = check(stream);
        std::vector<double> ours, branch, near;
        for (std::size_t round = 0; round <= rounds; ++round) {  // the first warms up
            MatchingEngine engine(1 << 17);
            std::size_t written = 0;
            const double start = nanoseconds();
            feed(engine, stream, reports, [&](std::span<const Report> some) { written += some.size(); });
            const double time = (nanoseconds() - start) / static_cast<double>(count);
            if (written != sums.reports || engine.view().order_count() != sums.live) {
                throw std::runtime_error("a round differs from the first");
            }
            const double branch_time = machine.branch_miss();
            const double near_time = machine.near_load();
            if (round == 0) continue;
            ours.push_back(time);
            branch.push_back(branch_time);
            near.push_back(near_time);
        }
        std::printf("%s\"%s\": {\"reports\": %zu, \"trades\": %zu, \"live\": %zu", shape == 0 ? "" : ", ",
                    std::string(kShapeNames[shape]).c_str(), sums.reports, sums.trades, sums.live);
        print("message", ours);
        print("branch miss", branch);
        print("dependent load, 1 MiB", near);
        std::printf("}");
    }
    std::printf("}\n");
    return EXIT_SUCCESS;
}

int write_stream(const char* path, std::string_view name, std::size_t count, std::uint64_t seed) {
    const auto found = std::find(kShapeNames.begin(), kShapeNames.end(), name);
    if (found == kShapeNames.end()) throw std::runtime_error("no such shape");
    const std::vector<Record> stream =
        make_matching_stream(static_cast<Shape>(found - kShapeNames.begin()), count, seed);
    std::FILE* file = std::fopen(path, "wb");
    if (file == nullptr) throw std::runtime_error("cannot write");
    const std::size_t done = std::fwrite(stream.data(), sizeof(Record), stream.size(), file);
    if (std::fclose(file) != 0 || done != stream.size()) throw std::runtime_error("cannot write");
    return EXIT_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string_view mode = argc > 1 ? argv[1] : "";
    const auto number = [&](int at) { return std::strtoull(argv[at], nullptr, 10); };
    try {
        if (mode == "time" && argc == 4) return time_shapes(number(2), number(3));
        if (mode == "stream" && argc == 6) return write_stream(argv[2], argv[3], number(4), number(5));
    } catch (const std::exception& error) {
        std::fprintf(stderr, "matching_benchmark: %s\n", error.what());
        return EXIT_FAILURE;
    }
    std::fprintf(stderr, "usage: matching_benchmark time COUNT ROUNDS | stream FILE SHAPE COUNT SEED\n");
    return 2;
}
