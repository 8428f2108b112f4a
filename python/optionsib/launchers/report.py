"""The report of a session that has run, from its state folder alone."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo

from optionsib.bus.journal import JournalReader
from optionsib.common.events import ChainLoaded
from optionsib.common.types import SECOND_NS
from optionsib.launchers.state_folder import journal_path, tape_path
from optionsib.performance.report import write_report

NEW_YORK = ZoneInfo("America/New_York")


def report_of(state: Path, out: Path | None = None) -> Path:
    """Write the report of the session in ``state`` and return its path; works beside a running daemon.

    Raises
    ------
    JournalError
        If there is no journal.
    """
    title, simulated = state.name, False
    with JournalReader.open_read_only(journal_path(state)) as journal:
        for _, at_ns, event in journal.events([ChainLoaded]):
            if isinstance(event, ChainLoaded):
                day = dt.datetime.fromtimestamp(at_ns // SECOND_NS, NEW_YORK).date()
                title, simulated = f"{event.underlying.symbol} {day}", event.simulated
    tape = tape_path(state)
    path = out or state / "report.html"
    write_report(journal_path(state), tape if tape.exists() else None, path, title=title, simulated=simulated)
    return path
