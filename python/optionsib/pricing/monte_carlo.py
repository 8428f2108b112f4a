"""Monte Carlo prices of exotic options on the native engine."""

from __future__ import annotations

import itertools
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from optionsib._native import _core
from optionsib.pricing._conditional import compile_conditional
from optionsib.pricing._controls import Control, resolve
from optionsib.pricing._rows import Writer
from optionsib.pricing._simulation import (
    BLOCK_PATHS,
    SAMPLERS,
    Compiled,
    DiscontinuousPayoffError,
    Normals,
    Request,
    Task,
    compile_product,
    finish,
    run_task,
    time_grid,
)
from optionsib.pricing._statistics import Array, Estimate, estimates, moments, replicated
from optionsib.pricing.models import Heston, Model
from optionsib.pricing.products import EuropeanOption, ExoticProduct

Sampler = Literal["philox", "xoshiro", "sobol"]
Progress = Callable[[int, int], bool | None]
_CHUNK_BLOCKS = 256  # between two reports
_MOST_PATHS = 1 << 48


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


def monte_carlo(
    product: ExoticProduct,
    model: Model,
    *,
    paths: int,
    steps: int | None = None,
    seed: int,
    sampler: Sampler = "philox",
    dtype: Literal["float64", "float32"] = "float64",
    control_variate: Control | Sequence[Control] | None = None,
    threads: int = 1,
    executor: Executor | None = None,
    target_stderr: float | None = None,
    antithetic: bool = False,
    conditional: bool = False,
    greeks: Literal["pathwise", "likelihood", "auto"] | None = None,
    randomisations: int = 16,
    common_normals: bool = False,
    progress: Progress | None = None,
) -> MonteCarloResult:
    """Price a product by simulation.

    The answer is the same, bit for bit, for any number of threads and any executor, as long as the SIMD
    path is the same; an executor's workers use this process's path, or raise ValueError where they cannot.

    Parameters
    ----------
    product, model
        What to price, and under which law.
    paths
        Number of paths; with `antithetic` two of them make a sample. With Sobol points a multiple of
        ``4096 * randomisations``, best that times a power of two.
    steps
        Refines the model's time steps between the product's dates: none is longer than the last date over
        `steps`. Without it a model with exact steps makes none but those; another takes 1/252 of a year.
    seed
        Of the random numbers, 0 .. 2^64 - 1.
    sampler
        ``"philox"``: a number is a function of seed, path and draw. ``"xoshiro"``: faster streams, one set
        a block of 4096 paths. ``"sobol"``: Sobol points with a Brownian bridge and Owen scrambling; the
        error is that among `randomisations` independent scramblings. Beyond 1024 dimensions its numbers are
        philox's.
    dtype
        Precision of the paths; sums are always in double precision.
    control_variate
        ``"geometric"`` (of an arithmetic Asian option), ``"european"``, ``"spot"``, or (product, known
        value), or several of them.
    threads
        Of this process, 0 for every available CPU; not used with an executor.
    executor
        Where ranges of blocks are to be worked out.
    target_stderr
        Stop where the standard error is at most this: looked at after 1, 2, 4, 8, ... blocks of 4096 paths
        only, so that the answer does not depend on timing. Not with Sobol points.
    antithetic
        Average each path with that of the negated normal numbers.
    conditional
        Under `Heston`, a European option: simulate the variance alone (Romano and Touzi 1997), with the
        forward and the integral of the variance as controls.
    greeks
        ``"pathwise"``: derivatives of the payoff along the path, for payoffs without jumps (gamma:
        likelihood ratio of the pathwise delta). ``"likelihood"``: derivatives of the density, for any
        payoff. ``"auto"``: pathwise where the payoff has no jumps. `BlackScholes` knows delta, gamma and
        vega, `Heston` and `Merton` the pathwise delta, conditional Heston delta and gamma. Gamma and
        likelihood Greeks are those of products that do not look at the spot today.
    randomisations
        Number of scramblings of Sobol points.
    common_normals
        With ``dtype="float32"``: run double precision on the same random numbers as well, and return the
        difference.
    progress
        Called between ranges of blocks with the paths done and the paths in all; False stops the work.

    Raises
    ------
    ValueError
        If an argument is out of its range, model and product do not fit, a Greek or control variate is not
        known for them, or the machine of a worker has not the SIMD path.
    MemoryError
        If the statistics of so many paths would not fit into memory. Nothing has been done then.
    """
    started = time.perf_counter()
    _check(paths, steps, seed, sampler, dtype, threads, target_stderr, randomisations)
    if antithetic and paths % 2:
        raise ValueError(f"paths must be even with antithetic=True, got {paths}")
    if common_normals and dtype != "float32":
        raise ValueError("common_normals compares dtype='float32' with double precision")
    samples = paths // 2 if antithetic else paths
    replicate = _replicate_paths(samples, randomisations, antithetic) if sampler == "sobol" else 0
    if sampler == "sobol" and (target_stderr is not None):
        raise ValueError("target_stderr needs independent paths: sampler 'philox' or 'xoshiro'")
    compiled, known = _compile(
        product, model, Request(steps, sampler, antithetic), control_variate, conditional, greeks
    )
    _check_memory(compiled, samples)
    task = Task(
        compiled, seed, samples, "narrow" if dtype == "float32" else "wide", replicate, 0, 0,
        _core.simd_path(), threads,
    )  # fmt: skip
    targets = [i for i, name in enumerate(compiled.outputs) if not name.startswith("control")]
    controls = [i for i, name in enumerate(compiled.outputs) if name.startswith("control")]

    def estimated(blocks: Array) -> list[Estimate]:
        if replicate and len(blocks) * BLOCK_PATHS == samples:
            return replicated(
                blocks, replicate // BLOCK_PATHS, len(compiled.outputs), targets, controls, known
            )
        return estimates(moments(blocks, len(compiled.outputs)), targets, controls, known)

    blocks = _run(task, executor, progress, 2 if antithetic else 1, target_stderr, estimated)
    if replicate and len(blocks) * BLOCK_PATHS != samples:
        blocks = blocks[: len(blocks) * BLOCK_PATHS // replicate * replicate // BLOCK_PATHS]
        if len(blocks) * BLOCK_PATHS < 2 * replicate:
            raise ValueError("stopped before two randomisations were done: no error can be given")
        found = replicated(blocks, replicate // BLOCK_PATHS, len(compiled.outputs), targets, controls, known)
    else:
        found = estimated(blocks)
    difference = None
    if common_normals:
        difference = _difference(replace(task, precision="paired"), blocks, executor)
    done = int(blocks[:, 0].sum())
    return MonteCarloResult(
        price=found[0].value,
        stderr=found[0].stderr,
        greeks={compiled.outputs[i]: found[i] for i in targets if i},
        paths=2 * done if antithetic else done,
        seconds=time.perf_counter() - started,
        simd_path=task.simd_path,
        difference=difference,
    )


def simulate_paths(
    model: Model,
    times: Sequence[float],
    *,
    paths: int,
    seed: int,
    steps: int | None = None,
    sampler: Literal["philox", "xoshiro"] = "philox",
    threads: int = 1,
) -> NDArray[np.float64]:
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
    _check(paths, steps, seed, sampler, "float64", threads, None, 16)
    if sampler not in ("philox", "xoshiro"):
        raise ValueError(f"sampler must be 'philox' or 'xoshiro', got {sampler!r}")
    wanted = [float(t) for t in times]
    if not wanted or not all(math.isfinite(t) and t >= 0 for t in wanted):
        raise ValueError(f"times must be finite and >= 0, got {wanted}")
    if any(b <= a for a, b in itertools.pairwise(wanted)):
        raise ValueError(f"times must ascend, got {wanted}")
    assets = model.assets
    _check_bytes(8 * assets * len(wanted) * paths, f"{paths} paths at {len(wanted)} times")
    writer = Writer()
    grid = time_grid(model, wanted, steps)
    normals = Normals(writer, sampler, model.normals, grid)
    state = model.start(writer, (), ())
    slot = 0
    for at in [0.0, *grid]:
        if at > 0:
            model.step(state, at, normals.step())
        if slot < len(wanted) and at == wanted[slot]:
            for asset, spot in enumerate(model.spots(state)):
                writer.emit("store", (spot,), n=asset * len(wanted) + slot, writes=0)
            slot += 1
    compiled = finish(writer, [], [], 0, assets * len(wanted))
    program = compiled.program(seed=seed, paths=paths)
    out = np.empty((assets * len(wanted), paths))
    program.run_into(0, program.blocks, _core.simd_path(), out, threads)
    return out if assets == 1 else out.reshape(assets, len(wanted), paths)


def _check(
    paths: int,
    steps: int | None,
    seed: int,
    sampler: str,
    dtype: str,
    threads: int,
    target_stderr: float | None,
    randomisations: int,
) -> None:
    if isinstance(paths, bool) or paths != int(paths) or not 1 < paths <= _MOST_PATHS:
        raise ValueError(f"paths must be a whole number, 2 .. 2^48, got {paths}")
    if steps is not None and (steps != int(steps) or not 1 <= steps <= 100_000):
        raise ValueError(f"steps must be a whole number, 1 .. 100000, got {steps}")
    if not 0 <= seed < 1 << 64:
        raise ValueError(f"seed must be 0 .. 2^64 - 1, got {seed}")
    if sampler not in SAMPLERS:
        raise ValueError(f"sampler must be one of {', '.join(SAMPLERS)}, got {sampler!r}")
    if dtype not in ("float64", "float32"):
        raise ValueError(f"dtype must be 'float64' or 'float32', got {dtype!r}")
    if threads < 0:
        raise ValueError(f"threads must be >= 0, got {threads}")
    if target_stderr is not None and not target_stderr > 0:
        raise ValueError(f"target_stderr must be positive, got {target_stderr}")
    if randomisations < 2:
        raise ValueError(f"randomisations must be at least 2, got {randomisations}")


def _replicate_paths(samples: int, randomisations: int, antithetic: bool) -> int:
    unit = BLOCK_PATHS * randomisations
    if samples % unit:
        factor = 2 if antithetic else 1
        above = -(-samples // unit) * unit * factor
        raise ValueError(
            f"with Sobol points paths must be a multiple of {unit * factor} ({randomisations} scramblings),"
            f" got {samples * factor}; the next is {above}"
        )
    replicate = samples // randomisations
    if replicate > 1 << 32:
        raise ValueError(f"a randomisation has at most 2^32 points, got {replicate}")
    return replicate


def _check_memory(compiled: Compiled, samples: int) -> None:
    blocks = -(-samples // BLOCK_PATHS)
    # Read, split and merged: about four times over.
    _check_bytes(32 * blocks * compiled.statistics(), f"the statistics of {samples} samples")
    _check_bytes(2048 * compiled.registers, f"{compiled.registers} rows")


def _check_bytes(wanted: int, what: str) -> None:
    present = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if wanted > present * 3 // 4:
        raise MemoryError(f"{what} would take {wanted / 1e9:.1f} GB; the machine has {present / 1e9:.1f} GB")


def _compile(
    product: ExoticProduct,
    model: Model,
    request: Request,
    control_variate: Control | Sequence[Control] | None,
    conditional: bool,
    greeks: str | None,
) -> tuple[Compiled, list[float]]:
    if greeks not in (None, "pathwise", "likelihood", "auto"):
        raise ValueError(f"greeks must be 'pathwise', 'likelihood' or 'auto', got {greeks!r}")
    if conditional:
        if not isinstance(model, Heston) or not isinstance(product, EuropeanOption) or product.strike <= 0:
            raise ValueError("conditional=True prices a European option with a strike under Heston")
        if abs(model.rho) == 1.0 or product.expiry == 0:
            raise ValueError("conditional=True needs |rho| < 1 and an expiry after today")
        if control_variate is not None or greeks == "likelihood":
            raise ValueError("conditional=True has its own controls, and pathwise Greeks")
        wanted = ("delta", "gamma") if greeks else ()
        return compile_conditional(product, model, replace(request, pathwise=wanted))
    resolved, known = resolve(control_variate, product, model)
    controls = tuple(resolved)
    if greeks is None:
        return compile_product(product, model, request, controls), known
    if greeks != "likelihood":
        today = product.times()[0] == 0
        pathwise = tuple(name for name in model.pathwise if not (today and name == "gamma"))
        if not pathwise:
            raise ValueError(f"{model.type} knows no pathwise Greeks")
        scores = ("delta",) if "gamma" in pathwise else ()
        try:
            asked = replace(request, pathwise=pathwise, likelihood=scores)
            return compile_product(product, model, asked, controls), known
        except DiscontinuousPayoffError:
            if greeks == "pathwise":
                raise
    if not model.likelihood:
        raise ValueError(
            f"{model.type} knows no likelihood-ratio Greeks, and the payoff of {product.type} jumps"
        )
    if product.times()[0] == 0:
        raise ValueError("likelihood-ratio Greeks are those of products that do not look at the spot today")
    return compile_product(product, model, replace(request, likelihood=model.likelihood), controls), known


def _run(
    task: Task,
    executor: Executor | None,
    progress: Progress | None,
    paths_per_sample: int,
    target: float | None,
    estimated: Callable[[Array], list[Estimate]],
) -> Array:
    total = -(-task.paths // BLOCK_PATHS)
    parts: list[Array] = []
    done = 0
    while done < total:
        if target is not None:
            stop = min(total, max(1, 2 * done))
        else:
            stop = min(total, done + _CHUNK_BLOCKS) if progress is not None else total
        parts.append(_range(replace(task, first=done, count=stop - done), executor))
        done = stop
        if progress is not None:
            finished = min(task.paths, done * BLOCK_PATHS) * paths_per_sample
            if progress(finished, task.paths * paths_per_sample) is False:
                break
        if target is not None and estimated(np.concatenate(parts))[0].stderr <= target:
            break
    return np.concatenate(parts)


def _range(task: Task, executor: Executor | None) -> Array:
    """Return the statistics of a task's blocks, in order, worked out here or by the executor in pieces."""
    if executor is None:
        pieces = []
        for first in range(task.first, task.first + task.count, _CHUNK_BLOCKS):  # so that Ctrl-C is heard
            count = min(_CHUNK_BLOCKS, task.first + task.count - first)
            pieces.append(run_task(replace(task, first=first, count=count)))
        return np.concatenate(pieces)
    size = max(1, min(_CHUNK_BLOCKS, -(-task.count // 16)))
    starts = range(task.first, task.first + task.count, size)
    tasks = [
        replace(task, first=first, count=min(size, task.first + task.count - first), threads=1)
        for first in starts
    ]
    return np.concatenate(list(executor.map(run_task, tasks)))


def _difference(task: Task, blocks: Array, executor: Executor | None) -> Estimate:
    """Return what the first output in `blocks` is above that in double precision, with its error."""
    paired = _range(replace(task, first=0, count=len(blocks)), executor)
    gaps = (blocks[:, 1] - paired[:, 1]) * blocks[:, 0]
    count = float(blocks[:, 0].sum())
    mean = float(gaps.sum()) / count
    if len(blocks) < 2:
        return Estimate(mean, math.nan)
    rest = gaps - mean * blocks[:, 0]
    error = math.sqrt(float(rest @ rest) * len(blocks) / (len(blocks) - 1)) / count
    return Estimate(mean, error)
