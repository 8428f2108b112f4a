"""A stranger fills a transaction's log, so that the node cuts the vault's records off: the books go on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

pytest.importorskip("solders")

from solders.instruction import AccountMeta, Instruction
from solders.message import Message
from solders.pubkey import Pubkey
from solders.transaction import Transaction
from spl.token.constants import TOKEN_PROGRAM_ID
from spl.token.instructions import transfer_checked
from spl.token.models import TransferCheckedParams

from optionsib.vault.audit_trail import audit_trail
from optionsib.vault.base58 import base58
from optionsib.vault.conditions import VaultCondition
from optionsib.vault.cut_logs import completed, vault_calls
from optionsib.vault.program_client import first_audit
from optionsib.vault.readings import HistoryEntry, MetaShape, VaultReading
from optionsib.vault.verify import ledger_differences
from tests.vault_desk import USDT, Desk

FLOOD = 20  # deposits: their logs together are longer than the 10,000 bytes that a node keeps


def played(scenario: Callable[[Desk], Awaitable[None]]) -> None:
    async def whole() -> None:
        desk = Desk()
        await desk.begin()
        async with asyncio.timeout(60):
            await scenario(desk)

    asyncio.run(whole())


def deposits(desk: Desk, count: int = FLOOD) -> list[Instruction]:
    """Return deposits of 1, 2, ... base units by somebody who is not the trader."""
    source, program = desk.chain.usdt_account("settlement"), desk.vault.program
    donor = desk.chain.signer("settlement").public_key
    return [program.deposit(desk.vault.trader, donor, source, amount) for amount in range(1, count + 1)]


async def flooded(desk: Desk, *more: Instruction) -> str:
    """Send deposits, then ``more``, in one transaction; return its signature. Its log must be cut off."""
    await desk.vault.run([*deposits(desk), *more], signers=[desk.chain.signer("settlement")])
    (*_, entry) = await desk.vault.history()
    options = {"encoding": "base64", "maxSupportedTransactionVersion": 0}
    logs = desk.chain.call("getTransaction", entry.signature, options)["meta"]["logMessages"]
    assert "Log truncated" in logs
    assert sum(line.startswith("Program data: ") for line in logs) < FLOOD
    return entry.signature


async def all_is_booked(desk: Desk) -> None:
    await desk.service.advance()
    assert desk.service.conditions() == {}
    await books_agree(desk)


async def books_agree(desk: Desk) -> None:
    history, reading = await desk.vault.history(), await desk.vault.read()
    assert reading.vault is not None
    assert reading.funds is not None
    place = {"program": desk.chain.program, "vault": desk.vault.addresses.vault}
    trail = audit_trail(history, reading.vault, **place)
    assert trail.differences == ()
    assert [record.sequence for record in trail.records] == list(range(reading.vault.sequence))
    assert ledger_differences(history, desk.journal) == []
    books = desk.ledger.books.balances
    assert books["free"] + books["reserved"] == reading.funds.amount


def test_deposits_are_booked_once_and_after_a_restart_too() -> None:
    async def scenario(desk: Desk) -> None:
        free = desk.service.state(0).free
        for turn in (1, 2):  # the second is read from where the first ended
            await flooded(desk)
            await all_is_booked(desk)
            assert desk.service.state(0).free == free + turn * sum(range(FLOOD + 1))
            await desk.vault.run(deposits(desk, 1), signers=[desk.chain.signer("settlement")])
            free += 1
            await all_is_booked(desk)
        await desk.start()
        await all_is_booked(desk)
        desk.journal.clear()
        await desk.start()
        await all_is_booked(desk)

    played(scenario)


def test_a_sweep_behind_a_flood() -> None:
    async def scenario(desk: Desk) -> None:
        dust = transfer_checked(
            TransferCheckedParams(
                program_id=TOKEN_PROGRAM_ID,
                source=desk.chain.usdt_account("settlement"),
                mint=desk.vault.program.mint,
                dest=desk.vault.addresses.escrow,
                owner=desk.chain.signer("settlement").public_key,
                amount=77,
                decimals=6,
            )
        )
        free = desk.service.state(0).free
        await flooded(desk, dust, desk.vault.program.sweep(desk.vault.trader))
        await all_is_booked(desk)
        assert desk.service.state(0).free == free + sum(range(FLOOD + 1)) + 77

    played(scenario)


def test_an_expiry_behind_a_flood() -> None:
    async def scenario(desk: Desk) -> None:
        for number in (1, 2):
            assert desk.order(f"O{number}", f"T{number}", 1, loss=300) is None
            desk.fill(f"O{number}", 1, 1, (25_000, 11_000))
            await desk.settle(rounds=5)
        desk.pass_seconds(90_000)
        found = await desk.vault.trade(1)
        assert found is not None
        await flooded(desk, desk.vault.program.expire(desk.vault.trader, found))
        await desk.settle(rounds=3)
        assert VaultCondition.LEDGER_MISMATCH not in desk.service.conditions()
        await books_agree(desk)
        assert desk.ledger.books.balances["escrow"] == 300 * USDT

    played(scenario)


async def history_of_a_flood(desk: Desk) -> tuple[list[HistoryEntry], VaultReading]:
    signature = await flooded(desk)
    reading = await desk.vault.read()
    history = [
        msgspec.structs.replace(entry, events=entry.events[:3]) if entry.signature == signature else entry
        for entry in await desk.vault.history()
    ]
    assert not history[-1].is_whole
    return history, reading


def test_what_is_not_proven_is_not_taken() -> None:
    async def scenario(desk: Desk) -> None:
        history, reading = await history_of_a_flood(desk)
        account, vault, program = reading.vault, desk.vault.addresses.vault, desk.vault.program
        assert account is not None
        start = {"sequence": 0, "audit": first_audit(program.program, vault, account.cluster)}

        def whole(history: list[HistoryEntry], **changes: Any) -> bool:
            changed = msgspec.structs.replace(account, **changes)
            return completed(history, changed, program, vault, **start)[-1].is_whole

        assert whole(history)
        *before, last = history
        assert last.block_time is not None
        for harm in (
            {"block_time": last.block_time + 1},
            {"block_time": None},
            {"calls": (*last.calls[:-1], msgspec.structs.replace(last.calls[-1], kind="open"))},
        ):
            changed = msgspec.structs.replace(last, **harm)
            assert completed([*before, changed], account, program, vault, **start)[-1].events == last.events
        assert not whole(history, audit=bytes(32))
        longer = msgspec.structs.replace(last, calls=(*last.calls, last.calls[-1]))
        assert not whole([*before, longer]), "the account knows of no further record"
        # A later record that a log shows proves it too, whatever the account says by then.
        await desk.vault.run(deposits(desk, 1), signers=[desk.chain.signer("settlement")])
        (*_, after) = await desk.vault.history()
        found = completed(
            [*history, after],
            msgspec.structs.replace(account, audit=bytes(32)),
            program,
            vault,
            **start,
        )
        assert all(entry.is_whole for entry in found)

    played(scenario)


def inner(*steps: dict[str, Any]) -> MetaShape:
    return msgspec.convert(
        {"fee": 0, "innerInstructions": [{"index": 0, "instructions": list(steps)}]}, MetaShape
    )


def test_calls_by_another_program_and_for_another_vault() -> None:
    async def scenario(desk: Desk) -> None:
        (gift,) = deposits(desk, 1)
        vault, other = desk.vault.addresses.vault, Pubkey.from_string("1" * 31 + "2")
        outer = Instruction(other, b"anything", [*gift.accounts, AccountMeta(gift.program_id, False, False)])
        message = Message([outer], gift.accounts[0].pubkey)
        wire = bytes(Transaction.new_unsigned(message))
        keys = list(message.account_keys)
        call = {
            "programIdIndex": keys.index(gift.program_id),
            "accounts": [keys.index(account.pubkey) for account in gift.accounts],
            "data": base58(bytes(gift.data)),
            "stackHeight": 2,
        }
        transfer = {
            "programIdIndex": keys.index(TOKEN_PROGRAM_ID),
            "accounts": [0],
            "data": base58(b"\x0c" + (9).to_bytes(8, "little") + b"\x06"),
            "stackHeight": 3,
        }
        (found,) = vault_calls(wire, inner(call, transfer), gift.program_id, vault)
        assert (found.kind, found.moved, found.data) == ("deposit", 9, bytes(gift.data))
        (alone,) = vault_calls(wire, inner(call, {**transfer, "stackHeight": 2}), gift.program_id, vault)
        assert alone.moved == 0, "a transfer beside the call is not the call's"
        at = keys.index(vault)
        elsewhere = {**call, "accounts": [0 if index == at else index for index in call["accounts"]] + [at]}
        assert list(vault_calls(wire, inner(elsewhere), gift.program_id, vault)) == []
        with pytest.raises(ValueError, match="has not"):
            list(vault_calls(wire, inner({**call, "accounts": [250] * 6}), gift.program_id, vault))

    played(scenario)
