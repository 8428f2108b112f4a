"""Every instruction set of this machine gives the golden values, and says so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PATHS = ("baseline", "avx2", "avx512")
ROOT = Path(__file__).parents[2]


def run(path: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the path forced."""
    environment = {**os.environ, "OPTIONSIB_SIMD": path}
    return subprocess.run(
        [sys.executable, *arguments], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )


def require(path: str) -> None:
    """Skip where this machine cannot run the path."""
    result = run(path, "-c", "import optionsib.pricing")
    if result.returncode != 0 and "this machine does not have it" in result.stderr:
        pytest.skip(f"no {path} here")
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("path", PATHS)
def test_golden_values_hold_on_every_path(path: str) -> None:
    require(path)
    result = run(path, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/golden/test_pricing_golden.py")
    assert result.returncode == 0, result.stdout[-4000:]


def test_an_unknown_path_is_refused_by_name() -> None:
    result = run("neon", "-c", "import optionsib.pricing; optionsib.pricing.price(1, 100, 100, 1, 0, 0.2)")
    assert result.returncode != 0
    assert "OPTIONSIB_SIMD must be baseline, avx2 or avx512, got 'neon'" in result.stderr


@pytest.mark.parametrize("path", PATHS)
def test_denormal_numbers_survive_the_import(path: str) -> None:
    require(path)
    code = (
        "import optionsib.pricing, numpy; assert 5e-324 * 1.0 != 0; assert numpy.float64(5e-324) * 1.0 != 0"
    )
    assert run(path, "-c", code).returncode == 0
