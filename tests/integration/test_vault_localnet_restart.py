"""The local chain killed at any moment continues: nothing acknowledged is lost, nothing happens twice."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("solders")

from solana.exceptions import SolanaRpcException
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.signature import Signature
from spl.token.instructions import get_associated_token_address

from optionsib.vault.tokens import USDT_MINT
from tests.integration.localnet_processes import Chain, chain, client, own, paying, send, signed

FEE = 5_000
FUNDS = 10**12


async def pay_until_killed(
    running: Chain, payer: Keypair, targets: list[Pubkey], rng: random.Random, known: dict[Signature, int]
) -> Signature | None:
    """Send transfers, kill the process in the middle; returns the one that was under way.

    ``known`` gets what was acknowledged, by signature: the amount.
    """
    under_way: Signature | None = None
    async with client(running) as rpc:
        killer = asyncio.get_running_loop().call_later(rng.uniform(0.0, 0.25), running.process.kill)
        with contextlib.suppress(SolanaRpcException):
            while True:
                amount = rng.randrange(10**6, 10**7)
                transaction = await signed(rpc, payer, paying(payer, rng.choice(targets), amount))
                under_way = transaction.signatures[0]
                await send(rpc, transaction)
                known[under_way] = amount
                under_way = None
        killer.cancel()
    running.process.wait()
    return under_way


async def check_books(running: Chain, payer: Keypair, targets: list[Pubkey], known: set[Signature]) -> None:
    """Recompute every balance from the raw transactions, and find all that was acknowledged."""
    async with client(running) as rpc:
        history: list[Any] = []
        before = None
        while page := (await rpc.get_signatures_for_address(payer.pubkey(), before=before)).value:
            history += page
            before = page[-1].signature
        paid, received = 0, dict.fromkeys(targets, 0)
        for entry in history[:-1]:  # the last one is the airdrop
            found = (await rpc.get_transaction(entry.signature)).value
            assert found is not None
            meta, keys = found.transaction.meta, found.transaction.transaction.message.account_keys
            assert meta.err is None
            gained = meta.post_balances[1] - meta.pre_balances[1]
            received[keys[1]] += gained
            paid += gained + FEE
        assert known <= {entry.signature for entry in history}
        assert (await rpc.get_balance(payer.pubkey())).value == FUNDS - paid
        for target in targets:
            assert (await rpc.get_balance(target)).value == received[target]


def test_killed_at_any_moment_it_continues(tmp_path: Path) -> None:
    rng = random.Random(11)
    payer, targets = Keypair(), [Pubkey.new_unique() for _ in range(3)]
    known: dict[Signature, int] = {}
    landed_slots: list[int] = []

    async def fund(running: Chain) -> None:
        async with client(running) as rpc:
            await rpc.request_airdrop(payer.pubkey(), FUNDS)

    async def slot(running: Chain) -> int:
        async with client(running) as rpc:
            return int((await rpc.get_slot()).value)

    for life in range(6):
        with chain(tmp_path) as running:
            if life == 0:
                asyncio.run(fund(running))
            landed_slots.append(asyncio.run(slot(running)))
            asyncio.run(pay_until_killed(running, payer, targets, rng, known))
    with chain(tmp_path) as running:
        asyncio.run(check_books(running, payer, targets, set(known)))
    assert len(known) > 10
    assert landed_slots == sorted(landed_slots)


def test_a_restart_keeps_tokens_time_history_and_makes_all_final(tmp_path: Path) -> None:
    owner = Keypair().pubkey()
    account = get_associated_token_address(owner, USDT_MINT)
    seen: dict[str, Any] = {}

    async def first(running: Chain) -> None:
        async with client(running) as rpc:
            await own(rpc, "setFault", {"confirmed_ms": 10_000, "finalized_ms": 20_000})
            await own(rpc, "advanceClock", 86_400)
            seen["signature"] = Signature.from_string(await own(rpc, "mint", str(owner), 7_000_000))
            await own(rpc, "freeze", str(account))
            seen["raw"] = (await rpc.get_account_info(account, "processed")).value
            seen["info"] = await own(rpc, "info")

    async def second(running: Chain) -> None:
        async with client(running) as rpc:
            info = await own(rpc, "info")
            assert info["unixTimeNs"] >= seen["info"]["unixTimeNs"]
            assert info["genesisHash"] == seen["info"]["genesisHash"]
            assert info["transactions"] == seen["info"]["transactions"]
            assert (await rpc.get_account_info(account)).value == seen["raw"]
            assert (await rpc.get_transaction(seen["signature"])).value.transaction.meta.err is None
            with pytest.raises(Exception, match="custom program error: 0xd"):
                await own(rpc, "freeze", str(account))  # frozen already
            await own(rpc, "thaw", str(account))

    with chain(tmp_path) as running:
        asyncio.run(first(running))
        running.kill()
    with chain(tmp_path) as running:
        asyncio.run(second(running))


@pytest.mark.parametrize("words", [("--seed", "8"), ("--slot-ms", "200")])
def test_another_chain_is_not_continued(tmp_path: Path, words: tuple[str, ...]) -> None:
    with chain(tmp_path) as running:
        genesis = running.facts["genesisHash"]
    command = [sys.executable, "-m", "optionsib.cli", "vault", "localnet", "--port", "0"]
    done = subprocess.run(
        [*command, "--state", str(tmp_path), *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "was begun with" in done.stderr
    with chain(tmp_path, "--reset", *words) as running:
        assert running.facts["genesisHash"] != genesis


def test_killed_in_its_genesis_it_begins_again(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "optionsib.cli", "vault", "localnet", "--port", "0"]
    state = tmp_path / "localnet.sqlite"
    for number in range(4):
        process = subprocess.Popen(
            [*command, "--state", str(tmp_path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while not state.exists() and process.poll() is None:
            time.sleep(0.001)
        time.sleep(0.005 * number)
        process.kill()
        process.wait()
    with chain(tmp_path) as running:
        assert running.facts["usdtMint"] == str(USDT_MINT)


def test_a_file_of_something_else_is_left_alone(tmp_path: Path) -> None:
    state = tmp_path / "localnet.sqlite"
    with contextlib.closing(sqlite3.connect(state)) as database:
        database.execute("CREATE TABLE notes (line TEXT)")
    before = state.read_bytes()
    command = [sys.executable, "-m", "optionsib.cli", "vault", "localnet", "--port", "0"]
    done = subprocess.run(
        [*command, "--state", str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "expected 1" in done.stderr
    with contextlib.closing(sqlite3.connect(state)) as database:
        assert database.execute("SELECT name FROM sqlite_master").fetchall() == [("notes",)]
    assert len(state.read_bytes()) == len(before)
