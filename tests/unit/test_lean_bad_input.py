"""Broken LEAN files: each is a ``DataError`` that says where, what was found and what was expected."""

from __future__ import annotations

import datetime as dt
import zipfile
from pathlib import Path

import pytest

from optionsib.common.errors import DataError
from optionsib.data.historical import LeanTape, available_dates
from optionsib.data.historical.lean_format import default_underlying_folder

GOOD = "34200000,300,300,300,300,2,500,500,500,500,7"
MEMBER = "20140606_abc_minute_quote_american_call_700000_20140621.csv"
SPOT_MEMBER = "20140606_abc_minute_quote.csv"
SPOT = "34200000,705000,705000,705000,705000,2,705100,705100,705100,705100,3\n"


def write(
    root: Path, members: dict[str, str | bytes], spot: str = SPOT, spot_member: str = SPOT_MEMBER
) -> Path:
    folder = root / "option" / "usa" / "minute" / "abc"
    equity = root / "equity" / "usa" / "minute" / "abc"
    folder.mkdir(parents=True)
    equity.mkdir(parents=True)
    with zipfile.ZipFile(folder / "20140606_quote_american.zip", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with zipfile.ZipFile(equity / "20140606_quote.zip", "w") as archive:
        archive.writestr(spot_member, spot)
    return folder


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("34260000,300,300,300", ["line 2", "4 columns", "expected 11"]),
        ("34260000,300,300,300,300,2,500,500,500,500,7,", ["line 2", "12 columns"]),
        (
            "34260000,300,300,300,x,2,500,500,500,500,7",
            ["line 2, column 5 (bid close)", "'x'", "whole number"],
        ),
        ("34260000,300,300,300,300,2,500,-500,500,500,7", ["column 8 (ask high)", "'-500'", "0 or more"]),
        ("34260000,300,300,300,3.5,2,500,500,500,500,7", ["column 5 (bid close)", "'3.5'"]),
        ("34260000,300,300,300,nan,2,500,500,500,500,7", ["column 5 (bid close)", "'nan'"]),
        ("34260000,300,300,300,3_0,2,500,500,500,500,7", ["column 5 (bid close)", "'3_0'"]),
        ("34260000,300,300,300,300,,500,500,500,500,7", ["column 6 (bid size)", "''"]),
        ("34260000,300,300,300,300,-2,500,500,500,500,7", ["column 6 (bid size)", "'-2'"]),
        (
            "34260000,300,,300,300,2,500,500,500,500,7",
            ["column 3 (bid high)", "four prices on a side, or none"],
        ),
        ("34260000,,,,,0,,500,500,500,7", ["column 7 (ask open)", "four prices on a side, or none"]),
        ("34260000,300,300,300,1234567890123456,2,,,,,0", ["column 5 (bid close)", "at most 15 digits"]),
        ("34200000,300,300,300,300,2,500,500,500,500,7", ["column 1 (milliseconds)", "more than 34200000"]),
        ("34140000,300,300,300,300,2,500,500,500,500,7", ["column 1 (milliseconds)", "more than 34200000"]),
        ("86400000,300,300,300,300,2,500,500,500,500,7", ["column 1 (milliseconds)", "less than 86400000"]),
        ("34260001,300,300,300,300,2,500,500,500,500,7", ["column 1 (milliseconds)", "a whole minute"]),
        ("-60000,300,300,300,300,2,500,500,500,500,7", ["column 1 (milliseconds)", "'-60000'"]),
    ],
)
def test_a_broken_row_names_file_line_column_value_and_expectation(
    tmp_path: Path, row: str, said: list[str]
) -> None:
    folder = write(tmp_path, {MEMBER: f"{GOOD}\n{row}\n"})
    with pytest.raises(DataError) as caught:
        LeanTape(folder)
    message = str(caught.value)
    for part in [str(folder / "20140606_quote_american.zip"), MEMBER, *said]:
        assert part in message, message


def test_a_broken_row_of_the_underlying_is_named_too(tmp_path: Path) -> None:
    folder = write(tmp_path, {MEMBER: GOOD}, spot=SPOT + "oops\n")
    with pytest.raises(DataError, match=r"20140606_abc_minute_quote\.csv\], line 2: 1 columns"):
        LeanTape(folder)


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    folder = write(tmp_path, {MEMBER: GOOD.encode() + b"\n\xff\xfe"})
    with pytest.raises(DataError, match=r"line 2: b'\\xff'; expected ASCII text"):
        LeanTape(folder)


def test_windows_line_ends_and_blank_lines_are_fine(tmp_path: Path) -> None:
    folder = write(tmp_path, {MEMBER: f"{GOOD}\r\n\r\n"})
    assert len(LeanTape(folder).contracts) == 1


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("readme.txt", "expected a name like"),
        ("20140606_abc_minute_quote_american_call_700000.csv", "expected a name like"),
        ("20140606_abc_minute_trade_american_call_700000_20140621.csv", "expected a name like"),
        ("20140605_abc_minute_quote_american_call_700000_20140621.csv", "expected day 20140606"),
        ("20140606_xyz_minute_quote_american_call_700000_20140621.csv", "symbol abc"),
        ("20140606_abc_minute_quote_american_call_0_20140621.csv", "strike 0"),
        ("20140606_abc_minute_quote_american_call_700000_20140631.csv", "date '20140631'; expected YYYYMMDD"),
        ("20140606_abc_minute_quote_american_call_700000_20140605.csv", "expired before 2014-06-06"),
        ("20140606_abc_minute_quote_american_call_700000_20990621.csv", "range of the calendar"),
    ],
)
def test_a_broken_name_is_an_error(tmp_path: Path, name: str, said: str) -> None:
    folder = write(tmp_path, {MEMBER: GOOD, name: GOOD})
    with pytest.raises(DataError, match=said):
        LeanTape(folder)


def test_one_contract_under_two_names_is_an_error(tmp_path: Path) -> None:
    twin = MEMBER.replace("20140621", "20140620")  # the Friday before that Saturday
    with pytest.raises(DataError, match="are one contract"):
        LeanTape(write(tmp_path, {MEMBER: GOOD, twin: GOOD}))


def test_missing_things_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: not found"):
        LeanTape(tmp_path / "nowhere")
    with pytest.raises(DataError, match="nowhere: not found"):
        available_dates(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no option quotes; expected files like"):
        LeanTape(tmp_path / "empty")
    folder = write(tmp_path, {MEMBER: GOOD})
    with pytest.raises(DataError, match="no option quotes of 2014-06-05; expected one of 2014-06-06"):
        LeanTape(folder, dt.date(2014, 6, 5))
    (tmp_path / "equity" / "usa" / "minute" / "abc" / "20140606_quote.zip").unlink()
    with pytest.raises(DataError, match=r"20140606_quote\.zip: not found"):
        LeanTape(folder)


def test_an_archive_without_quotes_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="zip of option quotes is empty"):
        LeanTape(write(tmp_path, {}))


def test_an_underlying_archive_with_another_member_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no member 20140606_abc_minute_quote\.csv"):
        LeanTape(write(tmp_path, {MEMBER: GOOD}, spot_member="other.csv"))


@pytest.mark.parametrize("damage", ["not a zip", "cut", "flipped"])
def test_an_unreadable_zip_is_an_error(tmp_path: Path, damage: str) -> None:
    folder = write(tmp_path, {MEMBER: (GOOD + "\n")})
    path = folder / "20140606_quote_american.zip"
    data = bytearray(path.read_bytes())
    if damage == "not a zip":
        data = bytearray(b"hello")
    elif damage == "cut":
        data = data[: len(data) // 2]
    else:
        data[data.index(b"34200000")] ^= 1  # the check sum of the member no longer holds
    path.write_bytes(bytes(data))
    with pytest.raises(DataError, match="not a readable zip"):
        LeanTape(folder)


def test_a_day_without_session_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "option" / "usa" / "minute" / "abc"
    folder.mkdir(parents=True)
    (folder / "20140704_quote_american.zip").write_bytes(b"")
    with pytest.raises(DataError, match="2014-07-04: expected a trading day"):
        LeanTape(folder)
    (folder / "20140732_quote_american.zip").write_bytes(b"")
    with pytest.raises(DataError, match="date '20140732'"):
        available_dates(folder)


def test_the_folder_must_be_deep_enough_to_find_the_underlying() -> None:
    with pytest.raises(DataError, match=r"expected \.\.\./option/usa/minute"):
        default_underlying_folder(Path("/abc"))
