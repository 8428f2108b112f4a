"""Correlation matrices: checked, factored, repaired."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray


def check_correlation(matrix: NDArray[np.float64]) -> None:
    """Raise ValueError unless the matrix is a correlation matrix."""
    if not np.isfinite(matrix).all():
        raise ValueError("correlation must be finite")
    if not np.allclose(matrix, matrix.T, rtol=0, atol=1e-12) or not np.allclose(
        np.diag(matrix), 1.0, rtol=0, atol=1e-12
    ):
        raise ValueError("correlation must be symmetric with ones on its diagonal")
    least = float(np.linalg.eigvalsh(matrix)[0])
    if least < -1e-10:
        raise ValueError(
            f"correlation is not positive semidefinite: its least eigenvalue is {least:.6g}; "
            "nearest_correlation() gives the nearest one that is"
        )


def cholesky(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a lower triangular L with L L' the matrix, positive semidefinite."""
    size = len(matrix)
    factor = np.zeros((size, size))
    for j in range(size):
        pivot = matrix[j, j] - factor[j, :j] @ factor[j, :j]
        if pivot > 1e-12:
            factor[j, j] = math.sqrt(pivot)
            rest = matrix[j + 1 :, j] - factor[j + 1 :, :j] @ factor[j, :j]
            factor[j + 1 :, j] = rest / factor[j, j]
    return factor


def nearest_correlation(matrix: ArrayLike, *, tolerance: float = 1e-12) -> NDArray[np.float64]:
    """Return the correlation matrix nearest to a symmetric one, by the Frobenius norm.

    Alternating projections with Dykstra's correction (N. J. Higham, "Computing the nearest correlation matrix
    - a problem from finance", IMA J. Numer. Anal. 22 (2002)).

    Raises
    ------
    ValueError
        If the matrix is not square, finite and symmetric.
    """
    given = np.array(matrix, dtype=float)
    if given.ndim != 2 or given.shape[0] != given.shape[1] or not np.isfinite(given).all():
        raise ValueError("the matrix must be square and finite")
    if not np.allclose(given, given.T, rtol=0, atol=1e-12):
        raise ValueError("the matrix must be symmetric")
    found = given.copy()
    correction = np.zeros_like(found)
    for _ in range(10_000):
        values, vectors = np.linalg.eigh(found - correction)
        projected = (vectors * np.maximum(values, 0.0)) @ vectors.T
        correction = projected - (found - correction)
        following = (projected + projected.T) / 2.0
        np.fill_diagonal(following, 1.0)
        moved = float(np.abs(following - found).max())
        found = following
        if moved < tolerance:
            break
    # What the last projection left below 0.
    values, vectors = np.linalg.eigh(found)
    lifted = (vectors * np.maximum(values, 0.0)) @ vectors.T
    scale = 1.0 / np.sqrt(np.diag(lifted))
    result: NDArray[np.float64] = lifted * scale[:, None] * scale[None, :]
    np.fill_diagonal(result, 1.0)
    return (result + result.T) / 2.0
