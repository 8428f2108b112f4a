"""The rules of the Vault program, each at its exact edge."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

pytest.importorskip("solders")

from solders.instruction import AccountMeta, Instruction
from tests.vault_driver import plain_transfer
from tests.vault_scenes import MONTH, owed, proposed, recovering, with_trade
from tests.vault_world import DAY, HOUR, PROGRAM, START, TOKEN, World, key

from optionsib.vault.program_client import NO_KEY, Mandate, audit_events, next_audit


def changed(world: World, **fields: Any) -> Mandate:
    return msgspec.structs.replace(world.vault.mandate, **fields)


def propose(world: World, **fields: Any) -> str | None:
    return world.send(world.client.propose(world.trader, changed(world, **fields)), "trader")


def reduce(world: World, amount: int) -> str | None:
    return world.send(world.client.reduce(world.trader, world.trade(), amount), "engine")


def expire(world: World) -> str | None:
    return world.send(world.client.expire(world.trader, world.trade()))


def release(world: World) -> str | None:
    return world.send(world.client.release(world.trader, world.trade()), "trader")


def extend(world: World, expiry: int) -> str | None:
    return world.send(world.client.extend(world.trader, world.trade(), expiry), "engine")


def withdraw(world: World, amount: int) -> str | None:
    return world.send(world.client.withdraw(world.trader, world.address["payout"], amount), "trader")


def freeze(world: World, name: str, code: int) -> None:
    """The freeze authority's own instruction: 10 freezes, 11 thaws."""
    address = {"funds": world.at.funds, "escrow": world.at.escrow}.get(name) or world.address[name]
    authority = key("freeze authority").pubkey()
    metas = [
        AccountMeta(address, False, True),
        AccountMeta(world.mint, False, False),
        AccountMeta(authority, True, False),
    ]
    world.must(world.send(Instruction(TOKEN, bytes([code]), metas), "freeze authority"))


# --- money --------------------------------------------------------------------------------------


def test_withdraw_takes_all_and_not_a_unit_more_paused_or_not() -> None:
    world = with_trade(World())
    world.must(world.send(world.client.pause(world.trader, world.trader), "trader"))
    assert withdraw(world, 9_901) == "INSUFFICIENT_FUNDS"
    assert withdraw(world, 0) == "AMOUNT_ZERO"
    assert withdraw(world, 9_900) is None
    assert world.balance(world.address["payout"]) == 9_900
    assert world.open(2) == "PAUSED"


@pytest.mark.parametrize(
    ("name", "error"),
    [("funds", "FUNDS_FROZEN"), ("payout", "PAYOUT_FROZEN"), ("escrow", None), ("fee", None)],
)
def test_withdraw_while_an_account_is_frozen(name: str, error: str | None) -> None:
    world = with_trade(World())
    freeze(world, name, 10)
    before = world.data(world.at.vault)
    assert withdraw(world, 10) == error
    assert error is None or world.data(world.at.vault) == before
    freeze(world, name, 11)
    assert withdraw(world, 10) is None


def test_deposits_are_from_anyone_and_counted() -> None:
    world = World().ready(100)
    deposit = world.client.deposit(world.trader, world.pub("settler"), world.address["settlement"], 40)
    assert world.send(deposit, "settler") is None
    assert world.balance(world.at.funds) == 140
    assert world.deposit(0) == "AMOUNT_ZERO"
    assert world.deposit(10**7) == "INSUFFICIENT_FUNDS"


def test_sweep_moves_the_excess_alone() -> None:
    world = with_trade(World())
    assert world.send(world.client.sweep(world.trader)) == "NOTHING_TO_SWEEP"
    world.must(
        world.send(
            plain_transfer(world.address["settlement"], world.at.escrow, world.pub("settler"), 7), "settler"
        )
    )
    assert world.send(world.client.sweep(world.trader)) is None
    assert (world.balance(world.at.escrow), world.balance(world.at.funds)) == (100, 9_907)


# --- open ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("terms", "opens", "error"),
    [
        ({}, [(1, 401)], "OVER_TRADE_CAP"),
        (
            {"day_loss_cap": 9_000, "lifetime_loss_cap": 9_000},
            [(1, 400), (2, 400), (3, 201)],
            "OVER_TOTAL_CAP",
        ),
        ({}, [(1, 400), (2, 201)], "OVER_DAY_LOSS_CAP"),
        ({"day_loss_cap": 1_500, "lifetime_loss_cap": 600}, [(1, 400), (2, 201)], "OVER_LIFETIME_LOSS_CAP"),
    ],
)
def test_caps_to_the_unit(terms: dict[str, int], opens: list[tuple[int, int]], error: str) -> None:
    world = World(**terms).ready()
    for number, amount in opens[:-1]:
        assert world.open(number, amount) is None
    number, amount = opens[-1]
    assert world.open(number, amount) == error
    assert world.open(number, amount - 1) is None


def test_open_needs_free_tokens_a_fresh_mandate_and_an_expiry_in_bounds() -> None:
    world = World(max_duration=DAY).ready(99)
    assert world.open(1, 100) == "INSUFFICIENT_FUNDS"
    assert world.open(1, 0) == "AMOUNT_ZERO"
    assert world.open(1, 2**50 + 1) == "AMOUNT_TOO_LARGE"
    assert world.open(1, 99, version=2) == "STALE_MANDATE"
    assert world.open(1, 99, lasts=0) == "BAD_EXPIRY"
    assert world.open(1, 99, lasts=DAY + 1) == "BAD_EXPIRY"
    assert world.open(1, 99) is None


def test_trade_ids_are_accepted_once_in_any_order() -> None:
    world = World(trade_cap=1, total_cap=1_000).ready()
    assert world.open(0, 1) == "TRADE_ID_USED"
    assert world.open(65_537, 1) == "TRADE_ID_TOO_FAR"
    for number in (300, 45, 299, 64, 236, 237, 172, 173, 109, 108):
        assert world.open(number, 1) is None, number
    assert world.open(44, 1) == "TRADE_ID_TOO_OLD"
    for number in (300, 45, 299, 64, 236, 172, 109):
        world.must(world.send(world.client.reduce(world.trader, world.trade(number), 1), "engine"))
        assert world.open(number, 1) == "TRADE_ID_USED", number
    for number in (364, 366, 430, 702, 65_536 + 702):
        assert world.open(number, 1) is None, number
        assert world.open(number - 1, 1) is None, number
        world.must(world.send(world.client.reduce(world.trader, world.trade(number), 1), "engine"))
        assert world.open(number, 1) == "TRADE_ID_USED"
    assert world.open(364, 1) == "TRADE_ID_TOO_OLD"


def test_a_used_id_is_remembered_across_the_words_of_the_window() -> None:
    world = World(trade_cap=1, total_cap=1_000).ready()
    for number in (10, 70, 80, 150, 201, 265):
        assert world.open(number, 1) is None, number
        world.must(world.send(world.client.reduce(world.trader, world.trade(number), 1), "engine"))
        for used in (10, 70, 80, 150, 201, 265):
            assert used > number or world.open(used, 1) == "TRADE_ID_USED", (used, number)


@pytest.mark.parametrize("which", [0, 1])
def test_a_changed_mint_stops_opens_and_nothing_else(which: int) -> None:
    world = with_trade(World())
    rates: list[Any] = list(world.rates)
    rates[which] = key("new issuer").pubkey()
    world.set_mint(*rates)
    assert world.open(2) == "MINT_CHANGED"
    assert world.close(1, 50, -50) is None
    assert withdraw(world, 9_900) is None
    rates[which] = None
    world.set_mint(*rates)
    assert world.open(3) == "MINT_CHANGED"
    assert reduce(world, 50) is None


# --- close --------------------------------------------------------------------------------------


def test_close_returns_the_principal_less_the_loss() -> None:
    world = with_trade(World())
    assert world.close(1, 101, 0) == "SHARE_TOO_LARGE"
    assert world.close(1, 50, -51) == "LOSS_TOO_LARGE"
    assert world.close(1, 0, 0) == "AMOUNT_ZERO"
    assert world.close(1, 50, 2**50 + 1, pays=False) == "AMOUNT_TOO_LARGE"
    assert world.close(1, 60, -50) is None
    assert (world.balance(world.at.funds), world.trade().remaining) == (9_910, 40)
    assert world.close(1, 40, -40) is None
    assert not world.is_open()
    assert world.balance(world.address["settlement"]) == 1_000_000 + 90
    assert world.vault.lifetime_loss == 90


def test_close_until_expiry_expire_from_then_on() -> None:
    world = with_trade(World())
    world.set_time(START + DAY - 1)
    assert expire(world) == "NOT_EXPIRED"
    assert world.close(1, 1, 0) is None
    world.set_time(START + DAY)
    assert world.close(1, 1, 0) == "EXPIRED"
    freeze(world, "funds", 10)
    assert expire(world) == "FUNDS_FROZEN"
    freeze(world, "funds", 11)
    assert expire(world) is None
    assert not world.is_open()
    assert world.balance(world.at.funds) == 10_000


def test_a_close_is_not_refused_for_caps_that_were_cut_since() -> None:
    world = with_trade(World())
    world.must(propose(world, day_loss_cap=0, lifetime_loss_cap=0, trade_cap=0, total_cap=0, fee_bps=0))
    assert world.close(1, 50, -50) is None
    assert world.close(1, 50, 100) is None
    assert (
        world.balance(world.address["fee"]) == 10
    )  # the trade keeps the rate of 20 % above 50 it was opened under


def test_a_loss_counts_for_24_hours_and_less_than_25() -> None:
    world = World().ready()
    world.set_time(START // HOUR * HOUR + HOUR - 1)
    world.must(world.open(1, 400))
    world.must(world.close(1, 400, -400))
    spent = world.now
    world.set_time(spent + DAY)
    assert world.open(2, 201) == "OVER_DAY_LOSS_CAP"
    world.set_time(spent + DAY + 1)
    assert world.open(2, 201) is None
    world.must(world.close(2, 201, -201))
    spent = world.now  # at the start of an hour
    world.set_time(spent + DAY + HOUR - 1)
    assert world.open(3, 400) == "OVER_DAY_LOSS_CAP"
    world.set_time(spent + DAY + HOUR)
    assert world.open(3, 400) is None


def test_a_loss_counts_whatever_the_hour() -> None:
    world = World(lifetime_loss_cap=2**50).ready(20_000)
    for number in range(1, 51, 2):
        world.must(world.open(number, 400))
        world.must(world.close(number, 400, -400))
        assert world.open(number + 1, 201) == "OVER_DAY_LOSS_CAP", number
        world.set_time(world.now + 26 * HOUR)


def test_the_attestor_of_a_trade_stays_with_it() -> None:
    world = with_trade(World())
    world.must(propose(world, attestor=NO_KEY))
    assert world.close(1, 50, -50) is None
    world.must(propose(world, attestor=world.pub("stranger")))
    world.set_time(START + DAY - 1)
    message = world.attest(world.trade(), 50, -50)
    forged = [world.signature(message, "stranger"), world.close_instruction(world.trade(), message)]
    assert world.send(forged, "engine", "settler") == "ATTESTATION_WRONG_KEY"


def test_a_clock_that_steps_back_forgets_no_loss() -> None:
    world = World().ready()
    world.must(world.open(1, 400))
    world.must(world.close(1, 400, -400))
    world.set_time(START - 2 * HOUR)
    assert world.open(2, 201) == "OVER_DAY_LOSS_CAP"
    world.set_time(START + 100 * DAY)
    assert world.open(2, 400) is None


def test_the_fee_is_on_new_highs_that_were_received() -> None:
    world = World().ready()
    fees = []
    for number, pnl in enumerate((100, -60, 50, 30, 5), start=1):
        world.must(world.open(number, 100))
        world.must(world.close(number, 100, pnl))
        fees.append(world.balance(world.address["fee"]))
    assert fees == [20, 20, 20, 24, 25]
    assert world.vault.high_water == 125


def test_no_fee_on_a_profit_until_it_is_paid() -> None:
    world = owed(World())
    assert world.balance(world.address["fee"]) == 0
    pay = world.client.pay_profit(world.trader, world.trade(), world.pub("settler"), 51)
    assert world.send(pay, "settler") == "OVERPAID"
    pay = world.client.pay_profit(world.trader, world.trade(), world.pub("settler"), 50)
    assert world.send(pay, "settler") is None
    assert world.balance(world.address["fee"]) == 10
    assert world.balance(world.at.funds) == 10_040


def test_a_settlement_account_that_is_short_owes_the_profit() -> None:
    world = with_trade(World())
    assert world.close(1, 100, 1_000_001) is None
    assert world.trade().receivable == 1_000_001
    assert world.balance(world.at.funds) == 10_000
    pay = world.client.pay_profit(world.trader, world.trade(), world.pub("settler"), 1_000_001)
    assert world.send(pay, "settler") == "INSUFFICIENT_SETTLEMENT"


def test_a_frozen_fee_account_waives_and_a_frozen_settlement_stops_only_losses() -> None:
    world = with_trade(World())
    freeze(world, "fee", 10)
    assert world.close(1, 50, 50) is None
    assert world.balance(world.at.funds) == 10_000
    freeze(world, "settlement", 10)
    assert world.close(1, 25, -1) == "SETTLEMENT_UNUSABLE"
    assert world.close(1, 25, 0) is None
    assert world.close(1, 25, 1) is None
    assert world.trade().receivable == 1


def test_rent_goes_back_to_who_paid_it() -> None:
    world = World().ready()
    before = world.account(world.pub("engine")).lamports
    world.must(world.open())
    assert world.account(world.pub("engine")).lamports < before
    world.set_time(START + DAY)
    assert expire(world) is None
    assert world.account(world.pub("engine")).lamports == before


# --- engine and dead-man rule -------------------------------------------------------------------


def test_reduce_and_extend_within_their_bounds() -> None:
    world = with_trade(World())
    assert reduce(world, 0) == "AMOUNT_ZERO"
    assert reduce(world, 101) == "SHARE_TOO_LARGE"
    assert reduce(world, 99) is None
    assert extend(world, START + DAY) == "BAD_EXPIRY"
    assert extend(world, START + 2 * DAY + 1) == "BAD_EXPIRY"
    world.set_time(START + DAY - 1)
    assert extend(world, START + 2 * DAY) is None
    world.set_time(START + 2 * DAY)
    assert extend(world, START + 2 * DAY + 1) == "EXPIRED"
    world.set_time(START + DAY)
    world.must(world.send(world.client.pause(world.trader, world.trader), "trader"))
    assert extend(world, START + 2 * DAY + 1) == "PAUSED"
    assert reduce(world, 1) is None


def test_release_only_after_the_engines_silence() -> None:
    world = World().ready()
    world.set_time(START + DAY)
    world.must(world.open(1, 100, lasts=2 * DAY))  # an open is a sign of life
    world.set_time(START + 2 * DAY - 1)
    assert release(world) == "ENGINE_ALIVE"
    world.must(world.send(world.client.heartbeat(world.trader, world.pub("engine")), "engine"))
    world.set_time(START + 2 * DAY)
    assert release(world) == "ENGINE_ALIVE"
    world.set_time(START + 3 * DAY - 1)
    assert release(world) is None
    assert world.balance(world.at.funds) == 10_000


def test_a_new_engine_starts_the_heartbeat_limit_anew_and_a_revoked_one_does_not() -> None:
    world = World().ready()
    world.must(world.open(1, 100, lasts=2 * DAY))
    world.must(propose(world, engine=world.pub("stranger")))
    world.set_time(START + DAY)
    world.must(world.send(world.client.apply(world.trader), "trader"))
    assert release(world) == "ENGINE_ALIVE"
    world.set_time(START + 2 * DAY)
    world.must(propose(world, engine=NO_KEY))
    assert release(world) is None


def test_a_cut_heartbeat_limit_leaves_running_trades_to_a_live_engine() -> None:
    world = World(heartbeat_limit=7 * DAY, max_duration=30 * DAY).ready()
    world.must(world.open(1, 100, lasts=20 * DAY))
    world.set_time(START + 2 * DAY)
    cut = world.client.propose(world.trader, changed(world, heartbeat_limit=DAY))
    both = [cut, world.client.release(world.trader, world.trade())]
    assert world.send(both, "trader") == "ENGINE_ALIVE"
    world.must(world.send(cut, "trader"))
    world.must(world.open(2, 100, lasts=20 * DAY))  # under the new limit, and a sign of life
    world.set_time(START + 3 * DAY)
    assert release(world) == "ENGINE_ALIVE"
    assert world.send(world.client.release(world.trader, world.trade(2)), "trader") is None
    world.set_time(START + 9 * DAY)
    assert release(world) is None


def test_nothing_is_returned_twice_while_a_profit_is_owed() -> None:
    world = owed(World())
    world.set_time(START + DAY)
    assert expire(world) == "NOTHING_TO_RETURN"
    assert release(world) == "NOTHING_TO_RETURN"
    assert world.send(world.client.waive_profit(world.trader, world.trade()), "trader") is None
    assert not world.is_open()
    assert world.vault.receivable == world.vault.open_trades == 0


def test_pause_by_trader_or_engine_and_lifted_by_the_trader() -> None:
    world = World().ready()
    assert world.send(world.client.unpause(world.trader), "trader") == "NOT_PAUSED"
    assert world.send(world.client.pause(world.trader, world.pub("engine")), "engine") is None
    assert world.send(world.client.pause(world.trader, world.trader), "trader") == "PAUSED"
    assert world.send(world.client.unpause(world.trader), "trader") is None


# --- mandate ------------------------------------------------------------------------------------

RISES = {
    "trade_cap": 401,
    "total_cap": 1_001,
    "day_loss_cap": 601,
    "lifetime_loss_cap": 1_501,
    "fee_bps": 2_001,
    "max_duration": 2 * DAY + 1,
    "heartbeat_limit": 2 * DAY + 1,
    "timelock": 2 * DAY - 1,
    "engine": key("new engine").pubkey(),
    "attestor": key("new attestor").pubkey(),
    "settlement": key("new settlement").pubkey(),
    "fee_account": key("new fee").pubkey(),
    "recovery": key("new recovery").pubkey(),
    "symbols_hash": b"1" * 32,
    "mint_authority": key("new mint authority").pubkey(),
    "freeze_authority": key("new freeze authority").pubkey(),
}
CUTS = {
    "trade_cap": 399,
    "total_cap": 999,
    "day_loss_cap": 599,
    "lifetime_loss_cap": 1_499,
    "fee_bps": 1_999,
    "max_duration": 2 * DAY - 1,
    "heartbeat_limit": 2 * DAY - 1,
    "timelock": 2 * DAY + 1,
    **dict.fromkeys(("engine", "attestor", "settlement", "fee_account", "recovery"), NO_KEY),
}
WIDE = {"heartbeat_limit": 2 * DAY, "timelock": 2 * DAY}


@pytest.mark.parametrize("name", sorted(RISES))
def test_what_raises_risk_waits(name: str) -> None:
    world = World(**WIDE).ready()
    assert propose(world, **{name: RISES[name], **({"trade_cap": 1} if name != "trade_cap" else {})}) is None
    assert (world.vault.mandate, world.vault.mandate_version) == (world.mandate, 1)
    apply = world.client.apply(world.trader)
    world.set_time(START + 2 * DAY - 1)
    assert world.send(apply, "trader") == "TIMELOCKED"
    world.set_time(START + 2 * DAY)
    assert world.send(apply, "trader") is None
    assert getattr(world.vault.mandate, name) == RISES[name]
    assert world.vault.mandate_version == 2
    assert world.send(apply, "trader") == "NO_PROPOSAL"


@pytest.mark.parametrize("name", sorted(CUTS))
def test_what_cuts_risk_is_immediate(name: str) -> None:
    world = World(**WIDE).ready()
    assert propose(world, **{name: CUTS[name]}) is None
    assert getattr(world.vault.mandate, name) == CUTS[name]
    assert world.vault.mandate_version == 2


def test_a_payout_account_changes_after_the_timelock_alone() -> None:
    world = World().ready()
    other = world.address["thief"]
    assert propose(world, payout=other) is None
    assert world.send(world.client.withdraw(world.trader, other, 5), "trader") == "WRONG_PAYOUT"
    world.set_time(START + DAY)
    assert world.send(world.client.apply(world.trader), "trader") is None
    assert world.send(world.client.withdraw(world.trader, other, 5), "trader") is None


def test_a_revocation_drops_the_pending_mandate_that_would_undo_it() -> None:
    world = proposed(World())
    assert propose(world, engine=NO_KEY) is None
    assert world.open(1) == "WRONG_ENGINE"
    world.set_time(START + 2 * DAY)
    assert world.send(world.client.apply(world.trader), "trader") == "NO_PROPOSAL"


def test_a_cancelled_mandate_is_gone() -> None:
    world = proposed(World())
    assert world.send(world.client.cancel(world.trader), "trader") is None
    assert world.send(world.client.cancel(world.trader), "trader") == "NO_PROPOSAL"
    world.set_time(START + 2 * DAY)
    assert world.send(world.client.apply(world.trader), "trader") == "NO_PROPOSAL"


def test_a_revoked_engine_still_closes_and_reduces_what_it_opened() -> None:
    world = with_trade(World())
    trade = world.trade()
    world.must(propose(world, engine=NO_KEY))
    beat = world.client.heartbeat(world.trader, world.pub("engine"))
    assert world.send(beat, "engine") == "WRONG_ENGINE"
    assert world.send(world.client.pause(world.trader, world.pub("engine")), "engine") == "WRONG_ENGINE"
    assert extend(world, START + 2 * DAY) == "WRONG_ENGINE"
    assert world.close(1, 40, -40) is None
    assert world.send(world.client.reduce(world.trader, trade, 60), "engine") is None


@pytest.mark.parametrize(
    "fields",
    [
        {"trade_cap": 2**50 + 1},
        {"total_cap": 2**50 + 1},
        {"day_loss_cap": 2**50 + 1},
        {"lifetime_loss_cap": 2**50 + 1},
        {"fee_bps": 5_001},
        {"max_duration": 366 * DAY + 1},
        {"heartbeat_limit": DAY - 1},
        {"heartbeat_limit": 365 * DAY + 1},
        {"timelock": DAY - 1},
        {"timelock": MONTH + 1},
    ],
)
def test_mandates_outside_their_bounds(fields: dict[str, Any]) -> None:
    world = World()
    bad = msgspec.structs.replace(world.mandate, **fields)
    assert world.create(mandate=bad) == "BAD_MANDATE"
    world.ready()
    assert propose(world, **fields) == "BAD_MANDATE"


def test_a_mandate_without_payout_account() -> None:
    world = World().ready()
    assert propose(world, payout=NO_KEY) == "BAD_MANDATE"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("engine", "attestor"),
        ("engine", "recovery"),
        ("attestor", "recovery"),
        ("payout", "settlement"),
        ("payout", "fee_account"),
        ("settlement", "fee_account"),
    ],
)
def test_no_key_has_two_roles(one: str, other: str) -> None:
    world = World()
    value = getattr(world.mandate, one)
    assert (
        world.create(mandate=msgspec.structs.replace(world.mandate, **{other: value})) == "KEYS_NOT_DISTINCT"
    )


@pytest.mark.parametrize("name", ["engine", "attestor", "recovery"])
def test_the_trader_has_no_other_role(name: str) -> None:
    world = World()
    bad = msgspec.structs.replace(world.mandate, **{name: world.trader})
    assert world.create(mandate=bad) == "KEYS_NOT_DISTINCT"


@pytest.mark.parametrize("name", ["settlement", "fee_account"])
@pytest.mark.parametrize("own", ["funds", "escrow"])
def test_the_vaults_own_accounts_have_no_other_role(name: str, own: str) -> None:
    world = World()
    bad = msgspec.structs.replace(world.mandate, **{name: getattr(world.at, own)})
    assert world.create(mandate=bad) == "KEYS_NOT_DISTINCT"


def test_a_vault_names_the_mints_true_authorities() -> None:
    world = World()
    bad = msgspec.structs.replace(world.mandate, freeze_authority=world.rates[0])
    assert world.create(mandate=bad) == "MINT_CHANGED"
    world.set_mint(None, None)
    none = msgspec.structs.replace(world.mandate, freeze_authority=NO_KEY, mint_authority=NO_KEY)
    assert world.create(mandate=none) is None


# --- recovery -----------------------------------------------------------------------------------


def recover(world: World) -> str | None:
    instruction = world.client.recover(world.trader, world.pub("recovery"), world.address["payout"])
    return world.send(instruction, "recovery")


def test_a_recovery_waits_30_days_and_pays_out_to_the_payout_account_alone() -> None:
    world = World().ready()
    assert recover(world) == "NO_RECOVERY"
    recovering(world_ := World())
    world = world_
    start = world.client.start_recovery(world.trader, world.pub("recovery"))
    assert world.send(start, "recovery") == "RECOVERY_STARTED"
    world.set_time(START + MONTH - 1)
    assert recover(world) == "RECOVERY_TOO_EARLY"
    world.set_time(START + MONTH)
    assert recover(world) is None
    assert world.balance(world.address["payout"]) == 10_000
    assert world.vault.paused
    assert recover(world) == "AMOUNT_ZERO"
    world.must(world.deposit(5))
    assert recover(world) is None


def test_the_trader_stops_a_recovery_and_a_new_key_does_not_inherit_one() -> None:
    world = recovering(World())
    assert world.send(world.client.cancel_recovery(world.trader), "trader") is None
    assert world.send(world.client.cancel_recovery(world.trader), "trader") == "NO_RECOVERY"
    world = recovering(World())
    world.must(propose(world, recovery=world.pub("stranger")))
    world.set_time(START + MONTH)
    world.must(world.send(world.client.apply(world.trader), "trader"))
    assert world.vault.recovery_ready == 0


# --- audit --------------------------------------------------------------------------------------


def test_the_audit_chain_replays_from_the_log() -> None:
    world = World(history=0)
    audit = None
    for act in (
        world.create,
        lambda: world.deposit(500),
        world.open,
        lambda: world.close(1, 50, -7),
        lambda: expire(world),
    ):
        if act.__name__ == "<lambda>" and world.is_open() and world.trade().remaining == 50:
            world.set_time(START + DAY)
        world.must(act())
        assert world.last is not None
        (event,) = audit_events(world.last.logs(), PROGRAM.pubkey())
        assert event.vault == world.at.vault
        assert audit is None or event.audit == next_audit(audit, event.record)
        audit = event.audit
    assert audit == world.vault.audit
    assert world.vault.sequence == 5


def test_a_log_that_the_runtime_cuts_off_hides_records_and_the_chain_shows_it() -> None:
    world = World().ready()
    beat = world.client.heartbeat(world.trader, world.pub("engine"))
    world.must(world.send([beat] * 30, "engine"))
    assert world.last is not None
    events = list(audit_events(world.last.logs(), PROGRAM.pubkey()))
    assert len(events) < 30
    assert world.vault.sequence == 2 + 30
    assert world.vault.audit != events[-1].audit
    audit = events[-1].audit
    for sequence in range(2 + len(events), 2 + 30):  # what the log lacks follows from the instructions
        audit = next_audit(audit, msgspec.structs.replace(events[-1].record, sequence=sequence))
    assert audit == world.vault.audit


def test_a_clock_before_1970_is_refused() -> None:
    world = World().ready()
    world.set_time(-5)
    assert withdraw(world, 5) == "BAD_CLOCK"
