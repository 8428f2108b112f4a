// Single-leg orders as records: the quick way of limit_reserve.hpp, and the slow one for whatever it leaves.
#include <algorithm>

#include "limit_guard.hpp"
#include "optionsib/risk/limit_engine.hpp"

namespace optionsib::risk {

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
        leg = working->leg;
        order = terms_of(*working);
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
    (void)reserve_(*this, {&record, 1}, &verdict);
    return static_cast<Check>(verdict.check);
}

std::size_t LimitEngine::submit_batch(std::span<const OrderRecord> records, VerdictRecord* verdicts) {
    constexpr std::size_t kRun = 64;
    Guard guard(*this);
    std::size_t accepted = 0;
    for (std::size_t start = 0; start < records.size(); start += kRun) {
        if (start > 0) guard.yield();
        const auto run = records.subspan(start, std::min(kRun, records.size() - start));
        accepted += reserve_(*this, run, verdicts + start);
    }
    return accepted;
}

}  // namespace optionsib::risk
