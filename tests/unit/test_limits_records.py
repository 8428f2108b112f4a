"""Records and bound calls: the layout, the answers, no copies, no allocation, and threads."""

from __future__ import annotations

import struct
import sys
import threading
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from optionsib.common.config import LimitsConfig
from optionsib.common.errors import ExecutionError
from optionsib.risk.limits import (
    CHECK_NAMES,
    ORDER_RECORD,
    STILL_ANSWERS,
    UNBOUNDED_LOSS,
    VERDICT_RECORD,
    LimitChecker,
    State,
)

from .test_limits import CALL_50, CALL_55, CONTRACTS, FEE, GENEROUS, IDS, PUT_50, STOCK, order, tell, vertical

WIDE: dict[str, Any] = {
    **GENEROUS,
    "max_orders_per_minute": 10_000,
    "max_open_orders": 10_000,
    "max_open_quantity": 100_000,
    "max_position": 10_000,
    "max_portfolio_delta": 1e9,
    "max_strategy_delta": 1e9,
    "max_underlying_delta": 1e9,
    "max_expiry_delta": 1e9,
    "max_order_to_trade": 1e9,
    **{f"max_{s}_{w}": 1e12 for s in ("portfolio", "strategy", "underlying", "expiry")
       for w in ("gamma", "vega", "notional")},
    "max_portfolio_loss": Decimal(10**9),
    "max_scenario_loss": Decimal(10**9),
    "max_credit": Decimal(10**9),
}  # fmt: skip


def checker(**limits: Any) -> LimitChecker:
    made = LimitChecker(LimitsConfig(**{**WIDE, **limits}), CONTRACTS, dict.fromkeys(IDS, FEE))
    tell(made)
    return made


def records(count: int, made: LimitChecker, **columns: Any) -> Any:
    rows = np.zeros(count, dtype=ORDER_RECORD)
    rows["contract"], rows["side"], rows["quantity"], rows["price"] = made.number(CALL_55), 1, 1, 20_100
    for name, values in columns.items():
        rows[name] = values
    return rows


def test_the_layouts_are_those_of_struct() -> None:
    assert ORDER_RECORD.itemsize == struct.calcsize("<qQqqIIIIbB14x") == 64
    assert VERDICT_RECORD.itemsize == struct.calcsize("<QddBBBB4x") == 32
    assert len(CHECK_NAMES) == len(set(CHECK_NAMES)) == 51
    assert set(CHECK_NAMES) >= STILL_ANSWERS


def test_a_batch_a_row_and_a_call_give_the_same_answers() -> None:
    by_batch, by_row, by_call = checker(), checker(), checker()
    count = 200
    rng = np.random.default_rng(2)
    rows = records(
        count, by_batch, quantity=rng.integers(0, 13, count), price=rng.integers(195, 215, count) * 100,
        time_ns=np.arange(count),
    )  # fmt: skip
    verdicts = np.zeros(count, dtype=VERDICT_RECORD)
    accepted = by_batch.submit_batch(rows, verdicts)
    assert 0 < accepted < count
    assert verdicts["accepts"].sum() == accepted

    one = np.zeros(count, dtype=VERDICT_RECORD)
    submit_row = by_row.row_submitter(rows, one)
    assert [submit_row(n) for n in range(count)] == verdicts["check"].tolist()
    assert np.array_equal(one, verdicts)

    submit = by_call.order_submitter()
    answers = [
        submit(*(int(row[name]) for name in ("time_ns", "contract", "side", "quantity", "price")))
        for row in rows
    ]
    assert [max(0, -answer) for answer in answers] == verdicts["check"].tolist()
    assert [max(0, answer) for answer in answers] == verdicts["handle"].tolist()
    assert by_batch.working_orders == by_call.working_orders == accepted
    handle = next(answer for answer in answers if answer > 0)
    by_call.on_handle_filled(handle, 1)
    by_call.on_handle_done(handle)
    by_call.on_handle_done(handle)
    with pytest.raises(ExecutionError, match="not open"):
        by_call.on_handle_filled(handle, 100)
    assert by_call.positions == {CALL_55: 1}


def test_a_refusal_names_check_value_and_limit() -> None:
    made = checker(max_order_quantity=3)
    verdicts = np.zeros(2, dtype=VERDICT_RECORD)
    made.submit_batch(records(2, made, quantity=[4, 0]), verdicts)
    assert [CHECK_NAMES[n] for n in verdicts["check"]] == ["order_quantity", "quantity_positive"]
    assert (verdicts["value"][0], verdicts["limit"][0]) == (4.0, 3.0)
    made = checker(max_position=None)
    made.submit_batch(records(2, made), verdicts)
    assert CHECK_NAMES[verdicts["check"][0]] == "position"
    assert verdicts["finding"][0] == 2


def test_arrays_that_are_no_records_are_refused() -> None:
    made = checker()
    rows, verdicts = records(4, made), np.zeros(4, dtype=VERDICT_RECORD)
    frozen = verdicts.copy()
    frozen.flags.writeable = False
    for bad_rows, bad_verdicts in [
        (rows[::2], verdicts[:2]), (rows, verdicts[:3]), (rows, frozen), (verdicts, verdicts),
        (rows.reshape(2, 2), verdicts), (rows, np.zeros(4)),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match="must be"):
            made.submit_batch(bad_rows, bad_verdicts)
        with pytest.raises(ValueError, match="must be"):
            made.row_submitter(bad_rows, bad_verdicts)
    submit_row = made.row_submitter(rows, verdicts)
    for row in (-1, 4, 2**70):
        with pytest.raises((IndexError, OverflowError)):
            submit_row(row)
    submit = made.order_submitter()
    with pytest.raises(TypeError):
        submit(1, 2)
    with pytest.raises(TypeError):
        submit(0, 0, 1, 1, "cheap")
    for contract, side, strategy, account in (
        (99, 1, 0, 0),
        (-1, 1, 0, 0),
        (2, 2, 0, 0),
        (2, 1, 7, 0),
        (2, 1, 0, 3),
    ):
        assert CHECK_NAMES[-submit(0, contract, side, 1, 20_100, strategy, account)] == "malformed"
    assert made.working_orders == 0


def test_a_bound_call_keeps_its_engine_and_buffers() -> None:
    made = checker()
    rows, verdicts = records(3, made), np.zeros(3, dtype=VERDICT_RECORD)
    submit_row = made.row_submitter(rows, verdicts)
    del made, rows
    assert [submit_row(n) for n in range(3)] == [0, 0, 0]


def test_no_check_allocates_in_python() -> None:
    made = checker()
    rows, verdicts = records(100, made), np.zeros(100, dtype=VERDICT_RECORD)
    rows["action"] = 2  # after the first: nothing more is booked
    rows["action"][:50] = 0
    submit_row = made.row_submitter(rows, verdicts)
    numbers = list(range(100))

    def run() -> None:
        for n in numbers:
            submit_row(n)
        made.submit_batch(rows, verdicts)

    run()
    before = sys.getallocatedblocks()
    for _ in range(20):
        run()
    assert sys.getallocatedblocks() - before < 10


def test_threads_together_stay_within_a_limit() -> None:
    made = checker(max_open_quantity=500)
    done: list[int] = []

    def send() -> None:
        rows = records(400, made)
        verdicts = np.zeros(400, dtype=VERDICT_RECORD)
        done.append(made.submit_batch(rows, verdicts))

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(done) == made.working_orders == 500


def test_submit_checks_and_books_an_order_of_any_legs() -> None:
    made = checker(max_open_orders=1)
    assert made.submit("c", vertical(ref="a"), 0).accepts
    assert made.working_orders == 1
    assert made.submit("c", vertical(ref="b"), 0).check == "open_orders"
    assert made.submit("c", vertical(35_100, ref="a"), 0).accepts  # a reprice of the one that works
    assert made.exposure().worst_loss == 351_000_000 + 4 * FEE


@pytest.mark.parametrize(
    ("limits", "check", "value"),
    [
        ({"max_order_price": Decimal("3.49")}, "price_band", 3.5),
        ({"max_position": 1}, "position", 2.0),
        ({"max_open_quantity": 3}, "open_quantity", 4.0),
        ({"max_open_orders": 0}, "open_orders", 1.0),
        ({"max_credit": Decimal("699.99")}, "credit", 700.0),
        ({"max_order_to_trade": 0.5}, "order_to_trade", 1.0),
        ({"max_strategy_delta": 59.0}, "strategy_delta", 60.0),
        ({"max_underlying_gamma": 3.9}, "underlying_gamma", 4.0),
        ({"max_expiry_vega": 599.0}, "expiry_vega", 600.0),
        ({"max_expiry_notional": 21_999.0}, "expiry_notional", 22_000.0),
        ({"max_scenario_loss": Decimal(1)}, "scenario_loss", None),
        ({"restricted": ("XYZ",)}, "restricted", None),
    ],
)
def test_each_further_check_refuses_two_verticals(
    limits: dict[str, Any], check: str, value: float | None
) -> None:
    assert checker().check("c", vertical(quantity=2), 0).accepts
    refused = checker(**limits).check("c", vertical(quantity=2), 0)
    assert (refused.accepts, refused.check) == (False, check)
    assert refused.reason
    if value is not None:
        assert refused.value == pytest.approx(value)


def test_the_loss_of_the_day_stops_new_risk_only() -> None:
    made = checker(max_daily_loss=Decimal(100))
    made.on_order_working(vertical(36_000, ref="a"), 0)
    made.on_fill("a", 1, cash=-560_000_000)
    assert made.exposure().profit == -560_000_000 - 2 * FEE + 350_000_000
    refused = made.check("c", vertical(ref="b"), 0)
    assert refused.check == "daily_loss"
    assert refused.value == pytest.approx(560 + 1.3 - 350)
    close = order((CALL_50, -1), (CALL_55, 1), limit=-33_000, ref="c", purpose="close")
    assert made.check("c", close, 0).accepts


def test_state_of_an_account_and_what_is_tradable() -> None:
    made = checker()
    made.set_state(State.CANCEL_ONLY)
    made.set_position(CALL_50, 1)
    close = order((CALL_50, -1), limit=-54_000, ref="c", purpose="close")
    assert made.check("c", close, 0).check == "kill_switch"
    made.set_state(State.REDUCE_ONLY)
    assert made.check("c", close, 0).accepts
    assert made.check("c", order((PUT_50, 1), limit=4_500), 0).check == "kill_switch"
    made.set_state(State.ACTIVE)
    made.set_account_state(State.HALTED)
    assert made.check("c", order((CALL_55, 1), limit=20_500), 0).check == "account_kill"
    made.set_account_enabled(False)
    assert made.check("c", close, 0).check == "account_enabled"
    made.set_account_enabled(True)
    made.set_tradable(CALL_50, False)
    assert made.check("c", close, 0).reason == "con_id 10 is not tradable"


def test_scenarios_follow_the_table_and_an_unknown_row_refuses() -> None:
    made = checker()
    made.set_position(STOCK, 10)
    seen = made.exposure()
    assert seen.scenario_loss == pytest.approx(10 * 55.0 * 0.1 * 1e6, rel=1e-6)
    made.update_scenarios([CALL_55], [np.nan], [0.1], [0.3])
    refused = made.check("c", vertical(), 0)
    assert refused.check == "scenario_loss"
    assert "not known" in refused.reason
    assert UNBOUNDED_LOSS == 2**63 - 1
