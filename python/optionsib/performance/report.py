"""The session's report: one HTML file that needs nothing but a browser.

It is a function of the journal (and of the tape, for the place of our fills on the smiles): the same
journal gives the same bytes. Plotly's library stands in the file, and a content security policy in its
head forbids every request to anywhere.
"""

from __future__ import annotations

import datetime as dt
import importlib.resources
import importlib.util
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import msgspec

from optionsib.common.errors import MissingExtraError
from optionsib.common.events import (
    ApprovedOrder,
    BrokerNotice,
    DecisionRecord,
    Halted,
    Refusal,
    Resumed,
    SessionEnded,
    SessionStarted,
    SmileSnapshot,
)
from optionsib.common.types import MONEY_SCALE, PRICE_SCALE, Contract, Json
from optionsib.performance.session_facts import (
    SessionFacts,
    TradeFacts,
    describe_contract,
    describe_legs,
    read_facts,
    trade_of_execution,
)
from optionsib.performance.smiles import ExpirySmiles, smiles_with_fills
from optionsib.vault.subledger import balances_after

if TYPE_CHECKING:
    from optionsib.common.config import FeeRow

NEW_YORK = ZoneInfo("America/New_York")
_NS = 1_000_000_000
_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")


class ReportSummary(msgspec.Struct, frozen=True):
    """The headline of a report. Money in 1/1000000 of the account's currency.

    ``net_profit`` is the change of equity between the first and the last portfolio snapshot, or the
    net cash of all trades if the journal has none. ``trades_opened`` counts trades with a fill, a
    closed trade is a win if its profit after fees is positive and a loss if it is negative.
    """

    path: Path
    title: str
    simulated: bool
    journal_sha256: str
    net_profit: int
    fees: int
    maximum_drawdown: int
    trades_opened: int
    trades_closed: int
    wins: int
    losses: int
    decisions: int
    approved: int
    refusals: dict[str, int]


def write_report(
    journal: Path,
    tape: Path | None,
    out: Path,
    *,
    title: str,
    simulated: bool,
    contracts: Mapping[int, Contract] | None = None,
    smiles: Sequence[SmileSnapshot] = (),
    fee_rows: Sequence[FeeRow] = (),
    notes: Sequence[str] = (),
) -> ReportSummary:
    """Write the report of a session and return its headline.

    Parameters
    ----------
    journal
        The session's journal; read only, it may be in use.
    tape
        The session's tick tape, or None; it refines where fills stand on the smiles.
    out
        The HTML file; it appears whole or not at all. Its folder is created.
    title
        Headline, for instance the name of the day.
    simulated
        True if no market ever quoted these prices: the page says so wherever one looks.
    contracts
        The day's contracts by id; without them legs show as ``#<con_id>`` and fills not on smiles.
    smiles
        Smiles that do not stand in the journal.
    fee_rows
        The fee table in force, shown with its sources.
    notes
        Further sentences under the headline, for instance about the model.

    Raises
    ------
    JournalError
        If the journal is absent or not readable.
    DataError
        If the tape is not a tape or damaged.
    MissingExtraError
        If plotly is not installed.
    """
    plotly = _plotly_source()
    facts = read_facts(journal)
    known = contracts or {}
    trades = facts.trades(known)
    summary = _summary(facts, trades, out, title, simulated)
    shown = smiles_with_fills(
        [*facts.smiles, *smiles], facts.executions, known, facts.snapshots, tape if known else None
    )
    page = _page(summary, _data(facts, trades, shown, known, fee_rows, summary), notes, plotly)
    _write_whole(out, page)
    return summary


# --- headline ------------------------------------------------------------------------------------


def _summary(
    facts: SessionFacts, trades: Sequence[TradeFacts], out: Path, title: str, simulated: bool
) -> ReportSummary:
    equity = [row.equity for row in facts.snapshots]
    closed = [trade for trade in trades if trade.is_closed]
    return ReportSummary(
        path=out,
        title=title,
        simulated=simulated,
        journal_sha256=facts.head,
        net_profit=equity[-1] - equity[0] if equity else sum(trade.net for trade in trades),
        fees=sum(commission.amount for commission in facts.commissions),
        maximum_drawdown=max((high - now for high, now in _with_high(equity)), default=0),
        trades_opened=len(trades),
        trades_closed=len(closed),
        wins=sum(trade.net > 0 for trade in closed),
        losses=sum(trade.net < 0 for trade in closed),
        decisions=len(facts.decisions),
        approved=sum(isinstance(decision.outcome, ApprovedOrder) for decision in facts.decisions),
        refusals=facts.refusals_by_layer(),
    )


def _with_high(equity: Iterable[int]) -> Iterable[tuple[int, int]]:
    """Pair each value with the highest one up to there."""
    high: int | None = None
    for now in equity:
        high = now if high is None else max(high, now)
        yield high, now


def honest_sentences(summary: ReportSummary) -> list[str]:
    """Return what a reader must know before the numbers mean anything."""
    day = "one simulated day" if summary.simulated else "one recorded day"
    verb = "lost" if summary.net_profit < 0 else "made"
    return [
        f"The session {verb} {money(abs(summary.net_profit))} after {money(summary.fees)} of fees.",
        f"These are the results of {day} on a paper exchange. They are no proof of skill: another day, "
        "another seed or a real market can turn out quite differently.",
        "1 USD = 1 USDT in this demo; the tokens and their chain are simulated."
        + (" So are all quotes: no market ever showed these prices." if summary.simulated else ""),
    ]


def money(amount: int) -> str:
    """Return ``amount`` (1/1000000) as text, to the cent."""
    cents = round(abs(amount) / (MONEY_SCALE // 100))
    return f"{'−' if amount < 0 and cents else ''}{cents // 100:,}.{cents % 100:02d} USD"


def _cards(summary: ReportSummary) -> list[Json]:
    tone = "bad" if summary.net_profit < 0 else "good" if summary.net_profit > 0 else ""
    refused = sum(summary.refusals.values())
    layers = ", ".join(f"{layer} {count:,}" for layer, count in summary.refusals.items())
    flat = summary.trades_closed - summary.wins - summary.losses
    rows = [
        ("Net profit or loss", money(summary.net_profit), "change of equity, fees paid", tone),
        ("Fees", money(summary.fees), "commissions", ""),
        ("Largest drawdown", money(summary.maximum_drawdown), "from the highest equity before", ""),
        (
            "Trades closed",
            f"{summary.trades_closed} of {summary.trades_opened}",
            f"{summary.wins} won, {summary.losses} lost" + (f", {flat} even" if flat else ""),
            "",
        ),
        ("Decisions", f"{summary.decisions:,}", f"{summary.approved:,} approved", ""),
        ("Refusals", f"{refused:,}", layers or "none", ""),
    ]
    return [{"label": a, "value": b, "note": c, "tone": d} for a, b, c, d in rows]


# --- data of the page ------------------------------------------------------------------------------


def _data(
    facts: SessionFacts,
    trades: Sequence[TradeFacts],
    smiles: Sequence[ExpirySmiles],
    contracts: Mapping[int, Contract],
    fee_rows: Sequence[FeeRow],
    summary: ReportSummary,
) -> dict[str, Json]:
    return {
        "simulated": summary.simulated,
        "cards": _cards(summary),
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
    return dt.datetime.fromtimestamp(at_ns // _NS, tz=NEW_YORK).strftime("%Y-%m-%d %H:%M:%S")


def _usd(amount: int) -> float:
    return amount / MONEY_SCALE


def _series(facts: SessionFacts) -> dict[str, Json]:
    rows = facts.snapshots
    columns: dict[str, Json] = {
        "at": [_clock(row.at_ns) for row in rows],
        "equity": [_usd(row.equity) for row in rows],
        "high": [_usd(high) for high, _ in _with_high([row.equity for row in rows])],
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
    for transaction, balances in zip(facts.vault, balances_after(facts.vault), strict=True):
        rows.append(
            {
                "at": _clock(transaction.at_ns),
                "action": transaction.action,
                "reference": transaction.reference,
                "order": transaction.order_ref,
                "trade": transaction.trade_id,
                "amount": _usd(transaction.amount),
                "profit": _usd(transaction.profit) if transaction.action == "close" else None,
                **{account: _usd(balance) for account, balance in balances.items()},
                "signature": transaction.signature,
            }
        )
    return rows


def _control_row(event: SessionStarted | SessionEnded | Halted | Resumed | BrokerNotice) -> Json:
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
    return {"at": _clock(event.at_ns), "what": what, "text": text}


# --- the file ----------------------------------------------------------------------------------------


def _plotly_source() -> str:
    if importlib.util.find_spec("plotly") is None:
        raise MissingExtraError("report", "plotly")
    folder = importlib.resources.files("plotly") / "package_data"
    return (folder / "plotly.min.js").read_text(encoding="utf-8").replace("</script", "<\\/script")


def _asset(name: str) -> str:
    return (importlib.resources.files("optionsib.performance") / "assets" / name).read_text(encoding="utf-8")


def _page(summary: ReportSummary, data: dict[str, Json], notes: Sequence[str], plotly: str) -> str:
    sentences = [*honest_sentences(summary), *notes]
    # "<" never stands in the JSON, so no text of the journal can end its script element.
    encoded = msgspec.json.encode(data).decode().replace("<", "\\u003c")
    parts = {
        "title": escape(summary.title),
        "badge": "SIMULATED" if summary.simulated else "RECORDED DAY",
        "badge_class": "simulated" if summary.simulated else "recorded",
        "sentences": "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences),
        "sha256": escape(summary.journal_sha256),
        "css": _asset("report.css"),
        "js": _asset("report.js"),
        "plotly": plotly,
        "data": encoded,
    }
    return _PLACEHOLDER.sub(lambda found: parts[found.group(1)], _asset("report.html"))


def _write_whole(out: Path, page: str) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        unfinished.write_text(page, encoding="utf-8")
        unfinished.replace(out)
    finally:
        unfinished.unlink(missing_ok=True)
