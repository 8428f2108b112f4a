"""Helpers that start the exchange and the daemon as the processes users start."""

from __future__ import annotations

import os
import subprocess
import sys
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


def daemon_command(exchange: RunningExchange, state: Path, *settings: str) -> list[str]:
    pairs = [
        f"gateway.port={exchange.port}",
        f"session.symbol={exchange.symbol}",
        "gateway.market_data_lines=250",
        f"paths.state={state}",
        f"model.path={BUNDLED_MODEL}",
        *EAGER,
        *settings,
    ]
    words = [sys.executable, "-m", "optionsib.cli", "run", "--pace", "lockstep"]
    words += ["--data-sha256", exchange.sha256]
    for pair in pairs:
        words += ["--set", pair]
    return words


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
