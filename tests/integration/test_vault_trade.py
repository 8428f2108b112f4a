"""A vault's life over RPC: unmodified client, chain in another process, the committed program."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("solders")

from solana.rpc.async_api import AsyncClient
from solana.rpc.core import RPCException
from solders.account import Account
from solders.hash import Hash
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from optionsib.vault.deploy import UPGRADEABLE_LOADER, program_data_address
from optionsib.vault.program_client import audit_events, decode_error, first_audit, next_audit
from optionsib.vault.program_instructions import VaultProgram
from optionsib.vault.schema import PROGRAM_FILE, program_file
from tests.integration.localnet_processes import Chain, chain, client, own, send
from tests.vault_trading import Trading, sign

DEPOSIT, AMOUNT = 50_000_000_000, 1_000_000_000


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    with chain(tmp_path_factory.mktemp("localnet")) as started:
        yield started


def trading_on(running: Chain, trader: Keypair | None = None) -> Trading:
    facts = running.facts
    found = Trading(
        Pubkey.from_string(facts["program"]),
        Hash.from_string(facts["genesisHash"]),
        Pubkey.from_string(facts["usdtAuthority"]),
    )
    if trader is not None:
        found.trader = trader
    return found


async def do(rpc: Any, instructions: list[Instruction], *signers: Keypair) -> Any:
    """Send, and return the transaction's ``meta``."""
    blockhash = (await rpc.get_latest_blockhash()).value.blockhash
    signature = await send(rpc, sign(instructions, blockhash, *signers))
    found = (await rpc.get_transaction(signature)).value
    assert found.transaction.meta.err is None
    return found.transaction.meta


async def prepared(rpc: Any, trading: Trading) -> list[Any]:
    """A funded vault; returns its audit events."""
    await own(rpc, "advanceClock", 1)  # a program runs from the slot after its deployment on
    for owner in (*trading.owners, trading.engine):
        await rpc.request_airdrop(owner.pubkey(), 10**10)
    for owner in trading.owners:
        await own(rpc, "mint", str(owner.pubkey()), DEPOSIT)
    events: list[Any] = []
    for instructions, signer in trading.set_up(DEPOSIT):
        events += audit_events((await do(rpc, instructions, signer)).log_messages, trading.program)
    return events


async def tokens(rpc: Any, account: Pubkey) -> int:
    return int((await rpc.get_token_account_balance(account)).value.amount)


async def account_of(rpc: AsyncClient, address: Pubkey) -> Account:
    found = (await rpc.get_account_info(address)).value
    assert found is not None, f"nothing at {address}"
    return found


async def now(rpc: Any) -> int:
    return int((await own(rpc, "info"))["unixTimeNs"]) // 10**9


def test_a_trade_with_profit_one_with_loss_and_a_withdrawal(running: Chain) -> None:
    async def scenario() -> None:
        async with asyncio.timeout(60), client(running) as rpc:
            trading = trading_on(running)
            program: VaultProgram = trading.client
            own_accounts = program.addresses(trading.trader.pubkey())
            events = await prepared(rpc, trading)
            at = await now(rpc)
            for number, pnl in ((1, 250_000_000), (2, -400_000_000)):
                events += audit_events(
                    (await do(rpc, [trading.open(number, AMOUNT, at + 3_600)], trading.engine)).log_messages,
                    trading.program,
                )
                assert await tokens(rpc, own_accounts.escrow) == AMOUNT
                address = program.trade_address(own_accounts.vault, number)
                opened = program.decode_trade(bytes((await account_of(rpc, address)).data))
                assert (opened.amount, opened.trade_id, opened.remaining) == (AMOUNT, number, AMOUNT)
                closing = trading.close(opened, share=AMOUNT, pnl=pnl, valid_until=at + 600)
                events += audit_events(
                    (await do(rpc, closing, trading.engine, trading.settlement)).log_messages,
                    trading.program,
                )
                assert (await rpc.get_account_info(address)).value is None
                assert await tokens(rpc, own_accounts.escrow) == 0
            fee = 25_000_000  # 10 % of the profit, nothing of the loss
            assert await tokens(rpc, trading.usdt_account(trading.fees)) == DEPOSIT + fee
            left = DEPOSIT + 250_000_000 - fee - 400_000_000
            assert await tokens(rpc, own_accounts.funds) == left
            payout = trading.usdt_account(trading.trader)
            withdraw = program.withdraw(trading.trader.pubkey(), payout, left)
            events += audit_events((await do(rpc, [withdraw], trading.trader)).log_messages, trading.program)
            assert await tokens(rpc, own_accounts.funds) == 0
            assert await tokens(rpc, payout) == left
            # Every accepted instruction is in the audit chain, whose end the account holds.
            audit = first_audit(trading.program, own_accounts.vault, bytes(trading.cluster))
            for event in events:
                audit = next_audit(audit, event.record)
                assert event.audit == audit
            vault = program.decode_vault(bytes((await account_of(rpc, own_accounts.vault)).data))
            assert vault.audit == events[-1].audit
            assert vault.sequence == len(events) == 7

    asyncio.run(scenario())


def test_a_refusal_has_its_name(running: Chain) -> None:
    async def scenario() -> None:
        async with asyncio.timeout(60), client(running) as rpc:
            trading = trading_on(running, Keypair())
            await prepared(rpc, trading)
            at = await now(rpc)
            trader = trading.trader.pubkey()
            cases = [
                (trading.open(1, 2 * 10**12, at + 3_600), trading.engine, "OVER_TRADE_CAP"),
                (trading.client.heartbeat(trader, trading.fees.pubkey()), trading.fees, "WRONG_ENGINE"),
            ]
            for instruction, signer, name in cases:
                with pytest.raises(RPCException) as caught:
                    await do(rpc, [instruction], signer)
                error = decode_error(caught.value.args[0].data.err)
                assert error is not None
                assert error.name == name

    asyncio.run(scenario())


def test_the_program_is_the_committed_one_and_immutable(running: Chain) -> None:
    async def scenario() -> None:
        async with client(running) as rpc:
            program = Pubkey.from_string(running.facts["program"])
            account = await account_of(rpc, program)
            assert account.executable
            assert account.owner == UPGRADEABLE_LOADER
            code = (await account_of(rpc, program_data_address(program))).data
            assert bytes(code)[45:] == program_file(PROGRAM_FILE).read_bytes()
            assert code[12] == 0  # no upgrade authority

    asyncio.run(scenario())


def test_a_restarted_chain_runs_the_program_on(tmp_path: Any) -> None:
    async def first(running: Chain) -> None:
        async with asyncio.timeout(60), client(running) as rpc:
            trading = trading_on(running)
            await prepared(rpc, trading)
            await do(rpc, [trading.open(1, AMOUNT, await now(rpc) + 3_600)], trading.engine)

    async def second(running: Chain) -> None:
        async with asyncio.timeout(60), client(running) as rpc:
            trading = trading_on(running)
            address = trading.client.trade_address(trading.vault, 1)
            opened = trading.client.decode_trade(bytes((await account_of(rpc, address)).data))
            with pytest.raises(RPCException) as caught:
                await do(rpc, [trading.client.expire(trading.trader.pubkey(), opened)], trading.fees)
            error = decode_error(caught.value.args[0].data.err)
            assert error is not None
            assert error.name == "NOT_EXPIRED"
            await own(rpc, "advanceClock", 3_600)
            await do(rpc, [trading.client.expire(trading.trader.pubkey(), opened)], trading.fees)
            funds = trading.client.addresses(trading.trader.pubkey()).funds
            assert await tokens(rpc, funds) == DEPOSIT

    with chain(tmp_path) as running:
        asyncio.run(first(running))
        running.kill()
    with chain(tmp_path) as running:
        asyncio.run(second(running))
