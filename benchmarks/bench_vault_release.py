"""Release: from a confirmed fill to the signed, simulated and submitted close of its trade.

The clock starts when the closing executions and their commissions are at hand. Inside it: the result from
the executions, the attestor (its own SQLite file, its own recomputation; by RPC it is asked over ZeroMQ), the
close simulated by the node, signed by engine and settlement authority, and handed over. *In process* the
chain is called in this process, its state on disk; *by RPC* it is another process. The limit is a bare USDT
transfer through the same client: simulated, signed, submitted.

Network confirmation stands apart, in notes: with the delays of ``optionsib.vault.embedded.PUBLIC_NETWORK``,
which are simulated and no measurement of a public network.

Stalls are told as in ``bench_vault``.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
from solana.rpc.async_api import AsyncClient
from solders.instruction import Instruction
from solders.pubkey import Pubkey
from solders.signature import Signature
from tests.vault_trading import Trading

from benchmarks.bench_vault import (
    AMOUNT,
    CLOSE,
    TRANSFER,
    Samples,
    StallMeter,
    own_process,
    spread,
    trading_on,
    usdt_transfer,
)
from benchmarks.harness import Row
from optionsib.common.clock import SteppedClock, SystemClock
from optionsib.common.events import CommissionReport, Execution
from optionsib.common.types import MINUTE_NS, SECOND_NS, Contract
from optionsib.execution.realised import Fill, net_cash, realise
from optionsib.vault.attestor import AttestationRequest, Attestor, AttestorPort, ExecutionUse, close_message
from optionsib.vault.attestor_link import AttestorClient, attestor_server
from optionsib.vault.attestor_store import AttestorStore
from optionsib.vault.client import SolanaVault
from optionsib.vault.embedded import PUBLIC_NETWORK, EmbeddedChain
from optionsib.vault.program_client import TradeAccount, ed25519_instruction
from optionsib.vault.rpc import connect
from optionsib.vault.signers import LocalSigner, Signer
from optionsib.vault.tokens import USDT_MINT

IN_PROCESS, BY_RPC, WARM_UP, CONFIRMATIONS = 2_000, 1_000, 50, 300
CALLS = (
    Contract(con_id=1, symbol="TST", security_type="OPT", multiplier=100),
    Contract(con_id=2, symbol="TST", security_type="OPT", multiplier=100),
)
COMMISSION, ENTRY = 650_000, (25_000, 11_000)


class Desk:
    """Opens and releases the trades of one vault, with an attestor beside it."""

    def __init__(self, trading: Trading, vault: SolanaVault, own: Attestor, port: AttestorPort) -> None:
        self.trading, self.vault, self._attestor, self._port = trading, vault, own, port
        self.engine, self.settlement = LocalSigner(trading.engine), LocalSigner(trading.settlement)
        self.trader = LocalSigner(trading.trader)
        self._place = (str(trading.cluster), str(trading.program), str(trading.vault))

    async def send(self, instructions: list[Instruction], *signers: Signer) -> str:
        """Simulate, sign and hand over; nothing waits for the chain."""
        return await self.vault.submit(await self.vault.prepare(instructions, signers=signers))

    async def settled(self, signature: str) -> None:
        """Hold the outcome against what it must be."""
        (status,) = await self.vault.status([signature])
        if status is None or status.error:
            raise AssertionError(f"not confirmed: {status}")

    def see(self, number: int, closing: bool, prices: tuple[int, int]) -> list[Fill]:
        """Let the attestor see both legs of a spread and their commissions; return the fills."""
        fills = []
        for contract, price, side in zip(CALLS, prices, (-1, 1) if closing else (1, -1), strict=True):
            name = execution_id(number, contract.con_id, closing)
            seen: dict[str, Any] = {"con_id": contract.con_id, "side": side, "quantity": 1, "price": price}
            self._attestor.observe(Execution(execution_id=name, order_ref=name, at_ns=0, **seen))
            self._attestor.observe(CommissionReport(execution_id=name, amount=COMMISSION))
            fills.append(Fill(multiplier=contract.multiplier, commission=COMMISSION, **seen))
        return fills

    async def open(self, number: int, now: int) -> tuple[TradeAccount, int]:
        """Open a trade and have its opening executions seen; return its account and net cash."""
        cash = net_cash(self.see(number, False, ENTRY))
        await self.settled(await self.send([self.trading.open(number, AMOUNT, now + 86_400)], self.engine))
        found = await self.vault.trade(number)
        assert found is not None
        return found, cash

    async def release(self, found: TradeAccount, cash: int, prices: tuple[int, int], now: int) -> None:
        """Go from the closing fills to the submitted close."""
        number, until = found.trade_id, now + 600
        pnl = realise(cash, self.see(number, True, prices), units=1, units_before=1).pnl
        request = AttestationRequest(
            cluster=self._place[0],
            program=self._place[1],
            vault=self._place[2],
            trade_id=number,
            close_number=0,
            share=AMOUNT,
            pnl=pnl,
            valid_until=until,
            opened=1,
            units_before=1,
            units=1,
            opening=tuple(ExecutionUse(execution_id(number, c.con_id, False), 1) for c in CALLS),
            closing=tuple(ExecutionUse(execution_id(number, c.con_id, True), 1) for c in CALLS),
        )
        answer = await self._port.attest(request)
        hashed = bytes.fromhex(answer.executions_hash)
        terms: dict[str, Any] = {
            "share": AMOUNT, "pnl": pnl, "close_number": 0, "valid_until": until, "executions_hash": hashed,
        }  # fmt: skip
        close = self.trading.client.close(
            self.trading.trader.pubkey(),
            found,
            settlement_authority=self.settlement.public_key,
            settlement_signs=True,
            **terms,
        )
        digest = close_message(request).digest()
        attested = ed25519_instruction(
            Pubkey.from_string(answer.public_key), Signature.from_string(answer.signature), digest
        )
        self.signature = await self.send([attested, close], self.engine, self.settlement)

    async def transfer(self, amount: int) -> None:
        """Transfer USDT the same way."""
        self.signature = await self.send([usdt_transfer(self.trading, amount)], self.trader)


def execution_id(number: int, con_id: int, closing: bool) -> str:
    """Return the name of an execution as the broker would give it."""
    return f"{number}{'c' if closing else 'o'}{con_id}.01"


async def play(samples: Samples, desk: Desk, count: int) -> None:
    """Open and release trades, profits and losses in turn, each beside a bare transfer; check the books."""
    for number in range(1, count + 1):
        now = time.time_ns() // SECOND_NS
        found, cash = await desk.open(number, now)
        prices = (30_000, 12_000) if number % 2 else (24_000, 12_000)
        await samples.time(CLOSE, partial(desk.release, found, cash, prices, now))
        await desk.settled(desk.signature)
        await samples.time(TRANSFER, partial(desk.transfer, number))
    reading = await desk.vault.read()
    if reading.vault is None or (reading.vault.open_amount, reading.vault.highest_id) != (0, count):
        raise AssertionError(f"the books are wrong: {reading}")


def vault_of(trading: Trading, rpc: AsyncClient) -> SolanaVault:
    """Return the client of the benchmark's vault."""
    return SolanaVault(
        rpc, program=trading.program, mint=USDT_MINT, trader=trading.trader.pubkey(), clock=SystemClock()
    )


def attestor_of(trading: Trading, folder: Path) -> Attestor:
    """Return its attestor, with its memory on disk."""
    cluster, program, vault = str(trading.cluster), str(trading.program), str(trading.vault)
    store = AttestorStore(folder / "attestor.sqlite", "benchmark")
    signer = LocalSigner(trading.attestor)
    one = Attestor(signer, store, SystemClock(), cluster=cluster, program=program, vault=vault)
    one.learn(CALLS)
    return one


async def in_process(folder: Path) -> Samples:
    """Measure with chain and attestor in this process, their state on disk."""
    chain = EmbeddedChain(11, SystemClock(), state=folder)
    trading = trading_on(chain.call)
    attestor = attestor_of(trading, folder)
    samples = Samples(StallMeter(*own_process()))
    await play(samples, Desk(trading, vault_of(trading, chain.rpc), attestor, attestor), IN_PROCESS + WARM_UP)
    await chain.close()
    return samples


async def by_rpc(folder: Path) -> Samples:
    """Measure with the chain in another process, the attestor asked over ZeroMQ."""
    words = ["vault", "localnet", "--port", "0", "--state", str(folder)]
    process = subprocess.Popen(
        [sys.executable, "-m", "optionsib.cli", *words], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["rpc"]
        ids = itertools.count(1)

        def call(method: str, *values: Any) -> Any:
            request = {"jsonrpc": "2.0", "id": next(ids), "method": method, "params": list(values)}
            return httpx2.post(url, json=request).json()["result"]

        trading = trading_on(call)
        attestor = attestor_of(trading, folder)
        samples = Samples(StallMeter(*own_process(), process.pid))
        endpoint = f"ipc://{folder / 'attestor.sock'}"
        async with connect(url) as rpc, attestor_server(attestor, endpoint):
            desk = Desk(trading, vault_of(trading, rpc), attestor, AttestorClient(endpoint))
            await play(samples, desk, BY_RPC + WARM_UP)
        return samples
    finally:
        process.kill()
        process.wait()


async def confirmations() -> str:
    """Return in words how long the simulated network takes from submission to confirmation."""
    clock = SteppedClock(time.time_ns())
    chain = EmbeddedChain(11, clock, faults=PUBLIC_NETWORK)
    chain.call("localnet_setFault", None)
    trading = trading_on(chain.call)
    delays = ("processed_ms", "jitter_ms", "confirmed_ms", "finalized_ms")
    chain.call("localnet_setFault", {name: getattr(PUBLIC_NETWORK, name) for name in delays})
    vault, trader = vault_of(trading, chain.rpc), LocalSigner(trading.trader)
    seconds = []
    for amount in range(1, CONFIRMATIONS + 1):
        prepared = await vault.prepare([usdt_transfer(trading, amount)], signers=[trader])
        sent = clock.now_ns()
        await vault.submit(prepared)
        clock.advance(sent + MINUTE_NS)
        await vault.status([prepared.signature])  # the chain goes on when it is asked
        confirmed = chain.confirmed_ns(prepared.signature)
        assert confirmed is not None
        seconds.append((confirmed - sent) / SECOND_NS)
    await chain.close()
    return f"network confirmation, simulated delays, not in the figures above: {spread(seconds)}"


def rows() -> list[Row]:
    """Measure both ways."""
    found = []
    ways: tuple[tuple[str, Callable[[Path], Any]], ...] = (("in process", in_process), ("by RPC", by_rpc))
    for name, measure in ways:
        with tempfile.TemporaryDirectory() as folder:
            samples = asyncio.run(measure(Path(folder)))
        found.append(samples.row(f"fill to submitted release, {name}", CLOSE))
    found[-1].notes.append(asyncio.run(confirmations()))
    return found
