"""The broker's whole state, asked and truly answered: positions, cash, orders, executions.

1. What was not answered is unknown; nothing is ever taken for empty.
2. Open orders come first, then completed orders, executions last: by then every order that an execution
   may belong to is known, and no request has used an id of an order that we had not heard of.
3. Our own fills are the truth, positions the cross-check: a difference is asked again before it is told.
4. An order that lives more than once at the broker is cancelled, each of its lives, in the last resort by
   a global cancel.
"""

# Much of the client library is untyped:
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import asyncio
import functools
from collections.abc import Sequence

from optionsib.brokers.api import BrokerState
from optionsib.brokers.ib import codes
from optionsib.brokers.ib.conversions import money_from_text, whole_quantity
from optionsib.brokers.ib.inbox import Inbox
from optionsib.brokers.ib.positions import PositionCheck
from optionsib.brokers.ib.session import CASH_TAG, TwsSession
from optionsib.brokers.ib.tracked_order import TrackedOrder, is_open, reference
from optionsib.common.errors import BrokerError
from optionsib.common.events import OrderUpdate
from optionsib.common.ports import Clock

POSITION_LOOKS = 3
POSITION_PAUSE_SECONDS = 0.5  # positions lag fills
COMMISSION_LOOKS = 5
CANCEL_ROUNDS = 3
CANCEL_PAUSE_SECONDS = 0.1


class StateQuery:
    """Asks the broker for its state over a session.

    Parameters
    ----------
    inbox : Inbox
        Hears the answers.
    clock : Clock
        Stamps the picture.
    timeout : float
        Seconds that each answer may take.
    client_id : int
        Ours; only our own orders can be cancelled one by one.
    """

    def __init__(self, inbox: Inbox, clock: Clock, timeout: float, client_id: int) -> None:
        self._inbox = inbox
        self._orders = inbox.orders
        self._clock = clock
        self._timeout = timeout
        self._client_id = client_id
        self._check = PositionCheck()
        self._turn = asyncio.Lock()
        self._looks: dict[str, int] = {}  # how often a commission was asked for again

    async def all(self, session: TwsSession) -> BrokerState:
        """Return positions, orders, executions and cash.

        Raises
        ------
        BrokerError
            If one of them was not answered.
        """
        listed = await self.orders(session)
        cash = await session.ask("cash", session.request_cash, self._timeout)
        held = await self.positions(session)
        working = [self._orders.get(order_ref) for order_ref in sorted(listed)]
        return BrokerState(
            account=self._orders.account,
            positions={con_id: held[con_id] for con_id in sorted(held) if held[con_id]},
            working_orders=tuple(self._describe(o) for o in working if o is not None and not o.ended),
            executions=self._orders.executions.all(),
            cash=self._cash_of(cash),
            order_refs=self._orders.references(),
        )

    async def orders(self, session: TwsSession) -> set[str]:
        """Ask open and completed orders and executions; return the references of the open ones.

        Raises
        ------
        BrokerError
            If one of them was not answered.
        """
        async with self._turn:
            listed = await self._ask_orders(session)
            for attempt in range(CANCEL_ROUNDS):
                if not self._orders.doubles():
                    return listed
                self._cancel_doubles(session, everything=attempt == CANCEL_ROUNDS - 1)
                await session.client.orders_sent()
                await asyncio.sleep(CANCEL_PAUSE_SECONDS * attempt)
                listed = await self._ask_orders(session)
            left = [order.order_ref for order in self._orders.doubles()]
            if left:
                message = f"orders {left} still live more than once at the broker: cancel them by hand"
                self._inbox.notice(codes.ORDER_ALARM, message)
            return listed

    async def commissions(self, session: TwsSession) -> None:
        """Ask executions again for commissions that were lost on the way, a few times each.

        What is not known then is told once and stays open: it is not guessed.

        Raises
        ------
        BrokerError
            If there is no answer.
        """
        missing = [
            execution_id
            for execution_id in self._orders.executions.without_commission()
            if self._looks.get(execution_id, 0) < COMMISSION_LOOKS
        ]
        if not missing:
            return
        async with self._turn:
            await session.ask("executions", session.reqExecutionsAsync, self._timeout)
        still_missing = set(self._orders.executions.without_commission())
        for execution_id in missing:
            self._looks[execution_id] = self._looks.get(execution_id, 0) + 1
            if self._looks[execution_id] == COMMISSION_LOOKS and execution_id in still_missing:
                word = self._orders.executions.word_on(execution_id)
                self._inbox.notice(codes.COMMISSION_OPEN, f"commission of execution {execution_id}: {word}")

    async def positions(self, session: TwsSession) -> dict[int, int]:
        """Ask the account's positions: signed quantity per contract, checked against our own fills.

        Raises
        ------
        BrokerError
            If they were not answered.
        """
        executions = self._orders.executions
        for look in range(POSITION_LOOKS):
            held = await self._ask_positions(session)
            own = executions.net_positions()
            differences = self._check.differences(held, own)
            if not differences or look == POSITION_LOOKS - 1:
                break
            await asyncio.sleep(POSITION_PAUSE_SECONDS)
        if differences:
            listed = ", ".join(
                f"{con_id}: {ours} by our fills, {theirs} there" for con_id, ours, theirs in differences
            )
            self._inbox.notice(codes.POSITIONS_DIFFER, f"the broker's positions differ ({listed})")
        self._check.accept(held, own)
        return held

    # --- inside ----------------------------------------------------------------------------------------

    async def _ask_orders(self, session: TwsSession) -> set[str]:
        ended_before, messages = self._orders.ended(), self._orders.messages
        own, every = [
            await session.ask(
                "open orders",
                functools.partial(session.request_open_orders, everyone=everyone),
                self._timeout,
                in_turn=True,
            )
            for everyone in (False, True)
        ]
        await session.ask(
            "completed orders",
            functools.partial(session.reqCompletedOrdersAsync, apiOnly=False),
            self._timeout,
            in_turn=True,
        )
        await session.ask("executions", session.reqExecutionsAsync, self._timeout)
        listed = {(reference(raw), raw.permId) for raw, state in [*own, *every] if is_open(state)}
        self._orders.concluded(listed, ended_before, messages)
        return {order_ref for order_ref, _ in listed}

    def _cancel_doubles(self, session: TwsSession, *, everything: bool) -> None:
        """Ask for the end of every life of an order that has several.

        An order id reaches one life only. What cannot be reached by it ends by ``everything``: a global
        cancel, the only request of the API that ends an order without naming it.
        """
        for order in self._orders.doubles():
            self._orders.cancelling(order)
            for one in order.broker_orders.values():
                if one.is_open and one.client_id == self._client_id and one.order_id > 0:
                    session.client.cancelOrder(one.order_id)
                one.cancels += 1
        if everything:
            refs = [order.order_ref for order in self._orders.doubles()]
            self._inbox.notice(
                codes.ORDER_ALARM,
                f"a life of {refs} cannot be reached by its order id: all orders are cancelled",
            )
            session.client.reqGlobalCancel()

    async def _ask_positions(self, session: TwsSession) -> dict[int, int]:
        rows = await session.ask("positions", session.reqPositionsAsync, self._timeout, in_turn=True)
        session.client.cancelPositions()
        return {
            row.contract.conId: whole_quantity(row.position, "a position")
            for row in rows
            if row.account == self._orders.account
        }

    def _describe(self, order: TrackedOrder) -> OrderUpdate:
        return order.describe(self._clock.now_ns())

    def _cash_of(self, rows: Sequence[tuple[str, str, str, str]]) -> int:
        for account, tag, value, _currency in rows:
            if account == self._orders.account and tag == CASH_TAG:
                return money_from_text(value)
        raise BrokerError(f"the broker gave no {CASH_TAG} for account {self._orders.account}")
