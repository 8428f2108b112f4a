"""A short run of the fuzzer on American options; ``make fuzz`` runs longer, on a sanitized module."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "fuzz_american.py"


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_goes_in_the_answer_is_right_or_refused(seed: int) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--seed", str(seed), "--calls", "150"],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    refused, checked = (int(part.split()[0]) for part in done.stdout.split(": ")[1].split(", "))
    assert 8 < refused < 100
    assert checked > 60
