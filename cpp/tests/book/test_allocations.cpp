// The book and the matching engine allocate nothing after warm-up. Every allocation of the test program is
// counted here.
#include <doctest/doctest.h>

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>
#include <random>
#include <vector>

#include "optionsib/book/matching_engine.hpp"

namespace {

std::atomic<std::size_t> allocations{0};

}  // namespace

// Not inlined: gcc would take malloc and free for a pair that does not match.
[[gnu::noinline]] void* operator new(std::size_t size) {
    allocations.fetch_add(1, std::memory_order_relaxed);
    if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
    throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment) {
    allocations.fetch_add(1, std::memory_order_relaxed);
    const auto step = static_cast<std::size_t>(alignment);
    if (void* memory = std::aligned_alloc(step, (size + step - 1) / step * step)) return memory;
    throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
    std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept {
    std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
    std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}

namespace optionsib::book {

namespace {

// A stationary stream: every order is cancelled kLife messages after it came (unless it was filled), ids are
// always new; in between orders are reduced and replaced, and totals of other levels come and go.
constexpr OrderId kLife = 400;

std::vector<Record> make_stream(std::size_t count, OrderId first_id, Price tick = 1) {
    std::mt19937_64 random(9);
    std::vector<Record> records;
    const auto put = [&records](Action action, OrderId id, int side, Price price, Quantity quantity) {
        Record record{};
        record.action = static_cast<std::uint8_t>(action);
        record.side = static_cast<std::int8_t>(side);
        record.contract = static_cast<std::uint32_t>(id / 2 % 8);
        record.order_id = record.new_order_id = id;
        record.price = price;
        record.quantity = quantity;
        records.push_back(record);
    };
    for (std::size_t i = 0; i < count; ++i) {
        const OrderId id = first_id + static_cast<OrderId>(i);
        const int side = random() % 2 == 0 ? 1 : -1;
        const Price price = ((side > 0 ? 1'000 : 995) - side * static_cast<Price>(random() % 40)) * tick;
        const Quantity quantity = 2 + static_cast<Quantity>(random() % 20);
        if (i % 2 == 0) {
            put(Action::add, id, side, price, quantity);
            continue;
        }
        put(Action::cancel, id - kLife - 1, side, price, quantity);
        if (i % 20 == 3) put(Action::reduce, id - 101, side, price, 1);
        if (i % 20 == 9) put(Action::replace, id - 101, side, price, quantity);
        if (i % 20 == 15) put(Action::set_level, id, side, price - side * 100 * tick, quantity);
        if (i % 20 == 17) put(Action::set_level, id, side, price - side * 100 * tick, 0);
    }
    return records;
}

}  // namespace

TEST_CASE("no message allocates after warm-up") {
    std::vector<std::int8_t> statuses(60'000);
    std::vector<Top> tops(60'000);
    // Levels side by side, and levels a page or more apart.
    for (const Price tick : {Price{1}, Price{100}}) {
        const std::vector<Record> warm_up = make_stream(50'000, 0, tick);
        const std::vector<Record> after = make_stream(50'000, 100'000, tick);
        const std::vector<Record> stream = make_stream(50'000, 50'000, tick);
        OrderBook book;
        statuses.resize(warm_up.size());
        tops.resize(warm_up.size());
        book.apply_batch(warm_up, statuses, tops);
        ChainBook chain(8), own_ids(8, 0, Scope::book);
        chain.apply_batch(warm_up, statuses, tops);
        own_ids.apply_batch(warm_up, statuses, tops);

        const std::size_t before = allocations.load();
        const BatchCounts counts = book.apply_batch(stream, statuses, tops);
        chain.apply_batch(stream, statuses, tops);
        own_ids.apply_batch(stream, statuses, tops);
        for (const Record& record : after) book.apply(record);
        CHECK(allocations.load() == before);
        CHECK(counts.applied > 10'000);
    }
}

TEST_CASE("memory stays where it is over ten million messages") {
    // Ids rise throughout; every order leaves kLife messages after it came.
    constexpr std::size_t kBlock = 10'000;
    std::mt19937_64 random(4);
    ChainBook chain(4);
    std::vector<Record> block(kBlock);
    std::size_t settled = 0, settled_allocations = 0;
    OrderId next = 0;
    for (int lap = 0; lap < 1'000; ++lap) {
        for (Record& record : block) {
            const bool adds = next % 2 == 0;
            const OrderId id = adds ? next : next - kLife - 1;
            record = Record{};
            record.action = static_cast<std::uint8_t>(adds ? Action::add : Action::cancel);
            record.contract = static_cast<std::uint32_t>(id / 2 % 4);
            record.order_id = id;
            record.side = random() % 2 == 0 ? 1 : -1;
            // The mid wanders, so that pages of levels open and close.
            record.price = lap * 7 - record.side * static_cast<Price>(random() % 200);
            record.quantity = 1;
            ++next;
        }
        chain.apply_batch(block);
        if (lap == 10) {
            settled = chain.core().memory();
            settled_allocations = allocations.load();
        }
    }
    CHECK(chain.core().order_count() == kLife / 2);
    CHECK(chain.core().memory() == settled);
    CHECK(allocations.load() == settled_allocations);
}

TEST_CASE("matching allocates nothing after warm-up") {
    // The same messages by the short way, and in books with every rule where half of the orders are special.
    for (const bool special : {false, true}) {
        MatchingEngine engine(0, 8);
        std::vector<Report> reports(1024);
        std::size_t written = 0;
        const auto play = [&](std::vector<Record> stream) {
            if (special) {
                for (std::size_t i = 0; i < stream.size(); ++i) {
                    Record& record = stream[i];
                    record.owner = static_cast<Owner>(i % 5);
                    record.reserved = 2;
                    record.new_order_id = record.price + record.side * 3;
                    if (i % 4 == 0) record.flags = i % 8 == 0 ? kIceberg : kStop;
                    record.contract %= 4;
                }
            }
            std::span<const Record> left = stream;
            while (!left.empty() || engine.pending() != 0) {
                const MatchingEngine::Progress progress = engine.apply(left, reports);
                left = left.subspan(progress.consumed);
                written += progress.written;
            }
        };
        if (special) {
            engine.set_rules(1, {Allocation::pro_rata, SelfMatch::decrement, 0, 0, 0});
            engine.set_rules(2, {Allocation::top_pro_rata, SelfMatch::cancel_oldest, 0, 200, 100});
            engine.define_combination(7, std::vector<Leg>{{0, Side::bid, 1}, {1, Side::ask, 2}});
        }
        // The caller's copies are counted too: made before.
        std::vector<Record> streams[3] = {make_stream(50'000, 0), make_stream(50'000, 50'000),
                                          make_stream(50'000, 100'000)};
        play(std::move(streams[0]));
        play(std::move(streams[1]));
        const std::size_t before = allocations.load();
        play(std::move(streams[2]));
        CHECK(allocations.load() == before);
        CHECK(written > 150'000);
    }
}

}  // namespace optionsib::book
