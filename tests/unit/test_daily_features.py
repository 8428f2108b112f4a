"""Features of market days against their definitions, written down a second time without NumPy."""

from __future__ import annotations

import datetime as dt
import math
import statistics
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from optionsib.common.errors import DataError
from optionsib.data.daily import MarketDays, simulated_market_days, to_date
from optionsib.data.daily_series import DailySeries, Kind, session_number
from optionsib.features.daily import (
    DAILY_FEATURE_NAMES,
    DailyFeatureStream,
    daily_features,
    direction_labels,
    labelled_days,
    volatility_labels,
)


@cache
def days() -> MarketDays:
    return simulated_market_days(seed=9, days=160, first=dt.date(2018, 5, 1))


def column(name: str) -> list[float]:
    return [float(value) for value in daily_features(days()).matrix[:, DAILY_FEATURE_NAMES.index(name)]]


def definition(name: str, t: int) -> float:
    close, vix = days().sp500_close.tolist(), (days().vix_close / 100.0).tolist()
    returns = [math.log(close[s] / close[s - 1]) for s in range(t - 65, t + 1)]

    def volatility(k: int) -> float:
        return math.sqrt(252.0 * statistics.fmean(r * r for r in returns[-k:]))

    match name.rsplit("_", 1):
        case ["return", k]:
            return math.log(close[t] / close[t - int(k)])
        case ["volatility", k]:
            return volatility(int(k))
        case ["vix_change", k]:
            return math.log(vix[t] / vix[t - int(k)])
    others: dict[str, Callable[[], float]] = {
        "volatility_5_of_22": lambda: math.log(volatility(5) / volatility(22)),
        "volatility_22_of_66": lambda: math.log(volatility(22) / volatility(66)),
        "downside_share_22": lambda: (
            sum(r * r for r in returns[-22:] if r < 0) / sum(r * r for r in returns[-22:])
        ),
        "surprise": lambda: returns[-1] / (vix[t - 1] / math.sqrt(252.0)),
        "drawdown_66": lambda: math.log(close[t] / max(close[t - 66 : t + 1])),
        "vix": lambda: vix[t],
        "vix_of_mean_22": lambda: math.log(vix[t] / statistics.fmean(vix[t - 21 : t + 1])),
        "variance_premium": lambda: vix[t] ** 2 - volatility(22) ** 2,
        "vix_of_volatility_22": lambda: math.log(vix[t] / volatility(22)),
    }
    return others[name]()


@pytest.mark.parametrize("name", [name for name in DAILY_FEATURE_NAMES if not name.startswith("next_")])
def test_a_feature_is_what_its_definition_says(name: str) -> None:
    found = column(name)
    for t in (66, 67, 100, 159):
        assert found[t] == pytest.approx(definition(name, t), rel=2e-6, abs=1e-7), (name, t)


def test_the_session_to_come_is_told() -> None:
    place = {to_date(day).isoformat(): row for row, day in enumerate(days().date)}
    before_half_day, half_day = place["2018-11-21"], place["2018-11-23"]
    assert column("next_half_day")[before_half_day] == 1.0
    assert column("next_half_day")[half_day] == 0.0
    assert column("next_gap_hours")[place["2018-06-04"]] == 17.5
    assert column("next_gap_hours")[half_day] == 20.5 + 48.0  # from 13:00 on Friday
    assert column("next_week_sine")[place["2018-06-01"]] == 0.0  # Monday
    assert column("next_week_cosine")[place["2018-06-01"]] == 1.0
    assert column("next_years_to_monthly_expiry")[place["2018-06-14"]] == pytest.approx(1 / 252)


def test_rows_are_complete_once_66_returns_are_known() -> None:
    features = daily_features(days())
    assert features.complete.tolist() == [t >= 66 for t in range(160)]
    assert features.matrix.dtype == np.float32
    assert features.matrix.shape == (160, len(DAILY_FEATURE_NAMES))
    np.testing.assert_array_equal(features.known_at_ns, days().known_at_ns)


def test_an_unknown_value_is_unknown_in_every_feature_that_asks_for_it() -> None:
    whole = days()
    vix = DailySeries.of(
        "VIX",
        Kind.LEVEL,
        np.delete(whole.vix.date, 100),
        np.delete(whole.vix.values, 100),
        source="test",
    )
    found = daily_features(MarketDays(whole.date, whole.sp500, vix))
    unknown = {
        t: [name for name, value in zip(DAILY_FEATURE_NAMES, found.matrix[t], strict=True) if np.isnan(value)]
        for t in range(99, 124)
    }
    of_vix = ["vix", "vix_change_1", "vix_change_5", "vix_of_mean_22", "variance_premium"]
    assert unknown[99] == []
    assert unknown[100] == [*of_vix, "vix_of_volatility_22"]
    assert unknown[101] == ["surprise", "vix_change_1", "vix_of_mean_22"]
    assert unknown[105] == ["vix_change_5", "vix_of_mean_22"]
    assert unknown[121] == ["vix_of_mean_22"]
    assert unknown[122] == []


def test_a_market_that_stood_still_has_no_ratio_of_volatilities() -> None:
    date = days().date[:80]
    flat = MarketDays(
        date,
        DailySeries.of("index", Kind.CLOSE, date, np.full(80, 100.0), source="test"),
        DailySeries.of("VIX", Kind.LEVEL, date, np.full(80, 10.0), source="test"),
    )
    last = dict(zip(DAILY_FEATURE_NAMES, daily_features(flat).matrix[-1], strict=True))
    assert last["volatility_66"] == 0.0
    assert np.isnan(last["volatility_5_of_22"])
    assert np.isnan(last["vix_of_volatility_22"])
    assert not np.isinf(list(last.values())).any()


def test_the_drawdown_is_from_the_highest_of_67_closes() -> None:
    date = days().date[:68]
    falling = MarketDays(
        date,
        DailySeries.of("index", Kind.CLOSE, date, np.arange(200.0, 132.0, -1.0), source="test"),
        DailySeries.of("VIX", Kind.LEVEL, date, np.full(68, 10.0), source="test"),
    )
    found = daily_features(falling).matrix[-1, DAILY_FEATURE_NAMES.index("drawdown_66")]
    assert found == pytest.approx(math.log(133.0 / 199.0), rel=1e-6)


@pytest.mark.parametrize(("late_ns", "seen"), [(0, True), (1, False)])
def test_a_datum_counts_from_its_instant_on(late_ns: int, seen: bool) -> None:
    whole, row = days(), 120
    known = whole.vix.known_at_ns.copy()
    known[row] = whole.known_at_ns[row] + late_ns
    vix = DailySeries.of(
        "VIX", Kind.LEVEL, whole.vix.date, whole.vix.values, known_at_ns=known, source="test"
    )
    found = daily_features(MarketDays(whole.date, whole.sp500, vix)).matrix[row]
    assert np.isfinite(found[DAILY_FEATURE_NAMES.index("vix")]) == seen


def test_stream_equals_batch_bit_for_bit_with_data_that_come_one_by_one() -> None:
    whole = days()
    arrivals = [
        (int(known), name, int(day), float(value))
        for name, series in (("sp500", whole.sp500), ("vix", whole.vix))
        for day, value, known in zip(series.date, series.values, series.known_at_ns, strict=True)
    ]
    stream, found = DailyFeatureStream(), []
    waiting = sorted(arrivals)
    for day, at_ns in zip(whole.date, whole.known_at_ns, strict=True):
        while waiting and waiting[0][0] <= at_ns:
            known, name, date, value = waiting.pop(0)
            stream.observe(name, date, value, known)  # type: ignore[arg-type]
        found.append(stream.step(int(day)))
    matrix = np.concatenate([row.matrix for row in found])
    assert matrix.tobytes() == daily_features(whole).matrix.tobytes()
    assert np.concatenate([row.known_at_ns for row in found]).tolist() == whole.known_at_ns.tolist()


def test_a_row_does_not_depend_on_the_rows_beside_it() -> None:
    whole = days()
    for first, last in ((0, 160), (3, 90), (159, 160)):
        part = MarketDays(whole.date[first:last], whole.sp500, whole.vix)
        assert daily_features(part).matrix.tobytes() == daily_features(whole).matrix[first:last].tobytes()


def test_a_stream_refuses_what_would_rewrite_history() -> None:
    whole = days()
    stream = DailyFeatureStream()
    day, next_day = int(whole.date[0]), int(whole.date[1])
    close = int(whole.sp500.known_at_ns[0])
    with pytest.raises(DataError, match="expected one of sp500, vix"):
        stream.observe("nasdaq", day, 1.0, close)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=f"expected {close} or later"):
        stream.observe("sp500", day, 1.0, close - 1)
    with pytest.raises(DataError, match="expected a finite value above 0, or NaN"):
        stream.observe("sp500", day, -1.0, close)
    stream.step(day)
    with pytest.raises(DataError, match="was made without it"):
        stream.observe("sp500", day, 1.0, close)
    with pytest.raises(DataError, match="was made without it"):
        stream.observe("sp500", day, 1.0, int(whole.known_at_ns[0]))
    stream.observe("sp500", day, 1.0, int(whole.known_at_ns[0]) + 1)
    with pytest.raises(DataError, match="is not after the last one"):
        stream.step(day)
    stream.step(next_day)


@pytest.mark.parametrize("horizon", [1, 5])
def test_volatility_labels_compare_what_comes_with_what_was(horizon: int) -> None:
    close = days().sp500_close.tolist()
    labels = volatility_labels(days(), horizon)
    rows = np.searchsorted(days().known_at_ns, labels.known_at_ns)
    assert rows.tolist() == list(range(horizon, 160 - horizon))
    for row, label in zip(rows.tolist(), labels.label.tolist(), strict=True):
        before, after = (
            sum(math.log(close[s] / close[s - 1]) ** 2 for s in range(first + 1, first + horizon + 1))
            for first in (row - horizon, row)
        )
        assert label == (after > before), row
    np.testing.assert_array_equal(labels.label_at_ns, days().known_at_ns[rows + horizon])
    assert labels.label.dtype == np.int8
    assert f"next {horizon} sessions" in labels.meaning


@pytest.mark.parametrize("horizon", [1, 22])
def test_direction_labels_compare_two_closes(horizon: int) -> None:
    close = days().sp500_close
    labels = direction_labels(days(), horizon)
    assert labels.label.tolist() == (close[horizon:] > close[:-horizon]).astype(int).tolist()
    np.testing.assert_array_equal(labels.known_at_ns, days().known_at_ns[:-horizon])
    np.testing.assert_array_equal(labels.label_at_ns, days().known_at_ns[horizon:])


def test_what_did_not_move_is_no_rise() -> None:
    date = days().date[:12]
    flat = MarketDays(
        date,
        DailySeries.of("index", Kind.CLOSE, date, np.full(12, 100.0), source="test"),
        DailySeries.of("VIX", Kind.LEVEL, date, np.full(12, 10.0), source="test"),
    )
    assert direction_labels(flat, 2).label.tolist() == [0] * 10
    assert volatility_labels(flat, 2).label.tolist() == [0] * 8


def test_a_label_needs_a_horizon() -> None:
    for make in (volatility_labels, direction_labels):
        with pytest.raises(DataError, match="horizon is 0 sessions"):
            make(days(), 0)


def test_labels_are_joined_to_complete_rows_by_their_instant() -> None:
    features, labels = daily_features(days()), volatility_labels(days(), 5)
    joined = labelled_days(features, labels)
    assert (session_number(joined.date) - session_number(days().date[:1])).tolist() == list(range(66, 155))
    assert joined.matrix.tobytes() == features.matrix[66:155].tobytes()
    assert joined.label.tolist() == labels.label[61:].tolist()  # the first label is of session 5
    np.testing.assert_array_equal(joined.known_at_ns, features.known_at_ns[66:155])
    np.testing.assert_array_equal(joined.label_at_ns, days().known_at_ns[71:160])
