"""The vault's ledger: what is reserved, what must happen on the chain, and what the chain has done.

1. A decision becomes an intent with all its terms, journaled; the outbox carries intents out.
2. Every decision has a reference, and asking again changes nothing: a restart may repeat them all.
3. Money moves in the books when the chain's own record says so, by that record's amounts.
4. One trade on the chain for each opening order; its escrow is the order's whole maximum loss.

The same ``fold`` serves life and restart; nothing here reads a clock but through its argument, or sends.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from optionsib.common import codec
from optionsib.common.errors import SettlementError
from optionsib.common.events import (
    AnyEvent,
    Event,
    LedgerEntry,
    Posting,
    VaultIntent,
    VaultOutcome,
    VaultSent,
)
from optionsib.common.ports import Clock, CloseTerms
from optionsib.common.types import SECOND_NS, Order
from optionsib.execution.realised import part_of_escrow
from optionsib.vault.books import Books, transfer
from optionsib.vault.program_client import AuditRecord
from optionsib.vault.schema import load_schema


@dataclass(slots=True)
class LedgerTrade:
    """A trade on the chain, as decided and as the chain's records show it.

    ``left``: escrow once everything that was decided has happened. ``lost``: why something that was decided
    can never happen. ``is_final``: it cannot be extended any more.
    """

    number: int
    trade_id: str
    order_ref: str
    left: int
    closes: int = 0
    expiry: int = 0
    unfunded: str = ""
    lost: str = ""
    is_open: bool = False
    is_over: bool = False
    closed: int = 0
    reduced: bool = False
    opened_at: int = 0
    is_final: bool = False


@dataclass(slots=True)
class LedgerOrder:
    """An opening order: what is reserved for it, what was filled, and what of that after its end."""

    order: Order
    reserved: int = 0
    entries: int = 0
    filled: int = 0
    late: int = 0
    fills: set[str] = field(default_factory=set)
    ended: bool = False

    def take_units(self, order: Order) -> None:
        """Take over changed terms that reserve more units; fewer may still fill as before."""
        if order.quantity > self.order.quantity:
            self.order = order


@dataclass(slots=True)
class IntentState:
    """An intent and how far it has come."""

    intent: VaultIntent
    sent: VaultSent | None = None
    outcome: VaultOutcome | None = None

    @property
    def is_over(self) -> bool:
        """Tell whether nothing more happens to it."""
        return self.outcome is not None and self.outcome.result != "expired"


class VaultLedger:
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
        self._clock, self._publish, self.place = clock, publish, place
        self._trade_seconds = trade_seconds
        self.chain_time = 0  # Unix seconds, as last read; until then our clock is asked
        self.books = Books()
        self.orders: dict[str, LedgerOrder] = {}
        self.trades: dict[int, LedgerTrade] = {}
        self.intents: dict[int, IntentState] = {}
        self.records = 0  # of the chain's audit trail that are in the books
        self._restored: dict[str, tuple[int, int]] = {}  # reserved and entries of orders not told yet
        self._by_reference: dict[str, VaultIntent] = {}
        self._by_order: dict[str, LedgerTrade] = {}
        self._by_trade_id: dict[str, LedgerTrade] = {}
        self._kinds = {found.code: found.name for found in load_schema().instructions}

    # --- decisions ---------------------------------------------------------------------------------

    def reserve(self, order: Order, amount: int) -> str | None:
        """Raise what is set aside for an opening order to ``amount``; return None or why not."""
        known = self._known(order)
        more = amount - known.reserved
        if more <= 0:
            known.take_units(order)
            return None
        if order.order_ref in self._by_order:
            return f"order {order.order_ref} is open on the chain: its maximum loss cannot rise"
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
        amount, entries = (known.reserved, known.entries) if known else self._restored.get(order_ref, (0, 0))
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
        number = max(self.trades, default=0) + 1
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

    def ending(self) -> frozenset[str]:
        """Return the trades that cannot be extended any more: somebody must close them."""
        return frozenset(t.trade_id for t in self.trades.values() if t.is_final and t.left and not t.is_over)

    def heartbeat(self, after: int) -> None:
        """Note that the chain must hear of the engine; ``after``: the last it heard, Unix seconds."""
        self._intend(kind="heartbeat", reference=f"heartbeat after {after}")

    def reserved(self) -> list[str]:
        """Return the orders that have something set aside and are not open on the chain."""
        left = {name: known.reserved for name, known in self.orders.items()}
        left |= {name: reserved for name, (reserved, _) in self._restored.items()}
        return [name for name, amount in left.items() if amount and name not in self._by_order]

    def words(self) -> tuple[tuple[str, str], ...]:
        """Return each trade that is not settled yet and what the chain has of it."""
        found = []
        for trade in self.trades.values():
            busy = [s for s in self.intents.values() if s.intent.trade == trade.number and not s.is_over]
            if trade.unfunded:
                word = f"unfunded: {trade.unfunded}"
            elif busy:
                word = f"{busy[0].intent.kind} {'sent' if busy[0].sent else 'due'}"
            elif trade.left and not trade.is_over:
                word = "on chain"
            else:
                continue
            found.append((trade.trade_id, word))
        return tuple(found)

    # --- what the outbox reports -------------------------------------------------------------------

    def waiting(self) -> list[IntentState]:
        """Return the first unfinished intent of every trade, and of those without one, oldest first."""
        heads: dict[int, IntentState] = {}
        for state in self.intents.values():
            if not state.is_over:
                heads.setdefault(state.intent.trade, state)
        return list(heads.values())

    def sent(self, event: VaultSent) -> None:
        """Journal a signed transaction; it has not left."""
        self._put(event)

    def settled(self, outcome: VaultOutcome) -> None:
        """Journal what became of an intent; an open that failed takes the trade's later intents with it."""
        self._put(outcome)
        intent = self.intents[outcome.intent].intent
        if outcome.result != "failed" or intent.kind != "open":
            return
        known = self._order(intent.order_ref)
        postings = transfer("reserved", "free", known.reserved)
        self._enter("unfunded", postings, intent.order_ref, intent.trade_id, known.entries)
        self._drop_unfunded(intent.trade)

    def _drop_unfunded(self, number: int) -> None:
        trade = self.trades[number]
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
                postings=_postings(kind, record, paid=paid, ours=trade is not None),
                order_ref="" if trade is None else trade.order_ref,
                trade_id="" if trade is None else trade.trade_id,
                signature=signature,
            )
        )

    def is_fulfilled(self, intent: VaultIntent) -> bool:
        """Tell whether the chain's records show that an intent has happened."""
        trade = self.trades.get(intent.trade)
        if trade is None:
            return False
        return {
            "open": trade.is_open,
            "close": trade.closed > intent.close_number,
            "reduce": trade.reduced,
        }.get(intent.kind, False)

    # --- the fold ----------------------------------------------------------------------------------

    def replay(self, events: Iterable[AnyEvent]) -> None:
        """Rebuild everything from the journal; decisions asked for again afterwards change nothing."""
        for event in events:
            self.fold(event)

    def fold(self, event: object) -> None:
        """Take an event of the ledger's in; others are no concern."""
        match event:
            case LedgerEntry():
                self._fold_entry(event)
            case VaultIntent():
                self._fold_intent(event)
            case VaultSent():
                state = self.intents[event.intent]
                state.sent, state.outcome = event, None
            case VaultOutcome():
                self._fold_outcome(event)
            case _:
                pass

    def _fold_entry(self, entry: LedgerEntry) -> None:
        if not self.books.post(entry):
            return
        if entry.reference.startswith("chain "):
            self.records += 1
            self._fold_record(entry)
        if not entry.order_ref:
            return
        more = sum(posting.amount for posting in entry.postings if posting.account == "reserved")
        known = self.orders.get(entry.order_ref)
        if known is not None:
            known.entries, known.reserved = known.entries + 1, known.reserved + more
        else:
            reserved, entries = self._restored.get(entry.order_ref, (0, 0))
            self._restored[entry.order_ref] = (reserved + more, entries + 1)

    def _fold_record(self, entry: LedgerEntry) -> None:
        trade = self._by_order.get(entry.order_ref)
        if trade is None:
            return
        trade.is_open = trade.is_open or entry.memo == "open"
        trade.is_over = trade.is_over or entry.memo in ("expire", "release")
        trade.reduced = trade.reduced or entry.memo == "reduce"
        trade.closed += entry.memo == "close"

    def _fold_intent(self, intent: VaultIntent) -> None:
        self.intents[intent.number] = IntentState(intent)
        self._by_reference[intent.reference] = intent
        if intent.kind == "open":
            trade = LedgerTrade(
                intent.trade,
                intent.trade_id,
                intent.order_ref,
                intent.amount,
                expiry=intent.expiry,
                opened_at=intent.expiry - self._trade_seconds,
            )
            self.trades[trade.number] = self._by_order[trade.order_ref] = trade
            self._by_trade_id[trade.trade_id] = trade
            return
        if intent.kind in ("reduce", "close"):
            self.trades[intent.trade].left -= intent.amount
        if intent.kind == "close":
            self.trades[intent.trade].closes += 1

    def _fold_outcome(self, outcome: VaultOutcome) -> None:
        state = self.intents[outcome.intent]
        state.outcome = outcome
        if outcome.result == "expired":
            return
        intent, trade = state.intent, self.trades.get(state.intent.trade)
        if trade is None:
            return
        if outcome.result == "failed" and intent.kind == "open":
            trade.unfunded = outcome.error
        elif outcome.result == "failed" and intent.kind == "extend":
            trade.is_final = True
        elif outcome.result == "failed" and not trade.unfunded:
            trade.lost = trade.lost or f"{intent.kind}: {outcome.error}"
        elif intent.kind == "extend":
            trade.expiry = intent.expiry

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

    def _known(self, order: Order) -> LedgerOrder:
        """Return an order's state; what was booked for it before its terms were known is taken over."""
        if order.order_ref not in self.orders:
            reserved, entries = self._restored.pop(order.order_ref, (0, 0))
            self.orders[order.order_ref] = LedgerOrder(order, reserved, entries)
        return self.orders[order.order_ref]

    def _order(self, order_ref: str) -> LedgerOrder:
        known = self.orders.get(order_ref)
        if known is None:
            raise SettlementError(f"nothing was reserved for order {order_ref!r}; nothing booked")
        return known

    def _units(self, known: LedgerOrder, trade: LedgerTrade) -> int:
        closed = sum(
            state.intent.units
            for state in self.intents.values()
            if state.intent.kind == "close" and state.intent.trade == trade.number
        )
        return known.filled - closed


def _postings(kind: str, record: AuditRecord, *, paid: bool, ours: bool) -> tuple[Posting, ...]:
    """Return what a record of the chain has moved; ``ours``: of a trade that the ledger knows."""
    amount, pnl, fee = record.amount, record.pnl, record.fee
    if kind in ("deposit", "sweep"):  # a sweep brings what a stranger sent to escrow
        return transfer("outside", "free", amount)
    if kind in ("withdraw", "recover"):
        return transfer("free", "outside", amount)
    if kind == "open":
        return transfer("reserved" if ours else "free", "escrow", amount)
    if kind in ("reduce", "expire", "release"):
        return transfer("escrow", "free", amount)
    if kind == "close":
        if pnl <= 0:
            return (*transfer("escrow", "free", amount + pnl), *transfer("escrow", "settlement", -pnl))
        if not paid:
            return (*transfer("escrow", "free", amount), *transfer("settlement", "receivable", pnl))
        return (
            *transfer("escrow", "free", amount),
            *transfer("settlement", "free", pnl - fee),
            *transfer("settlement", "fees", fee),
        )
    if kind == "pay_profit":
        return (
            *transfer("receivable", "free", amount - fee),
            *transfer("receivable", "fees", fee),
        )
    if kind == "waive_profit":
        return transfer("receivable", "settlement", amount)
    return ()


def _usdt(amount: int) -> str:
    return f"{amount / 1_000_000:,.2f}"
