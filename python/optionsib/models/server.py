"""Who may vote, and what it says: the live model, a shadow beside it, epochs, freezing, hot swaps.

1. One model is live at a time; each has an epoch, journaled before its first vote.
2. A swap is prepared beside the live model (loaded, checked, run once) and takes effect between two steps.
3. A forecast that is late, or a model that fails, is an abstention with its reason; nothing waits for it
   longer than the budget, and after some failures in a row it is not asked for a while.
4. A frozen model has no vote until a person lifts that or another one takes its place.
5. A shadow is asked the same and scored by the same labels; nobody acts on it, and its failure is its own.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from optionsib.common.circuit_breaker import CircuitBreaker
from optionsib.common.config import ModelConfig
from optionsib.common.errors import CircuitOpenError, ModelError
from optionsib.common.events import Event, LabelArrived, ModelEpoch, ModelFrozen, Prediction
from optionsib.common.ports import Clock, LiveModel
from optionsib.common.types import MINUTE_NS, SECOND_NS, Json
from optionsib.features import ChainFeatures
from optionsib.models.dataset import labels_between
from optionsib.models.metrics import score
from optionsib.models.model_process import ModelProcess

Probabilities = NDArray[np.float64]

FAILURES = 3  # in a row, until it is not asked for PAUSE_SECONDS of session time
PAUSE_SECONDS = 300.0
CRASHES_UNTIL_FROZEN = 3


@dataclass(frozen=True, slots=True)
class _Told:
    """Forecasts that wait for their labels."""

    at_ns: int
    epoch: int
    probability: Probabilities
    residual: NDArray[np.float64]
    spread: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Coming:
    """What takes a seat before the next step; None = nobody.

    ``path`` is journaled where an operator named it. That of a configured model is not: where files lie does
    not change what a session decides, so it must not change the journal's hash.
    """

    process: ModelProcess | None
    reason: str = "configured"
    operator: str = ""
    path: str = ""


@dataclass(slots=True)
class _Seat:
    """One running model with its record; ``shadow`` is never acted on."""

    process: ModelProcess
    epoch: int
    breaker: CircuitBreaker
    shadow: bool
    waiting: deque[_Told] = field(default_factory=deque)
    crashes: int = 0
    labels: int = 0  # of this run
    log_loss: float = 0.0  # summed over them, as ``brier``
    brier: float = 0.0
    reviving: asyncio.Task[ModelProcess] | None = None

    async def close(self) -> None:
        """End its process, and one that is being started in its place."""
        if self.reviving is not None:
            self.reviving.cancel()
            await asyncio.wait({self.reviving})
        await self.process.close()


class ModelServer:
    """The models of one session (``ModelDirectory``).

    Parameters
    ----------
    config
        What may serve, and the budgets.
    clock
        The session's.
    publish
        Takes each event before anything follows from it.
    commit
        Makes what was published durable: called before another model votes, or one is frozen or thawed.
    first
        The configured model, running; None = none. It belongs to the server from now on.
    patience
        Real seconds that a forecast may take; None = ``config.budget_seconds``.
    """

    def __init__(
        self,
        config: ModelConfig,
        clock: Clock,
        publish: Callable[[Event], object],
        *,
        commit: Callable[[], object] = lambda: None,
        first: ModelProcess | None = None,
        patience: float | None = None,
    ) -> None:
        self._config = config
        self._clock = clock
        self._publish = publish
        self._commit = commit
        self._first = first
        self._patience = config.budget_seconds if patience is None else patience
        self._live: _Seat | None = None
        self._shadow: _Seat | None = None
        self._next: dict[bool, _Coming] = {}  # by shadow
        self._epoch = 0
        self._frozen = ""
        self._shadow_task: asyncio.Task[None] | None = None
        self.trouble = ""

    # --- life ----------------------------------------------------------------------------------------

    @property
    def configured_id(self) -> str:
        """SHA-256 of the configured model, "" if there is none."""
        return self._first.model_id if self._first else ""

    async def begin(self, journaled: Iterable[Event] = ()) -> None:
        """Seat the models: those of the journal where it tells of any, else the configured ones.

        A journaled model that cannot be loaded any more leaves its seat empty, and ``trouble`` says why.
        """
        epochs: dict[bool, ModelEpoch] = {}
        for event in journaled:
            if isinstance(event, ModelEpoch):
                epochs[event.shadow] = event
                if not event.shadow:
                    self._epoch, self._frozen = event.epoch, ""
            elif isinstance(event, ModelFrozen) and event.epoch == self._epoch:
                self._frozen = event.reason if event.frozen else ""
        first, last = self._first, epochs.get(False)
        if last is None:
            if first is not None:
                self._next[False] = _Coming(first)
        elif first is not None and first.card.sha256 == last.card_sha256:
            self._live = self._seat(first, last.epoch, shadow=False)
        else:
            self._live = await self._restored(last)
        if True in epochs:
            self._shadow = await self._restored(epochs[True])
        elif self._config.shadow:
            shadow = await ModelProcess.start(Path(self._config.shadow), stage=self._config.stage)
            self._next[True] = _Coming(shadow)
        await self._turn()

    async def close(self) -> None:
        """End all processes."""
        if self._shadow_task is not None:
            self._shadow_task.cancel()
        seats = [seat for seat in (self._live, self._shadow) if seat]
        coming = [one.process for one in self._next.values() if one.process]
        self._live = self._shadow = None
        self._next = {}
        for seat in seats:
            await seat.close()
        for process in (*coming, *((self._first,) if self._first else ())):
            await process.close()

    # --- who may vote --------------------------------------------------------------------------------

    def live_model(self) -> LiveModel | None:
        """Return the model that may vote now (``ModelDirectory``)."""
        if self._live is None:
            return None
        return LiveModel(self._live.process.model_id, self._live.epoch, self._frozen)

    @property
    def notices(self) -> tuple[str, ...]:
        """What every view has to say of the models."""
        found = []
        if (seat := self._live) is not None:
            found.append(seat.process.card.notice)
            if missing := seat.process.missing:
                found.append(f"model {seat.process.card.name} serves without a part of it: {missing}")
        if self._shadow is not None:
            found.append(f"model {self._shadow.process.card.name} runs in the shadow: nothing acts on it")
        return tuple(notice for notice in found if notice)

    def describe(self) -> dict[str, Json]:
        """Return the state for people: models, epoch, frozen, trouble."""

        def one(seat: _Seat | None) -> Json:
            if seat is None:
                return None
            card = seat.process.card
            return {
                "name": card.name,
                "model_id": seat.process.model_id,
                "path": str(seat.process.path),
                "proof": card.proof,
                "simulated": card.simulated,
                "missing": seat.process.missing,
                "labels": seat.labels,
                "log_loss": seat.log_loss / seat.labels if seat.labels else None,
                "brier": seat.brier / seat.labels if seat.labels else None,
            }

        return {
            "epoch": self._epoch,
            "frozen": self._frozen,
            "trouble": self.trouble,
            "live": one(self._live),
            "shadow": one(self._shadow),
        }

    async def prepare(self, path: Path | None, reason: str, operator: str, *, shadow: bool = False) -> str:
        """Load a model (None: empty the seat) that takes its seat before the next step; return its id.

        Raises
        ------
        ModelError
            If it may not serve; all stays as it is.
        """
        process = None if path is None else await ModelProcess.start(path, stage=self._config.stage)
        replaced = self._next.pop(shadow, None)
        self._next[shadow] = _Coming(process, reason, operator, str(path or ""))
        if replaced is not None and replaced.process is not None:
            await replaced.process.close()
        return process.model_id if process else ""

    def freeze(self, reason: str, operator: str = "") -> None:
        """Take the live model's vote from it.

        Raises
        ------
        ModelError
            If no model is live, or it is frozen already, or there is no reason.
        """
        self._set_frozen(reason, operator, frozen=True)

    def thaw(self, reason: str, operator: str) -> None:
        """Give the live model its vote back; errors as ``freeze``."""
        self._set_frozen(reason, operator, frozen=False)

    def _set_frozen(self, reason: str, operator: str, *, frozen: bool) -> None:
        if self._live is None:
            raise ModelError("no model is live; nothing was changed")
        if frozen == bool(self._frozen):
            raise ModelError(f"the model is {'already' if frozen else 'not'} frozen; nothing was changed")
        if not reason:
            raise ModelError("a reason is needed; nothing was changed")
        self._publish(
            ModelFrozen(
                at_ns=self._clock.now_ns(),
                epoch=self._live.epoch,
                model_id=self._live.process.model_id,
                frozen=frozen,
                reason=reason,
                operator=operator,
            )
        )
        self._commit()
        self._frozen = reason if frozen else ""
        self.trouble = f"the model is frozen: {reason}" if frozen else ""
        self._live.crashes = 0

    # --- one step ------------------------------------------------------------------------------------

    async def predict(self, features: ChainFeatures) -> Probabilities | None:
        """Ask the models about every contract of a step; None where the live one abstains (``trouble``)."""
        await self.finish_step()  # of a step that the broker broke off
        await self._turn()
        at_ns, matrix = features.at_ns, features.matrix()
        hashed = hashlib.sha256(matrix.tobytes()).hexdigest() if self._live or self._shadow else ""
        if self._shadow is not None:
            self._score(self._shadow, features)
            self._shadow_task = asyncio.create_task(self._ask_shadow(self._shadow, features, hashed))
        if self._live is None:
            return None
        self._score(self._live, features)
        if self._frozen:
            self.trouble = f"the model is frozen: {self._frozen}"
            return None
        found, self.trouble = await self._ask(self._live, matrix)
        self._publish(self._prediction(self._live, hashed, len(matrix), at_ns, self.trouble))
        if found is None:
            if self._live.crashes >= CRASHES_UNTIL_FROZEN:
                self.freeze(f"its process ended {self._live.crashes} times, lastly: {self.trouble}")
            return None
        self._remember(self._live, features, found)
        return found

    async def finish_step(self) -> None:
        """Wait until the shadow has been asked too."""
        if self._shadow_task is not None:
            await self._shadow_task
            self._shadow_task = None

    async def _turn(self) -> None:
        """Let prepared models take their seats."""
        coming, self._next = self._next, {}
        for shadow, one in coming.items():
            process = one.process
            epoch = self._epoch + (not shadow)
            self._publish(
                ModelEpoch(
                    at_ns=self._clock.now_ns(),
                    epoch=epoch,
                    model_id=process.model_id if process else "",
                    card_sha256=process.card.sha256 if process else "",
                    path=one.path,
                    reason=one.reason,
                    notice=process.card.notice if process else "",
                    operator=one.operator,
                    shadow=shadow,
                )
            )
            self._commit()
            seat = self._seat(process, epoch, shadow=shadow) if process else None
            old = self._shadow if shadow else self._live
            if shadow:
                self._shadow = seat
            else:
                self._live, self._epoch, self._frozen = seat, epoch, ""
                self.trouble = "" if seat else f"no model: {one.reason}"
            if old is not None:
                await old.close()

    def _seat(self, process: ModelProcess, epoch: int, *, shadow: bool) -> _Seat:
        # Session time, so that a replay trips at the same step.
        breaker = CircuitBreaker(
            "shadow model" if shadow else "model",
            failure_threshold=FAILURES,
            recovery_seconds=PAUSE_SECONDS,
            monotonic=lambda: self._clock.now_ns() / SECOND_NS,
        )
        return _Seat(process, epoch, breaker, shadow)

    async def _restored(self, event: ModelEpoch) -> _Seat | None:
        if not event.model_id:
            return None
        try:
            process = await ModelProcess.start(
                Path(event.path or (self._config.shadow if event.shadow else self._config.path)),
                stage=self._config.stage,
                expected_card=event.card_sha256,
            )
        except ModelError as error:
            self.trouble = f"the model of epoch {event.epoch} cannot be loaded: {error}"
            return None
        return self._seat(process, event.epoch, shadow=event.shadow)

    async def _ask(self, seat: _Seat, matrix: NDArray[np.float32]) -> tuple[Probabilities | None, str]:
        """Return the forecasts (NaN = abstains), or None and why there are none."""
        try:
            with seat.breaker.guard(ModelError):
                if not seat.process.is_running:
                    self._revive(seat)
                found = await seat.process.predict(matrix, patience=self._patience)
        except (ModelError, CircuitOpenError) as error:
            return None, str(error)
        return np.where(found.abstains, np.nan, found.probability), ""

    def _revive(self, seat: _Seat) -> None:
        """Put a process in the place of one that has ended; the step does not wait for it to be ready."""
        if seat.reviving is None:
            seat.crashes += 1
            seat.reviving = asyncio.create_task(
                ModelProcess.start(
                    seat.process.path,
                    stage=self._config.stage,
                    expected_card=seat.process.card.sha256,
                )
            )
        if not seat.reviving.done():
            raise ModelError("its process ended and is being started again")
        started, seat.reviving = seat.reviving, None
        seat.process = started.result()

    async def _ask_shadow(self, seat: _Seat, features: ChainFeatures, hashed: str) -> None:
        matrix = features.matrix()
        found, trouble = await self._ask(seat, matrix)
        self._publish(self._prediction(seat, hashed, len(matrix), features.at_ns, trouble))
        if found is not None:
            self._remember(seat, features, found)

    def _prediction(self, seat: _Seat, hashed: str, rows: int, known_at_ns: int, abstain: str) -> Prediction:
        return Prediction(
            model_id=seat.process.model_id,
            epoch=seat.epoch,
            features_sha256=hashed,
            rows=rows,
            known_at_ns=known_at_ns,
            made_at_ns=self._clock.now_ns(),
            deadline_ns=known_at_ns + round(self._config.vote_valid_seconds * SECOND_NS),
            abstain=abstain,
            shadow=seat.shadow,
        )

    # --- labels --------------------------------------------------------------------------------------

    def _remember(self, seat: _Seat, features: ChainFeatures, probability: Probabilities) -> None:
        seat.waiting.append(
            _Told(features.at_ns, seat.epoch, probability, features.price_residual, features.spread)
        )

    def _score(self, seat: _Seat, features: ChainFeatures) -> None:
        """Publish how the forecasts fared whose labels are known by this step."""
        card = seat.process.card
        horizon_ns = card.horizon_minutes * MINUTE_NS
        while seat.waiting and seat.waiting[0].at_ns + horizon_ns <= features.at_ns:
            told = seat.waiting.popleft()
            if features.at_ns > told.at_ns + horizon_ns + MINUTE_NS:
                continue  # after a gap: what became of it by its time was not seen
            chosen, label = labels_between(
                features.price_residual - told.residual,
                np.where(np.isfinite(told.probability), told.spread, np.nan),
                dead_band=card.label_limit("label_dead_band"),
                maximum_spread=card.label_limit("label_maximum_spread"),
            )
            if len(label) == 0:
                continue
            scores = score(label, told.probability[chosen])
            seat.labels += len(label)
            seat.log_loss += len(label) * scores.log_loss
            seat.brier += len(label) * scores.brier
            self._publish(
                LabelArrived(
                    at_ns=features.at_ns,
                    model_id=seat.process.model_id,
                    epoch=told.epoch,
                    predicted_at_ns=told.at_ns,
                    rows=len(label),
                    ones=int(label.sum()),
                    log_loss=scores.log_loss,
                    brier=scores.brier,
                    shadow=seat.shadow,
                )
            )
