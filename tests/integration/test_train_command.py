"""``optionsib train NAME``: every trainer ends with an artefact that serves, a card, a page and a trial."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

pytest.importorskip("xgboost", reason="needs the train extra")
pytest.importorskip("torch", reason="needs the torch extra")
pytest.importorskip("plotly", reason="needs the report extra")

from optionsib.cli import main
from optionsib.common.clock import SystemClock
from optionsib.common.config import Section
from optionsib.common.errors import ConfigError, ModelError
from optionsib.features import CHAIN_FEATURES, FEATURE_NAMES
from optionsib.launchers.training import LEDGER
from optionsib.models import BUNDLED_MODEL
from optionsib.models.card import card_path, digest, read_card, write_model
from optionsib.models.export import rule_to_onnx
from optionsib.models.regimes import MarketRegimeClassifier
from optionsib.models.serving import load_served
from optionsib.models.trainers import TRAINERS, Outcome, Run, find_trainer, read_training_config
from optionsib.models.trials import TrialLedger
from optionsib.performance.model_page import page_path, read_card_text

SMALL = {
    "residual": "days: 1",
    "ensemble": "{days: 1, rows: 800}",
    "rule": "{days: 1, weights: {residual_in_spreads: -0.5, size_imbalance: 0.5}}",
    "lstm": "{simulated_days: 700, epochs: 3, window: 5, hidden: 4}",
    "regimes": "{simulated_days: 700, restarts: 1}",
}
ROOT = Path(__file__).parents[2]


def configured(folder: Path, name: str, text: str | None = None) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(SMALL[name] if text is None else text)
    return path


def train(folder: Path, name: str, *words: str, suffix: str = ".onnx") -> int:
    out = folder / (name if name == "ensemble" else name + suffix)
    return main(["train", name, "--config", str(configured(folder, name)), "--out", str(out), *words])


@pytest.mark.parametrize("name", TRAINERS)
def test_each_trainer(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(tmp_path, name) == 0
    said = capsys.readouterr().out
    assert "SIMULATED DATA; proof of skill: none: simulated days are no proof of skill" in said
    assert "…" not in said  # a figure without its end would be another one
    out = tmp_path / (name if name == "ensemble" else f"{name}.onnx")
    page = page_path(out).read_text()
    assert "SIMULATED DATA" in page
    assert "No demonstrated skill" in page
    assert "default-src 'none'" in page
    (trial,) = TrialLedger(tmp_path / LEDGER, SystemClock()).trials(name)
    assert trial.status == "finished"
    assert trial.config["seed"] == 7
    if name == "regimes":
        MarketRegimeClassifier.from_bytes(out.with_suffix(".json").read_bytes())
        return
    card = read_card(card_path(out))
    assert card.leak_test.startswith("passed")
    assert read_card_text(page) == read_card_text(f'id="card-text">{card.encode().decode()}</pre>')
    assert card.baselines["class prior"].auc == 0.5
    assert name == "lstm" or "residual mean-reverts" in card.baselines  # a rule is no exception
    assert card.metrics.log_loss < card.baselines["class prior"].log_loss + 0.05
    model = load_served(out, stage="paper", features=None if name == "lstm" else CHAIN_FEATURES)
    assert model.model_id == card.model_id
    assert (model.model_id == card.artefact_sha256) is (name != "lstm")  # its normaliser is part of it
    found = model.predict(np.zeros((3, *card.input_shape), dtype=np.float32))
    assert np.isfinite(found.probability).all()
    with pytest.raises(ModelError, match="no demonstrated skill"):
        load_served(out, stage="live")


def test_an_ensemble_that_fails_to_be_trained_again_stays_as_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from optionsib.models.trainers import chains

    assert train(tmp_path, "ensemble") == 0
    folder = tmp_path / "ensemble"
    before = {file.name: file.read_bytes() for file in folder.iterdir()}

    def found_one(*_: object) -> str:
        raise ModelError("a feature knew the future")

    monkeypatch.setattr(chains, "chain_leak_test", found_one)  # after the fit, before the card
    assert train(tmp_path, "ensemble", "--seed", "8") == 1
    assert "a feature knew the future" in capsys.readouterr().err
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    assert load_served(folder, stage="paper").card.seed == 7


def test_the_same_command_gives_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        assert train(tmp_path / folder, "lstm") == 0
    for name in ("lstm.onnx", "lstm.json", "lstm.normalizer.json", "lstm.html"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_interrupted_and_gone_on_gives_the_same_bytes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from optionsib.models.trainers import market

    assert train(tmp_path, "lstm") == 0
    whole = (tmp_path / "lstm.onnx").read_bytes()
    kept = market.MarketLSTM.fit

    def interrupted(*arguments: object, progress: object, **terms: object) -> object:
        def stop(scores: object) -> None:
            raise KeyboardInterrupt

        return kept(*arguments, progress=stop, **terms)  # type: ignore[arg-type]

    monkeypatch.setattr(market.MarketLSTM, "fit", interrupted)
    (tmp_path / "lstm.onnx").unlink()
    assert train(tmp_path, "lstm") == 130
    assert "go on with the same command and --resume" in capsys.readouterr().out
    monkeypatch.setattr(market.MarketLSTM, "fit", kept)
    assert train(tmp_path, "lstm") == 1
    assert "is of an interrupted run" in capsys.readouterr().err
    assert train(tmp_path, "lstm", "--seed", "8", "--resume") == 1
    assert "other data or parameters" in capsys.readouterr().err
    assert train(tmp_path, "lstm", "--resume") == 0
    assert (tmp_path / "lstm.onnx").read_bytes() == whole
    assert train(tmp_path, "lstm", "--resume") == 1
    assert "no checkpoint" in capsys.readouterr().err
    trials = TrialLedger(tmp_path / LEDGER, SystemClock()).trials("lstm")
    assert [trial.status for trial in trials] == ["finished", "failed", "failed", "finished"]


def test_a_learner_finds_what_the_simulated_days_have(tmp_path: Path) -> None:
    """Their volatility comes in regimes: whether it rises can be told in part."""
    path = configured(tmp_path, "lstm", "{simulated_days: 2500, epochs: 12, window: 8, hidden: 8}")
    trainer = find_trainer("lstm")
    told: list[str] = []
    out = tmp_path / "lstm.onnx"
    run = Run(out=out, seed=3, data=None, checkpoint=tmp_path / "c", tell=told.append)
    outcome: Outcome = trainer.train(read_training_config(trainer.config, path), run)
    prior = next(one for one in outcome.scores if one.name == "class prior")
    assert prior.chance < 0.01
    assert any("epoch   1 of 12" in line for line in told)


def test_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in TRAINERS)


def test_wrong_words_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "oracle"]) == 1
    assert "no trainer 'oracle': expected one of residual" in capsys.readouterr().err
    assert train(tmp_path, "regimes", "--resume") == 1
    assert "cannot be gone on with" in capsys.readouterr().err
    for text, words in {
        "hiden: 3": "unknown key hiden: expected one of first",
        "hidden: 0": "hidden: Input should be greater than or equal to 1",
        "[1, 2]": "expected keys and values",
        "a: [": "cannot be read",
    }.items():
        with pytest.raises(ConfigError, match=re.escape(words)):
            read_training_config(TRAINERS["lstm"].config, configured(tmp_path, "lstm", text))
    weights = configured(tmp_path, "rule", "{days: 1, weights: {moon: 1}}")
    assert main(["train", "rule", "--config", str(weights), "--out", str(tmp_path / "rule.onnx")]) == 1
    assert "moon" in capsys.readouterr().err
    assert not (tmp_path / "rule.onnx").exists()
    assert len(FEATURE_NAMES) > 1


@pytest.mark.parametrize("name", TRAINERS)
def test_the_examples_hold_the_defaults(name: str) -> None:
    kind: type[Section] = TRAINERS[name].config
    example = ROOT / "config" / "training" / f"{name}.yaml"
    expected = kind() if name != "rule" else kind.model_validate({"days": 1})
    assert read_training_config(kind, example) == expected
    assert set(re.findall(r"^(\w+):", example.read_text(), re.MULTILINE)) == set(kind.model_fields)


@pytest.mark.parametrize(
    ("name", "text", "out", "said"),
    [
        ("lstm", None, "lstm.json", r"--out .*lstm.json: expected a file \*.onnx"),
        ("rule", None, "folder.onnx", r"--out .*folder.onnx: expected a file \*.onnx"),
        ("rule", None, "file/rule.onnx", r"--out .*rule.onnx: its folder cannot be made"),
        ("rule", "\udcff", "rule.onnx", "rule.yaml cannot be read"),
        ("lstm", SMALL["lstm"][:-1] + ", learning_rate: 1.0e+30}", "lstm.onnx", "has diverged"),
        ("regimes", "{simulated_days: 1}", "regimes.onnx", "1 sessions have no return"),
    ],
)
def test_what_cannot_be_trained_is_said_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str | None, out: str, said: str
) -> None:
    (tmp_path / "folder.onnx").mkdir()
    (tmp_path / "file").write_text("")
    path = tmp_path / f"{name}.yaml"
    path.write_bytes((SMALL[name] if text is None else text).encode(errors="surrogateescape"))
    before = set(tmp_path.iterdir())
    assert main(["train", name, "--config", str(path), "--out", str(tmp_path / out)]) == 1
    error = capsys.readouterr().err
    assert re.search(said, error)
    assert "Traceback" not in error
    assert {
        found for found in set(tmp_path.iterdir()) - before if not found.name.startswith("trials")
    } == set()


def test_the_ledger_names_the_data_and_not_where_it_lies(tmp_path: Path) -> None:
    for seed in ("1", "1", "2"):
        assert train(tmp_path, "regimes", "--seed", seed) == 0
    first, again, other = (t.data for t in TrialLedger(tmp_path / LEDGER, SystemClock()).trials("regimes"))
    assert len(first) == 64
    assert first == again != other


def test_a_disk_that_refuses_one_file_leaves_all_as_they_were(tmp_path: Path) -> None:
    out, before = tmp_path / "rule.onnx", b"as before"
    out.write_bytes(before)
    card = read_card(card_path(BUNDLED_MODEL))
    card_path(out).mkdir()
    content = rule_to_onnx(np.ones(len(FEATURE_NAMES)), 0.0)
    with pytest.raises(ModelError, match="cannot be written"):
        write_model(out, content, msgspec.structs.replace(card, artefact_sha256=digest(content)))
    assert out.read_bytes() == before
    assert not list(tmp_path.glob("*.partial"))


def test_a_page_that_cannot_be_made_is_said_before_the_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [one for one in sys.modules if one.partition(".")[0] == "plotly"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "plotly", None)
    assert train(tmp_path, "regimes") == 1
    assert "pip install 'optionsib[report]'" in capsys.readouterr().err
    assert [found.name for found in tmp_path.iterdir()] == ["regimes.yaml"]
