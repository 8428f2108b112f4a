"""What the LEAN reader makes of rows, on small files written by hand."""

from __future__ import annotations

import datetime as dt
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from optionsib.common.errors import DataError
from optionsib.common.ports import TapeQuote
from optionsib.common.types import MINUTE_NS, OPTION_GRID, PENNY_GRID
from optionsib.data.historical import LeanTape, available_dates
from optionsib.data.validation import Defect

DAY = dt.date(2014, 6, 6)
OPEN_MS = 34_200_000  # 09:30
CLOSE_MS = 57_600_000  # 16:00
CALL = "call_700000_20140621"
SPOT_ROWS = f"{OPEN_MS},705000,705000,705000,705000,200,705100,705100,705100,705100,300"


def write_day(root: Path, options: Mapping[str, str], spot: str = SPOT_ROWS, day: dt.date = DAY) -> Path:
    stamp = f"{day:%Y%m%d}"
    folder = root / "option" / "usa" / "minute" / "abc"
    equity = root / "equity" / "usa" / "minute" / "abc"
    for made in (folder, equity):
        made.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / f"{stamp}_quote_american.zip", "w") as archive:
        for name, rows in options.items():
            archive.writestr(f"{stamp}_abc_minute_quote_american_{name}.csv", rows)
    with zipfile.ZipFile(equity / f"{stamp}_quote.zip", "w") as archive:
        archive.writestr(f"{stamp}_abc_minute_quote.csv", spot)
    return folder


def row(minute: int, bid: int | None, bid_size: int, ask: int | None, ask_size: int) -> str:
    left = ",,," if bid is None else f"{bid},{bid},{bid},{bid}"
    right = ",,," if ask is None else f"{ask},{ask},{ask},{ask}"
    return f"{OPEN_MS + minute * 60_000},{left},{bid_size},{right},{ask_size}\n"


def quotes_of(tape: LeanTape, con_id: int) -> dict[int, TapeQuote]:
    """Minutes after the opening at which a contract is named, with its quote."""
    return {
        (step.at_ns - tape.session_open_ns) // MINUTE_NS: quote
        for step in tape.steps()
        for quote in step.quotes
        if quote.con_id == con_id
    }


def test_a_bar_is_known_one_minute_after_its_stamp(tmp_path: Path) -> None:
    tape = LeanTape(write_day(tmp_path, {CALL: row(0, 15_000, 5, 15_600, 7) + row(9, 15_100, 5, 15_600, 7)}))
    assert quotes_of(tape, 1001) == {
        1: TapeQuote(1001, 15_000, 5, 15_600, 7),
        10: TapeQuote(1001, 15_100, 5, 15_600, 7),
    }


def test_only_the_close_of_a_bar_counts(tmp_path: Path) -> None:
    rows = f"{OPEN_MS},15000,15900,14000,15300,5,15500,16000,15000,15700,7"
    tape = LeanTape(write_day(tmp_path, {CALL: rows}))
    assert quotes_of(tape, 1001)[1] == TapeQuote(1001, 15_300, 5, 15_700, 7)
    assert tape.findings == ()


def test_an_empty_side_keeps_price_and_size(tmp_path: Path) -> None:
    rows = row(0, 15_000, 5, 15_600, 7) + row(1, None, 0, 15_500, 8) + row(2, 15_100, 6, None, 0)
    tape = LeanTape(write_day(tmp_path, {CALL: rows}))
    assert quotes_of(tape, 1001)[2] == TapeQuote(1001, 15_000, 5, 15_500, 8)
    assert quotes_of(tape, 1001)[3] == TapeQuote(1001, 15_100, 6, 15_500, 8)


def test_a_side_never_seen_is_absent(tmp_path: Path) -> None:
    rows = row(0, None, 0, 500, 7) + row(4, 300, 2, None, 0)
    tape = LeanTape(write_day(tmp_path, {CALL: rows}))
    assert quotes_of(tape, 1001) == {1: TapeQuote(1001, None, 0, 500, 7), 5: TapeQuote(1001, 300, 2, 500, 7)}


def test_a_row_that_changes_nothing_is_not_named(tmp_path: Path) -> None:
    rows = row(0, 300, 2, 500, 7) + row(1, 300, 2, 500, 7) + row(2, None, 0, None, 0) + row(3, 300, 3, 500, 7)
    tape = LeanTape(write_day(tmp_path, {CALL: rows}))
    assert sorted(quotes_of(tape, 1001)) == [1, 4]


def test_bars_outside_the_session_are_dropped(tmp_path: Path) -> None:
    rows = row(-1, 100, 1, 200, 1) + row(389, 300, 2, 500, 7) + row(390, 900, 2, 1_100, 7)
    spot = row(-60, 690_000, 100, 690_100, 100) + row(389, 705_000, 100, 705_100, 100)
    spot += row(390, 1, 100, 2, 100) + row(500, 3, 100, 4, 100)
    tape = LeanTape(write_day(tmp_path, {CALL: rows}, spot))
    assert quotes_of(tape, 1001) == {390: TapeQuote(1001, 300, 2, 500, 7)}
    assert quotes_of(tape, 1) == {390: TapeQuote(1, 705_000, 100, 705_100, 100)}
    assert list(tape.steps())[-1].at_ns == tape.session_close_ns


def test_there_is_a_step_every_minute_even_where_nothing_changed(tmp_path: Path) -> None:
    tape = LeanTape(write_day(tmp_path, {CALL: row(0, 300, 2, 500, 7)}))
    steps = list(tape.steps())
    assert [step.at_ns for step in steps] == [tape.session_open_ns + k * MINUTE_NS for k in range(1, 391)]
    assert [len(step.quotes) for step in steps[:3]] == [2, 0, 0]


def test_a_half_day_ends_at_one(tmp_path: Path) -> None:
    day = dt.date(2014, 11, 28)
    rows = row(0, 300, 2, 500, 7) + row(209, 310, 2, 500, 7) + row(210, 320, 2, 500, 7)
    tape = LeanTape(write_day(tmp_path, {"call_700000_20141220": rows}, day=day))
    assert len(list(tape.steps())) == 210
    assert quotes_of(tape, 1001)[210].bid == 310


def test_quotes_stand_by_rising_con_id_and_contracts_by_expiry_strike_right(tmp_path: Path) -> None:
    names = ["put_725000_20140621", "call_650000_20150117", "put_650000_20140621", "call_725000_20140621"]
    tape = LeanTape(write_day(tmp_path, {name: row(0, 300, 2, 500, 7) for name in names}))
    listed = [(c.con_id, c.expiry_date, c.strike, c.right) for c in tape.contracts]
    assert listed == [
        (1001, "20140620", 650_000, "P"),
        (1002, "20140620", 725_000, "C"),
        (1003, "20140620", 725_000, "P"),
        (1004, "20150116", 650_000, "C"),
    ]
    assert [quote.con_id for quote in next(iter(tape.steps())).quotes] == [1, 1001, 1002, 1003, 1004]


def test_the_contracts_say_what_they_are(tmp_path: Path) -> None:
    tape = LeanTape(write_day(tmp_path, {"put_702500_20140621": row(0, 300, 2, 500, 7)}))
    put = tape.contracts[0]
    assert (put.symbol, put.security_type, put.right, put.multiplier) == ("ABC", "OPT", "P", 100)
    assert (put.local_symbol, put.trading_class) == ("ABC   140620P00070250", "ABC")
    assert put.expiry_ns == 1_403_294_400 * 10**9  # Friday 2014-06-20 20:00 UTC = 16:00 New York
    assert put.tick_grid == OPTION_GRID
    share = tape.underlying
    assert (share.con_id, share.symbol, share.security_type, share.multiplier) == (1, "ABC", "STK", 1)
    assert share.tick_grid == PENNY_GRID
    assert (tape.name, tape.simulated) == ("ABC 2014-06-06", False)


def test_a_crossing_update_is_dropped_and_reported(tmp_path: Path) -> None:
    rows = row(0, 300, 2, 500, 7) + row(1, 600, 2, None, 0) + row(2, None, 0, 480, 7)
    tape = LeanTape(write_day(tmp_path, {CALL: rows}))
    assert quotes_of(tape, 1001) == {1: TapeQuote(1001, 300, 2, 500, 7), 3: TapeQuote(1001, 300, 2, 480, 7)}
    (finding,) = tape.findings
    assert (finding.defect, finding.con_id) == (Defect.CROSSED, 1001)
    assert finding.at_ns == tape.session_open_ns + 2 * MINUTE_NS
    assert "bid 600, ask 500" in str(finding)
    assert "line 2" in str(finding)


def test_a_locked_quote_stays(tmp_path: Path) -> None:
    tape = LeanTape(write_day(tmp_path, {CALL: row(0, 500, 2, 500, 7)}))
    assert quotes_of(tape, 1001)[1] == TapeQuote(1001, 500, 2, 500, 7)
    assert tape.findings == ()


def test_a_zero_price_empties_the_side_and_is_reported(tmp_path: Path) -> None:
    rows = row(0, 300, 2, 500, 7) + row(1, 0, 0, 500, 7)
    tape = LeanTape(write_day(tmp_path, {CALL: rows}))
    assert quotes_of(tape, 1001)[2] == TapeQuote(1001, None, 0, 500, 7)
    assert [finding.defect for finding in tape.findings] == [Defect.ZERO_PRICE]


def test_a_bar_whose_close_lies_outside_its_range_is_reported(tmp_path: Path) -> None:
    rows = f"{OPEN_MS},300,310,290,320,2,500,500,500,500,7"
    tape = LeanTape(write_day(tmp_path, {CALL: rows}))
    assert [finding.defect for finding in tape.findings] == [Defect.INCONSISTENT_BAR]
    assert quotes_of(tape, 1001)[1].bid == 320


def test_the_digest_is_of_the_content(tmp_path: Path) -> None:
    first = LeanTape(write_day(tmp_path / "a", {CALL: row(0, 300, 2, 500, 7)}))
    folder = write_day(tmp_path / "b", {CALL: row(0, 300, 2, 500, 7)})
    path = next(folder.iterdir())
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    assert LeanTape(folder).sha256 == first.sha256
    changed = LeanTape(write_day(tmp_path / "c", {CALL: row(0, 301, 2, 500, 7)}))
    assert changed.sha256 != first.sha256
    other_spot = write_day(tmp_path / "d", {CALL: row(0, 300, 2, 500, 7)}, SPOT_ROWS.replace("300", "301"))
    assert LeanTape(other_spot).sha256 != first.sha256


def test_dates_and_the_latest_as_default(tmp_path: Path) -> None:
    for day in (dt.date(2014, 6, 6), dt.date(2014, 6, 5)):
        folder = write_day(tmp_path, {CALL: row(0, 300, 2, 500, 7)}, day=day)
    (folder / "20140607_trade_american.zip").write_bytes(b"")
    (folder / "notes.txt").write_text("not data")
    assert available_dates(folder) == (dt.date(2014, 6, 5), dt.date(2014, 6, 6))
    assert LeanTape(folder).date == dt.date(2014, 6, 6)
    assert LeanTape(folder, dt.date(2014, 6, 5)).date == dt.date(2014, 6, 5)


def test_the_underlying_may_lie_elsewhere(tmp_path: Path) -> None:
    folder = write_day(tmp_path, {CALL: row(0, 300, 2, 500, 7)})
    elsewhere = tmp_path / "shares"
    (tmp_path / "equity" / "usa" / "minute" / "abc").rename(elsewhere)
    assert LeanTape(folder, underlying_folder=elsewhere).underlying.symbol == "ABC"
    with pytest.raises(DataError, match=r"20140606_quote\.zip: not found"):
        LeanTape(folder)
