#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <map>
#include <random>
#include <vector>

#include "optionsib/book/matching_engine.hpp"
#include "optionsib/book/order_book.hpp"
#include "optionsib/book/order_index.hpp"

namespace optionsib::book {

TEST_CASE("the index finds what a map finds, through growth and removal") {
    std::mt19937_64 random(5);
    OrderIndex index(1);
    std::map<OrderId, std::uint32_t> model;
    for (std::uint32_t step = 0; step < 20'000; ++step) {
        // Dense ids, and ids at both ends of the range.
        OrderId id = static_cast<OrderId>(random() % 600);
        if (step % 3 == 0) id = std::numeric_limits<OrderId>::max() - id;
        if (step % 7 == 0) id = std::numeric_limits<OrderId>::min() + id;
        const auto found = model.find(id);
        CHECK(index.find(id) == (found == model.end() ? kNone : found->second));
        if (found == model.end()) {
            index.insert(id, step);
            model.emplace(id, step);
        } else {
            index.erase(id);
            model.erase(found);
        }
        REQUIRE(index.size() == model.size());
    }
    for (const auto& [id, slot] : model) CHECK(index.find(id) == slot);
}

TEST_CASE("levels far from the best are found and removed") {
    OrderBook book(4);
    for (OrderId id = 0; id < 100; ++id) CHECK(book.add(id, Side::ask, id * 3, 1) == Status::ok);
    CHECK(book.level_count(Side::ask) == 100);
    CHECK(book.add(200, Side::ask, 297, 5) == Status::ok);  // an old level at the far end
    CHECK(book.add(201, Side::ask, 100, 5) == Status::ok);  // a new one in between
    CHECK(book.level_count(Side::ask) == 101);
    CHECK(book.quantity_ahead(200) == 1);
    CHECK(book.cancel(99) == Status::ok);
    CHECK(book.quantity_ahead(200) == 0);
    CHECK(book.cancel(200) == Status::ok);
    CHECK(book.cancel(200) == Status::unknown_order);
    CHECK(book.level_count(Side::ask) == 100);
    std::vector<LevelView> depth(3);
    CHECK(book.depth(Side::ask, depth) == 3);
    CHECK(depth[0].price == 0);
    CHECK(depth[2].price == 6);
    CHECK(book.queue(Side::ask, 100).size() == 1);
    CHECK(book.queue(Side::ask, 101).empty());
    CHECK_FALSE(book.best(Side::bid).has_value());
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
    CHECK(book.best(Side::bid)->price == 10);
    CHECK(book.best(Side::bid)->quantity == 10);
    CHECK(book.find(1)->owner == 3);
    CHECK(book.quantity_ahead(2) == 5);
}

TEST_CASE("matching walks levels and queues in order and conserves quantity") {
    MatchingEngine engine;
    std::vector<Trade> trades;
    engine.submit(1, Side::ask, 101, 5, 0, false, trades);
    engine.submit(2, Side::ask, 100, 5, 0, false, trades);
    engine.submit(3, Side::ask, 100, 5, 0, false, trades);
    REQUIRE(trades.empty());
    const MatchResult result = engine.submit(4, Side::bid, 101, 12, 0, false, trades);
    REQUIRE(trades.size() == 3);
    CHECK((trades[0].maker_id == 2 && trades[0].price == 100 && trades[0].quantity == 5));
    CHECK((trades[1].maker_id == 3 && trades[1].price == 100 && trades[1].quantity == 5));
    CHECK((trades[2].maker_id == 1 && trades[2].price == 101 && trades[2].quantity == 2));
    CHECK((result.remaining == 0 && !result.resting));
    CHECK(engine.book().best(Side::ask)->quantity == 3);
}

TEST_CASE("price signs do not matter to the queue") {
    MatchingEngine engine;
    std::vector<Trade> trades;
    engine.submit(1, Side::bid, -5, 2, 0, false, trades);
    engine.submit(2, Side::bid, -4, 2, 0, false, trades);
    engine.submit(3, Side::ask, -5, 3, 0, false, trades);
    REQUIRE(trades.size() == 2);
    CHECK(trades[0].price == -4);
    CHECK(trades[1].price == -5);
}

}  // namespace optionsib::book
