#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "optionsib/book/order_book.hpp"
#include "optionsib/book/order_index.hpp"

namespace optionsib::book {

namespace {

// Walk every structure of a core and hold it against the others.
void check_invariants(const BookCore& core) {
    std::size_t orders = 0;
    for (std::uint32_t place = 0; place < 2 * core.books(); ++place) {
        std::int64_t before = std::numeric_limits<std::int64_t>::max();
        std::uint32_t levels = 0;
        std::uint32_t last = kNone;
        core.levels().for_each(place, [&](std::uint32_t at) {
            const Level& level = core.levels()[at];
            const std::int64_t key = Levels::flip(place, level.price);
            REQUIRE(key < before);
            if (levels == 0) {
                REQUIRE(core.levels().best(place) == at);
                REQUIRE(core.levels().best_key(place) == key);
            } else {
                REQUIRE(core.levels().worse(last) == at);
            }
            REQUIRE(core.levels().find(place, key) == at);
            REQUIRE(level.place == place);
            Quantity quantity = 0;
            std::uint32_t count = 0;
            std::uint32_t previous = kNone;
            for (std::uint32_t slot = level.head; slot != kNone; slot = core.orders()[slot].next) {
                const Order& order = core.orders()[slot];
                REQUIRE(order.level == at);
                REQUIRE(order.previous == previous);
                REQUIRE(core.find(place / 2, order.id) == slot);
                quantity += order.quantity;
                ++count;
                previous = slot;
            }
            REQUIRE(level.tail == previous);
            if (level.head != kNone) {
                REQUIRE(level.quantity == quantity);
                REQUIRE(level.count == count);
            }
            REQUIRE(level.quantity > 0);
            before = key;
            last = at;
            ++levels;
            orders += count;
            return true;
        });
        REQUIRE(core.levels().count(place) == levels);
        if (levels == 0) {
            REQUIRE(core.levels().best(place) == kNone);
        } else {
            REQUIRE(core.levels().worse(last) == kNone);
        }
    }
    REQUIRE(core.order_count() == orders);
}

}  // namespace

TEST_CASE("the index finds what a map finds, through growth and removal") {
    std::mt19937_64 random(5);
    OrderPool pool(0);
    OrderIndex index;
    std::map<OrderId, std::uint32_t> model;
    for (std::uint32_t step = 0; step < 40'000; ++step) {
        // Dense ids, ids that all want one cell, and ids at both ends of the range.
        OrderId id = static_cast<OrderId>(random() % 600);
        if (step % 3 == 0) id = std::numeric_limits<OrderId>::max() - id;
        if (step % 5 == 0) id = (id & 0xFFF) << 32;
        if (step % 7 == 0) id ^= std::numeric_limits<OrderId>::min();
        const auto found = model.find(id);
        REQUIRE(index.find(id, pool) == (found == model.end() ? kNone : found->second));
        if (found == model.end()) {
            pool.reserve_one();
            index.reserve_one(id, pool);
            const std::uint32_t slot = pool.take();
            pool[slot].id = id;
            index.insert(id, slot);
            model.emplace(id, slot);
        } else {
            index.erase(id, found->second);
            pool.give_back(found->second);
            model.erase(found);
        }
        REQUIRE(index.size() == model.size());
    }
    for (const auto& [id, slot] : model) REQUIRE(index.find(id, pool) == slot);
    CHECK(index.memory() < 2'400 * 400);
}

TEST_CASE("a cell that many ids want is plain again when they have gone") {
    OrderPool pool(0);
    OrderIndex index;
    std::map<OrderId, std::uint32_t> model;
    const auto insert = [&](OrderId id) {
        pool.reserve_one();
        index.reserve_one(id, pool);
        const std::uint32_t slot = pool.take();
        pool[slot].id = id;
        index.insert(id, slot);
        model.emplace(id, slot);
    };
    const auto erase = [&](OrderId id) {
        index.erase(id, model.at(id));
        pool.give_back(model.at(id));
        model.erase(id);
    };
    // The first one out is the one in the cell, or the last one in, or one of the table.
    for (const OrderId most : {2, 3, 300}) {
        for (const OrderId first : {OrderId{0}, OrderId{1}, most - 1}) {
            for (OrderId n = 0; n < most; ++n) insert(n << 32);
            erase(first << 32);
            REQUIRE(index.find(first << 32, pool) == kNone);
            insert(first << 32);
            for (OrderId n = 0; n < most; ++n) {
                REQUIRE(index.find(n << 32, pool) == model.at(n << 32));
                REQUIRE(index.find((n + most) << 32, pool) == kNone);
                erase(n << 32);
                for (const auto& [id, slot] : model) REQUIRE(index.find(id, pool) == slot);
            }
            REQUIRE(index.size() == 0);
            if (most < 256) CHECK(index.cell_of(0) == kNone);
        }
    }
}

TEST_CASE("a batch says what its messages say one by one, however much the books hold") {
    std::mt19937_64 random(31);
    for (const std::uint32_t books : {1U, 5U}) {
        ChainBook batched(books), single(books);
        std::vector<Record> records;
        OrderId fresh = 0;
        const auto any_id = [&] {
            return fresh == 0 ? 0 : static_cast<OrderId>(random() % (fresh + fresh / 8 + 1));
        };
        for (std::size_t step = 0; step < 70'000; ++step) {
            Record record{};
            const bool adds = random() % 8 < (step < 45'000 ? 6 : 2);
            record.action = static_cast<std::uint8_t>(adds ? 1 : 2 + random() % 4);
            if (random() % 500 == 0) record.action = static_cast<std::uint8_t>(random() % 7);
            record.side = random() % 2 == 0 ? 1 : -1;
            record.contract = static_cast<std::uint32_t>(random() % books);
            if (random() % 200 == 0) record.contract = static_cast<std::uint32_t>(random());
            record.order_id = adds ? fresh++ : any_id();
            record.new_order_id = random() % 9 == 0 ? any_id() : fresh++;
            record.price =
                record.side * -static_cast<Price>(random() % 300) + static_cast<Price>(random() % 3);
            if (random() % 100 == 0) record.price *= 1'000;
            record.quantity = static_cast<Quantity>(random() % 9);
            if (random() % 1'000 == 0)
                record.quantity = kMaxQuantity + static_cast<Quantity>(random() % 3) - 1;
            records.push_back(record);
        }
        std::vector<std::int8_t> statuses(records.size());
        std::vector<Top> tops(records.size());
        const BatchCounts counts = batched.apply_batch(records, statuses, tops);
        BatchCounts expected;
        std::size_t most = 0;
        for (std::size_t i = 0; i < records.size(); ++i) {
            const Status status = single.apply(records[i]);
            REQUIRE(statuses[i] == static_cast<std::int8_t>(status));
            ++(applied(status) ? expected.applied : expected.refused);
            expected.crossed += static_cast<std::int8_t>(status) > 0;
            most = std::max(most, single.core().order_count());
            if (records[i].contract >= books) continue;
            const Top top = single.core().top(records[i].contract);
            REQUIRE(std::memcmp(&top, &tops[i], sizeof(top)) == 0);
        }
        CHECK(counts.applied == expected.applied);
        CHECK(counts.refused == expected.refused);
        CHECK(counts.crossed == expected.crossed);
        CHECK(most > 20'000);  // what is brought near ahead of the messages is
        CHECK(expected.crossed > 0);
        check_invariants(batched.core());
    }
}

TEST_CASE("a price out of range is refused beside the last one in range") {
    for (const Side side : {Side::bid, Side::ask}) {
        for (const int sign : {1, -1}) {
            OrderBook book;
            OrderId id = 0;
            for (int round = 0; round < 3; ++round) {
                for (Price inside = 0; inside < 80; ++inside) {
                    Record record{};
                    record.action = static_cast<std::uint8_t>(Action::add);
                    record.side = static_cast<std::int8_t>(side);
                    record.order_id = ++id;
                    record.quantity = 1;
                    record.price = sign * (kMaxPrice - inside);
                    REQUIRE(book.apply(record) == Status::ok);
                    record.order_id = ++id;
                    record.price = sign * (kMaxPrice + 1 + inside);
                    REQUIRE(book.apply(record) == Status::bad_price);
                }
            }
            check_invariants(book.core());
        }
    }
}

TEST_CASE("whatever comes, the structures agree") {
    std::mt19937_64 random(11);
    for (const Price width : {Price{20}, Price{200}, Price{100'000}}) {
        for (const Scope scope : {Scope::chain, Scope::book}) {
            ChainBook chain(3, 0, scope, scope);
            std::set<Status> seen;
            for (int step = 0; step < 30'000; ++step) {
                Record record{};
                record.action =
                    static_cast<std::uint8_t>(step % 3 == 0 ? 1 + random() % 7 : 1 + random() % 4);
                if (step % 4'999 == 0) record.action = static_cast<std::uint8_t>(Action::clear);
                record.side = random() % 2 == 0 ? 1 : -1;
                record.contract = static_cast<std::uint32_t>(random() % 3);
                record.order_id = static_cast<OrderId>(random() % 700);
                if (random() % 4 == 0) record.order_id <<= 40;
                record.new_order_id = static_cast<OrderId>(random() % 700);
                record.price = static_cast<Price>(random() % static_cast<std::uint64_t>(width)) - width / 2;
                record.quantity = static_cast<Quantity>(random() % 8);
                seen.insert(chain.apply(record));
                if (step % 500 == 0) check_invariants(chain.core());
            }
            check_invariants(chain.core());
            CHECK(seen.contains(Status::duplicate_order));
            CHECK(seen.contains(Status::mixed_level));
            CHECK(seen.contains(Status::crossed));
            CHECK(seen.contains(scope == Scope::chain ? Status::bad_contract : Status::unknown_order));
            for (std::uint32_t row = 0; row < 3; ++row) chain.core().clear(row);
            check_invariants(chain.core());
            CHECK(chain.core().order_count() == 0);
        }
    }
}

TEST_CASE("any bytes are answered with a status and leave the structures whole") {
    std::mt19937_64 random(23);
    for (const Scope scope : {Scope::chain, Scope::book}) {
        ChainBook chain(2, 0, scope, scope);
        OrderBook book;
        std::vector<Record> records(64);
        std::vector<std::int8_t> statuses(records.size());
        std::vector<Top> tops(records.size());
        for (int round = 0; round < 2'000; ++round) {
            for (Record& record : records) {
                std::array<std::uint64_t, 8> words;
                for (std::uint64_t& word : words) word = random() & random() & random();
                // Mostly the noise of a field or two in a plausible record.
                if (random() % 4 != 0) {
                    const std::uint64_t side = random() % 2 == 0 ? 0xFF : 0x01;
                    words[0] = (random() % 10) | side << 8 | (random() % 3) << 32;
                    words[1] = random() % 50;
                    words[2] = random() % 4 == 0 ? random() : random() % 100;
                    words[3] = random() % 8 == 0 ? random() : 1 + random() % 9;
                    words[5] = 0;
                }
                std::memcpy(&record, words.data(), sizeof(record));
            }
            const BatchCounts counts = chain.apply_batch(records, statuses, tops);
            book.apply_batch(records);
            REQUIRE(counts.applied + counts.refused == records.size());
            for (const std::int8_t status : statuses) {
                REQUIRE(status >= static_cast<std::int8_t>(Status::mixed_level));
                REQUIRE(status <= static_cast<std::int8_t>(Status::locked));
            }
            if (round % 100 == 0) {
                check_invariants(chain.core());
                check_invariants(book.core());
            }
        }
        check_invariants(chain.core());
    }
}

TEST_CASE("levels far from the best are found and removed") {
    OrderBook book;
    for (OrderId id = 0; id < 100; ++id) CHECK(book.add(id, Side::ask, id * 3, 1) == Status::ok);
    const auto view = book.view();
    CHECK(view.level_count(Side::ask) == 100);
    CHECK(book.add(200, Side::ask, 297, 5) == Status::ok);  // an old level at the far end
    CHECK(book.add(201, Side::ask, 100, 5) == Status::ok);  // a new one in between
    CHECK(view.level_count(Side::ask) == 101);
    CHECK(view.quantity_ahead(200) == 1);
    CHECK(view.orders_ahead(200) == 1);
    CHECK(book.cancel(99) == Status::ok);
    CHECK(view.quantity_ahead(200) == 0);
    CHECK(book.cancel(200) == Status::ok);
    CHECK(book.cancel(200) == Status::unknown_order);
    CHECK(view.level_count(Side::ask) == 100);
    std::vector<LevelView> depth(3);
    CHECK(view.depth(Side::ask, depth) == 3);
    CHECK(depth[0].price == 0);
    CHECK(depth[2].price == 6);
    CHECK(view.depth_quantity(Side::ask, 3) == 3);
    CHECK(view.queue(Side::ask, 100).size() == 1);
    CHECK(view.queue(Side::ask, 101).empty());
    CHECK_FALSE(view.best(Side::bid).has_value());
}

TEST_CASE("a total of levels beyond the range of a quantity saturates") {
    OrderBook book;
    for (Price price = 0; price < 3; ++price) {
        for (OrderId i = 0; i < 512; ++i) {
            REQUIRE(book.add(price * 512 + i, Side::bid, price, kMaxQuantity) == Status::ok);
        }
    }
    CHECK(book.view().depth_quantity(Side::bid, 3) == std::numeric_limits<Quantity>::max());
}

TEST_CASE("a refused message changes nothing") {
    OrderBook book;
    REQUIRE(book.add(1, Side::bid, 10, 5, 3) == Status::ok);
    REQUIRE(book.add(2, Side::bid, 10, 5, 3) == Status::ok);
    CHECK(book.add(1, Side::bid, 11, 5) == Status::duplicate_order);
    CHECK(book.add(3, static_cast<Side>(0), 11, 5) == Status::bad_side);
    CHECK(book.add(3, Side::bid, kMaxPrice + 1, 5) == Status::bad_price);
    CHECK(book.add(3, Side::bid, 11, kMaxQuantity + 1) == Status::bad_quantity);
    CHECK(book.reduce(1, 6) == Status::bad_quantity);
    CHECK(book.execute(1, 0) == Status::bad_quantity);
    CHECK(book.replace(1, 2, 11, 5) == Status::duplicate_order);
    CHECK(book.set_level(Side::bid, 10, 5) == Status::mixed_level);
    check_invariants(book.core());
    const auto view = book.view();
    CHECK(view.best(Side::bid)->price == 10);
    CHECK(view.best(Side::bid)->quantity == 10);
    CHECK(view.find(1)->owner == 3);
    CHECK(view.quantity_ahead(2) == 5);
}

TEST_CASE("a record and the message of its name answer alike") {
    // The short way of a record and the checked one must agree on every refusal.
    OrderBook by_record, by_name;
    std::mt19937_64 random(3);
    for (int step = 0; step < 20'000; ++step) {
        Record record{};
        record.action = static_cast<std::uint8_t>(1 + random() % 5);
        record.side = static_cast<std::int8_t>(random() % 5) - 2;
        record.order_id = static_cast<OrderId>(random() % 60);
        record.new_order_id = static_cast<OrderId>(random() % 60);
        record.price = random() % 20 == 0 ? kMaxPrice + static_cast<Price>(random() % 2)
                                          : static_cast<Price>(random() % 90);
        record.quantity = static_cast<Quantity>(random() % 7) - 1;
        Status expected = Status::bad_action;
        switch (static_cast<Action>(record.action)) {
            case Action::add:
                expected = by_name.add(record.order_id, static_cast<Side>(record.side), record.price,
                                       record.quantity);
                break;
            case Action::reduce:
            case Action::execute:
                expected = by_name.reduce(record.order_id, record.quantity);
                break;
            case Action::cancel:
                expected = by_name.cancel(record.order_id);
                break;
            default:
                expected =
                    by_name.replace(record.order_id, record.new_order_id, record.price, record.quantity);
        }
        REQUIRE(by_record.apply(record) == expected);
    }
    check_invariants(by_record.core());
}

}  // namespace optionsib::book
