"""American price, Greeks and implied volatility against QuantLib, on one core.

QuantLib runs in a process of its own, its objects built beforehand; of an option only the quotes move. All
times are CPU times of processes held to one core, medians of interleaved rounds. Spots are 100, so errors
are per 100 of spot.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.american_data import (
    DOUBLE_BOUNDARY,
    GROUP_SIZE,
    GROUPS,
    Data,
    american_options,
    cash_options,
    chosen,
)
from benchmarks.harness import Contender, Row, SelfTimed, compare
from benchmarks.peer_process import PeerProcess
from optionsib import (
    american_greeks,
    american_implied_greeks,
    american_implied_volatility,
    american_price,
    finite_difference_price,
)

SIZE, CONTRACTS, CASH_SIZE = 400, 2000, 40
HIGH_SIZE = 40  # what QuantLib's high scheme gets, scaled up: one price of it takes milliseconds
# (Time steps, spot steps): QuantLib's default, and the grids whose errors come nearest to the tier's.
CASH_GRIDS: dict[Tier, tuple[tuple[int, int], ...]] = {
    "fast": ((100, 100), (400, 800)),
    "accurate": ((800, 1600),),
}
SAMPLE_SECONDS = 0.01
ROUNDS = 7
Tier = Literal["fast", "accurate", "high"]
TIERS: tuple[Tier, ...] = ("fast", "accurate", "high")
FIVE = ("delta", "gamma", "vega", "theta", "rho")
FAST_MOST, FAST_RMS, HIGH_MOST = 1.6e-3, 2.9e-4, 1e-6
Array = NDArray[np.float64]


def arguments(data: Data) -> list[Any]:
    """Return the arguments of the American functions."""
    names = ("kind", "spot", "strike", "time_to_expiry", "rate", "volatility", "dividend_yield")
    return [data[name] for name in names]


def quoted(data: Data) -> list[Any]:
    """Return the arguments of the inverse functions."""
    names = ("price", "kind", "spot", "strike", "time_to_expiry", "rate", "dividend_yield")
    return [data[name] for name in names]


def dividends(data: Data) -> tuple[Any, Any, Any] | None:
    """Return the dividends of each option, None where there are none."""
    return (data["ex_times"], data["amounts"], data["offsets"]) if "offsets" in data else None


def intrinsic(data: Data) -> Array:
    """Return what exercise at once pays."""
    value: Array = np.maximum(data["kind"] * (data["spot"] - data["strike"]), 0.0)
    return value


def repeated(job: Callable[[], Any]) -> SelfTimed:
    """Return `job`, timed over as many calls as fill a sample."""
    calls = 0

    def call() -> tuple[Any, float]:
        nonlocal calls
        if not calls:
            start = time.process_time()
            result = job()
            calls = 1 + int(SAMPLE_SECONDS / max(time.process_time() - start, 1e-6))
        start = time.process_time()
        for _ in range(calls):
            result = job()
        return result, (time.process_time() - start) / calls

    return SelfTimed(call)


def scaled(contender: SelfTimed, factor: float) -> SelfTimed:
    """Return a contender on a part of the options, its time scaled to all."""

    def call() -> tuple[Any, float]:
        result, seconds = contender.call()
        return result, seconds * factor

    return SelfTimed(call)


def errors(found: Array, exact: Array) -> tuple[float, float]:
    """Return the largest error and the root of the mean square."""
    gap = np.abs(found - exact)
    assert np.isfinite(gap).all(), "not every option has an answer"
    return float(gap.max()), float(np.sqrt(np.mean(gap * gap)))


def described(who: str, found: tuple[float, float]) -> str:
    """Return errors as a note."""
    return f"{who}: error at most {found[0]:.1e}, rms {found[1]:.1e}"


class Contest:
    """QuantLib's process, and what it answers once."""

    def __init__(self, process: PeerProcess) -> None:
        self.process = process

    def answer(self, job: str, prefix: str, data: Data) -> dict[str, Array]:
        """Return the answers of a job that is not timed."""
        found: dict[str, Array] = self.process.contender(job, prefix, data).call()[0]
        return found

    def row(
        self, name: str, ours: Callable[[], Any], peers: dict[str, Contender], check: Any, items: int
    ) -> Row:
        """Compare; `check` asserts and returns notes for the table."""
        notes: list[str] = []
        found = compare(
            name, repeated(ours), peers, lambda results: notes.extend(check(results)),
            items=items, rounds=ROUNDS, clock=time.process_time,
        )  # fmt: skip
        found.notes.extend(notes)
        print(f"  done: {name}", flush=True)
        return found


def check_prices(tier: str, exact: Array) -> Callable[[dict[str, Any]], list[str]]:
    """Return a check of a tier's errors on the set: fast in absolute terms, accurate against the peer's."""

    def check(results: dict[str, Any]) -> list[str]:
        ours = errors(results["ours"], exact)
        notes = [described("ours", ours)]
        for who, found in results.items():
            if who == "ours":
                continue
            theirs = errors(found["price"], exact[: len(found["price"])])
            notes.append(described(who, theirs))
            if tier == "accurate":
                assert ours[0] <= theirs[0], f"largest error {ours[0]}, {who} has {theirs[0]}"
                assert ours[1] <= theirs[1], f"rms {ours[1]}, {who} has {theirs[1]}"
        if tier == "fast":
            assert ours[0] <= FAST_MOST, f"largest error {ours[0]}"
            assert ours[1] <= FAST_RMS, f"rms {ours[1]}"
        if tier == "high":
            assert ours[0] <= HIGH_MOST, f"largest error {ours[0]}"
        return notes

    return check


def group_notes(contest: Contest) -> list[str]:
    """Check the tiers on the other groups, and return their errors."""
    notes = []
    for group, limits in GROUPS.items():
        data = american_options(GROUP_SIZE, 3, **limits)
        exact = contest.answer("price exact", group, data)["price"]
        for tier in TIERS:
            found = errors(american_price(*arguments(data), tier=tier), exact)
            most = HIGH_MOST if tier == "high" else FAST_MOST
            assert found[0] <= most, f"{group}, {tier}: error {found[0]}"
            notes.append(described(f"ours, {group}, {tier}", found))
    data = american_options(GROUP_SIZE, 3, **DOUBLE_BOUNDARY)
    exact = american_price(*arguments(data), tier="high")
    coarse, fine = (
        finite_difference_price(*arguments(data), space_steps=2 * steps, time_steps=steps)
        for steps in (400, 800)
    )
    independent = errors(exact, fine + (fine - coarse) / 3.0)
    assert independent[0] <= 5e-4, f"double boundary, high, against finite differences: {independent[0]}"
    notes.append(described("ours, double boundary, high, against our finite differences", independent))
    for tier in TIERS[:2]:
        found = errors(american_price(*arguments(data), tier=tier), exact)
        assert found[0] <= FAST_MOST, f"double boundary, {tier}: error {found[0]}"
        notes.append(described(f"ours, double boundary, {tier}, against high", found))
    return notes


def price_rows(contest: Contest, data: Data) -> list[Row]:
    """Compare the tiers with QdFp's schemes."""
    exact = contest.answer("price exact", "set", data)["price"]
    rows, out = [], np.empty(len(exact))
    for tier in TIERS:
        name = f"QuantLib QdFp {tier}"
        size = HIGH_SIZE if tier == "high" else SIZE
        theirs = contest.process.contender(f"price {tier}", f"set {size}", chosen(data, np.arange(size)))
        peers: dict[str, Contender] = {name: scaled(theirs, SIZE / size)}
        job = lambda tier=tier: american_price(*arguments(data), tier=tier, out=out)  # noqa: E731
        check = check_prices(tier, exact)
        rows.append(contest.row(f"price, {tier}, out=", job, peers, check, len(exact)))
    rows[-1].notes.extend(group_notes(contest))
    return rows


def greek_row(contest: Contest, data: Data) -> Row:
    """Compare the Greeks with seven prices of QdFp."""
    exact = contest.answer("greeks high", "set", data)
    # A difference across the boundary mixes the Greeks of both sides.
    near = american_greeks(*arguments(data), tier="high")
    spots = [data["spot"] * (1.0 + move) for move in (-2e-3, 2e-3)]
    sides = [american_price(data["kind"], spot, *arguments(data)[2:], tier="high") for spot in spots]
    outside = np.logical_and.reduce(
        [
            side > data["kind"] * (spot - data["strike"]) + 1e-9
            for side, spot in zip(sides, spots, strict=True)
        ]
    )
    out = american_greeks(*arguments(data))

    def check(results: dict[str, Any]) -> list[str]:
        notes = [f"{outside.sum()} of {len(outside)} options are not at the boundary or beyond it"]
        for name in FIVE:
            scale = np.abs(exact[name][outside]).max()
            differences = errors(getattr(near, name)[outside] / scale, exact[name][outside] / scale)
            assert differences[0] <= 1e-3, f"our {name} (high) and its difference are {differences[0]} apart"
            for who, found in results.items():
                values = found[name] if isinstance(found, dict) else getattr(found, name)
                error = errors(values[outside] / scale, getattr(near, name)[outside] / scale)
                if who == "ours":
                    assert error[0] <= 1e-2, f"our {name} (fast) is {error[0]} off"
                notes.append(described(f"{who}, {name} of its largest", error))
        return notes

    peers: dict[str, Contender] = {
        "QuantLib QdFp fast, 7 prices": contest.process.contender("greeks fast", "set", data)
    }
    job = lambda: american_greeks(*arguments(data), tier="fast", out=out)  # noqa: E731
    return contest.row("price + 5 Greeks (we: 8), fast, out=", job, peers, check, len(outside))


def quotable(data: Data, size: int) -> Data:
    """Return the first options that are worth clearly more than exercise at once, with their prices.

    What is worth no more has no single volatility.
    """
    price = american_price(*arguments(data), dividends=dividends(data), tier="high")
    keep = np.flatnonzero(price > intrinsic(data) + 1e-2)[:size]
    return chosen(data | {"price": price}, keep)


def check_implied(data: Data) -> Callable[[dict[str, Any]], list[str]]:
    """Return a check: our price at our volatility is the quote, all volatilities are near the true one."""

    def check(results: dict[str, Any]) -> list[str]:
        ours = results["ours"].volatility
        own = american_price(*arguments(data | {"volatility": ours}), dividends=dividends(data), tier="fast")
        miss = errors(own / data["price"], np.ones(len(own)))[0]
        assert miss <= 1e-6, f"our price at our volatility is {miss} off the quote"
        notes = [f"ours: own price meets the quote within {miss:.1e} of it"]
        for who, found in results.items():
            values = found["volatility"] if isinstance(found, dict) else ours
            off = np.abs(values - data["volatility"][: len(values)])
            solved = off[np.isfinite(off)]
            assert len(solved) >= (0.95 if isinstance(found, dict) else 1.0) * len(off), f"{who}: failures"
            assert np.median(solved) <= 1e-3, f"{who}: volatilities are {np.median(solved)} off"
            notes.append(
                f"{who}: {len(off) - len(solved)} of {len(off)} failed, volatility at most {solved.max():.1e}"
                f" off the true one, rms {np.sqrt(np.mean(solved**2)):.1e}"
            )
        return notes

    return check


def implied_row(contest: Contest, data: Data) -> Row:
    """Compare implied volatilities with Brent's search."""
    quotes = quotable(data, len(data["kind"]))
    out = american_implied_volatility(*quoted(quotes), tier="fast")
    peers: dict[str, Contender] = {
        "QuantLib QdFp fast, Brent": contest.process.contender("implied", "quotes", quotes)
    }
    job = lambda: american_implied_volatility(*quoted(quotes), tier="fast", out=out)  # noqa: E731
    size = len(quotes["kind"])
    return contest.row("implied volatility, fast, out=", job, peers, check_implied(quotes), size)


def contracts_row(contest: Contest, data: Data, name: str, job: str, peer: str, part: int) -> Row:
    """Compare volatilities and Greeks of a list of contracts in one call; the peer gets a part of it."""
    contracts = quotable(data, CONTRACTS)
    schedule = dividends(contracts)
    out = american_implied_greeks(*quoted(contracts), dividends=schedule, tier="fast")
    theirs = contest.process.contender(job, name, chosen(contracts, np.arange(part)))
    row = contest.row(
        f"2,000 contracts, IV + Greeks, {name}",
        lambda: american_implied_greeks(*quoted(contracts), dividends=schedule, tier="fast", out=out),
        {peer: scaled(theirs, CONTRACTS / part)},
        check_implied(contracts),
        CONTRACTS,
    )
    row.notes.insert(0, f"the call takes {row.seconds * 1e3:.1f} ms")
    return row


def cash_price_rows(contest: Contest) -> list[Row]:
    """Compare prices under cash dividends with QuantLib's finite differences on the named grids."""
    data = cash_options(CASH_SIZE, 7)
    schedule, out = dividends(data), np.empty(CASH_SIZE)
    high = american_price(*arguments(data), dividends=schedule, tier="high")
    independent = errors(high, contest.answer("cash exact", "cash", data)["price"])
    assert independent[0] <= 1.5e-3, f"cash dividends, high, against QuantLib: {independent[0]}"

    def check(results: dict[str, Any]) -> list[str]:
        notes = [described("truth is our high tier; against QuantLib's grids, extrapolated", independent)]
        for who, found in results.items():
            error = errors(found["price"] if isinstance(found, dict) else found, high)
            assert error[0] <= (4e-3 if who == "ours" else 0.1), f"{who}: {error[0]} off"
            notes.append(described(who, error))
        return notes

    rows = []
    for tier, grids in CASH_GRIDS.items():
        peers: dict[str, Contender] = {
            f"QuantLib grid {times} x {spots}": contest.process.contender(
                f"cash {times} {spots}", "cash", data
            )
            for times, spots in grids
        }
        job = lambda tier=tier: american_price(  # noqa: E731
            *arguments(data), dividends=schedule, tier=tier, out=out
        )
        rows.append(contest.row(f"price, cash dividends, {tier}, out=", job, peers, check, CASH_SIZE))
    return rows


def rows() -> list[Row]:
    """Run all American comparisons."""
    data = american_options(SIZE, 3)
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})  # the peer's process inherits it
    try:
        with PeerProcess("quantlib") as process:
            if process.missing:
                return [Row("all", 1, 0.0, skipped={"QuantLib": process.missing})]
            contest = Contest(process)
            return [
                *price_rows(contest, data),
                greek_row(contest, data),
                implied_row(contest, data),
                contracts_row(
                    contest, american_options(2 * CONTRACTS, 5), "fast", "implied greeks",
                    "QuantLib QdFp fast, Brent, 7 prices", 200,
                ),
                *cash_price_rows(contest),
                contracts_row(
                    contest, cash_options(2 * CONTRACTS, 11), "cash dividends, fast",
                    "cash implied greeks 400 800", "QuantLib grid 400 x 800, Brent, 3 prices", 4,
                ),
            ]  # fmt: skip
    finally:
        os.sched_setaffinity(0, allowed)
