"""``SolanaVault``: what breaks clients in production, on the embedded chain and over real RPC."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("solders")

from solders.compute_budget import ID as COMPUTE_BUDGET
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

from optionsib.common.clock import SteppedClock, SystemClock
from optionsib.common.errors import SettlementError
from optionsib.common.types import SECOND_NS
from optionsib.vault.client import SolanaVault, TransactionExpiredError
from optionsib.vault.embedded import PUBLIC_NETWORK, EmbeddedChain
from optionsib.vault.fees import FeePolicy, priority_price, unit_limit
from optionsib.vault.localnet import Faults
from optionsib.vault.program_client import ProgramError
from optionsib.vault.rpc import (
    RpcRefusedError,
    RpcUnavailableError,
    TransactionRefusedError,
    call,
    connect,
)
from optionsib.vault.signers import DemoSigner, LocalSigner, SignerError
from optionsib.vault.tokens import USDT_MINT
from tests.integration.localnet_processes import Chain, chain, client, own
from tests.integration.test_vault_trade import prepared, trading_on
from tests.vault_trading import DAY

START_NS = 1_402_061_400 * SECOND_NS
TERMS: dict[str, Any] = {
    "symbols_hash": b"\6" * 32, "trade_cap": 10**9, "total_cap": 10**10, "day_loss_cap": 10**10,
    "lifetime_loss_cap": 10**11, "fee_bps": 1_000, "max_duration": 30 * DAY, "heartbeat_limit": DAY,
    "timelock": DAY,
}  # fmt: skip


class World:
    """A demo vault on a chain in this process."""

    def __init__(self, **faults: float) -> None:
        self.clock = SteppedClock(START_NS)
        self.chain = EmbeddedChain(11, self.clock, faults=Faults(**faults))

    async def begin(self) -> SolanaVault:
        mandate = self.chain.mandate(**TERMS)
        self.vault = await self.chain.set_up(mandate, deposit=10**10, settlement=10**10)
        self.engine = self.chain.signer("engine")
        return self.vault

    def pass_seconds(self, seconds: float) -> None:
        self.clock.advance(self.clock.now_ns() + round(seconds * SECOND_NS))

    async def open(self, number: int, amount: int = 10**8) -> Instruction:
        reading = await self.vault.read()
        return self.vault.program.open(
            self.vault.trader,
            self.engine.public_key,
            number,
            amount=amount,
            expiry=reading.chain_time + 3_600,
            mandate_version=1,
            order_hash=number.to_bytes(32, "little"),
        )


def play(scenario: Callable[[World], Awaitable[None]], **faults: float) -> None:
    async def whole() -> None:
        world = World(**faults)
        async with asyncio.timeout(60):
            await world.begin()
            await scenario(world)
            await world.chain.close()

    asyncio.run(whole())


def test_a_set_up_is_done_once_and_can_be_continued(tmp_path: Path) -> None:
    async def twice() -> None:
        clock = SteppedClock(START_NS)
        for _ in range(2):
            embedded = EmbeddedChain(3, clock, state=tmp_path, faults=PUBLIC_NETWORK)
            vault = await embedded.set_up(embedded.mandate(**TERMS), deposit=10**9, settlement=10**9)
            reading = await vault.read(embedded.signer("engine").public_key)
            assert reading.funds is not None
            assert reading.vault is not None
            assert (reading.funds.amount, reading.vault.sequence) == (10**9, 2)
            assert reading.lamports == (10**10,)
            assert START_NS // SECOND_NS - reading.chain_time in (0, 1)  # the confirmed state is 0.8 s old
            await embedded.close()

    asyncio.run(twice())


def test_equal_seeds_give_equal_transactions() -> None:
    async def signatures(seed: int) -> list[str]:
        embedded = EmbeddedChain(seed, SteppedClock(START_NS))
        vault = await embedded.set_up(embedded.mandate(**TERMS), deposit=10**9, settlement=10**9)
        found = [entry.signature for entry in await vault.history()]
        await embedded.close()
        return found

    first, again, other = (asyncio.run(signatures(seed)) for seed in (5, 5, 6))
    assert first == again
    assert set(first).isdisjoint(other)


def test_no_call_waits_while_the_clock_stands_still() -> None:
    async def scenario(world: World) -> None:
        coroutine = world.vault.run([await world.open(1)], signers=[world.engine])
        with pytest.raises(StopIteration):  # it came to its end without once giving up control
            coroutine.send(None)

    play(scenario)


def test_equal_transactions_in_one_block_are_kept_apart() -> None:
    async def scenario(world: World) -> None:
        vault = world.vault
        await vault.run([await world.open(1)], signers=[world.engine])
        for left in (75, 50, 25):
            trade = await vault.trade(1)
            assert trade is not None
            reduce = vault.program.reduce(vault.trader, trade, 25 * 10**6)
            await vault.run([reduce], signers=[world.engine])
            trade = await vault.trade(1)
            assert trade is not None
            assert trade.remaining == left * 10**6
        trade = await vault.trade(1)
        assert trade is not None
        reduce = vault.program.reduce(vault.trader, trade, 10**6)
        same = [await vault.prepare([reduce], signers=[world.engine], tag=8) for _ in range(2)]
        assert same[0].wire == same[1].wire
        assert (await vault.prepare([reduce], signers=[world.engine], tag=9)).wire != same[0].wire

    play(scenario)


def test_a_transaction_asks_for_what_it_needs() -> None:
    async def scenario(world: World) -> None:
        ready = await world.vault.prepare([await world.open(1)], signers=[world.engine])
        message = VersionedTransaction.from_bytes(ready.wire).message
        programs = [message.account_keys[each.program_id_index] for each in message.instructions]
        assert programs == [world.chain.program, COMPUTE_BUDGET]  # other indices stay as they were
        assert 11_000 < ready.compute_units < 30_000
        await world.vault.submit(ready)
        (status,) = await world.vault.status([ready.signature])
        assert status is not None
        assert (status.error, status.reached("confirmed")) == ("", True)
        blind = await world.vault.prepare([await world.open(2)], signers=[world.engine], simulate=False)
        assert blind.compute_units >= 200_000

    play(scenario)


def test_refusals_have_their_names_before_anything_leaves() -> None:
    async def scenario(world: World) -> None:
        vault, engine = world.vault, world.engine
        before = world.chain.call("getTransactionCount")
        with pytest.raises(ProgramError, match="OVER_TRADE_CAP"):
            await vault.prepare([await world.open(1, 2 * 10**9)], signers=[engine])
        with pytest.raises(SignerError, match="has no signer"):
            await vault.prepare([await world.open(1)], signers=[world.chain.signer("fees")])
        poor = DemoSigner(1, "poor")
        beat = vault.program.heartbeat(vault.trader, poor.public_key)
        with pytest.raises(TransactionRefusedError) as caught:
            await vault.prepare([beat], signers=[poor])
        assert caught.value.low_sol
        too_long = Instruction(Pubkey.default(), b"\0" * 1_200, [])
        with pytest.raises(SettlementError, match="at most 1232 fit"):
            await vault.prepare([too_long], signers=[engine], simulate=False)
        assert world.chain.call("getTransactionCount") == before

    play(scenario)


def test_low_sol_for_the_rent_of_a_trade_is_told() -> None:
    async def scenario(world: World) -> None:
        reading = await world.vault.read(world.engine.public_key)
        spare = reading.lamports[0] - 1_000_000
        pay = TransferParams(
            from_pubkey=world.engine.public_key,
            to_pubkey=world.chain.signer("fees").public_key,
            lamports=spare - 5_000,
        )
        await world.vault.run([transfer(pay)], signers=[world.engine])
        with pytest.raises(TransactionRefusedError) as caught:
            await world.vault.prepare([await world.open(1)], signers=[world.engine])
        assert caught.value.low_sol

    play(scenario)


def test_a_failure_on_the_chain_is_told_by_the_status() -> None:
    async def scenario(world: World) -> None:
        vault = world.vault
        twins = [await vault.prepare([await world.open(1)], signers=[world.engine]) for _ in range(2)]
        assert await vault.follow(twins[0])
        with pytest.raises(ProgramError, match=r"ALREADY_EXISTS|TRADE_ID_USED"):
            await vault.follow(twins[1])
        statuses = await vault.status([twin.signature for twin in twins])
        assert [one is None or one.error != "" for one in statuses] == [False, True]
        assert (await vault.history())[-1].error in ("ALREADY_EXISTS", "TRADE_ID_USED")
        assert (await vault.history())[-1].events == ()

    play(scenario)


def test_bytes_sent_twice_take_effect_once() -> None:
    async def scenario(world: World) -> None:
        ready = await world.vault.prepare([await world.open(1)], signers=[world.engine])
        for _ in range(3):
            assert await world.vault.submit(ready.wire) == ready.signature
        world.pass_seconds(5)
        assert await world.vault.submit(ready) == ready.signature
        trade = await world.vault.trade(1)
        assert trade is not None
        reading = await world.vault.read()
        assert reading.escrow is not None
        assert reading.escrow.amount == trade.amount

    play(scenario, duplicate=1.0)


def test_delays_are_of_simulated_time() -> None:
    async def scenario(world: World) -> None:
        vault = world.vault
        ready = await vault.prepare([await world.open(1)], signers=[world.engine])
        sent_ns = world.clock.now_ns()
        await vault.submit(ready)
        assert await vault.status([ready.signature]) == [None]
        world.pass_seconds(0.5)
        (status,) = await vault.status([ready.signature])
        assert status is not None
        assert status.commitment == "processed"
        assert await vault.trade(1) is None  # confirmed state does not have it yet
        world.pass_seconds(60)
        (status,) = await vault.status([ready.signature])
        assert status is not None
        assert status.confirmed_ns == sent_ns + 1_200_000_000
        assert await vault.trade(1) is not None

    play(scenario, processed_ms=400, confirmed_ms=800, finalized_ms=12_800)


def test_what_is_dropped_expires_and_is_never_there() -> None:
    async def scenario(world: World) -> None:
        vault = world.vault
        ready = await vault.prepare([await world.open(1)], signers=[world.engine])
        await vault.submit(ready)
        assert not await vault.is_expired(ready.last_valid_block_height)
        world.pass_seconds(151 * 0.4)
        assert await vault.is_expired(ready.last_valid_block_height)
        assert await vault.status([ready.signature]) == [None]
        with pytest.raises(TransactionExpiredError, match="nothing moved"):
            await vault.follow(ready)
        assert await vault.trade(1) is None
        world.chain.call("localnet_setFault", None)
        await vault.run([await world.open(1)], signers=[world.engine])
        assert await vault.trade(1) is not None

    play(scenario, drop=1.0)


def test_a_lost_answer_leaves_the_fate_unknown_and_the_status_tells() -> None:
    async def scenario(world: World) -> None:
        vault = world.vault
        ready = await vault.prepare([await world.open(1)], signers=[world.engine])
        world.chain.call("localnet_setFault", {"rpc_lost_answer": 1.0, "methods": ["sendTransaction"]})
        with pytest.raises(RpcUnavailableError):
            await vault.submit(ready)
        (status,) = await vault.status([ready.signature])
        assert status is not None
        assert status.error == ""

    play(scenario)


def test_old_statuses_are_found() -> None:
    async def scenario(world: World) -> None:
        ready = await world.vault.prepare([await world.open(1)], signers=[world.engine])
        await world.vault.submit(ready)
        world.pass_seconds(86_000)
        (status,) = await world.vault.status([ready.signature])
        assert status is not None
        assert status.reached("finalized")

    play(scenario)


def test_sol_sent_to_an_address_beforehand_changes_nothing() -> None:
    async def scenario(world: World) -> None:
        vault = SolanaVault(
            world.chain.rpc,
            program=world.chain.program,
            mint=USDT_MINT,
            trader=world.chain.signer("fees").public_key,
            clock=world.clock,
        )
        for address in (vault.addresses.vault, vault.program.trade_address(vault.addresses.vault, 1)):
            world.chain.call("requestAirdrop", str(address), 10**9)
        assert (await vault.read()).vault is None
        assert await vault.trade(1) is None
        await vault.check()
        mandate = world.chain.mandate(**TERMS)
        create = vault.program.create(vault.trader, await vault.cluster(), mandate)
        await vault.run([create], signers=[world.chain.signer("fees")])
        assert (await vault.read()).vault is not None

    play(scenario)


def test_frozen_accounts_and_the_mint_are_read() -> None:
    async def scenario(world: World) -> None:
        own_accounts = world.vault.addresses
        world.chain.call("localnet_freeze", str(own_accounts.funds))
        reading = await world.vault.read()
        assert reading.funds is not None
        assert reading.escrow is not None
        assert (reading.funds.frozen, reading.escrow.frozen) == (True, False)
        assert str(reading.freeze_authority) == world.chain.call("localnet_info")["usdtAuthority"]
        with pytest.raises(ProgramError, match="FUNDS_FROZEN"):
            await world.vault.prepare([await world.open(1)], signers=[world.engine])

    play(scenario)


# --- fees ----------------------------------------------------------------------------------------------


@asynccontextmanager
async def odd_node(answer: Callable[[dict[str, Any]], bytes]) -> AsyncIterator[str]:
    """A node that answers each request with the bytes it likes; yields its address, which has a key in it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        size = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line[:15] == b"content-length:")
        body = answer(json.loads(await reader.readexactly(size)))
        writer.write(body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield f"http://127.0.0.1:{port}/?api-key=planted-key"


def http(content: Any, status: str = "200 OK") -> bytes:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def result(request: dict[str, Any], value: Any) -> bytes:
    return http({"jsonrpc": "2.0", "id": request["id"], "result": value})


@pytest.mark.parametrize(
    ("paid", "expected"),
    [([], 100), ([0] * 10, 100), ([50, 4_000, 300, 200], 300), ([10**7] * 5, 5_000)],
)
def test_the_priority_fee_lies_between_its_bounds(paid: list[int], expected: int) -> None:
    policy = FeePolicy(floor=100, ceiling=5_000, percentile=75)
    asked: list[Any] = []

    def answer(request: dict[str, Any]) -> bytes:
        asked.append((request["method"], request["params"]))
        return result(request, [{"slot": 1, "prioritizationFee": fee} for fee in paid])

    async def scenario() -> int:
        async with odd_node(answer) as url, connect(url) as rpc:
            return await priority_price(rpc, policy, [USDT_MINT])

    assert asyncio.run(scenario()) == expected
    assert asked == [("getRecentPrioritizationFees", [[str(USDT_MINT)]])]


def test_fee_bounds_are_checked() -> None:
    for wrong in ({"floor": 2, "ceiling": 1}, {"percentile": 0}, {"unit_margin": 0.5}):
        with pytest.raises(ValueError, match="expected"):
            FeePolicy(**wrong)  # type: ignore[arg-type]
    assert unit_limit(10_000, FeePolicy(), 0) % 4_096 == 0
    assert unit_limit(2_000_000, FeePolicy(), 5) == 1_400_000


# --- nodes that misbehave ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        ({"error": {"code": -32005, "message": "Node is unhealthy"}}, RpcUnavailableError, "not healthy"),
        ({"error": {"code": 429, "message": "slow down"}}, RpcUnavailableError, "slow down"),
        ({"error": {"code": -32601, "message": "Method not found"}}, RpcRefusedError, "-32601"),
        ({"error": {"code": -32002, "message": "simulation failed",
                    "data": {"err": {"InstructionError": [0, {"Custom": 6037}]}, "logs": []}}},
         ProgramError, "PAUSED"),
        ({"error": {"code": -32002, "message": "failed", "data": {"err": "BlockhashNotFound"}}},
         TransactionRefusedError, "BlockhashNotFound"),
        ({"error": {"code": -32002, "message": "without its data"}}, RpcRefusedError, "without its data"),
        (b"<html>bad gateway</html>", RpcUnavailableError, "no JSON-RPC"),
        (b"", RpcUnavailableError, "no JSON-RPC"),
        (b"[]", RpcUnavailableError, "no JSON-RPC"),
    ],
)  # fmt: skip
def test_an_error_in_any_words_has_a_name(answer: Any, kind: type[Exception], words: str) -> None:
    def reply(request: dict[str, Any]) -> bytes:
        if isinstance(answer, bytes):
            return http(answer)
        return http({"jsonrpc": "2.0", "id": request["id"], **answer})

    async def scenario() -> None:
        async with odd_node(reply) as url, connect(url) as rpc:
            await call(rpc, object, "getSlot")

    with pytest.raises(kind, match=words):
        asyncio.run(scenario())


@pytest.mark.parametrize("status", ["503 Service Unavailable", "429 Too Many Requests", "401 Unauthorized"])
def test_an_api_key_in_the_address_is_never_shown(status: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    async def scenario(url_change: str) -> None:
        async with odd_node(lambda request: http({}, status)) as url, connect(url + url_change) as rpc:
            await call(rpc, object, "getSlot")

    with pytest.raises(RpcUnavailableError) as caught:
        asyncio.run(scenario(""))
    chained = "".join(map(str, (caught.value, caught.value.__cause__, caught.value.args)))
    assert status.split()[0] in str(caught.value)
    assert "planted-key" not in chained + caplog.text


# --- over real RPC -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    with chain(tmp_path_factory.mktemp("localnet")) as started:
        yield started


async def _own_vault(rpc: Any, running: Chain) -> tuple[SolanaVault, Any]:
    trading = trading_on(running, Keypair())
    await prepared(rpc, trading)
    vault = SolanaVault(
        rpc, program=trading.program, mint=USDT_MINT, trader=trading.trader.pubkey(), clock=SystemClock()
    )
    return vault, trading


def test_a_network_that_loses_half_settles_once(running: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("_POLL_SECONDS", 0.05), ("_RESEND_SECONDS", 0.2)):
        monkeypatch.setattr(f"optionsib.vault.client.{name}", seconds)

    async def scenario() -> None:
        async with asyncio.timeout(120), client(running) as rpc:
            vault, trading = await _own_vault(rpc, running)
            engine = LocalSigner(trading.engine)
            faults = {
                "seed": 5, "processed_ms": 50, "drop": 0.3, "duplicate": 0.3, "rpc_unavailable": 0.15,
                "rpc_lost_answer": 0.2, "rpc_error": 0.1,
                "methods": ["sendTransaction", "getSignatureStatuses", "getEpochInfo"],
            }  # fmt: skip
            await own(rpc, "setFault", faults)
            try:
                for number in range(1, 6):
                    now = (await vault.read()).chain_time
                    await vault.run([trading.open(number, 10**8, now + 3_600)], signers=[engine])
            finally:
                await own(rpc, "setFault", None)
            reading = await vault.read()
            assert reading.vault is not None
            assert (reading.vault.open_trades, reading.vault.open_amount) == (5, 5 * 10**8)
            opened = await vault.open_trades()
            assert [trade.trade_id for trade in opened] == [1, 2, 3, 4, 5]
            assert opened == await vault.trades([1, 2, 3, 4, 5])
            assert len(await vault.history(after=(await vault.history())[1].signature)) == 5

    asyncio.run(scenario())


def test_check_names_what_is_not_there(running: Chain) -> None:
    async def scenario() -> None:
        async with client(running) as rpc:
            vault, trading = await _own_vault(rpc, running)
            facts = await vault.check()
            assert facts.program_committed
            assert facts.program_immutable
            assert facts.genesis_hash == running.facts["genesisHash"]
            for wrong in ({"program": trading.vault}, {"mint": trading.vault}):
                place = {"program": trading.program, "mint": USDT_MINT, "trader": vault.trader, **wrong}
                with pytest.raises(SettlementError, match=r"no program on this chain|no mint"):
                    await SolanaVault(rpc, clock=SystemClock(), **place).check()

    asyncio.run(scenario())


def test_a_node_that_is_gone_is_named_and_nothing_hangs() -> None:
    async def scenario() -> None:
        async with connect("http://127.0.0.1:9", timeout=2.0) as rpc:
            vault = SolanaVault(rpc, program=USDT_MINT, mint=USDT_MINT, trader=USDT_MINT, clock=SystemClock())
            with pytest.raises(RpcUnavailableError, match="getMultipleAccounts"):
                await vault.read()

    asyncio.run(scenario())
