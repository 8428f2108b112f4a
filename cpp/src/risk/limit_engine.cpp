#include "optionsib/risk/limit_engine.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace optionsib::risk {

namespace {

constexpr double kPriceScale = 10'000.0;

// Each helper records its finding and returns whether the order still stands.

bool refuse(Verdict& verdict, Check check, double value, double limit) {
    verdict.accepts = false;
    verdict.check = check;
    verdict.finding = Finding::exceeded;
    verdict.value = value;
    verdict.limit = limit;
    return false;
}

bool refuse_missing(Verdict& verdict, Check check) {
    verdict.accepts = false;
    verdict.check = check;
    verdict.finding = Finding::missing_limit;
    return false;
}

bool refuse_unknown(Verdict& verdict, Check check, std::optional<std::uint32_t> contract) {
    verdict.accepts = false;
    verdict.check = check;
    verdict.finding = Finding::unknown;
    verdict.value = kUnknown;
    verdict.contract = contract;
    return false;
}

// A value that must be known and not above its limit.
bool within(Verdict& verdict, Check check, double value, std::optional<double> limit) {
    if (!limit) return refuse_missing(verdict, check);
    if (std::isnan(value)) return refuse_unknown(verdict, check, std::nullopt);
    return value <= *limit || refuse(verdict, check, value, *limit);
}

bool within(Verdict& verdict, Check check, Money value, std::optional<Money> limit) {
    if (!limit) return refuse_missing(verdict, check);
    if (value <= *limit && value != kUnbounded) return true;
    const double shown =
        value == kUnbounded ? std::numeric_limits<double>::infinity() : static_cast<double>(value);
    return refuse(verdict, check, shown, static_cast<double>(*limit));
}

double worse(double held, double high, double low) {
    const double up = held + high;
    const double down = held + low;
    // std::max would drop a NaN on one side.
    if (std::isnan(up) || std::isnan(down)) return kUnknown;
    return std::max(std::fabs(up), std::fabs(down));
}

void add_scaled(Greeks& sum, const Greeks& greeks, double scale) {
    sum.delta += scale * greeks.delta;
    sum.gamma += scale * greeks.gamma;
    sum.vega += scale * greeks.vega;
}

void add_by_sign(Greeks& high, Greeks& low, const Greeks& greeks) {
    const auto add = [](double& up, double& down, double value) { (value < 0.0 ? down : up) += value; };
    add(high.delta, low.delta, greeks.delta);
    add(high.gamma, low.gamma, greeks.gamma);
    add(high.vega, low.vega, greeks.vega);
}

std::int64_t to_price(double currency) {
    return std::llround(currency * kPriceScale);
}

bool is_usable(double price) {
    return price > 0.0 && price * kPriceScale < static_cast<double>(kMaxLimitPrice);
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

Greeks greeks_a_contract(const ContractTerms& terms, const Market& market) {
    const auto multiplier = static_cast<double>(terms.multiplier);
    // A share is its own delta, whatever the market data says.
    if (terms.kind == 0) return {multiplier, 0.0, 0.0};
    return {market.delta * multiplier, market.gamma * multiplier, market.vega * multiplier};
}

}  // namespace

LimitEngine::LimitEngine(const Limits& limits, std::span<const ContractRules> contracts)
    : limits_(limits), market_(contracts.size()), positions_(contracts.size(), 0), worst_loss_({}) {
    contracts_.reserve(contracts.size());
    bands_.reserve(contracts.size());
    for (const ContractRules& rules : contracts) {
        contracts_.push_back(rules.terms);
        bands_.push_back(rules.bands);
    }
    worst_loss_ = WorstLoss(contracts_);
}

void LimitEngine::set_market(std::uint32_t contract, const Market& market) {
    market_[contract] = market;
}

void LimitEngine::set_underlying(double spot, double feed_age) {
    spot_ = spot > 0.0 ? spot : kUnknown;
    underlying_feed_age_ = feed_age;
}

bool LimitEngine::is_well_formed(const OrderTerms& order) const {
    if (order.legs.empty() || order.quantity <= 0 || order.quantity > kMaxContracts) return false;
    if (order.limit_price < -kMaxLimitPrice || order.limit_price > kMaxLimitPrice) return false;
    for (std::size_t i = 0; i < order.legs.size(); ++i) {
        const Leg& leg = order.legs[i];
        if (leg.contract >= contracts_.size() || leg.ratio == 0) return false;
        const std::int64_t largest = kMaxContracts / order.quantity;
        if (leg.ratio > largest || leg.ratio < -largest) return false;
        for (std::size_t j = 0; j < i; ++j) {
            if (order.legs[j].contract == leg.contract) return false;
        }
    }
    return order.legs.size() > 1 || std::abs(order.legs.front().ratio) == 1;
}

OrderHandle LimitEngine::add_working(const OrderTerms& order, std::int64_t now_ns) {
    const auto handle = static_cast<OrderHandle>(orders_.size());
    orders_.push_back(
        {{order.legs.begin(), order.legs.end()}, order.quantity, order.limit_price, order.trade, true});
    if (order.trade >= trades_.size()) trades_.resize(order.trade + 1);
    active_.push_back(handle);
    std::erase_if(sent_ns_, [&](std::int64_t sent) { return sent <= now_ns - kRateWindowNs; });
    sent_ns_.push_back(now_ns);
    return handle;
}

Booking LimitEngine::reprice(OrderHandle handle, std::int64_t limit_price) {
    if (handle >= orders_.size()) return Booking::unknown_order;
    if (limit_price < -kMaxLimitPrice || limit_price > kMaxLimitPrice) return Booking::bad_order;
    orders_[handle].limit_price = limit_price;
    return Booking::ok;
}

Booking LimitEngine::fill(OrderHandle handle, std::int64_t quantity, std::optional<Money> cash) {
    if (handle >= orders_.size()) return Booking::unknown_order;
    WorkingOrder& order = orders_[handle];
    if (quantity <= 0 || quantity > order.remaining) return Booking::bad_quantity;
    const OrderTerms filled{order.legs, quantity, order.limit_price, order.trade};
    Int128 total = cash ? Int128{*cash} : unit_cash(filled, contracts_) * quantity;
    for (const Leg& leg : order.legs) {
        positions_[leg.contract] += leg.ratio * quantity;
        if (order.trade != kNoTrade) book(trades_[order.trade], leg.contract, leg.ratio * quantity);
        total -= Int128{std::abs(leg.ratio)} * quantity * contracts_[leg.contract].fee;
    }
    cash_ = static_cast<Money>(Int128{cash_} + total);
    order.remaining -= quantity;
    if (order.remaining == 0) finish(handle);
    return Booking::ok;
}

Booking LimitEngine::finish(OrderHandle handle) {
    if (handle >= orders_.size()) return Booking::unknown_order;
    if (orders_[handle].working) {
        orders_[handle].working = false;
        active_.erase(std::find(active_.begin(), active_.end(), handle));
    }
    return Booking::ok;
}

void LimitEngine::gather(std::optional<OrderHandle> except, const OrderTerms* candidate) {
    holdings_.clear();
    for (std::size_t i = 0; i < positions_.size(); ++i) {
        if (positions_[i] != 0) holdings_.push_back({static_cast<std::uint32_t>(i), positions_[i]});
    }
    gathered_.clear();
    for (const OrderHandle handle : active_) {
        if (except == handle) continue;
        const WorkingOrder& order = orders_[handle];
        gathered_.push_back({order.legs, order.remaining, order.limit_price, order.trade});
    }
    if (candidate != nullptr) gathered_.push_back(*candidate);
}

Greeks LimitEngine::greeks_of(const OrderTerms& order) const {
    Greeks sum;
    for (const Leg& leg : order.legs) {
        add_scaled(sum, greeks_a_contract(contracts_[leg.contract], market_[leg.contract]),
                   static_cast<double>(leg.ratio * order.quantity));
    }
    return sum;
}

LimitEngine::Totals LimitEngine::totals() const {
    Totals sums;
    for (const Holding& holding : holdings_) {
        add_scaled(sums.held, greeks_a_contract(contracts_[holding.contract], market_[holding.contract]),
                   static_cast<double>(holding.quantity));
    }
    for (const OrderTerms& order : gathered_) add_by_sign(sums.high, sums.low, greeks_of(order));

    // Gross, contract by contract: a contract is counted where it is first met among the legs, held
    // contracts that no order touches by themselves.
    const auto gross = [&](std::uint32_t contract) {
        std::int64_t high = positions_[contract];
        std::int64_t low = high;
        for (const OrderTerms& order : gathered_) {
            for (const Leg& leg : order.legs) {
                if (leg.contract != contract) continue;
                (leg.ratio > 0 ? high : low) += leg.ratio * order.quantity;
            }
        }
        const std::int64_t most = std::max(std::abs(high), std::abs(low));
        return static_cast<double>(most) * static_cast<double>(contracts_[contract].multiplier);
    };
    double shares = 0.0;
    for (const Holding& holding : holdings_) shares += gross(holding.contract);
    for (std::size_t i = 0; i < gathered_.size(); ++i) {
        for (const Leg& leg : gathered_[i].legs) {
            bool counted = positions_[leg.contract] != 0;
            for (std::size_t j = 0; j < i && !counted; ++j) {
                for (const Leg& before : gathered_[j].legs)
                    counted = counted || before.contract == leg.contract;
            }
            if (!counted) shares += gross(leg.contract);
        }
    }
    sums.notional = shares == 0.0 ? 0.0 : shares * spot_;
    return sums;
}

Money LimitEngine::portfolio_loss() {
    Loss loss = worst_loss_.portfolio(holdings_, gathered_);
    loss.value -= cash_;
    return loss.money();
}

Exposure LimitEngine::exposure() {
    gather(std::nullopt, nullptr);
    const Totals sums = totals();
    Exposure exposure;
    exposure.held = sums.held;
    exposure.worst = {worse(sums.held.delta, sums.high.delta, sums.low.delta),
                      worse(sums.held.gamma, sums.high.gamma, sums.low.gamma),
                      worse(sums.held.vega, sums.high.vega, sums.low.vega)};
    exposure.notional = sums.notional;
    exposure.worst_loss = portfolio_loss();
    return exposure;
}

std::int64_t LimitEngine::multiplier_of(const OrderTerms& order) const {
    std::int64_t multiplier = 1;
    for (const Leg& leg : order.legs) multiplier = std::max(multiplier, contracts_[leg.contract].multiplier);
    return multiplier;
}

LimitEngine::Touch LimitEngine::far_touch(const OrderTerms& order, bool generous) const {
    Touch touch;
    Int128 sum = 0;
    for (const Leg& leg : order.legs) {
        const ContractTerms& terms = contracts_[leg.contract];
        const Market& market = market_[leg.contract];
        const double side = leg.ratio > 0 ? market.ask : market.bid;
        std::int64_t price = 0;
        if (is_usable(side)) {
            price = to_price(side);
        } else if (generous && leg.ratio < 0) {
            price = 0;
        } else if (generous && terms.kind < 0) {
            price = terms.strike;
        } else if (generous && terms.kind > 0 && is_usable(spot_)) {
            price = to_price(spot_);
        } else {
            return {0, false, leg.contract};
        }
        sum += Int128{leg.ratio} * terms.multiplier * price;
    }
    // Whole 1/10000: rounded down, so that the collar never gets wider.
    const std::int64_t multiplier = multiplier_of(order);
    Int128 price = sum / multiplier;
    if (price * multiplier > sum) --price;
    touch.price = static_cast<std::int64_t>(std::clamp<Int128>(price, -kMaxLimitPrice, kMaxLimitPrice));
    return touch;
}

bool LimitEngine::is_on_grid(const OrderTerms& order) const {
    if (order.legs.size() > 1) return order.limit_price % kComboIncrement == 0;
    const std::int64_t price = order.legs.front().ratio * order.limit_price;
    if (price <= 0) return false;  // a contract trades at positive prices only
    std::int64_t increment = 1;
    for (const TickBand& band : bands_[order.legs.front().contract]) {
        if (price >= band.lower_edge) increment = band.increment;
    }
    return price % increment == 0;
}

bool LimitEngine::check_halt(Verdict& verdict) const {
    return !halted_ || refuse(verdict, Check::kill_switch, 1.0, 0.0);
}

bool LimitEngine::check_price(const OrderTerms& order, Verdict& verdict) const {
    if (is_on_grid(order)) return true;
    const std::int64_t price =
        order.legs.size() == 1 ? order.legs.front().ratio * order.limit_price : order.limit_price;
    return refuse(verdict, Check::price_grid, static_cast<double>(price) / kPriceScale, 0.0);
}

bool LimitEngine::check_ages(const OrderTerms& order, Verdict& verdict) const {
    if (!limits_.feed_age) return refuse_missing(verdict, Check::stale_feed);
    if (std::isnan(underlying_feed_age_)) return refuse_unknown(verdict, Check::stale_feed, std::nullopt);
    if (underlying_feed_age_ > *limits_.feed_age) {
        return refuse(verdict, Check::stale_feed, underlying_feed_age_, *limits_.feed_age);
    }
    for (const Leg& leg : order.legs) {
        const double age = market_[leg.contract].feed_age;
        if (std::isnan(age)) return refuse_unknown(verdict, Check::stale_feed, leg.contract);
        if (age > *limits_.feed_age) {
            verdict.contract = leg.contract;
            return refuse(verdict, Check::stale_feed, age, *limits_.feed_age);
        }
    }
    if (verdict.reduces_risk) return true;
    if (!limits_.change_age) return refuse_missing(verdict, Check::stale_change);
    for (const Leg& leg : order.legs) {
        const double age = market_[leg.contract].change_age;
        if (std::isnan(age)) return refuse_unknown(verdict, Check::stale_change, leg.contract);
        if (age > *limits_.change_age) {
            verdict.contract = leg.contract;
            return refuse(verdict, Check::stale_change, age, *limits_.change_age);
        }
    }
    return true;
}

bool LimitEngine::check_collar(const OrderTerms& order, Verdict& verdict) const {
    std::int64_t collar = kSanityCollar;
    if (!verdict.reduces_risk) {
        if (!limits_.price_collar) return refuse_missing(verdict, Check::price_collar);
        collar = *limits_.price_collar;
    }
    const Touch touch = far_touch(order, verdict.reduces_risk);
    if (!touch.known) return refuse_unknown(verdict, Check::price_collar, touch.contract);
    const std::int64_t highest = touch.price + collar;
    return order.limit_price <= highest ||
           refuse(verdict, Check::price_collar, static_cast<double>(order.limit_price) / kPriceScale,
                  static_cast<double>(highest) / kPriceScale);
}

bool LimitEngine::check_order_exposure(const OrderTerms& order, Verdict& verdict) const {
    const Greeks greeks = greeks_of(order);
    double contracts = 0.0;
    for (const Leg& leg : order.legs) {
        contracts += static_cast<double>(std::abs(leg.ratio) * order.quantity) *
                     static_cast<double>(contracts_[leg.contract].multiplier);
    }
    return within(verdict, Check::order_delta, std::fabs(greeks.delta), limits_.order_delta) &&
           within(verdict, Check::order_gamma, std::fabs(greeks.gamma), limits_.order_gamma) &&
           within(verdict, Check::order_vega, std::fabs(greeks.vega), limits_.order_vega) &&
           within(verdict, Check::order_notional, contracts * spot_, limits_.order_notional) &&
           within(verdict, Check::order_loss, verdict.max_loss, limits_.order_loss);
}

bool LimitEngine::check_portfolio_exposure(const OrderTerms& order, Verdict& verdict) {
    gathered_.push_back(order);
    const Totals sums = totals();
    return within(verdict, Check::portfolio_delta, worse(sums.held.delta, sums.high.delta, sums.low.delta),
                  limits_.portfolio_delta) &&
           within(verdict, Check::portfolio_gamma, worse(sums.held.gamma, sums.high.gamma, sums.low.gamma),
                  limits_.portfolio_gamma) &&
           within(verdict, Check::portfolio_vega, worse(sums.held.vega, sums.high.vega, sums.low.vega),
                  limits_.portfolio_vega) &&
           within(verdict, Check::portfolio_notional, sums.notional, limits_.portfolio_notional) &&
           (limits_.portfolio_loss
                ? within(verdict, Check::portfolio_loss, portfolio_loss(), limits_.portfolio_loss)
                : refuse_missing(verdict, Check::portfolio_loss));
}

bool LimitEngine::check_rate(std::int64_t now_ns, Verdict& verdict) const {
    if (!limits_.orders_per_minute) return refuse_missing(verdict, Check::order_rate);
    const auto recent = std::count_if(sent_ns_.begin(), sent_ns_.end(),
                                      [&](std::int64_t sent) { return sent > now_ns - kRateWindowNs; });
    return recent < *limits_.orders_per_minute ||
           refuse(verdict, Check::order_rate, static_cast<double>(recent + 1),
                  static_cast<double>(*limits_.orders_per_minute));
}

bool LimitEngine::closes_trade(const OrderTerms& order, std::optional<OrderHandle> except) {
    if (order.trade >= trades_.size() || trades_[order.trade].empty() || !limits_.portfolio_loss)
        return false;
    of_trade_.clear();
    for (const OrderHandle handle : active_) {
        const WorkingOrder& other = orders_[handle];
        if (handle == except || other.trade != order.trade) continue;
        of_trade_.push_back({other.legs, other.remaining, other.limit_price, other.trade});
    }
    // Only what the trade holds, less what its working orders may close already, can be closed.
    for (const Leg& leg : order.legs) {
        std::int64_t held = 0;
        for (const Holding& holding : trades_[order.trade]) {
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
    if (!worst_loss_.reduces(trades_[order.trade], of_trade_, order)) return false;
    gathered_.push_back(order);
    const Money worst = portfolio_loss();
    gathered_.pop_back();
    return worst != kUnbounded && worst <= *limits_.portfolio_loss;
}

Verdict LimitEngine::check(const OrderTerms& order, std::int64_t now_ns, std::optional<OrderHandle> working) {
    Verdict verdict;
    verdict.max_loss = std::max<Money>(worst_loss_.order(order).money(), 0);
    gather(working, nullptr);
    verdict.reduces_risk = worst_loss_.reduces(holdings_, gathered_, order) || closes_trade(order, working);
    if (verdict.reduces_risk) {
        (void)(check_price(order, verdict) && check_ages(order, verdict) && check_collar(order, verdict));
        return verdict;
    }
    if (!check_halt(verdict)) return verdict;
    if (!limits_.order_quantity) {
        refuse_missing(verdict, Check::order_quantity);
        return verdict;
    }
    if (order.quantity > *limits_.order_quantity) {
        refuse(verdict, Check::order_quantity, static_cast<double>(order.quantity),
               static_cast<double>(*limits_.order_quantity));
        return verdict;
    }
    (void)(check_price(order, verdict) && check_ages(order, verdict) && check_collar(order, verdict) &&
           check_order_exposure(order, verdict) && check_portfolio_exposure(order, verdict) &&
           (working.has_value() || check_rate(now_ns, verdict)));
    return verdict;
}

}  // namespace optionsib::risk
