"""Delays, drops, reorders and RPC faults of the local chain, met by the unmodified client."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("solders")

from solana.exceptions import SolanaRpcException
from solana.rpc.commitment import Confirmed, Finalized, Processed
from solana.rpc.core import RPCException
from solana.rpc.websocket_api import SolanaWsClient
from solders.pubkey import Pubkey

from tests.integration.localnet_processes import (
    Chain,
    chain,
    funded,
    own,
    paying,
    refused,
    run,
    send,
    signed,
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    with chain(tmp_path_factory.mktemp("localnet")) as started:
        yield started


@pytest.fixture(autouse=True)
def _perfect_network_again(running: Chain) -> Iterator[None]:
    yield
    run(running, lambda rpc: own(rpc, "setFault", None))


def test_dropped_and_overtaken_transactions(running: Chain) -> None:
    async def scenario(rpc: Any) -> None:
        payer, target = await funded(rpc), Pubkey.new_unique()
        await own(rpc, "setFault", {"drop": 1.0})
        dropped = await send(rpc, await signed(rpc, payer, paying(payer, target, 10**6)))
        assert (await rpc.get_signature_statuses([dropped])).value == [None]
        await own(rpc, "setFault", {"drop": 0.0, "reorder": 1.0, "reorder_ms": 30_000})
        first = await send(rpc, await signed(rpc, payer, paying(payer, target, 2 * 10**6)))
        await own(rpc, "setFault", {"reorder": 0.0, "duplicate": 1.0})
        second = await send(rpc, await signed(rpc, payer, paying(payer, target, 3 * 10**6)))
        assert [one is None for one in (await rpc.get_signature_statuses([first, second])).value] == [
            True,
            False,
        ]
        assert (await rpc.get_balance(target)).value == 3 * 10**6
        await own(rpc, "advanceClock", 31)
        assert (await rpc.get_balance(target)).value == 5 * 10**6
        await own(rpc, "setFault", {"duplicate": 0.0, "expire": 1.0})
        late = await send(rpc, await signed(rpc, payer, paying(payer, target, 4 * 10**6)))
        await own(rpc, "expireBlockhashes")
        await own(rpc, "advanceClock", 60)
        assert (await rpc.get_signature_statuses([late])).value == [None]
        assert (await own(rpc, "info"))["underWay"] == 0

    run(running, scenario)


def test_delays_pass_with_real_time_too(running: Chain) -> None:
    async def scenario(rpc: Any) -> None:
        payer = await funded(rpc)
        await own(
            rpc, "setFault", {"processed_ms": 300, "jitter_ms": 50, "confirmed_ms": 200, "finalized_ms": 300}
        )
        transaction = await signed(rpc, payer, paying(payer, Pubkey.new_unique(), 10**6))
        async with SolanaWsClient(running.websocket) as socket:
            for level in (Processed, Confirmed, Finalized):
                await socket.signature_subscribe(signature=transaction.signatures[0], commitment=level)
            began = time.monotonic()
            signature = await send(rpc, transaction)
            status = (await rpc.get_signature_statuses([signature])).value
            under_way = (await own(rpc, "info"))["underWay"]
            if time.monotonic() - began < 0.3:  # it may have landed where this process had to wait
                assert (status, under_way) == ([None], 1)
            numbers = []
            for passed in (0.3, 0.5, 0.6):
                numbers.append((await socket.recv()).subscription)
                assert time.monotonic() - began >= passed
            assert numbers == sorted(numbers)
        assert (await rpc.confirm_transaction(signature, Finalized)).value[0].err is None

    run(running, scenario)


def test_faults_from_the_command_line(tmp_path: Path) -> None:
    with chain(tmp_path, "--fault", "drop=1.0", "--fault", "methods=getSlot,getHealth") as dropping:

        async def scenario(rpc: Any) -> None:
            faults = (await own(rpc, "info"))["faults"]
            assert (faults["drop"], faults["methods"]) == (1.0, ["getSlot", "getHealth"])
            payer = await funded(rpc)
            assert (await rpc.get_balance(payer.pubkey())).value == 0

        run(dropping, scenario)


@pytest.mark.parametrize("word", ["drop", "drop=2", "cake=1", "drop=x"])
def test_a_bad_fault_is_refused(tmp_path: Path, word: str) -> None:
    words = ["vault", "localnet", "--port", "0", "--state", str(tmp_path), "--fault", word]
    done = subprocess.run(
        [sys.executable, "-m", "optionsib.cli", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "expected" in done.stderr.lower()
    assert list(tmp_path.iterdir()) == []


def test_rpc_faults(running: Chain) -> None:
    async def scenario(rpc: Any) -> None:
        payer, target = await funded(rpc), Pubkey.new_unique()
        await own(rpc, "setFault", {"rpc_error": 1.0, "methods": ["getSlot"]})
        assert "unhealthy" in str(await refused(rpc.get_slot()))
        assert (await rpc.get_block_height()).value > 0
        await own(rpc, "setFault", {"rpc_error": 0.0, "rpc_unavailable": 1.0})
        with pytest.raises(SolanaRpcException):
            await rpc.get_slot()
        # The answer is lost, so the client's transport sends once more: executed exactly once all the same.
        await own(rpc, "setFault", {"rpc_unavailable": 0.0, "rpc_lost_answer": 1.0, "methods": []})
        await own(rpc, "setFault", {"methods": ["sendTransaction"]})
        transaction = await signed(rpc, payer, paying(payer, target, 10**6))
        with pytest.raises(SolanaRpcException):
            await send(rpc, transaction, skip_preflight=True)
        (status,) = (await rpc.get_signature_statuses([transaction.signatures[0]])).value
        assert status.err is None
        assert (await rpc.get_balance(target)).value == 10**6
        await own(rpc, "setFault", {"rpc_lost_answer": 0.0, "rpc_timeout": 1.0, "rpc_timeout_ms": 200})
        with pytest.raises(SolanaRpcException):
            await send(rpc, transaction, skip_preflight=True)

    run(running, scenario)


def test_rpc_faults_repeat_with_their_seed(running: Chain) -> None:
    async def scenario(rpc: Any) -> None:
        async def pattern(seed: int) -> list[bool]:
            await own(rpc, "setFault", {"rpc_error": 0.3, "methods": ["getSlot"], "seed": seed})
            found = []
            for _ in range(40):
                try:
                    await rpc.get_slot()
                    found.append(True)
                except RPCException:
                    found.append(False)
            return found

        first = await pattern(5)
        assert first == await pattern(5)
        assert first != await pattern(6)
        assert 15 < sum(first) < 39

    run(running, scenario)
