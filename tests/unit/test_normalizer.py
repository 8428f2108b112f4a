"""The quantile normaliser: against scikit-learn's, and what must hold of any."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from optionsib.common.errors import ModelError
from optionsib.features.normalizer import QuantileNormalizer, QuantumNormalizer

NAMES = ("a", "b", "c")


def rows(seed: int, count: int = 800) -> np.ndarray:
    generator = np.random.default_rng(seed)
    drawn = np.stack(
        [generator.standard_normal(count), generator.lognormal(0, 2, count), generator.integers(0, 4, count)],
        axis=1,
    )
    return drawn.astype(np.float32)


def test_uniform_scores_equal_scikit_learn() -> None:
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    learnt, later = rows(1), rows(2)
    reference = preprocessing.QuantileTransformer(n_quantiles=129, subsample=None).fit(
        learnt.astype(np.float64)
    )
    ours = QuantileNormalizer.fit(learnt, NAMES, known_until_ns=0, output="uniform")
    expected = reference.transform(later.astype(np.float64))
    found = ours.transform(later)
    assert found[:, :2] == pytest.approx(expected[:, :2], abs=2e-7)
    # ties: theirs puts the lowest and the highest of few values at 0 and 1, ours in the middle of their ranks
    inner = (later[:, 2] > 0.0) & (later[:, 2] < 3.0)
    assert found[inner, 2] == pytest.approx(expected[inner, 2], abs=2e-7)
    share = float((learnt[:, 2] == 0.0).mean())
    assert found[later[:, 2] == 0.0, 2] == pytest.approx(0.5 * share, abs=1.0 / 128.0)


def test_normal_scores_of_normal_rows_are_the_rows() -> None:
    drawn = np.random.default_rng(3).standard_normal((200_000, 1)).astype(np.float32)
    fitted = QuantileNormalizer.fit(drawn, ("a",), known_until_ns=0)
    inside = np.linspace(-2.0, 2.0, 41, dtype=np.float32)[:, None]
    assert fitted.transform(inside) == pytest.approx(inside, abs=0.03)
    scores = fitted.transform(drawn)
    assert float(scores.std()) == pytest.approx(1.0, abs=0.02)
    assert np.abs(scores).max() == pytest.approx(3.719, abs=1e-3)


@given(
    arrays.arrays(np.float32, (17, 3), elements=st.floats(width=32, allow_infinity=False)), st.integers(1, 16)
)
def test_each_row_alone_gives_the_same(matrix: np.ndarray, cut: int) -> None:
    fitted = QuantileNormalizer.fit(rows(4), NAMES, known_until_ns=0)
    whole = fitted.transform(matrix)
    parts = np.concatenate([fitted.transform(matrix[:cut]), fitted.transform(matrix[cut:])])
    assert whole.tobytes() == parts.tobytes()
    assert (np.isnan(whole) == np.isnan(matrix)).all()
    order = np.argsort(matrix[:, 1])
    known = whole[order, 1][~np.isnan(whole[order, 1])]
    assert (np.diff(known) >= 0.0).all()


def test_state_goes_out_and_comes_back() -> None:
    fitted = QuantileNormalizer.fit(rows(5), NAMES, known_until_ns=17)
    again = QuantileNormalizer.from_bytes(fitted.to_bytes(), expected_sha256=fitted.sha256)
    assert again.state == fitted.state
    assert again.state.fitted_until_ns == 17
    assert again.transform(rows(6)).tobytes() == fitted.transform(rows(6)).tobytes()
    assert QuantumNormalizer is QuantileNormalizer


def test_what_does_not_fit_is_refused() -> None:
    fitted = QuantileNormalizer.fit(rows(5), NAMES, known_until_ns=0)
    content = fitted.to_bytes()
    with pytest.raises(ModelError, match="expected 00"):
        QuantileNormalizer.from_bytes(content, expected_sha256="00")
    with pytest.raises(ModelError, match="broken"):
        QuantileNormalizer.from_bytes(content[:-1])
    with pytest.raises(ModelError, match="version 2"):
        QuantileNormalizer.from_bytes(content.replace(b'"version":1', b'"version":2'))
    first = str(fitted.state.knots[0][0]).encode()
    with pytest.raises(ModelError, match="do not fit"):
        QuantileNormalizer.from_bytes(content.replace(first, b"99.0"))
    with pytest.raises(ModelError, match="expected \\(n, 3\\)"):
        fitted.transform(rows(1)[:, :2])
    with pytest.raises(ModelError, match="expected \\(n, 2\\)"):
        QuantileNormalizer.fit(rows(1), ("a", "b"), known_until_ns=0)
    empty = rows(1)
    empty[:, 1] = math.nan
    with pytest.raises(ModelError, match="'b' has no finite value"):
        QuantileNormalizer.fit(empty, NAMES, known_until_ns=0)
    with pytest.raises(ModelError, match="1 knots"):
        QuantileNormalizer.fit(rows(1), NAMES, known_until_ns=0, knots=1)
