"""The virtual machine uses the x87 registers as MMX registers; nothing else in the process may notice."""

from __future__ import annotations

import asyncio

import numpy as np
from tests.vault_desk import DEPOSIT, FUNDED, START_NS, TERMS

from optionsib.common.clock import SteppedClock
from optionsib.vault.embedded import EmbeddedChain


def test_long_doubles_survive_the_virtual_machine() -> None:
    halves = np.full(64, 0.5, dtype=np.longdouble)

    async def whole() -> None:
        chain = EmbeddedChain(7, SteppedClock(START_NS))
        await chain.set_up(chain.mandate(**TERMS), deposit=DEPOSIT, settlement=FUNDED)
        assert halves.astype(np.float64).tolist() == [0.5] * 64
        await chain.close()

    asyncio.run(whole())
