"""One trading session as a process: everything is wired here, from configuration to control socket."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from optionsib import __version__, simd_path
from optionsib.brokers.api import MessageTap
from optionsib.brokers.factory import BrokerAdapterFactory
from optionsib.bus.control import ControlServer
from optionsib.bus.journal import Journal, JournalReader, make_genesis, writer_of
from optionsib.bus.local import LocalBus
from optionsib.bus.tape import TickTape
from optionsib.bus.zmq import ZmqPublisher
from optionsib.common.clock import SteppedClock, SystemClock
from optionsib.common.config import Config
from optionsib.common.errors import JournalError, LiveTradingRefusedError, ModelError
from optionsib.common.events import (
    BrokerNotice,
    Delivery,
    Event,
    Halted,
    OrderSubmitted,
    OrderUpdate,
    Resumed,
    SessionEnded,
    SessionStarted,
)
from optionsib.common.fees import FeeTable
from optionsib.common.logging import configure_logging, get_logger, shutdown_logging
from optionsib.common.session_view import SessionView
from optionsib.common.types import SECOND_NS, Json
from optionsib.data.rates import RateCurve
from optionsib.launchers.accounts import refuse_wrong_account
from optionsib.launchers.acknowledging import acknowledging_handlers
from optionsib.launchers.commands import command_handlers
from optionsib.launchers.gateway_watch import message_log, metrics_endpoint
from optionsib.launchers.settlement import SIMULATED_NOTE, settlement
from optionsib.launchers.state_folder import (
    RescueWatch,
    control_endpoint,
    journal_path,
    stream_endpoint,
    tape_path,
)
from optionsib.models import BUNDLED_MODEL
from optionsib.models.model_process import ModelProcess
from optionsib.models.server import ModelServer
from optionsib.risk.limits import LimitChecker
from optionsib.trader import QuantumTrader, SessionSummary

__all__ = ["SessionSetup", "journal_path", "model_path", "run_session", "tape_path"]

NEW_YORK = ZoneInfo("America/New_York")
UNIT_NOTE = "1 USD = 1 USDT here"
LOCKSTEP_PATIENCE = 30.0  # real seconds that a forecast may take
LOOPBACK_RATE = 1_000_000  # messages a second: a lockstep exchange on this machine sets no pace


@dataclass(frozen=True, slots=True)
class SessionSetup:
    """What a session is started with.

    ``data_sha256`` names the recorded or simulated day, "" for a market that is not replayed.
    ``log_messages`` writes every message of the broker to ``messages.log`` in the state folder;
    ``metrics_port`` serves Prometheus metrics on the loopback.
    """

    config: Config
    pace: Literal["lockstep", "real"] = "real"
    speed: float = 1.0
    data_sha256: str = ""
    notices: tuple[str, ...] = ()
    arm_live: bool = False
    confirm_account: str = ""
    log_messages: bool = False
    metrics_port: int | None = None

    @property
    def state_folder(self) -> Path:
        """Where journal, tape, control socket and report stand."""
        return Path(self.config.paths.state)

    @property
    def is_replay(self) -> bool:
        """Tell whether the broker's clock, not this machine's, is the session's time."""
        return self.pace == "lockstep" or self.speed != 1.0


def refuse_unarmed(setup: SessionSetup) -> None:
    """Refuse live trading without the arming switch and the same account named twice.

    Raises
    ------
    LiveTradingRefusedError
        If any of that is missing; nothing was connected.
    """
    session = setup.config.session
    if session.mode != "live":
        return
    if not setup.arm_live:
        raise LiveTradingRefusedError("live trading needs --arm-live; nothing was connected")
    if not session.account or setup.confirm_account != session.account:
        raise LiveTradingRefusedError(
            "live trading needs session.account in the configuration and the same account as "
            f"--confirm-account; got {session.account or 'none'!r} and {setup.confirm_account or 'none'!r}"
        )


def model_path(config: Config) -> Path | None:
    """Return the configured artefact: "" is the one in the package, "none" (None) is no model."""
    if config.model.path == "none":
        return None
    return Path(config.model.path) if config.model.path else BUNDLED_MODEL


async def run_session(
    setup: SessionSetup, show: Callable[[SessionView], None] = lambda view: None
) -> SessionSummary:
    """Connect, recover what an earlier run left, and trade until the session ends.

    Raises
    ------
    OptionsIBError
        If anything is missing or refused; the message says what to do.
    """
    refuse_unarmed(setup)
    setup.state_folder.mkdir(parents=True, exist_ok=True)
    with daemon_log(setup.state_folder / "daemon.log"):
        return await _run_session(setup, show)


async def _run_session(setup: SessionSetup, show: Callable[[SessionView], None]) -> SessionSummary:
    config = setup.config
    begun_with = _journaled_model(journal_path(setup.state_folder))
    model = await _configured_model(config, resumed=begun_with is not None)
    try:
        genesis = make_genesis(
            seed=config.session.seed,
            config=config.digest(),
            data=setup.data_sha256,
            model=begun_with if begun_with is not None else model.model_id if model else "",
            build=__version__,
            simd_path=simd_path(),
        )
        with _open_journal(journal_path(setup.state_folder), genesis) as journal:
            resumed = journal.last_seq > 0
            with TickTape(tape_path(setup.state_folder)) as tape:
                return await _trade(setup, journal, tape, model, resumed=resumed, show=show)
    finally:
        if model is not None:
            await model.close()


def _journaled_model(path: Path) -> str | None:
    """Return the model that the journal was begun with ("" = none); None without records to go on with.

    A restart goes on with that journal whatever has become of the model since: what is open must be closed.
    The journal's own epochs say which model may vote (``ModelServer.begin``).
    """
    if not path.exists():
        return None
    try:
        with JournalReader.open_read_only(path) as journal:
            return str(journal.genesis["model"]) if journal.last_seq else None
    except JournalError:
        return None  # whoever opens it to write says what is wrong


async def _configured_model(config: Config, *, resumed: bool) -> ModelProcess | None:
    """Start the configured model; a beginning without it is refused, a restart is not."""
    path = model_path(config)
    if path is None:
        return None
    try:
        return await ModelProcess.start(path, stage=config.model.stage)
    except ModelError as error:
        if not resumed:
            raise
        get_logger(__name__).error("going on without a model, nothing is opened", error=str(error))
        return None


def _open_journal(path: Path, genesis: dict[str, Json]) -> Journal:
    if not path.exists():
        return Journal.create(path, genesis)
    try:
        return Journal.open(path, expected_genesis=genesis)
    except JournalError:
        if not _is_unused(path):
            raise
    # A start that found no broker, or was refused, leaves a journal without records: begin it anew, so
    # that the configuration may be corrected.
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    return Journal.create(path, genesis)


def _is_unused(path: Path) -> bool:
    if writer_of(path) is not None:
        return False
    try:
        with JournalReader.open_read_only(path) as journal:
            return journal.last_seq == 0
    except JournalError:
        return False


async def _trade(
    setup: SessionSetup,
    journal: Journal,
    tape: TickTape,
    model: ModelProcess | None,
    *,
    resumed: bool,
    show: Callable[[SessionView], None],
) -> SessionSummary:
    clock = SteppedClock(journal.last_at_ns) if setup.is_replay else SystemClock()
    log = setup.state_folder / "messages.log" if setup.log_messages else None
    with message_log(log, setup.config.session.account, clock) as tap:
        return await _trade_with(
            setup, journal, tape, model, clock=clock, message_tap=tap, resumed=resumed, show=show
        )


async def _trade_with(
    setup: SessionSetup,
    journal: Journal,
    tape: TickTape,
    model: ModelProcess | None,
    *,
    clock: SteppedClock | SystemClock,
    message_tap: MessageTap | None,
    resumed: bool,
    show: Callable[[SessionView], None],
) -> SessionSummary:
    config = setup.config
    broker = BrokerAdapterFactory(
        clock=clock,
        pace=setup.pace,
        step_seconds=config.session.step_seconds / setup.speed,
        account=config.session.account,
        broker_time=setup.is_replay,
        messages_per_second=_messages_per_second(setup),
        message_tap=message_tap,
    ).create(config.gateway)
    state = await broker.connect()
    try:
        refuse_wrong_account(config.session.mode, setup.confirm_account, state.account)
        chain = await broker.option_chain(config.session.symbol)
        clock.advance(max(clock.now_ns(), chain.session_open_ns))
        trading_day = dt.datetime.fromtimestamp(chain.session_open_ns // SECOND_NS, NEW_YORK).date()
        bus = LocalBus(tap=lambda _number, event: _capture(journal, clock, event))
        contracts = {contract.con_id: contract for contract in (chain.underlying, *chain.options)}
        async with settlement(
            config,
            clock=clock,
            bus=bus,
            commit=journal.commit,
            contracts=tuple(contracts.values()),
            journaled=[event for _, _, event in journal.events()] if resumed else [],
        ) as ledger:
            fee = FeeTable(config.fees, trading_day).total(1)
            fees = dict.fromkeys(contracts, fee)
            stream = EventStream(bus, journal, stream_endpoint(config))
            # In lockstep the time of the session stands still while a forecast is computed.
            patience = LOCKSTEP_PATIENCE if setup.pace == "lockstep" else None
            models = ModelServer(
                config.model, clock, bus.publish, commit=journal.commit, first=model, patience=patience
            )
            rescues = RescueWatch(setup.state_folder)
            trader = QuantumTrader(
                config=config,
                chain=chain,
                broker=broker,
                bus=bus,
                journal=journal,
                tape=tape,
                clock=clock,
                ledger=ledger,
                models=models,
                curve=RateCurve.from_config(config.rates, trading_day),
                checker=LimitChecker(config.limits, tuple(contracts.values()), fees),
                notices=(*setup.notices, UNIT_NOTE, *_vault_notes(config)),
                show=stream.before(show),
                was_rescued=rescues,
                rescue_has_begun=rescues.has_begun,
            )
            log_events(bus)
            with _signals(trader):
                async with (
                    ControlServer(
                        control_endpoint(config),
                        {
                            **command_handlers(trader, broker, clock, contracts),
                            **acknowledging_handlers(trader.desk.portfolio, trader.desk.manager, ledger),
                        },
                    ),
                    metrics_endpoint(setup.metrics_port, broker, bus),
                ):
                    try:
                        await trader.start(state, resumed=resumed)
                        return await trader.run()
                    finally:
                        trader.by_hand.close()
                        await models.close()
                        stream.close()
    finally:
        await broker.disconnect()


def _messages_per_second(setup: SessionSetup) -> int:
    """Return the allowed rate; an exchange that plays faster than real time counts its own seconds."""
    if setup.pace == "lockstep":
        return LOOPBACK_RATE
    return round(setup.config.gateway.messages_per_second * max(setup.speed, 1.0))


@contextlib.contextmanager
def daemon_log(path: Path) -> Iterator[None]:
    """Write the daemon's structured log, one JSON object a line, off the hot path."""
    with path.open("a", encoding="utf-8") as stream:
        configure_logging(style="json", stream=stream, background=True)
        try:
            yield
        except Exception:
            get_logger(__name__).exception("session failed")
            raise
        finally:
            shutdown_logging()


def log_events(bus: LocalBus) -> None:
    """Log what an operator would look for; the journal has everything."""
    logger = get_logger("optionsib.session")
    told = (
        SessionStarted,
        SessionEnded,
        Halted,
        Resumed,
        BrokerNotice,
        OrderSubmitted,
        OrderUpdate,
        Delivery,
    )
    for kind in told:
        bus.subscribe(kind, lambda event: logger.info(type(event).__name__, **msgspec.to_builtins(event)))


class EventStream:
    """Publishes journaled events to attached processes, after their commit, with their journal number."""

    def __init__(self, bus: LocalBus, journal: Journal, endpoint: str) -> None:
        self._journal = journal
        self._publisher = ZmqPublisher(endpoint)
        self._waiting: list[tuple[int, Event]] = []
        bus.subscribe(Event, lambda event: self._waiting.append((journal.last_seq, event)))

    def before(self, show: Callable[[SessionView], None]) -> Callable[[SessionView], None]:
        """Return ``show`` with a flush of the step's events before it."""

        def flush_and_show(view: SessionView) -> None:
            self.flush()
            show(view)

        return flush_and_show

    def flush(self) -> None:
        """Send what has been committed since the last call."""
        for number, event in self._waiting:
            self._publisher.publish(event, number)
        self._waiting.clear()
        self._publisher.heartbeat()

    def close(self) -> None:
        """Send the rest and close the socket."""
        self.flush()
        self._publisher.close()


def _capture(journal: Journal, clock: SteppedClock | SystemClock, event: Event) -> None:
    journal.append(event, clock.now_ns())


def _vault_notes(config: Config) -> tuple[str, ...]:
    return () if config.vault.rpc_url.get_secret_value() else (SIMULATED_NOTE,)


@contextlib.contextmanager
def _signals(trader: QuantumTrader) -> Iterator[None]:
    """SIGINT or SIGTERM: leave in an orderly way; a second one leaves at once."""
    loop = asyncio.get_running_loop()

    def leave(name: str) -> None:
        if trader.state.startswith("stopping"):
            os._exit(130)
        trader.request_stop(name)

    handled = (signal.SIGINT, signal.SIGTERM)
    for number in handled:
        loop.add_signal_handler(number, leave, number.name)
    try:
        yield
    finally:
        for number in handled:
            loop.remove_signal_handler(number)
