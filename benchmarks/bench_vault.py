"""Vault: how long the open and the close of a trade take, in the process and through the local chain's RPC.

In the process: instructions built, signed (close: with the attestation), simulated, executed and written to
disk. By RPC: the same with the unmodified ``solana`` client against a chain in another process, until
``getSignatureStatuses`` has it, on a connection that stays open; the blockhash is taken beforehand. The peer
is a bare SPL transfer of USDT the same way. Network confirmation is no part of it: the local chain confirms
at once.

The stall meter is the kernel's own account of how long the threads of both processes were ready to run and
had no processor (``/proc/<pid>/task/*/schedstat``): a sample in which that was more than `STALL_SECONDS`
counts as stalled.
"""

from __future__ import annotations

import asyncio
import base64
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
from solana.rpc.async_api import AsyncClient
from solana.rpc.models import TxOpts
from solders.hash import Hash
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from spl.token.instructions import transfer_checked
from spl.token.models import TransferCheckedParams
from tests.vault_trading import Trading, fund, sign

from benchmarks.harness import Ratio, Row
from optionsib.common.clock import SystemClock
from optionsib.vault.localnet import Localnet, LocalnetSettings
from optionsib.vault.program_client import TradeAccount
from optionsib.vault.schema import PROGRAM_FILE, program_file
from optionsib.vault.tokens import TOKEN_PROGRAM, USDT_MINT

IN_PROCESS, BY_RPC, WARM_UP = 2_000, 1_000, 50
STALL_SECONDS = 0.005
AMOUNT = 1_000_000_000
ROUNDS = 5
OPEN, CLOSE, TRANSFER = "open", "close", "bare transfer"

Send = Callable[[list[Instruction], tuple[Keypair, ...]], Awaitable[None]]
Read = Callable[[Pubkey], Awaitable[bytes]]


class StallMeter:
    """Seconds that processes were ready to run and had to wait for a processor."""

    def __init__(self, *processes: int) -> None:
        self._tasks = [Path(f"/proc/{process}/task") for process in processes]

    def waited(self) -> float:
        """Return the sum since the processes began."""
        total = 0
        for tasks in self._tasks:
            for task in tasks.iterdir():
                with suppress(FileNotFoundError):
                    total += int((task / "schedstat").read_text().split()[1])
        return total / 1e9


class Samples:
    """Seconds of every sample by job, and whether it was stalled."""

    def __init__(self, meter: StallMeter) -> None:
        self._meter = meter
        self.seconds: dict[str, list[float]] = {OPEN: [], CLOSE: [], TRANSFER: []}
        self.stalled: dict[str, list[bool]] = {OPEN: [], CLOSE: [], TRANSFER: []}

    async def time(self, job: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do the work once, and note how long it took."""
        waited = self._meter.waited()
        start = time.perf_counter()
        await work()
        self.seconds[job].append(time.perf_counter() - start)
        self.stalled[job].append(self._meter.waited() - waited > STALL_SECONDS)

    def row(self, name: str, job: str) -> Row:
        """Return the row of a job beside the bare transfer."""
        ours, peer = self.seconds[job][WARM_UP:], self.seconds[TRANSFER][WARM_UP:]
        size = len(ours) // ROUNDS
        parts = [slice(at, at + size) for at in range(0, size * ROUNDS, size)]
        ratios = [statistics.median(peer[part]) / statistics.median(ours[part]) for part in parts]
        ratio = Ratio(statistics.median(ratios), min(ratios), max(ratios), statistics.median(peer))
        free = [
            seconds for seconds, stalled in zip(ours, self.stalled[job][WARM_UP:], strict=True) if not stalled
        ]
        notes = [f"all: {spread(ours)}", f"not stalled ({len(free)} of {len(ours)}): {spread(free)}"]
        return Row(name, 1, statistics.median(ours), {f"limit: {TRANSFER}": ratio}, notes=notes)


def spread(seconds: list[float]) -> str:
    """Return the percentiles in words."""
    ordered = sorted(seconds)
    at = {p: 1e3 * ordered[min(len(ordered) - 1, round(p * len(ordered)))] for p in (0.5, 0.99, 0.999)}
    over = sum(value > 0.1 for value in ordered) / len(ordered)
    return (
        f"p50 {at[0.5]:.2f} ms, p99 {at[0.99]:.2f} ms, p99.9 {at[0.999]:.2f} ms, "
        f"largest {1e3 * ordered[-1]:.2f} ms, over 100 ms {over:.3%}"
    )


async def trade(samples: Samples, trading: Trading, count: int, send: Send, read: Read) -> None:
    """Open and close ``count`` trades, each beside a bare transfer; the books must come out even."""
    now = time.time_ns() // 10**9
    for number in range(1, count + 1):
        pnl = number if number % 2 else -number
        await samples.time(OPEN, partial(open_trade, trading, number, now, send))
        account = await read(trading.client.trade_address(trading.vault, number))
        opened = trading.client.decode_trade(account)
        await samples.time(CLOSE, partial(close_trade, trading, opened, pnl, now, send))
        await samples.time(TRANSFER, partial(transfer, trading, number, send))
    vault = trading.client.decode_vault(await read(trading.vault))
    if (vault.open_amount, vault.highest_id, vault.sequence) != (0, count, 2 + 2 * count):
        raise AssertionError(f"the books are wrong: {vault}")


async def open_trade(trading: Trading, number: int, now: int, send: Send) -> None:
    """Build and send one open."""
    await send([trading.open(number, AMOUNT, now + 86_400)], (trading.engine,))


async def close_trade(trading: Trading, opened: TradeAccount, pnl: int, now: int, send: Send) -> None:
    """Attest, build and send one close."""
    instructions = trading.close(opened, share=AMOUNT, pnl=pnl, valid_until=now + 3_600)
    await send(instructions, (trading.engine, trading.settlement))


async def transfer(trading: Trading, amount: int, send: Send) -> None:
    """Build and send a transfer of USDT; every amount is another transaction."""
    await send([usdt_transfer(trading, amount)], (trading.trader,))


def usdt_transfer(trading: Trading, amount: int) -> Instruction:
    """Return a bare transfer from the trader to the fee account."""
    move = TransferCheckedParams(
        program_id=TOKEN_PROGRAM,
        source=trading.usdt_account(trading.trader),
        mint=USDT_MINT,
        dest=trading.usdt_account(trading.fees),
        owner=trading.trader.pubkey(),
        amount=amount,
        decimals=6,
    )
    return transfer_checked(move)


def trading_on(call: Callable[..., Any]) -> Trading:
    """Set a funded vault up."""
    info = call("localnet_info")
    trading = Trading(
        Pubkey.from_string(info["program"]),
        Hash.from_string(info["genesisHash"]),
        Pubkey.from_string(info["usdtAuthority"]),
    )
    call("localnet_advanceClock", 1)  # a program runs from the slot after its deployment on
    fund(call, trading, 10**13)
    for instructions, signer in trading.set_up(10**12):
        wire = bytes(sign(instructions, newest(call), signer))
        call("sendTransaction", base64.b64encode(wire).decode(), {"encoding": "base64"})
    return trading


def newest(call: Callable[..., Any]) -> Hash:
    """Return the newest blockhash."""
    return Hash.from_string(call("getLatestBlockhash")["value"]["blockhash"])


def in_process(folder: Path) -> Samples:
    """Measure with the chain in this process, its state on disk."""
    settings = LocalnetSettings(state=folder, program=program_file(PROGRAM_FILE))
    chain = Localnet(settings, SystemClock())
    trading = trading_on(chain.call)
    config = {"encoding": "base64"}

    async def send(instructions: list[Instruction], signers: tuple[Keypair, ...]) -> None:
        wire = bytes(sign(instructions, newest(chain.call), *signers))
        chain.call("sendTransaction", base64.b64encode(wire).decode(), config)

    async def read(address: Pubkey) -> bytes:
        found = chain.call("getAccountInfo", str(address), config)["value"]
        return base64.b64decode(found["data"][0])

    async def whole() -> Samples:
        samples = Samples(StallMeter(*own_process()))
        await trade(samples, trading, IN_PROCESS + WARM_UP, send, read)
        await chain.close()
        return samples

    return asyncio.run(whole())


def own_process() -> tuple[int]:
    """Return the id of this process."""
    return (int(Path("/proc/self").resolve().name),)


def by_rpc(folder: Path) -> Samples:
    """Measure with the chain in another process."""
    words = ["vault", "localnet", "--port", "0", "--state", str(folder)]
    process = subprocess.Popen(
        [sys.executable, "-m", "optionsib.cli", *words], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        facts = json.loads(process.stdout.readline())
        return asyncio.run(_by_rpc(facts["rpc"], StallMeter(*own_process(), process.pid)))
    finally:
        process.kill()
        process.wait()


async def _by_rpc(url: str, meter: StallMeter) -> Samples:
    def call(method: str, *values: Any) -> Any:
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(values)}
        return httpx2.post(url, json=request).json()["result"]

    trading = trading_on(call)
    samples = Samples(meter)
    async with AsyncClient(url) as client:
        blockhash = Hash.default()
        taken_at = 0.0

        async def send(instructions: list[Instruction], signers: tuple[Keypair, ...]) -> None:
            transaction = sign(instructions, blockhash, *signers)
            options = TxOpts(skip_confirmation=True)
            signature = (await client.send_raw_transaction(bytes(transaction), options)).value
            (status,) = (await client.get_signature_statuses([signature])).value
            if status is None or status.err is not None:
                raise AssertionError(f"not confirmed: {status}")

        async def read(address: Pubkey) -> bytes:
            nonlocal blockhash, taken_at
            if time.monotonic() - taken_at > 5.0:
                blockhash = (await client.get_latest_blockhash()).value.blockhash
                taken_at = time.monotonic()
            found = (await client.get_account_info(address)).value
            return b"" if found is None else bytes(found.data)

        await read(trading.vault)
        await trade(samples, trading, BY_RPC + WARM_UP, send, read)
    return samples


def rows() -> list[Row]:
    """Measure both ways."""
    found = []
    for name, measure in (("in process", in_process), ("by RPC", by_rpc)):
        with tempfile.TemporaryDirectory() as folder:
            samples = measure(Path(folder))
        found += [samples.row(f"{job}, {name}", job) for job in (OPEN, CLOSE)]
    return found
