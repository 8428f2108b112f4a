"""The public types are tested like code: ``tests/typing`` through mypy, the stubs against the module."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "tests" / "typing").glob("*.py"))


def run(*arguments: str, cache: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        timeout=280,
        env={"MYPYPATH": "python", "MYPY_CACHE_DIR": str(cache), "PATH": ""},
    )


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_types_are_as_asserted(file: Path, tmp_path: Path) -> None:
    done = run("mypy", "--strict", "--config-file=", str(file), cache=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_native_stubs_match_the_module(tmp_path: Path) -> None:
    allowlist = ROOT / "tests" / "typing" / "native_allowlist.txt"
    done = run(
        "mypy.stubtest", "optionsib._native._core", "--concise", "--allowlist", str(allowlist), cache=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr
