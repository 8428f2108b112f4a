"""``cancel-all`` and ``flatten`` as a process of their own: no model, no strategy, no daemon.

The client id is ``gateway.rescue_client_id`` (9 by default). Whatever is sent is journaled first, in
``rescue-<n>.sqlite`` beside the daemon's journal, since a daemon that hangs still holds its own. After
a rescue the daemon finds positions that differ from its books and starts halted, saying so.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from optionsib import __version__, simd_path
from optionsib.brokers.api import BrokerAPI
from optionsib.brokers.factory import BrokerAdapterFactory
from optionsib.bus.journal import Journal, make_genesis
from optionsib.common.clock import SystemClock
from optionsib.common.config import Config
from optionsib.common.errors import BrokerError
from optionsib.common.events import BrokerNotice, OrderSubmitted
from optionsib.common.types import SECOND_NS, Contract, Order
from optionsib.execution.flatten import Touch, position_orders
from optionsib.launchers.accounts import mask_account, refuse_wrong_account

ROUNDS = 20
IDLE_ROUNDS = 3
SECONDS_A_ROUND = 1.0


class RescueReport(msgspec.Struct, frozen=True):
    """What the rescue left behind; positions by the contract's name."""

    account: str
    orders_sent: int
    positions_left: dict[str, int]
    stuck: tuple[str, ...]
    journal: str


async def rescue(config: Config, *, flatten: bool) -> RescueReport:
    """Cancel all working orders of the account and, with ``flatten``, close every position.

    Raises
    ------
    BrokerError
        If the broker cannot be reached or does not answer.
    LiveTradingRefusedError
        If the broker's account is not the one this configuration may touch; nothing was sent.
    """
    clock = SystemClock()
    # Who asks for a rescue means now: a planned outage is the broker's to refuse for, not ours.
    gateway = config.gateway.model_copy(
        update={"client_id": config.gateway.rescue_client_id, "quiet_windows": ()}
    )
    broker = BrokerAdapterFactory(
        clock=clock,
        pace="real",
        step_seconds=SECONDS_A_ROUND,
        account=config.session.account,
        broker_time=True,  # the chain of a replayed day is not of today; a rescue takes no steps by it
    ).create(gateway)
    state = await broker.connect()
    try:
        refuse_wrong_account(config.session.mode, config.session.account, state.account)
        path = _fresh_path(Path(config.paths.state))
        genesis = make_genesis(
            seed=0, config=config.digest(), data="", model="", build=__version__, simd_path=simd_path()
        )
        with Journal.create(path, genesis) as journal:
            now = clock.now_ns()
            journal.append_durable(BrokerNotice(code=0, message="rescue: cancel all", at_ns=now), now)
            await broker.cancel_all()
            await broker.settle()
            rounds = Rounds(broker, journal, clock)
            if flatten and state.positions:
                await rounds.close_everything(config.session.symbol)
            left = (await broker.refresh()).positions
            return RescueReport(
                account=mask_account(state.account),
                orders_sent=rounds.sent,
                positions_left={rounds.name(con_id): held for con_id, held in sorted(left.items())},
                stuck=tuple(rounds.stuck),
                journal=str(path),
            )
    finally:
        await broker.disconnect()


class Rounds:
    """Closes positions in rounds: orders at the far touch, cancel what did not fill, look again."""

    def __init__(self, broker: BrokerAPI, journal: Journal, clock: SystemClock) -> None:
        self._broker = broker
        self._journal = journal
        self._clock = clock
        self._contracts: dict[int, Contract] = {}
        self._refs = itertools.count(1)
        self._stamp = clock.now_ns() // SECOND_NS  # a second rescue of the day takes other references
        self.sent = 0
        self.stuck: list[str] = []

    def name(self, con_id: int) -> str:
        """Return the contract's name, or its number if the chain does not list it."""
        contract = self._contracts.get(con_id)
        return contract.local_symbol or str(con_id) if contract else str(con_id)

    async def close_everything(self, symbol: str) -> None:
        """Send orders until nothing is left, or nothing changes any more."""
        try:
            chain = await self._broker.option_chain(symbol)
        except BrokerError as error:
            self.stuck = [f"no chain of {symbol} to price the orders from: {error}"]
            return
        self._contracts = {c.con_id: c for c in (chain.underlying, *chain.options)}
        positions = (await self._broker.refresh()).positions
        await self._broker.subscribe([self._contracts[c] for c in positions if c in self._contracts])
        touches: dict[int, Touch] = {}
        idle = 0
        for _ in range(ROUNDS):
            await asyncio.sleep(SECONDS_A_ROUND)
            touches |= {quote.con_id: (quote.bid, quote.ask) for quote in self._broker.take_quotes()}
            await self._send(self._orders(positions, touches))
            before, positions = positions, (await self._broker.refresh()).positions
            idle = idle + 1 if positions == before else 0
            if not positions or idle == IDLE_ROUNDS:
                break
        self._orders(positions, touches)

    def _orders(self, positions: Mapping[int, int], touches: Mapping[int, Touch]) -> list[Order]:
        known = {con_id: held for con_id, held in positions.items() if con_id in self._contracts}
        orders, self.stuck = position_orders(
            known, self._contracts, touches, lambda: f"F{self._stamp}-{next(self._refs)}"
        )
        strangers = [con_id for con_id in positions if con_id not in self._contracts]
        self.stuck += [f"{c}: {positions[c]:+d}, no contract of the configured symbol" for c in strangers]
        return orders

    async def _send(self, orders: Sequence[Order]) -> None:
        """Send the orders, shorts first as they come; cancel what did not fill at once."""
        for order in orders:
            now = self._clock.now_ns()
            self._journal.append_durable(OrderSubmitted(order=order, at_ns=now), now)
            await self._broker.place(order)
            await self._broker.settle()
        self.sent += len(orders)
        await self._broker.cancel_all()
        await self._broker.settle()
        for event in self._broker.take_events():
            self._journal.append(event, self._clock.now_ns())
        self._journal.commit()


def _fresh_path(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    names = (folder / f"rescue-{number}.sqlite" for number in itertools.count(1))
    return next(path for path in names if not path.exists())
