// Order id -> slot of the pool.
//
// A ring of 4-byte slots, one cell an id (the low bits of the id, so that rising ids, as feeds give them,
// share cache lines); the pool's own copy of the id says whether a cell holds the one that is asked for, so a
// cell carries no key. An id whose cell is taken goes to a table with multiplicative hash, at most one slot
// in four used, and its cell is marked: whoever meets a cell without the mark is done. Nothing probes in the
// ring, therefore nothing clusters there, whatever the ids; the worst ids (all in one cell) leave the plain
// hash table.
//
// The ring has at least four cells an order (asked when a cell is taken), and doubles while more than one
// order in 64 stands in the table, up to 16 cells an order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "optionsib/book/order_pool.hpp"
#include "optionsib/book/slab.hpp"
#include "optionsib/book/types.hpp"

namespace optionsib::book {

// Open addressing with multiplicative hash. Removal shifts the cluster back, so there are no tombstones and a
// table in steady state never grows. Empty, it takes no memory.
class HashIndex {
  public:
    // Slot of `id`, or kNone.
    [[nodiscard]] std::uint32_t find(OrderId id) const {
        if (size_ == 0) return kNone;
        for (std::size_t i = home(id);; i = (i + 1) & mask_) {
            const Entry& entry = entries_[i];
            if (entry.slot == kNone || entry.id == id) return entry.slot;
        }
    }

    // Make sure that the next insert() cannot fail.
    void reserve_one() {
        if ((size_ + 1) * kSlotsPerOrder > entries_.size()) grow();
    }
    void insert(OrderId id, std::uint32_t slot);  // `id` must not be there; reserve_one() comes before
    void erase(OrderId id);                       // `id` must be there

    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] std::size_t memory() const { return entries_.capacity() * sizeof(Entry); }

    // Call `each(id, slot)` for all, in no order.
    template <class Each>
    void for_each(Each each) const {
        for (const Entry& entry : entries_) {
            if (entry.slot != kNone) each(entry.id, entry.slot);
        }
    }

  private:
    static constexpr std::size_t kSlotsPerOrder = 4;
    struct Entry {
        OrderId id = 0;
        std::uint32_t slot = kNone;
    };

    [[nodiscard]] std::size_t home(OrderId id) const {
        return static_cast<std::size_t>((static_cast<std::uint64_t>(id) * 0x9E3779B97F4A7C15ULL) >> shift_);
    }
    void grow();

    std::vector<Entry> entries_;
    std::size_t mask_ = 0;
    unsigned shift_ = 64;
    std::size_t size_ = 0;
};

class OrderIndex {
  public:
    explicit OrderIndex(std::size_t expected_orders = 0);

    // Slot of `id` in the pool, or kNone.
    [[nodiscard]] std::uint32_t find(OrderId id, const OrderPool& orders) const {
        const std::uint32_t home = ring_[cell(id)];
        if (home < kShared) [[likely]]
            return orders[home].id == id ? home : kNone;
        if (home == kNone) return kNone;
        if (home != kVacant && orders[home - kShared].id == id) return home - kShared;
        return table_.find(id);
    }

    // Make sure that the next insert() cannot fail.
    void reserve_one(OrderId id, const OrderPool& orders) {
        if (ring_[cell(id)] < kVacant) make_room(id, orders);
    }

    // `id` must not be there; reserve_one(id) comes before.
    void insert(OrderId id, std::uint32_t slot) {
        std::uint32_t& home = ring_[cell(id)];
        if (home == kNone) [[likely]] {
            home = slot;
        } else if (home == kVacant) {
            home = kShared + slot;
        } else {
            put_aside(id, slot);
        }
        ++size_;
    }

    // `id` must be there, at `slot`.
    void erase(OrderId id, std::uint32_t slot) {
        std::uint32_t& home = ring_[cell(id)];
        if (home == slot) [[likely]] {
            home = kNone;
        } else if (home == kShared + slot) {
            home = kVacant;
        } else {
            drop_aside(id);
        }
        --size_;
    }

    // For a caller that sets a cell from kNone to a slot or back by itself: the cell of `id`, which may hold
    // the slot of another id where it is below kShared, and the number of ids to keep in step.
    static constexpr std::uint32_t kShared = 1U << 31;
    [[nodiscard]] std::uint32_t& cell_of(OrderId id) { return ring_[cell(id)]; }
    [[nodiscard]] const std::uint32_t& cell_of(OrderId id) const { return ring_[cell(id)]; }
    void count(std::ptrdiff_t change) { size_ += static_cast<std::size_t>(change); }

    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] std::size_t memory() const {
        return ring_.capacity() * sizeof(std::uint32_t) + aside_.capacity() + table_.memory();
    }

  private:
    [[nodiscard]] std::size_t cell(OrderId id) const { return static_cast<std::size_t>(id) & mask_; }
    void make_room(OrderId id, const OrderPool& orders);
    void reserve_aside();
    void put_aside(OrderId id, std::uint32_t slot);
    void drop_aside(OrderId id);

    // kNone: no id of this cell is known. Below kShared: the slot of the only one. kShared + slot, or kVacant
    // for no slot: there are more in the table.
    static constexpr std::uint32_t kVacant = kNone - 1;
    static_assert(kShared + OrderPool::kMaxOrders <= kVacant);

    Slab<std::uint32_t> ring_;
    std::vector<std::uint8_t> aside_;  // by cell: how many are in the table
    std::size_t mask_;
    std::size_t size_ = 0;
    HashIndex table_;
};

}  // namespace optionsib::book
