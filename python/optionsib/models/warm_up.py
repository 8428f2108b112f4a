"""Run every served model once before the first tick, so that the first forecast is not the slow one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from optionsib.common.errors import ModelError
from optionsib.common.ports import Clock
from optionsib.models.card import Stage
from optionsib.models.serving import ServedModel, load_served


@dataclass(frozen=True, slots=True)
class WarmedModel:
    """How one model fared. ``seconds`` of real time to load and to run ``rows``; ``trouble``: "" if warm."""

    name: str
    model_id: str
    rows: int
    load_seconds: float
    run_seconds: float
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class WarmUp:
    """The models that are warm, by name, and how each one fared, in the order asked."""

    models: dict[str, ServedModel]
    report: tuple[WarmedModel, ...]

    @property
    def failed(self) -> dict[str, str]:
        """Name to trouble of those that are not warm."""
        return {one.name: one.trouble for one in self.report if one.trouble}


def warmup_models(
    artefacts: Mapping[str, Path | ServedModel],
    *,
    stage: Stage,
    clock: Clock,
    rows: int = 1,
    features: Mapping[str, tuple[str, ...]] | None = None,
) -> WarmUp:
    """Load each artefact and run it once; one that fails is told by name, and the others go on.

    Parameters
    ----------
    artefacts
        Name to artefact, ensemble folder, or a model that is loaded already.
    stage, features
        As in ``OnnxModel.load``.
    rows
        As many as will be asked at a time: tensors are bound for this number. They hold zeros.

    Raises
    ------
    ModelError
        If ``rows`` is below 1.

    Examples
    --------
    >>> from optionsib.common.clock import SystemClock
    >>> from optionsib.models import BUNDLED_MODEL
    >>> warm = warmup_models({"bundled": BUNDLED_MODEL}, stage="paper", clock=SystemClock())
    >>> sorted(warm.models), warm.failed
    (['bundled'], {})
    """
    if rows < 1:
        raise ModelError(f"rows is {rows}: expected at least 1")
    models: dict[str, ServedModel] = {}
    report = []
    for name, artefact in artefacts.items():
        model: ServedModel | None = None
        trouble, begun = "", clock.monotonic()
        loaded = begun
        try:
            if isinstance(artefact, Path):
                model = load_served(artefact, stage=stage, features=features)
            else:
                model = artefact
            loaded = clock.monotonic()
            _run(model, rows)
        except Exception as error:  # a model may raise anything; the session starts without it
            trouble = f"{type(error).__name__}: {error}"
        else:
            models[name] = model
        ended = clock.monotonic()
        report.append(
            WarmedModel(
                name=name,
                model_id="" if model is None else _identity(model),
                rows=0 if trouble else rows,
                load_seconds=(ended if model is None else loaded) - begun,
                run_seconds=0.0 if model is None else ended - loaded,
                trouble=trouble,
            )
        )
    return WarmUp(models, tuple(report))


def _run(model: ServedModel, rows: int) -> None:
    model.warm_up()
    found = model.predict(np.zeros((rows, *model.card.input_shape), dtype=np.float32))
    told = found.probability[~found.abstains]
    if found.probability.shape != (rows,) or not ((told >= 0.0) & (told <= 1.0)).all():
        raise ModelError(
            f"{len(found.probability)} forecasts for {rows} rows, or some that are no probabilities"
        )


def _identity(model: ServedModel) -> str:
    """Return its SHA-256, "" where it cannot even say that."""
    try:
        return model.model_id
    except Exception:
        return ""
