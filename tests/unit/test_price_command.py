"""``optionsib price`` of a product under a model: answers, wrong usage, broken files, progress, Ctrl-C."""

from __future__ import annotations

import json
import math
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from statistics import NormalDist

import pytest

from optionsib import greeks
from optionsib.cli import MODULE_EXTRAS, main
from optionsib.launchers.cluster import ClusterSettings
from optionsib.pricing import AsianOption, BlackScholes, EuropeanOption, Heston, monte_carlo

ASIAN = AsianOption(kind="call", strike=100.0, dates=tuple((i + 1) / 12 for i in range(12)))
MARKET = BlackScholes(spot=100.0, volatility=0.2, rate=0.05)
OPTION = ["call", "--spot", "100", "--strike", "105", "--years", "0.5", "--volatility", "0.2"]


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    (tmp_path / "product.json").write_text(ASIAN.to_json())
    (tmp_path / "model.json").write_text(MARKET.to_json())
    return ["--product", str(tmp_path / "product.json"), "--model", str(tmp_path / "model.json")]


def test_it_is_monte_carlo(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        *("--paths", "65536", "--seed", "5", "--sampler", "sobol", "--control-variate", "spot"),
        *("--greeks", "pathwise", "--steps", "24", "--threads", "2"),
    ]
    assert main(["price", *files, *words, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    expected = monte_carlo(
        ASIAN, MARKET, paths=65_536, seed=5, sampler="sobol", control_variate="spot",
        greeks="pathwise", steps=24,
    )  # fmt: skip
    assert (answer["price"], answer["stderr"]) == (expected.price, expected.stderr)
    assert (answer["delta"], answer["delta_stderr"]) == expected.greeks["delta"]
    assert (answer["paths"], answer["simd_path"]) == (65_536, expected.simd_path)
    assert answer["reason"].startswith("no closed form")


def test_a_closed_form_is_taken_where_there_is_one(
    files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path(files[1]).write_text(EuropeanOption(kind="call", strike=105.0, expiry=0.5).to_json())
    expected = greeks("call", 100.0, 105.0, 0.5, 0.05, 0.2)
    # A cluster that is not needed is not asked: nobody listens there.
    assert main(["price", *files, "--json", "--cluster", "tcp://127.0.0.1:9"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["price"] == pytest.approx(float(expected.price), rel=1e-12)
    assert answer["delta"] == pytest.approx(float(expected.delta), rel=1e-6)
    assert (answer["stderr"], answer["paths"]) == (0.0, 0)
    assert main(["price", *files, "--json", "--method", "monte-carlo", "--paths", "20000"]) == 0
    simulated = json.loads(capsys.readouterr().out)
    assert abs(simulated["price"] - answer["price"]) < 4 * simulated["stderr"]
    assert simulated["paths"] == 20_000
    Path(files[1]).write_text(ASIAN.to_json())
    assert main(["price", *files, "--method", "analytic"]) == 1
    assert "no closed form" in capsys.readouterr().err


def test_for_readers(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["price", *files, "--paths", "5000", "--dtype", "float32", "--target-stderr", "1"]) == 0
    said = capsys.readouterr()
    names = [line.split()[0] for line in said.out.splitlines()]
    assert names == ["price", "stderr", "method", "reason", "exact", "paths", "simd_path", "seconds"]
    assert "4096" in said.out
    assert said.err == ""  # no terminal, no bar


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--product", "p.json"], "--model is missing"),
        (["--model", "m.json"], "--product is missing"),
        (["--product", "p", "--model", "m", "--spot", "3"], "--spot cannot be given with them"),
        (["call", "--product", "p", "--model", "m"], "kind cannot be given with them"),
        (["--product", "p", "--model", "m", "--american"], "--american cannot be given with them"),
        (["call", "--spot", "100"], "--strike, --years missing (or --product and --model)"),
        ([], "kind, --spot, --strike, --years missing"),
        (OPTION[:-2], "one of --volatility and --price is required"),
        (
            [*OPTION, "--paths", "5", "--cluster", "tcp://a:1"],
            "--paths, --cluster only with --product and --model",
        ),
    ],
)
def test_wrong_usage(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["price", *words])
    assert stopped.value.code == 2
    assert said in capsys.readouterr().err


def test_one_option_still_has_its_price(capsys: pytest.CaptureFixture[str]) -> None:
    deviation = 0.2 * math.sqrt(0.5)
    d1 = math.log(100 / 105) / deviation + 0.5 * deviation
    expected = 100 * NormalDist().cdf(d1) - 105 * NormalDist().cdf(d1 - deviation)
    assert main(["price", *OPTION, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["price"] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "model.json: "),
        ("[]", "a model is a JSON object"),
        ('{"type": "sabr"}', "type must be one of"),
        ('{"type": "black_scholes", "spot": 100, "volatility": 0}', "volatility must be positive"),
        ('{"type": "black_scholes", "spot": 100, "volatility": 0.2, "vol": 1}', "has no field vol"),
    ],
)
def test_a_broken_model_is_named(
    text: str, said: str, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path(files[3]).write_text(text)
    assert main(["price", *files]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert "model.json" in error


def test_what_cannot_be_priced_is_named(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["price", "--product", "absent.json", *files[2:]]) == 1
    assert "absent.json" in capsys.readouterr().err
    assert main(["price", *files, "--sampler", "sobol", "--paths", "1000"]) == 1
    assert "the next is 65536" in capsys.readouterr().err
    assert main(["price", *files, "--paths", str(1 << 48)]) == 1
    assert "GB; the machine has" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--cluster", "localhost:8786"], "expected tcp://HOST:PORT or tls://HOST:PORT"),
        (["--cluster", "tls://localhost:8786"], "needs the PEM file --tls-ca, got None"),
        (
            ["--cluster", "tcp://localhost:8786", "--tls-ca", "ca.pem"],
            "certificates are for a tls:// address",
        ),
    ],
)
def test_a_wrong_cluster_is_refused_before_anything_is_sent(
    words: list[str], said: str, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["price", *files, *words]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert "nothing was sent" in error


@pytest.mark.parametrize(
    ("address", "open_to_others"),
    [
        ("tcp://127.0.0.1:8786", False),
        ("tcp://localhost:8786", False),
        ("tcp://[::1]:8786", False),
        ("tcp://10.0.0.5:8786", True),
        ("tcp://scheduler.example:8786", True),
    ],
)
def test_an_open_cluster_is_warned_of(address: str, open_to_others: bool) -> None:
    warning = ClusterSettings(address=address).warning()
    assert (warning is not None) == open_to_others
    if warning is not None:
        assert "neither authenticated nor encrypted" in warning


def test_the_missing_extra_is_named(files: list[str]) -> None:
    code = (
        "import sys; sys.modules['distributed'] = None\n"
        "from optionsib.cli import main\n"
        f"sys.exit(main(['price', *{files!r}, '--cluster', 'tcp://127.0.0.1:1']))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "distributed is not installed: pip install 'optionsib[cluster]'" in ended.stderr
    assert MODULE_EXTRAS["pyarrow"] == "scenarios"


def listening() -> None:
    """Hear Ctrl-C, also where the tests run in the background of a shell that does not."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def on_a_terminal(words: list[str]) -> tuple[subprocess.Popen[bytes], int]:
    """Start the command with a terminal as its standard error; return it and our end."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "optionsib.cli", "price", *words],
        stdout=subprocess.PIPE, stderr=theirs, preexec_fn=listening,
    )  # fmt: skip
    os.close(theirs)
    return process, ours


def test_a_terminal_gets_a_bar_that_goes_away(files: list[str]) -> None:
    process, terminal = on_a_terminal([*files, "--paths", "3000000"])
    drawn = b""
    while True:
        try:
            part = os.read(terminal, 4096)
        except OSError:  # how a terminal ends whose other side is closed
            break
        if not part:
            break
        drawn += part
    assert process.stdout is not None
    answer = process.stdout.read()
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    os.close(terminal)
    assert b"35% of 3,000,000 paths" in drawn
    assert b"100% of 3,000,000 paths" in drawn
    assert drawn.endswith(b"\r\x1b[K")
    assert answer.startswith(b"price")


def test_ctrl_c_ends_it(tmp_path: Path) -> None:
    model = Heston(spot=100.0, variance=0.05, kappa=1.5, theta=0.04, xi=0.6, rho=-0.7)
    (tmp_path / "product.json").write_text(ASIAN.to_json())
    (tmp_path / "model.json").write_text(model.to_json())
    process, terminal = on_a_terminal(
        [
            *("--product", str(tmp_path / "product.json"), "--model", str(tmp_path / "model.json")),
            *("--paths", str(1 << 33), "--steps", "25"),
        ]
    )
    assert process.stdout is not None
    try:
        assert os.read(terminal, 4096)  # it draws, so it works
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        os.close(terminal)
