"""The paper exchange: a local TCP server that plays a tape and speaks the TWS text protocol.

The exchange owns simulated time. In lockstep it stands still until the owning client sends
``reqCurrentTime``; it then plays the next step of the tape - market data to everybody, then the
fills of resting orders - and answers with the step's time as the last message. With real pace the
steps follow the wall clock times ``speed``, from the first client on. Orders, positions and
executions outlive connections. Nothing that is sent depends on the wall clock in lockstep.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Literal

from optionsib.brokers.paper.account import Account
from optionsib.brokers.paper.computations import OptionComputer
from optionsib.brokers.paper.contracts import ContractDirectory, local_time, time_stamp
from optionsib.brokers.paper.market_data import MarketData
from optionsib.brokers.paper.matching import Matching
from optionsib.brokers.paper.order_desk import OrderDesk
from optionsib.brokers.paper.quotes import QuoteBoard
from optionsib.brokers.paper.requests import RequestHandlers
from optionsib.brokers.paper.session import NO_REQUEST, Session
from optionsib.brokers.paper.wire import (
    MAGIC,
    FieldReader,
    WireError,
    negotiate_version,
    pack,
    read_payload,
    split_fields,
)
from optionsib.common.config import FeesConfig
from optionsib.common.errors import BrokerError, DataError, OptionsIBError
from optionsib.common.fees import FeeTable
from optionsib.common.ports import QuoteTape, TapeStep
from optionsib.common.types import MONEY_SCALE, SECOND_NS

HANDSHAKE_SECONDS = 10.0
CLOSING_SECONDS = 2.0
MAXIMUM_CLIENTS = 32
START_API = 71


class PaperExchange:
    """Play ``tape`` to clients of the TWS protocol.

    Parameters
    ----------
    tape
        The day to play.
    fees
        Dated fee table; the rows in force on the tape's date apply.
    host, port
        Where to listen; port 0 takes a free one.
    pace
        ``lockstep``: the owner's ``reqCurrentTime`` plays the next step. ``real``: steps follow the
        wall clock, and ``reqCurrentTime`` only reports.
    speed
        Simulated seconds per wall second with real pace.
    owner_client_id
        The client that drives the steps in lockstep.
    account
        Name of the paper account; begins with ``DU``.
    initial_cash
        Money units (1/1000000).
    market_data_lines
        Running market data subscriptions per client.
    rate
        Continuously compounded rate for the implied volatilities that are sent.
    seed
        Numbers the session: order and execution ids of different seeds never coincide.
    """

    def __init__(
        self,
        tape: QuoteTape,
        *,
        fees: FeesConfig,
        host: str = "127.0.0.1",
        port: int = 0,
        pace: Literal["lockstep", "real"] = "real",
        speed: float = 1.0,
        owner_client_id: int = 1,
        account: str = "DU0000001",
        initial_cash: int = 100_000 * MONEY_SCALE,
        market_data_lines: int = 250,
        rate: float = 0.0,
        seed: int = 0,
    ) -> None:
        if speed <= 0:
            raise ValueError(f"speed must be above 0, got {speed}")
        if pace not in ("lockstep", "real"):
            raise ValueError(f"pace must be 'lockstep' or 'real', got {pace!r}")
        if not account.startswith("DU"):
            raise ValueError(f"a paper account's name begins with DU, got {account!r}")
        self._host, self._port = host, port
        self._pace, self._speed = pace, speed
        self._owner_client_id = owner_client_id
        self._tape_name = tape.name
        self._closes_ns = tape.session_close_ns
        self._now_ns = tape.session_open_ns
        self._steps: Iterator[TapeStep] = iter(tape.steps())
        self._finished = False

        directory = ContractDirectory(tape)
        self._board = QuoteBoard(frozenset(directory.by_id))
        self._account = Account(account, initial_cash, directory, self._board)
        trading_date = local_time(tape.session_open_ns).date()
        self._desk = OrderDesk(
            directory,
            Matching(contract.con_id for contract in directory.options),
            self._account,
            FeeTable(fees, trading_date),
            self.session_of,
            seed=seed,
        )
        computer = OptionComputer(directory, self._board, rate)
        self._market_data = MarketData(directory, self._board, computer)
        self._requests = RequestHandlers(
            self, directory, self._market_data, self._desk, self._account, market_data_lines=market_data_lines
        )

        self._server: asyncio.Server | None = None
        self._sessions: dict[int, Session] = {}
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._player: asyncio.Task[None] | None = None
        self._failure: OptionsIBError | None = None
        self._closed = asyncio.Event()

    # --- running ---------------------------------------------------------------------------------

    async def start(self) -> int:
        """Listen and return the bound port.

        Raises
        ------
        BrokerError
            If the port cannot be bound; nothing is running then.
        """
        try:
            self._server = await asyncio.start_server(self._connected, self._host, self._port)
        except OSError as error:
            raise BrokerError(
                f"paper exchange cannot listen on {self._host}:{self._port}: {error.strerror or error}; "
                "choose a free port"
            ) from error
        self._port = int(self._server.sockets[0].getsockname()[1])
        return self._port

    async def serve_until_closed(self) -> None:
        """Wait until :meth:`close` is called.

        Raises
        ------
        OptionsIBError
            If the tape broke; all clients have been dropped then.
        """
        await self._closed.wait()
        if self._failure is not None:
            raise self._failure

    async def close(self) -> None:
        """Stop listening and drop all clients; orders and positions are gone with the object."""
        if self._server is not None:
            self._server.close()
        if self._player is not None:
            self._player.cancel()
            await asyncio.gather(self._player, return_exceptions=True)
        tasks = list(self._connections)
        for writer in self._connections.values():
            writer.close()
        if tasks:
            _, unread = await asyncio.wait(tasks, timeout=CLOSING_SECONDS)
            for task in unread:
                self._connections[task].transport.abort()
            await asyncio.gather(*unread, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()
        self._closed.set()

    def _fail(self, error: OptionsIBError) -> None:
        """Stop everything: a tape that broke cannot go on."""
        self._failure = error
        if self._server is not None:
            self._server.close()
        for writer in self._connections.values():
            writer.close()
        self._closed.set()

    @property
    def port(self) -> int:
        """The port that clients connect to."""
        return self._port

    @property
    def now_ns(self) -> int:
        """Simulated time, UTC ns."""
        return self._now_ns

    @property
    def is_open(self) -> bool:
        """Whether the session still takes orders."""
        return self._now_ns < self._closes_ns

    def sessions(self) -> list[Session]:
        """Return the clients that have started the API, by client id."""
        return [session for _, session in sorted(self._sessions.items())]

    def session_of(self, client_id: int) -> Session | None:
        """Return the connected client with this id."""
        return self._sessions.get(client_id)

    # --- time ------------------------------------------------------------------------------------

    def end_step(self, session: Session) -> None:
        """Answer ``reqCurrentTime``; in lockstep the owner's request plays the next step first."""
        if self._pace == "lockstep" and session.client_id == self._owner_client_id:
            self._play_step()
        session.send([49, 1, self._now_ns // SECOND_NS])

    def _play_step(self) -> None:
        step = self._next_step()
        if step is None:
            self._finish()
        else:
            self._play(step)

    def _next_step(self) -> TapeStep | None:
        """Take a step off the tape; whatever the tape raises, it must not look like its end."""
        try:
            return next(self._steps, None)
        except OptionsIBError:
            raise
        except Exception as error:
            raise DataError(
                f"tape {self._tape_name} broke after {time_stamp(self._now_ns)}: {error!r}"
            ) from error

    def _play(self, step: TapeStep) -> None:
        if step.at_ns < self._now_ns:
            raise DataError(f"tape runs backwards: step at {step.at_ns} ns after {self._now_ns} ns")
        self._now_ns = step.at_ns
        changed = self._board.apply(step)
        self._market_data.publish(self.sessions(), changed, self._now_ns)
        if self._desk.show(changed, self._now_ns):
            self._requests.tell_account_changes()
        if not self.is_open:
            self._desk.expire_day_orders(self._now_ns)
        self._requests.tell_profit()

    def _finish(self) -> None:
        """Stand at the closing time; what was good for the day ends."""
        if not self._finished:
            self._finished = True
            self._now_ns = max(self._now_ns, self._closes_ns)
            self._desk.expire_day_orders(self._now_ns)

    async def _play_in_real_time(self) -> None:
        loop = asyncio.get_running_loop()
        began, opened_ns = loop.time(), self._now_ns

        async def wait_for(at_ns: int) -> None:
            due = began + (at_ns - opened_ns) / SECOND_NS / self._speed
            await asyncio.sleep(max(0.0, due - loop.time()))

        try:
            while (step := self._next_step()) is not None:
                await wait_for(step.at_ns)
                self._play(step)
                self._flush()
        except OptionsIBError as error:
            self._fail(error)
            return
        await wait_for(self._closes_ns)
        self._finish()
        self._flush()

    # --- connections -----------------------------------------------------------------------------

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._connections) >= MAXIMUM_CLIENTS or self._closed.is_set():
            writer.close()
            return
        self._connections[task] = writer
        session: Session | None = None
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                session = await self._shake_hands(reader, writer)
            if session is not None and self._register(session):
                await self._serve(session, reader)
        except (asyncio.IncompleteReadError, ConnectionError, TimeoutError):
            pass  # the client has gone, or never became one
        except WireError as error:
            if session is not None:  # it got far enough to understand why it is dropped
                session.error(NO_REQUEST, 320, f"Server error when reading an API client request: {error}")
        except OptionsIBError as error:
            self._fail(error)
        finally:
            del self._connections[task]
            if session is not None:
                session.flush()
                if self._sessions.get(session.client_id) is session:
                    del self._sessions[session.client_id]
            writer.close()

    async def _shake_hands(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Session | None:
        """Agree on a version and wait for startApi; None if the client is too old or too new."""
        magic = await reader.readexactly(len(MAGIC))
        if magic != MAGIC:
            raise WireError(f"connection must begin with {MAGIC!r}, got {magic!r}")
        version = negotiate_version(await read_payload(reader))
        if version is None:
            return None
        writer.write(pack([version, time_stamp(self._now_ns)]))
        fields = FieldReader(split_fields(await read_payload(reader)))
        message_id, _, client_id = fields.integer(None), fields.integer(None), fields.integer(None)
        session = Session(writer, version)
        if message_id != START_API or client_id < 0:
            raise WireError(f"startApi ({START_API}) with a client id expected, got message {message_id}")
        session.client_id = client_id
        return session

    def _register(self, session: Session) -> bool:
        if session.client_id in self._sessions:
            session.error(NO_REQUEST, 326, "Unable to connect as the client id is already in use.")
            return False
        self._sessions[session.client_id] = session
        self._requests.greet(session)
        if self._pace == "real" and self._player is None:
            self._player = asyncio.create_task(self._play_in_real_time())
        return True

    async def _serve(self, session: Session, reader: asyncio.StreamReader) -> None:
        self._flush()
        while True:
            message = split_fields(await read_payload(reader))
            try:
                self._requests.handle(session, message)
            finally:
                self._flush()
            await session.drain()

    def _flush(self) -> None:
        for session in self._sessions.values():
            session.flush()
