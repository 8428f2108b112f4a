"""The four sentences of ``models.optimize``: a planted optimum is found, noise is called noise."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from optionsib.common.clock import SteppedClock
from optionsib.common.config import StrategyConfig
from optionsib.common.errors import JournalError, MissingExtraError, ModelError
from optionsib.common.strategy_data import Setting
from optionsib.governance.audit import verify
from optionsib.models.evaluation import deflated_sharpe, sharpe_moments
from optionsib.models.optimize import (
    OptimizedParameters,
    PrunedTrialError,
    optimize_strategy_parameters,
)
from optionsib.models.parameters import Choice, Number
from optionsib.models.splits import Split, purged_folds, walk_forward
from optionsib.models.trials import TrialLedger

pytest.importorskip("optuna", reason="extra train")

Floats = NDArray[np.float64]
ROWS, HORIZON = 600, 3
KNOWN = np.arange(ROWS, dtype=np.int64) * 100
LABEL = KNOWN + HORIZON * 100 - 1
SPACE = (Number(name="threshold", low=-1.0, high=1.0, default=0.0),)
PLANTED = 0.3


def market(seed: int, strength: float) -> Floats:
    """Rows of (number, signal, outcome): the outcome is up above the planted threshold, by ``strength``."""
    generator = np.random.default_rng(seed)
    signal = generator.uniform(-1.0, 1.0, ROWS)
    outcome = strength * np.sign(signal - PLANTED) + generator.standard_normal(ROWS)
    return np.column_stack([np.arange(ROWS), signal, outcome])


def evaluate(parameters: Mapping[str, Setting], rows: Floats) -> Floats:
    return np.asarray(np.sign(rows[:, 1] - float(parameters["threshold"])) * rows[:, 2])


def objective(parameters: Mapping[str, Setting], rows: Floats) -> float:
    returns = evaluate(parameters, rows)
    return float(returns.mean() / returns.std())


def ledger_in(folder: Path) -> TrialLedger:
    return TrialLedger(folder / "trials.sqlite", SteppedClock(1_000))


def optimize(ledger: TrialLedger, rows: Floats, **changes: Any) -> OptimizedParameters:
    arguments: dict[str, Any] = {
        "objective": objective,
        "evaluation": evaluate,
        "ledger": ledger,
        "family": "threshold",
        "seed": 1,
        "trials": 15,
    }
    splits = changes.pop("splits", None) or walk_forward(KNOWN, LABEL, folds=3, embargo_ns=100)
    space = changes.pop("space", SPACE)
    return optimize_strategy_parameters(space, rows, KNOWN, LABEL, splits, **arguments | changes)


def test_a_planted_optimum_is_found_and_is_above_luck(tmp_path: Path) -> None:
    ledger = ledger_in(tmp_path)
    found = optimize(ledger, market(3, strength=0.5))
    chosen = [fold.parameters["threshold"] for fold in found.folds]
    assert chosen == pytest.approx([PLANTED] * 3, abs=0.2)  # the first learns from 147 rows
    assert chosen[2] == pytest.approx(PLANTED, abs=0.1)
    assert found.above_luck is not None
    assert found.above_luck > 0.999
    assert found.overfitting is not None
    assert found.overfitting.probability < 0.1
    assert found.returns.mean() == pytest.approx(0.5, abs=0.15)
    # By hand: its own returns against the luck of all 46 trials of the family.
    trials = ledger.trials("threshold")
    assert len(trials) == found.trials == 46
    own = sharpe_moments(found.returns)
    assert found.above_luck == deflated_sharpe(own, variance=1.0 / 449.0, trials=46)
    sharpes = [sharpe_moments(trial.returns).sharpe for trial in trials]
    assert found.deflated_sharpe == deflated_sharpe(own, variance=float(np.var(sharpes, ddof=1)), trials=46)
    last = trials[-1]
    assert last.number == found.number
    assert last.returns.tolist() == found.returns.tolist()
    assert last.config == {"walk_forward": [fold.parameters for fold in found.folds], "seed": 1}
    assert {trial.data for trial in trials} == {found.data_sha256}
    assert verify(ledger.path).ok


def test_on_noise_nothing_is_claimed(tmp_path: Path) -> None:
    found = []
    for seed in range(5):
        folder = tmp_path / str(seed)
        folder.mkdir()
        one = optimize(ledger_in(folder), market(seed, strength=0.0), seed=seed, trials=10)
        assert one.trials == 31
        assert one.above_luck is not None
        assert one.deflated_sharpe is not None
        assert one.overfitting is not None
        found.append((one.above_luck, one.deflated_sharpe, one.overfitting.probability))
    assert max(above for above, _, _ in found) < 0.5, found
    assert max(deflated for _, deflated, _ in found) < 0.5, found
    assert np.mean([overfitted for _, _, overfitted in found]) > 0.4, found


def test_the_objective_is_handed_nothing_of_after_the_judged_rows_begin(tmp_path: Path) -> None:
    rows = market(1, strength=0.5)
    seen: list[tuple[str, Floats]] = []

    def watched(parameters: Mapping[str, Setting], part: Floats) -> float:
        assert part.base is None or part.base.size == part.size  # no view that leads to the other rows
        with pytest.raises(ValueError, match="read-only"):
            part[0] = 0.0
        seen.append(("learn", part[:, 0].astype(int)))
        return objective(parameters, part)

    def judge(parameters: Mapping[str, Setting], part: Floats) -> Floats:
        seen.append(("judge", part[:, 0].astype(int)))
        return evaluate(parameters, part)

    splits = list(walk_forward(KNOWN, LABEL, folds=3, embargo_ns=100))
    found = optimize(ledger_in(tmp_path), rows, objective=watched, evaluation=judge, trials=3, splits=splits)
    learnt = [part for kind, part in seen if kind == "learn"]
    assert len(learnt) == 9
    for number, split in enumerate(splits):
        for part in learnt[3 * number : 3 * number + 3]:
            assert part.tolist() == split.training.tolist()
            assert LABEL[part].max() < KNOWN[split.validation].min() - 100
        assert found.folds[number].training_rows == len(split.training)
    for kind, part in seen:
        if kind == "judge":
            assert any(part.tolist() == split.validation.tolist() for split in splits)


def test_the_future_does_not_change_what_was_chosen_before(tmp_path: Path) -> None:
    """Rows after the second fold's training are replaced: the first two choices stay, bit for bit."""
    rows = market(2, strength=0.3)
    splits = list(walk_forward(KNOWN, LABEL, folds=3))
    other = rows.copy()
    other[splits[1].validation[0] :, 1:] = market(99, strength=-2.0)[splits[1].validation[0] :, 1:]
    (tmp_path / "other").mkdir()
    first, second = (
        optimize(ledger_in(folder), data, splits=splits, trials=8)
        for folder, data in ((tmp_path, rows), (tmp_path / "other", other))
    )
    chosen = [[fold.parameters for fold in found.folds] for found in (first, second)]
    assert chosen[0][:2] == chosen[1][:2]
    assert chosen[0][2] != chosen[1][2]
    assert first.data_sha256 != second.data_sha256


def test_what_the_judged_rows_say_does_not_steer_the_search(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    rows = market(2, strength=0.3)

    def broken(parameters: Mapping[str, Setting], part: Floats) -> Floats:
        return -5.0 * evaluate(parameters, part)

    first = optimize(ledger_in(tmp_path), rows, trials=6)
    second = optimize(ledger_in(tmp_path / "other"), rows, trials=6, evaluation=broken)
    assert [fold.parameters for fold in first.folds] == [fold.parameters for fold in second.folds]
    assert (second.returns == -5.0 * first.returns).all()


def test_same_seed_same_result_other_seed_other_trials(tmp_path: Path) -> None:
    rows = market(4, strength=0.3)
    found = []
    for number, seed in enumerate((5, 5, 6)):
        folder = tmp_path / str(number)
        folder.mkdir()
        result = optimize(ledger_in(folder), rows, seed=seed, trials=6)
        configs = [trial.config for trial in ledger_in(folder).trials()]
        found.append((configs, result.returns.tolist(), result.deflated_sharpe, result.overfitting is None))
    assert found[0] == found[1]
    assert found[0][0] != found[2][0]


def test_failed_and_pruned_trials_and_those_that_never_trade_count(tmp_path: Path) -> None:
    def difficult(parameters: Mapping[str, Setting], rows: Floats) -> float:
        match parameters["mode"]:
            case "crash":
                raise ZeroDivisionError("no trades to divide by")
            case "prune":
                raise PrunedTrialError("hopeless after a tenth of the rows")
            case "undefined":
                return float("nan")
            case "idle":
                return -1.0
        return objective(parameters, rows)

    def judge(parameters: Mapping[str, Setting], rows: Floats) -> Floats:
        return np.zeros(len(rows)) if parameters["mode"] == "idle" else evaluate(parameters, rows)

    modes = ("trade", "idle", "crash", "prune", "undefined")
    space = (*SPACE, Choice(name="mode", options=modes, default="trade"))
    ledger = ledger_in(tmp_path)
    found = optimize(
        ledger, market(3, strength=0.5), space=space, objective=difficult, evaluation=judge, trials=20
    )
    trials = ledger.trials("threshold")
    assert len(trials) == found.trials == 61
    by_mode = {
        mode: [trial for trial in trials[:-1] if trial.config["parameters"]["mode"] == mode]  # type: ignore[index]
        for mode in modes
    }
    assert all(by_mode.values())
    reasons = {mode: {(trial.status, trial.reason) for trial in by_mode[mode]} for mode in modes}
    assert reasons == {
        "trade": {("finished", "")},
        "idle": {("failed", "ModelError: its returns do not vary: no Sharpe ratio")},
        "crash": {("failed", "ZeroDivisionError: no trades to divide by")},
        "prune": {("failed", "PrunedTrialError: hopeless after a tenth of the rows")},
        "undefined": {("failed", "ModelError: the objective gave nan: expected a finite score")},
    }
    assert sum(fold.finished for fold in found.folds) == len(by_mode["trade"])
    assert sum(fold.pruned for fold in found.folds) == len(by_mode["prune"])
    assert sum(fold.finished + fold.pruned + fold.failed for fold in found.folds) == 60
    assert found.left_out == len({trial.config["parameters"]["threshold"] for trial in by_mode["idle"]})  # type: ignore[index]
    assert all(fold.parameters["mode"] == "trade" for fold in found.folds)


def test_a_second_run_of_the_family_counts_the_first(tmp_path: Path) -> None:
    ledger, rows = ledger_in(tmp_path), market(5, strength=0.1)
    once = optimize(ledger, rows, trials=4)
    twice = optimize(ledger, rows, trials=4, seed=2)
    assert (once.trials, twice.trials) == (13, 26)


def test_a_strategy_that_never_trades_has_no_sharpe_ratio(tmp_path: Path) -> None:
    found = optimize(ledger_in(tmp_path), market(5, 0.1), evaluation=lambda _, rows: np.zeros(len(rows)))
    assert found.above_luck is None
    assert found.deflated_sharpe is None
    assert found.overfitting is None
    assert not found.returns.any()
    assert found.trials == 46


def test_the_configuration_of_a_strategy_of_today_can_be_searched(tmp_path: Path) -> None:
    """Names are those of ``StrategyConfig``: what is chosen configures the residual trades."""
    space = (
        Number(name="minimum_edge", low=0.0, high=0.05, default=0.005),
        Number(name="hold_minutes", low=10, high=120, default=60, whole=True),
        Number(name="minimum_leg_delta", low=0.0, high=0.4, default=0.1),
    )

    def earn(parameters: Mapping[str, Setting], rows: Floats) -> Floats:
        config = StrategyConfig.model_validate(dict(parameters))
        assert isinstance(config.minimum_edge, Decimal)
        return rows[:, 2] * (1.0 - abs(config.hold_minutes - 45) / 60.0)

    found = optimize(
        ledger_in(tmp_path),
        np.abs(market(5, strength=0.1)),
        space=space,
        objective=lambda parameters, rows: float(earn(parameters, rows).mean()),
        evaluation=earn,
    )
    for fold in found.folds:
        assert abs(StrategyConfig.model_validate(fold.parameters).hold_minutes - 45) <= 10


def test_splits_that_see_the_future_are_refused_before_anything_is_tried(tmp_path: Path) -> None:
    ledger, rows = ledger_in(tmp_path), market(1, strength=0.5)
    with pytest.raises(ModelError, match=r"split 0 learns from an outcome of .*expected walk-forward"):
        optimize(ledger, rows, splits=purged_folds(KNOWN, LABEL, folds=3))
    touching = Split(np.arange(0, 299), np.arange(300, 400))  # the last label is known after row 300
    with pytest.raises(ModelError, match="expected walk-forward"):
        optimize(ledger, rows, splits=[touching])
    good = Split(np.arange(0, 200), np.arange(300, 400))
    with pytest.raises(ModelError, match="split 1 is judged by rows that an earlier one"):
        optimize(ledger, rows, splits=[good, good])
    with pytest.raises(ModelError, match="some of each"):
        optimize(ledger, rows, splits=[Split(np.arange(0), np.arange(3, 9))])
    assert not ledger.path.exists()


def test_other_bad_input_is_refused_by_name(tmp_path: Path) -> None:
    ledger, rows = ledger_in(tmp_path), market(1, strength=0.5)
    with pytest.raises(ModelError, match="0 trials"):
        optimize(ledger, rows, trials=0)
    with pytest.raises(ModelError, match="7 blocks"):
        optimize(ledger, rows, blocks=7)
    with pytest.raises(ModelError, match="each name once"):
        optimize(ledger, rows, space=SPACE * 2)
    with pytest.raises(ModelError, match=r"rows of shape \(599, 3\)"):
        optimize(ledger, rows[1:])
    with pytest.raises(ModelError, match="a trial needs a family"):
        optimize(ledger, rows, family="")
    with pytest.raises(ModelError, match="fold 0: none of 2 trials has a score, the last one: KeyError"):
        optimize(ledger, rows, trials=2, objective=lambda parameters, part: parameters["nothing"])
    with pytest.raises(ModelError, match=r"fold 0 chose .*returns of shape \(3,\)"):
        optimize(ledger, rows, trials=2, evaluation=lambda parameters, part: np.ones(3))
    assert {trial.status for trial in ledger.trials()} == {"failed"}
    assert len(ledger.trials()) == 4


def test_what_cannot_be_recorded_is_not_tried(tmp_path: Path) -> None:
    (tmp_path / "trials.sqlite").write_bytes(b"no journal")
    asked: list[int] = []

    def watched(parameters: Mapping[str, Setting], rows: Floats) -> float:
        asked.append(1)
        return 0.0

    with pytest.raises(JournalError):
        optimize(ledger_in(tmp_path), market(1, 0.5), objective=watched)
    assert not asked


def test_without_optuna_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"optionsib\[train\]"):
        optimize(ledger_in(tmp_path), market(1, 0.5))
