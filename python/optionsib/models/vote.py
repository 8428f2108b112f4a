"""The model's vote on a spread."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from optionsib.common.config import ModelConfig
from optionsib.common.events import ModelSignal
from optionsib.common.ports import LiveModel
from optionsib.common.types import SECOND_NS, OrderLeg
from optionsib.features import ChainFeatures

DEAD_BAND = 1e-5


def vote(
    candidate_id: str,
    legs: Sequence[OrderLeg],
    features: ChainFeatures,
    probabilities: NDArray[np.float64],
    config: ModelConfig,
    live: LiveModel,
    now_ns: int,
) -> ModelSignal:
    """Accept a spread if its long legs are expected to gain on its short legs.

    The score is the probability that every long leg's residual rises and every short leg's falls, given
    that one of this or the opposite happens; legs are taken as independent. 0.5 = no opinion. It counts
    until ``vote_valid_seconds`` after the features were known, and accepts from ``DEAD_BAND`` above the
    threshold: forecasts of the same row differ by up to 1e-6 with the number of rows asked with it.

    Parameters
    ----------
    probabilities : (n,)
        Probability that each contract's residual rises, in the order of ``features``; NaN = unknown.

    Raises
    ------
    KeyError
        If a leg is not part of the chain.
    ValueError
        If ``probabilities`` does not fit ``features``.
    """
    if len(probabilities) != len(features.con_id):
        raise ValueError(
            f"{len(probabilities)} probabilities for {len(features.con_id)} contracts: expected one each"
        )
    odds = 0.0  # logarithm of (favoured : opposite)
    missing = 0
    for leg in legs:
        rises = float(probabilities[features.position(leg.con_id)])
        if not math.isfinite(rises):
            missing = missing or leg.con_id
            continue
        rises = min(max(rises, 1e-6), 1.0 - 1e-6)
        odds += math.copysign(1.0, leg.ratio) * math.log(rises / (1.0 - rises))
    score = 0.0 if missing else 1.0 / (1.0 + math.exp(-odds))
    accepts = not missing and score >= config.accept_probability + DEAD_BAND
    if missing:
        reason = f"no features for contract {missing}"
    else:
        verdict = "at least" if accepts else "below"
        reason = f"probability {score:.3f} of the favoured move is {verdict} {config.accept_probability:.3f}"
    return ModelSignal(
        candidate_id=candidate_id,
        model_id=live.model_id,
        epoch=live.epoch,
        made_at_ns=now_ns,
        valid_until_ns=features.at_ns + round(config.vote_valid_seconds * SECOND_NS),
        accepts=accepts,
        score=score,
        reason=reason,
    )


def abstention(candidate_id: str, live: LiveModel, reason: str, now_ns: int) -> ModelSignal:
    """Return the vote of a model that gave no forecast."""
    return ModelSignal(
        candidate_id=candidate_id,
        model_id=live.model_id,
        epoch=live.epoch,
        made_at_ns=now_ns,
        valid_until_ns=now_ns,
        accepts=False,
        score=0.0,
        reason=f"abstains: {reason}",
    )
