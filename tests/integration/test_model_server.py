"""Who may vote: epochs, swaps between steps, shadows, labels, freezing, restarts; with real processes."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import psutil
import pytest

from optionsib.common.clock import SteppedClock
from optionsib.common.config import ModelConfig, TrainingConfig, load_config
from optionsib.common.errors import ModelError
from optionsib.common.events import Event, LabelArrived, ModelEpoch, ModelFrozen, Prediction
from optionsib.common.types import MINUTE_NS, SECOND_NS
from optionsib.data.memory_tape import shorten
from optionsib.data.rates import RateCurve
from optionsib.data.synthetic.simulated_day import SimulatedTape
from optionsib.features import FEATURE_NAMES, ChainFeatures, FeatureEngine, run_tape
from optionsib.launchers.model_commands import describe
from optionsib.models import BUNDLED_MODEL, OnnxModel
from optionsib.models.card import card_path, digest, read_card
from optionsib.models.dataset import label_rows
from optionsib.models.metrics import score
from optionsib.models.model_process import ModelProcess
from optionsib.models.server import ModelServer

PAPER = ModelConfig(stage="paper")


@pytest.fixture(scope="module")
def day() -> list[ChainFeatures]:
    config = load_config("paper")
    engine = FeatureEngine(config.features, RateCurve.from_config(config.rates))
    return list(run_tape(shorten(SimulatedTape(seed=5), 60, 25), engine))


def nonsense(folder: Path) -> Path:
    """An artefact with a card in order that answers 0.5 for a row of zeros and no probability for others."""
    onnx = pytest.importorskip("onnx", reason="needs the train extra")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [
            helper.make_node("ReduceSum", ["features", "axes"], ["sum"], keepdims=1),
            helper.make_node("Abs", ["sum"], ["size"]),
            helper.make_node("Mul", ["size", "many"], ["much"]),
            helper.make_node("Add", ["much", "half"], ["probabilities"]),
        ],
        "nonsense",
        [helper.make_tensor_value_info("features", kind, [None, len(FEATURE_NAMES)])],
        [helper.make_tensor_value_info("probabilities", kind, [None, 2])],
        [
            helper.make_tensor("axes", onnx.TensorProto.INT64, [1], [1]),
            helper.make_tensor("many", kind, [1], [1e6]),
            helper.make_tensor("half", kind, [1, 2], [0.5, 0.5]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    content = model.SerializeToString()
    path = folder / "nonsense.onnx"
    path.write_bytes(content)
    card = read_card(card_path(BUNDLED_MODEL))
    changed = msgspec.structs.replace(card, artefact_sha256=digest(content), name="nonsense")
    card_path(path).write_bytes(changed.encode())
    return path


class Served:
    """A server, what it has published, and a clock that follows the steps."""

    def __init__(self, config: ModelConfig = PAPER) -> None:
        self.events: list[Event] = []
        self.durable = 0
        self.clock = SteppedClock(0)
        self.config = config
        self.server = ModelServer(config, self.clock, self.events.append, patience=20.0)

    async def begin(self, path: Path | None = BUNDLED_MODEL, journaled: list[Event] | None = None) -> None:
        first = await ModelProcess.start(path, stage="paper") if path else None
        self.server = ModelServer(
            self.config, self.clock, self.events.append, commit=self.commit, first=first, patience=20.0
        )
        await self.server.begin(journaled or [])

    def commit(self) -> None:
        self.durable = len(self.events)

    async def step(self, features: ChainFeatures) -> np.ndarray | None:
        self.clock.advance(features.at_ns)
        found = await self.server.predict(features)
        await self.server.finish_step()
        return found

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]


def run(scenario: Callable[[Served], Awaitable[None]], served: Served | None = None) -> Served:
    one = served or Served()

    async def whole() -> None:
        try:
            await scenario(one)
        finally:
            await one.server.close()

    asyncio.run(whole())
    return one


def test_a_process_forecasts_as_the_library_does(day: list[ChainFeatures]) -> None:
    expected = OnnxModel.load(BUNDLED_MODEL, stage="paper").predict(day[-1].matrix())

    async def scenario(one: Served) -> None:
        await one.begin()
        found = await one.step(day[-1])
        assert found is not None
        np.testing.assert_array_equal(found, expected.probability)
        live = one.server.live_model()
        assert live is not None
        assert (live.model_id, live.epoch, live.frozen) == (digest(BUNDLED_MODEL.read_bytes()), 1, "")
        (told,) = one.of(Prediction)
        assert isinstance(told, Prediction)
        assert (told.rows, told.known_at_ns, told.epoch) == (len(expected.probability), day[-1].at_ns, 1)
        assert told.deadline_ns == day[-1].at_ns + 120_000_000_000
        assert "no demonstrated skill" in " ".join(one.server.notices)

    run(scenario)


def test_a_swap_takes_effect_between_steps(day: list[ChainFeatures], tmp_path: Path) -> None:
    async def scenario(one: Served) -> None:
        await one.begin()
        before = one.server.live_model()
        await one.step(day[0])
        await one.server.prepare(nonsense(tmp_path), "drill", "tester")
        assert one.server.live_model() == before
        old = one.server._live
        assert old is not None
        assert await one.step(day[1]) is None
        assert "no probability" in one.server.trouble
        assert not psutil.pid_exists(old.process.pid)
        await one.server.prepare(BUNDLED_MODEL, "back", "tester")
        assert await one.step(day[2]) is not None

    served = run(scenario)
    epochs = served.of(ModelEpoch)
    # Where the configured one lies must not enter the journal's hash.
    paths = [e.path for e in epochs if isinstance(e, ModelEpoch)]
    assert paths == ["", str(tmp_path / "nonsense.onnx"), str(BUNDLED_MODEL)]
    assert [(e.epoch, e.reason, e.operator) for e in epochs if isinstance(e, ModelEpoch)] == [
        (1, "configured", ""),
        (2, "drill", "tester"),
        (3, "back", "tester"),
    ]


def test_what_may_not_serve_is_refused_and_all_stays(day: list[ChainFeatures], tmp_path: Path) -> None:
    async def scenario(one: Served) -> None:
        await one.begin()
        with pytest.raises(ModelError, match="missing"):
            await one.server.prepare(tmp_path / "nowhere.onnx", "drill", "tester")
        broken = nonsense(tmp_path)
        broken.write_bytes(b"no model")
        with pytest.raises(ModelError, match="do not belong together"):
            await one.server.prepare(broken, "drill", "tester")
        assert await one.step(day[0]) is not None
        assert len(one.of(ModelEpoch)) == 1

    run(scenario)

    async def live_stage(one: Served) -> None:
        with pytest.raises(ModelError, match="no demonstrated skill"):
            await one.server.prepare(BUNDLED_MODEL, "drill", "tester")

    run(live_stage, Served(ModelConfig(stage="live")))


def test_freezing_is_journaled_and_lasts_over_a_restart(day: list[ChainFeatures]) -> None:
    async def scenario(one: Served) -> None:
        await one.begin()
        with pytest.raises(ModelError, match="not frozen"):
            one.server.thaw("why not", "tester")
        with pytest.raises(ModelError, match="a reason is needed"):
            one.server.freeze("")
        one.server.freeze("drift", "watch")
        assert one.durable == len(one.events) > 0
        with pytest.raises(ModelError, match="already frozen"):
            one.server.freeze("again")
        assert await one.step(day[0]) is None

    frozen = run(scenario)

    async def again(one: Served) -> None:
        await one.begin(journaled=frozen.events)
        live = one.server.live_model()
        assert live is not None
        assert (live.epoch, live.frozen) == (1, "drift")
        assert await one.step(day[1]) is None
        one.server.thaw("looked at it", "tester")
        assert await one.step(day[2]) is not None
        assert one.server.trouble == ""

    run(again)


def test_a_restart_takes_the_journaled_model_or_none(day: list[ChainFeatures], tmp_path: Path) -> None:
    other = nonsense(tmp_path)

    async def swapped(one: Served) -> None:
        await one.begin()
        await one.server.prepare(other, "drill", "tester")
        await one.step(day[0])

    first = run(swapped)

    async def again(one: Served) -> None:
        await one.begin(journaled=first.events)
        live = one.server.live_model()
        assert live is not None
        assert (live.model_id, live.epoch) == (digest(other.read_bytes()), 2)
        assert one.of(ModelEpoch) == []

    run(again)
    as_it_was, card = card_path(other).read_bytes(), read_card(card_path(other))
    card_path(other).write_bytes(msgspec.structs.replace(card, proof="a year of days").encode())

    async def on_another_card(one: Served) -> None:
        await one.begin(journaled=first.events)
        assert one.server.live_model() is None
        assert "is another one by now: its card has" in one.server.trouble

    run(on_another_card)
    card_path(other).write_bytes(as_it_was.replace(b"\n", b"\n  "))  # the same words, laid out otherwise
    run(again)
    other.write_bytes(b"lost")

    async def gone(one: Served) -> None:
        await one.begin(journaled=first.events)
        assert one.server.live_model() is None
        assert "cannot be loaded" in one.server.trouble
        assert await one.step(day[1]) is None

    run(gone)


def test_labels_are_those_of_the_training(day: list[ChainFeatures]) -> None:
    shown: list[Any] = []

    async def scenario(one: Served) -> None:
        await one.begin()
        for features in day:
            await one.step(features)
        shown.append(one.server.describe()["live"])

    told = [event for event in run(scenario).of(LabelArrived) if isinstance(event, LabelArrived)]
    rows = label_rows(day, TrainingConfig())
    model = OnnxModel.load(BUNDLED_MODEL, stage="paper")
    assert [event.predicted_at_ns for event in told] == sorted(set(rows.at_ns.tolist()))
    for event in told:
        chosen = rows.at_ns == event.predicted_at_ns
        expected = score(rows.label[chosen], model.predict(rows.matrix[chosen]).probability)
        assert (event.rows, event.ones) == (int(chosen.sum()), int(rows.label[chosen].sum()))
        assert event.log_loss == pytest.approx(expected.log_loss, abs=1e-6)
        assert event.at_ns == event.predicted_at_ns + 15 * MINUTE_NS
    assert shown[0]["labels"] == sum(event.rows for event in told)
    whole = score(rows.label, model.predict(rows.matrix).probability)
    assert (shown[0]["log_loss"], shown[0]["brier"]) == pytest.approx((whole.log_loss, whole.brier), abs=1e-6)
    live = {
        "name": "m",
        "model_id": "a" * 64,
        "path": "p",
        "proof": "none",
        "simulated": True,
        **shown[0],
        "missing": "",
    }
    text = describe({"live": live, "shadow": None, "epoch": 1, "frozen": "", "trouble": ""})
    assert f"{shown[0]['labels']:,} labels since the start: log loss {whole.log_loss:.4f}" in text


def test_a_shadow_is_scored_and_its_failure_is_its_own(day: list[ChainFeatures], tmp_path: Path) -> None:
    copy = tmp_path / "copy.onnx"
    shutil.copy(BUNDLED_MODEL, copy)
    shutil.copy(card_path(BUNDLED_MODEL), card_path(copy))

    async def scenario(one: Served) -> None:
        await one.begin()
        for k, features in enumerate(day[:20]):
            assert await one.step(features) is not None
            if k == 18:
                shadow = one.server._shadow
                assert shadow is not None
                os.kill(shadow.process.pid, signal.SIGKILL)
        live = one.server.live_model()
        assert live is not None
        assert live.epoch == 1

    served = run(scenario, Served(ModelConfig(stage="paper", shadow=str(copy))))
    told = [event for event in served.of(LabelArrived) if isinstance(event, LabelArrived)]
    pairs = [[e.log_loss for e in told if e.shadow is shadow] for shadow in (False, True)]
    assert len(pairs[1]) > 2
    assert pairs[0][: len(pairs[1])] == pairs[1]
    asked = [event for event in served.of(Prediction) if isinstance(event, Prediction)]
    assert sum(one.shadow for one in asked) == sum(not one.shadow for one in asked) == 20
    assert [bool(one.abstain) for one in asked if one.shadow] == [False] * 19 + [True]
    assert not any(one.abstain for one in asked if not one.shadow)


def test_a_model_that_keeps_crashing_is_frozen(day: list[ChainFeatures]) -> None:
    async def scenario(one: Served) -> None:
        await one.begin()
        steps = iter(day)
        while not (live := one.server.live_model()) or not live.frozen:
            seat = one.server._live
            assert seat is not None
            if seat.process.is_running:
                os.kill(seat.process.pid, signal.SIGKILL)
                await asyncio.sleep(0.1)
            elif seat.reviving is not None:
                await asyncio.wait({seat.reviving})
            features = next(steps)
            # Ten minutes apart: the breaker tries again.
            moved = features.at_ns + 600 * SECOND_NS * len(one.of(Prediction))
            one.clock.advance(moved)
            assert await one.server.predict(features) is None or seat.process.is_running

    served = run(scenario)
    (frozen,) = [event for event in served.of(ModelFrozen) if isinstance(event, ModelFrozen)]
    assert "its process ended 3 times" in frozen.reason


def test_frozen_events_of_an_earlier_epoch_do_not_freeze_a_later_one(day: list[ChainFeatures]) -> None:
    async def scenario(one: Served) -> None:
        await one.begin()
        one.server.freeze("drift")
        await one.server.prepare(BUNDLED_MODEL, "trained anew", "tester")
        assert await one.step(day[0]) is not None

    served = run(scenario)

    async def again(one: Served) -> None:
        await one.begin(journaled=served.events)
        live = one.server.live_model()
        assert live is not None
        assert (live.epoch, live.frozen) == (2, "")

    assert len(served.of(ModelFrozen)) == 1
    run(again)


def test_processes_end_with_the_server(day: list[ChainFeatures]) -> None:
    async def scenario(one: Served) -> None:
        await one.begin()
        await one.server.prepare(BUNDLED_MODEL, "waits", "tester")

    run(scenario)
    hosts = [p for p in psutil.Process().children() if "optionsib.models.host" in " ".join(p.cmdline())]
    assert hosts == []
