"""Protocols that cross the import stair the other way; ``cli`` and ``launchers`` wire them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import msgspec

from optionsib.common.events import VaultState, VaultTransaction
from optionsib.common.types import Contract


class Clock(Protocol):
    """``now_ns`` is the only time that is journaled or decided on; ``monotonic`` serves timeouts."""

    def now_ns(self) -> int:
        """Return the session's time, UTC ns."""
        ...

    def monotonic(self) -> float:
        """Return real elapsed seconds."""
        ...


class TapeQuote(msgspec.Struct, frozen=True):
    """Both sides of one contract after a change; None = side absent. Prices 1/10000."""

    con_id: int
    bid: int | None
    bid_size: int
    ask: int | None
    ask_size: int


class TapeStep(msgspec.Struct, frozen=True):
    """All quotes that became known at ``at_ns``; contracts without a change are not named."""

    at_ns: int
    quotes: tuple[TapeQuote, ...]


class QuoteTape(Protocol):
    """One recorded or simulated day of an option chain. The paper exchange plays it."""

    @property
    def name(self) -> str:
        """Short name for people, e.g. ``TWX 2014-06-06``."""
        ...

    @property
    def simulated(self) -> bool:
        """True if no market ever quoted these prices."""
        ...

    @property
    def sha256(self) -> str:
        """Digest of the content, for the journal's genesis."""
        ...

    @property
    def session_open_ns(self) -> int: ...

    @property
    def session_close_ns(self) -> int: ...

    @property
    def underlying(self) -> Contract: ...

    @property
    def contracts(self) -> Sequence[Contract]:
        """The options, in (expiry, strike, right) order with rising ``con_id``."""
        ...

    def steps(self) -> Iterator[TapeStep]:
        """Yield the day in time order; the underlying is quoted under its own ``con_id``."""
        ...


class SettlementLedger(Protocol):
    """Where the money of a trade sits.

    Amounts in base units (1/1000000). Movements are idempotent on ``reference`` (an
    execution id), and either moves the whole amount or raises with nothing moved. Each movement is
    handed to the journal (durable) before it is sent to the chain.
    """

    def fund(self) -> None:
        """Set the accounts up and make the deposits; nothing happens where that is done."""
        ...

    def reserve(self, order_ref: str, amount: int) -> str | None:
        """Raise what is set aside for an order to ``amount``; nothing moves if it is that high already.

        Return None, or the reason of a refusal (then the reserve is as before).
        """
        ...

    def open(self, reference: str, order_ref: str, trade_id: str, amount: int) -> None:
        """Move ``amount`` of the order's reserve into the trade's escrow (at a fill)."""
        ...

    def free(self, order_ref: str) -> int:
        """Return what is left of the order's reserve to the free balance; give the amount."""
        ...

    def close(self, reference: str, trade_id: str, collateral: int, profit: int) -> None:
        """Return ``collateral`` of the escrow to the free balance.

        ``profit`` (negative: a loss) is settled against the clearing account in the same transaction.
        """
        ...

    def fee(self, reference: str, trade_id: str, amount: int) -> None:
        """Pay ``amount`` from the free balance to the fee account."""
        ...

    def state(self, at_ns: int) -> VaultState:
        """Read all balances from the chain."""
        ...

    def replay(self, transactions: Sequence[VaultTransaction]) -> None:
        """Rebuild the chain from journaled transactions; raise ``SettlementError`` on a difference."""
        ...


class ModelDirectory(Protocol):
    """Which model version is live."""

    def live_model_id(self) -> str | None:
        """Return the SHA-256 of the artefact that may vote now."""
        ...
