"""Combine the statistics of blocks of paths to an estimate and its error."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Estimate(NamedTuple):
    """A mean and its standard error."""

    value: float
    stderr: float


@dataclass(frozen=True, slots=True)
class MonteCarloResult:
    """A price with its standard error.

    `greeks`: estimates by name, of what was asked for. `paths`: those really simulated, fewer than asked
    for where `target_stderr` was met or `progress` stopped the work. `difference`: with `common_normals`,
    the price in single precision less that in double precision on the same random numbers.
    """

    price: float
    stderr: float
    greeks: Mapping[str, Estimate]
    paths: int
    seconds: float
    simd_path: str
    difference: Estimate | None = None


@dataclass(frozen=True, slots=True)
class Moments:
    """Count, means, and sums of products of deviations from the means, of some samples."""

    count: float
    mean: Array
    products: Array


def moments(blocks: Array, outputs: int) -> Moments:
    """Combine blocks of (count, means, lower triangle of products), in order, as a pairwise tree.

    The tree depends on the number of blocks alone, so the answer does not depend on who did which block.
    The merge of two: T. F. Chan, G. H. Golub, R. J. LeVeque, "Updating formulae and a pairwise algorithm for
    computing sample variances", 1979.
    """
    count = blocks[:, 0]
    mean = blocks[:, 1 : 1 + outputs]
    products = np.zeros((len(blocks), outputs, outputs))
    rows, columns = np.tril_indices(outputs)
    products[:, rows, columns] = blocks[:, 1 + outputs :]
    products[:, columns, rows] = blocks[:, 1 + outputs :]
    while len(count) > 1:
        pairs = len(count) // 2 * 2
        na, nb = count[0:pairs:2], count[1:pairs:2]
        gap = mean[1:pairs:2] - mean[0:pairs:2]
        both = na + nb
        merged = mean[0:pairs:2] + gap * (nb / both)[:, None]
        spread = products[0:pairs:2] + products[1:pairs:2]
        spread = spread + gap[:, :, None] * gap[:, None, :] * (na * nb / both)[:, None, None]
        count = np.concatenate([both, count[pairs:]])
        mean = np.concatenate([merged, mean[pairs:]])
        products = np.concatenate([spread, products[pairs:]])
    return Moments(float(count[0]), mean[0], products[0])


def coefficients(found: Moments, controls: Sequence[int]) -> Array:
    """Return the regression of every output on the controls, [control, output]."""
    if not controls:
        return np.zeros((0, len(found.mean)))
    at = np.array(controls)
    among = found.products[np.ix_(at, at)]
    # By correlations: what a control is measured in must not decide whether it counts.
    scale = np.sqrt(np.diag(among))
    scale[scale == 0] = 1.0
    beta: Array = np.linalg.lstsq(
        among / np.outer(scale, scale), found.products[at, :] / scale[:, None], rcond=1e-12
    )[0]
    return beta / scale[:, None]


def estimates(
    found: Moments, targets: Sequence[int], controls: Sequence[int], known: Sequence[float]
) -> list[Estimate]:
    """Return the means of the targets, moved by what the controls missed their known means by.

    The regression on the controls is that of the same paths: the mean gets a bias of the order of 1 / paths
    by it, which the standard error, of the order of its root, dwarfs.
    """
    beta = coefficients(found, controls)
    missed = np.array([found.mean[c] - k for c, k in zip(controls, known, strict=True)])
    result = []
    free = found.count - 1 - len(controls)
    for target in targets:
        value = found.mean[target] - float(missed @ beta[:, target])
        spread = found.products[target, target]
        if controls:
            spread -= float(beta[:, target] @ found.products[np.array(controls), target])
        error = math.sqrt(max(spread, 0.0) / free / found.count) if free > 0 else math.nan
        result.append(Estimate(float(value), error))
    return result


def replicated(
    blocks: Array,
    per_replicate: int,
    outputs: int,
    targets: Sequence[int],
    controls: Sequence[int],
    known: Sequence[float],
) -> list[Estimate]:
    """Return the means over independent randomisations, each of so many blocks, with the error among them."""
    beta = coefficients(moments(blocks, outputs), controls)
    means = np.array(
        [moments(blocks[i : i + per_replicate], outputs).mean for i in range(0, len(blocks), per_replicate)]
    )
    missed = means[:, list(controls)] - np.array(known) if controls else np.zeros((len(means), 0))
    adjusted = means - missed @ beta
    number = len(means)
    return [
        Estimate(
            float(adjusted[:, target].mean()), float(adjusted[:, target].std(ddof=1) / math.sqrt(number))
        )
        for target in targets
    ]
