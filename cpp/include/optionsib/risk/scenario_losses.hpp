// Profit and loss of one account in a grid of spot and volatility moves, by a table of what one contract
// gains or loses in each cell. Positions add up; a working order counts where it loses: at a fixed cell the
// worst set of fills is the set of the orders that lose, so the answer is exact over all fills.
//
// Table entries are rounded to 2^-20 of the currency, so that sums (below 2^33) have no rounding and taking
// something out again leaves nothing behind. An order is judged by the move alone, not by what its limit
// lies away from the market.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "optionsib/risk/checks.hpp"
#include "optionsib/risk/lowest.hpp"

namespace optionsib::risk {

// `multiplier` * gain of one contract, currency: a row of cells a contract, in one block.
class ScenarioTable {
  public:
    ScenarioTable(std::size_t contracts, std::size_t cells)
        : cells_(cells), rows_(contracts * cells, kUnknown) {}

    [[nodiscard]] std::size_t cells() const { return cells_; }
    [[nodiscard]] const double* row(std::uint32_t contract) const { return rows_.data() + contract * cells_; }
    [[nodiscard]] bool is_known(std::uint32_t contract) const { return !std::isnan(*row(contract)); }
    // A row with a value that is not finite is not known.
    void set(std::uint32_t contract, std::span<const double> gains) {
        constexpr double kScale = 1048576.0;
        double* into = rows_.data() + contract * cells_;
        bool known = true;
        for (std::size_t j = 0; j < cells_; ++j) {
            into[j] = std::nearbyint(gains[j] * kScale) / kScale;
            known = known && std::isfinite(into[j]);
        }
        if (!known) into[0] = kUnknown;
    }

  private:
    std::size_t cells_;
    std::vector<double> rows_;
};

class ScenarioLosses {
  public:
    explicit ScenarioLosses(const ScenarioTable& table) : table_(&table) {}

    void clear() { sums_.fill(0.0); }
    void move_position(std::uint32_t contract, std::int64_t change) {
        const double* row = table_->row(contract);
        for (std::size_t j = 0; j < table_->cells(); ++j) sums_[j] += static_cast<double>(change) * row[j];
    }
    void add_order(std::span<const Leg> legs, std::int64_t units) {
        const auto count = static_cast<double>(units);
        gains(legs);
        for (std::size_t j = 0; j < table_->cells(); ++j)
            sums_[j] += count * (own_[j] >= 0.0 ? 0.0 : own_[j]);
    }
    // Largest loss over the cells, currency. NaN where the row of something held or working is not known: its
    // first cell is NaN then, and so is that sum.
    [[nodiscard]] double worst() const {
        return std::isnan(sums_[0]) ? kUnknown : -std::min(lowest_of(sums_.data(), table_->cells()), 0.0);
    }
    [[nodiscard]] double worst_with(std::span<const Leg> legs, std::int64_t units) {
        const auto count = static_cast<double>(units);
        gains(legs);
        if (std::isnan(sums_[0] + own_[0])) return kUnknown;
        for (std::size_t j = 0; j < table_->cells(); ++j) {
            own_[j] = sums_[j] + count * (own_[j] < 0.0 ? own_[j] : 0.0);
        }
        return -std::min(lowest_of(own_.data(), table_->cells()), 0.0);
    }
    // add_order of the order that the last call, a worst_with that was known, was about.
    void keep() { std::copy_n(own_.begin(), table_->cells(), sums_.begin()); }

  private:
    void gains(std::span<const Leg> legs) {
        bool first = true;
        for (const Leg& leg : legs) {
            const double* row = table_->row(leg.contract);
            const auto ratio = static_cast<double>(leg.ratio);
            for (std::size_t j = 0; j < table_->cells(); ++j)
                own_[j] = (first ? 0.0 : own_[j]) + ratio * row[j];
            first = false;
        }
    }

    const ScenarioTable* table_;
    std::array<double, kMaxScenarios> sums_{};
    std::array<double, kMaxScenarios> own_{};
};

}  // namespace optionsib::risk
