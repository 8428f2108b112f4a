// Any message, with every check.
#include <algorithm>
#include <bit>

#include "optionsib/book/matching_engine.hpp"

namespace optionsib::book {

namespace {

constexpr std::uint16_t kAtOnce = kImmediateOrCancel | kFillOrKill | kPostOnly | kMinimum;

// Kinds of orders that a record may name together.
bool kinds_go_together(std::uint16_t flags, bool combination) {
    const auto has = [flags](std::uint16_t which) { return (flags & which) != 0; };
    if ((flags & ~kOrderFlags) != 0) return false;
    if (combination)
        return (flags & ~(kImmediateOrCancel | kPostOnly | kMarket)) == 0 && std::popcount(flags) < 2;
    if (has(kPostOnly)) return (flags & ~(kPostOnly | kIceberg)) == 0;
    if (has(kIceberg)) return flags == kIceberg;
    if (has(kAuctionOnly)) return (flags & ~(kAuctionOnly | kMarket)) == 0;
    if (has(kStop)) return (flags & ~(kStop | kMarket | kImmediateOrCancel)) == 0;
    return !has(kFillOrKill) || (flags & ~(kFillOrKill | kMarket)) == 0;
}

}  // namespace

void MatchingEngine::dispatch(const Record& record) {
    if (record.contract >= books()) return reject(record, Reason::bad_contract);
    Book& book = books_[record.contract];
    if (book.auction_end != 0 && now_ >= book.auction_end) {
        change_phase(record.contract, Phase::continuous, Reason::time);
        settle();
    }
    switch (static_cast<Action>(record.action)) {
        case Action::add:
            add(record);
            break;
        case Action::cancel:
            cancel(record);
            break;
        case Action::modify:
            modify(record);
            break;
        case Action::clear:
            clear(record.contract);
            break;
        case Action::set_phase:
            set_phase(record);
            break;
        case Action::tell_time:
            tell_time(record.contract);
            break;
        default:
            reject(record, Reason::bad_action);
    }
    settle();
}

// Whether `record` names an order that may come now, whatever the book holds.
Reason MatchingEngine::judge(const Record& record, Taker& order) const {
    const Book& book = books_[record.contract];
    const bool market = (record.flags & kMarket) != 0;
    if (!is_valid_side(static_cast<Side>(record.side))) return Reason::bad_side;
    order = {record.contract, static_cast<Side>(record.side),
             record.flags,    0,
             record.order_id, market ? record.side * kMaxPrice : record.price,
             record.quantity, 0,
             record.owner};
    if (!is_valid_quantity(order.open)) return Reason::bad_quantity;
    if (!market && !is_limit_price(record.price)) return Reason::bad_price;
    if (!kinds_go_together(record.flags, (book.flags & kCombination) != 0)) return Reason::bad_flags;
    if ((record.flags & kStop) != 0 && !is_limit_price(record.new_order_id)) return Reason::bad_price;
    if ((record.flags & (kIceberg | kMinimum)) != 0) {
        if (record.reserved == 0 || record.reserved > record.quantity) return Reason::bad_extra;
        if ((record.flags & kIceberg) != 0) order.display = record.reserved;
    }
    if (core_.find_shared(record.contract, record.order_id) != kNone ||
        stop_ids_.find(record.order_id) != kNone) {
        return Reason::duplicate_order;
    }
    const bool fits = book.phase == Phase::continuous ? (record.flags & kAuctionOnly) == 0
                      : book.phase == Phase::auction
                          ? (record.flags & kAtOnce) == 0 || (record.flags & kStop) != 0
                          : false;
    return fits ? Reason::none : Reason::wrong_phase;
}

// What post-only, fill-or-kill and minimum quantity ask of the book as it stands.
Reason MatchingEngine::judge_at_once(const Taker& order, const Record& record) const {
    if ((order.flags & kPostOnly) != 0 && would_trade(order)) return Reason::would_trade;
    if ((order.flags & kFillOrKill) != 0 && !can_fill(order, order.open)) return Reason::fill_or_kill;
    if ((order.flags & kMinimum) != 0 && !can_fill(order, record.reserved)) return Reason::minimum;
    return Reason::none;
}

void MatchingEngine::add(const Record& record) {
    Taker order;
    Reason reason = judge(record, order);
    if (reason == Reason::none && (order.flags & kAtOnce) != 0) reason = judge_at_once(order, record);
    if (reason != Reason::none) return reject(record, reason);
    report(ReportKind::accepted, order, Reason::none, order.limit, order.open, order.open);
    if ((order.flags & kStop) == 0) return enter(order);
    const Book& book = books_[order.row];
    if (book.phase == Phase::continuous && book.last != kNoTrade &&
        elected(order, record.new_order_id, book.last, book.last)) {
        trigger(order, record.new_order_id);
    } else {
        add_stop(order, record.new_order_id);
    }
}

void MatchingEngine::cancel(const Record& record) {
    const std::uint32_t slot = core_.find_shared(record.contract, record.order_id);
    if (slot != kNone) {
        if (row_of(slot) != record.contract) return reject(record, Reason::bad_contract);
        return cancel_resting(record.contract, slot, Reason::requested);
    }
    const std::uint32_t at = stop_ids_.find(record.order_id);
    if (at == kNone) return reject(record, Reason::unknown_order);
    const Taker order = stops_[at].order;
    if (order.row != record.contract) return reject(record, Reason::bad_contract);
    report(ReportKind::canceled, order, Reason::requested, order.limit, order.open, 0);
    remove_stop(at);
}

void MatchingEngine::modify(const Record& record) {
    const std::uint32_t slot = core_.find_shared(record.contract, record.order_id);
    const std::uint32_t stop = slot == kNone ? stop_ids_.find(record.order_id) : kNone;
    if (slot == kNone && stop == kNone) return reject(record, Reason::unknown_order);
    if ((slot != kNone ? row_of(slot) : stops_[stop].order.row) != record.contract) {
        return reject(record, Reason::bad_contract);
    }
    const Book& book = books_[record.contract];
    if (!is_valid_quantity(record.quantity)) return reject(record, Reason::bad_quantity);
    if (!is_limit_price(record.price)) return reject(record, Reason::bad_price);
    if ((record.flags & ~kPostOnly) != 0) return reject(record, Reason::bad_flags);
    if (book.phase >= Phase::halted) return reject(record, Reason::wrong_phase);
    if (stop != kNone) return modify_stop(record, stop);

    Taker order = resting(slot);
    const Extra* special = extra(slot);
    const Price price = order.limit;
    const Quantity open = order.open;
    order.flags = record.flags;
    order.limit = record.price;
    order.open = record.quantity;
    if (special != nullptr && special->auction_only) order.flags |= kAuctionOnly;
    if (record.price == price && record.quantity <= open) {
        report(ReportKind::replaced, order, Reason::none, record.price, record.quantity, record.quantity);
        // What is not shown goes first.
        const Quantity hidden = special == nullptr ? 0 : std::min(special->hidden, open - record.quantity);
        if (hidden > 0) extras_[slot].hidden -= hidden;
        if (open - hidden > record.quantity) core_.take(slot, open - hidden - record.quantity);
        return;
    }
    if ((record.flags & kPostOnly) != 0) {
        if (book.phase == Phase::auction) return reject(record, Reason::wrong_phase);
        if (would_trade(order)) return reject(record, Reason::would_trade);
    }
    report(ReportKind::replaced, order, Reason::none, record.price, record.quantity, record.quantity);
    drop(record.contract, slot);
    enter(order);
}

// Cancel every order of one book: bids, asks, stops, each in their order.
void MatchingEngine::clear(std::uint32_t row) {
    for (const Side side : {Side::bid, Side::ask}) {
        const std::uint32_t place = Levels::place_of(row, side);
        for (std::uint32_t at = core_.levels().best(place); at != kNone; at = core_.levels().best(place)) {
            cancel_resting(row, core_.levels()[at].head, Reason::cleared);
        }
    }
    for (std::vector<std::uint32_t>& stops : books_[row].stops) {
        while (!stops.empty()) {
            const Taker order = stops_[stops.front()].order;
            report(ReportKind::canceled, order, Reason::cleared, order.limit, order.open, 0);
            remove_stop(stops.front());
        }
    }
}

// Whatever the trades of a message have set off, book by book, until nothing more happens.
void MatchingEngine::settle() {
    for (std::size_t i = 0; i < touched_.size(); ++i) {
        const std::uint32_t row = touched_[i];
        books_[row].touched = false;
        run_stops(row);
        if ((books_[row].flags & kCombination) != 0) run_combination(row);
        for (const std::uint32_t combination : books_[row].combinations) run_combination(combination);
    }
    touched_.clear();
}

void MatchingEngine::touch(std::uint32_t row) {
    Book& book = books_[row];
    if ((book.flags & (kHasStops | kLegOfCombination | kCombination)) == 0 || book.touched) return;
    book.touched = true;
    touched_.push_back(row);
}

}  // namespace optionsib::book
