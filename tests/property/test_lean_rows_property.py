"""Whatever stands in a quote file, the reader answers with bars or with ``DataError``."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from optionsib.common.errors import DataError
from optionsib.data.historical.lean_format import COLUMNS, DAY_MILLISECONDS, Member, QuoteBar, parse_bars

cell = st.one_of(
    st.just(""),
    st.integers(-5, 10**6).map(str),
    st.sampled_from(["x", "1.5", "nan", "1e3", " 7", "+7", "0x1f", "9" * 30]),
)
row = st.lists(cell, min_size=9, max_size=13).map(",".join)


def parse(content: bytes) -> list[QuoteBar] | None:
    """Return the bars, or None if the file was refused."""
    member = Member(Path("day.zip"), "contract.csv", content)
    try:
        return list(parse_bars(member))
    except DataError as error:
        said = str(error)
    assert "day.zip[contract.csv], line " in said
    assert "expected" in said
    return None


@given(st.binary(max_size=200))
def test_bytes_are_read_or_refused(content: bytes) -> None:
    parse(content)


@given(st.lists(row, max_size=5))
def test_rows_are_read_or_refused_and_never_out_of_range(rows: list[str]) -> None:
    bars = parse("\n".join(rows).encode())
    for bar in bars or []:
        assert 0 <= bar.start_ms < DAY_MILLISECONDS
        assert all(value is None or value >= 0 for value in (bar.bid, bar.ask))
        assert bar.bid_size >= 0
        assert bar.ask_size >= 0
    if bars is not None:
        assert [bar.start_ms for bar in bars] == sorted({bar.start_ms for bar in bars})


price = st.integers(1, 10**7)
side = st.one_of(st.none(), st.tuples(price, st.integers(0, 5000)))


@given(st.lists(st.tuples(side, side), min_size=1, max_size=30))
def test_what_is_written_is_read(sides: list[tuple[tuple[int, int] | None, tuple[int, int] | None]]) -> None:
    rows, expected = [], []
    for k, (bid, ask) in enumerate(sides):
        columns = [",,,,0" if s is None else f"{s[0]},{s[0]},{s[0]},{s[0]},{s[1]}" for s in (bid, ask)]
        rows.append(f"{k * 60_000},{columns[0]},{columns[1]}")
        expected.append((k * 60_000, *(bid or (None, 0)), *(ask or (None, 0))))
    bars = parse(("\n".join(rows) + "\n").encode())
    assert bars is not None
    assert [(b.start_ms, b.bid, b.bid_size, b.ask, b.ask_size) for b in bars] == expected


@given(
    st.integers(0, len(COLUMNS) - 1),
    st.sampled_from(["-1", "x", "1.0", "--", "1 "]),
    st.integers(1, 4),
)
def test_the_broken_cell_is_the_one_that_is_named(column: int, value: str, line: int) -> None:
    rows = [f"{k * 60_000},3,3,3,3,2,5,5,5,5,7".split(",") for k in range(4)]
    rows[line - 1][column] = value
    member = Member(Path("day.zip"), "contract.csv", "\n".join(",".join(r) for r in rows).encode())
    try:
        list(parse_bars(member))
    except DataError as error:
        said = str(error)
    else:
        said = "no error"
    assert f"line {line}, column {column + 1} ({COLUMNS[column]}): {value!r}" in said
