// Sliding windows of fixed size. Nothing here allocates after construction.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace optionsib::risk {

// The times of the latest events. "At least n within the window" is one look: the n-th latest is inside.
class EventWindow {
  public:
    explicit EventWindow(std::size_t capacity = 1)
        : times_(std::bit_ceil(std::max<std::size_t>(capacity, 1)), kLongAgo), mask_(times_.size() - 1) {}

    void add(std::int64_t time_ns) { times_[added_++ & mask_] = time_ns; }
    // Keeps the latest events that fit.
    void resize(std::size_t capacity) {
        EventWindow other(capacity);
        const std::size_t kept = std::min({added_, times_.size(), other.times_.size()});
        for (std::size_t back = kept; back > 0; --back) other.add(times_[(added_ - back) & mask_]);
        *this = other;
    }
    void clear() {
        std::fill(times_.begin(), times_.end(), kLongAgo);
        added_ = 0;
    }
    // `count` <= capacity. Events at `after` or earlier are outside.
    [[nodiscard]] bool has(std::size_t count, std::int64_t after) const {
        return count == 0 || times_[(added_ - count) & mask_] > after;
    }
    [[nodiscard]] std::size_t count(std::int64_t after) const {
        std::size_t found = 0;
        const std::size_t most = std::min(added_, times_.size());
        while (found < most && times_[(added_ - found - 1) & mask_] > after) ++found;
        return found;
    }

    // Oldest first.
    [[nodiscard]] std::vector<std::int64_t> latest() const {
        std::vector<std::int64_t> times;
        for (std::size_t back = std::min(added_, times_.size()); back > 0; --back)
            times.push_back(times_[(added_ - back) & mask_]);
        return times;
    }

  private:
    static constexpr std::int64_t kLongAgo = std::numeric_limits<std::int64_t>::min();

    std::vector<std::int64_t> times_;  // long ago where there was none yet
    std::size_t mask_;
    std::size_t added_ = 0;
};

// What was filled within the window. When the ring is full the latest amounts share one entry and leave the
// window together: too much is seen, never too little.
class SumWindow {
  public:
    struct Entry {
        std::int64_t time_ns;
        std::int64_t amount;
    };

    std::int64_t add(std::int64_t time_ns, std::int64_t amount, std::int64_t after) {
        while (size_ > 0 && entries_[first_ & (kSize - 1)].time_ns <= after) {
            sum_ -= entries_[first_++ & (kSize - 1)].amount;
            --size_;
        }
        sum_ += amount;
        if (size_ == kSize) {
            entries_[(first_ + size_ - 1) & (kSize - 1)].amount += amount;
            entries_[(first_ + size_ - 1) & (kSize - 1)].time_ns = time_ns;
        } else {
            entries_[(first_ + size_++) & (kSize - 1)] = {time_ns, amount};
        }
        return sum_;
    }
    [[nodiscard]] std::int64_t sum() const { return sum_; }
    void clear() { first_ = size_ = 0, sum_ = 0; }
    // Oldest first.
    [[nodiscard]] std::vector<Entry> entries() const {
        std::vector<Entry> found;
        for (std::size_t i = 0; i < size_; ++i) found.push_back(entries_[(first_ + i) & (kSize - 1)]);
        return found;
    }
    void refill(const std::vector<Entry>& entries) {
        clear();
        for (const Entry& entry : entries) {
            (void)add(entry.time_ns, entry.amount, std::numeric_limits<std::int64_t>::min());
        }
    }

  private:
    static constexpr std::size_t kSize = 256;
    std::vector<Entry> entries_ = std::vector<Entry>(kSize);
    std::size_t first_ = 0;
    std::size_t size_ = 0;
    std::int64_t sum_ = 0;
};

// Which orders were accepted lately, by a 64-bit hash of their terms: chains through a ring, latest first, so
// that a search ends at the first that is too old. Exact over the latest kSize orders.
class RecentOrders {
  public:
    struct Sent {
        std::uint64_t hash;
        std::int64_t time_ns;
    };

    [[nodiscard]] bool has(std::uint64_t hash, std::int64_t after) const {
        // Nearly always the chain is empty or old.
        const Head& head = heads_[hash & (kSize - 1)];
        if (head.time_ns <= after) [[likely]]
            return false;
        std::uint64_t at = head.latest;
        while (at != 0 && added_ - at < kSize) {
            const Entry& entry = entries_[at & (kSize - 1)];
            if (entry.time_ns <= after) return false;
            if (entry.hash == hash) return true;
            at = entry.before;
        }
        return false;
    }
    void add(std::uint64_t hash, std::int64_t time_ns) {
        ++added_;
        Head& head = heads_[hash & (kSize - 1)];
        entries_[added_ & (kSize - 1)] = {hash, time_ns, head.latest};
        head = {added_, time_ns};
    }
    // Oldest first.
    [[nodiscard]] std::vector<Sent> latest() const {
        std::vector<Sent> found;
        for (std::uint64_t back = std::min<std::uint64_t>(added_, kSize); back > 0; --back) {
            const Entry& entry = entries_[(added_ - back + 1) & (kSize - 1)];
            found.push_back({entry.hash, entry.time_ns});
        }
        return found;
    }

  private:
    static constexpr std::size_t kSize = 4096;
    struct Head {
        std::uint64_t latest = 0;
        std::int64_t time_ns = std::numeric_limits<std::int64_t>::min();
    };
    struct Entry {
        std::uint64_t hash;
        std::int64_t time_ns;
        std::uint64_t before;
    };
    std::vector<Entry> entries_ = std::vector<Entry>(kSize);
    std::vector<Head> heads_ = std::vector<Head>(kSize);
    std::uint64_t added_ = 0;
};

}  // namespace optionsib::risk
