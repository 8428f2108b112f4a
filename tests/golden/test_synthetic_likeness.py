"""The simulated day against the recorded TWX day: what a quote stream looks like.

Figures of TWX 2014-06-05 as ``summarize`` gives them (LEAN sample data, QuantConnect/Lean
``Data/option/usa/minute/twx``, AlgoSeek OPRA quotes); 2014-06-06 in brackets where it tells how much
one day differs from the next. Tolerances hold for the mean of eight simulated days; a single seed may
lie further off, as days do.
"""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from optionsib.common.ports import QuoteTape
from optionsib.data.historical import LeanTape
from optionsib.data.summary import quote_matrix, summarize
from optionsib.data.synthetic import SimulatedTape
from optionsib.pricing import implied_volatility

DATA = Path(os.environ.get("OPTIONSIB_TAPE_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))
FOLDER = DATA / "lean" / "option" / "usa" / "minute" / "twx"
SEEDS = range(1, 9)


class Likeness(NamedTuple):
    recorded: float | tuple[float, float, float]
    tolerance: float  # relative


TWX = {
    "contracts": Likeness(184, 0.05),
    "steps": Likeness(390, 0.0),
    "update_share": Likeness(0.348, 0.15),  # (0.302)
    "updates_per_contract": Likeness((24.3, 107.0, 290.2), 0.25),  # (22.6, 96.5, 238.7)
    "quiet_share": Likeness(0.152, 0.35),  # (0.130)
    "opening_activity": Likeness(1.561, 0.15),  # (1.878)
    "midday_activity": Likeness(0.664, 0.15),  # (0.686)
    "closing_activity": Likeness(1.062, 0.15),  # (1.478)
    "price_change_share": Likeness(0.218, 0.30),  # (0.194)
    "both_sides_share": Likeness(0.286, 0.30),  # (0.228)
    "one_sided_share": Likeness(0.544, 0.15),  # (0.580)
    "price_changes_per_contract": Likeness((4.0, 12.0, 36.0), 0.50),  # (2, 10, 32)
    "minutes_since_change": Likeness(31.0, 0.50),  # (38)
    "never_bid_share": Likeness(0.071, 0.90),  # (0.076)
    "first_step_share": Likeness(0.918, 0.10),  # (0.924)
    "spread_deep_in": Likeness(1.30, 0.25),  # (1.00)
    "spread_in": Likeness(0.40, 0.25),  # (0.35)
    "spread_near": Likeness(0.15, 0.25),  # (0.19)
    "spread_out": Likeness(0.12, 0.25),  # (0.14)
    "bid_size": Likeness(266.0, 0.30),  # (226)
    "ask_size": Likeness(223.0, 0.30),  # (247)
    "underlying_spread": Likeness(0.01, 0.05),
    "underlying_volatility": Likeness(0.133, 0.30),  # (0.113)
}


@pytest.fixture(scope="module")
def days() -> list[SimulatedTape]:
    return [SimulatedTape(seed) for seed in SEEDS]


@pytest.fixture(scope="module")
def simulated(days: list[SimulatedTape]) -> dict[str, np.ndarray]:
    summaries = [asdict(summarize(day)) for day in days]
    return {name: np.mean([np.asarray(s[name], float) for s in summaries], axis=0) for name in TWX}


@pytest.mark.parametrize("name", TWX)
def test_a_simulated_day_is_like_the_figures_of_twx(name: str, simulated: dict[str, np.ndarray]) -> None:
    recorded, tolerance = TWX[name]
    expected = np.asarray(recorded, float)
    error = np.abs(simulated[name] - expected) / expected
    assert (error <= tolerance).all(), (
        f"{name}: simulated {simulated[name]}, recorded {expected}, "
        f"relative error {error}, tolerance {tolerance}"
    )


def near_money_residuals(tape: QuoteTape, expiry_ns: int) -> np.ndarray:
    """Distances (steps, strikes) of mid implied volatilities to a quadratic smile, less their mean."""
    quotes = quote_matrix(tape)
    mid = 0.5 * (quotes.bid + quotes.ask)
    spot = 0.5 * (quotes.underlying_bid + quotes.underlying_ask)
    chosen: dict[int, dict[str, int]] = {}
    for i, contract in enumerate(tape.contracts):
        if contract.expiry_ns == expiry_ns and abs(np.log(contract.strike / 1e4 / spot.mean())) < 0.12:
            chosen.setdefault(contract.strike, {})[contract.right] = i
    strikes = np.array(sorted(chosen)) / 1e4
    calls = mid[:, [chosen[s]["C"] for s in sorted(chosen)]]
    puts = mid[:, [chosen[s]["P"] for s in sorted(chosen)]]
    forward = np.median(calls - puts + strikes, axis=1, keepdims=True)
    years = np.array([(expiry_ns - step.at_ns) / (365 * 86_400e9) for step in tape.steps()])[:, None]
    out_is_call = strikes[None, :] >= forward
    found = implied_volatility(
        np.where(out_is_call, calls, puts),
        np.where(out_is_call, 1, -1).astype(np.int8),
        np.broadcast_to(forward, calls.shape),
        np.broadcast_to(strikes, calls.shape),
        np.broadcast_to(years, calls.shape),
        0.0,
    ).volatility
    z = np.log(strikes[None, :] / forward) / np.sqrt(years)
    residual = np.array(
        [v - np.polyval(np.polyfit(x, v, 2), x) for x, v in zip(z[30:], found[30:], strict=True)]
    )
    centred: np.ndarray = residual - residual.mean(axis=0)
    return centred


def persistence(residual: np.ndarray, lag: int) -> float:
    return float((residual[lag:] * residual[:-lag]).mean() / (residual**2).mean())


def residual_figures(tape: QuoteTape) -> tuple[float, float, float]:
    """Deviation, and autocorrelation after 5 and 30 minutes, of the second and third expiry."""
    expiries = sorted({contract.expiry_ns for contract in tape.contracts})[1:3]
    residuals = [near_money_residuals(tape, expiry) for expiry in expiries]
    return (
        float(np.mean([r.std() for r in residuals])),
        float(np.mean([persistence(r, 5) for r in residuals])),
        float(np.mean([persistence(r, 30) for r in residuals])),
    )


# Deviation, autocorrelation after 5 and after 30 minutes; 2014-06-06: 0.00127, 0.919, 0.636
TWX_RESIDUALS = (0.001285, 0.883, 0.584)


def test_smile_residuals_are_of_the_size_and_persistence_of_twx(days: list[SimulatedTape]) -> None:
    deviation, soon, later = np.mean([residual_figures(day) for day in days], axis=0)
    assert deviation == pytest.approx(TWX_RESIDUALS[0], rel=0.25)
    assert soon == pytest.approx(TWX_RESIDUALS[1], rel=0.20)
    assert later == pytest.approx(TWX_RESIDUALS[2], rel=0.40)


@pytest.mark.tape
@pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no recorded data at {FOLDER}")
def test_the_typed_figures_are_those_of_the_recorded_day() -> None:
    recorded = asdict(summarize(LeanTape(FOLDER, dt.date(2014, 6, 5))))
    for name, (typed, _) in TWX.items():
        np.testing.assert_allclose(recorded[name], typed, rtol=0.02, err_msg=name)


@pytest.mark.tape
@pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no recorded data at {FOLDER}")
def test_the_recorded_smile_residuals_are_as_typed() -> None:
    figures = residual_figures(LeanTape(FOLDER, dt.date(2014, 6, 5)))
    assert figures == pytest.approx(TWX_RESIDUALS, rel=0.01)
