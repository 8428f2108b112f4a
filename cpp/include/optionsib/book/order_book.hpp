// The L3 book: every order in its queue, by price and then by time.
//
// Invariants after every message:
//   1. the quantity of a level is the sum of its orders, its count their number;
//   2. a level exists exactly while it holds an order; levels of a side are in strict price order;
//   3. orders of a level stand in the order in which they arrived there;
//   4. a message that is not answered with Status::ok has changed nothing.
//
// The book mirrors what it is told and does not match: a feed's book may be crossed for a moment.
// After warm-up (or within the size given to the constructor) no message allocates.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "optionsib/book/order_index.hpp"
#include "optionsib/book/types.hpp"

namespace optionsib::book {

struct LevelView {
    Price price;
    Quantity quantity;
    std::uint32_t order_count;
};

class OrderBook {
  public:
    explicit OrderBook(std::size_t expected_orders = 1024);

    Status add(OrderId id, Side side, Price price, Quantity quantity, Owner owner = 0);

    // Take `quantity` off the order, which keeps its place; the whole of it removes the order.
    Status reduce(OrderId id, Quantity quantity);

    Status cancel(OrderId id);

    // The new order takes side and owner of the old one and goes to the back of the queue.
    Status replace(OrderId id, OrderId new_id, Price price, Quantity quantity);

    // `quantity` of the order was traded. The order need not be the first: a feed knows best.
    Status execute(OrderId id, Quantity quantity);

    // Apply one record / a batch in order; statuses has the length of records.
    Status apply(const Record& record);
    void apply_batch(std::span<const Record> records, std::span<std::uint8_t> statuses);

    [[nodiscard]] std::optional<LevelView> best(Side side) const;
    [[nodiscard]] std::optional<RestingOrder> find(OrderId id) const;

    // Total quantity of the orders that stand before `id` at its price. Walks the queue.
    [[nodiscard]] std::optional<Quantity> quantity_ahead(OrderId id) const;

    // Up to out.size() levels, best first; returns how many were written.
    std::size_t depth(Side side, std::span<LevelView> out) const;

    // The orders of one level in queue order.
    [[nodiscard]] std::vector<RestingOrder> queue(Side side, Price price) const;

    [[nodiscard]] std::size_t order_count() const { return index_.size(); }
    [[nodiscard]] std::size_t level_count(Side side) const { return ladder(side).key.size(); }

    // First order of the best level of `side`; the side must not be empty. For the matching engine.
    [[nodiscard]] RestingOrder front(Side side) const;

    // Take `quantity` (<= what is left) off the order that front(side) gave. For the matching engine.
    void fill_front(Side side, Quantity quantity);

  private:
    struct Order {
        OrderId id;
        Quantity quantity;
        std::uint32_t previous;
        std::uint32_t next;
        std::uint32_t level;
        Owner owner;
    };
    struct Level {
        Price price;
        Quantity quantity;
        std::uint32_t count;
        std::uint32_t head;
        std::uint32_t tail;
        Side side;
    };
    // One side in price order, the best price last: most changes happen near the best, so few elements
    // move. `key` is the price, negated for asks, so that both sides ascend.
    struct Ladder {
        std::vector<Price> key;
        std::vector<std::uint32_t> level;
    };

    [[nodiscard]] Ladder& ladder(Side side) { return side == Side::bid ? bids_ : asks_; }
    [[nodiscard]] const Ladder& ladder(Side side) const { return side == Side::bid ? bids_ : asks_; }
    [[nodiscard]] static Price key_of(Side side, Price price) { return side == Side::bid ? price : -price; }

    // First position of the ladder whose key is not below `key`.
    [[nodiscard]] static std::size_t position(const Ladder& ladder, Price key);
    std::uint32_t level_at(Side side, Price price);
    [[nodiscard]] RestingOrder view(const Order& order) const;
    Status take(OrderId id, Quantity quantity);
    void take_at(std::uint32_t slot, Quantity quantity);
    void remove(std::uint32_t slot);

    OrderIndex index_;
    std::vector<Order> orders_;
    std::vector<Level> levels_;
    std::vector<std::uint32_t> free_orders_;
    std::vector<std::uint32_t> free_levels_;
    Ladder bids_;
    Ladder asks_;
};

// Whether a quantity or price may enter a book.
[[nodiscard]] constexpr bool is_valid_quantity(Quantity quantity) {
    return quantity > 0 && quantity <= kMaxQuantity;
}
[[nodiscard]] constexpr bool is_valid_price(Price price) {
    return price >= -kMaxPrice && price <= kMaxPrice;
}

}  // namespace optionsib::book
