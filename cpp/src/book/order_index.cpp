#include "optionsib/book/order_index.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace optionsib::book {

namespace {

constexpr std::size_t kMinimumEntries = 64;
constexpr std::size_t kMinimumCells = 16;
constexpr std::size_t kCellsPerExpectedOrder = 4;
constexpr std::size_t kMostCellsPerOrder = 16;
constexpr std::size_t kLeastShareInTable = 64;
constexpr std::uint8_t kManyAside = 255;  // too many to count: the cell stays marked until the ring grows

}  // namespace

void HashIndex::insert(OrderId id, std::uint32_t slot) {
    std::size_t i = home(id);
    while (entries_[i].slot != kNone) i = (i + 1) & mask_;
    entries_[i] = Entry{id, slot};
    ++size_;
}

void HashIndex::erase(OrderId id) {
    std::size_t hole = home(id);
    while (entries_[hole].id != id || entries_[hole].slot == kNone) hole = (hole + 1) & mask_;
    for (std::size_t i = (hole + 1) & mask_; entries_[i].slot != kNone; i = (i + 1) & mask_) {
        // An entry may move into the hole unless its home lies cyclically after the hole.
        const std::size_t distance_from_home = (i - home(entries_[i].id)) & mask_;
        const std::size_t distance_from_hole = (i - hole) & mask_;
        if (distance_from_home >= distance_from_hole) {
            entries_[hole] = entries_[i];
            hole = i;
        }
    }
    entries_[hole] = Entry{};
    --size_;
}

void HashIndex::grow() {
    HashIndex larger;
    larger.entries_.resize(std::max(kMinimumEntries, 2 * entries_.size()));
    larger.mask_ = larger.entries_.size() - 1;
    larger.shift_ = 64U - static_cast<unsigned>(std::countr_zero(larger.entries_.size()));
    for_each([&larger](OrderId id, std::uint32_t slot) { larger.insert(id, slot); });
    *this = std::move(larger);
}

OrderIndex::OrderIndex(std::size_t expected_orders)
    : ring_(std::max(kMinimumCells, std::bit_ceil(expected_orders * kCellsPerExpectedOrder)), kNone),
      mask_(ring_.size() - 1) {}

void OrderIndex::make_room(OrderId id, const OrderPool& orders) {
    const auto is_tight = [this] {
        const std::size_t orders_after = size_ + 1;
        return ring_.size() < kCellsPerExpectedOrder * orders_after ||
               (table_.size() * kLeastShareInTable >= orders_after &&
                ring_.size() < kMostCellsPerOrder * orders_after);
    };
    while (is_tight()) {
        OrderIndex larger;
        larger.ring_.assign(2 * ring_.size(), kNone);
        larger.mask_ = larger.ring_.size() - 1;
        const auto place = [&](OrderId other, std::uint32_t slot) {
            if (larger.ring_[larger.cell(other)] < kVacant) larger.reserve_aside();
            larger.insert(other, slot);
        };
        for (const std::uint32_t home : ring_) {
            if (home >= kVacant) continue;
            const std::uint32_t slot = home & ~kShared;
            place(orders[slot].id, slot);
        }
        table_.for_each(place);
        *this = std::move(larger);
        if (ring_[cell(id)] >= kVacant) return;
    }
    reserve_aside();
}

void OrderIndex::reserve_aside() {
    aside_.resize(ring_.size());
    table_.reserve_one();
}

void OrderIndex::put_aside(OrderId id, std::uint32_t slot) {
    table_.insert(id, slot);
    std::uint8_t& others = aside_[cell(id)];
    if (others < kManyAside) ++others;
    ring_[cell(id)] |= kShared;
}

void OrderIndex::drop_aside(OrderId id) {
    table_.erase(id);
    std::uint8_t& others = aside_[cell(id)];
    if (others == kManyAside || --others > 0) return;
    std::uint32_t& home = ring_[cell(id)];
    home = home == kVacant ? kNone : home - kShared;
}

}  // namespace optionsib::book
