"""The terminal view shows what a person must see, on a terminal and on a pipe."""

from __future__ import annotations

import io

from rich.console import Console

from optionsib.common.events import PortfolioSnapshot, VaultState
from optionsib.common.session_view import BrokerGap, DecisionLine, OrderLine, SessionView, TradeLine
from optionsib.common.types import MINUTE_NS
from optionsib.dashboard.terminal import TerminalView, render

OPEN_NS = 1_402_061_400_000_000_000  # 2014-06-06 09:30 New York


def make_view(at_ns: int = OPEN_NS + 75 * MINUTE_NS, state: str = "running") -> SessionView:
    return SessionView(
        title="TWX 2014-06-06",
        simulated=True,
        notices=("no demonstrated skill", "1 USD = 1 USDT here"),
        at_ns=at_ns,
        session_open_ns=OPEN_NS,
        session_close_ns=OPEN_NS + 390 * MINUTE_NS,
        state=state,
        underlying_bid=71.22,
        underlying_ask=71.23,
        portfolio=PortfolioSnapshot(
            at_ns=at_ns,
            underlying_price=712_250,
            equity=-12_340_000,
            cash=0,
            realized=-10_000_000,
            unrealized=500_000,
            fees=2_840_000,
            delta=12.5,
            gamma=1.25,
            vega=-35.0,
            theta=-70.0,
            open_trades=1,
            working_orders=1,
        ),
        vault=VaultState(
            at_ns=at_ns,
            free=9_900_000_000,
            reserved=50_000_000,
            escrow=60_000_000,
            receivable=0,
            fees=0,
            settled=0,
        ),
        trades=(TradeLine("T000001", "14-07-19 +70C -72.5C", 1, 9_900, None, at_ns),),
        orders=(OrderLine("O000002", "close", "14-07-19 -70C +72.5C", -10_500, 0, 1, at_ns),),
        decisions=(
            DecisionLine(at_ns, "C000001", "14-07-19 +70C -72.5C", "approved", "open at 0.99"),
            DecisionLine(at_ns, "C000002", "14-07-19 +75C -77.5C", "model", "probability 0.41"),
        ),
        broker_gap=BrokerGap(contracts=98, volatility=0.0123, delta=0.004, largest_volatility=0.2),
        counts={"approved": 1, "model": 1, "fills": 1},
    )


def drawn(view: SessionView, width: int) -> str:
    console = Console(file=io.StringIO(), width=width, height=45, force_terminal=True, color_system=None)
    console.print(render(view))
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_everything_is_on_the_screen() -> None:
    text = drawn(make_view(), 180)
    for words in (
        "SIMULATED",
        "TWX 2014-06-06",
        "10:45:00",
        "71.22 / 71.23",
        "no demonstrated skill; 1 USD = 1 USDT here",
        "-12.34",
        "9,900.00",
        "1.2 pt | 0.004",
        "+12.5 | +1.25",
        "-35.0 | -70.0",
        "owed | settled",
        "chain",
        "14-07-19 +70C -72.5C",
        "refused by model",
        "probability 0.41",
        "open at 0.99",
        "-1.05",
    ):
        assert words in text, words


def test_a_narrow_terminal_keeps_the_essentials() -> None:
    text = drawn(make_view(state="halted: drill"), 90)
    for words in ("SIMULATED", "halted: drill", "no demonstrated skill", "-12.34", "+12.5 | +1.25", "chain"):
        assert words in text, words


def test_a_pipe_gets_one_line_per_half_hour() -> None:
    output = io.StringIO()
    with TerminalView(Console(file=output, width=200)) as view:
        for minute in range(60, 125):
            view.update(make_view(OPEN_NS + minute * MINUTE_NS))
    lines = output.getvalue().splitlines()
    assert [line[:5] for line in lines] == ["10:30", "11:00", "11:30"]
    assert "P&L -12.34" in lines[0]
