"""Open the day that a session plays: a recorded one from a folder, or a simulated one."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from optionsib.common.errors import DataError
from optionsib.common.ports import QuoteTape
from optionsib.data.historical.lean import LeanTape, available_dates
from optionsib.data.synthetic.simulated_day import DEFAULT_DATE, SimulatedTape


def open_tape(spec: str | Path | None, *, date: dt.date | None = None, seed: int) -> QuoteTape:
    """Return the tape that ``spec`` names.

    Parameters
    ----------
    spec
        None for a simulated day; else a folder in LEAN's layout
        (``.../option/usa/minute/<symbol>``).
    date
        The day. By default the simulated day's usual date, or the latest recorded day that has a
        day before it in the folder (the model is trained on the day before the one traded).
    seed
        Of the simulated day; a recorded day does not depend on it.

    Raises
    ------
    DataError
        If the folder, the day or a file is missing or broken.
    """
    if spec is None:
        return SimulatedTape(seed, date=date or DEFAULT_DATE)
    folder = Path(spec).expanduser()
    return LeanTape(folder, date or latest_day_with_predecessor(folder))


def latest_day_with_predecessor(folder: Path) -> dt.date:
    """Return the latest recorded day in ``folder`` that has an earlier one beside it.

    Raises
    ------
    DataError
        If the folder holds fewer than two days.
    """
    return _two_latest(folder)[1]


def day_before(folder: Path, date: dt.date) -> dt.date:
    """Return the latest recorded day in ``folder`` before ``date``.

    Raises
    ------
    DataError
        If there is none.
    """
    earlier = [day for day in available_dates(folder) if day < date]
    if not earlier:
        raise DataError(f"folder {folder}: no recorded day before {date}; expected one to train on")
    return earlier[-1]


def _two_latest(folder: Path) -> tuple[dt.date, dt.date]:
    days = available_dates(folder)
    if len(days) < 2:
        found = ", ".join(day.isoformat() for day in days) or "none"
        raise DataError(
            f"folder {folder}: days with option quotes: {found}; expected at least two "
            "(one to train on, the next to trade), or name the day"
        )
    return days[-2], days[-1]
