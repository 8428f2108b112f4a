// Messages in batches, and the short way of limit orders in books without special rules.
#include "optionsib/book/matching_engine.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace optionsib::book {

namespace {

// A batch brings near what the message this far ahead will touch.
constexpr std::size_t kAhead = 32;  // records
constexpr std::size_t kStage = 8;

}  // namespace

MatchingEngine::MatchingEngine(std::size_t expected_orders, std::size_t books)
    : core_(books, expected_orders), books_(books) {}

void MatchingEngine::set_rules(std::uint32_t row, const BookRules& rules) {
    if (row >= books()) throw std::invalid_argument("no such book: " + std::to_string(row));
    if (rules.allocation > Allocation::top_pro_rata) throw std::invalid_argument("no such allocation");
    if (rules.self_match > SelfMatch::decrement) throw std::invalid_argument("no such self-match rule");
    if (rules.static_collar < 0 || rules.dynamic_collar < 0 || rules.interruption_length < 0) {
        throw std::invalid_argument("collars and the length of an interruption must be >= 0");
    }
    Book& book = books_[row];
    book.rules = rules;
    set_flag(book, kProRata, rules.allocation != Allocation::price_time);
    set_flag(book, kPreventsSelfMatch, rules.self_match != SelfMatch::allow);
    set_flag(book, kHasCollar, rules.static_collar > 0 || rules.dynamic_collar > 0);
}

void MatchingEngine::reject(const Record& record, Reason reason) {
    emit({static_cast<std::uint8_t>(ReportKind::rejected), record.side, static_cast<std::uint8_t>(reason), 0,
          record.contract, record.order_id, 0, 0, 0, 0, message_, now_});
}

// Match a limit order by price and time; what remains rests or goes back.
[[gnu::always_inline]] inline void MatchingEngine::enter_plain(const Taker& taker) {
    const std::uint32_t makers = Levels::place_of(taker.row, opposite(taker.side));
    const std::int64_t limit = Levels::flip(makers, taker.limit);
    Quantity open = taker.open;
    while (core_.levels().best_key(makers) >= limit) {
        const Level& level = core_.levels()[core_.levels().best(makers)];
        const std::uint32_t slot = level.head;
        const Order& maker = core_.orders()[slot];
        const Quantity quantity = std::min(open, maker.quantity);
        open -= quantity;
        books_[taker.row].last = level.price;
        report(ReportKind::traded, taker, Reason::none, level.price, quantity, open, maker.id);
        core_.take(slot, quantity);
        if (open == 0) return;
    }
    if ((taker.flags & kImmediateOrCancel) != 0) {
        report(ReportKind::canceled, taker, Reason::immediate, taker.limit, open, 0);
    } else if (core_.insert(taker.row, taker.id, taker.side, taker.limit, open, taker.owner) != Status::ok)
        [[unlikely]] {
        report(ReportKind::canceled, taker, Reason::level_full, taker.limit, open, 0);
    }
}

[[gnu::always_inline]] inline bool MatchingEngine::add_plain(const Record& record) {
    const bool plain = (record.flags <= kImmediateOrCancel) & ((record.side == 1) | (record.side == -1)) &
                       is_valid_quantity(record.quantity) & is_limit_price(record.price);
    if (!plain || core_.find_shared(0, record.order_id) != kNone) [[unlikely]]
        return false;
    const Taker taker{record.contract, static_cast<Side>(record.side),
                      record.flags,    0,
                      record.order_id, record.price,
                      record.quantity, 0,
                      record.owner};
    report(ReportKind::accepted, taker, Reason::none, record.price, record.quantity, record.quantity);
    enter_plain(taker);
    return true;
}

[[gnu::always_inline]] inline bool MatchingEngine::cancel_plain(const Record& record) {
    const std::uint32_t slot = core_.find_shared(0, record.order_id);
    if (slot == kNone) [[unlikely]]
        return false;
    const Order& order = core_.orders()[slot];
    const Level& level = core_.levels()[order.level];
    if (level.place / 2 != record.contract) [[unlikely]]
        return false;
    emit({static_cast<std::uint8_t>(ReportKind::canceled),
          static_cast<std::int8_t>(Levels::side_of(level.place)),
          static_cast<std::uint8_t>(Reason::requested), 0, record.contract, record.order_id, 0, level.price,
          order.quantity, 0, message_, now_});
    core_.remove(slot);
    return true;
}

[[gnu::always_inline]] inline bool MatchingEngine::modify_plain(const Record& record) {
    const std::uint32_t slot = core_.find_shared(0, record.order_id);
    const bool plain = (slot != kNone) & (record.flags == 0) & is_valid_quantity(record.quantity) &
                       is_limit_price(record.price);
    if (!plain) [[unlikely]]
        return false;
    const Order& order = core_.orders()[slot];
    const Level& level = core_.levels()[order.level];
    if (level.place / 2 != record.contract) [[unlikely]]
        return false;
    const Taker taker{record.contract,
                      Levels::side_of(level.place),
                      0,
                      0,
                      record.order_id,
                      record.price,
                      record.quantity,
                      0,
                      order.owner};
    report(ReportKind::replaced, taker, Reason::none, record.price, record.quantity, record.quantity);
    if (record.price == level.price && record.quantity <= order.quantity) {
        if (record.quantity < order.quantity) core_.take(slot, order.quantity - record.quantity);
        return true;
    }
    core_.remove(slot);
    enter_plain(taker);
    return true;
}

MatchingEngine::Progress MatchingEngine::apply(std::span<const Record> records, std::span<Report> reports) {
    next_ = reports.data();
    end_ = next_ + reports.size();
    const auto written = [&] { return static_cast<std::size_t>(next_ - reports.data()); };
    if (pending() != 0) {
        const std::size_t count = std::min(pending(), reports.size());
        next_ = std::copy_n(spill_.begin() + static_cast<std::ptrdiff_t>(spill_read_), count, next_);
        spill_read_ += count;
        if (pending() != 0) return {0, written()};
        spill_.clear();
        spill_read_ = 0;
    }
    const std::size_t staged = records.size() > 2 * kStage ? records.size() - 2 * kStage : 0;
    const auto count = static_cast<std::uint32_t>(books());
    std::size_t consumed = 0;
    while (consumed < records.size() && spill_.empty()) {
        const Record& record = records[consumed];
        __builtin_prefetch(&record + kAhead);
        if (consumed++ < staged) {
            core_.prefetch_cell(0, (&record)[2 * kStage].order_id);
            core_.prefetch_order(0, (&record)[kStage].order_id);
        }
        ++message_;
        now_ = record.timestamp;
        const bool short_way =
            record.contract < count && stop_ids_.size() == 0 && books_[record.contract].flags == 0;
        if (short_way) [[likely]] {
            if (record.action == static_cast<std::uint8_t>(Action::add)) {
                if (add_plain(record)) [[likely]]
                    continue;
            } else if (record.action == static_cast<std::uint8_t>(Action::cancel)) {
                if (cancel_plain(record)) [[likely]]
                    continue;
            } else if (record.action == static_cast<std::uint8_t>(Action::modify)) {
                if (modify_plain(record)) [[likely]]
                    continue;
            }
        }
        dispatch(record);
    }
    return {consumed, written()};
}

}  // namespace optionsib::book
