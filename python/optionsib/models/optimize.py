"""Parameters chosen on the past and judged on what came after, with every attempt on the record.

1. The objective is handed the training rows of a fold and nothing else; splits that are not walk-forward are
   refused.
2. What a fold chooses depends on training scores alone, not on what its trials did on the judged rows.
3. Every trial of the search is in the ledger, failed and pruned ones too; the walk-forward result is judged
   by the number of them all, and the choice among them by PBO.
4. Same rows, splits, seed and callables: same parameters and returns.

An objective that reaches for more than it is handed (a global, a closure) cannot be seen from here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from optionsib.common.errors import MissingExtraError, ModelError, OptionsIBError
from optionsib.common.strategy_data import Setting
from optionsib.models.evaluation import (
    Overfitting,
    backtest_overfitting,
    deflated_sharpe,
    sharpe_moments,
    sharpe_standard_error,
)
from optionsib.models.parameters import Number, Parameter, settle
from optionsib.models.splits import Split, Stamps
from optionsib.models.trials import TrialLedger

Floats = NDArray[np.float64]
Data = NDArray[Any]
Settings = Mapping[str, Setting]
Objective = Callable[[Settings, Data], float]
Evaluation = Callable[[Settings, Data], Floats]


class PrunedTrialError(OptionsIBError):
    """Raised by an objective that sees early that its parameters lead nowhere; the trial counts."""


@dataclass(frozen=True, slots=True)
class FoldChoice:
    """What one fold chose, and the returns (rows,) of its judged rows, none of which it had seen."""

    parameters: dict[str, Setting]
    training_score: float
    training_rows: int
    judged: NDArray[np.intp]
    returns: Floats
    finished: int
    pruned: int
    failed: int


@dataclass(frozen=True, slots=True)
class OptimizedParameters:
    """The walk-forward result.

    ``returns``: of all folds, in time order. ``trials``: all of the family in the ledger, earlier runs too.
    ``above_luck``: probability that the true Sharpe ratio is above the best to expect of so many trials
    without any skill. ``deflated_sharpe``: the ledger's, which takes the spread of the trials' ratios as the
    measure of luck; a search over parameters that matter spreads them widely, and it then asks too much.
    Both are None where the returns do not vary (nothing was traded). ``overfitting``: of the choice among all
    parameter sets tried, over all judged rows; ``left_out`` of them failed there or hardly vary; None where
    less than two are left or there are too few rows.
    """

    folds: tuple[FoldChoice, ...]
    returns: Floats
    family: str
    number: int
    trials: int
    above_luck: float | None
    deflated_sharpe: float | None
    overfitting: Overfitting | None
    left_out: int
    data_sha256: str


def optimize_strategy_parameters(
    space: Sequence[Parameter],
    rows: Data,
    known_at_ns: Stamps,
    label_at_ns: Stamps,
    splits: Iterable[Split],
    *,
    objective: Objective,
    evaluation: Evaluation,
    ledger: TrialLedger,
    family: str,
    seed: int,
    trials: int = 30,
    blocks: int = 8,
) -> OptimizedParameters:
    """Search the best parameters on the training rows of each fold, then judge them on its judged rows.

    Parameters
    ----------
    space
        What to choose, with the ranges; a generator's ``parameters`` or a strategy's own.
    rows : (n, ...)
        What is known and came of each period; the callables get some of these rows, read-only copies.
    known_at_ns, label_at_ns : (n,)
        When a row's features and its outcome were known, UTC ns.
    splits
        From ``models.splits.walk_forward``.
    objective
        Parameters and training rows to a score, higher is better. It may raise ``PrunedTrialError``; any
        other error is a failed trial.
    evaluation
        Parameters and judged rows to a return for each row.
    ledger, family
        Where the trials go, and what they compete with.
    seed
        Of the search (tree-structured Parzen estimator, Bergstra et al., NeurIPS 2011).
    trials
        A fold.
    blocks
        Of the PBO, even, 2 to 20 (see ``backtest_overfitting``).

    Raises
    ------
    ModelError
        If the stamps or splits let a fold see its future, all trials of a fold fail, or what a fold chose
        cannot be evaluated. What was tried stands in the ledger.
    MissingExtraError
        If optuna is not installed.
    """
    optuna = _optuna()
    parts = tuple(splits)
    _check(space, rows, known_at_ns, label_at_ns, parts, trials=trials, blocks=blocks, seed=seed)
    data = _digest(rows, known_at_ns, label_at_ns)
    folds, tried = [], []
    with _quiet(optuna):
        for number, split in enumerate(parts):
            search = _Search(space, objective, evaluation, ledger, family, data)
            sampler = optuna.samplers.TPESampler(seed=_seed_of(seed, number))
            study = optuna.create_study(direction="maximize", sampler=sampler)
            folds.append(search.run(study, number, _part(rows, split.training), rows, split, trials))
            tried += search.tried
    returns = np.concatenate([fold.returns for fold in folds])
    config = {"walk_forward": [fold.parameters for fold in folds], "seed": seed}
    entry, varies = _note(ledger, family, config, data, returns)
    overfitting, left_out = _overfitting(tried, rows, parts, evaluation, blocks)
    known = ledger.trials(family)
    above_luck = None
    if varies:
        # A Sharpe ratio without skill over n periods has the variance 1 / (n - 1): equation 5 of 2012 at 0.
        variance = 1.0 / (len(returns) - 1)
        above_luck = deflated_sharpe(sharpe_moments(returns), variance=variance, trials=len(known))
    comparable = varies and sum(trial.status == "finished" for trial in known) > 1
    return OptimizedParameters(
        folds=tuple(folds),
        returns=returns,
        family=family,
        number=entry,
        trials=len(known),
        above_luck=above_luck,
        deflated_sharpe=ledger.deflated_sharpe(entry) if comparable else None,
        overfitting=overfitting,
        left_out=left_out,
        data_sha256=data,
    )


class _Search:
    """The trials of one fold."""

    def __init__(
        self,
        space: Sequence[Parameter],
        objective: Objective,
        evaluation: Evaluation,
        ledger: TrialLedger,
        family: str,
        data: str,
    ) -> None:
        self._space = space
        self._objective, self._evaluation = objective, evaluation
        self._ledger, self._family, self._data = ledger, family, data
        self._best: tuple[float, dict[str, Setting]] | None = None
        self._failure = ""
        self.tried: list[dict[str, Setting]] = []
        self._finished = self._pruned = self._failed = 0

    def run(self, study: Any, fold: int, training: Data, rows: Data, split: Split, trials: int) -> FoldChoice:
        judged = _part(rows, split.validation)
        for _ in range(trials):
            self._try(study, fold, training, judged)
        if self._best is None:
            raise ModelError(
                f"fold {fold}: none of {trials} trials has a score, the last one: {self._failure}"
            )
        score, parameters = self._best
        try:
            returns = _evaluate(self._evaluation, parameters, judged)
        except Exception as error:
            raise ModelError(f"fold {fold} chose {parameters}, which cannot be evaluated: {error}") from error
        return FoldChoice(
            parameters=parameters,
            training_score=score,
            training_rows=len(training),
            judged=split.validation,
            returns=returns,
            finished=self._finished,
            pruned=self._pruned,
            failed=self._failed,
        )

    def _try(self, study: Any, fold: int, training: Data, judged: Data) -> None:
        """Score one parameter set; note what it did on the judged rows, which nothing here depends on."""
        trial = study.ask()
        parameters = {one.name: _suggest(trial, one) for one in self._space}
        score: float | None = None
        own: Exception | None = None
        try:
            with self._ledger.trial(
                self._family, {"fold": fold, "parameters": parameters}, self._data
            ) as running:
                try:
                    score = _score(self._objective, parameters, training)
                    self.tried.append(parameters)
                    returns = _evaluate(self._evaluation, parameters, judged)
                    if not _varies(returns):
                        raise ModelError("its returns do not vary: no Sharpe ratio")
                except Exception as error:  # a strategy may raise anything: noted, and the search goes on
                    own = error
                    raise
                running.finish(returns, {"training_score": score})
        except Exception as error:
            if error is not own:  # the ledger's: a trial that is not on the record must not go on
                raise
            self._failure = f"{type(error).__name__}: {error}"
        self._pruned += isinstance(own, PrunedTrialError)
        self._failed += own is not None and not isinstance(own, PrunedTrialError)
        self._finished += own is None
        _tell(study, trial, score, pruned=isinstance(own, PrunedTrialError))
        if score is not None and (self._best is None or score > self._best[0]):
            self._best = (score, parameters)


def _tell(study: Any, trial: Any, score: float | None, *, pruned: bool) -> None:
    from optuna.trial import TrialState

    if score is not None:
        study.tell(trial, score)
    else:
        study.tell(trial, state=TrialState.PRUNED if pruned else TrialState.FAIL)


def _suggest(trial: Any, parameter: Parameter) -> Setting:
    found: Setting
    if not isinstance(parameter, Number):
        found = trial.suggest_categorical(parameter.name, list(parameter.options))
    elif parameter.whole:
        found = trial.suggest_int(parameter.name, int(parameter.low), int(parameter.high))
    else:
        found = trial.suggest_float(parameter.name, parameter.low, parameter.high)
    return parameter.check(found)


def _score(objective: Objective, parameters: Settings, training: Data) -> float:
    found = float(objective(dict(parameters), training))
    if not np.isfinite(found):
        raise ModelError(f"the objective gave {found}: expected a finite score")
    return found


def _evaluate(evaluation: Evaluation, parameters: Settings, judged: Data) -> Floats:
    found = np.asarray(evaluation(dict(parameters), judged), dtype=np.float64)
    if found.shape != (len(judged),) or not np.isfinite(found).all():
        raise ModelError(
            f"returns of shape {found.shape}: expected {len(judged)} finite ones, one a judged row"
        )
    return found


def _note(
    ledger: TrialLedger, family: str, config: Mapping[str, object], data: str, returns: Floats
) -> tuple[int, bool]:
    """Write the walk-forward result down; say its number, and whether it has a Sharpe ratio."""
    with ledger.trial(family, config, data) as running:
        if varies := _varies(returns):
            running.finish(returns, {"mean": float(returns.mean())})
    return running.number, varies


def _overfitting(
    tried: Sequence[Settings], rows: Data, parts: Sequence[Split], evaluation: Evaluation, blocks: int
) -> tuple[Overfitting | None, int]:
    """Judge the choice among all distinct parameter sets, each over all judged rows."""
    distinct = {msgspec.json.encode(dict(one), order="deterministic"): one for one in tried}
    series = []
    for parameters in distinct.values():
        try:
            found = np.concatenate(
                [_evaluate(evaluation, parameters, _part(rows, split.validation)) for split in parts]
            )
        except Exception:  # noqa: S112  (counted by left_out; its own fold has its reason in the ledger)
            continue
        least = 1e-9 * np.abs(found).max()
        moving = sum(np.ptp(block) > least for block in np.array_split(found, blocks)) if least else 0
        # Any half of the blocks holds a moving one, if more than half of all blocks move.
        if len(found) >= 2 * blocks and moving > blocks // 2:
            series.append(found)
    left_out = len(distinct) - len(series)
    if len(series) < 2:
        return None, left_out
    return backtest_overfitting(np.column_stack(series), blocks=blocks), left_out


def _varies(returns: Floats) -> bool:
    """Say whether ``returns`` have a Sharpe ratio that can be judged."""
    try:
        sharpe_standard_error(sharpe_moments(returns))
    except ValueError:
        return False
    return True


def _part(rows: Data, numbers: NDArray[np.intp]) -> Data:
    """Return a copy of these rows: a view would lead back to all the others."""
    part = np.ascontiguousarray(rows[numbers])
    part.flags.writeable = False
    return part


def _digest(*arrays: Data) -> str:
    found = hashlib.sha256()
    for array in arrays:
        found.update(f"{array.dtype.descr}{array.shape}".encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def _seed_of(seed: int, fold: int) -> int:
    return int(np.random.SeedSequence([seed, fold]).generate_state(1)[0])


def _check(
    space: Sequence[Parameter],
    rows: Data,
    known: Stamps,
    label: Stamps,
    parts: Sequence[Split],
    *,
    trials: int,
    blocks: int,
    seed: int,
) -> None:
    names = [one.name for one in space]
    if not names or len(set(names)) != len(names):
        raise ModelError(f"parameters {names}: expected one or more, each name once")
    settle(space, {})
    if trials < 1 or not 2 <= blocks <= 20 or blocks % 2 or seed < 0:
        raise ModelError(
            f"{trials} trials, {blocks} blocks, seed {seed}: expected 1 or more, even of 2 to 20, 0 or more"
        )
    if rows.ndim < 1 or rows.dtype.hasobject or known.shape != (len(rows),) or label.shape != known.shape:
        raise ModelError(
            f"rows of shape {rows.shape} and type {rows.dtype}, stamps {known.shape} and {label.shape}: "
            "expected (n, ...) plain numbers and (n,) twice"
        )
    if (np.diff(known) < 0).any() or (label < known).any():
        raise ModelError(
            "the stamps are not in order: expected known_at_ns ascending, label_at_ns not before"
        )
    if not parts:
        raise ModelError("no splits: expected those of walk_forward")
    last = -1
    for number, split in enumerate(parts):
        if not len(split.training) or not len(split.validation):
            raise ModelError(
                f"split {number} has {len(split.training)} training rows and {len(split.validation)} "
                "judged ones: expected some of each"
            )
        learnt, begin = int(label[split.training].max()), int(known[split.validation].min())
        if learnt >= begin:
            raise ModelError(
                f"split {number} learns from an outcome of {learnt} and is judged from {begin} on: expected "
                "walk-forward splits"
            )
        if int(split.validation.min()) <= last or (np.diff(split.validation) <= 0).any():
            raise ModelError(
                f"split {number} is judged by rows that an earlier one was judged by, or not in order"
            )
        last = int(split.validation.max())


@contextmanager
def _quiet(optuna: ModuleType) -> Iterator[None]:
    """Keep the search's own log lines back: the ledger tells more."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def _optuna() -> ModuleType:
    try:
        import optuna  # heavy: only where parameters are searched
    except ModuleNotFoundError as error:
        raise MissingExtraError("train", "optuna") from error
    return optuna
