"""European price, Greeks and implied volatility against the libraries that people use, on one core.

All times are CPU times of processes held to one core, medians of interleaved rounds. The limit is our kernel
called from C++ on 4096 options that stay in cache, timed in the same rounds.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import QuantLib as ql  # noqa: N813
from numpy.typing import NDArray
from scipy.special import ndtr

from benchmarks import native
from benchmarks.harness import Contender, Row, SelfTimed, compare
from benchmarks.peer_process import PeerProcess
from benchmarks.pricing_data import Data, hard_grid, listed_book, options, random_options
from optionsib import greeks, implied_volatility, price

SIZE = 1_000_000
LOOP_SIZE = 20_000  # what a loop over objects gets, scaled up: a million of them would take minutes
FIVE = ("delta", "gamma", "vega", "theta", "rho")
SCALAR_CALLS = 20_000
PEERS = {
    "oneMKL recipe": ("peers", "onemkl {}"),
    "oneMKL recipe, tuned": ("peers", "onemkl {} tuned"),
    "numba": ("peers", "numba {}"),
    "fast-vollib jax": ("peers", "fast_vollib {} jax"),
    "fast-vollib numpy": ("peers", "fast_vollib {} numpy"),
    "pyfeng": ("peers", "pyfeng {}"),
    "py_vollib_vectorized": ("vollib", "{}"),
    "voltic 0.1": ("voltic", "{}"),
}
TAKES_OUT = ("oneMKL recipe", "oneMKL recipe, tuned", "numba")
Array = NDArray[np.float64]


class Contest:
    """Everybody who competes: the peers' processes and the C++ programs."""

    def __init__(self, processes: Mapping[str, PeerProcess], programs: Path, size: int) -> None:
        self.processes, self.programs, self.size = processes, programs, size

    def peers(
        self, work: str, prefix: str, data: Data, names: tuple[str, ...], *, out: bool = False
    ) -> tuple[dict[str, Contender], dict[str, str]]:
        """Return the contenders for `work` on `data`, and why the others do not run."""
        found: dict[str, Contender] = {}
        skipped: dict[str, str] = {}
        for name in names:
            place, pattern = PEERS[name]
            if self.processes[place].missing:
                skipped[name] = self.processes[place].missing
                continue
            job = pattern.format(work) + (" out=" if out and name in TAKES_OUT else "")
            found[name] = self.processes[place].contender(job, prefix, data)
        return found, skipped

    def limit(self, kernel: str) -> SelfTimed:
        """Return the kernel's time from C++, scaled to the size of the contest."""

        def call() -> tuple[None, float]:
            found = native.kernel_benchmark(self.programs, "limits", "9", kernel)
            return None, found["kernels"][kernel]["ns"] * 1e-9 * self.size

        return SelfTimed(call)

    def looped(self, make: Callable[[Data], Callable[[], Any]], data: Data) -> SelfTimed:
        """Return a loop over the first options, its time scaled to all."""
        count = min(LOOP_SIZE, self.size)
        job = make({name: column[:count] for name, column in data.items()})

        def call() -> tuple[Any, float]:
            start = time.process_time()
            result = job()
            return result, (time.process_time() - start) * self.size / count

        return SelfTimed(call)

    def row(
        self, name: str, ours: Contender, peers: tuple[dict[str, Contender], dict[str, str]], check: Any
    ) -> Row:
        """Compare with CPU times; `check` may return notes for the table."""
        notes: list[str] = []
        found = compare(
            name, ours, peers[0], lambda results: notes.extend(check(results) or ()),
            items=self.size, skipped=peers[1], clock=time.process_time,
        )  # fmt: skip
        found.notes.extend(notes)
        print(f"  done: {name}", flush=True)
        return found


def numpy_price(data: Data) -> Array:
    """Price by NumPy and scipy's normal distribution, each operation a pass over memory."""
    w, s, k, t, r, v, q = options(data)
    total = v * np.sqrt(t)
    d1 = (np.log(s / k) + (r - q) * t) / total + 0.5 * total
    value: Array = w * (s * np.exp(-q * t) * ndtr(w * d1) - k * np.exp(-r * t) * ndtr(w * (d1 - total)))
    return value


def numpy_greeks(data: Data) -> dict[str, Array]:
    """Price and the five common Greeks by NumPy and scipy."""
    w, s, k, t, r, v, q = options(data)
    root = np.sqrt(t)
    total = v * root
    d1 = (np.log(s / k) + (r - q) * t) / total + 0.5 * total
    spot, strike = s * np.exp(-q * t), k * np.exp(-r * t)
    n1, n2 = ndtr(w * d1), ndtr(w * (d1 - total))
    density = np.exp(-0.5 * d1 * d1) / math.sqrt(2 * math.pi)
    return {
        "price": w * (spot * n1 - strike * n2),
        "delta": w * spot / s * n1,
        "gamma": spot * density / (s * s * total),
        "vega": spot * density * root,
        "theta": -spot * density * v / (2 * root) + w * (q * spot * n1 - r * strike * n2),
        "rho": w * strike * t * n2,
    }


def _quantlib_terms(data: Data) -> list[tuple[int, float, float, float, float, float]]:
    w, s, k, t, r, v, q = options(data)
    kinds = np.where(w > 0, ql.Option.Call, ql.Option.Put)
    columns = (kinds, k, s * np.exp((r - q) * t), v * np.sqrt(t), np.exp(-r * t), t)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def quantlib_price(data: Data) -> Callable[[], Array]:
    """Return a loop over QuantLib's blackFormula; forwards and discounts are given for free."""
    terms = [term[:5] for term in _quantlib_terms(data)]
    return lambda: np.array([ql.blackFormula(*term) for term in terms])


def quantlib_greeks(data: Data) -> Callable[[], dict[str, Array]]:
    """Return a loop over QuantLib's BlackCalculator."""
    terms, spots = _quantlib_terms(data), data["spot"].tolist()

    def loop() -> dict[str, Array]:
        rows = []
        for (kind, strike, forward, deviation, discount, t), spot in zip(terms, spots, strict=True):
            c = ql.BlackCalculator(ql.PlainVanillaPayoff(kind, strike), forward, deviation, discount)
            rows.append((c.value(), c.delta(spot), c.gamma(spot), c.vega(t), c.theta(spot, t), c.rho(t)))
        return dict(zip(("price", *FIVE), np.array(rows).T, strict=True))

    return loop


def quantlib_implied(data: Data) -> Callable[[], Array]:
    """Return a loop over QuantLib's rational implied standard deviation (LiRS); NaN where it gives up."""
    terms = _quantlib_terms(data)
    quotes = data["price"].tolist()

    def one(kind: int, strike: float, forward: float, discount: float, t: float, quote: float) -> float:
        try:
            # displacement 0, no guess, relaxation 1, accuracy 1e-10, 100 iterations
            null = ql.nullDouble()
            found = ql.blackFormulaImpliedStdDevLiRS(
                kind, strike, forward, quote, discount, 0.0, null, 1.0, 1e-10, 100
            )
        except RuntimeError:
            return math.nan
        return float(found) / math.sqrt(t)

    def loop() -> Array:
        rows = zip(terms, quotes, strict=True)
        return np.array([one(k, x, f, d, t, quote) for (k, x, f, _, d, t), quote in rows])

    return loop


def check_prices(data: Data) -> Callable[[dict[str, Any]], None]:
    """Every contender's price within 1e-9 of the spot of ours, and ours within 1e-13 of scipy's."""

    def check(results: dict[str, Any]) -> None:
        ours = results["ours"]
        scale = np.maximum(data["spot"], data["strike"])
        assert (np.abs(ours - numpy_price(data)) <= 1e-13 * scale).all(), "our prices are wrong"
        for who, found in results.items():
            if found is None:
                continue  # the limit: timed from C++
            values = found["price"] if isinstance(found, dict) else found
            count = len(values)
            assert (np.abs(values - ours[:count]) <= 1e-9 * scale[:count]).all(), f"{who}: prices differ"

    return check


# In which unit a peer gives a Greek (times this it is raw), and how far it may be off, of the largest value.
# py_vollib_vectorized works with dividends by finite differences: theta is the change over one day and rho
# moves the dividend yield along, so neither is comparable.
DESK = {"theta": 365.0, "vega": 100.0, "rho": 100.0}
GREEK_UNITS = {"fast-vollib jax": DESK, "fast-vollib numpy": DESK, "py_vollib_vectorized": DESK}
GREEK_LIMITS = {"py_vollib_vectorized": {"delta": 1e-4, "gamma": 1e-4, "vega": 1e-2}}


def check_greeks(data: Data) -> Callable[[dict[str, Any]], None]:
    """Compare delta, gamma, vega, theta and rho: ours with NumPy's, every peer's with ours."""

    def check(results: dict[str, Any]) -> None:
        ours = results["ours"].to_dict()
        exact = numpy_greeks(data)
        for name in FIVE:
            scale = np.abs(exact[name]).max()
            assert (np.abs(ours[name] - exact[name]) <= 1e-11 * scale).all(), f"our {name} is wrong"
            for who, found in results.items():
                limits = GREEK_LIMITS.get(who, dict.fromkeys(FIVE, 1e-10))
                if who == "ours" or found is None or name not in limits:
                    continue
                values = found[name] * GREEK_UNITS.get(who, {}).get(name, 1.0)
                gap = np.abs(values - ours[name][: len(values)]).max()
                assert gap <= limits[name] * scale, f"{who}: {name} differs by {gap / scale}"

    return check


def check_volatilities(data: Data, *, forward_form: bool) -> Callable[[dict[str, Any]], list[str]]:
    """Ours right everywhere: 2e-14 in forward form, else what rounding allows. Peers' failures are counted.

    A failure is a NaN or an error above 1e-6. The price determines the volatility to about
    eps (price + the rounding of S and K) / (vega vol): that amplification is allowed to us in spot form.
    """
    v = data["volatility"]
    exact = numpy_greeks(data)
    with np.errstate(divide="ignore", over="ignore"):
        amplification = (np.abs(data["price"]) + data["spot"] + data["strike"]) / (exact["vega"] * v)

    def check(results: dict[str, Any]) -> list[str]:
        notes = []
        for who, found in results.items():
            if found is None:
                continue
            values = getattr(found, "volatility", found)
            values = values["volatility"] if isinstance(values, dict) else values
            error = np.abs(values / v[: len(values)] - 1)
            failed = ~(error <= 1e-6)
            worst = np.max(error[~failed], initial=0.0)
            notes.append(f"{who}: {failed.mean():.4%} failures, else at most {worst:.1e} off")
            if who.startswith("ours"):
                allowed = np.full(len(v), 2e-14) if forward_form else 2.3e-16 * (4 + amplification)
                assert not failed.any(), f"{failed.sum()} of our volatilities are wrong"
                assert (error <= allowed).all(), f"our volatility is off by {worst}"
            else:
                assert failed.mean() < 0.6, f"{who}: {failed.mean():.0%} wrong; is it called rightly?"
        return notes

    return check


def check_answered(results: dict[str, Any]) -> None:
    """Nothing to compare with: the values were asserted in an earlier row."""
    assert np.isfinite(results["ours"]).all()


def _price_rows(contest: Contest, data: Data) -> list[Row]:
    names = (*TAKES_OUT, "fast-vollib jax", "fast-vollib numpy", "pyfeng", "py_vollib_vectorized")
    arguments, out = options(data), np.empty(contest.size)
    others: dict[str, Contender] = {
        "NumPy + scipy ndtr": lambda: numpy_price(data),
        "QuantLib loop": contest.looped(quantlib_price, data),
    }
    fresh, skipped = contest.peers("price", "random", data, names)
    kept, _ = contest.peers("price", "random", data, names, out=True)
    check = check_prices(data)
    return [
        contest.row("price", lambda: price(*arguments), (fresh | others, skipped), check),
        contest.row(
            "price, out=", lambda: price(*arguments, out=out),
            (kept | {"limit: C++": contest.limit("price")}, skipped), check,
        ),
    ]  # fmt: skip


def _greek_rows(contest: Contest, data: Data) -> list[Row]:
    names = (*TAKES_OUT, "fast-vollib jax", "fast-vollib numpy", "py_vollib_vectorized")
    arguments = options(data)
    out, six = greeks(*arguments), np.empty((6, data["spot"].size))
    others: dict[str, Contender] = {
        "NumPy + scipy ndtr": lambda: numpy_greeks(data),
        "QuantLib loop": contest.looped(quantlib_greeks, data),
    }
    limits: dict[str, Contender] = {
        "limit: C++, 6 columns": contest.limit("price + 5 Greeks"),
        "limit: C++, 9 columns": contest.limit("Greeks of order 1"),
    }
    fresh, skipped = contest.peers("greeks", "random", data, names)
    kept, _ = contest.peers("greeks", "random", data, names, out=True)
    check = check_greeks(data)
    return [
        contest.row("price + 5 Greeks (we: 8)", lambda: greeks(*arguments), (fresh | others, skipped), check),
        contest.row(
            "price + 5 Greeks, out=", lambda: greeks(*arguments, out=six), (kept | limits, skipped), check
        ),
        contest.row("price + 8 Greeks, out=", lambda: greeks(*arguments, out=out), (limits, {}), check),
    ]


def _implied_rows(contest: Contest, data: Data, name: str, kernel: str) -> list[Row]:
    names = ("pyfeng", "fast-vollib jax", "py_vollib_vectorized", "voltic 0.1")
    kind, spot, strike, expiry, rate, volatility, dividend = options(data)
    arguments = (data["price"], kind, spot, strike, expiry, rate, dividend)
    found, skipped = contest.peers("implied_volatility", name, data, names)
    found |= {"QuantLib LiRS loop": contest.looped(quantlib_implied, data)}
    out, cold = implied_volatility(*arguments), implied_volatility(*arguments)
    check = check_volatilities(data, forward_form=name == "hard grid")
    rows = [
        contest.row(
            f"implied volatility, {name}", lambda: implied_volatility(*arguments), (found, skipped), check
        ),
        contest.row(
            f"implied volatility, {name}, out=", lambda: implied_volatility(*arguments, out=out),
            ({"limit: C++": contest.limit(kernel)}, {}), check,
        ),
    ]  # fmt: skip
    if name == "listed book":
        last = volatility * np.random.default_rng(3).uniform(0.98, 1.02, contest.size)
        rows.append(
            contest.row(
                "implied volatility, warm, out=",
                lambda: implied_volatility(*arguments, guess=last, out=out),
                ({
                    "ours, cold": lambda: implied_volatility(*arguments, out=cold),
                    "limit: C++": contest.limit(f"{kernel}, warm"),
                }, {}),
                check,
            )
        )  # fmt: skip
    return rows


def _far_wing_row(size: int) -> Row:
    """Options beyond the kernel's table, where the start is found by bisection and a guess pays."""
    draw = np.random.default_rng(4)
    x = draw.uniform(14, 100, size)
    volatility = x / draw.uniform(0.5, 6, size)
    forward, strike = np.exp(-0.5 * x), np.exp(0.5 * x)
    quotes = price("call", forward, strike, 1.0, 0.0, volatility, model="black76")
    keep = forward - quotes > 1e-6 * forward
    arguments = (quotes[keep], "call", forward[keep], strike[keep], 1.0, 0.0)
    exact, last = volatility[keep], volatility[keep] * draw.uniform(0.98, 1.02, int(keep.sum()))
    out, cold = np.empty_like(exact), np.empty_like(exact)

    def check(results: dict[str, Any]) -> None:
        for who, found in results.items():
            assert (np.abs(found.volatility / exact - 1) <= 1e-9).all(), f"{who}: wrong"

    return compare(
        "implied volatility, |ln F/K| > 13, warm, out=",
        lambda: implied_volatility(*arguments, model="black76", guess=last, out=out),
        {"ours, cold": lambda: implied_volatility(*arguments, model="black76", out=cold)},
        check, items=len(exact), clock=time.process_time,
    )  # fmt: skip


def _scalar_rows(contest: Contest) -> list[Row]:
    """One call with Python floats: price and Greeks of a single option."""
    s, k, t, r, v, q = option = (42.0, 40.0, 0.5, 0.10, 0.20, 0.0)
    names = ("kind", "spot", "strike", "time_to_expiry", "rate", "volatility", "dividend_yield")
    one = {name: np.array([value]) for name, value in zip(names, (1.0, *option), strict=True)}
    term = (ql.Option.Call, 40.0, 42.0 * math.exp(0.05), 0.2 * math.sqrt(0.5), math.exp(-0.05))

    def ours(kind: str | int) -> Callable[[], Any]:
        def loop() -> Any:
            for _ in range(SCALAR_CALLS):
                found = greeks(kind, s, k, t, r, v, q)
            return {name: getattr(found, name) for name in ("price", *FIVE)}

        return loop

    def quantlib() -> dict[str, float]:
        for _ in range(SCALAR_CALLS // 10):
            c = ql.BlackCalculator(ql.PlainVanillaPayoff(term[0], term[1]), *term[2:])
            values = (c.value(), c.delta(42.0), c.gamma(42.0), c.vega(0.5), c.theta(42.0, 0.5), c.rho(0.5))
        return dict(zip(("price", *FIVE), values, strict=True))

    def quantlib_scaled() -> tuple[Any, float]:
        start = time.process_time()
        found = quantlib()
        return found, 10 * (time.process_time() - start)

    def check(results: dict[str, Any]) -> None:
        exact = {name: column[0] for name, column in numpy_greeks(one).items()}
        for who, found in results.items():
            for name in ("price", *FIVE):
                gap = abs(float(np.ravel(found[name])[0]) - exact[name])
                assert gap < 1e-11 * max(1.0, abs(exact[name])), f"{who}: {name} differs"

    rows = []
    for kind in ("call", 1):
        found, skipped = contest.peers("scalar", "one", one, ("numba",))
        found |= {"QuantLib BlackCalculator": SelfTimed(quantlib_scaled)}
        name = f"one call, price + Greeks, kind={kind!r}"
        rows.append(
            compare(
                name, ours(kind), found, check,
                items=SCALAR_CALLS, skipped=skipped, clock=time.process_time,
            )
        )  # fmt: skip
    return rows


def _thread_rows(data: Data, book: Data, size: int) -> list[Row]:
    """Wall time on every CPU against one thread; neighbours on the machine count here."""
    arguments, out = options(data), np.empty(size)
    all_greeks = greeks(*arguments)
    quote = (book["price"], *(book[name] for name in ("kind", "spot", "strike", "time_to_expiry", "rate")))
    jobs: dict[str, Callable[[int], Any]] = {
        "price": lambda threads: price(*arguments, out=out, threads=threads),
        "Greeks of order 1": lambda threads: greeks(*arguments, out=all_greeks, threads=threads)[0],
        "implied volatility, book": lambda threads: (
            implied_volatility(*quote, book["dividend_yield"], threads=threads).volatility
        ),
    }
    return [
        compare(
            f"{name}, {os.cpu_count()} threads", lambda job=job: job(0),
            {"ours, one thread": lambda job=job: job(1)}, check_answered, items=size, rounds=9,
        )
        for name, job in jobs.items()
    ]  # fmt: skip


def rows(size: int = SIZE) -> list[Row]:
    """Run all pricing comparisons."""
    programs = native.build()
    data, book, hard = random_options(size), listed_book(size, programs), hard_grid(size, programs)
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})  # the peers' processes inherit it
    try:
        with PeerProcess("peers") as peers, PeerProcess("vollib") as vollib, PeerProcess("voltic") as voltic:
            contest = Contest({"peers": peers, "vollib": vollib, "voltic": voltic}, programs, size)
            found = _price_rows(contest, data) + _greek_rows(contest, data)
            found += _implied_rows(contest, hard, "hard grid", "implied volatility, hard")
            found += _implied_rows(contest, book, "listed book", "implied volatility, book")
            found.append(_far_wing_row(size // 50))
            found += _scalar_rows(contest)
    finally:
        os.sched_setaffinity(0, allowed)
    return found + _thread_rows(data, book, size)
