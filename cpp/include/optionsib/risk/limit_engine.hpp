// Limits before every order, with positions and working orders counted in the worst way.
//
// Checks run in this order and the first that fails is reported:
//    1 kill_switch        a halt stands
//    2 order_quantity     units of the order
//    3 price_grid         single leg: the contract's market rule; several legs: 0.01
//    4 stale_feed         a leg's feed, or the underlying's, is silent for too long
//    5 stale_change       a leg's price has not moved for too long
//    6 price_collar       the limit lies too far beyond the far touch (sum of the legs' opposite sides)
//    7 order_delta, order_gamma, order_vega, order_notional, order_loss
//    8 portfolio_delta, _gamma, _vega, _notional, _loss    positions + working orders + this order
//    9 order_rate         new orders within the last 60 s (a reprice of a working order is none)
// A limit that is not set refuses at its place; so does a market value that is not known.
//
// An order reduces risk if WorstLoss::reduces says so of the whole portfolio, or if it closes no more than
// its own trade holds, WorstLoss::reduces says so of that trade, and the portfolio's worst loss stays within
// its limit: two trades that happen to offset each other must not keep each other from being closed.
//
// An order that reduces risk answers to 3, 4 and, in place of 6, to a wide fixed
// collar (kSanityCollar); a missing bid counts as zero there, a missing ask as the most the contract can be
// worth (call: spot, put: strike).
//
// Worst way: per Greek the positive and the negative contributions of working orders are summed apart and
// the worse direction counts; notional is gross, contract by contract; the loss is the worst over all fills.
// An order that is checked again while it works (a reprice) replaces its own working version.
//
// Loss of the portfolio = cash given out so far (fills, fees; realised results included) + the worst that
// positions and fills may still cost. Fills are booked at the limit unless the real cash is told.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "optionsib/risk/worst_loss.hpp"

namespace optionsib::risk {

inline constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
inline constexpr std::int64_t kSanityCollar = 50'000;  // 5.00 a share
inline constexpr std::int64_t kComboIncrement = 100;   // 0.01
inline constexpr std::int64_t kRateWindowNs = 60'000'000'000;
inline constexpr std::int64_t kMaxContracts = 1'000'000'000;  // |position|, |ratio| * quantity
inline constexpr std::int64_t kMaxLimitPrice = 1'000'000'000'000;

enum class Check : std::uint8_t {
    none,
    kill_switch,
    order_quantity,
    price_grid,
    stale_feed,
    stale_change,
    price_collar,
    order_delta,
    order_gamma,
    order_vega,
    order_notional,
    order_loss,
    portfolio_delta,
    portfolio_gamma,
    portfolio_vega,
    portfolio_notional,
    portfolio_loss,
    order_rate,
};
inline constexpr std::size_t kCheckCount = 18;

enum class Finding : std::uint8_t {
    none,
    exceeded,       // `value` is beyond `limit`
    missing_limit,  // the limit is not set
    unknown,        // a market value is not known; `contract` tells whose (none: the underlying's)
};

// nullopt = not set. Deltas in shares, vega in currency per 1.00 of volatility, notional in currency,
// losses in money units, collar in 1/10000, ages in seconds.
struct Limits {
    std::optional<std::int64_t> order_quantity;
    std::optional<double> order_delta, order_gamma, order_vega, order_notional;
    std::optional<Money> order_loss;
    std::optional<double> portfolio_delta, portfolio_gamma, portfolio_vega, portfolio_notional;
    std::optional<Money> portfolio_loss;
    std::optional<std::int64_t> price_collar;
    std::optional<std::int64_t> orders_per_minute;
    std::optional<double> feed_age, change_age;
};

struct TickBand {
    std::int64_t lower_edge;
    std::int64_t increment;
};

struct ContractRules {
    ContractTerms terms;
    std::vector<TickBand> bands;  // ascending, the first starts at 0
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

struct Greeks {
    double delta = 0.0;
    double gamma = 0.0;
    double vega = 0.0;
};

// Totals in raw units times multiplier. NaN where a held or working contract's Greek is not known.
struct Exposure {
    Greeks held;
    Greeks worst;     // largest magnitude over all fills of working orders
    double notional;  // currency, gross, worst over all fills
    Money worst_loss;
};

enum class Booking : std::uint8_t { ok, unknown_order, bad_quantity, bad_order };

using OrderHandle = std::uint32_t;

class LimitEngine {
  public:
    LimitEngine(const Limits& limits, std::span<const ContractRules> contracts);
    LimitEngine(const LimitEngine&) = delete;
    LimitEngine& operator=(const LimitEngine&) = delete;

    void set_market(std::uint32_t contract, const Market& market);
    void set_underlying(double spot, double feed_age);
    void set_halted(bool halted) { halted_ = halted; }
    void set_position(std::uint32_t contract, std::int64_t quantity) { positions_[contract] = quantity; }
    void set_cash(Money cash) { cash_ = cash; }

    // Whether the order could be judged at all: legs known and distinct, ratios not 0 (a single leg +-1),
    // quantity positive, numbers within kMaxContracts and kMaxLimitPrice.
    [[nodiscard]] bool is_well_formed(const OrderTerms& order) const;

    // `order` must be well formed. `working`: the handle of the working version that it would replace.
    [[nodiscard]] Verdict check(const OrderTerms& order, std::int64_t now_ns,
                                std::optional<OrderHandle> working = std::nullopt);

    // A new order is on its way; it counts in the rate window at `now_ns`.
    OrderHandle add_working(const OrderTerms& order, std::int64_t now_ns);
    Booking reprice(OrderHandle handle, std::int64_t limit_price);
    // `quantity` units were filled for `cash` in all (nullopt: at the limit); fees are added by estimate.
    Booking fill(OrderHandle handle, std::int64_t quantity, std::optional<Money> cash);
    // The order will not fill any more; a late fill is still booked.
    Booking finish(OrderHandle handle);

    [[nodiscard]] std::int64_t position(std::uint32_t contract) const { return positions_[contract]; }
    [[nodiscard]] std::size_t contract_count() const { return contracts_.size(); }
    [[nodiscard]] std::size_t working_count() const { return active_.size(); }
    [[nodiscard]] Money cash() const { return cash_; }
    [[nodiscard]] Exposure exposure();

  private:
    struct WorkingOrder {
        std::vector<Leg> legs;
        std::int64_t remaining;
        std::int64_t limit_price;
        std::uint32_t trade;
        bool working;
    };
    struct Totals {
        Greeks held, high, low;  // positions; sums of the positive and of the negative working ones
        double notional = 0.0;
    };
    struct Touch {
        std::int64_t price = 0;  // 1/10000 a share of the order
        bool known = true;
        std::uint32_t contract = 0;  // the first leg without a market
    };

    // Positions, and working orders without `except` but with `candidate` as the last one.
    void gather(std::optional<OrderHandle> except, const OrderTerms* candidate);
    [[nodiscard]] Totals totals() const;
    [[nodiscard]] Greeks greeks_of(const OrderTerms& order) const;
    [[nodiscard]] Touch far_touch(const OrderTerms& order, bool generous) const;
    [[nodiscard]] std::int64_t multiplier_of(const OrderTerms& order) const;
    [[nodiscard]] bool is_on_grid(const OrderTerms& order) const;
    [[nodiscard]] Money portfolio_loss();
    [[nodiscard]] bool closes_trade(const OrderTerms& order, std::optional<OrderHandle> except);

    bool check_halt(Verdict& verdict) const;
    bool check_price(const OrderTerms& order, Verdict& verdict) const;
    bool check_ages(const OrderTerms& order, Verdict& verdict) const;
    bool check_collar(const OrderTerms& order, Verdict& verdict) const;
    bool check_order_exposure(const OrderTerms& order, Verdict& verdict) const;
    bool check_portfolio_exposure(const OrderTerms& order, Verdict& verdict);
    bool check_rate(std::int64_t now_ns, Verdict& verdict) const;

    Limits limits_;
    std::vector<ContractTerms> contracts_;
    std::vector<std::vector<TickBand>> bands_;
    std::vector<Market> market_;
    double spot_ = kUnknown;
    double underlying_feed_age_ = kUnknown;
    bool halted_ = false;
    std::vector<std::int64_t> positions_;
    Money cash_ = 0;
    std::vector<WorkingOrder> orders_;  // by handle
    std::vector<OrderHandle> active_;   // ascending
    std::vector<std::int64_t> sent_ns_;
    WorstLoss worst_loss_;
    std::vector<Holding> holdings_;
    std::vector<OrderTerms> gathered_;
    std::vector<std::vector<Holding>> trades_;  // what each trade's own fills hold
    std::vector<OrderTerms> of_trade_;
};

}  // namespace optionsib::risk
