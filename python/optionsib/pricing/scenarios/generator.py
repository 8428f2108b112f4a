"""Joint paths of spot, volatility and short rate, from a model or from history."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from optionsib._native import _core
from optionsib.pricing._memory import check_bytes
from optionsib.pricing._rows import Row, Writer
from optionsib.pricing._simulation import Normals, finish
from optionsib.pricing.correlation import check_correlation, cholesky, nearest_correlation
from optionsib.pricing.models import Heston, Level, TermStructure, integral
from optionsib.pricing.scenarios.bootstrap import resample
from optionsib.pricing.scenarios.history import History
from optionsib.pricing.scenarios.processes import (
    PROCESSES,
    CoxIngersollRoss,
    FixedRate,
    FixedVolatility,
    HestonVariance,
    Jumps,
    LogOrnsteinUhlenbeck,
    Measure,
    Rate,
    RateStepper,
    Stepper,
    Vasicek,
    Volatility,
    check_measure,
    check_number,
    check_whole,
    level_at,
    mixed,
)
from optionsib.pricing.scenarios.result import NAMES, Provenance, Scenarios

Matrix = tuple[tuple[float, ...], ...]
_INDEPENDENT: Matrix = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
_MOST = 1 << 48


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionScenarioGenerator:
    """A joint model of a spot, its volatility and the short rate.

    ``dS / S = (r - q + equity premium) dt + s dW + jumps``, the premium under the physical measure only;
    jumps are compensated, so they do not change the mean.

    Parameters
    ----------
    spot
        Today, positive.
    volatility
        `LogOrnsteinUhlenbeck`, `HestonVariance`, or a number or `TermStructure`; annual.
    rate
        `Vasicek`, `CoxIngersollRoss`, or a number or `TermStructure`; continuous, a year.
    dividend_yield
        Continuous, a year.
    equity_premium
        Mean return above the short rate under the physical measure, a year.
    jumps
        Of the spot, or None.
    correlation : 3 x 3
        Of the Brownian motions of spot, volatility and rate, in this order.
    repair_correlation
        Take the nearest correlation matrix where the given one is not positive semidefinite, instead of
        refusing it; `correlation` then holds the one taken.

    Raises
    ------
    ValueError
        If a number is out of its range, or the correlation is none (the message names its least eigenvalue).
    """

    spot: float
    volatility: Volatility
    rate: Rate = 0.0
    dividend_yield: Level = 0.0
    equity_premium: float = 0.0
    jumps: Jumps | None = None
    correlation: Matrix = _INDEPENDENT
    repair_correlation: bool = False

    def __post_init__(self) -> None:
        check_number("spot", self.spot, above=0)
        check_number("equity_premium", self.equity_premium)
        _check_level("dividend_yield", self.dividend_yield)
        if not isinstance(self.volatility, (LogOrnsteinUhlenbeck, HestonVariance)):
            _check_level("volatility", self.volatility, above=0)
        if not isinstance(self.rate, (Vasicek, CoxIngersollRoss)):
            _check_level("rate", self.rate)
        if self.jumps is not None and not isinstance(self.jumps, Jumps):
            raise ValueError(f"jumps must be Jumps or None, got {self.jumps!r}")
        matrix = np.array(self.correlation, dtype=float)
        if matrix.shape != (3, 3):
            raise ValueError(f"correlation must be 3 x 3 (spot, volatility, rate), got shape {matrix.shape}")
        if self.repair_correlation and float(np.linalg.eigvalsh(matrix)[0]) < 0:
            matrix = nearest_correlation(matrix)
        check_correlation(matrix)
        object.__setattr__(self, "correlation", tuple(tuple(map(float, row)) for row in matrix))

    @classmethod
    def of_heston(cls, model: Heston, **more: Any) -> OptionScenarioGenerator:
        """Return a generator of the very law of a `Heston` model; `more`: other fields, as `equity_premium`.

        The rate is the model's unless `more` names another.
        """
        given: dict[str, Any] = {
            "spot": model.spot,
            "volatility": HestonVariance(
                variance=model.variance, kappa=model.kappa, theta=model.theta, xi=model.xi
            ),
            "rate": model.rate,
            "dividend_yield": model.dividend_yield,
            "correlation": ((1.0, model.rho, 0.0), (model.rho, 1.0, 0.0), (0.0, 0.0, 1.0)),
        }
        return cls(**(given | more))

    def generate(
        self,
        *,
        measure: Measure,
        horizon: float,
        steps: int,
        paths: int,
        seed: int,
        substeps: int = 1,
        sampler: Literal["philox", "xoshiro"] = "philox",
        threads: int = 1,
    ) -> Scenarios:
        """Return simulated paths.

        The numbers are a function of the generator, these arguments without `threads`, and the SIMD path.

        Parameters
        ----------
        measure
            ``"physical"``, or ``"risk_neutral"``: the discounted spot, with its dividends reinvested, is a
            martingale, step by step.
        horizon
            Years; the steps are equal parts of it.
        steps, paths
            The arrays have the shape (paths, steps + 1).
        seed
            0 .. 2^64 - 1.
        substeps
            The model takes so many time steps for one that is kept: less bias where volatility or rate move.
            All together at most 100,000.
        sampler
            ``"philox"`` or ``"xoshiro"``, as of `monte_carlo`.
        threads
            0 for every available CPU.

        Raises
        ------
        ValueError
            If an argument is out of its range, the discounted spot would be no martingale, or a path grows
            beyond what a float64 holds.
        MemoryError
            If the paths would not fit into memory. Nothing has been done then.
        """
        check_measure(measure)
        check_number("horizon", horizon, above=0)
        check_whole("steps", steps, 1, 100_000)
        check_whole("substeps", substeps, 1, 1000)
        check_whole("steps x substeps", steps * substeps, 1, 100_000)
        check_whole("paths", paths, 2, _MOST)
        check_whole("seed", seed, 0, (1 << 64) - 1)
        check_whole("threads", threads, 0, 4096)
        if sampler not in ("philox", "xoshiro"):
            raise ValueError(f"sampler must be 'philox' or 'xoshiro', got {sampler!r}")
        check_bytes(8 * len(NAMES) * (steps + 1) * paths, f"{paths} paths of {steps} steps")
        count = steps * substeps
        grid = [horizon * i / count for i in range(count + 1)]
        writer = Writer()
        state = _State(self, writer, measure)
        normals = Normals(writer, sampler, 3 if self.jumps is None else 5, grid[1:])
        state.store(0, steps + 1)
        for i in range(count):
            state.step(grid[i], grid[i + 1], normals.step())
            if (i + 1) % substeps == 0:
                state.store((i + 1) // substeps, steps + 1)
        compiled = finish(writer, [], [], 0, len(NAMES) * (steps + 1))
        program = compiled.program(seed=seed, paths=paths)
        path = _core.simd_path()
        out = np.empty((len(NAMES) * (steps + 1), paths))
        program.run_into(0, program.blocks, path, out, threads)
        parts = out.reshape(len(NAMES), steps + 1, paths)
        return Scenarios(
            times=np.array(grid[::substeps]),
            **{name: part.T for name, part in zip(NAMES, parts, strict=True)},
            provenance=Provenance(
                method="model", measure=measure, seed=seed, model=self.to_json(), sampler=sampler,
                simd_path=path, version=_core.__version__, substeps=substeps,
            ),
        )  # fmt: skip

    @staticmethod
    def bootstrap(
        history: History,
        *,
        measure: Measure,
        steps: int,
        paths: int,
        seed: int,
        block_length: float | None = None,
        periods_per_year: float = 252.0,
        spot: float | None = None,
        dividend_yield: float = 0.0,
    ) -> Scenarios:
        """Return paths resampled from a history by the stationary bootstrap, a step being a row of it.

        Rows of changes (ln spot, ln volatility, rate) stay together, in blocks of geometric length. The
        levels start at the last of the history and have no bounds: over horizons of many blocks volatility
        and rate wander, since nothing but the blocks pulls them back.

        Parameters
        ----------
        history
            Recorded levels.
        measure
            ``"physical"``: as the history was, with its drift. ``"risk_neutral"``: each date's spots are
            scaled so that the mean of the discounted spot, with dividends reinvested, is the spot today. That
            mean is exact, over all paths that could be drawn; the shape of the law stays the physical one,
            and within a block the past tells of the future, so this is no martingale step by step.
        steps, paths, seed
            As of `generate`.
        block_length
            Mean number of rows of a block, at least 1. None: the longest of `optimal_block_length` of the
            changes and of their absolute values, so that clusters of volatility stay.
        periods_per_year
            Rows of the history a year.
        spot
            Where to start instead of the last level.
        dividend_yield
            Continuous, a year; used under ``"risk_neutral"``.

        Raises
        ------
        ValueError
            If an argument is out of its range.
        MemoryError
            If the paths would not fit into memory. Nothing has been done then.
        """
        check_whole("steps", steps, 1, 100_000)
        check_whole("paths", paths, 2, _MOST)
        check_whole("seed", seed, 0, (1 << 64) - 1)
        return resample(
            history, measure=measure, steps=steps, paths=paths, seed=seed, block_length=block_length,
            periods_per_year=periods_per_year, spot=spot, dividend_yield=dividend_yield,
        )  # fmt: skip

    def to_json(self) -> str:
        """Return the generator as a JSON object; processes carry their type."""
        data = {name: _plain(getattr(self, name)) for name in self.__dataclass_fields__}
        return json.dumps({"type": "option_scenarios", **data})

    @staticmethod
    def from_json(text: str) -> OptionScenarioGenerator:
        """Return the generator that `to_json` wrote.

        Raises
        ------
        ValueError
            If the text is no JSON object, or a type or field missing, unknown or out of its range.
        """
        data = json.loads(text)
        if not isinstance(data, dict) or data.pop("type", None) != "option_scenarios":
            raise ValueError(f"a generator is a JSON object of type option_scenarios, got {text[:80]!r}")
        try:
            return OptionScenarioGenerator(**{name: _made(value) for name, value in data.items()})
        except TypeError as error:
            raise ValueError(f"option_scenarios: {error}") from None


MonteCarloEngine = OptionScenarioGenerator


class _State:
    """The rows of the paths now."""

    def __init__(self, generator: OptionScenarioGenerator, writer: Writer, measure: Measure) -> None:
        self.generator, self.writer = generator, writer
        matrix = np.array(generator.correlation)
        # The volatility first: its normal number drives the variance's own scheme.
        factor = cholesky(matrix[np.ix_([1, 0, 2], [1, 0, 2])])
        self.rate_weights = [float(weight) for weight in factor[2]]
        rho = float(matrix[0, 1])
        volatility, rate = generator.volatility, generator.rate
        self.volatility: Stepper
        if isinstance(volatility, (LogOrnsteinUhlenbeck, HestonVariance)):
            self.volatility = volatility.stepper(writer, measure, rho)
        else:
            self.volatility = FixedVolatility(volatility, writer, rho)
        self.rate: RateStepper
        if isinstance(rate, (Vasicek, CoxIngersollRoss)):
            self.rate = rate.stepper(writer, measure)
        else:
            self.rate = FixedRate(rate, writer.row(level_at(rate, 0.0)))
        self.premium = generator.equity_premium if measure == "physical" else 0.0
        self.x = writer.row(math.log(generator.spot))
        self.paid = writer.row(0.0)  # the integral of the rate
        self.time = 0.0

    def step(self, start: float, end: float, normals: list[Row]) -> None:
        """Move on: spot, then volatility in it, and rate of one step share their normal numbers."""
        generator, h = self.generator, end - start
        carry = self.premium * h - integral(generator.dividend_yield, start, end)
        if generator.jumps is not None:
            carry -= generator.jumps.compensator() * h
        grown = self.rate.step(start, end, mixed(normals[:3], self.rate_weights))
        x = self.volatility.step(self.x, start, end, carry, normals[0], normals[1])
        if generator.jumps is not None:
            x = generator.jumps.step(x, h, normals[3], normals[4])
        self.x, self.paid, self.time = x + grown, self.paid + grown, end

    def store(self, slot: int, times: int) -> None:
        """Keep the levels of now."""
        levels = (self.x.exp(), self.volatility.level(self.time), self.rate.rate, (-self.paid).exp())
        for number, row in enumerate(levels):
            self.writer.emit("store", (row,), n=number * times + slot, writes=0)


def _check_level(name: str, level: Level, *, above: float | None = None) -> None:
    for value in level.values if isinstance(level, TermStructure) else (level,):
        check_number(name, value, above=above)


def _plain(value: Any) -> Any:
    if isinstance(value, TermStructure):
        return asdict(value)
    if hasattr(value, "__dataclass_fields__"):
        return {"type": value.type, **asdict(value)}
    return value


def _made(value: Any) -> Any:
    if isinstance(value, Mapping):
        fields = dict(value)
        kind = fields.pop("type", None)
        if kind is None:
            return TermStructure(**fields)
        if kind not in PROCESSES:
            raise ValueError(f"type must be one of {', '.join(PROCESSES)}, got {kind!r}")
        return PROCESSES[kind](**fields)
    if isinstance(value, list):
        return tuple(_made(one) for one in value)
    return value
