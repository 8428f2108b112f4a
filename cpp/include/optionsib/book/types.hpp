// Words of the book: sides, statuses, the wire record of a message, top of book, and trades.
//
// Prices are signed integer ticks (what a tick is worth belongs to the caller; combo prices may be negative);
// quantities are positive integers up to kMaxQuantity, exact in a double.
#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>

namespace optionsib::book {

using OrderId = std::int64_t;
using Price = std::int64_t;
using Quantity = std::int64_t;
using Owner = std::uint32_t;

inline constexpr std::uint32_t kNone = 0xFFFFFFFFU;  // no slot, no level, no page

inline constexpr Quantity kMaxQuantity = (Quantity{1} << 53) - 1;
inline constexpr Quantity kMaxLevelQuantity = Quantity{1} << 62;  // of all orders of a level together
inline constexpr Price kMaxPrice = Price{1} << 62;

// What an empty side shows as its best price.
inline constexpr Price kNoBid = std::numeric_limits<Price>::min();
inline constexpr Price kNoAsk = std::numeric_limits<Price>::max();

enum class Side : std::int8_t { ask = -1, bid = 1 };

[[nodiscard]] constexpr Side opposite(Side side) {
    return side == Side::bid ? Side::ask : Side::bid;
}

// What became of a message. Below zero: refused, nothing has changed. Zero and above: applied; above zero it
// left the book in a state that a consumer should know of.
enum class Status : std::int8_t {
    ok = 0,
    crossed = 1,  // applied; the best bid now stands above the best ask
    locked = 2,   // applied; the best bid now equals the best ask

    unknown_order = -1,
    duplicate_order = -2,
    bad_quantity = -3,  // not in 1 to kMaxQuantity, more than the order has, or the level would overflow
    bad_price = -4,
    bad_side = -5,
    bad_action = -6,
    bad_contract = -7,    // no such book, or the order rests in another one
    gap = -8,             // messages before this one are missing; refused until they came or a clear
    stale_sequence = -9,  // this number was applied already
    mixed_level = -10,    // orders and level totals do not mix at one price of one side
};

[[nodiscard]] constexpr bool applied(Status status) {
    return static_cast<std::int8_t>(status) >= 0;
}

enum class Action : std::uint8_t {
    add = 1,         // book: add; matching engine: submit
    reduce = 2,      // book only: take `quantity` off an order, which keeps its place
    cancel = 3,      // remove an order
    replace = 4,     // book only: new id, price and quantity; the new order goes to the back of its queue
    execute = 5,     // book only: `quantity` of the order was traded
    modify = 6,      // matching engine only: new price and remaining quantity
    set_level = 7,   // book only: the level has `quantity` (0: is gone) in `owner` orders (0: not told)
    clear = 8,       // empty the book; a numbered clear starts a book's numbering anew
    set_phase = 9,   // matching engine only: `quantity` is the Phase, `new_order_id` the end of an auction
    tell_time = 10,  // matching engine only: nothing but the timestamp
};

// One message: 64 bytes (a cache line), little-endian, no padding. Fields that an action does not name are
// ignored.
//
//   offset  size  field
//        0     1  action        Action
//        1     1  side          +1 bid, -1 ask (add, set_level)
//        2     2  flags         matching engine
//        4     4  contract      row of the book in a chain; ignored by a single book
//        8     8  order_id
//       16     8  price         ticks (add, replace, modify, set_level)
//       24     8  quantity
//       32     8  new_order_id  (replace)
//       40     8  sequence      number of the message in its feed, 0: not numbered
//       48     8  timestamp     ns since the epoch; carried, not read
//       56     4  owner         (add); number of orders (set_level)
//       60     4  reserved      0
struct Record {
    std::uint8_t action;
    std::int8_t side;
    std::uint16_t flags;
    std::uint32_t contract;
    std::int64_t order_id;
    std::int64_t price;
    std::int64_t quantity;
    std::int64_t new_order_id;
    std::uint64_t sequence;
    std::int64_t timestamp;
    std::uint32_t owner;
    std::uint32_t reserved;
};
static_assert(sizeof(Record) == 64 && std::is_trivially_copyable_v<Record>);

inline constexpr std::uint16_t kImmediateOrCancel = 1;

// Top of a book: 32 bytes, little-endian, no padding. An empty side shows kNoBid or kNoAsk and quantity 0.
struct Top {
    Price bid_price;
    Price ask_price;
    Quantity bid_quantity;
    Quantity ask_quantity;
};
static_assert(sizeof(Top) == 32 && std::is_trivially_copyable_v<Top>);

// One match, at the price of the maker (the order that was resting): 32 bytes, little-endian, no padding.
struct Trade {
    OrderId maker_id;
    OrderId taker_id;
    Price price;
    Quantity quantity;
};
static_assert(sizeof(Trade) == 32 && std::is_trivially_copyable_v<Trade>);

// An order that rests in a book, as a reader sees it.
struct RestingOrder {
    OrderId id;
    Side side;
    Price price;
    Quantity quantity;
    Owner owner;
};

// A level as a reader sees it; `order_count` is 0 where a feed of totals did not tell it.
struct LevelView {
    Price price;
    Quantity quantity;
    std::uint32_t order_count;
};

// Whether a quantity or price may enter a book.
[[nodiscard]] constexpr bool is_valid_quantity(Quantity quantity) {
    return quantity > 0 && quantity <= kMaxQuantity;
}
[[nodiscard]] constexpr bool is_valid_price(Price price) {
    return price >= -kMaxPrice && price <= kMaxPrice;
}
[[nodiscard]] constexpr bool is_valid_side(Side side) {
    return side == Side::bid || side == Side::ask;
}

}  // namespace optionsib::book
