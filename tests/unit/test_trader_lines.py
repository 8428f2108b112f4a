"""Which contracts are watched first."""

from __future__ import annotations

from optionsib.common.events import Quote
from optionsib.common.types import YEAR_NS, Contract
from optionsib.trader.lines import merge_quotes, nearest_first

NOW = 1_402_061_400 * 10**9


def option(con_id: int, strike: int, years: float) -> Contract:
    expiry_ns = NOW + round(years * YEAR_NS)
    return Contract(con_id, "TWX", "OPT", right="C", strike=strike, expiry_ns=expiry_ns)


def test_what_is_held_comes_first_then_the_money() -> None:
    chain = [
        option(1, 500_000, 0.1),
        option(2, 700_000, 0.1),
        option(3, 900_000, 0.1),
        option(4, 700_000, 1.0),
        option(5, 900_000, 1.0),
    ]
    order = [c.con_id for c in nearest_first(chain, 700_000.0, NOW, needed={1})]
    assert order == [1, 2, 4, 5, 3]


def test_an_expired_option_has_a_distance_too() -> None:
    chain = [option(1, 700_000, -0.5), option(2, 700_100, 0.1)]
    assert [c.con_id for c in nearest_first(chain, 700_000.0, NOW, needed=())] == [1, 2]


def test_the_later_quote_stands() -> None:
    early = [Quote(con_id=2, bid=1, ask=2), Quote(con_id=1, bid=1, ask=2)]
    late = [Quote(con_id=2, bid=3, ask=4)]
    assert [(q.con_id, q.bid) for q in merge_quotes(early, late)] == [(1, 1), (2, 3)]
