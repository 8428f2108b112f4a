#include "optionsib/book/itch.hpp"

#include <algorithm>
#include <cstring>

namespace optionsib::book {
namespace {

constexpr std::array<std::uint8_t, 256> lengths = [] {
    std::array<std::uint8_t, 256> result{};
    struct Entry {
        char type;
        std::uint8_t length;
    };
    constexpr Entry known[] = {
        {'S', 12}, {'R', 39}, {'H', 25}, {'Y', 20}, {'L', 26}, {'V', 35}, {'W', 12}, {'K', 28},
        {'J', 35}, {'h', 21}, {'A', 36}, {'F', 40}, {'E', 31}, {'C', 36}, {'X', 23}, {'D', 19},
        {'U', 35}, {'P', 44}, {'Q', 40}, {'B', 19}, {'I', 50}, {'N', 20}, {'O', 48},
    };
    for (const Entry& entry : known) result[static_cast<std::uint8_t>(entry.type)] = entry.length;
    return result;
}();

constexpr std::size_t locates = 65536;
constexpr Symbol blank = {' ', ' ', ' ', ' ', ' ', ' ', ' ', ' '};

template <int bytes>
std::uint64_t big_endian(const std::uint8_t* at) {
    std::uint64_t value = 0;
    for (int i = 0; i < bytes; ++i) value = value << 8 | at[i];
    return value;
}

std::int64_t number4(const std::uint8_t* at) {
    return static_cast<std::int64_t>(big_endian<4>(at));
}
// A reference above the range of an id turns negative, one to one.
std::int64_t number8(const std::uint8_t* at) {
    return static_cast<std::int64_t>(big_endian<8>(at));
}

std::int8_t side_of(std::uint8_t letter) {
    return letter == 'B' ? std::int8_t{1} : letter == 'S' ? std::int8_t{-1} : std::int8_t{0};
}

// Fill what the type says; false where it says nothing about a queue.
bool translate(const std::uint8_t* at, Record& record) {
    const auto order_id = [at] { return number8(at + 11); };
    switch (at[0]) {
        case 'A':
        case 'F':
            record.action = static_cast<std::uint8_t>(Action::add);
            record.order_id = order_id();
            record.side = side_of(at[19]);
            record.quantity = number4(at + 20);
            record.price = number4(at + 32);
            return true;
        case 'E':
        case 'C':
            record.action = static_cast<std::uint8_t>(Action::execute);
            record.order_id = order_id();
            record.quantity = number4(at + 19);
            return true;
        case 'X':
            record.action = static_cast<std::uint8_t>(Action::reduce);
            record.order_id = order_id();
            record.quantity = number4(at + 19);
            return true;
        case 'D':
            record.action = static_cast<std::uint8_t>(Action::cancel);
            record.order_id = order_id();
            return true;
        case 'U':
            record.action = static_cast<std::uint8_t>(Action::replace);
            record.order_id = order_id();
            record.new_order_id = number8(at + 19);
            record.quantity = number4(at + 27);
            record.price = number4(at + 31);
            return true;
        default:
            return false;
    }
}

}  // namespace

ItchDecoder::ItchDecoder(std::int64_t midnight, std::span<const Symbol> symbols)
    : midnight_(midnight),
      all_(symbols.empty()),
      symbols_(symbols.begin(), symbols.end()),
      rows_(locates, kNone) {
    if (all_) symbols_.assign(locates, blank);
}

std::size_t ItchDecoder::length_of(std::uint8_t type) {
    return lengths[type];
}

void ItchDecoder::learn(const std::uint8_t* directory) {
    Symbol symbol;
    std::memcpy(symbol.data(), directory + 11, symbol.size());
    const auto locate = static_cast<std::uint32_t>(big_endian<2>(directory + 1));
    if (all_) {
        symbols_[locate] = symbol;
        rows_[locate] = locate;
        return;
    }
    const auto found = std::find(symbols_.begin(), symbols_.end(), symbol);
    rows_[locate] = found == symbols_.end() ? kNone : static_cast<std::uint32_t>(found - symbols_.begin());
}

ItchProgress ItchDecoder::decode(std::span<const std::uint8_t> bytes, std::span<Record> records) {
    ItchProgress progress;
    const std::uint8_t* const data = bytes.data();
    while (bytes.size() - progress.consumed >= 3) {
        const std::uint8_t* const at = data + progress.consumed + 2;
        const auto told = static_cast<std::size_t>(big_endian<2>(at - 2));
        const std::size_t own = lengths[at[0]];
        const std::size_t length = told == 0 ? own : told;
        if (length == 0) {
            progress.stuck = true;
            break;
        }
        if (bytes.size() - progress.consumed - 2 < length) break;
        if (length != own) {
            ++progress.damaged;
        } else if (at[0] == 'R') {
            learn(at);
        } else if (const std::uint32_t row = rows_[big_endian<2>(at + 1)]; row != kNone) {
            if (progress.records == records.size()) break;
            Record record{};
            record.contract = row;
            record.timestamp = midnight_ + static_cast<std::int64_t>(big_endian<6>(at + 5));
            if (translate(at, record)) records[progress.records++] = record;
        }
        ++progress.messages;
        progress.consumed += 2 + length;
    }
    return progress;
}

}  // namespace optionsib::book
