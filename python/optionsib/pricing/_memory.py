"""Refuse work whose arrays would not fit into the machine's memory."""

from __future__ import annotations

import os


def check_bytes(wanted: int, what: str) -> None:
    """Raise MemoryError where so many bytes are more than three quarters of the machine's memory."""
    present = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if wanted > present * 3 // 4:
        raise MemoryError(f"{what} would take {wanted / 1e9:.1f} GB; the machine has {present / 1e9:.1f} GB")
