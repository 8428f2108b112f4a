"""What the exchange lists: expiry instants, symbols, bad tapes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from zoneinfo import ZoneInfo

import pytest

from optionsib.brokers.paper.contract_messages import contract_details
from optionsib.brokers.paper.contracts import ContractDirectory
from optionsib.brokers.paper.quotes import QuoteBoard
from optionsib.common.errors import DataError
from optionsib.common.ports import ContractQuery, TapeQuote, TapeStep
from optionsib.common.types import OPTION_GRID, SECOND_NS, Contract

NEW_YORK = ZoneInfo("America/New_York")


def instant(*when: int) -> int:
    return int(dt.datetime(*when, tzinfo=NEW_YORK).timestamp()) * SECOND_NS  # type: ignore[misc,arg-type]


class Listing:
    """A tape that only lists."""

    name, simulated, sha256 = "test", False, ""
    session_open_ns, session_close_ns = instant(2014, 6, 6, 9, 30), instant(2014, 6, 6, 16, 0)
    underlying = Contract(1, "TWX", "STK")

    def __init__(self, *contracts: Contract) -> None:
        self.contracts = contracts

    def steps(self) -> Iterator[TapeStep]:
        return iter(())


def option(con_id: int, expiry_ns: int, expiry_date: str) -> Contract:
    return Contract(
        con_id,
        "TWX",
        "OPT",
        multiplier=100,
        right="C",
        strike=675_000,
        expiry_date=expiry_date,
        expiry_ns=expiry_ns,
        tick_grid=OPTION_GRID,
    )


@pytest.mark.parametrize(
    ("expiry_ns", "listed", "expected"),
    [
        (instant(2014, 6, 20, 16, 0), "20140620", "20140620 16:00:00 America/New_York"),
        (instant(2014, 11, 28, 13, 0), "20141128", "20141128 13:00:00 America/New_York"),  # half day
        (instant(2014, 6, 20, 9, 30), "20140620", "20140620 09:30:00 America/New_York"),  # AM settled
        (instant(2014, 6, 20, 16, 0), "20140621", "20140620 16:00:00 America/New_York"),  # Saturday listing
    ],
)
def test_the_expiry_instant_can_be_recovered(expiry_ns: int, listed: str, expected: str) -> None:
    directory = ContractDirectory(Listing(option(11, expiry_ns, listed)))
    details = contract_details(directory, 5, directory.options[0], 178)
    assert details[4] == expected
    date, clock, zone = expected.split()
    local = dt.datetime.strptime(f"{date} {clock}", "%Y%m%d %H:%M:%S").replace(tzinfo=ZoneInfo(zone))
    assert int(local.timestamp()) * SECOND_NS == expiry_ns
    assert details[-5] == listed
    assert directory.find(ContractQuery(security_type="OPT", expiry=listed)) == [directory.options[0]]
    assert directory.find(ContractQuery(security_type="OPT", expiry=date)) == [directory.options[0]]
    assert directory.find(ContractQuery(security_type="OPT", expiry="2014")) == []


def test_occ_symbol() -> None:
    directory = ContractDirectory(Listing(option(11, instant(2014, 6, 20, 16, 0), "20140620")))
    assert directory.find(ContractQuery(local_symbol="TWX   140620C00067500")) == [directory.options[0]]


def test_bad_listings_are_refused() -> None:
    good = option(11, instant(2014, 6, 20, 16, 0), "20140620")
    with pytest.raises(DataError, match="11 is listed twice"):
        ContractDirectory(Listing(good, good))
    with pytest.raises(DataError, match="whole second"):
        ContractDirectory(Listing(option(11, good.expiry_ns + 1, "20140620")))


@pytest.mark.parametrize(
    ("quotes", "reason"),
    [
        ((TapeQuote(7, 1, 1, 2, 1),), "7, not listed"),
        ((TapeQuote(1, 1, -1, 2, 1),), "negative size"),
        ((TapeQuote(1, 1, 1, 2, 1), TapeQuote(1, 1, 1, 2, 1)), "twice"),
    ],
)
def test_bad_quotes_are_refused_whole(quotes: tuple[TapeQuote, ...], reason: str) -> None:
    board = QuoteBoard(frozenset({1, 2}))
    with pytest.raises(DataError, match=reason):
        board.apply(TapeStep(5, (TapeQuote(2, 1, 1, 2, 1), *quotes)))
    assert board.quote(2) is None
