"""Exercise, assignment and expiry: what becomes of options and futures that are not closed.

* An instruction to exercise is carried out at the close of the session; one to let lapse holds until the
  option expires.
* At the first step at or after a contract's expiry instant, every long option that is at least 0.01 in the
  money by the mark of its underlying is exercised unless it was told to lapse, and every short one is
  assigned; all others expire at a price of 0.
* With ``DeskRules.early_assignment`` short American options are assigned at random at a session's close.

Options on shares are delivered: the option is closed at 0 and its shares are bought or sold at the strike.
So are options on a future that lives on. Options on an index, or on a future that expires with them, are
settled in cash: the option is closed at its intrinsic value. Futures are settled in cash at the level of
their index, or at their own mark where they are on nothing that is listed. Executions of an instruction
carry the ids of its client, all others order id -1 and client 0, and go to everybody.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from optionsib.brokers.paper.contracts import ContractDirectory, time_stamp
from optionsib.brokers.paper.executions import ExecutionRecord
from optionsib.brokers.paper.order_checks import OrderRefusedError, rejected
from optionsib.brokers.paper.order_ticket import OrderTicket
from optionsib.brokers.paper.orders import CANCELLED, FILLED, PRE_SUBMITTED, ClientOrder
from optionsib.brokers.paper.quotes import QuoteBoard
from optionsib.common.types import Contract

if TYPE_CHECKING:
    from optionsib.brokers.paper.order_desk import OrderDesk

EXERCISE, LAPSE = 1, 2
_TYPES = {EXERCISE: "EXERCISE", LAPSE: "LAPSE"}
_LEAST_IN_THE_MONEY = 100  # 0.01: the threshold of exercise by exception
_EXCHANGE = "OCC"


class Deliveries:
    """Settles the options of the account of ``desk``."""

    def __init__(self, desk: OrderDesk, directory: ContractDirectory, board: QuoteBoard, seed: int) -> None:
        self._desk = desk
        self._directory = directory
        self._board = board
        self._random = random.Random(seed)  # noqa: S311

    # --- instructions ----------------------------------------------------------------------------

    def instruct(
        self, client_id: int, ticket: OrderTicket, now_ns: int, *, action: int, override: bool
    ) -> ClientOrder:
        """Return the order that stands for an instruction about options that are held.

        Raises
        ------
        OrderRefusedError
            If there is no such position, or the instruction is not the natural one and does not override.
        """
        contract = self._option(ticket)
        wanted = ticket.number("totalQuantity") or 0
        if action not in _TYPES or wanted != int(wanted) or wanted < 1:
            raise OrderRefusedError(321, f"Error validating request: action {action}, quantity {wanted:g}")
        quantity = int(wanted)
        account = self._desk.account
        free = account.quantity(contract.con_id) - sum(
            one.remaining for one in self._instructions(contract.con_id)
        )
        if quantity > free:
            raise OrderRefusedError(
                321,
                "Error validating request: No unlapsed position exists in this option in account "
                f"{account.name}.",
            )
        is_natural = (self._intrinsic(contract) >= _LEAST_IN_THE_MONEY) == (action == EXERCISE)
        if not (is_natural or override):
            raise rejected(f"{_TYPES[action].lower()} is not the natural action of the option now")
        return ClientOrder(
            client_id=client_id,
            order_id=ticket.order_id,
            perm_id=0,
            account=account.name,
            ticket=ticket,
            contracts=(contract,),
            ratios=(1,),
            combo_legs=(),
            symbol=contract.symbol,
            currency=contract.currency,
            action="SELL",
            quantity=quantity,
            order_type=_TYPES[action],
            status=PRE_SUBMITTED,
            placed_ns=now_ns,
            is_exercise=True,
        )

    def _option(self, ticket: OrderTicket) -> Contract:
        query = ticket.query
        if query.exchange in ("SMART", "BEST"):
            raise OrderRefusedError(321, "Error validating request: exercise needs an exchange, not SMART.")
        found = self._directory.find(query) or [
            one for one in [self._directory.by_id.get(query.con_id)] if one is not None
        ]
        if len(found) != 1 or not found[0].kind:
            raise OrderRefusedError(200, "No security definition has been found for the request")
        return found[0]

    def _instructions(self, con_id: int, kind: str = "") -> list[ClientOrder]:
        return [
            one
            for one in self._desk.working()
            if one.is_exercise and one.contracts[0].con_id == con_id and kind in ("", one.order_type)
        ]

    # --- settling --------------------------------------------------------------------------------

    def expire(self, now_ns: int) -> None:
        """Settle every held contract whose expiry instant has come, and end the orders for it."""
        for con_id, held in self._desk.account.positions():
            contract = self._directory.by_id[con_id]
            if not held.quantity or not 0 < contract.expiry_ns <= now_ns:
                continue
            if contract.kind:
                self._settle(contract, held.quantity, now_ns)
            elif (price := self._last_mark(contract)) is not None:  # else at the first mark
                self._desk.messages.broadcast([self._close(contract, held.quantity, price, now_ns, None)])
        for order in self._desk.working():
            if order.is_live and any(0 < one.expiry_ns <= now_ns for one in order.contracts):
                self._desk.work.end(order, CANCELLED, now_ns, "the contract has expired")

    def close_session(self, now_ns: int) -> None:
        """Carry out the instructions to exercise; assign short options early, if the rules say so."""
        for order in self._desk.working():
            if order.is_exercise and order.order_type == _TYPES[EXERCISE]:
                owned = self._desk.account.quantity(order.contracts[0].con_id)
                if owned > 0:
                    self._carry_out(order, min(order.remaining, owned), now_ns)
                else:
                    self._desk.work.end(order, CANCELLED, now_ns, "the position is gone")
        chance = self._desk.rules.early_assignment
        for con_id, held in self._desk.account.positions() if chance else ():
            contract = self._directory.by_id[con_id]
            is_candidate = held.quantity < 0 and contract.kind and self._is_worth_exercising(contract)
            if is_candidate and self._random.random() < chance:
                self._desk.messages.broadcast(self._deliver(contract, held.quantity, now_ns, None))

    def assign(self, con_id: int, quantity: int, now_ns: int) -> None:
        """Assign short options now, as if their holders had exercised.

        Raises
        ------
        ValueError
            If less is sold.
        """
        sold = -self._desk.account.quantity(con_id)
        contract = self._directory.by_id.get(con_id)
        if contract is None or not contract.kind or not 1 <= quantity <= sold:
            raise ValueError(
                f"cannot assign {quantity} of contract {con_id}: {max(0, sold)} options are sold"
            )
        self._desk.messages.broadcast(self._deliver(contract, -quantity, now_ns, None))

    def _settle(self, contract: Contract, quantity: int, now_ns: int) -> None:
        for order in self._instructions(contract.con_id, _TYPES[EXERCISE]):
            count = min(order.remaining, quantity)
            self._carry_out(order, count, now_ns)
            quantity -= count
        lapsing = 0
        for order in self._instructions(contract.con_id, _TYPES[LAPSE]):
            lapsing += order.remaining
            self._finish(order, order.remaining, [], now_ns)
        records = []
        if self._intrinsic(contract) >= _LEAST_IN_THE_MONEY:
            exercised = quantity if quantity < 0 else max(0, quantity - lapsing)
            records += self._deliver(contract, exercised, now_ns, None) if exercised else []
            quantity -= exercised
        if quantity:
            records.append(self._close(contract, quantity, 0, now_ns, None))
        self._desk.messages.broadcast(records)

    def _carry_out(self, order: ClientOrder, count: int, now_ns: int) -> None:
        self._finish(order, count, self._deliver(order.contracts[0], count, now_ns, order), now_ns)

    def _finish(self, order: ClientOrder, count: int, records: list[ExecutionRecord], now_ns: int) -> None:
        order.filled += count
        order.quantity = order.filled
        order.finish(FILLED, time_stamp(now_ns), f"Filled Size: {order.filled}")
        self._desk.registry.retire(order)
        self._desk.messages.tell_fill(order, records)

    def _deliver(
        self, contract: Contract, quantity: int, now_ns: int, order: ClientOrder | None
    ) -> list[ExecutionRecord]:
        """Exercise (or be assigned, for a negative quantity); return the executions."""
        under = self._directory.underlying_of(contract)
        if under is None or not self._is_delivered(contract, under):
            return [self._close(contract, quantity, self._intrinsic(contract), now_ns, order)]
        option = self._close(contract, quantity, 0, now_ns, order)
        shares = self._desk.filling.book_alone(
            under.con_id,
            contract.kind if quantity > 0 else -contract.kind,
            abs(quantity) * contract.multiplier // under.multiplier,
            contract.strike,
            now_ns,
            perm_id=option.perm_id,
            order=order,
            exchange=_EXCHANGE,
        )
        return [option, shares]

    def _close(
        self, contract: Contract, quantity: int, price: int, now_ns: int, order: ClientOrder | None
    ) -> ExecutionRecord:
        return self._desk.filling.book_alone(
            contract.con_id,
            -1 if quantity > 0 else 1,
            abs(quantity),
            price,
            now_ns,
            perm_id=self._desk.registry.new_perm_id() if order is None else order.perm_id,
            order=order,
            exchange=_EXCHANGE,
        )

    @staticmethod
    def _is_delivered(contract: Contract, under: Contract) -> bool:
        lives_on = under.security_type == "FUT" and under.expiry_ns > contract.expiry_ns
        return under.security_type == "STK" or lives_on

    def _intrinsic(self, contract: Contract) -> int:
        """Return what the option is worth if exercised now (1/10000); 0 while its underlying has no quote."""
        under = self._directory.underlying_of(contract)
        if under is None:
            return 0
        is_last = under.security_type == "FUT" and not self._is_delivered(contract, under)
        doubled = self._board.doubled_mark(under.con_id)
        mark = self._last_mark(under) if is_last else None if doubled is None else doubled // 2
        return 0 if mark is None else max(0, contract.kind * (mark - contract.strike))

    def _last_mark(self, future: Contract) -> int | None:
        """Return the price that settles a future (1/10000)."""
        under = self._directory.underlying_of(future)
        marks = (self._board.doubled_mark(one.con_id) for one in (under, future) if one is not None)
        found = next((mark for mark in marks if mark is not None), None)
        return None if found is None else found // 2

    def _is_worth_exercising(self, contract: Contract) -> bool:
        listing, under = self._directory.listing(contract.con_id), self._directory.underlying_of(contract)
        is_american = under is not None and under.security_type == "STK"
        is_american |= listing is not None and listing.american
        intrinsic, mark = self._intrinsic(contract), self._board.doubled_mark(contract.con_id)
        return is_american and intrinsic >= _LEAST_IN_THE_MONEY and mark is not None and mark <= 2 * intrinsic
