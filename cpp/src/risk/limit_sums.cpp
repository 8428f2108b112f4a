// The sums that the checks read, moved by every order and every fill.
#include <algorithm>
#include <cmath>

#include "limit_guard.hpp"
#include "optionsib/risk/limit_engine.hpp"

namespace optionsib::risk {

void LimitEngine::list_cells(Account& account, Strategy& strategy, std::uint32_t contract) {
    Cell& at = cell(static_cast<std::uint32_t>(&account - accounts_.data()), contract);
    Cell& at_strategy = strategy.cells[contract];
    if (!at.listed) account.touched.push_back(contract);
    if (!at_strategy.listed) strategy.touched.push_back(contract);
    at.listed = at_strategy.listed = true;
}

void LimitEngine::add_gross(std::uint32_t account, std::uint32_t contract, double contracts) {
    const Instrument& it = instruments_[contract];
    const double notional = contracts * it.unit[3];
    accounts_[account].scope.up[3] += notional;
    accounts_[account].underlyings[it.underlying].up[3] += notional;
    accounts_[account].expiries[it.expiry].up[3] += notional;
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
    Scope* const scopes[] = {&accounts_[order.account].scope, &strategies_[order.strategy].scope,
                             &accounts_[order.account].underlyings[it.underlying],
                             &accounts_[order.account].expiries[it.expiry]};
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
        strategies_[order.strategy].scope.up[3] += grown[1] * it.unit[3];
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
        accounts_[order.account].scope.add_order(sums, sign);
        strategies_[order.strategy].scope.add_order(sums, sign);
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
    list_cells(account, strategy, contract);

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
    Scope* const scopes[] = {&accounts_[account_number].scope, &strategies_[strategy_number].scope,
                             &accounts_[account_number].underlyings[it.underlying],
                             &accounts_[account_number].expiries[it.expiry]};
    for (Scope* scope : scopes) {
        for (std::size_t j = 0; j < 3; ++j) {
            const double more = static_cast<double>(change) * it.unit[j];
            scope->held[j] += more;
            scope->up[j] += more;
            scope->down[j] += more;
        }
    }
    add_gross(account_number, contract, static_cast<double>(at.gross() - of_account));
    strategies_[strategy_number].scope.up[3] +=
        static_cast<double>(strategy.cells[contract].gross() - of_strategy) * it.unit[3];
}

}  // namespace optionsib::risk
