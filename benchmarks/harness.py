"""Compare one job of ours with its peers: answers first, then interleaved rounds, ratios as the result.

A benchmark module ``bench_<area>.py`` offers ``rows() -> list[Row]`` and calls :func:`compare` once a row.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

OUTPUT = Path(__file__).resolve().parents[1] / "var" / "benchmarks"


@dataclass(frozen=True, slots=True)
class SelfTimed:
    """A contender that measures itself (another interpreter, say): ``call() -> (result, seconds)``."""

    call: Callable[[], tuple[Any, float]]


Contender = Callable[[], Any] | SelfTimed


@dataclass(frozen=True, slots=True)
class Ratio:
    """Time of a peer over our time: median, smallest and largest of the interleaved rounds."""

    median: float
    least: float
    most: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Row:
    """One job: our median time and every peer's ratio to it (above 1: we are faster)."""

    name: str
    items: int
    seconds: float
    peers: dict[str, Ratio] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def _run(contender: Contender, clock: Callable[[], float]) -> tuple[Any, float]:
    if isinstance(contender, SelfTimed):
        return contender.call()
    start = clock()
    result = contender()
    return result, clock() - start


def compare(
    name: str,
    ours: Contender,
    peers: Mapping[str, Contender],
    check: Callable[[dict[str, Any]], None],
    *,
    rounds: int = 5,
    items: int = 1,
    skipped: Mapping[str, str] | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Row:
    """Time `ours` against `peers` in interleaved rounds.

    Parameters
    ----------
    name
        What is computed, as printed in the table.
    ours, peers
        Callables without arguments (or :class:`SelfTimed`); each call does the whole job once.
    check
        Receives ``{"ours": result, peer: result, ...}`` of one untimed call each (which also warms up)
        and raises `AssertionError` when an answer is wrong. Nothing is timed before it has passed.
    rounds
        Number of rounds; every contender runs once in each.
    items
        Number of elements of the job, for the nanoseconds per item.
    skipped
        Peers that could not run and why; printed loudly.
    clock
        Seconds. `time.process_time` leaves out what neighbours take from a shared core; a `SelfTimed`
        contender must then count its own CPU time.

    Returns
    -------
    Row
        Our median seconds, and per peer the median, least and most of (peer seconds / our seconds).
    """
    contenders: dict[str, Contender] = {"ours": ours, **peers}
    check({who: _run(contender, clock)[0] for who, contender in contenders.items()})
    seconds: dict[str, list[float]] = {who: [] for who in contenders}
    for _ in range(rounds):
        for who, contender in contenders.items():
            seconds[who].append(_run(contender, clock)[1])
    ratios: dict[str, Ratio] = {}
    for who in peers:
        paired = [peer / own for peer, own in zip(seconds[who], seconds["ours"], strict=True)]
        ratios[who] = Ratio(
            statistics.median(paired), min(paired), max(paired), statistics.median(seconds[who])
        )
    return Row(name, items, statistics.median(seconds["ours"]), ratios, dict(skipped or {}))


def print_table(title: str, rows: Sequence[Row]) -> None:
    """Print one line per row and peer: our time per item, the peer's, and the ratio with its range."""
    print(f"\n{title}")
    print(f"{'job':<42} {'peer':<32} {'ours ns':>9} {'peer ns':>10} {'ratio':>9}  (min - max)")
    for row in rows:
        ours = row.seconds / row.items * 1e9
        if not row.peers:
            print(f"{row.name:<42} {'-':<32} {ours:>9.1f}")
        for peer, ratio in row.peers.items():
            theirs = ratio.seconds / row.items * 1e9
            print(
                f"{row.name:<42} {peer:<32} {ours:>9.1f} {theirs:>10.1f} {ratio.median:>8.2f}x"
                f"  ({ratio.least:.2f} - {ratio.most:.2f})"
            )
        for peer, reason in row.skipped.items():
            print(f"{row.name:<42} {peer:<32} !!! NOT RUN: {reason}")
        for note in row.notes:
            print(f"{'':<42} {note}")


def markdown(rows: Sequence[Row]) -> str:
    """Return the rows as one Markdown table, with a line for each peer that did not run."""
    lines = [
        "| job | peer | ours, ns | peer, ns | peer / ours | min - max |",
        "| --- | --- | ---: | ---: | ---: | --- |",
    ]
    notes = []
    for row in rows:
        ours = f"{row.seconds / row.items * 1e9:.1f}"
        for peer, ratio in row.peers.items():
            theirs = f"{ratio.seconds / row.items * 1e9:.1f}"
            spread = f"{ratio.least:.2f} - {ratio.most:.2f}"
            lines.append(f"| {row.name} | {peer} | {ours} | {theirs} | **{ratio.median:.2f}** | {spread} |")
        lines += [
            f"| {row.name} | {peer} | {ours} | **NOT RUN** | | {why} |" for peer, why in row.skipped.items()
        ]
        notes += [f"* {row.name}: {note}" for note in row.notes]
    return "\n".join([*lines, "", *notes]) + "\n"


def write_results(
    title: str, rows: Sequence[Row], facts: Mapping[str, str], folder: Path = OUTPUT
) -> tuple[Path, Path]:
    """Write ``<folder>/<title>.json`` and ``.md``, with `facts` about the run, and return both paths."""
    folder.mkdir(parents=True, exist_ok=True)
    data, table = folder / f"{title}.json", folder / f"{title}.md"
    content = {"facts": dict(facts), "rows": [asdict(row) for row in rows]}
    data.write_text(json.dumps(content, indent=2) + "\n")
    about = ", ".join(f"{name}: {value}" for name, value in facts.items())
    table.write_text(f"{about}.\n\n{markdown(rows)}")
    return data, table
