"""The vault's ledger: decides what is reserved and what must happen on the chain, and books what has.

1. A decision becomes an intent with all its terms, journaled; the outbox carries intents out.
2. Every decision has a reference, and asking again changes nothing: a restart may repeat them all.
3. Money moves in the books when the chain's own record says so, by that record's amounts.
4. One trade on the chain for each opening order; its escrow is the order's whole maximum loss.

The same fold (``ledger_state``) serves life and restart. Nothing here sends.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

from optionsib.common import codec
from optionsib.common.errors import SettlementError
from optionsib.common.events import (
    AnyEvent,
    Event,
    LedgerEntry,
    Posting,
    VaultAcknowledged,
    VaultIntent,
    VaultOutcome,
    VaultSent,
)
from optionsib.common.ports import Clock, CloseTerms
from optionsib.common.types import SECOND_NS, Order
from optionsib.execution.realised import part_of_escrow
from optionsib.vault.books import postings_of, transfer
from optionsib.vault.ledger_state import LedgerState
from optionsib.vault.program_client import AuditRecord
from optionsib.vault.schema import load_schema


class VaultLedger(LedgerState):
    """Decisions and their state.

    Parameters
    ----------
    clock
        Stamps what is journaled.
    publish
        Journals an event; whoever sends commits before.
    place
        Cluster, program and vault (base58): part of each order's hash.
    trade_seconds
        How long a trade is opened for, chain time.
    """

    def __init__(
        self,
        clock: Clock,
        publish: Callable[[Event], object],
        *,
        place: tuple[str, str, str],
        trade_seconds: int,
    ) -> None:
        super().__init__(trade_seconds)
        self._clock, self._publish, self.place = clock, publish, place
        self.highest = 0  # trade id of the chain, as last read: a journal may be younger than its vault
        self.chain_time = 0  # Unix seconds, as last read; until then our clock is asked
        self._kinds = {found.code: found.name for found in load_schema().instructions}

    # --- decisions ---------------------------------------------------------------------------------

    def reserve(self, order: Order, amount: int) -> str | None:
        """Raise what is set aside for an opening order to ``amount``; return None or why not."""
        known = self._known(order)
        covered = self.covered(order.order_ref)
        more = amount - covered
        if more <= 0:
            known.take_units(order)
            return None
        own = self._by_order.get(order.order_ref)
        if own is not None and (own.is_over or known.ended):
            what = f"trade {order.trade_id}" if own.is_over else f"order {order.order_ref}"
            return f"{what} has ended on the chain: nothing more of it opens"
        if own is not None:
            return (
                f"order {order.order_ref} is open on the chain with {_usdt(covered)} USDT, as changed it "
                f"needs {_usdt(amount)}: its maximum loss cannot rise; it stays as it was. Cancel it, and "
                "order the rest anew"
            )
        other = self._by_trade_id.get(order.trade_id)
        if other is not None:
            return f"trade {order.trade_id} was opened by order {other.order_ref}: one opening order a trade"
        if more > self.books.balances["free"]:
            return (
                f"order {order.order_ref} needs {_usdt(more)} USDT, free is "
                f"{_usdt(self.books.balances['free'])} USDT"
            )
        postings = transfer("free", "reserved", more)
        self._enter("reserve", postings, order.order_ref, order.trade_id, known.entries)
        known.take_units(order)
        return None

    def restore(self, order: Order) -> None:
        """Take an order's terms over from the journal of an earlier run; nothing is booked."""
        self._known(order).take_units(order)

    def free(self, order_ref: str) -> int:
        """Return what an order that never filled has reserved; give the amount."""
        known = self.orders.get(order_ref)
        amount, entries = self._reserved(order_ref)
        if not amount or order_ref in self._by_order:
            return 0
        postings = transfer("reserved", "free", amount)
        self._enter("free", postings, order_ref, known.order.trade_id if known else "", entries)
        return amount

    def filled(self, reference: str, order_ref: str, units: int) -> None:
        """Note an opening fill; the first one opens the trade on the chain."""
        known = self._order(order_ref)
        if reference in known.fills:
            return
        known.fills.add(reference)
        is_first, is_open = not known.filled, order_ref in self._by_order
        known.filled += units
        if known.ended and not (is_first and (is_open or known.reserved)):
            known.late += units  # its escrow went back at the end of the order
        if is_open or not known.reserved:
            return
        order = known.order
        number = max((self.highest, *self.trades)) + 1
        hashed = hashlib.sha256(codec.encode((*self.place, order))).hexdigest()
        self._intend(
            kind="open",
            reference=f"{order_ref} open",
            trade=number,
            trade_id=order.trade_id,
            order_ref=order_ref,
            amount=known.reserved,
            order_hash=hashed,
            expiry=(self.chain_time or self._clock.now_ns() // SECOND_NS) + self._trade_seconds,
        )

    def ended(self, order_ref: str) -> None:
        """Note that an opening order fills no more: the unfilled part of its escrow returns."""
        known = self.orders.get(order_ref)
        if known is None:
            return
        known.ended = True
        trade = self._by_order.get(order_ref)
        unfilled = known.order.quantity - known.filled
        if trade is None:
            self.free(order_ref)
        elif not known.filled:
            pass  # told again by a replay: its first fill came after the end, and was booked by hand
        elif unfilled and not trade.unfunded:
            amount = part_of_escrow(trade.left, unfilled, unfilled + self._units(known, trade))
            if amount:
                self._intend(
                    kind="reduce", reference=f"{order_ref} reduce", trade=trade.number, amount=amount,
                    trade_id=trade.trade_id, order_ref=order_ref,
                )  # fmt: skip

    def close(self, terms: CloseTerms) -> None:
        """Note a close that is due.

        Raises
        ------
        SettlementError
            If its trade was never opened on the chain.
        """
        reference = f"{terms.trade_id} close {terms.reference}"
        if reference in self._by_reference:
            return
        trade = self._by_trade_id.get(terms.trade_id)
        if trade is None:
            raise SettlementError(
                f"trade {terms.trade_id} was not opened on the chain; its close is not booked"
            )
        known = self._order(trade.order_ref)
        working = 0 if known.ended else known.order.quantity - known.filled
        self._intend(
            kind="close",
            reference=reference,
            trade=trade.number,
            trade_id=terms.trade_id,
            order_ref=trade.order_ref,
            amount=part_of_escrow(trade.left, terms.units, terms.units_before + working),
            close_number=trade.closes,
            pnl=terms.pnl,
            opened=terms.opened,
            units_before=terms.units_before,
            units=terms.units,
            opening=terms.opening,
            closing=terms.closing,
        )

    def extend(self, number: int, expiry: int, longest: int) -> None:
        """Note that a trade must live longer, ``longest`` seconds in all at most."""
        trade = self.trades[number]
        expiry = min(expiry, trade.opened_at + longest)
        if expiry <= trade.expiry:
            trade.is_final = True
            return
        self._intend(
            kind="extend", reference=f"{number} extend after {trade.expiry}", trade=number, expiry=expiry,
            trade_id=trade.trade_id, order_ref=trade.order_ref,
        )  # fmt: skip

    def heartbeat(self, after: int) -> None:
        """Note that the chain must hear of the engine; ``after``: the last it heard, Unix seconds."""
        self._intend(kind="heartbeat", reference=f"heartbeat after {after}")

    def acknowledge(self, event: VaultAcknowledged) -> None:
        """Journal that a person answers for an alarm."""
        self._put(event)

    # --- what the outbox reports -------------------------------------------------------------------

    def sent(self, event: VaultSent) -> None:
        """Journal a signed transaction; it has not left."""
        self._put(event)

    def settled(self, outcome: VaultOutcome) -> None:
        """Journal what became of an intent; an open that failed takes the trade's later intents with it."""
        self._put(outcome)
        intent = self.intents[outcome.intent].intent
        if outcome.result != "failed" or intent.kind != "open":
            return
        self._drop_unfunded(intent.trade)

    def _drop_unfunded(self, number: int) -> None:
        """Return what a trade that was never opened has reserved; its later intents end with it."""
        trade = self.trades[number]
        amount, entries = self._reserved(trade.order_ref)
        if amount:
            postings = transfer("reserved", "free", amount)
            self._enter("unfunded", postings, trade.order_ref, trade.trade_id, entries)
        for state in list(self.intents.values()):
            if state.intent.trade == number and not state.is_over:
                self._put(
                    VaultOutcome(
                        intent=state.intent.number,
                        at_ns=self._clock.now_ns(),
                        result="failed",
                        error=f"never opened: {trade.unfunded}",
                    )
                )

    def book(self, record: AuditRecord, *, paid: bool, signature: str = "") -> None:
        """Book a record of the chain's audit trail; ``paid``: profits of closes came at once.

        Raises
        ------
        SettlementError
            If the chain opened a trade under another order's hash, or the books cannot follow.
        """
        if f"chain {record.sequence}" in self.books:
            return
        kind, trade = self._kinds[record.kind], self.trades.get(record.trade_id)
        if kind == "open" and trade is not None:
            ours = self._by_reference[f"{trade.order_ref} open"].order_hash
            if record.detail.hex() != ours:
                raise SettlementError(
                    f"trade {record.trade_id} was opened for order {record.detail.hex()}, expected {ours}"
                )
        self._put(
            LedgerEntry(
                at_ns=self._clock.now_ns(),
                reference=f"chain {record.sequence}",
                memo=kind,
                postings=postings_of(kind, record, paid=paid, ours=trade is not None),
                order_ref="" if trade is None else trade.order_ref,
                trade_id="" if trade is None else trade.trade_id,
                signature=signature,
            )
        )

    # --- restart -----------------------------------------------------------------------------------

    def replay(self, events: Iterable[AnyEvent]) -> None:
        """Rebuild everything from the journal; decisions asked for again afterwards change nothing.

        What an earlier run did not live to write after an open that failed is written now.
        """
        for event in events:
            self.fold(event)
        for trade in self.trades.values():
            if trade.unfunded:
                self._drop_unfunded(trade.number)

    # --- helpers -----------------------------------------------------------------------------------

    def _put(self, event: Event) -> None:
        self._publish(event)
        self.fold(event)

    def _enter(
        self, memo: str, postings: tuple[Posting, ...], order_ref: str, trade_id: str, entries: int
    ) -> None:
        self._put(
            LedgerEntry(
                at_ns=self._clock.now_ns(),
                reference=f"{order_ref} {memo} {entries + 1}",
                memo=memo,
                postings=postings,
                order_ref=order_ref,
                trade_id=trade_id,
            )
        )

    def _intend(self, *, reference: str, **terms: Any) -> None:
        if reference in self._by_reference:
            return
        self._put(
            VaultIntent(
                number=len(self.intents) + 1, at_ns=self._clock.now_ns(), reference=reference, **terms
            )
        )
        number = terms.get("trade", 0)
        if number and self.trades[number].unfunded:
            self._drop_unfunded(number)


def _usdt(amount: int) -> str:
    return f"{amount / 1_000_000:,.2f}"
