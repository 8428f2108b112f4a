"""The recorded TWX days, against figures read off the files by other means (unzip, awk)."""

from __future__ import annotations

import datetime as dt
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from optionsib.common.ports import TapeQuote
from optionsib.data.historical import LeanTape, available_dates
from optionsib.data.summary import quote_matrix
from optionsib.data.tapes import day_before, open_tape
from optionsib.data.validation import validate_tape

DATA = Path(os.environ.get("OPTIONSIB_TAPE_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))
FOLDER = DATA / "lean" / "option" / "usa" / "minute" / "twx"
FIRST, SECOND = dt.date(2014, 6, 5), dt.date(2014, 6, 6)

pytestmark = [
    pytest.mark.tape,
    pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no recorded data at {FOLDER}"),
]


@pytest.fixture(scope="module")
def tape() -> LeanTape:
    return LeanTape(FOLDER, SECOND)


def test_both_days_list_the_same_contracts_under_the_same_ids(tape: LeanTape) -> None:
    assert available_dates(FOLDER) == (FIRST, SECOND)
    assert LeanTape(FOLDER, FIRST).contracts == tape.contracts


def test_184_contracts_over_five_expiries_that_end_on_fridays(tape: LeanTape) -> None:
    listed = Counter(contract.expiry_date for contract in tape.contracts)
    assert listed == {"20140620": 30, "20140718": 28, "20141017": 30, "20150116": 54, "20160115": 42}
    assert [contract.con_id for contract in tape.contracts] == list(range(1001, 1185))


def test_quotes_are_those_of_the_files(tape: LeanTape) -> None:
    steps = {step.at_ns: {quote.con_id: quote for quote in step.quotes} for step in tape.steps()}
    opened, closed = tape.session_open_ns, tape.session_close_ns
    minute = 60 * 10**9
    call = next(c for c in tape.contracts if (c.expiry_date, c.strike, c.right) == ("20140620", 425_000, "C"))
    put = next(c for c in tape.contracts if (c.expiry_date, c.strike, c.right) == ("20141017", 600_000, "P"))
    first = steps[opened + minute]
    assert first[call.con_id] == TapeQuote(call.con_id, 283_000, 38, 292_500, 75)
    assert first[put.con_id] == TapeQuote(put.con_id, 4_500, 168, 6_100, 120)
    assert first[1] == TapeQuote(1, 712_200, 400, 712_900, 300)
    assert steps[opened + 2 * minute][call.con_id] == TapeQuote(call.con_id, 283_000, 38, 292_500, 35)
    # at 09:33 the bar has an empty ask: price and size stay
    assert steps[opened + 4 * minute][call.con_id] == TapeQuote(call.con_id, 283_000, 41, 292_500, 35)
    # the bar that starts at 15:59 is the last one
    assert steps[closed][put.con_id] == TapeQuote(put.con_id, 4_900, 607, 6_300, 436)
    assert steps[closed][1] == TapeQuote(1, 710_800, 500, 710_900, 89_700)


def test_170_of_184_contracts_end_with_both_sides_and_none_is_crossed(tape: LeanTape) -> None:
    quotes = quote_matrix(tape)
    both = np.isfinite(quotes.bid[-1]) & np.isfinite(quotes.ask[-1])
    assert both.sum() == 170
    assert not (quotes.bid > quotes.ask).any()
    assert tape.findings == ()


def test_no_defect_is_found_on_either_day(tape: LeanTape) -> None:
    assert validate_tape(tape) == []
    assert validate_tape(LeanTape(FOLDER, FIRST)) == []


def test_a_step_every_minute(tape: LeanTape) -> None:
    stamps = [step.at_ns for step in tape.steps()]
    assert len(stamps) == 390
    assert stamps[-1] == tape.session_close_ns
    assert sum(len(step.quotes) for step in tape.steps()) == 22_217


def test_the_day_to_trade_is_the_one_with_a_day_before_it(tape: LeanTape) -> None:
    opened = open_tape(FOLDER, seed=7)
    assert opened.name == "TWX 2014-06-06"
    assert opened.sha256 == tape.sha256
    assert opened.sha256 != LeanTape(FOLDER, FIRST).sha256
    assert day_before(FOLDER, SECOND) == FIRST
