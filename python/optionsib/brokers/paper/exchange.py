"""The paper exchange: a local TCP server that plays a tape and speaks the TWS text protocol.

The exchange owns simulated time. In lockstep it stands still until the owning client sends
``reqCurrentTime``; it then plays the next step of the tape - market data to everybody, then the
fills of resting orders - and answers with the step's time as the last message. With real pace the
steps follow the wall clock times ``speed``, from the first client on. Orders, positions and
executions outlive connections. Nothing that is sent depends on the wall clock in lockstep.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Literal

from optionsib.brokers.paper.account import Account
from optionsib.brokers.paper.computations import OptionComputer
from optionsib.brokers.paper.contracts import ContractDirectory, local_time, time_stamp
from optionsib.brokers.paper.desk_rules import DeskRules
from optionsib.brokers.paper.entitlements import Entitlement
from optionsib.brokers.paper.faults import Faults
from optionsib.brokers.paper.history import BarSource
from optionsib.brokers.paper.limits import Limits
from optionsib.brokers.paper.market_data import MarketData
from optionsib.brokers.paper.market_requests import MarketRequests
from optionsib.brokers.paper.order_desk import OrderDesk
from optionsib.brokers.paper.quotes import QuoteBoard
from optionsib.brokers.paper.requests import RequestHandlers
from optionsib.brokers.paper.server import SessionServer
from optionsib.brokers.paper.session import Session
from optionsib.common.config import FeesConfig
from optionsib.common.errors import DataError, OptionsIBError
from optionsib.common.fees import FeeTable
from optionsib.common.ports import QuoteTape, SimulatedMarket, TapeQuote, TapeStep
from optionsib.common.types import MONEY_SCALE, SECOND_NS

TICK_SECONDS = 0.25  # wall time between moves of the simulated market, not below a simulated second


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
        Numbers the session: order and execution ids of different seeds never coincide. Chance in the
        faults comes from it too.
    limits
        What a connection may ask; nothing is limited by default.
    desk_rules
        What the order desk does, switch by switch.
    market
        Where every symbol comes from that the tape does not list; by default there is none.
    entitlement
        Which market data the account has subscribed to, see ``entitlements``.

    Attributes
    ----------
    faults
        Arms what shall go wrong.
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
        limits: Limits | None = None,
        desk_rules: DeskRules | None = None,
        market: SimulatedMarket | None = None,
        entitlement: Entitlement = "live",
    ) -> None:
        if speed <= 0:
            raise ValueError(f"speed must be above 0, got {speed}")
        if pace not in ("lockstep", "real"):
            raise ValueError(f"pace must be 'lockstep' or 'real', got {pace!r}")
        if not account.startswith("DU"):
            raise ValueError(f"a paper account's name begins with DU, got {account!r}")
        self._pace, self._speed = pace, speed
        self._owner_client_id = owner_client_id
        self._tape_name = tape.name
        self._closes_ns = tape.session_close_ns
        self._now_ns = tape.session_open_ns
        self._steps: Iterator[TapeStep] = iter(tape.steps())
        self._traded_until_ns = self._now_ns
        self._finished = False

        directory = ContractDirectory(tape, market)
        self._market = market
        self._board = QuoteBoard(directory.tape_ids, market)
        self._board.now_ns = tape.session_open_ns
        self._account = Account(account, initial_cash, directory, self._board)
        trading_date = local_time(tape.session_open_ns).date()
        self._desk = OrderDesk(
            directory,
            self._board,
            self._account,
            FeeTable(fees, trading_date),
            self.sessions,
            rules=desk_rules,
            seed=seed,
        )
        computer = OptionComputer(directory, self._board, rate)
        market_requests = MarketRequests(
            self,
            directory,
            MarketData(directory, self._board, computer),
            computer,
            BarSource(directory, self._board),
            market_data_lines=market_data_lines,
            entitlement=entitlement,
        )
        self._requests = RequestHandlers(self, directory, market_requests, self._desk, self._account)

        self.faults = Faults(self, self._desk.interventions, seed=seed)
        self._server = SessionServer(self, host, port, limits=limits or Limits.off(), faults=self.faults)
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._due_count = itertools.count()
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
        await self._server.start()
        return self._server.port

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
        if self._player is not None:
            self._player.cancel()
            await asyncio.gather(self._player, return_exceptions=True)
        await self._server.close()
        self._closed.set()

    def failed(self, error: OptionsIBError) -> None:
        """Stop everything: a tape that broke cannot go on."""
        self._failure = error
        self._server.stop()
        self._closed.set()

    @property
    def port(self) -> int:
        """The port that clients connect to."""
        return self._server.port

    @property
    def now_ns(self) -> int:
        """Simulated time, UTC ns."""
        return self._now_ns

    @property
    def is_open(self) -> bool:
        """Whether the session still takes orders."""
        return self._now_ns < self._closes_ns

    # --- clients ---------------------------------------------------------------------------------

    def sessions(self) -> list[Session]:
        """Return the clients that have started the API, by client id."""
        return self._server.sessions()

    def session_of(self, client_id: int) -> Session | None:
        """Return the connected client with this id."""
        return self._server.session_of(client_id)

    def opened(self, session: Session) -> None:
        """Greet a client; with real pace the first one sets time going."""
        self._requests.greet(session, self.faults.notices())
        if self._pace == "real" and self._player is None:
            self._player = asyncio.create_task(self._play_in_real_time())

    def handle(self, session: Session, message: list[str]) -> None:
        """Answer one request."""
        self._requests.handle(session, message)

    def flush(self) -> None:
        """Hand what is queued to the sockets."""
        self._server.flush()

    def cut(self, client_id: int | None = None) -> int:
        """Break one client's connection, or all; return how many."""
        return self._server.cut(client_id)

    def restart(self, seconds: float) -> None:
        """Break all connections and refuse new ones for ``seconds`` of wall time."""
        self._server.restart(seconds)

    def linger(self, client_id: int, seconds: float) -> None:
        """Refuse ``client_id`` as already in use for ``seconds`` of wall time."""
        self._server.linger(client_id, seconds)

    # --- time ------------------------------------------------------------------------------------

    def end_step(self, session: Session) -> None:
        """Answer ``reqCurrentTime``; in lockstep the owner's request plays the next step first."""
        if self._pace == "lockstep" and session.client_id == self._owner_client_id:
            self._play_step()
        session.send([49, 1, self._now_ns // SECOND_NS])

    def tell_account_changes(self) -> None:
        """Send positions, account values and profit to everybody who subscribed."""
        self._requests.accounts.tell_changes()
        self._requests.accounts.tell_profit()

    def call_at(self, at_ns: int, action: Callable[[], None]) -> None:
        """Call ``action`` once simulated time has come to ``at_ns`` (UTC ns)."""
        heapq.heappush(self._due, (at_ns, next(self._due_count), action))

    def call_after(self, seconds: float, action: Callable[[], None]) -> None:
        """Call ``action`` after ``seconds``: simulated ones in lockstep, wall time with real pace."""
        if self._pace == "real":
            asyncio.get_running_loop().call_later(seconds, action)
        else:
            self.call_at(self._now_ns + round(seconds * SECOND_NS), action)

    def _act_on_time(self) -> None:
        while self._due and self._due[0][0] <= self._now_ns:
            heapq.heappop(self._due)[2]()

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
        self._act_on_time()
        self._show(self._board.apply(step))

    def _show(self, changed: list[TapeQuote]) -> None:
        """Tell everybody what the present instant has changed, and let orders meet it."""
        sessions, market = self.sessions(), self._requests.market
        watched = market.watched(sessions) | self._desk.watched()
        changed = changed + self._board.refresh(watched, self._now_ns)
        market.publish(sessions, changed, self._now_ns)
        executed = self._let_trade()
        executed |= self._desk.show(changed, self._now_ns)
        if not self.is_open:
            executed |= self._close_session()
        if executed:
            self._requests.accounts.tell_changes()
        self._requests.accounts.tell_profit()

    def _let_trade(self) -> bool:
        """Let the simulated market's trades since the last instant reach resting orders (queue model)."""
        since_ns, self._traded_until_ns = self._traded_until_ns, self._now_ns
        if self._market is None or not self._desk.rules.queue:
            return False
        executed = False
        for con_id in self._desk.matching.resting():
            if self._account.directory.is_simulated(con_id):
                for trade in self._market.trades(con_id, since_ns, self._now_ns):
                    executed |= self._desk.show_trade(con_id, trade.price, trade.size, self._now_ns)
        return executed

    def _finish(self) -> None:
        """Stand at the closing time; what was good for the day ends."""
        if self._now_ns < self._closes_ns:
            self._now_ns = self._board.now_ns = self._closes_ns
        self._act_on_time()
        if self._close_session():
            self.tell_account_changes()

    def _close_session(self) -> bool:
        """End what the session's end ends, once; tell whether anything was executed."""
        if self._finished:
            return False
        self._finished = True
        return self._desk.close_session(self._now_ns)

    async def _play_in_real_time(self) -> None:
        loop = asyncio.get_running_loop()
        began, opened_ns = loop.time(), self._now_ns

        async def wait_for(at_ns: int) -> None:
            due = began + (at_ns - opened_ns) / SECOND_NS / self._speed
            await asyncio.sleep(max(0.0, due - loop.time()))

        async def tick_until(at_ns: int) -> None:
            """Let the simulated market move between the steps of the tape."""
            every_ns = max(1, math.ceil(self._speed * TICK_SECONDS)) * SECOND_NS
            while self._market is not None and (next_ns := self._now_ns + every_ns) < at_ns:
                await wait_for(next_ns)
                self._now_ns = next_ns
                self._act_on_time()
                self._show([])
                self.flush()

        try:
            while (step := self._next_step()) is not None:
                await tick_until(step.at_ns)
                await wait_for(step.at_ns)
                self._play(step)
                self.flush()
            await tick_until(self._closes_ns)
        except OptionsIBError as error:
            self.failed(error)
            return
        await wait_for(self._closes_ns)
        self._finish()
        self.flush()
