"""The gate's whole truth table, and the proof that it is the only gate."""

from __future__ import annotations

import ast
import itertools
from pathlib import Path

import pytest

import optionsib
from optionsib.common.events import ApprovedOrder, ModelSignal, Refusal, RiskVerdict, StrategyDecision
from optionsib.common.ports import LiveModel
from optionsib.common.types import Order, OrderLeg
from optionsib.execution.gate import decide

NOW = 1_000_000_000_000
MODEL = "a" * 64
LIVE = LiveModel(MODEL, 3)
ORDER = Order("O000001", "T000001", (OrderLeg(1001, 1), OrderLeg(1003, -1)), 1, 5_000, "open", "vertical")


def make_signal(**changes: object) -> ModelSignal:
    fields: dict[str, object] = {
        "candidate_id": "C1",
        "model_id": MODEL,
        "epoch": 3,
        "made_at_ns": NOW,
        "valid_until_ns": NOW + 1,
        "accepts": True,
        "score": 0.7,
        "reason": "model says no",
    }
    return ModelSignal(**(fields | changes))  # type: ignore[arg-type]


def make_strategy(**changes: object) -> StrategyDecision:
    fields: dict[str, object] = {
        "candidate_id": "C1",
        "strategy": "vertical",
        "accepts": True,
        "reason": "strategy says no",
        "order": ORDER,
    }
    return StrategyDecision(**(fields | changes))  # type: ignore[arg-type]


SIGNALS = {
    "none": None,
    "accepts": make_signal(),
    "refuses": make_signal(accepts=False),
    "stale": make_signal(valid_until_ns=NOW - 1),
    "future": make_signal(made_at_ns=NOW + 1),
    "other model": make_signal(model_id="b" * 64),
    "earlier epoch": make_signal(epoch=2),
    "other candidate": make_signal(candidate_id="C2"),
}
STRATEGIES = {
    "none": None,
    "accepts": make_strategy(),
    "refuses": make_strategy(accepts=False),
    "other order": make_strategy(order=Order("O2", "T2", ORDER.legs, 1, 5_000, "open", "vertical")),
    "other candidate": make_strategy(candidate_id="C2"),
}


@pytest.mark.parametrize(
    "live", [LIVE, LiveModel(MODEL, 3, "drift"), None], ids=["live model", "frozen model", "no live model"]
)
@pytest.mark.parametrize("reduces", [False, True], ids=["opens risk", "reduces risk"])
@pytest.mark.parametrize("passes", [True, False], ids=["risk passes", "risk refuses"])
@pytest.mark.parametrize(("signal", "strategy"), list(itertools.product(SIGNALS, STRATEGIES)))
def test_truth_table(signal: str, strategy: str, passes: bool, reduces: bool, live: LiveModel | None) -> None:
    risk = RiskVerdict(
        candidate_id="C1",
        order=ORDER,
        accepts=passes,
        reduces_risk=reduces,
        reason="limit",
        max_loss=123,
    )
    result = decide(SIGNALS[signal], STRATEGIES[strategy], risk, now_ns=NOW, live=live)
    if not reduces and (signal != "accepts" or live != LIVE):
        expected = "model"
    elif strategy == "refuses" or (not reduces and strategy != "accepts"):
        expected = "strategy"
    elif not passes:
        expected = "risk"
    else:
        assert result == ApprovedOrder(candidate_id="C1", order=ORDER, max_loss=123, reduces_risk=reduces)
        return
    assert isinstance(result, Refusal)
    assert result.layer == expected
    assert result.reason


def test_what_is_attached_is_voted_on_too() -> None:
    exit_ = Order("O2", "T1", ORDER.legs, 1, -5_000, "close", "vertical", parent_ref="O000001")
    risk = RiskVerdict(
        candidate_id="C1", order=ORDER, accepts=True, reduces_risk=False, reason="", attached=(exit_,)
    )
    result = decide(make_signal(), make_strategy(), risk, now_ns=NOW, live=LIVE)
    assert isinstance(result, Refusal)
    assert result.layer == "strategy"
    agreed = make_strategy(attached=(exit_,))
    approved = decide(make_signal(), agreed, risk, now_ns=NOW, live=LIVE)
    assert isinstance(approved, ApprovedOrder)
    assert approved.attached == (exit_,)


def test_boundaries_of_freshness() -> None:
    risk = RiskVerdict(candidate_id="C1", order=ORDER, accepts=True, reduces_risk=False, reason="")
    at_the_end = make_signal(made_at_ns=NOW - 5, valid_until_ns=NOW)
    result = decide(at_the_end, make_strategy(), risk, now_ns=NOW, live=LIVE)
    assert isinstance(result, ApprovedOrder)


def test_only_the_gate_constructs_an_approved_order() -> None:
    root = Path(optionsib.__file__).parent
    sites = [
        path.relative_to(root).as_posix()
        for path in sorted(root.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", getattr(node.func, "attr", "")) == "ApprovedOrder"
    ]
    assert sites == ["execution/gate.py"]
