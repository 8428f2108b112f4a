"""A restart rebuilds the chain from the journaled transactions, byte for byte."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

pytest.importorskip("solders")

from optionsib.common.clock import SteppedClock
from optionsib.common.config import VaultConfig
from optionsib.common.errors import SettlementError
from optionsib.common.events import VaultTransaction
from optionsib.vault import TokenVault

START_NS = 1_402_061_400_000_000_000
CONFIG = VaultConfig(deposit=Decimal(1000), clearing_deposit=Decimal(400))


class Journal:
    """Keeps transactions; ``fail`` makes the next one raise, before or after it is kept."""

    def __init__(self) -> None:
        self.entries: list[VaultTransaction] = []
        self.fail = ""

    def __call__(self, entry: VaultTransaction) -> None:
        fail, self.fail = self.fail, ""
        if fail == "before":
            raise OSError("disk full")
        self.entries.append(entry)
        if fail == "after":
            raise KeyboardInterrupt


def make(journal: Journal, seed: int = 7, config: VaultConfig = CONFIG) -> TokenVault:
    return TokenVault(seed, config, clock=SteppedClock(START_NS), record=journal)


def trade(vault: TokenVault) -> None:
    vault.reserve("o1", 300_000_000)
    vault.open("e1", "o1", "t1", 100_000_000)
    vault.open("e2", "o1", "t1", 100_000_000)
    vault.free("o1")
    vault.fee("e1", "t1", 1_300_000)
    vault.reserve("o2", 50)
    vault.close("e3", "t1", 150_000_000, -20_000_000)
    vault.reserve("o3", 50)
    vault.free("o3")
    vault.reserve("o3", 50)  # the same transfer again is no duplicate


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture
def vault(journal: Journal) -> TokenVault:
    made = make(journal)
    made.fund()
    trade(made)
    return made


def test_equal_calls_sign_equal_bytes(vault: TokenVault, journal: Journal) -> None:
    other = Journal()
    twin = make(other)
    twin.fund()
    trade(twin)
    assert other.entries == journal.entries
    assert len({entry.signature for entry in journal.entries}) == len(journal.entries)


def test_another_seed_signs_other_bytes(journal: Journal, vault: TokenVault) -> None:
    other = Journal()
    make(other, seed=8).fund()
    assert not {e.wire for e in other.entries} & {e.wire for e in journal.entries}


def test_replay_restores_balances_and_books(vault: TokenVault, journal: Journal) -> None:
    restarted = make(Journal())
    restarted.replay(journal.entries)
    assert restarted.state(1) == vault.state(1)
    assert restarted.movements == vault.movements
    for order_ref in ("o1", "o2", "o3"):
        assert restarted.reserved(order_ref) == vault.reserved(order_ref)
    assert restarted.escrowed("t1") == vault.escrowed("t1") == 50_000_000


def test_repeated_calls_after_replay_move_nothing(vault: TokenVault, journal: Journal) -> None:
    later = Journal()
    restarted = make(later)
    restarted.replay(journal.entries)
    restarted.fund()
    restarted.open("e1", "o1", "t1", 100_000_000)
    restarted.fee("e1", "t1", 1_300_000)
    restarted.close("e3", "t1", 150_000_000, -20_000_000)
    restarted.reserve("o2", 50)
    assert later.entries == []
    assert restarted.state(1) == vault.state(1)


def test_restart_goes_on_as_if_nothing_had_happened(vault: TokenVault, journal: Journal) -> None:
    before = len(journal.entries)
    later = Journal()
    restarted = make(later)
    restarted.replay(journal.entries)
    for each in (vault, restarted):
        each.close("e4", "t1", 50_000_000, 5)
    assert later.entries == journal.entries[before:]


def test_replay_of_what_is_already_executed_is_harmless(vault: TokenVault, journal: Journal) -> None:
    before = vault.state(1)
    vault.replay(journal.entries)
    assert vault.state(1) == before


def test_replay_of_nothing_leaves_a_vault_to_fund() -> None:
    journal = Journal()
    vault = make(journal)
    vault.replay([])
    vault.fund()
    assert vault.state(1).free == 1_000_000_000


@pytest.mark.parametrize("funded", range(8))
def test_interrupted_funding_is_finished(journal: Journal, vault: TokenVault, funded: int) -> None:
    later = Journal()
    restarted = make(later)
    restarted.replay(journal.entries[:funded])
    restarted.fund()
    assert [*journal.entries[:funded], *later.entries] == journal.entries[: max(funded, 7)]


@pytest.mark.parametrize("fail", ["before", "after"])
def test_interruption_at_the_journal(journal: Journal, vault: TokenVault, fail: str) -> None:
    before = vault.state(1)
    journal.fail = fail
    with pytest.raises((OSError, KeyboardInterrupt)):
        vault.open("e9", "o2", "t2", 30)
    assert vault.state(1) == before
    with pytest.raises(SettlementError, match="open of 'e9' was interrupted"):
        vault.open("e9", "o2", "t2", 30)
    for each in (vault, make(journal)):
        each.replay(journal.entries)
        each.open("e9", "o2", "t2", 30)  # sent by the replay, or now: once in both cases
        assert each.reserved("o2") == 20
        assert each.escrowed("t2") == 30
    assert [e.reference for e in journal.entries].count("e9") == 1


def test_every_prefix_replays(journal: Journal, vault: TokenVault) -> None:
    for length in range(len(journal.entries) + 1):
        part = make(Journal())
        part.replay(journal.entries[:length])
        assert len(part.movements) == length


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"amount": 99_999_999}, "sign it as"),
        ({"amount": 301_000_000}, "'o1' holds 300.000000"),
        ({"order_ref": "o9"}, "'o9' holds 0.000000"),
        ({"trade_id": "t9"}, "sign it as"),
        ({"reference": "e8"}, "sign it as"),
        ({"signature": "5" * 88}, "is signed as"),
        ({"wire": "AAAA"}, "is signed as"),
        ({"action": "fund"}, "do not meet"),
    ],
)
def test_changed_transaction_is_named(
    journal: Journal, vault: TokenVault, change: dict[str, object], words: str
) -> None:
    index = next(i for i, e in enumerate(journal.entries) if e.reference == "e1" and e.action == "open")
    changed = list(journal.entries)
    changed[index] = msgspec.structs.replace(changed[index], **change)
    restarted = make(Journal())
    with pytest.raises(SettlementError, match=f"vault transaction {index}: .*{words}"):
        restarted.replay(changed)
    assert restarted.movements == []


def test_missing_and_swapped_transactions_are_noticed(journal: Journal, vault: TokenVault) -> None:
    entries = journal.entries
    for broken in (entries[1:], entries[:9] + entries[10:], [*entries[:9], entries[10], entries[9]]):
        with pytest.raises(SettlementError, match="replay of vault transaction"):
            make(Journal()).replay(broken)


def test_journal_shorter_than_the_chain_is_refused(journal: Journal, vault: TokenVault) -> None:
    before = vault.state(1)
    with pytest.raises(SettlementError, match="the journal has"):
        vault.replay(journal.entries[:-1])
    assert vault.state(1) == before


def test_journal_that_differs_from_the_chain_is_refused(journal: Journal, vault: TokenVault) -> None:
    other = Journal()
    twin = make(other)
    twin.fund()
    for index in range(len(journal.entries)):
        twin.reserve("o1", index + 1)
    with pytest.raises(SettlementError, match="this ledger executed"):
        vault.replay(other.entries)


@pytest.mark.parametrize(("seed", "deposit"), [(8, 1000), (7, 999)])
def test_replay_with_another_seed_or_deposit_is_refused(
    journal: Journal, vault: TokenVault, seed: int, deposit: int
) -> None:
    config = CONFIG.model_copy(update={"deposit": Decimal(deposit)})
    with pytest.raises(SettlementError, match="this seed, these deposits"):
        make(Journal(), seed=seed, config=config).replay(journal.entries)
