// Limits before every order, with positions and working orders counted in the worst way.
//
// The checks and their order stand in checks.hpp. A limit that is not set refuses at its place; so does a
// market value that is not known.
//
// How it is quick. Everything that a check compares is kept up to date by bookings and by the market, not
// summed up when an order comes: a cell for each account (and strategy) and contract, a scope for each
// account, strategy, underlying and expiry. A new single-leg record is checked and booked in one go that only
// knows whether any check fails (limit_reserve.hpp); an order that fails one, and every other order, is
// judged check by check into one mask, a bit a check (limit_checks.cpp), to name the first. What is not set
// or not known is NaN or an extreme in the place of the limit, so that one comparison serves for all three
// findings. Both ways must agree: the tests send the same orders by both.
//
// An order reduces risk if WorstLoss::reduces says so of the whole account, or if it closes no more than its
// own trade holds, WorstLoss::reduces says so of that trade, and the account's worst loss stays within its
// limit: two trades that happen to offset each other must not keep each other from being closed. A new trade
// for its own sake never does, whatever it happens to offset, nor a hedge at a price at which it could lose
// nothing but fees: no market offers that, a mistaken price does.
//
// An order that reduces risk answers to kStillAnswers, to order_quantity unless it only closes what is held,
// and, in place of price_collar, to a wide fixed collar
// (kSanityCollar); a missing bid counts as zero there, a missing ask as the most the contract can be worth
// (call: spot, put: strike). State::cancel_only refuses it too; nothing ever refuses a cancel.
//
// Worst way: per Greek the positive and the negative contributions of working orders are summed apart and the
// worse direction counts; notional is gross, contract by contract; losses are the worst over all fills. An
// order that is checked again while it works (a reprice) replaces its own working version.
//
// Loss of an account = cash given out so far (fills, fees; realised results included) + the worst that
// positions and fills may still cost. Fills are booked at the limit unless the real cash is told.
//
// Threads: every call is one step under one lock. `submit` checks and books in the same step, so orders of
// several threads cannot breach a limit together. Nothing is allocated by a check, a booking or a market
// update of what is known already.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "optionsib/risk/checks.hpp"
#include "optionsib/risk/loss_curves.hpp"
#include "optionsib/risk/scenario_losses.hpp"
#include "optionsib/risk/windows.hpp"
#include "optionsib/risk/worst_loss.hpp"
#include "optionsib/simd.hpp"

namespace optionsib::risk {

struct TickBand {
    std::int64_t lower_edge;
    std::int64_t increment;
};

struct ContractRules {
    ContractTerms terms;          // expiries are numbered through all underlyings
    std::vector<TickBand> bands;  // ascending, the first starts at 0
    std::uint32_t underlying = 0;
    std::int64_t lot = 1;
};

struct Sizes {
    std::size_t accounts = 1;
    std::size_t strategies = 1;
    std::size_t orders = 4096;  // that may work at a time, and that are remembered after their end
    std::size_t scenarios = 0;  // cells of the grid, at most kMaxScenarios
    // Off: order_loss, portfolio_loss and scenario_loss are judged elsewhere (the other checks only).
    bool judges_losses = true;
    std::optional<SimdPath> path = std::nullopt;  // simd_path(); the verdicts are the same on every one
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
    double scenario_loss;  // currency
    Money profit;          // cash + positions at mid
};

enum class Booking : std::uint8_t { ok, unknown_order, bad_quantity, bad_order };

// What LimitEngine::submit did: an accepted order works under `handle` from now on.
struct Submission {
    Verdict verdict;
    OrderHandle handle = kNoOrder;
};

class LimitEngine {
  public:
    LimitEngine(const Limits& limits, std::span<const ContractRules> contracts, const Sizes& sizes = {});
    LimitEngine(const LimitEngine&) = delete;
    LimitEngine& operator=(const LimitEngine&) = delete;

    // --- what holds. Limits change at once, for what comes next; nothing that works is withdrawn.
    void set_limits(const Limits& limits);
    void set_state(State state);
    void set_account_state(std::uint32_t account, State state);
    void set_account_enabled(std::uint32_t account, bool enabled);
    void set_tradable(std::uint32_t contract, bool tradable);
    void set_restricted(std::uint32_t contract, bool restricted);
    // A person has looked: what tripped by executions may trade again.
    void reset_repeated_executions(std::uint32_t strategy);
    void reset_protection(std::uint32_t account, std::uint32_t underlying);
    [[nodiscard]] State state() const { return state_; }

    // --- the market. `now_ns` is the instant to which the ages belong; they grow with the time of the order.
    void set_market(std::uint32_t contract, const Market& market, std::int64_t now_ns = 0);
    void set_underlying(double spot, double feed_age, std::int64_t now_ns = 0, std::uint32_t underlying = 0);
    // Gains of one contract, currency (multiplier included), one a cell.
    void set_scenarios(std::uint32_t contract, std::span<const double> gains);

    // --- books
    void set_position(std::uint32_t contract, std::int64_t quantity, std::uint32_t account = 0);
    void set_cash(Money cash, std::uint32_t account = 0);
    // Contracts that came or went without an order (exercise, assignment, expiry), and the money that moved
    // with them: positions, the trade's own holdings and cash. It is no execution of ours and costs no
    // estimated fee.
    void deliver(std::uint32_t contract, std::int64_t quantity, Money cash, std::uint32_t trade,
                 std::uint32_t strategy, std::uint32_t account = 0);
    // Room for one more strategy; its number.
    std::uint32_t add_strategy();

    // Whether the order could be judged at all: 1 to kMaxLegs legs, known and distinct, ratios not 0 (a
    // single leg +-1), quantity positive, numbers within kMaxContracts and kMaxLimitPrice, account and
    // strategy known.
    [[nodiscard]] bool is_well_formed(const OrderTerms& order) const;

    // `order` must be well formed. `working`: the handle of the working version that it would replace, with
    // the units still open as its quantity. Made smaller, and no dearer, it reduces risk. Other legs, or
    // those of another trade, account or strategy, replace nothing (Check::malformed), and an order that has
    // ended is none that could be replaced: what comes under its handle is new. `closes`: the caller knows
    // that it closes what is held, which reduces risk whatever the losses say.
    [[nodiscard]] Verdict check(const OrderTerms& order, std::int64_t now_ns, OrderHandle working = kNoOrder,
                                bool closes = false);

    // Check and, if accepted, book in one step.
    Submission submit(const OrderTerms& order, std::int64_t now_ns, OrderHandle working = kNoOrder);

    // The quick way for single legs. Any content of the record is allowed. Returns the check that refused.
    Check submit(const OrderRecord& record, VerdictRecord& verdict);
    // Returns how many were accepted. The lock is given up between records now and then.
    std::size_t submit_batch(std::span<const OrderRecord> records, VerdictRecord* verdicts);

    // A new order is on its way; it counts in the rate window at `now_ns`. kNoOrder: too many work.
    OrderHandle add_working(const OrderTerms& order, std::int64_t now_ns);
    // From now on `remaining` units of the order may still fill, at `limit_price`.
    Booking amend(OrderHandle handle, std::int64_t remaining, std::int64_t limit_price);
    // `quantity` units were filled for `cash` in all (nullopt: at the limit); fees are added by estimate.
    Booking fill(OrderHandle handle, std::int64_t quantity, std::optional<Money> cash,
                 std::int64_t now_ns = 0);
    // The order will not fill any more; a late fill is still booked.
    Booking finish(OrderHandle handle);
    // A reprice or a cancel of the order is on its way: one more message towards order_to_trade. The records
    // and `submit` count theirs.
    Booking count_message(OrderHandle handle);

    // Everything that bookings, states and switches have made: positions, cash, orders with their handles,
    // counts and windows of time, what tripped. Not the limits (nor what they restrict), the market, the
    // scenarios.
    [[nodiscard]] std::vector<std::byte> snapshot() const;
    // Takes the place of all that. False, and nothing has changed, where the bytes are damaged, or from an
    // engine for other contracts, accounts or room for orders.
    [[nodiscard]] bool restore(std::span<const std::byte> bytes);

    [[nodiscard]] std::int64_t position(std::uint32_t contract, std::uint32_t account = 0) const;
    [[nodiscard]] std::size_t contract_count() const { return contracts_.size(); }
    [[nodiscard]] std::size_t account_count() const { return accounts_.size(); }
    [[nodiscard]] std::size_t strategy_count() const { return strategies_.size(); }
    [[nodiscard]] std::size_t scenario_count() const { return scenarios_.cells(); }
    [[nodiscard]] std::size_t working_count() const { return active_count_; }
    [[nodiscard]] Money cash(std::uint32_t account = 0) const { return accounts_[account].cash; }
    [[nodiscard]] Exposure exposure(std::uint32_t account = 0);

  private:
    static constexpr std::size_t kLanes = 4;  // delta, gamma, vega, gross notional
    static constexpr std::uint32_t kNoSlot = UINT32_MAX;

    // Two cache lines that hold what a check reads of a contract.
    struct alignas(64) Instrument {
        double unit[kLanes];  // of one contract
        // Highest limit price (signed: negative to sell) of an order that sells [0], buys [1]: by the far
        // touch and the collar, and by our own single-leg working orders of the other side.
        std::int64_t far[2], own[2];
        std::int64_t feed_ns, change_ns;  // when last confirmed, changed
        std::uint64_t grid_below, grid;   // the increments of the first two bands (reciprocal_of)
        std::uint32_t edge;               // between them
        std::uint32_t lot;
        std::uint32_t underlying, expiry;
        std::uint32_t first_own;  // of our own single-leg working orders
        bool tradable, restricted, many_bands;
        bool special;  // one of the three is out of the ordinary, or the lot, or it is a stock
        double money_per_price;
    };
    static_assert(kLanes == 4);
    // One account's, or one strategy's, business in one contract. `reach`: how short [0] and how long [1]
    // fills may make it. `combos`: working orders of several legs.
    struct alignas(32) Cell {
        std::int64_t position, reach[2];
        std::int32_t combos;
        bool listed;

        [[nodiscard]] std::int64_t buying() const { return reach[1] - position; }
        [[nodiscard]] std::int64_t selling() const { return reach[0] + position; }
        [[nodiscard]] bool is_busy() const { return position != 0 || reach[0] != 0 || reach[1] != 0; }
        // The largest position of either sign; the sum of both reaches is never negative.
        [[nodiscard]] std::int64_t gross() const { return std::max(reach[0], reach[1]); }
        // `side`: 0 sells, 1 buys.
        [[nodiscard]] std::int64_t gross_with(std::size_t side, std::int64_t quantity) const {
            return std::max(reach[side] + quantity, reach[side ^ 1]);
        }
        void move(std::int64_t change) {
            position += change;
            reach[0] -= change;
            reach[1] += change;
        }
    };
    // Sums in the worst way: positions, and with the orders that add to them or take away. Gross notional has
    // an upper sum alone. `cap` is the limit, NaN where it is not set or a summand is not known.
    struct alignas(64) Scope {
        double up[kLanes], down[kLanes], cap[kLanes], held[kLanes];

        void add_order(const double* sums, double sign) {
            for (std::size_t j = 0; j < 3; ++j) (sums[j] < 0.0 ? down : up)[j] += sign * sums[j];
        }
    };
    struct Underlying {
        double spot = kUnknown;
        std::int64_t feed_ns;
    };
    struct alignas(64) Protection {
        std::int64_t tripped = 0;  // contracts that did it
        SumWindow filled;
    };
    struct alignas(64) Account {
        std::int64_t open_orders = 0;
        std::int64_t open_quantity = 0;
        std::int64_t messages = 0;
        double debit = 0.0;  // money that working orders would pay
        // What no order moves, made anew by `settle` from the fields below: the messages allowed (below every
        // number where a state or the loss of the day refuses all), and cash given out.
        std::int64_t most_messages = 0;
        double spent = 0.0;
        EventWindow sent;
        RecentOrders recent;
        bool enabled = true;
        State state = State::active;
        Money cash = 0;
        double value = 0.0;         // positions at mid, money
        std::int64_t held = 0;      // contracts with a position
        std::int64_t unmarked = 0;  // positions without a mark
        std::int64_t executions = 0;
        std::int64_t spanning = 0;  // working orders over several expiries
        std::int64_t stocks = 0;    // stocks held or worked
        bool stale_scenarios = false;
        std::vector<std::uint32_t> touched;
        std::vector<Cell> cells;  // by contract
        Scope scope;
        std::vector<Scope> underlyings, expiries;  // the last expiry is the stocks'
        std::vector<Protection> protections;       // by underlying
    };
    struct alignas(64) Strategy {
        std::vector<Cell> cells;  // by contract
        bool tripped = false;
        Scope scope;
        EventWindow executed;
        std::vector<std::uint32_t> touched;
    };
    struct alignas(64) WorkingOrder {
        std::int64_t remaining;
        std::int64_t limit_price;
        std::uint32_t leg_count;
        std::uint32_t trade;
        std::uint32_t account, strategy;
        std::uint32_t generation = 0;
        std::uint32_t active_at;           // place in active_, kNoSlot: does not work
        std::uint32_t next_own, last_own;  // single-leg orders on the same contract
        Leg leg;                           // of an order with one; see legs_of
    };
    static_assert(sizeof(WorkingOrder) == 64);
    // Limits as they are compared.
    struct Bounds {
        std::int64_t order_quantity, position, open_quantity, open_orders, order_price;
        std::int64_t feed_age, change_age, duplicate_window, orders_per_minute, price_collar;
        std::int64_t repeated_executions, repeated_window, protection_quantity, protection_window;
        // Of a record that `reserve` looks at: none where a limit that every single leg needs is not set.
        std::uint64_t most_quantity, most_price;
        std::int64_t duplicate_age;  // duplicate_window, or below every age where nothing is a duplicate
        double credit, daily_loss, order_to_trade, scenario_loss;
        Money order_loss, portfolio_loss;
        double order[kLanes];
        double portfolio[kLanes], strategy[kLanes], underlying[kLanes], expiry[kLanes];
    };
    struct Touch {
        std::int64_t price = 0;  // 1/10000 a share of the order
        bool known = true;
        std::uint32_t contract = 0;  // the first leg without a market
    };
    class Guard;
    struct Books;

    // --- limit_engine.cpp: what holds; limit_orders.cpp: working orders. The lock is held.
    void bound();
    [[nodiscard]] WorkingOrder* find(OrderHandle handle);
    [[nodiscard]] WorkingOrder* find_working(OrderHandle handle);
    [[nodiscard]] std::span<const Leg> legs_of(const WorkingOrder& order) const;
    void set_legs(WorkingOrder& order, std::span<const Leg> legs);
    [[nodiscard]] OrderTerms terms_of(const WorkingOrder& order) const;
    // Whether `to` is the order on terms of some kind.
    [[nodiscard]] bool is_version(const WorkingOrder& order, const OrderTerms& to) const;
    OrderHandle take_slot(const OrderTerms& order);
    void count_sent(const OrderTerms& order, std::int64_t now_ns, bool is_new);
    void activate(WorkingOrder& order);
    void deactivate(WorkingOrder& order);
    // --- limit_sums.cpp
    void move(const OrderTerms& order, int sign);      // sums, cells, losses
    void move_leg(const OrderTerms& order, int sign);  // the same for a single leg
    void move_losses(const OrderTerms& order, int sign);
    void move_position(std::uint32_t account, std::uint32_t strategy, std::uint32_t contract,
                       std::int64_t change);
    [[nodiscard]] OrderHandle claim_slot();
    void free_slot(std::uint32_t slot);
    void enlist(std::uint32_t slot);  // among the active ones
    void delist(WorkingOrder& order);
    void list_cells(Account& account, Strategy& strategy, std::uint32_t contract);  // among the touched
    void list_leg(std::uint32_t slot, Instrument& it);  // among our own on a contract
    void unlist_own(WorkingOrder& order);
    void count_execution(const WorkingOrder& order, std::int64_t quantity, std::int64_t now_ns);
    void book(std::uint32_t trade, std::uint32_t account, std::uint32_t contract, std::int64_t quantity);
    void add_gross(std::uint32_t account, std::uint32_t contract, double contracts);

    // --- limit_totals.cpp: from the books anew, where increments do not do
    void refresh();
    void refresh_scopes();
    void refresh_scenarios(std::uint32_t account);
    void place_touch(std::uint32_t contract);
    void place_special(std::uint32_t contract);
    void settle(Account& account);
    void settle_all();
    [[nodiscard]] bool has_curve(const OrderTerms& order) const;
    // Worst loss with one more order. Exact, or a bound that is `good_enough` already.
    [[nodiscard]] Money portfolio_loss(std::uint32_t account, const OrderTerms* more, Money good_enough);
    void gather(std::uint32_t account);
    // The trade of the order must hold something.
    [[nodiscard]] bool closes_trade(const OrderTerms& order);
    // No more than the account holds, less what working orders may close already (`gathered_`).
    [[nodiscard]] bool closes_held(const OrderTerms& order) const;
    [[nodiscard]] Reduction reduction(const OrderTerms& order);

    // Legs of one underlying, and of one expiry, are netted with each other: visit(scope, its first check,
    // sums).
    template <class Visit>
    void for_each_scope(const OrderTerms& order, Visit visit);

    // --- limit_checks.cpp
    [[nodiscard]] std::uint64_t screen(const OrderTerms& order, std::int64_t now_ns, bool is_new);
    [[nodiscard]] std::uint64_t screen_account(const OrderTerms& order, bool is_new, std::int64_t contracts,
                                               double debit) const;
    [[nodiscard]] std::uint64_t screen_windows(const OrderTerms& order, std::int64_t now_ns) const;
    // `mask`: what failed so far. The sums are left out where that decides.
    [[nodiscard]] std::uint64_t screen_leg(const OrderTerms& order, std::int64_t now_ns,
                                           std::uint64_t mask) const;
    [[nodiscard]] std::uint64_t screen_legs(const OrderTerms& order, std::int64_t now_ns, std::uint64_t mask);
    [[nodiscard]] std::uint64_t screen_losses(const OrderTerms& order, Money& own_loss);
    [[nodiscard]] Money order_loss(const OrderTerms& order);
    [[nodiscard]] bool loses_more_than_fees(const OrderTerms& order);
    // Of a single leg: whether its loss has no bound; and if it has, the loss of one unit.
    [[nodiscard]] bool has_no_bound(const OrderTerms& order) const;
    [[nodiscard]] Int128 unit_loss(const OrderTerms& order) const;
    // The mask of what refuses the order in the end; 0 accepts. `is_full`: whether it reduces risk, and its
    // own loss, are wanted even where they do not decide. `reduces`: in, whether that is known already.
    [[nodiscard]] std::uint64_t judge(const OrderTerms& order, std::int64_t now_ns, bool is_new, bool is_full,
                                      bool& reduces, Money& own_loss);
    [[nodiscard]] Verdict verdict_on(const OrderTerms& order, std::int64_t now_ns, std::uint64_t mask,
                                     bool reduces, Money own_loss);
    [[nodiscard]] Verdict check_locked(const OrderTerms& order, std::int64_t now_ns, WorkingOrder* replaced,
                                       bool closes);
    [[nodiscard]] bool passes_sanity(const OrderTerms& order) const;

    // --- limit_reasons.cpp: what to say of the first check that failed
    void explain(const OrderTerms& order, std::int64_t now_ns, Verdict& verdict);
    void explain_scope(const OrderTerms& order, Verdict& verdict);
    void explain_age(const OrderTerms& order, std::int64_t now_ns, Verdict& verdict) const;
    void explain_collar(const OrderTerms& order, Verdict& verdict) const;
    [[nodiscard]] Touch far_touch(const OrderTerms& order, bool generous) const;
    [[nodiscard]] bool is_on_grid(const OrderTerms& order) const;
    [[nodiscard]] bool meets_own(const OrderTerms& order) const;
    [[nodiscard]] std::uint64_t hash_of(const OrderTerms& order) const;
    void order_units(const OrderTerms& order, double* sums) const;
    [[nodiscard]] static double gross_change(const Cell& cell, const Leg& leg, std::int64_t quantity);

    // --- limit_reserve.hpp, once an instruction set
    // Checks and books single-leg orders one after the other; what fails any check or needs more than this
    // knows goes the slow way. Returns how many were accepted.
    using Reserve = std::size_t (*)(LimitEngine&, std::span<const OrderRecord>, VerdictRecord*);
    using Release = void (*)(LimitEngine&, const WorkingOrder&);
    template <class Lanes>
    OrderHandle reserve_one(const OrderRecord& record);
    template <class Lanes>
    std::size_t reserve_run(std::span<const OrderRecord> records, VerdictRecord* verdicts);
    template <class Lanes>
    void release_one(const WorkingOrder& order);
    static std::size_t reserve_baseline(LimitEngine&, std::span<const OrderRecord>, VerdictRecord*);
    static void release_baseline(LimitEngine&, const WorkingOrder&);
#ifdef OPTIONSIB_X86_PATHS
    static std::size_t reserve_avx2(LimitEngine&, std::span<const OrderRecord>, VerdictRecord*);
    static void release_avx2(LimitEngine&, const WorkingOrder&);
#endif

    // --- limit_snapshot.cpp
    [[nodiscard]] std::uint64_t shape() const;
    [[nodiscard]] bool read_books(std::span<const std::byte> bytes, Books& books) const;
    void restore_account(std::uint32_t account, const Books& books);

    // --- limit_records.cpp
    [[nodiscard]] bool stays_within_losses(const OrderTerms& order);
    Check submit_slowly(const OrderRecord& record, VerdictRecord& verdict);
    [[nodiscard]] bool read(const OrderRecord& record, Leg& leg, OrderTerms& order) const;

    [[nodiscard]] Cell& cell(std::uint32_t account, std::uint32_t contract) {
        return accounts_[account].cells[contract];
    }
    [[nodiscard]] const Cell& cell(std::uint32_t account, std::uint32_t contract) const {
        return accounts_[account].cells[contract];
    }
    [[nodiscard]] std::span<const std::uint32_t> active() const { return {active_.data(), active_count_}; }
    [[nodiscard]] std::size_t free_count() const { return free_end_ - free_begin_; }
    [[nodiscard]] std::uint32_t& free_at(std::size_t number) { return free_[number & free_mask_]; }

    Limits limits_;
    Bounds bounds_{};
    State state_ = State::active;
    bool judges_losses_;
    bool stale_scopes_ = true;  // the sums must be made anew before they are read
    std::vector<ContractTerms> contracts_;
    std::vector<std::vector<TickBand>> bands_;
    std::vector<Market> market_;
    std::vector<double> marks_;  // mid, 1/10000; NaN: never seen
    std::vector<Instrument> instruments_;
    std::vector<Underlying> underlyings_;
    std::size_t expiry_count_ = 0;
    // One beyond the last.
    std::uint32_t contract_limit_ = 0, account_limit_ = 0, strategy_limit_ = 0, trade_limit_ = 0;
    Reserve reserve_;
    Release release_;
    std::vector<Account> accounts_;
    std::vector<Strategy> strategies_;
    ScenarioTable scenarios_;
    std::vector<LossCurves> curves_;               // by account
    std::vector<ScenarioLosses> scenario_losses_;  // by account

    std::vector<WorkingOrder> orders_;
    std::vector<Leg> combo_legs_;      // of the orders with several, kMaxLegs a slot
    std::vector<std::uint32_t> free_;  // ring of slots, oldest first; its size is a power of two
    std::size_t free_mask_ = 0;        // its size less one
    std::size_t free_begin_ = 0;       // both only rise; their low bits are the places in the ring
    std::size_t free_end_ = 0;
    std::vector<std::uint32_t> active_;  // the first active_count_
    std::size_t active_count_ = 0;
    // What the fills of each trade hold, in the account that filled it first.
    struct Trade {
        std::uint32_t account = 0;
        std::vector<Holding> held;
    };
    std::vector<Trade> trades_;

    WorstLoss worst_loss_;
    std::vector<Holding> holdings_;
    std::vector<OrderTerms> gathered_;
    std::vector<OrderTerms> of_trade_;
    mutable std::atomic_flag lock_ = ATOMIC_FLAG_INIT;
};

// The names of the checks, by number.
[[nodiscard]] const char* check_name(Check check);

}  // namespace optionsib::risk
