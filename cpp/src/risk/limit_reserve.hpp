// A new single-leg order checked and booked in one go, without a branch between the checks: nothing is named,
// so it is enough to know whether any of them fails. Whatever fails is judged again by limit_checks.cpp,
// check by check; so this may give up at will, but must never let through what those would refuse.
//
// Included once an instruction set, whose registers `Lanes` gives: `Lanes::Four` holds delta, gamma, vega and
// gross notional, Lanes::of(a, b) is (a, a, a, b). The sums are exact, so every set gives the same bits.
#pragma once

#include "limit_guard.hpp"
#include "optionsib/math/simd/lanes.hpp"
#include "optionsib/risk/limit_engine.hpp"

namespace optionsib::risk {

// What an order adds to sums, above and below zero; NaN stays in `below`.
template <class Four>
struct Parts {
    OPTIONSIB_INLINE explicit Parts(Four own) : above(max(Four(0.0), own)), below(own - above) {}
    Four above, below;
};

// The sums of a scope with an order's parts.
template <class Four>
struct Sums {
    template <class Scope>
    OPTIONSIB_INLINE Sums(const Scope& scope, const Parts<Four>& more)
        : up(simd::load<Four>(scope.up) + more.above), down(simd::load<Four>(scope.down) + more.below) {}
    // By lane. What is NaN is not within, nor what has such a cap.
    OPTIONSIB_INLINE auto within(const double* cap) const {
        return (up <= simd::load<Four>(cap)) & (down >= -simd::load<Four>(cap));
    }
    template <class Scope>
    OPTIONSIB_INLINE void store(Scope& scope) const {
        simd::store(scope.up, up);
        simd::store(scope.down, down);
    }
    Four up, down;
};

template <class Lanes>
[[gnu::always_inline]] inline OrderHandle LimitEngine::reserve_one(const OrderRecord& record) {
    using Four = typename Lanes::Four;
    const Bounds& b = bounds_;
    const std::int64_t now_ns = record.time_ns, quantity = record.quantity;
    if (record.action != static_cast<std::uint8_t>(Action::submit) ||
        (record.side != 1 && record.side != -1) ||
        static_cast<std::uint64_t>(quantity) - 1 >= b.most_quantity ||
        static_cast<std::uint64_t>(record.price) - 1 >= b.most_price ||
        static_cast<std::uint64_t>(now_ns) > static_cast<std::uint64_t>(-kNeverNs) ||
        record.contract >= contract_limit_ || record.account >= account_limit_ ||
        record.strategy >= strategy_limit_ || record.trade >= trade_limit_) [[unlikely]] {
        return kNoOrder;
    }
    // Products, not choices: the side of the next order cannot be foretold, and a branch on it would be
    // missed.
    const std::int64_t side = record.side, limit_price = side * record.price;
    const std::size_t buys = static_cast<std::size_t>(side + 1) / 2;
    Instrument& it = instruments_[record.contract];
    Account& account = accounts_[record.account];
    Strategy& strategy = strategies_[record.strategy];
    Cell& at = account.cells[record.contract];
    Cell& at_strategy = strategy.cells[record.contract];
    const std::int64_t underlying_ns = underlyings_[it.underlying].feed_ns;

    // What is left of each limit: one that is exceeded leaves its sign in the union.
    const std::int64_t gross = at.gross_with(buys, quantity);
    const auto more = static_cast<double>(gross - at.gross());
    const auto scale = static_cast<double>(side * quantity);
    const Four unit = simd::load<Four>(it.unit);
    const Four own = unit * Four(scale);
    const Parts<Four> parts(unit * Lanes::of(scale, more));
    const Parts<Four> parts_strategy(
        unit *
        Lanes::of(scale, static_cast<double>(at_strategy.gross_with(buys, quantity) - at_strategy.gross())));
    Scope& of_account = account.scope;
    Scope& of_strategy = strategy.scope;
    Scope& of_all = account.underlyings[it.underlying];
    Scope& of_expiry = account.expiries[it.expiry];
    const Sums<Four> with_account(of_account, parts), with_strategy(of_strategy, parts_strategy),
        with_all(of_all, parts), with_expiry(of_expiry, parts);
    const auto fits = (abs(own) <= simd::load<Four>(b.order)) & with_account.within(of_account.cap) &
                      with_strategy.within(of_strategy.cap) & with_all.within(of_all.cap) &
                      with_expiry.within(of_expiry.cap);
    const std::int64_t oldest = now_ns - b.feed_age;
    const std::int64_t left =
        (b.position - gross) | (b.open_quantity - account.open_quantity - quantity) |
        (b.open_orders - account.open_orders - 1) | (it.far[buys] - limit_price) |
        (it.own[buys] - limit_price) | (it.feed_ns - oldest) | (underlying_ns - oldest) |
        (it.change_ns - (now_ns - b.change_age)) | (account.most_messages - account.messages - 1) |
        (static_cast<std::int64_t>(free_count()) - 1) | -account.protections[it.underlying].tripped;
    const bool stopped = strategy.tripped | it.special | stale_scopes_;
    const auto price = static_cast<std::uint32_t>(record.price);  // b.most_price is no more
    const bool is_on_grid = is_multiple(price < it.edge ? it.grid_below : it.grid, price);
    const auto count = static_cast<double>(quantity);
    const double paid =
        static_cast<double>(static_cast<std::int64_t>(buys) * record.price) * it.money_per_price * count;
    const bool pays = account.spent + account.debit + paid <= b.credit;
    if ((left < 0) | stopped | !is_on_grid | !pays) [[unlikely]]
        return kNoOrder;

    TermsHash terms(quantity, limit_price);
    terms.add(record.contract, record.side);
    const std::uint64_t hash = terms.value();
    if (account.sent.has(static_cast<std::size_t>(b.orders_per_minute), now_ns - kRateWindowNs) ||
        account.recent.has(hash, now_ns - b.duplicate_age)) [[unlikely]] {
        return kNoOrder;
    }

    if (bits(fits) != 15) [[unlikely]]
        return kNoOrder;
    if (judges_losses_) {
        const Leg leg{record.contract, record.side};
        if (!stays_within_losses(
                {{&leg, 1}, quantity, limit_price, record.trade, record.account, record.strategy})) {
            return kNoOrder;
        }
    }

    with_account.store(of_account);
    with_strategy.store(of_strategy);
    with_all.store(of_all);
    with_expiry.store(of_expiry);
    at.reach[buys] += quantity;
    at_strategy.reach[buys] += quantity;
    if (!(at.listed & at_strategy.listed)) [[unlikely]]
        list_cells(account, strategy, record.contract);
    ++account.open_orders;
    account.open_quantity += quantity;
    account.debit += paid;
    ++account.messages;
    account.sent.add(now_ns);
    account.recent.add(hash, now_ns);

    // Slots come round in turn, so the next ones are the coldest memory here.
    constexpr std::size_t kAhead = 8;
    __builtin_prefetch(&orders_[free_at(free_begin_ + kAhead)], 1);
    const OrderHandle handle = claim_slot();
    const auto slot = static_cast<std::uint32_t>(handle);
    WorkingOrder& working = orders_[slot];
    working.leg = {record.contract, record.side};
    working.leg_count = 1;
    working.remaining = quantity;
    working.limit_price = limit_price;
    working.trade = record.trade;
    working.account = record.account;
    working.strategy = record.strategy;
    enlist(slot);
    list_leg(slot, it);
    return handle;
}

template <class Lanes>
[[gnu::always_inline]] inline std::size_t LimitEngine::reserve_run(std::span<const OrderRecord> records,
                                                                   VerdictRecord* verdicts) {
    std::size_t accepted = 0;
    for (std::size_t n = 0; n < records.size(); ++n) {
        const OrderHandle handle = reserve_one<Lanes>(records[n]);
        if (handle == kNoOrder) [[unlikely]] {
            accepted += submit_slowly(records[n], verdicts[n]) == Check::none;
            continue;
        }
        verdicts[n] = {handle, 0.0, 0.0, 1, 0, 0, 0, {}};
        ++accepted;
    }
    return accepted;
}

// The sums without an order that `reserve_one`, or the same by other ways, put into them.
template <class Lanes>
[[gnu::always_inline]] inline void LimitEngine::release_one(const WorkingOrder& order) {
    using Four = typename Lanes::Four;
    const Leg& leg = order.leg;
    const bool buys = leg.ratio > 0;
    const std::int64_t quantity = order.remaining;
    const Instrument& it = instruments_[leg.contract];
    Account& account = accounts_[order.account];
    Strategy& strategy = strategies_[order.strategy];
    const auto take_out = [&](Cell& at) {
        const std::int64_t before = at.gross();
        at.reach[buys] -= quantity;
        return static_cast<double>(before - at.gross());
    };
    const double less = take_out(account.cells[leg.contract]);
    const double less_strategy = take_out(strategy.cells[leg.contract]);
    --account.open_orders;
    account.open_quantity -= quantity;
    // A reprice may have given the limit any sign.
    const double paid =
        static_cast<double>(order.limit_price) * it.money_per_price * static_cast<double>(quantity);
    account.debit -= paid > 0.0 ? paid : 0.0;
    const auto scale = static_cast<double>(leg.ratio * quantity);
    const Four unit = simd::load<Four>(it.unit);
    const Parts<Four> parts(unit * Lanes::of(scale, less)),
        parts_strategy(unit * Lanes::of(scale, less_strategy));
    if (bits(parts.below - parts.below == Four(0.0)) != 15) [[unlikely]] {
        stale_scopes_ = true;
        return;
    }
    const auto take = [](Scope& scope, const Parts<Four>& some) {
        simd::store(scope.up, simd::load<Four>(scope.up) - some.above);
        simd::store(scope.down, simd::load<Four>(scope.down) - some.below);
    };
    take(account.scope, parts);
    take(strategy.scope, parts_strategy);
    take(account.underlyings[it.underlying], parts);
    take(account.expiries[it.expiry], parts);
}

}  // namespace optionsib::risk
