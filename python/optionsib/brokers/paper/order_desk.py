"""The life of client orders: accept or refuse, fill, modify, cancel, expire, and tell the client."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from optionsib.brokers.paper.account import Account
from optionsib.brokers.paper.contracts import ContractDirectory, combo_fields, contract_fields, time_stamp
from optionsib.brokers.paper.executions import FIRST_PREFIX, ExecutionFilter, ExecutionRecord
from optionsib.brokers.paper.matching import Matching, OrderFill
from optionsib.brokers.paper.order_messages import OrderTicket, completed_order, open_order, order_status
from optionsib.brokers.paper.orders import CANCELLED, FILLED, ClientOrder, LegTotal
from optionsib.brokers.paper.session import NO_REQUEST, Session
from optionsib.brokers.paper.wire import format_money, format_ratio, price_from_number
from optionsib.common.fees import FeeTable, share_out
from optionsib.common.ports import TapeQuote
from optionsib.common.types import PENNY_GRID, price_to_money

MAXIMUM_QUANTITY = 1_000_000
MAXIMUM_WORKING_ORDERS = 1_000
MAXIMUM_ORDERS = 100_000
MAXIMUM_REFERENCE = 128
_PERM_ID_BASE = 500_000_000
_PERM_IDS_PER_SEED = 1_000_000

SessionOf = Callable[[int], Session | None]


class OrderRefusedError(Exception):
    """A business refusal: the error code and text that the client is told."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class OrderDesk:
    """All orders of the account, whoever sent them. Orders outlive the connection of their client."""

    def __init__(
        self,
        directory: ContractDirectory,
        matching: Matching,
        account: Account,
        fees: FeeTable,
        session_of: SessionOf,
        *,
        seed: int = 0,
    ) -> None:
        self._directory = directory
        self._matching = matching
        self._account = account
        self._fees = fees
        self._session_of = session_of
        self._orders: dict[tuple[int, int], ClientOrder] = {}  # in order of acceptance
        self._working: dict[tuple[int, int], ClientOrder] = {}
        self._highest_id: dict[int, int] = {}
        self._records: list[ExecutionRecord] = []
        self._next_perm_id = _PERM_ID_BASE + seed % 1000 * _PERM_IDS_PER_SEED + 1
        self._execution_prefix = f"{(FIRST_PREFIX + seed) & 0xFFFFFFFF:08x}"

    def next_order_id(self, client_id: int) -> int:
        """Return the first order id that ``client_id`` may use."""
        return self._highest_id.get(client_id, 0) + 1

    def place(self, session: Session, ticket: OrderTicket, now_ns: int, *, is_open: bool) -> bool:
        """Accept, modify, preview or refuse; return whether anything was filled."""
        try:
            known = self._orders.get((session.client_id, ticket.order_id))
            if ticket.what_if:
                order = self._new_order(session.client_id, ticket, is_open=True)
                order.perm_id = 0
                session.send(open_order(order, session.version, self._preview(order)))
                return False
            if known is not None:
                return self._modify(session, known, ticket, now_ns)
            if ticket.order_id < self.next_order_id(session.client_id):
                raise OrderRefusedError(103, "Duplicate order id")
            self._highest_id[session.client_id] = ticket.order_id
            order = self._new_order(session.client_id, ticket, is_open=is_open)
            self._check_room(order)
        except OrderRefusedError as refusal:
            session.error(ticket.order_id, refusal.code, refusal.text)
            return False
        self._next_perm_id += 1
        self._orders[order.key] = self._working[order.key] = order
        self._tell_state(order)
        return self._book(self._matching.arrive(order), now_ns)

    def cancel(self, session: Session, order_id: int, now_ns: int) -> None:
        """Cancel one order of this client, or say why not."""
        order = self._orders.get((session.client_id, order_id))
        if order is None:
            session.error(order_id, 10147, f"OrderId {order_id} that needs to be cancelled is not found.")
        elif not order.is_working:
            session.error(
                order_id,
                10148,
                f"OrderId {order_id} that needs to be cancelled cannot be cancelled, state: {order.status}.",
            )
        else:
            self._cancel(order, now_ns, "")

    def cancel_all(self, now_ns: int) -> None:
        """Cancel every working order of every client."""
        for order in self.working():
            self._cancel(order, now_ns, "")

    def expire_day_orders(self, now_ns: int) -> None:
        """Cancel what the end of the session ends."""
        for order in self.working():
            if order.time_in_force == "DAY":
                self._cancel(order, now_ns, "the session has closed")

    def show(self, quotes: Iterable[TapeQuote], now_ns: int) -> bool:
        """Display new quotes and fill what they reach, in order of order id; tell whether any."""
        fills = self._matching.show(quotes)
        fills.sort(key=lambda fill: (fill.order.order_id, fill.order.client_id))
        return self._book(fills, now_ns)

    def working(self) -> list[ClientOrder]:
        """Return the working orders in order of acceptance."""
        return list(self._working.values())

    def send_open_orders(self, session: Session, *, of_all_clients: bool) -> None:
        """Answer reqOpenOrders or reqAllOpenOrders."""
        for order in self.working():
            if of_all_clients or order.client_id == session.client_id:
                session.send(open_order(order, session.version))
                session.send(order_status(order))
        session.send([53, 1])

    def send_completed_orders(self, session: Session) -> None:
        """Answer reqCompletedOrders."""
        for order in self._orders.values():
            if not order.is_working:
                session.send(completed_order(order, session.version))
        session.send([102])

    def send_executions(self, session: Session, request_id: int, wanted: ExecutionFilter) -> None:
        """Answer reqExecutions: each execution with its commission, then the end."""
        for record in self._records:
            if wanted.accepts(record):
                session.send(record.details(request_id, session.version))
                session.send(record.commission_report())
        session.send([55, 1, request_id])

    # --- accepting -------------------------------------------------------------------------------

    def _new_order(self, client_id: int, ticket: OrderTicket, *, is_open: bool) -> ClientOrder:
        if ticket.unsupported:
            raise OrderRefusedError(201, _rejected(f"not offered: {', '.join(ticket.unsupported)}"))
        if ticket.order_type != "LMT":
            raise OrderRefusedError(201, _rejected(f"order type {ticket.order_type!r}, only LMT is offered"))
        if ticket.time_in_force not in ("DAY", "GTC"):
            raise OrderRefusedError(201, _rejected(f"time in force {ticket.time_in_force!r}, not DAY or GTC"))
        if ticket.action not in ("BUY", "SELL"):
            raise OrderRefusedError(201, _rejected(f"action {ticket.action!r}, BUY or SELL is expected"))
        if ticket.account not in ("", self._account.name):
            raise OrderRefusedError(321, f"Invalid account code {ticket.account!r}.")
        if len(ticket.order_ref) > MAXIMUM_REFERENCE:
            raise OrderRefusedError(321, f"orderRef is longer than {MAXIMUM_REFERENCE} characters")
        if not is_open:
            raise OrderRefusedError(201, _rejected("the session has closed"))
        order = ClientOrder(
            client_id=client_id,
            order_id=ticket.order_id,
            perm_id=self._next_perm_id,
            account=self._account.name,
            contracts=(),
            ratios=(),
            combo_legs=ticket.legs,
            symbol=self._directory.underlying.symbol,
            currency=self._directory.underlying.currency,
            action=ticket.action,
            quantity=_checked_quantity(ticket),
            limit=0,
            time_in_force=ticket.time_in_force,
            open_close=ticket.open_close[:1],
            order_ref=ticket.order_ref,
        )
        self._resolve_legs(order, ticket)
        order.limit = _checked_limit(order, ticket)
        return order

    def _resolve_legs(self, order: ClientOrder, ticket: OrderTicket) -> None:
        if ticket.query.security_type == "BAG":
            if len(ticket.legs) < 2 or len({leg.con_id for leg in ticket.legs}) < len(ticket.legs):
                raise OrderRefusedError(201, _rejected("a combination needs two or more different legs"))
            for leg in ticket.legs:
                if leg.con_id not in self._directory.by_id:
                    raise OrderRefusedError(200, f"No security definition found for leg {leg.con_id}")
                if not 1 <= leg.ratio <= MAXIMUM_QUANTITY or leg.action not in ("BUY", "SELL"):
                    raise OrderRefusedError(
                        201, _rejected(f"leg {leg.con_id}: ratio {leg.ratio}, action {leg.action!r}")
                    )
            order.contracts = tuple(self._directory.by_id[leg.con_id] for leg in ticket.legs)
            order.ratios = tuple(leg.signed_ratio for leg in ticket.legs)
        else:
            found = self._directory.find(ticket.query)
            if len(found) != 1:
                reason = "No security definition has been found for the request" if not found else "Ambiguous"
                raise OrderRefusedError(200, reason)
            order.contracts, order.ratios = tuple(found), (1,)
        for contract in order.contracts:
            if contract.security_type != "OPT":
                raise OrderRefusedError(
                    201, _rejected(f"no trading permission for {contract.security_type} {contract.symbol}")
                )
        order.leg_totals = [LegTotal() for _ in order.contracts]

    def _check_room(self, order: ClientOrder) -> None:
        """Refuse an order beyond the exchange's room or the account's money."""
        if len(self._working) >= MAXIMUM_WORKING_ORDERS or len(self._orders) >= MAXIMUM_ORDERS:
            raise OrderRefusedError(
                201,
                _rejected(f"at most {MAXIMUM_WORKING_ORDERS} working orders and {MAXIMUM_ORDERS} in all"),
            )
        self._check_funds(order)

    def _check_funds(self, order: ClientOrder) -> None:
        before = self._account.cash - self._account.margin()
        margin_change = self._account.margin(self._changes(order)) - self._account.margin()
        after = before + self._cash_change(order) - margin_change
        if after < 0 and after < before:
            raise OrderRefusedError(
                201,
                _rejected(
                    f"available funds {format_money(before)} do not cover the order, "
                    f"{format_money(-after)} is missing"
                ),
            )

    def _changes(self, order: ClientOrder) -> list[tuple[int, int]]:
        return [(con_id, ratio * order.remaining) for con_id, ratio in order.leg_sides()]

    def _fees_of(self, order: ClientOrder) -> int:
        """Return what filling the rest of the order will cost in fees."""
        return self._fees.total(order.quantity * sum(map(abs, order.ratios))) - order.charged

    def _cash_change(self, order: ClientOrder) -> int:
        paid = price_to_money(order.direction * order.limit, order.contracts[0].multiplier, order.remaining)
        return -paid - self._fees_of(order)

    def _preview(self, order: ClientOrder) -> dict[str, str]:
        before, after = self._account.margin(), self._account.margin(self._changes(order))
        equity, cash_change = self._account.cash, self._cash_change(order)
        fees = format_money(self._fees_of(order))
        amounts = {"initMargin": (before, after), "maintMargin": (before, after)}
        amounts["equityWithLoan"] = (equity, equity + cash_change)
        answer = {"commission": fees, "minCommission": fees, "maxCommission": fees}
        for name, (old, new) in amounts.items():
            answer[f"{name}Before"] = format_money(old)
            answer[f"{name}Change"] = format_money(new - old)
            answer[f"{name}After"] = format_money(new)
        return answer

    def _modify(self, session: Session, order: ClientOrder, ticket: OrderTicket, now_ns: int) -> bool:
        if order.status == FILLED:
            raise OrderRefusedError(104, "Cannot modify a filled order")
        if not order.is_working:
            raise OrderRefusedError(103, "Duplicate order id")
        wanted = self._new_order(session.client_id, ticket, is_open=True)
        same = (order.action, order.contracts, order.ratios, order.time_in_force)
        if same != (wanted.action, wanted.contracts, wanted.ratios, wanted.time_in_force):
            raise OrderRefusedError(105, "Order being modified does not match original order")
        if wanted.quantity <= order.filled:
            raise OrderRefusedError(321, f"Quantity {wanted.quantity} is not above the filled {order.filled}")
        wanted.filled, wanted.charged = order.filled, order.charged
        self._check_funds(wanted)
        order.limit, order.quantity = wanted.limit, wanted.quantity
        self._tell_state(order)
        return self._book(self._matching.change(order), now_ns)

    # --- filling ---------------------------------------------------------------------------------

    def _book(self, fills: list[OrderFill], now_ns: int) -> bool:
        for fill in fills:
            self._book_one(fill, now_ns)
        return bool(fills)

    def _book_one(self, fill: OrderFill, now_ns: int) -> None:
        order = fill.order
        order.filled += fill.quantity
        order.last_price = order.direction * fill.price
        order.filled_value += order.last_price * fill.quantity
        records = self._records_of(fill, now_ns)
        self._records += records
        if order.remaining == 0:
            order.finish(FILLED, time_stamp(now_ns), f"Filled Size: {order.filled}")
            del self._working[order.key]
        session = self._session_of(order.client_id)
        if session is not None:
            for record in records:
                session.send(record.details(NO_REQUEST, session.version))
            self._tell_state(order)
            for record in records:
                session.send(record.commission_report())

    def _records_of(self, fill: OrderFill, now_ns: int) -> list[ExecutionRecord]:
        """Book a fill; return the combination's execution (if it is one), then one a leg."""
        order, records = fill.order, []
        counts = [abs(ratio) * fill.quantity for ratio in order.ratios]
        cost = self._fees.total(order.filled * sum(map(abs, order.ratios))) - order.charged
        order.charged += cost
        if order.is_combo:
            records.append(
                ExecutionRecord(
                    execution_id=self._execution_id(0),
                    order=order,
                    contract=tuple(combo_fields(order.symbol, order.currency)),
                    at_ns=now_ns,
                    side=order.direction,
                    quantity=fill.quantity,
                    price=order.last_price,
                    cumulative=order.filled,
                    average=format_ratio(order.filled_value, order.filled),
                    commission=0,
                    realized=None,
                )
            )
        for leg, commission in enumerate(share_out(cost, counts)):
            records.append(self._leg_record(fill, leg, counts[leg], commission, now_ns, len(records)))
        return records

    def _leg_record(
        self, fill: OrderFill, leg: int, count: int, commission: int, now_ns: int, ahead: int
    ) -> ExecutionRecord:
        order, contract, total = fill.order, fill.order.contracts[leg], fill.order.leg_totals[leg]
        side = 1 if order.ratios[leg] * order.direction > 0 else -1
        price = fill.leg_prices[leg]
        total.quantity += count
        total.value += price * count
        return ExecutionRecord(
            execution_id=self._execution_id(ahead),
            order=order,
            contract=tuple(contract_fields(contract)),
            at_ns=now_ns,
            side=side,
            quantity=count,
            price=price,
            cumulative=total.quantity,
            average=format_ratio(total.value, total.quantity),
            commission=commission,
            realized=self._account.book(contract.con_id, side, count, price, commission),
        )

    def _execution_id(self, ahead: int) -> str:
        return f"{self._execution_prefix}.{len(self._records) + ahead + 1:08x}.01.01"

    # --- telling ---------------------------------------------------------------------------------

    def _tell_state(self, order: ClientOrder) -> None:
        session = self._session_of(order.client_id)
        if session is not None:
            session.send(open_order(order, session.version))
            session.send(order_status(order))

    def _cancel(self, order: ClientOrder, now_ns: int, reason: str) -> None:
        self._matching.withdraw(order)
        del self._working[order.key]
        order.finish(CANCELLED, time_stamp(now_ns), reason or "Cancelled by Trader")
        session = self._session_of(order.client_id)
        if session is not None:
            session.send(order_status(order))
            session.error(order.order_id, 202, f"Order Canceled - reason:{reason}")


def _checked_quantity(ticket: OrderTicket) -> int:
    quantity = ticket.quantity
    if quantity is None or quantity != int(quantity) or not 1 <= quantity <= MAXIMUM_QUANTITY:
        raise OrderRefusedError(
            201, _rejected(f"quantity {quantity}, a whole number from 1 to {MAXIMUM_QUANTITY} is expected")
        )
    return int(quantity)


def _checked_limit(order: ClientOrder, ticket: OrderTicket) -> int:
    """Return the limit in 1/10000. A combination trades in cents and may have a negative price."""
    if ticket.limit is None:
        raise OrderRefusedError(201, _rejected("a limit order needs a limit price"))
    limit = price_from_number(ticket.limit)
    grid = PENNY_GRID if order.is_combo else order.contracts[0].tick_grid
    if limit is None or not grid.is_on_grid(limit):
        raise OrderRefusedError(
            110, "The price does not conform to the minimum price variation for this contract."
        )
    if limit <= 0 and not order.is_combo:
        raise OrderRefusedError(201, _rejected(f"limit price {ticket.limit}, above 0 is expected"))
    return limit


def _rejected(reason: str) -> str:
    return f"Order rejected - reason:{reason}"
