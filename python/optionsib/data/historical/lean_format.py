"""LEAN's open file layout for minute quotes: names of files and members, and the rows inside.

Layout (QuantConnect LEAN, ``Data/readme.md`` and the ``readme.md`` of each security type)::

    option/usa/minute/<symbol>/YYYYMMDD_quote_american.zip
        YYYYMMDD_<symbol>_minute_quote_american_<call|put>_<strike x 10000>_<expiry YYYYMMDD>.csv
    equity/usa/minute/<symbol>/YYYYMMDD_quote.zip
        YYYYMMDD_<symbol>_minute_quote.csv

A row is: milliseconds since midnight New York of the bar's start; bid open, high, low, close; bid
size; ask open, high, low, close; ask size. Prices are in 1/10000. In minute files an empty side
means that it did not change in that minute.
"""

from __future__ import annotations

import datetime as dt
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from optionsib.common.errors import DataError
from optionsib.data.contracts import ContractName

COLUMNS = (
    "milliseconds",
    "bid open",
    "bid high",
    "bid low",
    "bid close",
    "bid size",
    "ask open",
    "ask high",
    "ask low",
    "ask close",
    "ask size",
)
DAY_MILLISECONDS = 86_400_000
_MEMBER = re.compile(
    r"(?P<day>\d{8})_(?P<symbol>[a-z0-9.]+)_minute_quote_american_"
    r"(?P<kind>call|put)_(?P<strike>\d+)_(?P<expiry>\d{8})\.csv"
)
_ARCHIVE = re.compile(r"(?P<day>\d{8})_quote_american\.zip")


class QuoteBar(NamedTuple):
    """The closing state of one minute; None = unchanged in this minute, price 0 = side empty."""

    line: int
    start_ms: int
    bid: int | None
    bid_size: int
    ask: int | None
    ask_size: int
    consistent: bool  # open and close within low and high on both sides


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive."""

    archive: Path
    name: str
    content: bytes

    @property
    def where(self) -> str:
        """Name the file for an error message."""
        return f"{self.archive}[{self.name}]"


def option_archive_name(date: dt.date) -> str:
    """Return the name of the zip with a day's option quotes."""
    return f"{date:%Y%m%d}_quote_american.zip"


def option_member_name(date: dt.date, symbol: str, contract: ContractName) -> str:
    """Return the name of one contract's file."""
    kind = "call" if contract.right == "C" else "put"
    return (
        f"{date:%Y%m%d}_{symbol.lower()}_minute_quote_american_{kind}_{contract.strike}_"
        f"{contract.expiry:%Y%m%d}.csv"
    )


def underlying_archive_name(date: dt.date) -> str:
    """Return the name of the zip with a day's quotes of the underlying."""
    return f"{date:%Y%m%d}_quote.zip"


def underlying_member_name(date: dt.date, symbol: str) -> str:
    """Return the name of the file inside the underlying's zip."""
    return f"{date:%Y%m%d}_{symbol.lower()}_minute_quote.csv"


def default_underlying_folder(option_folder: Path) -> Path:
    """Return ``equity/usa/minute/<symbol>`` beside ``option/usa/minute/<symbol>``."""
    option_folder = option_folder.resolve()
    if len(option_folder.parents) < 4:
        raise DataError(f"folder {option_folder}: expected .../option/usa/minute/<symbol>")
    return option_folder.parents[3] / "equity" / "usa" / "minute" / option_folder.name


def available_dates(folder: Path) -> tuple[dt.date, ...]:
    """Return the days that have option quotes in ``folder``, in order.

    Raises
    ------
    DataError
        If ``folder`` is no folder, or a file name's date does not exist.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(
            f"folder {folder}: not found; expected .../option/usa/minute/<symbol> in LEAN's layout"
        )
    found = []
    for path in sorted(folder.iterdir()):
        match = _ARCHIVE.fullmatch(path.name)
        if match:
            found.append(parse_date(match["day"], str(path)))
    return tuple(found)


def read_archive(path: Path) -> list[Member]:
    """Return all members of a zip by name.

    Raises
    ------
    DataError
        If the file is missing, is no zip, or a member is damaged.
    """
    if not path.is_file():
        raise DataError(f"file {path}: not found")
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(info.filename for info in archive.infolist() if not info.is_dir())
            return [Member(path, name, archive.read(name)) for name in names]
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        # RuntimeError: an encrypted member; NotImplementedError: an unknown compression.
        raise DataError(f"file {path}: not a readable zip ({error}); expected a zip of CSV files") from error


def parse_member_name(member: Member, date: dt.date, symbol: str) -> ContractName:
    """Read the contract from the name of its file.

    Raises
    ------
    DataError
        If the name has another form, or another day or symbol than its folder says.
    """
    match = _MEMBER.fullmatch(member.name)
    if match is None:
        raise DataError(
            f"file {member.where}: expected a name like "
            f"{option_member_name(date, symbol, ContractName(date, 1000000, 'C'))}"
        )
    if match["day"] != f"{date:%Y%m%d}" or match["symbol"] != symbol.lower():
        raise DataError(f"file {member.where}: expected day {date:%Y%m%d} and symbol {symbol.lower()}")
    strike = int(match["strike"])
    if strike == 0:
        raise DataError(f"file {member.where}: strike 0; expected a strike above 0")
    return ContractName(
        expiry=parse_date(match["expiry"], member.where),
        strike=strike,
        right="C" if match["kind"] == "call" else "P",
    )


def parse_bars(member: Member) -> Iterator[QuoteBar]:
    """Yield the rows of a quote file in file order.

    Raises
    ------
    DataError
        At the first broken row; the message names file, line, column, value and expectation.
    """
    try:
        text = member.content.decode("ascii")
    except UnicodeDecodeError as error:
        line = member.content.count(b"\n", 0, error.start) + 1
        value = member.content[error.start : error.end]
        raise DataError(f"file {member.where}, line {line}: {value!r}; expected ASCII text") from error
    previous_ms = -1
    for line, row in enumerate(text.split("\n"), start=1):
        row = row.rstrip("\r")
        if not row:
            continue
        bar = _parse_row(member, line, row)
        if not previous_ms < bar.start_ms < DAY_MILLISECONDS:
            expected = f"more than {previous_ms} (the row before) and less than {DAY_MILLISECONDS}"
            raise _broken(member, line, 0, str(bar.start_ms), expected)
        if bar.start_ms % 60_000:
            raise _broken(member, line, 0, str(bar.start_ms), "a whole minute")
        previous_ms = bar.start_ms
        yield bar


def _parse_row(member: Member, line: int, row: str) -> QuoteBar:
    cells = row.split(",")
    if len(cells) != len(COLUMNS):
        raise DataError(
            f"file {member.where}, line {line}: {len(cells)} columns in {row!r}; expected {len(COLUMNS)}"
        )
    start_ms = _whole(member, line, 0, cells[0])
    bid, bid_size, bid_consistent = _parse_side(member, line, cells, 1)
    ask, ask_size, ask_consistent = _parse_side(member, line, cells, 6)
    return QuoteBar(line, start_ms, bid, bid_size, ask, ask_size, bid_consistent and ask_consistent)


def _parse_side(member: Member, line: int, cells: list[str], first: int) -> tuple[int | None, int, bool]:
    """Return close, size and whether the bar is consistent; close None where the side is empty."""
    prices = cells[first : first + 4]
    if not any(prices):
        return None, 0, True
    for offset, cell in enumerate(prices):
        if not cell:
            raise _broken(member, line, first + offset, cell, "four prices on a side, or none")
    opened, high, low, close = (
        _whole(member, line, first + offset, cell) for offset, cell in enumerate(prices)
    )
    size = _whole(member, line, first + 4, cells[first + 4])
    return close, size, low <= opened <= high and low <= close <= high


def _whole(member: Member, line: int, column: int, cell: str) -> int:
    # isdigit on ASCII text admits neither sign, point, blank nor underscore
    if not cell.isdigit():
        raise _broken(member, line, column, cell, "a whole number of 0 or more")
    if len(cell) > 15:
        raise _broken(member, line, column, cell, "at most 15 digits")
    return int(cell)


def _broken(member: Member, line: int, column: int, value: str, expected: str) -> DataError:
    return DataError(
        f"file {member.where}, line {line}, column {column + 1} ({COLUMNS[column]}): "
        f"{value!r}; expected {expected}"
    )


def parse_date(text: str, where: str) -> dt.date:
    """Read ``YYYYMMDD``.

    Raises
    ------
    DataError
        If there is no such date; the message starts with ``where``.
    """
    try:
        return dt.datetime.strptime(text, "%Y%m%d").date()  # noqa: DTZ007 - a date has no zone
    except ValueError as error:
        raise DataError(f"file {where}: date {text!r}; expected YYYYMMDD") from error
