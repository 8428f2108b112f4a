// The vocabulary of the limit checks: their numbers, what was found, the limits, and the fixed layouts that
// C++, NumPy and `struct` share (little-endian, no padding).
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>

#include "optionsib/risk/worst_loss.hpp"

namespace optionsib::risk {

inline constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
inline constexpr std::int64_t kSanityCollar = 50'000;  // 5.00 a share
inline constexpr std::int64_t kComboIncrement = 100;   // 0.01
inline constexpr std::int64_t kRateWindowNs = 60'000'000'000;
inline constexpr std::int64_t kMaxContracts = 1'000'000'000;  // |position|, |ratio| * quantity
inline constexpr std::int64_t kMaxLimitPrice = 1'000'000'000'000;
inline constexpr std::size_t kMaxLegs = 8;
inline constexpr std::size_t kMaxScenarios = 64;

// In the order in which they are judged: the first that fails is reported.
enum class Check : std::uint8_t {
    none,
    kill_switch,
    account_kill,
    account_enabled,
    tradable,
    restricted,
    quantity_positive,
    order_quantity,
    lot,
    price_positive,
    price_grid,
    price_band,
    stale_feed,
    stale_change,
    price_collar,
    order_delta,
    order_gamma,
    order_vega,
    order_notional,
    order_loss,
    position,
    open_quantity,
    credit,
    daily_loss,
    portfolio_delta,
    portfolio_gamma,
    portfolio_vega,
    portfolio_notional,
    strategy_delta,
    strategy_gamma,
    strategy_vega,
    strategy_notional,
    underlying_delta,
    underlying_gamma,
    underlying_vega,
    underlying_notional,
    expiry_delta,
    expiry_gamma,
    expiry_vega,
    expiry_notional,
    portfolio_loss,
    scenario_loss,
    open_orders,
    order_rate,
    duplicate,
    order_to_trade,
    repeated_executions,
    market_maker_protection,
    self_match,
    capacity,
    malformed,
};
inline constexpr std::size_t kCheckCount = 51;
static_assert(static_cast<std::size_t>(Check::malformed) + 1 == kCheckCount && kCheckCount <= 64);

enum class Finding : std::uint8_t {
    none,
    exceeded,       // `value` is beyond `limit`
    missing_limit,  // the limit is not set
    unknown,        // a market value is not known; `contract` tells whose (none: the underlying's)
};

// What may leave. A cancel always may.
enum class State : std::uint8_t {
    active,       // everything
    reduce_only,  // what reduces risk
    cancel_only,  // nothing but cancels
    halted,       // what reduces risk; whoever sends orders withdraws the opening ones that work
};

// How an order reduces risk: by closing what is held, or by what it adds to it.
enum class Reduction : std::uint8_t { none, hedges, closes };

// Limits on the sums of one account, strategy, underlying or expiry. Deltas in shares, gamma in shares per
// 1.00, vega in currency per 1.00 of volatility, gross notional in currency.
struct ExposureLimits {
    std::optional<double> delta, gamma, vega, notional;
};

// nullopt = not set. Losses and credit in money units, prices in 1/10000, ages and windows in seconds.
struct Limits {
    std::optional<std::int64_t> order_quantity;
    std::optional<double> order_delta, order_gamma, order_vega, order_notional;
    std::optional<Money> order_loss;
    ExposureLimits portfolio, strategy, underlying, expiry;
    std::optional<Money> portfolio_loss, scenario_loss, daily_loss, credit;
    std::optional<std::int64_t> position, open_quantity, open_orders;
    std::optional<std::int64_t> order_price;  // |limit price| of any order: the static band
    std::optional<std::int64_t> price_collar;
    std::optional<std::int64_t> orders_per_minute;
    std::optional<double> feed_age, change_age;
    std::optional<double> duplicate_window;
    std::optional<double> order_to_trade;  // orders, reprices and cancels over max(executions, 1)
    std::optional<std::int64_t> repeated_executions;
    std::optional<double> repeated_window;
    std::optional<std::int64_t> protection_quantity;  // contracts filled in one underlying
    std::optional<double> protection_window;
};

// What the market says of one contract: currency a share, Greeks a share, seconds. NaN = not known.
struct Market {
    double bid = kUnknown;
    double ask = kUnknown;
    double delta = kUnknown;
    double gamma = kUnknown;
    double vega = kUnknown;
    double feed_age = kUnknown;
    double change_age = kUnknown;
};

// Names one version of one order. 0 = none. A handle lives on after its order has ended, until kMaxOrders
// later orders have taken its place.
using OrderHandle = std::uint64_t;
inline constexpr OrderHandle kNoOrder = 0;

// `value` and `limit` are in the unit of the limit. `contract` is meant for Finding::unknown.
struct Verdict {
    bool accepts = true;
    bool reduces_risk = false;
    Check check = Check::none;
    Finding finding = Finding::none;
    double value = 0.0;
    double limit = 0.0;
    Money max_loss = 0;
    std::optional<std::uint32_t> contract;
};

enum class Action : std::uint8_t { submit, reprice, cancel };

// One single-leg order of a batch, 64 bytes. `handle` names the working order that a reprice or a cancel is
// about. `side` is +1 or -1; `price` (1/10000) is what a contract costs, positive on both sides.
struct OrderRecord {
    std::int64_t time_ns;
    std::uint64_t handle;
    std::int64_t quantity;
    std::int64_t price;
    std::uint32_t contract;
    std::uint32_t strategy;
    std::uint32_t account;
    std::uint32_t trade;
    std::int8_t side;
    std::uint8_t action;
    std::uint8_t reserved[14];
};
static_assert(sizeof(OrderRecord) == 64);

// The answer to one OrderRecord, 32 bytes. `handle` is that of the order that was accepted and now counts.
// `reduces_risk` is judged where it decides: of an order that would otherwise be refused.
struct VerdictRecord {
    std::uint64_t handle;
    double value;
    double limit;
    std::uint8_t accepts;
    std::uint8_t check;
    std::uint8_t finding;
    std::uint8_t reduces_risk;
    std::uint8_t reserved[4];
};
static_assert(sizeof(VerdictRecord) == 32);

}  // namespace optionsib::risk
