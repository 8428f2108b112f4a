// Price-time matching over the L3 book.
//
// Invariants after every message:
//   1. the book is not crossed: the best bid lies below the best ask;
//   2. quantities are conserved: what a taker brought = traded + resting + given back (IOC);
//   3. trades happen at the maker's price, best price first, and at one price first come, first served;
//   4. a message that is not answered with Status::ok has changed nothing and traded nothing.
//
// Rules of modify: less quantity at the same price keeps the place; more quantity or another price loses
// it (and may trade at once). The same price and quantity change nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "optionsib/book/order_book.hpp"

namespace optionsib::book {

struct MatchResult {
    Status status;
    Quantity remaining;  // not traded: resting, or given back where the order was IOC
    bool resting;
};

class MatchingEngine {
  public:
    explicit MatchingEngine(std::size_t expected_orders = 1024) : book_(expected_orders) {}

    // Trades are appended to `trades`.
    MatchResult submit(OrderId id, Side side, Price price, Quantity quantity, Owner owner,
                       bool immediate_or_cancel, std::vector<Trade>& trades);
    Status cancel(OrderId id) { return book_.cancel(id); }
    MatchResult modify(OrderId id, Price price, Quantity quantity, std::vector<Trade>& trades);

    // Apply one record / a batch in order; statuses has the length of records.
    Status apply(const Record& record, std::vector<Trade>& trades);
    void apply_batch(std::span<const Record> records, std::span<std::uint8_t> statuses,
                     std::vector<Trade>& trades);

    [[nodiscard]] const OrderBook& book() const { return book_; }

  private:
    OrderBook book_;
};

}  // namespace optionsib::book
