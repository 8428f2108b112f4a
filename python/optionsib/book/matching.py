"""``MatchingEngine``: the orders of many books, by price and time or pro-rata, with deterministic reports.

The rules stand in docs/matching.md.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from optionsib._native import _core
from optionsib.book.reads import BookReads
from optionsib.book.types import Action, Trade, check_output, checked_records

# One report: 64 bytes, little-endian, no padding; fields that a kind does not name are 0.
REPORT_DTYPE: np.dtype[Any] = np.dtype(
    [
        ("kind", "u1"),  # ReportKind
        ("side", "i1"),  # of order_id: +1 bid, -1 ask
        ("reason", "u1"),  # Reason
        ("flags", "u1"),  # ReportFlag
        ("contract", "<u4"),
        ("order_id", "<i8"),  # traded: the taker
        ("other_id", "<i8"),  # traded: the maker
        ("price", "<i8"),
        ("quantity", "<i8"),
        ("remaining", "<i8"),  # open quantity of order_id afterwards
        ("message", "<u8"),  # number of the message that led to it, from 1
        ("timestamp", "<i8"),  # of that message
    ]
)


class OrderFlag(enum.IntFlag):
    """Kinds of an order; 0 is a plain limit order."""

    IMMEDIATE_OR_CANCEL = 1
    FILL_OR_KILL = 2
    MARKET = 4  # the price is not read
    POST_ONLY = 8  # refused where it would trade at once
    STOP = 16  # with MARKET a stop-market, else a stop-limit order; ``stop`` is the trigger
    ICEBERG = 32  # shows ``extra`` at a time
    AUCTION_ONLY = 64  # taken in auctions only, canceled at their end
    MINIMUM = 128  # at least ``extra`` trades at once, or the order is refused


class Phase(enum.IntEnum):
    """State of a book."""

    CONTINUOUS = 0
    AUCTION = 1
    HALTED = 2  # cancels only
    CLOSED = 3  # cancels only


class Allocation(enum.IntEnum):
    """How orders of one price share what comes."""

    PRICE_TIME = 0
    PRO_RATA = 1  # by shown size, rounded down; what rounding leaves goes by time
    TOP_PRO_RATA = 2  # the first of the queue whole, the others pro-rata


class SelfMatch(enum.IntEnum):
    """What happens where an order would meet one of its own owner (owner 0 is nobody)."""

    ALLOW = 0
    CANCEL_NEWEST = 1
    CANCEL_OLDEST = 2
    CANCEL_BOTH = 3
    DECREMENT = 4


class ReportKind(enum.IntEnum):
    """What a report tells."""

    ACCEPTED = 1
    REJECTED = 2  # nothing has changed
    TRADED = 3
    CANCELED = 4  # ``quantity`` went out, ``remaining`` stays
    REPLACED = 5
    TRIGGERED = 6  # a stop became an order
    REFRESHED = 7  # an iceberg shows its next slice, at the back of the queue
    PHASE = 8  # ``quantity`` is the Phase
    INDICATION = 9  # price, volume, ``remaining`` is the surplus (+ bid, - ask)


class ReportFlag(enum.IntFlag):
    """Kinds of trades."""

    IN_AUCTION = 1  # ``order_id`` is the bid, ``other_id`` the ask
    BY_LEGS = 2  # of a combination; the trades of its legs follow
    LEG_TRADE = 4  # such a leg; ``order_id`` is the combination's


class Reason(enum.IntEnum):
    """Why an order was rejected (below 32), canceled, or a phase changed."""

    NONE = 0
    UNKNOWN_ORDER = 1
    DUPLICATE_ORDER = 2
    BAD_QUANTITY = 3
    BAD_PRICE = 4
    BAD_SIDE = 5
    BAD_ACTION = 6
    BAD_CONTRACT = 7
    BAD_FLAGS = 16
    BAD_EXTRA = 17
    WRONG_PHASE = 18
    WOULD_TRADE = 19
    FILL_OR_KILL = 20
    MINIMUM = 21
    REQUESTED = 32
    IMMEDIATE = 33
    SELF_MATCH = 34
    AUCTION_ENDED = 35
    INTERRUPTED = 36
    LEVEL_FULL = 37
    CLEARED = 38
    TIME = 39


@dataclass(frozen=True, slots=True)
class MatchResult:
    """What became of a submitted or modified order.

    ``trades`` are those that it had part in, ``remaining`` is what did not trade: it rests (``resting``),
    waits for its trigger, or was given back. ``reason`` is ``Reason.NONE`` unless it was rejected.
    """

    reason: Reason
    trades: list[Trade]
    remaining: int
    resting: bool


class Indication(NamedTuple):
    """Price of an auction as the orders stand; ``volume`` 0: there is none."""

    price: int
    volume: int
    surplus: int


class MatchedBook(BookReads, _core.MatchedBook):
    """One book of a ``MatchingEngine``, for reading: ``MatchedBook(engine, contract)``."""


class MatchingEngine(BookReads, _core.MatchingEngine):
    """Match the orders of one book or of many; ``MatchingEngine(expected_orders=0, *, books=1)``.

    ``send(action, order_id, side=0, price=0, quantity=0, owner=0, flags=0, contract=0, stop=0, extra=0,
    timestamp=0)`` is the cheapest message: it takes positional ints as a record would tell them and answers
    the number of its reports, or minus the ``Reason`` of a refusal. ``reports()`` are those of the last
    ``send``, ``submit``, ``modify`` or ``cancel`` as an array of ``REPORT_DTYPE``. Reads of the engine itself
    (``best_bid``, ``queue``, ``len`` ...) are those of book 0, ``book(contract)`` gives any.

    Examples
    --------
    >>> from optionsib.book import ASK, BID, MatchingEngine
    >>> engine = MatchingEngine()
    >>> engine.submit(1, ASK, 100, 5).resting
    True
    >>> engine.submit(2, BID, 101, 7).trades
    [Trade(maker_id=1, taker_id=2, price=100, quantity=5)]
    >>> engine.best_bid
    Level(price=101, quantity=2, order_count=1)
    """

    def submit(
        self,
        order_id: int,
        side: int,
        price: int,
        quantity: int,
        owner: int = 0,
        ioc: bool = False,
        *,
        flags: int = 0,
        contract: int = 0,
        stop: int = 0,
        extra: int = 0,
        timestamp: int = 0,
    ) -> MatchResult:
        """Enter an order.

        Parameters
        ----------
        order_id
            Any int64 that no open order of this engine has.
        side
            +1 buys, -1 sells.
        price
            Limit in ticks, may be negative; between -``MAX_PRICE`` and ``MAX_PRICE``, both excluded.
        quantity
            1 to ``MAX_QUANTITY``.
        owner
            Whose order it is (0 to 2**32 - 1), for self-match prevention; 0 is nobody.
        ioc
            Immediate-or-cancel: the same as its flag.
        flags
            ``OrderFlag``.
        contract
            Row of the book.
        stop
            Trigger of a stop order in ticks.
        extra
            Display size of an iceberg, or minimum quantity.
        timestamp
            ns; carried into the reports, and ends an auction whose time is over.
        """
        reason = self.send(
            Action.ADD,
            order_id,
            side,
            price,
            quantity,
            owner,
            flags | (OrderFlag.IMMEDIATE_OR_CANCEL if ioc else 0),
            contract,
            stop,
            extra,
            timestamp,
        )
        return self._result(reason, order_id, quantity, contract)

    def modify(
        self,
        order_id: int,
        price: int,
        quantity: int,
        *,
        flags: int = 0,
        contract: int = 0,
        timestamp: int = 0,
    ) -> MatchResult:
        """Give an open order a new price and a new open ``quantity``.

        Less quantity at the same price keeps the place; more quantity or another price loses it, and the
        order may then trade at once, as a taker under its old id; ``OrderFlag.POST_ONLY`` refuses that.
        """
        reason = self.send(Action.MODIFY, order_id, 0, price, quantity, 0, flags, contract, 0, 0, timestamp)
        return self._result(reason, order_id, quantity, contract)

    def cancel(self, order_id: int, contract: int = 0, timestamp: int = 0) -> Reason:
        """Take an open order out; ``Reason.NONE`` if it was there."""
        answer = self.send(Action.CANCEL, order_id, 0, 0, 0, 0, 0, contract, 0, 0, timestamp)
        return Reason(-answer) if answer < 0 else Reason.NONE

    def set_phase(
        self,
        phase: Phase,
        contract: int = 0,
        *,
        reference: int | None = None,
        end: int = 0,
        timestamp: int = 0,
    ) -> Reason:
        """Change the phase of a book; entering continuous trading uncrosses it first.

        Parameters
        ----------
        phase
            ``Phase``.
        contract
            Row of the book.
        reference
            New reference price in ticks; None keeps the old one.
        end
            Of an auction: the first message with this ``timestamp`` or a later one ends it; 0: none does.
        timestamp
            ns, carried into the reports.
        """
        flags, price = (0, 0) if reference is None else (1, reference)
        answer = self.send(Action.SET_PHASE, 0, 0, price, phase, 0, flags, contract, end, 0, timestamp)
        return Reason(-answer) if answer < 0 else Reason.NONE

    def tell_time(self, timestamp: int, contract: int = 0) -> None:
        """Tell a book the time: an auction that is over ends, one that goes on reports its indication."""
        self.send(Action.TELL_TIME, 0, 0, 0, 0, 0, 0, contract, 0, 0, timestamp)

    def apply_batch(self, records: NDArray[np.void]) -> NDArray[np.void]:
        """Apply messages in order; return all reports (``REPORT_DTYPE``).

        Parameters
        ----------
        records
            One-dimensional array of ``RECORD_DTYPE``. The GIL is released meanwhile.

        Raises
        ------
        ValueError
            If shape or dtype differ; the books are unchanged.
        RuntimeError
            If another thread's batch is at work on this engine.
        """
        return self._apply_batch(checked_records(records))

    def apply_into(self, records: NDArray[np.void], reports: NDArray[np.void]) -> tuple[int, int]:
        """Apply messages and write their reports into ``reports``, without allocation.

        Stops after the first message whose reports do not fit; what is left of them (``pending``) comes first
        in the next call, whose ``records`` may be empty.

        Returns
        -------
        tuple of int
            How many records were consumed, how many reports written.

        Raises
        ------
        ValueError
            If a shape or dtype differs, or ``reports`` cannot be written; the books are unchanged.
        """
        check_output("reports", reports, REPORT_DTYPE, len(reports))
        return self._apply_into(checked_records(records), reports)

    def set_rules(
        self,
        contract: int = 0,
        *,
        allocation: Allocation = Allocation.PRICE_TIME,
        self_match: SelfMatch = SelfMatch.ALLOW,
        static_collar: int = 0,
        dynamic_collar: int = 0,
        interruption_length: int = 0,
    ) -> None:
        """Set the rules of one book.

        Parameters
        ----------
        contract
            Row of the book.
        allocation
            ``Allocation``.
        self_match
            ``SelfMatch``.
        static_collar
            Greatest distance in ticks of a trade from the reference price; 0: none.
        dynamic_collar
            The same from the last trade.
        interruption_length
            ns that an auction lasts which a collar has called; 0: until the phase is changed.

        Raises
        ------
        IndexError
            If there is no such book.
        ValueError
            If a value is out of range; the rules stay.
        """
        self._set_rules(contract, allocation, self_match, static_collar, dynamic_collar, interruption_length)

    def define_combination(self, contract: int, legs: Sequence[tuple[int, int, int]]) -> None:
        """Make a book that was not used yet the one of a combination.

        Parameters
        ----------
        contract
            Row of the combination's book.
        legs
            2 to 8 of (row, side of a bought combination, ratio 1 to 1,000,000), all different plain books.

        Raises
        ------
        IndexError
            If there is no such book.
        ValueError
            If the book is in use, or the legs are not such.
        """
        self._define_combination(contract, list(legs))

    def phase(self, contract: int = 0) -> Phase:
        """Return the phase of a book; ``IndexError`` if there is none."""
        return Phase(self._phase(contract))

    def indication(self, contract: int = 0) -> Indication:
        """Return price, volume and surplus of an auction of the orders as they stand."""
        return Indication(*self._indication(contract))

    def book(self, contract: int) -> MatchedBook:
        """Return a view of one book; ``IndexError`` if there is none."""
        return MatchedBook(self, contract)

    def _result(self, answer: int, order_id: int, quantity: int, contract: int) -> MatchResult:
        if answer < 0:
            return MatchResult(Reason(-answer), [], 0, False)
        trades = [Trade._make(trade) for trade in self._trades_of(order_id)]
        remaining = quantity - sum(trade.quantity for trade in trades)
        resting = remaining > 0 and self.book(contract).find(order_id) is not None
        return MatchResult(Reason.NONE, trades, remaining, resting)
