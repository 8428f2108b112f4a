"""The watched chain: what a snapshot shows after quotes and silence."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from optionsib.common.events import Quote
from optionsib.common.types import MINUTE_NS, SECOND_NS, YEAR_NS, Contract
from optionsib.data.live import ChainState

START = 1_402_061_400 * SECOND_NS
UNDERLYING = Contract(1, "SIMX", "STK")
EXPIRY = START + YEAR_NS // 4
OPTIONS = (
    Contract(1001, "SIMX", "OPT", right="C", strike=700_000, expiry_ns=EXPIRY),
    Contract(1002, "SIMX", "OPT", right="P", strike=700_000, expiry_ns=EXPIRY),
    Contract(1003, "SIMX", "OPT", right="C", strike=725_000, expiry_ns=EXPIRY),
)


def state() -> ChainState:
    return ChainState(UNDERLYING, OPTIONS)


def quote(con_id: int, bid: int | None, ask: int | None, at_ns: int, changed_ns: int | None = None) -> Quote:
    changed = at_ns if changed_ns is None else changed_ns
    return Quote(con_id=con_id, bid=bid, ask=ask, bid_size=3, ask_size=4, as_of_ns=at_ns, changed_ns=changed)


def test_before_any_quote_everything_is_absent_and_infinitely_old() -> None:
    chain = state().snapshot(START)
    assert np.isnan(chain.bid).all()
    assert np.isnan(chain.ask).all()
    assert np.isnan(chain.mid).all()
    assert np.isinf(chain.feed_age).all()
    assert np.isinf(chain.change_age).all()
    assert math.isinf(chain.underlying_feed_age)
    assert math.isnan(chain.underlying_mid)


def test_static_columns_follow_the_contracts() -> None:
    chain = state().snapshot(START)
    assert chain.con_id.tolist() == [1001, 1002, 1003]
    assert chain.kind.tolist() == [1, -1, 1]
    assert chain.strike.tolist() == [70.0, 70.0, 72.5]
    np.testing.assert_allclose(chain.time_to_expiry, 0.25, rtol=1e-12)
    assert chain.contracts == OPTIONS
    with pytest.raises(ValueError, match="read-only"):
        chain.strike[0] = 1.0


def test_prices_sizes_and_ages_of_a_quote() -> None:
    watched = state()
    watched.apply([quote(1, 705_000, 705_200, START), quote(1003, 5_400, 5_700, START, START - MINUTE_NS)])
    chain = watched.snapshot(START + 30 * SECOND_NS)
    assert (chain.bid[2], chain.ask[2], chain.mid[2]) == pytest.approx((0.54, 0.57, 0.555))
    assert (chain.bid_size[2], chain.ask_size[2]) == (3, 4)
    assert (chain.feed_age[2], chain.change_age[2]) == (30.0, 90.0)
    assert (chain.underlying_bid, chain.underlying_ask) == (70.5, 70.52)
    assert chain.underlying_mid == pytest.approx(70.51)
    assert chain.underlying_feed_age == 30.0
    assert np.isnan(chain.bid[:2]).all()


@pytest.mark.parametrize(("bid", "ask"), [(None, 500), (500, None), (600, 500), (0, 500), (None, None)])
def test_no_mid_without_two_sides_in_order(bid: int | None, ask: int | None) -> None:
    watched = state()
    watched.apply([quote(1001, bid, ask, START), quote(1, bid, ask, START)])
    chain = watched.snapshot(START)
    assert math.isnan(chain.mid[0])
    assert math.isnan(chain.underlying_mid)


def test_a_locked_quote_has_a_mid() -> None:
    watched = state()
    watched.apply([quote(1001, 500, 500, START)])
    assert watched.snapshot(START).mid[0] == 0.05


def test_a_live_feed_confirms_quiet_options_but_does_not_touch_their_change_age() -> None:
    watched = state()
    watched.apply([quote(1001, 500, 600, START), quote(1, 705_000, 705_200, START)])
    watched.confirm(START + 20 * MINUTE_NS)
    chain = watched.snapshot(START + 20 * MINUTE_NS)
    assert chain.feed_age[0] == 0.0
    assert chain.change_age[0] == 1200.0
    assert np.isinf(chain.feed_age[1:]).all()  # never quoted: nothing to confirm


def test_a_live_feed_does_not_confirm_a_quiet_underlying() -> None:
    watched = state()
    watched.apply([quote(1, 705_000, 705_200, START)])
    watched.confirm(START + 2 * MINUTE_NS)
    assert watched.snapshot(START + 2 * MINUTE_NS).underlying_feed_age == 120.0


def test_a_silent_feed_ages_everything() -> None:
    watched = state()
    watched.apply([quote(1, 705_000, 705_200, START), quote(1001, 500, 600, START)])
    chain = watched.snapshot(START + 61 * SECOND_NS)
    assert chain.underlying_feed_age > 60.0
    assert chain.feed_age[0] > 60.0


def test_a_confirmation_never_makes_a_quote_older() -> None:
    watched = state()
    watched.apply([quote(1001, 500, 600, START + MINUTE_NS)])
    watched.confirm(START)
    assert watched.snapshot(START + MINUTE_NS).feed_age[0] == 0.0


def test_an_unknown_contract_is_named() -> None:
    with pytest.raises(KeyError, match="quote of contract 77; expected SIMX"):
        state().apply([quote(77, 500, 600, START)])


def test_a_snapshot_keeps_what_it_saw() -> None:
    watched = state()
    watched.apply([quote(1001, 500, 600, START)])
    before = watched.snapshot(START)
    watched.apply([quote(1001, 700, 800, START + MINUTE_NS)])
    assert before.bid[0] == 0.05
    assert before.feed_age[0] == 0.0


def test_a_stale_quote_is_infinitely_old_until_the_feed_confirms_it() -> None:
    watched = state()
    watched.observe(START, [quote(1, 705_000, 705_200, START), quote(1001, 100, 200, START)])
    stale = [msgspec.structs.replace(quote(c, 100, 200, START), as_of_ns=0) for c in (1, 1001)]
    watched.observe(START + MINUTE_NS, [*stale, quote(1002, 100, 200, START + MINUTE_NS)])
    chain = watched.snapshot(START + MINUTE_NS)
    assert chain.feed_age.tolist() == [math.inf, 0.0, math.inf]
    assert math.isinf(chain.underlying_feed_age)
    watched.observe(START + 2 * MINUTE_NS, [quote(1001, 100, 200, START + 2 * MINUTE_NS)])
    assert watched.snapshot(START + 2 * MINUTE_NS).feed_age.tolist() == [0.0, 0.0, math.inf]
