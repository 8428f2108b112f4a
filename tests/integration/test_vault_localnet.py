"""The local chain as a process, spoken to by the unmodified client of the ``solana`` package."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("solders")

from solana.rpc.commitment import Confirmed, Finalized, Processed
from solana.rpc.jsonrpc import JsonRpcRequest, SolanaJsonRpcError
from solana.rpc.models import TokenAccountOpts
from solana.rpc.websocket_api import ConnectionState, SolanaWsClient
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.rpc.responses import AccountNotification, LogsNotification, SlotNotification
from solders.signature import Signature
from solders.transaction_status import (
    InstructionErrorCustom,
    TransactionConfirmationStatus,
    TransactionErrorFieldless,
    TransactionErrorInstructionError,
)
from spl.token.instructions import get_associated_token_address, transfer_checked
from spl.token.models import TransferCheckedParams

from optionsib.vault.tokens import TOKEN_PROGRAM, USDT_MINT
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


def test_every_reading_call_of_the_client(running: Chain) -> None:
    async def scenario(rpc: Any) -> None:
        payer = await funded(rpc)
        await own(rpc, "mint", str(payer.pubkey()), 5_250_000)
        account = get_associated_token_address(payer.pubkey(), USDT_MINT)
        assert await rpc.is_connected()
        assert (await rpc.get_version()).value.solana_core
        assert str((await rpc.get_genesis_hash()).value) == running.facts["genesisHash"]
        slot = (await rpc.get_slot()).value
        assert (await rpc.get_block_time(slot)).value > 1_700_000_000
        assert (await rpc.get_block_height()).value < slot
        assert (await rpc.get_epoch_info()).value.absolute_slot >= slot
        assert (await rpc.get_transaction_count()).value >= 2
        assert (await rpc.get_minimum_balance_for_rent_exemption(165)).value == 2_039_280
        assert (await rpc.get_balance(payer.pubkey())).value == 10**9
        assert (await rpc.get_balance(Pubkey.new_unique())).value == 0
        token = (await rpc.get_token_account_balance(account)).value
        assert (token.amount, token.ui_amount_string, token.decimals) == ("5250000", "5.25", 6)
        assert (await rpc.get_token_supply(USDT_MINT)).value.decimals == 6
        info = (await rpc.get_account_info(account)).value
        assert (info.owner, len(info.data)) == (TOKEN_PROGRAM, 165)
        assert (await rpc.get_account_info(Pubkey.new_unique())).value is None
        parsed = (await rpc.get_account_info_json_parsed(account)).value
        assert parsed.data.parsed["info"]["tokenAmount"]["amount"] == "5250000"
        many = (await rpc.get_multiple_accounts([account, Pubkey.new_unique(), USDT_MINT])).value
        assert [one is None for one in many] == [False, True, False]
        owned = (
            await rpc.get_token_accounts_by_owner(payer.pubkey(), TokenAccountOpts(mint=USDT_MINT))
        ).value
        assert [one.pubkey for one in owned] == [account]
        of_program = (await rpc.get_program_accounts(TOKEN_PROGRAM, encoding="base64", filters=[165])).value
        assert account in [one.pubkey for one in of_program]
        transaction = await signed(rpc, payer, paying(payer, Pubkey.new_unique(), 10**6))
        assert (await rpc.get_fee_for_message(transaction.message)).value == 5_000
        simulated = (await rpc.simulate_transaction(transaction, sig_verify=True)).value
        assert (simulated.err, simulated.units_consumed) == (None, 150)
        signature = await send(rpc, transaction)
        (status,) = (await rpc.get_signature_statuses([signature])).value
        assert status.confirmation_status == TransactionConfirmationStatus.Finalized
        (newest, *_) = (await rpc.get_signatures_for_address(payer.pubkey())).value
        assert newest.signature == signature
        for encoding in ("json", "jsonParsed", "base64", "base58"):
            found = (await rpc.get_transaction(signature, encoding)).value
            assert found.slot == status.slot
            assert found.transaction.meta.fee == 5_000
        assert found.transaction.meta.post_balances[1] == 10**6

    run(running, scenario)


def test_history_by_pages(running: Chain) -> None:
    async def scenario(rpc: Any) -> None:
        payer = await funded(rpc)
        sent = []
        for lamports in range(10**6, 10**6 + 5):
            sent.append(
                await send(rpc, await signed(rpc, payer, paying(payer, Pubkey.new_unique(), lamports)))
            )
        whole = [one.signature for one in (await rpc.get_signatures_for_address(payer.pubkey())).value]
        assert whole[:-1] == sent[::-1]
        page = await rpc.get_signatures_for_address(payer.pubkey(), before=sent[4], until=sent[0], limit=2)
        assert [one.signature for one in page.value] == [sent[3], sent[2]]

    run(running, scenario)


def test_preflight_answers_with_error_and_logs(running: Chain) -> None:
    async def scenario(rpc: Any) -> None:
        payer = await funded(rpc)
        transaction = await signed(rpc, payer, paying(payer, Pubkey.new_unique(), 10**10))
        error = await refused(send(rpc, transaction))
        assert error.message == (
            "Transaction simulation failed: Error processing Instruction 0: custom program error: 0x1"
        )
        assert error.data.err == TransactionErrorInstructionError(0, InstructionErrorCustom(1))
        assert any("insufficient lamports" in line for line in error.data.logs)
        assert (await rpc.get_signature_statuses([transaction.signatures[0]])).value == [None]
        assert (await rpc.get_balance(payer.pubkey())).value == 10**9

    run(running, scenario)


def test_sent_twice_lands_once(running: Chain) -> None:
    async def scenario(rpc: Any) -> None:
        payer, target = await funded(rpc), Pubkey.new_unique()
        transaction = await signed(rpc, payer, paying(payer, target, 10**6))
        await send(rpc, transaction)
        error = await refused(send(rpc, transaction))
        assert error.data.err == TransactionErrorFieldless.AlreadyProcessed
        await send(rpc, transaction, skip_preflight=True)
        assert (await rpc.get_balance(target)).value == 10**6

    run(running, scenario)


def test_a_program_error_breaks_the_clients_websocket_but_not_the_statuses(running: Chain) -> None:
    """solders 0.29 cannot parse a signatureNotification with a custom error: confirm by statuses.

    When this fails, the library has been repaired.
    """

    async def scenario(rpc: Any) -> None:
        payer = await funded(rpc)
        bad = await signed(rpc, payer, paying(payer, Pubkey.new_unique(), 10**10))
        async with SolanaWsClient(running.websocket) as socket:
            await socket.signature_subscribe(signature=bad.signatures[0], commitment=Confirmed)
            await send(rpc, bad, skip_preflight=True)
            with pytest.raises(Exception, match="a list or single element"):
                await socket.recv()
            assert socket.connection_state is ConnectionState.CLOSED
        (status,) = (await rpc.get_signature_statuses([bad.signatures[0]])).value
        assert status.err == TransactionErrorInstructionError(0, InstructionErrorCustom(1))
        # The same news as logs arrives.
        worse = await signed(rpc, payer, paying(payer, Pubkey.new_unique(), 10**11))
        async with SolanaWsClient(running.websocket) as socket:
            await socket.logs_subscribe(commitment=Confirmed)
            await send(rpc, worse, skip_preflight=True)
            notification = await socket.recv()
            assert isinstance(notification, LogsNotification)
            assert notification.result.value.signature == worse.signatures[0]
            assert notification.result.value.err == TransactionErrorInstructionError(
                0, InstructionErrorCustom(1)
            )

    run(running, scenario)


def test_subscriptions(running: Chain) -> None:
    async def scenario(rpc: Any) -> None:
        payer, target = await funded(rpc), Pubkey.new_unique()
        good = await signed(rpc, payer, paying(payer, target, 10**6))
        async with SolanaWsClient(running.websocket) as socket:
            signature = await socket.signature_subscribe(signature=good.signatures[0], commitment=Finalized)
            account = await socket.account_subscribe(pubkey=target, commitment=Processed, encoding="base64")
            await send(rpc, good)
            by_number = {}
            for _ in range(2):
                notification = await socket.recv()
                by_number[notification.subscription] = notification
            assert by_number[signature.subscription_id].result.value.err is None
            changed = by_number[account.subscription_id]
            assert isinstance(changed, AccountNotification)
            assert changed.result.value.lamports == 10**6
            await socket.unsubscribe(account)
            late = await socket.signature_subscribe(signature=good.signatures[0], commitment=Confirmed)
            assert (await socket.recv()).subscription == late.subscription_id
            slots = await socket.slot_subscribe()
            first, second = await socket.recv(), await socket.recv()
            assert isinstance(first, SlotNotification)
            assert first.result.slot < second.result.slot
            await socket.unsubscribe(slots)

    run(running, scenario)


def test_commitments_come_with_time_and_accounts_show_the_past(running: Chain) -> None:
    async def scenario(rpc: Any) -> None:
        await own(rpc, "setFault", {"confirmed_ms": 20_000, "finalized_ms": 40_000})
        payer, target = Keypair(), Pubkey.new_unique()
        await rpc.request_airdrop(payer.pubkey(), 10**9)

        async def seen() -> list[int]:
            levels = (Processed, Confirmed, Finalized)
            return [(await rpc.get_balance(payer.pubkey(), level)).value for level in levels]

        assert await seen() == [10**9, 0, 0]
        await own(rpc, "advanceClock", 20)
        assert await seen() == [10**9, 10**9, 0]
        latest = (await rpc.get_latest_blockhash(Processed)).value.blockhash
        sent = await signed(rpc, payer, paying(payer, target, 10**6))
        assert sent.message.recent_blockhash != latest  # the default commitment lags behind
        signature = await send(rpc, sent, skip_preflight=True)
        assert (await rpc.get_transaction(signature, commitment=Confirmed)).value is None
        (status,) = (await rpc.get_signature_statuses([signature])).value
        assert status.confirmation_status == TransactionConfirmationStatus.Processed
        await own(rpc, "advanceClock", 20)
        assert await seen() == [10**9 - 10**6 - 5_000, 10**9 - 10**6 - 5_000, 10**9]
        (status,) = (await rpc.get_signature_statuses([signature])).value
        assert status.confirmation_status == TransactionConfirmationStatus.Confirmed
        await own(rpc, "advanceClock", 20)
        assert len(set(await seen())) == 1
        assert (await rpc.get_transaction(signature)).value is not None

    run(running, scenario)


def test_a_blockhash_lives_for_150_slots(running: Chain) -> None:
    async def scenario(rpc: Any) -> None:
        payer = await funded(rpc)
        old = await signed(rpc, payer, paying(payer, Pubkey.new_unique(), 10**6))
        await own(rpc, "advanceClock", 148 * 0.4)
        await send(rpc, old)
        older = await signed(rpc, payer, paying(payer, Pubkey.new_unique(), 10**6))
        last = (await rpc.get_latest_blockhash()).value.last_valid_block_height
        await own(rpc, "expireBlockhashes")
        assert (await rpc.get_block_height()).value > last
        error = await refused(send(rpc, older))
        assert error.data.err == TransactionErrorFieldless.BlockhashNotFound
        await send(rpc, older, skip_preflight=True)
        assert (await rpc.get_signature_statuses([older.signatures[0]])).value == [None]

    run(running, scenario)


def test_a_frozen_account_moves_nothing_until_thawed(running: Chain) -> None:
    async def scenario(rpc: Any) -> None:
        payer, other = await funded(rpc), Keypair().pubkey()
        for owner in (payer.pubkey(), other):
            await own(rpc, "mint", str(owner), 1_000_000)
        source, target = (get_associated_token_address(one, USDT_MINT) for one in (payer.pubkey(), other))
        move = transfer_checked(
            TransferCheckedParams(
                program_id=TOKEN_PROGRAM,
                source=source,
                mint=USDT_MINT,
                dest=target,
                owner=payer.pubkey(),
                amount=400_000,
                decimals=6,
            )
        )
        await own(rpc, "freeze", str(source))
        error = await refused(send(rpc, await signed(rpc, payer, move)))
        assert error.data.err == TransactionErrorInstructionError(0, InstructionErrorCustom(17))
        await own(rpc, "thaw", str(source))
        await send(rpc, await signed(rpc, payer, move))
        assert (await rpc.get_token_account_balance(target)).value.amount == "1400000"

    run(running, scenario)


def test_old_statuses_are_in_the_history_only(running: Chain) -> None:
    async def scenario(rpc: Any) -> None:
        payer = await funded(rpc)
        signature = await send(rpc, await signed(rpc, payer, paying(payer, Pubkey.new_unique(), 10**6)))
        await own(rpc, "advanceClock", 301 * 0.4)
        assert (await rpc.get_signature_statuses([signature])).value == [None]
        (status,) = (await rpc.get_signature_statuses([signature], True)).value
        assert status.err is None

    run(running, scenario)


def test_errors_of_a_node(running: Chain) -> None:
    async def scenario(rpc: Any) -> None:
        slot = (await rpc.get_slot()).value
        assert "Block not available" in str(await refused(rpc.get_block_time(slot + 10**6)))
        with pytest.raises(Exception, match="could not find account"):
            await rpc.get_token_account_balance(Pubkey.new_unique())
        for bad in ({"drop": 1.5}, {"nonsense": 1}, {"finalized_ms": 1, "confirmed_ms": 2}, {"seed": "x"}):
            with pytest.raises(Exception, match="Invalid params"):
                await own(rpc, "setFault", bad)
        with pytest.raises(Exception, match="Method not found"):
            await own(rpc, "nothing")
        payer = await funded(rpc)
        whole = await signed(rpc, payer, paying(payer, Pubkey.new_unique(), 10**6))
        forged = bytearray(bytes(whole))
        forged[10] ^= 1
        for wire, code in ((bytes(forged), -32003), (bytes(whole)[:-3], -32602), (bytes(1233), -32602)):
            request = JsonRpcRequest(
                method="sendTransaction", params=[base64.b64encode(wire).decode(), {"encoding": "base64"}]
            )
            with pytest.raises(SolanaJsonRpcError) as caught:
                await rpc.send_rpc_request(request, Any)
            assert caught.value.code == code
        ahead = JsonRpcRequest(method="getSlot", params=[{"minContextSlot": slot + 10**6}])
        with pytest.raises(SolanaJsonRpcError) as caught:
            await rpc.send_rpc_request(ahead, Any)
        assert (caught.value.code, caught.value.data["contextSlot"] >= slot) == (-32016, True)
        assert (await rpc.get_signature_statuses([Signature.default()])).value == [None]

    run(running, scenario)


def test_two_chains_cannot_share_a_folder(running: Chain) -> None:
    words = ["vault", "localnet", "--port", "0", "--state", running.facts["state"]]
    done = subprocess.run(
        [sys.executable, "-m", "optionsib.cli", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "locked" in done.stderr
