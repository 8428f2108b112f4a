"""The gateway's own tests, over real sockets, with the other client library behind its switch.

``make test-clients`` makes the environment. The library and what it needs come from there, all else from
the environment that runs the tests; with ib_async they are the ordinary tests.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIBRARY = "ib_insync"
TESTS = (
    "unit/test_ib_library.py",
    "unit/test_ib_conversions.py",
    "unit/test_ib_changes.py",
    "unit/test_ib_order_kinds.py",
    "property/test_ib_callbacks.py",
    "integration/test_ib_gateway.py",
    "integration/test_ib_gateway_adoption.py",
    "integration/test_ib_gateway_codes.py",
    "integration/test_ib_gateway_fills.py",
    "integration/test_ib_gateway_link.py",
    "integration/test_ib_gateway_orders.py",
    "integration/test_ib_gateway_pacing.py",
    "integration/test_ib_gateway_sessions.py",
    "integration/test_ib_gateway_state.py",
    "integration/test_ib_gateway_streams.py",
)


def test_the_gateway_does_the_same_with_ib_insync() -> None:
    packages = [*(ROOT / "build" / "clients" / LIBRARY).glob("lib/python*/site-packages")]
    if not packages:
        pytest.skip(f"no environment for {LIBRARY}; `make test-clients` makes it")
    environment = os.environ | {"OPTIONSIB_IB_LIBRARY": LIBRARY, "PYTHONPATH": str(packages[0])}
    # Under pytest-xdist the outer run has told its workers by the environment what they are.
    environment = {name: value for name, value in environment.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
        + [f"tests/{name}" for name in TESTS],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=ROOT,
        env=environment,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    found = re.search(r"(\d+) passed", done.stdout.splitlines()[-1])
    assert found is not None
    assert int(found[1]) > 150
    assert "skipped" not in done.stdout.splitlines()[-1]
