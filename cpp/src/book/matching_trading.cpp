// Trading with every rule: allocation, self-match prevention, collars, special orders.
#include <algorithm>

#include "optionsib/book/matching_engine.hpp"

namespace optionsib::book {

void MatchingEngine::enter(Taker& taker) {
    const Book& book = books_[taker.row];
    if (book.phase == Phase::continuous) {
        const bool stays = (book.flags & kCombination) != 0 ? match_combination(taker) : match(taker);
        if (!stays || taker.open == 0) return;
    }
    if (book.phase == Phase::auction) {
        // Also after the interruption that this order has caused.
        if ((taker.flags & kImmediateOrCancel) != 0) return cancel_rest(taker, Reason::interrupted);
        if ((taker.flags & kMarket) != 0) taker.flags |= kAuctionOnly;
    } else if (book.phase != Phase::continuous) {
        return cancel_rest(taker, Reason::wrong_phase);
    } else if ((taker.flags & (kImmediateOrCancel | kMarket)) != 0) {
        return cancel_rest(taker, Reason::immediate);
    }
    rest(taker);
}

bool MatchingEngine::match(Taker& taker) {
    const std::uint32_t makers = Levels::place_of(taker.row, opposite(taker.side));
    const Book& book = books_[taker.row];
    while (taker.open > 0) {
        const std::uint32_t at = core_.levels().best(makers);
        if (at == kNone || !crosses(taker.side, taker.limit, core_.levels()[at].price)) return true;
        if (beyond_collar(book, book.last, core_.levels()[at].price)) {
            interrupt(taker.row);
            return true;
        }
        const bool stays =
            (book.flags & kProRata) != 0 ? take_pro_rata(taker, at, taker.open) : take_first(taker, at);
        if (!stays) return false;
    }
    return true;
}

// One step with the first order of the level.
bool MatchingEngine::take_first(Taker& taker, std::uint32_t level) {
    const std::uint32_t slot = core_.levels()[level].head;
    const Order& maker = core_.orders()[slot];
    if ((books_[taker.row].flags & kPreventsSelfMatch) != 0 && maker.owner == taker.owner &&
        taker.owner != 0) {
        return prevent_self_match(taker, slot);
    }
    trade(taker, slot, std::min(taker.open, maker.quantity));
    return true;
}

// One round over the level, as it is shown now: `most` of the taker in proportion to the sizes.
bool MatchingEngine::take_pro_rata(Taker& taker, std::uint32_t level, Quantity most) {
    const bool prevents =
        (books_[taker.row].flags & kPreventsSelfMatch) != 0 && taker.owner != 0 && taker.report_flags == 0;
    if (prevents) {
        for (std::uint32_t slot = core_.levels()[level].head; slot != kNone;) {
            const std::uint32_t next = core_.orders()[slot].next;
            if (core_.orders()[slot].owner == taker.owner) {
                // The level may be gone, or its queue be another: begin anew.
                return prevent_self_match(taker, slot);
            }
            slot = next;
        }
    }
    Quantity all = core_.levels()[level].quantity;
    Quantity open = std::min(most, all);
    std::uint32_t slot = core_.levels()[level].head;
    std::uint32_t left = core_.levels()[level].count;
    if (books_[taker.row].rules.allocation == Allocation::top_pro_rata) {
        const Quantity first = core_.orders()[slot].quantity;
        const Quantity quantity = std::min(open, first);
        const std::uint32_t next = core_.orders()[slot].next;
        trade(taker, slot, quantity);
        open -= quantity;
        all -= first;
        slot = next;
        --left;
    }
    if (open == 0) return true;
    Quantity over = open;  // what rounding leaves
    std::uint32_t at = slot;
    for (std::uint32_t i = 0; i < left; ++i, at = core_.orders()[at].next) {
        over -= share(open, core_.orders()[at].quantity, all);
    }
    // Slices that are shown anew join behind: `left` ends before them.
    for (; left > 0; --left) {
        const Quantity size = core_.orders()[slot].quantity;
        const std::uint32_t next = core_.orders()[slot].next;
        const Quantity part = share(open, size, all);
        const Quantity extra_part = std::min(over, size - part);
        over -= extra_part;
        if (part + extra_part > 0) trade(taker, slot, part + extra_part);
        slot = next;
    }
    return true;
}

// `slot` belongs to the owner of the taker: false where the taker is canceled.
bool MatchingEngine::prevent_self_match(Taker& taker, std::uint32_t slot) {
    switch (books_[taker.row].rules.self_match) {
        case SelfMatch::cancel_oldest:
            cancel_resting(taker.row, slot, Reason::self_match);
            return true;
        case SelfMatch::cancel_both:
            cancel_resting(taker.row, slot, Reason::self_match);
            break;
        case SelfMatch::decrement: {
            const Taker maker = resting(slot);
            const Quantity quantity = std::min(taker.open, core_.orders()[slot].quantity);
            report(ReportKind::canceled, maker, Reason::self_match, maker.limit, quantity,
                   maker.open - quantity);
            fill(taker.row, slot, quantity);
            taker.open -= quantity;
            report(ReportKind::canceled, taker, Reason::self_match, taker.limit, quantity, taker.open);
            return taker.open > 0;
        }
        case SelfMatch::cancel_newest:
        case SelfMatch::allow:
            break;
    }
    cancel_rest(taker, Reason::self_match);
    return false;
}

void MatchingEngine::trade(Taker& taker, std::uint32_t slot, Quantity quantity, bool remember) {
    const Order& maker = core_.orders()[slot];
    const Price price = core_.levels()[maker.level].price;
    taker.open -= quantity;
    report(ReportKind::traded, taker, Reason::none, price, quantity, taker.open, maker.id,
           taker.report_flags);
    if (remember) note_trade(books_[taker.row], price);
    touch(taker.row);
    fill(taker.row, slot, quantity);
}

void MatchingEngine::note_trade(Book& book, Price price) {
    book.last = price;
    book.low = std::min(book.low, price);
    book.high = std::max(book.high, price);
}

// Take `quantity` off what an order shows; an iceberg shows its next slice behind the others.
void MatchingEngine::fill(std::uint32_t row, std::uint32_t slot, Quantity quantity) {
    const Extra* special = (books_[row].flags & kHasSpecials) != 0 ? extra(slot) : nullptr;
    if (special == nullptr || quantity < core_.orders()[slot].quantity) return core_.take(slot, quantity);
    const Extra rest_of = *special;
    Taker order = resting(slot);
    drop(row, slot);
    if (rest_of.hidden == 0) return;
    order.open = rest_of.hidden;
    order.flags = rest_of.auction_only ? kAuctionOnly : 0;
    report(ReportKind::refreshed, order, Reason::none, order.limit, std::min(order.display, order.open),
           order.open);
    rest(order);
}

void MatchingEngine::drop(std::uint32_t row, std::uint32_t slot) {
    if ((books_[row].flags & kHasSpecials) != 0) clear_extra(row, slot);
    core_.remove(slot);
}

// Put what is open to the back of its level.
void MatchingEngine::rest(Taker& taker) {
    const Quantity shown = taker.display == 0 ? taker.open : std::min(taker.display, taker.open);
    if (core_.insert(taker.row, taker.id, taker.side, taker.limit, shown, taker.owner) != Status::ok) {
        return cancel_rest(taker, Reason::level_full);
    }
    touch(taker.row);
    const bool auction_only = (taker.flags & kAuctionOnly) != 0;
    if (taker.display == 0 && !auction_only) return;
    set_extra(taker.row, core_.find_shared(taker.row, taker.id),
              {taker.open - shown, taker.display, auction_only});
}

void MatchingEngine::cancel_rest(Taker& taker, Reason reason) {
    const Quantity quantity = taker.open;
    taker.open = 0;
    report(ReportKind::canceled, taker, reason, taker.limit, quantity, 0);
}

void MatchingEngine::cancel_resting(std::uint32_t row, std::uint32_t slot, Reason reason) {
    const Taker order = resting(slot);
    report(ReportKind::canceled, order, reason, order.limit, order.open, 0);
    drop(row, slot);
    touch(row);
}

bool MatchingEngine::beyond_collar(const Book& book, Price last, Price price) const {
    if ((book.flags & kHasCollar) == 0) return false;
    const auto far = [price](Price from, Price most) {
        return most > 0 && from != kNoTrade && (price > from ? price - from : from - price) > most;
    };
    return far(book.reference, book.rules.static_collar) ||
           far(last != kNoTrade ? last : book.reference, book.rules.dynamic_collar);
}

// Whether the order would meet another at once, or a combination its legs.
bool MatchingEngine::would_trade(const Taker& order) const {
    if ((books_[order.row].flags & kCombination) != 0) {
        const Implied legs = implied(order.row, order.side, order.owner);
        if (legs.units > 0 && crosses(order.side, order.limit, legs.net)) return true;
    }
    const std::uint32_t best = core_.levels().best(Levels::place_of(order.row, opposite(order.side)));
    return best != kNone && crosses(order.side, order.limit, core_.levels()[best].price);
}

// Whether `wanted` of the taker would trade at once, hidden quantity included, before an order of its own
// owner or a collar stops it.
bool MatchingEngine::can_fill(const Taker& taker, Quantity wanted) const {
    const Book& book = books_[taker.row];
    const bool prevents = (book.flags & kPreventsSelfMatch) != 0 && taker.owner != 0;
    const std::uint32_t makers = Levels::place_of(taker.row, opposite(taker.side));
    Price last = book.last;
    for (std::uint32_t at = core_.levels().best(makers); at != kNone; at = core_.levels().worse(at)) {
        const Level& level = core_.levels()[at];
        if (!crosses(taker.side, taker.limit, level.price) || beyond_collar(book, last, level.price)) break;
        last = level.price;
        if (!prevents && (book.flags & kHasSpecials) == 0) {
            wanted -= std::min(wanted, level.quantity);
        } else {
            Quantity all = 0;
            Quantity shown = 0;
            bool own = false;
            for (std::uint32_t slot = level.head; slot != kNone && !own; slot = core_.orders()[slot].next) {
                own = prevents && core_.orders()[slot].owner == taker.owner;
                if (own) break;
                all = saturated(all, total(book, slot));
                shown += core_.orders()[slot].quantity;
            }
            // Before an own order stands what is shown before it, and pro-rata nothing.
            if (own) return (book.flags & kProRata) == 0 && shown >= wanted;
            wanted -= std::min(wanted, all);
        }
        if (wanted == 0) return true;
    }
    return false;
}

// --- special orders ---------------------------------------------------------------------------------------

Quantity MatchingEngine::hidden(OrderId id) const {
    const std::uint32_t slot = core_.find_shared(0, id);
    const Extra* special = slot == kNone ? nullptr : extra(slot);
    return special == nullptr ? 0 : special->hidden;
}

Quantity MatchingEngine::total(const Book& book, std::uint32_t slot) const {
    const Extra* special = (book.flags & kHasSpecials) != 0 ? extra(slot) : nullptr;
    return core_.orders()[slot].quantity + (special == nullptr ? 0 : special->hidden);
}

MatchingEngine::Taker MatchingEngine::resting(std::uint32_t slot) const {
    const Order& order = core_.orders()[slot];
    const Level& level = core_.levels()[order.level];
    const Extra* special = extra(slot);
    return {level.place / 2,
            Levels::side_of(level.place),
            0,
            0,
            order.id,
            level.price,
            order.quantity + (special == nullptr ? 0 : special->hidden),
            special == nullptr ? 0 : special->display,
            order.owner};
}

void MatchingEngine::set_extra(std::uint32_t row, std::uint32_t slot, const Extra& extra) {
    // Grown in steps that the pool grows by: steady states do not allocate.
    if (slot >= extras_.size()) extras_.resize(std::max<std::size_t>(64, 2 * std::size_t{slot} + 2));
    extras_[slot] = extra;
    ++books_[row].specials;
    set_flag(books_[row], kHasSpecials, true);
}

void MatchingEngine::clear_extra(std::uint32_t row, std::uint32_t slot) {
    if (extra(slot) == nullptr) return;
    extras_[slot] = {};
    set_flag(books_[row], kHasSpecials, --books_[row].specials > 0);
}

}  // namespace optionsib::book
