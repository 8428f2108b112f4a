"""Attacks on every instruction: accounts, signatures, data, replays, and the classes of sealevel-attacks."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("solders")

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey
from tests.vault_driver import plain_transfer, signed_by
from tests.vault_scenes import SCENES, close_with, owed, with_trade
from tests.vault_world import DAY, PROGRAM, SYSTEM, TOKEN, World, key, token_account, with_accounts

from optionsib.vault.program_client import ed25519_instruction
from optionsib.vault.schema import load_schema

NAMES = sorted(SCENES)
SLOTS = [(i.name, n, found) for i in load_schema().instructions for n, found in enumerate(i.accounts)]
SIGNERS = [(name, n) for name, n, found in SLOTS if found.signer is True]
WRITTEN = [
    (name, n) for name, n, found in SLOTS if found.writable and (name, found.name) != ("open", "engine")
]
SINGLE = [(name, n) for name, n, found in SLOTS if not found.alias and found.signer is not True]
FREE = ("create", "deposit", "withdraw")


def role(name: str, slot: int) -> object:
    return load_schema().instruction(name).accounts[slot]


def stage(name: str) -> tuple[World, list[Instruction], tuple[str, ...]]:
    return SCENES[name](World())


def refused(scene: tuple[World, list[Instruction], tuple[str, ...]], *more: str) -> str | None:
    """Send an attack; nothing of the vault may have changed if it is refused."""
    world, instructions, signers = scene
    before = [world.data(a) for a in (world.at.vault, world.at.funds, world.at.escrow)]
    answer = world.send(instructions, *signers, *more)
    if answer is not None:
        assert before == [world.data(a) for a in (world.at.vault, world.at.funds, world.at.escrow)]
    return answer


def last(instructions: list[Instruction], change: Callable[[Instruction], Instruction]) -> list[Instruction]:
    return [*instructions[:-1], change(instructions[-1])]


@pytest.mark.parametrize("name", NAMES)
def test_each_instruction_succeeds_on_its_stage(name: str) -> None:
    assert refused(stage(name)) is None


@pytest.mark.parametrize(("name", "slot"), SIGNERS)
def test_every_signature_is_needed(name: str, slot: int) -> None:
    world, instructions, signers = stage(name)
    meta = instructions[-1].accounts[slot]
    bare = AccountMeta(meta.pubkey, False, meta.is_writable)
    left = tuple(s for s in signers if world.pub(s) != meta.pubkey)
    assert (
        refused((world, last(instructions, lambda i: with_accounts(i, {slot: bare})), left))
        == "MISSING_SIGNATURE"
    )


@pytest.mark.parametrize(("name", "slot"), [s for s in SIGNERS if s[0] not in ("create", "deposit")])
def test_every_signer_must_be_the_right_one(name: str, slot: int) -> None:
    world, instructions, signers = stage(name)
    right = instructions[-1].accounts[slot].pubkey
    left = tuple(s for s in signers if world.pub(s) != right)
    stranger = world.pub("stranger")
    changed = last(instructions, lambda i: signed_by(i, right, stranger))
    expected = {
        "trader": "WRONG_TRADER",
        "engine": "WRONG_ENGINE",
        "authority": "WRONG_ENGINE",
        "recovery": "WRONG_RECOVERY",
        "settlement_authority": "SETTLEMENT_UNUSABLE",
    }
    assert refused((world, changed, (*left, "stranger"))) == expected[role(name, slot).name]


@pytest.mark.parametrize(("name", "slot"), WRITTEN)
def test_every_written_account_must_be_writable(name: str, slot: int) -> None:
    world, instructions, signers = stage(name)
    metas = instructions[-1].accounts
    for n, meta in enumerate(metas):  # the rent payer is the engine too: privileges of one account are merged
        if meta.pubkey == metas[slot].pubkey and n != slot:
            pytest.skip("one key in two roles")
    read_only = AccountMeta(metas[slot].pubkey, metas[slot].is_signer, False)
    changed = last(instructions, lambda i: with_accounts(i, {slot: read_only}))
    assert refused((world, changed, signers)) == "NOT_WRITABLE"


FOREIGN = {
    "vault": {"WRONG_ACCOUNT_OWNER", "WRONG_ADDRESS"},
    "funds": {"WRONG_FUNDS", "WRONG_ADDRESS"},
    "escrow": {"WRONG_ESCROW", "WRONG_ADDRESS"},
    "trade": {"WRONG_ACCOUNT_OWNER", "WRONG_ADDRESS"},
    "mint": {"WRONG_MINT"},
    "payout": {"WRONG_PAYOUT"},
    "source": {"BAD_TOKEN_ACCOUNT"},
    "settlement": {"WRONG_SETTLEMENT"},
    "fee_account": {"WRONG_FEE_ACCOUNT"},
    "rent_payer": {"WRONG_RENT_PAYER"},
    "token_program": {"WRONG_PROGRAM"},
    "system_program": {"WRONG_PROGRAM"},
    "instructions": {"WRONG_PROGRAM"},
}


@pytest.mark.parametrize(("name", "slot"), [(name, n) for name, n, found in SLOTS if found.name in FOREIGN])
@pytest.mark.parametrize("kind", ["stranger", "thief"])
def test_no_foreign_account_is_taken(name: str, slot: int, kind: str) -> None:
    found = role(name, slot)
    world, instructions, signers = stage(name)
    foreign = world.address["thief"] if kind == "thief" else world.pub("stranger")
    meta = AccountMeta(foreign, False, instructions[-1].accounts[slot].is_writable)
    changed = last(instructions, lambda i: with_accounts(i, {slot: meta}))
    expected = FOREIGN[found.name] | ({"token owner"} if found.name == "source" else set())
    answer = refused((world, changed, signers))
    if found.name == "source" and kind == "thief":
        assert answer == "INSUFFICIENT_FUNDS"
    else:
        assert answer in expected


@pytest.mark.parametrize("name", NAMES)
def test_account_count_and_data_length_are_exact(name: str) -> None:
    world, instructions, signers = stage(name)

    def changed(metas: int, data: int) -> list[Instruction]:
        def change(i: Instruction) -> Instruction:
            listed, raw = list(i.accounts), bytes(i.data)
            listed = (
                [*listed, AccountMeta(world.pub("stranger"), False, False)]
                if metas > 0
                else listed[: len(listed) + metas]
            )
            return Instruction(i.program_id, raw + bytes(1) if data > 0 else raw[: len(raw) + data], listed)

        return last(instructions, change)

    assert refused((world, changed(1, 0), signers)) == "BAD_ACCOUNT_COUNT"
    assert refused((world, changed(0, 1), signers)) == "BAD_DATA_LENGTH"
    assert refused((world, changed(0, -1), signers)) == "BAD_DATA_LENGTH"
    if not instructions[-1].accounts[-1].is_signer:
        assert refused((world, changed(-1, 0), signers)) == "BAD_ACCOUNT_COUNT"


@pytest.mark.parametrize("code", [21, 63, 64, 127, 128, 2**32, 2**64 - 1])
def test_unknown_instructions_and_the_space_of_venues(code: int) -> None:
    world = World().ready()
    empty = Instruction(PROGRAM.pubkey(), struct.pack("<Q", code), [])
    assert world.send(empty) == "UNKNOWN_INSTRUCTION"


@pytest.mark.parametrize(("name", "slot"), SINGLE)
def test_no_account_stands_twice(name: str, slot: int) -> None:
    world, instructions, signers = stage(name)
    metas = instructions[-1].accounts
    other = next(m for n, m in enumerate(metas) if n != slot and m.pubkey != metas[slot].pubkey and n != slot)
    changed = last(
        instructions, lambda i: with_accounts(i, {slot: AccountMeta(other.pubkey, False, other.is_writable)})
    )
    assert refused((world, changed, signers)) == "DUPLICATE_ACCOUNT"


@pytest.mark.parametrize("name", NAMES)
def test_a_durable_nonce_is_refused_by_all_but_three(name: str) -> None:
    from solders.hash import Hash

    world, instructions, signers = stage(name)
    nonce = key("nonce").pubkey()
    recent = Pubkey.from_string("SysvarRecentB1ockHashes11111111111111111111")
    state = (
        struct.pack("<II", 1, 1) + bytes(world.pub("payer")) + bytes(Hash.default()) + struct.pack("<Q", 5000)
    )
    world.put(nonce, state, SYSTEM)
    metas = [
        AccountMeta(nonce, False, True),
        AccountMeta(recent, False, False),
        AccountMeta(world.pub("payer"), True, False),
    ]
    advance = Instruction(SYSTEM, struct.pack("<I", 4), metas)
    behind = [*instructions[:-1], instructions[-1]]
    if name == "close":
        data = bytearray(instructions[-1].data)
        data[-8:] = struct.pack("<Q", 1)
        behind[-1] = Instruction(PROGRAM.pubkey(), bytes(data), list(instructions[-1].accounts))
    answer = refused((world, [advance, *behind], signers))
    if name in FREE:
        assert answer is None
    else:
        assert answer == "DURABLE_NONCE"
        assert refused((world, instructions, signers)) is None


# --- sealevel-attacks: what is not swept above --------------------------------------------------


def test_a_vault_is_not_created_twice() -> None:
    world = World().ready()
    assert world.create() == "ALREADY_EXISTS"


def test_a_strangers_lamports_do_not_stop_a_creation() -> None:
    world = World()
    for address in (
        world.at.vault,
        world.at.funds,
        world.at.escrow,
        world.client.trade_address(world.at.vault, 1),
    ):
        world.vm.airdrop(address, 10**7)
    world.ready()
    assert world.open() is None


def forged(world: World, data: bytes, owner: Pubkey, address: Pubkey | None = None) -> Pubkey:
    address = address or key("forged").pubkey()
    world.put(address, data, owner)
    return address


def heartbeat_on(world: World, address: Pubkey) -> str | None:
    beat = world.client.heartbeat(world.trader, world.pub("engine"))
    return world.send(with_accounts(beat, {1: AccountMeta(address, False, True)}), "engine")


def test_a_vault_forged_by_another_program() -> None:
    world = World().ready()
    assert heartbeat_on(world, forged(world, world.data(world.at.vault), TOKEN)) == "WRONG_ACCOUNT_OWNER"


def test_type_cosplay_trade_as_vault_and_vault_as_trade() -> None:
    world = with_trade(World())
    trade = world.client.trade_address(world.at.vault, 1)
    assert heartbeat_on(world, trade) == "WRONG_ACCOUNT_TYPE"
    reduce = world.client.reduce(world.trader, world.trade(), 1)
    other = world.client.addresses(world.pub("neighbour"))
    world.must(world.create("neighbour"))
    cosplay = with_accounts(reduce, {4: AccountMeta(other.vault, False, True)})
    assert world.send(cosplay, "engine") == "WRONG_ACCOUNT_TYPE"


def test_right_size_and_wrong_tag() -> None:
    world = World().ready()
    data = world.data(world.at.vault)
    assert heartbeat_on(world, forged(world, b"x" + data[1:], PROGRAM.pubkey())) == "WRONG_ACCOUNT_TYPE"


def test_a_vault_at_another_than_its_canonical_address() -> None:
    world = World().ready()
    data = world.data(world.at.vault)
    assert heartbeat_on(world, forged(world, data, PROGRAM.pubkey())) == "WRONG_ADDRESS"


def test_a_trade_at_another_address_and_of_another_vault() -> None:
    world = with_trade(World())
    data = world.data(world.client.trade_address(world.at.vault, 1))
    reduce = world.client.reduce(world.trader, world.trade(), 1)
    moved = forged(world, data, PROGRAM.pubkey())
    assert (
        world.send(with_accounts(reduce, {4: AccountMeta(moved, False, True)}), "engine") == "WRONG_ADDRESS"
    )
    near = world.client.addresses(world.pub("neighbour"))
    forged(world, data[:8] + bytes(near.vault) + data[40:], PROGRAM.pubkey(), moved)
    assert world.send(with_accounts(reduce, {4: AccountMeta(moved, False, True)}), "engine") == "WRONG_VAULT"


def test_a_non_canonical_trade_address_is_not_opened() -> None:
    world = World().ready()
    seeds = [b"trade", bytes(world.at.vault), struct.pack("<Q", 1)]
    bump = Pubkey.find_program_address(seeds, PROGRAM.pubkey())[1]
    address = None
    while address is None:
        bump -= 1
        try:
            address = Pubkey.create_program_address([*seeds, bytes([bump])], PROGRAM.pubkey())
        except Exception as error:
            if type(error).__name__ != "PubkeyError":  # on the curve; solders does not export the type
                raise
    changed = with_accounts(world.open_instruction(1, 100), {4: AccountMeta(address, False, True)})
    assert world.send(changed, "engine") == "WRONG_ADDRESS"


def test_a_closed_trade_is_not_revived_in_its_own_transaction() -> None:
    from solders.system_program import TransferParams, transfer

    world = with_trade(World())
    trade, address = world.trade(), world.client.trade_address(world.at.vault, 1)
    message = world.attest(trade, 100, -100)
    close = world.close_instruction(trade, message)
    gift = transfer(TransferParams(from_pubkey=world.pub("payer"), to_pubkey=address, lamports=10**7))
    both = [world.signature(message), close, gift, close]
    assert world.send(both, "engine", "settler") == "WRONG_ACCOUNT_OWNER"
    assert world.send(both[:3], "engine", "settler") is None
    assert world.data(address) == b""
    assert world.send([world.signature(message), close], "engine", "settler") == "WRONG_ACCOUNT_OWNER"
    assert world.open() == "TRADE_ID_USED"


def test_a_forged_instructions_sysvar() -> None:
    world, _, signers = close_with(-50)(World())
    message = world.attest(world.trade(), 100, -100)
    fake = forged(
        world,
        world.signature(message).data,
        Pubkey.from_string("Sysvar1111111111111111111111111111111111111"),
    )
    close = world.close_instruction(world.trade(), message)
    changed = with_accounts(close, {11: AccountMeta(fake, False, False)})
    assert world.send([world.signature(message), changed], *signers) == "WRONG_PROGRAM"


@pytest.mark.parametrize(
    ("name", "at", "value"),
    [("delegate", 72, 1), ("close authority", 129, 1), ("foreign owner", 32, 9), ("native", 109, 1)],
)
def test_a_tainted_token_account_is_refused(name: str, at: int, value: int) -> None:
    world = World().ready()
    data = bytearray(world.data(world.at.funds))
    data[at] = value if name != "foreign owner" else data[at] ^ value
    world.put(world.at.funds, bytes(data), TOKEN)
    assert world.open() == "TAINTED_TOKEN_ACCOUNT"


def test_the_trader_may_not_pay_out_to_another_account() -> None:
    world = World().ready()
    assert (
        world.send(world.client.withdraw(world.trader, world.address["thief"], 5), "trader") == "WRONG_PAYOUT"
    )


def test_a_settlement_account_of_the_same_key_and_a_wrong_mint() -> None:
    world = with_trade(World())
    other = key("another mint").pubkey()
    world.put(world.address["settlement"], token_account(other, world.pub("settler"), 10**6), TOKEN)
    assert world.close(1, 100, -50) == "SETTLEMENT_UNUSABLE"
    assert world.close(1, 100, 50) is None  # a profit that cannot be paid becomes a receivable
    assert world.trade().receivable == 50


# --- attestations -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("cluster", {"cluster": hashlib.sha256(b"another cluster").digest()}),
        ("program", {"program": key("another program").pubkey()}),
        ("vault", {"vault": key("another vault").pubkey()}),
        ("trade", {"trade_id": 2}),
        ("close number", {"close_number": 1}),
        ("share", {"share": 99}),
        ("profit for loss", {"pnl": 51}),
        ("executions", {"executions_hash": bytes(32)}),
        ("validity", {"valid_until": 2**40}),
    ],
)
def test_an_attestation_of_something_else(name: str, changed: dict[str, object]) -> None:
    world = with_trade(World())
    trade = world.trade()
    close = world.close_instruction(trade, world.attest(trade, 100, -50))
    fields: dict[str, Any] = {"share": 100, "pnl": -50, **changed}
    signature = world.signature(world.attest(trade, **fields))
    assert world.send([signature, close], "engine", "settler") == "ATTESTATION_WRONG_MESSAGE"


def test_an_attestation_is_good_for_one_close() -> None:
    world = with_trade(World())
    trade = world.trade()
    message = world.attest(trade, 10, -10)
    attested = [world.signature(message), world.close_instruction(trade, message)]
    assert world.send([*attested, attested[1]], "engine", "settler") == "WRONG_CLOSE_NUMBER"
    assert world.send(attested, "engine", "settler") is None
    assert world.send(attested, "engine", "settler") == "WRONG_CLOSE_NUMBER"
    later = world.attest(world.trade(), 10, -10)
    replayed = [world.signature(message), world.close_instruction(world.trade(), later)]
    assert world.send(replayed, "engine", "settler") == "ATTESTATION_WRONG_MESSAGE"


def test_an_attestation_for_a_neighbours_vault_or_a_sibling_trade() -> None:
    world = with_trade(World())
    world.must(world.open(2, 100))
    message = world.attest(world.trade(2), 100, -50)
    first = world.close_instruction(world.trade(1), message)
    assert world.send([world.signature(message), first], "engine", "settler") == "ATTESTATION_WRONG_MESSAGE"


@pytest.mark.parametrize("signer", ["engine", "settler", "trader", "recovery"])
def test_nobody_but_the_attestor_attests(signer: str) -> None:
    world = with_trade(World())
    message = world.attest(world.trade(), 100, -50)
    instructions = [world.signature(message, signer), world.close_instruction(world.trade(), message)]
    assert world.send(instructions, "engine", "settler") == "ATTESTATION_WRONG_KEY"


def test_an_attestation_lapses() -> None:
    world = with_trade(World())
    assert world.close(1, 1, 0, valid_until=world.now) is None
    assert world.close(1, 1, 0, valid_until=world.now - 1) == "ATTESTATION_LATE"


def offsets(data: bytes, **changes: int) -> bytes:
    fields = dict(
        zip(
            ("count", "pad", "signature", "signature_at", "key", "key_at", "message", "size", "message_at"),
            struct.unpack_from("<BBHHHHHHH", data),
            strict=True,
        )
    )
    return struct.pack("<BBHHHHHHH", *{**fields, **changes}.values()) + data[16:]


@pytest.mark.parametrize("where", ["signature_at", "key_at", "message_at"])
@pytest.mark.parametrize("at", [0, 1])
def test_ed25519_parts_that_lie_in_other_instructions(where: str, at: int) -> None:
    """The precompile then checks bytes elsewhere, while the program would read these."""
    world = with_trade(World())
    message = world.attest(world.trade(), 100, -100)
    honest = world.signature(message)
    pair = world.keys["engine"]
    own = ed25519_instruction(pair.pubkey(), pair.sign_message(b"x" * 32), b"x" * 32)
    # Instruction 0 is a verification of the engine's own; 1 claims the attestor's key but points elsewhere.
    trick = Instruction(honest.program_id, offsets(bytes(honest.data), **{where: at}), [])
    close = bytearray(world.close_instruction(world.trade(), message).data)
    close[-8:] = struct.pack("<Q", 1)
    metas = list(world.close_instruction(world.trade(), message).accounts)
    answer = world.send([own, trick, Instruction(PROGRAM.pubkey(), bytes(close), metas)], "engine", "settler")
    assert answer is not None
    if at == 1:  # its own index written out: verified by the precompile, and still not taken
        assert answer == "ATTESTATION_MALFORMED"


def test_ed25519_all_parts_in_an_honest_looking_sibling() -> None:
    """Verified: the engine's signature in instruction 0. Shown: the attestor's key and the forged message."""
    world = with_trade(World())
    message = world.attest(world.trade(), 100, -100)
    pair = world.keys["engine"]
    own = ed25519_instruction(pair.pubkey(), pair.sign_message(b"x" * 32), b"x" * 32)
    shown = offsets(bytes(own.data), signature_at=0, key_at=0, message_at=0)[:16]
    body = bytes(world.pub("attestor")) + bytes(64) + message.digest()
    trick = Instruction(own.program_id, shown + body, [])
    whole = world.close_instruction(world.trade(), message)
    close = Instruction(PROGRAM.pubkey(), bytes(whole.data)[:-8] + struct.pack("<Q", 1), list(whole.accounts))
    assert world.send([own, trick, close], "engine", "settler") == "ATTESTATION_MALFORMED"


@pytest.mark.parametrize("count", [0, 2])
def test_ed25519_with_no_or_two_signatures(count: int) -> None:
    world = with_trade(World())
    message = world.attest(world.trade(), 100, -100)
    honest = bytes(world.signature(message).data)
    if count == 0:
        data = bytes([0]) + honest[1:]
    else:
        moved = [honest[2:16], honest[2:16]]
        moved = [
            struct.pack(
                "<7H", *(v + 14 if n in (0, 2, 4) else v for n, v in enumerate(struct.unpack("<7H", m)))
            )
            for m in moved
        ]
        data = bytes([2, 0]) + b"".join(moved) + honest[16:]
    trick = Instruction(world.signature(message).program_id, data, [])
    answer = world.send([trick, world.close_instruction(world.trade(), message)], "engine", "settler")
    assert answer == "ATTESTATION_MALFORMED" or (count == 0 and answer is not None)


def test_the_named_instruction_is_no_ed25519_verification() -> None:
    world = with_trade(World())
    message = world.attest(world.trade(), 100, -100)
    close, signature = world.close_instruction(world.trade(), message), world.signature(message)
    memo = Instruction(world.pub("stranger"), bytes(signature.data), [])
    assert world.send([close], "engine", "settler") == "ATTESTATION_MISSING"
    for index in (1, 2, 99, 2**16, 2**63):
        data = bytes(close.data)[:-8] + struct.pack("<Q", index)
        changed = Instruction(PROGRAM.pubkey(), data, list(close.accounts))
        assert world.send([signature, changed], "engine", "settler") == "ATTESTATION_MISSING"
    assert memo.program_id != signature.program_id


def test_a_tampered_signature_is_refused_by_the_precompile() -> None:
    world = with_trade(World())
    message = world.attest(world.trade(), 100, -100)
    data = bytearray(world.signature(message).data)
    data[60] ^= 1
    trick = Instruction(world.signature(message).program_id, bytes(data), [])
    assert (
        world.send([trick, world.close_instruction(world.trade(), message)], "engine", "settler") is not None
    )


# --- colluding keys -----------------------------------------------------------------------------


def test_a_revoked_attestor_or_settlement_opens_nothing() -> None:
    import msgspec

    from optionsib.vault.program_client import NO_KEY

    for name in ("attestor", "settlement"):
        world = World().ready()
        mandate = msgspec.structs.replace(world.mandate, **{name: NO_KEY})
        assert world.send(world.client.propose(world.trader, mandate), "trader") is None
        assert world.vault.mandate_version == 2
        assert world.open() == "KEY_REVOKED"


def test_colluding_keys_take_the_days_cap_and_not_a_unit_more() -> None:
    world = World().ready()
    start, number = world.balance(world.address["settlement"]), 0
    for hour in range(24):
        for amount in (400, 200, 1):
            number += 1
            if world.open(number, amount) is None:
                assert world.close(number, amount, -amount) is None
        world.set_time(world.now + 3_600)
        assert world.balance(world.address["settlement"]) - start <= 600, hour
    assert world.balance(world.address["settlement"]) - start == 600
    while world.now < 1_700_000_000 + 10 * DAY:
        number += 1
        if world.open(number, 100) is None:
            assert world.close(number, 100, -100) is None
        else:
            world.set_time(world.now + 3_600)
    assert world.balance(world.address["settlement"]) - start == 1_500  # the lifetime cap


def test_a_plain_transfer_into_the_vault_is_free_money_of_the_trader() -> None:
    world = World().ready(100)
    world.must(
        world.send(
            plain_transfer(world.address["settlement"], world.at.funds, world.pub("settler"), 9), "settler"
        )
    )
    assert world.send(world.client.withdraw(world.trader, world.address["payout"], 109), "trader") is None


def test_an_unpaid_profit_stops_opens_until_it_is_paid() -> None:
    world = owed(World())
    assert world.open(2) == "PROFIT_UNPAID"
    assert (
        world.send(world.client.pay_profit(world.trader, world.trade(), world.pub("settler"), 49), "settler")
        is None
    )
    assert world.open(2) == "PROFIT_UNPAID"
    assert (
        world.send(world.client.pay_profit(world.trader, world.trade(), world.pub("settler"), 1), "settler")
        is None
    )
    assert not world.is_open(1)
    assert world.open(2) is None


def of_another_mint(world: World, name: str) -> None:
    data = world.data(world.address[name])
    world.put(world.address[name], bytes(key("another mint").pubkey()) + data[32:], TOKEN)


def test_token_accounts_of_another_mint() -> None:
    world = World()
    of_another_mint(world, "payout")
    assert world.create() == "WRONG_MINT"
    world = World().ready()
    of_another_mint(world, "payout")
    of_another_mint(world, "source")
    assert world.deposit(5) == "WRONG_MINT"
    assert (
        world.send(world.client.withdraw(world.trader, world.address["payout"], 5), "trader") == "WRONG_MINT"
    )


@pytest.mark.parametrize("at", [0, 46])
def test_an_authority_given_up_whose_key_still_stands_there(at: int) -> None:
    world = World().ready()
    data = world.data(world.mint)
    world.put(world.mint, data[:at] + bytes(4) + data[at + 4 :], TOKEN)
    assert world.open() == "MINT_CHANGED"
