"""Helpers that start the exchange and the daemon as the processes users start."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from optionsib.launchers.exchange import ExchangeSettings, RunningExchange
from optionsib.models import BUNDLED_MODEL

EAGER = (
    # A strategy that trades within minutes: the crash tests are about books, not about skill.
    "strategy.minimum_mispricing=0",
    "strategy.no_new_before=09:31",
    "strategy.no_new_after=10:08",
    "strategy.cross_at=10:12",
    "strategy.flat_at=10:18",
    "strategy.maximum_limit_distance=1",
    "model.accept_probability=0.0",
    "limits.max_change_age_seconds=100000",
)


def exchange_settings(seed: int = 7, minutes: int = 20) -> ExchangeSettings:
    return ExchangeSettings(
        tape=None,
        date=None,
        seed=seed,
        pace="lockstep",
        market_data_lines=250,
        first_minute=30,
        minutes=minutes,
    )


def cli(*words: str, timeout: float = 240, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run one command as a user would."""
    return subprocess.run(
        [sys.executable, "-m", "optionsib.cli", *words],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        cwd=cwd,
    )


def set_options(exchange: RunningExchange, state: Path, *settings: str) -> list[str]:
    """Return the ``--set`` words that bring a command to this exchange and state folder."""
    pairs = [
        f"gateway.port={exchange.port}",
        f"session.symbol={exchange.symbol}",
        "gateway.market_data_lines=250",
        f"paths.state={state}",
        f"model.path={BUNDLED_MODEL}",
        *EAGER,
        *settings,
    ]
    return [word for pair in pairs for word in ("--set", pair)]


@contextmanager
def live_daemon(
    exchange: RunningExchange, state: Path, speed: float, *settings: str
) -> Iterator[subprocess.Popen[str]]:
    """Start the daemon at real pace; it is killed on leaving if it still runs."""
    words = [sys.executable, "-m", "optionsib.cli", "run", "--speed", str(speed)]
    words += ["--data-sha256", exchange.sha256, *set_options(exchange, state, *settings)]
    state.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def daemon_command(exchange: RunningExchange, state: Path, *settings: str) -> list[str]:
    words = [sys.executable, "-m", "optionsib.cli", "run", "--pace", "lockstep"]
    return [*words, "--data-sha256", exchange.sha256, *set_options(exchange, state, *settings)]


def run_daemon(
    exchange: RunningExchange, state: Path, *settings: str, kill_at: str = "", timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OPTIONSIB_KILL_AT": kill_at}
    return subprocess.run(
        daemon_command(exchange, state, *settings),
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
