"""What happened in a session, read from its journal: the facts that the report shows.

Trades, prices and profits follow from leg executions and commissions alone; nothing here trusts a
number that the daemon computed for itself, except the portfolio snapshots, which are shown as they are.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from optionsib.bus.journal import JournalReader
from optionsib.common.events import (
    AnyEvent,
    ApprovedOrder,
    BrokerNotice,
    ChainLoaded,
    CommissionReport,
    DecisionRecord,
    Delivery,
    Execution,
    Halted,
    LedgerEntry,
    ModelEpoch,
    OrderSubmitted,
    PortfolioSnapshot,
    Refusal,
    Resumed,
    SessionEnded,
    SessionStarted,
    SmileSnapshot,
    VaultAcknowledged,
    VaultOutcome,
    VaultSent,
)
from optionsib.common.types import PRICE_SCALE, Contract, Json, Order, OrderLeg, price_to_money

ControlEvent = SessionStarted | SessionEnded | Halted | Resumed | BrokerNotice | VaultAcknowledged
OPTION_MULTIPLIER = 100  # where the contract is not known
_NUMBER = re.compile(r"[-+−]?\d[\d,]*(?:\.\d+)?%?")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(slots=True)
class FilledOrder:
    """The fills of one order. ``cash`` is money received (negative: paid), before fees."""

    order: Order
    first_fill_ns: int
    last_fill_ns: int
    units: int = 0
    cash: int = 0


@dataclass(slots=True)
class TradeFacts:
    """One trade from its first to its last fill; money in 1/1000000.

    ``entry_price`` and ``exit_price`` are average net prices per share of the opened legs, in currency.
    """

    trade_id: str
    strategy: str
    legs: tuple[OrderLeg, ...]
    opened_ns: int
    closed_ns: int | None = None
    quantity: int = 0
    entry_price: float | None = None
    exit_price: float | None = None
    gross: int = 0
    fees: int = 0
    exit_reason: str = ""

    @property
    def is_closed(self) -> bool:
        """Tell whether all legs are flat again."""
        return self.closed_ns is not None

    @property
    def net(self) -> int:
        """Cash received less cash paid less fees; a profit or loss once the trade is closed."""
        return self.gross - self.fees


@dataclass(slots=True)
class RefusalGroup:
    """Refusals of one layer for one reason, numbers aside. ``example`` is the first one in full."""

    layer: str
    reason: str
    example: str
    count: int = 0


@dataclass(slots=True)
class SessionFacts:
    """Everything the report is built from, in journal order."""

    genesis: dict[str, Json]
    head: str
    snapshots: list[PortfolioSnapshot] = field(default_factory=list)
    decisions: list[DecisionRecord] = field(default_factory=list)
    other_refusals: list[Refusal] = field(default_factory=list)
    orders: dict[str, Order] = field(default_factory=dict)
    contracts: dict[int, Contract] = field(default_factory=dict)
    executions: list[Execution] = field(default_factory=list)
    commissions: list[CommissionReport] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    vault: list[LedgerEntry] = field(default_factory=list)
    vault_sent: dict[str, int] = field(default_factory=dict)  # signature: when it was sent
    vault_confirmed: dict[str, int] = field(default_factory=dict)
    smiles: list[SmileSnapshot] = field(default_factory=list)
    control: list[ControlEvent] = field(default_factory=list)
    model_notices: list[str] = field(default_factory=list)

    def trades(self, contracts: Mapping[int, Contract]) -> list[TradeFacts]:
        """Put executions and commissions together to trades, oldest first."""
        return _trades(self, contracts)

    def refusal_groups(self) -> list[RefusalGroup]:
        """Count refusals by layer and reason, the most frequent first."""
        groups: dict[tuple[str, str], RefusalGroup] = {}
        for layer, reason, example in self._refusals():
            group = groups.setdefault((layer, reason), RefusalGroup(layer, reason, example))
            group.count += 1
        return sorted(groups.values(), key=lambda group: (-group.count, group.layer, group.reason))

    def refusals_by_layer(self) -> dict[str, int]:
        """Count refusals by the layer that refused first."""
        return dict(sorted(Counter(layer for layer, _, _ in self._refusals()).items()))

    def _refusals(self) -> Iterable[tuple[str, str, str]]:
        for decision in self.decisions:
            outcome = decision.outcome
            if isinstance(outcome, Refusal):
                risk = decision.risk
                named = risk.check if outcome.layer == "risk" and risk is not None else ""
                yield outcome.layer, named or reason_shape(outcome.reason), outcome.reason
        for refusal in self.other_refusals:
            yield refusal.layer, reason_shape(refusal.reason), refusal.reason


def read_facts(journal: Path) -> SessionFacts:
    """Read a journal's committed records.

    Raises
    ------
    JournalError
        If there is no journal at ``journal`` or a record is not readable.
    """
    with JournalReader.open_read_only(journal) as reader:
        facts = SessionFacts(genesis=reader.genesis, head=reader.head)
        seen: set[str] = set()
        for _, _, event in reader.events():
            _collect(facts, event, seen)
    return facts


def _collect(facts: SessionFacts, event: AnyEvent, seen: set[str]) -> None:
    match event:
        case PortfolioSnapshot():
            facts.snapshots.append(event)
        case DecisionRecord():
            facts.decisions.append(event)
        case Refusal():
            facts.other_refusals.append(event)
        case OrderSubmitted():
            facts.orders |= {order.order_ref: order for order in (event.order, *event.attached)}
        case Execution() if event.execution_id not in seen:
            seen.add(event.execution_id)
            facts.executions.append(event)
        case CommissionReport() if f"fee {event.execution_id}" not in seen:
            seen.add(f"fee {event.execution_id}")
            facts.commissions.append(event)
        case Delivery():
            facts.deliveries.append(event)
        case LedgerEntry():
            facts.vault.append(event)
        case VaultSent():
            facts.vault_sent[event.signature] = event.at_ns
        case VaultOutcome() if event.confirmed_ns:
            facts.vault_confirmed[event.signature] = event.confirmed_ns
        case SmileSnapshot():
            facts.smiles.append(event)
        case ChainLoaded():
            facts.contracts = {c.con_id: c for c in (event.underlying, *event.options)}
        case ModelEpoch() if event.notice and not event.shadow:
            if event.notice not in facts.model_notices:
                facts.model_notices.append(event.notice)
        case SessionStarted() | SessionEnded() | Halted() | Resumed() | BrokerNotice() | VaultAcknowledged():
            facts.control.append(event)
        case _:
            pass


def reason_shape(reason: str) -> str:
    """Return ``reason`` with its numbers taken out, so that equal kinds of refusal count together.

    Examples
    --------
    >>> reason_shape("leg spread 0.55 is wider than 0.50")
    'leg spread # is wider than #'
    """
    return _NUMBER.sub("#", reason)


def describe_contract(con_id: int, contracts: Mapping[int, Contract]) -> str:
    """Return a short name: ``Jun21 70C``, the symbol of a stock, or ``#<con_id>`` if unknown."""
    contract = contracts.get(con_id)
    if contract is None:
        return f"#{con_id}"
    if contract.security_type != "OPT":
        return contract.symbol
    date = contract.expiry_date
    return f"{_MONTHS[int(date[4:6]) - 1]}{date[6:8]} {contract.strike / PRICE_SCALE:g}{contract.right}"


def describe_legs(legs: Sequence[OrderLeg], contracts: Mapping[int, Contract]) -> str:
    """Return the legs as text, bought ones with + and sold ones with a minus sign."""
    return "  ".join(
        f"{'+' if leg.ratio > 0 else '−'}{abs(leg.ratio)} {describe_contract(leg.con_id, contracts)}"
        for leg in legs
    )


def _multiplier(con_id: int, contracts: Mapping[int, Contract]) -> int:
    contract = contracts.get(con_id)
    return OPTION_MULTIPLIER if contract is None else contract.multiplier


def _filled_orders(facts: SessionFacts, contracts: Mapping[int, Contract]) -> dict[str, FilledOrder]:
    filled: dict[str, FilledOrder] = {}
    for execution in facts.executions:
        order = facts.orders.get(execution.order_ref)
        if order is None or execution.is_combo:
            continue
        fill = filled.setdefault(execution.order_ref, FilledOrder(order, execution.at_ns, execution.at_ns))
        fill.last_fill_ns = max(fill.last_fill_ns, execution.at_ns)
        signed = execution.side * execution.quantity
        fill.cash -= price_to_money(execution.price, _multiplier(execution.con_id, contracts), signed)
        if execution.con_id == order.legs[0].con_id:
            fill.units += execution.quantity // abs(order.legs[0].ratio)
    return filled


def _trades(facts: SessionFacts, contracts: Mapping[int, Contract]) -> list[TradeFacts]:
    filled = _filled_orders(facts, contracts)
    by_trade: dict[str, list[FilledOrder]] = {}
    for fill in filled.values():
        by_trade.setdefault(fill.order.trade_id, []).append(fill)
    fees = fees_by_trade(facts)
    reasons = _exit_reasons(facts.decisions)
    trades = [_trade(fills, fees.get(name, 0), reasons, contracts) for name, fills in by_trade.items()]
    for trade in trades:
        _deliver(trade, facts, contracts)
    return trades


def _trade(
    fills: list[FilledOrder], fees: int, reasons: Mapping[str, str], contracts: Mapping[int, Contract]
) -> TradeFacts:
    opening = [fill for fill in fills if fill.order.purpose != "close"]
    closing = [fill for fill in fills if fill.order.purpose == "close"]
    first = (opening or closing)[0].order
    unit = price_to_money(1, _multiplier(first.legs[0].con_id, contracts), 1) * PRICE_SCALE
    opened, closed = sum(f.units for f in opening), sum(f.units for f in closing)
    return TradeFacts(
        trade_id=first.trade_id,
        strategy=first.strategy,
        legs=first.legs,
        opened_ns=min(fill.first_fill_ns for fill in fills),
        closed_ns=max(f.last_fill_ns for f in closing) if closing and closed == opened else None,
        quantity=opened,
        entry_price=-sum(f.cash for f in opening) / (unit * opened) if opened else None,
        exit_price=sum(f.cash for f in closing) / (unit * closed) if closed else None,
        gross=sum(fill.cash for fill in fills),
        fees=fees,
        exit_reason=reasons.get(first.trade_id, ""),
    )


def _deliver(trade: TradeFacts, facts: SessionFacts, contracts: Mapping[int, Contract]) -> None:
    """Add what of a trade was exercised, assigned or expired; it is closed once it holds nothing."""
    mine = [(d.kind, use) for d in facts.deliveries for use in d.uses if use[0] == trade.trade_id]
    if not mine:
        return
    executions = {execution.execution_id: execution for execution in facts.executions}
    moves = [(executions[name], quantity) for _, (_, name, quantity) in mine]
    trade.gross -= sum(
        price_to_money(e.price, _multiplier(e.con_id, contracts), e.side * quantity) for e, quantity in moves
    )
    home = trade_of_execution(facts)
    moves += [
        (e, e.quantity)
        for e in facts.executions
        if home[e.execution_id][1] == trade.trade_id and not e.is_combo
    ]
    held: Counter[int] = Counter()
    for execution, quantity in moves:
        held[execution.con_id] += execution.side * quantity
    trade.closed_ns = None if any(held.values()) else max(execution.at_ns for execution, _ in moves)
    trade.exit_price = None  # shares and options have no price in common
    trade.exit_reason = ", ".join(dict.fromkeys(kind for kind, _ in mine))


def trade_of_execution(facts: SessionFacts) -> dict[str, tuple[str, str]]:
    """Return the order and the trade of every execution whose order is known."""
    found = {}
    for execution in facts.executions:
        order = facts.orders.get(execution.order_ref)
        found[execution.execution_id] = (execution.order_ref, order.trade_id if order else "")
    return found


def fees_by_trade(facts: SessionFacts) -> dict[str, int]:
    """Return the commissions of each trade, money; those of unknown orders stand under ``""``.

    One of an execution that serves several trades is divided by contracts, each part rounded up.
    """
    home = trade_of_execution(facts)
    wholes = {execution.execution_id: execution.quantity for execution in facts.executions}
    uses: dict[str, list[tuple[str, int]]] = {}
    for delivery in facts.deliveries:
        for trade_id, name, quantity in delivery.uses:
            uses.setdefault(name, []).append((trade_id, quantity))
    fees: Counter[str] = Counter()
    for commission in facts.commissions:
        name = commission.execution_id
        for trade_id, quantity in uses.get(name, ()):
            fees[trade_id] -= -commission.amount * quantity // wholes[name]
        if name not in uses:
            fees[home.get(name, ("", ""))[1]] += commission.amount
    return dict(fees)


def _exit_reasons(decisions: Iterable[DecisionRecord]) -> dict[str, str]:
    """Return why each trade was closed: the strategy's reason for the last approved closing order."""
    found = {}
    for decision in decisions:
        outcome = decision.outcome
        if isinstance(outcome, ApprovedOrder) and outcome.order.purpose == "close":
            found[outcome.order.trade_id] = decision.strategy.reason if decision.strategy else ""
    return found
