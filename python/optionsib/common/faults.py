"""Named points at which a test may kill the process, to prove that a restart loses nothing.

``OPTIONSIB_KILL_AT=name:3`` sends SIGKILL to this process at the third pass of that point;
``OPTIONSIB_STOP_AT=name:3`` sends SIGSTOP, as if it hung there. Unset (always, outside tests) a point costs
one dictionary look-up.
"""

from __future__ import annotations

import os
import signal
from typing import Literal

FaultPoint = Literal[
    "after-reserve-before-journal",
    "after-journal-before-send",
    "after-send-before-acknowledgement",
    "after-execution-before-settlement",
    "after-vault-journal-before-chain",
    "after-chain-before-next",
    "before-step-commit",
    "after-step-commit",
]


def _planned(variable: str, number: signal.Signals) -> dict[str, tuple[int, signal.Signals]]:
    name, _, count = os.environ.get(variable, "").partition(":")
    return {name: (int(count or 1), number)} if name else {}


_remaining = _planned("OPTIONSIB_KILL_AT", signal.SIGKILL) | _planned("OPTIONSIB_STOP_AT", signal.SIGSTOP)


def fault_point(name: FaultPoint) -> None:
    """Die or stop here if the environment asks for it."""
    if name in _remaining:
        count, number = _remaining[name]
        _remaining[name] = (count - 1, number)
        if count == 1:
            os.kill(os.getpid(), number)
