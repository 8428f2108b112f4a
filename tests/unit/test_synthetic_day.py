"""The simulated day: labelled, seeded, clean, and shaped like a listed chain."""

from __future__ import annotations

import datetime as dt
import itertools

import msgspec
import numpy as np
import pytest

from optionsib.common.errors import DataError
from optionsib.data.calendars import session_bounds
from optionsib.data.contracts import option_contracts
from optionsib.data.summary import quote_matrix
from optionsib.data.synthetic import SimulatedTape
from optionsib.data.synthetic.market import (
    build_market,
    by_time_of_day,
    draw_spot,
    list_contracts,
    mean_reverting,
)
from optionsib.data.synthetic.parameters import DayParameters, QuoteParameters
from optionsib.data.validation import Defect, validate_tape


@pytest.fixture(scope="module")
def tape() -> SimulatedTape:
    return SimulatedTape(7)


def test_it_is_labelled_simulated_everywhere(tape: SimulatedTape) -> None:
    assert tape.simulated is True
    assert "simulated" in tape.name
    assert "seed 7" in tape.name
    assert tape.underlying.symbol == "SIMX"


def test_equal_seeds_give_equal_days(tape: SimulatedTape) -> None:
    again = SimulatedTape(7)
    assert again.sha256 == tape.sha256
    assert again.contracts == tape.contracts
    assert list(again.steps()) == list(tape.steps())


def test_other_seed_symbol_date_or_parameters_give_another_digest(tape: SimulatedTape) -> None:
    others = [
        SimulatedTape(8),
        SimulatedTape(7, "OTHER"),
        SimulatedTape(7, date=dt.date(2014, 6, 5)),
        SimulatedTape(7, parameters=DayParameters(interest_rate=0.01)),
    ]
    digests = [tape.sha256, *(other.sha256 for other in others)]
    assert len(set(digests)) == len(digests)
    assert list(others[0].steps()) != list(tape.steps())


def test_about_180_contracts_over_six_monthly_expiries(tape: SimulatedTape) -> None:
    assert len(tape.contracts) == 180
    expiries = sorted({contract.expiry_date for contract in tape.contracts})
    assert expiries == ["20140620", "20140718", "20140815", "20141017", "20150116", "20160115"]
    calls = {(c.expiry_ns, c.strike) for c in tape.contracts if c.right == "C"}
    puts = {(c.expiry_ns, c.strike) for c in tape.contracts if c.right == "P"}
    assert calls == puts
    ids = [contract.con_id for contract in tape.contracts]
    assert ids == list(range(1001, 1181))


@pytest.mark.parametrize("seed", range(1, 6))
def test_no_defect_but_an_option_that_is_never_bid(seed: int) -> None:
    assert [f for f in validate_tape(SimulatedTape(seed)) if f.defect is not Defect.NEVER_QUOTED] == []


def test_steps_are_minutes_and_quotes_are_changes(tape: SimulatedTape) -> None:
    steps = list(tape.steps())
    assert [s.at_ns for s in steps] == [tape.session_open_ns + k * 60 * 10**9 for k in range(1, 391)]
    assert tape.session_close_ns == steps[-1].at_ns
    last: dict[int, object] = {}
    for step in steps:
        for quote in step.quotes:
            assert last.get(quote.con_id) != quote
            last[quote.con_id] = quote
    assert len(steps[0].quotes) == 181


def test_a_shown_bid_never_goes_away_and_the_ask_is_always_there(tape: SimulatedTape) -> None:
    quotes = quote_matrix(tape)
    shown = np.isfinite(quotes.bid)
    assert not (shown[:-1] & ~shown[1:]).any()
    assert np.isfinite(quotes.ask).all()
    assert (quotes.bid_size[shown] >= 1).all()
    assert (quotes.bid_size[~shown] == 0).all()
    assert (quotes.ask_size >= 1).all()


def test_even_a_maker_without_a_margin_never_locks_or_crosses_his_quote() -> None:
    eager = QuoteParameters(width_money=(0.0, 0.0), width_out=(0.0, 0.0), width_in=0.0)
    quotes = quote_matrix(SimulatedTape(7, parameters=DayParameters(quotes=eager)))
    shown = np.isfinite(quotes.bid)
    assert (quotes.ask[shown] > quotes.bid[shown] + 0.005).all()


def test_both_rules_of_the_tick_grid_are_used(tape: SimulatedTape) -> None:
    quotes = quote_matrix(tape)
    cents = np.rint(quotes.bid[np.isfinite(quotes.bid)] * 100).astype(int)
    assert (cents[cents > 300] % 5 == 0).all()
    assert (cents[cents < 300] % 5 != 0).any()


@pytest.mark.parametrize(
    ("date", "front", "minutes"),
    [
        (dt.date(2014, 6, 16), "20140718", 390),  # four days before an expiry it is no longer listed
        (dt.date(2014, 11, 28), "20141219", 210),  # a half day
        (dt.date(2014, 3, 26), "20140417", 390),  # April 2014 expires on Maundy Thursday
        (dt.date(2014, 12, 29), "20150116", 390),
    ],
)
def test_any_session_can_be_simulated(date: dt.date, front: str, minutes: int) -> None:
    day = SimulatedTape(3, date=date)
    assert day.contracts[0].expiry_date == front
    assert len(list(day.steps())) == minutes
    assert (day.session_open_ns, day.session_close_ns) == session_bounds(date)
    assert [f for f in validate_tape(day) if f.defect is not Defect.NEVER_QUOTED] == []


def test_bad_arguments_are_named() -> None:
    with pytest.raises(DataError, match="seed -1: expected 0 or more"):
        SimulatedTape(-1)
    with pytest.raises(DataError, match="2014-06-07: expected a trading day"):
        SimulatedTape(1, date=dt.date(2014, 6, 7))


def test_mean_reverting_paths_have_the_stated_law() -> None:
    rng = np.random.Generator(np.random.PCG64(1))
    paths = mean_reverting(rng, 400, 500, 0.3, half_life=10.0)
    assert paths.mean() == pytest.approx(0.0, abs=0.01)
    assert paths.std(axis=1) == pytest.approx(0.3, rel=0.15)  # at every minute: stationary from the start
    correlation = (paths[10:] * paths[:-10]).mean() / (paths**2).mean()
    assert correlation == pytest.approx(0.5, abs=0.02)


def test_time_of_day_values_are_hit_in_the_middle_of_their_part() -> None:
    values = by_time_of_day([1.0, 3.0, 2.0], 9)
    assert values[[1, 4, 7]].tolist() == [1.0, 3.0, 2.0]
    assert values[0] == 1.0
    assert values[-1] == 2.0


def test_the_fair_value_obeys_put_call_parity_where_early_exercise_is_worthless() -> None:
    parameters = DayParameters()
    rng = np.random.Generator(np.random.PCG64(5))
    day = dt.date(2014, 6, 6)
    contracts = option_contracts("SIMX", list_contracts(day, 70.0, parameters))
    spot = draw_spot(rng, 70.0, 390, parameters)
    market = build_market(rng, contracts, spot, session_bounds(day)[0], parameters)
    year = 365 * 86_400 * 10**9
    compared = 0
    for call, put in itertools.pairwise(range(len(contracts))):
        if contracts[call].right != "C" or abs(market.moneyness[call]) > 0.03:
            continue
        at_ns = session_bounds(day)[0] + (np.arange(390) + 1) * 60 * 10**9
        years = (contracts[call].expiry_ns - at_ns) / year
        forward_value = spot * np.exp(-parameters.dividend_yield * years)
        strike_value = contracts[call].strike / 1e4 * np.exp(-parameters.interest_rate * years)
        difference = market.fair[:, call] - market.fair[:, put]
        np.testing.assert_allclose(difference, forward_value - strike_value, atol=1e-9)
        np.testing.assert_array_equal(market.volatility[:, call], market.volatility[:, put])
        compared += 1
    assert compared >= 6


def test_parameters_are_plain_data() -> None:
    encoded = msgspec.json.encode(DayParameters())
    assert msgspec.json.decode(encoded, type=DayParameters) == DayParameters()
