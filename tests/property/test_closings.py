"""The sentences at the head of ``execution/closings.py``, and that the real attestor signs every close."""

from __future__ import annotations

import asyncio
import itertools

import pytest

pytest.importorskip("solders")

from hypothesis import given, settings
from hypothesis import strategies as st

from optionsib.common.clock import SteppedClock
from optionsib.common.events import CommissionReport, Execution, OrderSubmitted
from optionsib.common.ports import CloseTerms
from optionsib.common.types import SECOND_NS, Contract, Order, OrderLeg, price_to_money
from optionsib.execution.closings import Closings
from optionsib.execution.orders import OrderManager
from optionsib.vault.attestor import AttestationRequest, Attestor, ExecutionUse
from optionsib.vault.attestor_store import AttestorStore
from optionsib.vault.signers import DemoSigner

NOW = 1_700_000_000
LONG, SHORT = 1001, 1003
CONTRACTS = {c: Contract(c, "TST", "OPT", multiplier=100, right="C") for c in (LONG, SHORT)}
PLACE = {name: str(DemoSigner(1, name).public_key) for name in ("cluster", "program", "vault")}
SHARE = 10**15
Told = OrderSubmitted | Execution | CommissionReport


@st.composite
def parts(draw: st.DrawFn, total: int) -> list[int]:
    """``total`` in parts."""
    cuts = draw(st.sets(st.integers(1, total - 1))) if total > 1 else set()
    edges = [0, *sorted(cuts), total]
    return [b - a for a, b in itertools.pairwise(edges)]


@st.composite
def stories(draw: st.DrawFn) -> tuple[list[Told], int]:
    """The events of one trade as a broker tells them, and how many units are open at its end.

    Units open and close in turns; combo fills and leg executions are cut differently and come in any order
    within a turn; commissions come at any time after their turn began, or before their execution.
    """
    ratio = draw(st.integers(1, 2))
    legs = (OrderLeg(LONG, 1), OrderLeg(SHORT, -ratio))
    back = tuple(OrderLeg(leg.con_id, -leg.ratio) for leg in legs)
    turns: list[tuple[bool, int]] = []
    held = opened = 0
    for _ in range(draw(st.integers(1, 3))):
        units = draw(st.integers(1, 4))
        turns.append((True, units))
        opened, held = opened + units, held + units
        closing = draw(st.integers(0, held))
        if closing:
            turns.append((False, closing))
            held -= closing
    told: list[Told] = [OrderSubmitted(order=Order("O", "T", legs, opened, 100, "open", "t"), at_ns=1)]
    late: list[CommissionReport] = []
    for number, (opens, units) in enumerate(turns):
        ref = "O" if opens else f"C{number}"
        if not opens:
            told.append(OrderSubmitted(order=Order(ref, "T", back, units, -100, "close", "t"), at_ns=number))
        queues: list[list[Execution]] = []
        for con_id, many in ((0, 1), (LONG, 1), (SHORT, ratio)):
            side = 1 if (con_id != SHORT) == opens or not con_id else -1
            queues.append(
                [
                    Execution(
                        execution_id=f"{ref}{number}-{con_id}-{part}.01", order_ref=ref, con_id=con_id or 9,
                        side=side, quantity=quantity, at_ns=number, is_combo=not con_id,
                        price=draw(st.integers(100, 30_000)),
                    )
                    for part, quantity in enumerate(draw(parts(units * many)))
                ]
            )  # fmt: skip
        paid = [
            CommissionReport(execution_id=e.execution_id, amount=draw(st.integers(-50_000, 2_000_001)))
            for queue in queues[1:]
            for e in queue
        ]
        turn: list[Told] = []
        while any(queues):
            turn.append(draw(st.sampled_from([queue for queue in queues if queue])).pop(0))
        for report in paid:
            if draw(st.booleans()):
                turn.insert(draw(st.integers(0, len(turn))), report)
            else:
                late.append(report)
        told += turn
    for report in late:
        told.insert(draw(st.integers(1, len(told))), report)
    return told, held


def closes_of(told: list[Told]) -> tuple[list[CloseTerms], Closings]:
    manager, closings = OrderManager(), Closings(CONTRACTS)
    return [
        terms for event in told for effect in manager.apply(event) for terms in closings.apply(effect)
    ], closings


def cash_of(told: list[Told]) -> int:
    cash = 0
    for event in told:
        if isinstance(event, Execution) and not event.is_combo:
            cash -= event.side * price_to_money(event.price, 100, event.quantity)
        elif isinstance(event, CommissionReport):
            cash -= event.amount
    return cash


@settings(max_examples=150, deadline=None)
@given(stories())
def test_every_close_is_signed_and_their_sum_is_the_cash(story: tuple[list[Told], int]) -> None:
    told, held = story
    closes, closings = closes_of(told)
    assert not closings.awaiting_commission()
    store = AttestorStore(None, "test")
    attestor = Attestor(DemoSigner(1, "attestor"), store, SteppedClock(NOW * SECOND_NS), **PLACE)
    attestor.learn(CONTRACTS.values())
    for event in told:
        attestor.observe(event)
    for number, terms in enumerate(closes):
        request = AttestationRequest(
            **PLACE,
            trade_id=1,
            close_number=number,
            share=SHARE,
            pnl=terms.pnl,
            valid_until=NOW + 600,
            opened=terms.opened,
            units_before=terms.units_before,
            units=terms.units,
            opening=tuple(ExecutionUse(*use) for use in terms.opening),
            closing=tuple(ExecutionUse(*use) for use in terms.closing),
        )
        assert asyncio.run(attestor.attest(request)).signature
    if not held:
        assert cash_of(told) == sum(terms.pnl for terms in closes)


@settings(max_examples=150, deadline=None)
@given(stories())
def test_terms_do_not_depend_on_when_commissions_come(story: tuple[list[Told], int]) -> None:
    told, _ = story
    paid = [event for event in told if isinstance(event, CommissionReport)]
    others = [event for event in told if not isinstance(event, CommissionReport)]
    first, last = closes_of(told)[0], closes_of([*others, *paid])[0]
    assert first == last
    assert len({terms.reference for terms in first}) == len(first)


def test_a_close_waits_for_its_last_commission_and_keeps_the_next_one_waiting() -> None:
    legs = (OrderLeg(LONG, 1),)
    told: list[Told] = [OrderSubmitted(order=Order("O", "T", legs, 2, 100, "open", "t"), at_ns=1)]
    told.append(OrderSubmitted(order=Order("C", "T", (OrderLeg(LONG, -1),), 2, -100, "close", "t"), at_ns=1))
    for name, ref, side, quantity in (("o.01", "O", 1, 2), ("a.01", "C", -1, 1), ("b.01", "C", -1, 1)):
        told.append(
            Execution(
                execution_id=name,
                order_ref=ref,
                con_id=LONG,
                side=side,
                quantity=quantity,
                price=500,
                at_ns=2,
            )
        )
    paid = [CommissionReport(execution_id=name, amount=1_000_000) for name in ("o.01", "b.01", "a.01")]
    assert closes_of([*told, *paid[:2]])[0] == []
    assert closes_of([*told, *paid[:2]])[1].awaiting_commission() == {"T"}
    closes, closings = closes_of([*told, *paid])
    assert [(terms.reference, terms.units_before, terms.pnl) for terms in closes] == [
        ("a.01", 2, -1_500_000),
        ("b.01", 1, -1_500_000),
    ]
    assert not closings.awaiting_commission()
