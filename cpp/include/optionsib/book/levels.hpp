// The price levels of one or many books, both sides of each.
//
// A *place* is one side of one book: 2 * row for the asks, 2 * row + 1 for the bids. Inside, a price is its
// *key*: the price on the bid side, its bitwise complement on the ask side, so that the best level of every
// place is the one with the greatest key and nothing else asks for the side.
//
// Levels stand in pages of kPageTicks neighbouring keys, one page an array of levels and a mask of those in
// use. A level never moves while it exists, so orders may hold its number. A place finds a page by a
// directory of four entries in the cache line that holds its best level too; this is the window around the
// mid. Pages beyond it stand in an array sorted by key, best last, and, where they are many, in a
// direct-mapped table beside it: a wide price domain takes memory where it has levels and nowhere else.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "optionsib/book/slab.hpp"
#include "optionsib/book/types.hpp"

namespace optionsib::book {

inline constexpr unsigned kPageBits = 5;
inline constexpr std::uint32_t kPageTicks = 1U << kPageBits;

// One price of one place. It is in use while `quantity` > 0; when it is not, all but price and place are as
// they are set here. `head` and `tail` are slots of the order pool, kNone where the level is a total told by
// a feed without orders; `count` is the number of orders.
struct Level {
    Price price = 0;
    Quantity quantity = 0;
    std::uint32_t head = kNone;
    std::uint32_t tail = kNone;
    std::uint32_t count = 0;
    std::uint32_t place = 0;
};
static_assert(sizeof(Level) == 32);

class Levels {
  public:
    static constexpr std::int64_t kNoKey = std::numeric_limits<std::int64_t>::min();

    explicit Levels(std::size_t books);

    [[nodiscard]] static constexpr std::uint32_t place_of(std::uint32_t row, Side side) {
        return 2 * row + (side == Side::bid ? 1U : 0U);
    }
    [[nodiscard]] static constexpr Side side_of(std::uint32_t place) {
        return (place & 1U) != 0 ? Side::bid : Side::ask;
    }
    // Key of a price, and price of a key.
    [[nodiscard]] static constexpr std::int64_t flip(std::uint32_t place, std::int64_t price_or_key) {
        return price_or_key ^ (static_cast<std::int64_t>(place & 1U) - 1);
    }

    [[nodiscard]] std::size_t books() const { return hot_.size() / 2; }

    [[nodiscard]] Level& operator[](std::uint32_t level) { return levels_[std::size_t{level} + 1]; }
    [[nodiscard]] const Level& operator[](std::uint32_t level) const {
        return levels_[std::size_t{level} + 1];
    }
    // 0 for kNone.
    [[nodiscard]] Quantity quantity(std::uint32_t level) const { return levels_[level + 1].quantity; }

    // Best level of a place, kNone if it has none; and its key, kNoKey if it has none.
    [[nodiscard]] std::uint32_t best(std::uint32_t place) const { return hot_[place].best; }
    [[nodiscard]] std::int64_t best_key(std::uint32_t place) const { return hot_[place].best_key; }

    // kNoBid and kNoAsk where there is none.
    [[nodiscard]] Price best_bid(std::uint32_t row) const { return hot_[2 * row + 1].best_key; }
    [[nodiscard]] Price best_ask(std::uint32_t row) const { return ~hot_[2 * row].best_key; }

    // Bring near a level; and what says which levels of a book are best (of any row). They do nothing else.
    void prefetch(std::uint32_t level) const { __builtin_prefetch(levels_.data() + level + 1); }
    void prefetch_ends(std::uint32_t row) const {
        const Hot* const of = hot_.data() + (row < books() ? 2 * std::size_t{row} : 0);
        __builtin_prefetch(of);
        __builtin_prefetch(of + 1);
    }

    // Best of both sides of one book.
    struct Ends {
        Price bid, ask;
        std::uint32_t bid_level, ask_level;
    };
    [[nodiscard]] Ends ends(std::uint32_t row) const {
        const Hot* const of = hot_.data() + 2 * std::size_t{row};
        return {of[1].best_key, ~of[0].best_key, of[1].best, of[0].best};
    }

    // Number of levels in use.
    [[nodiscard]] std::uint32_t count(std::uint32_t place) const { return hot_[place].count; }

    // The level of `key`, in use or not; kNone if it is not in use and has no page.
    [[nodiscard]] std::uint32_t find(std::uint32_t place, std::int64_t key) const {
        const std::int64_t number = key >> kPageBits;
        const Hot& hot = hot_[place];
        const std::size_t entry = static_cast<std::size_t>(number) % kWindowPages;
        std::uint32_t page = hot.page[entry];
        if (hot.number[entry] != number) [[unlikely]]
            page = find_far(place, number);
        return page == kNone ? kNone : level_of(page, key);
    }

    // The level of `key` if its page lies in the window: then `distance` is 0, else `level` means nothing.
    struct Near {
        std::uint32_t level;
        std::uint64_t distance;
    };
    [[nodiscard]] Near find_near(std::uint32_t place, std::int64_t key) const {
        const std::int64_t number = key >> kPageBits;
        const Hot& hot = hot_[place];
        const std::size_t entry = static_cast<std::size_t>(number) % kWindowPages;
        return {level_of(hot.page[entry], key), static_cast<std::uint64_t>(hot.number[entry] ^ number)};
    }

    // The level of `key`, in use or not; opens its page where it has none. The caller must then put something
    // into it and call use(), or use nothing that can fail before.
    [[nodiscard]] std::uint32_t find_or_open(std::uint32_t place, std::int64_t key) {
        const std::int64_t number = key >> kPageBits;
        const Hot& hot = hot_[place];
        const std::size_t entry = static_cast<std::size_t>(number) % kWindowPages;
        std::uint32_t page = hot.page[entry];
        if (hot.number[entry] != number) [[unlikely]]
            page = find_far_or_open(place, number);
        return level_of(page, key);
    }

    // Make sure that the next find_or_open() of `place` cannot fail.
    void reserve_one(std::uint32_t place);

    // Take `level` (not in use until now) into use; the caller adds some quantity.
    void use(std::uint32_t place, std::int64_t key, std::uint32_t level) {
        (*this)[level].price = flip(place, key);
        (*this)[level].place = place;
        used_[level >> kPageBits] |= 1U << (level % kPageTicks);
        Hot& hot = hot_[place];
        ++hot.count;
        if (key > hot.best_key) {
            hot.best_key = key;
            hot.best = level;
        }
    }

    // `level` has become empty: give it back and find the next best.
    void drop(std::uint32_t level) {
        Level& empty = (*this)[level];
        empty.quantity = 0;
        empty.count = 0;
        const std::uint32_t page = level >> kPageBits;
        const std::uint32_t left = used_[page] &= ~(1U << (level % kPageTicks));
        Hot& hot = hot_[empty.place];
        --hot.count;
        if (left == 0) [[unlikely]] {
            close_page(empty.place, flip(empty.place, empty.price) >> kPageBits, page);
        } else if (hot.best == level) {
            // All that is left of the best page lies below the best level.
            const auto offset = static_cast<std::uint32_t>(std::bit_width(left)) - 1;
            hot.best = page << kPageBits | offset;
            hot.best_key = (hot.best_key & ~static_cast<std::int64_t>(kPageTicks - 1)) | offset;
        }
    }

    // The next worse level in use, kNone if there is none.
    [[nodiscard]] std::uint32_t worse(std::uint32_t level) const;

    // Call `each(level)` for the levels of a place, best first, while it answers true.
    template <class Each>
    void for_each(std::uint32_t place, Each each) const {
        const std::vector<Page>& pages = cold_[place].pages;
        for (std::size_t at = pages.size(); at-- > 0;) {
            for (std::uint32_t left = used_[pages[at].page]; left != 0;) {
                const auto offset = static_cast<std::uint32_t>(std::bit_width(left)) - 1;
                left &= ~(1U << offset);
                if (!each(pages[at].page << kPageBits | offset)) return;
            }
        }
    }

    // Bytes held by the levels of all books.
    [[nodiscard]] std::size_t memory() const;

  private:
    static constexpr std::size_t kWindowPages = 4;
    static constexpr std::size_t kTableCellsPerPage = 4;

    struct alignas(64) Hot {
        std::int64_t best_key = kNoKey;
        std::uint32_t best = kNone;
        std::uint32_t count = 0;
        // Page numbers (key >> kPageBits) and their pages, by the low bits of the number. kNoKey is no
        // number.
        std::int64_t number[kWindowPages] = {kNoKey, kNoKey, kNoKey, kNoKey};
        std::uint32_t page[kWindowPages] = {kNone, kNone, kNone, kNone};
    };
    static_assert(sizeof(Hot) == 64);

    struct Page {
        std::int64_t number = kNoKey;
        std::uint32_t page = kNone;
    };
    struct Cold {
        std::vector<Page> pages;  // by number, ascending; every page has a level in use
        std::vector<Page> table;  // direct-mapped, may miss; empty while the window is enough
    };

    [[nodiscard]] static std::uint32_t level_of(std::uint32_t page, std::int64_t key) {
        return page << kPageBits | (static_cast<std::uint32_t>(key) % kPageTicks);
    }

    // First position of the pages whose number is not below `number`.
    [[nodiscard]] static std::size_t position(const std::vector<Page>& pages, std::int64_t number);
    [[nodiscard]] std::uint32_t find_far(std::uint32_t place, std::int64_t number) const;
    [[nodiscard]] std::uint32_t find_far_or_open(std::uint32_t place, std::int64_t number);
    void remember(std::uint32_t place, Page page);
    void close_page(std::uint32_t place, std::int64_t number, std::uint32_t page);

    Slab<Hot> hot_;
    std::vector<Cold> cold_;
    Slab<Level> levels_;               // one that is never in use, then kPageTicks a page
    std::vector<std::uint32_t> used_;  // one mask a page
    std::vector<std::uint32_t> free_;  // pages
};

}  // namespace optionsib::book
