// The orders of one or many books in one array of 32-byte slots, two a cache line. Free slots form a stack:
// the slot that is taken is the one that was touched last.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "optionsib/book/slab.hpp"
#include "optionsib/book/types.hpp"

namespace optionsib::book {

// `previous` and `next` are slots of the queue of `level` (LevelPool), kNone at its ends.
struct Order {
    OrderId id;
    Quantity quantity;
    std::uint32_t previous;
    std::uint32_t next;
    std::uint32_t level;
    Owner owner;
};
static_assert(sizeof(Order) == 32);

class OrderPool {
  public:
    static constexpr std::size_t kMaxOrders = (std::size_t{1} << 31) - 2;

    explicit OrderPool(std::size_t expected_orders) {
        orders_.reserve(expected_orders);
        free_.reserve(expected_orders);
    }

    [[nodiscard]] Order& operator[](std::uint32_t slot) { return orders_[slot]; }
    [[nodiscard]] const Order& operator[](std::uint32_t slot) const { return orders_[slot]; }

    // Make sure that the next take() cannot fail.
    void reserve_one() {
        if (free_count_ == 0) grow();
    }

    // A slot with unspecified contents; reserve_one() comes before.
    [[nodiscard]] std::uint32_t take() { return free_[--free_count_]; }
    void give_back(std::uint32_t slot) { free_[free_count_++] = slot; }
    // The same without a branch, where `gone` has all bits set; nothing where it is 0 and `slot` is in use.
    void give_back_if(std::uint32_t gone, std::uint32_t slot) {
        free_[free_count_] = slot;
        free_count_ += gone & 1U;
    }

    // Where a slot stands, as a number: `slot` may be kNone, then it stands nowhere.
    [[nodiscard]] std::uintptr_t address(std::uint32_t slot) const {
        return reinterpret_cast<std::uintptr_t>(orders_.data()) + slot * sizeof(Order);
    }

    // Bring a slot near. Does nothing else.
    void prefetch(std::uint32_t slot) const { __builtin_prefetch(orders_.data() + slot); }

    [[nodiscard]] bool has_free() const { return free_count_ != 0; }
    [[nodiscard]] std::size_t size() const { return orders_.size() - free_count_; }  // in use
    [[nodiscard]] std::size_t memory() const {
        return orders_.capacity() * sizeof(Order) + free_.capacity() * sizeof(std::uint32_t);
    }

  private:
    void grow() {
        if (orders_.size() >= kMaxOrders) throw std::length_error("a pool holds at most 2**31 - 2 orders");
        const auto slot = static_cast<std::uint32_t>(orders_.size());
        // As many entries as slots: giving one back never allocates.
        free_.resize(orders_.size() + 1);
        orders_.push_back({});
        give_back(slot);
    }

    Slab<Order> orders_;
    std::vector<std::uint32_t> free_;
    std::size_t free_count_ = 0;
};

}  // namespace optionsib::book
