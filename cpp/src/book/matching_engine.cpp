#include "optionsib/book/matching_engine.hpp"

#include <algorithm>

namespace optionsib::book {

namespace {

bool crosses(Side side, Price taker, Price maker) {
    return side == Side::bid ? taker >= maker : taker <= maker;
}

}  // namespace

MatchResult MatchingEngine::submit(OrderId id, Side side, Price price, Quantity quantity, Owner owner,
                                   bool immediate_or_cancel, std::vector<Trade>& trades) {
    if (side != Side::bid && side != Side::ask) return {Status::bad_side, 0, false};
    if (!is_valid_quantity(quantity)) return {Status::bad_quantity, 0, false};
    if (!is_valid_price(price)) return {Status::bad_price, 0, false};
    if (book_.find(id)) return {Status::duplicate_order, 0, false};

    const Side makers = opposite(side);
    Quantity remaining = quantity;
    while (remaining > 0 && book_.level_count(makers) > 0) {
        const RestingOrder maker = book_.front(makers);
        if (!crosses(side, price, maker.price)) break;
        const Quantity traded = std::min(remaining, maker.quantity);
        trades.push_back(Trade{maker.id, id, maker.price, traded});
        book_.fill_front(makers, traded);
        remaining -= traded;
    }
    const bool rests = remaining > 0 && !immediate_or_cancel;
    if (rests) book_.add(id, side, price, remaining, owner);
    return {Status::ok, remaining, rests};
}

MatchResult MatchingEngine::modify(OrderId id, Price price, Quantity quantity, std::vector<Trade>& trades) {
    const auto order = book_.find(id);
    if (!order) return {Status::unknown_order, 0, false};
    if (!is_valid_quantity(quantity)) return {Status::bad_quantity, 0, false};
    if (!is_valid_price(price)) return {Status::bad_price, 0, false};
    if (price == order->price && quantity <= order->quantity) {
        if (quantity < order->quantity) book_.reduce(id, order->quantity - quantity);
        return {Status::ok, quantity, true};
    }
    book_.cancel(id);
    return submit(id, order->side, price, quantity, order->owner, false, trades);
}

Status MatchingEngine::apply(const Record& record, std::vector<Trade>& trades) {
    switch (static_cast<Action>(record.action)) {
        case Action::add:
            return submit(record.order_id, static_cast<Side>(record.side), record.price, record.quantity,
                          record.owner, (record.flags & kImmediateOrCancel) != 0, trades)
                .status;
        case Action::cancel:
            return cancel(record.order_id);
        case Action::modify:
            return modify(record.order_id, record.price, record.quantity, trades).status;
        case Action::reduce:
        case Action::replace:
        case Action::execute:
            break;
    }
    return Status::bad_action;
}

void MatchingEngine::apply_batch(std::span<const Record> records, std::span<std::uint8_t> statuses,
                                 std::vector<Trade>& trades) {
    for (std::size_t i = 0; i < records.size(); ++i) {
        statuses[i] = static_cast<std::uint8_t>(apply(records[i], trades));
    }
}

}  // namespace optionsib::book
