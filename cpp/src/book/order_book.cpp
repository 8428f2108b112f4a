#include "optionsib/book/order_book.hpp"

#include <algorithm>
#include <cstddef>

namespace optionsib::book {

namespace {

constexpr std::size_t kExpectedLevels = 512;
constexpr std::size_t kLinearSteps = 8;

}  // namespace

OrderBook::OrderBook(std::size_t expected_orders) : index_(expected_orders) {
    orders_.reserve(expected_orders);
    free_orders_.reserve(expected_orders);
    levels_.reserve(kExpectedLevels);
    free_levels_.reserve(kExpectedLevels);
    for (Ladder* ladder : {&bids_, &asks_}) {
        ladder->key.reserve(kExpectedLevels);
        ladder->level.reserve(kExpectedLevels);
    }
}

std::size_t OrderBook::position(const Ladder& ladder, Price key) {
    std::size_t at = ladder.key.size();
    for (std::size_t step = 0; step < kLinearSteps; ++step) {
        if (at == 0 || ladder.key[at - 1] < key) return at;
        --at;
    }
    const auto end = ladder.key.begin() + static_cast<std::ptrdiff_t>(at);
    return static_cast<std::size_t>(std::lower_bound(ladder.key.begin(), end, key) - ladder.key.begin());
}

std::uint32_t OrderBook::level_at(Side side, Price price) {
    Ladder& levels = ladder(side);
    const Price key = key_of(side, price);
    const std::size_t at = position(levels, key);
    if (at < levels.key.size() && levels.key[at] == key) return levels.level[at];

    std::uint32_t fresh;
    if (free_levels_.empty()) {
        fresh = static_cast<std::uint32_t>(levels_.size());
        levels_.push_back({});
        // As many free slots as levels: returning one never allocates.
        free_levels_.reserve(levels_.capacity());
    } else {
        fresh = free_levels_.back();
        free_levels_.pop_back();
    }
    levels_[fresh] = Level{price, 0, 0, kNone, kNone, side};
    levels.key.insert(levels.key.begin() + static_cast<std::ptrdiff_t>(at), key);
    levels.level.insert(levels.level.begin() + static_cast<std::ptrdiff_t>(at), fresh);
    return fresh;
}

Status OrderBook::add(OrderId id, Side side, Price price, Quantity quantity, Owner owner) {
    if (side != Side::bid && side != Side::ask) return Status::bad_side;
    if (!is_valid_quantity(quantity)) return Status::bad_quantity;
    if (!is_valid_price(price)) return Status::bad_price;
    if (index_.find(id) != kNone) return Status::duplicate_order;

    std::uint32_t slot;
    if (free_orders_.empty()) {
        slot = static_cast<std::uint32_t>(orders_.size());
        orders_.push_back({});
        free_orders_.reserve(orders_.capacity());
    } else {
        slot = free_orders_.back();
        free_orders_.pop_back();
    }
    const std::uint32_t level_slot = level_at(side, price);
    Level& level = levels_[level_slot];
    orders_[slot] = Order{id, quantity, level.tail, kNone, level_slot, owner};
    if (level.tail == kNone) {
        level.head = slot;
    } else {
        orders_[level.tail].next = slot;
    }
    level.tail = slot;
    level.quantity += quantity;
    ++level.count;
    index_.insert(id, slot);
    return Status::ok;
}

void OrderBook::remove(std::uint32_t slot) {
    const Order order = orders_[slot];
    Level& level = levels_[order.level];
    (order.previous == kNone ? level.head : orders_[order.previous].next) = order.next;
    (order.next == kNone ? level.tail : orders_[order.next].previous) = order.previous;
    level.quantity -= order.quantity;
    --level.count;
    if (level.count == 0) {
        Ladder& levels = ladder(level.side);
        const auto at = static_cast<std::ptrdiff_t>(position(levels, key_of(level.side, level.price)));
        levels.key.erase(levels.key.begin() + at);
        levels.level.erase(levels.level.begin() + at);
        free_levels_.push_back(order.level);
    }
    index_.erase(order.id);
    free_orders_.push_back(slot);
}

void OrderBook::take_at(std::uint32_t slot, Quantity quantity) {
    Order& order = orders_[slot];
    if (quantity == order.quantity) {
        remove(slot);
    } else {
        order.quantity -= quantity;
        levels_[order.level].quantity -= quantity;
    }
}

Status OrderBook::take(OrderId id, Quantity quantity) {
    const std::uint32_t slot = index_.find(id);
    if (slot == kNone) return Status::unknown_order;
    if (quantity <= 0 || quantity > orders_[slot].quantity) return Status::bad_quantity;
    take_at(slot, quantity);
    return Status::ok;
}

Status OrderBook::reduce(OrderId id, Quantity quantity) {
    return take(id, quantity);
}

Status OrderBook::execute(OrderId id, Quantity quantity) {
    return take(id, quantity);
}

Status OrderBook::cancel(OrderId id) {
    const std::uint32_t slot = index_.find(id);
    if (slot == kNone) return Status::unknown_order;
    remove(slot);
    return Status::ok;
}

Status OrderBook::replace(OrderId id, OrderId new_id, Price price, Quantity quantity) {
    const std::uint32_t slot = index_.find(id);
    if (slot == kNone) return Status::unknown_order;
    if (!is_valid_quantity(quantity)) return Status::bad_quantity;
    if (!is_valid_price(price)) return Status::bad_price;
    if (new_id != id && index_.find(new_id) != kNone) return Status::duplicate_order;
    const Side side = levels_[orders_[slot].level].side;
    const Owner owner = orders_[slot].owner;
    remove(slot);
    return add(new_id, side, price, quantity, owner);
}

Status OrderBook::apply(const Record& record) {
    switch (static_cast<Action>(record.action)) {
        case Action::add:
            return add(record.order_id, static_cast<Side>(record.side), record.price, record.quantity,
                       record.owner);
        case Action::reduce:
            return reduce(record.order_id, record.quantity);
        case Action::cancel:
            return cancel(record.order_id);
        case Action::replace:
            return replace(record.order_id, record.new_order_id, record.price, record.quantity);
        case Action::execute:
            return execute(record.order_id, record.quantity);
        case Action::modify:
            break;
    }
    return Status::bad_action;
}

void OrderBook::apply_batch(std::span<const Record> records, std::span<std::uint8_t> statuses) {
    for (std::size_t i = 0; i < records.size(); ++i) {
        statuses[i] = static_cast<std::uint8_t>(apply(records[i]));
    }
}

std::optional<LevelView> OrderBook::best(Side side) const {
    const Ladder& levels = ladder(side);
    if (levels.level.empty()) return std::nullopt;
    const Level& level = levels_[levels.level.back()];
    return LevelView{level.price, level.quantity, level.count};
}

RestingOrder OrderBook::view(const Order& order) const {
    const Level& level = levels_[order.level];
    return RestingOrder{order.id, level.side, level.price, order.quantity, order.owner};
}

std::optional<RestingOrder> OrderBook::find(OrderId id) const {
    const std::uint32_t slot = index_.find(id);
    if (slot == kNone) return std::nullopt;
    return view(orders_[slot]);
}

std::optional<Quantity> OrderBook::quantity_ahead(OrderId id) const {
    const std::uint32_t slot = index_.find(id);
    if (slot == kNone) return std::nullopt;
    Quantity ahead = 0;
    for (std::uint32_t at = orders_[slot].previous; at != kNone; at = orders_[at].previous) {
        ahead += orders_[at].quantity;
    }
    return ahead;
}

std::size_t OrderBook::depth(Side side, std::span<LevelView> out) const {
    const Ladder& levels = ladder(side);
    const std::size_t count = std::min(out.size(), levels.level.size());
    for (std::size_t i = 0; i < count; ++i) {
        const Level& level = levels_[levels.level[levels.level.size() - 1 - i]];
        out[i] = LevelView{level.price, level.quantity, level.count};
    }
    return count;
}

std::vector<RestingOrder> OrderBook::queue(Side side, Price price) const {
    std::vector<RestingOrder> orders;
    if (!is_valid_price(price)) return orders;
    const Ladder& levels = ladder(side);
    const Price key = key_of(side, price);
    const std::size_t at = position(levels, key);
    if (at == levels.key.size() || levels.key[at] != key) return orders;
    for (std::uint32_t slot = levels_[levels.level[at]].head; slot != kNone; slot = orders_[slot].next) {
        orders.push_back(view(orders_[slot]));
    }
    return orders;
}

RestingOrder OrderBook::front(Side side) const {
    const Level& level = levels_[ladder(side).level.back()];
    return view(orders_[level.head]);
}

void OrderBook::fill_front(Side side, Quantity quantity) {
    take_at(levels_[ladder(side).level.back()].head, quantity);
}

}  // namespace optionsib::book
