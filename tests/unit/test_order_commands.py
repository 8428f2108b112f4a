"""Terms as a person says them, and what is told of an order."""

from __future__ import annotations

from typing import Any

import pytest

from optionsib.common.errors import ExecutionError
from optionsib.common.events import ApprovedOrder, DecisionRecord, Refusal, RiskVerdict, StrategyDecision
from optionsib.common.types import Contract, Order, OrderLeg
from optionsib.execution.orders import OrderRecord
from optionsib.launchers.order_commands import _line, _our_terms, _outcome, _text, _told

CALL = Contract(1, "TST", "OPT", right="C", strike=500_000)
CONTRACTS = {1: CALL, 2: Contract(2, "TST", "OPT", right="C", strike=550_000)}
BUY, SELL = (OrderLeg(1, 1),), (OrderLeg(1, -1),)
SPREAD = (OrderLeg(1, 1), OrderLeg(2, -1))


def order(legs: tuple[OrderLeg, ...], limit: int, **more: Any) -> Order:
    return Order("O1", "T1", legs, 2, limit, "open", "test", **more)


@pytest.mark.parametrize(
    ("working", "said", "ours"),
    [
        (order(BUY, 20_000), {"price": 21_000}, {"limit_price": 21_000}),
        (order(SELL, -20_000), {"price": 21_000, "quantity": 3}, {"limit_price": -21_000, "quantity": 3}),
        (order(SPREAD, 5_000), {"price": -4_000}, {"limit_price": -4_000}),
        (order(SPREAD, 5_000), {"price": 0}, {"limit_price": 0}),
        (order(SELL, 0, order_type="STP", stop_price=-17_000), {"stop": 18_000}, {"stop_price": -18_000}),
    ],
)
def test_one_contract_has_the_price_it_trades_at_and_a_combination_its_net_debit(
    working: Order, said: dict[str, int], ours: dict[str, int]
) -> None:
    assert _our_terms(working, said) == ours
    shown = _line(OrderRecord(working, 1), CONTRACTS)
    assert (
        shown["price" if working.order_type == "LMT" else "stop"]
        == abs(working.limit_price or working.stop_price or 0) / 10_000
    ), "what is shown is what is typed"


@pytest.mark.parametrize(
    ("working", "said", "words"),
    [
        (order(BUY, 20_000), {"price": 0}, "expected above 0"),
        (order(SELL, -20_000), {"price": -20_000}, "expected above 0"),
        (order(SELL, 0, order_type="STP", stop_price=-17_000), {"price": 1}, "it has no limit"),
        (order(BUY, 20_000), {"stop": 1}, "it has no stop"),
        (order(BUY, 20_000), {"order_ref": 1}, "expected price, stop or quantity"),
    ],
)
def test_a_price_that_the_order_does_not_have_is_refused(
    working: Order, said: dict[str, int], words: str
) -> None:
    with pytest.raises(ExecutionError, match=words):
        _our_terms(working, said)


def test_a_line_says_what_waits() -> None:
    record = OrderRecord(order(SPREAD, -2_750, parent_ref="O0"), 1, filled=1, by_hand=True)
    record.requested, record.cancel_requested = record.order, True
    text = _text(_line(record, CONTRACTS))
    assert "LMT at -0.275  filled 1/2" in text
    assert text.endswith("(exit of O0; set by hand; a change waits for its answer; its end was asked for)")


def test_a_refusal_shows_check_value_and_limit_and_an_approval_what_was_rounded() -> None:
    wanted = order(BUY, 20_000)
    verdict = RiskVerdict(
        candidate_id="C1", order=wanted, accepts=False, reduces_risk=False, reason="too many",
        check="max_order_quantity", value=500.0, limit=10.0,
    )  # fmt: skip
    strategy = StrategyDecision(
        candidate_id="C1", strategy="test", accepts=True, reason="by hand, ada: why; so", order=wanted
    )
    refusal = Refusal(candidate_id="C1", layer="risk", reason="too many")
    record = DecisionRecord(
        candidate_id="C1", at_ns=1, tape_offset=0, outcome=refusal, strategy=strategy, risk=verdict
    )
    assert _told("O1", _outcome(record)) == (
        "refused by risk: too many [max_order_quantity: 500, limit 10]; the order works on as it was"
    )
    by_model = Refusal(candidate_id="C1", layer="model", reason="no signal")
    told = _told("O1", _outcome(DecisionRecord("C1", 1, 0, by_model, None, strategy, verdict)))
    assert told == "refused by model: no signal; the order works on as it was"
    approved = ApprovedOrder(candidate_id="C1", order=wanted, max_loss=0, reduces_risk=False)
    plain = _told("O1", _outcome(DecisionRecord("C1", 1, 0, approved, None, strategy, verdict)))
    assert plain.startswith("change of O1 sent; ")
