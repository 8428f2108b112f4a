// Limits that let nearly everything pass, for tests that set the one they are about.
#pragma once

#include <cstdint>

#include "optionsib/risk/limit_engine.hpp"

namespace optionsib::risk {

inline Limits generous(std::int64_t order_quantity = 100, std::int64_t orders_per_minute = 100) {
    Limits limits;
    limits.order_quantity = order_quantity;
    limits.order_delta = limits.order_gamma = limits.order_vega = limits.order_notional = 1e6;
    limits.portfolio = limits.strategy = limits.underlying = limits.expiry = {1e7, 1e7, 1e7, 1e7};
    limits.scenario_loss = limits.daily_loss = limits.credit = 20'000'000'000;
    limits.position = limits.open_quantity = limits.open_orders = 100;
    limits.order_price = 10'000'000;
    limits.duplicate_window = 0.0;
    limits.order_to_trade = 1e6;
    limits.repeated_executions = 100;
    limits.protection_quantity = 100;
    limits.repeated_window = limits.protection_window = 1.0;
    limits.order_loss = 10'000'000'000;
    limits.portfolio_loss = 20'000'000'000;
    limits.price_collar = 1'000;
    limits.orders_per_minute = orders_per_minute;
    limits.feed_age = 60.0;
    limits.change_age = 900.0;
    return limits;
}

}  // namespace optionsib::risk
