// The limit checks' kernel under the regression gate: 4096 single-leg orders that pass every check are
// reserved in one batch, then finished, so that they can be sent again and again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <stdexcept>
#include <vector>

#include "floors.hpp"
#include "optionsib/risk/limit_engine.hpp"

namespace optionsib::benchmarks {

class LimitBlocks {
  public:
    static constexpr std::size_t kOrders = 4096;
    static constexpr std::size_t kContracts = 496;
    static constexpr std::uint32_t kStrategies = 8;

    explicit LimitBlocks(bool judges_losses)
        : engine_(limits(), chain(), sizes(judges_losses)),
          records_(kOrders),
          verdicts_(kOrders),
          bits_(kOrders) {
        std::mt19937_64 random(23);
        for (std::uint32_t u = 0; u < 2; ++u) engine_.set_underlying(55.0, 0.0, 0, u);
        std::vector<double> gains(engine_.scenario_count());
        for (std::uint32_t c = 0; c < kContracts; ++c) {
            engine_.set_market(c, {1.95, 2.05, c % 2 == 0 ? 0.5 : -0.5, 0.03, 5.0, 0.0, 0.0});
            for (double& gain : gains) gain = static_cast<double>(random() % 200) - 100.0;
            if (!gains.empty()) engine_.set_scenarios(c, gains);
        }
        for (risk::OrderRecord& record : records_) {
            const bool buys = random() % 2 == 0;
            record.contract = static_cast<std::uint32_t>(random() % kContracts);
            // A sold call alone has no bound on its loss.
            if (judges_losses && !buys) record.contract |= 1;
            record.strategy = static_cast<std::uint32_t>(random() % kStrategies);
            record.side = buys ? 1 : -1;
            record.quantity = 1 + static_cast<std::int64_t>(random() % 10);
            record.price = (buys ? 19'000 : 20'600) + 100 * static_cast<std::int64_t>(random() % 10);
        }
        for (unsigned char& bit : bits_) bit = random() & 1;
        lines_.resize(1024);
        for (std::size_t i = 0; i < lines_.size(); ++i) lines_[i].next = (i + 389) % lines_.size();
        run(kOrders);  // what must grow has grown
        run(kOrders);
    }

    void run(std::size_t size) {
        for (std::size_t i = 0; i < size; ++i) records_[i].time_ns = now_ns_ += 1'000'000;
        const std::size_t accepted = engine_.submit_batch(std::span(records_).first(size), verdicts_.data());
        for (std::size_t i = 0; i < size; ++i) (void)engine_.finish(verdicts_[i].handle);
        if (accepted != size) throw std::runtime_error("an order of the benchmark was refused");
    }

    // As many missed branches and four times as many dependent loads.
    void floor() {
        sink_ = floors::branch(bits_.data(), bits_.size()) +
                floors::dependent_load(lines_.data(), 4 * kOrders, sink_ % lines_.size());
    }

  private:
    static std::vector<risk::ContractRules> chain() {
        std::vector<risk::ContractRules> rules;
        constexpr std::size_t kOfExpiry = 62;
        for (std::size_t i = 0; i < kContracts; ++i) {
            risk::ContractRules one;
            one.terms = {i % 2 == 0 ? 1 : -1, static_cast<std::int32_t>(i / kOfExpiry),
                         400'000 + 10'000 * static_cast<std::int64_t>(i % kOfExpiry / 2), 100, 650'000};
            one.bands = {{0, 100}, {30'000, 500}};
            one.underlying = static_cast<std::uint32_t>(i / kOfExpiry / 4);
            rules.push_back(one);
        }
        return rules;
    }
    static risk::Limits limits() {
        constexpr std::int64_t kWide = std::int64_t{1} << 60;
        risk::Limits limits;
        limits.order_quantity = 10;
        limits.order_delta = limits.order_gamma = limits.order_vega = limits.order_notional = 1e12;
        limits.portfolio = limits.strategy = limits.underlying = limits.expiry = {1e12, 1e12, 1e12, 1e13};
        limits.order_loss = limits.portfolio_loss = limits.scenario_loss = limits.daily_loss = limits.credit =
            kWide;
        limits.position = limits.open_quantity = limits.open_orders = 1 << 30;
        limits.order_price = 10'000'000;
        limits.price_collar = 1'000;
        limits.orders_per_minute = 100'000;
        limits.feed_age = limits.change_age = 1e9;
        limits.duplicate_window = 1e-5;
        limits.order_to_trade = 1e15;
        limits.repeated_executions = limits.protection_quantity = 1 << 20;
        limits.repeated_window = limits.protection_window = 1.0;
        return limits;
    }
    static risk::Sizes sizes(bool judges_losses) {
        risk::Sizes sizes;
        sizes.strategies = kStrategies;
        sizes.orders = kOrders;
        sizes.scenarios = judges_losses ? 21 : 0;
        sizes.judges_losses = judges_losses;
        return sizes;
    }

    risk::LimitEngine engine_;
    std::vector<risk::OrderRecord> records_;
    std::vector<risk::VerdictRecord> verdicts_;
    std::vector<unsigned char> bits_;
    std::vector<floors::Line> lines_;
    std::int64_t now_ns_ = 0;
    volatile std::size_t sink_ = 0;
};

}  // namespace optionsib::benchmarks
