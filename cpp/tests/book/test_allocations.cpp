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

void* operator new(std::size_t size) {
    allocations.fetch_add(1, std::memory_order_relaxed);
    if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
    throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}

namespace optionsib::book {

namespace {

// A stationary stream: every order is cancelled kLife messages after it came (unless it was filled), ids are
// always new.
constexpr OrderId kLife = 400;

std::vector<Record> make_stream(std::size_t count, OrderId first_id) {
    std::mt19937_64 random(9);
    std::vector<Record> records;
    for (std::size_t i = 0; i < count; ++i) {
        const OrderId id = first_id + static_cast<OrderId>(i);
        const bool bid = random() % 2 == 0;
        const auto distance = static_cast<Price>(random() % 40);
        Record record{};
        record.action = static_cast<std::uint8_t>(i % 2 == 0 ? Action::add : Action::cancel);
        record.side = bid ? 1 : -1;
        record.order_id = i % 2 == 0 ? id : id - kLife - 1;
        record.price = bid ? 1'000 - distance : 995 + distance;
        record.quantity = 1 + static_cast<Quantity>(random() % 20);
        records.push_back(record);
    }
    return records;
}

}  // namespace

TEST_CASE("no message allocates after warm-up") {
    const std::vector<Record> warm_up = make_stream(50'000, 0);
    const std::vector<Record> stream = make_stream(50'000, 50'000);
    std::vector<std::uint8_t> statuses(stream.size());
    std::vector<Trade> trades;
    trades.reserve(200'000);

    OrderBook book(64);
    book.apply_batch(warm_up, statuses);
    MatchingEngine engine(64);
    engine.apply_batch(warm_up, statuses, trades);

    const std::size_t before = allocations.load();
    engine.apply_batch(stream, statuses, trades);
    CHECK(allocations.load() == before);
    CHECK(!trades.empty());

    // A book that was told its size does not need the warm-up.
    OrderBook sized(50'000);
    const std::size_t sized_before = allocations.load();
    sized.apply_batch(stream, statuses);
    CHECK(allocations.load() == sized_before);
}

}  // namespace optionsib::book
