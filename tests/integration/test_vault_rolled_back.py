"""A network takes a confirmed transaction back: the daemon says so and opens nothing more."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

pytest.importorskip("solders")

from optionsib.vault.conditions import VaultCondition
from optionsib.vault.embedded import EmbeddedChain
from tests.vault_desk import USDT, Desk


@pytest.mark.parametrize("goes_on", [False, True])
def test_a_transaction_that_is_rolled_back_is_told(tmp_path: Path, goes_on: bool) -> None:
    async def scenario() -> None:
        desk = Desk(state=tmp_path / "chain")
        await desk.begin()
        await desk.service.advance()
        shutil.copytree(tmp_path / "chain", tmp_path / "fork")
        donor, source = desk.chain.signer("settlement"), desk.chain.usdt_account("settlement")

        def deposit(amount: int) -> list[object]:
            return [desk.vault.program.deposit(desk.vault.trader, donor.public_key, source, amount)]

        await desk.vault.run(deposit(5 * USDT), signers=[donor])
        await desk.service.advance()
        assert desk.service.conditions() == {}

        fork = EmbeddedChain(11, desk.clock, state=tmp_path / "fork")
        desk.vault._rpc = fork.rpc
        desk.pass_seconds(60)  # so that the fork's slots are beyond those that were seen
        if goes_on:  # as many records as before, and others
            await fork.vault().run(deposit(7 * USDT), signers=[donor])
        await desk.service.advance()
        told = desk.service.conditions()
        assert VaultCondition.LEDGER_MISMATCH in told
        assert "rolled back" in told[VaultCondition.LEDGER_MISMATCH]
        assert desk.order("O1", "T1", 1, loss=1) is not None

    asyncio.run(scenario())
