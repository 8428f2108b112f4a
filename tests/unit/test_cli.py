"""The command line in this process: what it prints, and what it says to people who err."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from optionsib.cli import MODULE_EXTRAS, main

PRICE = ["price", "call", "--spot", "42", "--strike", "40", "--years", "0.5", "--rate", "0.1"]


def fails(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Return what a command says when it ends with status 1."""
    assert main(words) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("optionsib: ")
    return captured.err


def misused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Return what a command says about wrong usage (status 2)."""
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 2
    return capsys.readouterr().err


def test_price_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*PRICE, "--volatility", "0.2"]) == 0
    lines = dict(line.split() for line in capsys.readouterr().out.splitlines())
    assert float(lines["price"]) == pytest.approx(4.7594224, abs=1e-7)  # Hull, 8th ed., ex. 15.6: 4.76
    assert float(lines["delta"]) == pytest.approx(0.7791313, abs=1e-7)
    assert list(lines) == [
        *("volatility", "price", "delta", "gamma", "vega", "theta", "rho"),
        *("epsilon", "dual_delta", "dual_gamma"),
    ]


def test_price_for_machines_and_back(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*PRICE, "--volatility", "0.2", "--json"]) == 0
    forward = json.loads(capsys.readouterr().out)
    assert main([*PRICE, "--price", repr(forward["price"]), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["volatility"] == pytest.approx(0.2, abs=1e-12)


def test_price_of_american_options_and_dividends(capsys: pytest.CaptureFixture[str]) -> None:
    def value(*words: str) -> dict[str, float]:
        assert main(["price", "put", *PRICE[2:], *words, "--json"]) == 0
        found: dict[str, float] = json.loads(capsys.readouterr().out)
        return found

    flat, american = value("--volatility", "0.2"), value("--volatility", "0.2", "--american")
    assert american["price"] > flat["price"]
    cash = ("--dividend", "0.3:0.5", "--dividend", "0.1:0.5")
    paid = value("--volatility", "0.2", *cash)
    assert paid["price"] > flat["price"]
    both = value("--volatility", "0.2", "--american", *cash)
    assert both["price"] > max(paid["price"], american["price"])
    assert value("--price", repr(both["price"]), "--american", *cash)["volatility"] == pytest.approx(
        0.2, rel=1e-6
    )
    assert "--dividend with --price needs --american" in fails([*PRICE, "--price", "5", *cash], capsys)
    assert "amounts must be finite" in fails([*PRICE, "--volatility", "0.2", "--dividend", "0.1:-1"], capsys)
    wrong = misused([*PRICE, "--volatility", "0.2", "--dividend", "0.1"], capsys)
    assert "'0.1': expected YEARS:AMOUNT such as 0.25:1.5" in wrong


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--spot", "-42", "--volatility", "0.2"], "spot must be positive and finite, got -42.0"),
        (["--strike", "nan", "--volatility", "0.2"], "strike"),
        (["--years", "-1", "--volatility", "0.2"], "time_to_expiry"),
        (["--volatility", "-0.2"], "volatility"),
        (["--price", "0.0001"], "price 0.0001 is below the discounted intrinsic value"),
        (["--price", "1000"], "price"),
    ],
)
def test_price_names_the_bad_value(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said in fails([*PRICE, *words], capsys)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["demo", "--speed", "fast"], "'fast': expected 'max' or a number above 0"),
        (["demo", "--speed", "-1"], "'-1': expected a number above 0"),
        (["demo", "--seed", "x"], "'x': expected a whole number"),
        (["demo", "--minutes", "-5"], "expected a whole number, 0 or more"),
        (["demo", "--date", "yesterday"], "'yesterday': expected a day such as 2014-06-06"),
        (["run", "--speed", "0"], "'0': expected a number above 0"),
        (["run", "--speed", "nan"], "'nan': expected a number above 0"),
        (["run", "--env", "staging"], "invalid choice: 'staging'"),
        (["paper-exchange", "--port", "70000"], "expected a port, 0 to 65535"),
        (["status", "--timeout", "never"], "'never': expected a number above 0"),
        (["price", "call"], "--spot"),
        (["audit"], "VERB"),
        ([], "COMMAND"),
    ],
)
def test_wrong_usage_says_what_is_expected(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in misused(words, capsys)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["gateway.port"], "--set 'gateway.port': expected SECTION.KEY=VALUE"),
        (["port=1"], "--set 'port=1': expected SECTION.KEY=VALUE"),
        (["gateway.prot=7497"], "unknown key gateway.prot: expected one of host, port"),
        (["gate.port=7497"], "unknown key gate: expected one of session, gateway"),
        (["gateway.port=many"], "gateway.port = 'many'"),
        (["strategy.flat_at=25:00"], "strategy.flat_at = '25:00'"),
    ],
)
@pytest.mark.parametrize("command", ["run", "status"])
def test_wrong_settings(
    command: str, settings: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [word for setting in settings for word in ("--set", setting)]
    assert said in fails([command, *words], capsys)


def test_wrong_key_in_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = Path(__file__).parents[2] / "config"
    (tmp_path / "environment").mkdir()
    for name in ("main_config.yaml", "environment/paper.yaml"):
        (tmp_path / name).write_text((source / name).read_text())
    (tmp_path / "environment/paper.yaml").write_text("gateway:\n  prot: 7497\n")
    said = fails(["run", "--config", str(tmp_path)], capsys)
    assert f"{tmp_path / 'environment/paper.yaml'}: unknown key gateway.prot" in said


LIVE = ["run", "--env", "prod"]


def test_live_needs_arming(capsys: pytest.CaptureFixture[str]) -> None:
    assert "live trading needs --arm-live; nothing was connected" in fails(LIVE, capsys)


@pytest.mark.parametrize("confirmed", [[], ["--confirm-account", "U7654321"]])
def test_live_needs_the_account_twice(confirmed: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    said = fails([*LIVE, "--arm-live", "--set", "session.account=U1234567", *confirmed], capsys)
    assert "the same account as --confirm-account" in said


def test_live_refuses_a_model_without_proof(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from optionsib.models import BUNDLED_MODEL

    account = ["--set", "session.account=U1234567", "--confirm-account", "U1234567"]
    paths = ["--set", f"model.path={BUNDLED_MODEL}", "--set", f"paths.state={tmp_path / 'state'}"]
    assert "no demonstrated skill" in fails([*LIVE, "--arm-live", *account, *paths], capsys)
    loosened = ["--set", "model.stage=paper"]
    assert "session.mode live refuses model.stage paper" in fails(
        [*LIVE, "--arm-live", *account, *paths, *loosened], capsys
    )


def test_commands_on_a_folder_where_nothing_ran(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--set", f"paths.state={tmp_path}"]
    for command in ("status", "halt", "resume"):
        assert main([command, *where]) == 1
        said = capsys.readouterr().err
        assert f"daemon: none runs with the state folder {tmp_path}" in said
        assert "--set paths.state=<folder>" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["demo", "train", "paper-exchange"])
def test_missing_tape(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(tmp_path / "option/usa/minute/none")
    words = [command, "--tape", folder]
    if command == "demo":
        words += ["--state", str(tmp_path / "state")]
    if command == "train":
        words = ["train", "residual", "--data", folder, "--out", str(tmp_path / "model.onnx")]
    said = fails(words, capsys)
    assert "not found; expected .../option/usa/minute/<symbol> in LEAN's layout" in said


def test_demo_removes_only_what_a_demo_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    precious = tmp_path / "thesis.txt"
    precious.write_text("years of work")
    said = fails(["demo", "--minutes", "1", "--state", str(tmp_path)], capsys)
    assert "holds thesis.txt that no demo wrote" in said
    precious.unlink()
    (tmp_path / "journal.sqlite").write_text("of a daemon")
    assert "nothing was removed" in fails(["demo", "--minutes", "1", "--state", str(tmp_path)], capsys)
    assert (tmp_path / "journal.sqlite").read_text() == "of a daemon"


def test_audit_of_no_journal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "verify", str(tmp_path / "none.sqlite")]) == 2
    assert str(tmp_path / "none.sqlite") in capsys.readouterr().err


def test_missing_extra_is_named() -> None:
    """A module that is not there makes a sentence with the extra, not a traceback."""
    code = (
        "import sys; sys.modules['msgspec'] = None\nfrom optionsib.cli import main\nsys.exit(main(['run']))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "msgspec is not installed: pip install 'optionsib[app]'" in ended.stderr
    assert MODULE_EXTRAS["ib_async"] == "live"


def test_help_needs_the_standard_library_only() -> None:
    code = (
        "import sys\n"
        "from optionsib.cli import build_parser\n"
        "build_parser()\n"
        "heavy = {'msgspec', 'pydantic', 'yaml', 'ib_async', 'onnxruntime', 'solders', 'pandas'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


def test_rescue_needs_no_model_and_no_vault() -> None:
    code = (
        "import sys\n"
        "import optionsib.launchers.operate\n"
        "heavy = ('onnxruntime', 'solders', 'xgboost', 'optionsib.models', 'optionsib.strategies',"
        " 'optionsib.features', 'optionsib.vault', 'optionsib.trader')\n"
        "print(sorted(name for name in sys.modules if name.startswith(heavy)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


def test_a_reader_that_has_had_enough_is_no_error() -> None:
    words = [sys.executable, "-m", "optionsib.cli", "doctor"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.close()
        _, errors = process.communicate(timeout=60)
    assert "Traceback" not in errors
    assert "BrokenPipeError" not in errors
    assert process.returncode == 141
