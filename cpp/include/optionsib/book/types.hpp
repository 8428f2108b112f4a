// Words of the book: sides, statuses, the wire record of a message, and trades.
//
// Prices are signed integer ticks (what a tick is worth belongs to the caller); quantities are positive
// integers up to kMaxQuantity, so that the sum of a level can never overflow.
#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>

namespace optionsib::book {

using OrderId = std::int64_t;
using Price = std::int64_t;
using Quantity = std::int64_t;
using Owner = std::uint32_t;

inline constexpr Quantity kMaxQuantity = std::numeric_limits<std::int32_t>::max();
inline constexpr Price kMaxPrice = Price{1} << 62;

enum class Side : std::int8_t { ask = -1, bid = 1 };

[[nodiscard]] constexpr Side opposite(Side side) {
    return side == Side::bid ? Side::ask : Side::bid;
}

// What became of a message. On anything but `ok` the book is unchanged.
enum class Status : std::uint8_t {
    ok = 0,
    unknown_order = 1,
    duplicate_order = 2,
    bad_quantity = 3,
    bad_price = 4,
    bad_side = 5,
    bad_action = 6,
};

enum class Action : std::uint8_t {
    add = 1,      // book: add; matching engine: submit
    reduce = 2,   // book only: take `quantity` off an order
    cancel = 3,   // remove an order
    replace = 4,  // book only: new id, price and quantity; the new order goes to the back of its queue
    execute = 5,  // book only: `quantity` of the order was traded
    modify = 6,   // matching engine only: new price and remaining quantity
};

// One message of a batch: 40 bytes, little-endian, no padding.
//
//   offset  size  field
//        0     1  action        Action
//        1     1  side          +1 bid, -1 ask (add only)
//        2     2  flags         bit 0: immediate-or-cancel (matching engine, add only)
//        4     4  owner         (add only)
//        8     8  order_id
//       16     8  price
//       24     8  quantity
//       32     8  new_order_id  (replace only)
struct Record {
    std::uint8_t action;
    std::int8_t side;
    std::uint16_t flags;
    std::uint32_t owner;
    std::int64_t order_id;
    std::int64_t price;
    std::int64_t quantity;
    std::int64_t new_order_id;
};
static_assert(sizeof(Record) == 40 && std::is_trivially_copyable_v<Record>);

inline constexpr std::uint16_t kImmediateOrCancel = 1;

// One match, at the price of the maker (the order that was resting): 32 bytes, little-endian, no padding.
struct Trade {
    OrderId maker_id;
    OrderId taker_id;
    Price price;
    Quantity quantity;
};
static_assert(sizeof(Trade) == 32 && std::is_trivially_copyable_v<Trade>);

// An order that rests in the book.
struct RestingOrder {
    OrderId id;
    Side side;
    Price price;
    Quantity quantity;
    Owner owner;
};

}  // namespace optionsib::book
