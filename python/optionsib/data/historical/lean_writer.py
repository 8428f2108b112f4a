"""Write any tape in LEAN's open file layout (see ``lean_format``), to look at it or to play it again."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

from optionsib.common.errors import DataError
from optionsib.common.ports import QuoteTape, TapeQuote
from optionsib.common.types import MINUTE_NS, SECOND_NS
from optionsib.data.calendars import midnight_ns, new_york_date
from optionsib.data.contracts import ContractName
from optionsib.data.historical.lean_format import (
    option_archive_name,
    option_member_name,
    parse_date,
    underlying_archive_name,
    underlying_member_name,
)

_MILLISECOND_NS = SECOND_NS // 1000
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # fixed, so that equal tapes give equal files


def save_lean(tape: QuoteTape, folder: Path) -> Path:
    """Write ``tape`` below ``folder`` and return the folder of its option quotes.

    ``LeanTape`` reads the same steps back if the tape has one step a minute and our own contract
    ids. Open, high and low of each bar repeat the close; that is all a tape knows. Nothing in the
    files says that a day is simulated: the symbol must.

    Raises
    ------
    DataError
        If a file of that day is there already, or a step is not on a whole minute; then no file of
        the day has been written or changed.
    """
    date = new_york_date(tape.session_open_ns)
    symbol = tape.underlying.symbol
    options = Path(folder) / "option" / "usa" / "minute" / symbol.lower()
    equity = Path(folder) / "equity" / "usa" / "minute" / symbol.lower()
    option_path = options / option_archive_name(date)
    equity_path = equity / underlying_archive_name(date)
    for path in (option_path, equity_path):
        if path.exists():
            raise DataError(
                f"file {path}: exists already; expected a folder without this day (it is unchanged)"
            )
    rows = _rows(tape, midnight_ns(date))
    option_members = {}
    for contract in tape.contracts:
        expiry = parse_date(contract.expiry_date, contract.local_symbol)
        name = ContractName(expiry, contract.strike, "C" if contract.right == "C" else "P")
        option_members[option_member_name(date, symbol, name)] = rows[contract.con_id]
    equity_member = {underlying_member_name(date, symbol): rows[tape.underlying.con_id]}
    for path, members in ((equity_path, equity_member), (option_path, option_members)):
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_zip(path, members)
    return options


def _rows(tape: QuoteTape, midnight: int) -> dict[int, list[str]]:
    rows: dict[int, list[str]] = {contract.con_id: [] for contract in (tape.underlying, *tape.contracts)}
    standing = {con_id: TapeQuote(con_id, None, 0, None, 0) for con_id in rows}
    for step in tape.steps():
        start_ns = step.at_ns - MINUTE_NS
        if (start_ns - midnight) % MINUTE_NS:
            raise DataError(f"{tape.name}: step at {step.at_ns} ns; expected whole minutes (nothing written)")
        start_ms = (start_ns - midnight) // _MILLISECOND_NS
        for quote in step.quotes:
            if quote.con_id not in rows:
                raise DataError(
                    f"{tape.name}: quote of contract {quote.con_id}; expected one of the tape's "
                    "contracts (nothing written)"
                )
            before = standing[quote.con_id]
            bid = _side(before.bid, before.bid_size, quote.bid, quote.bid_size)
            ask = _side(before.ask, before.ask_size, quote.ask, quote.ask_size)
            rows[quote.con_id].append(f"{start_ms},{bid},{ask}")
            standing[quote.con_id] = quote
    return rows


def _side(price_before: int | None, size_before: int, price: int | None, size: int) -> str:
    """Write one side's five columns: empty where nothing changed, price 0 where the side went away."""
    if price == price_before and size == size_before:
        return ",,,,0"
    value = price or 0
    return f"{value},{value},{value},{value},{size}"


def _write_zip(path: Path, members: Mapping[str, list[str]]) -> None:
    """Write under another name first, so that a crash leaves no half file under the right one."""
    partial = path.with_name(path.name + ".part")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(members):
            text = "".join(row + "\n" for row in members[name])
            archive.writestr(zipfile.ZipInfo(name, _ZIP_TIME), text, compress_type=zipfile.ZIP_DEFLATED)
    os.replace(partial, path)
