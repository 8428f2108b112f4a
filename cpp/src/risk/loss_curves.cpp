#include "optionsib/risk/loss_curves.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "optionsib/risk/lowest.hpp"

namespace optionsib::risk {

namespace {

constexpr double kMoneyPerPrice = 100.0;  // 1/1000000 over 1/10000

// Adds `slope` per 1/10000 of what the contract pays at each kink.
void add_payoff(const ContractTerms& terms, double slope, std::span<const double> kinks, double* values) {
    const auto strike = static_cast<double>(terms.strike);
    const double kind = terms.kind;
    for (std::size_t k = 0; k < kinks.size(); ++k) {
        const double moneyness = kind * (kinks[k] - strike);
        values[k] += slope * (moneyness > 0.0 ? moneyness : 0.0);
    }
}

double slope_of(const ContractTerms& terms) {
    return static_cast<double>(terms.multiplier) * kMoneyPerPrice;
}

}  // namespace

LossCurves::LossCurves(std::span<const ContractTerms> contracts) : contracts_(contracts) {
    for (const ContractTerms& terms : contracts) {
        if (terms.kind == 0) continue;
        const auto expiry = static_cast<std::size_t>(terms.expiry);
        if (expiry >= curves_.size()) curves_.resize(expiry + 1);
        curves_[expiry].kinks.push_back(static_cast<double>(terms.strike));
    }
    std::size_t most = 0;
    for (Curve& curve : curves_) {
        curve.kinks.push_back(0.0);
        std::sort(curve.kinks.begin(), curve.kinks.end());
        curve.kinks.erase(std::unique(curve.kinks.begin(), curve.kinks.end()), curve.kinks.end());
        curve.values.resize(curve.kinks.size());
        curve.held.resize(curve.kinks.size());
        most = std::max(most, curve.kinks.size());
    }
    scratch_.resize(most);
}

void LossCurves::move_position(std::uint32_t contract, std::int64_t before, std::int64_t after) {
    const ContractTerms& terms = contracts_[contract];
    Curve& curve = curves_[static_cast<std::size_t>(terms.expiry)];
    const double slope = slope_of(terms) * static_cast<double>(after - before);
    const double fees =
        static_cast<double>(std::abs(after) - std::abs(before)) * static_cast<double>(terms.fee);
    unbounded_ -= curve.slope < 0.0;
    if (terms.kind > 0) curve.slope += slope, curve.held_slope += slope;
    unbounded_ += curve.slope < 0.0;
    add_payoff(terms, slope, curve.kinks, curve.values.data());
    add_payoff(terms, slope, curve.kinks, curve.held.data());
    for (double& value : curve.values) value -= fees;
    const double lowest = lowest_of(curve.values.data(), curve.values.size());
    lowest_ += lowest - curve.lowest;
    curve.lowest = lowest;
    const double farthest = std::max(curve.kinks.back(), 1.0);
    resize(static_cast<double>(std::abs(after) - std::abs(before)) *
           (slope_of(terms) * farthest + static_cast<double>(terms.fee)));
}

double LossCurves::losses(std::span<const Leg> legs, std::int64_t limit_price) {
    double cash = 0.0;
    for (const Leg& leg : legs)
        cash -= 2.0 * static_cast<double>(std::abs(leg.ratio) * contracts_[leg.contract].fee);
    const double slope = payoff(legs, limit_price, cash);
    const Curve& curve = curves_[static_cast<std::size_t>(contracts_[legs.front().contract].expiry)];
    for (std::size_t k = 0; k < curve.kinks.size(); ++k) scratch_[k] = scratch_[k] < 0.0 ? scratch_[k] : 0.0;
    return slope < 0.0 ? slope : 0.0;
}

double LossCurves::payoff(std::span<const Leg> legs, std::int64_t limit_price, double cash) {
    const Curve& curve = curves_[static_cast<std::size_t>(contracts_[legs.front().contract].expiry)];
    const std::size_t count = curve.kinks.size();
    double largest = 1.0;
    for (const Leg& leg : legs)
        largest = std::max(largest, static_cast<double>(contracts_[leg.contract].multiplier));
    cash -= static_cast<double>(limit_price) * kMoneyPerPrice * largest;
    std::fill_n(scratch_.begin(), count, cash);
    double slope = 0.0;
    for (const Leg& leg : legs) {
        const ContractTerms& terms = contracts_[leg.contract];
        const double unit = slope_of(terms) * static_cast<double>(leg.ratio);
        add_payoff(terms, unit, curve.kinks, scratch_.data());
        if (terms.kind > 0) slope += unit;
    }
    return slope;
}

bool LossCurves::raises_held(std::span<const Leg> legs, std::int64_t limit_price, std::int64_t units,
                             double fees, double fees_after) {
    const Curve& curve = curves_[static_cast<std::size_t>(contracts_[legs.front().contract].expiry)];
    double opening = 0.0;
    for (const Leg& leg : legs)
        opening -= static_cast<double>(std::abs(leg.ratio) * contracts_[leg.contract].fee);
    const auto count = static_cast<double>(units);
    const double after = curve.held_slope + count * payoff(legs, limit_price, opening);
    if (curve.held_slope < 0.0 || after < 0.0) return curve.held_slope >= 0.0;
    double lowest = kMostExact, lowest_after = kMostExact;
    for (std::size_t k = 0; k < curve.held.size(); ++k) {
        lowest = std::min(lowest, curve.held[k]);
        lowest_after = std::min(lowest_after, curve.held[k] + count * scratch_[k]);
    }
    return lowest_after - fees_after < lowest - fees;
}

double LossCurves::magnitude(std::span<const Leg> legs, std::int64_t limit_price) const {
    const Curve& curve = curves_[static_cast<std::size_t>(contracts_[legs.front().contract].expiry)];
    const double farthest = std::max(curve.kinks.back(), 1.0) + std::fabs(static_cast<double>(limit_price));
    double size = 0.0;
    for (const Leg& leg : legs) {
        const ContractTerms& terms = contracts_[leg.contract];
        size += std::fabs(static_cast<double>(leg.ratio)) *
                (slope_of(terms) * farthest + 2.0 * static_cast<double>(terms.fee));
    }
    return size;
}

void LossCurves::add_order(std::span<const Leg> legs, std::int64_t limit_price, std::int64_t units) {
    Curve& curve = curves_[static_cast<std::size_t>(contracts_[legs.front().contract].expiry)];
    const auto count = static_cast<double>(units);
    const double slope = losses(legs, limit_price);
    unbounded_ -= curve.slope < 0.0;
    curve.slope += count * slope;
    unbounded_ += curve.slope < 0.0;
    double* const values = curve.values.data();
    const double* const lost = scratch_.data();
    for (std::size_t k = 0; k < curve.values.size(); ++k) values[k] += count * lost[k];
    const double lowest = lowest_of(values, curve.values.size());
    lowest_ += lowest - curve.lowest;
    curve.lowest = lowest;
    resize(count * magnitude(legs, limit_price));
}

Money LossCurves::worst() const {
    return unbounded_ > 0 ? kUnbounded : static_cast<Money>(-lowest_);
}

Money LossCurves::worst_with(std::span<const Leg> legs, std::int64_t limit_price, std::int64_t units) {
    Curve& curve = curves_[static_cast<std::size_t>(contracts_[legs.front().contract].expiry)];
    const auto count = static_cast<double>(units);
    const double* const values = curve.values.data();
    double* const sums = scratch_.data();
    const std::size_t kinks = curve.values.size();
    if (legs.size() == 1) {  // the same in one pass
        const Leg& leg = legs.front();
        const ContractTerms& terms = contracts_[leg.contract];
        const auto strike = static_cast<double>(terms.strike);
        const double kind = terms.kind;
        const double unit = slope_of(terms) * static_cast<double>(leg.ratio);
        const double cash = -2.0 * static_cast<double>(std::abs(leg.ratio) * terms.fee) -
                            static_cast<double>(limit_price) * kMoneyPerPrice *
                                std::max(1.0, static_cast<double>(terms.multiplier));
        asked_slope_ = curve.slope + count * (terms.kind > 0 ? std::min(unit, 0.0) : 0.0);
        if (unbounded_ > 0 || asked_slope_ < 0.0) return kUnbounded;
        const double* const spots = curve.kinks.data();
        for (std::size_t k = 0; k < kinks; ++k) {
            const double moneyness = kind * (spots[k] - strike);
            const double gain = cash + unit * (moneyness > 0.0 ? moneyness : 0.0);
            sums[k] = values[k] + count * (gain < 0.0 ? gain : 0.0);
        }
    } else {
        asked_slope_ = curve.slope + count * losses(legs, limit_price);
        if (unbounded_ > 0 || asked_slope_ < 0.0) return kUnbounded;
        for (std::size_t k = 0; k < kinks; ++k) sums[k] = values[k] + count * sums[k];
    }
    asked_lowest_ = lowest_of(sums, kinks);
    return static_cast<Money>(-(lowest_ - curve.lowest + asked_lowest_));
}

void LossCurves::keep(std::span<const Leg> legs, std::int64_t limit_price, std::int64_t units) {
    Curve& curve = curves_[static_cast<std::size_t>(contracts_[legs.front().contract].expiry)];
    curve.slope = asked_slope_;  // never below 0, nor was it: unbounded_ stays
    std::copy_n(scratch_.begin(), curve.values.size(), curve.values.begin());
    lowest_ += asked_lowest_ - curve.lowest;
    curve.lowest = asked_lowest_;
    size_ += static_cast<double>(units) * magnitude(legs, limit_price);
}

}  // namespace optionsib::risk
