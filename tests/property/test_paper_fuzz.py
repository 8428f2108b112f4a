"""A short run of the paper exchange's fuzzer, three exchanges long; ``make fuzz`` runs 100,000 requests."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "fuzz_paper.py"


def test_whatever_comes_over_a_socket_the_exchange_stands() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--seed", "1", "--calls", "6000"],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "never retrieved" not in done.stderr
    found = re.search(r"(\d+) requests taken, (\d+) connections, (\d+) messages", done.stdout)
    assert found is not None
    taken, connections, messages = map(int, found.groups())
    assert taken >= 6000
    assert connections > 100
    assert messages > taken
