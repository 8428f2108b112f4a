"""A day of the settlement service in processes of its own: killed by SIGKILL, started again, checked.

``python -m tests.vault_killed FOLDER FIRST LAST`` imports once and forks: for each journal offset one process
that dies before it writes that record, and one that goes on from what is on disk. ``python -m
tests.vault_killed FOLDER`` is one such process (``OPTIONSIB_KILL_AT`` may kill it). Journal, chain and the
attestor's memory are files; nothing else survives. A line of JSON tells each day's balances.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import traceback
from pathlib import Path

from optionsib.bus.journal import Journal, make_genesis
from optionsib.common.events import Event
from optionsib.vault.attestor_store import AttestorStore
from tests.integration.test_vault_settlement import check, day
from tests.vault_desk import START_NS, Desk

GENESIS = make_genesis(seed=11, config="", data="", model="", build="", simd_path="")


class DiskDesk(Desk):
    """A desk whose journal, chain and attestor are on disk."""

    def __init__(self, folder: Path, *, kill_at: int = 0) -> None:
        super().__init__(kill_at=kill_at, state=folder / "chain")
        self.store = AttestorStore(folder / "attestor.sqlite", "test")
        path = folder / "journal.sqlite"
        self._file = Journal.open(path) if path.exists() else Journal.create(path, GENESIS)
        self.journal = [event for _, _, event in self._file.events()]
        self.clock.advance(max(START_NS, self._file.last_at_ns))

    def write(self, event: Event) -> None:
        """Journal an event durably, or die before it is there."""
        if self.kill_at and len(self.journal) + 1 == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        self._file.append_durable(event, self.clock.now_ns())
        self.journal.append(event)


def live(folder: Path, kill_at: int = 0) -> None:
    """Live the day, from wherever the folder has come to; print where it ended."""

    async def whole() -> DiskDesk:
        desk = DiskDesk(folder, kill_at=kill_at)
        await desk.begin()
        await day(desk)
        return desk

    desk = asyncio.run(whole())
    check(desk)
    print(json.dumps({"records": len(desk.journal), "balances": desk.ledger.books.balances}), flush=True)


def in_process(folder: Path, kill_at: int = 0) -> int:
    """Live the day in a forked process; return its exit status, negative for a signal."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    try:
        live(folder, kill_at)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def main(folder: Path, first: int, last: int) -> int:
    """Kill at each offset; return 1 at the first day that does not end as it must."""
    for offset in range(first, last + 1):
        place = folder / str(offset)
        place.mkdir(parents=True)
        if in_process(place, offset) != -signal.SIGKILL or in_process(place) != 0:
            print(f"killed at record {offset}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    if len(sys.argv) == 2:
        live(Path(sys.argv[1]))
    else:
        sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
