"""The local chain in the process, on a clock that is stepped: time, determinism of faults, refusals."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("solders")

from solders.hash import Hash
from solders.keypair import Keypair
from solders.litesvm import LiteSVM
from solders.message import Message
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

from optionsib.common.clock import SteppedClock
from optionsib.common.errors import SettlementError
from optionsib.common.types import SECOND_NS
from optionsib.vault.base58 import base58, unbase58
from optionsib.vault.localnet import Faults, Localnet, LocalnetSettings, RpcError, http
from optionsib.vault.localnet.bank import new_vm
from optionsib.vault.localnet.faults import Draws

START_NS = 1_402_061_400 * SECOND_NS
FAULTS = Faults(
    processed_ms=300,
    jitter_ms=900,
    confirmed_ms=800,
    finalized_ms=12_800,
    drop=0.2,
    duplicate=0.2,
    reorder=0.3,
    expire=0.1,
)


def wire(chain: Localnet, payer: Keypair, target: Pubkey, lamports: int) -> str:
    blockhash = Hash.from_string(
        chain.call("getLatestBlockhash", {"commitment": "processed"})["value"]["blockhash"]
    )
    move = TransferParams(from_pubkey=payer.pubkey(), to_pubkey=target, lamports=lamports)
    message = Message.new_with_blockhash([transfer(move)], payer.pubkey(), blockhash)

    return base64.b64encode(bytes(VersionedTransaction(message, [payer]))).decode()


def send(chain: Localnet, payer: Keypair, target: Pubkey, lamports: int) -> str:
    config = {"encoding": "base64", "skipPreflight": True}
    return str(chain.call("sendTransaction", wire(chain, payer, target, lamports), config))


def ledger(seed: int) -> list[tuple[Any, ...]]:
    """Send for a minute through a bad network; returns what has landed."""
    clock = SteppedClock(START_NS)
    chain = Localnet(LocalnetSettings(seed=seed), clock)
    payer, target = Keypair.from_seed(bytes(31) + b"\1"), Pubkey.from_bytes(bytes(31) + b"\2")
    chain.call("requestAirdrop", str(payer.pubkey()), 10**12)
    chain.call("localnet_setFault", {name: getattr(FAULTS, name) for name in CHANGED})
    for number in range(60):
        send(chain, payer, target, 10**6 + number)
        clock.advance(clock.now_ns() + SECOND_NS)
    clock.advance(clock.now_ns() + 300 * SECOND_NS)
    rows = chain.call("getSignaturesForAddress", str(target), {"limit": 1000})
    return [(row["signature"], row["slot"], row["blockTime"]) for row in rows]


CHANGED = [name for name in Faults.__struct_fields__ if getattr(FAULTS, name) != getattr(Faults(), name)]


def test_equal_seeds_give_equal_ledgers() -> None:
    first = ledger(7)
    assert first == ledger(7)
    assert 30 < len(first) < 55  # some were dropped or expired
    other = ledger(8)
    assert [row[1] for row in other] != [row[1] for row in first]


def test_reordered_ones_land_at_their_own_time() -> None:
    times = [row[2] for row in ledger(7)]
    assert times == sorted(times, reverse=True)
    assert times[0] < START_NS // SECOND_NS + 70  # not at the moment somebody looked


def test_the_chain_has_the_clocks_time() -> None:
    clock = SteppedClock(START_NS)
    chain = Localnet(LocalnetSettings(), clock)
    slot = chain.call("getSlot")
    assert chain.call("getBlockTime", slot) == START_NS // SECOND_NS
    clock.advance(START_NS + 4 * SECOND_NS)
    assert chain.call("getSlot") == slot + 10
    signature = chain.call("requestAirdrop", str(Pubkey.new_unique()), 10**9)
    assert chain.call("getTransaction", signature)["blockTime"] == START_NS // SECOND_NS + 4
    assert chain.call("localnet_advanceClock", 2.5) == START_NS // SECOND_NS + 6


def test_time_does_not_run_backwards_across_a_restart(tmp_path: Path) -> None:

    chain = Localnet(LocalnetSettings(state=tmp_path), SteppedClock(START_NS))
    chain.call("requestAirdrop", str(Pubkey.new_unique()), 10**9)
    info = chain.call("localnet_info")
    asyncio.run(chain.close())
    chain = Localnet(LocalnetSettings(state=tmp_path), SteppedClock(START_NS - 3_600 * SECOND_NS))
    again = chain.call("localnet_info")
    asyncio.run(chain.close())
    assert again == info


def test_two_equal_transfers_of_one_slot_are_one_transaction() -> None:
    chain = Localnet(LocalnetSettings(), SteppedClock(START_NS))
    payer, target = Keypair(), Pubkey.new_unique()
    chain.call("requestAirdrop", str(payer.pubkey()), 10**9)
    assert send(chain, payer, target, 10**6) == send(chain, payer, target, 10**6)
    assert chain.call("getBalance", str(target))["value"] == 10**6
    with pytest.raises(RpcError, match="already been processed"):
        chain.call("sendTransaction", wire(chain, payer, target, 10**6), {"encoding": "base64"})


def test_a_failed_transaction_that_pays_its_fee_is_in_the_ledger_another_is_not() -> None:
    chain = Localnet(LocalnetSettings(), SteppedClock(START_NS))
    payer, pauper = Keypair(), Keypair()
    chain.call("requestAirdrop", str(payer.pubkey()), 10**9)
    failed = send(chain, payer, Pubkey.new_unique(), 10**10)
    lost = send(chain, pauper, Pubkey.new_unique(), 1)
    first, second = chain.call("getSignatureStatuses", [failed, lost])["value"]
    assert first["err"] == {"InstructionError": [0, {"Custom": 1}]}
    assert second is None
    assert chain.call("getBalance", str(payer.pubkey()))["value"] == 10**9 - 5_000


def test_after_a_failed_write_nobody_is_served() -> None:
    chain = Localnet(LocalnetSettings(), SteppedClock(START_NS))
    payer = Keypair()
    chain.call("requestAirdrop", str(payer.pubkey()), 10**9)
    chain._store._database.execute("PRAGMA query_only=ON")  # the disk says no
    with pytest.raises(RpcError, match="could not be written"):
        send(chain, payer, Pubkey.new_unique(), 10**6)
    for method in ("getHealth", "getSlot", "localnet_info"):
        with pytest.raises(RpcError, match="restart to continue"):
            chain.call(method)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"drop": -0.1}, "drop=-0.1: expected a probability"),
        ({"processed_ms": float("nan")}, "expected milliseconds"),
        ({"jitter_ms": 1e12}, "expected milliseconds"),
        ({"confirmed_ms": 5.0}, "finalized_ms=0.0: expected confirmed_ms"),
    ],
)
def test_bad_faults_are_refused(values: dict[str, float], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Faults(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize("values", [{"slot_ms": 0}, {"port": 65_535}])
def test_bad_settings_are_refused(values: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="expected"):
        LocalnetSettings(**values)  # type: ignore[arg-type]


def test_a_program_that_the_loader_refuses_begins_no_chain(tmp_path: Path) -> None:
    elf = tmp_path / "program.so"
    elf.write_bytes(b"\x7fELF" + bytes(2_000))
    with pytest.raises(SettlementError, match="the loader refuses the program"):
        Localnet(LocalnetSettings(program=elf), SteppedClock(START_NS))
    with pytest.raises(SettlementError, match="No such file"):
        Localnet(LocalnetSettings(program=tmp_path / "none"), SteppedClock(START_NS))


def test_the_machine_has_the_mainnet_features() -> None:
    owner = Pubkey.from_string("Feature111111111111111111111111111111111111")
    features = LiteSVM.mainnet_feature_set()
    assert {key for key, _ in new_vm().get_program_accounts(owner)} == set(features.active)
    assert features.inactive


def test_who_dawdles_over_a_request_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "REQUEST_SECONDS", 0.2)

    async def scenario() -> None:
        async with Localnet(LocalnetSettings(), SteppedClock(START_NS)) as chain:
            address = chain.url.removeprefix("http://").split(":")
            reader, writer = await asyncio.open_connection(address[0], int(address[1]))
            writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\n")
            async with asyncio.timeout(10):
                assert await reader.read() == b""
            writer.close()

    asyncio.run(scenario())


def test_a_taken_port_is_named() -> None:
    async def scenario() -> None:
        async with Localnet(LocalnetSettings(), SteppedClock(START_NS)) as chain:
            port = int(chain.url.rpartition(":")[2])
            for taken in (port, port - 1):  # the RPC's, the websocket's
                other = Localnet(LocalnetSettings(port=taken), SteppedClock(START_NS))
                with pytest.raises(SettlementError, match=r"cannot listen on 127\.0\.0\.1:"):
                    await other.start()
                await other.close()

    asyncio.run(scenario())


def test_draws_of_one_kind_do_not_shift_another() -> None:
    plain, mixed = Draws(3), Draws(3)
    expected = [plain.uniform("drop") for _ in range(50)]
    found = []
    for _ in range(50):
        mixed.uniform("reorder")
        found.append(mixed.uniform("drop"))
    assert found == expected
    assert 0.0 <= min(found) < 0.2 < 0.8 < max(found) < 1.0


@pytest.mark.parametrize("data", [b"", b"\0\0a", b"hello world", bytes(range(256))])
def test_base58_round_trip(data: bytes) -> None:
    assert unbase58(base58(data)) == data
    assert base58(b"hello world") == "StV1DL6CwTryKyV"
