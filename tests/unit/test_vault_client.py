"""The typed client against the program's schema: names, sizes, round trips, addresses, errors."""

from __future__ import annotations

import base64
import hashlib
import inspect
import struct
from typing import Any

import pytest

pytest.importorskip("solders")

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from solders.hash import Hash
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction
from solders.transaction_status import InstructionErrorCustom, TransactionErrorInstructionError

from optionsib.vault.localnet.bank import new_vm
from optionsib.vault.program_client import (
    AuditRecord,
    CloseMessage,
    Mandate,
    TradeAccount,
    VaultAccount,
    audit_events,
    decode_error,
    ed25519_instruction,
    error_of,
    next_audit,
)
from optionsib.vault.program_instructions import VaultProgram
from optionsib.vault.schema import decode, encode, load_schema, size_of

SCHEMA = load_schema()
PROGRAM, MINT = Pubkey.from_bytes(b"\1" * 32), Pubkey.from_bytes(b"\2" * 32)
CLIENT = VaultProgram(PROGRAM, MINT)


def values(kind: str) -> st.SearchStrategy[Any]:
    """Any value of a type of the schema."""
    if kind in ("pubkey", "hash"):
        return st.binary(min_size=32, max_size=32)
    if kind == "i64":
        return st.integers(-(2**63), 2**63 - 1)
    if kind.startswith("u"):
        return st.integers(0, 2 ** int(kind[1:]) - 1)
    if kind.startswith("["):
        element, _, count = kind[1:-1].partition(";")
        return st.tuples(*[values(element)] * int(count))
    return st.fixed_dictionaries({field.name: values(field.type) for field in SCHEMA.types[kind]})


@pytest.mark.parametrize("kind", sorted(SCHEMA.types))
def test_structures_survive_the_round_trip(kind: str) -> None:
    @given(values(kind))
    def check(value: dict[str, Any]) -> None:
        data = encode(kind, value)
        assert len(data) == size_of(kind)
        assert decode(kind, data) == value

    check()


@pytest.mark.parametrize(
    ("kind", "structure", "without"),
    [
        ("Mandate", Mandate, ()),
        ("Vault", VaultAccount, ()),
        ("Trade", TradeAccount, ()),
        ("AuditRecord", AuditRecord, ()),
        ("CloseMessage", CloseMessage, ("domain",)),
    ],
)
def test_python_structures_are_those_of_the_schema(
    kind: str, structure: type[msgspec.Struct], without: tuple[str, ...]
) -> None:
    fields = [field.name for field in SCHEMA.types[kind] if field.name not in without]
    assert list(structure.__struct_fields__) == fields


def mandate() -> Mandate:
    keys = {field.name: Pubkey.new_unique() for field in SCHEMA.types["Mandate"] if field.type == "pubkey"}
    numbers = {field.name: 5 for field in SCHEMA.types["Mandate"] if field.type == "u64"}
    return Mandate(**keys, **numbers, symbols_hash=bytes(32))  # type: ignore[arg-type]


def trade() -> TradeAccount:
    rest = {field.name: 3 for field in SCHEMA.types["Trade"] if field.type in ("u64", "u8")}
    keys = {field.name: Pubkey.new_unique() for field in SCHEMA.types["Trade"] if field.type == "pubkey"}
    rest["tag"] = SCHEMA.constants["TRADE_TAG"]
    return TradeAccount(**keys, **rest, order_hash=bytes(32), padding=(0,) * 7)  # type: ignore[arg-type]


def sample(name: str, annotation: str) -> Any:
    if name == "cluster" or name.endswith("_hash"):
        return b"\7" * 32
    made: dict[str, Any] = {
        "Pubkey": Pubkey.new_unique,
        "int": lambda: 7,
        "bool": lambda: False,
        "Mandate": mandate,
        "TradeAccount": trade,
    }
    return made[annotation]()


def expected_trade(given: dict[str, Any], vault: Pubkey) -> Pubkey:
    """Of an existing trade the account says where it is; of a new one, vault and id do."""
    if "trade" in given:
        return CLIENT.trade_address(given["trade"].vault, given["trade"].trade_id)
    return CLIENT.trade_address(vault, given["trade_id"])


@pytest.mark.parametrize("schema", SCHEMA.instructions, ids=lambda found: found.name)
def test_every_instruction_has_a_builder_with_the_schemas_accounts(schema: Any) -> None:
    builder = getattr(CLIENT, schema.name)
    given = {
        parameter.name: sample(parameter.name, parameter.annotation)
        for parameter in inspect.signature(builder).parameters.values()
        if parameter.default is parameter.empty
    }
    built = builder(**given)
    assert built.program_id == PROGRAM
    assert len(built.data) == 8 + sum(size_of(field.type) for field in schema.args)
    assert struct.unpack_from("<Q", built.data) == (schema.code,)
    assert len(built.accounts) == len(schema.accounts)
    own = CLIENT.addresses(given["trader"])
    for role, account in zip(schema.accounts, built.accounts, strict=True):
        assert account.is_writable == bool(role.writable), role.name
        assert account.is_signer == (role.signer is True), role.name
        if role.address:
            assert str(account.pubkey) == role.address
        elif role.name in ("vault", "funds", "escrow"):
            assert account.pubkey == getattr(own, role.name)
        elif role.name == "mint":
            assert account.pubkey == MINT
        elif role.name == "trade":
            assert account.pubkey == expected_trade(given, own.vault)
        elif role.name in given:
            assert account.pubkey == given[role.name]
    signing = {role.name for role in schema.accounts if role.signer == "optional"}
    if signing:
        again = builder(**{**given, "settlement_signs": True})
        marked = {
            role.name
            for role, account in zip(schema.accounts, again.accounts, strict=True)
            if account.is_signer and role.signer is not True
        }
        assert marked == signing


def test_the_client_has_no_other_builders() -> None:
    public = {name for name, found in vars(VaultProgram).items() if callable(found) and name[0] != "_"}
    helpers = {"addresses", "trade_address"}
    assert public - helpers - {"decode_vault", "decode_trade"} == {one.name for one in SCHEMA.instructions}


def test_addresses_are_those_of_the_schema() -> None:
    trader = Pubkey.new_unique()
    own = CLIENT.addresses(trader)
    assert own.vault == Pubkey.find_program_address([b"vault", bytes(trader)], PROGRAM)[0]
    assert own.funds == Pubkey.find_program_address([b"funds", bytes(own.vault)], PROGRAM)[0]
    assert own.escrow == Pubkey.find_program_address([b"escrow", bytes(own.vault)], PROGRAM)[0]
    seeds = [b"trade", bytes(own.vault), (258).to_bytes(8, "little")]
    assert CLIENT.trade_address(own.vault, 258) == Pubkey.find_program_address(seeds, PROGRAM)[0]
    assert {name: seeds[0] for name, seeds in SCHEMA.addresses.items()} == {
        name: f"'{name}'" for name in ("vault", "funds", "escrow", "trade")
    }


def test_accounts_are_read_back() -> None:
    written = trade()
    assert CLIENT.decode_trade(encode("Trade", written)) == written
    with pytest.raises(ValueError, match="tag"):
        CLIENT.decode_trade(bytes(size_of("Trade")))
    with pytest.raises(ValueError, match="bytes, expected"):
        CLIENT.decode_vault(bytes(size_of("Vault") - 1))
    empty = decode("Vault", bytes(size_of("Vault")))
    terms = mandate()
    data = encode("Vault", {**empty, "tag": SCHEMA.constants["VAULT_TAG"], "mandate": terms, "sequence": 9})
    vault = CLIENT.decode_vault(data)
    assert (vault.mandate, vault.sequence) == (terms, 9)


@pytest.mark.parametrize("error", SCHEMA.errors, ids=lambda found: found.name)
def test_errors_have_names(error: Any) -> None:
    raised = TransactionErrorInstructionError(2, InstructionErrorCustom(error.code))
    for form in (raised, {"InstructionError": [2, {"Custom": error.code}]}):
        found = decode_error(form)
        assert found is not None
        assert (found.name, found.code) == (error.name, error.code)
        assert error.message in str(found)


@pytest.mark.parametrize("form", [None, "AccountInUse", {"InstructionError": [0, "InvalidArgument"]}, 7])
def test_other_errors_are_not_taken_for_ours(form: Any) -> None:
    assert decode_error(form) is None
    assert error_of(1) is None


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        ("u64", -1, "out of range"),
        ("u64", 2**64, "out of range"),
        ("u64", True, "whole number"),
        ("u64", 1.5, "whole number"),
        ("i64", 2**63, "out of range"),
        ("hash", b"short", "expected 32 bytes"),
        ("hash", 32, "expected 32 bytes"),
        ("[u64;4]", (1, 2), "expected 4"),
        ("AuditSeed", {"domain": bytes(32)}, "program"),
    ],
)
def test_what_does_not_fit_is_refused(kind: str, value: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        encode(kind, value)


def message(**changes: Any) -> CloseMessage:
    fields = {
        "cluster": b"\1" * 32,
        "program": PROGRAM,
        "vault": MINT,
        "trade_id": 1,
        "close_number": 2,
        "share": 3,
        "pnl": -4,
        "executions_hash": b"\5" * 32,
        "valid_until": 6,
    }
    return CloseMessage(**{**fields, **changes})


def test_the_attested_digest_by_hand() -> None:
    parts = [b"OptionsIB vault close v1".ljust(32, b"\0"), b"\1" * 32, bytes(PROGRAM), bytes(MINT)]
    parts += [struct.pack("<QQQq", 1, 2, 3, -4), b"\5" * 32, struct.pack("<Q", 6)]
    assert message().digest() == hashlib.sha256(b"".join(parts)).digest()


def test_every_field_is_attested() -> None:
    changed = {
        "cluster": b"\2" * 32,
        "program": MINT,
        "vault": PROGRAM,
        "trade_id": 9,
        "close_number": 9,
        "share": 9,
        "pnl": 4,
        "executions_hash": b"\6" * 32,
        "valid_until": 9,
    }
    assert set(changed) == set(CloseMessage.__struct_fields__)
    digests = {message(**{name: value}).digest() for name, value in changed.items()} | {message().digest()}
    assert len(digests) == len(changed) + 1


@pytest.mark.parametrize("tampered", [False, True])
def test_the_chain_checks_the_signature(tampered: bool) -> None:
    vm, payer, attestor = new_vm(), Keypair(), Keypair()
    vm.airdrop(payer.pubkey(), 10**9)
    digest = message().digest()
    signature = attestor.sign_message(digest)
    shown = bytes(32) if tampered else digest
    instruction = ed25519_instruction(attestor.pubkey(), signature, shown)
    blockhash = Hash.hash(b"any")
    built = Message.new_with_blockhash([instruction], payer.pubkey(), blockhash)
    result = vm.send_transaction(VersionedTransaction(built, [payer]))
    assert hasattr(result, "err") == tampered


def test_audit_records_in_a_log() -> None:
    record = AuditRecord(
        kind=3, sequence=1, time=5, trade_id=7, amount=11, pnl=-13, fee=17, detail=b"\7" * 32
    )
    after = next_audit(bytes(32), record)
    assert (
        after
        == hashlib.sha256(bytes(32) + struct.pack("<QQQQQqQ", 3, 1, 5, 7, 11, -13, 17) + b"\7" * 32).digest()
    )
    words = [base64.b64encode(part).decode() for part in (bytes(MINT), encode("AuditRecord", record), after)]
    line = f"Program data: {' '.join(words)}"
    noise = [
        "Program log: x",
        "Program data: !!! a b",
        f"Program data: {words[0]}",
        line.replace("data", "log"),
    ]
    entered, left = f"Program {PROGRAM} invoke [1]", f"Program {PROGRAM} success"
    (event,) = audit_events([entered, *noise, line, left], PROGRAM)
    assert (event.vault, event.record, event.audit) == (MINT, record, after)
    for forged in (
        [line],
        [entered, left, line],
        [entered, f"Program {MINT} invoke [2]", line, f"Program {MINT} failed: custom", left],
        [f"Program {MINT} invoke [1]", f"Program log: Program {PROGRAM} invoke [1]", line],
    ):
        assert not list(audit_events(forged, PROGRAM))
    called = [f"Program {MINT} invoke [1]", entered.replace("[1]", "[2]"), line, left]
    assert len(list(audit_events(called, PROGRAM))) == 1
