"""The matching rules once more, in plain Python: lists that are searched, nothing kept up to date.

Written from docs/matching.md, not from the native engine. Orders are objects in one list by arrival at their
place in the queue; every question is answered by looking at all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from optionsib.book import (
    MAX_PRICE,
    MAX_QUANTITY,
    Action,
    Allocation,
    OrderFlag,
    Phase,
    Reason,
    ReportFlag,
    ReportKind,
    SelfMatch,
)

Message = dict[str, int]
AT_ONCE = OrderFlag.IMMEDIATE_OR_CANCEL | OrderFlag.FILL_OR_KILL | OrderFlag.POST_ONLY | OrderFlag.MINIMUM


@dataclass(eq=False)
class Order:
    order_id: int
    contract: int
    side: int
    price: int
    open: int
    owner: int
    flags: int
    display: int = 0
    shown: int = 0
    trigger: int = 0

    @property
    def auction_only(self) -> bool:
        return bool(self.flags & OrderFlag.AUCTION_ONLY)


@dataclass
class Book:
    allocation: int = Allocation.PRICE_TIME
    self_match: int = SelfMatch.ALLOW
    static_collar: int = 0
    dynamic_collar: int = 0
    interruption_length: int = 0
    phase: int = Phase.CONTINUOUS
    last: int | None = None
    reference: int | None = None
    end: int = 0
    prints: list[int] = field(default_factory=list)  # prices that stops have not looked at
    legs: list[tuple[int, int, int]] = field(default_factory=list)


class ReferenceEngine:
    def __init__(self, books: int) -> None:
        self.books = [Book() for _ in range(books)]
        self.orders: list[Order] = []  # in queue order within a price
        self.stops: list[Order] = []
        self.log: list[tuple[int, ...]] = []
        self.touched: list[int] = []
        self.message = self.now = 0

    # --- views

    def side(self, contract: int, side: int) -> list[Order]:
        mine = [o for o in self.orders if o.contract == contract and o.side == side]
        return sorted(mine, key=lambda o: -side * o.price)

    def best(self, contract: int, side: int) -> Order | None:
        return next(iter(self.side(contract, side)), None)

    def find(self, order_id: int) -> Order | None:
        return next((o for o in [*self.orders, *self.stops] if o.order_id == order_id), None)

    # --- reports

    def tell(self, kind: int, order: Order, reason: int, price: int, quantity: int, remaining: int,
             other: int = 0, flags: int = 0) -> None:  # fmt: skip
        self.log.append((kind, order.side, reason, flags, order.contract, order.order_id, other, price,
                         quantity, remaining, self.message, self.now))  # fmt: skip

    def tell_book(self, kind: int, contract: int, reason: int, price: int, quantity: int, rest: int) -> None:
        self.log.append((kind, 0, reason, 0, contract, 0, 0, price, quantity, rest, self.message, self.now))

    def reject(self, m: Message, reason: int) -> None:
        self.log.append((ReportKind.REJECTED, m["side"], reason, 0, m["contract"], m["order_id"], 0, 0, 0, 0,
                         self.message, self.now))  # fmt: skip

    # --- messages

    def apply(self, m: Message) -> None:
        self.message += 1
        self.now = m["timestamp"]
        if not 0 <= m["contract"] < len(self.books):
            return self.reject(m, Reason.BAD_CONTRACT)
        book = self.books[m["contract"]]
        if book.end and self.now >= book.end:
            self.change_phase(m["contract"], Phase.CONTINUOUS, Reason.TIME)
            self.settle()
        match m["action"]:
            case Action.ADD:
                self.add(m)
            case Action.CANCEL:
                self.cancel(m)
            case Action.MODIFY:
                self.modify(m)
            case Action.CLEAR:
                self.clear(m["contract"])
            case Action.SET_PHASE:
                self.set_phase(m)
            case Action.TELL_TIME:
                if book.phase == Phase.AUCTION:
                    self.tell_indication(m["contract"])
            case _:
                self.reject(m, Reason.BAD_ACTION)
        self.settle()
        return None

    def judge(self, m: Message) -> int:
        book, flags = self.books[m["contract"]], m["flags"]
        if m["side"] not in (1, -1):
            return Reason.BAD_SIDE
        if not 0 < m["quantity"] <= MAX_QUANTITY:
            return Reason.BAD_QUANTITY
        if not flags & OrderFlag.MARKET and not -MAX_PRICE < m["price"] < MAX_PRICE:
            return Reason.BAD_PRICE
        if not kinds_allowed(flags, bool(book.legs)):
            return Reason.BAD_FLAGS
        if flags & OrderFlag.STOP and not -MAX_PRICE < m["stop"] < MAX_PRICE:
            return Reason.BAD_PRICE
        if flags & (OrderFlag.ICEBERG | OrderFlag.MINIMUM) and not 1 <= m["extra"] <= m["quantity"]:
            return Reason.BAD_EXTRA
        if self.find(m["order_id"]):
            return Reason.DUPLICATE_ORDER
        if book.phase == Phase.CONTINUOUS and not flags & OrderFlag.AUCTION_ONLY:
            return Reason.NONE
        if book.phase == Phase.AUCTION and (flags & OrderFlag.STOP or not flags & AT_ONCE):
            return Reason.NONE
        return Reason.WRONG_PHASE

    def add(self, m: Message) -> None:
        reason = self.judge(m)
        if reason != Reason.NONE:
            return self.reject(m, reason)
        flags = m["flags"]
        price = m["side"] * MAX_PRICE if flags & OrderFlag.MARKET else m["price"]
        order = Order(m["order_id"], m["contract"], m["side"], price, m["quantity"], m["owner"], flags)
        if flags & OrderFlag.ICEBERG:
            order.display = m["extra"]
        if flags & OrderFlag.POST_ONLY and self.would_trade(order):
            return self.reject(m, Reason.WOULD_TRADE)
        if flags & OrderFlag.FILL_OR_KILL and self.available(order) < order.open:
            return self.reject(m, Reason.FILL_OR_KILL)
        if flags & OrderFlag.MINIMUM and self.available(order) < m["extra"]:
            return self.reject(m, Reason.MINIMUM)
        self.tell(ReportKind.ACCEPTED, order, 0, order.price, order.open, order.open)
        if not flags & OrderFlag.STOP:
            return self.enter(order)
        order.trigger = m["stop"]
        book = self.books[order.contract]
        if book.phase == Phase.CONTINUOUS and book.last is not None and reached(order, [book.last]):
            return self.activate(order)
        if not any(o.contract == order.contract for o in self.stops):
            book.prints = []
        self.stops.append(order)
        return None

    def cancel(self, m: Message) -> None:
        order = self.find(m["order_id"])
        if order is None:
            return self.reject(m, Reason.UNKNOWN_ORDER)
        if order.contract != m["contract"]:
            return self.reject(m, Reason.BAD_CONTRACT)
        if order in self.stops:
            self.stops.remove(order)
            return self.tell(ReportKind.CANCELED, order, Reason.REQUESTED, order.price, order.open, 0)
        return self.take_out(order, Reason.REQUESTED)

    def modify(self, m: Message) -> None:
        order = self.find(m["order_id"])
        if order is None:
            return self.reject(m, Reason.UNKNOWN_ORDER)
        if order.contract != m["contract"]:
            return self.reject(m, Reason.BAD_CONTRACT)
        if not 0 < m["quantity"] <= MAX_QUANTITY:
            return self.reject(m, Reason.BAD_QUANTITY)
        if not -MAX_PRICE < m["price"] < MAX_PRICE:
            return self.reject(m, Reason.BAD_PRICE)
        post_only, book = m["flags"] == OrderFlag.POST_ONLY, self.books[order.contract]
        if m["flags"] and not post_only:
            return self.reject(m, Reason.BAD_FLAGS)
        if book.phase in (Phase.HALTED, Phase.CLOSED):
            return self.reject(m, Reason.WRONG_PHASE)
        if order in self.stops:
            return self.modify_stop(order, m)
        keeps = m["price"] == order.price and m["quantity"] <= order.open
        wanted = Order(order.order_id, order.contract, order.side, m["price"], m["quantity"], order.owner,
                       order.flags & OrderFlag.AUCTION_ONLY, order.display)  # fmt: skip
        if post_only and not keeps:
            if book.phase == Phase.AUCTION:
                return self.reject(m, Reason.WRONG_PHASE)
            if self.would_trade(wanted):
                return self.reject(m, Reason.WOULD_TRADE)
        self.tell(ReportKind.REPLACED, wanted, 0, m["price"], m["quantity"], m["quantity"])
        if keeps:
            order.open = m["quantity"]
            order.shown = min(order.shown, order.open)
            return None
        self.orders.remove(order)
        return self.enter(wanted)

    def modify_stop(self, order: Order, m: Message) -> None:
        if m["flags"]:
            return self.reject(m, Reason.BAD_FLAGS)
        market = order.flags & OrderFlag.MARKET
        keeps = (market or m["price"] == order.price) and m["quantity"] <= order.open
        order.price = order.price if market else m["price"]
        order.open = m["quantity"]
        self.tell(ReportKind.REPLACED, order, 0, order.price, order.open, order.open)
        if not keeps:
            self.stops.remove(order)
            self.stops.append(order)
        return None

    def clear(self, contract: int) -> None:
        for order in [*self.side(contract, 1), *self.side(contract, -1)]:
            self.take_out(order, Reason.CLEARED)
        for order in self.waiting(contract):
            self.tell(ReportKind.CANCELED, order, Reason.CLEARED, order.price, order.open, 0)
            self.stops.remove(order)

    def waiting(self, contract: int) -> list[Order]:
        mine = [o for o in self.stops if o.contract == contract]
        return sorted(mine, key=lambda o: (-o.side, o.side * o.trigger))

    def settle(self) -> None:
        while self.touched:
            contract = self.touched.pop(0)
            self.run_stops(contract)
            if self.books[contract].legs:
                self.run_combination(contract)
            for row, book in enumerate(self.books):
                if any(leg[0] == contract for leg in book.legs):
                    self.run_combination(row)

    def touch(self, contract: int) -> None:
        concerns = (
            any(o.contract == contract for o in self.stops)
            or self.books[contract].legs
            or any(leg[0] == contract for book in self.books for leg in book.legs)
        )
        if concerns and contract not in self.touched:
            self.touched.append(contract)

    # --- trading

    def enter(self, order: Order) -> None:
        book = self.books[order.contract]
        if book.phase == Phase.CONTINUOUS:
            self.match(order)
            if order.open == 0:
                return
        fleeting = order.flags & OrderFlag.IMMEDIATE_OR_CANCEL
        market = order.flags & OrderFlag.MARKET
        if book.phase == Phase.AUCTION and fleeting:
            return self.give_back(order, Reason.INTERRUPTED)
        if book.phase in (Phase.HALTED, Phase.CLOSED):
            return self.give_back(order, Reason.WRONG_PHASE)
        if book.phase == Phase.CONTINUOUS and (fleeting or market):
            return self.give_back(order, Reason.IMMEDIATE)
        if market:
            order.flags |= OrderFlag.AUCTION_ONLY
        self.rest(order)
        return None

    def match(self, order: Order) -> None:
        book = self.books[order.contract]
        while order.open:
            maker = self.best(order.contract, -order.side)
            by_own = maker is not None and order.side * (order.price - maker.price) >= 0
            if book.legs:
                units, net, _ = self.implied(order.contract, order.side, order.owner)
                by_legs = units > 0 and order.side * (order.price - net) >= 0
                if by_legs and not (by_own and maker and order.side * (net - maker.price) >= 0):
                    self.trade_legs(order, min(units, order.open), net)
                    continue
            if not by_own or maker is None:
                return
            if self.beyond(book, book.last, maker.price):
                self.change_phase(order.contract, Phase.AUCTION, Reason.INTERRUPTED)
                if book.interruption_length:
                    book.end = self.now + book.interruption_length
                return
            level = [o for o in self.side(order.contract, -order.side) if o.price == maker.price]
            if book.allocation == Allocation.PRICE_TIME:
                own = [maker] if self.same(book, order, maker) else []
            else:
                own = [o for o in level if self.same(book, order, o)]
            if own:
                self.prevent(book, order, own[0])
            elif book.allocation == Allocation.PRICE_TIME:
                self.trade(order, maker, min(order.open, maker.shown))
            else:
                self.share(book, order, level)

    def share(self, book: Book, order: Order, level: list[Order], flags: int = 0) -> None:
        quantity = min(order.open, sum(o.shown for o in level))
        parts = [0] * len(level)
        start = 0
        if book.allocation == Allocation.TOP_PRO_RATA:
            parts[0], start = min(quantity, level[0].shown), 1
        rest = quantity - sum(parts)
        sizes = sum(o.shown for o in level[start:])
        for i in range(start, len(level)):
            parts[i] = rest * level[i].shown // sizes
        over = quantity - sum(parts)
        for i in range(start, len(level)):
            more = min(over, level[i].shown - parts[i])
            parts[i] += more
            over -= more
        for maker, part in zip(level, parts, strict=True):
            if part:
                self.trade(order, maker, part, flags)

    @staticmethod
    def same(book: Book, order: Order, maker: Order) -> bool:
        return book.self_match != SelfMatch.ALLOW and order.owner == maker.owner != 0

    def prevent(self, book: Book, order: Order, maker: Order) -> None:
        if book.self_match == SelfMatch.DECREMENT:
            quantity = min(order.open, maker.shown)
            self.tell(
                ReportKind.CANCELED, maker, Reason.SELF_MATCH, maker.price, quantity, maker.open - quantity
            )
            self.fill(maker, quantity)
            order.open -= quantity
            self.tell(ReportKind.CANCELED, order, Reason.SELF_MATCH, order.price, quantity, order.open)
            return
        if book.self_match != SelfMatch.CANCEL_NEWEST:
            self.take_out(maker, Reason.SELF_MATCH)
        if book.self_match != SelfMatch.CANCEL_OLDEST:
            self.give_back(order, Reason.SELF_MATCH)

    def trade(self, order: Order, maker: Order, quantity: int, flags: int = 0) -> None:
        book = self.books[order.contract]
        order.open -= quantity
        self.tell(ReportKind.TRADED, order, 0, maker.price, quantity, order.open, maker.order_id, flags)
        book.last = maker.price
        book.prints.append(maker.price)
        self.touch(order.contract)
        self.fill(maker, quantity)

    def fill(self, maker: Order, quantity: int) -> None:
        maker.shown -= quantity
        maker.open -= quantity
        if maker.shown:
            return
        self.orders.remove(maker)
        if maker.open:
            shown = min(maker.display, maker.open)
            self.tell(ReportKind.REFRESHED, maker, 0, maker.price, shown, maker.open)
            self.rest(maker)

    def rest(self, order: Order) -> None:
        order.shown = min(order.display, order.open) if order.display else order.open
        self.orders.append(order)
        self.touch(order.contract)

    def give_back(self, order: Order, reason: int) -> None:
        quantity, order.open = order.open, 0
        self.tell(ReportKind.CANCELED, order, reason, order.price, quantity, 0)

    def take_out(self, order: Order, reason: int) -> None:
        self.tell(ReportKind.CANCELED, order, reason, order.price, order.open, 0)
        self.orders.remove(order)
        self.touch(order.contract)

    @staticmethod
    def beyond(book: Book, last: int | None, price: int) -> bool:
        near = book.reference if last is None else last
        return (
            book.static_collar > 0
            and book.reference is not None
            and abs(price - book.reference) > book.static_collar
        ) or (book.dynamic_collar > 0 and near is not None and abs(price - near) > book.dynamic_collar)

    def would_trade(self, order: Order) -> bool:
        maker = self.best(order.contract, -order.side)
        if maker is not None and order.side * (order.price - maker.price) >= 0:
            return True
        units, net, _ = self.implied(order.contract, order.side, order.owner)
        return units > 0 and order.side * (order.price - net) >= 0

    def available(self, order: Order) -> int:
        book = self.books[order.contract]
        total, last = 0, book.last
        makers = self.side(order.contract, -order.side)
        for price in dict.fromkeys(maker.price for maker in makers):
            if order.side * (order.price - price) < 0 or self.beyond(book, last, price):
                break
            last, level = price, [maker for maker in makers if maker.price == price]
            own = [i for i, maker in enumerate(level) if self.same(book, order, maker)]
            if own:
                ahead = sum(maker.shown for maker in level[: own[0]])
                return total + (ahead if book.allocation == Allocation.PRICE_TIME else 0)
            total += sum(maker.open for maker in level)
        return total

    # --- stops

    def activate(self, order: Order) -> None:
        self.tell(ReportKind.TRIGGERED, order, 0, order.trigger, order.open, order.open)
        order.flags &= ~OrderFlag.STOP
        self.enter(order)

    def run_stops(self, contract: int) -> None:
        book = self.books[contract]
        if book.phase != Phase.CONTINUOUS or not self.waiting(contract):
            return
        prints, book.prints = book.prints, []
        chosen = [o for o in self.waiting(contract) if prints and reached(o, prints)]
        for order in chosen:
            self.stops.remove(order)
        for order in chosen:
            self.activate(order)

    # --- auctions

    def set_phase(self, m: Message) -> None:
        book = self.books[m["contract"]]
        if m["quantity"] not in list(Phase):
            return self.reject(m, Reason.BAD_EXTRA)
        if m["flags"] not in (0, 1):
            return self.reject(m, Reason.BAD_FLAGS)
        if m["flags"] == 1:
            if not -MAX_PRICE < m["price"] < MAX_PRICE:
                return self.reject(m, Reason.BAD_PRICE)
            book.reference = m["price"]
        self.change_phase(m["contract"], m["quantity"], Reason.REQUESTED)
        if book.phase == Phase.AUCTION:
            book.end = max(0, m["stop"])
        return None

    def change_phase(self, contract: int, phase: int, reason: int) -> None:
        book = self.books[contract]
        before, book.end = book.phase, 0
        if before != Phase.CONTINUOUS and (
            phase == Phase.CONTINUOUS or (before == Phase.AUCTION and phase == Phase.CLOSED)
        ):
            self.uncross(contract)
            for side in (1, -1):
                for order in self.side(contract, side):
                    if order.auction_only:
                        self.take_out(order, Reason.AUCTION_ENDED)
        book.phase = phase
        self.tell_book(ReportKind.PHASE, contract, reason, 0, phase, 0)
        if phase == Phase.CONTINUOUS != before:
            if book.last is not None:
                book.prints.append(book.last)
            self.touch(contract)

    def indication(self, contract: int) -> tuple[int, int, int]:
        """Every price from the lowest to the highest limit is tried."""
        book = self.books[contract]
        orders = [*self.side(contract, 1), *self.side(contract, -1)]
        limits = [o.price for o in orders if abs(o.price) < MAX_PRICE]

        def at(price: int) -> tuple[int, int]:
            bid = sum(o.open for o in orders if o.side == 1 and o.price >= price)
            ask = sum(o.open for o in orders if o.side == -1 and o.price <= price)
            return min(bid, ask), bid - ask

        reference = book.last if book.reference is None else book.reference
        tried = {price: at(price) for price in sorted(set(limits))}
        volume = max((v for v, _ in tried.values()), default=0)
        if volume == 0:
            if reference is None:
                return 0, 0, 0
            bids = sum(o.open for o in orders if o.price == MAX_PRICE and o.side == 1)
            asks = sum(o.open for o in orders if o.price == -MAX_PRICE and o.side == -1)
            return (reference, min(bids, asks), bids - asks) if min(bids, asks) else (0, 0, 0)
        least = min(abs(s) for v, s in tried.values() if v == volume)
        best = {p: s for p, (v, s) in tried.items() if v == volume and abs(s) == least}
        low, high = min(best), max(best)
        if all(s > 0 for s in best.values()):
            price = high
        elif all(s < 0 for s in best.values()) or reference is None:
            price = low
        else:
            price = min(max(reference, low), high)
        return price, volume, at(price)[1]

    def tell_indication(self, contract: int) -> None:
        price, volume, surplus = self.indication(contract)
        self.tell_book(ReportKind.INDICATION, contract, 0, price, volume, surplus)

    def uncross(self, contract: int) -> None:
        book = self.books[contract]
        price, volume, _ = self.indication(contract)
        if not volume:
            return
        self.tell_indication(contract)
        traded = False
        while volume:
            bid, ask = self.best(contract, 1), self.best(contract, -1)
            assert bid
            assert ask
            quantity = min(volume, bid.shown, ask.shown)
            if self.same(book, bid, ask):
                for one in (bid, ask):
                    self.tell(
                        ReportKind.CANCELED, one, Reason.SELF_MATCH, one.price, quantity, one.open - quantity
                    )
            else:
                self.tell(ReportKind.TRADED, bid, 0, price, quantity, bid.open - quantity, ask.order_id,
                          ReportFlag.IN_AUCTION)  # fmt: skip
                traded = True
            self.fill(bid, quantity)
            self.fill(ask, quantity)
            volume -= quantity
        if traded:
            book.last = book.reference = price
            book.prints.append(price)

    # --- combinations

    def implied(self, contract: int, side: int, owner: int) -> tuple[int, int, bool]:
        """Units, net price, and whether an own order stands in the way."""
        legs = self.books[contract].legs
        if not legs:
            return 0, 0, False
        units, net, own = MAX_QUANTITY, 0, False
        for row, leg_side, ratio in legs:
            book = self.books[row]
            makers = self.side(row, -side * leg_side)
            need, last = ratio, book.last
            if book.phase != Phase.CONTINUOUS or sum(o.shown for o in makers) < ratio:
                return 0, 0, False
            for maker in makers:
                if not need:
                    break
                if self.beyond(book, last, maker.price):
                    return 0, 0, False
                last = maker.price
                quantity = min(need, maker.shown)
                net += leg_side * quantity * maker.price
                need -= quantity
            touch = sum(o.shown for o in makers if o.price == makers[0].price)
            units = min(units, touch // ratio or 1)
        for row, leg_side, ratio in legs:
            book, before = self.books[row], 0
            makers = self.side(row, -side * leg_side)
            if book.self_match == SelfMatch.ALLOW or owner == 0:
                continue
            for maker in makers:
                if before >= units * ratio:
                    break
                mates = [o for o in makers if o.price == maker.price]
                if book.allocation != Allocation.PRICE_TIME and any(o.owner == owner for o in mates):
                    own, units = True, min(units, before // ratio)
                    break
                if maker.owner == owner:
                    own, units = True, min(units, before // ratio)
                    break
                before += maker.shown
        return units, net, own

    def trade_legs(self, order: Order, units: int, net: int) -> None:
        order.open -= units
        self.tell(ReportKind.TRADED, order, 0, net, units, order.open, 0, ReportFlag.BY_LEGS)
        book = self.books[order.contract]
        book.last = net
        book.prints.append(net)
        for row, leg_side, ratio in book.legs:
            leg = Order(order.order_id, row, order.side * leg_side, 0, units * ratio, order.owner, 0)
            while leg.open:
                makers = self.side(row, -leg.side)
                if self.books[row].allocation == Allocation.PRICE_TIME:
                    self.trade(leg, makers[0], min(leg.open, makers[0].shown), ReportFlag.LEG_TRADE)
                else:
                    level = [o for o in makers if o.price == makers[0].price]
                    self.share(self.books[row], leg, level, ReportFlag.LEG_TRADE)

    def run_combination(self, contract: int) -> None:
        if self.books[contract].phase != Phase.CONTINUOUS:
            return
        for side in (1, -1):
            while self.step_combination(contract, side):
                pass

    def step_combination(self, contract: int, side: int) -> bool:
        for order in self.side(contract, side):
            units, net, own = self.implied(contract, side, order.owner)
            if units and side * (order.price - net) >= 0:
                shown = min(units, order.open)
                self.trade_legs(order, shown, net)
                order.open += shown  # trade_legs() counts it for a taker; here the queue does
                self.fill(order, shown)
                return True
            if not own:
                return False
        return False


def reached(order: Order, prints: list[int]) -> bool:
    return order.trigger <= max(prints) if order.side == 1 else order.trigger >= min(prints)


def kinds_allowed(flags: int, combination: bool) -> bool:
    """Look at the table of the kinds that may be named together."""
    flag = OrderFlag
    alone = {
        0,
        flag.IMMEDIATE_OR_CANCEL,
        flag.MARKET,
        flag.POST_ONLY,
    }
    if combination:
        return flags in alone
    return flags in alone | {
        flag.MARKET | flag.IMMEDIATE_OR_CANCEL,
        flag.MINIMUM,
        flag.MINIMUM | flag.IMMEDIATE_OR_CANCEL,
        flag.MINIMUM | flag.MARKET,
        flag.MINIMUM | flag.MARKET | flag.IMMEDIATE_OR_CANCEL,
        flag.FILL_OR_KILL,
        flag.FILL_OR_KILL | flag.MARKET,
        flag.ICEBERG,
        flag.ICEBERG | flag.POST_ONLY,
        flag.AUCTION_ONLY,
        flag.AUCTION_ONLY | flag.MARKET,
        flag.STOP,
        flag.STOP | flag.MARKET,
        flag.STOP | flag.IMMEDIATE_OR_CANCEL,
        flag.STOP | flag.MARKET | flag.IMMEDIATE_OR_CANCEL,
    }
