"""Named points at which a test may kill the process, to prove that a restart loses nothing.

``OPTIONSIB_KILL_AT=name:3`` sends SIGKILL to this process at the third pass of that point. Unset
(always, outside tests) a point costs one dictionary look-up.
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

_plan = os.environ.get("OPTIONSIB_KILL_AT", "")
_name, _, _count = _plan.partition(":")
_remaining = {_name: int(_count or 1)} if _name else {}


def fault_point(name: FaultPoint) -> None:
    """Die here if the environment asks for it."""
    if name in _remaining:
        _remaining[name] -= 1
        if _remaining[name] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
