"""Stresses put on scenarios, and scenarios in Parquet files."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from optionsib.pricing import OptionScenarioGenerator
from optionsib.pricing.scenarios import (
    HestonVariance,
    HistoricalReplay,
    History,
    Overlay,
    Scenarios,
    Stress,
    Vasicek,
    read_scenarios,
    write_scenarios,
)

GENERATOR = OptionScenarioGenerator(
    spot=100.0,
    volatility=HestonVariance(variance=0.05, kappa=1.5, theta=0.04, xi=0.6),
    rate=Vasicek(initial=0.03, kappa=0.5, theta=0.04, xi=0.01),
)
BASE = GENERATOR.generate(measure="physical", horizon=1.0, steps=10, paths=50, seed=1)
CRASH = Stress(name="crash", spot=-0.2, volatility=0.15, rate=0.01)


def test_a_shock_today() -> None:
    found = BASE.stressed(CRASH)
    assert found.spot == pytest.approx(0.8 * BASE.spot, rel=1e-15)
    assert found.volatility == pytest.approx(BASE.volatility + 0.15, rel=1e-15)
    assert found.rate == pytest.approx(BASE.rate + 0.01, rel=1e-15)
    assert found.discount == pytest.approx(BASE.discount * np.exp(-0.01 * BASE.times), rel=1e-14)


def test_a_shock_with_a_ramp() -> None:
    found = BASE.stressed(replace(CRASH, start=3, ramp=4))
    weights = [0, 0, 0, 0, 0.25, 0.5, 0.75, 1, 1, 1, 1]
    assert found.spot / BASE.spot == pytest.approx(np.tile(np.power(0.8, weights), (50, 1)), rel=1e-14)
    assert found.volatility[0] - BASE.volatility[0] == pytest.approx(0.15 * np.array(weights))
    assert found.rate[0] - BASE.rate[0] == pytest.approx(0.01 * np.array(weights))
    lost = 0.01 * 0.1 * (0.5 * (0.25 + 0.5 + 0.75 + 1) + 0.5 * (0 + 0.25 + 0.5 + 0.75) + 3)
    assert found.discount[:, -1] == pytest.approx(BASE.discount[:, -1] * math.exp(-lost), rel=1e-13)
    assert np.array_equal(found.spot[:, :4], BASE.spot[:, :4])


def test_stresses_add_up_and_are_noted() -> None:
    back = Stress(name="back", spot=0.25, volatility=-0.15, rate=-0.01)
    found = BASE.stressed(CRASH, back)
    for name, values in BASE.arrays().items():
        assert found.arrays()[name] == pytest.approx(values, rel=1e-13)
    assert [Overlay.from_json(text) for text in found.provenance.overlays] == [CRASH, back]
    assert found.provenance.measure == "physical"
    assert BASE.provenance.overlays == ()


def test_a_replay_of_history() -> None:
    t = np.arange(30)
    history = History(100 + 5 * np.sin(t), 0.2 + 0.05 * np.cos(t), 0.03 + 0.001 * t, name="waves")
    replay = HistoricalReplay.of("the dip", history, 3, 8, start=2)
    still = OptionScenarioGenerator(spot=50.0, volatility=1e-9, rate=0.02).generate(
        measure="risk_neutral", horizon=1.0, steps=10, paths=2, seed=1
    )
    found = still.stressed(replace(replay, volatility=tuple(max(v, 0.0) for v in replay.volatility)))
    assert found.spot[0, 2:8] / still.spot[0, 2:8] == pytest.approx(history.spot[3:9] / history.spot[3])
    assert found.spot[0, 8:] / still.spot[0, 8:] == pytest.approx(history.spot[8] / history.spot[3])
    assert found.rate[0, 7] == pytest.approx(0.02 + 0.005)
    assert Overlay.from_json(replay.to_json()) == replay


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Stress(name="", spot=0.1), "name must say"),
        (lambda: Stress(name="x", spot=-1.0), "spot must be a finite number above -1"),
        (lambda: Stress(name="x", rate=math.nan), "rate"),
        (lambda: Stress(name="x", start=-1), "start"),
        (lambda: Stress(name="x", ramp=1.5), "ramp"),
        (
            lambda: BASE.stressed(Stress(name="late", spot=-0.1, start=8, ramp=4)),
            "late: whole only at step 12",
        ),
        (lambda: BASE.stressed(Stress(name="calm", volatility=-5.0)), "calm: the volatility would be -"),
        (lambda: HistoricalReplay(name="x", spot=(1.0,), volatility=(0.0,), rate=(0.0,)), "at least 2"),
        (
            lambda: HistoricalReplay(name="x", spot=(2.0, 1.0), volatility=(0.0, 0.0), rate=(0.0, 0.0)),
            "begin with 1",
        ),
        (
            lambda: BASE.stressed(
                HistoricalReplay(name="long", spot=(1.0,) * 12, volatility=(0.0,) * 12, rate=(0.0,) * 12)
            ),
            "long: ends at step 11",
        ),
        (lambda: Overlay.from_json('{"type": "earthquake"}'), "type shock, historical_replay"),
        (lambda: Overlay.from_json('{"type": "shock", "name": "x", "depth": 3}'), "shock: "),
    ],
)
def test_bad_stresses(make: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()


# --- files -------------------------------------------------------------------------------------------------


def same(one: Scenarios, other: Scenarios) -> bool:
    arrays = other.arrays()
    return (
        np.array_equal(one.times, other.times)
        and one.provenance == other.provenance
        and all(values.tobytes() == arrays[name].tobytes() for name, values in one.arrays().items())
    )


def test_a_file_reads_back_bit_for_bit(tmp_path: Path) -> None:
    file = tmp_path / "scenarios.parquet"
    found = BASE.stressed(CRASH)
    write_scenarios(found, file)
    assert same(found, read_scenarios(file))
    assert [one.name for one in tmp_path.iterdir()] == [file.name]


def test_many_row_groups(tmp_path: Path) -> None:
    file = tmp_path / "scenarios.parquet"
    found = GENERATOR.generate(measure="risk_neutral", horizon=1.0, steps=4, paths=450_000, seed=1)
    write_scenarios(found, file)
    assert pq.ParquetFile(file).num_row_groups == 3
    assert same(found, read_scenarios(file))


def test_the_schema_and_metadata_are_as_written_down(tmp_path: Path) -> None:
    file = tmp_path / "scenarios.parquet"
    write_scenarios(BASE, file)
    table = pq.read_table(file)
    assert table.schema.names == ["path", "step", "time", "spot", "volatility", "rate", "discount"]
    assert [str(kind) for kind in table.schema.types] == ["int64", "int32"] + ["double"] * 5
    assert table.num_rows == 50 * 11
    about = json.loads(table.schema.metadata[b"optionsib.scenarios"])
    assert about["provenance"]["source"] == "simulated"
    assert (about["version"], about["paths"], about["steps"]) == (1, 50, 10)
    third = table.filter(pa.compute.equal(table["path"], 3))
    assert third["spot"].to_numpy().tolist() == BASE.spot[3].tolist()


def damaged(file: Path, change: Any) -> None:
    write_scenarios(BASE, file)
    pq.write_table(change(pq.read_table(file)), file)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.slice(0, 540), "540 rows, 50 paths of 10 steps take 550"),
        (lambda t: t.take(list(range(549, -1, -1))), "not path by path"),
        (lambda t: t.replace_schema_metadata({}), "no scenarios"),
        (lambda t: t.drop_columns(["rate"]), "columns"),
        (
            lambda t: t.replace_schema_metadata(
                {k: v.replace(b'"version": 1', b'"version": 9') for k, v in t.schema.metadata.items()}
            ),
            "not of version 1",
        ),
        (
            lambda t: t.replace_schema_metadata(
                {k: v.replace(b'"seed"', b'"sead"') for k, v in t.schema.metadata.items()}
            ),
            "broken metadata: TypeError",
        ),
        (
            lambda t: t.replace_schema_metadata(
                {k: v.replace(b'"paths": 50', b'"paths": "50"') for k, v in t.schema.metadata.items()}
            ),
            "paths must be a whole number",
        ),
        (
            lambda t: t.replace_schema_metadata(
                {k: v.replace(b'"simulated"', b'"recorded"') for k, v in t.schema.metadata.items()}
            ),
            "not 'simulated'",
        ),
    ],
)
def test_another_file_is_refused(change: Any, said: str, tmp_path: Path) -> None:
    file = tmp_path / "scenarios.parquet"
    damaged(file, change)
    with pytest.raises(ValueError, match=said):
        read_scenarios(file)


def test_what_is_no_parquet_file(tmp_path: Path) -> None:
    file = tmp_path / "scenarios.parquet"
    file.write_bytes(b"PAR1 and more")
    with pytest.raises(ValueError, match=r"scenarios\.parquet"):
        read_scenarios(file)
    write_scenarios(BASE, file)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"scenarios\.parquet"):
        read_scenarios(file)
    with pytest.raises(OSError, match="absent"):
        read_scenarios(tmp_path / "absent.parquet")


def test_the_missing_extra_is_named(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from optionsib.pricing.scenarios import read_scenarios\n"
        "read_scenarios('x.parquet')"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "MissingExtraError: pyarrow is not installed: pip install 'optionsib[scenarios]'" in ended.stderr
