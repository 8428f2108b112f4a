"""Write the reference values of the American pricing tests with QuantLib, an independent implementation.

    python scripts/generate_american_golden.py        (needs the `bench` group: QuantLib)

american_quantlib.csv: continuous yield. Truth is QdFp with the tanh-sinh scheme (16 nodes, 32 steps, 1e-13);
beside it what QdFp's accurate scheme says. Where rates are negative and the yield is lower still there are
two boundaries, which QdFp refuses: there the truth is a finite difference grid, refined and extrapolated.
american_cash_quantlib.csv: cash dividends, finite differences refined and extrapolated in the same way.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import QuantLib as ql  # noqa: N813

FOLDER = Path(__file__).resolve().parents[1] / "tests" / "golden" / "data"
TODAY = ql.Date(6, 6, 2014)
COUNT = ql.Actual365Fixed()
INPUTS = ("group", "kind", "spot", "strike", "days", "rate", "volatility", "dividend_yield")
Row = tuple[str, int, float, float, int, float, float, float]


def process(row: Row) -> Any:
    """Return the Black-Scholes-Merton process of a row."""
    _, _, spot, _, _, rate, volatility, dividend = row
    ql.Settings.instance().evaluationDate = TODAY
    flat = lambda value: ql.YieldTermStructureHandle(ql.FlatForward(TODAY, value, COUNT))  # noqa: E731
    return ql.BlackScholesMertonProcess(
        ql.QuoteHandle(ql.SimpleQuote(spot)),
        flat(dividend),
        flat(rate),
        ql.BlackVolTermStructureHandle(ql.BlackConstantVol(TODAY, ql.NullCalendar(), volatility, COUNT)),
    )


def option(row: Row) -> Any:
    """Return the American option of a row."""
    _, kind, _, strike, days, *_ = row
    payoff = ql.PlainVanillaPayoff(ql.Option.Call if kind > 0 else ql.Option.Put, strike)
    return ql.VanillaOption(payoff, ql.AmericanExercise(TODAY, TODAY + days))


def extrapolated(row: Row, engine: Any) -> float:
    """Return the finite difference price, extrapolated from two grids; the error falls as 1 / steps^2."""
    values = []
    for steps in (400, 800):
        priced = option(row)
        priced.setPricingEngine(engine(steps))
        values.append(priced.NPV())
    return float(values[1] + (values[1] - values[0]) / 3.0)


def continuous_value(row: Row, accurate: bool) -> float:
    """Return the price by QdFp, or where that refuses by finite differences."""
    _, kind, *_, rate, _, dividend = row
    near, far = (dividend, rate) if kind > 0 else (rate, dividend)  # a call is the put with these exchanged
    if far < near < 0:
        market = process(row)
        scheme = ql.FdmSchemeDesc.TrBDF2()
        return extrapolated(row, lambda n: ql.FdBlackScholesVanillaEngine(market, n, 2 * n, 0, scheme))
    if accurate:
        scheme = ql.QdFpAmericanEngine.accurateScheme()
    else:
        scheme = ql.QdFpTanhSinhIterationScheme(16, 32, 1e-13)
    priced = option(row)
    priced.setPricingEngine(ql.QdFpAmericanEngine(process(row), scheme))
    return float(priced.NPV())


def continuous_rows() -> list[Row]:
    """Return the options of the table, by group."""
    rng = np.random.default_rng(3)
    rows: list[Row] = []

    def draw(group: str, count: int, **fixed: tuple[float, float]) -> None:
        ranges = {
            "moneyness": (-0.45, 0.45),
            "days": (14, 1095),
            "rate": (0.0, 0.09),
            "dividend_yield": (0.0, 0.09),
            "volatility": (0.1, 0.8),
        } | fixed
        for _ in range(count):
            x = {name: float(rng.uniform(*limits)) for name, limits in ranges.items()}
            kind = int(rng.choice([1, -1]))
            rate, dividend = x["rate"], x["dividend_yield"]
            if group in ("negative", "double") and kind > 0:  # the same region for calls
                rate, dividend = dividend, rate
            spot, strike = 100.0, round(100.0 * float(np.exp(x["moneyness"])), 4)
            if group == "deep":
                strike = round(100.0 * float(np.exp(-kind * abs(x["moneyness"]))), 4)
            rows.append(
                (
                    group,
                    kind,
                    spot,
                    strike,
                    round(x["days"]),
                    round(rate, 6),
                    round(x["volatility"], 6),
                    round(dividend, 6),
                )
            )

    draw("set", 120)
    draw("yield above rate", 25, rate=(0.0, 0.03), dividend_yield=(0.03, 0.12))
    draw("negative", 25, rate=(-0.05, -0.001), dividend_yield=(0.0, 0.05))
    draw("double", 12, rate=(-0.03, -0.01), dividend_yield=(-0.10, -0.05))
    draw("deep", 25, moneyness=(0.3, 0.8))
    draw("days", 25, days=(1, 3), moneyness=(-0.06, 0.06))
    draw("no yield", 25, dividend_yield=(0.0, 0.0))
    draw("negative yield", 25, dividend_yield=(-0.05, 0.0))
    return rows


def cash_rows() -> list[tuple[Row, list[tuple[int, float]], str]]:
    """Return options, their (days, amount) schedules and the dividend model."""
    rng = np.random.default_rng(4)
    rows = []
    for model in ("spot", "escrowed"):
        for number in range(14):
            days = int(rng.integers(60, 700))
            first = int(rng.integers(5, days))
            step, amount = int(rng.choice([91, 182])), round(float(rng.uniform(0.3, 3.0)), 2)
            schedule = [(day, amount) for day in range(first, days, step)]
            row: Row = (
                f"cash {model}",
                1 if number % 2 else -1,
                100.0,
                round(100.0 * float(np.exp(rng.uniform(-0.3, 0.3))), 2),
                days,
                round(float(rng.uniform(0.0, 0.08)), 4),
                round(float(rng.uniform(0.15, 0.6)), 4),
                0.0,
            )
            rows.append((row, schedule, model))
    return rows


def cash_value(row: Row, schedule: list[tuple[int, float]], model: str) -> float:
    """Return the price under cash dividends."""
    market = process(row)
    kind = getattr(ql.FdBlackScholesVanillaEngine, model.capitalize())
    dates, amounts = [TODAY + day for day, _ in schedule], [amount for _, amount in schedule]
    dividends = ql.DividendVector(dates, amounts)
    scheme = ql.FdmSchemeDesc.TrBDF2()
    return extrapolated(
        row,
        lambda n: ql.FdBlackScholesVanillaEngine(market, dividends, n, 2 * n, 0, scheme, False, -1e300, kind),
    )


def main() -> None:
    """Write both tables."""
    source = f"QuantLib {ql.__version__}, scripts/generate_american_golden.py"
    with (FOLDER / "american_quantlib.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["source", *INPUTS, "price", "quantlib_accurate"])
        for row in continuous_rows():
            writer.writerow(
                [source, *row, repr(continuous_value(row, False)), repr(continuous_value(row, True))]
            )
    with (FOLDER / "american_cash_quantlib.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["source", *INPUTS, "dividend_model", "ex_days", "amounts", "price"])
        for row, schedule, model in cash_rows():
            days, amounts = (" ".join(str(pair[part]) for pair in schedule) for part in (0, 1))
            writer.writerow([source, *row, model, days, amounts, repr(cash_value(row, schedule, model))])


if __name__ == "__main__":
    main()
