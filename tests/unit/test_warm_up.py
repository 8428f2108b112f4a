"""Warming up: each model runs once before it counts; one that cannot is told by name."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from optionsib.common.clock import SystemClock
from optionsib.common.errors import ModelError
from optionsib.models import BUNDLED_MODEL, ModelCard, OnnxModel
from optionsib.models.card import card_path, read_card
from optionsib.models.serving import Forecast
from optionsib.models.warm_up import warmup_models

pytest.importorskip("onnxruntime", reason="extra infer")


class Recording:
    """A served model that notes what it is asked, or fails."""

    def __init__(self, trouble: str = "", answer: float = 0.5) -> None:
        self.card: ModelCard = read_card(card_path(BUNDLED_MODEL))
        self.model_id = "ab" * 32
        self.asked: list[object] = []
        self._trouble, self._answer = trouble, answer

    def predict(self, rows: NDArray[np.float32]) -> Forecast:
        self.asked.append(rows.shape)
        return Forecast(np.full(len(rows), self._answer), np.zeros(len(rows), dtype=np.bool_))

    def warm_up(self) -> None:
        self.asked.append("warm_up")
        if self._trouble:
            raise RuntimeError(self._trouble)


def test_the_bundled_model_is_warm_for_the_rows_it_will_be_asked() -> None:
    found = warmup_models({"bundled": BUNDLED_MODEL}, stage="paper", clock=SystemClock(), rows=40)
    (told,) = found.report
    model = found.models["bundled"]
    assert isinstance(model, OnnxModel)
    assert (told.name, told.model_id, told.rows, told.trouble) == ("bundled", model.model_id, 40, "")
    assert told.load_seconds > 0.0
    assert told.run_seconds > 0.0
    assert found.failed == {}


def test_what_fails_is_told_by_name_and_the_others_are_warm(tmp_path: Path) -> None:
    torn = tmp_path / "torn.onnx"
    shutil.copy(card_path(BUNDLED_MODEL), card_path(torn))
    torn.write_bytes(BUNDLED_MODEL.read_bytes()[:-100])
    good, bad = Recording(), Recording("out of memory")
    found = warmup_models(
        {
            "missing": tmp_path / "missing.onnx",
            "torn": torn,
            "bad": bad,
            "liar": Recording(answer=1.5),
            "good": good,
            "bundled": BUNDLED_MODEL,
        },
        stage="paper",
        clock=SystemClock(),
        rows=3,
    )
    assert list(found.models) == ["good", "bundled"]
    assert [one.name for one in found.report] == ["missing", "torn", "bad", "liar", "good", "bundled"]
    assert "card" in found.failed["missing"]
    assert "sha256" in found.failed["torn"]
    assert found.failed["bad"] == "RuntimeError: out of memory"
    assert "no probabilities" in found.failed["liar"]
    assert good.asked == ["warm_up", (3, *good.card.input_shape)]
    assert bad.asked == ["warm_up"]
    rows = {one.name: one.rows for one in found.report}
    assert rows == {"missing": 0, "torn": 0, "bad": 0, "liar": 0, "good": 3, "bundled": 3}


def test_a_model_that_may_not_serve_live_is_not_warm() -> None:
    found = warmup_models({"bundled": BUNDLED_MODEL}, stage="live", clock=SystemClock())
    assert not found.models
    assert "no demonstrated skill" in found.failed["bundled"]


def test_no_rows_are_refused() -> None:
    with pytest.raises(ModelError, match="rows is 0: expected at least 1"):
        warmup_models({}, stage="paper", clock=SystemClock(), rows=0)
