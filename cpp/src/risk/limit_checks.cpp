// The checks themselves: one mask, a bit a check. The names of the bits and their order stand in checks.hpp.
#include <algorithm>
#include <bit>
#include <cmath>

#include "limit_guard.hpp"
#include "optionsib/risk/limit_engine.hpp"

namespace optionsib::risk {

namespace {

constexpr std::uint64_t bit(Check check) {
    return std::uint64_t{1} << static_cast<unsigned>(check);
}

std::uint64_t flag(bool fails, Check check) {
    return std::uint64_t{fails} << static_cast<unsigned>(check);
}

// What an order that reduces risk still answers to.
constexpr std::uint64_t kStillAnswers =
    bit(Check::account_enabled) | bit(Check::tradable) | bit(Check::quantity_positive) | bit(Check::lot) |
    bit(Check::price_positive) | bit(Check::price_grid) | bit(Check::stale_feed) | bit(Check::self_match) |
    bit(Check::capacity) | bit(Check::malformed);

// Where one of these fails the sums and the losses need not be looked at: they come later in the order of
// judgement, and an order that reduces risk answers to none of them.
constexpr std::uint64_t kBeforeSums = bit(Check::order_delta) - 1;

// Which lanes of an order fail against their scopes, as the bits of the checks. Not within its cap is also
// what is NaN, or has a cap that is.
class Failures {
  public:
    void add(Check first, const double* up, const double* down, const double* cap, Doubles low,
             Doubles high) {
        const std::uint64_t bits = bit(first);
        for (std::size_t h = 0; h < 2; ++h) {
            const Doubles own = h == 0 ? low : high;
            const auto positive = reinterpret_cast<Doubles>(reinterpret_cast<Integers>(own) & (own > 0.0));
            const Doubles highest = load(up + 2 * h) + positive;
            const Doubles lowest = load(down + 2 * h) + (own - positive);
            const Doubles limit = load(cap + 2 * h);
            // Never is `lowest` above `highest`, so these two say it of both magnitudes.
            const Integers within = (highest <= limit) & (lowest >= -limit);
            const Integers weights = {static_cast<std::int64_t>(bits << (2 * h)),
                                      static_cast<std::int64_t>(bits << (2 * h + 1))};
            failed_ |= (within & weights) ^ weights;
        }
    }
    template <class Scope>
    void add(Check first, const Scope& scope, Doubles low, Doubles high) {
        add(first, scope.up, scope.down, scope.cap, low, high);
    }
    template <class Scope>
    void add(Check first, const Scope& scope, const double* order) {
        add(first, scope, load(order), load(order + 2));
    }
    [[nodiscard]] std::uint64_t mask() const {
        return static_cast<std::uint64_t>(failed_[0]) | static_cast<std::uint64_t>(failed_[1]);
    }

  private:
    Integers failed_ = {0, 0};
};

constexpr double kNothing[4] = {0.0, 0.0, 0.0, 0.0};

}  // namespace

void LimitEngine::order_units(const OrderTerms& order, double* sums) const {
    std::fill_n(sums, kLanes, 0.0);
    for (const Leg& leg : order.legs) {
        const Instrument& it = instruments_[leg.contract];
        const auto scale = static_cast<double>(leg.ratio * order.quantity);
        for (std::size_t j = 0; j < 3; ++j) sums[j] += scale * it.unit[j];
        sums[3] += std::fabs(scale) * it.unit[3];
    }
}

std::uint64_t LimitEngine::screen_account(const OrderTerms& order, bool is_new, std::int64_t contracts,
                                          double debit) const {
    const Bounds& b = bounds_;
    const Account& account = accounts_[order.account];
    const Strategy& strategy = strategies_[order.strategy];
    const double spent = account.cash < 0 ? -static_cast<double>(account.cash) : 0.0;
    const double profit = account.unmarked > 0 ? kUnknown : static_cast<double>(account.cash) + account.value;
    const auto trades = static_cast<double>(std::max<std::int64_t>(account.executions, 1));
    std::uint64_t mask = flag(state_ != State::active, Check::kill_switch) |
                         flag(account.state != State::active, Check::account_kill) |
                         flag(!account.enabled, Check::account_enabled) |
                         flag(order.quantity <= 0, Check::quantity_positive) |
                         flag(order.quantity > b.order_quantity, Check::order_quantity) |
                         flag(std::abs(order.limit_price) > b.order_price, Check::price_band) |
                         flag(account.open_quantity + contracts > b.open_quantity, Check::open_quantity) |
                         flag(!(spent + account.debit + std::max(debit, 0.0) <= b.credit), Check::credit) |
                         flag(!(-profit <= b.daily_loss), Check::daily_loss) |
                         flag(account.open_orders >= b.open_orders, Check::open_orders) |
                         flag(!(static_cast<double>(account.messages + 1) <= b.order_to_trade * trades),
                              Check::order_to_trade) |
                         flag(strategy.tripped || b.repeated_executions < 0 || b.repeated_window < 0,
                              Check::repeated_executions);
    return mask | flag(is_new && free_count() == 0, Check::capacity);
}

std::uint64_t LimitEngine::screen_windows(const OrderTerms& order, std::int64_t now_ns) const {
    const Bounds& b = bounds_;
    const Account& account = accounts_[order.account];
    const bool too_many =
        b.orders_per_minute < 0 ||
        account.sent.has(static_cast<std::size_t>(b.orders_per_minute), now_ns - kRateWindowNs);
    const bool again =
        b.duplicate_window < 0 ||
        (b.duplicate_window > 0 && account.recent.has(hash_of(order), now_ns - b.duplicate_window));
    return flag(too_many, Check::order_rate) | flag(again, Check::duplicate);
}

std::uint64_t LimitEngine::screen_leg(const OrderTerms& order, std::int64_t now_ns,
                                      std::uint64_t mask) const {
    const Bounds& b = bounds_;
    const Leg& leg = order.legs.front();
    const Instrument& it = instruments_[leg.contract];
    const Underlying& underlying = underlyings_[it.underlying];
    const Cell& at = cell(order.account, leg.contract);
    const Strategy& strategy = strategies_[order.strategy];
    const Protection& protection = accounts_[order.account].protections[it.underlying];
    const std::int64_t price = leg.ratio * order.limit_price;
    const std::int64_t contracts = leg.ratio * order.quantity;
    const bool buys = leg.ratio > 0;
    const bool priced = price > 0;
    const std::int64_t feed_ns = std::min(it.feed_ns, underlying.feed_ns);
    const bool on_grid = it.many_bands || price > UINT32_MAX
                             ? is_on_grid(order)
                             : is_multiple(price < it.edge ? it.grid_below : it.grid,
                                           static_cast<std::uint32_t>(priced ? price : 0));
    mask |= flag(!it.tradable, Check::tradable) | flag(it.restricted, Check::restricted) |
            flag(it.lot > 1 && !divides(it.lot, order.quantity), Check::lot) |
            flag(!priced, Check::price_positive) | flag(!on_grid, Check::price_grid) |
            flag(now_ns - feed_ns > b.feed_age, Check::stale_feed) |
            flag(now_ns - it.change_ns > b.change_age, Check::stale_change) |
            flag(order.limit_price > it.far[buys], Check::price_collar) |
            flag(at.gross_with(buys, order.quantity) > b.position, Check::position) |
            flag(protection.tripped > 0 || b.protection_quantity < 0 || b.protection_window < 0,
                 Check::market_maker_protection) |
            flag(order.limit_price > it.own[buys], Check::self_match);
    if ((mask & kBeforeSums) != 0) return mask;
    const auto scale = static_cast<double>(contracts);
    Failures failures;
    const Doubles low = load(it.unit) * Doubles{scale, scale};
    const double vega = it.unit[2] * scale, notional = it.unit[3];
    failures.add(Check::order_delta, kNothing, kNothing, b.order, low,
                 Doubles{vega, notional * std::fabs(scale)});
    const Doubles high = {vega, notional * gross_change(at, leg, order.quantity)};
    failures.add(Check::portfolio_delta, accounts_[order.account].scope, low, high);
    failures.add(Check::strategy_delta, strategies_[order.strategy].scope, low,
                 Doubles{vega, notional * gross_change(strategy.cells[leg.contract], leg, order.quantity)});
    failures.add(Check::underlying_delta, accounts_[order.account].underlyings[it.underlying], low, high);
    failures.add(Check::expiry_delta, accounts_[order.account].expiries[it.expiry], low, high);
    return mask | failures.mask();
}

std::uint64_t LimitEngine::screen_legs(const OrderTerms& order, std::int64_t now_ns, std::uint64_t mask) {
    const Bounds& b = bounds_;
    mask |= flag(!is_on_grid(order), Check::price_grid);
    double gross = 0.0, gross_of_strategy = 0.0;
    for (const Leg& leg : order.legs) {
        const Instrument& it = instruments_[leg.contract];
        const Cell& at = cell(order.account, leg.contract);
        const std::int64_t contracts = leg.ratio * order.quantity;
        const std::int64_t feed_ns = std::min(it.feed_ns, underlyings_[it.underlying].feed_ns);
        const std::int64_t worst = at.gross_with(contracts > 0, std::abs(contracts));
        const Protection& protection = accounts_[order.account].protections[it.underlying];
        mask |= flag(!it.tradable, Check::tradable) | flag(it.restricted, Check::restricted) |
                flag(it.lot > 1 && !divides(it.lot, std::abs(contracts)), Check::lot) |
                flag(now_ns - feed_ns > b.feed_age, Check::stale_feed) |
                flag(now_ns - it.change_ns > b.change_age, Check::stale_change) |
                flag(worst > b.position, Check::position) |
                flag(protection.tripped > 0 || b.protection_quantity < 0 || b.protection_window < 0,
                     Check::market_maker_protection);
        gross += gross_change(at, leg, order.quantity) * it.unit[3];
        gross_of_strategy +=
            gross_change(strategies_[order.strategy].cells[leg.contract], leg, order.quantity) * it.unit[3];
    }
    const Touch touch = far_touch(order, false);
    mask |= flag(!limits_.price_collar || !touch.known || order.limit_price > touch.price + b.price_collar,
                 Check::price_collar) |
            flag(meets_own(order), Check::self_match);
    if ((mask & kBeforeSums) != 0) return mask;
    double sums[kLanes];
    order_units(order, sums);
    Failures failures;
    failures.add(Check::order_delta, kNothing, kNothing, b.order, load(sums), load(sums + 2));
    sums[3] = gross;
    failures.add(Check::portfolio_delta, accounts_[order.account].scope, sums);
    sums[3] = gross_of_strategy;
    failures.add(Check::strategy_delta, strategies_[order.strategy].scope, sums);
    for_each_scope(order,
                   [&](Scope& scope, Check first, const double* own) { failures.add(first, scope, own); });
    return mask | failures.mask();
}

std::uint64_t LimitEngine::screen(const OrderTerms& order, std::int64_t now_ns, bool is_new) {
    if (order.legs.size() == 1) {
        const double debit = static_cast<double>(order.limit_price) *
                             instruments_[order.legs.front().contract].money_per_price *
                             static_cast<double>(order.quantity);
        return screen_leg(order, now_ns, screen_account(order, is_new, order.quantity, debit));
    }
    std::int64_t contracts = 0;
    double largest = 0.0;
    for (const Leg& leg : order.legs) {
        contracts += std::abs(leg.ratio) * order.quantity;
        largest = std::max(largest, instruments_[leg.contract].money_per_price);
    }
    const double debit =
        static_cast<double>(order.limit_price) * largest * static_cast<double>(order.quantity);
    return screen_legs(order, now_ns, screen_account(order, is_new, contracts, debit));
}

// --- losses --------------------------------------------------------------------------------------

Money LimitEngine::order_loss(const OrderTerms& order) {
    if (order.legs.size() > 1) return std::max<Money>(worst_loss_.order(order).money(), 0);
    if (has_no_bound(order)) return kUnbounded;
    return Loss{0, std::max<Int128>(unit_loss(order) * order.quantity, 0)}.money();
}

bool LimitEngine::loses_more_than_fees(const OrderTerms& order) {
    Int128 fees = 0;
    for (const Leg& leg : order.legs) fees += std::abs(leg.ratio) * 2 * Int128{contracts_[leg.contract].fee};
    return order_loss(order) > fees * order.quantity;
}

std::uint64_t LimitEngine::screen_losses(const OrderTerms& order, Money& own_loss) {
    const Bounds& b = bounds_;
    own_loss = order_loss(order);
    const Money worst = portfolio_loss(order.account, &order, b.portfolio_loss);
    std::uint64_t mask = flag(own_loss > b.order_loss || own_loss == kUnbounded, Check::order_loss) |
                         flag(worst > b.portfolio_loss || worst == kUnbounded, Check::portfolio_loss);
    if (scenarios_.cells() > 0) {
        const double loss = scenario_losses_[order.account].worst_with(order.legs, order.quantity);
        mask |= flag(!(loss <= b.scenario_loss), Check::scenario_loss);
    }
    return mask;
}

// --- the verdict ---------------------------------------------------------------------------------

std::uint64_t LimitEngine::judge(const OrderTerms& order, std::int64_t now_ns, bool is_new, bool is_full,
                                 bool& reduces, Money& own_loss) {
    if (stale_scopes_) [[unlikely]]
        refresh_scopes();
    if (judges_losses_ && accounts_[order.account].stale_scenarios) [[unlikely]]
        refresh_scenarios(order.account);
    std::uint64_t mask = screen(order, now_ns, is_new);
    const bool is_decided = (mask & kBeforeSums) != 0;
    if (is_new && !is_decided) mask |= screen_windows(order, now_ns);
    if (judges_losses_ && !is_decided) {
        mask |= screen_losses(order, own_loss);
    } else if (is_full) {
        own_loss = order_loss(order);
    }
    if (mask == 0 && !is_full) [[likely]] {
        reduces = false;
        return 0;
    }
    const Reduction found = reduces ? Reduction::closes : reduction(order);
    reduces = found != Reduction::none;
    if (!reduces) return mask;
    std::uint64_t answers = kStillAnswers;
    if (found == Reduction::hedges) answers |= bit(Check::order_quantity);
    if (state_ == State::cancel_only) answers |= bit(Check::kill_switch);
    if (accounts_[order.account].state == State::cancel_only) answers |= bit(Check::account_kill);
    return (mask & answers) | flag(!passes_sanity(order), Check::price_collar);
}

Verdict LimitEngine::verdict_on(const OrderTerms& order, std::int64_t now_ns, std::uint64_t mask,
                                bool reduces, Money own_loss) {
    Verdict verdict;
    verdict.accepts = mask == 0;
    verdict.reduces_risk = reduces;
    verdict.max_loss = own_loss;
    if (mask != 0) {
        verdict.check = static_cast<Check>(std::countr_zero(mask));
        verdict.finding = Finding::exceeded;
        explain(order, now_ns, verdict);
    }
    return verdict;
}

Verdict LimitEngine::check_locked(const OrderTerms& order, std::int64_t now_ns, WorkingOrder* replaced,
                                  bool closes) {
    now_ns = std::clamp<std::int64_t>(now_ns, 0, -kNeverNs);
    Money own_loss = 0;
    if (replaced != nullptr && !is_version(*replaced, order)) {
        own_loss = order_loss(order);
        return verdict_on(order, now_ns, bit(Check::malformed), false, own_loss);
    }
    // Made smaller, and no dearer, it can do nothing that the working version cannot.
    const bool shrinks = replaced != nullptr && order.quantity < replaced->remaining &&
                         order.limit_price <= replaced->limit_price;
    bool reduces = closes || shrinks;
    if (replaced != nullptr) deactivate(*replaced);
    const std::uint64_t mask = judge(order, now_ns, replaced == nullptr, true, reduces, own_loss);
    const Verdict verdict = verdict_on(order, now_ns, mask, reduces, own_loss);
    if (replaced != nullptr) activate(*replaced);
    return verdict;
}

Verdict LimitEngine::check(const OrderTerms& order, std::int64_t now_ns, OrderHandle working, bool closes) {
    const Guard guard(*this);
    return check_locked(order, now_ns, find_working(working), closes);
}

Submission LimitEngine::submit(const OrderTerms& order, std::int64_t now_ns, OrderHandle working) {
    const Guard guard(*this);
    WorkingOrder* const replaced = find_working(working);
    Submission result{check_locked(order, now_ns, replaced, false), kNoOrder};
    if (!result.verdict.accepts) return result;
    if (replaced == nullptr) {
        result.handle = take_slot(order);
    } else {
        deactivate(*replaced);
        replaced->remaining = order.quantity;
        replaced->limit_price = order.limit_price;
        activate(*replaced);
        result.handle = working;
    }
    count_sent(order, now_ns, replaced == nullptr);
    return result;
}

}  // namespace optionsib::risk
