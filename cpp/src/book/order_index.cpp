#include "optionsib/book/order_index.hpp"

#include <bit>
#include <utility>

namespace optionsib::book {

namespace {

constexpr std::size_t kSlotsPerOrder = 4;
constexpr std::size_t kMinimumSlots = 64;

}  // namespace

OrderIndex::OrderIndex(std::size_t expected_orders) {
    std::size_t slots = std::bit_ceil(expected_orders * kSlotsPerOrder);
    if (slots < kMinimumSlots) slots = kMinimumSlots;
    entries_.resize(slots);
    mask_ = slots - 1;
    shift_ = 64U - static_cast<unsigned>(std::countr_zero(slots));
}

void OrderIndex::insert(OrderId id, std::uint32_t slot) {
    if ((size_ + 1) * kSlotsPerOrder > entries_.size()) grow();
    std::size_t i = home(id);
    while (entries_[i].slot != kNone) i = (i + 1) & mask_;
    entries_[i] = Entry{id, slot};
    ++size_;
}

void OrderIndex::erase(OrderId id) {
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

void OrderIndex::grow() {
    OrderIndex larger(entries_.size() / kSlotsPerOrder * 2);
    for (const Entry& entry : entries_) {
        if (entry.slot != kNone) larger.insert(entry.id, entry.slot);
    }
    *this = std::move(larger);
}

}  // namespace optionsib::book
