"""The paper account: positions, cash, margin. Everything follows from the list of bookings.

* Shares and options (those on futures, too) are paid for in cash.
* A future costs nothing but its commission: what it gained or lost against its average price is paid
  into cash when it is closed, and until then counts as the account's open profit of futures.
* A currency pair exchanges one currency for the other: ``EUR.USD`` bought is dollars spent and a balance
  of euros, worth what the pair is quoted at. Commissions are in dollars.

Equity with loan value is cash of all currencies, the open profit of futures, and shares, as under
Regulation T: options lend nothing. The initial margin must be below it; what is left are the available
funds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from optionsib.brokers.paper.contracts import ContractDirectory
from optionsib.brokers.paper.margin import Margin, margin_of
from optionsib.brokers.paper.quotes import QuoteBoard
from optionsib.common.types import MONEY_SCALE, PRICE_SCALE, price_to_money

_DOUBLED_MARK_TO_MONEY = MONEY_SCALE // PRICE_SCALE // 2


@dataclass(slots=True)
class Position:
    """A signed holding and what it cost (money; negative = received); ``realized`` so far."""

    quantity: int = 0
    cost: int = 0
    realized: int = 0


@dataclass(frozen=True, slots=True)
class Booking:
    """``side`` +1 bought, -1 sold; ``price`` 1/10000, ``commission`` in money."""

    con_id: int
    side: int
    quantity: int
    price: int
    commission: int


class Account:
    """Cash and positions. Commissions reduce cash and realized profit, not a position's cost.

    ``cash`` is that in dollars.
    """

    def __init__(self, name: str, cash: int, directory: ContractDirectory, board: QuoteBoard) -> None:
        self.name = name
        self.cash = cash
        self.initial_cash = cash
        self.directory = directory
        self.board = board
        self._positions: dict[int, Position] = {}
        self._bookings: list[Booking] = []
        self.commissions = 0

    # --- booking ---------------------------------------------------------------------------------

    def book(self, con_id: int, side: int, quantity: int, price: int, commission: int) -> int | None:
        """Book an execution; return the realized profit after commission, None if it only opened."""
        booking = Booking(con_id, side, quantity, price, commission)
        self._bookings.append(booking)
        return self._apply(booking)

    @property
    def last_booking(self) -> int:
        """The number of the newest booking, from 0."""
        return len(self._bookings) - 1

    def rebook(
        self, number: int, *, quantity: int | None = None, price: int | None = None, fee: int | None = None
    ) -> int | None:
        """Correct a booking and everything that followed from it; return its realized profit now."""
        old = self._bookings[number]
        self._bookings[number] = replace(
            old,
            quantity=old.quantity if quantity is None else quantity,
            price=old.price if price is None else price,
            commission=old.commission if fee is None else fee,
        )
        self.cash, self.commissions = self.initial_cash, 0
        self._positions = {con_id: Position() for con_id in self._positions}
        return [self._apply(booking) for booking in self._bookings][number]

    def _apply(self, booking: Booking) -> int | None:
        con_id, side, quantity, price = booking.con_id, booking.side, booking.quantity, booking.price
        contract = self.directory.by_id[con_id]
        multiplier = contract.multiplier
        held = self._positions.setdefault(con_id, Position())
        self.cash -= booking.commission
        self.commissions += booking.commission
        if contract.security_type != "FUT":
            self.cash -= side * price_to_money(price, multiplier, quantity)
        closing = min(quantity, abs(held.quantity)) if held.quantity * side < 0 else 0
        realized = None
        if closing:
            released = held.cost * closing // abs(held.quantity)
            gained = -side * price_to_money(price, multiplier, closing) - released
            realized = gained - booking.commission
            if contract.security_type == "FUT":
                self.cash += gained
            held.cost -= released
            held.realized += realized
        held.cost += side * price_to_money(price, multiplier, quantity - closing)
        held.quantity += side * quantity
        return realized

    # --- positions -------------------------------------------------------------------------------

    def positions(self) -> list[tuple[int, Position]]:
        """Return every contract ever held, by rising contract id (closed ones have quantity 0)."""
        return sorted(self._positions.items())

    def quantity(self, con_id: int) -> int:
        """Return the signed holding."""
        held = self._positions.get(con_id)
        return 0 if held is None else held.quantity

    def market_value(self, con_id: int) -> int:
        """Return the holding's value at the middle price, of a future its whole; at cost without a quote."""
        held = self._positions[con_id]
        mark = self.board.doubled_mark(con_id)
        if mark is None:
            return held.cost
        multiplier = self.directory.by_id[con_id].multiplier
        return mark * _DOUBLED_MARK_TO_MONEY * multiplier * held.quantity

    def unrealized(self, con_id: int) -> int:
        """Return the holding's value less its cost."""
        return self.market_value(con_id) - self._positions[con_id].cost

    def realized_total(self) -> int:
        """Return the realized profit of all closing executions, after their commissions."""
        return sum(held.realized for held in self._positions.values())

    def unrealized_total(self) -> int:
        """Return the value of all holdings less their cost."""
        return sum(self.unrealized(con_id) for con_id, held in self._positions.items() if held.quantity)

    def daily_profit(self) -> int:
        """Return the change of the net liquidation value since the session opened."""
        return self.net_liquidation() - self.initial_cash

    # --- value and margin ------------------------------------------------------------------------

    def net_liquidation(self) -> int:
        """Return all cash and the value of all holdings."""
        return self.total_cash() + self.holdings_value("STK", "OPT", "FOP")

    def total_cash(self) -> int:
        """Return cash of all currencies in dollars, and the open profit of futures."""
        return self.cash + self.holdings_value("CASH") + self.open_futures_profit()

    def open_futures_profit(self) -> int:
        """Return what futures that are held have gained: variation that is not in cash yet."""
        return sum(self.unrealized(con_id) for con_id, _ in self._held("FUT"))

    def holdings_value(self, *security_types: str) -> int:
        """Return the value of the holdings of these security types."""
        return sum(self.market_value(con_id) for con_id, _ in self._held(*security_types))

    def currencies(self) -> list[tuple[str, int, int]]:
        """Return currency, balance and contract id of its pair for all but the dollar, by name."""
        return sorted(
            (self.directory.by_id[con_id].symbol, held.quantity * MONEY_SCALE, con_id)
            for con_id, held in self._positions.items()
            if self.directory.by_id[con_id].security_type == "CASH"
        )

    def _held(self, *security_types: str) -> list[tuple[int, Position]]:
        return [
            (con_id, held)
            for con_id, held in self._positions.items()
            if held.quantity and self.directory.by_id[con_id].security_type in security_types
        ]

    def equity_with_loan(self) -> int:
        """Return all cash and the value of the shares."""
        return self.total_cash() + self.holdings_value("STK")

    def margin(self, changes: Iterable[tuple[int, int]] = ()) -> Margin:
        """Return the margin of the positions plus ``changes`` (contract id, quantity)."""
        quantities = {con_id: held.quantity for con_id, held in self._positions.items()}
        for con_id, quantity in changes:
            quantities[con_id] = quantities.get(con_id, 0) + quantity
        held = [(self.directory.by_id[con_id], quantity) for con_id, quantity in sorted(quantities.items())]
        return margin_of(
            held, self.board.doubled_mark, self.directory.underlying_of, self.directory.future_margin
        )

    def cushion(self) -> float:
        """Return excess liquidity as a share of the net liquidation value, 0 to 1."""
        value = self.net_liquidation()
        excess = self.equity_with_loan() - self.margin().maintenance
        return 0.0 if value <= 0 else min(1.0, max(0.0, excess / value))
