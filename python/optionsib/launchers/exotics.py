"""Price a product under a model, both read from JSON files: ``optionsib price --product --model``."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO, TypeVar

from optionsib.launchers.cluster import ClusterSettings, cluster
from optionsib.pricing import ExoticProduct, Model, simd_path
from optionsib.pricing._plan import Options
from optionsib.pricing.exotic_engine import (
    ExoticPrice,
    ExoticPricingEngine,
    Method,
    MonteCarloPricer,
    price_exotic,
)

Read = TypeVar("Read")


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceSettings:
    """What to price and how; `options` are those of `monte_carlo`, for where it simulates."""

    product: Path
    model: Path
    method: Method
    paths: int
    seed: int
    threads: int
    options: Options
    cluster: ClusterSettings | None
    as_json: bool


def price_product(settings: PriceSettings) -> int:
    """Price and print; returns the exit status."""
    try:
        product = _read(settings.product, ExoticProduct.from_json)
        model = _read(settings.model, Model.from_json)
        started = time.perf_counter()
        if settings.cluster is not None and _simulates(product, model, settings.method):
            if warning := settings.cluster.warning():
                print(f"optionsib: {warning}", file=sys.stderr)
            with cluster(settings.cluster) as executor:
                found = _priced(product, model, settings, executor)
        else:
            found = _priced(product, model, settings, None)
    except (ValueError, MemoryError, OSError) as error:
        print(f"optionsib: {error}", file=sys.stderr)
        return 1
    values = described(found) | {"seconds": time.perf_counter() - started}
    if settings.as_json:
        print(json.dumps(values))
    else:
        for name, value in values.items():
            print(f"{name:<16}{value: .10g}" if isinstance(value, float) else f"{name:<16} {value}")
    return 0


def described(found: ExoticPrice) -> dict[str, float | int | str | bool]:
    """Return an answer as one flat object; errors stand beside their estimates."""
    values: dict[str, float | int | str | bool] = {"price": found.price, "stderr": found.stderr}
    for name, (value, error) in found.greeks.items():
        values |= {name: value, f"{name}_stderr": error}
    values |= {"method": found.method, "reason": found.reason, "exact": found.exact, "paths": found.paths}
    return values | ({"simd_path": simd_path()} if found.paths else {})


def _simulates(product: ExoticProduct, model: Model, method: Method) -> bool:
    if method == "auto":
        return isinstance(ExoticPricingEngine().choose(product, model)[0], MonteCarloPricer)
    return method == "monte-carlo"


def _priced(
    product: ExoticProduct, model: Model, settings: PriceSettings, executor: Executor | None
) -> ExoticPrice:
    with progress_bar(sys.stderr) as progress:
        return price_exotic(
            product, model, method=settings.method, paths=settings.paths, seed=settings.seed,
            threads=settings.threads, executor=executor, progress=progress, **settings.options,
        )  # fmt: skip


def _read(file: Path, make: Callable[[str], Read]) -> Read:
    try:
        return make(file.read_text())
    except ValueError as error:  # also what is no JSON, or no text
        raise ValueError(f"{file}: {error}") from None


@contextmanager
def progress_bar(out: TextIO, *, width: int = 30) -> Iterator[Callable[[int, int], None] | None]:
    """Give what draws a bar of paths done on one line of a terminal, and clears it; None of no terminal."""
    if not out.isatty():
        yield None
        return
    started = time.monotonic()

    def show(done: int, total: int) -> None:
        share = done / total
        left = (time.monotonic() - started) * (1.0 - share) / share if share > 0 else 0.0
        bar = "#" * int(width * share)
        out.write(f"\r[{bar:<{width}}] {share:4.0%} of {total:,} paths, {left:.0f} s left ")
        out.flush()

    try:
        yield show
    finally:
        out.write("\r\x1b[K")
        out.flush()
