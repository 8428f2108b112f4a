"""The trial ledger: every configuration that was ever tried, so that the best of them can be judged.

A journal of its own (append-only, hash-chained; ``optionsib audit verify`` checks it). A trial is written
down before it starts and again when it ends, so one that failed, was interrupted or was never told of counts
like any other.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from optionsib.bus.journal import Journal, JournalReader, writer_of
from optionsib.common.errors import JournalError, ModelError
from optionsib.common.events import TrialBegan, TrialEnded
from optionsib.common.ports import Clock
from optionsib.models.evaluation import (
    Overfitting,
    SharpeMoments,
    backtest_overfitting,
    deflated_sharpe,
    sharpe_moments,
    sharpe_standard_error,
)

Floats = NDArray[np.float64]

_GENESIS = {"ledger": "trials"}
_PATIENCE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial. ``status`` "begun": running, or interrupted. ``returns`` (periods,) out of sample."""

    number: int
    family: str
    config: Mapping[str, object]
    data: str
    begun_at_ns: int
    status: Literal["begun", "finished", "failed"]
    returns: Floats
    scores: Mapping[str, float]
    reason: str


@dataclass(slots=True)
class RunningTrial:
    """A trial between its begin and its end; ``finish`` says what came out."""

    number: int
    _returns: tuple[float, ...] | None = field(default=None, init=False)
    _scores: dict[str, float] = field(default_factory=dict, init=False)
    _data: str = field(default="", init=False)

    def finish(self, returns: Floats, scores: Mapping[str, float] | None = None, *, data: str = "") -> None:
        """Give the out-of-sample returns per period (n,), and scores if there are any.

        ``data``: SHA-256 (hex) of the data, where it was not known at the beginning.

        Raises
        ------
        ModelError
            If there are no returns, or a number is not finite.
        """
        if returns.ndim != 1 or len(returns) == 0 or not np.isfinite(returns).all():
            raise ModelError(
                f"trial {self.number}: returns of shape {returns.shape}: expected (n,) finite numbers, n > 0"
            )
        self._returns = tuple(returns.tolist())
        self._scores = dict(scores or {})
        self._data = data


class TrialLedger:
    """The trials in the file ``path``, which is begun with the first of them.

    Several processes may use one file; each holds it only while it writes a record.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path = path
        self._clock = clock

    @contextmanager
    def trial(self, family: str, config: Mapping[str, object], data: str) -> Iterator[RunningTrial]:
        """Write a trial down, run it, write down what came out.

        An error inside, or leaving without ``finish``, is a failed trial; the error goes on.

        Parameters
        ----------
        family
            What competes with each other: the best of a family is judged by its number of trials.
        config
            What is tried; plain data.
        data
            SHA-256 (hex) of the data; "" where ``finish`` tells it.

        Raises
        ------
        ModelError
            If ``family`` is empty or ``config`` is no plain data; nothing was written.
        JournalError
            If the file cannot be written.
        """
        if not family:
            raise ModelError("a trial needs a family: the trials that it competes with")
        try:
            text = msgspec.json.encode(dict(config), order="deterministic").decode()
        except (TypeError, ValueError) as error:
            raise ModelError(f"trial of {family}: config {config!r} is no plain data: {error}") from error
        running = RunningTrial(self._begin(family, text, data))
        try:
            yield running
        except BaseException as error:
            self._end(running.number, reason=f"{type(error).__name__}: {error}")
            raise
        if running._returns is None:
            self._end(running.number, reason="it ended without a result")
        else:
            self._end(running.number, returns=running._returns, scores=running._scores, data=running._data)

    def trials(self, family: str | None = None) -> tuple[Trial, ...]:
        """Return the trials of ``family`` (None: all) in the order in which they were begun."""
        if not self.path.exists():
            return ()
        begun: dict[int, TrialBegan] = {}
        ended: dict[int, TrialEnded] = {}
        with JournalReader.open_read_only(self.path) as reader:
            for _, _, event in reader.events([TrialBegan, TrialEnded]):
                match event:
                    case TrialBegan():
                        begun[event.trial] = event
                    case TrialEnded():
                        ended[event.trial] = event
                    case _:
                        pass
        return tuple(
            _trial(event, ended.get(number))
            for number, event in begun.items()
            if family is None or event.family == family
        )

    def deflated_sharpe(self, number: int) -> float:
        """Return the probability that a finished trial is better than the luck of its whole family.

        Every trial of the family counts, also those without a result; one whose returns do not vary (nothing
        was traded) has no Sharpe ratio to spread.

        Raises
        ------
        ModelError
            If there is no such trial, it has no Sharpe ratio, or less than two of its family have one.
        """
        chosen = next((trial for trial in self.trials() if trial.number == number), None)
        if chosen is None or chosen.status != "finished":
            raise ModelError(f"{self.path}: trial {number} is {chosen.status if chosen else 'not there'}")
        family = self.trials(chosen.family)
        finished = [one for trial in family if (one := _moments(trial)) is not None]
        own = _moments(chosen)
        if own is None or len(finished) < 2:
            raise ModelError(
                f"{self.path}: {len(finished)} of {len(family)} trials of {chosen.family} have a Sharpe "
                f"ratio and number {number} has {'none' if own is None else 'one'}: expected it and one more"
            )
        variance = float(np.var([one.sharpe for one in finished], ddof=1))
        return deflated_sharpe(own, variance=variance, trials=len(family))

    def overfitting(self, family: str, *, blocks: int = 16) -> Overfitting:
        """Judge the choice among the finished trials of ``family`` (see ``backtest_overfitting``).

        Raises
        ------
        ModelError
            If their returns do not all cover the same number of periods.
        ValueError
            See ``backtest_overfitting``.
        """
        finished = [trial for trial in self.trials(family) if trial.status == "finished"]
        lengths = {len(trial.returns) for trial in finished}
        if len(lengths) != 1:
            raise ModelError(
                f"{self.path}: trials of {family} have {sorted(lengths)} periods: expected the same for all"
            )
        return backtest_overfitting(np.column_stack([trial.returns for trial in finished]), blocks=blocks)

    def _begin(self, family: str, config: str, data: str) -> int:
        with self._writing() as journal:
            number = 1 + max(
                (
                    event.trial
                    for _, _, event in journal.events([TrialBegan])
                    if isinstance(event, TrialBegan)
                ),
                default=0,
            )
            at_ns = self._clock.now_ns()
            journal.append_durable(
                TrialBegan(at_ns=at_ns, trial=number, family=family, config=config, data=data), at_ns
            )
        return number

    def _end(
        self,
        number: int,
        *,
        returns: tuple[float, ...] = (),
        scores: Mapping[str, float] | None = None,
        reason: str = "",
        data: str = "",
    ) -> None:
        at_ns = self._clock.now_ns()
        event = TrialEnded(
            at_ns=at_ns,
            trial=number,
            status="failed" if reason else "finished",
            returns=returns,
            scores=dict(scores or {}),
            reason=reason,
            data=data,
        )
        with self._writing() as journal:
            journal.append_durable(event, at_ns)

    @contextmanager
    def _writing(self) -> Iterator[Journal]:
        deadline = self._clock.monotonic() + _PATIENCE_SECONDS
        refused = 0  # in a row without another writer: once may be one that has just let go
        while True:
            try:
                journal = (
                    Journal.open(self.path, expected_genesis=_GENESIS)
                    if self.path.exists()
                    else Journal.create(self.path, _GENESIS)
                )
                break
            except JournalError:
                refused = 0 if writer_of(self.path) else refused + 1
                if refused == 2 or self._clock.monotonic() > deadline:
                    raise
            time.sleep(0.02)
        with journal:
            yield journal


def _moments(trial: Trial) -> SharpeMoments | None:
    """Return what a Sharpe ratio needs, None where the trial has none that can be judged."""
    if trial.status != "finished":
        return None
    try:
        found = sharpe_moments(trial.returns)
        sharpe_standard_error(found)
    except ValueError:
        return None
    return found


def _trial(begun: TrialBegan, ended: TrialEnded | None) -> Trial:
    return Trial(
        number=begun.trial,
        family=begun.family,
        config=msgspec.json.decode(begun.config),
        data=begun.data or ("" if ended is None else ended.data),
        begun_at_ns=begun.at_ns,
        status="begun" if ended is None else ended.status,
        returns=np.array(() if ended is None else ended.returns),
        scores={} if ended is None else ended.scores,
        reason="" if ended is None else ended.reason,
    )
