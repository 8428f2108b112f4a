"""The Vault program in the Solana VM against its reference: the invariants are in ``tests.vault_driver``."""

from __future__ import annotations

import random
import shutil

import pytest

pytest.importorskip("solders")

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from tests.vault_driver import JUMPS, KINDS, Driver
from tests.vault_tools import debian_clang_build


class VaultProgram(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.driver = Driver()

    @rule(data=st.data(), kind=st.sampled_from(sorted(set(KINDS))))
    def call(self, data: st.DataObject, kind: str) -> None:
        self.driver.call(kind, lambda count: data.draw(st.integers(0, count - 1)))

    @rule(data=st.data())
    def open_or_close(self, data: st.DataObject) -> None:
        kind = data.draw(st.sampled_from(["open", "close"]))
        self.driver.call(kind, lambda count: data.draw(st.integers(0, count - 1)))

    @rule(seconds=st.sampled_from(JUMPS))
    def time_passes(self, seconds: int) -> None:
        self.driver.pass_time(seconds)

    @rule(name=st.sampled_from(["funds", "escrow"]), amount=st.integers(1, 9))
    def dust_falls(self, name: str, amount: int) -> None:
        self.driver.dust(name, amount)

    @rule(name=st.sampled_from(["funds", "escrow", "payout", "settlement", "fee"]))
    def freeze_and_try(self, name: str) -> None:
        self.driver.freeze(name)
        rng = random.Random(name)
        for kind in ("withdraw", "open", "close", "sweep"):
            self.driver.call(kind, rng.randrange)
        self.driver.thaw(name)

    def teardown(self) -> None:
        self.driver.finish()


VaultProgram.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestVaultProgram = VaultProgram.TestCase


def play(elf: bytes | None, seeds: range, steps: int) -> tuple[int, dict[str, int]]:
    calls, seen = 0, dict[str, int]()
    for seed in seeds:
        driver, rng = Driver(elf), random.Random(seed)
        for _ in range(steps):
            driver.step(rng.randrange)
        driver.finish()
        calls += driver.calls
        for name, count in driver.seen.items():
            seen[name] = seen.get(name, 0) + count
    return calls, seen


def test_thousands_of_random_calls_reach_every_instruction() -> None:
    calls, seen = play(None, range(20), 300)
    assert calls > 3_500
    assert {name for name in seen if name.startswith("+")} == {f"+{kind}" for kind in KINDS}


@pytest.mark.skipif(shutil.which("clang-19") is None, reason="Debian's clang-19 is not installed")
def test_the_build_of_debians_clang_behaves_the_same() -> None:
    calls, _ = play(debian_clang_build(), range(100, 110), 300)
    assert calls > 2_000
