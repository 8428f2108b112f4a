"""The audit chain recomputed from the log: equal where nothing is missing, else a sentence each."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

pytest.importorskip("solders")

from optionsib.common.clock import SteppedClock
from optionsib.vault.audit_trail import audit_trail
from optionsib.vault.embedded import EmbeddedChain
from optionsib.vault.program_client import AuditEvent, VaultAccount
from optionsib.vault.readings import HistoryEntry

HOUR = 3_600


@pytest.fixture(scope="module")
def lived() -> tuple[list[HistoryEntry], VaultAccount, dict[str, Any]]:
    async def live() -> tuple[list[HistoryEntry], VaultAccount, dict[str, Any]]:
        chain = EmbeddedChain(5, SteppedClock(1_700_000_000 * 10**9))
        mandate = chain.mandate(
            symbols_hash=bytes(32), trade_cap=10**9, total_cap=10**10, day_loss_cap=10**10,
            lifetime_loss_cap=10**11, fee_bps=0, max_duration=24 * HOUR, heartbeat_limit=24 * HOUR,
            timelock=24 * HOUR,
        )  # fmt: skip
        vault = await chain.set_up(mandate, deposit=10**10, settlement=10**10)
        engine = chain.signer("engine")
        for _ in range(3):
            beat = vault.program.heartbeat(vault.trader, engine.public_key)
            await vault.run([beat, beat], signers=[engine])
        reading = await vault.read()
        assert reading.vault is not None
        place = {"program": chain.program, "vault": vault.addresses.vault}
        found = await vault.history(), reading.vault, place
        await chain.close()
        return found

    return asyncio.run(live())


def test_an_untouched_log_gives_the_accounts_hash(lived: Any) -> None:
    history, account, place = lived
    trail = audit_trail(history, account, **place)
    assert trail.differences == ()
    assert [record.sequence for record in trail.records] == list(range(8))


def test_a_missing_transaction_is_named(lived: Any) -> None:
    history, account, place = lived
    trail = audit_trail([*history[:2], *history[3:]], account, **place)
    assert len(trail.differences) == 1
    assert history[3].signature in trail.differences[0]
    assert "record 4, expected 2" in trail.differences[0]


def test_a_missing_end_is_named(lived: Any) -> None:
    history, account, place = lived
    (difference,) = audit_trail(history[:-1], account, **place).differences
    assert "the log has 6 records" in difference
    assert account.audit.hex() in difference


def test_a_changed_record_does_not_give_its_hash(lived: Any) -> None:
    history, account, place = lived
    event = history[1].events[0]
    forged = AuditEvent(event.vault, msgspec.structs.replace(event.record, amount=1), event.audit)
    changed = msgspec.structs.replace(history[1], events=(forged,))
    (difference,) = audit_trail([history[0], changed, *history[2:]], account, **place).differences
    assert "record 1 does not give its hash" in difference


def test_another_vaults_log_is_not_this_ones(lived: Any) -> None:
    history, account, place = lived
    other = {**place, "vault": place["program"]}
    assert audit_trail(history, account, **other).differences
