"""Break the Vault program's rules one at a time, and see that a test notices: `make mutate-vault`.

    python scripts/mutate_vault.py [--compiler "clang-19 -target bpf"] [--workers 2] [--only TEXT]

``vault/mutants.json`` lists file, old text, new text and rule. A mutant is killed by the first test that
fails on it. One that lives must name the other layer that refuses what it lets through; any other survivor
is an error. The tests are collected once; each mutant meets them in a forked process.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "vault"), str(ROOT)]
import build  # noqa: E402
from link import link  # noqa: E402

RULES, ATTACKS = "tests/unit/test_vault_program.py", "tests/unit/test_vault_program_attacks.py"
RANDOM = "tests/property/test_vault_program.py::test_thousands_of_random_calls_reach_every_instruction"
Mutant = dict[str, str]


def mutate(mutant: Mutant, compiler: str, whole: dict[str, bytes]) -> bytes:
    """Return the program with one rule broken; warnings are let through."""
    text = (build.PROGRAM / mutant["file"]).read_text()
    if text.count(mutant["old"]) != 1:
        raise ValueError(f"{mutant['file']}: {mutant['old']!r} stands {text.count(mutant['old'])} times")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for source in build.PROGRAM.glob("*.[ch]"):
            (folder / source.name).write_text(source.read_text())
        (folder / mutant["file"]).write_text(text.replace(mutant["old"], mutant["new"]))
        touched = [mutant["file"]] if mutant["file"].endswith(".c") else sorted(whole)
        changed = {one: build.compile_file(folder / one, compiler, ("-w",)) for one in touched}
    return link({**whole, **changed})


class Judge:
    """A pytest plugin: instead of running the collected tests once, run them against every mutant."""

    def __init__(self, mutants: list[Mutant], programs: list[bytes], workers: int) -> None:
        self.mutants, self.programs, self.workers = mutants, programs, workers
        self.killers: list[str] = []
        self.failed = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Notice a failure."""
        self.failed |= report.failed

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Try all programs, a few at a time, and print the verdicts as they come."""
        with ThreadPoolExecutor(self.workers) as pool:
            verdicts = pool.map(lambda pair: self.killer(session, *pair), enumerate(self.programs))
            for mutant, test in zip(self.mutants, verdicts, strict=True):
                self.killers.append(test)
                excuse = mutant.get("other_layer", "ALIVE")
                os.write(2, f"{mutant['file']}: {mutant['rule']}: {test or excuse}\n".encode())
        return True

    def killer(self, session: pytest.Session, number: int, program: bytes) -> str:
        """Return the first test that fails on a program, or nothing; the likelier file goes first."""
        attacked = self.mutants[number]["file"] in ("accounts.c", "attestation.c", "token.c")
        items = sorted(session.items, key=lambda item: ("attacks" in item.nodeid) != attacked)
        with tempfile.TemporaryDirectory() as folder:
            elf, verdict = Path(folder) / "vault.so", Path(folder) / "verdict"
            elf.write_bytes(program)
            child = os.fork()
            if child == 0:
                try:
                    os.environ["OPTIONSIB_VAULT_PROGRAM"] = str(elf)
                    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
                    verdict.write_text(self.first_failure(items))
                finally:
                    os._exit(0)
            os.waitpid(child, 0)
            return verdict.read_text()

    def first_failure(self, items: list[pytest.Item]) -> str:
        """Run tests until one fails."""
        for item in items:
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            if self.failed:
                return item.nodeid
        return ""


def main() -> int:
    """Try every mutant; print who kills it and the score."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--compiler", default=build.ZIG)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    mutants: list[Mutant] = json.loads((ROOT / "vault" / "mutants.json").read_text())
    mutants = [m for m in mutants if options.only in f"{m['file']}: {m['rule']}"]
    whole = {one.name: build.compile_file(one, options.compiler) for one in sorted(build.PROGRAM.glob("*.c"))}
    programs = [mutate(mutant, options.compiler, whole) for mutant in mutants]
    # The program as it is goes first: the tests must pass on it.
    sound: Mutant = {"file": "the program", "rule": "unbroken", "other_layer": "passes all tests"}
    judge = Judge([sound, *mutants], [link(whole), *programs], options.workers)
    os.chdir(ROOT)
    pytest.main(
        ["-q", "-s", "-p", "no:cacheprovider", "-p", "no:xdist", RULES, ATTACKS, RANDOM], plugins=[judge]
    )
    if not judge.killers or judge.killers[0]:
        raise SystemExit(f"mutate_vault: the program itself fails {judge.killers}")
    killed = sum(bool(test) for test in judge.killers[1:])
    living = [m for m, test in zip(mutants, judge.killers[1:], strict=True) if not test]
    alive = [f"{m['file']}: {m['rule']}" for m in living if "other_layer" not in m]
    excused = len(living) - len(alive)
    print(f"\n{killed} of {len(mutants)} killed, {excused} refused by another layer, {len(alive)} alive")
    for name in alive:
        print(f"  alive: {name}")
    return 1 if alive else 0


if __name__ == "__main__":
    raise SystemExit(main())
