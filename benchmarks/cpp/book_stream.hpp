// Seeded streams of book messages with the answer: best bid and ask after every message, from a book of
// ordered maps that shares nothing with ours but the record.
//
// After a warm-up of adds: 45.1 % add, 41.9 % delete, 3 % partial cancel, 6 % execute (of the first order of
// a best level; 53 % of them in full), 4 % replace, drawn independently, so that the number of live orders
// stays where it is (held within a tenth). Deletes, cancels and replaces take any live order. Prices stand
// geometrically (mean 12 ticks) behind a mid that walks, one in fifty up to 500 ticks away; no add crosses.
// Ids rise by one. With several books every message goes to any of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <random>
#include <utility>
#include <vector>

#include "optionsib/book/types.hpp"

namespace optionsib::benchmarks {

using namespace optionsib::book;

// Folds best bid and ask into one number; the order of messages matters.
constexpr std::uint64_t fold(std::uint64_t hash, Price bid, Price ask) {
    hash = (hash ^ static_cast<std::uint64_t>(bid)) * 0x9E3779B97F4A7C15ULL;
    return (hash ^ static_cast<std::uint64_t>(ask)) * 0xC2B2AE3D27D4EB4FULL;
}

struct Stream {
    std::vector<Record> warm_up, messages;
    std::uint64_t hash = 0;  // of the tops after each of `messages`
    std::size_t live = 0;    // orders at the end
};

class StreamMaker {
  public:
    StreamMaker(std::size_t live, std::size_t books, std::uint64_t seed)
        : live_(live), books_(books), random_(seed) {}

    // The first stream begins with a warm-up; the next ones go on where the last one ended.
    Stream make(std::size_t count) {
        Stream stream;
        stream.warm_up.reserve(live_);
        stream.messages.reserve(count);
        for (std::size_t i = alive_.size(); first_ && i < live_; ++i)
            stream.warm_up.push_back(add(i % books_.size()));
        for (std::size_t i = 0; i < count; ++i) {
            const Record record = next();
            stream.messages.push_back(record);
            const auto [bid, ask] = top(record.contract);
            stream.hash = fold(stream.hash, bid, ask);
        }
        stream.live = alive_.size();
        first_ = false;
        return stream;
    }

  private:
    struct Known {
        std::uint32_t book;
        std::int8_t side;
        Price price;
        Quantity quantity;
        std::size_t at;  // place in alive_
    };
    using Queue = std::map<OrderId, Quantity>;  // ids rise, so this is the order of arrival
    struct Book {
        std::map<Price, Queue, std::greater<>> bids;
        std::map<Price, Queue> asks;
        Price mid = 10'000;
    };

    std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
    double uniform() { return static_cast<double>(random_() >> 11) * 0x1p-53; }

    std::pair<Price, Price> top(std::uint32_t row) const {
        const Book& book = books_[row];
        return {book.bids.empty() ? kNoBid : book.bids.begin()->first,
                book.asks.empty() ? kNoAsk : book.asks.begin()->first};
    }

    Price draw_price(Book& book, int side) {
        if (uniform() < 0.02) book.mid += below(2) == 0 ? 1 : -1;
        std::geometric_distribution<Price> behind(1.0 / 12.0);
        const Price distance = uniform() < 0.02 ? static_cast<Price>(1 + below(500)) : 1 + behind(random_);
        Price price = book.mid - side * distance;
        if (side > 0 && !book.asks.empty() && price >= book.asks.begin()->first) {
            price = book.asks.begin()->first - 1;
        }
        if (side < 0 && !book.bids.empty() && price <= book.bids.begin()->first) {
            price = book.bids.begin()->first + 1;
        }
        return price;
    }

    void put(OrderId id, std::uint32_t row, int side, Price price, Quantity quantity) {
        Book& book = books_[row];
        (side > 0 ? book.bids[price] : book.asks[price]).emplace(id, quantity);
        known_.emplace(id, Known{row, static_cast<std::int8_t>(side), price, quantity, alive_.size()});
        alive_.push_back(id);
    }

    void take(OrderId id, Quantity quantity) {
        Known& order = known_.at(id);
        Book& book = books_[order.book];
        const auto from = [&](auto& side) {
            Queue& queue = side.at(order.price);
            if (quantity < order.quantity) {
                queue.at(id) -= quantity;
                return;
            }
            queue.erase(id);
            if (queue.empty()) side.erase(order.price);
        };
        if (order.side > 0) {
            from(book.bids);
        } else {
            from(book.asks);
        }
        order.quantity -= quantity;
        if (order.quantity > 0) return;
        known_.at(alive_.back()).at = order.at;
        alive_[order.at] = alive_.back();
        alive_.pop_back();
        known_.erase(id);
    }

    Record blank(Action action, std::uint32_t row, OrderId id) {
        Record record{};
        record.action = static_cast<std::uint8_t>(action);
        record.contract = row;
        record.order_id = id;
        return record;
    }

    Record add(std::uint64_t book) {
        const auto row = static_cast<std::uint32_t>(book);
        const int side = below(2) == 0 ? 1 : -1;
        Record record = blank(Action::add, row, next_id_++);
        record.side = static_cast<std::int8_t>(side);
        record.price = draw_price(books_[row], side);
        record.quantity = static_cast<Quantity>(1 + below(100)) * 10;
        put(record.order_id, row, side, record.price, record.quantity);
        return record;
    }

    Record remove() {
        const OrderId id = alive_[below(alive_.size())];
        const Record record = blank(Action::cancel, known_.at(id).book, id);
        take(id, known_.at(id).quantity);
        return record;
    }

    Record reduce() {
        const OrderId id = alive_[below(alive_.size())];
        const Known& order = known_.at(id);
        if (order.quantity < 2) return remove();
        Record record = blank(Action::reduce, order.book, id);
        record.quantity = static_cast<Quantity>(1 + below(static_cast<std::uint64_t>(order.quantity) - 1));
        take(id, record.quantity);
        return record;
    }

    Record execute() {
        const Known& any = known_.at(alive_[below(alive_.size())]);
        const Book& book = books_[any.book];
        const Queue& queue = any.side > 0 ? book.bids.begin()->second : book.asks.begin()->second;
        const auto [id, open] = *queue.begin();
        Record record = blank(Action::execute, any.book, id);
        const bool whole = open < 2 || uniform() < 0.53;
        record.quantity =
            whole ? open : static_cast<Quantity>(1 + below(static_cast<std::uint64_t>(open) - 1));
        take(id, record.quantity);
        return record;
    }

    Record replace() {
        const OrderId id = alive_[below(alive_.size())];
        const Known old = known_.at(id);
        Record record = blank(Action::replace, old.book, id);
        take(id, old.quantity);
        record.new_order_id = next_id_++;
        record.price = draw_price(books_[old.book], old.side);
        record.quantity = static_cast<Quantity>(1 + below(100)) * 10;
        put(record.new_order_id, old.book, old.side, record.price, record.quantity);
        return record;
    }

    Record next() {
        const double draw = uniform();
        const double share = static_cast<double>(alive_.size()) / static_cast<double>(live_);
        if (draw < 0.87) {
            const bool adds = share < 0.9 || (share < 1.1 && draw < 0.451);
            return adds ? add(below(books_.size())) : remove();
        }
        if (draw < 0.90) return reduce();
        return draw < 0.96 ? execute() : replace();
    }

    std::size_t live_;
    std::vector<Book> books_;
    std::mt19937_64 random_;
    std::map<OrderId, Known> known_;
    std::vector<OrderId> alive_;
    OrderId next_id_ = 1;
    bool first_ = true;
};

}  // namespace optionsib::benchmarks
