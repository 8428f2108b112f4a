"""What ``optionsib status`` prints for people."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from optionsib.common.session_view import SessionView
from optionsib.common.types import MONEY_SCALE, PRICE_SCALE, SECOND_NS, Json

NEW_YORK = ZoneInfo("America/New_York")
DECISIONS_SHOWN = 5
NOTICES_SHOWN = 5


def describe_daemon(answer: Mapping[str, Any]) -> str:
    """Return a daemon's answer to ``status`` as text of a screen or less."""
    if not answer.get("view"):
        return f"{answer['state']}; no step has been completed yet"
    view = msgspec.convert(answer["view"], SessionView)
    lines = [*_head(str(answer["state"]), view), *_trades(view), *_orders(view), *_decisions(view)]
    notices: list[Json] = list(answer.get("notices") or [])
    if notices:
        lines += ["last notices of the broker", *(f"  {notice}" for notice in notices[-NOTICES_SHOWN:])]
    return "\n".join(lines)


def describe_journal(facts: Mapping[str, Any]) -> str:
    """Return what a journal tells of a daemon that is not there to be asked."""
    halted = f"halted: {facts['halt_reason']}" if facts["halted"] else "not halted"
    lines = [f"{facts['journal']}: {facts['records']} records, {halted}", f"  head {facts['head']}"]
    if facts["ended"]:
        lines.append(f"  last session ended: {facts['ended']}")
    last = facts["last_snapshot"]
    if last:
        lines.append(
            f"  last snapshot {_time(last['at_ns'])} New York: P&L {_money(last['equity'])}, "
            f"open trades {last['open_trades']}, working orders {last['working_orders']}"
        )
    return "\n".join(lines)


def _head(state: str, view: SessionView) -> Iterator[str]:
    book, vault, counts = view.portfolio, view.vault, view.counts
    kind = " (SIMULATED)" if view.simulated else ""
    yield f"{state.upper()}  {view.title}{kind}  {_time(view.at_ns)} New York"
    yield f"  underlying   {view.underlying_bid:.2f} / {view.underlying_ask:.2f}"
    yield (
        f"  P&L          {_money(book.equity)} after fees of {book.fees / MONEY_SCALE:,.2f} "
        f"(realised {_money(book.realized)}, unrealised {_money(book.unrealized)})"
    )
    yield (
        f"  Greeks       delta {book.delta:+.1f}, gamma {book.gamma:+.2f}, "
        f"vega {book.vega:+.1f} per 1.00, theta {book.theta:+.1f} a year"
    )
    if view.broker_gap is not None:
        gap = view.broker_gap
        yield (
            f"  broker gap   medians of {gap.contracts} contracts: volatility {gap.volatility:.4f} (largest "
            f"{gap.largest_volatility:.4f}), delta {gap.delta:.4f}"
        )
    yield (
        f"  vault        free {vault.free / MONEY_SCALE:,.2f}, reserved {vault.reserved / MONEY_SCALE:,.2f}, "
        f"escrow {vault.escrow / MONEY_SCALE:,.2f}, owed {vault.receivable / MONEY_SCALE:,.2f} USDT; "
        f"{vault.under_way} under way"
    )
    if vault.confirmation_ns:
        yield (
            f"  vault chain  last submitted in {vault.submit_ns / SECOND_NS:.2f} s, then confirmed by the "
            f"network in {vault.confirmation_ns / SECOND_NS:.1f} s"
        )
    yield from (f"  vault {condition}" for condition in vault.conditions)
    yield from (f"  vault        {words}" for words in vault.acknowledged)
    yield from (f"  vault trade  {trade}: {word}" for trade, word in vault.trades)
    refused = ", ".join(f"{name} {counts.get(name, 0)}" for name in ("model", "strategy", "risk", "vault"))
    yield f"  decisions    approved {counts.get('approved', 0)}; refused by {refused}"
    yield from (f"  note         {notice}" for notice in view.notices)


def _trades(view: SessionView) -> Iterator[str]:
    yield f"open trades ({len(view.trades)})"
    for trade in view.trades:
        yield (
            f"  {trade.trade_id}  {trade.quantity} x {trade.description:<26} entry "
            f"{_price(trade.entry_price)}  mark {_price(trade.mark)}  since {_time(trade.opened_ns)}"
        )


def _orders(view: SessionView) -> Iterator[str]:
    yield f"working orders ({len(view.orders)})"
    for order in view.orders:
        yield (
            f"  {order.order_ref}  {order.purpose:<6}{order.description:<26} limit "
            f"{_price(order.limit_price)}  filled {order.filled}/{order.quantity}"
            f"  since {_time(order.submitted_ns)}"
        )


def _decisions(view: SessionView) -> Iterator[str]:
    yield "last decisions"
    for line in view.decisions[-DECISIONS_SHOWN:]:
        outcome = line.outcome if line.outcome == "approved" else f"refused by {line.outcome}"
        yield f"  {_time(line.at_ns)}  {line.candidate_id}  {line.description:<26} {outcome}: {line.reason}"


def _money(amount: int) -> str:
    return f"{amount / MONEY_SCALE:+,.2f}"


def _price(price: int | None) -> str:
    return "-" if price is None else f"{price / PRICE_SCALE:.2f}"


def _time(at_ns: int) -> str:
    return dt.datetime.fromtimestamp(at_ns // SECOND_NS, NEW_YORK).strftime("%H:%M:%S")
