"""Features to a common scale by their own quantiles: robust to outliers, units and skewness.

Fitted on past rows once, then frozen: the state goes with the model that was trained on it, named
by its hash.
"""

from __future__ import annotations

import hashlib
from statistics import NormalDist
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from optionsib.common.errors import ModelError

Matrix = NDArray[np.float32]

_STATE_VERSION = 1
_TAIL = 1e-4  # the first and the last knot: +-3.72 in normal scores


class NormalizerState(msgspec.Struct, frozen=True, kw_only=True):
    """All that a fitted normaliser is.

    ``knots``: one row a feature, ascending; ``scores``: what they become, the same for all features.
    ``fitted_until_ns``: when the last row was known that it has seen.
    """

    version: int = _STATE_VERSION
    names: tuple[str, ...]
    knots: tuple[tuple[float, ...], ...]
    scores: tuple[float, ...]
    output: Literal["normal", "uniform"]
    rows: int
    fitted_until_ns: int


class QuantileNormalizer:
    """Maps each feature to its rank among the fitted rows, as a normal score or a fraction.

    Make it with ``fit`` or ``from_bytes``. Between knots the map is linear, beyond the fitted range
    flat; ties get the middle of their ranks; NaN stays NaN. A row's result depends on nothing but the row.

    Examples
    --------
    >>> rows = np.array([[1.0], [2.0], [4.0], [100.0]], dtype=np.float32)
    >>> fitted = QuantileNormalizer.fit(rows, ("size",), known_until_ns=0, output="uniform")
    >>> fitted.transform(np.array([[3.0], [1e9], [np.nan]], dtype=np.float32)).ravel().tolist()
    [0.5, 1.0, nan]
    """

    def __init__(self, state: NormalizerState) -> None:
        self.state = state
        self._knots = np.array(state.knots, dtype=np.float64)
        self._scores = np.array(state.scores, dtype=np.float64)

    @classmethod
    def fit(
        cls,
        matrix: Matrix,
        names: tuple[str, ...],
        *,
        known_until_ns: int,
        knots: int = 129,
        output: Literal["normal", "uniform"] = "normal",
    ) -> QuantileNormalizer:
        """Fit on ``matrix`` (n, k) of features ``names`` (k,).

        Parameters
        ----------
        known_until_ns
            When the last of these rows was known, UTC ns: nothing may be judged before.
        knots
            Quantiles that are kept of each feature.

        Raises
        ------
        ModelError
            If the shapes do not fit, or a feature has no finite value.
        """
        if matrix.ndim != 2 or matrix.shape[1] != len(names) or len(matrix) == 0:
            raise ModelError(
                f"matrix of shape {matrix.shape} for {len(names)} features: expected (n, {len(names)})"
            )
        if knots < 2:
            raise ModelError(f"{knots} knots: expected at least 2")
        levels = np.linspace(0.0, 1.0, knots)
        scores = levels
        if output == "normal":
            inverse = NormalDist().inv_cdf
            scores = np.array([inverse(min(max(level, _TAIL), 1.0 - _TAIL)) for level in levels])
        rows = []
        for k, name in enumerate(names):
            column = matrix[:, k].astype(np.float64)
            known = column[np.isfinite(column)]
            if len(known) == 0:
                raise ModelError(f"feature {name!r} has no finite value in {len(matrix)} rows: leave it out")
            rows.append(tuple(np.quantile(known, levels).tolist()))
        return cls(
            NormalizerState(
                names=names,
                knots=tuple(rows),
                scores=tuple(scores.tolist()),
                output=output,
                rows=len(matrix),
                fitted_until_ns=known_until_ns,
            )
        )

    def transform(self, matrix: Matrix) -> Matrix:
        """Return the scores of ``matrix`` (n, k), float32.

        Raises
        ------
        ModelError
            If the number of columns is not that of the features.
        """
        if matrix.ndim != 2 or matrix.shape[1] != len(self.state.names):
            raise ModelError(
                f"matrix of shape {matrix.shape}: expected (n, {len(self.state.names)}), {self.state.names}"
            )
        result = np.empty(matrix.shape, dtype=np.float32)
        for k, knots in enumerate(self._knots):
            column = matrix[:, k].astype(np.float64)
            # Of equal knots interp takes the last; from the other side the first: their middle is the tie's.
            upper = np.interp(column, knots, self._scores)
            lower = -np.interp(-column, -knots[::-1], -self._scores[::-1])
            result[:, k] = 0.5 * (upper + lower)
        return result

    def to_bytes(self) -> bytes:
        """Return the state as JSON; equal states give equal bytes."""
        return msgspec.json.encode(self.state, order="deterministic")

    @property
    def sha256(self) -> str:
        """Hash of ``to_bytes``, hex."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    @classmethod
    def from_bytes(cls, content: bytes, *, expected_sha256: str | None = None) -> QuantileNormalizer:
        """Read a state that ``to_bytes`` wrote.

        Raises
        ------
        ModelError
            If it is none, of another version, not monotone, or not the expected one.
        """
        found = hashlib.sha256(content).hexdigest()
        if expected_sha256 is not None and found != expected_sha256:
            raise ModelError(f"normaliser has sha256 {found}, expected {expected_sha256}; it was not loaded")
        try:
            state = msgspec.json.decode(content, type=NormalizerState)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ModelError(f"normaliser is broken: {error}") from error
        if state.version != _STATE_VERSION:
            raise ModelError(f"normaliser has version {state.version}, this build reads {_STATE_VERSION}")
        width = len(state.scores)
        rows = [(*row,) for row in (*state.knots, state.scores)]
        if len(state.knots) != len(state.names) or any(
            len(row) != width or not np.isfinite(row).all() or (np.diff(row) < 0.0).any() for row in rows
        ):
            raise ModelError(f"normaliser of {state.names}: its knots do not fit; it was not loaded")
        return cls(state)


QuantumNormalizer = QuantileNormalizer
