// The order book's kernel under the regression gate: 4096 messages in blocks that leave the same orders
// behind, so that they can be sent again and again.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <random>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "floors.hpp"
#include "optionsib/book/order_book.hpp"

namespace optionsib::benchmarks {

class BookBlocks {
  public:
    static constexpr std::size_t kMessages = 4096, kBlock = 128;

    BookBlocks(std::size_t live, std::uint32_t books) : books_(books), chain_(books), random_(17) {
        std::vector<book::Record> warm_up;
        for (std::size_t id = 0; id < live; ++id) warm_up.push_back(add(static_cast<book::OrderId>(id)));
        send(warm_up);
        auto fresh = static_cast<book::OrderId>(live);
        while (messages_.size() < kMessages) add_block(live, fresh);
        tops_.resize(kMessages);
        send(messages_);  // what must grow has grown
        bits_.resize(kMessages);
        for (unsigned char& bit : bits_) bit = random_() & 1;
        lines_.resize(1024);
        for (std::size_t i = 0; i < lines_.size(); ++i) lines_[i].next = (i + 389) % lines_.size();
    }

    // `size` messages, rounded down to whole blocks.
    void run(std::size_t size) { send(std::span(messages_).first(size / kBlock * kBlock)); }

    // As many missed branches and four times as many dependent loads.
    void floor() {
        sink_ = floors::branch(bits_.data(), bits_.size()) +
                floors::dependent_load(lines_.data(), 4 * kMessages, sink_ % lines_.size());
    }

  private:
    void send(std::span<const book::Record> records) {
        const std::span<book::Top> tops =
            tops_.empty() ? std::span<book::Top>{} : std::span(tops_).first(records.size());
        if (chain_.apply_batch(records, {}, tops).refused != 0) {
            throw std::runtime_error("a message of the book benchmark was refused");
        }
    }

    book::Record blank(book::Action action, book::OrderId id) const {
        book::Record record{};
        record.action = static_cast<std::uint8_t>(action);
        record.contract = static_cast<std::uint32_t>(id) % books_;
        record.order_id = id;
        record.quantity = 1;
        return record;
    }
    book::Record add(book::OrderId id) {
        book::Record record = blank(book::Action::add, id);
        const int side = random_() % 2 == 0 ? 1 : -1;
        record.side = static_cast<std::int8_t>(side);
        record.price = 10'000 - side * static_cast<book::Price>(1 + random_() % 8 * (random_() % 8));
        record.quantity = 10;
        return record;
    }

    // 30 orders leave and come back elsewhere, 30 come and go, 8 of them after a partial fill: in any order.
    void add_block(std::size_t live, book::OrderId& fresh) {
        std::vector<std::pair<std::uint64_t, book::Record>> found;
        std::vector<book::OrderId> standing(live);
        for (std::size_t i = 0; i < live; ++i) standing[i] = static_cast<book::OrderId>(i);
        for (std::size_t i = 0; i < 30; ++i) std::swap(standing[i], standing[i + random_() % (live - i)]);
        const auto put = [&](std::initializer_list<book::Record> records) {
            std::vector<std::uint64_t> places(records.size());
            for (std::uint64_t& place : places) place = random_();
            std::sort(places.begin(), places.end());
            for (std::size_t i = 0; i < places.size(); ++i) found.emplace_back(places[i], records.begin()[i]);
        };
        using book::Action;
        for (std::size_t i = 0; i < 30; ++i) {
            put({blank(Action::cancel, standing[i]), add(standing[i])});
            const book::OrderId id = fresh++;
            if (i < 8) {
                put({add(id), blank(Action::execute, id), blank(Action::cancel, id)});
            } else {
                put({add(id), blank(Action::cancel, id)});
            }
        }
        std::stable_sort(found.begin(), found.end(),
                         [](const auto& a, const auto& b) { return a.first < b.first; });
        for (const auto& [place, record] : found) messages_.push_back(record);
    }

    std::uint32_t books_;
    book::ChainBook chain_;
    std::mt19937_64 random_;
    std::vector<book::Record> messages_;
    std::vector<book::Top> tops_;
    std::vector<unsigned char> bits_;
    std::vector<floors::Line> lines_;
    volatile std::size_t sink_ = 0;
};

}  // namespace optionsib::benchmarks
