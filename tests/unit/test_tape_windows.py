"""Windows cut out of a tape, and opening a tape by its name."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from optionsib.common.errors import DataError
from optionsib.common.ports import TapeQuote, TapeStep
from optionsib.common.types import MINUTE_NS
from optionsib.data.historical import save_lean
from optionsib.data.memory_tape import shorten
from optionsib.data.synthetic import SimulatedTape
from optionsib.data.tapes import day_before, latest_day_with_predecessor, open_tape


@pytest.fixture(scope="module")
def tape() -> SimulatedTape:
    return SimulatedTape(7)


def state_after(steps: list[TapeStep], count: int) -> dict[int, TapeQuote]:
    return {quote.con_id: quote for step in steps[:count] for quote in step.quotes}


def test_a_window_plays_the_minutes_it_names(tape: SimulatedTape) -> None:
    window = shorten(tape, 60, 20)
    steps, whole = list(window.steps()), list(tape.steps())
    assert window.session_open_ns == tape.session_open_ns + 60 * MINUTE_NS
    assert window.session_close_ns == window.session_open_ns + 20 * MINUTE_NS
    assert [step.at_ns for step in steps] == [step.at_ns for step in whole[60:80]]
    assert steps[1:] == whole[61:80]
    assert (window.underlying, window.contracts) == (tape.underlying, tape.contracts)


def test_the_first_step_of_a_window_tells_the_whole_state(tape: SimulatedTape) -> None:
    first = next(shorten(tape, 60, 20).steps())
    assert {quote.con_id: quote for quote in first.quotes} == state_after(list(tape.steps()), 61)
    ids = [quote.con_id for quote in first.quotes]
    assert ids == sorted(ids)


def test_the_whole_day_is_a_window_too(tape: SimulatedTape) -> None:
    window = shorten(tape, 0, 390)
    assert list(window.steps()) == list(tape.steps())
    assert next(shorten(tape, 389, 1).steps()).at_ns == tape.session_close_ns


def test_a_window_keeps_the_label_and_has_a_digest_of_its_own(tape: SimulatedTape) -> None:
    window = shorten(tape, 60, 20)
    assert window.simulated
    assert window.name == f"{tape.name} (minutes 60 to 80)"
    assert window.sha256 == shorten(tape, 60, 20).sha256
    others = [shorten(tape, 61, 20), shorten(tape, 60, 21), shorten(SimulatedTape(8), 60, 20)]
    assert len({tape.sha256, window.sha256, *(other.sha256 for other in others)}) == 5


@pytest.mark.parametrize(("first", "minutes"), [(-1, 20), (0, 0), (371, 20), (0, 391), (5, -3)])
def test_a_window_outside_the_session_is_an_error(tape: SimulatedTape, first: int, minutes: int) -> None:
    with pytest.raises(DataError, match=f"window of {minutes} minutes from minute {first} .* 0 to 390"):
        shorten(tape, first, minutes)


def test_no_folder_means_a_simulated_day(tape: SimulatedTape) -> None:
    opened = open_tape(None, seed=7)
    assert opened.simulated
    assert opened.sha256 == tape.sha256
    assert open_tape(None, date=dt.date(2014, 6, 5), seed=7).name.startswith("SIMX 2014-06-05 simulated")


def test_a_folder_means_its_latest_day_with_a_day_before_it(tmp_path: Path, tape: SimulatedTape) -> None:
    folder = save_lean(tape, tmp_path)
    with pytest.raises(DataError, match="2014-06-06; expected at least two"):
        open_tape(folder, seed=7)
    assert open_tape(folder, date=dt.date(2014, 6, 6), seed=7).name == "SIMX 2014-06-06"
    save_lean(SimulatedTape(7, date=dt.date(2014, 6, 5)), tmp_path)
    assert latest_day_with_predecessor(folder) == dt.date(2014, 6, 6)
    assert open_tape(str(folder), seed=7).name == "SIMX 2014-06-06"
    assert day_before(folder, dt.date(2014, 6, 6)) == dt.date(2014, 6, 5)
    with pytest.raises(DataError, match="no recorded day before 2014-06-05"):
        day_before(folder, dt.date(2014, 6, 5))


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: not found"):
        open_tape(tmp_path / "nowhere", seed=7)
