#include "optionsib/book/book_core.hpp"

#include <array>
#include <stdexcept>

namespace optionsib::book {

namespace {

// A batch brings near what the message this far ahead will touch.
constexpr std::size_t kAhead = 32;  // records
constexpr std::size_t kCellAhead = 20, kOrderAhead = 10, kEndsAhead = 6, kLevelAhead = 5;
constexpr std::size_t kNearOrders = 16384;  // that are near anyway, ids and levels too
constexpr std::size_t kPiece = 4096;        // records

// Whether step() knows how to take by an action, and whether that is all there is (all bits set).
struct Kind {
    bool takes = false;
    std::int8_t all = 0;
};
constexpr auto kKinds = [] {
    std::array<Kind, 256> kinds{};
    kinds[static_cast<std::uint8_t>(Action::reduce)] = {true, 0};
    kinds[static_cast<std::uint8_t>(Action::cancel)] = {true, -1};
    kinds[static_cast<std::uint8_t>(Action::execute)] = {true, 0};
    return kinds;
}();

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
// the stream makes a coin toss but for the kind of message. What is rare or wrong is left to dispatch(). An
// applied message may be answered with Status::ok however the book stands now.
template <bool one_index>
[[gnu::always_inline]] inline Status BookCore::step(std::uint32_t row, const Record& record) {
    if (record.sequence != 0 && record.action != static_cast<std::uint8_t>(Action::clear)) {
        if (const Status status = check_sequence(row, record.sequence); status != Status::ok) return status;
    }
    OrderIndex& ids = one_index ? indexes_[0] : index(row);
    std::uint32_t& cell = ids.cell_of(record.order_id);
    if (record.action == static_cast<std::uint8_t>(Action::add)) {
        const std::uint32_t side = static_cast<std::uint32_t>(record.side) + 1;  // 0 or 2
        const std::uint32_t place = 2 * row + (side / 2 & 1U);
        const bool plain = (side & ~2U) == 0 && cell == kNone;
        if (!plain || !add_near(ids, place, record.order_id, record.price, record.quantity, record.owner))
            [[unlikely]]
            return dispatch(row, record);
        return Status::ok;
    }
    const Kind& kind = kKinds[record.action];
    if (!kind.takes || cell >= OrderIndex::kShared) [[unlikely]] {
        return record.action == static_cast<std::uint8_t>(Action::replace) && replace_near(ids, row, record)
                   ? Status::ok
                   : dispatch(row, record);
    }
    const std::uint32_t slot = cell;
    const Order& order = orders_[slot];
    const Level& level = levels_[order.level];
    const Quantity open = order.quantity;
    const Quantity quantity = record.quantity ^ ((record.quantity ^ open) & kind.all);
    if (order.id != record.order_id || level.place / 2 != row ||
        static_cast<std::uint64_t>(quantity) - 1 >= static_cast<std::uint64_t>(open)) [[unlikely]] {
        return dispatch(row, record);
    }
    leave_plain(ids, cell, slot, open - quantity);
    return Status::ok;
}

// Put an order with a new id, whose cell is kNone, at the back of its level. False, and nothing is done,
// where anything is out of the ordinary.
[[gnu::always_inline]] inline bool BookCore::add_near(OrderIndex& ids, std::uint32_t place, OrderId id,
                                                      Price price, Quantity quantity, Owner owner) {
    const std::int64_t key = Levels::flip(place, price);
    const Levels::Near near = levels_.find_near(place, key);
    if (near.distance != 0 || !is_valid_quantity(quantity) || !orders_.has_free()) [[unlikely]]
        return false;
    Level& level = levels_[near.level];
    if (level.quantity == 0) {
        levels_.use(place, key, near.level);
    } else if (room_at(level, quantity) != Status::ok) [[unlikely]] {
        return false;
    }
    const std::uint32_t slot = orders_.take();
    append(level, near.level, slot, id, quantity, owner);
    ids.cell_of(id) = slot;
    ids.count(1);
    return true;
}

// Leave `left` of the order in `slot`, which stands alone in the cell of its id. Whether nothing is left is
// no branch: the order's neighbours are told of it again, or of each other.
[[gnu::always_inline]] inline void BookCore::leave_plain(OrderIndex& ids, std::uint32_t& cell,
                                                         std::uint32_t slot, Quantity left) {
    Order& order = orders_[slot];
    const std::uint32_t at = order.level;
    Level& level = levels_[at];
    std::uint32_t gone = -static_cast<std::uint32_t>(left == 0);  // all bits set if so
    asm("" : "+r"(gone));
    const Quantity rest = level.quantity - (order.quantity - left);
    const std::uint32_t previous = order.previous;
    const std::uint32_t next = order.next;
    order.quantity = left;
    level.quantity = rest;
    level.count += gone;
    *after_of(level, previous) = slot ^ ((slot ^ next) & gone);
    *before_of(level, next) = slot ^ ((slot ^ previous) & gone);
    orders_.give_back_if(gone, slot);
    cell = slot | gone;
    ids.count(static_cast<std::int32_t>(gone));
    if (rest == 0) levels_.drop(at);
}

// The new order comes before the old one goes, so that a page of levels cannot be given back between.
bool BookCore::replace_near(OrderIndex& ids, std::uint32_t row, const Record& record) {
    std::uint32_t& cell = ids.cell_of(record.order_id);
    if (cell >= OrderIndex::kShared || ids.cell_of(record.new_order_id) != kNone) return false;
    const std::uint32_t slot = cell;
    const Order& old = orders_[slot];
    const std::uint32_t place = levels_[old.level].place;
    if (old.id != record.order_id || place / 2 != row ||
        !add_near(ids, place, record.new_order_id, record.price, record.quantity, old.owner)) {
        return false;
    }
    leave_plain(ids, cell, slot, 0);
    return true;
}

Status BookCore::apply(std::uint32_t row, const Record& record) {
    if (row >= books()) return Status::bad_contract;
    const Status status = step<false>(row, record);
    return status == Status::ok ? standing(row) : status;
}

// Ahead of the message that is applied, in steps that each find near what the one before asked for: the cell
// of an id, its order, the best levels of a book, the level of the order. An order's neighbours, and the
// levels of orders to come, cost more than they save.
[[gnu::always_inline]] inline void BookCore::bring_near(const Record* records,
                                                        std::uint32_t contracts) const {
    const OrderIndex& ids = indexes_[0];
    const auto slot_of = [&](const Record& record) {
        const std::uint32_t known = ids.cell_of(record.order_id);
        return known < OrderIndex::kShared ? known : 0;
    };
    __builtin_prefetch(&ids.cell_of(records[kCellAhead].order_id));
    orders_.prefetch(slot_of(records[kOrderAhead]));
    levels_.prefetch_ends(records[kEndsAhead].contract & contracts);
    levels_.prefetch(orders_[slot_of(records[kLevelAhead])].level);
}

// `far`: kCellAhead more records stand behind these.
template <bool one_index, bool far, bool with_tops>
BatchCounts BookCore::run(std::span<const Record> records, std::int8_t* statuses, Top* tops,
                          std::uint32_t contracts) {
    const std::size_t rows = books();
    std::size_t refused = 0;
    std::size_t crossed = 0;
    for (std::size_t i = 0; i < records.size(); ++i) {
        const Record& record = records[i];
        __builtin_prefetch(&record + kAhead);
        if constexpr (far) bring_near(&record, contracts);
        const std::uint32_t row = record.contract & contracts;
        if (row >= rows) [[unlikely]] {
            ++refused;
            if (statuses != nullptr) statuses[i] = static_cast<std::int8_t>(Status::bad_contract);
            if constexpr (with_tops) tops[i] = Top{kNoBid, kNoAsk, 0, 0};
            continue;
        }
        Status status = step<one_index>(row, record);
        const Levels::Ends ends = levels_.ends(row);
        if (status != Status::ok) [[unlikely]] {
            refused += !applied(status);
            crossed += applied(status);
        } else if (ends.bid >= ends.ask) [[unlikely]] {
            status = standing(row);
            ++crossed;
        }
        if constexpr (with_tops) tops[i] = top_of(ends);
        if (statuses != nullptr) statuses[i] = static_cast<std::int8_t>(status);
    }
    return {records.size() - refused, refused, crossed};
}

BatchCounts BookCore::apply_batch(std::span<const Record> records, std::span<std::int8_t> statuses,
                                  std::span<Top> tops, bool chain) {
    using Run = BatchCounts (BookCore::*)(std::span<const Record>, std::int8_t*, Top*, std::uint32_t);
    constexpr Run any[2] = {&BookCore::run<false, false, false>, &BookCore::run<false, false, true>};
    constexpr Run near[2] = {&BookCore::run<true, false, false>, &BookCore::run<true, false, true>};
    constexpr Run far[2] = {&BookCore::run<true, true, false>, &BookCore::run<true, true, true>};
    const bool one_index = indexes_.size() == 1;
    BatchCounts counts;
    // Piece by piece: what the books hold may have outgrown the near caches by now.
    while (!records.empty()) {
        const bool is_far = one_index && order_count() > kNearOrders && records.size() > kCellAhead;
        const std::size_t size = std::min(kPiece, records.size() - (is_far ? kCellAhead : 0));
        const Run piece = (is_far ? far : one_index ? near : any)[!tops.empty()];
        const BatchCounts more =
            (this->*piece)(records.first(size), statuses.empty() ? nullptr : statuses.data(), tops.data(),
                           chain ? kNone : 0);
        counts.applied += more.applied;
        counts.refused += more.refused;
        counts.crossed += more.crossed;
        records = records.subspan(size);
        if (!statuses.empty()) statuses = statuses.subspan(size);
        if (!tops.empty()) tops = tops.subspan(size);
    }
    return counts;
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
