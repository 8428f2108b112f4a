"""The regression gate must bite, must not bite without a baseline, and must not lose a kernel in silence."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "bench_gate.py"


@pytest.fixture(scope="module")
def gate() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("bench_gate", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["bench_gate"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["bench_gate"]


@pytest.mark.parametrize(("value", "failed"), [(0.5, False), (1.0, False), (1.119, False), (1.121, True)])
def test_a_time_fails_beyond_12_percent(gate: ModuleType, value: float, failed: bool) -> None:
    (finding,) = gate.judge("time / floor", "avx2", {"price": value}, {"price": 1.0}, gate.MOST_TIME)
    assert finding.failed is failed


@pytest.mark.parametrize(("value", "failed"), [(104.9, False), (105.1, True)])
def test_instructions_fail_beyond_5_percent(gate: ModuleType, value: float, failed: bool) -> None:
    (finding,) = gate.judge("instructions", "avx2", {"price": value}, {"price": 100}, gate.MOST_INSTRUCTIONS)
    assert finding.failed is failed


def test_twenty_percent_more_work_is_beyond_both_limits(gate: ModuleType) -> None:
    assert gate.MOST_TIME < 1.2
    assert gate.MOST_INSTRUCTIONS < 1.2


def test_an_unknown_machine_is_reported_and_not_failed(gate: ModuleType) -> None:
    (finding,) = gate.judge("time / floor", "avx2", {"price": 1e9}, None, gate.MOST_TIME)
    assert finding.change is None
    assert not finding.failed


def test_a_kernel_that_lost_its_name_is_an_error(gate: ModuleType) -> None:
    with pytest.raises(ValueError, match="not measured: vanished"):
        gate.judge("time / floor", "avx2", {"price": 1.0}, {"price": 1.0, "vanished": 1.0}, gate.MOST_TIME)


def test_a_noisy_attempt_is_forgiven_and_a_slow_kernel_is_not(gate: ModuleType) -> None:
    noisy = iter([{"price": 1.3}, {"price": 1.05}])
    assert not any(f.failed for f in gate.judge_times("avx2", lambda: next(noisy), {"price": 1.0}))
    slow = iter([{"price": 1.3}, {"price": 1.2}, {"price": 1.25}])
    (finding,) = gate.judge_times("avx2", lambda: next(slow), {"price": 1.0})
    assert finding.failed
    assert finding.value == 1.2


def test_stored_numbers_name_cpu_path_and_compiler(gate: ModuleType) -> None:
    baseline = gate.Baseline(gate.BASELINE, "gcc 12")
    assert baseline.time_key("avx2").endswith("| avx2 | gcc 12")
    for measure in ("times", "instructions"):
        for key, kernels in baseline.content[measure].items():
            place, path, compiler = key.split(" | ")
            assert place, key
            assert path in ("baseline", "avx2", "avx512"), key
            assert compiler, key
            assert all(value > 0 for value in kernels.values()), key
