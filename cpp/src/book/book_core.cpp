#include "optionsib/book/book_core.hpp"

#include <stdexcept>

namespace optionsib::book {

namespace {

// A batch brings near what the message this far ahead will touch.
constexpr std::size_t kAhead = 32;  // records
constexpr std::size_t kStage = 8;

std::size_t checked_books(std::size_t books) {
    if (books == 0 || books > kNone / 2) throw std::length_error("a chain has 1 to 2**31 - 1 books");
    return books;
}

}  // namespace

BookCore::BookCore(std::size_t books, std::size_t expected_orders, Scope ids, Scope sequences)
    : levels_(checked_books(books)),
      orders_(expected_orders),
      indexes_(ids == Scope::chain ? 1 : books,
               OrderIndex(ids == Scope::chain ? expected_orders : expected_orders / books)),
      expected_(sequences == Scope::chain ? 1 : books),
      id_mask_(ids == Scope::chain ? 0 : kNone),
      sequence_mask_(sequences == Scope::chain ? 0 : kNone) {}

Status BookCore::add(std::uint32_t row, OrderId id, Side side, Price price, Quantity quantity, Owner owner) {
    if (!is_valid_side(side)) [[unlikely]]
        return Status::bad_side;
    if (!is_valid_quantity(quantity)) [[unlikely]]
        return Status::bad_quantity;
    if (!is_valid_price(price)) [[unlikely]]
        return Status::bad_price;
    if (index(row).find(id, orders_) != kNone) [[unlikely]]
        return Status::duplicate_order;
    const Status status = insert(row, id, side, price, quantity, owner);
    return status == Status::ok ? standing(row) : status;
}

Status BookCore::reduce(std::uint32_t row, OrderId id, Quantity quantity) {
    std::uint32_t slot;
    if (const Status found = locate(row, id, slot); found != Status::ok) [[unlikely]]
        return found;
    if (quantity <= 0 || quantity > orders_[slot].quantity) [[unlikely]]
        return Status::bad_quantity;
    take(slot, quantity);
    return standing(row);
}

Status BookCore::cancel(std::uint32_t row, OrderId id) {
    std::uint32_t slot;
    if (const Status found = locate(row, id, slot); found != Status::ok) [[unlikely]]
        return found;
    remove(slot);
    return standing(row);
}

Status BookCore::replace(std::uint32_t row, OrderId id, OrderId new_id, Price price, Quantity quantity) {
    std::uint32_t slot;
    if (const Status found = locate(row, id, slot); found != Status::ok) [[unlikely]]
        return found;
    if (!is_valid_quantity(quantity)) [[unlikely]]
        return Status::bad_quantity;
    if (!is_valid_price(price)) [[unlikely]]
        return Status::bad_price;
    if (new_id != id && index(row).find(new_id, orders_) != kNone) [[unlikely]]
        return Status::duplicate_order;
    const Order old = orders_[slot];
    const std::uint32_t place = levels_[old.level].place;
    const std::uint32_t at = levels_.find(place, Levels::flip(place, price));
    if (at != kNone && levels_[at].quantity != 0) {
        const Quantity leaves = at == old.level ? old.quantity : 0;
        if (const Status room = room_at(levels_[at], quantity - leaves); room != Status::ok) return room;
    }
    // Nothing may fail once the old order is gone.
    index(row).reserve_one(new_id, orders_);
    levels_.reserve_one(place);
    remove(slot);
    insert(row, new_id, Levels::side_of(place), price, quantity, old.owner);
    return standing(row);
}

Status BookCore::set_level(std::uint32_t row, Side side, Price price, Quantity quantity,
                           std::uint32_t count) {
    if (!is_valid_side(side)) return Status::bad_side;
    if (quantity != 0 && !is_valid_quantity(quantity)) return Status::bad_quantity;
    if (!is_valid_price(price)) return Status::bad_price;
    const std::uint32_t place = Levels::place_of(row, side);
    const std::int64_t key = Levels::flip(place, price);
    std::uint32_t at = levels_.find(place, key);
    const bool in_use = at != kNone && levels_[at].quantity != 0;
    if (in_use && levels_[at].head != kNone) return Status::mixed_level;
    if (quantity == 0) {
        if (in_use) levels_.drop(at);
        return standing(row);
    }
    if (!in_use) {
        at = levels_.find_or_open(place, key);
        levels_.use(place, key, at);
    }
    levels_[at].quantity = quantity;
    levels_[at].count = count;
    return standing(row);
}

Status BookCore::clear(std::uint32_t row, std::uint64_t sequence) {
    for (const Side side : {Side::bid, Side::ask}) {
        const std::uint32_t place = Levels::place_of(row, side);
        for (std::uint32_t at = levels_.best(place); at != kNone; at = levels_.best(place)) {
            if (levels_[at].head == kNone) {
                levels_.drop(at);
            } else {
                remove(levels_[at].head);
            }
        }
    }
    if (sequence != 0) expected(row) = sequence + 1;
    return Status::ok;
}

inline Status BookCore::check_sequence(std::uint32_t row, std::uint64_t sequence) {
    std::uint64_t& next = expected(row);
    if (next != 0 && sequence != next) return sequence > next ? Status::gap : Status::stale_sequence;
    next = sequence + 1;
    return Status::ok;
}

// Any message, with every check.
Status BookCore::dispatch(std::uint32_t row, const Record& record) {
    switch (static_cast<Action>(record.action)) {
        case Action::add:
            return add(row, record.order_id, static_cast<Side>(record.side), record.price, record.quantity,
                       record.owner);
        case Action::cancel:
            return cancel(row, record.order_id);
        case Action::reduce:
        case Action::execute:
            return reduce(row, record.order_id, record.quantity);
        case Action::replace:
            return replace(row, record.order_id, record.new_order_id, record.price, record.quantity);
        case Action::set_level:
            return set_level(row, static_cast<Side>(record.side), record.price, record.quantity,
                             record.owner);
        case Action::clear:
            return clear(row, record.sequence);
        case Action::modify:
        case Action::set_phase:
        case Action::tell_time:
            break;
    }
    return Status::bad_action;
}

// One message by the short way: known to be valid after the fewest questions, and without a branch on what
// the stream makes a coin toss but for the kind of message. What is rare or wrong is left to dispatch().
[[gnu::always_inline]] inline Status BookCore::step(std::uint32_t row, const Record& record) {
    if (record.sequence != 0 && record.action != static_cast<std::uint8_t>(Action::clear)) {
        if (const Status status = check_sequence(row, record.sequence); status != Status::ok) return status;
    }
    OrderIndex& ids = index(row);
    std::uint32_t& cell = ids.cell_of(record.order_id);
    if (record.action == static_cast<std::uint8_t>(Action::add)) {
        const std::uint32_t place = 2 * row + (record.side > 0 ? 1U : 0U);
        const std::int64_t key = Levels::flip(place, record.price);
        const Levels::Near near = levels_.find_near(place, key);
        const bool plain = (near.distance == 0) & (cell == kNone) & is_valid_quantity(record.quantity) &
                           is_valid_price(record.price) & ((record.side == 1) | (record.side == -1)) &
                           orders_.has_free();
        if (!plain || ids.in_table(record.order_id)) [[unlikely]]
            return dispatch(row, record);
        Level& level = levels_[near.level];
        if (level.quantity == 0) {
            levels_.use(place, key, near.level);
        } else if (room_at(level, record.quantity) != Status::ok) [[unlikely]] {
            return dispatch(row, record);
        }
        const std::uint32_t slot = orders_.take();
        append(level, near.level, slot, record.order_id, record.quantity, record.owner);
        cell = slot;
        ids.count(1);
        return standing(row);
    }
    constexpr std::uint32_t kTakes = 1U << static_cast<unsigned>(Action::reduce) |
                                     1U << static_cast<unsigned>(Action::cancel) |
                                     1U << static_cast<unsigned>(Action::execute);
    const bool takes = record.action < 32 && (kTakes >> record.action & 1U) != 0;
    if (!takes || cell == kNone) [[unlikely]]
        return dispatch(row, record);
    const std::uint32_t slot = cell;
    Order& order = orders_[slot];
    Level& level = levels_[order.level];
    const Quantity open = order.quantity;
    const Quantity quantity =
        record.action == static_cast<std::uint8_t>(Action::cancel) ? open : record.quantity;
    const bool plain = (order.id == record.order_id) & (level.place / 2 == row) &
                       (static_cast<std::uint64_t>(quantity) - 1 < static_cast<std::uint64_t>(open));
    if (!plain) [[unlikely]]
        return dispatch(row, record);
    level.quantity -= quantity;
    if (quantity != open) {
        order.quantity = open - quantity;
        return standing(row);
    }
    unlink(level, order);
    orders_.give_back(slot);
    cell = kNone;
    ids.count(-1);
    if (level.quantity == 0) levels_.drop(order.level);
    return standing(row);
}

Status BookCore::apply(std::uint32_t row, const Record& record) {
    return row < books() ? step(row, record) : Status::bad_contract;
}

// Ahead of the message that is applied: bring near the cell of an id, and then its order. Stages beyond that
// (level, neighbours) cost more than they save.
[[gnu::always_inline]] inline void BookCore::bring_near(const Record* records) const {
    const OrderIndex& ids = indexes_[0];
    __builtin_prefetch(&ids.cell_of(records[2 * kStage].order_id));
    const std::uint32_t known = ids.cell_of(records[kStage].order_id);
    orders_.prefetch(known == kNone ? 0 : known);
}

template <bool chain, bool with_statuses, bool with_tops>
BatchCounts BookCore::batch(std::span<const Record> records, std::int8_t* statuses, Top* tops) {
    std::size_t refused = 0;
    std::size_t crossed = 0;
    const std::size_t staged =
        indexes_.size() == 1 && records.size() > 2 * kStage ? records.size() - 2 * kStage : 0;
    for (std::size_t i = 0; i < records.size(); ++i) {
        const Record& record = records[i];
        __builtin_prefetch(&record + kAhead);
        if (i < staged) bring_near(&record);
        const std::uint32_t row = chain ? record.contract : 0;
        const bool known = !chain || row < books();
        const Status status = known ? step(row, record) : Status::bad_contract;
        refused += !applied(status);
        crossed += static_cast<std::int8_t>(status) > 0;
        if constexpr (with_statuses) statuses[i] = static_cast<std::int8_t>(status);
        if constexpr (with_tops) tops[i] = known ? top(row) : Top{kNoBid, kNoAsk, 0, 0};
    }
    return {records.size() - refused, refused, crossed};
}

BatchCounts BookCore::apply_batch(std::span<const Record> records, std::span<std::int8_t> statuses,
                                  std::span<Top> tops, bool chain) {
    using Batch = BatchCounts (BookCore::*)(std::span<const Record>, std::int8_t*, Top*);
    constexpr Batch batches[2][2][2] = {
        {{&BookCore::batch<false, false, false>, &BookCore::batch<false, false, true>},
         {&BookCore::batch<false, true, false>, &BookCore::batch<false, true, true>}},
        {{&BookCore::batch<true, false, false>, &BookCore::batch<true, false, true>},
         {&BookCore::batch<true, true, false>, &BookCore::batch<true, true, true>}}};
    return (this->*batches[chain][!statuses.empty()][!tops.empty()])(records, statuses.data(), tops.data());
}

RestingOrder BookCore::view(std::uint32_t slot) const {
    const Order& order = orders_[slot];
    const Level& level = levels_[order.level];
    return {order.id, Levels::side_of(level.place), level.price, order.quantity, order.owner};
}

std::size_t BookCore::order_count(std::uint32_t row) const {
    std::size_t count = 0;
    for (const Side side : {Side::bid, Side::ask}) {
        levels_.for_each(Levels::place_of(row, side), [&](std::uint32_t at) {
            if (levels_[at].head != kNone) count += levels_[at].count;
            return true;
        });
    }
    return count;
}

std::size_t BookCore::memory() const {
    std::size_t bytes = levels_.memory() + orders_.memory() + expected_.capacity() * sizeof(std::uint64_t);
    for (const OrderIndex& index : indexes_) bytes += sizeof(OrderIndex) + index.memory();
    return bytes;
}

}  // namespace optionsib::book
