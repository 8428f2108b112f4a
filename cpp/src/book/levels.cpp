#include "optionsib/book/levels.hpp"

#include <algorithm>
#include <stdexcept>

namespace optionsib::book {

namespace {

constexpr std::size_t kLinearSteps = 4;

}  // namespace

Levels::Levels(std::size_t books) : hot_(2 * books), cold_(2 * books), levels_(1) {}

std::size_t Levels::position(const std::vector<Page>& pages, std::int64_t number) {
    // Most of what is asked for stands near the best.
    std::size_t at = pages.size();
    for (std::size_t step = 0; step < kLinearSteps; ++step) {
        if (at == 0 || pages[at - 1].number < number) return at;
        --at;
    }
    const auto end = pages.begin() + static_cast<std::ptrdiff_t>(at);
    const auto found =
        std::lower_bound(pages.begin(), end, number,
                         [](const Page& page, std::int64_t wanted) { return page.number < wanted; });
    return static_cast<std::size_t>(found - pages.begin());
}

std::uint32_t Levels::find_far(std::uint32_t place, std::int64_t number) const {
    const Cold& cold = cold_[place];
    if (!cold.table.empty()) {
        const Page& entry = cold.table[static_cast<std::size_t>(number) & (cold.table.size() - 1)];
        if (entry.number == number) return entry.page;
    }
    const std::size_t at = position(cold.pages, number);
    return at < cold.pages.size() && cold.pages[at].number == number ? cold.pages[at].page : kNone;
}

void Levels::remember(std::uint32_t place, Page page) {
    Hot& hot = hot_[place];
    // A far page does not drive out one of the window. Nor is one of the window that has a price out of
    // range: whoever finds a page there need not ask.
    constexpr std::int64_t kLastPage = kMaxPrice >> kPageBits;
    if (page.number > (hot.best_key >> kPageBits) - static_cast<std::int64_t>(kWindowPages) &&
        page.number > -kLastPage && page.number < kLastPage - 1) {
        const std::size_t entry = static_cast<std::size_t>(page.number) % kWindowPages;
        hot.number[entry] = page.number;
        hot.page[entry] = page.page;
    }
    std::vector<Page>& table = cold_[place].table;
    if (!table.empty()) table[static_cast<std::size_t>(page.number) & (table.size() - 1)] = page;
}

void Levels::reserve_one(std::uint32_t place) {
    Cold& cold = cold_[place];
    const std::size_t pages = cold.pages.size() + 1;
    if (pages > cold.pages.capacity()) cold.pages.reserve(std::max<std::size_t>(2, 2 * pages));
    if (pages > kWindowPages && cold.table.size() < kTableCellsPerPage * pages) {
        std::vector<Page> table(std::bit_ceil(2 * kTableCellsPerPage * pages));
        for (const Page& page : cold.pages) {
            table[static_cast<std::size_t>(page.number) & (table.size() - 1)] = page;
        }
        cold.table.swap(table);
    }
    if (!free_.empty()) return;
    const std::size_t page = used_.size();
    if (page >= kNone >> kPageBits) throw std::length_error("too many price levels");
    if (page == used_.capacity()) used_.reserve(std::max<std::size_t>(4, 2 * page));
    // As many free entries as pages: giving one back never allocates.
    free_.reserve(used_.capacity());
    levels_.resize(levels_.size() + kPageTicks);
    used_.push_back(0);
    free_.push_back(static_cast<std::uint32_t>(page));
}

std::uint32_t Levels::find_far_or_open(std::uint32_t place, std::int64_t number) {
    const std::uint32_t found = find_far(place, number);
    if (found != kNone) {
        remember(place, Page{number, found});
        return found;
    }
    reserve_one(place);
    Cold& cold = cold_[place];
    const Page page{number, free_.back()};
    free_.pop_back();
    cold.pages.insert(cold.pages.begin() + static_cast<std::ptrdiff_t>(position(cold.pages, number)), page);
    remember(place, page);
    return page.page;
}

void Levels::close_page(std::uint32_t place, std::int64_t number, std::uint32_t page) {
    Cold& cold = cold_[place];
    Hot& hot = hot_[place];
    cold.pages.erase(cold.pages.begin() + static_cast<std::ptrdiff_t>(position(cold.pages, number)));
    const std::size_t entry = static_cast<std::size_t>(number) % kWindowPages;
    if (hot.number[entry] == number) hot.number[entry] = kNoKey;
    if (!cold.table.empty()) {
        Page& cell = cold.table[static_cast<std::size_t>(number) & (cold.table.size() - 1)];
        if (cell.number == number) cell = Page{};
    }
    free_.push_back(page);
    if (hot.best >> kPageBits != page) return;
    if (cold.pages.empty()) {
        hot.best = kNone;
        hot.best_key = kNoKey;
        return;
    }
    const Page& next = cold.pages.back();
    const auto offset = static_cast<std::uint32_t>(std::bit_width(used_[next.page])) - 1;
    hot.best = next.page << kPageBits | offset;
    hot.best_key = (next.number << kPageBits) | offset;
}

std::uint32_t Levels::worse(std::uint32_t level) const {
    const std::uint32_t page = level >> kPageBits;
    const std::uint32_t below = used_[page] & ((1U << (level % kPageTicks)) - 1);
    if (below != 0) return page << kPageBits | (static_cast<std::uint32_t>(std::bit_width(below)) - 1);
    const Level& from = (*this)[level];
    const std::vector<Page>& pages = cold_[from.place].pages;
    const std::size_t at = position(pages, flip(from.place, from.price) >> kPageBits);
    if (at == 0) return kNone;
    const std::uint32_t next = pages[at - 1].page;
    return next << kPageBits | (static_cast<std::uint32_t>(std::bit_width(used_[next])) - 1);
}

std::size_t Levels::memory() const {
    std::size_t bytes = hot_.capacity() * sizeof(Hot) + cold_.capacity() * sizeof(Cold) +
                        levels_.capacity() * sizeof(Level) +
                        (used_.capacity() + free_.capacity()) * sizeof(std::uint32_t);
    for (const Cold& cold : cold_) bytes += (cold.pages.capacity() + cold.table.capacity()) * sizeof(Page);
    return bytes;
}

}  // namespace optionsib::book
