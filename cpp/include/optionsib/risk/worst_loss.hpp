// Worst loss of positions and working orders at expiry, exact in money units (1/1000000).
//
// Terms. Prices are in 1/10000 of the currency, money in 1/1000000. A contract pays at its expiry
//   quantity * multiplier * max(kind * (S - strike), 0)   (kind +1 call, -1 put),
//   quantity * multiplier * S                             (kind 0: stock).
// A fill of one unit of an order moves its legs into the holdings, takes limit * multiplier of cash and
// pays the fee of every contract; whatever is then held pays its fee once more when it is closed. So
//   loss(fills) = sum over expiries of max over S >= 0 of -(payoff) - cash + fees paid + fees to close.
// Each expiry has its own S (a conservative bound across expiries: the minima need not coincide). Stock
// stands with the options when all of them share one expiry, else alone, again on the safe side.
//
// Why kinks are enough: for given fills the payoff is linear between strikes, so the extreme lies at 0, at a
// strike, or in the right tail; and the loss is convex in the fills, so its maximum over all partial fills
// lies where every order is filled completely or not at all.
//
// Why sets of fills need not be looked at: fills are independent, so at one spot (one for each expiry that
// orders join) the worst set is the set of the orders that lose there, and the loss is a sum over orders.
// What is left is the fee of closing, |holding| * fee: linear as long as the holding keeps its sign, so each
// contract that could change it is taken once with either sign (the larger of both is the magnitude).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace optionsib::risk {

__extension__ using Int128 = __int128;

using Money = std::int64_t;

inline constexpr std::uint32_t kNoTrade = 0;

// Stands for "no bound" wherever a worst loss is given as Money.
inline constexpr Money kUnbounded = INT64_MAX;

struct ContractTerms {
    std::int32_t kind;    // +1 call, -1 put, 0 stock
    std::int32_t expiry;  // index of the expiry; stock: ignored
    std::int64_t strike;  // 1/10000
    std::int64_t multiplier;
    Money fee;  // a contract and side
};

struct Leg {
    std::uint32_t contract;
    std::int64_t ratio;  // contracts a unit, negative = sold
};

// `quantity` units may still fill, each at `limit_price` (1/10000 per share of the largest multiplier).
// `trade` numbers the trade that the order opens or closes (kNoTrade: none).
struct OrderTerms {
    std::span<const Leg> legs;
    std::int64_t quantity;
    std::int64_t limit_price;
    std::uint32_t trade = kNoTrade;
    std::uint32_t account = 0;
    std::uint32_t strategy = 0;
    bool opens = false;  // a trade for its own sake
};

struct Holding {
    std::uint32_t contract;
    std::int64_t quantity;
};

// A loss as a function of S never exceeds value + tail * S. Bounded where tail is 0: then value is the worst
// loss itself.
struct Loss {
    Int128 tail = 0;   // money per 1/10000 of S
    Int128 value = 0;  // money

    [[nodiscard]] Money money() const;
    [[nodiscard]] bool operator>(const Loss& other) const {
        return tail > other.tail || (tail == other.tail && value > other.value);
    }
};

// Cash that one unit of the order takes (money, negative = paid).
[[nodiscard]] Int128 unit_cash(const OrderTerms& order, std::span<const ContractTerms> contracts);

// Keeps its buffers between calls: nothing is allocated once they have grown.
class WorstLoss {
  public:
    // Up to this many combinations of fills are looked at one by one: the product of (units + 1) of the
    // orders on connected expiries for `reduces`.
    static constexpr std::size_t kMaxCombinations = 4096;
    // Up to this many combinations of spots (one an expiry that orders join) and signs (two a contract whose
    // holding could change its sign) for `portfolio`.
    static constexpr std::size_t kMaxPoints = 65'536;

    explicit WorstLoss(std::span<const ContractTerms> contracts)
        : contracts_(contracts), places_(contracts.size(), kNowhere) {}

    // Worst loss of one order alone, fees both ways.
    [[nodiscard]] Loss order(const OrderTerms& order);

    // Worst loss over all fills of `orders`, without `cash`: exact, or where there are more than kMaxPoints
    // points and kMaxCombinations sets of fills an upper bound (every order fills exactly where that hurts).
    // Where there is no bound only that is told.
    [[nodiscard]] Loss portfolio(std::span<const Holding> holdings, std::span<const OrderTerms> orders);

    // Whether filling `candidate` raises the worst loss in none of the possible fills (partial ones
    // included) of `orders`. A loss without bound is compared by its growth, then by the worst excess over
    // that growth. Above kMaxCombinations the answer is no, and where the candidate's expiry takes the stock
    // away from its options, or its stock leaves calls of any expiry uncovered.
    [[nodiscard]] bool reduces(std::span<const Holding> holdings, std::span<const OrderTerms> orders,
                               const OrderTerms& candidate);

  private:
    static constexpr std::uint32_t kNowhere = UINT32_MAX;
    struct Group {
        std::int32_t expiry = 0;
        std::vector<std::int64_t> kinks;  // ascending, starts with 0
        std::size_t offset = 0;           // of its points in a profile: the kinks, then the tail
        std::size_t component = 0;
    };
    struct Involved {
        std::uint32_t contract;
        std::size_t group;
    };

    // A profile is: for every group its payoff at the kinks and its tail slope, then the holding of every
    // involved contract, then cash less fees paid. All of it is linear in the fills.
    using Profile = std::vector<Int128>;

    void lay_out(std::span<const Holding> holdings, std::span<const OrderTerms> orders,
                 const OrderTerms* candidate);
    void involve(std::uint32_t contract);
    [[nodiscard]] std::size_t group_of(std::uint32_t contract) const;
    void add_contract(std::uint32_t contract, Int128 quantity, Int128* profile) const;
    void add_order(const OrderTerms& order, Int128 units, Int128* profile) const;
    void add_holdings(std::span<const Holding> holdings);
    void join_components(std::span<const OrderTerms> orders);
    [[nodiscard]] Loss evaluate(const Int128* profile, std::size_t component) const;
    // What all of it gains with the spot beyond every strike, money per 1/10000: all expiries rise together.
    [[nodiscard]] Int128 growth(const Int128* profile) const;
    [[nodiscard]] bool is_no_worse(const Int128* filled, const Int128* unfilled, std::size_t component) const;
    [[nodiscard]] Loss component_worst(std::span<const OrderTerms> orders, std::size_t component);
    [[nodiscard]] Loss component_sets(std::size_t component);
    [[nodiscard]] Loss component_points(std::size_t component);
    // How many points `component_points` would look at; SIZE_MAX where that is more than kMaxPoints.
    [[nodiscard]] std::size_t lay_out_points(std::size_t component);
    [[nodiscard]] Loss component_bound(std::span<const OrderTerms> orders, std::size_t component);

    // Odometer over the fills of members_: `steps_` positions each, one step = one row of `moves_`.
    // Advances current_; false after the last combination.
    bool advance();

    std::span<const ContractTerms> contracts_;
    std::int32_t stock_expiry_ = 0;
    bool splits_ = false;        // the candidate brings another expiry, so stock stands alone that did not
    std::vector<Group> groups_;  // the first group_count_ are in use
    std::size_t group_count_ = 0;
    std::vector<Involved> involved_;
    std::vector<std::uint32_t> places_;  // in involved_, by contract
    std::size_t holdings_offset_ = 0;
    std::size_t cash_offset_ = 0;
    std::size_t size_ = 0;
    Profile base_;
    Profile current_;
    Profile other_;
    Profile moves_;
    std::vector<std::size_t> members_;
    std::vector<std::int64_t> steps_;
    std::vector<std::int64_t> digits_;
    // For the points: the groups of the component, the contracts whose sign is open, the sign of each
    // contract.
    std::vector<std::size_t> joined_;
    std::vector<std::size_t> open_;
    std::vector<int> signs_;
};

}  // namespace optionsib::risk
