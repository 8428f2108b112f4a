"""A tape written in LEAN's layout and read again is the same tape."""

from __future__ import annotations

import datetime as dt
import zipfile
from pathlib import Path

import pytest

from optionsib.common.errors import DataError
from optionsib.common.ports import QuoteTape, TapeQuote, TapeStep
from optionsib.common.types import MINUTE_NS
from optionsib.data.historical import LeanTape, save_lean
from optionsib.data.memory_tape import MemoryTape
from optionsib.data.synthetic import SimulatedTape


def assert_same_day(read: QuoteTape, written: QuoteTape) -> None:
    assert read.underlying == written.underlying
    assert read.contracts == written.contracts
    assert (read.session_open_ns, read.session_close_ns) == (
        written.session_open_ns,
        written.session_close_ns,
    )
    for left, right in zip(read.steps(), written.steps(), strict=True):
        assert left == right


@pytest.mark.parametrize(
    ("seed", "date"),
    [
        (7, dt.date(2014, 6, 6)),
        (8, dt.date(2014, 11, 28)),  # a half day in winter time
        (9, dt.date(2014, 3, 26)),  # an expiry before Good Friday
    ],
)
def test_a_simulated_day_survives_the_round_trip(tmp_path: Path, seed: int, date: dt.date) -> None:
    written = SimulatedTape(seed, date=date)
    read = LeanTape(save_lean(written, tmp_path))
    assert_same_day(read, written)
    assert read.findings == ()


def test_a_side_that_goes_away_survives_the_round_trip(tmp_path: Path) -> None:
    day = SimulatedTape(7)
    quotes = [
        TapeQuote(1001, 300, 2, 500, 3),
        TapeQuote(1001, None, 0, 500, 3),
        TapeQuote(1001, None, 0, 500, 4),
        TapeQuote(1001, 200, 1, None, 0),
    ]
    steps = [
        TapeStep(day.session_open_ns + (k + 1) * MINUTE_NS, (quotes[k],) if k < 4 else ()) for k in range(390)
    ]
    written = MemoryTape(
        day.name,
        True,
        "",
        day.session_open_ns,
        day.session_close_ns,
        day.underlying,
        day.contracts,
        tuple(steps),
    )
    assert_same_day(LeanTape(save_lean(written, tmp_path)), written)


def test_equal_tapes_give_equal_files(tmp_path: Path) -> None:
    first, second = save_lean(SimulatedTape(7), tmp_path / "a"), save_lean(SimulatedTape(7), tmp_path / "b")
    name = "20140606_quote_american.zip"
    assert (first / name).read_bytes() == (second / name).read_bytes()
    assert LeanTape(first).sha256 == LeanTape(second).sha256


def test_files_stand_where_lean_wants_them(tmp_path: Path) -> None:
    folder = save_lean(SimulatedTape(7), tmp_path)
    assert folder == tmp_path / "option" / "usa" / "minute" / "simx"
    with zipfile.ZipFile(folder / "20140606_quote_american.zip") as archive:
        names = archive.namelist()
    assert len(names) == 180
    assert all(n.startswith("20140606_simx_minute_quote_american_") for n in names)
    equity = tmp_path / "equity" / "usa" / "minute" / "simx" / "20140606_quote.zip"
    with zipfile.ZipFile(equity) as archive:
        assert archive.namelist() == ["20140606_simx_minute_quote.csv"]


def test_a_day_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    folder = save_lean(SimulatedTape(7), tmp_path)
    path = folder / "20140606_quote_american.zip"
    before = path.read_bytes()
    with pytest.raises(DataError, match="exists already"):
        save_lean(SimulatedTape(8), tmp_path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("fault", ["half minute", "unknown contract"])
def test_a_tape_that_does_not_fit_the_layout_leaves_no_file(tmp_path: Path, fault: str) -> None:
    day = SimulatedTape(7)
    shift = MINUTE_NS // 2 if fault == "half minute" else 0
    con_id = 1001 if fault == "half minute" else 77
    step = TapeStep(day.session_open_ns + MINUTE_NS + shift, (TapeQuote(con_id, 300, 2, 500, 3),))
    broken = MemoryTape(
        day.name, True, "", day.session_open_ns, day.session_close_ns, day.underlying, day.contracts, (step,)
    )
    with pytest.raises(DataError, match="nothing written"):
        save_lean(broken, tmp_path)
    assert list(tmp_path.rglob("*.zip*")) == []
