"""A short soak: random trading under random faults ends with gateway and exchange in the same state."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_gateway_and_exchange_agree_after_a_storm() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "soak_ib.py", "--seed", "7", "--minutes", "0.4"],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    facts = json.loads(done.stdout.splitlines()[-1])
    assert facts["differences"] == 0
    assert facts["orders"] >= 20  # the storm did not keep it from trading
    assert facts["executions"] >= 10
    assert sum(facts["faults"].values()) >= 8
    assert set(facts["by_type"]) == {"OPT", "FUT", "FOP", "CASH"}
