"""European price, Greeks and implied volatility against the libraries that people use, on one core."""

from __future__ import annotations

import json
import math
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import QuantLib as ql  # noqa: N813
from numpy.typing import NDArray
from scipy.special import ndtr

from benchmarks.harness import Row, SelfTimed, compare
from optionsib import greeks, implied_volatility, price

ROOT = Path(__file__).resolve().parents[1]
SIZE = 50_000
Array = NDArray[np.float64]
Data = dict[str, Array]
VOLLIB = "py_vollib_vectorized 0.1.1"


def listed_book(size: int) -> Data:
    """Return options as they are listed: |delta| 2 to 60 %, 2 days to 2 years, vol 8 to 90 %."""
    draw = np.random.default_rng(20140606)
    volatility, expiry = draw.uniform(0.08, 0.9, size), draw.uniform(2 / 365, 2, size)
    spot, rate, dividend = (
        draw.uniform(20, 500, size),
        draw.uniform(0, 0.06, size),
        draw.uniform(0, 0.04, size),
    )
    kind = np.where(draw.random(size) < 0.5, 1, -1).astype(np.int8)
    distance = kind * draw.uniform(-0.25, 2.0, size)
    root = volatility * np.sqrt(expiry)
    strike = spot * np.exp((rate - dividend) * expiry + distance * root)
    return _with_price(kind, spot, strike, expiry, rate, volatility, dividend)


def hard_grid(size: int) -> Data:
    """Return out-of-the-money options: F/K 0.2 to 5, 1 day to 5 years, vol 1 to 300 %, price above 1e-290."""
    draw = np.random.default_rng(20260722)
    forward = 100 * np.exp(draw.uniform(math.log(0.2), math.log(5), 2 * size))
    expiry = draw.uniform(1 / 365, 5, 2 * size)
    volatility = np.exp(draw.uniform(math.log(0.01), math.log(3), 2 * size))
    kind = np.where(forward > 100, -1, 1).astype(np.int8)
    zero = np.zeros(2 * size)
    data = _with_price(kind, forward, zero + 100, expiry, zero, volatility, zero)
    keep = np.flatnonzero(data["price"] > 1e-290)[:size]
    return {name: np.ascontiguousarray(column[keep]) for name, column in data.items()}


def _with_price(
    kind: Any, spot: Array, strike: Array, expiry: Array, rate: Array, volatility: Array, dividend: Array
) -> Data:
    quotes = price(kind, spot, strike, expiry, rate, volatility, dividend)
    return {
        "kind": kind, "spot": spot, "strike": strike, "time_to_expiry": expiry, "rate": rate,
        "volatility": volatility, "dividend_yield": dividend, "price": quotes,
    }  # fmt: skip


def options(data: Data) -> list[Array]:
    """Return the arguments of `price` and `greeks`."""
    names = ("kind", "spot", "strike", "time_to_expiry", "rate", "volatility", "dividend_yield")
    return [data[name] for name in names]


def numpy_price(data: Data) -> Array:
    """Price by NumPy and scipy's normal distribution, each operation a pass over memory."""
    w, s, k, t, r, v, q = options(data)
    total = v * np.sqrt(t)
    d1 = (np.log(s / k) + (r - q) * t) / total + 0.5 * total
    return w * (s * np.exp(-q * t) * ndtr(w * d1) - k * np.exp(-r * t) * ndtr(w * (d1 - total)))


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
    discount = np.exp(-r * t)
    columns = (kinds, k, s * np.exp((r - q) * t), v * np.sqrt(t), discount, t)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def quantlib_price(data: Data) -> Callable[[], Array]:
    """Return a loop over QuantLib's blackFormula; forwards and discounts are given for free."""
    terms = [term[:5] for term in _quantlib_terms(data)]
    return lambda: np.array([ql.blackFormula(*term) for term in terms])


def quantlib_greeks(data: Data) -> Callable[[], dict[str, Array]]:
    """Return a loop over QuantLib's BlackCalculator."""
    terms, spots = _quantlib_terms(data), data["spot"].tolist()
    names = ("price", "delta", "gamma", "vega", "theta", "rho")

    def loop() -> dict[str, Array]:
        rows = []
        for (kind, strike, forward, deviation, discount, t), spot in zip(terms, spots, strict=True):
            c = ql.BlackCalculator(ql.PlainVanillaPayoff(kind, strike), forward, deviation, discount)
            rows.append((c.value(), c.delta(spot), c.gamma(spot), c.vega(t), c.theta(spot, t), c.rho(t)))
        return dict(zip(names, np.array(rows).T, strict=True))

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


class VollibProcess:
    """py_vollib_vectorized in its own interpreter, warm, fed through .npy files."""

    def __init__(self) -> None:
        script = ROOT / "scripts" / "bench_env.sh"
        made = subprocess.run([script], capture_output=True, text=True, check=False)
        self.missing = made.stderr.strip().splitlines()[-1:] or ["set-up failed"] if made.returncode else []
        self._folder = tempfile.TemporaryDirectory()
        self._process: subprocess.Popen[str] | None = None
        if not self.missing:
            self._process = subprocess.Popen(
                [ROOT / "build/bench-venv/bin/python", "-P", "-W", "ignore",
                 ROOT / "benchmarks/peers/py_vollib_vectorized.py", self._folder.name],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip

    def __enter__(self) -> VollibProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.communicate()
        self._folder.cleanup()

    def peers(self, job: str, prefix: str, data: Data) -> tuple[dict[str, Any], dict[str, str]]:
        """Return the contender for `job` on `data`, or the reason why there is none."""
        if self._process is None:
            reason = f"scripts/bench_env.sh failed: {self.missing[0]}"
            print(f"!!! {VOLLIB} DOES NOT RUN: {reason}")
            return {}, {VOLLIB: reason}
        for name, column in data.items():
            np.save(Path(self._folder.name) / f"{prefix}_{name}.npy", column)
        return {VOLLIB: SelfTimed(lambda: self._call(job, prefix))}, {}

    def _call(self, job: str, prefix: str) -> tuple[dict[str, Array], float]:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise RuntimeError("the peer process is not running")
        process.stdin.write(json.dumps({"job": job, "inputs": prefix}) + "\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the peer process ended during {job}")
        files = Path(self._folder.name).glob(f"{prefix}_{job}_*.npy")
        results = {path.stem.removeprefix(f"{prefix}_{job}_"): np.load(path) for path in files}
        return results, json.loads(answer)["seconds"]


def check_prices(data: Data) -> Callable[[dict[str, Any]], None]:
    """Every contender's price within 1e-9 of the spot of ours, and ours within 1e-13 of scipy's."""

    def check(results: dict[str, Any]) -> None:
        ours = results["ours"]
        scale = np.maximum(data["spot"], data["strike"])
        assert (np.abs(ours - numpy_price(data)) <= 1e-13 * scale).all(), "our prices are wrong"
        for who, found in results.items():
            values = found["price"] if isinstance(found, dict) else found
            assert (np.abs(values - ours) <= 1e-9 * scale).all(), f"{who}: prices differ"

    return check


def check_greeks(data: Data) -> Callable[[dict[str, Any]], None]:
    """Compare delta, gamma, vega, theta and rho: ours with NumPy's, every peer's with ours.

    py_vollib_vectorized works with dividends by finite differences: theta is the change over one day and rho
    moves the dividend yield along. Delta and gamma are comparable to 1e-4, vega (per point) to 1e-2.
    """

    def check(results: dict[str, Any]) -> None:
        ours = results["ours"].to_dict()
        exact = numpy_greeks(data)
        for name in ("delta", "gamma", "vega", "theta", "rho"):
            scale = np.abs(exact[name]).max()
            assert (np.abs(ours[name] - exact[name]) <= 1e-11 * scale).all(), f"our {name} is wrong"
            for who, found in results.items():
                if who == VOLLIB and name in ("delta", "gamma", "vega"):
                    values = found[name] * (100.0 if name == "vega" else 1.0)
                    limit = (1e-2 if name == "vega" else 1e-4) * scale
                    assert (np.abs(values - ours[name]) <= limit).all(), f"{who}: {name} differs"
                elif who not in ("ours", VOLLIB):
                    assert (np.abs(found[name] - ours[name]) <= 1e-10 * scale).all(), f"{who}: {name} differs"

    return check


def check_volatilities(data: Data, *, tolerance: float) -> Callable[[dict[str, Any]], None]:
    """Ours within `tolerance` everywhere; a peer's failures are counted and printed, most must be right."""

    def check(results: dict[str, Any]) -> None:
        for who, found in results.items():
            values = found.volatility if who == "ours" else found
            values = values["volatility"] if isinstance(values, dict) else values
            error = np.abs(values / data["volatility"] - 1)
            if who == "ours":
                assert (error <= tolerance).all(), f"our volatility is off by {np.nanmax(error)}"
            else:
                wrong = float(np.mean(~(error <= 1e-6)))
                print(f"    {who}: {wrong:.2%} of the volatilities missing or off by more than 1e-6")
                assert wrong < 0.6, f"{who}: {wrong:.0%} wrong; is it called rightly?"

    return check


def rows() -> list[Row]:
    """Run all pricing comparisons."""
    book, hard = listed_book(SIZE), hard_grid(SIZE)
    out = np.empty(SIZE)
    result = []
    with VollibProcess() as vollib:
        peers, skipped = vollib.peers("price", "book", book)
        peers |= {"NumPy + scipy ndtr": lambda: numpy_price(book), "QuantLib loop": quantlib_price(book)}
        result.append(
            compare(
                "price", lambda: price(*options(book)), peers, check_prices(book), items=SIZE, skipped=skipped
            )
        )
        result.append(
            compare(
                "price, out=",
                lambda: price(*options(book), out=out),
                {"NumPy + scipy ndtr": lambda: numpy_price(book)},
                check_prices(book),
                items=SIZE,
            )
        )
        peers, skipped = vollib.peers("greeks", "book", book)
        peers |= {"NumPy + scipy ndtr (5 Greeks)": lambda: numpy_greeks(book)}
        peers |= {"QuantLib loop (5 Greeks)": quantlib_greeks(book)}
        result.append(
            compare(
                "price + 8 Greeks",
                lambda: greeks(*options(book)),
                peers,
                check_greeks(book),
                items=SIZE,
                skipped=skipped,
            )
        )
        for name, prefix, data, tolerance in (
            ("implied volatility, listed book", "book", book, 2e-12),
            ("implied volatility, hard grid", "hard", hard, 2e-14),
        ):
            peers, skipped = vollib.peers("implied_volatility", prefix, data)
            peers |= {"QuantLib LiRS loop": quantlib_implied(data)}
            kind, spot, strike, expiry, rate, _, dividend = options(data)
            arguments = (data["price"], kind, spot, strike, expiry, rate, dividend)
            result.append(
                compare(
                    name,
                    lambda given=arguments: implied_volatility(*given),
                    peers,
                    check_volatilities(data, tolerance=tolerance),
                    items=SIZE,
                    skipped=skipped,
                )
            )
    result.append(_scalar_row())
    return result


def _scalar_row() -> Row:
    """One call with Python floats: price and Greeks of a single option."""
    calls = 2000
    term = (ql.Option.Call, 40.0, 42.0 * math.exp(0.05), 0.2 * math.sqrt(0.5), math.exp(-0.05))

    def ours() -> float:
        for _ in range(calls):
            found = greeks("call", 42.0, 40.0, 0.5, 0.10, 0.20)
        return found.delta

    def quantlib() -> float:
        for _ in range(calls):
            c = ql.BlackCalculator(ql.PlainVanillaPayoff(term[0], term[1]), *term[2:])
            values = (c.value(), c.delta(42.0), c.gamma(42.0), c.vega(0.5), c.theta(42.0, 0.5), c.rho(0.5))
        return float(values[1])

    def check(results: dict[str, Any]) -> None:
        assert abs(results["ours"] - results["QuantLib BlackCalculator"]) < 1e-12

    return compare(
        "one call: price + Greeks", ours, {"QuantLib BlackCalculator": quantlib}, check, items=calls
    )
