"""Configuration: sources in order, every fault named, secrets never shown."""

from __future__ import annotations

import datetime as dt
import os
import shutil
from decimal import Decimal
from pathlib import Path

import pytest

from optionsib.common.config import Config, RatePoint, RatesConfig, load_config
from optionsib.common.config_sources import find_directory
from optionsib.common.errors import ConfigError

SHIPPED = Path(__file__).resolve().parents[2] / "config"
RATES = RatesConfig(as_of=dt.date(2014, 6, 5), source="test", points=(RatePoint(tenor_days=30, rate=0.0),))


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("OPTIONSIB_"):
            monkeypatch.delenv(name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED, tmp_path / "config"))


def add(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


@pytest.mark.parametrize(
    ("environment", "mode", "port", "stage"),
    [("dev", "paper", 7497, "paper"), ("paper", "paper", 7497, "paper"), ("prod", "live", 7496, "live")],
)
def test_shipped_environments(environment: str, mode: str, port: int, stage: str) -> None:
    config = load_config(environment, SHIPPED)
    assert (config.session.mode, config.gateway.port, config.model.stage) == (mode, port, stage)


def test_shipped_values_that_orders_depend_on() -> None:
    config = load_config("paper", SHIPPED)
    commission = config.fees.rows[0]
    assert (commission.per_contract, commission.minimum_per_order) == (Decimal("0.65"), Decimal("1.00"))
    assert all(row.source and row.valid_from <= dt.date(2014, 6, 5) for row in config.fees.rows)
    assert config.rates.as_of == dt.date(2014, 6, 5)
    assert [point.tenor_days for point in config.rates.points] == sorted(
        point.tenor_days for point in config.rates.points
    )
    assert None not in config.limits.model_dump().values()  # a missing limit would refuse every order
    assert config.strategy.flat_at == dt.time(15, 45)


def test_dev_is_smaller() -> None:
    dev, paper = load_config("dev", SHIPPED), load_config("paper", SHIPPED)
    assert dev.vault.deposit < paper.vault.deposit
    assert dev.strategy.maximum_open_trades < paper.strategy.maximum_open_trades
    for name, value in dev.limits.model_dump().items():
        assert value <= getattr(paper.limits, name), name


def test_each_source_wins_over_the_one_before(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    main, paper = folder / "main_config.yaml", folder / "environment" / "paper.yaml"
    main.write_text(main.read_text().replace("port: 7497", "port: 1001").replace("seed: 7", "seed: 11"))
    paper.write_text("gateway: {port: 1002}\n")
    config = load_config("paper", folder)
    assert (config.gateway.port, config.session.seed) == (1002, 11)
    monkeypatch.setenv("OPTIONSIB_GATEWAY__PORT", "1003")
    assert load_config("paper", folder).gateway.port == 1003
    assert load_config("paper", folder, {"gateway": {"port": 1004}}).gateway.port == 1004
    config = load_config("paper", folder, {"gateway.port": 1005, "gateway.client_id": 3})
    assert (config.gateway.port, config.gateway.client_id, config.gateway.host) == (1005, 3, "127.0.0.1")


def test_a_list_is_replaced_as_a_whole(folder: Path) -> None:
    config = load_config("paper", folder, {"rates.points": [{"tenor_days": 10, "rate": 0.01}]})
    assert config.rates.points == (RatePoint(tenor_days=10, rate=0.01),)


def test_an_empty_section_sets_nothing(folder: Path) -> None:
    (folder / "environment" / "paper.yaml").write_text("gateway:\n")
    assert load_config("paper", folder).gateway.port == 7497


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("gatway: {port: 1}\n", ["unknown key gatway", "gateway"]),
        ("gateway: {prot: 1}\n", ["unknown key gateway.prot", "port", "client_id"]),
        ("gateway: {port: many}\n", ["gateway.port = 'many'", "integer"]),
        ("gateway: {port: 70000}\n", ["gateway.port = 70000", "65535"]),
        ("gateway: 5\n", ["gateway = 5", "dictionary"]),
        ("session: {mode: demo}\n", ["session.mode = 'demo'", "paper"]),
        ("limits: {max_order_delta: .nan}\n", ["limits.max_order_delta = nan", "finite"]),
        ("limits: {max_order_delta: .inf}\n", ["limits.max_order_delta = inf", "finite"]),
        ("limits: {max_order_loss: -1}\n", ["limits.max_order_loss = -1", "greater than or equal to 0"]),
        ("strategy: {flat_at: 15:45}\n", ["strategy.flat_at = 945", "quoted"]),
        ("fees: {rows: [{name: a, oops: 1}]}\n", ["unknown key fees.rows.0.oops", "per_contract"]),
        ("fees: {rows: [{name: a}]}\n", ["fees.rows.0.per_contract is missing"]),
        ("gateway: {port: 1, port: 2}\n", ["'port' stands twice", "line"]),
        ("gateway: {port: 1\n", ["not valid YAML", "line"]),
        ("- a\n", ["list", "expected sections"]),
    ],
)
def test_a_fault_in_a_file_names_file_key_value_and_expectation(
    folder: Path, text: str, parts: list[str]
) -> None:
    path = folder / "environment" / "paper.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config("paper", folder)
    for part in parts:
        assert part in str(caught.value)
    assert "is missing" in parts[0] or str(path) in str(caught.value)


def test_a_fault_in_the_main_file_is_not_blamed_on_the_environment(folder: Path) -> None:
    add(folder / "main_config.yaml", "\nvalut: {deposit: 1}\n")
    with pytest.raises(ConfigError, match=r"main_config\.yaml: unknown key valut"):
        load_config("paper", folder)


def test_all_faults_are_told_at_once(folder: Path) -> None:
    (folder / "environment" / "paper.yaml").write_text("gateway: {port: x, host: 127.0.0.1, client_id: y}\n")
    with pytest.raises(ConfigError) as caught:
        load_config("paper", folder)
    assert len(str(caught.value).splitlines()) == 2


def test_variables_are_checked_like_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTIONSIB_GATEWAY__PORT", "soon")
    with pytest.raises(ConfigError, match=r"environment variable OPTIONSIB_GATEWAY__PORT: .*'soon'"):
        load_config("paper", folder)
    monkeypatch.delenv("OPTIONSIB_GATEWAY__PORT")
    monkeypatch.setenv("OPTIONSIB_GATEWAY__PROT", "1")
    with pytest.raises(ConfigError, match=r"unknown key gateway\.prot"):
        load_config("paper", folder)
    monkeypatch.delenv("OPTIONSIB_GATEWAY__PROT")
    monkeypatch.setenv("OPTIONSIB_GATWAY__PORT", "1")
    with pytest.raises(ConfigError, match="OPTIONSIB_GATWAY__PORT: unknown section 'gatway'"):
        load_config("paper", folder)


def test_variables_hold_lists_as_json(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTIONSIB_RATES__POINTS", '[{"tenor_days": 5, "rate": 0.01}]')
    assert load_config("paper", folder).rates.points == (RatePoint(tenor_days=5, rate=0.01),)
    monkeypatch.setenv("OPTIONSIB_RATES__POINTS", "[{")
    with pytest.raises(ConfigError, match="rates"):
        load_config("paper", folder)


def test_a_fault_in_an_override_says_so(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"^override: unknown key session\.sede"):
        load_config("paper", folder, {"session.sede": 1})


def test_missing_required_section(folder: Path) -> None:
    (folder / "main_config.yaml").write_text("session: {seed: 1}\n")
    with pytest.raises(ConfigError, match="rates is missing"):
        load_config("paper", folder)


@pytest.mark.parametrize("environment", ["production", "", "../environment/paper", "paper.yaml"])
def test_unknown_environment(folder: Path, environment: str) -> None:
    with pytest.raises(ConfigError, match="expected one of dev, paper, prod"):
        load_config(environment, folder)


def test_live_refuses_unproven_models(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"model\.stage"):
        load_config("prod", folder, {"model.stage": "paper"})


def test_directory_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.chdir(folder.parent)
    assert find_directory() == Path("config")
    assert find_directory(folder) == folder
    with pytest.raises(ConfigError, match="nowhere"):
        find_directory(tmp_path / "nowhere")


def test_the_package_carries_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shipped = find_directory()
    assert shipped.name == "_config"
    names = sorted(str(path.relative_to(shipped)) for path in shipped.rglob("*.yaml"))
    assert names == [
        "environment/dev.yaml",
        "environment/paper.yaml",
        "environment/prod.yaml",
        "main_config.yaml",
        *(f"training/{name}.yaml" for name in ("ensemble", "lstm", "regimes", "residual", "rule")),
    ]


def test_making_config_directly_reads_no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTIONSIB_SESSION__SEED", "99")
    assert Config(rates=RATES).session.seed == 7


# --- secrets ---------------------------------------------------------------------------------------

PLANTED = "k" * 17 + "-planted-secret-" + "q" * 7


def test_no_dump_text_digest_or_error_shows_a_secret(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTIONSIB_CONTROL__CURVE_SECRET_KEY", PLANTED)
    config = load_config("paper", folder)
    assert config.control.curve_secret_key.get_secret_value() == PLANTED
    for shown in (
        repr(config),
        str(config),
        str(config.dump()),
        config.model_dump_json(),
        str(config.model_dump()),
    ):
        assert PLANTED not in shown
        assert "**********" in shown
    with pytest.raises(ConfigError) as caught:
        load_config("paper", folder, {"control.curve_secret_key": [PLANTED]})
    assert PLANTED not in str(caught.value)
    assert caught.value.__cause__ is None  # pydantic's own error would carry the value
    monkeypatch.delenv("OPTIONSIB_CONTROL__CURVE_SECRET_KEY")
    assert load_config("paper", folder).digest() == config.digest()


@pytest.mark.parametrize("key", ["rpc_url", "attestor_curve_secret_key"])
def test_the_nodes_address_is_a_secret_that_decides_nothing(
    key: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = load_config("paper", folder).digest()
    monkeypatch.setenv(f"OPTIONSIB_VAULT__{key.upper()}", PLANTED)
    config = load_config("paper", folder)
    assert PLANTED not in f"{config!r} {config.dump()} {config.model_dump_json()}"
    assert config.digest() == before
    monkeypatch.delenv(f"OPTIONSIB_VAULT__{key.upper()}")
    (folder / "environment" / "paper.yaml").write_text(f"vault: {{{key}: {PLANTED}}}\n")
    with pytest.raises(ConfigError, match=f"OPTIONSIB_VAULT__{key.upper()}") as caught:
        load_config("paper", folder)
    assert PLANTED not in str(caught.value)


def test_priority_fees_have_an_order(folder: Path) -> None:
    with pytest.raises(ConfigError, match="above priority_fee_ceiling"):
        load_config("paper", folder, {"vault.priority_fee_floor": 2, "vault.priority_fee_ceiling": 1})


def test_a_secret_in_a_file_is_refused(folder: Path) -> None:
    (folder / "environment" / "paper.yaml").write_text(f"control: {{curve_secret_key: {PLANTED}}}\n")
    with pytest.raises(ConfigError, match="OPTIONSIB_CONTROL__CURVE_SECRET_KEY") as caught:
        load_config("paper", folder)
    assert PLANTED not in str(caught.value)


# --- digest ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "override",
    [
        {"gateway.port": 4002},
        {"gateway.host": "::1"},
        {"paths.state": "/elsewhere"},
        {"control.endpoint": "tcp://127.0.0.1:9"},
        {"model.path": "m.onnx"},
        {"vault.engine_signer": "file:elsewhere.key"},
        {"vault.attestor_endpoint": "tcp://127.0.0.1:9"},
        {"strategy.minimum_edge": "0.0050"},  # the same amount of money
    ],
)
def test_digest_leaves_out_ports_and_paths(override: dict[str, object]) -> None:
    assert load_config("paper", SHIPPED, override).digest() == load_config("paper", SHIPPED).digest()


@pytest.mark.parametrize(
    "override",
    [
        {"session.seed": 8},
        {"gateway.market_data_lines": 250},
        {"limits.max_order_loss": "300.01"},
        {"strategy.flat_at": "15:44"},
        {"rates.points": [{"tenor_days": 30, "rate": 0.0003}]},
        {"model.accept_probability": 0.51},
        {"vault.trader": "another"},
        {"vault.trade_cap": 1},
    ],
)
def test_digest_covers_what_decides(override: dict[str, object]) -> None:
    assert load_config("paper", SHIPPED, override).digest() != load_config("paper", SHIPPED).digest()


def test_digest_takes_equal_amounts_of_money_as_equal() -> None:
    digests = {
        load_config("paper", SHIPPED, {"strategy.minimum_edge": text}).digest()
        for text in ("0.02", "0.0200", "2e-2")
    }
    assert len(digests) == 1


def test_digest_does_not_depend_on_the_order_of_reading() -> None:
    first = load_config("paper", SHIPPED, {"session.seed": 8, "session.symbol": "AAPL"})
    second = load_config("paper", SHIPPED, {"session": {"symbol": "AAPL", "seed": 8}})
    assert first.digest() == second.digest()
    assert len(first.digest()) == 64
