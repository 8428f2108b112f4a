// Words of the matching engine: order flags, rules of a book, phases, reasons, and the report record.
#pragma once

#include <cstdint>
#include <type_traits>

#include "optionsib/book/types.hpp"

namespace optionsib::book {

// Flags of an order (Record::flags) beside kImmediateOrCancel. A stop's trigger stands in
// Record::new_order_id; an iceberg's display size, or the minimum quantity, in Record::reserved.
inline constexpr std::uint16_t kFillOrKill = 2;
inline constexpr std::uint16_t kMarket = 4;        // price is not read
inline constexpr std::uint16_t kPostOnly = 8;      // refused where it would trade at once
inline constexpr std::uint16_t kStop = 16;         // with kMarket: stop-market; without: stop-limit
inline constexpr std::uint16_t kIceberg = 32;      // shows `reserved` at a time
inline constexpr std::uint16_t kAuctionOnly = 64;  // taken in auctions only, and canceled at their end
inline constexpr std::uint16_t kMinimum = 128;     // at least `reserved` trades at once, or none
inline constexpr std::uint16_t kOrderFlags = 255;
// Flag of Action::set_phase: `price` is the new reference price.
inline constexpr std::uint16_t kReference = 1;

enum class Phase : std::uint8_t { continuous = 0, auction = 1, halted = 2, closed = 3 };

enum class Allocation : std::uint8_t {
    price_time = 0,
    pro_rata = 1,      // by open size, rounded down; what rounding leaves goes by time
    top_pro_rata = 2,  // the first of the queue is served whole before, the others pro-rata
};

// What happens where an order would meet one of its own owner (owner 0 is nobody).
enum class SelfMatch : std::uint8_t {
    allow = 0,
    cancel_newest = 1,  // what is left of the arriving order
    cancel_oldest = 2,  // the resting order
    cancel_both = 3,
    decrement = 4,  // both lose the smaller quantity; nothing trades
};

struct BookRules {
    Allocation allocation = Allocation::price_time;
    SelfMatch self_match = SelfMatch::allow;
    // Greatest distance in ticks of a trade from the reference price (last auction or told) and from the
    // last trade; 0: none. A trade beyond is not made, an auction of `interruption_length` ns begins.
    Price static_collar = 0;
    Price dynamic_collar = 0;
    std::int64_t interruption_length = 0;
};

struct Leg {
    std::uint32_t row;
    Side side;               // of a bought combination
    std::int64_t ratio = 1;  // 1 to kMaxRatio
};
inline constexpr std::int64_t kMaxRatio = 1'000'000;
inline constexpr std::size_t kMaxLegs = 8;

enum class ReportKind : std::uint8_t {
    accepted = 1,    // order, price, quantity
    rejected = 2,    // order, reason; nothing has changed
    traded = 3,      // order_id takes from other_id
    canceled = 4,    // quantity went out of the order, `remaining` stays
    replaced = 5,    // order, new price and quantity
    triggered = 6,   // a stop became an order
    refreshed = 7,   // an iceberg shows its next slice, at the back of the queue
    phase = 8,       // `reason` of the change, quantity: Phase
    indication = 9,  // price, quantity that would trade, remaining: surplus (+ bid, - ask)
};

// The first ones are the book's statuses with the sign turned.
enum class Reason : std::uint8_t {
    none = 0,
    unknown_order = 1,
    duplicate_order = 2,
    bad_quantity = 3,
    bad_price = 4,
    bad_side = 5,
    bad_action = 6,
    bad_contract = 7,
    bad_flags = 16,     // kinds that exclude each other, or not known
    bad_extra = 17,     // display size or minimum quantity not in 1 to quantity; bad phase number
    wrong_phase = 18,   // not in this phase of the book
    would_trade = 19,   // post-only
    fill_or_kill = 20,  // not enough at once
    minimum = 21,       // likewise
    requested = 32,     // from here on: of cancels and phases
    immediate = 33,     // remainder of an immediate-or-cancel or market order
    self_match = 34,
    auction_ended = 35,
    interrupted = 36,  // volatility interruption
    level_full = 37,   // the level would overflow
    cleared = 38,
    time = 39,  // the auction's time was over
};

// Flags of a report.
inline constexpr std::uint8_t kInAuction = 1;  // traded: bid (order_id) and ask (other_id) met in an auction
inline constexpr std::uint8_t kByLegs = 2;     // traded: a combination by its legs, whose trades follow
inline constexpr std::uint8_t kLegTrade = 4;   // traded: such a leg; order_id is the combination's

// One report: 64 bytes (a cache line), little-endian, no padding. A field that a kind does not name is 0.
//
//   offset  size  field
//        0     1  kind       ReportKind
//        1     1  side       of order_id: +1 bid, -1 ask
//        2     1  reason     Reason
//        3     1  flags
//        4     4  contract   row of the book
//        8     8  order_id   traded: the taker
//       16     8  other_id   traded: the maker
//       24     8  price      ticks
//       32     8  quantity
//       40     8  remaining  open quantity of order_id afterwards
//       48     8  message    number of the message that led to it, counted from 1
//       56     8  timestamp  of that message
struct Report {
    std::uint8_t kind;
    std::int8_t side;
    std::uint8_t reason;
    std::uint8_t flags;
    std::uint32_t contract;
    std::int64_t order_id;
    std::int64_t other_id;
    std::int64_t price;
    std::int64_t quantity;
    std::int64_t remaining;
    std::uint64_t message;
    std::int64_t timestamp;
};
static_assert(sizeof(Report) == 64 && std::is_trivially_copyable_v<Report>);

// Price of an auction as the orders stand; `volume` 0: there is none.
struct Indication {
    Price price;
    Quantity volume;
    Quantity surplus;  // + bid, - ask
};

}  // namespace optionsib::book
