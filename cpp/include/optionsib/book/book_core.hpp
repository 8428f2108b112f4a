// What one book, a chain of books and the matching engine share: the orders, levels and ids of any number of
// books, addressed by row.
//
// Invariants after every message:
//   1. the quantity of a level is the sum of its orders, its count their number;
//   2. a level is in use exactly while it has quantity; the best of a place is its greatest key;
//   3. orders of a level stand in the order in which they arrived there;
//   4. a message that is answered with a status below zero has changed nothing (but for a gap: see below);
//   5. ids are unique within their scope (IdScope).
//
// The messages mirror what a feed tells and do not match: a book may be crossed for a moment, and says so.
// After warm-up no message allocates; memory grows with what the books hold at most and is kept.
//
// Numbered messages (sequence > 0) must come in steps of one, a chain's either all together or book by book.
// A message beyond the next is refused with Status::gap, and so is every later one, until the missing
// messages came, a numbered clear came, or resume() said where to go on. The first number seen is the first
// expected.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "optionsib/book/levels.hpp"
#include "optionsib/book/order_index.hpp"
#include "optionsib/book/order_pool.hpp"
#include "optionsib/book/types.hpp"

namespace optionsib::book {

// Where order ids (or sequence numbers) count: in the whole chain (one index for all books), or book by book.
enum class Scope : std::uint8_t { chain, book };

// How many records of a batch came to what.
struct BatchCounts {
    std::size_t applied = 0;  // crossed and locked ones too
    std::size_t refused = 0;
    std::size_t crossed = 0;  // applied, and left the book crossed or locked
};

// A choice without a branch, which an order's place in its queue would surprise.
[[nodiscard]] inline std::uint32_t* pick(bool condition, std::uint32_t* yes, std::uintptr_t no) {
    auto chosen = reinterpret_cast<std::uintptr_t>(yes);
    asm("" : "+r"(chosen), "+r"(no));  // both are known now, so there is nothing to jump over
    return reinterpret_cast<std::uint32_t*>(__builtin_expect_with_probability(condition, 1, 0.5) ? chosen
                                                                                                 : no);
}

class BookCore {
  public:
    // `expected_orders`: of all books together; sizes the pool.
    BookCore(std::size_t books, std::size_t expected_orders, Scope ids = Scope::chain,
             Scope sequences = Scope::book);

    // --- messages -----------------------------------------------------------------------------------------

    Status add(std::uint32_t row, OrderId id, Side side, Price price, Quantity quantity, Owner owner);

    // Take `quantity` off the order, which keeps its place; the whole of it removes the order.
    Status reduce(std::uint32_t row, OrderId id, Quantity quantity);

    Status cancel(std::uint32_t row, OrderId id);

    // The new order takes side and owner of the old one and goes to the back of the queue.
    Status replace(std::uint32_t row, OrderId id, OrderId new_id, Price price, Quantity quantity);

    // A feed of totals: the level now has `quantity` (0: is gone) in `count` orders (0: not told).
    Status set_level(std::uint32_t row, Side side, Price price, Quantity quantity, std::uint32_t count);

    // Take everything out of one book; a `sequence` > 0 starts its numbering anew.
    Status clear(std::uint32_t row, std::uint64_t sequence = 0);

    // Apply one record to the book of `row`; a row that does not exist is refused.
    Status apply(std::uint32_t row, const Record& record);

    // Apply records in order, each to the book of its `contract` (`chain`) or all to row 0. `statuses` and
    // `tops` are empty or have the length of records; `tops` gets the top of the book after each message.
    BatchCounts apply_batch(std::span<const Record> records, std::span<std::int8_t> statuses,
                            std::span<Top> tops, bool chain);

    // Expect `sequence` next, whatever came before; 0 takes the next number seen as the first.
    void resume(std::uint32_t row, std::uint64_t sequence) { expected(row) = sequence; }

    // Next number expected, 0 before the first.
    [[nodiscard]] std::uint64_t next_sequence(std::uint32_t row) const {
        return expected_[row & sequence_mask_];
    }

    // --- reads --------------------------------------------------------------------------------------------

    [[nodiscard]] std::size_t books() const { return levels_.books(); }
    [[nodiscard]] Top top(std::uint32_t row) const { return top_of(levels_.ends(row)); }
    // Slot of an order of the book of `row`, or kNone.
    [[nodiscard]] std::uint32_t find(std::uint32_t row, OrderId id) const {
        const std::uint32_t slot = index(row).find(id, orders_);
        return slot != kNone && row_of(orders_[slot]) == row ? slot : kNone;
    }
    [[nodiscard]] RestingOrder view(std::uint32_t slot) const;
    [[nodiscard]] LevelView view_level(std::uint32_t level) const {
        return {levels_[level].price, levels_[level].quantity, levels_[level].count};
    }
    // Number of orders of one book: walks its levels. And of all books.
    [[nodiscard]] std::size_t order_count(std::uint32_t row) const;
    [[nodiscard]] std::size_t order_count() const { return orders_.size(); }
    [[nodiscard]] std::size_t memory() const;

    // --- inside: for the matching engine ------------------------------------------------------------------

    [[nodiscard]] const Levels& levels() const { return levels_; }
    [[nodiscard]] const OrderPool& orders() const { return orders_; }

    // Slot of an order of any book that shares its ids with `row`, or kNone.
    [[nodiscard]] std::uint32_t find_shared(std::uint32_t row, OrderId id) const {
        return index(row).find(id, orders_);
    }

    // Bring near the cell of an id; and, when that is there, its order. They do nothing else.
    void prefetch_cell(std::uint32_t row, OrderId id) const { __builtin_prefetch(&index(row).cell_of(id)); }
    void prefetch_order(std::uint32_t row, OrderId id) const {
        const std::uint32_t slot = index(row).cell_of(id);
        orders_.prefetch(slot < OrderIndex::kShared ? slot : 0);
    }

    // Put an order at the back of its level; `id` must be free, side, price and quantity valid. Status::ok,
    // or what stands against it at that level.
    Status insert(std::uint32_t row, OrderId id, Side side, Price price, Quantity quantity, Owner owner) {
        // Whatever can fail comes before the first change.
        index(row).reserve_one(id, orders_);
        orders_.reserve_one();
        const std::uint32_t place = Levels::place_of(row, side);
        const std::int64_t key = Levels::flip(place, price);
        const std::uint32_t at = levels_.find_or_open(place, key);
        Level& level = levels_[at];
        if (level.quantity == 0) {
            levels_.use(place, key, at);
        } else if (const Status room = room_at(level, quantity); room != Status::ok) [[unlikely]] {
            return room;
        }
        const std::uint32_t slot = orders_.take();
        append(level, at, slot, id, quantity, owner);
        index(row).insert(id, slot);
        return Status::ok;
    }

    // Take `quantity` (1 to all) off the order in `slot`, which keeps its place; all removes it.
    void take(std::uint32_t slot, Quantity quantity) {
        Order& order = orders_[slot];
        if (quantity == order.quantity) [[likely]] {
            remove(slot);
        } else {
            order.quantity -= quantity;
            levels_[order.level].quantity -= quantity;
        }
    }

    // Take the order out of its queue and its id out of the index.
    void remove(std::uint32_t slot) {
        const Order& order = orders_[slot];
        const std::uint32_t at = order.level;
        Level& level = levels_[at];
        index(level.place / 2).erase(order.id, slot);
        level.quantity -= order.quantity;
        unlink(level, order);
        orders_.give_back(slot);
        if (level.quantity == 0) levels_.drop(at);
    }

  private:
    [[nodiscard]] OrderIndex& index(std::uint32_t row) { return indexes_[row & id_mask_]; }
    [[nodiscard]] const OrderIndex& index(std::uint32_t row) const { return indexes_[row & id_mask_]; }
    [[nodiscard]] std::uint64_t& expected(std::uint32_t row) { return expected_[row & sequence_mask_]; }
    [[nodiscard]] std::uint32_t row_of(const Order& order) const { return levels_[order.level].place / 2; }

    // Put the order into `slot` and to the back of `level`, whose number is `at`.
    void append(Level& level, std::uint32_t at, std::uint32_t slot, OrderId id, Quantity quantity,
                Owner owner) {
        Order& order = orders_[slot];
        const std::uint32_t tail = level.tail;
        order.id = id;
        order.quantity = quantity;
        order.previous = tail;
        order.next = kNone;
        order.level = at;
        order.owner = owner;
        *(tail == kNone ? &level.head : &orders_[tail].next) = slot;
        level.tail = slot;
        level.quantity += quantity;
        ++level.count;
    }
    // Take an order out of the queue of its level; its quantity is the caller's.
    void unlink(Level& level, const Order& order) {
        const std::uint32_t previous = order.previous;
        const std::uint32_t next = order.next;
        *after_of(level, previous) = next;
        *before_of(level, next) = previous;
        --level.count;
    }
    // Where the queue of `level` says who comes after an order, and before one; kNone: the level itself.
    [[nodiscard]] std::uint32_t* after_of(Level& level, std::uint32_t slot) const {
        return pick(slot == kNone, &level.head, orders_.address(slot) + offsetof(Order, next));
    }
    [[nodiscard]] std::uint32_t* before_of(Level& level, std::uint32_t slot) const {
        return pick(slot == kNone, &level.tail, orders_.address(slot) + offsetof(Order, previous));
    }
    // Whether an order of `quantity` may join `level`, which is in use.
    [[nodiscard]] static Status room_at(const Level& level, Quantity quantity) {
        if (level.head == kNone) [[unlikely]]
            return Status::mixed_level;
        return level.quantity + quantity > kMaxLevelQuantity ? Status::bad_quantity : Status::ok;
    }
    // Status of an applied message: how the book stands now.
    [[nodiscard]] Status standing(std::uint32_t row) const {
        const Price bid = levels_.best_bid(row);
        const Price ask = levels_.best_ask(row);
        if (bid < ask) [[likely]]
            return Status::ok;
        return bid > ask ? Status::crossed : Status::locked;
    }
    // Slot of the order that a message names, or the reason against it.
    [[nodiscard]] Status locate(std::uint32_t row, OrderId id, std::uint32_t& slot) const {
        slot = index(row).find(id, orders_);
        if (slot == kNone) [[unlikely]]
            return Status::unknown_order;
        return row_of(orders_[slot]) == row ? Status::ok : Status::bad_contract;
    }
    [[nodiscard]] Top top_of(const Levels::Ends& ends) const {
        return {ends.bid, ends.ask, levels_.quantity(ends.bid_level), levels_.quantity(ends.ask_level)};
    }
    Status check_sequence(std::uint32_t row, std::uint64_t sequence);
    Status dispatch(std::uint32_t row, const Record& record);
    template <bool one_index>
    Status step(std::uint32_t row, const Record& record);
    bool add_near(OrderIndex& ids, std::uint32_t place, OrderId id, Price price, Quantity quantity,
                  Owner owner);
    void leave_plain(OrderIndex& ids, std::uint32_t& cell, std::uint32_t slot, Quantity left);
    bool replace_near(OrderIndex& ids, std::uint32_t row, const Record& record);
    void bring_near(const Record* records, std::uint32_t contracts) const;
    template <bool one_index, bool far, bool with_tops>
    BatchCounts run(std::span<const Record> records, std::int8_t* statuses, Top* tops,
                    std::uint32_t contracts);

    Levels levels_;
    OrderPool orders_;
    std::vector<OrderIndex> indexes_;
    std::vector<std::uint64_t> expected_;
    std::uint32_t id_mask_;        // row & mask: the index of a row
    std::uint32_t sequence_mask_;  // likewise
};

}  // namespace optionsib::book
