// Working orders: their slots and handles, and what is booked of them.
#include <algorithm>

#include "limit_guard.hpp"
#include "optionsib/risk/limit_engine.hpp"

namespace optionsib::risk {

void LimitEngine::book(std::uint32_t number, std::uint32_t account, std::uint32_t contract,
                       std::int64_t quantity) {
    if (number == kNoTrade || number >= trades_.size()) return;
    Trade& trade = trades_[number];
    if (trade.held.empty()) trade.account = account;
    if (trade.account != account) return;  // what one account holds no other can close
    const auto held = std::find_if(trade.held.begin(), trade.held.end(),
                                   [&](const Holding& holding) { return holding.contract == contract; });
    if (held == trade.held.end()) {
        trade.held.push_back({contract, quantity});
        return;
    }
    held->quantity += quantity;
    if (held->quantity == 0) trade.held.erase(held);
}

bool LimitEngine::is_well_formed(const OrderTerms& order) const {
    if (order.legs.empty() || order.legs.size() > kMaxLegs) return false;
    if (order.quantity <= 0 || order.quantity > kMaxContracts) return false;
    if (order.limit_price < -kMaxLimitPrice || order.limit_price > kMaxLimitPrice) return false;
    if (order.account >= accounts_.size() || order.strategy >= strategies_.size()) return false;
    const std::int64_t largest = kMaxContracts / order.quantity;
    for (std::size_t i = 0; i < order.legs.size(); ++i) {
        const Leg& leg = order.legs[i];
        if (leg.contract >= contracts_.size() || leg.ratio == 0) return false;
        if (leg.ratio > largest || leg.ratio < -largest) return false;
        for (std::size_t j = 0; j < i; ++j) {
            if (order.legs[j].contract == leg.contract) return false;
        }
    }
    return order.legs.size() > 1 || std::abs(order.legs.front().ratio) == 1;
}

LimitEngine::WorkingOrder* LimitEngine::find(OrderHandle handle) {
    const auto slot = static_cast<std::uint32_t>(handle);
    const auto generation = static_cast<std::uint32_t>(handle >> 32);
    if (slot >= orders_.size() || generation == 0 || orders_[slot].generation != generation) return nullptr;
    return &orders_[slot];
}

LimitEngine::WorkingOrder* LimitEngine::find_working(OrderHandle handle) {
    WorkingOrder* const order = find(handle);
    return order == nullptr || order->active_at == kNoSlot ? nullptr : order;
}

std::span<const Leg> LimitEngine::legs_of(const WorkingOrder& order) const {
    if (order.leg_count == 1) return {&order.leg, 1};
    const auto slot = static_cast<std::size_t>(&order - orders_.data());
    return std::span(combo_legs_).subspan(slot * kMaxLegs, order.leg_count);
}

void LimitEngine::set_legs(WorkingOrder& order, std::span<const Leg> legs) {
    order.leg_count = static_cast<std::uint32_t>(legs.size());
    const auto slot = static_cast<std::size_t>(&order - orders_.data());
    std::copy(legs.begin(), legs.end(), legs.size() == 1 ? &order.leg : &combo_legs_[slot * kMaxLegs]);
}

OrderTerms LimitEngine::terms_of(const WorkingOrder& order) const {
    return {legs_of(order), order.remaining, order.limit_price, order.trade, order.account, order.strategy};
}

bool LimitEngine::is_version(const WorkingOrder& order, const OrderTerms& to) const {
    const auto is_same = [](const Leg& a, const Leg& b) {
        return a.contract == b.contract && a.ratio == b.ratio;
    };
    return to.trade == order.trade && to.account == order.account && to.strategy == order.strategy &&
           std::ranges::equal(to.legs, legs_of(order), is_same);
}

OrderHandle LimitEngine::take_slot(const OrderTerms& terms) {
    if (free_count() == 0) return kNoOrder;
    const OrderHandle handle = claim_slot();
    WorkingOrder& order = orders_[static_cast<std::uint32_t>(handle)];
    set_legs(order, terms.legs);
    order.remaining = terms.quantity;
    order.limit_price = terms.limit_price;
    order.trade = terms.trade;
    order.account = terms.account;
    order.strategy = terms.strategy;
    if (terms.trade >= trades_.size()) {
        trades_.resize(terms.trade + 1);
        trade_limit_ = terms.trade + 1;
    }
    activate(order);
    return handle;
}

void LimitEngine::count_sent(const OrderTerms& order, std::int64_t now_ns, bool is_new) {
    Account& account = accounts_[order.account];
    ++account.messages;
    if (!is_new) return;
    account.sent.add(now_ns);
    account.recent.add(hash_of(order), now_ns);
}

void LimitEngine::activate(WorkingOrder& order) {
    const auto slot = static_cast<std::uint32_t>(&order - orders_.data());
    enlist(slot);
    move(terms_of(order), 1);
    if (order.leg_count == 1) list_leg(slot, instruments_[order.leg.contract]);
}

void LimitEngine::delist(WorkingOrder& order) {
    const std::uint32_t last = active_[--active_count_];
    active_[order.active_at] = last;
    orders_[last].active_at = order.active_at;
    order.active_at = kNoSlot;
}

void LimitEngine::deactivate(WorkingOrder& order) {
    delist(order);
    if (order.leg_count == 1 && !judges_losses_ && !stale_scopes_ &&
        contracts_[order.leg.contract].kind != 0) {
        release_(*this, order);
    } else {
        move(terms_of(order), -1);
    }
    unlist_own(order);
}

void LimitEngine::free_slot(std::uint32_t slot) {
    free_at(free_end_++) = slot;
}

void LimitEngine::unlist_own(WorkingOrder& order) {
    if (order.leg_count != 1) return;
    Instrument& it = instruments_[order.leg.contract];
    (order.last_own == kNoSlot ? it.first_own : orders_[order.last_own].next_own) = order.next_own;
    if (order.next_own != kNoSlot) orders_[order.next_own].last_own = order.last_own;
    if (it.own[order.leg.ratio < 0] != -order.limit_price - 1) return;
    it.own[0] = it.own[1] = kFar;
    for (std::uint32_t slot = it.first_own; slot != kNoSlot; slot = orders_[slot].next_own) {
        const WorkingOrder& other = orders_[slot];
        std::int64_t& other_side = it.own[other.leg.ratio < 0];
        other_side = std::min(other_side, -other.limit_price - 1);
    }
}

OrderHandle LimitEngine::add_working(const OrderTerms& order, std::int64_t now_ns) {
    const Guard guard(*this);
    const OrderHandle handle = take_slot(order);
    if (handle != kNoOrder) count_sent(order, now_ns, true);
    return handle;
}

Booking LimitEngine::amend(OrderHandle handle, std::int64_t remaining, std::int64_t limit_price) {
    const Guard guard(*this);
    WorkingOrder* order = find(handle);
    if (order == nullptr) return Booking::unknown_order;
    OrderTerms terms = terms_of(*order);
    terms.quantity = remaining;
    terms.limit_price = limit_price;
    if (!is_well_formed(terms)) return Booking::bad_order;
    const bool works = order->active_at != kNoSlot;
    if (works) deactivate(*order);
    order->remaining = remaining;
    order->limit_price = limit_price;
    if (works) activate(*order);
    return Booking::ok;
}

Booking LimitEngine::fill(OrderHandle handle, std::int64_t quantity, std::optional<Money> cash,
                          std::int64_t now_ns) {
    const Guard guard(*this);
    WorkingOrder* found = find(handle);
    if (found == nullptr) return Booking::unknown_order;
    WorkingOrder& order = *found;
    if (quantity <= 0 || quantity > order.remaining) return Booking::bad_quantity;
    Int128 total = cash ? Int128{*cash} : unit_cash(terms_of(order), contracts_) * quantity;
    const bool works = order.active_at != kNoSlot;
    if (works) deactivate(order);
    for (const Leg& leg : legs_of(order)) {
        move_position(order.account, order.strategy, leg.contract, leg.ratio * quantity);
        book(order.trade, order.account, leg.contract, leg.ratio * quantity);
        total -= Int128{std::abs(leg.ratio)} * quantity * contracts_[leg.contract].fee;
    }
    Account& account = accounts_[order.account];
    account.cash = as_cash(Int128{account.cash} + total);
    count_execution(order, quantity, now_ns);
    settle(account);
    order.remaining -= quantity;
    if (!works) return Booking::ok;
    if (order.remaining > 0) {
        activate(order);
    } else {
        free_slot(static_cast<std::uint32_t>(handle));
    }
    return Booking::ok;
}

void LimitEngine::deliver(std::uint32_t contract, std::int64_t quantity, Money cash, std::uint32_t trade,
                          std::uint32_t strategy, std::uint32_t number) {
    const Guard guard(*this);
    if (quantity != 0) {
        move_position(number, strategy, contract, quantity);
        book(trade, number, contract, quantity);
    }
    Account& account = accounts_[number];
    account.cash = as_cash(Int128{account.cash} + cash);
    settle(account);
}

Booking LimitEngine::finish(OrderHandle handle) {
    const Guard guard(*this);
    WorkingOrder* order = find(handle);
    if (order == nullptr) return Booking::unknown_order;
    if (order->active_at != kNoSlot) {
        deactivate(*order);
        free_slot(static_cast<std::uint32_t>(handle));
    }
    return Booking::ok;
}

Booking LimitEngine::count_message(OrderHandle handle) {
    const Guard guard(*this);
    const WorkingOrder* order = find(handle);
    if (order == nullptr) return Booking::unknown_order;
    ++accounts_[order->account].messages;
    return Booking::ok;
}

void LimitEngine::count_execution(const WorkingOrder& order, std::int64_t quantity, std::int64_t now_ns) {
    const Bounds& b = bounds_;
    ++accounts_[order.account].executions;
    Strategy& strategy = strategies_[order.strategy];
    strategy.executed.add(now_ns);
    if (b.repeated_executions >= 0 && b.repeated_window >= 0 &&
        strategy.executed.has(static_cast<std::size_t>(b.repeated_executions) + 1,
                              now_ns - b.repeated_window)) {
        strategy.tripped = true;
    }
    if (b.protection_quantity < 0 || b.protection_window < 0) return;
    for (const Leg& leg : legs_of(order)) {
        if (contracts_[leg.contract].kind == 0) continue;
        Protection& protection = accounts_[order.account].protections[instruments_[leg.contract].underlying];
        const std::int64_t filled =
            protection.filled.add(now_ns, std::abs(leg.ratio) * quantity, now_ns - b.protection_window);
        if (filled > b.protection_quantity) protection.tripped = std::max(protection.tripped, filled);
    }
}

}  // namespace optionsib::risk
