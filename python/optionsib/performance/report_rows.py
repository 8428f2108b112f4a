"""The report's rows: what each table and plot of the page shows, as plain data.

Times are New York wall-clock text, money is in the account's currency, prices are per share.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from optionsib.common.events import (
    ApprovedOrder,
    BrokerNotice,
    DecisionRecord,
    Halted,
    Refusal,
    Resumed,
    SessionEnded,
    SessionStarted,
    VaultAcknowledged,
)
from optionsib.common.types import MONEY_SCALE, PRICE_SCALE, SECOND_NS, Contract, Json
from optionsib.performance.session_facts import (
    ControlEvent,
    SessionFacts,
    TradeFacts,
    describe_contract,
    describe_legs,
    trade_of_execution,
)
from optionsib.performance.smiles import ExpirySmiles

if TYPE_CHECKING:
    from optionsib.common.config import FeeRow

NEW_YORK = ZoneInfo("America/New_York")
VAULT_ACCOUNTS = ("free", "reserved", "escrow", "receivable", "settlement", "fees")


def money(amount: int) -> str:
    """Return ``amount`` (1/1000000) as text, to the cent."""
    cents = round(abs(amount) / (MONEY_SCALE // 100))
    return f"{'−' if amount < 0 and cents else ''}{cents // 100:,}.{cents % 100:02d} USD"


def with_high(equity: Iterable[int]) -> Iterable[tuple[int, int]]:
    """Pair each value with the highest one up to there."""
    high: int | None = None
    for now in equity:
        high = now if high is None else max(high, now)
        yield high, now


def page_data(
    facts: SessionFacts,
    trades: Sequence[TradeFacts],
    smiles: Sequence[ExpirySmiles],
    contracts: Mapping[int, Contract],
    fee_rows: Sequence[FeeRow],
) -> dict[str, Json]:
    """Return everything that the page's tables and plots show, as plain data."""
    return {
        "series": _series(facts),
        "trades": [_trade_row(trade, contracts) for trade in trades],
        "smiles": [_smile_group(group, facts, contracts) for group in smiles],
        "decisions": [_decision_row(decision, contracts) for decision in facts.decisions],
        "refusals": [
            {"layer": g.layer, "reason": g.reason, "count": g.count, "example": g.example}
            for g in facts.refusal_groups()
        ],
        "fees": _fee_payments(facts),
        "feeRows": [_fee_row(row) for row in fee_rows],
        "vault": _vault_rows(facts),
        "control": [_control_row(event) for event in facts.control],
        "genesis": [{"name": name, "value": str(value)} for name, value in facts.genesis.items()],
    }


def _clock(at_ns: int) -> str:
    return dt.datetime.fromtimestamp(at_ns // SECOND_NS, tz=NEW_YORK).strftime("%Y-%m-%d %H:%M:%S")


def _usd(amount: int) -> float:
    return amount / MONEY_SCALE


def _series(facts: SessionFacts) -> dict[str, Json]:
    rows = facts.snapshots
    columns: dict[str, Json] = {
        "at": [_clock(row.at_ns) for row in rows],
        "equity": [_usd(row.equity) for row in rows],
        "high": [_usd(high) for high, _ in with_high([row.equity for row in rows])],
        "fees": [_usd(row.fees) for row in rows],
        "spot": [row.underlying_price / PRICE_SCALE for row in rows],
        "openTrades": [row.open_trades for row in rows],
    }
    for greek in ("delta", "gamma", "vega", "theta"):
        columns[greek] = [round(getattr(row, greek), 6) for row in rows]
    return columns


def _trade_row(trade: TradeFacts, contracts: Mapping[int, Contract]) -> dict[str, Json]:
    return {
        "trade": trade.trade_id,
        "legs": describe_legs(trade.legs, contracts),
        "quantity": trade.quantity,
        "opened": _clock(trade.opened_ns),
        "entry": trade.entry_price,
        "closed": _clock(trade.closed_ns) if trade.closed_ns is not None else "",
        "exit": trade.exit_price,
        "gross": _usd(trade.gross) if trade.is_closed else None,
        "fees": _usd(trade.fees),
        "net": _usd(trade.net) if trade.is_closed else None,
        "reason": trade.exit_reason if trade.is_closed else "still open",
        "strategy": trade.strategy,
    }


def _smile_group(
    group: ExpirySmiles, facts: SessionFacts, contracts: Mapping[int, Contract]
) -> dict[str, Json]:
    fills: list[Json] = []
    for fill in group.fills:
        e = fill.execution
        order = facts.orders.get(e.order_ref)
        what = f"{'bought' if e.side > 0 else 'sold'} {e.quantity} {describe_contract(e.con_id, contracts)}"
        purpose = f", {order.purpose} {order.trade_id}" if order is not None else ""
        fills.append(
            {
                "at": _clock(e.at_ns),
                "strike": fill.strike,
                "volatility": round(fill.volatility, 5),
                "side": e.side,
                "text": f"{what} at {e.price / PRICE_SCALE:.2f}{purpose}",
            }
        )
    return {
        "expiry": f"{group.expiry_date[:4]}-{group.expiry_date[4:6]}-{group.expiry_date[6:8]}",
        "snapshots": [
            {
                "at": _clock(smile.at_ns),
                "strikes": list(smile.strikes),
                "market": [round(v, 5) for v in smile.implied_volatility],
                "fitted": [round(v, 5) for v in smile.fitted],
            }
            for smile in group.snapshots
        ],
        "fills": fills,
    }


def _decision_row(decision: DecisionRecord, contracts: Mapping[int, Contract]) -> dict[str, Json]:
    outcome = decision.outcome
    order = decision.strategy.order if decision.strategy else None
    order = order or (decision.risk.order if decision.risk else None)
    if isinstance(outcome, ApprovedOrder):
        order = outcome.order
    model, strategy, risk = decision.signal, decision.strategy, decision.risk
    return {
        "at": _clock(decision.at_ns),
        "id": decision.candidate_id,
        "purpose": order.purpose if order else "",
        "order": f"{order.quantity} × {describe_legs(order.legs, contracts)}" if order else "",
        "limit": order.limit_price / PRICE_SCALE if order else None,
        "outcome": outcome.layer if isinstance(outcome, Refusal) else "approved",
        "model": _vote(model.accepts if model else None, _model_text(decision)),
        "strategy": _vote(strategy.accepts if strategy else None, strategy.reason if strategy else ""),
        "risk": _vote(risk.accepts if risk else None, _risk_text(decision)),
        "reason": outcome.reason if isinstance(outcome, Refusal) else _approval(outcome),
    }


def _vote(accepts: bool | None, text: str) -> list[Json]:
    """Return a vote as ``[1 | 0 | None, text]``; None = this layer was not asked."""
    return [None if accepts is None else int(accepts), text.strip()]


def _model_text(decision: DecisionRecord) -> str:
    signal = decision.signal
    return "" if signal is None else f"score {signal.score:.3f}  {signal.reason}"


def _risk_text(decision: DecisionRecord) -> str:
    risk = decision.risk
    if risk is None:
        return ""
    if risk.accepts:
        return risk.reason or ("reduces risk" if risk.reduces_risk else f"max loss {money(risk.max_loss)}")
    return risk.reason or f"{risk.check}: {risk.value:g} against {risk.limit:g}"


def _approval(outcome: ApprovedOrder) -> str:
    return "reduces risk" if outcome.reduces_risk else f"max loss {money(outcome.max_loss)}"


def _fee_payments(facts: SessionFacts) -> list[Json]:
    home, times = trade_of_execution(facts), {e.execution_id: e.at_ns for e in facts.executions}
    rows: list[Json] = []
    for commission in facts.commissions:
        order_ref, trade_id = home.get(commission.execution_id, ("", ""))
        at_ns = times.get(commission.execution_id)
        rows.append(
            {
                "at": "" if at_ns is None else _clock(at_ns),
                "execution": commission.execution_id,
                "order": order_ref,
                "trade": trade_id,
                "amount": _usd(commission.amount),
                "currency": commission.currency,
            }
        )
    return rows


def _fee_row(row: FeeRow) -> dict[str, Json]:
    return {
        "name": row.name,
        "perContract": str(row.per_contract),
        "minimum": str(row.minimum_per_order),
        "from": row.valid_from.isoformat(),
        "source": row.source,
        "verified": "yes" if row.verified else "unverified",
    }


def _vault_rows(facts: SessionFacts) -> list[Json]:
    rows: list[Json] = []
    balances: dict[str, int] = dict.fromkeys(VAULT_ACCOUNTS, 0)
    for entry in facts.vault:
        for posting in entry.postings:
            balances[posting.account] = balances.get(posting.account, 0) + posting.amount
        rows.append(
            {
                "at": _clock(entry.at_ns),
                "action": entry.memo,
                "reference": entry.reference,
                "order": entry.order_ref,
                "trade": entry.trade_id,
                "amount": _usd(sum(posting.amount for posting in entry.postings if posting.amount > 0)),
                **{account: _usd(balances[account]) for account in VAULT_ACCOUNTS},
                "took": _seconds_to_confirm(facts, entry.signature),
                "signature": entry.signature,
            }
        )
    return rows


def _seconds_to_confirm(facts: SessionFacts, signature: str) -> float | None:
    sent, confirmed = facts.vault_sent.get(signature), facts.vault_confirmed.get(signature)
    return None if sent is None or confirmed is None else (confirmed - sent) / SECOND_NS


def _control_row(event: ControlEvent) -> Json:
    match event:
        case SessionStarted():
            text = f"account {event.account or '–'}, model {event.model_id[:12] or 'none'}"
            what = "session resumed" if event.resumed else "session started"
        case SessionEnded():
            what, text = "session ended", event.reason
        case Halted() | Resumed():
            what = "halted" if isinstance(event, Halted) else "halt lifted"
            text = event.reason + (f" ({event.operator})" if event.operator else "")
        case BrokerNotice():
            what, text = f"broker notice {event.code}", event.message
        case VaultAcknowledged():
            what = f"{event.condition} acknowledged"
            text = f"{event.details}: {event.reason} ({event.operator})"
    return {"at": _clock(event.at_ns), "what": what, "text": text}
