// Phases of a book, the price of an auction, and its uncrossing.
#include <algorithm>

#include "optionsib/book/matching_engine.hpp"

namespace optionsib::book {

void MatchingEngine::set_phase(const Record& record) {
    Book& book = books_[record.contract];
    if (record.quantity < 0 || record.quantity > static_cast<Quantity>(Phase::closed)) {
        return reject(record, Reason::bad_extra);
    }
    const bool told = (record.flags & kReference) != 0;
    if ((record.flags & ~kReference) != 0) return reject(record, Reason::bad_flags);
    if (told && !is_limit_price(record.price)) return reject(record, Reason::bad_price);
    if (told) book.reference = record.price;
    change_phase(record.contract, static_cast<Phase>(record.quantity), Reason::requested);
    if (book.phase == Phase::auction) book.auction_end = std::max<std::int64_t>(record.new_order_id, 0);
}

// Entering continuous trading, and closing after an auction, uncross the book first.
void MatchingEngine::change_phase(std::uint32_t row, Phase phase, Reason reason) {
    Book& book = books_[row];
    const bool ends_auction =
        phase == Phase::continuous || (book.phase == Phase::auction && phase == Phase::closed);
    const bool was_continuous = book.phase == Phase::continuous;
    book.auction_end = 0;
    if (ends_auction && !was_continuous) {
        uncross(row);
        end_auction_orders(row);
    }
    book.phase = phase;
    set_flag(book, kNotContinuous, phase != Phase::continuous);
    emit({static_cast<std::uint8_t>(ReportKind::phase), 0, static_cast<std::uint8_t>(reason), 0, row, 0, 0, 0,
          static_cast<Quantity>(phase), 0, message_, now_});
    if (phase != Phase::continuous || was_continuous) return;
    // Stops that came meanwhile look at the last trade too.
    if (book.last != kNoTrade) {
        book.low = std::min(book.low, book.last);
        book.high = std::max(book.high, book.last);
    }
    touch(row);
}

void MatchingEngine::interrupt(std::uint32_t row) {
    change_phase(row, Phase::auction, Reason::interrupted);
    Book& book = books_[row];
    if (book.rules.interruption_length > 0 &&
        __builtin_add_overflow(now_, book.rules.interruption_length, &book.auction_end)) {
        book.auction_end = 0;  // never by itself
    }
}

void MatchingEngine::tell_time(std::uint32_t row) {
    if (books_[row].phase == Phase::auction) report_indication(row);
}

void MatchingEngine::report_indication(std::uint32_t row) {
    const Indication shown = indication(row);
    emit({static_cast<std::uint8_t>(ReportKind::indication), 0, 0, 0, row, 0, 0, shown.price, shown.volume,
          shown.surplus, message_, now_});
}

// The price of maximum executable volume; among those the least surplus; among those, where the surplus is
// all on the bid side the highest, all on the ask side the lowest; else the reference price, as far as it
// lies between them. Orders at +-kMaxPrice are market orders and no candidates.
Indication MatchingEngine::indication(std::uint32_t row) {
    if (row >= books()) return {0, 0, 0};
    const Book& book = books_[row];
    const Levels& levels = core_.levels();
    const std::uint32_t bids = Levels::place_of(row, Side::bid);
    const std::uint32_t asks = Levels::place_of(row, Side::ask);
    if (levels.best(bids) == kNone || levels.best(asks) == kNone) return {0, 0, 0};
    const Price highest = levels.best_bid(row);
    const Price lowest = levels.best_ask(row);
    if (highest < lowest) return {0, 0, 0};
    const auto size = [&](const Level& level) {
        if ((book.flags & kHasSpecials) == 0) return level.quantity;
        Quantity all = 0;
        for (std::uint32_t slot = level.head; slot != kNone; slot = core_.orders()[slot].next) {
            all = saturated(all, total(book, slot));
        }
        return all;
    };
    // Every limit within reach of the other side, by price, with what stands there.
    demand_.clear();
    levels.for_each(asks, [&](std::uint32_t at) {
        if (levels[at].price > highest) return false;
        demand_.push_back({levels[at].price, 0, size(levels[at])});
        return true;
    });
    const auto middle = static_cast<std::ptrdiff_t>(demand_.size());
    levels.for_each(bids, [&](std::uint32_t at) {
        if (levels[at].price < lowest) return false;
        demand_.push_back({levels[at].price, size(levels[at]), 0});
        return true;
    });
    std::reverse(demand_.begin() + middle, demand_.end());
    // Bids count at their price and below, asks at theirs and above; at equal prices both do.
    std::sort(demand_.begin(), demand_.end(), [](const Demand& a, const Demand& b) {
        return a.price != b.price ? a.price < b.price : a.bid < b.bid;
    });
    std::size_t kept = 0;
    for (const Demand& limit : demand_) {
        if (kept > 0 && demand_[kept - 1].price == limit.price) {
            demand_[kept - 1].bid += limit.bid;
        } else {
            demand_[kept++] = limit;
        }
    }
    demand_.resize(kept);
    for (std::size_t i = kept; i-- > 1;) {
        demand_[i - 1].bid = saturated(demand_[i - 1].bid, demand_[i].bid);
    }
    for (std::size_t i = 1; i < kept; ++i) demand_[i].ask = saturated(demand_[i].ask, demand_[i - 1].ask);

    Quantity volume = 0;
    Quantity surplus = 0;
    Price first = 0;  // lowest and highest of the best
    Price last = 0;
    bool bid_side = true;
    bool ask_side = true;
    for (const Demand& limit : demand_) {
        if (!is_limit_price(limit.price)) continue;
        const Quantity executable = std::min(limit.bid, limit.ask);
        const Quantity left = limit.bid - limit.ask;
        const Quantity size_left = left < 0 ? -left : left;
        const Quantity best_left = surplus < 0 ? -surplus : surplus;
        if (executable == 0 || executable < volume || (executable == volume && size_left > best_left))
            continue;
        if (executable > volume || size_left < best_left) {
            first = limit.price;
            bid_side = ask_side = true;
        }
        volume = executable;
        surplus = left;
        last = limit.price;
        bid_side = bid_side && left > 0;
        ask_side = ask_side && left < 0;
    }
    const Price reference = book.reference != kNoTrade ? book.reference : book.last;
    if (volume == 0) {
        // Market orders alone meet at the reference price.
        if (reference == kNoTrade) return {0, 0, 0};
        const Quantity bid = demand_.back().bid;
        const Quantity ask = demand_.front().ask;
        return {reference, std::min(bid, ask), bid - ask};
    }
    Price price = bid_side ? last : first;
    if (!bid_side && !ask_side && reference != kNoTrade) price = std::clamp(reference, first, last);
    // The surplus there: of the bids from this price on and the asks up to it.
    Quantity bid = 0;
    Quantity ask = 0;
    for (const Demand& limit : demand_) {
        if (limit.price <= price) ask = limit.ask;
        if (limit.price >= price && bid == 0) bid = limit.bid;
    }
    return {price, volume, bid - ask};
}

// All at one price, on both sides by price and time, whatever the book's allocation. Orders of one owner
// that would meet are both reduced (SelfMatch::decrement), whichever rule the book has.
void MatchingEngine::uncross(std::uint32_t row) {
    const Indication found = indication(row);
    Book& book = books_[row];
    if (found.volume == 0) return;
    report_indication(row);
    Quantity left = found.volume;
    const std::uint32_t bids = Levels::place_of(row, Side::bid);
    const std::uint32_t asks = Levels::place_of(row, Side::ask);
    bool traded = false;
    const auto is_open = [&] {
        return core_.levels().best(bids) != kNone && core_.levels().best(asks) != kNone;
    };
    while (left > 0 && is_open()) {
        const std::uint32_t bid = core_.levels()[core_.levels().best(bids)].head;
        const std::uint32_t ask = core_.levels()[core_.levels().best(asks)].head;
        const Quantity quantity =
            std::min({left, core_.orders()[bid].quantity, core_.orders()[ask].quantity});
        const Taker buyer = resting(bid);
        const Taker seller = resting(ask);
        if ((book.flags & kPreventsSelfMatch) != 0 && buyer.owner == seller.owner && buyer.owner != 0) {
            report(ReportKind::canceled, buyer, Reason::self_match, buyer.limit, quantity,
                   buyer.open - quantity);
            report(ReportKind::canceled, seller, Reason::self_match, seller.limit, quantity,
                   seller.open - quantity);
        } else {
            report(ReportKind::traded, buyer, Reason::none, found.price, quantity, buyer.open - quantity,
                   seller.id, kInAuction);
            traded = true;
        }
        fill(row, bid, quantity);
        fill(row, ask, quantity);
        left -= quantity;
    }
    if (!traded) return;
    note_trade(book, found.price);
    book.reference = found.price;
}

// Orders that live for an auction go with it: bids first, best first.
void MatchingEngine::end_auction_orders(std::uint32_t row) {
    if ((books_[row].flags & kHasSpecials) == 0) return;
    leaving_.clear();
    for (const Side side : {Side::bid, Side::ask}) {
        core_.levels().for_each(Levels::place_of(row, side), [&](std::uint32_t at) {
            for (std::uint32_t slot = core_.levels()[at].head; slot != kNone;
                 slot = core_.orders()[slot].next) {
                const Extra* special = extra(slot);
                if (special != nullptr && special->auction_only) leaving_.push_back(slot);
            }
            return true;
        });
    }
    for (const std::uint32_t slot : leaving_) cancel_resting(row, slot, Reason::auction_ended);
}

}  // namespace optionsib::book
