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

from optionsib import __version__
from optionsib.brokers.api import BrokerAPI
from optionsib.brokers.factory import BrokerAdapterFactory
from optionsib.bus.journal import Journal, make_genesis
from optionsib.common.clock import SystemClock
from optionsib.common.config import Config
from optionsib.common.events import BrokerNotice, OrderSubmitted
from optionsib.common.types import SECOND_NS, Contract, Order
from optionsib.execution.flatten import Touch, position_orders

ROUNDS = 20
SECONDS_A_ROUND = 1.0


class RescueReport(msgspec.Struct, frozen=True):
    """What the rescue left behind."""

    cancelled: bool
    orders_sent: int
    positions_left: dict[int, int]
    stuck: tuple[str, ...]
    journal: str


async def rescue(config: Config, *, flatten: bool) -> RescueReport:
    """Cancel all working orders of the account and, with ``flatten``, close every position.

    Raises
    ------
    BrokerError
        If the broker cannot be reached or does not answer.
    """
    clock = SystemClock()
    gateway = config.gateway.model_copy(update={"client_id": config.gateway.rescue_client_id})
    broker = BrokerAdapterFactory(
        clock=clock, pace="real", step_seconds=SECONDS_A_ROUND, account=config.session.account
    ).create(gateway)
    path = _fresh_path(Path(config.paths.state))
    genesis = make_genesis(
        seed=0, config=config.digest(), data="", model="", build=__version__, simd_path="baseline"
    )
    with Journal.create(path, genesis) as journal:
        state = await broker.connect()
        try:
            now = clock.now_ns()
            journal.append_durable(BrokerNotice(code=0, message="rescue: cancel all", at_ns=now), now)
            await broker.cancel_all()
            await broker.settle()
            sent, stuck = 0, list[str]()
            positions = dict(state.positions)
            if flatten and positions:
                chain = await broker.option_chain(config.session.symbol)
                contracts = {c.con_id: c for c in (chain.underlying, *chain.options)}
                held = [contracts[con_id] for con_id in positions if con_id in contracts]
                await broker.subscribe(held)
                touches: dict[int, Touch] = {}
                for _ in range(ROUNDS):
                    positions = dict((await broker.refresh()).positions)
                    if not positions:
                        break
                    await asyncio.sleep(SECONDS_A_ROUND)
                    touches |= {q.con_id: (q.bid, q.ask) for q in broker.take_quotes()}
                    orders, stuck = _orders(positions, contracts, touches, clock, sent)
                    await _send(broker, journal, clock, orders)
                    sent += len(orders)
            positions = dict((await broker.refresh()).positions)
            return RescueReport(True, sent, positions, tuple(stuck), str(path))
        finally:
            await broker.disconnect()


def _orders(
    positions: Mapping[int, int],
    contracts: Mapping[int, Contract],
    touches: Mapping[int, Touch],
    clock: SystemClock,
    sent: int,
) -> tuple[list[Order], list[str]]:
    numbers = itertools.count(sent + 1)
    stamp = clock.now_ns() // SECOND_NS
    known = {con_id: held for con_id, held in positions.items() if con_id in contracts}
    orders, stuck = position_orders(known, contracts, touches, lambda: f"F{stamp}-{next(numbers)}")
    strangers = [con_id for con_id in positions if con_id not in contracts]
    stuck += [f"{con_id}: {positions[con_id]:+d}, no option of the configured symbol" for con_id in strangers]
    return orders, stuck


async def _send(broker: BrokerAPI, journal: Journal, clock: SystemClock, orders: Sequence[Order]) -> None:
    """Send the orders, shorts first as they come; cancel what did not fill at once."""
    for order in orders:
        now = clock.now_ns()
        journal.append_durable(OrderSubmitted(order=order, at_ns=now), now)
        await broker.place(order)
        await broker.settle()
    await broker.cancel_all()
    await broker.settle()
    for event in broker.take_events():
        journal.append(event, clock.now_ns())
    journal.commit()


def _fresh_path(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    names = (folder / f"rescue-{number}.sqlite" for number in itertools.count(1))
    return next(path for path in names if not path.exists())
