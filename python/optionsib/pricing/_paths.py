"""Simulated paths themselves, rather than what products make of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from optionsib._native import _core
from optionsib.pricing._memory import check_bytes
from optionsib.pricing._plan import check
from optionsib.pricing._rows import Writer
from optionsib.pricing._simulation import BLOCK_PATHS, Normals, finish, time_grid
from optionsib.pricing.models import Model

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PathSet:
    """Paths of a model at some times, made when asked for, a range of blocks of 4096 at a time."""

    program: _core.MonteCarloProgram
    rows: int  # numbers of a path at a time: spots, then what else drives the future where that was asked for
    times: int
    paths: int
    threads: int

    def range(self, first: int, blocks: int) -> Array:
        """Return the paths of some blocks, as many as there are, shape (rows, times, paths)."""
        blocks = min(blocks, self.program.blocks - first)
        count = min(self.paths - first * BLOCK_PATHS, blocks * BLOCK_PATHS)
        out = np.empty((self.rows * self.times, count))
        self.program.run_into(first, blocks, _core.simd_path(), out, self.threads)
        return out.reshape(self.rows, self.times, count)


def path_set(
    model: Model,
    times: Sequence[float],
    *,
    paths: int,
    seed: int,
    steps: int | None,
    sampler: str,
    threads: int,
    precision: str = "wide",
    factors: bool = False,
) -> PathSet:
    """Return paths to be made; with `factors` all rows that the future depends on."""
    writer = Writer()
    grid = time_grid(model, times, steps)
    normals = Normals(writer, sampler, model.normals, grid)
    state = model.start(writer, (), ())
    slot = rows = 0
    for at in [0.0, *grid]:
        if at > 0:
            model.step(state, at, normals.step())
        if slot < len(times) and at == times[slot]:
            seen = model.factors(state) if factors else model.spots(state)
            rows = len(seen)
            for number, row in enumerate(seen):
                writer.emit("store", (row,), n=number * len(times) + slot, writes=0)
            slot += 1
    compiled = finish(writer, [], [], 0, rows * len(times))
    check_bytes(2048 * compiled.registers, f"{compiled.registers} rows")
    program = compiled.program(seed=seed, paths=paths, precision=precision)
    return PathSet(program, rows, len(times), paths, threads)


def simulate_paths(
    model: Model,
    times: Sequence[float],
    *,
    paths: int,
    seed: int,
    steps: int | None = None,
    sampler: Literal["philox", "xoshiro"] = "philox",
    threads: int = 1,
) -> Array:
    """Return simulated spots.

    Parameters
    ----------
    model, steps, seed, sampler, threads
        As of `monte_carlo`; the paths of a seed are the same there.
    times
        Ascending times in years, 0 allowed.

    Returns
    -------
    ndarray of float64, shape (times, paths), or (assets, times, paths) of a model with several assets

    Raises
    ------
    ValueError
        If an argument is out of its range.
    MemoryError
        If the paths would not fit into memory. Nothing has been done then.
    """
    check(paths, steps, seed, sampler, "float64", threads, None, 16)
    if sampler not in ("philox", "xoshiro"):
        raise ValueError(f"sampler must be 'philox' or 'xoshiro', got {sampler!r}")
    wanted = [float(t) for t in times]
    if not wanted or not all(math.isfinite(t) and t >= 0 for t in wanted):
        raise ValueError(f"times must be finite and >= 0, got {wanted}")
    if any(b <= a for a, b in itertools.pairwise(wanted)):
        raise ValueError(f"times must ascend, got {wanted}")
    check_bytes(8 * model.assets * len(wanted) * paths, f"{paths} paths at {len(wanted)} times")
    made = path_set(model, wanted, paths=paths, seed=seed, steps=steps, sampler=sampler, threads=threads)
    found = made.range(0, made.program.blocks)
    return found[0] if model.assets == 1 else found
