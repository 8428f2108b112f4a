"""What leaves about orders: new, changed, cancelled, previewed, exercised; each checked before it leaves.

A price off the tick grid is rounded by the contract's market rule, towards the side that waits, and a
notice says so; see ``brokers.price_grid``.
"""

# Much of the client library is untyped:
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from typing import Literal

import msgspec

from optionsib.brokers.api import MarginPreview
from optionsib.brokers.ib import codes
from optionsib.brokers.ib.conversions import contract_to_wire, is_set, money_from_wire
from optionsib.brokers.ib.guards import OrderActivity, check_market, check_working
from optionsib.brokers.ib.inbox import Inbox
from optionsib.brokers.ib.library import OrderState
from optionsib.brokers.ib.order_kinds import (
    ORDER_TYPES,
    Terms,
    Ticket,
    check_order,
    check_terms,
    order_to_wire,
    terms_of,
    ticket_for,
)
from optionsib.brokers.ib.session import TwsSession
from optionsib.brokers.ib.tracked_order import TrackedOrder
from optionsib.brokers.price_grid import (
    COMBO_GRID,
    NO_LIMIT,
    describe_rounding,
    on_grid,
    round_price,
    round_trail,
)
from optionsib.common.errors import BrokerError
from optionsib.common.events import Quote
from optionsib.common.ports import Clock
from optionsib.common.types import Contract, Order

_EXERCISE = {"exercise": 1, "lapse": 2}


class OrderEntry:
    """The sending half of order handling; what comes back goes to the inbox.

    Parameters
    ----------
    inbox : Inbox
        Has the orders and quotes of the gateway.
    contracts : mapping
        Every contract that is known, by ``con_id``.
    clock : Clock
        Tells how old a quote is, and which day it is.
    client_id : int
        Ours; orders of other clients cannot be changed.
    """

    def __init__(self, inbox: Inbox, contracts: Mapping[int, Contract], clock: Clock, client_id: int) -> None:
        self.activity = OrderActivity()
        self._inbox = inbox
        self._orders = inbox.orders
        self._contracts = contracts
        self._clock = clock
        self._client_id = client_id

    async def place(self, session: TwsSession, order: Order) -> None:
        """Check a new order and send it.

        Raises
        ------
        BrokerError
            If it would be refused or could fill beyond its limit; nothing was sent then.
        """
        order = self._on_grid(order)
        await self._send_new(session, [(order, self._checked(order))])

    async def place_bracket(self, session: TwsSession, parent: Order, children: Sequence[Order]) -> None:
        """Check a parent and its children and send them; the last one lets all of them work.

        Raises
        ------
        BrokerError
            If one of them would be refused, or a child does not name its parent; nothing was sent then.
        """
        if not children:
            raise BrokerError(f"order {parent.order_ref}: a bracket needs children; nothing was sent")
        for child in children:
            if child.parent_ref != parent.order_ref:
                raise BrokerError(
                    f"order {child.order_ref}: parent {child.parent_ref!r}, expected {parent.order_ref!r}; "
                    "nothing was sent"
                )
        family = [self._on_grid(order) for order in (parent, *children)]
        if len({order.order_ref for order in family}) < len(family):
            raise BrokerError(f"order {parent.order_ref}: references repeat in the bracket; nothing was sent")
        checked: list[tuple[Order, Ticket]] = []
        for order in family:
            checked.append((order, self._checked(order, with_it=[ticket for _, ticket in checked])))
        await self._send_new(session, checked)

    async def modify(
        self,
        session: TwsSession,
        order_ref: str,
        limit_price: int | None,
        quantity: int | None,
        stop_price: int | None,
        trail: tuple[int | None, int | None] = (None, None),
    ) -> None:
        """Send other terms for a working order; what is None stays. ``trail``: amount and percentage.

        Raises
        ------
        BrokerError
            If the order cannot be changed, or the terms would be refused; nothing was sent then.
        """
        order, ticket = self._changeable(order_ref)
        # While a change is on its way the next one builds on it: it must not take the first one back.
        on_its_way = order.requested if "modify" in order.waits_for else None
        known = on_its_way or order.terms or order.requested
        if known is None:
            raise BrokerError(f"order {order_ref}: the broker has not described it yet; nothing was sent")
        terms = Terms(
            known.limit_price if limit_price is None else limit_price,
            known.quantity if quantity is None else quantity,
            known.stop_price if stop_price is None else stop_price,
            *_new_trail(known, *trail),
        )
        if terms.quantity <= order.executed:
            raise BrokerError(
                f"order {order_ref}: quantity {terms.quantity} is not above the {order.executed} filled "
                "already; nothing was sent"
            )
        if ticket.order_type not in ORDER_TYPES:
            raise BrokerError(
                f"order {order_ref}: an adopted order of type {ticket.order_type} can be cancelled, not "
                "changed; nothing was sent"
            )
        terms = self._terms_on_grid(ticket, known, terms)
        now = self._clock.now_ns()
        self.activity.check(order_ref, now, self._executed_orders())
        self.activity.count(now, self._executed_orders())
        self._inbox.outdate(order_ref)
        self._orders.modifying(order, terms)
        session.client.placeOrder(order.order_id, ticket.contract, order_to_wire(ticket, terms))
        await session.client.orders_sent()

    async def cancel(self, session: TwsSession, order_ref: str) -> None:
        """Ask for the end of an order; one that has ended needs no request.

        Raises
        ------
        BrokerError
            If the order is unknown or another client's.
        """
        known = self._orders.get(order_ref)
        if known is not None and known.ended:
            return  # the fill crossed with the cancel; the caller has yet to take the event
        order, _ = self._changeable(order_ref)
        self.activity.count(self._clock.now_ns(), self._executed_orders())
        self._orders.cancelling(order)
        session.client.cancelOrder(order.order_id)
        await session.client.orders_sent()

    async def cancel_all(self, session: TwsSession) -> None:
        """Ask for the end of every order of the login, those of other clients included."""
        for order in self._orders.live_orders():
            if order.client_id == self._client_id:
                self.activity.count(self._clock.now_ns(), self._executed_orders())
                self._orders.cancelling(order)
        session.client.reqGlobalCancel()
        await session.client.orders_sent()

    async def preview(self, session: TwsSession, order: Order, timeout: float) -> MarginPreview:
        """Ask what an order would do to margin and cost, without sending it to work.

        Raises
        ------
        BrokerError
            If the order is malformed, the broker refuses it or stays silent.
        """
        order = self._on_grid(order)
        check_order(order, self._contracts, self._clock.now_ns())
        ticket = ticket_for(order, self._contracts, self._orders.account)
        wire = order_to_wire(ticket, terms_of(order))
        wire.whatIf = True
        request_id = session.client.getReqId()

        def ask() -> Awaitable[OrderState]:
            future: Awaitable[OrderState] = session.wrapper.startReq(request_id)
            session.client.placeOrder(request_id, ticket.contract, wire)
            return future

        return preview_from_wire(await session.ask(f"margin of {order.order_ref}", ask, timeout))

    def exercise(
        self,
        session: TwsSession,
        contract: Contract,
        quantity: int,
        action: Literal["exercise", "lapse"],
        *,
        override: bool,
        exchange: str,
    ) -> asyncio.Future[None]:
        """Instruct the broker to exercise or lapse ``quantity`` options; nothing is confirmed by this.

        The future is done only if the broker refuses.

        Raises
        ------
        BrokerError
            If the contract is no option, or quantity, action or exchange cannot be; nothing was sent then.
        """
        if contract.security_type != "OPT":
            raise BrokerError(
                f"{contract.symbol} ({contract.security_type}) cannot be exercised; nothing was sent"
            )
        if quantity < 1 or action not in _EXERCISE or exchange in ("", "SMART"):
            raise BrokerError(
                f"{action!r} {quantity} on {exchange!r}: expected exercise or lapse, 1 or more, and an "
                "option exchange (SMART exercises nothing); nothing was sent"
            )
        wire = contract_to_wire(msgspec.structs.replace(contract, exchange=exchange))
        request_id = session.client.getReqId()
        self._inbox.highest_order_id = max(self._inbox.highest_order_id, request_id)
        refusal: asyncio.Future[None] = session.wrapper.startReq(request_id)
        session.client.exerciseOptions(
            request_id, wire, _EXERCISE[action], quantity, self._orders.account, int(override)
        )
        return refusal

    # --- inside ----------------------------------------------------------------------------------------

    def _checked(self, order: Order, *, with_it: Sequence[Ticket] | None = None) -> Ticket:
        """Return how an order leaves; ``with_it``: what leaves before it in the same bracket."""
        ref, now = order.order_ref, self._clock.now_ns()
        if self._orders.get(ref) is not None:
            raise BrokerError(f"order reference {ref} was used before; nothing was sent")
        ticket = ticket_for(order, self._contracts, self._orders.account)
        check_order(order, self._contracts, now)
        if order.parent_ref and with_it is None:
            raise BrokerError(f"order {ref} has a parent: place_bracket() sends both; nothing was sent")
        if order.purpose == "open":  # an exit or a hedge must not wait for a feed
            stale = self._inbox.quotes.stale
            for leg in order.legs:
                if leg.con_id in stale:
                    raise BrokerError(
                        f"order {ref} opens on contract {leg.con_id}, whose quote is stale "
                        f"({stale[leg.con_id]}); nothing was sent"
                    )
        if order.order_type == "MKT":
            check_market(order, self._quote, now)
        live = [o.ticket for o in self._orders.live_orders() if o.ticket is not None]
        check_working(ref, sum(one.market == ticket.market for one in [*live, *(with_it or ())]))
        self.activity.check(ref, now, self._executed_orders())
        return ticket

    async def _send_new(self, session: TwsSession, orders: Sequence[tuple[Order, Ticket]]) -> None:
        parent_id = 0
        for place, (order, ticket) in enumerate(orders):
            order_id = session.client.getReqId()
            self._inbox.highest_order_id = max(self._inbox.highest_order_id, order_id)
            if place == 0:
                parent_id = order_id
            else:
                ticket = msgspec.structs.replace(ticket, kept={**ticket.kept, "parentId": parent_id})
            self.activity.count(self._clock.now_ns(), self._executed_orders())
            self._orders.placed(ticket, order_id)
            wire = order_to_wire(ticket, terms_of(order), transmit=place == len(orders) - 1)
            session.client.placeOrder(order_id, ticket.contract, wire)
        await session.client.orders_sent()

    def _changeable(self, order_ref: str) -> tuple[TrackedOrder, Ticket]:
        order = self._orders.get(order_ref)
        if order is None or order.ticket is None:
            raise BrokerError(f"order {order_ref} is unknown at this broker; nothing was sent")
        if order.ended:
            raise BrokerError(f"order {order_ref} is {order.status} already; nothing was sent")
        if order.client_id != self._client_id:
            raise BrokerError(
                f"order {order_ref} belongs to client {order.client_id}; only that client or "
                "cancel_all() can end it; nothing was sent"
            )
        if order.order_id == 0:
            raise BrokerError(f"order {order_ref} is not listed by the broker in this session")
        return order, order.ticket

    def _on_grid(self, order: Order) -> Order:
        """Return an order on the tick grid; without the contracts there is none, which its check says."""
        if not order.legs or any(leg.con_id not in self._contracts for leg in order.legs):
            return order
        try:
            rounded = on_grid(order, self._contracts)
        except BrokerError as error:
            raise BrokerError(f"order {order.order_ref}: {error}; nothing was sent") from error
        self._tell_rounding(order, rounded)
        return rounded

    def _terms_on_grid(self, ticket: Ticket, known: Terms, terms: Terms) -> Terms:
        """Return new terms on the tick grid, checked; an adopted order's contract must be known."""
        ref, side, grid = ticket.order_ref, 0, COMBO_GRID
        if ticket.contract.secType != "BAG":
            contract = self._contracts.get(ticket.contract.conId)
            if contract is None:
                raise BrokerError(
                    f"order {ref}: the market rule of contract {ticket.contract.conId} is not known, load "
                    "its chain first; nothing was sent"
                )
            side, grid = ticket.sign, contract.tick_grid
        limit, stop, trail = terms.limit_price, terms.stop_price, terms.trail_amount
        try:
            if ticket.order_type not in NO_LIMIT and limit != known.limit_price:
                limit = round_price("limit", limit, grid, is_single=side != 0)
            if stop is not None and stop != known.stop_price:
                stop = round_price("stop", stop, grid, is_single=side != 0)
            trail = round_trail(trail, grid)
        except BrokerError as error:
            raise BrokerError(f"order {ref}: {error}; nothing was sent") from error
        rounded = msgspec.structs.replace(terms, limit_price=limit, stop_price=stop, trail_amount=trail)
        check_terms(ref, ticket.order_type, side, rounded, grid)
        self._tell_rounding(terms, rounded, ref)
        return rounded

    def _tell_rounding(self, asked: Order | Terms, rounded: Order | Terms, order_ref: str = "") -> None:
        if asked != rounded:
            ref = asked.order_ref if isinstance(asked, Order) else order_ref
            self._inbox.notice(codes.PRICE_ROUNDED, f"order {ref}: {describe_rounding(asked, rounded)}")

    def _quote(self, con_id: int) -> Quote | None:
        try:
            return self._inbox.quotes.quote(con_id)
        except KeyError:
            return None

    def _executed_orders(self) -> int:
        return self._orders.executed_orders()


def _new_trail(known: Terms, amount: int | None, percent: int | None) -> tuple[int, int]:
    """Return amount and percentage of the trail; one that is given takes the other's place."""
    if amount is None and percent is None:
        return known.trail_amount, known.trail_percent
    return amount or 0, percent or 0


def preview_from_wire(state: OrderState) -> MarginPreview:
    """Return what the broker answered to a what-if; what it left unset (1.79e308) is None."""

    def money(value: object) -> int | None:
        text = str(value if value is not None else "").strip()
        try:
            number = float(text)
        except ValueError:
            return None
        return money_from_wire(number) if is_set(number) else None

    return MarginPreview(
        initial_before=money(state.initMarginBefore),
        initial_change=money(state.initMarginChange),
        initial_after=money(state.initMarginAfter),
        maintenance_before=money(state.maintMarginBefore),
        maintenance_change=money(state.maintMarginChange),
        maintenance_after=money(state.maintMarginAfter),
        equity_with_loan_before=money(state.equityWithLoanBefore),
        equity_with_loan_change=money(state.equityWithLoanChange),
        equity_with_loan_after=money(state.equityWithLoanAfter),
        commission=money(state.commission),
        least_commission=money(state.minCommission),
        most_commission=money(state.maxCommission),
        currency=state.commissionCurrency or "",
        warning=state.warningText or "",
    )
