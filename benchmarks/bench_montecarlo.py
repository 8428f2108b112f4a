"""Monte Carlo against NumPy in blocks and QuantLib, on one core.

The jobs: a call on the average of 252 spots, a down-and-out call watched at 252 dates, a call under Heston
with 252 steps. 100,000 paths each; QuantLib gets a fifth of them and its time is scaled. All times are CPU
times, medians of interleaved rounds. Rows of efficiency compare time multiplied by the squared standard
error, in their columns in billionths of a second x price^2 for the whole job.

The limit of a step is what its instructions cost alone, over rows that stay in the first cache: random
numbers, the model's step, the payoff's part of it; no payoff at the end, no statistics, no Python.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from distributed import Client, LocalCluster

from benchmarks.harness import Contender, Row, SelfTimed, compare
from benchmarks.peer_process import PeerProcess
from optionsib import simd_path
from optionsib.pricing import (
    AsianOption,
    BarrierOption,
    BlackScholes,
    EuropeanOption,
    ExoticProduct,
    Heston,
    Model,
    MonteCarloResult,
    monte_carlo,
    price_many,
)
from optionsib.pricing._rows import Writer
from optionsib.pricing._simulation import finish

PATHS, STEPS, BLOCK, QUANTLIB_PATHS = 100_000, 252, 4096, 20_000
SPOT, STRIKE, RATE, VOLATILITY, BARRIER = 100.0, 100.0, 0.05, 0.2, 90.0
KAPPA, THETA, XI, RHO, V0 = 2.0, 0.04, 0.3, -0.7, 0.04
ROUNDS = 5
SOBOL_PATHS = 16 * 4096  # a power of two for each of 16 scramblings
DAYS = tuple(round((i + 1) * 365 / STEPS) for i in range(STEPS))
DATES = tuple(day / 365 for day in DAYS)
MARKET = BlackScholes(spot=SPOT, volatility=VOLATILITY, rate=RATE)
EULER = Heston(spot=SPOT, variance=V0, kappa=KAPPA, theta=THETA, xi=XI, rho=RHO, rate=RATE, scheme="euler")
ASIAN = AsianOption(kind="call", strike=STRIKE, dates=DATES)
DOWN_OUT = BarrierOption(
    kind="call", strike=STRIKE, expiry=1.0, barrier=BARRIER, direction="down", action="out",
    dates=tuple((i + 1) / STEPS for i in range(STEPS)),
)  # fmt: skip
CALL = EuropeanOption(kind="call", strike=STRIKE, expiry=1.0)
Figures = tuple[float, float]  # price, standard error


# --- NumPy, in blocks that stay in the cache ---------------------------------------------------------------


def _blocked(payoff: Callable[[np.random.Generator, int], Any]) -> Figures:
    rng = np.random.default_rng(1)
    total = squares = 0.0
    for first in range(0, PATHS, BLOCK):
        paid = payoff(rng, min(BLOCK, PATHS - first))
        total += paid.sum()
        squares += (paid * paid).sum()
    mean = total / PATHS
    scale = np.exp(-RATE)
    return float(mean * scale), float(np.sqrt((squares / PATHS - mean * mean) / PATHS) * scale)


DRIFT, DEVIATION = (RATE - 0.5 * VOLATILITY**2) / STEPS, VOLATILITY / STEPS**0.5


def numpy_asian() -> Figures:
    """Return price and error of the average option."""

    def block(rng: np.random.Generator, size: int) -> Any:
        spot, total = np.full(size, SPOT), np.zeros(size)
        for _ in range(STEPS):
            spot *= np.exp(DRIFT + DEVIATION * rng.standard_normal(size))
            total += spot
        return np.maximum(total / STEPS - STRIKE, 0.0)

    return _blocked(block)


def numpy_barrier() -> Figures:
    """Return price and error of the barrier option."""

    def block(rng: np.random.Generator, size: int) -> Any:
        x, least = np.zeros(size), np.zeros(size)
        for _ in range(STEPS):
            x += DRIFT + DEVIATION * rng.standard_normal(size)
            np.minimum(least, x, out=least)
        return np.maximum(SPOT * np.exp(x) - STRIKE, 0.0) * (least > np.log(BARRIER / SPOT))

    return _blocked(block)


def numpy_heston() -> Figures:
    """Return price and error under Heston, full-truncation Euler."""
    dt, rest = 1.0 / STEPS, (1.0 - RHO**2) ** 0.5

    def block(rng: np.random.Generator, size: int) -> Any:
        x, v = np.zeros(size), np.full(size, V0)
        for _ in range(STEPS):
            z, y = rng.standard_normal(size), rng.standard_normal(size)
            positive = np.maximum(v, 0.0)
            deviation = np.sqrt(positive * dt)
            x += (RATE - 0.5 * positive) * dt + deviation * (RHO * z + rest * y)
            v += KAPPA * (THETA - positive) * dt + XI * deviation * z
        return np.maximum(SPOT * np.exp(x) - STRIKE, 0.0)

    return _blocked(block)


# --- the limit ---------------------------------------------------------------------------------------------


def operation_seconds(name: str, reads: int, writes: int, constants: int, precision: str) -> float:
    """Return the CPU seconds of an operation for one path, rows in the first cache."""
    best: dict[int, float] = {}
    for repeats in (0, 128):
        writer = Writer()
        rows = [writer.row(value) for value in (0.3, 0.2, 0.1, 0.04)]
        for _ in range(repeats):
            number = rows[3].register if name == "heston_euler" else 0
            writer.emit(name, rows[:reads], (0.1,) * constants, number, writes=writes)
        program = finish(writer, [], [], 0).program(seed=1, paths=8 * BLOCK, precision=precision)
        spent = []
        for _ in range(15):
            start = time.process_time()
            program.run(0, 8, simd_path())
            spent.append(time.process_time() - start)
        best[repeats] = float(np.median(spent))
    return (best[128] - best[0]) / 128 / (8 * BLOCK)


@dataclass(frozen=True, slots=True)
class Job:
    """A product, its NumPy peer, QuantLib's job, and the operations of a step: (name, operands..., times)."""

    name: str
    product: ExoticProduct
    model: Model
    numpy: Callable[[], Figures]
    quantlib: str
    operations: tuple[tuple[str, int, int, int, float], ...]
    steps: int | None = None  # None: those of the product's dates

    def run(self, sampler: Any, dtype: Any, **options: Any) -> MonteCarloResult:
        """Price it."""
        options |= {"paths": PATHS, "steps": self.steps, "seed": 1}
        return monte_carlo(self.product, self.model, sampler=sampler, dtype=dtype, **options)

    def limit(self, sampler: str, dtype: str) -> float:
        """Return the seconds that a step's operations take alone."""
        precision = "narrow" if dtype == "float32" else "wide"
        return sum(
            times * operation_seconds(sampler if name == "normals" else name, reads, writes, k, precision)
            for name, reads, writes, k, times in self.operations
        )


HALF, WHOLE = ("normals", 0, 2, 0, 0.5), ("normals", 0, 2, 0, 1.0)
JOBS = (
    Job("Asian", ASIAN, MARKET, numpy_asian, "asian", (HALF, ("grow", 2, 1, 2, 1.0), ("add", 2, 1, 0, 1.0))),
    Job(
        "barrier", DOWN_OUT, MARKET, numpy_barrier, "barrier",
        (HALF, ("combine", 2, 1, 3, 1.0), ("minimum", 2, 1, 0, 1.0)),
    ),
    Job(
        "Heston (Euler)", CALL, EULER, numpy_heston, "heston", (WHOLE, ("heston_euler", 3, 2, 7, 1.0)), STEPS,
    ),
)  # fmt: skip


# --- rows --------------------------------------------------------------------------------------------------


def figures(found: Any) -> Figures:
    """Return price and error of anybody's answer."""
    if isinstance(found, MonteCarloResult):
        return found.price, found.stderr
    if isinstance(found, dict):
        return float(found["price"][0]), float(found["stderr"][0])
    price, error = found
    return price, error


def agree(results: dict[str, Any]) -> None:
    """Assert that nobody is more than four errors from us."""
    price, error = figures(results["ours"])
    for who, found in results.items():
        other, theirs = figures(found)
        assert abs(other - price) <= 4 * (error**2 + theirs**2) ** 0.5 + 2e-4 * price, (who, other, price)


def scaled(contender: SelfTimed, factor: float) -> SelfTimed:
    """Return a contender whose time is multiplied."""

    def call() -> tuple[Any, float]:
        found, seconds = contender.call()
        return found, seconds * factor

    return SelfTimed(call)


def speed_row(job: Job, sampler: str, dtype: str, quantlib: PeerProcess | None, data: Any) -> Row:
    """Compare equal numbers of paths."""
    peers: dict[str, Contender] = {"NumPy in blocks": job.numpy}
    if quantlib is not None:
        one = quantlib.contender(job.quantlib, "quantlib", data)
        peers["QuantLib (its scheme)"] = scaled(one, PATHS / QUANTLIB_PATHS)
    row = compare(
        f"{job.name}, {sampler}, {dtype}", partial(job.run, sampler, dtype), peers, agree,
        items=PATHS * STEPS, rounds=ROUNDS, clock=time.process_time,
    )  # fmt: skip
    limit = job.limit(sampler, dtype)
    share = limit / (row.seconds / row.items)
    row.notes.append(f"limit of a step {limit * 1e9:.2f} ns: {share:.0%} of it reached")
    if dtype == "float32":
        found = job.run(sampler, dtype, common_normals=True)
        assert found.difference is not None
        bias, error = (x / found.price for x in found.difference)
        assert abs(bias) < 1e-5, bias
        row.notes.append(
            f"float32 less float64 on the same random numbers: {bias:.1e} +- {error:.0e} of the price"
        )
    print(f"  done: {row.name}", flush=True)
    return row


def efficient(run: Callable[[], Any]) -> SelfTimed:
    """Return a contender whose measure is time multiplied by the squared error of what it found."""

    def call() -> tuple[Any, float]:
        start = time.process_time()
        found = run()
        return found, (time.process_time() - start) * figures(found)[1] ** 2

    return SelfTimed(call)


def efficiency_rows(quantlib: PeerProcess | None, data: Any) -> list[Row]:
    """Compare time multiplied by the squared error."""
    rows = []
    if quantlib is not None:
        contender = quantlib.contender("asian control", "quantlib", data)
        answer = figures(contender.call()[0])
        peer = scaled(contender, answer[1] ** 2)

        def agree_once(results: dict[str, Any]) -> None:
            price, error = figures(results["ours"])
            assert abs(answer[0] - price) < 4 * (error**2 + answer[1] ** 2) ** 0.5, (answer, price)

        ours = efficient(
            lambda: monte_carlo(
                ASIAN, MARKET, paths=SOBOL_PATHS, seed=1, sampler="sobol", control_variate="geometric"
            )
        )
        row = compare(
            "Asian, Sobol + bridge + control, time x se^2", ours,
            {"QuantLib with control variate": peer}, agree_once, rounds=ROUNDS,
        )  # fmt: skip
        row.notes.append(described(ours, answer[1], "QuantLib"))
        rows.append(row)
    for steps in (STEPS, 64):
        model = replace(EULER, scheme="qe")
        ours = efficient(
            partial(
                monte_carlo,
                CALL,
                model,
                paths=SOBOL_PATHS,
                steps=steps,
                seed=1,
                sampler="sobol",
                conditional=True,
            )
        )
        row = compare(
            f"Heston, Sobol + conditional, {steps} steps, time x se^2", ours,
            {"NumPy in blocks, 252 steps": efficient(numpy_heston)}, agree, rounds=ROUNDS,
        )  # fmt: skip
        row.notes.append(described(ours, numpy_heston()[1], "NumPy"))
        if quantlib is not None:
            exact = figures(quantlib.contender("heston exact", "quantlib", data).call()[0])[0]
            fine = monte_carlo(
                CALL, model, paths=64 * SOBOL_PATHS, steps=steps, seed=2, sampler="sobol", conditional=True
            )
            bias = fine.price / exact - 1
            row.notes.append(
                f"against Fourier {exact:.9f}: {bias:.1e} of the price, se {fine.stderr:.1e} with"
                f" {fine.paths} paths"
            )
        rows.append(row)
        print(f"  done: {row.name}", flush=True)
    return rows


def described(ours: SelfTimed, theirs: float, who: str) -> str:
    """Return the errors as a note."""
    return f"standard errors: ours {figures(ours.call()[0])[1]:.2e}, {who} {theirs:.2e}"


def thread_row() -> Row:
    """Compare two threads with one, in real time."""
    job = JOBS[0]

    def run(threads: int) -> MonteCarloResult:
        return monte_carlo(job.product, job.model, paths=10 * PATHS, seed=1, threads=threads)

    def same(results: dict[str, Any]) -> None:
        assert figures(results["ours"]) == figures(results["one thread"])

    return compare(
        "Asian, philox, 1e6 paths, 2 threads, real time", partial(run, 2),
        {"one thread": partial(run, 1)}, same, items=10 * PATHS * STEPS, rounds=ROUNDS,
    )  # fmt: skip


def cluster_rows() -> list[Row]:
    """Compare two Dask workers with two threads, and a sweep of small jobs, in real time."""
    job = JOBS[0]
    sweep = [replace(ASIAN, strike=float(strike)) for strike in range(80, 120)]
    many = {"paths": 20_000, "seed": 1}

    def same(results: dict[str, Any]) -> None:
        def plain(found: Any) -> list[Figures]:
            return [figures(one) for one in (found if isinstance(found, list) else [found])]

        assert all(plain(found) == plain(results["ours"]) for found in results.values())

    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
        client.get_executor(pure=False) as executor,
        ThreadPoolExecutor(2) as threads,
    ):  # fmt: skip

        def run(**options: Any) -> MonteCarloResult:
            return monte_carlo(job.product, job.model, paths=10 * PATHS, seed=1, **options)

        whole = compare(
            "Asian, philox, 1e6 paths, 2 Dask workers, real time", partial(run, executor=executor),
            {"2 threads": partial(run, threads=2), "one thread": run}, same,
            items=10 * PATHS * STEPS, rounds=ROUNDS,
        )  # fmt: skip
        small = compare(
            "40 Asians, 20,000 paths each, 2 Dask workers, real time",
            partial(price_many, sweep, MARKET, executor=executor, **many),
            {
                "2 threads": partial(price_many, sweep, MARKET, executor=threads, **many),
                "one thread": partial(price_many, sweep, MARKET, **many),
            },
            same, items=40 * 20_000 * STEPS, rounds=ROUNDS,
        )  # fmt: skip
    for row, tasks in ((whole, 16), (small, 40)):
        extra = row.seconds - row.peers["2 threads"].seconds
        row.notes.append(
            f"{row.seconds * 1e3:.0f} ms, 2 threads {row.peers['2 threads'].seconds * 1e3:.0f} ms: "
            f"{extra / tasks * 1e3:+.1f} ms a task of {tasks}"
        )
    return [whole, small]


def rows() -> list[Row]:
    """Run all Monte Carlo comparisons."""
    terms = [
        SPOT, STRIKE, RATE, VOLATILITY, BARRIER, QUANTLIB_PATHS, STEPS, 1, V0, KAPPA, THETA, XI, RHO,
    ]  # fmt: skip
    data = {"terms": np.array(terms), "days": np.array(DAYS, dtype=float)}
    on_two_cores = [thread_row(), *cluster_rows()]
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})  # the peer's process inherits it
    try:
        with PeerProcess("quantlib", "quantlib_paths") as process:
            quantlib = None if process.missing else process
            found = [
                speed_row(
                    job,
                    sampler,
                    dtype,
                    quantlib if (sampler, dtype) == ("xoshiro", "float64") else None,
                    data,
                )
                for job in JOBS
                for sampler in ("xoshiro", "philox")
                for dtype in ("float64", "float32")
            ]
            found += [*efficiency_rows(quantlib, data), *on_two_cores]
            if process.missing:
                found[0].skipped["QuantLib"] = process.missing
            return found
    finally:
        os.sched_setaffinity(0, allowed)
