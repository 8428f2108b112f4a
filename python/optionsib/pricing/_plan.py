"""A Monte Carlo job: checked, compiled, cut into tasks, and its statistics made estimates."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from typing import Literal, TypedDict

import numpy as np

from optionsib._native import _core
from optionsib.pricing._conditional import compile_conditional
from optionsib.pricing._controls import Control, resolve
from optionsib.pricing._memory import check_bytes
from optionsib.pricing._rows import RECORD_BYTES
from optionsib.pricing._shipping import gather
from optionsib.pricing._simulation import (
    BLOCK_PATHS,
    SAMPLERS,
    Compiled,
    DiscontinuousPayoffError,
    Request,
    Task,
    compile_product,
)
from optionsib.pricing._statistics import Array, Estimate, estimates, moments, replicated
from optionsib.pricing.models import Heston, Model
from optionsib.pricing.products import EuropeanOption, ExoticProduct

Sampler = Literal["philox", "xoshiro", "sobol"]
Progress = Callable[[int, int], bool | None]
_CHUNK_BLOCKS = 256  # of a task at most
_CHUNK_WORK = 100_000_000  # instructions x paths a thread and task: some tenths of a second between reports
_TASKS = 16  # at least, of all jobs, on an executor
_MOST_PATHS = 1 << 48


class Options(TypedDict, total=False):
    """What `monte_carlo` takes besides product, model, paths and seed, and how the work is done."""

    steps: int | None
    sampler: Sampler
    dtype: Literal["float64", "float32"]
    control_variate: Control | Sequence[Control] | None
    target_stderr: float | None
    antithetic: bool
    conditional: bool
    greeks: Literal["pathwise", "likelihood", "auto"] | None
    randomisations: int
    common_normals: bool


@dataclass(slots=True)
class Plan:
    """One job: its task over all blocks, and the statistics of those done so far."""

    task: Task
    known: list[float]
    paths_per_sample: int
    target: float | None
    parts: list[Array] = field(default_factory=list)
    done: int = 0
    met: bool = False
    difference: Estimate | None = None

    @property
    def total(self) -> int:
        """Return the number of blocks of the job."""
        return -(-self.task.paths // BLOCK_PATHS)

    @property
    def paths(self) -> int:
        """Return the number of paths of the job."""
        return self.task.paths * self.paths_per_sample

    def bytes(self) -> int:
        """Return about how much memory the statistics take."""
        # Read, split and merged: about four times over.
        return 32 * self.total * self.task.compiled.statistics()

    def finished(self) -> int:
        """Return the number of paths of the blocks done."""
        return min(self.task.paths, self.done * BLOCK_PATHS) * self.paths_per_sample

    def next_stop(self) -> int:
        """Return the block up to which to go on: all, or twice as many where an error is aimed at."""
        if self.met:
            return self.done
        return self.total if self.target is None else min(self.total, max(1, 2 * self.done))

    def add(self, blocks: Array) -> None:
        """Add the statistics of the next blocks."""
        self.parts.append(blocks)
        self.done += len(blocks)
        if self.target is not None:
            # An error of 0 is that of paths which all missed what the payoff pays on: go on.
            self.met = 0.0 < self.estimated(self.blocks())[0].stderr <= self.target

    def blocks(self) -> Array:
        """Return the statistics of the blocks done, in order."""
        return np.concatenate(self.parts)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Return the names of the outputs."""
        return self.task.compiled.outputs

    @property
    def targets(self) -> list[int]:
        """Return which outputs are estimates asked for."""
        return [i for i, name in enumerate(self.outputs) if not name.startswith("control")]

    def estimated(self, blocks: Array) -> list[Estimate]:
        """Return the estimates of the targets.

        Raises
        ------
        ValueError
            If the work on Sobol points ended before two randomisations were done.
        """
        controls = [i for i, name in enumerate(self.outputs) if name.startswith("control")]
        if not self.task.replicate_paths:
            return estimates(moments(blocks, len(self.outputs)), self.targets, controls, self.known)
        replicate = self.task.replicate_paths // BLOCK_PATHS
        if len(blocks) < 2 * replicate:
            raise ValueError("stopped before two randomisations were done: no error can be given")
        return replicated(blocks, replicate, len(self.outputs), self.targets, controls, self.known)

    def cut(self) -> Array:
        """Return the statistics of the blocks done that count: of Sobol points, whole randomisations."""
        blocks = self.blocks()
        if not self.task.replicate_paths:
            return blocks
        replicate = self.task.replicate_paths // BLOCK_PATHS
        return blocks[: len(blocks) // replicate * replicate]


def prepare(
    product: ExoticProduct,
    model: Model,
    *,
    paths: int,
    seed: int,
    threads: int = 1,
    steps: int | None = None,
    sampler: Sampler = "philox",
    dtype: Literal["float64", "float32"] = "float64",
    control_variate: Control | Sequence[Control] | None = None,
    target_stderr: float | None = None,
    antithetic: bool = False,
    conditional: bool = False,
    greeks: Literal["pathwise", "likelihood", "auto"] | None = None,
    randomisations: int = 16,
    common_normals: bool = False,
) -> Plan:
    """Return a job, checked and compiled; see `monte_carlo`."""
    check(paths, steps, seed, sampler, dtype, threads, target_stderr, randomisations)
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
    task = Task(
        compiled, seed, samples, "narrow" if dtype == "float32" else "wide", replicate, 0, 0,
        _core.simd_path(), threads,
    )  # fmt: skip
    plan = Plan(task, known, 2 if antithetic else 1, target_stderr)
    check_bytes(plan.bytes(), f"the statistics of {samples} samples")
    check_bytes(2048 * compiled.registers, f"{compiled.registers} rows")
    return plan


def run(plans: Sequence[Plan], executor: Executor | None, progress: Progress | None) -> bool:
    """Work jobs of one kind out, together; False where `progress` stopped it before the end."""
    paths = sum(plan.paths for plan in plans)
    while waiting := [plan for plan in plans if plan.done < plan.next_stop()]:
        own = [_pieces(plan.task, plan.done, plan.next_stop(), executor, len(waiting)) for plan in waiting]
        before = sum(plan.finished() for plan in plans)
        per_sample = plans[0].paths_per_sample

        def tell(samples: int, before: int = before, per_sample: int = per_sample) -> bool | None:
            return None if progress is None else progress(before + samples * per_sample, paths)

        found, stopped = gather([task for tasks in own for task in tasks], executor, tell)
        rest = iter(found)
        for plan, tasks in zip(waiting, own, strict=True):
            if blocks := [one for _, one in zip(tasks, rest, strict=False)]:
                plan.add(np.concatenate(blocks))
        if stopped:
            return all(plan.done >= plan.next_stop() for plan in plans)
    return True


def run_paired(plans: Sequence[Plan], executor: Executor | None) -> None:
    """Run jobs in double precision on the same numbers, and keep the differences."""
    own = [
        _pieces(replace(plan.task, precision="paired"), 0, len(plan.cut()), executor, len(plans))
        for plan in plans
    ]
    found = iter(gather([task for tasks in own for task in tasks], executor, None)[0])
    for plan, tasks in zip(plans, own, strict=True):
        paired = np.concatenate([one for _, one in zip(tasks, found, strict=False)])
        plan.difference = _difference(plan.cut(), paired)


def _pieces(task: Task, first: int, stop: int, executor: Executor | None, jobs: int) -> list[Task]:
    """Return a range of blocks of a task in pieces: so many that all workers get some."""
    threads = 1 if executor is not None else task.threads
    instructions = max(1, len(task.compiled.code) // RECORD_BYTES)
    work = _CHUNK_WORK * (threads or os.cpu_count() or 1)
    size = min(_CHUNK_BLOCKS, max(1, work // (instructions * BLOCK_PATHS)))
    if executor is not None:
        size = max(1, min(size, -(-(stop - first) // max(1, _TASKS // jobs))))
    return [
        replace(task, first=at, count=min(size, stop - at), threads=threads)
        for at in range(first, stop, size)
    ]


def _difference(blocks: Array, paired: Array) -> Estimate:
    """Return what the first output in `blocks` is above that in double precision, with its error."""
    gaps = (blocks[:, 1] - paired[:, 1]) * blocks[:, 0]
    count = float(blocks[:, 0].sum())
    mean = float(gaps.sum()) / count
    if len(blocks) < 2:
        return Estimate(mean, math.nan)
    rest = gaps - mean * blocks[:, 0]
    error = math.sqrt(float(rest @ rest) * len(blocks) / (len(blocks) - 1)) / count
    return Estimate(mean, error)


def check(
    paths: int,
    steps: int | None,
    seed: int,
    sampler: str,
    dtype: str,
    threads: int,
    target_stderr: float | None,
    randomisations: int,
) -> None:
    """Raise ValueError unless the arguments that all simulations take are in their ranges."""
    if not _whole(paths) or not 1 < paths <= _MOST_PATHS:
        raise ValueError(f"paths must be a whole number, 2 .. 2^48, got {paths}")
    if steps is not None and (not _whole(steps) or not 1 <= steps <= 100_000):
        raise ValueError(f"steps must be a whole number, 1 .. 100000, got {steps}")
    if not _whole(seed) or not 0 <= seed < 1 << 64:
        raise ValueError(f"seed must be a whole number, 0 .. 2^64 - 1, got {seed}")
    if sampler not in SAMPLERS:
        raise ValueError(f"sampler must be one of {', '.join(SAMPLERS)}, got {sampler!r}")
    if dtype not in ("float64", "float32"):
        raise ValueError(f"dtype must be 'float64' or 'float32', got {dtype!r}")
    if not _whole(threads) or threads < 0:
        raise ValueError(f"threads must be a whole number >= 0, got {threads}")
    if target_stderr is not None and not target_stderr > 0:
        raise ValueError(f"target_stderr must be positive, got {target_stderr}")
    if not _whole(randomisations) or randomisations < 2:
        raise ValueError(f"randomisations must be a whole number, at least 2, got {randomisations}")


def _whole(value: object) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


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
        hidden = ("gamma", "theta") if today else ()
        pathwise = tuple(name for name in model.pathwise if name not in hidden)
        if not pathwise:
            raise ValueError(f"{model.type} knows no pathwise Greeks")
        scores = tuple(score for score, name in (("delta", "gamma"), ("theta", "theta")) if name in pathwise)
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
