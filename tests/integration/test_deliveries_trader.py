"""The trader takes a journal over whose trade is assigned before its eyes."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

pytest.importorskip("solders")

from optionsib.brokers.factory import BrokerAdapterFactory
from optionsib.brokers.paper import PaperExchange
from optionsib.bus.journal import Journal
from optionsib.bus.local import LocalBus
from optionsib.bus.tape import TickTape
from optionsib.common.clock import SteppedClock
from optionsib.common.config import GatewayConfig, LimitsConfig, load_config
from optionsib.common.events import (
    Event,
)
from optionsib.common.session_view import SessionView
from optionsib.common.types import Contract
from optionsib.data.rates import RateCurve
from optionsib.launchers.settlement import settlement
from optionsib.models.server import ModelServer
from optionsib.performance.session_facts import read_facts
from optionsib.risk.limits import LimitChecker
from optionsib.trader import QuantumTrader

from .bracket_session import FEE, LIMITS
from .conftest import Laboratory
from .delivery_day import (
    CALL,
    CREDIT,
    HIGHER,
    SHARE,
    Trading,
    day,
    deliveries,
    halts,
    opened,
)


def test_the_trader_takes_over_and_winds_up(laboratory: Laboratory, tmp_path: Path) -> None:
    """A spread of an earlier run: assigned before the trader's eyes, bought back, settled, shown."""
    views: list[SessionView] = []

    async def scenario(trading: Trading, exchange: PaperExchange) -> None:
        session = trading.session
        await opened(trading, "O1", CREDIT, -11_400)
        await session.quiet()
        await session.close()
        clock = SteppedClock(0)
        factory = BrokerAdapterFactory(clock=clock, pace="lockstep", messages_per_second=1_000_000)
        gateway = factory.create(GatewayConfig(port=exchange.port, request_timeout_seconds=5.0))
        state = await gateway.connect()
        chain = await gateway.option_chain("TWX")
        contracts = (chain.underlying, *chain.options)
        config = load_config(overrides={"paths.state": str(tmp_path), "session.seed": 7})
        with Journal.open(tmp_path / "journal.sqlite") as journal, TickTape(tmp_path / "tape") as ticks:
            clock.advance(max(journal.last_at_ns, chain.session_open_ns))

            def capture(_: int, event: Event) -> None:
                journal.append(event, clock.now_ns())

            bus = LocalBus(tap=capture)
            async with settlement(
                config,
                clock=clock,
                bus=bus,
                commit=journal.commit,
                contracts=contracts,
                journaled=[event for _, _, event in journal.events()],
            ) as vault:
                trader = QuantumTrader(
                    config=config,
                    chain=chain,
                    broker=gateway,
                    bus=bus,
                    journal=journal,
                    tape=ticks,
                    clock=clock,
                    ledger=vault,
                    models=ModelServer(config.model, clock, bus.publish),
                    curve=RateCurve.from_config(config.rates, dt.date(2014, 6, 20)),
                    checker=LimitChecker(
                        LimitsConfig(**LIMITS), contracts, dict.fromkeys((c.con_id for c in contracts), FEE)
                    ),
                    show=views.append,
                )
                await trader.start(state, resumed=True)
                summary = await trader.run()
                assert halts(tmp_path) == []
                assert (summary.trades_open, summary.trades_closed) == (0, 1)
                assert summary.vault.settled == summary.realized - summary.fees != 0
                assert trader.desk.portfolio.positions == {}
        await gateway.disconnect()

    day(laboratory, tmp_path, 690_000, scenario, size=60)
    assert deliveries(tmp_path) == [("assignment", CALL), ("expiry", HIGHER)]
    shown = [line.description for view in views for line in view.trades]
    assert shown == ["14-06-20 -68C +70C", "-40 TWX"]  # sixty were offered in the minute of the assignment
    (named,) = [view for view in views if view.vault.conditions]
    assert named.vault.conditions == ("DELIVERED: trade T-O1 holds -40 of contract 1",)
    assert all(view.state == "running" for view in views)
    assert named.portfolio.delta == -40.0
    facts = read_facts(tmp_path / "journal.sqlite")
    (trade,) = facts.trades({SHARE: Contract(SHARE, "TWX", "STK")})
    assert (trade.is_closed, trade.exit_reason) == (True, "assignment, expiry")
    assert trade.net == views[-1].vault.settled
