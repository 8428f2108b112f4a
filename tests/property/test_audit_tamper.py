"""Whatever one record suffers, the audit finds it and names the first bad one."""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from optionsib.bus.journal import Journal, make_genesis
from optionsib.common.events import Event, Execution, Halted, Quote
from optionsib.governance.audit import verify

Row = tuple[int, int, str, bytes, bytes]
GENESIS = make_genesis(seed=1, config="", data="", model="", build="", simd_path="")
INT64 = st.integers(-(2**63), 2**63 - 1)
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(Halted, at_ns=INT64, reason=st.text(max_size=20), operator=st.text(max_size=5)),
    st.builds(Quote, con_id=INT64, bid=st.none() | INT64, ask=st.none() | INT64),
    st.builds(
        Execution,
        execution_id=st.text(max_size=8),
        order_ref=st.just("o"),
        con_id=INT64,
        side=st.sampled_from([1, -1]),
        quantity=st.integers(1, 100),
        price=INT64,
        at_ns=INT64,
    ),
)
# Distinct sequences of events may hold equal neighbours: their hashes still differ by place.
JOURNALS = st.lists(st.tuples(EVENTS, INT64), min_size=2, max_size=8)


def write(folder: str, entries: list[tuple[Event, int]]) -> tuple[Path, list[Row], str]:
    path = Path(folder) / "journal.sqlite"
    with Journal.create(path, GENESIS) as journal:
        for event, at_ns in entries:
            journal.append(event, at_ns)  # type: ignore[arg-type]
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT * FROM records ORDER BY seq").fetchall()
    connection.close()
    return path, rows, journal.head


def rewrite(path: Path, rows: list[Row]) -> None:
    connection = sqlite3.connect(path)
    connection.execute("DELETE FROM records")
    connection.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?)", rows)
    connection.commit()
    connection.close()


def renumbered(rows: list[Row]) -> list[Row]:
    return [(seq, *row[1:]) for seq, row in enumerate(rows, 1)]


@settings(max_examples=40, deadline=None)
@given(JOURNALS)
def test_untouched_journals_verify(entries: list[tuple[Event, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, rows, head = write(folder, entries)
        report = verify(path, head)
        assert (report.ok, report.records, report.head) == (True, len(rows), head)


@settings(max_examples=100, deadline=None)
@given(JOURNALS, st.data())
def test_flip_of_any_bit(entries: list[tuple[Event, int]], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, rows, _ = write(folder, entries)
        index = data.draw(st.integers(0, len(rows) - 1))
        row = list(rows[index])
        column = data.draw(st.sampled_from([1, 3, 4]))
        if column == 1:
            row[1] = row[1] ^ (1 << data.draw(st.integers(0, 62)))
        else:
            cell = bytearray(row[column])
            bit = data.draw(st.integers(0, 8 * len(cell) - 1))
            cell[bit // 8] ^= 1 << (bit % 8)
            row[column] = bytes(cell)
        rewrite(path, [*rows[:index], tuple(row), *rows[index + 1 :]])  # type: ignore[list-item]
        report = verify(path)
        assert (report.ok, report.first_bad_seq, report.records) == (False, index + 1, index)


@settings(max_examples=40, deadline=None)
@given(JOURNALS, st.data(), st.booleans())
def test_drop_in_the_middle(entries: list[tuple[Event, int]], data: st.DataObject, renumber: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, rows, head = write(folder, entries)
        first = data.draw(st.integers(0, len(rows) - 2))
        last = data.draw(st.integers(first + 1, len(rows) - 1))  # at least one record follows the hole
        kept = rows[:first] + rows[last:]
        rewrite(path, renumbered(kept) if renumber else kept)
        report = verify(path)
        assert (report.ok, report.first_bad_seq) == (False, first + 1)
        assert not verify(path, head).ok


@settings(max_examples=40, deadline=None)
@given(JOURNALS, st.data(), st.booleans())
def test_swap_of_any_two(entries: list[tuple[Event, int]], data: st.DataObject, hashes_too: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, rows, _ = write(folder, entries)
        low = data.draw(st.integers(0, len(rows) - 2))
        high = data.draw(st.integers(low + 1, len(rows) - 1))
        swapped = list(rows)
        if hashes_too:
            swapped[low], swapped[high] = rows[high], rows[low]
        else:
            swapped[low] = (*rows[high][:4], rows[low][4])
            swapped[high] = (*rows[low][:4], rows[high][4])
        swapped = renumbered(swapped)
        if [row[1:] for row in swapped] == [row[1:] for row in rows]:
            return  # two equal records swapped without their hashes: nothing has changed
        rewrite(path, swapped)
        report = verify(path)
        assert (report.ok, report.first_bad_seq) == (False, low + 1)


@settings(max_examples=40, deadline=None)
@given(JOURNALS, st.data())
def test_insert_anywhere(entries: list[tuple[Event, int]], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, rows, head = write(folder, entries)
        place = data.draw(st.integers(0, len(rows)))
        copied = rows[data.draw(st.integers(0, len(rows) - 1))]
        rewrite(path, renumbered([*rows[:place], copied, *rows[place:]]))
        report = verify(path, head)
        # A copy of record k in front of record k moves k itself: the first bad one is behind the copy.
        expected = place + 2 if place < len(rows) and copied == rows[place] else place + 1
        assert (report.ok, report.first_bad_seq) == (False, expected)


@settings(max_examples=40, deadline=None)
@given(JOURNALS, st.data())
def test_cut_end_needs_the_noted_head(entries: list[tuple[Event, int]], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, rows, head = write(folder, entries)
        kept = data.draw(st.integers(0, len(rows) - 1))
        rewrite(path, rows[:kept])
        assert verify(path).ok
        report = verify(path, head)
        assert (report.ok, report.first_bad_seq) == (False, kept + 1)
