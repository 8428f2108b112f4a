"""Notices about data farms: which farm, up or down, and whose quotes it carries."""

from __future__ import annotations

import pytest

from optionsib.brokers.ib.farms import FarmBoard, serves
from optionsib.common.types import Contract

SHARE = Contract(1, "TST", "STK")
OPTION = Contract(2, "TST", "OPT", right="C")
BROKEN, FINE = "Market data farm connection is broken:{}", "Market data farm connection is OK:{}"


def test_a_farm_goes_down_once_and_comes_back_once() -> None:
    board = FarmBoard()
    assert board.hear(2104, FINE.format("usopt"), 1) is None  # the state at the start is no news
    down = board.hear(2103, BROKEN.format("usopt"), 2)
    assert down is not None
    assert (down.name, down.kind, down.up, down.since_ns, down.flaps) == ("usopt", "market data", False, 2, 1)
    assert board.hear(2103, BROKEN.format("usopt"), 3) is None
    assert (board.is_down_for(OPTION), board.is_down_for(SHARE)) == (True, False)
    back = board.hear(2104, FINE.format("usopt"), 4)
    assert back is not None
    assert (back.up, back.since_ns, back.flaps) == (True, 4, 1)
    assert not board.is_down_for(OPTION)


def test_history_and_definitions_make_no_quote_stale() -> None:
    board = FarmBoard()
    board.hear(2105, "HMDS data farm connection is broken:ushmds", 1)
    board.hear(2157, "Sec-def data farm connection is broken:secdefil", 1)
    assert [(f.name, f.kind) for f in board.states()] == [("secdefil", "definitions"), ("ushmds", "history")]
    assert not board.is_down_for(SHARE)


def test_a_cut_off_tws_makes_all_quotes_stale_until_a_farm_is_back() -> None:
    board = FarmBoard()
    board.hear(2104, FINE.format("usfarm"), 1)
    board.hear(2110, "Connectivity between TWS and server is broken. It will be restored automatically.", 2)
    assert board.is_down_for(SHARE)
    assert board.is_down_for(OPTION)
    assert board.is_cut_off
    back = board.hear(2104, FINE.format("usfarm"), 3)
    assert back is not None  # its streams have to prove themselves
    assert not board.is_cut_off
    assert not board.is_down_for(SHARE)


@pytest.mark.parametrize(
    ("farm", "share", "option"),
    [
        ("usfarm", True, False),
        ("usfarm.nj", True, False),
        ("usopt", False, True),
        ("USOPT", False, True),
        ("usfuture", False, False),
        ("cashfarm", False, False),
        ("somefarm", True, True),
        ("?", True, True),
    ],
)
def test_who_is_served(farm: str, share: bool, option: bool) -> None:
    assert (serves(farm, SHARE), serves(farm, OPTION)) == (share, option)


def test_other_codes_are_no_farm_news() -> None:
    assert FarmBoard().hear(1100, "lost", 1) is None
