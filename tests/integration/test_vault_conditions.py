"""Every named state of the vault is reached, stops opens but no exit, and is left again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

pytest.importorskip("solders")

from solders.pubkey import Pubkey
from solders.signature import Signature

from optionsib.common.events import VaultIntent
from optionsib.vault.attestor import AttestationRequest, AttestorDownError
from optionsib.vault.conditions import MEANING, PATIENT, Limits, VaultCondition
from optionsib.vault.embedded import EmbeddedChain
from optionsib.vault.signers import Signer, SignerError
from tests.vault_desk import BACK, CONTRACTS, LONG, USDT, Desk

C = VaultCondition


def played(scenario: Callable[[Desk], Awaitable[None]], **begin: Any) -> None:
    async def whole() -> None:
        desk = Desk(limits=begin.pop("limits", None))
        await desk.begin(**begin)
        async with asyncio.timeout(60):
            await scenario(desk)

    asyncio.run(whole())


async def opened(desk: Desk) -> None:
    assert desk.order("O1", "T1", 1, loss=300) is None
    desk.fill("O1", 1, 1, (25_000, 11_000))
    await desk.settle(rounds=5)


def closed(desk: Desk, price: int = 27_000) -> None:
    desk.order("C1", "T1", 1, legs=BACK)
    desk.fill("C1", 1, 1, (price, 11_000))


async def is_told(desk: Desk, condition: VaultCondition) -> None:
    """The state holds, is in what people see, and refuses an order unless it is a patient one."""
    await desk.service.advance()
    assert condition in desk.service.conditions()
    state = desk.service.state(0)
    assert any(words.startswith(f"{condition}: ") for words in state.conditions)
    number = len(desk.journal)
    refusal = desk.order(f"refused {number}", f"T{number}", 1, loss=1)
    assert (refusal is None) == (set(desk.service.conditions()) <= PATIENT)
    assert condition in MEANING


def test_frozen_accounts_hold_a_close_up_until_they_are_thawed() -> None:
    async def scenario(desk: Desk) -> None:
        await opened(desk)
        escrow = str(desk.vault.addresses.escrow)
        desk.chain.call("localnet_freeze", escrow)
        closed(desk)
        await is_told(desk, C.FROZEN)
        assert desk.ledger.waiting()
        desk.chain.call("localnet_thaw", escrow)
        await desk.settle(rounds=5)
        assert not desk.ledger.waiting()
        assert desk.service.conditions() == {}

    played(scenario)


def test_a_pause_stops_opens_and_no_exit() -> None:
    async def scenario(desk: Desk) -> None:
        await opened(desk)
        trader = desk.chain.signer("trader")
        await desk.vault.run(
            [desk.vault.program.pause(desk.vault.trader, trader.public_key)], signers=[trader]
        )
        await is_told(desk, C.PAUSED)
        closed(desk)
        await desk.settle(rounds=5)
        assert not desk.ledger.waiting()
        assert desk.ledger.books.balances["escrow"] == 0

    played(scenario)


def test_an_open_that_is_refused_after_its_fill_is_unfunded() -> None:
    async def scenario(desk: Desk) -> None:
        assert desk.order("O1", "T1", 1, loss=300) is None
        trader = desk.chain.signer("trader")
        await desk.vault.run(
            [desk.vault.program.pause(desk.vault.trader, trader.public_key)], signers=[trader]
        )
        desk.fill("O1", 1, 1, (25_000, 11_000))
        await desk.service.advance()
        await desk.vault.run([desk.vault.program.unpause(desk.vault.trader)], signers=[trader])
        await is_told(desk, C.UNFUNDED)
        closed(desk)  # the exit goes on; the chain has nothing of it
        await desk.settle(rounds=5)
        assert not desk.ledger.waiting()
        books = desk.ledger.books.balances
        assert books["reserved"] == books["escrow"] == 0

    played(scenario)


def test_a_profit_without_the_settlement_authority_is_owed_until_paid() -> None:
    async def scenario(desk: Desk) -> None:
        await opened(desk)
        closed(desk)
        await desk.settle(rounds=5)
        await is_told(desk, C.PROFIT_UNPAID)
        owed = desk.service.state(0).receivable
        assert owed > 0
        paying, found = desk.chain.signer("settlement"), await desk.vault.trade(1)
        assert found is not None
        pay = desk.vault.program.pay_profit(desk.vault.trader, found, paying.public_key, owed)
        await desk.vault.run([pay], signers=[paying])
        await desk.settle(rounds=2)
        assert desk.service.conditions() == {}
        state = desk.service.state(0)
        assert (state.receivable, state.settled) == (0, owed)

    played(scenario, pays=False)


def test_a_loss_above_the_escrow_is_a_shortfall() -> None:
    async def scenario(desk: Desk) -> None:
        assert desk.order("O1", "T1", 1, loss=100) is None  # 141.30 is lost
        desk.fill("O1", 1, 1, (25_000, 11_000))
        await desk.settle(rounds=5)
        closed(desk, price=11_000)
        await is_told(desk, C.SHORTFALL)
        assert "42.60 USDT" in desk.service.conditions()[C.SHORTFALL]
        await desk.settle(rounds=5)
        assert desk.service.state(0).settled == -100 * USDT
        assert C.SHORTFALL in desk.service.conditions()

    played(scenario)


class Silent:
    """An attestor that is not there."""

    asked = 0

    async def attest(self, request: AttestationRequest) -> Any:
        self.asked += 1
        raise AttestorDownError("nobody answers")


def test_a_silent_attestor_is_named_and_waited_for() -> None:
    async def scenario(desk: Desk) -> None:
        await opened(desk)
        desk.service.attestor = Silent()
        closed(desk)
        await is_told(desk, C.ATTESTOR_DOWN)
        desk.service.attestor = desk.attestor
        await desk.settle(rounds=5)
        assert desk.service.conditions() == {}

    played(scenario)


def test_a_silent_attestor_is_asked_once_a_round_and_holds_no_open_up() -> None:
    async def scenario(desk: Desk) -> None:
        for number in (1, 2, 3):
            assert desk.order(f"O{number}", f"T{number}", 1, loss=300) is None
        for number in (1, 2):
            desk.fill(f"O{number}", 1, 1, (25_000, 11_000))
        await desk.settle(rounds=5)
        desk.service.attestor = silent = Silent()
        for number in (1, 2):
            desk.order(f"C{number}", f"T{number}", 1, legs=BACK)
            desk.fill(f"C{number}", 1, 1, (27_000, 11_000))
        desk.fill("O3", 1, 1, (25_000, 11_000))
        await desk.service.advance()
        assert silent.asked == 1
        assert {intent: name for intent, (name, _) in desk.service.outbox.troubles.items()} == {
            state.intent.number: C.ATTESTOR_DOWN
            for state in desk.ledger.waiting()
            if state.intent.kind == "close"
        }
        await desk.service.advance()
        assert desk.ledger.trades[3].is_open
        desk.service.attestor = desk.attestor
        await desk.settle(rounds=5)
        assert not desk.ledger.waiting()

    played(scenario)


def test_an_attestor_with_another_result_is_named_with_both_figures() -> None:
    async def scenario(desk: Desk) -> None:
        await opened(desk)
        desk.attestor.learn([desk_contract(multiplier=10)])
        closed(desk)
        await is_told(desk, C.ATTESTATION_REFUSED)
        assert "asked for" in desk.service.conditions()[C.ATTESTATION_REFUSED]

    played(scenario)


def desk_contract(multiplier: int) -> Any:
    import msgspec

    return msgspec.structs.replace(CONTRACTS[LONG], multiplier=multiplier)


def test_a_close_waits_for_its_commissions_and_then_asks_for_them() -> None:
    async def scenario(desk: Desk) -> None:
        await opened(desk)
        desk.order("C1", "T1", 1, legs=BACK)
        tell = desk.tell
        held: list[Any] = []
        desk.tell = lambda event: held.append(event) if hasattr(event, "currency") else tell(event)  # type: ignore[method-assign]
        desk.fill("C1", 1, 1, (27_000, 11_000))
        await is_told(desk, C.AWAITING_COMMISSION)
        desk.pass_seconds(301)
        await is_told(desk, C.COMMISSION_MISSING)
        for event in held:
            tell(event)
        await desk.settle(rounds=5)
        assert not {C.AWAITING_COMMISSION, C.COMMISSION_MISSING} & set(desk.service.conditions())

    played(scenario)


def test_a_node_that_is_gone_is_named_and_the_work_goes_on_when_it_is_back() -> None:
    async def scenario(desk: Desk) -> None:
        await opened(desk)
        desk.chain.call("localnet_setFault", {"rpc_unavailable": 1.0})
        closed(desk)
        await is_told(desk, C.RPC_DOWN)
        desk.chain.call("localnet_setFault", None)
        await desk.settle(rounds=5)
        assert desk.service.conditions() == {}
        assert desk.ledger.books.balances["escrow"] == 0

    played(scenario)


def test_a_slow_node_keeps_nobody_waiting() -> None:
    async def scenario(desk: Desk) -> None:
        await opened(desk)
        desk.service._in_background = True
        desk.chain.call("localnet_setFault", {"rpc_timeout": 1.0, "rpc_timeout_ms": 20_000.0})
        closed(desk)
        async with asyncio.timeout(5):
            await desk.service.advance()
            await asyncio.sleep(0)
            await desk.service.advance()  # the first one is still at work
            await desk.service.aclose()
        desk.service._in_background = False
        desk.chain.call("localnet_setFault", None)
        await desk.settle(rounds=5)
        assert desk.ledger.books.balances["escrow"] == 0

    played(scenario)


def test_an_old_reading_opens_nothing() -> None:
    async def scenario(desk: Desk) -> None:
        desk.pass_seconds(121)
        assert C.RPC_DOWN in desk.service.conditions()
        assert "121 s ago" in (desk.order("O1", "T1", 1, loss=1) or "")

    played(scenario)


def test_a_slow_confirmation_is_told_and_stops_nothing() -> None:
    async def scenario(desk: Desk) -> None:
        desk.chain.call("localnet_setFault", {"drop": 1.0})
        assert desk.order("O1", "T1", 1, loss=300) is None
        desk.fill("O1", 1, 1, (25_000, 11_000))
        await desk.service.advance()
        desk.pass_seconds(31)
        await is_told(desk, C.SLOW_CONFIRMATION)
        desk.chain.call("localnet_setFault", None)
        await desk.settle(rounds=100)
        assert desk.service.conditions() == {}

    played(scenario)


def test_another_time_on_the_chain_is_told() -> None:
    async def scenario(desk: Desk) -> None:
        desk.chain.call("localnet_advanceClock", 31)
        await is_told(desk, C.CLOCK_SKEW)

    played(scenario)


def test_a_mint_in_other_hands_opens_nothing() -> None:
    async def scenario(desk: Desk) -> None:
        reading = desk.service.reading
        assert reading is not None
        desk.service.outbox.reading = msgspec.structs.replace(reading, freeze_authority=None)
        assert "freeze authority None" in desk.service.conditions()[C.MINT_CHANGED]
        assert (desk.order("O1", "T1", 1, loss=1) or "").startswith("MINT_CHANGED")

    played(scenario)


def test_an_engine_short_of_sol_is_told() -> None:
    async def scenario(desk: Desk) -> None:
        await is_told(desk, C.LOW_SOL)

    played(scenario, limits=Limits(low_lamports=10**11))


def test_trades_are_extended_before_they_expire_and_the_engine_is_heard() -> None:
    async def scenario(desk: Desk) -> None:
        await opened(desk)
        before = (await desk.vault.trade(1)).expiry  # type: ignore[union-attr]
        for _ in range(120):
            desk.pass_seconds(800)
            await desk.settle(rounds=2)
        after = await desk.vault.trade(1)
        assert after is not None
        assert after.expiry > before
        extended = [e for e in desk.journal if isinstance(e, VaultIntent) and e.kind == "extend"]
        assert len(extended) == 1
        assert any(isinstance(e, VaultIntent) and e.kind == "heartbeat" for e in desk.journal)
        assert desk.service.conditions() == {}
        closed(desk)
        await desk.settle(rounds=5)
        assert desk.ledger.books.balances["escrow"] == 0

    played(scenario)


@pytest.mark.parametrize("units", [1, 2])
def test_a_trade_whose_close_cannot_settle_yet_does_not_expire(units: int) -> None:
    """Neither one whose whole escrow its close takes, nor one of which something stays."""

    async def scenario(desk: Desk) -> None:
        assert desk.order("O1", "T1", units, loss=300) is None
        desk.fill("O1", 1, units, (25_000, 11_000))
        await desk.settle(rounds=5)
        desk.service.attestor = Silent()
        closed(desk)
        for _ in range(2 * 86_400 // 800):  # twice as long as it was opened for
            desk.pass_seconds(800)
            for _ in range(3):
                await desk.service.advance()
                desk.pass_seconds(2)
        found = await desk.vault.trade(1)
        assert found is not None
        assert found.expiry > desk.clock.now_ns() // 10**9
        assert set(desk.service.conditions()) == {C.ATTESTOR_DOWN}
        desk.service.attestor = desk.attestor
        await desk.settle(rounds=10)
        assert desk.service.conditions() == {}
        found = await desk.vault.trade(1)
        assert (0 if found is None else found.remaining) == (units - 1) * 150 * USDT

    played(scenario)


def test_a_pause_that_is_lifted_in_time_lets_a_trade_be_extended() -> None:
    async def scenario(desk: Desk) -> None:
        await opened(desk)
        trader = desk.chain.signer("trader")
        pause = desk.vault.program.pause(desk.vault.trader, trader.public_key)
        await desk.vault.run([pause], signers=[trader])
        found = await desk.vault.trade(1)
        assert found is not None
        opened_until = found.expiry
        while desk.clock.now_ns() // 10**9 < opened_until - 400:  # into the time in which it is extended
            desk.pass_seconds(300)
            await desk.service.advance()
        await is_told(desk, C.PAUSED)
        await desk.vault.run([desk.vault.program.unpause(desk.vault.trader)], signers=[trader])
        await desk.settle(rounds=5)
        found = await desk.vault.trade(1)
        assert found is not None
        assert found.expiry > opened_until
        assert desk.service.conditions() == {}

    played(scenario)


def test_a_trade_that_expired_is_told_and_its_close_is_no_secret() -> None:
    async def scenario(desk: Desk) -> None:
        await opened(desk)
        desk.pass_seconds(90_000)  # nobody was here to extend it
        stranger = desk.chain.signer("fees")
        found = await desk.vault.trade(1)
        assert found is not None
        await desk.vault.run([desk.vault.program.expire(desk.vault.trader, found)], signers=[stranger])
        closed(desk)
        await desk.settle(rounds=5)
        await is_told(desk, C.TRADE_EXPIRED)
        assert not desk.ledger.waiting()
        assert desk.ledger.books.balances["escrow"] == 0

    played(scenario)


def test_a_withdrawal_behind_our_back_is_booked_and_a_lost_record_is_a_mismatch() -> None:
    async def scenario(desk: Desk) -> None:
        trader = desk.chain.signer("trader")
        payout = desk.chain.usdt_account("trader")
        take = desk.vault.program.withdraw(desk.vault.trader, payout, 7 * USDT)
        await desk.vault.run([take], signers=[trader])
        free = desk.service.state(0).free
        await desk.service.advance()
        assert desk.service.conditions() == {}
        assert desk.service.state(0).free == free - 7 * USDT
        desk.ledger.books.balances["escrow"] += 1
        desk.ledger.books.balances["free"] -= 1
        await is_told(desk, C.LEDGER_MISMATCH)

    played(scenario)


def test_every_state_has_its_sentence_here_and_in_the_documentation() -> None:
    page = (Path(__file__).parents[2] / "docs" / "vault.md").read_text()
    assert set(MEANING) == set(VaultCondition)
    for condition, words in MEANING.items():
        assert f"| {condition}{' *' if condition in PATIENT else ''} | {words} |" in page


class MoodySigner:
    """Signs when it is well."""

    def __init__(self, signer: Signer) -> None:
        self.signer, self.is_ill = signer, False

    @property
    def public_key(self) -> Pubkey:
        return self.signer.public_key

    async def sign(self, message: bytes) -> Signature:
        if self.is_ill:
            raise SignerError("no answer; nothing was sent")
        return await self.signer.sign(message)


def test_a_signer_that_is_down_is_told_and_then_the_heartbeat_is_late() -> None:
    async def whole() -> None:
        desk = Desk()
        desk.engine = signer = MoodySigner(desk.engine)
        await desk.begin()
        await opened(desk)
        signer.is_ill = True
        closed(desk)
        await is_told(desk, C.SIGNER_DOWN)
        assert C.HEARTBEAT_LATE not in desk.service.conditions()
        desk.pass_seconds(13 * 3_600)
        await is_told(desk, C.HEARTBEAT_LATE)
        signer.is_ill = False
        await desk.settle(rounds=20)
        assert not desk.ledger.waiting()
        assert desk.service.conditions() == {}
        assert desk.ledger.books.balances["escrow"] == 0

    asyncio.run(whole())


def test_a_chain_without_the_vault_is_told() -> None:
    async def scenario(desk: Desk) -> None:
        empty = EmbeddedChain(12, desk.clock)
        desk.vault = empty.vault()
        await desk.start()
        await is_told(desk, C.NO_VAULT)
        assert "optionsib vault create" in MEANING[C.NO_VAULT]
        await empty.close()

    played(scenario)


def test_a_trade_at_its_longest_duration_is_named_and_its_close_goes_through() -> None:
    async def scenario(desk: Desk) -> None:
        await opened(desk)
        for _ in range(220):
            desk.pass_seconds(800)
            await desk.settle(rounds=2)
            if desk.service.ending():
                break
        assert desk.service.ending() == {"T1"}
        found = await desk.vault.trade(1)
        assert found is not None
        assert 0 < found.expiry - desk.clock.now_ns() // 10**9 <= desk.limits.extend_before
        assert found.latest_expiry - found.expiry < 60
        extended = [e for e in desk.journal if isinstance(e, VaultIntent) and e.kind == "extend"]
        assert len(extended) == 1, "what the program would refuse is not asked of it"
        await is_told(desk, C.TRADE_ENDING)
        closed(desk)
        await desk.settle(rounds=5)
        assert desk.ledger.books.balances["escrow"] == 0
        assert desk.service.conditions() == {}

    played(scenario, max_duration=2 * 86_400 - 3_600)


@pytest.mark.parametrize("before", [0, 1])
def test_what_fills_after_the_end_of_its_order_is_unfunded(before: int) -> None:
    async def scenario(desk: Desk) -> None:
        assert desk.order("O1", "T1", 2, loss=600) is None
        if before:
            desk.fill("O1", 1, 1, (25_000, 11_000))
        desk.cancel("O1")
        await desk.settle(rounds=5)
        assert desk.service.conditions() == {}
        desk.fill("O1", 2, 1, (25_000, 11_000))
        await is_told(desk, C.UNFUNDED)
        assert "1 units filled after the order's end" in desk.service.conditions()[C.UNFUNDED]
        await desk.start()
        await is_told(desk, C.UNFUNDED)

    played(scenario)


@pytest.mark.parametrize("late", ["everything", "log"])
def test_an_open_that_a_late_node_does_not_show_is_not_unfunded(late: str) -> None:
    """The transaction landed; the node that is asked says that it expired, and has not its record."""

    async def scenario(desk: Desk) -> None:
        stale = await desk.vault.read(desk.engine.public_key)
        assert desk.order("O1", "T1", 1, loss=300) is None
        desk.fill("O1", 1, 1, (25_000, 11_000))
        await desk.service.advance()
        desk.pass_seconds(5)
        assert await desk.vault.trade(1) is not None

        async def unknown(signatures: Any) -> list[None]:
            return [None for _ in signatures]

        async def expired(height: int) -> bool:
            return height > 0

        async def read(*keys: Any) -> Any:
            return stale

        async def history(after: str | None = None) -> list[Any]:
            return []

        blind: dict[str, Any] = {"status": unknown, "is_expired": expired, "history": history}
        if late == "everything":
            blind["read"] = read
        with pytest.MonkeyPatch.context() as patch:
            for name, answer in blind.items():
                patch.setattr(desk.vault, name, answer)
            for _ in range(3):
                await desk.service.advance()
                assert C.RPC_DOWN in desk.service.conditions()
                assert C.UNFUNDED not in desk.service.conditions()
        await desk.settle(rounds=5)
        assert desk.service.conditions() == {}
        closed(desk)
        await desk.settle(rounds=9)
        assert desk.service.conditions() == {}
        assert desk.ledger.books.balances["escrow"] == 0

    played(scenario)


def test_a_reduce_that_the_log_shows_late_happens_once() -> None:
    async def scenario(desk: Desk) -> None:
        assert desk.order("O1", "T1", 4, loss=400) is None
        desk.fill("O1", 1, 3, (25_000, 11_000))
        await desk.settle(rounds=5)
        desk.cancel("O1")
        await desk.service.advance()
        desk.pass_seconds(5)

        async def unknown(signatures: Any) -> list[None]:
            return [None for _ in signatures]

        async def expired(height: int) -> bool:
            return height > 0

        async def history(after: str | None = None) -> list[Any]:
            return []

        with pytest.MonkeyPatch.context() as patch:
            for name, answer in (("status", unknown), ("is_expired", expired), ("history", history)):
                patch.setattr(desk.vault, name, answer)
            for _ in range(3):
                await desk.service.advance()
                desk.pass_seconds(5)
        await desk.settle(rounds=9)
        found = await desk.vault.trade(1)
        assert found is not None
        assert found.remaining == 300 * USDT
        assert desk.service.conditions() == {}

    played(scenario)


def test_a_record_that_the_log_shows_late_is_booked_when_it_does() -> None:
    async def scenario(desk: Desk) -> None:
        await opened(desk)
        trader, payout = desk.chain.signer("trader"), desk.chain.usdt_account("trader")
        for amount in (7, 11):
            take = desk.vault.program.withdraw(desk.vault.trader, payout, amount * USDT)
            await desk.vault.run([take], signers=[trader])
        whole = desk.vault.history

        async def without_the_first(after: str | None = None) -> Any:
            return (await whole(after))[1:]

        free = desk.service.state(0).free
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(desk.vault, "history", without_the_first)
            await desk.service.advance()
            assert C.LEDGER_MISMATCH in desk.service.conditions()
        await desk.service.advance()
        assert desk.service.conditions() == {}
        assert desk.service.state(0).free == free - 18 * USDT

    played(scenario)


def test_a_new_journal_goes_on_behind_the_trades_of_the_vault() -> None:
    async def scenario(desk: Desk) -> None:
        await opened(desk)
        closed(desk)
        await desk.settle(rounds=9)
        desk.journal.clear()
        await desk.start()
        assert desk.order("O2", "T2", 1, loss=300) is None
        desk.fill("O2", 1, 1, (25_000, 11_000))
        await desk.settle(rounds=5)
        assert desk.service.conditions() == {}
        assert list(desk.ledger.trades) == [2]
        assert desk.ledger.books.balances["escrow"] == 300 * USDT

    played(scenario)


@pytest.mark.parametrize(
    ("cap", "terms"),
    [
        ("day_loss_cap", {"day_loss_cap": 500 * USDT, "total_cap": 500 * USDT, "trade_cap": 500 * USDT}),
        (
            "lifetime_loss_cap",
            {
                "lifetime_loss_cap": 500 * USDT,
                "day_loss_cap": 500 * USDT,
                "total_cap": 500 * USDT,
                "trade_cap": 500 * USDT,
            },
        ),
    ],
)
def test_what_was_lost_counts_in_the_caps(cap: str, terms: dict[str, int]) -> None:
    """The loss of a day is forgotten after 25 hours, whatever the vault did since; that of a life never."""

    async def scenario(desk: Desk) -> None:
        await opened(desk)
        closed(desk, price=11_000)  # all that was paid is lost: 142.60 with commissions
        await desk.settle(rounds=9)
        refusal = desk.order("O2", "T2", 1, loss=400)
        assert refusal is not None
        assert "day_loss_cap" in refusal
        for hour in range(26):
            assert hour > 24 or desk.order(f"H{hour}", f"H{hour}", 1, loss=400) is not None
            desk.pass_seconds(3_600)
            await desk.settle(rounds=3)
        refusal = desk.order("O3", "T3", 1, loss=400)
        assert (refusal is None) == (cap == "day_loss_cap"), refusal
        assert refusal is None or cap in refusal

    played(scenario, **terms)


def test_what_is_reserved_counts_in_the_caps() -> None:
    async def scenario(desk: Desk) -> None:
        assert desk.order("O1", "T1", 1, loss=300) is None
        refusal = desk.order("O2", "T2", 1, loss=300)
        assert refusal is not None
        assert "total_cap" in refusal

    played(scenario, total_cap=500 * USDT, trade_cap=500 * USDT)


def test_a_signature_that_is_none_sends_nothing() -> None:
    class Lying:
        def __init__(self, public_key: Pubkey) -> None:
            self.public_key = public_key

        async def sign(self, message: bytes) -> Signature:
            return Signature.default()

    async def scenario(desk: Desk) -> None:
        trader = desk.vault.trader
        beat = desk.vault.program.heartbeat(trader, desk.engine.public_key)
        with pytest.raises(SignerError, match="a signature that is none; nothing was sent"):
            await desk.vault.prepare([beat], signers=[Lying(desk.engine.public_key)])

    played(scenario)
