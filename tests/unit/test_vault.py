"""Each movement of the vault, to the unit, on the real token program."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from decimal import Decimal

import pytest

pytest.importorskip("solders")

from optionsib.common.clock import SteppedClock
from optionsib.common.config import VaultConfig
from optionsib.common.errors import SettlementError
from optionsib.common.events import VaultState, VaultTransaction
from optionsib.vault import TokenVault
from optionsib.vault.chain import _decode
from optionsib.vault.keys import OWNERS, DemoKeys, derive_secret

START_NS = 1_402_061_400_000_000_000
DEPOSIT, CLEARING = 1_000_000_000, 400_000_000
CONFIG = VaultConfig(deposit=Decimal(1000), clearing_deposit=Decimal(400))


def balances(vault: TokenVault) -> tuple[int, int, int, int, int]:
    state = vault.state(START_NS)
    return state.free, state.reserved, state.escrow, state.clearing, state.fees


@pytest.fixture
def journal() -> list[VaultTransaction]:
    return []


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock(START_NS)


@pytest.fixture
def vault(journal: list[VaultTransaction], clock: SteppedClock) -> TokenVault:
    made = TokenVault(7, CONFIG, clock=clock, record=journal.append)
    made.fund()
    return made


def test_funding_mints_the_deposits_once(vault: TokenVault, journal: list[VaultTransaction]) -> None:
    assert balances(vault) == (DEPOSIT, 0, 0, CLEARING, 0)
    assert sum(entry.amount for entry in journal) == DEPOSIT + CLEARING
    before = list(journal)
    vault.fund()
    assert journal == before == vault.movements


def test_supply_is_fixed_after_funding(vault: TokenVault) -> None:
    mint = vault._chain._vm.get_account(vault._keys.public("mint"))
    assert mint is not None
    assert mint.data[0:4] == b"\0\0\0\0"  # no mint authority
    assert int.from_bytes(mint.data[36:44], "little") == DEPOSIT + CLEARING
    assert mint.data[46:50] == b"\0\0\0\0"  # no freeze authority


def test_movement_before_funding_is_refused(clock: SteppedClock, journal: list[VaultTransaction]) -> None:
    bare = TokenVault(7, CONFIG, clock=clock, record=journal.append)
    assert bare.state(5) == VaultState(at_ns=5, free=0, reserved=0, escrow=0, clearing=0, fees=0)
    with pytest.raises(SettlementError, match="fund"):
        bare.reserve("o1", 1)
    assert journal == []


def test_trade_with_profit(vault: TokenVault, journal: list[VaultTransaction]) -> None:
    assert vault.reserve("o1", 301_300_000) is None
    assert balances(vault) == (DEPOSIT - 301_300_000, 301_300_000, 0, CLEARING, 0)
    vault.open("e1", "o1", "t1", 300_000_000)
    assert balances(vault) == (DEPOSIT - 301_300_000, 1_300_000, 300_000_000, CLEARING, 0)
    assert vault.free("o1") == 1_300_000
    vault.fee("e1", "t1", 1_300_000)
    count = len(journal)
    vault.close("e2", "t1", 300_000_000, 45_000_001)
    assert balances(vault) == (DEPOSIT - 1_300_000 + 45_000_001, 0, 0, CLEARING - 45_000_001, 1_300_000)
    assert len(journal) == count + 1  # collateral and profit are one transaction
    assert (vault.reserved("o1"), vault.escrowed("t1")) == (0, 0)


def test_loss_is_paid_from_the_collateral(vault: TokenVault) -> None:
    vault.reserve("o1", 300_000_000)
    vault.open("e1", "o1", "t1", 300_000_000)
    vault.close("e2", "t1", 200_000_000, -120_000_000)
    assert balances(vault) == (DEPOSIT - 220_000_000, 0, 100_000_000, CLEARING + 120_000_000, 0)
    assert vault.escrowed("t1") == 100_000_000


def test_loss_above_the_collateral_is_paid_from_free(vault: TokenVault) -> None:
    vault.reserve("o1", 300_000_000)
    vault.open("e1", "o1", "t1", 300_000_000)
    vault.close("e2", "t1", 300_000_000, -310_000_000)
    assert balances(vault) == (DEPOSIT - 310_000_000, 0, 0, CLEARING + 310_000_000, 0)


def test_partial_fills_share_one_reserve(vault: TokenVault) -> None:
    vault.reserve("o1", 300)
    for index in range(3):
        vault.open(f"e{index}", "o1", "t1", 100)
    assert (vault.reserved("o1"), vault.escrowed("t1")) == (0, 300)
    with pytest.raises(SettlementError, match="'o1' holds 0"):
        vault.open("e3", "o1", "t1", 1)


def test_reserve_only_ever_rises(vault: TokenVault, journal: list[VaultTransaction]) -> None:
    vault.reserve("o1", 500)
    count = len(journal)
    assert vault.reserve("o1", 500) is None
    assert vault.reserve("o1", 10) is None
    assert vault.reserve("o2", 0) is None
    assert len(journal) == count
    assert vault.reserve("o1", 520) is None
    assert journal[-1].amount == 20
    assert vault.reserved("o1") == 520


def test_refused_reserve_says_the_numbers_and_keeps_the_old_one(
    vault: TokenVault, journal: list[VaultTransaction]
) -> None:
    vault.reserve("o1", 400_000_000)
    count = len(journal)
    reason = vault.reserve("o1", 1_000_000_001)
    assert reason is not None
    for text in ("o1", "600.000001 USDT", "400.000000 USDT", "1,000.000001 USDT"):
        assert text in reason
    assert vault.reserved("o1") == 400_000_000
    assert len(journal) == count
    assert vault.reserve("o1", 1_000_000_000) is None


def test_order_with_nothing_left_frees_nothing(vault: TokenVault, journal: list[VaultTransaction]) -> None:
    count = len(journal)
    assert vault.free("never seen") == 0
    assert len(journal) == count


def _traded(vault: TokenVault) -> None:
    vault.reserve("o1", 100)
    vault.open("e1", "o1", "t1", 100)
    vault.fee("e1", "t1", 5)
    vault.close("e2", "t1", 60, -7)


def test_same_reference_moves_once(vault: TokenVault, journal: list[VaultTransaction]) -> None:
    _traded(vault)
    before, count = balances(vault), len(journal)
    vault.open("e1", "o1", "t1", 100)
    vault.fee("e1", "t1", 5)
    vault.close("e2", "t1", 60, -7)
    assert balances(vault) == before
    assert len(journal) == count


@pytest.mark.parametrize(
    "call",
    [
        lambda v: v.open("e1", "o1", "t1", 99),
        lambda v: v.open("e1", "o1", "t2", 100),
        lambda v: v.fee("e1", "t1", 6),
        lambda v: v.close("e2", "t1", 60, -8),
    ],
)
def test_same_reference_with_other_values_is_refused(
    vault: TokenVault, call: Callable[[TokenVault], None]
) -> None:
    _traded(vault)
    before = balances(vault)
    with pytest.raises(SettlementError, match="already booked"):
        call(vault)
    assert balances(vault) == before


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda v: v.close("e9", "t1", 101, 0), "'t1' holds 0.000100"),
        (lambda v: v.close("e9", "unknown", 1, 0), "'unknown' holds 0.000000"),
        (lambda v: v.close("e9", "t1", 100, CLEARING + 1), "clearing account, which is short by 0.000001"),
        (lambda v: v.close("e9", "t1", 100, -(DEPOSIT + 1)), "free account, which is short by 0.000001"),
        (lambda v: v.fee("e9", "t1", DEPOSIT), "free account, which is short by 0.000100"),
        (lambda v: v.open("e9", "o1", "t1", 1), "'o1' holds 0.000000"),
    ],
)
def test_movement_that_cannot_be_paid_moves_nothing(
    vault: TokenVault, journal: list[VaultTransaction], call: Callable[[TokenVault], None], words: str
) -> None:
    vault.reserve("o1", 100)
    vault.open("e1", "o1", "t1", 100)
    before, count = balances(vault), len(journal)
    with pytest.raises(SettlementError, match=words):
        call(vault)
    assert balances(vault) == before
    assert len(journal) == count
    vault.close("e9", "t1", 100, CLEARING)  # the exact amount still passes, under the same reference
    assert balances(vault) == (DEPOSIT + CLEARING, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda v: v.reserve("o1", -1), "-1"),
        (lambda v: v.reserve("", 1), "order_ref"),
        (lambda v: v.open("e1", "o1", "t1", 0), "amount 0"),
        (lambda v: v.open("", "o1", "t1", 1), "reference"),
        (lambda v: v.close("e1", "t1", -5, 0), "-5"),
        (lambda v: v.close("e1", "", 5, 0), "trade_id"),
        (lambda v: v.fee("e1", "t1", -3), "-3"),
        (lambda v: v.free(""), "order_ref"),
        (lambda v: v.reserve("o" * 2000, 1), "shorter"),
    ],
)
def test_bad_argument_is_named(
    vault: TokenVault,
    journal: list[VaultTransaction],
    call: Callable[[TokenVault], object],
    words: str,
) -> None:
    count = len(journal)
    with pytest.raises(ValueError, match=words):
        call(vault)
    assert len(journal) == count
    assert balances(vault) == (DEPOSIT, 0, 0, CLEARING, 0)


def test_zero_amounts_move_nothing(vault: TokenVault, journal: list[VaultTransaction]) -> None:
    count = len(journal)
    vault.fee("e1", "t1", 0)
    vault.close("e1", "t1", 0, 0)
    assert len(journal) == count
    vault.close("e1", "t1", 0, 3)  # a profit without collateral is a movement
    assert balances(vault) == (DEPOSIT + 3, 0, 0, CLEARING - 3, 0)


@pytest.mark.parametrize("deposit", ["-1", "0.0000001", "NaN", "Infinity", "20000000000000"])
def test_impossible_deposit_is_refused(deposit: str, clock: SteppedClock) -> None:
    config = CONFIG.model_copy(update={"deposit": Decimal(deposit)})
    with pytest.raises(ValueError, match="deposit"):
        TokenVault(7, config, clock=clock, record=lambda _: None)


def test_chain_refusal_is_decoded_and_moves_nothing(
    vault: TokenVault, journal: list[VaultTransaction]
) -> None:
    """Someone with the trader's key empties the account behind the ledger's back."""
    chain = vault._chain
    theft = VaultTransaction(
        action="fee", reference="x", amount=DEPOSIT, signature="", wire="", at_ns=START_NS
    )
    chain._vm.send_transaction(_decode(chain.sign(theft)))
    chain._vm.expire_blockhash()
    count = len(journal)
    with pytest.raises(SettlementError, match="insufficient funds"):
        vault.reserve("o1", 100)
    assert len(journal) == count
    assert vault.reserved("o1") == 0


def test_foreign_transfer_is_noticed(vault: TokenVault) -> None:
    chain = vault._chain
    stray = VaultTransaction(action="fee", reference="x", amount=1, signature="", wire="", at_ns=START_NS)
    chain._vm.send_transaction(_decode(chain.sign(stray)))
    chain._vm.expire_blockhash()
    with pytest.raises(SettlementError, match="account free: the chain holds"):
        vault.reserve("o1", 100)
    with pytest.raises(SettlementError, match="interrupted"):
        vault.fee("e1", "t1", 1)


def test_chain_clock_is_session_time(vault: TokenVault, clock: SteppedClock) -> None:
    clock.advance(START_NS + 90_000_000_000)
    vault.reserve("o1", 1)
    assert vault._chain.unix_time() == START_NS // 10**9 + 90
    assert vault.movements[-1].at_ns == START_NS + 90_000_000_000


def test_memo_names_the_movement_on_the_chain(vault: TokenVault) -> None:
    vault.reserve("o1", 5)
    vault.open("exec-1", "o1", "trade-1", 5)
    message = _decode(vault.movements[-1]).message
    assert bytes(message.instructions[-1].data) == b"open|exec-1|o1|trade-1"


def test_secrets_never_show(vault: TokenVault) -> None:
    keys = vault._keys
    _traded(vault)
    shown = " ".join([repr(vault), str(vault), repr(keys), str(keys), repr(vault.movements)])
    for role in (*OWNERS, "mint", "free", "reserved", "escrow", "clearing", "fees"):
        secret = derive_secret(7, role)
        pair = keys.signers([role])[0]  # type: ignore[list-item]
        assert secret.hex() not in shown
        assert str(pair) not in shown
        assert repr(list(secret))[1:-1] not in shown
    with pytest.raises(TypeError):
        pickle.dumps(keys)


def test_errors_show_no_secret(clock: SteppedClock) -> None:
    from solders.keypair import Keypair

    made = TokenVault(7, CONFIG, clock=clock, record=lambda _: None)
    made.fund()
    with pytest.raises(SettlementError) as caught:
        made.close("e", "t", 5, 0)
    for role in OWNERS:
        assert str(Keypair.from_seed(derive_secret(7, role))) not in str(caught.value)


def test_keys_are_hkdf_sha256() -> None:
    # openssl kdf -keylen 32 -kdfopt digest:SHA256 -kdfopt key:7 -kdfopt info:trader
    #   -kdfopt "salt:optionsib demo vault keys, version 1" HKDF
    assert derive_secret(7, "trader").hex() == (
        "c53025c1e7401a535dd168641f7a28eed334ebbf6628a6c5959f3a2440c516a9"
    )
    assert len({derive_secret(seed, role) for seed in range(4) for role in OWNERS}) == 4 * len(OWNERS)
    assert DemoKeys(7).public("trader") != DemoKeys(8).public("trader")
