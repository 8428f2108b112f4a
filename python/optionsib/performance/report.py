"""The session's report: one HTML file that needs nothing but a browser.

It is a function of the journal (and of the tape, for the place of our fills on the smiles): the same
journal gives the same bytes. Plotly's library stands in the file, and a content security policy in its
head forbids every request to anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from optionsib.common.events import ApprovedOrder, SmileSnapshot
from optionsib.common.types import Contract, Json
from optionsib.performance.pages import asset, embedded, fill, plotly_source, write_whole
from optionsib.performance.report_rows import money, page_data, with_high
from optionsib.performance.session_facts import SessionFacts, TradeFacts, read_facts
from optionsib.performance.smiles import smiles_with_fills

if TYPE_CHECKING:
    from optionsib.common.config import FeeRow


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
        The day's contracts by id; None = as the journal lists them. Without either, legs show as
        ``#<con_id>`` and fills not on smiles.
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
    plotly = plotly_source()
    facts = read_facts(journal)
    known = contracts or facts.contracts
    trades = facts.trades(known)
    summary = _summary(facts, trades, out, title, simulated)
    shown = smiles_with_fills(
        [*facts.smiles, *smiles], facts.executions, known, facts.snapshots, tape if known else None
    )
    page = _page(
        summary,
        {"cards": _cards(summary), **page_data(facts, trades, shown, known, fee_rows)},
        [*facts.model_notices, *notes],
        plotly,
    )
    write_whole(out, page)
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
        maximum_drawdown=max((high - now for high, now in with_high(equity)), default=0),
        trades_opened=len(trades),
        trades_closed=len(closed),
        wins=sum(trade.net > 0 for trade in closed),
        losses=sum(trade.net < 0 for trade in closed),
        decisions=len(facts.decisions),
        approved=sum(isinstance(decision.outcome, ApprovedOrder) for decision in facts.decisions),
        refusals=facts.refusals_by_layer(),
    )


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


# --- the file ----------------------------------------------------------------------------------------


def _page(summary: ReportSummary, data: dict[str, Json], notes: Sequence[str], plotly: str) -> str:
    sentences = [*honest_sentences(summary), *notes]
    parts = {
        "title": escape(summary.title),
        "badge": "SIMULATED" if summary.simulated else "RECORDED DAY",
        "badge_class": "simulated" if summary.simulated else "recorded",
        "sentences": "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences),
        "sha256": escape(summary.journal_sha256),
        "css": asset("report.css"),
        "js": asset("report.js"),
        "plotly": plotly,
        "data": embedded(data),
    }
    return fill("report.html", parts)
