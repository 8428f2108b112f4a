"""Rows in time order as the sequences that a recurrent network sees."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Matrix = NDArray[np.float32]


def sequences(matrix: Matrix, window: int) -> Matrix:
    """Return for each row of ``matrix`` (n, k) the ``window`` rows up to itself: (n, window, k), a view.

    What lies before the first row is NaN.

    Examples
    --------
    >>> rows = np.array([[1.0], [2.0], [3.0]], dtype=np.float32)
    >>> sequences(rows, 2)[:, :, 0].tolist()
    [[nan, 1.0], [1.0, 2.0], [2.0, 3.0]]

    Raises
    ------
    ValueError
        If ``matrix`` is not two-dimensional, or ``window`` is below 1.
    """
    if matrix.ndim != 2 or window < 1:
        raise ValueError(f"matrix of shape {matrix.shape}, window {window}: expected (n, k), at least 1")
    before = np.full((window - 1, matrix.shape[1]), np.nan, dtype=np.float32)
    padded = np.concatenate([before, matrix.astype(np.float32, copy=False)])
    return sliding_window_view(padded, window, axis=0).transpose(0, 2, 1)
