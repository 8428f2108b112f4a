// What to say of an order that was refused: value and limit of the first check that failed.
#include <algorithm>
#include <cmath>

#include "limit_guard.hpp"
#include "optionsib/risk/limit_engine.hpp"

namespace optionsib::risk {

namespace {

double worse(double up, double down, double order) {
    return std::max(std::fabs(up + std::max(order, 0.0)), std::fabs(down + std::min(order, 0.0)));
}

void missing(Verdict& verdict) {
    verdict.finding = Finding::missing_limit;
}

void unknown(Verdict& verdict, std::optional<std::uint32_t> contract = std::nullopt) {
    verdict.finding = Finding::unknown;
    verdict.value = kUnknown;
    verdict.contract = contract;
}

void exceeded(Verdict& verdict, double value, double limit) {
    verdict.value = value;
    verdict.limit = limit;
}

// Of a number that is always known.
template <class Number>
void compare(Verdict& verdict, double value, const std::optional<Number>& limit) {
    if (!limit) return missing(verdict);
    exceeded(verdict, value, static_cast<double>(*limit));
}

double shown(Money loss) {
    return loss == kUnbounded ? std::numeric_limits<double>::infinity() : static_cast<double>(loss);
}

}  // namespace

bool LimitEngine::is_on_grid(const OrderTerms& order) const {
    if (order.legs.size() > 1) return order.limit_price % kComboIncrement == 0;
    const std::int64_t price = order.legs.front().ratio * order.limit_price;
    std::int64_t increment = 1;
    for (const TickBand& band : bands_[order.legs.front().contract]) {
        if (price >= band.lower_edge) increment = band.increment;
    }
    return price % increment == 0;
}

LimitEngine::Touch LimitEngine::far_touch(const OrderTerms& order, bool generous) const {
    Touch touch;
    Int128 sum = 0;
    std::int64_t multiplier = 1;
    for (const Leg& leg : order.legs) {
        const ContractTerms& terms = contracts_[leg.contract];
        const Market& market = market_[leg.contract];
        const double spot = underlyings_[instruments_[leg.contract].underlying].spot;
        const double side = leg.ratio > 0 ? market.ask : market.bid;
        std::int64_t price = 0;
        if (is_usable(side)) {
            price = to_price(side);
        } else if (generous && leg.ratio < 0) {
            price = 0;
        } else if (generous && terms.kind < 0) {
            price = terms.strike;
        } else if (generous && terms.kind > 0 && is_usable(spot)) {
            price = to_price(spot);
        } else {
            return {0, false, leg.contract};
        }
        sum += Int128{leg.ratio} * terms.multiplier * price;
        multiplier = std::max(multiplier, terms.multiplier);
    }
    // Whole 1/10000: rounded down, so that the collar never gets wider.
    Int128 price = sum / multiplier;
    if (price * multiplier > sum) --price;
    touch.price = static_cast<std::int64_t>(std::clamp<Int128>(price, -kMaxLimitPrice, kMaxLimitPrice));
    return touch;
}

bool LimitEngine::passes_sanity(const OrderTerms& order) const {
    const Touch touch = far_touch(order, true);
    return touch.known && order.limit_price <= touch.price + kSanityCollar;
}

bool LimitEngine::meets_own(const OrderTerms& order) const {
    // A combination meets its own mirror image: the same legs the other way round, at prices that cross.
    return std::any_of(active().begin(), active().end(), [&](std::uint32_t slot) {
        const WorkingOrder& other = orders_[slot];
        if (other.leg_count != order.legs.size() || order.limit_price + other.limit_price < 0) return false;
        return std::all_of(order.legs.begin(), order.legs.end(), [&](const Leg& leg) {
            return std::ranges::any_of(legs_of(other), [&](const Leg& mirrored) {
                return mirrored.contract == leg.contract && mirrored.ratio == -leg.ratio;
            });
        });
    });
}

void LimitEngine::explain_age(const OrderTerms& order, std::int64_t now_ns, Verdict& verdict) const {
    const bool feed = verdict.check == Check::stale_feed;
    const std::optional<double>& limit = feed ? limits_.feed_age : limits_.change_age;
    if (!limit) return missing(verdict);
    const auto judge = [&](std::int64_t seen_ns, std::optional<std::uint32_t> contract) {
        if (seen_ns == kNeverNs) {
            unknown(verdict, contract);
            return true;
        }
        const double age = static_cast<double>(now_ns - seen_ns) / 1e9;
        if (age <= *limit) return false;
        verdict.contract = contract;
        exceeded(verdict, age, *limit);
        return true;
    };
    for (const Leg& leg : order.legs) {
        const Instrument& it = instruments_[leg.contract];
        if (feed && judge(underlyings_[it.underlying].feed_ns, std::nullopt)) return;
    }
    for (const Leg& leg : order.legs) {
        const Instrument& it = instruments_[leg.contract];
        if (judge(feed ? it.feed_ns : it.change_ns, leg.contract)) return;
    }
}

void LimitEngine::explain_collar(const OrderTerms& order, Verdict& verdict) const {
    std::int64_t collar = kSanityCollar;
    if (!verdict.reduces_risk) {
        if (!limits_.price_collar) return missing(verdict);
        collar = *limits_.price_collar;
    }
    const Touch touch = far_touch(order, verdict.reduces_risk);
    if (!touch.known) return unknown(verdict, touch.contract);
    exceeded(verdict, static_cast<double>(order.limit_price) / kPriceScale,
             static_cast<double>(touch.price + collar) / kPriceScale);
}

void LimitEngine::explain_scope(const OrderTerms& order, Verdict& verdict) {
    const auto number = static_cast<std::size_t>(verdict.check);
    const std::size_t lane = (number - static_cast<std::size_t>(Check::portfolio_delta)) % kLanes;
    const auto first = static_cast<Check>(number - lane);
    double sums[kLanes];
    const auto judge = [&](const Scope& scope, const double* own, const double* bounds) {
        const double value = worse(scope.up[lane], scope.down[lane], own[lane]);
        if (std::isnan(bounds[lane])) return missing(verdict);
        if (std::isnan(scope.cap[lane]) || std::isnan(own[lane])) return unknown(verdict);
        if (value > verdict.value) exceeded(verdict, value, bounds[lane]);
    };
    const auto gross = [&](const auto& cell_of) {
        double sum = 0.0;
        for (const Leg& leg : order.legs) {
            sum +=
                gross_change(cell_of(leg.contract), leg, order.quantity) * instruments_[leg.contract].unit[3];
        }
        return sum;
    };
    order_units(order, sums);
    if (first == Check::portfolio_delta) {
        sums[3] = gross([&](std::uint32_t c) -> const Cell& { return cell(order.account, c); });
        return judge(accounts_[order.account].scope, sums, bounds_.portfolio);
    }
    if (first == Check::strategy_delta) {
        sums[3] = gross([&](std::uint32_t c) -> const Cell& { return strategies_[order.strategy].cells[c]; });
        return judge(strategies_[order.strategy].scope, sums, bounds_.strategy);
    }
    for_each_scope(order, [&](Scope& scope, Check check, const double* own) {
        if (check != first) return;
        const double value = worse(scope.up[lane], scope.down[lane], own[lane]);
        if (value <= scope.cap[lane]) return;
        judge(scope, own, first == Check::underlying_delta ? bounds_.underlying : bounds_.expiry);
    });
}

void LimitEngine::explain(const OrderTerms& order, std::int64_t now_ns, Verdict& verdict) {
    const Account& account = accounts_[order.account];
    const double price =
        static_cast<double>(order.legs.size() == 1 ? order.legs.front().ratio * order.limit_price
                                                   : order.limit_price) /
        kPriceScale;
    switch (verdict.check) {
        case Check::kill_switch:
            return exceeded(verdict, static_cast<double>(state_), 0.0);
        case Check::account_kill:
            return exceeded(verdict, static_cast<double>(account.state), 0.0);
        case Check::account_enabled:
        case Check::malformed:
        case Check::none:
            return exceeded(verdict, static_cast<double>(order.account), 0.0);
        case Check::tradable:
        case Check::restricted:
            for (const Leg& leg : order.legs) {
                const Instrument& it = instruments_[leg.contract];
                if (verdict.check == Check::tradable ? !it.tradable : it.restricted)
                    verdict.contract = leg.contract;
            }
            return exceeded(verdict, 1.0, 0.0);
        case Check::quantity_positive:
            return exceeded(verdict, static_cast<double>(order.quantity), 0.0);
        case Check::order_quantity:
            return compare(verdict, static_cast<double>(order.quantity), limits_.order_quantity);
        case Check::lot:
            for (const Leg& leg : order.legs) {
                const std::uint32_t lot = instruments_[leg.contract].lot;
                if (leg.ratio * order.quantity % lot != 0) {
                    verdict.contract = leg.contract;
                    exceeded(verdict, static_cast<double>(std::abs(leg.ratio) * order.quantity), lot);
                }
            }
            return;
        case Check::price_positive:
        case Check::price_grid:
            return exceeded(verdict, price, 0.0);
        case Check::price_band:
            compare(verdict, price, limits_.order_price);
            verdict.limit /= kPriceScale;
            return;
        case Check::stale_feed:
        case Check::stale_change:
            return explain_age(order, now_ns, verdict);
        case Check::price_collar:
            return explain_collar(order, verdict);
        case Check::order_delta:
        case Check::order_gamma:
        case Check::order_vega:
        case Check::order_notional: {
            const std::size_t lane =
                static_cast<std::size_t>(verdict.check) - static_cast<std::size_t>(Check::order_delta);
            double own[kLanes];
            order_units(order, own);
            if (std::isnan(bounds_.order[lane])) return missing(verdict);
            if (std::isnan(own[lane])) return unknown(verdict);
            return exceeded(verdict, std::fabs(own[lane]), bounds_.order[lane]);
        }
        case Check::order_loss:
            return compare(verdict, shown(order_loss(order)), limits_.order_loss);
        case Check::position: {
            if (!limits_.position) return missing(verdict);
            for (const Leg& leg : order.legs) {
                const Cell& at = cell(order.account, leg.contract);
                const std::int64_t more = leg.ratio * order.quantity;
                const std::int64_t worst = at.gross_with(more > 0, std::abs(more));
                if (static_cast<double>(worst) <= verdict.value) continue;
                verdict.contract = leg.contract;
                exceeded(verdict, static_cast<double>(worst), static_cast<double>(*limits_.position));
            }
            return;
        }
        case Check::open_quantity: {
            std::int64_t contracts = account.open_quantity;
            for (const Leg& leg : order.legs) contracts += std::abs(leg.ratio) * order.quantity;
            return compare(verdict, static_cast<double>(contracts), limits_.open_quantity);
        }
        case Check::credit: {
            double largest = 0.0;
            for (const Leg& leg : order.legs)
                largest = std::max(largest, instruments_[leg.contract].money_per_price);
            const double debit =
                static_cast<double>(order.limit_price) * largest * static_cast<double>(order.quantity);
            const double spent = std::max(0.0, -static_cast<double>(account.cash));
            return compare(verdict, spent + account.debit + std::max(debit, 0.0), limits_.credit);
        }
        case Check::daily_loss:
            if (limits_.daily_loss && account.unmarked > 0) return unknown(verdict);
            return compare(verdict, -(static_cast<double>(account.cash) + account.value), limits_.daily_loss);
        case Check::portfolio_loss:
            return compare(verdict, shown(portfolio_loss(order.account, &order, INT64_MIN)),
                           limits_.portfolio_loss);
        case Check::scenario_loss: {
            if (!limits_.scenario_loss) return missing(verdict);
            const double loss = scenario_losses_[order.account].worst_with(order.legs, order.quantity);
            if (std::isnan(loss)) return unknown(verdict);
            return exceeded(verdict, loss * kMoneyScale, static_cast<double>(*limits_.scenario_loss));
        }
        case Check::open_orders:
            return compare(verdict, static_cast<double>(account.open_orders + 1), limits_.open_orders);
        case Check::order_rate:
            return compare(verdict, static_cast<double>(account.sent.count(now_ns - kRateWindowNs) + 1),
                           limits_.orders_per_minute);
        case Check::duplicate:
            return compare(verdict, 1.0, limits_.duplicate_window);
        case Check::order_to_trade:
            return compare(verdict,
                           static_cast<double>(account.messages + 1) /
                               static_cast<double>(std::max<std::int64_t>(account.executions, 1)),
                           limits_.order_to_trade);
        case Check::repeated_executions: {
            if (!limits_.repeated_window) return missing(verdict);
            const Strategy& strategy = strategies_[order.strategy];
            return compare(verdict,
                           static_cast<double>(strategy.executed.count(now_ns - bounds_.repeated_window)),
                           limits_.repeated_executions);
        }
        case Check::market_maker_protection: {
            if (!limits_.protection_window) return missing(verdict);
            std::int64_t filled = 0;
            for (const Leg& leg : order.legs) {
                const std::size_t underlying = instruments_[leg.contract].underlying;
                filled = std::max(filled, accounts_[order.account].protections[underlying].tripped);
            }
            return compare(verdict, static_cast<double>(filled), limits_.protection_quantity);
        }
        case Check::self_match:
            return exceeded(verdict, price, 0.0);
        case Check::capacity:
            return exceeded(verdict, static_cast<double>(active_count_ + 1),
                            static_cast<double>(orders_.size()));
        default:
            return explain_scope(order, verdict);
    }
}

const char* check_name(Check check) {
    static constexpr const char* kNames[kCheckCount] = {"",
                                                        "kill_switch",
                                                        "account_kill",
                                                        "account_enabled",
                                                        "tradable",
                                                        "restricted",
                                                        "quantity_positive",
                                                        "order_quantity",
                                                        "lot",
                                                        "price_positive",
                                                        "price_grid",
                                                        "price_band",
                                                        "stale_feed",
                                                        "stale_change",
                                                        "price_collar",
                                                        "order_delta",
                                                        "order_gamma",
                                                        "order_vega",
                                                        "order_notional",
                                                        "order_loss",
                                                        "position",
                                                        "open_quantity",
                                                        "credit",
                                                        "daily_loss",
                                                        "portfolio_delta",
                                                        "portfolio_gamma",
                                                        "portfolio_vega",
                                                        "portfolio_notional",
                                                        "strategy_delta",
                                                        "strategy_gamma",
                                                        "strategy_vega",
                                                        "strategy_notional",
                                                        "underlying_delta",
                                                        "underlying_gamma",
                                                        "underlying_vega",
                                                        "underlying_notional",
                                                        "expiry_delta",
                                                        "expiry_gamma",
                                                        "expiry_vega",
                                                        "expiry_notional",
                                                        "portfolio_loss",
                                                        "scenario_loss",
                                                        "open_orders",
                                                        "order_rate",
                                                        "duplicate",
                                                        "order_to_trade",
                                                        "repeated_executions",
                                                        "market_maker_protection",
                                                        "self_match",
                                                        "capacity",
                                                        "malformed"};
    return kNames[static_cast<std::size_t>(check)];
}

}  // namespace optionsib::risk
