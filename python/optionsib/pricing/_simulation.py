"""Join a model, a product and a sampler to a program over rows, and cut its blocks into tasks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from optionsib._native import _core
from optionsib.pricing._rows import Dual, Row, Writer
from optionsib.pricing.models import Model, State
from optionsib.pricing.products import ExoticProduct, Payments

BLOCK_PATHS = 4096
SAMPLERS = ("philox", "xoshiro", "sobol")


class DiscontinuousPayoffError(ValueError):
    """Pathwise derivatives of a payoff with jumps do not give its Greeks."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a program is to work out."""

    steps: int | None = None
    sampler: str = "philox"
    antithetic: bool = False
    pathwise: tuple[str, ...] = ()
    likelihood: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Compiled:
    """A program without its seed and number of paths. `outputs` are the names of its columns."""

    code: bytes
    constants: NDArray[np.float64]
    output_registers: tuple[int, ...]
    registers: int
    slots: int
    dimensions: int
    outputs: tuple[str, ...]

    def program(
        self, *, seed: int, paths: int, precision: str = "wide", replicate_paths: int = 0
    ) -> _core.MonteCarloProgram:
        """Return the native program."""
        return _core.MonteCarloProgram(
            code=self.code, constants=self.constants, outputs=self.output_registers, registers=self.registers,
            slots=self.slots, seed=seed, paths=paths, precision=precision, dimensions=self.dimensions,
            replicate_paths=replicate_paths,
        )  # fmt: skip

    def statistics(self) -> int:
        """Return how many numbers a block gives."""
        count = len(self.output_registers)
        return 1 + count + count * (count + 1) // 2


def time_grid(model: Model, times: Sequence[float], steps: int | None) -> list[float]:
    """Return the times of the steps: events of the product and the model, refined.

    A stretch between events is cut into equal parts, none longer than the horizon / `steps`. None: no cut for
    a model whose steps are exact, at most 1/252 of a year for another.
    """
    horizon = max(times)
    events = sorted({t for t in (*times, *model.events) if 0 < t <= horizon})
    longest = horizon / steps if steps is not None else math.inf if model.exact else 1.0 / 252.0
    grid: list[float] = []
    start = 0.0
    for event in events:
        parts = max(1, math.ceil((event - start) / longest - 1e-9))
        grid.extend(start + (event - start) * i / parts for i in range(1, parts))
        grid.append(event)
        start = event
    return grid


class Normals:
    """Rows of independent standard normal numbers, so many a step."""

    def __init__(self, writer: Writer, sampler: str, factors: int, grid: Sequence[float]) -> None:
        self.writer, self.sampler, self.factors = writer, sampler, factors
        self.grid = [0.0, *grid]
        self.dimensions = 0
        self._draws = 0
        self._spare: list[Row] = []
        self._paths: list[list[Row | None]] = []
        self._step = 0
        if sampler == "sobol":
            order = _bridge_order(len(grid))
            self._paths = [self._bridge(factor, order) for factor in range(factors)]

    def step(self) -> list[Row]:
        """Return the numbers of the next step."""
        self._step += 1
        if self.sampler == "sobol":
            return [self._increment(path) for path in self._paths]
        return [self._draw() for _ in range(self.factors)]

    def _draw(self) -> Row:
        if not self._spare:
            name = "xoshiro" if self.sampler == "xoshiro" else "philox"
            self._spare = self.writer.emit(name, n=self._draws, writes=2)[::-1]
            self._draws += 1
        return self._spare.pop()

    def _point(self, dimension: int) -> Row:
        if dimension >= _core.SOBOL_DIMENSIONS:
            return self._draw()
        self.dimensions = max(self.dimensions, dimension + 1)
        return self.writer.emit("sobol", n=dimension)[0]

    def _bridge(self, factor: int, order: Sequence[tuple[int, int, int]]) -> list[Row | None]:
        """Return a Brownian path at the times of the grid, first 0 (None), made from its end inwards."""
        t = self.grid
        path: list[Row | None] = [None] * len(t)
        for level, (left, at, right) in enumerate(order):
            z = self._point(level * self.factors + factor)
            if right == at:
                path[at] = z * math.sqrt(t[at])
                continue
            span = t[right] - t[left]
            deviation = math.sqrt((t[at] - t[left]) * (t[right] - t[at]) / span)
            after, before = path[right], path[left]
            if after is None:
                raise AssertionError("the bridge is built from its end")
            weight = (t[at] - t[left]) / span
            if before is None:
                path[at] = self.writer.emit("combine", (after, z), (weight, deviation, 0.0))[0]
            else:
                path[at] = self.writer.emit(
                    "combine3", (after, before, z), (weight, 1.0 - weight, deviation)
                )[0]
        return path

    def _increment(self, path: list[Row | None]) -> Row:
        i = self._step
        scale = 1.0 / math.sqrt(self.grid[i] - self.grid[i - 1])
        now, before = path[i], path[i - 1]
        path[i - 1] = None
        if now is None:
            raise AssertionError("a step beyond the grid")
        if before is None:
            return now * scale
        return self.writer.emit("combine", (now, before), (scale, -scale, 0.0))[0]


def _bridge_order(steps: int) -> list[tuple[int, int, int]]:
    """Return (left, at, right) in the order in which points of a bridge are drawn; the first is the end."""
    order = [(0, steps, steps)] if steps else []
    queue = [(0, steps)]
    for left, right in queue:
        if right - left > 1:
            middle = (left + right) // 2
            order.append((left, middle, right))
            queue += [(left, middle), (middle, right)]
    return order


class _Watcher:
    """A product on one path."""

    def __init__(self, payments: Payments) -> None:
        self._payments = payments
        self.wants: float | None = next(payments)
        self.value: Row | None = None

    def look(self, spots: tuple[Row, ...]) -> None:
        try:
            self.wants = self._payments.send(spots)
        except StopIteration as stop:
            self.wants, self.value = None, stop.value


class _Path:
    """A model's state and the products that watch it."""

    def __init__(
        self, model: Model, writer: Writer, products: Sequence[ExoticProduct], request: Request
    ) -> None:
        self.model = model
        self.state: State = model.start(
            writer, request.pathwise, request.likelihood, any(product.logarithms for product in products)
        )
        looks = [time for time in (*products[0].times(), *model.events) if time > 0]
        self.state.first_look = min(looks, default=math.inf)
        self.watchers = [_Watcher(product.payments(self._discount)) for product in products]
        self._rho = "rho" in request.pathwise or "rho" in request.likelihood

    def _discount(self, time: float) -> float:
        """Return the discount factor, with its derivative where that is asked for."""
        factor = self.model.discount(time)
        return Dual(factor, {"rho": -time * factor}) if self._rho else factor

    def first_value(self) -> Row:
        """Return what the first product pays."""
        value = self.watchers[0].value
        if value is None:
            raise AssertionError("the path has not come to its end")
        return value.plain()

    def look(self) -> None:
        """Show the spots to those who want them now."""
        spots: tuple[Row, ...] | None = None
        for watcher in self.watchers:
            if watcher.wants == self.state.time:
                spots = self.model.spots(self.state) if spots is None else spots
                watcher.look(spots)


class _Bundle:
    """A path, and those of moved models on the same numbers, for Greeks by central differences."""

    def __init__(
        self,
        model: Model,
        writer: Writer,
        products: Sequence[ExoticProduct],
        request: Request,
        bumps: Mapping[str, tuple[Model, Model, float]],
    ) -> None:
        self.own = _Path(model, writer, products, request)
        self.moved = {
            name: (
                _Path(below, writer, products[:1], Request()),
                _Path(above, writer, products[:1], Request()),
                distance,
            )
            for name, (below, above, distance) in bumps.items()
        }
        self.paths = [self.own, *(path for two in self.moved.values() for path in two[:2])]

    def look(self) -> None:
        """Show the spots to those who want them now."""
        for path in self.paths:
            path.look()

    def step(self, time: float, numbers: Sequence[Row]) -> None:
        """Move on, and look."""
        for path in self.paths:
            path.model.step(path.state, time, numbers)
            path.look()

    def columns(self, product: ExoticProduct, request: Request) -> dict[str, Row]:
        """Return value, Greeks and controls."""
        found = _columns(self.own, product, request)
        for name, (below, above, distance) in self.moved.items():
            found[name] = (above.first_value() - below.first_value()) * (1.0 / distance)
        return found


@lru_cache(maxsize=64)
def compile_product(
    product: ExoticProduct, model: Model, request: Request, controls: tuple[ExoticProduct, ...] = ()
) -> Compiled:
    """Return the program of a product, with control variates on the same paths.

    Its outputs: ``value``, the Greeks asked for, then the controls.
    """
    check_assets(product, model)
    products = [product, *controls]
    times = [time for one in products for time in one.times()]
    writer = Writer()
    grid = time_grid(model, times, request.steps)
    normals = Normals(writer, request.sampler, model.normals, grid)
    bumps = {
        name: models
        for name in dict.fromkeys((*request.pathwise, *request.likelihood))
        if (models := model.bumped(name)) is not None
    }
    own = replace(
        request,
        pathwise=tuple(name for name in request.pathwise if name not in bumps),
        likelihood=tuple(name for name in request.likelihood if name not in bumps),
    )
    bundles = [_Bundle(model, writer, products, own, bumps) for _ in range(2 if request.antithetic else 1)]
    for bundle in bundles:
        bundle.look()
    for time in grid:
        numbers = normals.step()
        for sign, bundle in enumerate(bundles):
            bundle.step(time, [-z for z in numbers] if sign else numbers)
    columns = [bundle.columns(product, own) for bundle in bundles]
    names = tuple(columns[0])
    rows = list(columns[0].values())
    if request.antithetic:
        rows = [(columns[0][name] + columns[1][name]) * 0.5 for name in names]
    return finish(writer, rows, names, normals.dimensions)


def finish(
    writer: Writer, rows: Sequence[Row], names: Sequence[str], dimensions: int, slots: int = 0
) -> Compiled:
    """Return the program whose outputs are these rows."""
    return Compiled(
        bytes(writer.code), np.array(writer.constants), tuple(row.register for row in rows),
        max(writer.registers, 1), slots, dimensions, tuple(names),
    )  # fmt: skip


def check_assets(product: ExoticProduct, model: Model) -> None:
    """Raise ValueError unless the model has as many assets as the product looks at."""
    if product.assets is not None and product.assets != model.assets:
        raise ValueError(f"{product.type} looks at {product.assets} assets, {model.type} has {model.assets}")


def _columns(path: _Path, product: ExoticProduct, request: Request) -> dict[str, Row]:
    values = [watcher.value for watcher in path.watchers]
    value, *controls = [row for row in values if row is not None]
    found = {"value": value.plain()}
    if request.pathwise:
        if value.jumps:
            raise DiscontinuousPayoffError(
                f"the payoff of {product.type} jumps: pathwise derivatives do not see it; use 'likelihood'"
            )
        found |= _pathwise(path, value, request)
    elif request.likelihood:
        found |= _likelihood(path, value, request)
    for number, control in enumerate(controls):
        found[f"control {number}"] = control.plain()
    return found


def _pathwise(path: _Path, value: Row, request: Request) -> dict[str, Row]:
    zero = value.writer.row(0.0)
    found: dict[str, Row] = {
        name: value.tangents.get(name, zero) for name in ("delta", "vega", "rho") if name in request.pathwise
    }
    if "gamma" in request.pathwise:
        # The likelihood ratio of the pathwise delta, which holds a factor 1 / spot of its own.
        spot = float(getattr(path.model, "spot"))  # noqa: B009
        found["gamma"] = found["delta"] * (path.state.scores["delta"] - 1.0 / spot)
    if "theta" in request.pathwise:
        found["theta"] = path.model.pass_of_time(value.plain(), found["delta"], found["gamma"], path.state)
    return found


def _likelihood(path: _Path, value: Row, request: Request) -> dict[str, Row]:
    plain = value.plain()
    found = {name: plain * path.state.scores[name] for name in request.likelihood if name != "theta"}
    if "rho" in found:
        # The score is that of the drift; the discount factors are a function of the rate themselves.
        found["rho"] = found["rho"] + value.tangents["rho"]
    if "theta" in request.likelihood:
        found["theta"] = path.model.pass_of_time(plain, found["delta"], found["gamma"], path.state)
    return found


@dataclass(frozen=True, slots=True)
class Task:
    """A range of blocks: what is sent to another process. It carries the SIMD path of the answer."""

    compiled: Compiled
    seed: int
    paths: int
    precision: str
    replicate_paths: int
    first: int
    count: int
    simd_path: str
    threads: int = 1


def run_task(task: Task) -> NDArray[np.float64]:
    """Return the statistics of the blocks of a task.

    Raises
    ------
    ValueError
        If this machine cannot run the task's SIMD path.
    """
    program = task.compiled.program(
        seed=task.seed, paths=task.paths, precision=task.precision, replicate_paths=task.replicate_paths
    )
    return program.run(task.first, task.count, task.simd_path, task.threads)
