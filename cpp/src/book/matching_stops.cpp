// Stop orders: they wait beside the book until a trade reaches their trigger.
#include <algorithm>

#include "optionsib/book/matching_engine.hpp"

namespace optionsib::book {

void MatchingEngine::add_stop(const Taker& order, Price trigger) {
    Book& book = books_[order.row];
    if ((book.flags & kHasStops) == 0) {
        book.low = kHighest;
        book.high = kLowest;
    }
    stop_ids_.reserve_one();
    if (free_stops_.empty()) {
        free_stops_.reserve(stops_.size() + 1);
        stops_.push_back({});
        free_stops_.push_back(static_cast<std::uint32_t>(stops_.size() - 1));
    }
    const bool bid = order.side == Side::bid;
    std::vector<std::uint32_t>& waiting = book.stops[bid ? 0 : 1];
    const auto later = [this, bid](Price wanted, std::uint32_t stop) {
        return bid ? wanted < stops_[stop].trigger : wanted > stops_[stop].trigger;
    };
    // Behind those of the same trigger.
    const auto at = std::upper_bound(waiting.begin(), waiting.end(), trigger, later);
    const std::uint32_t stop = free_stops_.back();
    waiting.insert(at, stop);
    free_stops_.pop_back();
    stops_[stop] = {order, trigger};
    stop_ids_.insert(order.id, stop);
    set_flag(book, kHasStops, true);
}

void MatchingEngine::remove_stop(std::uint32_t stop) {
    const Taker& order = stops_[stop].order;
    Book& book = books_[order.row];
    std::vector<std::uint32_t>& waiting = book.stops[order.side == Side::bid ? 0 : 1];
    waiting.erase(std::find(waiting.begin(), waiting.end(), stop));
    stop_ids_.erase(order.id);
    free_stops_.push_back(stop);
    set_flag(book, kHasStops, !book.stops[0].empty() || !book.stops[1].empty());
}

// New limit and quantity, the trigger stays; less quantity at the same limit keeps the place.
void MatchingEngine::modify_stop(const Record& record, std::uint32_t stop) {
    Stop& waiting = stops_[stop];
    if (record.flags != 0) return reject(record, Reason::bad_flags);
    const bool market = (waiting.order.flags & kMarket) != 0;
    const bool keeps =
        (market || record.price == waiting.order.limit) && record.quantity <= waiting.order.open;
    if (!market) waiting.order.limit = record.price;
    waiting.order.open = record.quantity;
    report(ReportKind::replaced, waiting.order, Reason::none, waiting.order.limit, record.quantity,
           record.quantity);
    if (keeps) return;
    const Stop moved = waiting;
    const Price low = books_[record.contract].low;
    const Price high = books_[record.contract].high;
    remove_stop(stop);
    add_stop(moved.order, moved.trigger);
    books_[record.contract].low = low;
    books_[record.contract].high = high;
}

void MatchingEngine::trigger(Taker& order, Price trigger) {
    report(ReportKind::triggered, order, Reason::none, trigger, order.open, order.open);
    order.flags &= static_cast<std::uint16_t>(~kStop);
    enter(order);
}

// Elect the stops that the trades since the last time have reached: buyers first, lowest trigger first, then
// sellers, highest trigger first, at one trigger by time. All of them leave before the first one trades.
void MatchingEngine::run_stops(std::uint32_t row) {
    Book& book = books_[row];
    if ((book.flags & kHasStops) == 0 || book.phase != Phase::continuous) return;
    const Price low = book.low;
    const Price high = book.high;
    book.low = kHighest;
    book.high = kLowest;
    elected_.clear();
    for (const std::vector<std::uint32_t>& waiting : book.stops) {
        while (!waiting.empty() &&
               elected(stops_[waiting.front()].order, stops_[waiting.front()].trigger, low, high)) {
            elected_.push_back(stops_[waiting.front()]);
            remove_stop(waiting.front());
        }
    }
    for (Stop& stop : elected_) trigger(stop.order, stop.trigger);
}

}  // namespace optionsib::book
