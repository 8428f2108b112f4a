#include "optionsib/risk/worst_loss.hpp"

#include <algorithm>

namespace optionsib::risk {

namespace {

constexpr Int128 kMoneyPerPrice = 100;  // 1/1000000 over 1/10000
constexpr std::int32_t kStockAlone = -1;

Int128 magnitude(Int128 value) {
    return value < 0 ? -value : value;
}

}  // namespace

Money Loss::money() const {
    if (tail > 0 || value >= kUnbounded) return kUnbounded;
    return static_cast<Money>(std::max<Int128>(value, -kUnbounded));
}

Int128 unit_cash(const OrderTerms& order, std::span<const ContractTerms> contracts) {
    std::int64_t multiplier = 1;
    for (const Leg& leg : order.legs) multiplier = std::max(multiplier, contracts[leg.contract].multiplier);
    return -Int128{order.limit_price} * kMoneyPerPrice * multiplier;
}

std::size_t WorstLoss::group_of(std::uint32_t contract) const {
    const ContractTerms& terms = contracts_[contract];
    const std::int32_t expiry = terms.kind == 0 ? stock_expiry_ : terms.expiry;
    std::size_t group = 0;
    while (group < group_count_ && groups_[group].expiry != expiry) ++group;
    return group;
}

void WorstLoss::involve(std::uint32_t contract) {
    const ContractTerms& terms = contracts_[contract];
    if (places_[contract] != kNowhere) return;
    places_[contract] = static_cast<std::uint32_t>(involved_.size());
    const std::size_t group = group_of(contract);
    if (group == group_count_) {
        if (groups_.size() == group_count_) groups_.emplace_back();
        groups_[group].expiry = terms.kind == 0 ? stock_expiry_ : terms.expiry;
        groups_[group].kinks.assign(1, 0);
        ++group_count_;
    }
    if (terms.kind != 0) {
        auto& kinks = groups_[group].kinks;
        const auto at = std::lower_bound(kinks.begin(), kinks.end(), terms.strike);
        if (at == kinks.end() || *at != terms.strike) kinks.insert(at, terms.strike);
    }
    involved_.push_back({contract, group});
}

void WorstLoss::lay_out(std::span<const Holding> holdings, std::span<const OrderTerms> orders,
                        const OrderTerms* candidate) {
    const auto for_each_contract = [&](const auto& visit) {
        for (const Holding& holding : holdings) visit(holding.contract);
        for (const OrderTerms& order : orders) {
            for (const Leg& leg : order.legs) visit(leg.contract);
        }
    };

    // Stock joins the options where they share one expiry.
    bool options_seen = false, stock_seen = false;
    bool one_expiry = true;
    std::int32_t expiry = kStockAlone;
    const auto look_at = [&](std::uint32_t contract) {
        const ContractTerms& terms = contracts_[contract];
        stock_seen = stock_seen || terms.kind == 0;
        if (terms.kind == 0) return;
        one_expiry = one_expiry && (!options_seen || terms.expiry == expiry);
        expiry = terms.expiry;
        options_seen = true;
    };
    for_each_contract(look_at);
    const bool joined = options_seen && one_expiry && stock_seen;
    if (candidate != nullptr) {
        for (const Leg& leg : candidate->legs) look_at(leg.contract);
    }
    stock_expiry_ = options_seen && one_expiry ? expiry : kStockAlone;
    splits_ = joined && stock_expiry_ == kStockAlone;

    group_count_ = 0;
    for (const Involved& known : involved_) places_[known.contract] = kNowhere;
    involved_.clear();
    for_each_contract([&](std::uint32_t contract) { involve(contract); });
    if (candidate != nullptr) {
        for (const Leg& leg : candidate->legs) involve(leg.contract);
    }

    std::size_t offset = 0;
    for (std::size_t g = 0; g < group_count_; ++g) {
        groups_[g].offset = offset;
        groups_[g].component = 0;
        offset += groups_[g].kinks.size() + 1;
    }
    holdings_offset_ = offset;
    cash_offset_ = offset + involved_.size();
    size_ = cash_offset_ + 1;
}

void WorstLoss::add_contract(std::uint32_t contract, Int128 quantity, Int128* profile) const {
    const ContractTerms& terms = contracts_[contract];
    const std::size_t at = places_[contract];
    profile[holdings_offset_ + at] += quantity;

    const Group& group = groups_[involved_[at].group];
    const Int128 slope = quantity * terms.multiplier * kMoneyPerPrice;
    Int128* points = profile + group.offset;
    for (std::size_t k = 0; k < group.kinks.size(); ++k) {
        const std::int64_t spot = group.kinks[k];
        const std::int64_t intrinsic =
            terms.kind == 0 ? spot : std::max<std::int64_t>(terms.kind * (spot - terms.strike), 0);
        points[k] += slope * intrinsic;
    }
    if (terms.kind >= 0) points[group.kinks.size()] += slope;
}

void WorstLoss::add_order(const OrderTerms& order, Int128 units, Int128* profile) const {
    Int128 cash = unit_cash(order, contracts_);
    for (const Leg& leg : order.legs) {
        add_contract(leg.contract, units * leg.ratio, profile);
        cash -= magnitude(leg.ratio) * contracts_[leg.contract].fee;
    }
    profile[cash_offset_] += units * cash;
}

void WorstLoss::add_holdings(std::span<const Holding> holdings) {
    base_.assign(size_, 0);
    for (const Holding& holding : holdings) add_contract(holding.contract, holding.quantity, base_.data());
}

Loss WorstLoss::evaluate(const Int128* profile, std::size_t component) const {
    Loss loss;
    for (std::size_t g = 0; g < group_count_; ++g) {
        const Group& group = groups_[g];
        if (group.component != component) continue;
        const Int128* points = profile + group.offset;
        const Int128 tail = std::max<Int128>(-points[group.kinks.size()], 0);
        Int128 lowest = points[0];
        for (std::size_t k = 1; k < group.kinks.size(); ++k) {
            lowest = std::min(lowest, points[k] + tail * group.kinks[k]);
        }
        loss.value -= lowest;
        loss.tail += tail;
    }
    for (std::size_t i = 0; i < involved_.size(); ++i) {
        if (groups_[involved_[i].group].component != component) continue;
        loss.value += magnitude(profile[holdings_offset_ + i]) * contracts_[involved_[i].contract].fee;
    }
    loss.value -= profile[cash_offset_];
    return loss;
}

bool WorstLoss::advance() {
    for (std::size_t i = 0; i < digits_.size(); ++i) {
        const Int128* move = moves_.data() + i * size_;
        if (digits_[i] < steps_[i]) {
            ++digits_[i];
            for (std::size_t p = 0; p < size_; ++p) current_[p] += move[p];
            return true;
        }
        for (std::size_t p = 0; p < size_; ++p) current_[p] -= steps_[i] * move[p];
        digits_[i] = 0;
    }
    return false;
}

Loss WorstLoss::order(const OrderTerms& order) {
    lay_out({}, {}, &order);
    base_.assign(size_, 0);
    add_order(order, order.quantity, base_.data());
    return evaluate(base_.data(), 0);
}

void WorstLoss::join_components(std::span<const OrderTerms> orders) {
    for (std::size_t g = 0; g < group_count_; ++g) groups_[g].component = g;
    for (const OrderTerms& order : orders) {
        const std::size_t into = groups_[group_of(order.legs.front().contract)].component;
        for (const Leg& leg : order.legs.subspan(1)) {
            const std::size_t from = groups_[group_of(leg.contract)].component;
            for (std::size_t g = 0; g < group_count_; ++g) {
                if (groups_[g].component == from) groups_[g].component = into;
            }
        }
    }
}

Loss WorstLoss::component_worst(std::span<const OrderTerms> orders, std::size_t component) {
    members_.clear();
    for (std::size_t i = 0; i < orders.size(); ++i) {
        if (groups_[group_of(orders[i].legs.front().contract)].component == component) members_.push_back(i);
    }
    moves_.assign(members_.size() * size_, 0);
    for (std::size_t i = 0; i < members_.size(); ++i) {
        const OrderTerms& order = orders[members_[i]];
        add_order(order, order.quantity, moves_.data() + i * size_);
    }
    const std::size_t points = lay_out_points(component);
    const std::size_t sets = members_.size() < 13 ? std::size_t{1} << members_.size() : SIZE_MAX;
    static_assert(kMaxCombinations == std::size_t{1} << 12);
    if (points == SIZE_MAX && sets == SIZE_MAX) return component_bound(orders, component);
    return points <= sets ? component_points(component) : component_sets(component);
}

std::size_t WorstLoss::lay_out_points(std::size_t component) {
    joined_.clear();
    open_.clear();
    signs_.assign(involved_.size(), 1);
    std::size_t points = 1;
    for (std::size_t g = 0; g < group_count_; ++g) {
        if (groups_[g].component != component) continue;
        joined_.push_back(g);
        points *= groups_[g].kinks.size();
        if (points > kMaxPoints) return SIZE_MAX;
    }
    for (std::size_t i = 0; i < involved_.size(); ++i) {
        if (groups_[involved_[i].group].component != component) continue;
        Int128 lowest = base_[holdings_offset_ + i], highest = lowest;
        for (std::size_t m = 0; m < members_.size(); ++m) {
            const Int128 move = moves_[m * size_ + holdings_offset_ + i];
            (move < 0 ? lowest : highest) += move;
        }
        if (highest <= 0) signs_[i] = -1;
        if (lowest >= 0 || highest <= 0) continue;
        open_.push_back(i);
        points *= 2;
        if (points > kMaxPoints) return SIZE_MAX;
    }
    return points;
}

Loss WorstLoss::component_points(std::size_t component) {
    Loss worst;
    for (const std::size_t g : joined_) {
        const std::size_t tail = groups_[g].offset + groups_[g].kinks.size();
        Int128 slope = base_[tail];
        for (std::size_t m = 0; m < members_.size(); ++m)
            slope += std::min<Int128>(moves_[m * size_ + tail], 0);
        worst.tail += std::max<Int128>(-slope, 0);
    }
    if (worst.tail > 0) return worst;

    const auto fees = [&](const Int128* profile) {
        Int128 sum = 0;
        for (std::size_t i = 0; i < involved_.size(); ++i) {
            if (groups_[involved_[i].group].component != component) continue;
            sum += signs_[i] * profile[holdings_offset_ + i] * contracts_[involved_[i].contract].fee;
        }
        return sum;
    };
    // One digit a joined group (its kink), then one an open contract (its sign).
    digits_.assign(joined_.size() + open_.size(), 0);
    other_.assign(members_.size(), 0);  // what each order loses by cash and fees
    bool first = true;
    Int128 base_fees = 0;
    for (bool more = true, turned = true; more;) {
        if (turned) {
            for (std::size_t i = 0; i < open_.size(); ++i) {
                signs_[open_[i]] = digits_[joined_.size() + i] == 0 ? 1 : -1;
            }
            base_fees = fees(base_.data());
            for (std::size_t m = 0; m < members_.size(); ++m) {
                const Int128* move = moves_.data() + m * size_;
                other_[m] = fees(move) - move[cash_offset_];
            }
        }
        const auto payoff = [&](const Int128* profile) {
            Int128 sum = 0;
            for (std::size_t j = 0; j < joined_.size(); ++j) {
                sum += profile[groups_[joined_[j]].offset + static_cast<std::size_t>(digits_[j])];
            }
            return sum;
        };
        Int128 loss = base_fees - base_[cash_offset_] - payoff(base_.data());
        for (std::size_t m = 0; m < members_.size(); ++m) {
            loss += std::max<Int128>(other_[m] - payoff(moves_.data() + m * size_), 0);
        }
        worst.value = first ? loss : std::max(worst.value, loss);
        first = false;

        more = turned = false;
        for (std::size_t d = 0; d < digits_.size() && !more; ++d) {
            const bool is_spot = d < joined_.size();
            const auto last = is_spot ? static_cast<std::int64_t>(groups_[joined_[d]].kinks.size()) - 1 : 1;
            more = digits_[d] < last;
            digits_[d] = more ? digits_[d] + 1 : 0;
            turned = turned || !is_spot;
        }
    }
    return worst;
}

Loss WorstLoss::component_sets(std::size_t component) {
    // Each order filled completely or not at all.
    steps_.assign(members_.size(), 1);
    digits_.assign(members_.size(), 0);
    current_ = base_;
    Loss worst = evaluate(current_.data(), component);
    while (advance()) {
        const Loss loss = evaluate(current_.data(), component);
        if (loss > worst) worst = loss;
    }
    return worst;
}

Loss WorstLoss::component_bound(std::span<const OrderTerms> orders, std::size_t component) {
    // Per point of each group: what every order loses there, where it loses. The cash of an order counts in
    // the group of its first leg.
    current_ = base_;
    Int128 closing_fees = 0;
    for (const std::size_t member : members_) {
        const OrderTerms& order = orders[member];
        other_.assign(size_, 0);
        add_order(order, order.quantity, other_.data());
        const std::size_t first = group_of(order.legs.front().contract);
        for (std::size_t g = 0; g < group_count_; ++g) {
            const Group& group = groups_[g];
            const Int128 cash = g == first ? other_[cash_offset_] : Int128{0};
            for (std::size_t k = 0; k < group.kinks.size(); ++k) {
                current_[group.offset + k] += std::min<Int128>(other_[group.offset + k] + cash, 0);
            }
            const std::size_t tail = group.offset + group.kinks.size();
            current_[tail] += std::min<Int128>(other_[tail], 0);
        }
        for (const Leg& leg : order.legs) {
            closing_fees += magnitude(leg.ratio) * order.quantity * contracts_[leg.contract].fee;
        }
    }
    Loss bound = evaluate(current_.data(), component);
    bound.value += closing_fees;
    return bound;
}

Loss WorstLoss::portfolio(std::span<const Holding> holdings, std::span<const OrderTerms> orders) {
    lay_out(holdings, orders, nullptr);
    add_holdings(holdings);
    join_components(orders);
    Loss total;
    for (std::size_t g = 0; g < group_count_; ++g) {
        // A component carries the number of one of its groups; take it up at its first group.
        bool first = true;
        for (std::size_t before = 0; before < g; ++before) {
            first = first && groups_[before].component != groups_[g].component;
        }
        if (!first) continue;
        const Loss loss = component_worst(orders, groups_[g].component);
        total.tail += loss.tail;
        total.value += loss.value;
    }
    return total;
}

bool WorstLoss::is_no_worse(const Int128* filled, const Int128* unfilled, std::size_t component) const {
    const Loss after = evaluate(filled, component);
    const Loss before = evaluate(unfilled, component);
    if (after.tail != before.tail) return after.tail < before.tail;
    if (after.value > before.value) return false;
    if (before.tail == 0) return true;
    // The same growth in sum; it must not have moved from one expiry to another.
    for (std::size_t g = 0; g < group_count_; ++g) {
        const Group& group = groups_[g];
        const std::size_t tail = group.offset + group.kinks.size();
        if (group.component == component &&
            std::min<Int128>(filled[tail], 0) != std::min<Int128>(unfilled[tail], 0)) {
            return false;
        }
    }
    return true;
}

bool WorstLoss::reduces(std::span<const Holding> holdings, std::span<const OrderTerms> orders,
                        const OrderTerms& candidate) {
    constexpr std::size_t kTouched = 1;
    lay_out(holdings, orders, &candidate);
    // Without the stock's options next to it what is held would look worse than it is, and easily bettered.
    if (splits_) return false;
    add_holdings(holdings);
    // Groups that the candidate does not touch, and orders that touch none of its groups, weigh the same
    // with and without it.
    for (const Leg& leg : candidate.legs) groups_[group_of(leg.contract)].component = kTouched;

    members_.clear();
    steps_.clear();
    std::size_t combinations = 1;
    for (std::size_t i = 0; i < orders.size(); ++i) {
        const bool touches = std::any_of(orders[i].legs.begin(), orders[i].legs.end(), [&](const Leg& leg) {
            return groups_[group_of(leg.contract)].component == kTouched;
        });
        if (!touches) continue;
        const std::int64_t quantity = orders[i].quantity;
        if (quantity >= static_cast<std::int64_t>(kMaxCombinations)) return false;
        combinations *= static_cast<std::size_t>(quantity + 1);
        if (combinations > kMaxCombinations) return false;
        members_.push_back(i);
        steps_.push_back(quantity);
    }
    digits_.assign(members_.size(), 0);
    moves_.assign(members_.size() * size_, 0);
    for (std::size_t i = 0; i < members_.size(); ++i) {
        add_order(orders[members_[i]], 1, moves_.data() + i * size_);
    }
    current_ = base_;
    Profile& filled = other_;
    Profile& change = base_;  // the holdings are in current_ from here on
    change.assign(size_, 0);
    add_order(candidate, candidate.quantity, change.data());
    filled.resize(size_);
    // Stock that stands alone may still be what covers sold calls of any expiry.
    const bool uncovers = stock_expiry_ == kStockAlone &&
                          std::any_of(candidate.legs.begin(), candidate.legs.end(),
                                      [&](const Leg& leg) { return contracts_[leg.contract].kind == 0; });
    do {
        for (std::size_t p = 0; p < size_; ++p) filled[p] = current_[p] + change[p];
        if (!is_no_worse(filled.data(), current_.data(), kTouched)) return false;
        if (uncovers && growth(filled.data()) < std::min<Int128>(growth(current_.data()), 0)) return false;
    } while (advance());
    return true;
}

Int128 WorstLoss::growth(const Int128* profile) const {
    Int128 slope = 0;
    for (std::size_t g = 0; g < group_count_; ++g)
        slope += profile[groups_[g].offset + groups_[g].kinks.size()];
    return slope;
}

}  // namespace optionsib::risk
