"""What the vault's ledger knows: orders, trades on the chain, intents and books, folded from its journal.

Nothing here decides, reads a clock or sends; ``ledger`` does the first, ``service`` the last.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from optionsib.common.errors import SettlementError
from optionsib.common.events import LedgerEntry, VaultAcknowledged, VaultIntent, VaultOutcome, VaultSent
from optionsib.common.types import Order
from optionsib.vault.books import Books


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


class LedgerState:
    """Everything that follows from the journal; ``trade_seconds``: how long a trade is opened for."""

    def __init__(self, trade_seconds: int) -> None:
        self._trade_seconds = trade_seconds
        self.books = Books()
        self.orders: dict[str, LedgerOrder] = {}
        self.trades: dict[int, LedgerTrade] = {}
        self.intents: dict[int, IntentState] = {}
        self.apart: dict[str, dict[int, int]] = {}  # trades that end contract by contract: what is left
        self.acknowledged: dict[tuple[str, str], VaultAcknowledged] = {}  # by condition and trade
        self.records = 0  # of the chain's audit trail that are in the books
        self._restored: dict[str, tuple[int, int]] = {}  # reserved and entries of orders not told yet
        self._by_reference: dict[str, VaultIntent] = {}
        self._by_order: dict[str, LedgerTrade] = {}
        self._by_trade_id: dict[str, LedgerTrade] = {}

    def reserved(self) -> list[str]:
        """Return the orders that have something set aside and are not open on the chain."""
        left = {name: known.reserved for name, known in self.orders.items()}
        left |= {name: reserved for name, (reserved, _) in self._restored.items()}
        return [name for name, amount in left.items() if amount and name not in self._by_order]

    def waiting(self) -> list[IntentState]:
        """Return the first unfinished intent of every trade, and of those without one, oldest first.

        An extension waits for nothing: a trade whose close cannot settle yet must not expire meanwhile.
        """
        heads: dict[tuple[int, bool], IntentState] = {}
        for state in self.intents.values():
            if not state.is_over:
                heads.setdefault((state.intent.trade, state.intent.kind == "extend"), state)
        return list(heads.values())

    def lives(self, trade: LedgerTrade) -> bool:
        """Tell whether a trade has escrow on the chain that its result, or what is left of it, needs."""
        if not trade.is_open or trade.is_over:
            return False
        return bool(trade.left) or any(
            state.intent.trade == trade.number and state.intent.kind == "close" and not state.is_over
            for state in self.intents.values()
        )

    def ending(self) -> frozenset[str]:
        """Return the trades that cannot be extended any more: somebody must close them."""
        return frozenset(t.trade_id for t in self.trades.values() if t.is_final and t.left and not t.is_over)

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

    def escrow_after(self, intent: VaultIntent) -> int:
        """Return what a trade has in escrow when an intent and all before it have happened."""
        before = [s.intent for s in self.intents.values() if s.intent.number <= intent.number]
        own = [one for one in before if one.trade == intent.trade]
        taken = sum(one.amount for one in own if one.kind in ("close", "reduce"))
        return sum(one.amount for one in own if one.kind == "open") - taken

    # --- the fold ----------------------------------------------------------------------------------

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
            case VaultAcknowledged():
                self.acknowledged[event.condition, event.trade_id] = event
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

    def _known(self, order: Order) -> LedgerOrder:
        """Return an order's state; what was booked for it before its terms were known is taken over."""
        if order.order_ref not in self.orders:
            reserved, entries = self._restored.pop(order.order_ref, (0, 0))
            self.orders[order.order_ref] = LedgerOrder(order, reserved, entries)
        return self.orders[order.order_ref]

    def _reserved(self, order_ref: str) -> tuple[int, int]:
        """Return what is set aside for an order, and how many entries it has."""
        known = self.orders.get(order_ref)
        return (known.reserved, known.entries) if known else self._restored.get(order_ref, (0, 0))

    def covered(self, order_ref: str) -> int:
        """Return what an order may lose: what is set aside for it, or is for it in its trade's escrow."""
        trade, known = self._by_order.get(order_ref), self.orders.get(order_ref)
        if trade is None or not trade.is_open or trade.is_over or (known is not None and known.ended):
            return self._reserved(order_ref)[0]
        return self._by_reference[f"{order_ref} open"].amount

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
