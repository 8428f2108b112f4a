#include "optionsib/risk/limit_engine.hpp"

#include <algorithm>
#include <cmath>

#include "limit_guard.hpp"

namespace optionsib::risk {

namespace {

constexpr std::int64_t kMostEvents = 1 << 20;

std::int64_t nanoseconds(std::optional<double> seconds, std::int64_t missing) {
    if (!seconds) return missing;
    return static_cast<std::int64_t>(std::clamp(*seconds * 1e9, 0.0, 1e18));
}

void fill_lanes(double* lanes, const ExposureLimits& limits) {
    lanes[0] = limits.delta.value_or(kUnknown);
    lanes[1] = limits.gamma.value_or(kUnknown);
    lanes[2] = limits.vega.value_or(kUnknown);
    lanes[3] = limits.notional.value_or(kUnknown);
}

void book(std::vector<Holding>& holdings, std::uint32_t contract, std::int64_t quantity) {
    const auto held = std::find_if(holdings.begin(), holdings.end(),
                                   [&](const Holding& holding) { return holding.contract == contract; });
    if (held == holdings.end()) {
        holdings.push_back({contract, quantity});
        return;
    }
    held->quantity += quantity;
    if (held->quantity == 0) holdings.erase(held);
}

}  // namespace

LimitEngine::LimitEngine(const Limits& limits, std::span<const ContractRules> contracts, const Sizes& sizes)
    : judges_losses_(sizes.judges_losses),
      market_(contracts.size()),
      marks_(contracts.size(), kUnknown),
      instruments_(contracts.size()),
      cells_(sizes.accounts * contracts.size()),
      account_scopes_(sizes.accounts),
      scenarios_(contracts.size(), std::min(sizes.scenarios, kMaxScenarios)),
      orders_(std::max<std::size_t>(sizes.orders, 1)),
      worst_loss_({}) {
    std::size_t underlyings = 1;
    for (std::size_t c = 0; c < contracts.size(); ++c) {
        const ContractRules& rules = contracts[c];
        contracts_.push_back(rules.terms);
        bands_.push_back(rules.bands);
        underlyings = std::max<std::size_t>(underlyings, rules.underlying + 1);
        if (rules.terms.kind != 0) {
            expiry_count_ = std::max(expiry_count_, static_cast<std::size_t>(rules.terms.expiry) + 1);
        }
    }
    for (std::size_t c = 0; c < contracts.size(); ++c) {
        const ContractRules& rules = contracts[c];
        Instrument& it = instruments_[c];
        std::fill_n(it.unit, kLanes, kUnknown);
        it.feed_ns = it.change_ns = kNeverNs;
        it.own[0] = it.own[1] = kFar;
        it.lot = static_cast<std::uint32_t>(rules.lot);
        it.underlying = rules.underlying;
        // The stocks have a scope of their own behind the expiries.
        it.expiry = static_cast<std::uint32_t>(
            rules.terms.kind == 0 ? expiry_count_ : static_cast<std::size_t>(rules.terms.expiry));
        it.first_own = kNoSlot;
        it.tradable = true;
        it.restricted = false;
        it.many_bands = rules.bands.size() > 2;
        it.increment = it.increment_below = 1;
        if (!rules.bands.empty())
            it.increment = it.increment_below = static_cast<std::uint32_t>(rules.bands[0].increment);
        if (rules.bands.size() > 1) {
            it.edge = static_cast<std::uint32_t>(rules.bands[1].lower_edge);
            it.increment = static_cast<std::uint32_t>(rules.bands[1].increment);
        }
        place_special(static_cast<std::uint32_t>(c));
        it.money_per_price = static_cast<double>(rules.terms.multiplier) * (kMoneyScale / kPriceScale);
    }
    underlyings_.assign(underlyings, {kUnknown, kNeverNs});
    accounts_.resize(sizes.accounts);
    for (Account& account : accounts_) account.touched.reserve(contracts.size());
    underlying_scopes_.resize(sizes.accounts * underlyings);
    protections_.resize(sizes.accounts * underlyings);
    expiry_scopes_.resize(sizes.accounts * (expiry_count_ + 1));
    curves_.assign(sizes.accounts, LossCurves(contracts_));
    scenario_losses_.assign(sizes.accounts, ScenarioLosses(scenarios_));
    active_.reserve(orders_.size());
    for (std::uint32_t slot = 0; slot < orders_.size(); ++slot) free_.push_back(slot);
    free_count_ = free_.size();
    trades_.resize(1);
    contract_limit_ = static_cast<std::uint32_t>(contracts_.size());
    account_limit_ = static_cast<std::uint32_t>(accounts_.size());
    worst_loss_ = WorstLoss(contracts_);
    limits_ = limits;
    bound();
    for (std::size_t s = 0; s < std::max<std::size_t>(sizes.strategies, 1); ++s) (void)add_strategy();
}

// --- what holds ----------------------------------------------------------------------------------

void LimitEngine::bound() {
    const Limits& l = limits_;
    Bounds& b = bounds_;
    const auto within = [](std::optional<std::int64_t> limit) {
        return std::clamp(limit.value_or(kNever), kNever, kFar);
    };
    b.order_quantity = within(l.order_quantity);
    b.position = within(l.position);
    b.open_quantity = within(l.open_quantity);
    b.open_orders = within(l.open_orders);
    b.order_price = within(l.order_price);
    b.most_quantity =
        static_cast<std::uint64_t>(std::clamp<std::int64_t>(b.order_quantity, 0, kMaxContracts));
    b.most_price = static_cast<std::uint64_t>(std::clamp<std::int64_t>(b.order_price, 0, kMaxLimitPrice));
    b.feed_age = nanoseconds(l.feed_age, kNever);
    b.change_age = nanoseconds(l.change_age, kNever);
    b.duplicate_window = nanoseconds(l.duplicate_window, -1);
    b.orders_per_minute = l.orders_per_minute ? std::min(*l.orders_per_minute, kMostEvents) : -1;
    b.price_collar = within(l.price_collar);
    b.repeated_executions = l.repeated_executions ? std::min(*l.repeated_executions, kMostEvents) : -1;
    b.repeated_window = nanoseconds(l.repeated_window, -1);
    b.protection_quantity = l.protection_quantity.value_or(-1);
    b.protection_window = nanoseconds(l.protection_window, -1);
    b.refuse_all = b.orders_per_minute < 0 || b.duplicate_window < 0 || b.repeated_executions < 0 ||
                   b.repeated_window < 0 || b.protection_quantity < 0 || b.protection_window < 0;
    const auto money = [](std::optional<Money> limit) {
        return limit ? static_cast<double>(*limit) : kUnknown;
    };
    b.credit = money(l.credit);
    b.daily_loss = money(l.daily_loss);
    b.scenario_loss = l.scenario_loss ? static_cast<double>(*l.scenario_loss) / kMoneyScale : kUnknown;
    b.order_to_trade = l.order_to_trade.value_or(kUnknown);
    b.order_loss = l.order_loss.value_or(INT64_MIN);
    b.portfolio_loss = l.portfolio_loss.value_or(INT64_MIN);
    fill_lanes(b.order, {l.order_delta, l.order_gamma, l.order_vega, l.order_notional});
    fill_lanes(b.portfolio, l.portfolio);
    fill_lanes(b.strategy, l.strategy);
    fill_lanes(b.underlying, l.underlying);
    fill_lanes(b.expiry, l.expiry);
    for (Account& account : accounts_) {
        account.sent.resize(static_cast<std::size_t>(std::max<std::int64_t>(b.orders_per_minute, 1)));
    }
    for (Strategy& strategy : strategies_) {
        strategy.executed.resize(static_cast<std::size_t>(std::max<std::int64_t>(b.repeated_executions, 0)) +
                                 1);
    }
    for (std::uint32_t c = 0; c < contracts_.size(); ++c) place_touch(c);
    settle_all();
    stale_scopes_ = true;  // the caps
}

void LimitEngine::settle(Account& account) {
    const double profit = static_cast<double>(account.cash) + account.value;
    account.refuses_all = state_ != State::active || account.state != State::active || !account.enabled ||
                          account.unmarked > 0 || !(-profit <= bounds_.daily_loss);
    account.spent = account.cash < 0 ? -static_cast<double>(account.cash) : 0.0;
    constexpr double kMostExact = 9007199254740992.0;  // 2^53
    const double most =
        bounds_.order_to_trade * static_cast<double>(std::max<std::int64_t>(account.executions, 1));
    account.most_messages = most >= 0.0 ? static_cast<std::int64_t>(std::min(most, kMostExact)) : -1;
}

void LimitEngine::settle_all() {
    for (Account& account : accounts_) settle(account);
}

void LimitEngine::set_limits(const Limits& limits) {
    const Guard guard(*this);
    limits_ = limits;
    bound();
}

void LimitEngine::set_state(State state) {
    const Guard guard(*this);
    state_ = state;
    settle_all();
}

void LimitEngine::set_account_state(std::uint32_t account, State state) {
    const Guard guard(*this);
    accounts_[account].state = state;
    settle(accounts_[account]);
}

void LimitEngine::set_account_enabled(std::uint32_t account, bool enabled) {
    const Guard guard(*this);
    accounts_[account].enabled = enabled;
    settle(accounts_[account]);
}

void LimitEngine::set_tradable(std::uint32_t contract, bool tradable) {
    const Guard guard(*this);
    instruments_[contract].tradable = tradable;
    place_special(contract);
}

void LimitEngine::set_restricted(std::uint32_t contract, bool restricted) {
    const Guard guard(*this);
    instruments_[contract].restricted = restricted;
    place_special(contract);
}

void LimitEngine::place_special(std::uint32_t contract) {
    Instrument& it = instruments_[contract];
    it.special =
        !it.tradable || it.restricted || it.many_bands || it.lot != 1 || contracts_[contract].kind == 0;
}

void LimitEngine::reset_repeated_executions(std::uint32_t strategy) {
    const Guard guard(*this);
    strategies_[strategy].tripped = false;
    strategies_[strategy].executed.clear();
}

void LimitEngine::reset_protection(std::uint32_t account, std::uint32_t underlying) {
    const Guard guard(*this);
    Protection& protection = protections_[account * underlyings_.size() + underlying];
    protection.tripped = 0;
    protection.filled.clear();
}

std::uint32_t LimitEngine::add_strategy() {
    const Guard guard(*this);
    const auto number = static_cast<std::uint32_t>(strategies_.size());
    Strategy& strategy = strategies_.emplace_back();
    strategy.cells.resize(contracts_.size());
    strategy.touched.reserve(contracts_.size());
    strategy.executed.resize(
        static_cast<std::size_t>(std::max<std::int64_t>(bounds_.repeated_executions, 0)) + 1);
    strategy_scopes_.emplace_back();
    strategy_limit_ = number + 1;
    stale_scopes_ = true;
    return number;
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

// --- orders --------------------------------------------------------------------------------------

LimitEngine::WorkingOrder* LimitEngine::find(OrderHandle handle) {
    const auto slot = static_cast<std::uint32_t>(handle);
    const auto generation = static_cast<std::uint32_t>(handle >> 32);
    if (slot >= orders_.size() || generation == 0 || orders_[slot].generation != generation) return nullptr;
    return &orders_[slot];
}

OrderHandle LimitEngine::take_slot(const OrderTerms& terms) {
    if (free_count_ == 0) return kNoOrder;
    WorkingOrder& order = orders_[claim_slot()];
    std::copy(terms.legs.begin(), terms.legs.end(), order.legs);
    order.leg_count = static_cast<std::uint32_t>(terms.legs.size());
    order.remaining = terms.quantity;
    order.limit_price = terms.limit_price;
    order.trade = terms.trade;
    order.account = terms.account;
    order.strategy = terms.strategy;
    if (terms.trade >= trades_.size()) trades_.resize(terms.trade + 1);
    activate(order);
    return handle_of(order);
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
    move(order.terms(), 1);
    if (order.leg_count == 1) list_leg(slot, instruments_[order.legs[0].contract]);
}

void LimitEngine::deactivate(WorkingOrder& order) {
    active_[order.active_at] = active_.back();
    orders_[active_.back()].active_at = order.active_at;
    active_.pop_back();
    order.active_at = kNoSlot;
    move(order.terms(), -1);
    unlist_own(order);
}

void LimitEngine::unlist_own(WorkingOrder& order) {
    if (order.leg_count != 1) return;
    Instrument& it = instruments_[order.legs[0].contract];
    (order.last_own == kNoSlot ? it.first_own : orders_[order.last_own].next_own) = order.next_own;
    if (order.next_own != kNoSlot) orders_[order.next_own].last_own = order.last_own;
    if (it.own[order.legs[0].ratio < 0] != -order.limit_price - 1) return;
    it.own[0] = it.own[1] = kFar;
    for (std::uint32_t slot = it.first_own; slot != kNoSlot; slot = orders_[slot].next_own) {
        const WorkingOrder& other = orders_[slot];
        std::int64_t& other_side = it.own[other.legs[0].ratio < 0];
        other_side = std::min(other_side, -other.limit_price - 1);
    }
}

OrderHandle LimitEngine::add_working(const OrderTerms& order, std::int64_t now_ns) {
    const Guard guard(*this);
    const OrderHandle handle = take_slot(order);
    if (handle != kNoOrder) count_sent(order, now_ns, true);
    return handle;
}

Booking LimitEngine::reprice(OrderHandle handle, std::int64_t limit_price) {
    const Guard guard(*this);
    WorkingOrder* order = find(handle);
    if (order == nullptr) return Booking::unknown_order;
    if (limit_price < -kMaxLimitPrice || limit_price > kMaxLimitPrice) return Booking::bad_order;
    const bool works = order->active_at != kNoSlot;
    if (works) deactivate(*order);
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
    Int128 total = cash ? Int128{*cash} : unit_cash(order.terms(), contracts_) * quantity;
    const bool works = order.active_at != kNoSlot;
    if (works) deactivate(order);
    for (std::uint32_t i = 0; i < order.leg_count; ++i) {
        const Leg& leg = order.legs[i];
        move_position(order.account, order.strategy, leg.contract, leg.ratio * quantity);
        if (order.trade != kNoTrade) book(trades_[order.trade], leg.contract, leg.ratio * quantity);
        total -= Int128{std::abs(leg.ratio)} * quantity * contracts_[leg.contract].fee;
    }
    Account& account = accounts_[order.account];
    account.cash = static_cast<Money>(Int128{account.cash} + total);
    count_execution(order, quantity, now_ns);
    settle(account);
    order.remaining -= quantity;
    if (!works) return Booking::ok;
    if (order.remaining > 0) {
        activate(order);
    } else {
        free_[(free_first_ + free_count_++) % free_.size()] =
            static_cast<std::uint32_t>(&order - orders_.data());
    }
    return Booking::ok;
}

Booking LimitEngine::finish(OrderHandle handle) {
    const Guard guard(*this);
    WorkingOrder* order = find(handle);
    if (order == nullptr) return Booking::unknown_order;
    if (order->active_at != kNoSlot) {
        deactivate(*order);
        free_[(free_first_ + free_count_++) % free_.size()] =
            static_cast<std::uint32_t>(order - orders_.data());
    }
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
    for (std::uint32_t i = 0; i < order.leg_count; ++i) {
        const Leg& leg = order.legs[i];
        if (contracts_[leg.contract].kind == 0) continue;
        Protection& protection =
            protections_[order.account * underlyings_.size() + instruments_[leg.contract].underlying];
        const std::int64_t filled =
            protection.filled.add(now_ns, std::abs(leg.ratio) * quantity, now_ns - b.protection_window);
        if (filled > b.protection_quantity) protection.tripped = std::max(protection.tripped, filled);
    }
}

// --- sums ----------------------------------------------------------------------------------------

void LimitEngine::add_gross(std::uint32_t account, std::uint32_t contract, double contracts) {
    const Instrument& it = instruments_[contract];
    const double notional = contracts * it.unit[3];
    account_scopes_[account].up[3] += notional;
    underlying_scopes_[account * underlyings_.size() + it.underlying].up[3] += notional;
    expiry_scopes_[account * (expiry_count_ + 1) + it.expiry].up[3] += notional;
}

void LimitEngine::move_leg(const OrderTerms& order, int sign) {
    Account& account = accounts_[order.account];
    Strategy& strategy = strategies_[order.strategy];
    const Leg& leg = order.legs.front();
    const Instrument& it = instruments_[leg.contract];
    const std::int64_t contracts = leg.ratio * order.quantity;
    Cell* const cells[] = {&cell(order.account, leg.contract), &strategy.cells[leg.contract]};
    double grown[2];
    for (std::size_t which = 0; which < 2; ++which) {
        Cell& at = *cells[which];
        std::int64_t& working = at.reach[leg.ratio > 0];
        const std::int64_t after = working + sign * order.quantity;
        if (sign < 0) working = after;
        grown[which] = sign * gross_change(at, leg, order.quantity) * it.unit[3];
        working = after;
        if (!at.listed) [[unlikely]] {
            at.listed = true;
            (which == 0 ? account.touched : strategy.touched).push_back(leg.contract);
        }
    }
    account.open_orders += sign;
    account.open_quantity += sign * order.quantity;
    account.debit += sign * std::max(0.0, static_cast<double>(order.limit_price) * it.money_per_price *
                                              static_cast<double>(order.quantity));
    const double scale = sign * static_cast<double>(contracts);
    const Doubles low = load(it.unit) * Doubles{scale, scale};
    const double vega = it.unit[2] * scale;
    const double sum = low[0] + low[1] + vega + it.unit[3];
    if (std::isnan(sum)) stale_scopes_ = true;
    if (stale_scopes_) [[unlikely]]
        return;
    // Into the upper sum where the order itself, not its change, is positive. Two lanes are written as they
    // will be read, at once.
    const Integers upper = sign > 0 ? low > 0.0 : low < 0.0;
    const Integers vega_upper = {(vega > 0.0) == (sign > 0) ? -1 : 0, -1};
    Scope* const scopes[] = {&account_scopes_[order.account], &strategy_scopes_[order.strategy],
                             &underlying_scopes_[order.account * underlyings_.size() + it.underlying],
                             &expiry_scopes_[order.account * (expiry_count_ + 1) + it.expiry]};
    for (std::size_t which = 0; which < 4; ++which) {
        Scope& scope = *scopes[which];
        const Doubles high = {vega, grown[which == 1]};
        add_where(scope.up, upper, low);
        add_where(scope.down, ~upper, low);
        add_where(scope.up + 2, vega_upper, high);
        add_where(scope.down + 2, ~vega_upper, high);
    }
}

void LimitEngine::move(const OrderTerms& order, int sign) {
    if (sign < 0) move_losses(order, sign);
    if (order.legs.size() == 1 && contracts_[order.legs.front().contract].kind != 0) {
        move_leg(order, sign);
        if (sign > 0) move_losses(order, sign);
        return;
    }
    Account& account = accounts_[order.account];
    Strategy& strategy = strategies_[order.strategy];
    std::int64_t quantity = 0;
    bool known = true;
    double largest = 0.0;
    for (const Leg& leg : order.legs) {
        const std::int64_t contracts = leg.ratio * order.quantity;
        const Instrument& it = instruments_[leg.contract];
        quantity += std::abs(contracts);
        largest = std::max(largest, it.money_per_price);
        for (std::size_t j = 0; j < kLanes; ++j) known = known && !std::isnan(it.unit[j]);
        Cell* const cells[] = {&cell(order.account, leg.contract), &strategy.cells[leg.contract]};
        double grown[2];
        for (std::size_t which = 0; which < 2; ++which) {
            Cell& at = *cells[which];
            const std::int64_t before = at.gross();
            const bool was_busy = at.is_busy();
            at.reach[contracts > 0] += sign * std::abs(contracts);
            at.combos += order.legs.size() > 1 ? sign : 0;
            grown[which] = static_cast<double>(at.gross() - before);
            if (!at.listed) {
                at.listed = true;
                (which == 0 ? account.touched : strategy.touched).push_back(leg.contract);
            }
            if (which == 1) continue;
            account.stocks += contracts_[leg.contract].kind == 0 ? at.is_busy() - was_busy : 0;
        }
        if (stale_scopes_ || std::isnan(it.unit[3])) continue;
        add_gross(order.account, leg.contract, grown[0]);
        strategy_scopes_[order.strategy].up[3] += grown[1] * it.unit[3];
    }
    account.open_orders += sign;
    account.open_quantity += sign * quantity;
    account.debit += sign * std::max(0.0, static_cast<double>(order.limit_price) * largest *
                                              static_cast<double>(order.quantity));
    if (!has_curve(order)) account.spanning += sign;
    if (!known) stale_scopes_ = true;
    if (!stale_scopes_) {
        double sums[kLanes];
        order_units(order, sums);
        account_scopes_[order.account].add_order(sums, sign);
        strategy_scopes_[order.strategy].add_order(sums, sign);
        for_each_scope(order, [&](Scope& scope, Check, const double* own) { scope.add_order(own, sign); });
    }
    if (sign > 0) move_losses(order, sign);
}

void LimitEngine::move_losses(const OrderTerms& order, int sign) {
    if (!judges_losses_) return;
    if (scenarios_.cells() > 0) {
        scenario_losses_[order.account].add_order(order.legs, sign * order.quantity);
        for (const Leg& leg : order.legs) {
            // What is not known does not go out of a sum again.
            if (!scenarios_.is_known(leg.contract)) accounts_[order.account].stale_scenarios = true;
        }
    }
    // The curves are not asked while an order spans expiries.
    if (has_curve(order))
        curves_[order.account].add_order(order.legs, order.limit_price, sign * order.quantity);
}

void LimitEngine::move_position(std::uint32_t account_number, std::uint32_t strategy_number,
                                std::uint32_t contract, std::int64_t change) {
    Account& account = accounts_[account_number];
    Strategy& strategy = strategies_[strategy_number];
    const Instrument& it = instruments_[contract];
    Cell& at = cell(account_number, contract);
    const std::int64_t before = at.position;
    const bool was_busy = at.is_busy();
    const std::int64_t of_account = at.gross();
    const std::int64_t of_strategy = strategy.cells[contract].gross();
    at.move(change);
    strategy.cells[contract].move(change);
    if (!at.listed) account.touched.push_back(contract);
    if (!strategy.cells[contract].listed) strategy.touched.push_back(contract);
    at.listed = strategy.cells[contract].listed = true;

    account.stocks += contracts_[contract].kind == 0 ? at.is_busy() - was_busy : 0;
    account.held += (at.position != 0) - (before != 0);
    if (std::isnan(marks_[contract])) {
        account.unmarked += (at.position != 0) - (before != 0);
    } else {
        account.value += static_cast<double>(change) * it.money_per_price * marks_[contract];
    }
    if (judges_losses_ && scenarios_.cells() > 0) {
        scenario_losses_[account_number].move_position(contract, change);
    }
    if (contracts_[contract].kind != 0) {
        curves_[account_number].move_position(contract, before, at.position);
    }
    for (std::size_t j = 0; j < kLanes; ++j) stale_scopes_ = stale_scopes_ || std::isnan(it.unit[j]);
    if (stale_scopes_) return;
    Scope* const scopes[] = {&account_scopes_[account_number], &strategy_scopes_[strategy_number],
                             &underlying_scopes_[account_number * underlyings_.size() + it.underlying],
                             &expiry_scopes_[account_number * (expiry_count_ + 1) + it.expiry]};
    for (Scope* scope : scopes) {
        for (std::size_t j = 0; j < 3; ++j) {
            const double more = static_cast<double>(change) * it.unit[j];
            scope->held[j] += more;
            scope->up[j] += more;
            scope->down[j] += more;
        }
    }
    add_gross(account_number, contract, static_cast<double>(at.gross() - of_account));
    strategy_scopes_[strategy_number].up[3] +=
        static_cast<double>(strategy.cells[contract].gross() - of_strategy) * it.unit[3];
}

void LimitEngine::set_position(std::uint32_t contract, std::int64_t quantity, std::uint32_t account) {
    const Guard guard(*this);
    const std::int64_t change = quantity - cell(account, contract).position;
    if (change != 0) move_position(account, 0, contract, change);
    settle(accounts_[account]);
}

void LimitEngine::set_cash(Money cash, std::uint32_t account) {
    const Guard guard(*this);
    accounts_[account].cash = cash;
    settle(accounts_[account]);
}

std::int64_t LimitEngine::position(std::uint32_t contract, std::uint32_t account) const {
    const Guard guard(*this);
    return cell(account, contract).position;
}

}  // namespace optionsib::risk
