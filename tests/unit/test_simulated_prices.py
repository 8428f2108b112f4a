"""The paths and surfaces behind the simulated market have the statistics that they claim."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from optionsib.common.types import SECOND_NS
from optionsib.data.calendars import session_bounds
from optionsib.data.synthetic.price_path import DAY_KNOTS, KNOT_NS, REALISED_SHARE, PricePath
from optionsib.data.synthetic.surface import Smile

FIRST = dt.date(2020, 1, 2)


@pytest.fixture(scope="module")
def path() -> PricePath:
    return PricePath(7, "SPX", 0.20)


def test_each_session_begins_where_the_one_before_ended(path: PricePath) -> None:
    index = path.index_of(FIRST)
    for k in range(index, index + 30):
        today, tomorrow = path.day(k), path.day(k + 1)
        assert today.price[-1] == pytest.approx(path.close(k), rel=1e-12)
        assert tomorrow.price[0] == pytest.approx(today.price[-1], rel=1e-12)
        assert (np.diff(today.volume) > 0).all()
        # Between sessions and over week-ends the last price stands.
        assert path.price(today.end_ns) == path.price(tomorrow.start_ns - SECOND_NS) == today.price[-1]


def test_prices_move_as_much_as_the_volatility_says(path: PricePath) -> None:
    index = path.index_of(FIRST)
    closes = np.log([path.close(k) for k in range(index, index + 2000)])
    daily = np.std(np.diff(closes)) * np.sqrt(252)
    assert daily == pytest.approx(REALISED_SHARE * 0.20, rel=0.08)
    variance, regular = [], []
    for k in range(index, index + 200):
        day = path.day(k)
        steps = np.diff(np.log(day.price)) ** 2
        opens, closes_ns = session_bounds(path.date(k))
        first, last = (opens - day.start_ns) // KNOT_NS, (closes_ns - day.start_ns) // KNOT_NS
        variance.append(steps.sum())
        regular.append(steps[first:last].sum())
    assert np.sqrt(np.mean(variance) * 252) == pytest.approx(REALISED_SHARE * 0.20, rel=0.08)
    assert np.sum(regular) / np.sum(variance) == pytest.approx(0.75, abs=0.02)


def test_levels_stay_around_one_and_drivers_are_their_own(path: PricePath) -> None:
    every_quarter = np.array([path.close(k) for k in range(0, 12_000, 63)])
    assert 0.3 < every_quarter.min() < 1.0 < every_quarter.max() < 3.0
    other, again = PricePath(7, "NDX", 0.20), PricePath(7, "SPX", 0.20)
    index = path.index_of(FIRST)
    assert np.array_equal(path.day(index).price, again.day(index).price)
    moves = [np.diff([one.close(k) for k in range(index, index + 1000)]) for one in (path, other)]
    assert abs(np.corrcoef(moves)[0, 1]) < 0.1


def test_between_knots_prices_are_linear(path: PricePath) -> None:
    day = path.day(path.index_of(FIRST))
    for knot in (0, 1000, DAY_KNOTS - 1):
        at_ns = day.start_ns + knot * KNOT_NS
        expected = day.price[knot] + np.arange(6) / 5 * (day.price[knot + 1] - day.price[knot])
        got = [path.price(at_ns + second * SECOND_NS) for second in range(6)]
        assert got == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("rho", "eta"), [(-0.70, 1.15), (-0.35, 1.30)])
@pytest.mark.parametrize("factor", [0.6, 1.0, 2.5])
def test_the_surface_has_no_static_arbitrage(rho: float, eta: float, factor: float) -> None:
    """Durrleman's density stays positive, and total variance rises with time at every moneyness."""
    smile = Smile(0.2, rho, eta)
    k = np.linspace(-1.5, 1.5, 3001)
    before = np.zeros_like(k)
    for days in (0.2, 1, 7, 30, 90, 365, 800):
        years = np.full_like(k, days / 365.0)
        w = smile.implied(k, years, factor) ** 2 * years
        assert (w > before).all(), days
        before = w
        slope, curvature = np.gradient(w, k), np.gradient(np.gradient(w, k), k)
        density = (1 - k * slope / (2 * w)) ** 2 - slope**2 / 4 * (1 / w + 0.25) + curvature / 2
        inner = slice(5, -5)
        assert (density[inner] > -1e-6).all(), days
        steepest = np.abs(slope[inner]).max()
        assert steepest < 2.0  # Lee's bound on the wings


def test_a_smile_that_allows_arbitrage_is_refused() -> None:
    with pytest.raises(ValueError, match=r"eta 1\.5"):
        Smile(0.2, -0.7, 1.5)
