"""The demo: a paper exchange that plays a day, the trading daemon, the live view, the report."""

from __future__ import annotations

import asyncio
import datetime as dt
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psutil
from rich.console import Console

from optionsib.bus.journal import writer_of
from optionsib.common.config import Config, load_config
from optionsib.common.errors import ConfigError, JournalError
from optionsib.common.types import MONEY_SCALE
from optionsib.dashboard.terminal import TerminalView
from optionsib.data.tapes import latest_day_with_predecessor
from optionsib.launchers.exchange import ExchangeSettings, exchange_process
from optionsib.launchers.session import SessionSetup, journal_path, run_session, tape_path
from optionsib.models import BUNDLED_MODEL
from optionsib.performance.report import write_report
from optionsib.trader import SessionSummary

DEMO_LINES = 250
EXCHANGE_LOG = "exchange.log"
# Beginnings of the names of what a demo writes, besides the sockets of its daemon.
WRITTEN = (
    EXCHANGE_LOG,
    "journal.sqlite",
    "ticks.tape",
    "report",
    "chain",
    "attestor.sqlite",
    "model",
    "daemon.log",
    "control.sock",
    "stream.sock",
    "rescue-",
)
REPORT_NOTES = (
    "A resting order fills when the opposite quote reaches its limit. A limit may stay a few cents from the "
    "present fair value before it is repriced, and the minimum edge does not cover all fees: the demo shows "
    "the machinery, not a strategy to follow.",
    "Volatilities and Greeks are American, under the dividend yield that put-call parity stands for.",
)


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """What the demo plays. ``speed`` None = lockstep, as fast as the machine can."""

    tape: str | None = None
    date: dt.date | None = None
    seed: int = 7
    speed: float | None = None
    market_data_lines: int = DEMO_LINES
    state: Path = Path("var/demo")
    first_minute: int = 0
    minutes: int = 0
    resume: bool = False


def run_demo(
    settings: DemoSettings,
    console: Console | None = None,
    *,
    before_hash: Callable[[SessionSummary], str] | None = None,
) -> SessionSummary:
    """Play the day and write the report; prints a summary, its last line is the journal's hash.

    ``before_hash`` makes one more line of the summary, printed above the hash.

    Raises
    ------
    OptionsIBError
        If data, model or configuration are missing or broken.
    """
    console = console or Console()
    started = time.monotonic()
    state = settings.state
    if not settings.resume:
        _empty(state)
    state.mkdir(parents=True, exist_ok=True)
    date = settings.date
    model, model_note = BUNDLED_MODEL, "trained on other simulated days"
    if settings.tape:
        date = date or latest_day_with_predecessor(Path(settings.tape))
        model, model_note = _train(settings, date, console), "trained on the day before"
    exchange = ExchangeSettings(
        tape=settings.tape,
        date=date,
        seed=settings.seed,
        pace="lockstep" if settings.speed is None else "real",
        speed=settings.speed or 1.0,
        market_data_lines=settings.market_data_lines,
        first_minute=settings.first_minute,
        minutes=settings.minutes,
    )
    with exchange_process(exchange, state / EXCHANGE_LOG) as running:
        config = _config(settings, running.port, running.symbol, model)
        setup = SessionSetup(
            config=config,
            pace=exchange.pace,
            speed=exchange.speed,
            data_sha256=running.sha256,
            notices=(running.tape, f"the model was {model_note}"),
        )
        console.print(f"{running.tape} on {running.host}:{running.port}, state in {state}", soft_wrap=True)
        with TerminalView(console) as view:
            summary = asyncio.run(run_session(setup, view.update))
        report = state / "report.html"
        write_report(
            journal_path(state),
            tape_path(state),
            report,
            title=running.tape,
            simulated=running.simulated,
            fee_rows=config.fees.rows,
            notes=(f"The model was {model_note}.", *REPORT_NOTES),
        )
    _print_summary(console, summary, running.tape, report, time.monotonic() - started)
    if before_hash:
        console.file.write(before_hash(summary) + "\n")
    console.file.write(f"journal sha256 {summary.head}\n")
    console.file.flush()
    return summary


def _empty(state: Path) -> None:
    """Remove what an earlier demo wrote, and nothing else.

    Raises
    ------
    ConfigError
        If the folder holds anything but that; nothing was removed.
    JournalError
        If another process writes there; nothing was removed.
    """
    if not state.exists():
        return
    if not state.is_dir():
        raise ConfigError(f"--state {state} is no folder; nothing was removed")
    found = {path.name for path in state.iterdir()}
    strangers = sorted(name for name in found if not name.startswith(WRITTEN))
    if strangers or (found and EXCHANGE_LOG not in found):
        raise ConfigError(
            f"--state {state} holds {', '.join(strangers[:3]) or 'a journal'} that no demo wrote: expected a "
            "new folder or one of an earlier demo; nothing was removed"
        )
    if writer := writer_of(journal_path(state)):
        raise JournalError(
            f"{writer} is running in {state}: end it or choose another --state; nothing was removed"
        )
    shutil.rmtree(state)


def _train(settings: DemoSettings, date: dt.date, console: Console) -> Path:
    from optionsib.data.tapes import day_before
    from optionsib.models.train import train_command

    day = day_before(Path(settings.tape or ""), date)
    console.print(f"training on {day}, trading {date}")
    out = settings.state / "model.onnx"
    card = train_command(settings.tape, day, settings.seed, out)
    console.print(
        f"validation AUC {card.metrics.auc:.3f}; "
        + ", ".join(f"{name} {baseline.auc:.3f}" for name, baseline in card.baselines.items())
        + f"; proof of skill: {card.proof}"
    )
    return out


def _config(settings: DemoSettings, port: int, symbol: str, model: Path) -> Config:
    return load_config(
        "paper",
        overrides={
            "session.seed": settings.seed,
            "session.symbol": symbol,
            "gateway.port": port,
            "gateway.market_data_lines": settings.market_data_lines,
            "model.path": str(model),
            "paths.state": str(settings.state),
        },
    )


def _print_summary(
    console: Console, summary: SessionSummary, tape: str, report: Path, seconds: float
) -> None:
    counts = summary.counts
    refused = {name: counts.get(name, 0) for name in ("model", "strategy", "risk", "vault")}
    money = f"{summary.profit_after_fees / MONEY_SCALE:+,.2f}"
    vault = summary.vault
    peak = psutil.Process().memory_info().rss / 2**20
    lines = [
        "",
        f"{tape}{' (SIMULATED: no market ever quoted these prices)' if summary.simulated else ''}",
        f"  ended: {summary.reason}",
        f"  spreads opened {summary.trades_opened}, closed {summary.trades_closed}, "
        f"still open {summary.trades_open}; fills {counts.get('fills', 0)}",
        "  refused by " + ", ".join(f"{name} {count}" for name, count in refused.items()),
        f"  result after fees {money} USD (realised {summary.realized / MONEY_SCALE:+,.2f}, "
        f"fees {summary.fees / MONEY_SCALE:,.2f})",
        f"  vault: free {vault.free / MONEY_SCALE:,.2f}, reserved {vault.reserved / MONEY_SCALE:,.2f}, "
        f"escrow {vault.escrow / MONEY_SCALE:,.2f}, owed {vault.receivable / MONEY_SCALE:,.2f} USDT; "
        f"settled on the simulated chain {vault.settled / MONEY_SCALE:+,.2f}, "
        f"its fee {vault.fees / MONEY_SCALE:,.2f}",
        *(f"  vault {condition}" for condition in vault.conditions),
        "  One day on paper. It proves no skill and promises nothing; expect such a strategy to lose money.",
        f"  {seconds:.1f} s, daemon memory {peak:.0f} MiB",
        f"  report: {report.resolve()}",
    ]
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False)


def summary_as_json(summary: SessionSummary) -> str:
    """Return the summary for scripts."""
    return msgspec.json.encode(summary).decode()
