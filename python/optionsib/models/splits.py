"""Which rows to learn from and which to judge by, so that no label of one part is known in the other.

A row has a span: from ``known_at_ns``, when its features were known, to ``label_at_ns``, when its label was.
A row may be learnt from only if its span does not touch the span of the judged rows (purging), nor begins
within ``embargo_ns`` after it (embargo, for what decays slowly).

Reference: M. Lopez de Prado, Advances in Financial Machine Learning (Wiley 2018), chapters 7 and 12.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

Stamps = NDArray[np.int64]
Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Split:
    """Row numbers, ascending. ``training`` and ``validation`` share no moment of information."""

    training: Rows
    validation: Rows


def walk_forward(
    known_at_ns: Stamps,
    label_at_ns: Stamps,
    *,
    folds: int,
    embargo_ns: int = 0,
    window_ns: int | None = None,
) -> Iterator[Split]:
    """Learn from the past, judge by the next part, go on: ``folds`` times.

    The rows are cut into ``folds + 1`` parts of nearly equal length; part ``k`` is judged by what was learnt
    from the parts before it. Nothing after a judged part is ever learnt from.

    Parameters
    ----------
    known_at_ns, label_at_ns : (n,)
        UTC ns, ``known_at_ns`` ascending, ``label_at_ns >= known_at_ns``.
    embargo_ns
        Rows whose label is known less than this before the judged part are not learnt from.
    window_ns
        Learn only from this long before the judged part; None = from the beginning.

    Raises
    ------
    ValueError
        If the stamps are not as said, or there are fewer rows than parts.
    """
    _check(known_at_ns, label_at_ns, folds + 1, embargo_ns)
    if window_ns is not None and window_ns <= 0:
        raise ValueError(f"window_ns is {window_ns}: expected more than 0, or None")
    for part in np.array_split(np.arange(len(known_at_ns)), folds + 1)[1:]:
        begin = known_at_ns[part[0]]
        usable = label_at_ns < begin - embargo_ns
        if window_ns is not None:
            usable &= known_at_ns >= begin - window_ns
        yield Split(np.flatnonzero(usable), part)


def purged_folds(
    known_at_ns: Stamps, label_at_ns: Stamps, *, folds: int, embargo_ns: int = 0
) -> Iterator[Split]:
    """Judge each of ``folds`` parts by what was learnt from all others, purged and embargoed.

    Learns from the future of the judged part too: to choose among models, not to show what a model would
    have earned. Parameters and errors as ``walk_forward``.
    """
    return combinatorial_purged_folds(known_at_ns, label_at_ns, groups=folds, judged=1, embargo_ns=embargo_ns)


def combinatorial_purged_folds(
    known_at_ns: Stamps, label_at_ns: Stamps, *, groups: int, judged: int, embargo_ns: int = 0
) -> Iterator[Split]:
    """Judge every choice of ``judged`` among ``groups`` parts by what was learnt from the others.

    Raises
    ------
    ValueError
        If the stamps are not as in ``walk_forward``, or ``judged`` is not between 1 and ``groups - 1``.
    """
    _check(known_at_ns, label_at_ns, groups, embargo_ns)
    if not 1 <= judged < groups:
        raise ValueError(f"{judged} judged of {groups} groups: expected 1 to {groups - 1}")
    parts = np.array_split(np.arange(len(known_at_ns)), groups)
    touching = [_touching(known_at_ns, label_at_ns, part, embargo_ns) for part in parts]
    for chosen in combinations(range(groups), judged):
        barred = np.zeros(len(known_at_ns), dtype=np.bool_)
        for number in chosen:
            barred |= touching[number]
        yield Split(np.flatnonzero(~barred), np.concatenate([parts[number] for number in chosen]))


def count_combinatorial_paths(groups: int, judged: int) -> int:
    """Return how many whole histories the splits of ``combinatorial_purged_folds`` make up."""
    return comb(groups, judged) * judged // groups


def _touching(known: Stamps, label: Stamps, part: Rows, embargo: int) -> NDArray[np.bool_]:
    begin, end = known[part[0]], label[part].max()
    touches: NDArray[np.bool_] = (known <= end + embargo) & (label >= begin)
    touches[part] = True
    return touches


def _check(known: Stamps, label: Stamps, parts: int, embargo: int) -> None:
    if known.ndim != 1 or known.shape != label.shape:
        raise ValueError(f"shapes {known.shape} and {label.shape} of the stamps: expected (n,) twice")
    if parts < 2:
        raise ValueError(f"{parts} parts: expected at least 2")
    if len(known) < parts:
        raise ValueError(f"{len(known)} rows for {parts} parts: expected at least one row a part")
    if (np.diff(known) < 0).any():
        raise ValueError("known_at_ns is not ascending: sort the rows by time")
    if (label < known).any():
        raise ValueError(f"row {int(np.argmax(label < known))} has its label before its features")
    if embargo < 0:
        raise ValueError(f"embargo_ns is {embargo}: expected 0 or more")
