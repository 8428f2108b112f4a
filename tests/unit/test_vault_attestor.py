"""The attestor's four sentences, one by one; and that the parts of a trade's closes add up."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

pytest.importorskip("solders")

from hypothesis import given
from hypothesis import strategies as st
from solders.pubkey import Pubkey
from solders.signature import Signature

from optionsib.common.clock import SteppedClock
from optionsib.common.errors import SettlementError
from optionsib.common.events import CommissionReport, Execution
from optionsib.common.types import SECOND_NS, Contract
from optionsib.execution.realised import Fill, net_cash, realise
from optionsib.vault.attestor import (
    AttestationPendingError,
    AttestationRefusedError,
    AttestationRequest,
    Attestor,
    ExecutionUse,
    close_message,
    executions_hash,
)
from optionsib.vault.attestor_store import AttestorStore
from optionsib.vault.signers import DemoSigner

NOW = 1_700_000_000
CALL, HIGHER, STOCK = 10, 11, 1
CLUSTER, PROGRAM, VAULT = (str(DemoSigner(1, name).public_key) for name in ("cluster", "program", "vault"))
SIGNER = DemoSigner(1, "attestor")


def execution(
    name: str, con_id: int, side: int, quantity: int, price: int, order_ref: str = "O", **more: Any
) -> Execution:
    return Execution(
        execution_id=name,
        order_ref=order_ref,
        con_id=con_id,
        side=side,
        quantity=quantity,
        price=price,
        at_ns=0,
        **more,
    )


def attestor(path: Path | None = None) -> Attestor:
    store = AttestorStore(path, "test")
    found = Attestor(
        SIGNER, store, SteppedClock(NOW * SECOND_NS), cluster=CLUSTER, program=PROGRAM, vault=VAULT
    )
    found.learn(
        [
            Contract(
                con_id=CALL,
                symbol="TST",
                security_type="OPT",
                multiplier=100,
                right="C",
                strike=500_000,
                expiry_date="20231117",
            ),
            Contract(con_id=HIGHER, symbol="TST", security_type="OPT", multiplier=100),
            Contract(con_id=STOCK, symbol="TST", security_type="STK", multiplier=1),
        ]
    )
    return found


def see(one: Attestor, *events: Execution, commission: int = 650_000) -> None:
    for event in events:
        one.observe(event)
        one.observe(CommissionReport(execution_id=event.execution_id, amount=commission * event.quantity))


# A vertical of two units: bought at 2.50 less 1.10, sold at 3.00 less 1.20 (1/10000).
OPENED = (execution("a.01", CALL, 1, 2, 25_000), execution("b.01", HIGHER, -1, 2, 11_000))
CLOSED = (execution("c.01", CALL, -1, 2, 30_000), execution("d.01", HIGHER, 1, 2, 12_000))
# (3.00 - 1.20 - 2.50 + 1.10) x 100 x 2 units, less 8 commissions of 0.65
PNL = 80_000_000 - 5_200_000


def request(**changes: Any) -> AttestationRequest:
    whole = AttestationRequest(
        cluster=CLUSTER,
        program=PROGRAM,
        vault=VAULT,
        trade_id=1,
        close_number=0,
        share=280_000_000,
        pnl=PNL,
        valid_until=NOW + 600,
        opened=2,
        units_before=2,
        units=2,
        opening=(ExecutionUse("a.01", 2), ExecutionUse("b.01", 2)),
        closing=(ExecutionUse("c.01", 2), ExecutionUse("d.01", 2)),
    )
    return msgspec.structs.replace(whole, **changes)


def ask(one: Attestor, **changes: Any) -> Any:
    return asyncio.run(one.attest(request(**changes)))


def ready(path: Path | None = None) -> Attestor:
    one = attestor(path)
    see(one, *OPENED, *CLOSED)
    return one


def test_a_true_result_is_signed_and_the_signature_is_that_of_the_message() -> None:
    one = ready()
    answer = ask(one)
    digest = close_message(request()).digest()
    assert Signature.from_string(answer.signature).verify(Pubkey.from_string(answer.public_key), digest)
    assert (
        answer.executions_hash
        == executions_hash(request().closing[:0] + request().opening, request().closing).hex()
    )
    assert one.status()["closes"] == 1


def test_the_same_close_gets_the_same_answer_and_no_other() -> None:
    one = ready()
    first = ask(one)
    assert ask(one) == first
    assert ask(one, valid_until=NOW + 700) != first  # a new validity is a new signature of the same terms
    for changes, words in (
        ({"pnl": PNL + 1}, f"signed with pnl {PNL}, asked for {PNL + 1}"),
        ({"share": 1}, "signed with share"),
        ({"units": 1}, "signed with units"),
        ({"closing": (ExecutionUse("c.01", 1),)}, "other executions"),
    ):
        with pytest.raises(AttestationRefusedError, match=words):
            ask(one, **changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"pnl": PNL + 1}, rf"give {PNL}, .* asked for {PNL + 1}"),
        ({"pnl": -PNL}, rf"give {PNL}, .* asked for -{PNL}"),
        ({"cluster": VAULT}, "signs for"),
        ({"program": VAULT}, "signs for"),
        ({"vault": PROGRAM}, "signs for"),
        ({"vault": "no address"}, "cannot be"),
        ({"valid_until": NOW}, "expected within"),
        ({"valid_until": NOW + 3_601}, "expected within"),
        ({"close_number": 1}, "0 were signed so far"),
        ({"units_before": 3}, "2 opened and 0 closed"),
        ({"units": 0}, "0 units of 2"),
        ({"units": 3}, "3 units of 2"),
        ({"trade_id": -1}, "cannot be"),
        ({"closing": (ExecutionUse("c.01", 2),)}, r"leaves -2 of contract 11"),
        ({"closing": ()}, "leaves"),
        ({"units": 1}, "leaves"),
        ({"closing": (ExecutionUse("c.01", 1), ExecutionUse("c.01", 1))}, "stands twice"),
        ({"closing": (ExecutionUse("c.01", 3), ExecutionUse("d.01", 2))}, "3 contracts asked for, 2 of 2"),
        ({"opening": (ExecutionUse("a.01", -2),)}, "without a quantity"),
    ],
)
def test_what_is_not_so_is_refused(changes: dict[str, Any], words: str) -> None:
    one = ready()
    with pytest.raises(AttestationRefusedError, match=words):
        ask(one, **changes)
    assert one.status()["closes"] == 0
    assert ask(one).signature  # a refusal has used up nothing


def test_a_loss_beyond_the_share_is_signed_as_the_share() -> None:
    one = attestor()
    lost = execution("c.01", CALL, -1, 2, 0)
    see(one, *OPENED, lost, CLOSED[1])
    pnl = -(250 - 110 + 120) * 2 * 1_000_000 - 5_200_000
    share = 280_000_000
    with pytest.raises(AttestationRefusedError, match=rf"give {pnl}, with a share of {share}"):
        ask(one, pnl=pnl, share=share)
    assert ask(one, pnl=-share, share=share).signature


def test_what_was_not_seen_is_waited_for() -> None:
    one = attestor()
    see(one, *OPENED, CLOSED[0])
    with pytest.raises(AttestationPendingError, match=r"execution d\.01 was not seen"):
        ask(one)
    one.observe(CLOSED[1])
    with pytest.raises(AttestationPendingError, match=r"commission of execution d\.01"):
        ask(one)
    one.observe(CommissionReport(execution_id="d.01", amount=1_300_000))
    assert ask(one).signature
    strange = attestor()
    see(strange, *OPENED, *CLOSED, execution("e.01", 99, 1, 1, 1))
    with pytest.raises(AttestationPendingError, match="contract 99"):
        ask(strange, closing=(*request().closing, ExecutionUse("e.01", 1)))


def test_no_execution_counts_twice() -> None:
    one = ready()
    ask(one)
    again = {"trade_id": 2, "close_number": 0}
    with pytest.raises(AttestationRefusedError, match=r"execution a\.01: 2 contracts asked for, 0 of 2"):
        ask(one, **again)
    see(one, execution("e.01", CALL, 1, 2, 25_000), execution("f.01", HIGHER, -1, 2, 11_000))
    fresh = (ExecutionUse("e.01", 2), ExecutionUse("f.01", 2))
    with pytest.raises(AttestationRefusedError, match=r"execution c\.01"):
        ask(one, **again, opening=fresh)
    with pytest.raises(
        AttestationRefusedError, match=r"execution c\.01"
    ):  # a closing fill opens nothing either
        ask(one, **again, opening=request().closing, closing=fresh)


def test_one_assignment_serves_two_trades_by_quantity() -> None:
    one = attestor()
    sold = [execution(f"s{number}.01", CALL, -1, 1, 20_000) for number in (1, 2)]
    assigned = execution("x.01", CALL, 1, 2, 0, "")
    delivered = execution("y.01", STOCK, -1, 200, 500_000, "")
    covered = execution("z.01", STOCK, 1, 200, 505_000)
    see(one, *sold, assigned, commission=0)
    see(one, delivered, covered, commission=5_000)
    pnl = 200_000_000 - 50_000_000 - 1_000_000  # credit, less 0.50 a share, less 200 x 0.005 commission
    for number in (1, 2):
        terms: dict[str, Any] = {
            "trade_id": number, "opened": 1, "units_before": 1, "units": 1, "pnl": pnl,
            "opening": (ExecutionUse(f"s{number}.01", 1),),
        }  # fmt: skip
        with pytest.raises(AttestationRefusedError, match="of contract 1"):  # the shares are still there
            ask(one, **terms, closing=(ExecutionUse("x.01", 1), ExecutionUse("y.01", 100)))
        whole = (ExecutionUse("x.01", 1), ExecutionUse("y.01", 100), ExecutionUse("z.01", 100))
        assert ask(one, **terms, closing=whole).signature


SHORT_CALL: dict[str, Any] = {
    "opened": 1, "units_before": 1, "units": 1, "opening": (ExecutionUse("s.01", 1),),
}  # fmt: skip


@pytest.mark.parametrize(
    ("told", "uses", "words"),
    [
        ([("x.01", CALL, 1, 1, 40_000)], ("x.01",), "before its expiry"),
        ([("x.01", STOCK, 1, 1, 0)], ("x.01",), "no option of this close delivers"),
        ([("x.01", CALL, 1, 1, 0), ("y.01", STOCK, -1, 100, 499_900)], ("x.01", "y.01"), "delivers -100"),
        ([("x.01", CALL, 1, 1, 0), ("y.01", STOCK, 1, 100, 500_000)], ("x.01", "y.01"), "delivers"),
        ([("x.01", CALL, 1, 1, 0), ("y.01", STOCK, -1, 101, 500_000)], ("x.01", "y.01"), "delivers -101"),
        (
            [("x.01", CALL, 1, 1, 0), ("y.01", STOCK, -1, 100, 500_000), ("w.01", STOCK, -1, 1, 500_000)],
            ("x.01", "y.01", "w.01"),
            r"w\.01 has no order",
        ),
    ],
)
def test_an_execution_of_no_order_must_be_the_end_of_an_option(told: Any, uses: Any, words: str) -> None:
    one = attestor()
    see(
        one, execution("s.01", CALL, -1, 1, 20_000), *(execution(n, c, s, q, p, "") for n, c, s, q, p in told)
    )
    sizes = {each[0]: each[3] for each in told}
    with pytest.raises(AttestationRefusedError, match=words):
        ask(one, **SHORT_CALL, closing=tuple(ExecutionUse(name, sizes[name]) for name in uses))
    assert one.status()["closes"] == 0


def test_an_order_is_known_by_its_permid_too() -> None:
    one = attestor()
    see(one, execution("s.01", CALL, -1, 1, 20_000), execution("x.01", CALL, 1, 1, 0, "", perm_id=7))
    see(one, execution("y.01", STOCK, -1, 100, 500_000, "", perm_id=8), commission=0)
    see(one, execution("z.01", STOCK, 1, 100, 505_000, "", perm_id=9), commission=0)  # without its reference
    closing = (ExecutionUse("x.01", 1), ExecutionUse("y.01", 100), ExecutionUse("z.01", 100))
    with pytest.raises(AttestationRefusedError, match=r"execution z\.01 has no order"):
        ask(one, **SHORT_CALL, closing=closing)
    see(one, execution("combo.01", 0, 1, 1, 1, "O9", is_combo=True, perm_id=9))
    assert ask(one, **SHORT_CALL, closing=closing, pnl=200_000_000 - 50_000_000 - 2 * 650_000).signature


def test_a_cash_settlement_counts_from_its_expiry_date_on() -> None:
    one = attestor()
    for name, at in (("x.01", NOW + 2 * 86_400), ("y.01", NOW + 3 * 86_400)):  # 16 and 17 November 2023
        settled = execution(name, CALL, 1, 1, 15_000, "")
        see(one, msgspec.structs.replace(settled, at_ns=at * SECOND_NS), commission=0)
    see(one, execution("s.01", CALL, -1, 1, 20_000), commission=0)
    with pytest.raises(AttestationRefusedError, match="on 20231116, before its expiry"):
        ask(one, **SHORT_CALL, closing=(ExecutionUse("x.01", 1),))
    assert ask(one, **SHORT_CALL, closing=(ExecutionUse("y.01", 1),), pnl=50_000_000).signature


def test_what_ends_without_an_order_closes_all_that_is_left() -> None:
    one = attestor()
    see(one, execution("s.01", CALL, -1, 2, 20_000), execution("x.01", CALL, 1, 1, 0, ""), commission=0)
    terms = {"opened": 2, "units_before": 2, "units": 1, "opening": (ExecutionUse("s.01", 2),)}
    with pytest.raises(AttestationRefusedError, match="closes all that is left or nothing"):
        ask(one, **terms, closing=(ExecutionUse("x.01", 1),), pnl=200_000_000)


def test_parts_of_one_commission_add_up() -> None:
    one = attestor()
    see(one, execution("s.01", CALL, -1, 3, 20_000), commission=0)
    one.observe(execution("c.01", CALL, 1, 3, 10_000))
    one.observe(CommissionReport(execution_id="c.01", amount=1_000_000))
    for number, cost in enumerate((333_334, 333_333, 333_333)):
        terms = {"opened": 3, "units_before": 3 - number, "units": 1, "close_number": number}
        pnl, use = 100_000_000 - cost, (ExecutionUse("c.01", 1),)
        assert ask(one, **terms, opening=(ExecutionUse("s.01", 3),), closing=use, pnl=pnl).signature


def test_a_memory_of_the_first_version_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "attestor.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as old:
        old.executescript(
            """
            CREATE TABLE owner (one INTEGER PRIMARY KEY CHECK (one = 1), identity TEXT NOT NULL) STRICT;
            CREATE TABLE executions (
                id TEXT PRIMARY KEY, stem TEXT NOT NULL, con_id INTEGER NOT NULL, side INTEGER NOT NULL,
                quantity INTEGER NOT NULL, price INTEGER NOT NULL, at_ns INTEGER NOT NULL,
                corrected_by TEXT NOT NULL DEFAULT ''
            ) STRICT;
            CREATE INDEX stems ON executions (stem);
            CREATE TABLE commissions (id TEXT PRIMARY KEY, amount INTEGER NOT NULL) STRICT;
            CREATE TABLE multipliers (con_id INTEGER PRIMARY KEY, multiplier INTEGER NOT NULL) STRICT;
            CREATE TABLE closes (trade_id INTEGER, number INTEGER, PRIMARY KEY (trade_id, number)) STRICT;
            CREATE TABLE closings (id TEXT, trade_id INTEGER, number INTEGER, quantity INTEGER) STRICT;
            INSERT INTO owner VALUES (1, 'test');
            INSERT INTO executions (id, stem, con_id, side, quantity, price, at_ns) VALUES
                ('x.01', 'x', 10, 1, 1, 0, 0);
            INSERT INTO multipliers VALUES (10, 50);
            PRAGMA user_version = 1;
            """
        )
    for _ in range(2):
        store = AttestorStore(path, "test")
        contract = store.contract(10)
        assert contract is not None
        assert contract.multiplier == 50
        seen = store.execution("x.01")
        assert seen is not None
        assert seen.is_ordered, "nobody knows better"
        store.close()
    store = AttestorStore(path, "test")
    store.put_execution(execution("x.01", 10, 1, 1, 0, "", perm_id=3))
    seen = store.execution("x.01")
    assert seen is not None
    assert (seen.is_ordered, seen.perm_id) == (False, 3)
    store.close()


def test_a_correction_replaces_before_and_is_told_after() -> None:
    one = attestor()
    see(one, *OPENED, *CLOSED, execution("c.02", CALL, -1, 2, 29_000))
    with pytest.raises(AttestationRefusedError, match=r"corrected by c\.02"):
        ask(one)
    corrected = (ExecutionUse("c.02", 2), ExecutionUse("d.01", 2))
    assert ask(one, closing=corrected, pnl=PNL - 20_000_000).signature
    assert one.status()["corrected_after_use"] == []
    see(one, execution("d.02", HIGHER, 1, 2, 13_000))
    assert one.status()["corrected_after_use"] == ["d.01"]
    one.observe(execution("d.01", HIGHER, 1, 2, 12_000))  # the old version once more
    assert one.status()["corrected_after_use"] == ["d.01"]


def test_combinations_and_other_events_are_no_executions() -> None:
    one = attestor()
    see(one, execution("combo.01", 0, 1, 2, 14_000, is_combo=True))
    one.observe("something else")
    assert one.status()["executions"] == 0


def test_partial_closes_with_fills_in_between_add_up() -> None:
    one = attestor()
    first, second = execution("a.01", CALL, 1, 3, 25_001), execution("b.01", CALL, 1, 2, 26_003)
    sold = [execution(f"c{number}.01", CALL, -1, 1, 27_000 + number) for number in range(5)]
    see(one, first, second, *sold, commission=333_333)
    opening: tuple[ExecutionUse, ...] = (ExecutionUse("a.01", 3),)
    total = charged = 0
    for number in range(5):
        if number == 2:
            opening = (*opening, ExecutionUse("b.01", 2))
        opened = sum(use.quantity for use in opening)
        price = {"a.01": 25_001, "b.01": 26_003}
        left = -sum((price[use.execution_id] * 10_000 + 333_333) * use.quantity for use in opening) - charged
        entry = left // (opened - number)
        pnl = entry + (27_000 + number) * 10_000 - 333_333
        if number == 4:
            forgotten = (ExecutionUse("a.01", 2), ExecutionUse("b.01", 2))
            with pytest.raises(
                AttestationRefusedError, match=r"opened with 3 of execution a\.01, asked for 2"
            ):
                ask(
                    one, close_number=4, opened=5, units_before=1, units=1, pnl=pnl, opening=forgotten,
                    closing=(ExecutionUse("c4.01", 1),),
                )  # fmt: skip
        answer = ask(
            one, close_number=number, opened=opened, units_before=opened - number, units=1, pnl=pnl,
            opening=opening, closing=(ExecutionUse(f"c{number}.01", 1),),
        )  # fmt: skip
        assert answer.signature
        charged, total = charged + entry, total + pnl
    cash = -(25_001 * 3 + 26_003 * 2) * 10_000 + sum(27_000 + number for number in range(5)) * 10_000
    assert total == cash - 10 * 333_333


@given(
    st.lists(st.tuples(st.integers(1, 5), st.integers(-500_000, 500_000), st.integers(0, 10**7)), min_size=1),
    st.data(),
)
def test_the_parts_of_all_closes_are_the_whole(
    opens: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    fills = [
        Fill(con_id=1, side=1, quantity=units, price=price, multiplier=100, commission=paid)
        for units, price, paid in opens
    ]
    cash = net_cash(fills)
    units, charged = sum(fill.quantity for fill in fills), 0
    while units:
        part = data.draw(st.integers(1, units))
        result = realise(cash - charged, [], units=part, units_before=units)
        assert result.entry == result.pnl
        charged, units = charged + result.entry, units - part
    assert charged == cash
    with pytest.raises(ValueError, match="expected 1 to 0"):
        realise(0, [], units=1, units_before=0)


# --- memory --------------------------------------------------------------------------------------------


def test_the_memory_is_this_users_and_belongs_to_one_attestor(tmp_path: Path) -> None:
    path = tmp_path / "attestor.sqlite"
    store = AttestorStore(path, "one")
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(SettlementError, match="locked"):
        AttestorStore(path, "one")
    store.close()
    with pytest.raises(SettlementError, match="belongs to one"):
        AttestorStore(path, "two")
    AttestorStore(path, "one").close()


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import tests.unit.test_vault_attestor as world
one = world.ready(Path(sys.argv[1]))
async def die(message):
    os.kill(os.getpid(), signal.SIGKILL)
class Deadly:
    public_key = world.SIGNER.public_key
    sign = staticmethod(die)
one._signer = Deadly()
world.ask(one)
"""


def test_killed_between_note_and_signature_it_signs_the_same_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "attestor.sqlite"
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(path), root],
        check=False, timeout=60, capture_output=True, text=True, env={**os.environ},
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    one = attestor(path)
    assert one.status()["closes"] == 1
    with pytest.raises(AttestationRefusedError, match="was signed with pnl"):
        ask(one, pnl=PNL - 1)
    with pytest.raises(AttestationRefusedError, match="0 of 2 are free"):
        ask(one, trade_id=2)
    assert ask(one).signature == ask(ready()).signature
