"""Monte Carlo prices of exotic options on the native engine."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from concurrent.futures import CancelledError, Executor
from typing import Literal, Unpack

from optionsib.pricing._controls import Control
from optionsib.pricing._memory import check_bytes
from optionsib.pricing._paths import simulate_paths
from optionsib.pricing._plan import Options, Plan, Progress, Sampler, prepare, run, run_paired
from optionsib.pricing._statistics import MonteCarloResult
from optionsib.pricing.early_exercise import price_early_exercise
from optionsib.pricing.models import Model
from optionsib.pricing.products import EarlyExercise, ExoticProduct

__all__ = ["MonteCarloResult", "monte_carlo", "price_many", "simulate_paths"]


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
    path is the same; an executor's workers use this process's path, or raise where they cannot.

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
        Precision of the paths, and of what a payoff sums along one; sums over paths are in double precision.
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
        payoff. ``"auto"``: pathwise where the payoff has no jumps. `BlackScholes` and `Merton` know delta,
        gamma, vega (parallel, per 1.00), rho (parallel, per 1.00) and theta (per year, by the pricing
        equation), `Heston` delta, gamma, vega (by the volatility today, the root of the variance; central
        differences on the same random numbers, noisy where the payoff jumps) and the pathwise rho,
        conditional Heston delta and gamma, early exercise the pathwise delta. Gamma, theta and likelihood
        Greeks are those of products that do not look at the spot today.
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
        known for them.
    WorkerMismatchError
        If a worker of the executor runs another build, or its machine lacks the SIMD path; a ValueError.
    MemoryError
        If the statistics of so many paths would not fit into memory. Nothing has been done then.
    OverflowError
        If the payoff is not finite on some paths.
    """
    started = time.perf_counter()
    if isinstance(product, EarlyExercise):
        others = {
            "control_variate": control_variate, "executor": executor, "target_stderr": target_stderr,
            "antithetic": antithetic, "conditional": conditional, "common_normals": common_normals,
        }  # fmt: skip
        if given := [name for name, value in others.items() if value not in (None, False)]:
            raise ValueError(f"{product.type} takes no {', '.join(given)}")
        return price_early_exercise(
            product, model, paths=paths, steps=steps, seed=seed, sampler=sampler, dtype=dtype,
            threads=threads, greeks=greeks, progress=progress,
        )  # fmt: skip
    plan = prepare(
        product, model, paths=paths, steps=steps, seed=seed, sampler=sampler, dtype=dtype,
        control_variate=control_variate, threads=threads, target_stderr=target_stderr, antithetic=antithetic,
        conditional=conditional, greeks=greeks, randomisations=randomisations, common_normals=common_normals,
    )  # fmt: skip
    run([plan], executor, progress)
    if common_normals:
        run_paired([plan], executor)
    return _result(plan, started)


def price_many(
    products: Sequence[ExoticProduct],
    models: Model | Sequence[Model],
    *,
    paths: int,
    seed: int,
    threads: int = 1,
    executor: Executor | None = None,
    progress: Progress | None = None,
    **options: Unpack[Options],
) -> list[MonteCarloResult]:
    """Price many products by simulation; with an executor all of them at the same time.

    Bermudan and American options are not among them: their regressions are done by `monte_carlo`, one by one.

    Each answer is, bit for bit, that of `monte_carlo` with the same arguments: all jobs share the seed, so
    that differences between neighbours are smooth.

    Parameters
    ----------
    products
        What to price.
    models
        One for all, or one for each.
    paths, seed, threads, executor
        As of `monte_carlo`, for each product.
    progress
        As of `monte_carlo`, with the paths of all jobs together; False cancels everything.
    options
        What else `monte_carlo` takes.

    Returns
    -------
    list of MonteCarloResult
        In the order of the products. `seconds` are those of the whole call.

    Raises
    ------
    ValueError
        As of `monte_carlo`, if there are not as many models as products, or one is priced by regression.
    MemoryError
        If the statistics of so many paths would not fit into memory. Nothing has been done then.
    concurrent.futures.CancelledError
        If `progress` stopped the work before its end.
    """
    started = time.perf_counter()
    law = [models] * len(products) if isinstance(models, Model) else list(models)
    if len(law) != len(products):
        raise ValueError(f"models must be one, or one for each of {len(products)} products, got {len(law)}")
    plans = [
        prepare(product, model, paths=paths, seed=seed, threads=threads, **options)
        for product, model in zip(products, law, strict=True)
    ]
    check_bytes(sum(plan.bytes() for plan in plans), f"the statistics of {len(plans)} jobs")
    if plans and not run(plans, executor, progress):
        done = sum(plan.finished() for plan in plans)
        raise CancelledError(f"stopped after {done} of {sum(plan.paths for plan in plans)} paths")
    if options.get("common_normals"):
        run_paired(plans, executor)
    return [_result(plan, started) for plan in plans]


def _result(plan: Plan, started: float) -> MonteCarloResult:
    blocks = plan.cut()
    found = plan.estimated(blocks)
    if not math.isfinite(found[0].value):
        raise OverflowError(
            "the payoff is not finite on some paths: a spot of 0 or beyond the floating range"
        )
    return MonteCarloResult(
        price=found[0].value,
        stderr=found[0].stderr,
        greeks={plan.outputs[i]: one for i, one in zip(plan.targets, found, strict=True) if i},
        paths=int(blocks[:, 0].sum()) * plan.paths_per_sample,
        seconds=time.perf_counter() - started,
        simd_path=plan.task.simd_path,
        difference=plan.difference,
    )
