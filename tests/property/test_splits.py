"""No split may learn from what it is judged by: the definition, row by row."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optionsib.models.splits import (
    Split,
    combinatorial_purged_folds,
    count_combinatorial_paths,
    purged_folds,
    walk_forward,
)

Case = tuple[np.ndarray, np.ndarray]


@st.composite
def spans(draw: st.DrawFn) -> Case:
    count = draw(st.integers(8, 40))
    known = np.cumsum(draw(st.lists(st.integers(0, 5), min_size=count, max_size=count)))
    length = np.array(draw(st.lists(st.integers(0, 20), min_size=count, max_size=count)))
    return known.astype(np.int64), (known + length).astype(np.int64)


@given(spans(), st.integers(2, 6), st.integers(0, 6))
def test_purged_folds(case: Case, folds: int, embargo: int) -> None:
    known, label = case
    splits = list(purged_folds(known, label, folds=folds, embargo_ns=embargo))
    assert sorted(np.concatenate([split.validation for split in splits])) == list(range(len(known)))
    for split in splits:
        begin, end = known[split.validation[0]], label[split.validation].max()
        clean = [
            row
            for row in range(len(known))
            if row not in split.validation and (label[row] < begin or known[row] > end + embargo)
        ]
        assert split.training.tolist() == clean


@given(spans(), st.integers(1, 6), st.integers(0, 6), st.one_of(st.none(), st.integers(1, 60)))
def test_walk_forward_sees_the_past_only(case: Case, folds: int, embargo: int, window: int | None) -> None:
    known, label = case
    splits = list(walk_forward(known, label, folds=folds, embargo_ns=embargo, window_ns=window))
    assert len(splits) == folds
    for split in splits:
        begin = known[split.validation[0]]
        usable = [
            row
            for row in range(len(known))
            if label[row] < begin - embargo and (window is None or known[row] >= begin - window)
        ]
        assert split.training.tolist() == usable
    for before, after in pairwise(splits):
        assert before.validation[-1] + 1 == after.validation[0]


@given(spans())
def test_combinations_judge_each_group_equally_often(case: Case) -> None:
    splits: list[Split] = list(combinatorial_purged_folds(*case, groups=6, judged=2))
    assert len(splits) == 15
    judged = np.bincount(np.concatenate([split.validation for split in splits]), minlength=len(case[0]))
    assert (judged == count_combinatorial_paths(6, 2)).all()
    for split in splits:
        assert not set(split.training) & set(split.validation)


def test_paths_of_the_book() -> None:
    # Lopez de Prado 2018, section 12.4.1: six groups, two of them judged: five paths
    assert count_combinatorial_paths(6, 2) == 5


def test_bad_stamps_are_named() -> None:
    known = np.arange(10, dtype=np.int64)
    with pytest.raises(ValueError, match="not ascending"):
        list(purged_folds(known[::-1], known[::-1] + 1, folds=2))
    with pytest.raises(ValueError, match="row 4 has its label before"):
        list(walk_forward(known, np.where(known == 4, 0, known), folds=2))
    with pytest.raises(ValueError, match="10 rows for 12 parts"):
        list(walk_forward(known, known, folds=11))
    with pytest.raises(ValueError, match="3 judged of 3"):
        list(combinatorial_purged_folds(known, known, groups=3, judged=3))
    with pytest.raises(ValueError, match="embargo_ns is -1"):
        list(purged_folds(known, known, folds=2, embargo_ns=-1))
    with pytest.raises(ValueError, match="window_ns is 0"):
        list(walk_forward(known, known, folds=2, window_ns=0))
