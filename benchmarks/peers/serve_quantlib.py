"""QuantLib's American engines as a benchmark peer (build/bench-quantlib).

Jobs:

* ``price <scheme>``: QdFp with the fast, accurate, high or exact (tanh-sinh, 16 nodes, 32 steps, 1e-13)
  scheme. Of each option only the spot's quote moves, between two values; the first call has the true one.
* ``greeks <scheme>``: price and five Greeks by seven such prices, spot, volatility and rate moved both ways;
  theta from the Black-Scholes equation.
* ``implied``: Brent's search over QdFp's fast price; ``implied greeks``: the Greeks there as well.
* ``cash <time steps> <space steps>``: finite differences with cash dividends, only the spot's quote moves;
  ``cash exact``: extrapolated from two fine grids.
* ``cash implied greeks <time steps> <space steps>``: Brent's search over that price, and the Greeks there:
  price, delta, gamma and theta from one grid, vega and rho by two more.

Everything is built before it is timed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import QuantLib as ql  # noqa: N813
from serving import Job, serve

TODAY = ql.Date(6, 6, 2014)
COUNT = ql.Actual365Fixed()
GREEKS = ("price", "delta", "gamma", "vega", "theta", "rho")
OTHER_SPOT = 1.0001  # times the true one
SPOT_BUMP, VOLATILITY_BUMP, RATE_BUMP = 1e-3, 1e-4, 1e-5  # of the spot; absolute; absolute
# Of Brent's search. QdFp's price is flat, and then no price, as the volatility goes to 0.
ACCURACY, GUESS, LOWEST, HIGHEST = 1e-7, 0.3, 0.03, 2.0
SCHEMES = {
    "fast": ql.QdFpAmericanEngine.fastScheme(),
    "accurate": ql.QdFpAmericanEngine.accurateScheme(),
    "high": ql.QdFpAmericanEngine.highPrecisionScheme(),
    "exact": ql.QdFpTanhSinhIterationScheme(16, 32, 1e-13),
}
Engine = Callable[[Any, Any], Any]


@dataclass(slots=True)
class Market:
    """One option and the quotes that move it."""

    option: Any
    process: Any
    spot: Any
    rate: Any
    volatility: Any
    dividend_yield: float


def markets(inputs: dict[str, Any], engine: Engine) -> list[Market]:
    """Build every option with ``engine(process, dividends)``."""
    ql.Settings.instance().evaluationDate = TODAY
    return [_market(*row, engine) for row in _rows(inputs)]


def _rows(inputs: dict[str, Any]) -> Iterator[tuple[dict[str, float], Any]]:
    names = ("kind", "spot", "strike", "days", "rate", "volatility", "dividend_yield")
    columns = [inputs[name].tolist() for name in names]
    for i, row in enumerate(zip(*columns, strict=True)):
        dividends = None
        if "offsets" in inputs:
            own = slice(*inputs["offsets"][i : i + 2])
            dates = [TODAY + int(day) for day in inputs["ex_days"][own]]
            dividends = ql.DividendVector(dates, inputs["amounts"][own].tolist())
        yield dict(zip(names, row, strict=True)), dividends


def _market(row: dict[str, float], dividends: Any, engine: Engine) -> Market:
    quotes = {name: ql.SimpleQuote(row[name]) for name in ("spot", "rate", "volatility")}
    handles = {name: ql.QuoteHandle(quote) for name, quote in quotes.items()}
    dividend_yield = ql.YieldTermStructureHandle(ql.FlatForward(TODAY, row["dividend_yield"], COUNT))
    rate = ql.YieldTermStructureHandle(ql.FlatForward(TODAY, handles["rate"], COUNT))
    volatility = ql.BlackVolTermStructureHandle(
        ql.BlackConstantVol(TODAY, ql.NullCalendar(), handles["volatility"], COUNT)
    )
    process = ql.BlackScholesMertonProcess(handles["spot"], dividend_yield, rate, volatility)
    kind = ql.Option.Call if row["kind"] > 0 else ql.Option.Put
    option = ql.VanillaOption(
        ql.PlainVanillaPayoff(kind, row["strike"]), ql.AmericanExercise(TODAY, TODAY + int(row["days"]))
    )
    option.setPricingEngine(engine(process, dividends))
    return Market(option, process, *quotes.values(), row["dividend_yield"])


def qdfp(scheme: str) -> Engine:
    """Return QdFp with one of its schemes."""
    return lambda process, _: ql.QdFpAmericanEngine(process, SCHEMES[scheme])


def grid(time_steps: int, space_steps: int) -> Engine:
    """Return finite differences with cash dividends off the spot; Douglas is the cheapest for its error."""

    def engine(process: Any, dividends: Any) -> Any:
        return ql.FdBlackScholesVanillaEngine(
            process, dividends, time_steps, space_steps, 0, ql.FdmSchemeDesc.Douglas(), False, -1e300,
            ql.FdBlackScholesVanillaEngine.Spot,
        )  # fmt: skip

    return engine


def hot(built: list[Market]) -> Job:
    """Return the prices of `built` after its spots have moved."""
    true = [market.spot.value() for market in built]
    other = [spot * OTHER_SPOT for spot in true]
    for market, spot in zip(built, other, strict=True):
        market.spot.setValue(spot)
        market.option.NPV()
    calls = 0

    def job() -> dict[str, Any]:
        nonlocal calls
        spots = other if calls % 2 else true
        calls += 1
        prices = []
        for market, spot in zip(built, spots, strict=True):
            market.spot.setValue(spot)
            prices.append(market.option.NPV())
        return {"price": prices}

    return job


def moved(market: Market, quote: Any, bump: float) -> tuple[float, float]:
    """Return the prices with `quote` moved down and up."""
    middle = quote.value()
    quote.setValue(middle - bump)
    down = market.option.NPV()
    quote.setValue(middle + bump)
    up = market.option.NPV()
    quote.setValue(middle)
    return down, up


def bumped(market: Market) -> tuple[float, ...]:
    """Return price, delta, gamma, vega, theta and rho by seven prices."""
    spot, rate, volatility = market.spot.value(), market.rate.value(), market.volatility.value()
    price = market.option.NPV()
    step = SPOT_BUMP * spot
    down, up = moved(market, market.spot, step)
    delta, gamma = (up - down) / (2.0 * step), (up - 2.0 * price + down) / (step * step)
    down, up = moved(market, market.volatility, VOLATILITY_BUMP)
    vega = (up - down) / (2.0 * VOLATILITY_BUMP)
    down, up = moved(market, market.rate, RATE_BUMP)
    rho = (up - down) / (2.0 * RATE_BUMP)
    drift = (rate - market.dividend_yield) * spot * delta
    theta = rate * price - drift - 0.5 * (volatility * spot) ** 2 * gamma
    return price, delta, gamma, vega, theta, rho


def of_grid(market: Market) -> tuple[float, ...]:
    """Return price and Greeks of a finite difference engine by three grids."""
    option = market.option
    price, delta, gamma, theta = option.NPV(), option.delta(), option.gamma(), option.theta()
    changes = []
    for quote, bump in ((market.volatility, VOLATILITY_BUMP), (market.rate, RATE_BUMP)):
        middle = quote.value()
        quote.setValue(middle + bump)
        changes.append((option.NPV() - price) / bump)
        quote.setValue(middle)
    return price, delta, gamma, changes[0], theta, changes[1]


def implied(market: Market, quote: float) -> float:
    """Return the volatility of `quote`, NaN where the search fails."""

    def gap(volatility: float) -> float:
        market.volatility.setValue(volatility)
        return float(market.option.NPV()) - quote

    try:
        found = ql.Brent().solve(gap, ACCURACY, GUESS, LOWEST, HIGHEST)
    except RuntimeError:
        return math.nan
    market.volatility.setValue(found)
    return float(found)


def greeks(built: list[Market]) -> Job:
    """Return price and Greeks of every option; its quotes move, so that nothing is kept between calls."""

    def job() -> dict[str, Any]:
        rows = []
        for market in built:
            market.spot.setValue(market.spot.value())
            rows.append(bumped(market))
        return dict(zip(GREEKS, np.array(rows).T, strict=True))

    return job


def implied_greeks(built: list[Market], quotes: list[float], rest: Any) -> Job:
    """Return the volatility of every quote and, with `rest`, the Greeks there."""

    def job() -> dict[str, Any]:
        rows = []
        for market, quote in zip(built, quotes, strict=True):
            volatility = implied(market, quote)
            rows.append((volatility, *(rest(market) if rest and volatility == volatility else ())))
        return {"volatility": [row[0] for row in rows]}

    return job


def prepare(job: str, inputs: dict[str, Any]) -> Job:
    """Return the named job on `inputs`."""
    match job.split():
        case ["price", scheme]:
            return hot(markets(inputs, qdfp(scheme)))
        case ["greeks", scheme]:
            return greeks(markets(inputs, qdfp(scheme)))
        case ["implied"]:
            return implied_greeks(markets(inputs, qdfp("fast")), inputs["price"].tolist(), None)
        case ["implied", "greeks"]:
            return implied_greeks(markets(inputs, qdfp("fast")), inputs["price"].tolist(), bumped)
        case ["cash", "exact"]:
            near, fine = (hot(markets(inputs, grid(steps, 2 * steps))) for steps in (400, 800))
            coarse = np.array(near()["price"])
            exact = np.array(fine()["price"])
            return lambda: {"price": exact + (exact - coarse) / 3.0}
        case ["cash", "implied", "greeks", time_steps, space_steps]:
            built = markets(inputs, grid(int(time_steps), int(space_steps)))
            return implied_greeks(built, inputs["price"].tolist(), of_grid)
        case ["cash", time_steps, space_steps]:
            return hot(markets(inputs, grid(int(time_steps), int(space_steps))))
        case _:
            raise ValueError(f"no job {job!r}")


if __name__ == "__main__":
    serve(prepare)
