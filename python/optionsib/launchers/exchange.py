"""The paper exchange as a process, and a way to start one beside a daemon."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import secrets
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
from optionsib.brokers.paper.control import ControlPort
from optionsib.brokers.paper.desk_rules import DeskRules
from optionsib.brokers.paper.entitlements import Entitlement
from optionsib.brokers.paper.limits import Limits
from optionsib.brokers.paper.scenario import play_scenario, read_scenario
from optionsib.common.config import Config
from optionsib.common.errors import BrokerError
from optionsib.common.ports import QuoteTape
from optionsib.common.types import MINUTE_NS, SECOND_NS
from optionsib.data.memory_tape import shorten
from optionsib.data.rates import RateCurve
from optionsib.data.synthetic.universe import SimulatedUniverse
from optionsib.data.tapes import open_tape

START_SECONDS = 60.0
QUARTER = 0.25  # years: the rate behind the computations that the exchange publishes
NEW_YORK = ZoneInfo("America/New_York")


@dataclass(frozen=True, slots=True)
class ExchangeSettings:
    """What a paper exchange plays, and how. ``first_minute`` and ``minutes`` cut a window of the day.

    ``tape_only`` leaves out the simulated market of all other symbols. ``limits`` "ib": message rate,
    depth, tick and history limits as IB has them. ``queue``: resting orders wait behind displayed size.
    """

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
    tape_only: bool = False
    market_data: Entitlement = "live"
    limits: Literal["ib", "off"] = "off"
    queue: bool = False
    scenario: Path | None = None
    control_port: int | None = None

    def arguments(self) -> list[str]:
        """Return the command line of a process with these settings."""
        words = ["paper-exchange", "--seed", str(self.seed), "--pace", self.pace, "--speed", str(self.speed)]
        words += ["--host", self.host, "--port", str(self.port)]
        words += ["--owner-client-id", str(self.owner_client_id)]
        words += ["--market-data-lines", str(self.market_data_lines)]
        words += ["--first-minute", str(self.first_minute), "--minutes", str(self.minutes)]
        words += ["--market-data", self.market_data, "--limits", self.limits]
        words += [f"--{name}" for name in ("tape-only", "queue") if getattr(self, name.replace("-", "_"))]
        if self.scenario:
            words += ["--scenario", str(self.scenario)]
        if self.control_port is not None:
            words += ["--control-port", str(self.control_port)]
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
    DataError, BrokerError, ConfigError
        If the day cannot be read, the port is taken, or the scenario is wrong.
    """
    steps = read_scenario(settings.scenario) if settings.scenario is not None else []
    tape = settings.open()
    day = dt.datetime.fromtimestamp(tape.session_open_ns // SECOND_NS, NEW_YORK).date()
    rate = float(RateCurve.from_config(config.rates, day).rate(QUARTER))
    market = None if settings.tape_only else SimulatedUniverse(settings.seed, day, rate=rate)
    exchange = PaperExchange(
        tape,
        fees=config.fees,
        host=settings.host,
        port=settings.port,
        pace=settings.pace,
        speed=settings.speed,
        owner_client_id=settings.owner_client_id,
        market_data_lines=settings.market_data_lines,
        rate=rate,
        seed=settings.seed,
        limits=Limits().at_speed(settings.speed) if settings.limits == "ib" else Limits.off(),
        desk_rules=DeskRules(queue=settings.queue),
        market=market,
        entitlement=settings.market_data,
    )
    play_scenario(exchange, steps)
    port = await exchange.start()
    control = await _open_control(exchange, settings.control_port)
    facts = {
        "host": settings.host,
        "port": port,
        "tape": tape.name,
        "simulated": tape.simulated,
        "sha256": tape.sha256,
        "symbol": tape.underlying.symbol,
        "market": market.name if market is not None else "",
    }
    if control is not None:
        facts |= {"control_port": control[0].port, "control_token": control[1]}
    loop = asyncio.get_running_loop()
    closing: set[asyncio.Task[None]] = set()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, lambda: closing.add(loop.create_task(exchange.close())))
    print(json.dumps(facts), flush=True)  # from here on it may be told to end
    for line in _in_words(settings, tape, market, port):
        print(line, flush=True)
    try:
        await exchange.serve_until_closed()
    finally:
        await asyncio.gather(*closing)
        if control is not None:
            await control[0].close()


async def _open_control(exchange: PaperExchange, port: int | None) -> tuple[ControlPort, str] | None:
    """Open the control port with a token that is drawn anew for each process."""
    if port is None:
        return None
    token = secrets.token_urlsafe(24)
    control = ControlPort(exchange.faults, token, port=port)
    await control.start()
    return control, token


def _in_words(
    settings: ExchangeSettings, tape: QuoteTape, market: SimulatedUniverse | None, port: int
) -> list[str]:
    """Return what is being played, for the person who started it."""
    pace = "in lockstep" if settings.pace == "lockstep" else f"at {settings.speed:g} times real pace"
    lines = [f"Paper exchange on {settings.host}:{port}: {tape.name}, {pace}. Ctrl-C ends it."]
    if market is not None:
        lines.append(f"Any other symbol comes from the {market.name}: no market ever quoted these prices.")
    return lines


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
    market: str = ""
    control_port: int | None = None
    control_token: str = ""


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
