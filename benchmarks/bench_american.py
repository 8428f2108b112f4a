"""American price, Greeks and implied volatility against QuantLib, on one core.

QuantLib runs in a process of its own, its objects built beforehand; of an option only the quotes move. All
times are CPU times of processes held to one core, medians of interleaved rounds. Spots are 100, so errors
are per 100 of spot.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.american_data import (
    DOUBLE_BOUNDARY,
    GROUP_SIZE,
    GROUPS,
    Data,
    american_options,
    cash_options,
    first,
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
CONTRACTS_OF_PEER, CASH_CONTRACTS_OF_PEER = 200, 10  # what QuantLib gets, scaled up
SAMPLE_SECONDS = 0.01
ROUNDS = 7
TIERS = ("fast", "accurate", "high")
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


def dividends(data: Data) -> tuple[Any, Any, Any]:
    """Return the dividends of each option."""
    return data["ex_times"], data["amounts"], data["offsets"]


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
    """Return a check of the errors of a tier on the set: fast in absolute terms, accurate against the peer's."""

    def check(results: dict[str, Any]) -> list[str]:
        ours = errors(results["ours"], exact)
        notes = [described("ours", ours)]
        for who, found in results.items():
            if who == "ours":
                continue
            theirs = errors(found["price"], exact)
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


def price_rows(contest: Contest, data: Data, exact: Array) -> list[Row]:
    """Compare the tiers with QdFp's schemes."""
    rows, out = [], np.empty(len(exact))
    for tier in TIERS:
        name = f"QuantLib QdFp {tier}"
        peers: dict[str, Contender] = {name: contest.process.contender(f"price {tier}", "set", data)}
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
        [side > data["kind"] * (spot - data["strike"]) + 1e-9 for side, spot in zip(sides, spots, strict=True)]
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


def with_quotes(data: Data, **more: Any) -> Data:
    """Return the options whose price is above the intrinsic value, and so has one volatility."""
    price = american_price(*arguments(data), tier="high", **more)
    return data | {"price": price}


def above_intrinsic(data: Data) -> Data:
    """Return the options whose time value is above 1 % of the spot's hundredth."""
    keep = data["price"] > intrinsic(data) + 1e-2
    return {name: np.ascontiguousarray(column[keep]) for name, column in data.items()}


def check_implied(
    data: Data, reprice: Callable[[Array], Array], most_apart: float
) -> Callable[[dict[str, Any]], list[str]]:
    """Return a check: our own price at our volatility is the quote, the peer's volatility is about ours."""

    def check(results: dict[str, Any]) -> list[str]:
        volatility = results["ours"].volatility
        misses = np.abs(reprice(volatility) / data["price"] - 1.0)
        assert np.isfinite(misses).all(), f"{(~np.isfinite(misses)).sum()} of our volatilities are missing"
        assert misses.max() <= 1e-6, f"our price at our volatility is {misses.max()} off"
        off = np.abs(volatility - data["volatility"])
        notes = [
            f"ours: own price met within {misses.max():.1e} of itself,"
            f" volatility at most {off.max():.1e} off, rms {np.sqrt(np.mean(off * off)):.1e}"
        ]
        for who, found in results.items():
            if who == "ours":
                continue
            theirs = found["volatility"]
            gap = np.abs(theirs - data["volatility"][: len(theirs)])
            failed = ~np.isfinite(gap)
            assert failed.mean() < 0.05, f"{who}: {failed.sum()} failures"
            assert np.median(gap[~failed]) <= most_apart, f"{who}: {np.median(gap[~failed])} off"
            notes.append(
                f"{who}: {failed.sum()} of {len(gap)} failed, volatility at most {np.max(gap[~failed]):.1e} off,"
                f" rms {np.sqrt(np.mean(gap[~failed] ** 2)):.1e}"
            )
        return notes

    return check


def implied_rows(contest: Contest, data: Data) -> list[Row]:
    """Compare implied volatilities, alone and with Greeks for a list of contracts in one call."""
    quotes = above_intrinsic(with_quotes(data))
    check = check_implied(
        quotes, lambda v: american_price(*arguments(quotes | {"volatility": v}), tier="fast"), 1e-3
    )
    out = american_implied_volatility(*quoted(quotes), tier="fast")
    peers: dict[str, Contender] = {
        "QuantLib QdFp fast, Brent": contest.process.contender("implied", "quotes", quotes)
    }
    job = lambda: american_implied_volatility(*quoted(quotes), tier="fast", out=out)  # noqa: E731
    rows = [contest.row("implied volatility, fast, out=", job, peers, check, len(quotes["price"]))]

    contracts = above_intrinsic(with_quotes(american_options(CONTRACTS * 3 // 2, 5)))
    contracts = first(contracts, CONTRACTS)
    part = first(contracts, CONTRACTS_OF_PEER)
    check = check_implied(
        contracts, lambda v: american_price(*arguments(contracts | {"volatility": v}), tier="fast"), 1e-3
    )
    kept = american_implied_greeks(*quoted(contracts), tier="fast")
    whole = contest.process.contender("implied greeks", "contracts", part)
    peers = {"QuantLib QdFp fast, Brent, 7 prices": scaled(whole, CONTRACTS / CONTRACTS_OF_PEER)}
    job = lambda: american_implied_greeks(*quoted(contracts), tier="fast", out=kept)  # noqa: E731
    rows.append(contest.row("2,000 contracts, IV + Greeks, fast, out=", job, peers, check, CONTRACTS))
    return [*rows[:-1], milliseconds(rows[-1])]


def milliseconds(row: Row) -> Row:
    """Add the time of the whole call to a row."""
    row.notes.insert(0, f"one call of ours takes {row.seconds * 1e3:.2f} ms")
    return row


# QuantLib's grids (time steps, space steps) that come nearest to our tiers' errors from above.
CASH_GRIDS = {"fast": (50, 100), "accurate": (100, 400)}


def cash_rows(contest: Contest) -> list[Row]:
    """Compare prices, and the volatilities and Greeks of a list, under cash dividends."""
    data = cash_options(CASH_SIZE, 7)
    exact = contest.answer("cash exact", "cash", data)["price"]
    high = american_price(*arguments(data), dividends=dividends(data), tier="high")
    independent = errors(high, exact)
    assert independent[0] <= 1e-3, f"cash dividends, high, against QuantLib's grids: {independent[0]}"
    rows, out = [], np.empty(CASH_SIZE)
    for tier, (time_steps, space_steps) in CASH_GRIDS.items():
        name = f"QuantLib grid {time_steps} x {space_steps}"

        def check(results: dict[str, Any]) -> list[str]:
            notes = []
            for who, found in results.items():
                error = errors(found["price"] if isinstance(found, dict) else found, high)
                assert error[0] <= (4e-3 if who == "ours" else 0.1), f"{who}: {error[0]}"
                notes.append(described(who, error))
            return notes

        peers: dict[str, Contender] = {
            name: contest.process.contender(f"cash {time_steps} {space_steps}", "cash", data)
        }
        job = lambda tier=tier: american_price(  # noqa: E731
            *arguments(data), dividends=dividends(data), tier=tier, out=out
        )
        rows.append(contest.row(f"price, cash dividends, {tier}, out=", job, peers, check, CASH_SIZE))
    rows[0].notes.append(described("truth: our high tier, against QuantLib's extrapolated grids", independent))

    contracts = cash_options(CONTRACTS, 11)
    contracts |= {"price": american_price(*arguments(contracts), dividends=dividends(contracts), tier="high")}
    assert (contracts["price"] > intrinsic(contracts)).any()
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
            exact = contest.answer("price exact", "set", data)["price"]
            found = price_rows(contest, data, exact)
            found.append(greek_row(contest, data))
            return found + implied_rows(contest, data) + cash_rows(contest)
    finally:
        os.sched_setaffinity(0, allowed)
