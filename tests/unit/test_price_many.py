"""Sweeps: each answer is that of its job alone, whoever does the work; what stops, fails or is refused."""

from __future__ import annotations

import os
from concurrent.futures import CancelledError, Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import pytest

from optionsib.pricing import (
    AsianOption,
    BermudanOption,
    BlackScholes,
    EuropeanOption,
    Heston,
    MonteCarloResult,
    WorkerMismatchError,
    _shipping,
    monte_carlo,
    price_many,
)

MARKET = BlackScholes(spot=100.0, volatility=0.2, rate=0.05)
HESTON = Heston(spot=100.0, variance=0.05, kappa=1.5, theta=0.04, xi=0.6, rho=-0.7, rate=0.03)
ASIAN = AsianOption(kind="call", strike=100.0, dates=tuple((i + 1) / 12 for i in range(12)))
CALLS = [EuropeanOption(kind="call", strike=float(strike), expiry=1.0) for strike in (80, 100, 120)]


def bits(found: MonteCarloResult) -> Any:
    return found.price, found.stderr, dict(found.greeks), found.paths, found.difference


@pytest.mark.parametrize(
    "options",
    [
        {"paths": 20_001},
        {"paths": 20_000, "antithetic": True, "greeks": "auto"},
        {"paths": 200_000, "target_stderr": 0.05},
        {"paths": 131_072, "sampler": "sobol"},
        {"paths": 9000, "dtype": "float32", "common_normals": True},
    ],
    ids=str,
)
def test_a_sweep_is_its_jobs_one_by_one(options: dict[str, Any]) -> None:
    products = [ASIAN, *CALLS]
    alone = [bits(monte_carlo(product, MARKET, seed=2, **options)) for product in products]
    assert [bits(one) for one in price_many(products, MARKET, seed=2, **options)] == alone
    with ThreadPoolExecutor(3) as pool:
        assert [bits(one) for one in price_many(products, MARKET, seed=2, executor=pool, **options)] == alone


def test_a_model_for_each_and_processes() -> None:
    models = [MARKET, HESTON, MARKET]
    alone = [bits(monte_carlo(p, m, paths=9000, seed=2)) for p, m in zip(CALLS, models, strict=True)]
    with ProcessPoolExecutor(2) as pool:
        spread = price_many(CALLS, models, paths=9000, seed=2, executor=pool)
    assert [bits(one) for one in spread] == alone
    assert price_many([], MARKET, paths=9000, seed=2) == []
    with pytest.raises(ValueError, match="one for each of 3 products, got 2"):
        price_many(CALLS, models[:2], paths=9000, seed=2)


@pytest.mark.parametrize("threaded", [False, True])
def test_progress_counts_the_paths_of_all_jobs(threaded: bool) -> None:
    seen: list[tuple[int, int]] = []
    pool: Executor | None = ThreadPoolExecutor(2) if threaded else None
    price_many(
        CALLS, MARKET, paths=10_000, seed=2, antithetic=True, executor=pool,
        progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    if pool is not None:
        pool.shutdown()
    assert {total for _, total in seen} == {30_000}
    done = [done for done, _ in seen]
    assert done == sorted(set(done))
    assert done[-1] == 30_000


@pytest.mark.parametrize("threaded", [False, True])
def test_a_stopped_sweep_says_how_far_it_came(threaded: bool) -> None:
    with (
        ThreadPoolExecutor(1) as pool,
        pytest.raises(CancelledError, match=r"stopped after \d+ of 1500000 paths"),
    ):
        price_many(
            CALLS, MARKET, paths=500_000, seed=2, executor=pool if threaded else None,
            progress=lambda done, total: done < 400_000,
        )  # fmt: skip


def test_stopping_at_the_very_end_is_no_loss() -> None:
    found = price_many(CALLS, MARKET, paths=5000, seed=2, progress=lambda done, total: done < total)
    assert len(found) == 3


@pytest.mark.parametrize("threaded", [False, True])
def test_an_aim_is_not_pursued_after_a_stop(threaded: bool) -> None:
    calls: list[int] = []

    def stop(done: int, total: int) -> bool:
        calls.append(done)
        return False

    with ThreadPoolExecutor(1) as pool:
        found = monte_carlo(
            CALLS[0], MARKET, paths=100_000, seed=1, target_stderr=1e-6, progress=stop,
            executor=pool if threaded else None,
        )  # fmt: skip
    assert (found.paths, calls) == (4096, [4096])


def test_a_stopped_run_on_an_executor_is_a_beginning() -> None:
    with ThreadPoolExecutor(2) as pool:
        found = monte_carlo(
            ASIAN, MARKET, paths=400_000, seed=1, executor=pool, progress=lambda done, total: done < 100_000
        )
    assert 0 < found.paths < 400_000
    assert bits(found) == bits(monte_carlo(ASIAN, MARKET, paths=found.paths, seed=1))


def die(*_: Any) -> None:
    os._exit(1)


def test_a_dead_process_pool_is_named() -> None:
    with ProcessPoolExecutor(1) as pool:
        pool.submit(die)
        with pytest.raises(BrokenProcessPool):
            monte_carlo(ASIAN, MARKET, paths=100_000, seed=1, executor=pool)


def test_work_of_another_build_is_refused_unread() -> None:
    with pytest.raises(WorkerMismatchError, match=r"worker .* runs optionsib .*; the work was sent by other"):
        _shipping.run_shipped("other", b"no pickle at all")
    assert _shipping.unfit("other", "baseline").startswith("runs optionsib")
    assert _shipping.unfit(_shipping.build(), "baseline") == ""
    assert "avx1024" in _shipping.unfit(_shipping.build(), "avx1024")


def test_products_of_regressions_are_refused() -> None:
    bermudan = BermudanOption(kind="put", strike=100.0, dates=(0.5, 1.0))
    with pytest.raises(ValueError, match="bermudan"):
        price_many([CALLS[0], bermudan], MARKET, paths=9000, seed=2)
    with ThreadPoolExecutor(1) as pool, pytest.raises(ValueError, match="bermudan takes no executor"):
        monte_carlo(bermudan, MARKET, paths=9000, seed=2, executor=pool)


def test_what_does_not_fit_is_refused_before_any_work() -> None:
    with pytest.raises(MemoryError, match="GB"):
        price_many([ASIAN], MARKET, paths=1 << 48, seed=1)
