"""The committed Vault program is what its sources give: schema, header, compilers, hash, loader."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("solders")

from solders.litesvm import FeatureSet, LiteSVM
from tests.vault_tools import ROOT, debian_clang_build, load
from tests.vault_world import DAY, PROGRAM, World, program_file


def elf() -> bytes:
    return program_file("vault.so").read_bytes()


def test_the_header_is_what_the_schema_gives() -> None:
    tool = load("generate_header")
    schema = json.loads(program_file("vault.json").read_text())
    assert (ROOT / "vault" / "program" / "schema.h").read_text() == tool.header(schema)


def test_the_hash_is_that_of_the_program() -> None:
    digest = hashlib.sha256(elf()).hexdigest()
    assert program_file("vault.so.sha256").read_text() == f"{digest}  vault.so\n"


@pytest.mark.skipif(
    not (ROOT / "build" / "vault-compiler" / "complete").exists(),
    reason="the pinned compiler is not installed: scripts/vault_env.sh",
)
def test_the_pinned_compiler_gives_the_committed_program(tmp_path: Path) -> None:
    tool = load("build")
    copied = tmp_path / "elsewhere"
    shutil.copytree(tool.PROGRAM, copied)
    assert tool.build(folder=copied) == elf()


@pytest.mark.skipif(shutil.which("clang-19") is None, reason="Debian's clang-19 is not installed")
def test_debians_clang_builds_a_program_that_deploys() -> None:
    world = World(debian_clang_build(), loader=True).ready()
    assert world.open() is None
    assert world.close(1, 100, -5) is None


def test_deployed_through_the_upgradeable_loader_and_immutable() -> None:
    from solders.pubkey import Pubkey

    world = World(loader=True).ready()
    assert world.open() is None
    assert world.close(1, 100, 50) is None
    loader = Pubkey.from_string("BPFLoaderUpgradeab1e11111111111111111111111")
    data = world.data(Pubkey.find_program_address([bytes(PROGRAM.pubkey())], loader)[0])
    assert data[:4] == bytes([3, 0, 0, 0])
    assert data[12] == 0  # no upgrade authority
    assert data[45:] == elf()


def test_it_runs_with_the_features_that_mainnet_does_not_have_yet() -> None:
    world = World(loader=True, planned=True).ready()
    assert len(FeatureSet.all_enabled().active) > len(LiteSVM.mainnet_feature_set().active)
    assert world.open() is None
    assert world.close(1, 50, -5) is None
    assert world.close(1, 25, 20) is None
    world.set_time(world.now + DAY)
    assert world.send(world.client.expire(world.trader, world.trade())) is None
    assert not world.is_open()
    assert world.send(world.client.withdraw(world.trader, world.address["payout"], 10_000), "trader") is None


def test_nobody_can_upgrade_it() -> None:
    from optionsib.vault.deploy import make_immutable

    world = World(loader=True)
    assert world.send(make_immutable(PROGRAM.pubkey(), world.pub("payer"))) is not None


TEXT_AT = 64 + 56 + 8
DAMAGES = {
    "truncated": lambda raw: raw[:-9],
    "another version": lambda raw: raw[:48] + bytes([9]) + raw[49:],
    "another machine": lambda raw: raw[:18] + bytes([62]) + raw[19:],
    "entry outside the code": lambda raw: raw[:24] + bytes(8) + raw[32:],
    "entry within the code but no instruction": lambda raw: raw[:24] + bytes([raw[24] + 4]) + raw[25:],
    "writable code": lambda raw: raw[: 64 + 56 + 4] + bytes([3]) + raw[64 + 56 + 5 :],
    "writable data": lambda raw: raw[: 64 + 4] + bytes([6]) + raw[64 + 5 :],
    "unknown opcode": lambda raw: raw[:-8] + bytes([0xFF]) + raw[-7:],
    "jump out of the code": lambda raw: raw[:-8] + bytes([0x05, 0, 0xFF, 0x7F]) + raw[-4:],
    "not an ELF": lambda raw: b"\x7fELG" + raw[4:],
    "empty": lambda raw: raw[:64],
}


@pytest.mark.parametrize("damage", sorted(DAMAGES))
def test_the_loader_refuses_damaged_programs(damage: str) -> None:
    with pytest.raises(RuntimeError, match=r"InvalidAccountData|InvalidProgram|Invalid"):
        World(DAMAGES[damage](elf()), loader=True)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("clang-19") is None, reason="Debian's clang-19 is not installed")
def test_the_directed_tests_pass_on_the_build_of_debians_clang(tmp_path: Path) -> None:
    program = tmp_path / "vault.so"
    program.write_bytes(debian_clang_build())
    tests = [str(ROOT / "tests" / "unit" / f"test_vault_program{part}.py") for part in ("", "_attacks")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests],
        cwd=ROOT,
        env={**os.environ, "OPTIONSIB_VAULT_PROGRAM": str(program)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
