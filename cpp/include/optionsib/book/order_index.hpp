// Order id -> slot in the pool: open addressing, multiplicative hash, at most one slot in four used.
//
// The low bits of the id are never the home slot: rising ids would cluster as soon as the window of live
// ids is wider than the table. Removal shifts the cluster back, so there are no tombstones and a table in
// steady state never grows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "optionsib/book/types.hpp"

namespace optionsib::book {

inline constexpr std::uint32_t kNone = 0xFFFFFFFFU;

class OrderIndex {
  public:
    explicit OrderIndex(std::size_t expected_orders);

    // Slot of `id`, or kNone.
    [[nodiscard]] std::uint32_t find(OrderId id) const {
        for (std::size_t i = home(id);; i = (i + 1) & mask_) {
            const Entry& entry = entries_[i];
            if (entry.slot == kNone || entry.id == id) return entry.slot;
        }
    }

    // `id` must not be there.
    void insert(OrderId id, std::uint32_t slot);

    // `id` must be there.
    void erase(OrderId id);

    [[nodiscard]] std::size_t size() const { return size_; }

  private:
    struct Entry {
        OrderId id = 0;
        std::uint32_t slot = kNone;
    };

    [[nodiscard]] std::size_t home(OrderId id) const {
        return static_cast<std::size_t>((static_cast<std::uint64_t>(id) * 0x9E3779B97F4A7C15ULL) >> shift_);
    }
    void grow();

    std::vector<Entry> entries_;
    std::size_t mask_;
    unsigned shift_;
    std::size_t size_ = 0;
};

}  // namespace optionsib::book
