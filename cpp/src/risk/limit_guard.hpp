// What the parts of the limit engine share.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "optionsib/math/simd/inline.hpp"
#include "optionsib/risk/limit_engine.hpp"

namespace optionsib::risk {

inline constexpr double kPriceScale = 10'000.0;
inline constexpr double kMoneyScale = 1'000'000.0;
// Limits are compared by the sign of what is left, so neither they nor what they bound may come near the ends
// of the range: bounds stay within +-kFar.
inline constexpr std::int64_t kFar = std::int64_t{1} << 62;
inline constexpr std::int64_t kNever = -kFar;                       // a limit that everything exceeds
inline constexpr std::int64_t kNeverNs = -(std::int64_t{1} << 61);  // before every window

// One holder at a time; a waiting thread gives its core away soon.
class LimitEngine::Guard {
  public:
    explicit Guard(const LimitEngine& engine) : lock_(engine.lock_) { take(); }
    ~Guard() { lock_.clear(std::memory_order_release); }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    // Lets others in between.
    void yield() {
        lock_.clear(std::memory_order_release);
        take();
    }

  private:
    void take() {
        for (int spins = 0; lock_.test_and_set(std::memory_order_acquire); ++spins) {
            if (spins > 64) std::this_thread::yield();
        }
    }
    std::atomic_flag& lock_;
};

// Two lanes at a time; every target has registers for that.
using Doubles = double __attribute__((vector_size(16)));
using Integers = std::int64_t __attribute__((vector_size(16)));

inline Doubles load(const double* from) {
    Doubles lanes;
    std::memcpy(&lanes, from, sizeof lanes);
    return lanes;
}

inline void store(double* to, Doubles lanes) {
    std::memcpy(to, &lanes, sizeof lanes);
}

// Adds to the lanes where `where` has all bits set.
inline void add_where(double* to, Integers where, Doubles more) {
    store(to, load(to) + reinterpret_cast<Doubles>(reinterpret_cast<Integers>(more) & where));
}

[[nodiscard]] inline bool is_usable(double price) {
    return price > 0.0 && price * kPriceScale < static_cast<double>(kMaxLimitPrice);
}

[[nodiscard]] inline std::int64_t to_price(double currency) {
    return std::llround(currency * kPriceScale);
}

// Cash stays where a loss can be taken from it without leaving the range: more than any account, less than
// any limit.
[[nodiscard]] inline Money as_cash(Int128 cash) {
    constexpr Int128 kMost = Int128{1} << 61;
    return static_cast<Money>(std::clamp(cash, -kMost, kMost));
}

// Whether x % y == 0, neither negative; the narrow division takes a fraction of the time of the wide one.
[[nodiscard]] inline bool divides(std::int64_t y, std::int64_t x) {
    if (((static_cast<std::uint64_t>(x) | static_cast<std::uint64_t>(y)) >> 32) == 0) [[likely]] {
        return static_cast<std::uint32_t>(x) % static_cast<std::uint32_t>(y) == 0;
    }
    return x % y == 0;
}

// Whether x is a multiple of y, by a product instead of a division. With r = floor((2^64 - 1) / y) + 1 and
// x, y below 2^32, the product r x modulo 2^64 is (x mod y) r and something less than r: it stays below r
// just where nothing remains. (y = 1 wraps to r = 0, and everything passes.)
[[nodiscard]] constexpr std::uint64_t reciprocal_of(std::uint32_t y) {
    return UINT64_MAX / std::max<std::uint32_t>(y, 1) + 1;
}
[[nodiscard]] inline bool is_multiple(std::uint64_t reciprocal, std::uint32_t x) {
    return x * reciprocal <= reciprocal - 1;
}

// The hash of an order's terms, leg by leg.
class TermsHash {
  public:
    OPTIONSIB_INLINE TermsHash(std::int64_t quantity, std::int64_t limit_price) {
        hash_ = static_cast<std::uint64_t>(quantity);
        mix(static_cast<std::uint64_t>(limit_price));
    }
    OPTIONSIB_INLINE void add(std::uint32_t contract, std::int64_t ratio) {
        mix((static_cast<std::uint64_t>(ratio) << 32) ^ contract);
    }
    OPTIONSIB_INLINE std::uint64_t value() const { return hash_ ^ (hash_ >> 32); }

  private:
    OPTIONSIB_INLINE void mix(std::uint64_t word) {
        hash_ = (hash_ ^ word) * 0x9E3779B97F4A7C15ULL;
        hash_ ^= hash_ >> 29;
    }
    std::uint64_t hash_;
};

inline std::uint64_t LimitEngine::hash_of(const OrderTerms& order) const {
    TermsHash hash(order.quantity, order.limit_price);
    for (const Leg& leg : order.legs) hash.add(leg.contract, leg.ratio);
    return hash.value();
}

// The slot that has been free longest, under a new handle; there must be one.
inline OrderHandle LimitEngine::claim_slot() {
    const std::uint32_t slot = free_at(free_begin_++);
    std::uint32_t& generation = orders_[slot].generation;
    generation = std::max<std::uint32_t>(generation + 1, 1);
    return (OrderHandle{generation} << 32) | slot;
}

inline void LimitEngine::enlist(std::uint32_t slot) {
    orders_[slot].active_at = static_cast<std::uint32_t>(active_count_);
    active_[active_count_++] = slot;
}

inline void LimitEngine::list_leg(std::uint32_t slot, Instrument& it) {
    WorkingOrder& order = orders_[slot];
    order.last_own = kNoSlot;
    order.next_own = it.first_own;
    if (it.first_own != kNoSlot) orders_[it.first_own].last_own = slot;
    it.first_own = slot;
    std::int64_t& other_side = it.own[order.leg.ratio < 0];
    other_side = std::min(other_side, -order.limit_price - 1);
}

inline bool LimitEngine::has_no_bound(const OrderTerms& order) const {
    const Leg& leg = order.legs.front();
    return leg.ratio < 0 && contracts_[leg.contract].kind >= 0;
}

inline Int128 LimitEngine::unit_loss(const OrderTerms& order) const {
    const Leg& leg = order.legs.front();
    const ContractTerms& terms = contracts_[leg.contract];
    constexpr Int128 kMoneyPerPrice = 100;
    const Int128 most = leg.ratio < 0 ? terms.strike : 0;  // a sold put, at a spot of 0
    return (most + order.limit_price) * kMoneyPerPrice * terms.multiplier + 2 * Int128{terms.fee};
}

// How much more gross position the order may lead to.
inline double LimitEngine::gross_change(const Cell& at, const Leg& leg, std::int64_t quantity) {
    return static_cast<double>(at.gross_with(leg.ratio > 0, std::abs(leg.ratio) * quantity) - at.gross());
}

template <class Visit>
void LimitEngine::for_each_scope(const OrderTerms& order, Visit visit) {
    const std::size_t count = order.legs.size();
    const auto visit_group = [&](auto member, std::size_t first, Scope& scope, Check check) {
        double sums[kLanes] = {};
        for (std::size_t k = first; k < count; ++k) {
            const Leg& leg = order.legs[k];
            const Instrument& it = instruments_[leg.contract];
            if (it.*member != instruments_[order.legs[first].contract].*member) continue;
            const auto scale = static_cast<double>(leg.ratio * order.quantity);
            for (std::size_t j = 0; j < 3; ++j) sums[j] += scale * it.unit[j];
            sums[3] += gross_change(cell(order.account, leg.contract), leg, order.quantity) * it.unit[3];
        }
        visit(scope, check, sums);
    };
    const auto is_first = [&](auto member, std::size_t at) {
        for (std::size_t k = 0; k < at; ++k) {
            if (instruments_[order.legs[k].contract].*member == instruments_[order.legs[at].contract].*member)
                return false;
        }
        return true;
    };
    for (std::size_t i = 0; i < count; ++i) {
        const Instrument& it = instruments_[order.legs[i].contract];
        if (is_first(&Instrument::underlying, i)) {
            visit_group(&Instrument::underlying, i, accounts_[order.account].underlyings[it.underlying],
                        Check::underlying_delta);
        }
        if (is_first(&Instrument::expiry, i)) {
            visit_group(&Instrument::expiry, i, accounts_[order.account].expiries[it.expiry],
                        Check::expiry_delta);
        }
    }
}

}  // namespace optionsib::risk
