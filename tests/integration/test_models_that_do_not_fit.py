"""Artefacts and cards that look in order and are not: refused where they are loaded, never in a step."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import numpy as np
import psutil
import pytest

from optionsib.common.clock import SteppedClock
from optionsib.common.config import ModelConfig, load_config
from optionsib.common.errors import ModelError
from optionsib.common.events import Event, LabelArrived
from optionsib.common.types import MINUTE_NS
from optionsib.data.memory_tape import shorten
from optionsib.data.rates import RateCurve
from optionsib.data.synthetic.simulated_day import SimulatedTape
from optionsib.features import FEATURE_NAMES, ChainFeatures, FeatureEngine, run_tape
from optionsib.features.normalizer import QuantileNormalizer
from optionsib.launchers.model_commands import describe
from optionsib.models import BUNDLED_MODEL, OnnxModel
from optionsib.models.card import LARGEST_FILE, card_path, digest, read_card, write_model
from optionsib.models.ensemble import STATE_FILE, OptionStrategyEnsemble
from optionsib.models.model_process import ModelProcess
from optionsib.models.server import ModelServer
from optionsib.models.splits import Split


@pytest.fixture(scope="module")
def day() -> list[ChainFeatures]:
    config = load_config("paper")
    engine = FeatureEngine(config.features, RateCurve.from_config(config.rates))
    return list(run_tape(shorten(SimulatedTape(seed=5), 60, 25), engine))


def rewrite(artefact: Path, **changes: object) -> None:
    card = msgspec.structs.replace(read_card(card_path(artefact)), **changes)
    card_path(artefact).write_bytes(card.encode())


@pytest.mark.parametrize("value", ["soon", "nan", "inf", "-0.1"])
@pytest.mark.parametrize("name", ["label_dead_band", "label_maximum_spread"])
def test_a_label_that_cannot_be_computed_is_refused_at_the_door(
    artefact: Path, name: str, value: str
) -> None:
    """The server scores forecasts by these: an error there would end the step, and with it the exits."""
    rewrite(artefact, parameters=read_card(card_path(artefact)).parameters | {name: value})
    with pytest.raises(ModelError, match=name):
        OnnxModel.load(artefact, stage="paper")


def test_a_forecast_needs_a_time_to_come_true(artefact: Path) -> None:
    rewrite(artefact, horizon_minutes=0)
    with pytest.raises(ModelError, match="horizon"):
        OnnxModel.load(artefact, stage="paper")


def test_a_sequence_model_may_not_be_asked_about_a_chain(tmp_path: Path) -> None:
    """It would take two contracts for two moments of one, and give half as many forecasts."""
    onnx = pytest.importorskip("onnx", reason="needs the train extra")
    helper, kind, width = onnx.helper, onnx.TensorProto.FLOAT, len(FEATURE_NAMES)
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["features"], ["flat"]),
            helper.make_node("MatMul", ["flat", "zeros"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"]),
        ],
        "sequence",
        [helper.make_tensor_value_info("features", kind, [None, 2, width])],
        [helper.make_tensor_value_info("probabilities", kind, [None, 2])],
        [helper.make_tensor("zeros", kind, [2 * width, 2], [0.0] * 4 * width)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    content = model.SerializeToString()
    path = tmp_path / "sequence.onnx"
    path.write_bytes(content)
    card = msgspec.structs.replace(
        read_card(card_path(BUNDLED_MODEL)),
        artefact_sha256=digest(content), name="sequence", kind="sequence", input_shape=(2, width),
    )  # fmt: skip
    card_path(path).write_bytes(card.encode())
    OnnxModel.load(path, stage="paper")  # in order as such

    async def start() -> None:
        process = await ModelProcess.start(path, stage="paper")
        await process.close()

    with pytest.raises(ModelError, match="one row a contract"):
        asyncio.run(start())


def test_a_machine_that_starts_no_process_is_a_model_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server knows what to do with a ``ModelError``; an ``OSError`` would end the session."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(ModelError, match="could not be started"):
        asyncio.run(ModelProcess.start(BUNDLED_MODEL, stage="paper"))


def test_a_label_that_comes_too_late_is_none(day: list[ChainFeatures]) -> None:
    """After a gap in the feed the residual of an hour later is not the one that was forecast."""
    horizon = read_card(card_path(BUNDLED_MODEL)).horizon_minutes
    events: list[Event] = []

    async def scenario() -> None:
        clock = SteppedClock(0)
        first = await ModelProcess.start(BUNDLED_MODEL, stage="paper")
        server = ModelServer(ModelConfig(stage="paper"), clock, events.append, first=first, patience=20.0)
        try:
            await server.begin()
            late = [one for one in day if one.at_ns >= day[0].at_ns + (horizon + 5) * MINUTE_NS]
            for features in (day[0], day[1], *late):
                clock.advance(features.at_ns)
                await server.predict(features)
        finally:
            await server.close()

    asyncio.run(scenario())
    told = [event for event in events if isinstance(event, LabelArrived)]
    assert [event for event in told if event.at_ns > event.predicted_at_ns + (horizon + 1) * MINUTE_NS] == []


@pytest.mark.parametrize("suffix", [".onnx", ".json"])
def test_a_file_without_an_end_is_not_read(artefact: Path, suffix: str) -> None:
    os.truncate(artefact.with_suffix(suffix), LARGEST_FILE + 1)
    with pytest.raises(ModelError, match="at most"):
        OnnxModel.load(artefact, stage="paper")


@pytest.mark.parametrize("suffix", [".onnx", ".json"])
def test_a_pipe_is_no_file(artefact: Path, suffix: str) -> None:
    target = artefact.with_suffix(suffix)
    target.unlink()
    os.mkfifo(target)
    script = (
        "import sys, pathlib; from optionsib.models import OnnxModel; "
        "OnnxModel.load(pathlib.Path(sys.argv[1]), stage='paper')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(artefact)], capture_output=True, text=True, timeout=60, check=False
    )
    assert "is no regular file" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the model's process ends with its input")
def test_a_hanging_model_does_not_outlive_a_killed_daemon() -> None:
    script = (
        "import asyncio, os, signal, time\n"
        "from optionsib.models import BUNDLED_MODEL\n"
        "from optionsib.models.model_process import ModelProcess\n"
        "async def main():\n"
        "    process = await ModelProcess.start(BUNDLED_MODEL, stage='paper')\n"
        "    os.kill(process.pid, signal.SIGSTOP)\n"
        "    print(process.pid, flush=True)\n"
        "    time.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    daemon = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert daemon.stdout is not None
    model = psutil.Process(int(daemon.stdout.readline()))
    try:
        daemon.kill()
        daemon.wait()
        deadline = time.monotonic() + 60.0
        while _lives(model) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not _lives(model)
    finally:
        daemon.stdout.close()
        if _lives(model):
            os.kill(model.pid, signal.SIGKILL)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def normalised(artefact: Path, scale: float) -> None:
    """Put a normaliser beside the artefact, as its card says."""
    rows = scale * np.random.default_rng(3).standard_normal((50, len(FEATURE_NAMES))).astype(np.float32)
    found = QuantileNormalizer.fit(rows, FEATURE_NAMES, known_until_ns=0)
    card = read_card(card_path(artefact))
    card = msgspec.structs.replace(card, normalizer_sha256=found.sha256)
    write_model(artefact, artefact.read_bytes(), card, found.to_bytes())


def test_another_normaliser_is_another_model(artefact: Path) -> None:
    found = {OnnxModel.load(artefact, stage="paper").model_id}
    for scale in (1.0, 2.0):
        normalised(artefact, scale)
        found.add(OnnxModel.load(artefact, stage="paper").model_id)
    assert len(found) == 3


def test_what_was_changed_beside_the_artefact_is_not_started_again(
    day: list[ChainFeatures], artefact: Path
) -> None:
    """The vote of a process that comes back must be of the model that was journaled."""

    async def scenario() -> str:
        clock = SteppedClock(0)
        first = await ModelProcess.start(artefact, stage="paper")
        server = ModelServer(ModelConfig(stage="paper"), clock, [].append, first=first, patience=20.0)
        try:
            await server.begin()
            rewrite(artefact, parameters={"label_dead_band": "0.5"})
            os.kill(first.pid, signal.SIGKILL)
            for features in day[:10]:
                clock.advance(features.at_ns)
                assert await server.predict(features) is None
                if "another one" in server.trouble:
                    break
                seat = server._live
                assert seat is not None
                if seat.reviving is not None:
                    await asyncio.wait({seat.reviving})
            return server.trouble
        finally:
            await server.close()

    assert "is another one by now: its card has" in asyncio.run(scenario())


def test_an_ensemble_without_a_member_says_so(tmp_path: Path) -> None:
    pytest.importorskip("xgboost", reason="needs the train extra")
    pytest.importorskip("skl2onnx", reason="needs the train extra")
    generator = np.random.default_rng(2)
    matrix = generator.standard_normal((600, len(FEATURE_NAMES))).astype(np.float32)
    label = (matrix[:, 0] + generator.standard_normal(600) > 0.0).astype(np.int8)
    fitted = OptionStrategyEnsemble.fit(
        tmp_path, matrix, label, Split(np.arange(400), np.arange(400, 600)), FEATURE_NAMES,
        known_until_ns=0, seed=1, minimum_members=1, members=("trees", "network"),
    )  # fmt: skip
    card = msgspec.structs.replace(
        read_card(card_path(BUNDLED_MODEL)),
        name="both", kind="ensemble", normalizer_sha256=fitted.state.normalizer_sha256,
        artefact_sha256=digest((tmp_path / STATE_FILE).read_bytes()),
    )  # fmt: skip
    card_path(tmp_path).write_bytes(card.encode())
    (tmp_path / "network.onnx").unlink()

    async def scenario() -> tuple[tuple[str, ...], str]:
        first = await ModelProcess.start(tmp_path, stage="paper")
        server = ModelServer(ModelConfig(stage="paper"), SteppedClock(0), [].append, first=first)
        try:
            await server.begin()
            return server.notices, describe(server.describe())
        finally:
            await server.close()

    notices, shown = asyncio.run(scenario())
    assert any("serves without a part of it: network" in notice for notice in notices)
    assert "so no figure is of this: network" in shown


def test_forecasts_are_counted(artefact: Path) -> None:
    """What comes from the other process is measured before it is used."""

    async def scenario() -> None:
        process = await ModelProcess.start(artefact, stage="paper")
        try:
            rows = np.zeros((3, len(FEATURE_NAMES)), dtype=np.float32)
            assert len((await process.predict(rows, patience=20.0)).probability) == 3
            with pytest.raises(ModelError):
                await process.predict(rows[:, :-1], patience=20.0)  # 30 numbers are no whole rows
        finally:
            await process.close()

    asyncio.run(scenario())
