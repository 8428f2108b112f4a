// Matching over the L3 books of BookCore. Rules in tables: docs/matching.md.
//
// Invariants after every message:
//   1. a book in continuous trading is not crossed: its best bid lies below its best ask;
//   2. quantities are conserved: what an order brought = traded + resting + canceled;
//   3. trades happen at the maker's price, best price first, and at one price by time or pro-rata;
//   4. a message that is answered by `rejected` has changed nothing and traded nothing;
//   5. all legs of a combination trade or none does;
//   6. equal messages give equal reports, byte by byte; nothing here asks a clock.
//
// Order ids are unique over all books of an engine. After warm-up no message allocates.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "optionsib/book/matching_types.hpp"
#include "optionsib/book/order_book.hpp"

namespace optionsib::book {

class MatchingEngine {
  public:
    explicit MatchingEngine(std::size_t expected_orders = 0, std::size_t books = 1);

    struct Progress {
        std::size_t consumed;  // records
        std::size_t written;   // reports
    };

    // Apply records in order and write their reports. Stops after the first message whose reports do not fit
    // into `reports`; the rest of them is kept and comes first in the next call, whose `records` may be
    // empty.
    Progress apply(std::span<const Record> records, std::span<Report> reports);

    // Reports that did not fit.
    [[nodiscard]] std::size_t pending() const { return spill_.size() - spill_read_; }

    // Std::invalid_argument where a value is out of range; self-match prevention and collars hold from the
    // next message on.
    void set_rules(std::uint32_t row, const BookRules& rules);
    [[nodiscard]] const BookRules& rules(std::uint32_t row) const { return books_[row].rules; }

    // Make the empty book of `row` the one of a combination: std::invalid_argument unless 2 to kMaxLegs
    // different plain books with ratios in range.
    void define_combination(std::uint32_t row, std::span<const Leg> legs);

    [[nodiscard]] std::size_t books() const { return books_.size(); }
    [[nodiscard]] Phase phase(std::uint32_t row) const { return books_[row].phase; }
    [[nodiscard]] Indication indication(std::uint32_t row);
    [[nodiscard]] BookView view(std::uint32_t row = 0) const { return {core_, row}; }
    [[nodiscard]] const BookCore& core() const { return core_; }
    [[nodiscard]] std::size_t stop_count() const { return stop_ids_.size(); }
    // Open quantity of an order that is not shown; 0 for any but icebergs.
    [[nodiscard]] Quantity hidden(OrderId id) const;
    [[nodiscard]] bool is_waiting_stop(OrderId id) const { return stop_ids_.find(id) != kNone; }

  private:
    __extension__ using Wide = __int128;

    // What keeps a book off the short way.
    static constexpr std::uint32_t kProRata = 1;
    static constexpr std::uint32_t kPreventsSelfMatch = 2;
    static constexpr std::uint32_t kHasCollar = 4;
    static constexpr std::uint32_t kHasSpecials = 8;  // icebergs or auction-only orders rest
    static constexpr std::uint32_t kHasStops = 16;
    static constexpr std::uint32_t kNotContinuous = 32;
    static constexpr std::uint32_t kCombination = 64;
    static constexpr std::uint32_t kLegOfCombination = 128;

    static constexpr Price kNoTrade = std::numeric_limits<Price>::min();
    static constexpr Price kLowest = std::numeric_limits<Price>::min();
    static constexpr Price kHighest = std::numeric_limits<Price>::max();

    struct Book {
        std::uint32_t flags = 0;
        std::uint32_t specials = 0;
        Price last = kNoTrade;
        Price reference = kNoTrade;
        Price low = kHighest;  // of the trades since stops were elected
        Price high = kLowest;
        std::int64_t auction_end = 0;  // 0: open
        Phase phase = Phase::continuous;
        bool touched = false;
        BookRules rules;
        std::array<std::vector<std::uint32_t>, 2> stops;  // bid (lowest trigger first), ask (highest first)
        std::vector<Leg> legs;
        std::vector<std::uint32_t> combinations;  // rows that have this book as a leg
    };

    // An order on its way through a book.
    struct Taker {
        std::uint32_t row;
        Side side;
        std::uint16_t flags;
        std::uint8_t report_flags;
        OrderId id;
        Price limit;
        Quantity open;
        Quantity display;  // 0: all
        Owner owner;
    };
    struct Stop {
        Taker order;
        Price trigger;
    };
    // Beside the order of the same slot. Not zero only while a special order rests there.
    struct Extra {
        Quantity hidden = 0;
        Quantity display = 0;
        bool auction_only = false;
    };
    // A combination at its legs' best prices.
    struct Implied {
        Quantity units = 0;
        Price net = 0;
        bool own = false;  // an order of the same owner stands in the way
    };

    // --- reports
    void emit(const Report& report) {
        if (next_ != end_) [[likely]] {
            *next_++ = report;
        } else {
            spill_.push_back(report);
        }
    }
    void report(ReportKind kind, const Taker& order, Reason reason, Price price, Quantity quantity,
                Quantity remaining, OrderId other = 0, std::uint8_t flags = 0) {
        emit({static_cast<std::uint8_t>(kind), static_cast<std::int8_t>(order.side),
              static_cast<std::uint8_t>(reason), flags, order.row, order.id, other, price, quantity,
              remaining, message_, now_});
    }
    void reject(const Record& record, Reason reason);

    // --- messages (matching_engine.cpp: the short way; matching_orders.cpp: any)
    void enter_plain(const Taker& taker);
    bool add_plain(const Record& record);
    bool cancel_plain(const Record& record);
    bool modify_plain(const Record& record);
    void dispatch(const Record& record);
    void add(const Record& record);
    void cancel(const Record& record);
    void modify(const Record& record);
    void clear(std::uint32_t row);
    [[nodiscard]] Reason judge(const Record& record, Taker& order) const;
    [[nodiscard]] Reason judge_at_once(const Taker& order, const Record& record) const;
    [[nodiscard]] bool would_trade(const Taker& order) const;
    void settle();

    // --- trading (matching_trading.cpp)
    // Strictly inside: the ends belong to market orders in auctions.
    [[nodiscard]] static bool is_limit_price(Price price) { return price > -kMaxPrice && price < kMaxPrice; }
    [[nodiscard]] static Quantity share(Quantity open, Quantity size, Quantity all) {
        return static_cast<Quantity>(static_cast<Wide>(open) * size / all);
    }
    [[nodiscard]] static bool crosses(Side side, Price taker, Price maker) {
        return side == Side::bid ? taker >= maker : taker <= maker;
    }
    void enter(Taker& taker);
    bool match(Taker& taker);  // false: the taker was canceled
    bool take_first(Taker& taker, std::uint32_t level);
    bool take_pro_rata(Taker& taker, std::uint32_t level, Quantity most);
    bool prevent_self_match(Taker& taker, std::uint32_t slot);
    void trade(Taker& taker, std::uint32_t slot, Quantity quantity, bool remember = true);
    void fill(std::uint32_t row, std::uint32_t slot, Quantity quantity);
    void drop(std::uint32_t row, std::uint32_t slot);  // remove an order with what belongs to it
    void rest(Taker& taker);
    void cancel_rest(Taker& taker, Reason reason);
    void cancel_resting(std::uint32_t row, std::uint32_t slot, Reason reason);
    void note_trade(Book& book, Price price);
    [[nodiscard]] bool beyond_collar(const Book& book, Price last, Price price) const;
    [[nodiscard]] bool can_fill(const Taker& taker, Quantity wanted) const;
    void interrupt(std::uint32_t row);
    [[nodiscard]] const Extra* extra(std::uint32_t slot) const {
        return slot < extras_.size() && (extras_[slot].display != 0 || extras_[slot].auction_only)
                   ? &extras_[slot]
                   : nullptr;
    }
    void set_extra(std::uint32_t row, std::uint32_t slot, const Extra& extra);
    void clear_extra(std::uint32_t row, std::uint32_t slot);
    [[nodiscard]] Quantity total(const Book& book, std::uint32_t slot) const;
    [[nodiscard]] std::uint32_t row_of(std::uint32_t slot) const {
        return core_.levels()[core_.orders()[slot].level].place / 2;
    }
    [[nodiscard]] Taker resting(std::uint32_t slot) const;
    void set_flag(Book& book, std::uint32_t flag, bool on) {
        book.flags = on ? book.flags | flag : book.flags & ~flag;
    }
    void touch(std::uint32_t row);
    // Sum of two quantities >= 0; what is beyond the range stays at its end.
    [[nodiscard]] static Quantity saturated(Quantity a, Quantity b) {
        Quantity sum;
        return __builtin_add_overflow(a, b, &sum) ? std::numeric_limits<Quantity>::max() : sum;
    }

    // --- stops (matching_stops.cpp)
    [[nodiscard]] static bool elected(const Taker& order, Price trigger, Price low, Price high) {
        return order.side == Side::bid ? trigger <= high : trigger >= low;
    }
    void add_stop(const Taker& order, Price trigger);
    void remove_stop(std::uint32_t stop);
    void modify_stop(const Record& record, std::uint32_t stop);
    void run_stops(std::uint32_t row);
    void trigger(Taker& order, Price trigger);

    // --- phases and auctions (matching_auction.cpp)
    void set_phase(const Record& record);
    void change_phase(std::uint32_t row, Phase phase, Reason reason);
    void tell_time(std::uint32_t row);
    void uncross(std::uint32_t row);
    void end_auction_orders(std::uint32_t row);
    void report_indication(std::uint32_t row);

    // --- combinations (matching_combinations.cpp)
    [[nodiscard]] Implied implied(std::uint32_t row, Side side, Owner owner) const;
    bool match_combination(Taker& taker);
    void trade_legs(Taker& taker, Quantity units, Price net);
    void run_combination(std::uint32_t row);
    bool trade_resting(std::uint32_t row, Side side);

    BookCore core_;
    std::vector<Book> books_;
    Report* next_ = nullptr;
    Report* end_ = nullptr;
    std::uint64_t message_ = 0;
    std::int64_t now_ = 0;
    std::vector<Report> spill_;
    std::size_t spill_read_ = 0;
    std::vector<Extra> extras_;
    std::vector<Stop> stops_;
    std::vector<std::uint32_t> free_stops_;
    HashIndex stop_ids_;
    std::vector<std::uint32_t> touched_;
    std::vector<Stop> elected_;
    std::vector<std::uint32_t> leaving_;  // slots
    struct Demand {
        Price price;
        Quantity bid;
        Quantity ask;
    };
    std::vector<Demand> demand_;
};

}  // namespace optionsib::book
