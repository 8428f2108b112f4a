"""The three sentences of ``common.strategy_data``, and those of the generators."""

from __future__ import annotations

import math
from decimal import Decimal
from functools import cache

import msgspec
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.chains import FlatCurve, chain

from optionsib.common.config import FeaturesConfig
from optionsib.common.errors import DataError
from optionsib.common.strategy_data import (
    ByDelta,
    ByMoneyness,
    DaysHeld,
    ExpirySelector,
    ForecastReading,
    RegimeReading,
    RiskBounds,
    Setting,
    StrategyData,
    StrategyLeg,
    check_legs,
)
from optionsib.common.types import MONEY_SCALE
from optionsib.features import ChainFeatures, FeatureEngine
from optionsib.models.generators import (
    Abstention,
    Situation,
    generate_ai_strategy,
    get_available_generators,
)
from optionsib.models.parameters import Choice, Parameter
from optionsib.pricing.payoff import payoff_geometry
from optionsib.strategies.selected_legs import NotSelected, SelectedLegs, select_legs

HASH = "0a" * 32
MONTH = ExpirySelector(target_days=30, minimum_days=20, maximum_days=40)
QUARTER = ExpirySelector(target_days=90, minimum_days=70, maximum_days=110)


@cache
def features() -> ChainFeatures:
    return FeatureEngine(FeaturesConfig(), FlatCurve()).step(chain(range(70, 131)))


def values(parameter: Parameter) -> st.SearchStrategy[Setting]:
    if isinstance(parameter, Choice):
        return st.sampled_from(parameter.options)
    if parameter.whole:
        return st.integers(int(parameter.low), int(parameter.high))
    return st.floats(parameter.low, parameter.high)


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    known = draw(st.integers(0, 2**60))
    calm = draw(st.floats(0.0, 1.0))
    return Situation(
        underlying="X",
        known_at_ns=known,
        data_sha256=HASH,
        regime=RegimeReading(probability=(calm, 1.0 - calm), model="01" * 32, known_at_ns=known),
        forecast=ForecastReading(
            meaning=draw(st.sampled_from(("direction", "volatility"))),
            probability=draw(st.floats(0.0, 1.0)),
            abstains=draw(st.booleans()),
            model="23" * 32,
            known_at_ns=draw(st.integers(0, known)),
        ),
    )


@st.composite
def requests(draw: st.DrawFn) -> tuple[Situation, str, int, dict[str, Setting]]:
    info = draw(st.sampled_from(get_available_generators()))
    chosen = {one.name: draw(values(one)) for one in info.parameters if draw(st.booleans())}
    return draw(situations()), info.name, draw(st.integers(0, 2**32)), chosen


@settings(max_examples=300, deadline=None)
@given(request=requests())
def test_whatever_is_generated_is_valid_defined_risk_and_the_same_again(
    request: tuple[Situation, str, int, dict[str, Setting]],
) -> None:
    situation, generator, seed, parameters = request
    made, again = (
        generate_ai_strategy(situation, generator=generator, seed=seed, parameters=parameters)
        for _ in range(2)
    )
    assert made == again
    if isinstance(made, Abstention):
        assert generator != "random"
        assert made.reason
        return
    assert isinstance(again, StrategyData)
    assert made.to_json() == again.to_json()
    assert StrategyData.from_json(made.to_json()) == made
    assert StrategyData.from_json(made.to_json()).sha256 == made.sha256
    assert made.proof.startswith("none")
    assert made.seed == seed
    assert parameters.items() <= made.parameters.items()
    for right, kind in (("C", 1), ("P", -1)):
        assert sum(leg.ratio for leg in made.legs if leg.right == right) >= 0, kind
    assert len({leg.expiry for leg in made.legs}) == 1


@settings(max_examples=200, deadline=None)
@given(request=requests(), bound=st.sampled_from((0.5, 2.0, 1_000.0)))
def test_what_is_selected_cannot_lose_more_than_its_bound(
    request: tuple[Situation, str, int, dict[str, Setting]], bound: float
) -> None:
    situation, generator, seed, parameters = request
    made = generate_ai_strategy(
        situation,
        generator=generator,
        seed=seed,
        parameters={**parameters, "maximum_loss": max(bound, 1.0)},
    )
    if isinstance(made, Abstention):
        return
    made = msgspec.structs.replace(made, risk=RiskBounds(maximum_loss=Decimal(str(bound))))
    found = select_legs(made, features())
    if isinstance(found, NotSelected):
        assert found.reason
        return
    # The same by another way: the payoff itself, on a fine grid of spots far beyond the strikes.
    spot = np.concatenate([np.arange(0.0, 300.0, 0.25), [1e4, 1e6]])
    payoff = np.full(len(spot), -found.natural / 10_000)
    for leg in found.legs:
        contract = features().contracts[features().position(leg.con_id)]
        payoff += leg.ratio * np.maximum(contract.kind * (spot - contract.strike / 10_000), 0.0)
    assert found.geometry.max_loss is not None
    assert -payoff.min() == pytest.approx(found.geometry.max_loss / MONEY_SCALE, abs=1e-9)
    assert -payoff.min() <= bound + 1e-9
    assert payoff.max() > 0.0
    days = {
        (features().contracts[features().position(leg.con_id)].expiry_ns - features().at_ns)
        // 86_400_000_000_000
        for leg in found.legs
    }
    assert len(days) == 1
    assert made.legs[0].expiry.minimum_days <= days.pop() <= made.legs[0].expiry.maximum_days


def test_the_generators_do_find_contracts() -> None:
    """Without this, the property above could hold because nothing is ever selected."""
    situation = Situation(underlying="X", known_at_ns=0, data_sha256=HASH)
    found = [
        select_legs(made, features())
        for seed in range(40)
        if isinstance(made := generate_ai_strategy(situation, generator="random", seed=seed), StrategyData)
    ]
    assert sum(isinstance(one, SelectedLegs) for one in found) >= 35, found


legs = st.lists(
    st.builds(
        StrategyLeg,
        right=st.sampled_from(("C", "P")),
        ratio=st.integers(-3, 3).filter(bool),
        strike=st.integers(80, 120).map(lambda strike: ByMoneyness(moneyness=strike / 100.0)),
        expiry=st.just(MONTH),
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda leg: (leg.right, leg.strike),
).map(tuple)


def leg(right: str, ratio: int, moneyness: float, expiry: ExpirySelector = MONTH) -> StrategyLeg:
    return StrategyLeg(right=right, ratio=ratio, strike=ByMoneyness(moneyness=moneyness), expiry=expiry)  # type: ignore[arg-type]


@settings(max_examples=300, deadline=None)
@given(chosen=legs)
@example(chosen=(leg("P", -1, 0.9),))
@example(chosen=(leg("C", -1, 1.1),))
@example(chosen=(leg("C", -1, 1.1), leg("P", 1, 0.9)))
def test_legs_are_accepted_if_and_only_if_the_payoff_is_flat_or_rising_at_both_ends(
    chosen: tuple[StrategyLeg, ...],
) -> None:
    """A sold put without cover loses its whole strike at spot 0: it is no defined risk here."""
    assert all(isinstance(one.strike, ByMoneyness) for one in chosen)
    base = 1e6  # so far from 0 that "the whole strike" differs from any difference of strikes
    geometry = payoff_geometry(
        [1 if one.right == "C" else -1 for one in chosen],
        [base * one.strike.moneyness for one in chosen if isinstance(one.strike, ByMoneyness)],
        [float(one.ratio) for one in chosen],
        multiplier=1.0,
    )
    widths = 0.4 * base * sum(abs(one.ratio) for one in chosen)
    left = (geometry.values[1] - geometry.values[0]) / (geometry.kinks[1] - geometry.kinks[0])
    defined = geometry.tail_slope >= 0.0 and left <= 1e-9
    if defined:
        check_legs(chosen)
        assert geometry.max_loss <= widths + 1e-6
    else:
        with pytest.raises(DataError, match="not covered"):
            check_legs(chosen)


def test_a_sold_option_is_covered_by_one_that_expires_later_but_not_by_one_that_expires_before() -> None:
    check_legs((leg("C", -1, 1.05, MONTH), leg("C", 1, 1.05, QUARTER)))
    with pytest.raises(DataError, match=r"1 sold C .*target_days=90.* are not covered"):
        check_legs((leg("C", 1, 1.05, MONTH), leg("C", -1, 1.05, QUARTER)))
    with pytest.raises(DataError, match="comes first is not said"):
        check_legs(
            (
                leg("C", -1, 1.05, MONTH),
                leg("C", 1, 1.05, ExpirySelector(target_days=45, minimum_days=40, maximum_days=60)),
            )
        )
    with pytest.raises(DataError, match="leg 1 selects the same contract as leg 0"):
        check_legs((leg("C", 2, 1.05), leg("C", -1, 1.05)))


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 50), position=st.integers(0, 10_000), byte=st.binary(min_size=1, max_size=1))
def test_damaged_json_is_refused_or_is_another_valid_strategy(seed: int, position: int, byte: bytes) -> None:
    situation = Situation(underlying="X", known_at_ns=0, data_sha256=HASH)
    made = generate_ai_strategy(situation, generator="random", seed=seed)
    assert isinstance(made, StrategyData)
    content = bytearray(made.to_json())
    content[position % len(content)] = byte[0]
    try:
        found = StrategyData.from_json(bytes(content))
    except DataError:
        return
    check_legs(found.legs)
    assert StrategyData.from_json(found.to_json()) == found


@pytest.mark.parametrize("bad", [math.nan, math.inf, -0.1, 0.0, 1.0])
def test_a_delta_that_is_none_cannot_be_made_nor_decoded(bad: float) -> None:
    with pytest.raises(DataError, match="expected a delta between 0 and 1"):
        ByDelta(delta=bad)


def test_what_is_missing_unknown_or_from_the_future_is_refused() -> None:
    situation = Situation(underlying="X", known_at_ns=5, data_sha256=HASH)
    made = generate_ai_strategy(situation, generator="random", seed=3)
    assert isinstance(made, StrategyData)
    replace = msgspec.structs.replace
    with pytest.raises(DataError, match="does not say exits"):
        replace(made, exits=())
    assert replace(made, exits=(DaysHeld(days=3),)).exits == (DaysHeld(days=3),)
    with pytest.raises(DataError, match="64 hex digits"):
        replace(made, data_sha256="HASH")
    with pytest.raises(DataError, match="parameter near_delta is nan"):
        replace(made, parameters={"near_delta": math.nan})
    late = RegimeReading(probability=(0.5, 0.5), model=HASH, known_at_ns=6)
    with pytest.raises(DataError, match="its reading was known at 6 only"):
        replace(made, regime=late)
    with pytest.raises(DataError, match="add up to 1"):
        RegimeReading(probability=(0.5, 0.6), model=HASH, known_at_ns=6)
    with pytest.raises(DataError, match="a loss above 0"):
        RiskBounds(maximum_loss=Decimal("NaN"))
    unknown = made.to_json().replace(b'"seed":3', b'"seed":3,"leverage":100')
    with pytest.raises(DataError, match="leverage"):
        StrategyData.from_json(unknown)
    with pytest.raises(DataError, match="Invalid enum value 2"):
        StrategyData.from_json(made.to_json().replace(b'"version":1', b'"version":2'))
