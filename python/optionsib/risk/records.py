"""What the native checks share with Python: the names of the checks and the layouts of the records."""

from __future__ import annotations

from typing import Any

import numpy as np

from optionsib._native import _core

CHECK_NAMES: tuple[str, ...] = _core.LIMIT_CHECKS  # by number; 0 is none
STILL_ANSWERS = frozenset(
    {"account_enabled", "tradable", "quantity_positive", "lot", "price_positive", "price_grid", "stale_feed"}
    | {"self_match", "capacity", "malformed"}
)

#: One single-leg order of a batch; C++ reads the same 64 bytes (``struct`` format ``<qQqqIIIIbB14x``).
#: ``contract``, ``strategy`` and ``account`` are numbers (``LimitChecker.number``), ``action`` is 0 submit,
#: 1 reprice, 2 cancel of the order named by ``handle``. ``price`` (1/10000) is positive on both sides.
ORDER_RECORD: np.dtype[Any] = np.dtype(
    [("time_ns", "<i8"), ("handle", "<u8"), ("quantity", "<i8"), ("price", "<i8"), ("contract", "<u4"),
     ("strategy", "<u4"), ("account", "<u4"), ("trade", "<u4"), ("side", "i1"), ("action", "u1"),
     ("reserved", "V14")]
)  # fmt: skip
#: The answer to one ``ORDER_RECORD``, 32 bytes (``struct`` format ``<QddBBBB4x``). ``check`` indexes
#: ``CHECK_NAMES``; ``finding`` is 1 exceeded, 2 limit not set, 3 not known; ``handle`` names the order that
#: works from now on.
VERDICT_RECORD: np.dtype[Any] = np.dtype(
    [("handle", "<u8"), ("value", "<f8"), ("limit", "<f8"), ("accepts", "u1"), ("check", "u1"),
     ("finding", "u1"), ("reduces_risk", "u1"), ("reserved", "V4")]
)  # fmt: skip
