"""Market regimes from returns: what is known at each moment, never what is known afterwards.

A hidden Markov model with independent Gaussian or Student-t columns (Hamilton, Econometrica 57 (1989)),
fitted by expectation maximisation (Baum-Welch; for the t by weights, Peel and McLachlan, Statistics and
Computing 10 (2000)). Only the *filtered* probability is given out: of the regime at ``t`` from rows up to
``t``. Smoothed probabilities and the Viterbi path look ahead and are not offered.
"""

from __future__ import annotations

import hashlib
import math
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from optionsib.common.errors import ModelError

Floats = NDArray[np.float64]
Noise = Literal["gaussian", "student"]

_STATE_VERSION = 2
_STUDENT_DEGREES = 5.0
_STEPS = 200
_TOLERANCE = 1e-7  # gain of log likelihood a row at which the fit ends
_STAY = 0.97  # prior of the transitions: regimes that last


class RegimeState(msgspec.Struct, frozen=True, kw_only=True):
    """A fitted classifier; regimes ascend in variance. ``mean`` and ``scale`` (regimes, columns).

    ``evidence``: by how much the Bayesian information criterion prefers these regimes to a single one.
    """

    version: int = _STATE_VERSION
    transition: tuple[tuple[float, ...], ...]
    mean: tuple[tuple[float, ...], ...]
    scale: tuple[tuple[float, ...], ...]
    noise: Noise
    dwell: int
    switch_probability: float
    sure_probability: float
    log_likelihood: float
    evidence: float
    rows: int
    fitted_until_ns: int


class MarketRegimeClassifier:
    """Filtered regime probabilities, and a label that does not flicker.

    Make it with ``fit`` or ``from_bytes``. Regime 0 is the calmest, so that labels mean the same after every
    refit. ``step`` and ``filtered`` give the same bits.
    """

    def __init__(self, state: RegimeState) -> None:
        self.state = state
        self._transition = np.array(state.transition)
        self._mean, self._scale = np.array(state.mean), np.array(state.scale)
        self._start = _stationary(self._transition)

    @property
    def regimes(self) -> int:
        """Number of regimes."""
        return len(self.state.mean)

    @property
    def columns(self) -> int:
        """Number of columns of a row."""
        return int(self._mean.shape[1])

    @classmethod
    def fit(
        cls,
        rows: Floats,
        *,
        known_until_ns: int,
        regimes: int = 2,
        noise: Noise | Literal["likelier"] = "likelier",
        dwell: int = 3,
        switch_probability: float = 0.6,
        sure_probability: float = 0.95,
        restarts: int = 4,
        seed: int = 0,
    ) -> MarketRegimeClassifier:
        """Fit on ``rows`` (n,) or (n, columns), in time order: log returns, changes of VIX.

        Parameters
        ----------
        known_until_ns
            When the last of these rows was known, UTC ns.
        noise
            ``student`` (5 degrees of freedom) keeps single outliers from being regimes of their own, and is
            later to tell a change where there are none; ``likelier`` takes the one that fits better.
        dwell, switch_probability, sure_probability
            The label changes when another regime has had at least ``switch_probability`` for ``dwell`` rows,
            or at once when it has ``sure_probability``.
        restarts
            Random beginnings, seeded by ``seed``; the likeliest fit is kept.

        Raises
        ------
        ModelError
            If there are less than 20 rows a regime, a row is not finite, a column does not vary, or a
            parameter is out of range.
        """
        x = rows[:, None] if rows.ndim == 1 else rows
        if x.ndim != 2 or len(x) < 20 * regimes or regimes < 2:
            raise ModelError(
                f"rows of shape {rows.shape} for {regimes} regimes: expected 20 or more a regime, two or more"
            )
        if not np.isfinite(x).all():
            raise ModelError(f"row {int(np.argmin(np.isfinite(x).all(axis=1)))} is not finite")
        if dwell < 1 or not 0.5 <= switch_probability < 1.0 or restarts < 1:
            raise ModelError(
                f"dwell {dwell}, switch_probability {switch_probability}, restarts {restarts}: "
                "expected at least 1, 0.5 to 1, at least 1"
            )
        if not switch_probability <= sure_probability <= 1.0:
            raise ModelError(
                f"sure_probability {sure_probability}: expected switch_probability {switch_probability} to 1"
            )
        spread = x.std(axis=0)
        if not (spread > 0.0).all():
            raise ModelError(f"column {int(np.argmin(spread))} does not vary")
        noises: tuple[Noise, ...] = ("gaussian", "student") if noise == "likelier" else (noise,)
        fits = [_maximise(x / spread, regimes, one, restarts, seed) for one in noises]
        chosen = int(np.argmax([fit[3].max() for fit in fits]))  # equally many parameters
        transition, mean, scale, likelihood = fits[chosen]
        best = int(np.argmax(likelihood))
        order = np.argsort(np.log(scale[best]).sum(axis=1), kind="stable")
        return cls(
            RegimeState(
                transition=_tuples(transition[best][np.ix_(order, order)]),
                mean=_tuples(mean[best][order] * spread),
                scale=_tuples(scale[best][order] * spread),
                noise=noises[chosen],
                dwell=dwell,
                switch_probability=switch_probability,
                sure_probability=sure_probability,
                log_likelihood=float(likelihood[best] - len(x) * np.log(spread).sum()),
                evidence=_evidence(x / spread, float(likelihood[best]), regimes),
                rows=len(x),
                fitted_until_ns=known_until_ns,
            )
        )

    def start(self) -> Floats:
        """Return the probabilities (regimes,) before any row: those of the long run."""
        return self._start.copy()

    def step(self, probability: Floats, row: Floats) -> Floats:
        """Return the filtered probabilities (regimes,) after one more ``row`` (columns,).

        A row with a missing value (NaN) tells nothing: the probabilities only move on.
        """
        ahead = probability @ self._transition
        if not np.isfinite(row).all():
            return np.asarray(ahead)
        log_density = _log_density(row[None, :], self._mean, self._scale, self.state.noise)[0]
        weight = ahead * np.exp(log_density - log_density.max())
        return np.asarray(weight / weight.sum())

    def filtered(self, rows: Floats, start: Floats | None = None) -> Floats:
        """Return the filtered probabilities (n, regimes) of ``rows`` (n,) or (n, columns).

        Raises
        ------
        ModelError
            If the number of columns is not the fitted one.
        """
        x = rows[:, None] if rows.ndim == 1 else rows
        if x.ndim != 2 or x.shape[1] != self.columns:
            raise ModelError(f"rows of shape {rows.shape}: expected (n, {self.columns})")
        found = np.empty((len(x), self.regimes))
        probability = self.start() if start is None else start
        for k, row in enumerate(x):
            found[k] = probability = self.step(probability, row)
        return found

    def log_density(self, probability: Floats, row: Floats) -> float:
        """Return the log density of ``row`` (columns,) where the regimes have ``probability`` (regimes,)."""
        log_density = _log_density(row[None, :], self._mean, self._scale, self.state.noise)[0]
        top = float(log_density.max())
        return top + math.log(float(np.dot(probability, np.exp(log_density - top))))

    def labels(self, probability: Floats) -> NDArray[np.int64]:
        """Return the label (n,) of each row of filtered probabilities (n, regimes), with dwell.

        Where the fit has no ``evidence`` for regimes, all rows are 0: there is nothing to tell apart.
        """
        found = np.zeros(len(probability), dtype=np.int64)
        if self.state.evidence <= 0.0:
            return found
        label, candidate, count = int(np.argmax(self._start)), -1, 0
        for k, row in enumerate(probability):
            leader = int(np.argmax(row))
            if leader == label or row[leader] < self.state.switch_probability:
                candidate, count = -1, 0
            else:
                candidate, count = leader, count + 1 if leader == candidate else 1
                if count >= self.state.dwell or row[leader] >= self.state.sure_probability:
                    label, candidate, count = leader, -1, 0
            found[k] = label
        return found

    def to_bytes(self) -> bytes:
        """Return the state as JSON; equal states give equal bytes."""
        return msgspec.json.encode(self.state, order="deterministic")

    @property
    def sha256(self) -> str:
        """Hash of ``to_bytes``, hex."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    @classmethod
    def from_bytes(cls, content: bytes) -> MarketRegimeClassifier:
        """Read a state that ``to_bytes`` wrote.

        Raises
        ------
        ModelError
            If it is none, or of another version.
        """
        try:
            state = msgspec.json.decode(content, type=RegimeState)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ModelError(f"regime classifier is broken: {error}") from error
        if state.version != _STATE_VERSION:
            raise ModelError(
                f"regime classifier has version {state.version}, this build reads {_STATE_VERSION}"
            )
        return cls(state)


def _tuples(values: Floats) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in values.tolist())


def _stationary(transition: Floats) -> Floats:
    count = len(transition)
    system = np.vstack([transition.T - np.eye(count), np.ones(count)])
    found = np.linalg.lstsq(system, np.append(np.zeros(count), 1.0), rcond=None)[0]
    return np.asarray(np.maximum(found, 0.0) / np.maximum(found, 0.0).sum())


def _log_density(x: Floats, mean: Floats, scale: Floats, noise: Noise) -> Floats:
    """Log density (..., n, regimes) of rows (n, columns) under (..., regimes, columns)."""
    z = (x[:, None, :] - mean[..., None, :, :]) / scale[..., None, :, :]
    if noise == "gaussian":
        each = -0.5 * z * z - 0.5 * math.log(2.0 * math.pi)
    else:
        nu = _STUDENT_DEGREES
        constant = math.lgamma(0.5 * (nu + 1.0)) - math.lgamma(0.5 * nu) - 0.5 * math.log(nu * math.pi)
        each = constant - 0.5 * (nu + 1.0) * np.log1p(z * z / nu)
    return np.asarray((each - np.log(scale)[..., None, :, :]).sum(axis=-1))


def _evidence(x: Floats, log_likelihood: float, regimes: int) -> float:
    """Return BIC (Schwarz, Ann. Stat. 6 (1978)) of one regime, of either noise, less that of ``regimes``."""
    rows, columns = x.shape
    mean, scale = x.mean(axis=0)[None], x.std(axis=0)[None]
    single = float(_log_density(x, mean, scale, "gaussian").sum())
    for _ in range(_STEPS):
        z = (x - mean) / scale
        weight = (_STUDENT_DEGREES + 1.0) / (_STUDENT_DEGREES + z * z)
        mean = ((weight * x).sum(axis=0) / weight.sum(axis=0))[None]
        scale = np.sqrt((weight * (x - mean) ** 2).mean(axis=0))[None]
    single = max(single, float(_log_density(x, mean, scale, "student").sum()))
    more: int = 2 * columns * (regimes - 1) + regimes * (regimes - 1)
    return 2.0 * (log_likelihood - single) - more * math.log(rows)


def _maximise(
    x: Floats, regimes: int, noise: Noise, restarts: int, seed: int
) -> tuple[Floats, Floats, Floats, Floats]:
    """Run all restarts side by side: transition (r, k, k), mean, scale (r, k, columns), likelihood (r,)."""
    generator = np.random.default_rng(seed)
    columns = x.shape[1]
    stay = np.full((regimes, regimes), (1.0 - _STAY) / (regimes - 1))
    np.fill_diagonal(stay, _STAY)
    transition = np.repeat(stay[None], restarts, axis=0)
    mean = np.repeat(np.repeat(x.mean(axis=0)[None], regimes, axis=0)[None], restarts, axis=0)
    steps = np.geomspace(0.5, 2.0, regimes)[None, :, None]
    scale = steps * np.exp(0.3 * generator.standard_normal((restarts, regimes, columns)))
    scale[0] = steps[0]
    likelihood = np.full(restarts, -np.inf)
    for _ in range(_STEPS):
        log_density = _log_density(x, mean, scale, noise)
        posterior, moves, now = _smooth(log_density, transition)
        weight = posterior[..., None]
        if noise == "student":
            z = (x[:, None, :] - mean[:, None]) / scale[:, None]
            weight = weight * (_STUDENT_DEGREES + 1.0) / (_STUDENT_DEGREES + z * z)
        mass = np.maximum(weight.sum(axis=1), 1e-12)
        mean = (weight * x[:, None, :]).sum(axis=1) / mass
        square = (weight * (x[:, None, :] - mean[:, None]) ** 2).sum(axis=1)
        scale = np.sqrt(np.maximum(square / np.maximum(posterior.sum(axis=1), 1e-12)[..., None], 1e-6))
        transition = moves / moves.sum(axis=2, keepdims=True)
        if (now - likelihood < _TOLERANCE * len(x)).all():
            likelihood = now
            break
        likelihood = now
    return transition, mean, scale, likelihood


def _smooth(log_density: Floats, transition: Floats) -> tuple[Floats, Floats, Floats]:
    """Forward and backward pass: posterior (r, n, k), expected moves (r, k, k), log likelihood (r,)."""
    restarts, rows, regimes = log_density.shape
    top = log_density.max(axis=2)
    density = np.exp(log_density - top[..., None])
    forward = np.empty_like(density)
    total = np.empty((restarts, rows))
    ahead = np.full((restarts, regimes), 1.0 / regimes)
    for t in range(rows):
        joint = ahead * density[:, t]
        total[:, t] = joint.sum(axis=1)
        forward[:, t] = joint / total[:, t, None]
        ahead = (forward[:, t, None, :] @ transition)[:, 0]
    backward = np.empty_like(density)
    backward[:, -1] = 1.0
    for t in range(rows - 1, 0, -1):
        carried = density[:, t] * backward[:, t] / total[:, t, None]
        backward[:, t - 1] = (transition @ carried[:, :, None])[:, :, 0]
    carried = density[:, 1:] * backward[:, 1:] / total[:, 1:, None]
    moves = transition * np.einsum("rti,rtj->rij", forward[:, :-1], carried)
    return forward * backward, np.maximum(moves, 1e-300), (np.log(total) + top).sum(axis=1)
