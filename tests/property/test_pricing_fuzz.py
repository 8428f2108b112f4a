"""A short run of the fuzzer on the module as installed; ``make fuzz`` runs longer, on a sanitized one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "fuzz_pricing.py"


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_whatever_goes_in_the_answer_is_right_or_refused(seed: int) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--seed", str(seed), "--calls", "3000"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    refused, checked = (int(part.split()[0]) for part in done.stdout.split(": ")[1].split(", "))
    assert 100 < refused < 1500
    assert checked > 2000
