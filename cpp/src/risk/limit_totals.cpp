// Sums of the limit engine made from the books anew, and the losses of a portfolio.
#include <algorithm>
#include <cmath>

#include "limit_guard.hpp"
#include "optionsib/risk/limit_engine.hpp"

namespace optionsib::risk {

namespace {

// Units are multiples of 2^-20: sums below 2^33 have no rounding, and what is taken out leaves nothing
// behind.
constexpr double kMostExact = 8589934592.0;

double rounded(double value) {
    constexpr double kScale = 1048576.0;
    return std::nearbyint(value * kScale) / kScale;
}

// What no contract has is not known.
double greek(double value) {
    return std::fabs(value) < kMostExact ? rounded(value) : kUnknown;
}

// What is dated in the future was seen now: it must not stay fresh for longer.
std::int64_t seen_at(std::int64_t now_ns, double age) {
    if (std::isnan(age)) return kNeverNs;
    return std::clamp<std::int64_t>(now_ns, 0, -kNeverNs) -
           static_cast<std::int64_t>(std::clamp(age * 1e9, 0.0, 1e18));
}

}  // namespace

// --- the market ----------------------------------------------------------------------------------

void LimitEngine::place_touch(std::uint32_t contract) {
    Instrument& it = instruments_[contract];
    const Market& market = market_[contract];
    const bool set = limits_.price_collar.has_value();
    const std::int64_t collar = std::clamp(limits_.price_collar.value_or(0), -kFar / 2, kFar / 2);
    it.far[1] = set && is_usable(market.ask) ? collar + to_price(market.ask) : kNever;
    it.far[0] = set && is_usable(market.bid) ? collar - to_price(market.bid) : kNever;
}

void LimitEngine::set_market(std::uint32_t contract, const Market& market, std::int64_t now_ns) {
    const Guard guard(*this);
    market_[contract] = market;
    Instrument& it = instruments_[contract];
    const ContractTerms& terms = contracts_[contract];
    it.feed_ns = seen_at(now_ns, market.feed_age);
    it.change_ns = seen_at(now_ns, market.change_age);
    place_touch(contract);

    double mark = marks_[contract];
    const bool bid = is_usable(market.bid), ask = is_usable(market.ask);
    if (bid && ask) {
        mark = static_cast<double>(to_price(market.bid) + to_price(market.ask)) / 2.0;
    } else if (ask) {
        mark = static_cast<double>(to_price(market.ask)) / 2.0;
    } else if (bid) {
        mark = static_cast<double>(to_price(market.bid));
    }
    const auto multiplier = static_cast<double>(terms.multiplier);
    double unit[kLanes] = {multiplier, 0.0, 0.0, it.unit[3]};
    if (terms.kind != 0) {  // a share is its own delta, whatever the market data says
        unit[0] = greek(market.delta * multiplier);
        unit[1] = greek(market.gamma * multiplier);
        unit[2] = greek(market.vega * multiplier);
    }
    bool changed = false, known = true;
    double largest = 0.0;
    for (std::size_t j = 0; j < 3; ++j) {
        changed = changed || !(unit[j] == it.unit[j]);
        known = known && !std::isnan(unit[j]) && !std::isnan(it.unit[j]);
        largest = std::max({largest, std::fabs(unit[j]), std::fabs(it.unit[j])});
    }
    // Whether the sums can go from one Greek to the other and back without a trace.
    const auto moves = [&](const Cell& at) {
        return known && at.combos == 0 && largest * static_cast<double>(at.gross()) < kMostExact / 4.0;
    };
    const auto shift = [&](Scope& scope, const Cell& at) {
        const double bought = static_cast<double>(at.buying()), sold = static_cast<double>(at.selling());
        for (std::size_t j = 0; j < 3; ++j) {
            const double more = static_cast<double>(at.position) * (unit[j] - it.unit[j]);
            scope.held[j] += more;
            scope.up[j] += more;
            scope.down[j] += more;
            (it.unit[j] < 0.0 ? scope.down : scope.up)[j] -= bought * it.unit[j];
            (unit[j] < 0.0 ? scope.down : scope.up)[j] += bought * unit[j];
            (it.unit[j] > 0.0 ? scope.down : scope.up)[j] += sold * it.unit[j];
            (unit[j] > 0.0 ? scope.down : scope.up)[j] -= sold * unit[j];
        }
    };
    for (std::uint32_t a = 0; a < accounts_.size(); ++a) {
        Account& account = accounts_[a];
        const Cell& at = cell(a, contract);
        if (at.position != 0 && !std::isnan(mark)) {
            const bool first = std::isnan(marks_[contract]);
            account.unmarked -= first;
            account.value += static_cast<double>(at.position) * it.money_per_price *
                             (mark - (first ? 0.0 : marks_[contract]));
            settle(account);
        }
        if (!changed || stale_scopes_ || !at.is_busy()) continue;
        if (!moves(at)) {
            stale_scopes_ = true;
            continue;
        }
        shift(accounts_[a].scope, at);
        shift(accounts_[a].underlyings[it.underlying], at);
        shift(accounts_[a].expiries[it.expiry], at);
    }
    // Strategies that offset each other are busy where their account is not.
    for (std::size_t s = 0; changed && !stale_scopes_ && s < strategies_.size(); ++s) {
        const Cell& at = strategies_[s].cells[contract];
        if (!at.is_busy()) continue;
        if (moves(at)) {
            shift(strategies_[s].scope, at);
        } else {
            stale_scopes_ = true;
        }
    }
    marks_[contract] = mark;
    std::copy_n(unit, kLanes, it.unit);
}

void LimitEngine::set_underlying(double spot, double feed_age, std::int64_t now_ns,
                                 std::uint32_t underlying) {
    const Guard guard(*this);
    Underlying& at = underlyings_[underlying];
    at.feed_ns = seen_at(now_ns, feed_age);
    const double usable = spot > 0.0 && std::isfinite(spot) ? spot : kUnknown;
    if (usable == at.spot || (std::isnan(usable) && std::isnan(at.spot))) return;
    at.spot = usable;
    for (std::size_t c = 0; c < contracts_.size(); ++c) {
        if (instruments_[c].underlying != underlying) continue;
        instruments_[c].unit[3] = rounded(usable * static_cast<double>(contracts_[c].multiplier));
    }
    stale_scopes_ = true;
}

void LimitEngine::set_scenarios(std::uint32_t contract, std::span<const double> gains) {
    const Guard guard(*this);
    scenarios_.set(contract, gains);
    for (Account& account : accounts_) account.stale_scenarios = true;
}

// --- sums anew -----------------------------------------------------------------------------------

void LimitEngine::refresh() {
    if (stale_scopes_) refresh_scopes();
    if (!judges_losses_) return;
    for (std::uint32_t a = 0; a < accounts_.size(); ++a) {
        if (accounts_[a].stale_scenarios) refresh_scenarios(a);
    }
}

void LimitEngine::refresh_scopes() {
    const auto clear = [](Scope& scope, const double* cap) {
        scope = {};
        std::copy_n(cap, kLanes, scope.cap);
    };
    for (Account& account : accounts_) {
        clear(account.scope, bounds_.portfolio);
        for (Scope& scope : account.underlyings) clear(scope, bounds_.underlying);
        for (Scope& scope : account.expiries) clear(scope, bounds_.expiry);
    }
    for (Strategy& strategy : strategies_) clear(strategy.scope, bounds_.strategy);
    stale_scopes_ = false;

    const auto hold = [&](Scope& scope, const Cell& at, const Instrument& it) {
        const double counts[kLanes] = {static_cast<double>(at.position), static_cast<double>(at.position),
                                       static_cast<double>(at.position), static_cast<double>(at.gross())};
        for (std::size_t j = 0; j < kLanes; ++j) {
            if (counts[j] == 0.0) continue;
            if (std::isnan(it.unit[j])) {
                scope.cap[j] = kUnknown;
            } else {
                scope.up[j] += counts[j] * it.unit[j];
                if (j == 3) continue;
                scope.held[j] += counts[j] * it.unit[j];
                scope.down[j] += counts[j] * it.unit[j];
            }
        }
    };
    for (std::size_t a = 0; a < accounts_.size(); ++a) {
        for (const std::uint32_t c : accounts_[a].touched) {
            const Instrument& it = instruments_[c];
            const Cell& at = accounts_[a].cells[c];
            hold(accounts_[a].scope, at, it);
            hold(accounts_[a].underlyings[it.underlying], at, it);
            hold(accounts_[a].expiries[it.expiry], at, it);
        }
    }
    for (std::size_t s = 0; s < strategies_.size(); ++s) {
        for (const std::uint32_t c : strategies_[s].touched) {
            hold(strategies_[s].scope, strategies_[s].cells[c], instruments_[c]);
        }
    }
    const auto work = [](Scope& scope, const double* sums) {
        for (std::size_t j = 0; j < 3; ++j) {
            if (std::isnan(sums[j])) {
                scope.cap[j] = kUnknown;
            } else {
                (sums[j] < 0.0 ? scope.down : scope.up)[j] += sums[j];
            }
        }
    };
    for (const std::uint32_t slot : active()) {
        const OrderTerms order = terms_of(orders_[slot]);
        double sums[kLanes];
        order_units(order, sums);
        work(accounts_[order.account].scope, sums);
        work(strategies_[order.strategy].scope, sums);
        for_each_scope(order, [&](Scope& scope, Check, const double* of_scope) { work(scope, of_scope); });
    }
}

void LimitEngine::refresh_scenarios(std::uint32_t number) {
    Account& account = accounts_[number];
    account.stale_scenarios = false;
    ScenarioLosses& losses = scenario_losses_[number];
    losses.clear();
    for (const std::uint32_t c : account.touched) {
        const std::int64_t position = cell(number, c).position;
        if (position != 0) losses.move_position(c, position);
    }
    for (const std::uint32_t slot : active()) {
        if (orders_[slot].account == number)
            losses.add_order(terms_of(orders_[slot]).legs, orders_[slot].remaining);
    }
}

// --- losses --------------------------------------------------------------------------------------

bool LimitEngine::has_curve(const OrderTerms& order) const {
    const std::uint32_t expiry = instruments_[order.legs.front().contract].expiry;
    return std::all_of(order.legs.begin(), order.legs.end(), [&](const Leg& leg) {
        return contracts_[leg.contract].kind != 0 && instruments_[leg.contract].expiry == expiry;
    });
}

void LimitEngine::gather(std::uint32_t account) {
    holdings_.clear();
    for (const std::uint32_t c : accounts_[account].touched) {
        const std::int64_t position = cell(account, c).position;
        if (position != 0) holdings_.push_back({c, position});
    }
    gathered_.clear();
    for (const std::uint32_t slot : active()) {
        if (orders_[slot].account == account) gathered_.push_back(terms_of(orders_[slot]));
    }
}

Money LimitEngine::portfolio_loss(std::uint32_t number, const OrderTerms* more, Money good_enough) {
    const Account& account = accounts_[number];
    if (more != nullptr && account.spanning == 0 && account.stocks == 0 && has_curve(*more)) {
        LossCurves& curves = curves_[number];
        const Money worst = curves.worst_with(more->legs, more->limit_price, more->quantity);
        if (curves.is_exact() && worst == kUnbounded) return worst;
        if (curves.is_exact() && worst - account.cash <= good_enough) return worst - account.cash;
    }
    gather(number);
    if (more != nullptr) gathered_.push_back(*more);
    Loss loss = worst_loss_.portfolio(holdings_, gathered_);
    loss.value -= account.cash;
    return loss.money();
}

bool LimitEngine::closes_trade(const OrderTerms& order) {
    if (!limits_.portfolio_loss) return false;
    of_trade_.clear();
    for (const std::uint32_t slot : active()) {
        if (orders_[slot].trade == order.trade) of_trade_.push_back(terms_of(orders_[slot]));
    }
    // Only what the trade holds, less what its working orders may close already, can be closed.
    for (const Leg& leg : order.legs) {
        std::int64_t held = 0;
        for (const Holding& holding : trades_[order.trade].held) {
            if (holding.contract == leg.contract) held = holding.quantity;
        }
        std::int64_t left = std::abs(held);
        for (const OrderTerms& other : of_trade_) {
            for (const Leg& working : other.legs) {
                if (working.contract == leg.contract) left -= std::abs(working.ratio) * other.quantity;
            }
        }
        if ((leg.ratio > 0) == (held > 0) || std::abs(leg.ratio) * order.quantity > left) return false;
    }
    if (!worst_loss_.reduces(trades_[order.trade].held, of_trade_, order)) return false;
    const Money worst = portfolio_loss(order.account, &order, *limits_.portfolio_loss);
    return worst != kUnbounded && worst <= *limits_.portfolio_loss;
}

bool LimitEngine::closes_held(const OrderTerms& order) const {
    return std::all_of(order.legs.begin(), order.legs.end(), [&](const Leg& leg) {
        const std::int64_t position = cell(order.account, leg.contract).position;
        std::int64_t left = std::abs(position);
        for (const OrderTerms& other : gathered_) {
            for (const Leg& working : other.legs) {
                if (working.contract == leg.contract && (working.ratio > 0) == (leg.ratio > 0))
                    left -= std::abs(working.ratio) * other.quantity;
            }
        }
        return position != 0 && (leg.ratio > 0) != (position > 0) &&
               std::abs(leg.ratio) * order.quantity <= left;
    });
}

Reduction LimitEngine::reduction(const OrderTerms& order) {
    if (order.opens) return Reduction::none;
    const Account& account = accounts_[order.account];
    const auto closes = [&] {
        const bool holds = order.trade < trades_.size() && !trades_[order.trade].held.empty() &&
                           trades_[order.trade].account == order.account;
        return holds && closes_trade(order) ? Reduction::closes : Reduction::none;
    };
    if (account.held == 0) return closes();  // there is nothing to reduce
    // Most orders raise the worst loss of what is held, whatever else may fill; that is quickly seen.
    LossCurves& curves = curves_[order.account];
    if (account.stocks == 0 && has_curve(order) && curves.is_exact()) {
        double fees = 0.0, fees_after = 0.0;
        for (const Leg& leg : order.legs) {
            const std::int64_t held = cell(order.account, leg.contract).position;
            const auto fee = static_cast<double>(contracts_[leg.contract].fee);
            fees += static_cast<double>(std::abs(held)) * fee;
            fees_after += static_cast<double>(std::abs(held + leg.ratio * order.quantity)) * fee;
        }
        if (curves.raises_held(order.legs, order.limit_price, order.quantity, fees, fees_after)) {
            return closes();
        }
    }
    gather(order.account);
    const bool closes_some = closes_held(order);
    // At a price at which it could lose nothing but fees, an order lowers every loss and hedges nothing.
    if ((closes_some || loses_more_than_fees(order)) && worst_loss_.reduces(holdings_, gathered_, order)) {
        return closes_some ? Reduction::closes : Reduction::hedges;
    }
    return closes();
}

Exposure LimitEngine::exposure(std::uint32_t number) {
    const Guard guard(*this);
    refresh();
    const Scope& scope = accounts_[number].scope;
    const Account& account = accounts_[number];
    const auto known = [&](std::size_t lane, double value) {
        const bool all = std::all_of(account.touched.begin(), account.touched.end(), [&](std::uint32_t c) {
            const Cell& at = cell(number, c);
            return !at.is_busy() || !std::isnan(instruments_[c].unit[lane]);
        });
        return all ? value : kUnknown;
    };
    const auto worst = [&](std::size_t lane) {
        return known(lane, std::max(std::fabs(scope.up[lane]), std::fabs(scope.down[lane])));
    };
    Exposure exposure;
    exposure.held = {known(0, scope.held[0]), known(1, scope.held[1]), known(2, scope.held[2])};
    exposure.worst = {worst(0), worst(1), worst(2)};
    exposure.notional = worst(3);
    exposure.worst_loss = portfolio_loss(number, nullptr, INT64_MIN);
    exposure.scenario_loss = scenarios_.cells() == 0 ? 0.0 : scenario_losses_[number].worst();
    exposure.profit = account.cash + static_cast<Money>(account.value);
    return exposure;
}

}  // namespace optionsib::risk
