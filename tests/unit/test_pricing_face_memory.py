"""Memory, references, threads and processes around the pricing functions."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from optionsib._native import _core
from optionsib.pricing import Greeks, clear_buffers, greeks, implied_greeks, implied_volatility, price

MIB = 1 << 20
LARGE = 200_000
REST = (95.0, 0.5, 0.03)


def spots(size: int = LARGE) -> Any:
    return np.linspace(60.0, 140.0, size)


# --- allocations --------------------------------------------------------------------------------------


def peak_bytes(call: Any) -> int:
    call()
    gc.collect()
    tracemalloc.start()
    call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_no_call_allocates_per_element() -> None:
    s, out, rows = spots(), np.empty(LARGE), np.empty((17, LARGE))
    status = np.empty(LARGE, dtype=np.int8)
    quotes = price("call", s, *REST, 0.2)
    kinds = np.ones(LARGE, dtype=np.int8)
    solved = implied_greeks(quotes, "call", s, *REST)
    live_before = _core.buffer_use()[1]
    mappings = _core.buffer_use()[2]
    for call in (
        lambda: price(kinds, s, *REST, 0.2, out=out, status=status),
        lambda: price("call", s[::-1], *REST, 0.2, out=out[::-1]),
        lambda: greeks("put", s, *REST, 0.2, order=3, out=rows),
        lambda: implied_volatility(quotes, "call", s, *REST, guess=out, out=out, status=status),
        lambda: implied_greeks(quotes, "call", s, *REST, out=solved),
        lambda: price("call", s, *REST, 0.2, out=out, threads=2),
    ):
        assert peak_bytes(call) < 4096
    assert _core.buffer_use()[1:] == (live_before, mappings)


def test_broadcast_arguments_are_not_materialised() -> None:
    row, column = spots(1000), np.linspace(80.0, 120.0, 200)[:, None]
    assert peak_bytes(lambda: price("call", row, column, 0.5, 0.03, np.array([[0.2]]))) < 4096


# --- the pool of large results ------------------------------------------------------------------------


def test_the_memory_of_a_dead_result_serves_the_next() -> None:
    clear_buffers()
    s = spots()
    price("call", s, *REST, 0.2)
    cached, live, mappings = _core.buffer_use()
    assert cached >= 8 * LARGE
    for _ in range(20):
        price("call", s, *REST, 0.2)
        price("put", s[: LARGE - 100], *REST, 0.2)
    assert _core.buffer_use() == (cached, live, mappings)
    values = price("call", s, *REST, 0.2)
    assert _core.buffer_use()[1] == live + cached
    view = values[10:20]
    del values
    assert _core.buffer_use()[1] == live + cached  # a view keeps it
    copied = view.copy()
    assert np.array_equal(view, copied)
    del view
    assert _core.buffer_use()[:2] == (cached, live)
    clear_buffers()
    assert _core.buffer_use()[:2] == (0, live)


def test_live_results_never_share_memory() -> None:
    s = spots()
    expected = greeks("call", s, *REST, 0.2, order=3)
    kept = [greeks("call", s, *REST, 0.2, order=3) for _ in range(3)]
    addresses = {column.ctypes.data for result in (expected, *kept) for column in result}
    assert len(addresses) == 4 * 17
    assert all(np.array_equal(a, b) for result in kept for a, b in zip(result, expected, strict=True))
    # A column outlives its result and the others.
    delta = kept[0].delta
    del kept
    price("put", s, *REST, 0.3)
    assert np.array_equal(delta, expected.delta)
    assert delta.flags.writeable
    assert delta.flags.aligned


def test_the_pool_is_bounded() -> None:
    clear_buffers()
    live = _core.buffer_use()[1]
    s = spots(4_000_000)
    kept = [price("call", s, *REST, 0.2) for _ in range(9)]
    assert _core.buffer_use()[1] - live >= 9 * s.nbytes
    del kept
    cached, after, _ = _core.buffer_use()
    assert after == live
    assert 200 * MIB < cached <= 256 * MIB
    for size in range(40_000, 400_000, 7_000):
        price("call", s[:size], *REST, 0.2)
        assert _core.buffer_use()[0] <= 256 * MIB
    clear_buffers()
    assert _core.buffer_use()[0] == 0


# --- references ---------------------------------------------------------------------------------------


def test_reference_counts_stay_flat() -> None:
    s, k, out = spots(3), np.array([1, -1, 1], dtype=np.int8), np.empty(3)
    rows, status = np.empty((9, 3)), np.empty(3, dtype=np.int8)
    texts = np.array(["c", "p", "c"])
    previous = greeks(k, s, *REST, 0.2)
    spot, model, name = 100.25, "".join(["bl", "ack76"]), "".join(["ca", "ll"])
    watched: list[Any] = [s, k, out, rows, status, texts, previous, spot, model, name, type(previous)]

    def work() -> None:
        price(name, spot, *REST, 0.2, model=model)
        greeks(name, spot, *REST, 0.2)
        implied_volatility(9.0, 1, spot, *REST)
        implied_greeks(9.0, 1, spot, *REST)
        price(k, s, *REST, 0.2, out=out, status=status)
        greeks(texts, s, *REST, 0.2, out=rows)
        greeks(k, s, *REST, 0.2, out=previous)
        implied_volatility(30.0, 1, s, *REST, guess=out)
        for bad in (
            {"spot": -1.0},
            {"spot": "x"},
            {"spot": [1, 2]},
            {"kind": 0},
            {"kind": ["c", "x"]},
            {"out": k},
        ):
            arguments: dict[str, Any] = {"kind": k, "spot": s, **bad}
            try:
                price(arguments.pop("kind"), arguments.pop("spot"), *REST, 0.2, **arguments)
            except ValueError:
                continue

    def counts() -> list[int]:
        gc.collect()
        return [sys.getrefcount(item) for item in watched]

    for _ in range(100):
        work()
    before, blocks = counts(), sys.getallocatedblocks()
    for _ in range(7000):
        work()
    assert counts() == before
    assert abs(sys.getallocatedblocks() - blocks) < 200


def test_100_000_scalar_calls_leave_nothing_behind() -> None:
    def work(count: int) -> None:
        for _ in range(count):
            greeks("call", 100.0, 95.0, 0.5, 0.03, 0.2)

    work(1000)
    gc.collect()
    blocks, references = sys.getallocatedblocks(), sys.getrefcount(Greeks)
    work(100_000)
    gc.collect()
    assert abs(sys.getallocatedblocks() - blocks) < 200
    assert sys.getrefcount(Greeks) == references


# --- threads and processes ----------------------------------------------------------------------------


def test_calls_from_several_threads_at_once() -> None:
    s = spots(50_000)
    expected = greeks("call", s, *REST, 0.2, order=2)

    def work(threads: int) -> bool:
        for _ in range(4):
            result = greeks("call", s, *REST, 0.2, order=2, threads=threads)
            if not all(np.array_equal(a, b) for a, b in zip(result, expected, strict=True)):
                return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, [1, 2, 0, 3]))


FORKS = """
import os, sys, warnings
import numpy as np
import optionsib
warnings.simplefilter("ignore", DeprecationWarning)
s = np.linspace(60.0, 140.0, 50_000)
def work():
    return optionsib.price("call", s, 95.0, 0.5, 0.03, 0.2, threads=2)
before = work()
for _ in range(3):
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(work(), before) else 1)
    assert np.array_equal(work(), before)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
print("equal")
"""


def test_a_forked_process_prices_as_its_parent() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKS], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "equal\n", done.stderr


@pytest.mark.parametrize("first", ["optionsib", "torch"])
def test_torch_and_denormals_live_beside_us(first: str) -> None:
    if first == "torch":
        pytest.importorskip("torch", reason="torch is not installed here")
    second = "torch" if first == "optionsib" else "optionsib"
    script = f"""
import {first}
try:
    import {second}
except ImportError:
    pass
import numpy as np, optionsib
values = optionsib.price("call", np.linspace(60.0, 140.0, 50_000), 95.0, 0.5, 0.03, 0.2, threads=2)
print(values[-1].hex(), (np.float64(5e-324) * 1.0).hex())
"""
    plain = price("call", spots(50_000), *REST, 0.2)[-1].hex()
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.split() == [plain, "0x0.0000000000001p-1022"]


@pytest.mark.parametrize("path", ["baseline", "avx2", "avx512", "mmx"])
def test_the_environment_chooses_the_simd_path(path: str) -> None:
    script = "import optionsib; print(optionsib.simd_path(), optionsib.price('c', 42.0, 40.0, 0.5, 0.1, 0.2))"
    environment = {**os.environ, "OPTIONSIB_SIMD": path}
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment,
    )
    if path == "mmx":
        assert "OPTIONSIB_SIMD must be baseline, avx2 or avx512, got 'mmx'" in done.stderr
    elif "this machine does not have it" in done.stderr:
        pytest.skip(f"this machine has no {path}")
    else:
        used, value = done.stdout.split()
        assert used == path
        assert float(value) == pytest.approx(4.759422392871532, rel=1e-14)
