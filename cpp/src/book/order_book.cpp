#include "optionsib/book/order_book.hpp"

#include <limits>

namespace optionsib::book {

std::optional<LevelView> BookView::best(Side side) const {
    const std::uint32_t level = core_->levels().best(Levels::place_of(row_, side));
    if (level == kNone) return std::nullopt;
    return core_->view_level(level);
}

std::optional<RestingOrder> BookView::find(OrderId id) const {
    const std::uint32_t slot = core_->find(row_, id);
    if (slot == kNone) return std::nullopt;
    return core_->view(slot);
}

std::optional<Quantity> BookView::quantity_ahead(OrderId id) const {
    const OrderPool& orders = core_->orders();
    const std::uint32_t slot = core_->find(row_, id);
    if (slot == kNone) return std::nullopt;
    Quantity ahead = 0;
    for (std::uint32_t at = orders[slot].previous; at != kNone; at = orders[at].previous) {
        ahead += orders[at].quantity;
    }
    return ahead;
}

std::optional<std::size_t> BookView::orders_ahead(OrderId id) const {
    const OrderPool& orders = core_->orders();
    const std::uint32_t slot = core_->find(row_, id);
    if (slot == kNone) return std::nullopt;
    std::size_t ahead = 0;
    for (std::uint32_t at = orders[slot].previous; at != kNone; at = orders[at].previous) ++ahead;
    return ahead;
}

std::size_t BookView::depth(Side side, std::span<LevelView> out) const {
    std::size_t count = 0;
    if (out.empty()) return count;
    core_->levels().for_each(Levels::place_of(row_, side), [&](std::uint32_t level) {
        out[count++] = core_->view_level(level);
        return count < out.size();
    });
    return count;
}

Quantity BookView::depth_quantity(Side side, std::size_t levels) const {
    Quantity total = 0;
    if (levels == 0) return total;
    core_->levels().for_each(Levels::place_of(row_, side), [&](std::uint32_t level) {
        if (__builtin_add_overflow(total, core_->levels()[level].quantity, &total)) {
            total = std::numeric_limits<Quantity>::max();
            return false;
        }
        return --levels > 0;
    });
    return total;
}

void BookView::append_queue(std::uint32_t level, std::vector<RestingOrder>& orders) const {
    for (std::uint32_t at = core_->levels()[level].head; at != kNone; at = core_->orders()[at].next) {
        orders.push_back(core_->view(at));
    }
}

std::vector<RestingOrder> BookView::queue(Side side, Price price) const {
    std::vector<RestingOrder> orders;
    if (!is_valid_price(price)) return orders;
    const std::uint32_t place = Levels::place_of(row_, side);
    const std::uint32_t level = core_->levels().find(place, Levels::flip(place, price));
    if (level != kNone && core_->levels()[level].quantity != 0) append_queue(level, orders);
    return orders;
}

std::vector<RestingOrder> BookView::orders(Side side) const {
    std::vector<RestingOrder> orders;
    core_->levels().for_each(Levels::place_of(row_, side), [&](std::uint32_t level) {
        append_queue(level, orders);
        return true;
    });
    return orders;
}

}  // namespace optionsib::book
