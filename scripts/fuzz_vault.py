"""Random calls into the Vault program beside its reference, with clock moves: `make fuzz-vault`.

    python scripts/fuzz_vault.py [--seed N] [--calls N] [--thief-calls N] [--workers N] [--program FILE]

Each vault lives for a few hundred calls, then everything is expired and withdrawn. The invariants are those
of ``tests/vault_driver.py``. A failure names the seed of its vault, which alone repeats it (--calls 1). After
that thieves with each set of stolen keys make their calls (``tests/vault_thief.py``).
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.vault_driver import Driver
from tests.vault_thief import KEYS, Thief

STEPS = 400
BATCH = 10


def play(seed: int, program: bytes | None) -> Counter[str]:
    """Play one vault to its end."""
    driver, rng = Driver(program), random.Random(seed)
    for step in range(STEPS):
        try:
            driver.step(rng.randrange)
        except Exception as error:
            raise RuntimeError(f"seed {seed}, step {step}: {error}") from error
    driver.finish()
    return Counter(driver.seen)


def batch(first: int, program: bytes | None) -> Counter[str]:
    """Play some vaults."""
    return sum((play(seed, program) for seed in range(first, first + BATCH)), Counter[str]())


def steal(holds: tuple[str, ...], seed: int, calls: int, program: bytes | None) -> str:
    """Let a thief make its calls; say what it got."""
    thief = Thief(seed, holds, program)
    for step in range(calls):
        try:
            thief.step()
        except Exception as error:
            raise RuntimeError(f"thief with {holds}, seed {seed}, step {step}: {error}") from error
    thief.finish()
    return (
        f"thief with {' + '.join(holds)}: {thief.calls} transactions, {thief.seen['accepted']} accepted, "
        f"took {thief.lost}, at most {thief.worst_day} in 24 hours"
    )


def main() -> int:
    """Play until enough calls were made; print how often each answer came."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--thief-calls", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--program", type=Path)
    options = parser.parse_args()
    program = options.program.read_bytes() if options.program else None
    answers: Counter[str] = Counter()
    first, vaults = options.seed * 10**7, 0
    with ProcessPoolExecutor(options.workers) as pool:
        while answers.total() < options.calls:
            starts = [first + vaults + BATCH * n for n in range(options.workers)]
            for found in pool.map(batch, starts, [program] * options.workers):
                answers += found
            vaults += BATCH * options.workers
        jobs = [(holds, options.seed, options.thief_calls, program) for holds in KEYS]
        thefts = list(pool.map(steal, *zip(*jobs, strict=True)))
    accepted = sum(count for name, count in answers.items() if name.startswith("+"))
    print(
        f"seed {options.seed}: {answers.total()} calls on {vaults} vaults, "
        f"{accepted} accepted, all as the reference"
    )
    for name, count in answers.most_common():
        print(f"  {name:40} {count}")
    for theft in thefts:
        print(theft)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
