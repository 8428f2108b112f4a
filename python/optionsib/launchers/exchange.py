"""The paper exchange as a process, and a way to start one beside a daemon."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from optionsib.brokers.paper import PaperExchange
from optionsib.common.config import Config
from optionsib.common.errors import BrokerError
from optionsib.common.ports import QuoteTape
from optionsib.common.types import MINUTE_NS, SECOND_NS
from optionsib.data.memory_tape import shorten
from optionsib.data.rates import RateCurve
from optionsib.data.tapes import open_tape

START_SECONDS = 60.0
QUARTER = 0.25  # years: the rate behind the computations that the exchange publishes
NEW_YORK = ZoneInfo("America/New_York")


@dataclass(frozen=True, slots=True)
class ExchangeSettings:
    """What a paper exchange plays, and how. ``first_minute`` and ``minutes`` cut a window of the day."""

    tape: str | None
    date: dt.date | None
    seed: int
    pace: Literal["lockstep", "real"] = "real"
    speed: float = 1.0
    host: str = "127.0.0.1"
    port: int = 0
    owner_client_id: int = 1
    market_data_lines: int = 100
    first_minute: int = 0
    minutes: int = 0

    def arguments(self) -> list[str]:
        """Return the command line of a process with these settings."""
        words = ["paper-exchange", "--seed", str(self.seed), "--pace", self.pace, "--speed", str(self.speed)]
        words += ["--host", self.host, "--port", str(self.port)]
        words += ["--owner-client-id", str(self.owner_client_id)]
        words += ["--market-data-lines", str(self.market_data_lines)]
        words += ["--first-minute", str(self.first_minute), "--minutes", str(self.minutes)]
        if self.tape:
            words += ["--tape", self.tape]
        if self.date:
            words += ["--date", self.date.isoformat()]
        return words

    def open(self) -> QuoteTape:
        """Open the day these settings name.

        Raises
        ------
        DataError
            If it is missing or broken.
        """
        tape = open_tape(self.tape, date=self.date, seed=self.seed)
        if not self.first_minute and not self.minutes:
            return tape
        length = (tape.session_close_ns - tape.session_open_ns) // MINUTE_NS
        return shorten(tape, self.first_minute, self.minutes or length - self.first_minute)


async def serve(settings: ExchangeSettings, config: Config) -> None:
    """Play the day until SIGINT or SIGTERM; the first line on stdout is JSON with host and port.

    Raises
    ------
    DataError, BrokerError
        If the day cannot be read, or the port is taken.
    """
    tape = settings.open()
    day = dt.datetime.fromtimestamp(tape.session_open_ns // SECOND_NS, NEW_YORK).date()
    exchange = PaperExchange(
        tape,
        fees=config.fees,
        host=settings.host,
        port=settings.port,
        pace=settings.pace,
        speed=settings.speed,
        owner_client_id=settings.owner_client_id,
        market_data_lines=settings.market_data_lines,
        rate=float(RateCurve.from_config(config.rates, day).rate(QUARTER)),
        seed=settings.seed,
    )
    port = await exchange.start()
    facts = {
        "host": settings.host,
        "port": port,
        "tape": tape.name,
        "simulated": tape.simulated,
        "sha256": tape.sha256,
        "symbol": tape.underlying.symbol,
    }
    print(json.dumps(facts), flush=True)
    loop = asyncio.get_running_loop()
    closing: set[asyncio.Task[None]] = set()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, lambda: closing.add(loop.create_task(exchange.close())))
    try:
        await exchange.serve_until_closed()
    finally:
        await asyncio.gather(*closing)


@dataclass(frozen=True, slots=True)
class RunningExchange:
    """A paper exchange in a process of its own."""

    process: subprocess.Popen[str]
    host: str
    port: int
    tape: str
    simulated: bool
    sha256: str
    symbol: str


@contextmanager
def exchange_process(settings: ExchangeSettings, log: Path) -> Iterator[RunningExchange]:
    """Start a paper exchange, give its address, and end it on leaving.

    Raises
    ------
    BrokerError
        If it does not come up; the message has what it said.
    """
    command = [sys.executable, "-m", "optionsib.cli", *settings.arguments()]
    with log.open("w") as errors:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=errors,
            stdin=subprocess.DEVNULL,
            text=True,
            process_group=0,  # Ctrl-C is for the daemon, which still has orders to cancel here
        )
    try:
        yield _await_first_line(process, log)
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _await_first_line(process: subprocess.Popen[str], log: Path) -> RunningExchange:
    if process.stdout is None:
        raise BrokerError("the paper exchange has no output to read its port from")
    ready, _, _ = select.select([process.stdout], [], [], START_SECONDS)
    line = process.stdout.readline() if ready else ""
    if not line:
        process.kill()
        raise BrokerError(f"the paper exchange did not start: {log.read_text().strip() or 'no message'}")
    facts = json.loads(line)
    return RunningExchange(process=process, **facts)
