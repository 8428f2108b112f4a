"""The bootstrap of the recorded S&P 500, VIX and three-month Treasury rate."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optionsib.pricing import OptionScenarioGenerator
from optionsib.pricing.scenarios import HistoricalReplay, History, optimal_block_length

DATA = Path(os.environ.get("OPTIONSIB_TAPE_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))
SP500, VIX = DATA / "daily" / "arch_sp500.csv.gz", DATA / "daily" / "arch_vix.csv.gz"
LONG_SP500, LONG_VIX = (
    DATA / "daily" / "sp500_index_close_1990_2020.csv.gz",
    DATA / "daily" / "vix_daily_1990_2023.csv.gz",
)
TREASURY = DATA / "rates" / "us_treasury_cmt_1990_on.csv.gz"

pytestmark = [
    pytest.mark.tape,
    pytest.mark.skipif(
        not all(file.is_file() for file in (SP500, VIX, LONG_SP500, LONG_VIX, TREASURY)),
        reason=f"no recorded data at {DATA}",
    ),
]


def column(file: Path, date: str, name: str) -> dict[dt.date, float]:
    """Return a column by date, without its gaps."""
    found = {}
    with gzip.open(file, "rt") as lines:
        for row in csv.DictReader(lines):
            if row[name] not in ("", "."):
                month, day, year = (
                    row[date].split("/") if "/" in row[date] else (*row[date].split("-")[1:], row[date][:4])
                )
                found[dt.date(int(year), int(month), int(day))] = float(row[name])
    return found


@pytest.fixture(scope="module")
def recorded() -> tuple[list[dt.date], History]:
    spot = column(LONG_SP500, "Date", "SP500")
    vix = column(LONG_VIX, "DATE", "CLOSE")
    rate = column(TREASURY, "Date", "3.mo")
    days = sorted(spot.keys() & vix.keys() & rate.keys())
    columns = [np.array([one[day] for day in days]) for one in (spot, vix, rate)]
    return days, History(
        columns[0], columns[1] / 100, 2 * np.log1p(columns[2] / 2), name="S&P 500, VIX, 3-month bill"
    )


def test_block_lengths_of_arch() -> None:
    """optimal_block_length (stationary) of arch 8.0.0 on the S&P 500 that it carries, 1999-2018."""
    closes = np.array(list(column(SP500, "Date", "Adj Close").values()))
    returns = np.diff(np.log(closes))
    assert len(closes) == 5031
    assert optimal_block_length(returns) == pytest.approx(8.789853411228064, rel=1e-9)
    assert optimal_block_length(np.abs(returns)) == pytest.approx(146.45803449697462, rel=1e-9)
    assert optimal_block_length(returns**2) == pytest.approx(136.52133574705908, rel=1e-9)


def test_the_leverage_of_arch_data_survives() -> None:
    spot, vix = column(SP500, "Date", "Adj Close"), column(VIX, "Date", "vix")
    days = sorted(spot.keys() & vix.keys())
    history = History([spot[day] for day in days], [vix[day] / 100 for day in days], 0.01, name="arch")
    found = OptionScenarioGenerator.bootstrap(history, measure="physical", steps=63, paths=4000, seed=1)
    moves = [np.diff(np.log(values)).ravel() for values in (found.spot, found.volatility)]
    own = np.corrcoef(history.changes()[:, :2].T)[0, 1]
    assert own < -0.75
    assert np.corrcoef(moves)[0, 1] == pytest.approx(own, abs=0.01)


def test_a_year_of_the_market(recorded: Any) -> None:
    days, history = recorded
    assert (days[0], days[-1], len(days)) == (dt.date(1990, 1, 2), dt.date(2020, 10, 13), 7685)
    found = OptionScenarioGenerator.bootstrap(history, measure="physical", steps=252, paths=4000, seed=2)
    daily = np.diff(np.log(found.spot))
    own = history.changes()[:, 0]
    assert daily.std() == pytest.approx(own.std(), rel=0.03)
    fat = float(((daily - daily.mean()) ** 4).mean() / daily.var() ** 2)
    assert fat == pytest.approx(float(((own - own.mean()) ** 4).mean() / own.var() ** 2), rel=0.15)
    sizes, lag = np.abs(daily), 20
    memory = np.corrcoef(sizes[:, :-lag].ravel(), sizes[:, lag:].ravel())[0, 1]
    assert memory == pytest.approx(np.corrcoef(np.abs(own[:-lag]), np.abs(own[lag:]))[0, 1], abs=0.06)
    assert memory > 0.15
    neutral = OptionScenarioGenerator.bootstrap(
        history, measure="risk_neutral", steps=252, paths=4000, seed=2
    )
    discounted = (neutral.spot * neutral.discount)[:, -1]
    error = discounted.std(ddof=1) / 4000**0.5
    assert abs(discounted.mean() - history.spot[-1]) < 3 * error


def test_a_replay_of_march_2020(recorded: Any) -> None:
    days, history = recorded
    first, last = days.index(dt.date(2020, 2, 19)), days.index(dt.date(2020, 3, 23))
    replay = HistoricalReplay.of("March 2020", history, first, last)
    assert replay.spot[-1] == pytest.approx(2237.40 / 3386.15, abs=1e-6)
    still = OptionScenarioGenerator(spot=100.0, volatility=0.144, rate=0.0157).generate(
        measure="physical", horizon=30 / 252, steps=30, paths=10, seed=1
    )
    found = still.stressed(replay)
    assert found.volatility.max() == pytest.approx(0.144 + 0.8269 - 0.1438, abs=1e-9)
    np.testing.assert_allclose(found.spot[:, -1], still.spot[:, -1] * replay.spot[-1])
