"""Brackets and changed orders from the gate to the exchange: judged, booked, sent, refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from optionsib.brokers.paper import PaperExchange
from optionsib.common.errors import BrokerError
from optionsib.common.events import (
    ApprovedOrder,
    DecisionRecord,
    OrderModifyRequested,
)
from optionsib.common.types import MONEY_SCALE, Order, OrderLeg
from optionsib.execution.brackets import bracket

from .bracket_play import minute, play, refused
from .bracket_session import CALL, FEE, Session, make_bracket
from .conftest import Laboratory


def test_the_exits_of_a_bracket_are_booked_as_the_parent_fills(
    laboratory: Laboratory, tmp_path: Path
) -> None:
    async def scenario(session: Session, exchange: PaperExchange) -> None:
        parent, target, stop = make_bracket(0)
        await session.decide(parent, target, stop)
        await session.settle()
        assert [r.status for r in session.desk.manager.working()] == ["working"] * 3
        assert session.checker.working_orders == 1, "exits cannot fill before their parent"
        reserved = session.reserved("P0")
        assert reserved == 3 * (200 * MONEY_SCALE + 2 * FEE)
        await session.step()  # two are offered at the limit
        await session.settle()
        assert session.record("P0").filled == 2
        assert session.checker.working_orders == 2
        exposure = session.checker.exposure()
        assert exposure.worst_loss is not None
        assert exposure.worst_loss <= reserved, "the exits do not add to the worst loss"
        await session.step()
        await session.settle()
        assert session.record("P0").filled == 3
        await session.step()
        await session.settle()
        assert (session.record("P0-tp").status, session.record("P0-sl").status) == ("filled", "cancelled")
        assert session.desk.portfolio.positions == {}
        assert session.checker.positions == {}
        assert session.checker.working_orders == 0
        state = await session.quiet()
        assert (state.reserved, state.escrow) == (0, 0)

    play(
        laboratory,
        tmp_path,
        scenario,
        minute(19_600, 20_000, 2),
        minute(19_600, 19_900),
        minute(24_500, 24_900),
    )


def test_a_change_is_judged_reserved_and_sent(laboratory: Laboratory, tmp_path: Path) -> None:
    async def scenario(session: Session, exchange: PaperExchange) -> None:
        await session.decide(*make_bracket(0))
        await session.settle()
        for ref, terms in (("P0", {}), ("P0-sl", {"trade_id": "X"}), ("P0", {"time_in_force": "GTC"})):
            changed = msgspec.structs.replace(session.record(ref).order, **terms)
            assert refused(await session.decide(changed, votes=False))[0] == "risk"
        larger = await session.change("P0", quantity=5)
        assert refused(larger) == ("model", "no signal")
        early = await session.change("P0", quantity=2)
        assert refused(early)[1].endswith("its exits have more than 2 units; make them smaller first")
        for ref in ("P0-tp", "P0-sl"):
            await session.change(ref, quantity=2)
        await session.settle()
        smaller = await session.change("P0", quantity=2)
        assert isinstance(smaller.outcome, ApprovedOrder)
        assert smaller.outcome.reduces_risk
        assert session.record("P0").most_units == 3, "until the broker has answered"
        await session.settle()
        assert (session.record("P0").order.quantity, session.record("P0").modify_pending) == (2, False)
        before = session.reserved("P0")
        await session.change("P0", votes=True, quantity=4, limit_price=20_049)
        assert session.reserved("P0") == 4 * (200 * MONEY_SCALE + 2 * FEE) > before
        await session.settle()
        assert session.record("P0").order.quantity == 4
        decisions = [e for _, _, e in session.journal.events() if isinstance(e, DecisionRecord)]
        assert decisions[-1].strategy is not None
        assert decisions[-1].strategy.reason == "test; P0 limit 20049 rounded to 20000"
        changes = [e for _, _, e in session.journal.events() if isinstance(e, OrderModifyRequested)]
        assert [(e.order_ref, e.quantity, e.limit_price) for e in changes] == [
            ("P0-tp", 2, None), ("P0-sl", 2, None), ("P0", 2, None), ("P0", 4, None),
        ]  # fmt: skip
        assert [(order.order_ref, order.quantity) for order in session.desk.manager.exits_behind()] == [
            ("P0-tp", 4), ("P0-sl", 4),
        ]  # fmt: skip
        too_much = await session.change("P0", votes=True, quantity=1_000_000)
        assert refused(too_much)[0] in ("risk", "vault")
        moved = await session.change("P0-sl", stop_price=-18_049)
        assert isinstance(moved.outcome, ApprovedOrder)
        assert moved.outcome.order.stop_price == -18_100
        beyond = await session.change("P0-sl", quantity=5)
        assert refused(beyond) == ("risk", "order P0-sl: P0-sl attached: quantity 5, the parent has 4")
        await session.settle()
        assert session.record("P0-sl").order.stop_price == -18_100

    play(laboratory, tmp_path, scenario, minute(19_800, 20_200))


def test_a_change_that_the_broker_refuses_leaves_the_old_terms(
    laboratory: Laboratory, tmp_path: Path
) -> None:
    async def scenario(session: Session, exchange: PaperExchange) -> None:
        await session.decide(*make_bracket(0))
        await session.settle()
        exchange.faults.error(201, order_ref="P0")
        await session.change("P0", votes=True, quantity=5)
        assert session.record("P0").most_units == 5
        await session.settle()
        record = session.record("P0")
        assert (record.order.quantity, record.modify_pending, record.status) == (3, False, "working")
        assert session.reserved("P0") == 5 * (200 * MONEY_SCALE + 2 * FEE), "freed at the end"

    play(laboratory, tmp_path, scenario, minute(19_800, 20_200))


def test_a_bracket_that_the_gateway_holds_back_never_was(laboratory: Laboratory, tmp_path: Path) -> None:
    async def scenario(session: Session, exchange: PaperExchange) -> None:
        exchange.faults.farm("usopt", up=False)
        await session.settle()
        with pytest.raises(BrokerError, match="stale"):
            await session.decide(*make_bracket(0))
        session.desk.reconcile(await session.gateway.refresh())  # as the trader does after any such error
        assert session.desk.manager.working() == []
        assert session.checker.working_orders == 0
        assert (await session.quiet()).reserved == 0

    play(laboratory, tmp_path, scenario, minute(19_800, 20_200))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        ({"quantity": 4}, "quantity 4, the parent has 3"),
        ({"quantity": 2}, "quantity 2, the parent has 3"),
        ({"parent_ref": "X"}, "its parent is 'X'"),
        ({"trade_id": "X"}, "expected to close trade T0"),
        ({"legs": make_bracket(0)[0].legs}, "not the parent's the other way round"),
        ({"limit_price": 100}, "loses more than without it"),
        ({"oca_group": "other"}, "must share one group"),
        ({"order_ref": "P0"}, "references repeat"),
    ],
)
def test_what_is_no_bracket_is_refused_whole(
    laboratory: Laboratory, tmp_path: Path, spoil: dict[str, Any], reason: str
) -> None:
    async def scenario(session: Session, exchange: PaperExchange) -> None:
        parent, target, stop = make_bracket(0)
        record = await session.decide(parent, msgspec.structs.replace(target, **spoil), stop)
        assert refused(record)[0] == "risk", refused(record)
        assert reason in refused(record)[1]
        assert session.desk.manager.records == {}
        assert (await session.quiet()).reserved == 0
        alone = await session.decide(target)
        assert "sent with it or not at all" in refused(alone)[1]

    play(laboratory, tmp_path, scenario, minute(19_800, 20_200))


def test_a_spread_has_exits_too(laboratory: Laboratory, tmp_path: Path) -> None:
    async def scenario(session: Session, exchange: PaperExchange) -> None:
        legs = (OrderLeg(CALL, 1), OrderLeg(13, -1))  # 68/70 call vertical: 1.14 bid, 1.22 asked
        parent = Order("P0", "T0", legs, 2, 12_250, "open", "test")
        target = Order("P0-tp", "", (), 0, -15_050, "close", "")
        stop = Order("P0-sl", "", (), 0, -5_000, "close", "", order_type="STP LMT", stop_price=-8_000)
        record = await session.decide(parent, *bracket(parent, [target, stop]))
        assert isinstance(record.outcome, ApprovedOrder)
        assert [order.limit_price for order in record.outcome.attached] == [-15_100, -5_000]
        await session.settle()
        assert session.record("P0").filled == 2
        assert session.checker.working_orders == 1
        await session.change("P0-tp", limit_price=-14_000)
        await session.step()
        await session.settle()
        assert (session.record("P0-tp").status, session.record("P0-sl").status) == ("filled", "cancelled")
        assert (session.desk.portfolio.positions, session.checker.positions) == ({}, {})
        assert (await session.quiet()).escrow == 0
        paying_out = Order("P1-tp", "", (), 0, 21_000, "close", "")  # more than the width of the spread
        credit = Order(
            "P1", "T1", tuple(OrderLeg(x.con_id, -x.ratio) for x in legs), 1, -10_000, "open", "test"
        )
        again = await session.decide(credit, *bracket(credit, [paying_out]))
        assert "loses more than without it" in refused(again)[1]

    play(laboratory, tmp_path, scenario, {CALL: (23_500, 10, 23_900, 10), 13: (8_000, 10, 8_400, 10)})
