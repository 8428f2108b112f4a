// One book: every order in its queue, by price and then by time, as a feed reports it; nothing is matched.
// Invariants and numbering: book_core.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "optionsib/book/book_core.hpp"
#include "optionsib/book/types.hpp"

namespace optionsib::book {

// Read-only view of one book, by itself or of a chain. The core must outlive it.
class BookView {
  public:
    BookView(const BookCore& core, std::uint32_t row) : core_(&core), row_(row) {}

    [[nodiscard]] Top top() const { return core_->top(row_); }
    [[nodiscard]] std::optional<LevelView> best(Side side) const;
    [[nodiscard]] std::optional<RestingOrder> find(OrderId id) const;

    // Total quantity, and number, of the orders that stand before `id` at its price. Walks the queue.
    [[nodiscard]] std::optional<Quantity> quantity_ahead(OrderId id) const;
    [[nodiscard]] std::optional<std::size_t> orders_ahead(OrderId id) const;

    // Up to out.size() levels, best first; returns how many were written.
    std::size_t depth(Side side, std::span<LevelView> out) const;

    // Total quantity of the best `levels` levels.
    [[nodiscard]] Quantity depth_quantity(Side side, std::size_t levels) const;

    // The orders of one level in queue order; of all levels, best first.
    [[nodiscard]] std::vector<RestingOrder> queue(Side side, Price price) const;
    [[nodiscard]] std::vector<RestingOrder> orders(Side side) const;

    [[nodiscard]] std::size_t order_count() const { return core_->order_count(row_); }
    [[nodiscard]] std::size_t level_count(Side side) const {
        return core_->levels().count(Levels::place_of(row_, side));
    }
    [[nodiscard]] std::uint64_t next_sequence() const { return core_->next_sequence(row_); }

  private:
    void append_queue(std::uint32_t level, std::vector<RestingOrder>& orders) const;

    const BookCore* core_;
    std::uint32_t row_;
};

class OrderBook {
  public:
    explicit OrderBook(std::size_t expected_orders = 0) : core_(1, expected_orders) {}

    Status add(OrderId id, Side side, Price price, Quantity quantity, Owner owner = 0) {
        return core_.add(0, id, side, price, quantity, owner);
    }
    Status reduce(OrderId id, Quantity quantity) { return core_.reduce(0, id, quantity); }
    Status cancel(OrderId id) { return core_.cancel(0, id); }
    Status replace(OrderId id, OrderId new_id, Price price, Quantity quantity) {
        return core_.replace(0, id, new_id, price, quantity);
    }
    // The order need not be the first of its queue: a feed knows best.
    Status execute(OrderId id, Quantity quantity) { return core_.reduce(0, id, quantity); }
    Status set_level(Side side, Price price, Quantity quantity, std::uint32_t count = 0) {
        return core_.set_level(0, side, price, quantity, count);
    }
    Status clear() { return core_.clear(0); }
    Status apply(const Record& record) { return core_.apply(0, record); }
    BatchCounts apply_batch(std::span<const Record> records, std::span<std::int8_t> statuses = {},
                            std::span<Top> tops = {}) {
        return core_.apply_batch(records, statuses, tops, false);
    }

    [[nodiscard]] BookView view() const { return {core_, 0}; }
    [[nodiscard]] std::size_t order_count() const { return core_.order_count(); }
    [[nodiscard]] const BookCore& core() const { return core_; }
    [[nodiscard]] BookCore& core() { return core_; }

  private:
    BookCore core_;
};

// Thousands of books, one a contract, in one order pool; a record goes to the book of its `contract` row.
class ChainBook {
  public:
    explicit ChainBook(std::size_t contracts, std::size_t expected_orders = 0, Scope ids = Scope::chain,
                       Scope sequences = Scope::book)
        : core_(contracts, expected_orders, ids, sequences) {}

    Status apply(const Record& record) { return core_.apply(record.contract, record); }
    BatchCounts apply_batch(std::span<const Record> records, std::span<std::int8_t> statuses = {},
                            std::span<Top> tops = {}) {
        return core_.apply_batch(records, statuses, tops, true);
    }

    [[nodiscard]] std::size_t contracts() const { return core_.books(); }
    [[nodiscard]] BookView view(std::uint32_t row) const { return {core_, row}; }
    [[nodiscard]] const BookCore& core() const { return core_; }
    [[nodiscard]] BookCore& core() { return core_; }

  private:
    BookCore core_;
};

}  // namespace optionsib::book
