// Times the order book from C++ on the streams of book_stream.hpp, beside the floors of the machine.
//
//   book_benchmark stream FILE LIVE BOOKS COUNT SEED   write warm-up and messages as records; facts as JSON
//   book_benchmark time LIVE BOOKS COUNT ROUNDS        nanoseconds a message and a floor's step, as JSON
//   book_benchmark soak COUNT                          feed that many messages; fails if memory grows
//
// Times are CPU times of the thread. Nothing is timed before best bid and ask after every message have been
// found equal to the stream's.

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
#include <vector>

#include "book_stream.hpp"
#include "floors.hpp"
#include "optionsib/book/order_book.hpp"

namespace {

using namespace optionsib::book;
using namespace optionsib::benchmarks;
namespace floors = optionsib::floors;

constexpr std::size_t kBlock = 256;  // messages whose tops are read at a time

double nanoseconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return 1e9 * static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec);
}

template <class Work>
double time_of(std::size_t items, Work work) {
    const double start = nanoseconds();
    work();
    return (nanoseconds() - start) / static_cast<double>(items);
}

ChainBook warmed(const Stream& stream, std::size_t books) {
    ChainBook chain(books);
    if (chain.apply_batch(stream.warm_up).refused != 0) throw std::runtime_error("the warm-up was refused");
    return chain;
}

// Batches with the top after every message read from an array.
std::uint64_t by_batch(ChainBook& chain, const Stream& stream) {
    std::array<Top, kBlock> tops;
    std::uint64_t hash = 0;
    const std::span<const Record> all(stream.messages);
    for (std::size_t at = 0; at < all.size(); at += kBlock) {
        const auto block = all.subspan(at, std::min(kBlock, all.size() - at));
        chain.apply_batch(block, {}, std::span(tops).first(block.size()));
        for (std::size_t i = 0; i < block.size(); ++i)
            hash = fold(hash, tops[i].bid_price, tops[i].ask_price);
    }
    return hash;
}

// One call a message, then best bid and ask.
std::uint64_t by_call(ChainBook& chain, const Stream& stream) {
    const Levels& levels = chain.core().levels();
    std::uint64_t hash = 0;
    for (const Record& record : stream.messages) {
        chain.apply(record);
        hash = fold(hash, levels.best_bid(record.contract), levels.best_ask(record.contract));
    }
    return hash;
}

class Floors {
  public:
    Floors() : random_bits_(kBits), steady_bits_(kBits, 1) {
        std::mt19937_64 random(7);
        for (unsigned char& bit : random_bits_) bit = random() & 1;
        near_ = cycle(std::size_t{1} << 20, random);
        far_ = cycle(std::size_t{256} << 20, random);
    }

    double branch_miss() {
        volatile std::size_t sink = 0;
        const double missed = time_of(kBits, [&] { sink = floors::branch(random_bits_.data(), kBits); });
        const double taken = time_of(kBits, [&] { sink = floors::branch(steady_bits_.data(), kBits); });
        return 2.0 * (missed - taken);
    }
    double near_load() { return load(near_); }  // 1 MiB
    double far_load() { return load(far_); }    // 256 MiB

  private:
    static constexpr std::size_t kBits = 1 << 20, kLoads = 200'000;

    static std::vector<floors::Line> cycle(std::size_t bytes, std::mt19937_64& random) {
        std::vector<std::size_t> order(bytes / sizeof(floors::Line));
        std::iota(order.begin(), order.end(), std::size_t{0});
        std::shuffle(order.begin(), order.end(), random);
        std::vector<floors::Line> lines(order.size());
        for (std::size_t i = 0; i < order.size(); ++i) lines[order[i]].next = order[(i + 1) % order.size()];
        return lines;
    }
    double load(const std::vector<floors::Line>& lines) {
        return time_of(kLoads,
                       [&] { at_ = floors::dependent_load(lines.data(), kLoads, at_ % lines.size()); });
    }

    std::vector<unsigned char> random_bits_, steady_bits_;
    std::vector<floors::Line> near_, far_;
    std::size_t at_ = 0;
};

void print(const char* name, const std::vector<double>& values, const char* separator) {
    std::printf("%s\"%s\": [", separator, name);
    for (std::size_t i = 0; i < values.size(); ++i) std::printf("%s%.4g", i == 0 ? "" : ", ", values[i]);
    std::printf("]");
}

int time_stream(std::size_t live, std::size_t books, std::size_t count, std::size_t rounds) {
    const Stream stream = StreamMaker(live, books, 1).make(count);
    const auto check = [&](const ChainBook& chain, std::uint64_t hash) {
        if (hash != stream.hash || chain.core().order_count() != stream.live) {
            throw std::runtime_error("the book differs from the stream's");
        }
    };
    Floors machine;
    std::vector<double> batch, call, branch, near, far;
    for (std::size_t round = 0; round <= rounds; ++round) {  // the first warms up
        ChainBook chain = warmed(stream, books);
        std::uint64_t hash = 0;
        const double batch_time = time_of(count, [&] { hash = by_batch(chain, stream); });
        check(chain, hash);
        chain = warmed(stream, books);
        const double call_time = time_of(count, [&] { hash = by_call(chain, stream); });
        check(chain, hash);
        const double branch_time = machine.branch_miss();
        const double near_time = machine.near_load();
        const double far_time = machine.far_load();
        if (round == 0) continue;
        batch.push_back(batch_time);
        call.push_back(call_time);
        branch.push_back(branch_time);
        near.push_back(near_time);
        far.push_back(far_time);
    }
    print("batch", batch, "{");
    print("call", call, ", ");
    print("branch miss", branch, ", ");
    print("load in 1 MiB", near, ", ");
    print("load in 256 MiB", far, ", ");
    std::printf("}\n");
    return EXIT_SUCCESS;
}

int write_stream(const char* file, std::size_t live, std::size_t books, std::size_t count,
                 std::uint64_t seed) {
    const Stream stream = StreamMaker(live, books, seed).make(count);
    std::FILE* out = std::fopen(file, "wb");
    if (out == nullptr) throw std::runtime_error(std::string("cannot write ") + file);
    std::size_t written = 0;
    for (const auto* records : {&stream.warm_up, &stream.messages}) {
        written += std::fwrite(records->data(), sizeof(Record), records->size(), out);
    }
    if (std::fclose(out) != 0 || written != stream.warm_up.size() + count) {
        throw std::runtime_error(std::string("cannot write all of ") + file);
    }
    std::printf("{\"warm_up\": %zu, \"messages\": %zu, \"live\": %zu, \"hash\": %llu}\n",
                stream.warm_up.size(), count, stream.live, static_cast<unsigned long long>(stream.hash));
    return EXIT_SUCCESS;
}

int soak(std::size_t count) {
    constexpr std::size_t kLive = 2'000, kBooks = 16, kPart = 1'000'000;
    StreamMaker maker(kLive, kBooks, 1);
    ChainBook chain(kBooks);
    std::size_t settled = 0;
    for (std::size_t done = 0; done < count; done += kPart) {
        const Stream part = maker.make(std::min(kPart, count - done));
        const BatchCounts warm_up = chain.apply_batch(part.warm_up);
        const BatchCounts counts = chain.apply_batch(part.messages);
        if (warm_up.refused + counts.refused != 0 || chain.core().order_count() != part.live) {
            std::fprintf(stderr, "after %zu messages the book differs from the stream's\n", done);
            return EXIT_FAILURE;
        }
        const std::size_t memory = chain.core().memory();
        if (done == 2 * kPart) settled = memory;
        if (settled != 0 && memory != settled) {
            std::fprintf(stderr, "after %zu messages memory went from %zu to %zu bytes\n", done + kPart,
                         settled, memory);
            return EXIT_FAILURE;
        }
    }
    std::printf("%zu messages, %zu orders at the end, %zu bytes since message %zu\n", count,
                chain.core().order_count(), chain.core().memory(), 3 * kPart);
    return EXIT_SUCCESS;
}

int run(int argc, char** argv) {
    const std::string_view work = argc > 1 ? argv[1] : "";
    const auto number = [&](int at) {
        return static_cast<std::size_t>(std::strtoull(argv[at], nullptr, 10));
    };
    if (work == "stream" && argc == 7) {
        return write_stream(argv[2], number(3), number(4), number(5), number(6));
    }
    if (work == "time" && argc == 6) return time_stream(number(2), number(3), number(4), number(5));
    if (work == "soak" && argc == 3) return soak(number(2));
    std::fprintf(stderr,
                 "usage: book_benchmark stream FILE LIVE BOOKS COUNT SEED | time LIVE BOOKS COUNT ROUNDS | "
                 "soak COUNT\n");
    return 2;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "book_benchmark: %s\n", error.what());
        return EXIT_FAILURE;
    }
}
