"""Training rows from tapes: features at ``t``, and whether the residual rises until ``t + horizon``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optionsib.common.config import TrainingConfig
from optionsib.common.types import MINUTE_NS
from optionsib.features import FEATURE_NAMES, ChainFeatures

LABEL = (
    "1 if the price residual (mid less fitted price) of the contract is higher {horizon} minutes later, "
    "0 if it is lower; changes below {dead_band} and quotes wider than {spread} are left out"
)


@dataclass(frozen=True, slots=True)
class LabelledRows:
    """Rows in time order: ``matrix`` float32 (n, k), ``label`` 0/1 (n,), ``at_ns`` (n,)."""

    matrix: NDArray[np.float32]
    label: NDArray[np.int8]
    at_ns: NDArray[np.int64]

    def where(self, chosen: NDArray[np.bool_]) -> LabelledRows:
        """Return the chosen rows."""
        return LabelledRows(self.matrix[chosen], self.label[chosen], self.at_ns[chosen])


def label_rows(day: Iterable[ChainFeatures], config: TrainingConfig) -> LabelledRows:
    """Label one day; ``config`` gives horizon, dead band and the widest quote that is worth a row."""
    steps = list(day)
    later = {features.at_ns: features for features in steps}
    matrices, labels, stamps = [], [], []
    for features in steps:
        ahead = later.get(features.at_ns + config.horizon_minutes * MINUTE_NS)
        if ahead is None:
            continue
        told, label = labels_between(
            ahead.price_residual - features.price_residual,
            features.spread,
            dead_band=float(config.dead_band),
            maximum_spread=float(config.maximum_spread),
        )
        matrices.append(features.matrix()[told])
        labels.append(label)
        stamps.append(np.full(int(told.sum()), features.at_ns, dtype=np.int64))
    if not matrices:
        return join([])
    return LabelledRows(np.concatenate(matrices), np.concatenate(labels), np.concatenate(stamps))


def labels_between(
    change: NDArray[np.float64], spread: NDArray[np.float64], *, dead_band: float, maximum_spread: float
) -> tuple[NDArray[np.bool_], NDArray[np.int8]]:
    """Return which contracts (n,) get a label for ``change`` (n,) of their residual, and those labels."""
    with np.errstate(invalid="ignore"):
        told = (np.abs(change) >= dead_band) & (spread <= maximum_spread)  # False for NaN
    return told, (change[told] > 0.0).astype(np.int8)


def join(parts: Sequence[LabelledRows]) -> LabelledRows:
    """Put the rows of several days one after the other."""
    if not parts:
        return LabelledRows(
            np.empty((0, len(FEATURE_NAMES)), dtype=np.float32),
            np.empty(0, dtype=np.int8),
            np.empty(0, dtype=np.int64),
        )
    return LabelledRows(
        np.concatenate([part.matrix for part in parts]),
        np.concatenate([part.label for part in parts]),
        np.concatenate([part.at_ns for part in parts]),
    )


def split_purged(
    rows: LabelledRows, fraction: float, horizon_minutes: int
) -> tuple[LabelledRows, LabelledRows]:
    """Split one day in time: the first ``fraction`` of its span to fit, the rest to validate.

    Rows whose label looks beyond the cut are purged from the first part.
    """
    if len(rows.at_ns) == 0:
        return rows, rows
    first, last = int(rows.at_ns[0]), int(rows.at_ns[-1])
    cut = first + round((last - first) * fraction)
    return (
        rows.where(rows.at_ns + horizon_minutes * MINUTE_NS <= cut),
        rows.where(rows.at_ns > cut),
    )
