// Single-leg orders as records. One that passes is checked and booked in one go, without a branch between the
// checks: nothing is named, so it is enough to know whether any of them fails. Only then is the order judged
// by limit_checks.cpp, check by check.
#include <algorithm>

#include "limit_guard.hpp"
#include "optionsib/risk/limit_engine.hpp"

namespace optionsib::risk {

namespace {

// What an order adds to sums, above and below zero.
struct Parts {
    explicit Parts(Doubles own)
        : above(reinterpret_cast<Doubles>(reinterpret_cast<Integers>(own) & (own > 0.0))),
          below(own - above) {}
    Doubles above, below;
};

// All bits set where the order stays within the scope. What is NaN does not, nor where the cap is.
template <class Scope>
Integers within(const Scope& scope, const Parts& low, const Parts& high) {
    const Doubles cap = load(scope.cap), high_cap = load(scope.cap + 2);
    return (load(scope.up) + low.above <= cap) & (load(scope.down) + low.below >= -cap) &
           (load(scope.up + 2) + high.above <= high_cap) & (load(scope.down + 2) + high.below >= -high_cap);
}

template <class Scope>
void add(Scope& scope, const Parts& low, const Parts& high) {
    store(scope.up, load(scope.up) + low.above);
    store(scope.down, load(scope.down) + low.below);
    store(scope.up + 2, load(scope.up + 2) + high.above);
    store(scope.down + 2, load(scope.down + 2) + high.below);
}

Integers within(const double* cap, Doubles own) {
    return (own <= load(cap)) & (-own <= load(cap));
}

}  // namespace

bool LimitEngine::stays_within_losses(const OrderTerms& order) {
    const Account& account = accounts_[order.account];
    if (account.stale_scenarios || account.spanning != 0 || account.stocks != 0) return false;
    const Money own_loss = order_loss(order);
    if (own_loss > bounds_.order_loss || own_loss == kUnbounded) return false;
    LossCurves& curves = curves_[order.account];
    if (!curves.is_exact()) return false;
    const Money worst = curves.worst_with(order.legs, order.limit_price, order.quantity);
    if (worst == kUnbounded || worst - account.cash > bounds_.portfolio_loss) return false;
    if (scenarios_.cells() > 0) {
        ScenarioLosses& losses = scenario_losses_[order.account];
        if (!(losses.worst_with(order.legs, order.quantity) <= bounds_.scenario_loss)) return false;
        losses.keep();
    }
    curves.keep(order.legs, order.limit_price, order.quantity);
    return true;
}

OrderHandle LimitEngine::reserve(const OrderRecord& record) {
    const Bounds& b = bounds_;
    const std::int64_t now_ns = record.time_ns, quantity = record.quantity;
    if (record.action != static_cast<std::uint8_t>(Action::submit) ||
        (record.side != 1 && record.side != -1) ||
        static_cast<std::uint64_t>(quantity) - 1 >= b.most_quantity ||
        static_cast<std::uint64_t>(record.price) - 1 >= b.most_price ||
        static_cast<std::uint64_t>(now_ns) > static_cast<std::uint64_t>(-kNeverNs) ||
        record.contract >= contract_limit_ || record.account >= account_limit_ ||
        record.strategy >= strategy_limit_ || (record.trade != kNoTrade && record.trade >= trades_.size()))
        [[unlikely]] {
        return kNoOrder;
    }
    const bool buys = record.side > 0;
    // Products, not choices: the side of the next order cannot be foretold, and a branch on it would be
    // missed.
    const std::int64_t limit_price = record.side * record.price;
    Instrument& it = instruments_[record.contract];
    Account& account = accounts_[record.account];
    Strategy& strategy = strategies_[record.strategy];
    Cell& at = cell(record.account, record.contract);
    Cell& at_strategy = strategy.cells[record.contract];
    const std::size_t of_underlying = record.account * underlyings_.size() + it.underlying;
    const std::int64_t underlying_ns = underlyings_[it.underlying].feed_ns;
    const std::uint64_t stopped =
        static_cast<std::uint64_t>(account.refuses_all) | static_cast<std::uint64_t>(strategy.tripped) |
        static_cast<std::uint64_t>(it.special) | static_cast<std::uint64_t>(b.refuse_all) |
        static_cast<std::uint64_t>(stale_scopes_) |
        static_cast<std::uint64_t>(protections_[of_underlying].tripped);

    // What is left of each limit: one that is exceeded leaves its sign in the union.
    const std::int64_t gross = at.gross_with(buys, quantity);
    const std::int64_t oldest = now_ns - b.feed_age;
    const std::int64_t left = (b.position - gross) | (b.open_quantity - account.open_quantity - quantity) |
                              (b.open_orders - account.open_orders - 1) | (it.far[buys] - limit_price) |
                              (it.own[buys] - limit_price) | (it.feed_ns - oldest) |
                              (underlying_ns - oldest) | (it.change_ns - (now_ns - b.change_age)) |
                              (account.most_messages - account.messages - 1) |
                              (static_cast<std::int64_t>(free_count_) - 1);
    if ((left < 0) | (stopped != 0)) [[unlikely]]
        return kNoOrder;

    const auto count = static_cast<double>(quantity);
    const double paid = static_cast<double>(buys * record.price) * it.money_per_price * count;
    const bool pays = account.spent + account.debit + paid <= b.credit;
    const bool is_on_grid = divides(record.price < it.edge ? it.increment_below : it.increment, record.price);
    if (!pays || !is_on_grid) [[unlikely]]
        return kNoOrder;

    const Leg leg{record.contract, record.side};
    const OrderTerms order{{&leg, 1}, quantity, limit_price, record.trade, record.account, record.strategy};
    const std::uint64_t hash = hash_of(order);
    if (account.sent.has(static_cast<std::size_t>(b.orders_per_minute), now_ns - kRateWindowNs) ||
        (b.duplicate_window > 0 && account.recent.has(hash, now_ns - b.duplicate_window))) [[unlikely]] {
        return kNoOrder;
    }

    const auto scale = static_cast<double>(record.side * quantity);
    const Doubles greeks = load(it.unit) * Doubles{scale, scale};
    const double vega = it.unit[2] * scale, notional = it.unit[3];
    const Parts low(greeks);
    const Parts high(Doubles{vega, notional * static_cast<double>(gross - at.gross())});
    const Parts high_strategy(Doubles{
        vega, notional * static_cast<double>(at_strategy.gross_with(buys, quantity) - at_strategy.gross())});
    Scope& of_account = account_scopes_[record.account];
    Scope& of_strategy = strategy_scopes_[record.strategy];
    Scope& of_all = underlying_scopes_[of_underlying];
    Scope& of_expiry = expiry_scopes_[record.account * (expiry_count_ + 1) + it.expiry];
    const Integers fits = within(b.order, greeks) & within(b.order + 2, Doubles{vega, notional * count}) &
                          within(of_account, low, high) & within(of_strategy, low, high_strategy) &
                          within(of_all, low, high) & within(of_expiry, low, high);
    if ((fits[0] & fits[1]) == 0) [[unlikely]]
        return kNoOrder;
    if (judges_losses_ && !stays_within_losses(order)) return kNoOrder;

    add(of_account, low, high);
    add(of_strategy, low, high_strategy);
    add(of_all, low, high);
    add(of_expiry, low, high);
    at.reach[buys] += quantity;
    at_strategy.reach[buys] += quantity;
    if (!(at.listed & at_strategy.listed)) [[unlikely]] {
        if (!at.listed) account.touched.push_back(record.contract);
        if (!at_strategy.listed) strategy.touched.push_back(record.contract);
        at.listed = at_strategy.listed = true;
    }
    ++account.open_orders;
    account.open_quantity += quantity;
    account.debit += paid;
    ++account.messages;
    account.sent.add(now_ns);
    account.recent.add(hash, now_ns);

    const std::uint32_t slot = claim_slot();
    WorkingOrder& working = orders_[slot];
    working.legs[0] = leg;
    working.leg_count = 1;
    working.remaining = quantity;
    working.limit_price = limit_price;
    working.trade = record.trade;
    working.account = record.account;
    working.strategy = record.strategy;
    enlist(slot);
    list_leg(slot, it);
    return (OrderHandle{working.generation} << 32) | slot;
}

bool LimitEngine::read(const OrderRecord& record, Leg& leg, OrderTerms& order) const {
    constexpr std::int64_t kLatest = -kNeverNs;
    if (record.side != 1 && record.side != -1) return false;
    if (record.time_ns < 0 || record.time_ns > kLatest) return false;
    if (record.price > kMaxLimitPrice || record.price < -kMaxLimitPrice) return false;
    if (record.quantity <= 0 || record.quantity > kMaxContracts) return false;
    if (record.contract >= contracts_.size() || record.account >= accounts_.size()) return false;
    if (record.strategy >= strategies_.size()) return false;
    if (record.trade >= std::max<std::size_t>(trades_.size(), 1)) return false;
    leg = {record.contract, record.side};
    order = {{&leg, 1},    record.quantity, record.side * record.price,
             record.trade, record.account,  record.strategy};
    return true;
}

inline Check LimitEngine::submit_locked(const OrderRecord& record, VerdictRecord& verdict) {
    const OrderHandle handle = reserve(record);
    if (handle == kNoOrder) [[unlikely]]
        return submit_slowly(record, verdict);
    verdict = {};
    verdict.handle = handle;
    verdict.accepts = 1;
    return Check::none;
}

Check LimitEngine::submit_slowly(const OrderRecord& record, VerdictRecord& verdict) {
    verdict = {};
    const auto refuse = [&](Check check, std::int64_t value) {
        verdict.check = static_cast<std::uint8_t>(check);
        verdict.finding = static_cast<std::uint8_t>(Finding::exceeded);
        verdict.value = static_cast<double>(value);
        return check;
    };
    Leg leg{};
    OrderTerms order{};
    WorkingOrder* working = nullptr;
    if (record.action == static_cast<std::uint8_t>(Action::cancel)) {
        verdict.accepts = 1;
        verdict.handle = record.handle;
        working = find(record.handle);
        if (working != nullptr) ++accounts_[working->account].messages;
        return Check::none;
    }
    if (record.action == static_cast<std::uint8_t>(Action::reprice)) {
        working = find(record.handle);
        const bool priced = record.price <= kMaxLimitPrice && record.price >= -kMaxLimitPrice;
        const bool timed = record.time_ns >= 0 && record.time_ns <= -kNeverNs;
        if (working == nullptr || working->active_at == kNoSlot || working->leg_count != 1 || !priced ||
            !timed) {
            return refuse(Check::malformed, static_cast<std::int64_t>(record.handle));
        }
        leg = working->legs[0];
        order = working->terms();
        order.legs = {&leg, 1};
        order.limit_price = leg.ratio * record.price;
    } else if (record.action != static_cast<std::uint8_t>(Action::submit)) {
        return refuse(Check::malformed, record.action);
    } else if (!read(record, leg, order)) {
        return record.quantity <= 0 ? refuse(Check::quantity_positive, record.quantity)
                                    : refuse(Check::malformed, record.contract);
    }
    if (working != nullptr) deactivate(*working);
    bool reduces = false;
    Money own_loss = 0;
    const std::uint64_t mask = judge(order, record.time_ns, working == nullptr, false, reduces, own_loss);
    if (mask != 0) [[unlikely]] {
        const Verdict found = verdict_on(order, record.time_ns, mask, reduces, own_loss);
        if (working != nullptr) activate(*working);
        verdict.value = found.value;
        verdict.limit = found.limit;
        verdict.check = static_cast<std::uint8_t>(found.check);
        verdict.finding = static_cast<std::uint8_t>(found.finding);
        verdict.reduces_risk = found.reduces_risk;
        return found.check;
    }
    if (working == nullptr) {
        verdict.handle = take_slot(order);
    } else {
        working->limit_price = order.limit_price;
        activate(*working);
        verdict.handle = record.handle;
    }
    count_sent(order, record.time_ns, working == nullptr);
    verdict.accepts = 1;
    verdict.reduces_risk = reduces;
    return Check::none;
}

Check LimitEngine::submit(const OrderRecord& record, VerdictRecord& verdict) {
    const Guard guard(*this);
    return submit_locked(record, verdict);
}

std::size_t LimitEngine::submit_batch(std::span<const OrderRecord> records, VerdictRecord* verdicts) {
    constexpr std::size_t kRun = 64;
    Guard guard(*this);
    std::size_t accepted = 0;
    for (std::size_t i = 0; i < records.size(); ++i) {
        if (i % kRun == kRun - 1) guard.yield();
        accepted += submit_locked(records[i], verdicts[i]) == Check::none;
    }
    return accepted;
}

}  // namespace optionsib::risk
