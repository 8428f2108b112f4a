"""Nothing that became known after ``t`` changes a feature at ``t``: no value, delay, revision or removal.

Each property draws its own mutations, independent of those that the product's leak test makes.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from optionsib.common.config import FeaturesConfig, RatePoint, RatesConfig
from optionsib.common.events import Quote
from optionsib.common.ports import QuoteTape, TapeQuote, TapeStep
from optionsib.data.daily import MarketDays, simulated_market_days
from optionsib.data.daily_series import DailySeries, Kind, to_date
from optionsib.data.live.chain import ChainState
from optionsib.data.memory_tape import MemoryTape, shorten
from optionsib.data.rates import RateCurve
from optionsib.data.synthetic.simulated_day import SimulatedTape
from optionsib.features import FeatureEngine, run_tape
from optionsib.features.daily import (
    DailyFeatureStream,
    DailyLabels,
    daily_features,
    direction_labels,
    volatility_labels,
)
from optionsib.features.greeks import GreekFeatureGenerator, GreekFeaturePipeline, GreekFeatures
from optionsib.features.leak_test import chain_numbers
from optionsib.models.regimes import MarketRegimeClassifier

HOUR_NS = 3_600 * 10**9
SESSIONS = 100
CURVE = RateCurve.from_config(
    RatesConfig(as_of=dt.date(2014, 6, 5), source="test", points=(RatePoint(tenor_days=365, rate=0.001),))
)

Datum = tuple[int, float, int]  # date, value, known_at_ns
Mutation = tuple[str, int, float, int]  # what, which later datum, by how much, hours
MUTATIONS = st.lists(
    st.tuples(
        st.sampled_from(["value", "delay", "revision", "withdrawal", "removal"]),
        st.integers(0, 10_000),
        st.floats(0.2, 5.0),
        st.integers(1, 24 * 20),
    ),
    min_size=1,
    max_size=40,
)


@cache
def market_days() -> MarketDays:
    """Simulated days of which some data came late and some were revised."""
    days = simulated_market_days(seed=5, days=SESSIONS)
    sp500, vix = days.sp500, days.vix
    known = vix.known_at_ns.copy()
    known[[30, 71, 72]] += np.array([30, 2, 100]) * HOUR_NS
    vix = dataclasses.replace(vix, known_at_ns=known)
    for row, hours in ((40, 20), (70, 50), (70, 90), (90, 700)):
        late = int(sp500.first_published().known_at_ns[row]) + hours * HOUR_NS
        close = float(sp500.first_published().values[row])
        sp500 = sp500.revised(to_date(days.date[row]), close * 1.01, late)
    return MarketDays(days.date, sp500, vix)


def mutated(series: DailySeries, at_ns: int, mutations: Sequence[Mutation]) -> DailySeries:
    """Apply ``mutations`` to what was known after ``at_ns``; revisions also to what was known before."""
    data: list[Datum] = list(
        zip(series.date.tolist(), series.values.tolist(), series.known_at_ns.tolist(), strict=True)
    )
    for what, number, factor, hours in mutations:
        later = [datum for datum in data if datum[2] > at_ns]
        chosen = data if what == "revision" else later
        if not chosen:
            continue
        datum = chosen[number % len(chosen)]
        date, value, known = datum
        if what != "revision":
            data.remove(datum)
        match what:
            case "value":
                data.append((date, value * factor, known))
            case "delay":
                data.append((date, value, known + hours * HOUR_NS + number))
            case "revision":
                data.append((date, value * factor, max(known, at_ns) + hours * HOUR_NS + number))
            case "withdrawal":
                data.append((date, float("nan"), known))
    unique = {(date, known): value for date, value, known in data}
    return DailySeries.of(
        series.name,
        series.kind,
        [date for date, _ in unique],
        list(unique.values()),
        known_at_ns=[known for _, known in unique],
        source="mutated",
    )


def mutate(at_ns: int, sp500: Sequence[Mutation], vix: Sequence[Mutation]) -> MarketDays:
    days = market_days()
    return MarketDays(days.date, mutated(days.sp500, at_ns, sp500), mutated(days.vix, at_ns, vix))


@settings(deadline=None)
@given(row=st.integers(0, SESSIONS - 1), sp500=MUTATIONS, vix=MUTATIONS)
def test_daily_features_at_t_know_nothing_later(row: int, sp500: list[Mutation], vix: list[Mutation]) -> None:
    days = market_days()
    whole, other = daily_features(days), daily_features(mutate(int(days.known_at_ns[row]), sp500, vix))
    assert other.matrix[: row + 1].tobytes() == whole.matrix[: row + 1].tobytes()


@settings(deadline=None)
@given(row=st.integers(30, SESSIONS - 2), sp500=MUTATIONS)
def test_the_mutations_reach_later_features(row: int, sp500: list[Mutation]) -> None:
    """The property above would hold of mutations that do nothing; these move what comes after."""
    days = market_days()
    other = mutate(int(days.known_at_ns[row]), [("value", 0, 3.0, 1), *sp500], [])
    assume(other.sp500.sha256 != days.sp500.sha256)
    now = daily_features(days).matrix, daily_features(other).matrix
    assume(not np.array_equal(days.sp500_close[row + 1 :], other.sp500_close[row + 1 :], equal_nan=True))
    assert now[0][row + 1 :].tobytes() != now[1][row + 1 :].tobytes()


@settings(deadline=None)
@given(row=st.integers(0, SESSIONS - 1), sp500=MUTATIONS, vix=MUTATIONS)
def test_a_label_knows_nothing_after_its_own_instant(
    row: int, sp500: list[Mutation], vix: list[Mutation]
) -> None:
    days = market_days()
    at_ns = int(days.known_at_ns[row])
    other = mutate(at_ns, sp500, vix)

    def told(labels: DailyLabels) -> list[tuple[int, int, int]]:
        columns = (labels.known_at_ns.tolist(), labels.label_at_ns.tolist(), labels.label.tolist())
        return [datum for datum in zip(*columns, strict=True) if datum[1] <= at_ns]

    for make in (volatility_labels, direction_labels):
        assert told(make(other, 5)) == told(make(days, 5))


@settings(max_examples=30, deadline=None)
@given(row=st.integers(0, SESSIONS - 1), sp500=MUTATIONS, vix=MUTATIONS)
def test_a_stream_that_has_seen_nothing_later_gives_the_row_of_the_batch(
    row: int, sp500: list[Mutation], vix: list[Mutation]
) -> None:
    days = mutate(0, sp500, vix)  # any history, with gaps, delays and revisions
    at_ns = int(days.known_at_ns[row])
    stream = DailyFeatureStream()
    for name, series in (("sp500", days.sp500), ("vix", days.vix)):
        for day, value, known in zip(series.date, series.values, series.known_at_ns, strict=True):
            if known <= at_ns:
                stream.observe(name, int(day), float(value), int(known))  # type: ignore[arg-type]
    found = stream.step(int(days.date[row]))
    assert found.known_at_ns.tolist() == [at_ns]
    assert found.matrix[0].tobytes() == daily_features(days).matrix[row].tobytes()


@settings(deadline=None)
@given(row=st.integers(0, SESSIONS - 1), sp500=MUTATIONS)
def test_regimes_at_t_know_nothing_later(row: int, sp500: list[Mutation]) -> None:
    days = market_days()

    def filtered(some: MarketDays) -> NDArray[np.float64]:
        returns = np.nan_to_num(some.sp500_returns)
        return classifier().filtered(returns[:, None])

    other = mutate(int(days.known_at_ns[row]), sp500, [])
    assert filtered(other)[: row + 1].tobytes() == filtered(days)[: row + 1].tobytes()


@cache
def classifier() -> MarketRegimeClassifier:
    days = simulated_market_days(seed=8, days=300)
    return MarketRegimeClassifier.fit(
        days.sp500_returns[1:, None], known_until_ns=int(days.known_at_ns[-1]), restarts=1
    )


@settings(deadline=None)
@given(at=st.integers(-1, 40 * 24), mutations=MUTATIONS)
def test_a_view_shows_the_last_version_that_was_known(at: int, mutations: list[Mutation]) -> None:
    series = mutated(simulated_market_days(seed=6, days=20).sp500, 0, mutations)
    at_ns = int(series.known_at_ns.min()) + at * HOUR_NS
    expected: dict[int, tuple[int, float]] = {}
    for day, value, known in zip(series.date, series.values, series.known_at_ns, strict=True):
        if known <= at_ns and expected.get(int(day), (-1, 0.0))[0] < known:
            expected[int(day)] = (int(known), float(value))
    view = series.as_of(at_ns)
    assert view.kind is Kind.CLOSE
    assert view.date.tolist() == sorted(expected)
    np.testing.assert_array_equal(view.values, [expected[day][1] for day in sorted(expected)])
    assert view.known_at_ns.tolist() == [expected[day][0] for day in sorted(expected)]
    assert view.as_of(at_ns).sha256 == view.sha256


# The features of a chain, over a tape.

MINUTES = 25  # so that changes over 15 minutes are there
TapeMutation = tuple[str, int, int, int]  # what, which later quote, by how much, minutes
TAPE_MUTATIONS = st.lists(
    st.tuples(
        st.sampled_from(["value", "delay", "one side", "crossed", "removal", "stalled feed", "new quote"]),
        st.integers(0, 100_000),
        st.integers(-900, 900),
        st.integers(1, 5),
    ),
    min_size=1,
    max_size=60,
)


@cache
def window() -> MemoryTape:
    return shorten(SimulatedTape(seed=11), first_minute=30, minutes=MINUTES)


def mutated_tape(cut: int, mutations: Sequence[TapeMutation]) -> MemoryTape:
    """Change the quotes of the steps after ``cut``; their instants stay."""
    steps = list(window().steps())
    later = [{quote.con_id: quote for quote in step.quotes} for step in steps[cut + 1 :]]
    for what, number, amount, minutes in mutations if later else ():
        place = number % len(later)
        quotes = later[place]
        con_ids = sorted(quotes)
        if what == "stalled feed":
            quotes.clear()
        if not con_ids or not quotes:
            continue
        quote = quotes[con_ids[number // 7 % len(con_ids)]]
        bid, ask = quote.bid or 5_000, quote.ask or 6_000
        match what:
            case "value":
                moved = (max(bid + amount, 100), max(ask + amount, 200))
                quotes[quote.con_id] = TapeQuote(
                    quote.con_id, moved[0], number % 99, moved[1], quote.ask_size
                )
            case "delay":
                del quotes[quote.con_id]
                later[min(place + minutes, len(later) - 1)][quote.con_id] = quote
            case "one side":
                quotes[quote.con_id] = TapeQuote(quote.con_id, None, 0, quote.ask, quote.ask_size)
            case "crossed":
                quotes[quote.con_id] = TapeQuote(quote.con_id, ask + 100, 1, bid, 1)
            case "removal":
                del quotes[quote.con_id]
            case "new quote":
                other = window().contracts[number % len(window().contracts)]
                quotes[other.con_id] = TapeQuote(other.con_id, bid, 3, ask, 4)
    changed = [
        TapeStep(step.at_ns, tuple(quotes[con_id] for con_id in sorted(quotes)))
        for step, quotes in zip(steps[cut + 1 :], later, strict=True)
    ]
    return dataclasses.replace(window(), all_steps=tuple(steps[: cut + 1] + changed))


def chain_rows(tape: QuoteTape) -> Iterator[bytes]:
    for features in run_tape(tape, FeatureEngine(FeaturesConfig(), CURVE)):
        yield b"".join(column.tobytes() for column in chain_numbers(features).values())


def snapshots(tape: QuoteTape) -> Iterator[ChainState]:
    state = ChainState(tape.underlying, tape.contracts)
    changed: dict[int, tuple[tuple[int | None, int | None], int]] = defaultdict(lambda: ((-1, -1), 0))
    for step in tape.steps():
        quotes = []
        for quote in step.quotes:
            if changed[quote.con_id][0] != (quote.bid, quote.ask):
                changed[quote.con_id] = ((quote.bid, quote.ask), step.at_ns)
            quotes.append(
                Quote(
                    con_id=quote.con_id,
                    bid=quote.bid,
                    ask=quote.ask,
                    bid_size=quote.bid_size,
                    ask_size=quote.ask_size,
                    as_of_ns=step.at_ns,
                    changed_ns=changed[quote.con_id][1],
                )
            )
        state.observe(step.at_ns, quotes)
        yield state


def greek_rows(tape: QuoteTape, whole: bool) -> Iterator[bytes]:
    """Of the whole chain each time (the generator), or incrementally (the pipeline)."""
    generator = GreekFeatureGenerator(CURVE)
    pipeline = GreekFeaturePipeline(generator, spot_tolerance=1e-4, maximum_age_seconds=180.0)
    for step, state in zip(tape.steps(), snapshots(tape), strict=True):
        snapshot = state.snapshot(step.at_ns)
        found: GreekFeatures = generator.generate(snapshot) if whole else pipeline.step(snapshot)
        columns = (found.values, found.status, found.computed_ns, found.source, found.age_seconds)
        yield b"".join(np.ascontiguousarray(column).tobytes() for column in columns)


def rows_of(name: str, tape: QuoteTape) -> list[bytes]:
    compute: dict[str, Callable[[], Iterable[bytes]]] = {
        "chain": lambda: chain_rows(tape),
        "generator": lambda: greek_rows(tape, whole=True),
        "pipeline": lambda: greek_rows(tape, whole=False),
    }
    return list(compute[name]())


@cache
def unchanged(name: str) -> list[bytes]:
    return rows_of(name, window())


@settings(max_examples=40, deadline=None)
@given(cut=st.integers(0, MINUTES - 1), mutations=TAPE_MUTATIONS)
def test_chain_features_at_t_know_nothing_later(cut: int, mutations: list[TapeMutation]) -> None:
    assert rows_of("chain", mutated_tape(cut, mutations))[: cut + 1] == unchanged("chain")[: cut + 1]


@settings(max_examples=15, deadline=None)
@given(
    name=st.sampled_from(["generator", "pipeline"]), cut=st.integers(0, MINUTES - 1), mutations=TAPE_MUTATIONS
)
def test_greeks_at_t_know_nothing_later(name: str, cut: int, mutations: list[TapeMutation]) -> None:
    assert rows_of(name, mutated_tape(cut, mutations))[: cut + 1] == unchanged(name)[: cut + 1]


def test_the_mutations_reach_later_features_of_the_chain() -> None:
    other = mutated_tape(5, [("value", number, 700, 1) for number in range(200)])
    for name in ("chain", "generator", "pipeline"):
        found = rows_of(name, other)
        assert all(row != before for row, before in zip(found[7:], unchanged(name)[7:], strict=True)), name
