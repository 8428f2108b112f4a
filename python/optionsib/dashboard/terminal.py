"""The live terminal view. On a pipe or a dumb terminal it prints one line per half hour instead."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from zoneinfo import ZoneInfo

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.layout import Layout
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from optionsib.common.events import VaultState
from optionsib.common.session_view import BrokerGap, SessionView
from optionsib.common.types import MINUTE_NS, MONEY_SCALE, PRICE_SCALE, SECOND_NS

NEW_YORK = ZoneInfo("America/New_York")
REPORT_EVERY_NS = 30 * MINUTE_NS
WIDE = 170  # columns from which the portfolio stands beside trades and orders
OUTCOME_STYLE = {
    "approved": "green",
    "model": "yellow",
    "strategy": "cyan",
    "risk": "red",
    "vault": "magenta",
}


def clock_text(at_ns: int, *, seconds: bool = True) -> str:
    """Return New York wall time of a UTC-ns instant."""
    moment = dt.datetime.fromtimestamp(at_ns // SECOND_NS, NEW_YORK)
    return moment.strftime("%H:%M:%S" if seconds else "%H:%M")


def money_text(amount: int, *, sign: bool = True) -> Text:
    """Return an amount of money (1/1000000) in currency, green above and red below zero."""
    style = "green" if amount > 0 else "red" if amount < 0 else ""
    return Text(f"{amount / MONEY_SCALE:{'+' if sign else ''},.2f}", style=style if sign else "")


def price_text(price: int | None) -> str:
    """Return a price (1/10000) in currency per share, or a dash."""
    return "-" if price is None else f"{price / PRICE_SCALE:.2f}"


class TerminalView:
    """Shows each ``SessionView``; use it as a context manager."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console()
        self._live = (
            Live(console=self.console, refresh_per_second=8, screen=False, transient=True)
            if self.console.is_terminal and not self.console.is_dumb_terminal
            else None
        )
        self._next_line_ns = 0

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def update(self, view: SessionView) -> None:
        """Show ``view``."""
        if self._live:
            self._live.update(render(view))
        elif view.at_ns >= self._next_line_ns:
            self._next_line_ns = view.at_ns - view.at_ns % REPORT_EVERY_NS + REPORT_EVERY_NS
            self.console.print(one_line(view), soft_wrap=True)


def one_line(view: SessionView) -> str:
    """Return the picture as one plain line."""
    counts = view.counts
    return (
        f"{clock_text(view.at_ns, seconds=False)}  {view.title}  "
        f"{view.underlying_bid:.2f}/{view.underlying_ask:.2f}  "
        f"P&L {view.portfolio.equity / MONEY_SCALE:+.2f}  open {view.portfolio.open_trades}  "
        f"working {view.portfolio.working_orders}  fills {counts.get('fills', 0)}  "
        f"approved {counts.get('approved', 0)}  refused: model {counts.get('model', 0)}, "
        f"strategy {counts.get('strategy', 0)}, risk {counts.get('risk', 0)}  [{view.state}]"
    )


@dataclass(frozen=True, slots=True)
class _Picture:
    view: SessionView

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        view = self.view
        wide = options.max_width >= WIDE
        pairs = _portfolio(view)
        portfolio = Panel(
            _pairs(pairs, columns=1 if wide else 2),
            title="Portfolio and vault (USD = USDT here)",
            box=box.ROUNDED,
        )
        header, decisions = Layout(_header(view), size=5), Layout(_decisions(view), ratio=1, minimum_size=5)
        trades, orders = Layout(_trades(view), minimum_size=4), Layout(_orders(view), minimum_size=4)
        layout = Layout()
        if wide:
            books = Layout(size=len(pairs) + 2)
            books.split_row(Layout(portfolio, ratio=2), trades, orders)
            trades.ratio = orders.ratio = 3
            layout.split_column(header, books, decisions)
        else:
            layout.split_column(
                header, Layout(portfolio, size=len(pairs) // 2 + 2), trades, orders, decisions
            )
        yield layout


def render(view: SessionView) -> RenderableType:
    """Return the picture, which arranges itself by the width of the terminal."""
    return _Picture(view)


def _header(view: SessionView) -> RenderableType:
    total = max(view.session_close_ns - view.session_open_ns, 1)
    done = min(max(view.at_ns - view.session_open_ns, 0), total)
    halted = view.state.startswith("halted")
    line = Text.assemble(
        (clock_text(view.at_ns), "bold"),
        " New York   ",
        (f"{view.underlying_bid:.2f} / {view.underlying_ask:.2f}", "bold"),
        "   ",
        (view.state, "bold red" if halted else "green"),
        "   " + "  ".join(f"{name} {count}" for name, count in view.counts.items()),
    )
    notice = Text("; ".join(view.notices), style="dim")
    badge = "[black on yellow] SIMULATED [/] " if view.simulated else ""
    rows = Table.grid(expand=True)
    for row in (line, ProgressBar(total=total, completed=done), notice):
        rows.add_row(row)
    return Panel(
        rows,
        title=f"{badge}[bold]{view.title}[/]",
        box=box.ROUNDED,
    )


def _pairs(rows: Sequence[tuple[str, RenderableType]], columns: int) -> Table:
    table = Table.grid(expand=True, padding=(0, 1))
    for _ in range(columns):
        table.add_column(style="dim", no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
    height = -(-len(rows) // columns)
    for first in range(height):
        table.add_row(*(cell for pair in rows[first::height] for cell in pair))
    return table


def _chain_words(vault: VaultState) -> str:
    """Return the vault's conditions by name; without any, what is under way and how long it took."""
    if vault.conditions:
        return ", ".join(condition.partition(":")[0] for condition in vault.conditions)
    took = f", network {vault.confirmation_ns / SECOND_NS:.1f} s" if vault.confirmation_ns else ""
    took = f", submitted {vault.submit_ns / SECOND_NS:.2f} s{took}" if vault.submit_ns else took
    return f"{vault.under_way} under way{took}" if vault.under_way else f"settled{took}"


def _gap_words(gap: BrokerGap | None) -> str:
    """Return the median distance of our volatilities (percentage points) and deltas from the broker's."""
    return "-" if gap is None else f"{100 * gap.volatility:.1f} pt | {gap.delta:.3f}"


def _portfolio(view: SessionView) -> list[tuple[str, RenderableType]]:
    book, vault = view.portfolio, view.vault
    return [
        ("P&L after fees", money_text(book.equity)),
        (
            "realised | unrealised",
            Text.assemble(money_text(book.realized), " | ", money_text(book.unrealized)),
        ),
        ("fees", money_text(book.fees, sign=False)),
        ("delta | gamma", f"{book.delta:+.1f} | {book.gamma:+.2f}"),
        ("vega | theta a year", f"{book.vega:+.1f} | {book.theta:+.1f}"),
        ("IV | delta off broker", _gap_words(view.broker_gap)),
        ("vault free", money_text(vault.free, sign=False)),
        (
            "reserved | escrow",
            f"{vault.reserved / MONEY_SCALE:,.2f} | {vault.escrow / MONEY_SCALE:,.2f}",
        ),
        (
            "owed | settled",
            f"{vault.receivable / MONEY_SCALE:,.2f} | {vault.settled / MONEY_SCALE:+,.2f}",
        ),
        ("chain", _chain_words(vault)),
    ]


def _trades(view: SessionView) -> RenderableType:
    table = Table(box=None, expand=True, header_style="dim")
    for name in ("trade", "position", "entry", "mark", "since", "vault"):
        left = name in ("trade", "position", "vault")
        table.add_column(name, justify="left" if left else "right", no_wrap=True)
    on_chain = dict(view.vault.trades)
    for trade in view.trades[-8:]:
        table.add_row(
            trade.trade_id,
            f"{trade.quantity} x {trade.description}",
            price_text(trade.entry_price),
            price_text(trade.mark),
            clock_text(trade.opened_ns, seconds=False),
            on_chain.get(trade.trade_id, ""),
        )
    return Panel(table, title=f"Open trades ({len(view.trades)})", box=box.ROUNDED)


def _orders(view: SessionView) -> RenderableType:
    table = Table(box=None, expand=True, header_style="dim")
    for name in ("order", "", "legs", "limit", "since"):
        table.add_column(name, justify="right" if name in ("limit", "since") else "left", no_wrap=True)
    for order in view.orders[-8:]:
        table.add_row(
            order.order_ref,
            order.purpose,
            order.description,
            price_text(order.limit_price),
            clock_text(order.submitted_ns, seconds=False),
        )
    return Panel(table, title=f"Working orders ({len(view.orders)})", box=box.ROUNDED)


def _decisions(view: SessionView) -> RenderableType:
    table = Table(box=None, expand=True, header_style="dim")
    table.add_column("time", no_wrap=True)
    table.add_column("candidate", no_wrap=True)
    table.add_column("what", no_wrap=True)
    table.add_column("outcome", no_wrap=True)
    table.add_column("reason", ratio=1, no_wrap=True, overflow="ellipsis")
    for line in view.decisions[-14:]:
        style = OUTCOME_STYLE.get(line.outcome, "")
        shown = line.outcome if line.outcome == "approved" else f"refused by {line.outcome}"
        table.add_row(
            clock_text(line.at_ns, seconds=False),
            line.candidate_id,
            line.description,
            Text(shown, style=style),
            line.reason,
        )
    return Panel(table, title="Last decisions", box=box.ROUNDED)
