"""Helpers that start the local chain as the process users start, and speak to it as clients do."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from solana.rpc.async_api import AsyncClient
from solana.rpc.core import RPCException
from solana.rpc.jsonrpc import JsonRpcRequest
from solana.rpc.models import TxOpts
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction


@dataclass
class Chain:
    """A running process."""

    process: subprocess.Popen[str]
    facts: dict[str, Any]

    @property
    def url(self) -> str:
        return str(self.facts["rpc"])

    @property
    def websocket(self) -> str:
        return str(self.facts["websocket"])

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def chain(state: Path, *words: str) -> Iterator[Chain]:
    """Start a chain on free ports; it is killed on leaving."""
    command = [sys.executable, "-m", "optionsib.cli", "vault", "localnet", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--state", str(state), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        yield Chain(process, json.loads(line))
    finally:
        process.kill()
        process.communicate()


@contextlib.asynccontextmanager
async def client(running: Chain) -> AsyncIterator[AsyncClient]:
    """Connect the unmodified client of the ``solana`` package."""
    async with AsyncClient(running.url) as connected:
        yield connected


async def own(connected: AsyncClient, method: str, *values: Any) -> Any:
    """Call a method of the chain's own."""
    return await connected.send_rpc_request(
        JsonRpcRequest(method=f"localnet_{method}", params=list(values)), Any
    )


async def funded(connected: AsyncClient, lamports: int = 10**9) -> Keypair:
    """Return a new payer with lamports."""
    payer = Keypair()
    await connected.request_airdrop(payer.pubkey(), lamports)
    return payer


async def signed(
    connected: AsyncClient, payer: Keypair, *instructions: Instruction, signers: tuple[Keypair, ...] = ()
) -> VersionedTransaction:
    """Sign with the newest blockhash."""
    blockhash = (await connected.get_latest_blockhash()).value.blockhash
    message = Message.new_with_blockhash(list(instructions), payer.pubkey(), blockhash)
    return VersionedTransaction(message, [payer, *signers])


def paying(payer: Keypair, target: Pubkey, lamports: int) -> Instruction:
    """Return a transfer of lamports."""
    return transfer(TransferParams(from_pubkey=payer.pubkey(), to_pubkey=target, lamports=lamports))


async def send(
    connected: AsyncClient, transaction: VersionedTransaction, *, skip_preflight: bool = False
) -> Signature:
    """Send once, without the client's own resending."""
    options = TxOpts(skip_preflight=skip_preflight, skip_confirmation=True)
    return (await connected.send_raw_transaction(bytes(transaction), options)).value


def run(running: Chain, scenario: Any) -> Any:
    """Carry out a scenario with a client of its own, within a minute."""

    async def whole() -> Any:
        async with asyncio.timeout(60), client(running) as rpc:
            return await scenario(rpc)

    return asyncio.run(whole())


async def refused(call: Coroutine[Any, Any, Any]) -> Any:
    """Return the error that a call must be answered with."""
    with pytest.raises(RPCException) as caught:
        await call
    return caught.value.args[0]
