"""Prices on a Dask cluster of separate processes: the bits of one machine, whatever happens to workers."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from distributed import Client, LocalCluster
from distributed.security import Security

from optionsib.launchers.cluster import ClusterError, ClusterSettings, cluster
from optionsib.pricing import (
    AsianOption,
    BarrierOption,
    BlackScholes,
    EuropeanOption,
    Heston,
    MonteCarloResult,
    WorkerMismatchError,
    _shipping,
    monte_carlo,
    price_many,
    simd_path,
)

DATES = tuple((i + 1) / 52 for i in range(52))
ASIAN = AsianOption(kind="call", strike=100.0, dates=DATES)
BARRIER = BarrierOption(
    kind="call", strike=100.0, expiry=1.0, barrier=90.0, direction="down", action="out", dates=DATES
)
CALL = EuropeanOption(kind="call", strike=105.0, expiry=1.0)
MARKET = BlackScholes(spot=100.0, volatility=0.2, rate=0.05)
HESTON = Heston(spot=100.0, variance=0.05, kappa=1.5, theta=0.04, xi=0.6, rho=-0.7, rate=0.03)


def bits(found: MonteCarloResult) -> Any:
    return found.price, found.stderr, dict(found.greeks), found.paths, found.difference


@pytest.fixture(scope="module")
def dask() -> Iterator[LocalCluster]:
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0", host="127.0.0.1"
    ) as found:
        yield found


@pytest.fixture
def client(dask: LocalCluster) -> Iterator[Client]:
    with Client(dask, set_as_default=False) as found:
        found.wait_for_workers(2, timeout=60)
        yield found


def kill_one(client: Client) -> int:
    """Kill a worker's process and return its number; its nanny will start another."""
    pids = client.run(os.getpid)
    assert os.getpid() not in pids.values()
    killed: int = next(iter(pids.values()))
    os.kill(killed, signal.SIGKILL)
    return killed


def idle(client: Client) -> None:
    """Wait until the workers have nothing to do."""
    deadline = time.monotonic() + 60
    while any(client.processing().values()):
        assert time.monotonic() < deadline, client.processing()
        time.sleep(0.05)


@pytest.mark.parametrize(
    "options",
    [
        {"paths": 100_001, "sampler": "philox"},
        {"paths": 100_001, "sampler": "xoshiro", "dtype": "float32", "common_normals": True},
        {"paths": 131_072, "sampler": "sobol", "control_variate": "geometric"},
        {"paths": 400_000, "sampler": "philox", "target_stderr": 0.03, "greeks": "pathwise"},
        {"paths": 100_000, "sampler": "philox", "antithetic": True, "greeks": "likelihood"},
    ],
    ids=lambda options: options["sampler"],
)
def test_the_answer_is_that_of_one_machine(client: Client, options: dict[str, Any]) -> None:
    alone = monte_carlo(ASIAN, MARKET, seed=3, **options)
    with client.get_executor(pure=False) as executor:
        spread = monte_carlo(ASIAN, MARKET, seed=3, executor=executor, **options)
    assert bits(spread) == bits(alone)


def test_a_sweep_is_its_jobs_one_by_one(client: Client) -> None:
    products = [ASIAN, BARRIER, CALL, CALL]
    models = [MARKET, MARKET, HESTON, MARKET]
    options: dict[str, Any] = {"paths": 30_000, "seed": 5, "target_stderr": 0.08}
    alone = [monte_carlo(p, m, **options) for p, m in zip(products, models, strict=True)]
    assert len({one.paths for one in alone}) > 1  # they end after different numbers of rounds
    assert [bits(one) for one in price_many(products, models, **options)] == [bits(one) for one in alone]
    with client.get_executor(pure=False) as executor:
        spread = price_many(products, models, executor=executor, **options)
    assert [bits(one) for one in spread] == [bits(one) for one in alone]


def test_a_killed_worker_changes_nothing(client: Client) -> None:
    alone = monte_carlo(ASIAN, HESTON, paths=200_000, seed=3)
    seen: list[int] = []
    killed: list[int] = []

    def watch(done: int, total: int) -> None:
        seen.append(done)
        if not killed:
            killed.append(kill_one(client))

    with client.get_executor(pure=False) as executor:
        spread = monte_carlo(ASIAN, HESTON, paths=200_000, seed=3, executor=executor, progress=watch)
    assert bits(spread) == bits(alone)
    assert seen == sorted(set(seen))
    assert seen[0] < 100_000
    assert seen[-1] == 200_000
    client.wait_for_workers(2, timeout=60)
    assert killed[0] not in client.run(os.getpid).values()


def test_a_killed_worker_changes_nothing_of_a_sweep(client: Client) -> None:
    products = [EuropeanOption(kind="call", strike=float(strike), expiry=1.0) for strike in range(90, 110)]
    alone = price_many(products, HESTON, paths=20_000, steps=50, seed=3)
    killed: list[int] = []

    def watch(done: int, total: int) -> None:
        assert total == 20 * 20_000
        if not killed:
            killed.append(kill_one(client))

    with client.get_executor(pure=False) as executor:
        spread = price_many(
            products, HESTON, paths=20_000, steps=50, seed=3, executor=executor, progress=watch
        )
    assert killed
    assert [bits(one) for one in spread] == [bits(one) for one in alone]


def test_cancelling_leaves_the_cluster_free(client: Client) -> None:
    with client.get_executor(pure=False) as executor:
        found = monte_carlo(
            ASIAN, HESTON, paths=400_000, seed=3, executor=executor, progress=lambda done, total: False
        )
        assert 0 < found.paths < 400_000
        first = monte_carlo(ASIAN, HESTON, paths=found.paths, seed=3)
        with pytest.raises(CancelledError, match="of 4000000 paths"):
            price_many(
                [ASIAN] * 20, HESTON, paths=200_000, seed=3, executor=executor, progress=lambda *_: False
            )
    # What was done is the beginning of the whole; what was not is not waited for.
    assert bits(found) == bits(first)
    idle(client)
    with client.get_executor(pure=False) as executor:
        assert bits(monte_carlo(CALL, MARKET, paths=5000, seed=1, executor=executor)) == bits(
            monte_carlo(CALL, MARKET, paths=5000, seed=1)
        )


def test_another_build_is_refused_by_name(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_shipping, "build", lambda: "optionsib 9.9.9, native core 0")
    with client.get_executor(pure=False) as executor, pytest.raises(WorkerMismatchError) as refused:
        monte_carlo(CALL, MARKET, paths=5000, seed=1, executor=executor)
    assert "worker " in str(refused.value)
    assert "the work was sent by optionsib 9.9.9" in str(refused.value)


def test_a_simd_path_that_no_worker_has(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optionsib.pricing._plan._core.simd_path", lambda: "avx1024")
    with client.get_executor(pure=False) as executor, pytest.raises(WorkerMismatchError, match="avx1024"):
        monte_carlo(CALL, MARKET, paths=5000, seed=1, executor=executor)


@pytest.mark.skipif(simd_path() == "baseline", reason="this machine has one SIMD path only")
def test_workers_use_the_path_of_the_sender(client: Client) -> None:
    """A process held to another path gets that path's bits from workers whose own is the best."""
    code = (
        "import sys\n"
        "from distributed import Client\n"
        "from optionsib.pricing import *\n"
        "call = EuropeanOption(kind='call', strike=105.0, expiry=1.0)\n"
        "model = Heston(spot=100.0, variance=0.05, kappa=1.5, theta=0.04, xi=0.6, rho=-0.7)\n"
        "alone = monte_carlo(call, model, paths=20_000, seed=1)\n"
        "with Client(sys.argv[1]) as client, client.get_executor() as executor:\n"
        "    spread = monte_carlo(call, model, paths=20_000, seed=1, executor=executor)\n"
        "assert (alone.price, alone.stderr) == (spread.price, spread.stderr)\n"
        "print(spread.simd_path, spread.price.hex())\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, client.scheduler.address],
        env=os.environ | {"OPTIONSIB_SIMD": "baseline"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split()[0] == "baseline"


# --- the command -------------------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    (tmp_path / "product.json").write_text(ASIAN.to_json())
    (tmp_path / "model.json").write_text(HESTON.to_json())
    return ["--product", str(tmp_path / "product.json"), "--model", str(tmp_path / "model.json")]


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "optionsib.cli", "price", *words],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_the_command_prices_on_a_cluster(client: Client, files: list[str]) -> None:
    words = [*files, "--paths", "60000", "--seed", "8", "--json"]
    ended = command(*words, "--cluster", client.scheduler.address)
    assert ended.returncode == 0, ended.stderr
    alone = monte_carlo(ASIAN, HESTON, paths=60_000, seed=8)
    answer = json.loads(ended.stdout)
    assert (answer["price"], answer["stderr"], answer["paths"]) == (alone.price, alone.stderr, 60_000)
    assert answer["simd_path"] == alone.simd_path


def test_ctrl_c_takes_the_work_off_the_cluster(client: Client, files: list[str]) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "optionsib.cli", "price", *files),
            *("--paths", str(1 << 30), "--cluster", client.scheduler.address),
        ],
        stdout=subprocess.DEVNULL, stderr=theirs,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # heard in a shell's background too
    )  # fmt: skip
    os.close(theirs)
    try:
        said = b""
        while (
            b"% of 1,073,741,824 paths" not in said
        ):  # a busy client's event loop is complained of there too
            said += os.read(ours, 4096)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    idle(client)


def test_the_command_names_what_is_wrong_with_the_cluster(files: list[str]) -> None:
    with LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0", host="127.0.0.1") as empty:
        ended = command(*files, "--cluster", empty.scheduler_address)
    assert ended.returncode == 1
    assert "has no workers" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_every_worker_is_examined_before_any_work(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from optionsib.launchers import cluster as module

    settings = ClusterSettings(address=client.scheduler.address)
    monkeypatch.setattr(module, "simd_path", lambda: "avx1024")
    with (
        pytest.raises(WorkerMismatchError, match=r"worker tcp://127\.0\.0\.1:\d+: .*avx1024"),
        cluster(settings),
    ):
        pytest.fail("no work on such a cluster")


def test_a_scheduler_that_goes_away_is_named(tmp_path: Path) -> None:
    place = tmp_path / "scheduler.json"
    with ExitStack() as stack:
        words = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--no-dashboard", "--port", "0"]
        scheduler = subprocess.Popen(
            [*words, "--host", "127.0.0.1", "--scheduler-file", str(place)], stderr=subprocess.DEVNULL
        )
        stack.callback(scheduler.kill)
        worker = subprocess.Popen(
            [
                *(sys.executable, "-m", "distributed.cli.dask_worker", "--no-dashboard", "--no-nanny"),
                *("--nthreads", "1", "--scheduler-file", str(place), "--death-timeout", "60"),
            ],
            stderr=subprocess.DEVNULL, cwd=tmp_path,
        )  # fmt: skip
        stack.callback(worker.kill)
        with Client(scheduler_file=str(place), set_as_default=False, timeout=60) as found:
            found.wait_for_workers(1, timeout=60)
            address = found.scheduler.address

        def watch(done: int, total: int) -> None:
            scheduler.kill()

        with (
            pytest.raises(ClusterError, match="lost the work"),
            cluster(ClusterSettings(address=address)) as executor,
        ):
            monte_carlo(ASIAN, HESTON, paths=1_000_000, seed=3, executor=executor, progress=watch)
        worker.kill()
        worker.wait()
        scheduler.wait()


def test_work_that_kills_every_worker_is_given_up(client: Client) -> None:
    settings = ClusterSettings(address=client.scheduler.address)
    with pytest.raises(ClusterError, match=r"tcp://.* died"), cluster(settings) as executor:
        executor.submit(os._exit, 1).result()


def test_a_cluster_with_certificates(tmp_path: Path, files: list[str]) -> None:
    """Security.temporary makes one certificate that is its own authority, for both sides."""
    security = Security.temporary()
    parts = {"ca": security.tls_ca_file, "cert": security.tls_client_cert, "key": security.tls_client_key}
    flags: list[str] = []
    for name, text in parts.items():
        (tmp_path / f"{name}.pem").write_text(text)
        flags += [f"--tls-{name}", str(tmp_path / f"{name}.pem")]
    other = Security.temporary()
    for name, text in {"cert": other.tls_client_cert, "key": other.tls_client_key}.items():
        (tmp_path / f"stranger-{name}.pem").write_text(text)
    strange = [
        word.replace("cert.pem", "stranger-cert.pem").replace("key.pem", "stranger-key.pem") for word in flags
    ]
    with LocalCluster(
        n_workers=1,
        threads_per_worker=1,
        dashboard_address="127.0.0.1:0",
        host="tls://127.0.0.1",
        security=security,
    ) as secured:
        address = secured.scheduler_address
        assert address.startswith("tls://")
        words = [*files, "--paths", "20000", "--json", "--cluster", address]
        ended = command(*words, *flags)
        assert ended.returncode == 0, ended.stderr
        assert json.loads(ended.stdout)["price"] == monte_carlo(ASIAN, HESTON, paths=20_000, seed=1).price
        refused = command(*words, *strange)
        assert refused.returncode == 1
        assert "no scheduler answers" in refused.stderr
        plain = command(*files, "--cluster", address.replace("tls://", "tcp://"))
        assert plain.returncode == 1
        assert "no scheduler answers" in plain.stderr
