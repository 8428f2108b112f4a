"""The attestor beside the daemon: its own broker connection, its own process, asked over ZeroMQ."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

pytest.importorskip("solders")
pytest.importorskip("ib_async")

from pydantic import SecretStr
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.signature import Signature

from optionsib.brokers.ib.execution_watch import ExecutionWatch
from optionsib.bus.endpoints import CurveKeys, make_curve_keys
from optionsib.common.clock import SystemClock
from optionsib.common.config import GatewayConfig
from optionsib.common.errors import BrokerError
from optionsib.common.events import CommissionReport, Execution
from optionsib.common.types import Order, OrderLeg
from optionsib.vault.attestor import (
    AttestationPendingError,
    AttestationRefusedError,
    AttestationRequest,
    AttestorDownError,
    ExecutionUse,
    close_message,
)
from optionsib.vault.attestor_link import AttestorClient, attestor_server
from optionsib.vault.client import SolanaVault
from optionsib.vault.program_client import ProgramError, ed25519_instruction
from optionsib.vault.signer_files import PASSPHRASE_VARIABLE, write_key_file
from optionsib.vault.signers import LocalSigner
from optionsib.vault.tokens import USDT_MINT
from tests.integration.ib_world import CALL, World, order, play
from tests.integration.localnet_processes import chain, client
from tests.integration.test_vault_trade import prepared, trading_on
from tests.unit.test_vault_attestor import PNL, ready, request

PASSPHRASE = "a planted passphrase"
MULTIPLIER = 100


def closing(order_ref: str) -> Order:
    return Order(order_ref, "T1", (OrderLeg(CALL, -1),), 1, -20_000, "close", "test")


async def traded(world: World) -> tuple[list[Any], list[Any]]:
    """Buy one call and sell it again; returns executions and commissions as the daemon's gateway saw them."""
    await world.ready()
    await world.gateway.place(order("O1", 27_000))
    await world.settle()
    await world.step()
    await world.gateway.place(closing("C1"))
    await world.settle()
    return world.of(Execution), world.of(CommissionReport)


def test_a_watch_sees_what_another_client_did_and_sends_nothing() -> None:
    async def scenario(world: World) -> None:
        config = GatewayConfig(port=world.exchange.port, client_id=7, request_timeout_seconds=2.0)
        watch = ExecutionWatch(config, SystemClock())
        with pytest.raises(BrokerError, match="not called"):
            await watch.poll()
        await watch.connect()
        assert await watch.poll() == ([], [])
        executions, commissions = await traded(world)
        assert len(executions) == len(commissions) == 2
        events, contracts = await watch.poll()
        seen = {one.execution_id: one for one in events if isinstance(one, Execution)}
        for one in executions:
            same = seen[one.execution_id]
            for name in ("con_id", "side", "quantity", "price"):
                assert getattr(same, name) == getattr(one, name)
        assert {(one.execution_id, one.amount) for one in events if isinstance(one, CommissionReport)} == {
            (one.execution_id, one.amount) for one in commissions
        }
        assert [(one.con_id, one.multiplier) for one in contracts] == [(CALL, MULTIPLIER)]
        assert (await watch.poll())[0] == []  # each once
        await watch.disconnect()
        assert not watch.connected
        await watch.connect()
        assert (await watch.poll())[0] == []  # not even after a reconnect
        await watch.disconnect()
        with pytest.raises(BrokerError, match="the one that is named"):
            await ExecutionWatch(config, SystemClock(), "U999").connect()

    play(scenario)


@pytest.mark.parametrize("curve", [False, True])
def test_requests_and_refusals_cross_the_socket(curve: bool, tmp_path: Path) -> None:
    async def scenario() -> None:
        one = ready()
        server_keys = client_keys = None
        endpoint = f"ipc://{tmp_path}/attestor.sock"
        if curve:
            (server_public, server_secret), (own_public, own_secret) = make_curve_keys(), make_curve_keys()
            server_keys = CurveKeys(server_public, server_secret, (own_public,))
            client_keys = CurveKeys(own_public, own_secret, (server_public,))
            endpoint = "tcp://127.0.0.1:0"
        async with attestor_server(one, endpoint, keys=server_keys) as server:
            port = AttestorClient(server.endpoint, keys=client_keys)
            assert await port.attest(request()) == await one.attest(request())
            with pytest.raises(AttestationRefusedError, match=f"signed with pnl {PNL}, asked for 1"):
                await port.attest(request(pnl=1))
            with pytest.raises(AttestationPendingError, match="not seen"):
                await port.attest(request(trade_id=9, opening=(ExecutionUse("new.01", 2),)))
            assert (await port.status())["closes"] == 1
            with pytest.raises(AttestationRefusedError, match="not a request"):
                await port._ask("attest", request={"pnl": 1})
            with pytest.raises(AttestorDownError):
                await port._ask("no such command")
            if curve:
                stranger = AttestorClient(
                    server.endpoint, keys=CurveKeys(*make_curve_keys(), (server_public,)), timeout=0.5
                )
                with pytest.raises(AttestorDownError):
                    await stranger.attest(request())
        with pytest.raises(AttestorDownError, match="no answer"):
            await AttestorClient(f"ipc://{tmp_path}/nobody.sock", timeout=0.2).attest(request())

    asyncio.run(scenario())


def start_attestor(variables: dict[str, str], state: Path, port: int) -> subprocess.Popen[str]:
    words = ["--set", f"paths.state={state}", "--set", f"gateway.port={port}"]
    return subprocess.Popen(
        [sys.executable, "-m", "optionsib.cli", "vault", "attestor", *words],
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


async def first_line(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    line = await asyncio.to_thread(process.stdout.readline)
    assert line, process.communicate()[1]
    found: dict[str, Any] = json.loads(line)
    return found


async def patiently(port: AttestorClient, asked: AttestationRequest) -> Any:
    """Ask until the attestor has seen everything."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await port.attest(asked)
            except AttestationPendingError:
                await asyncio.sleep(0.1)


def test_a_close_on_the_chain_by_an_attestor_process_that_is_killed_in_between(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        with chain(tmp_path / "chain") as running:
            async with asyncio.timeout(90), client(running) as rpc:
                await the_close(world, running, rpc)

    async def the_close(world: World, running: Any, rpc: Any) -> None:
        trading = trading_on(running, Keypair())
        await prepared(rpc, trading)
        vault = SolanaVault(
            rpc, program=trading.program, mint=USDT_MINT, trader=trading.trader.pubkey(), clock=SystemClock()
        )
        engine = LocalSigner(trading.engine)
        now = (await vault.read()).chain_time
        await vault.run([trading.open(1, 300_000_000, now + 3_600)], signers=[engine])
        executions, commissions = await traded(world)
        bought, sold = executions
        paid = sum(one.amount for one in commissions)
        pnl = (sold.price - bought.price) * 100 * MULTIPLIER - paid
        assert pnl < 0

        key = tmp_path / "attestor.key"
        write_key_file(key, trading.attestor, SecretStr(PASSPHRASE), scrypt_n=2**14)
        variables = {
            "OPTIONSIB_VAULT__RPC_URL": running.url,
            "OPTIONSIB_VAULT__PROGRAM": str(trading.program),
            "OPTIONSIB_VAULT__TRADER": str(vault.trader),
            "OPTIONSIB_VAULT__ATTESTOR_SIGNER": f"file:{key}",
            PASSPHRASE_VARIABLE: PASSPHRASE,
        }
        asked = AttestationRequest(
            cluster=running.facts["genesisHash"],
            program=str(trading.program),
            vault=str(vault.addresses.vault),
            trade_id=1,
            close_number=0,
            share=300_000_000,
            pnl=pnl,
            valid_until=now + 600,
            opened=1,
            units_before=1,
            units=1,
            opening=(ExecutionUse(bought.execution_id, 1),),
            closing=(ExecutionUse(sold.execution_id, 1),),
        )
        process = start_attestor(variables, tmp_path / "state", world.exchange.port)
        try:
            facts = await first_line(process)
            port = AttestorClient(facts["endpoint"])
            answer = await patiently(port, asked)
        finally:
            process.kill()
            process.communicate()
        with pytest.raises(AttestorDownError):
            await AttestorClient(facts["endpoint"], timeout=0.2).attest(asked)
        process = start_attestor(variables, tmp_path / "state", world.exchange.port)
        try:
            await first_line(process)
            assert await port.attest(asked) == answer  # from its memory, whatever the broker says now
            with pytest.raises(AttestationRefusedError, match=f"signed with pnl {pnl}"):
                await port.attest(msgspec.structs.replace(asked, pnl=pnl + 1))
        finally:
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        assert PASSPHRASE not in errors
        await close_on_chain(vault, trading, asked, answer)

    async def close_on_chain(
        vault: SolanaVault, trading: Any, asked: AttestationRequest, answer: Any
    ) -> None:
        trade = await vault.trade(1)
        assert trade is not None
        before = await vault.read()
        for pnl in (asked.pnl - 1, asked.pnl):
            close = vault.program.close(
                vault.trader,
                trade,
                share=asked.share,
                pnl=pnl,
                close_number=0,
                valid_until=asked.valid_until,
                executions_hash=bytes.fromhex(answer.executions_hash),
                settlement_authority=trading.settlement.pubkey(),
                settlement_signs=False,
            )
            attested = ed25519_instruction(
                Pubkey.from_string(answer.public_key),
                Signature.from_string(answer.signature),
                close_message(asked).digest(),
            )
            engine = LocalSigner(trading.engine)
            if pnl != asked.pnl:  # an engine that reports another loss than was attested
                with pytest.raises(ProgramError, match="ATTESTATION_WRONG_MESSAGE"):
                    await vault.run([attested, close], signers=[engine])
                continue
            await vault.run([attested, close], signers=[engine])
        after = await vault.read()
        assert before.funds is not None
        assert after.funds is not None
        assert after.funds.amount == before.funds.amount + asked.share + asked.pnl
        assert await vault.trade(1) is None

    play(scenario)


def test_a_wrong_attestor_does_not_start(tmp_path: Path) -> None:
    with chain(tmp_path / "chain") as running:
        trading = trading_on(running, Keypair())

        async def begin() -> None:
            async with client(running) as rpc:
                await prepared(rpc, trading)

        asyncio.run(begin())
        variables = {
            "OPTIONSIB_VAULT__RPC_URL": running.url,
            "OPTIONSIB_VAULT__PROGRAM": str(trading.program),
            "OPTIONSIB_VAULT__TRADER": str(trading.trader.pubkey()),
            "OPTIONSIB_VAULT__ATTESTOR_SIGNER": "environment:TEST_KEY",
            "TEST_KEY": str(Keypair()),
        }
        process = start_attestor(variables, tmp_path / "state", 1)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 1
        assert "the mandate's attestor is" in errors
        assert variables["TEST_KEY"] not in errors
