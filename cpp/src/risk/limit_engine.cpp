// What holds: the limits as they are compared, states, and the books as they are told.
#include "optionsib/risk/limit_engine.hpp"

#include <algorithm>
#include <bit>
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

}  // namespace

LimitEngine::LimitEngine(const Limits& limits, std::span<const ContractRules> contracts, const Sizes& sizes)
    : judges_losses_(sizes.judges_losses),
      market_(contracts.size()),
      marks_(contracts.size(), kUnknown),
      instruments_(contracts.size()),
      scenarios_(contracts.size(), std::min(sizes.scenarios, kMaxScenarios)),
      orders_(std::max<std::size_t>(sizes.orders, 1)),
      combo_legs_(orders_.size() * kMaxLegs),
      free_(std::bit_ceil(orders_.size())),
      free_mask_(free_.size() - 1),
      worst_loss_({}) {
    reserve_ = &reserve_baseline;
    release_ = &release_baseline;
#ifdef OPTIONSIB_X86_PATHS
    if ((sizes.path ? *sizes.path : simd_path()) != SimdPath::baseline) {
        reserve_ = &reserve_avx2;
        release_ = &release_avx2;
    }
#endif
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
        const auto reciprocal = [&](std::size_t band) {
            const std::int64_t increment = band < rules.bands.size() ? rules.bands[band].increment : 1;
            return reciprocal_of(static_cast<std::uint32_t>(increment));
        };
        it.grid = it.grid_below = reciprocal(0);
        if (rules.bands.size() > 1) {
            it.edge = static_cast<std::uint32_t>(rules.bands[1].lower_edge);
            it.grid = reciprocal(1);
        }
        place_special(static_cast<std::uint32_t>(c));
        it.money_per_price = static_cast<double>(rules.terms.multiplier) * (kMoneyScale / kPriceScale);
    }
    underlyings_.assign(underlyings, {kUnknown, kNeverNs});
    accounts_.resize(sizes.accounts);
    for (Account& account : accounts_) {
        account.touched.reserve(contracts.size());
        account.cells.resize(contracts.size());
        account.underlyings.resize(underlyings);
        account.protections.resize(underlyings);
        account.expiries.resize(expiry_count_ + 1);
    }
    curves_.assign(sizes.accounts, LossCurves(contracts_));
    scenario_losses_.assign(sizes.accounts, ScenarioLosses(scenarios_));
    active_.resize(orders_.size());
    for (std::uint32_t slot = 0; slot < orders_.size(); ++slot) free_slot(slot);
    trades_.resize(1);
    trade_limit_ = 1;
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
    b.most_price = static_cast<std::uint64_t>(std::clamp<std::int64_t>(b.order_price, 0, UINT32_MAX));
    b.feed_age = nanoseconds(l.feed_age, kNever);
    b.change_age = nanoseconds(l.change_age, kNever);
    b.duplicate_window = nanoseconds(l.duplicate_window, -1);
    b.orders_per_minute = l.orders_per_minute ? std::min(*l.orders_per_minute, kMostEvents) : -1;
    b.price_collar = within(l.price_collar);
    b.repeated_executions = l.repeated_executions ? std::min(*l.repeated_executions, kMostEvents) : -1;
    b.repeated_window = nanoseconds(l.repeated_window, -1);
    b.protection_quantity = l.protection_quantity.value_or(-1);
    b.protection_window = nanoseconds(l.protection_window, -1);
    const bool refuses_all = b.orders_per_minute <= 0 || b.duplicate_window < 0 ||
                             b.repeated_executions < 0 || b.repeated_window < 0 ||
                             b.protection_quantity < 0 || b.protection_window < 0;
    b.most_quantity = static_cast<std::uint64_t>(
        refuses_all ? 0 : std::clamp<std::int64_t>(b.order_quantity, 0, kMaxContracts));
    b.duplicate_age = b.duplicate_window > 0 ? b.duplicate_window : kNever;
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
    const bool refuses_all = state_ != State::active || account.state != State::active || !account.enabled ||
                             account.unmarked > 0 || !(-profit <= bounds_.daily_loss);
    account.spent = account.cash < 0 ? -static_cast<double>(account.cash) : 0.0;
    constexpr double kMostExact = 9007199254740992.0;  // 2^53
    const double most =
        bounds_.order_to_trade * static_cast<double>(std::max<std::int64_t>(account.executions, 1));
    account.most_messages =
        !refuses_all && most >= 0.0 ? static_cast<std::int64_t>(std::min(most, kMostExact)) : kNever;
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
    Protection& protection = accounts_[account].protections[underlying];
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
    strategy_limit_ = number + 1;
    stale_scopes_ = true;
    return number;
}

void LimitEngine::set_position(std::uint32_t contract, std::int64_t quantity, std::uint32_t account) {
    const Guard guard(*this);
    const std::int64_t change = quantity - cell(account, contract).position;
    if (change != 0) move_position(account, 0, contract, change);
    settle(accounts_[account]);
}

void LimitEngine::set_cash(Money cash, std::uint32_t account) {
    const Guard guard(*this);
    accounts_[account].cash = as_cash(cash);
    settle(accounts_[account]);
}

std::int64_t LimitEngine::position(std::uint32_t contract, std::uint32_t account) const {
    const Guard guard(*this);
    return cell(account, contract).position;
}

}  // namespace optionsib::risk
