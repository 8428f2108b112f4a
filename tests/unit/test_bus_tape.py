"""The tick tape: offsets, continuing after a crash, torn tails, damage."""

from __future__ import annotations

from pathlib import Path

import pytest

from optionsib.bus.tape import MAGIC, TapeReader, TickTape
from optionsib.common.errors import DataError
from optionsib.common.events import Quote

STEPS = [
    (
        10,
        [
            Quote(con_id=1, bid=100, ask=None, bid_size=5, as_of_ns=9, changed_ns=8),
            Quote(con_id=2, bid=1, ask=2),
        ],
    ),
    (20, []),
    (20, [Quote(con_id=1, bid=-5, ask=7, bid_size=1, ask_size=2, as_of_ns=20, changed_ns=20)]),
]


def write(path: Path) -> list[int]:
    with TickTape(path) as tape:
        return [tape.append(at_ns, quotes) for at_ns, quotes in STEPS]


def read(path: Path) -> tuple[list[tuple[int, list[Quote]]], int]:
    with TapeReader(path) as reader:
        frames = [(frame.at_ns, list(frame.quotes)) for frame in reader]
        return frames, reader.torn_bytes


def test_round_trip_and_offsets(tmp_path: Path) -> None:
    path = tmp_path / "tape"
    offsets = write(path)
    assert offsets[0] == len(MAGIC)
    assert read(path) == (STEPS, 0)
    with TapeReader(path) as reader:
        frame = reader.frame(offsets[2])
        assert (frame.offset, frame.at_ns, list(frame.quotes)) == (offsets[2], *STEPS[2])
        with pytest.raises(DataError, match="no whole frame at offset"):
            reader.frame(offsets[2] + 1)


def test_equal_steps_give_equal_bytes(tmp_path: Path) -> None:
    write(tmp_path / "a")
    write(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_reading_beside_the_writer(tmp_path: Path) -> None:
    with TickTape(tmp_path / "tape") as tape:
        tape.append(*STEPS[0])
        assert read(tmp_path / "tape") == (STEPS[:1], 0)


def test_every_torn_tail_is_reported_and_cut(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    offsets = write(whole)
    content = whole.read_bytes()
    ends = [*offsets[1:], len(content)]
    for size in range(len(content)):
        path = tmp_path / "torn"
        path.write_bytes(content[:size])
        good = sum(end <= size for end in ends)
        last_end = 0 if size < len(MAGIC) else ([len(MAGIC), *ends][good])
        assert read(path) == (STEPS[:good], size - last_end), size
        with TickTape(path) as tape:
            assert tape.cut_bytes == size - last_end
            for step in STEPS[good:]:
                tape.append(*step)
        assert path.read_bytes() == content, size


def test_zeros_at_the_end_are_a_torn_tail(tmp_path: Path) -> None:
    path = tmp_path / "tape"
    write(path)
    with path.open("ab") as file:
        file.write(bytes(500))
    assert read(path) == (STEPS, 500)


def test_damage_before_the_tail_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "tape"
    offsets = write(path)
    content = bytearray(path.read_bytes())
    content[offsets[0] + 12] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"offset {offsets[0]} is damaged"):
        read(path)
    with pytest.raises(DataError):
        TickTape(path)
    assert path.read_bytes() == content


def test_not_a_tape(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("date,price\n")
    for attempt in (TapeReader, TickTape):
        with pytest.raises(DataError, match="not a tick tape"):
            attempt(path)
    assert path.read_text() == "date,price\n"
    with pytest.raises(DataError, match="cannot read tape"):
        TapeReader(tmp_path / "none")


def test_time_never_runs_backwards(tmp_path: Path) -> None:
    path = tmp_path / "tape"
    write(path)
    with TickTape(path) as tape:
        assert tape.last_at_ns == 20
        before = tape.offset
        with pytest.raises(ValueError, match="nothing was written"):
            tape.append(19, [])
        assert tape.offset == before
    assert read(path) == (STEPS, 0)
