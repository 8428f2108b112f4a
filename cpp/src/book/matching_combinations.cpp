// Combinations: orders for several legs at a net price, in a book of their own and against the legs' books.
//
// A combination is bought by taking each leg on its own side, `ratio` times a unit; its net price is the sum
// of ratio x price, bought legs positive. One unit may span several levels of a leg; several units at once
// are taken at the legs' best levels only. What an order shows counts, hidden quantity does not until it is
// shown.
#include <algorithm>
#include <stdexcept>

#include "optionsib/book/matching_engine.hpp"

namespace optionsib::book {

void MatchingEngine::define_combination(std::uint32_t row, std::span<const Leg> legs) {
    if (row >= books()) throw std::invalid_argument("no such book");
    if (legs.size() < 2 || legs.size() > kMaxLegs)
        throw std::invalid_argument("a combination has 2 to 8 legs");
    Book& book = books_[row];
    if (!book.legs.empty() || !book.combinations.empty() || core_.order_count(row) != 0 ||
        !book.stops[0].empty() || !book.stops[1].empty()) {
        throw std::invalid_argument("the book is in use");
    }
    for (std::size_t i = 0; i < legs.size(); ++i) {
        const Leg& leg = legs[i];
        if (leg.row >= books() || leg.row == row || !books_[leg.row].legs.empty()) {
            throw std::invalid_argument("a leg must be another, plain book");
        }
        if (!is_valid_side(leg.side)) throw std::invalid_argument("a leg's side must be +1 or -1");
        if (leg.ratio < 1 || leg.ratio > kMaxRatio)
            throw std::invalid_argument("a ratio must lie in 1 to 1000000");
        for (std::size_t other = 0; other < i; ++other) {
            if (legs[other].row == leg.row) throw std::invalid_argument("two legs name one book");
        }
    }
    book.legs.assign(legs.begin(), legs.end());
    set_flag(book, kCombination, true);
    for (const Leg& leg : legs) {
        std::vector<std::uint32_t>& combinations = books_[leg.row].combinations;
        combinations.insert(std::upper_bound(combinations.begin(), combinations.end(), row), row);
        set_flag(books_[leg.row], kLegOfCombination, true);
    }
}

// What one side of the combination can get from the legs' books now; units 0: nothing. Every leg in
// continuous trading and within its collars, and none against an order of the same owner where its book
// prevents that.
MatchingEngine::Implied MatchingEngine::implied(std::uint32_t row, Side side, Owner owner) const {
    Implied found{kMaxQuantity, 0, false};
    Wide net = 0;
    for (const Leg& leg : books_[row].legs) {
        const Book& book = books_[leg.row];
        if (book.phase != Phase::continuous) return {};
        const Side taken = side == leg.side ? Side::ask : Side::bid;
        const int sign = leg.side == Side::bid ? 1 : -1;
        Quantity need = leg.ratio;
        std::uint32_t at = core_.levels().best(Levels::place_of(leg.row, taken));
        if (at == kNone) return {};
        const std::uint32_t best = at;
        Price last = book.last;
        for (; need > 0; at = core_.levels().worse(at)) {
            if (at == kNone) return {};
            const Level& level = core_.levels()[at];
            if (beyond_collar(book, last, level.price)) return {};
            last = level.price;
            const Quantity quantity = std::min(need, level.quantity);
            net += static_cast<Wide>(sign) * quantity * level.price;
            need -= quantity;
            if (need == 0 && at == best) {
                found.units = std::min(found.units, level.quantity / leg.ratio);
            } else if (need == 0) {
                found.units = 1;
            }
        }
    }
    if (net <= -kMaxPrice || net >= kMaxPrice) return {};
    found.net = static_cast<Price>(net);
    if (owner == 0) return found;
    // Fewer units, where an own order would be met by more.
    for (const Leg& leg : books_[row].legs) {
        const Book& book = books_[leg.row];
        if ((book.flags & kPreventsSelfMatch) == 0) continue;
        const Side taken = side == leg.side ? Side::ask : Side::bid;
        Quantity need = found.units * leg.ratio;
        Quantity before = 0;
        for (std::uint32_t at = core_.levels().best(Levels::place_of(leg.row, taken)); need > before;
             at = core_.levels().worse(at)) {
            const Level& level = core_.levels()[at];
            const Quantity at_level = before;
            for (std::uint32_t slot = level.head; slot != kNone; slot = core_.orders()[slot].next) {
                const Order& order = core_.orders()[slot];
                const bool pro_rata = (book.flags & kProRata) != 0;
                if (!pro_rata && before >= need) break;
                if (order.owner == owner) {
                    found.own = true;
                    found.units = std::min(found.units, (pro_rata ? at_level : before) / leg.ratio);
                    need = 0;
                    break;
                }
                before += order.quantity;
            }
        }
    }
    return found;
}

// Better of the combination's own book and the legs, step by step; at equal prices the own book.
bool MatchingEngine::match_combination(Taker& taker) {
    const std::uint32_t makers = Levels::place_of(taker.row, opposite(taker.side));
    const Book& book = books_[taker.row];
    while (taker.open > 0) {
        const Implied legs = implied(taker.row, taker.side, taker.owner);
        const std::uint32_t at = core_.levels().best(makers);
        const bool by_legs = legs.units > 0 && crosses(taker.side, taker.limit, legs.net);
        const bool by_own = at != kNone && crosses(taker.side, taker.limit, core_.levels()[at].price);
        if (!by_legs && !by_own) return true;
        if (by_own && (!by_legs || crosses(taker.side, legs.net, core_.levels()[at].price))) {
            if (beyond_collar(book, book.last, core_.levels()[at].price)) {
                interrupt(taker.row);
                return true;
            }
            const bool stays =
                (book.flags & kProRata) != 0 ? take_pro_rata(taker, at, taker.open) : take_first(taker, at);
            if (!stays) return false;
        } else {
            trade_legs(taker, std::min(taker.open, legs.units), legs.net);
        }
    }
    return true;
}

// `units` are there: implied() said so.
void MatchingEngine::trade_legs(Taker& taker, Quantity units, Price net) {
    taker.open -= units;
    report(ReportKind::traded, taker, Reason::none, net, units, taker.open, 0, kByLegs);
    note_trade(books_[taker.row], net);
    for (const Leg& leg : books_[taker.row].legs) {
        const Side side = taker.side == leg.side ? Side::bid : Side::ask;
        Taker order{leg.row, side, 0, kLegTrade, taker.id, 0, units * leg.ratio, 0, taker.owner};
        const std::uint32_t makers = Levels::place_of(leg.row, opposite(side));
        while (order.open > 0) {
            const std::uint32_t at = core_.levels().best(makers);
            if ((books_[leg.row].flags & kProRata) != 0) {
                take_pro_rata(order, at, order.open);
            } else {
                const std::uint32_t slot = core_.levels()[at].head;
                trade(order, slot, std::min(order.open, core_.orders()[slot].quantity));
            }
        }
    }
}

// Resting orders of a combination against the legs as they stand: bids first, best first. One that is kept
// off by an order of its owner lets the next one pass.
void MatchingEngine::run_combination(std::uint32_t row) {
    if (books_[row].phase != Phase::continuous) return;
    for (const Side side : {Side::bid, Side::ask}) {
        while (trade_resting(row, side)) {
        }
    }
}

// One step of run_combination(): whether something was traded.
bool MatchingEngine::trade_resting(std::uint32_t row, Side side) {
    std::uint32_t at = core_.levels().best(Levels::place_of(row, side));
    for (; at != kNone; at = core_.levels().worse(at)) {
        const Price limit = core_.levels()[at].price;
        for (std::uint32_t slot = core_.levels()[at].head; slot != kNone; slot = core_.orders()[slot].next) {
            const Implied legs = implied(row, side, core_.orders()[slot].owner);
            if (legs.units > 0 && crosses(side, limit, legs.net)) {
                Taker order = resting(slot);
                const Quantity units = std::min(order.open, legs.units);
                trade_legs(order, units, legs.net);
                fill(row, slot, units);
                return true;
            }
            if (!legs.own) return false;  // no worse one can
        }
    }
    return false;
}

}  // namespace optionsib::book
