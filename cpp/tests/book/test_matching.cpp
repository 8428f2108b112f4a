// Published behaviour is held against an independent reference in tests/property/test_matching.py; here stand
// the hand-worked cases and what only C++ can say.
#include <doctest/doctest.h>

#include <array>
#include <cstring>
#include <random>
#include <stdexcept>
#include <vector>

#include "optionsib/book/matching_engine.hpp"

namespace optionsib::book {

namespace {

Record order(OrderId id, Side side, Price price, Quantity quantity, std::uint16_t flags = 0) {
    Record record{};
    record.action = static_cast<std::uint8_t>(Action::add);
    record.side = static_cast<std::int8_t>(side);
    record.flags = flags;
    record.order_id = id;
    record.price = price;
    record.quantity = quantity;
    return record;
}

std::vector<Report> send(MatchingEngine& engine, const Record& record) {
    std::vector<Report> all;
    std::array<Report, 3> some;
    auto progress = engine.apply({&record, 1}, some);
    all.insert(all.end(), some.begin(), some.begin() + static_cast<std::ptrdiff_t>(progress.written));
    while (engine.pending() != 0) {
        progress = engine.apply({}, some);
        all.insert(all.end(), some.begin(), some.begin() + static_cast<std::ptrdiff_t>(progress.written));
    }
    return all;
}

}  // namespace

TEST_CASE("matching walks levels and queues in order and conserves quantity") {
    MatchingEngine engine;
    send(engine, order(1, Side::ask, 101, 5));
    send(engine, order(2, Side::ask, 100, 5));
    send(engine, order(3, Side::ask, 100, 5));
    const auto reports = send(engine, order(4, Side::bid, 101, 12));
    REQUIRE(reports.size() == 4);
    CHECK(reports[0].kind == static_cast<std::uint8_t>(ReportKind::accepted));
    CHECK((reports[1].other_id == 2 && reports[1].price == 100 && reports[1].quantity == 5));
    CHECK((reports[2].other_id == 3 && reports[2].price == 100 && reports[2].quantity == 5));
    CHECK((reports[3].other_id == 1 && reports[3].price == 101 && reports[3].quantity == 2));
    CHECK(reports[3].remaining == 0);
    CHECK(engine.view().best(Side::ask)->quantity == 3);
}

TEST_CASE("price signs do not matter to the queue") {
    MatchingEngine engine;
    send(engine, order(1, Side::bid, -5, 2));
    send(engine, order(2, Side::bid, -4, 2));
    const auto reports = send(engine, order(3, Side::ask, -5, 3));
    REQUIRE(reports.size() == 3);
    CHECK(reports[1].price == -4);
    CHECK(reports[2].price == -5);
}

TEST_CASE("rules and combinations out of range are refused") {
    MatchingEngine engine(0, 3);
    CHECK_THROWS_AS(engine.set_rules(3, {}), std::invalid_argument);
    CHECK_THROWS_AS(engine.set_rules(0, {.static_collar = -1}), std::invalid_argument);
    const std::vector<Leg> same{{0, Side::bid, 1}, {0, Side::ask, 1}};
    const std::vector<Leg> itself{{0, Side::bid, 1}, {2, Side::ask, 1}};
    const std::vector<Leg> ratio{{0, Side::bid, 1}, {1, Side::ask, 0}};
    const std::vector<Leg> good{{0, Side::bid, 1}, {1, Side::ask, 1}};
    for (const auto& legs : {same, itself, ratio}) {
        CHECK_THROWS_AS(engine.define_combination(2, legs), std::invalid_argument);
    }
    engine.define_combination(2, good);
    CHECK_THROWS_AS(engine.define_combination(2, good), std::invalid_argument);
    CHECK_THROWS_AS(engine.define_combination(1, good), std::invalid_argument);
}

// Under the sanitizers: any bytes at all, in books with every rule. Bits are random, but mostly small enough
// to meet each other.
TEST_CASE("no record does harm, and equal records give equal reports") {
    for (const std::uint64_t seed : {1U, 2U, 3U, 4U}) {
        std::vector<Record> records(30'000);
        std::mt19937_64 random(seed);
        for (Record& record : records) {
            std::array<std::uint64_t, 8> words;
            for (std::uint64_t& word : words) word = random();
            std::memcpy(&record, words.data(), sizeof(record));
            if (random() % 200 == 0) continue;
            record.action =
                static_cast<std::uint8_t>(random() % 8 == 0 ? random() % 12 : 1 + random() % 2 * 5);
            if (random() % 3 != 0) record.action = static_cast<std::uint8_t>(Action::add);
            record.side = random() % 2 == 0 ? 1 : -1;
            record.flags = static_cast<std::uint16_t>(random() % 3 == 0 ? random() % 256 : random() % 2);
            record.contract = static_cast<std::uint32_t>(random() % 5);
            record.order_id = static_cast<OrderId>(random() % 400);
            if (random() % 50 != 0) {
                record.price = static_cast<Price>(random() % 40) - 20 - 3 * record.side;
                record.new_order_id = static_cast<OrderId>(random() % 60) - 30;
                record.quantity = static_cast<Quantity>(random() % 50);
            }
            record.owner %= 4;
            record.reserved %= 6;
            record.timestamp = static_cast<std::int64_t>(&record - records.data());
        }
        std::vector<Report> first;
        for (const std::size_t size : {1U, 4096U}) {
            MatchingEngine engine(0, 4);
            for (std::uint32_t row = 0; row < 4; ++row) {
                engine.set_rules(
                    row, {static_cast<Allocation>((row + seed) % 3), static_cast<SelfMatch>((row + seed) % 5),
                          row == 1 ? 15 : 0, row == 2 ? 9 : 0, 50});
            }
            engine.define_combination(3, std::vector<Leg>{{0, Side::bid, 1}, {1, Side::ask, 2}});
            std::vector<Report> all, some(size);
            std::span<const Record> left = records;
            while (!left.empty() || engine.pending() != 0) {
                const auto progress = engine.apply(left, some);
                left = left.subspan(progress.consumed);
                all.insert(all.end(), some.begin(),
                           some.begin() + static_cast<std::ptrdiff_t>(progress.written));
            }
            if (first.empty()) {
                first = all;
                CHECK(all.size() > records.size());
                continue;
            }
            REQUIRE(all.size() == first.size());
            CHECK(std::memcmp(all.data(), first.data(), all.size() * sizeof(Report)) == 0);
        }
    }
}

}  // namespace optionsib::book
