"""Columns of other libraries as NumPy arrays, without importing those libraries."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def column(values: Any, name: str) -> NDArray[Any]:
    """Return a list, a Series, a categorical or whatever NumPy can read as an array.

    A categorical gives the values of its categories, a missing one none.
    """
    categorical = getattr(values, "cat", values)  # the accessor of a Series
    if hasattr(categorical, "codes") and hasattr(categorical, "categories"):
        return _categories(categorical, name)
    if isinstance(values, np.ndarray) and hasattr(values, "filled"):
        return _masked(values, name)
    dtype = getattr(values, "dtype", None)
    if dtype is not None and not isinstance(dtype, np.dtype) and hasattr(values, "to_numpy"):
        return _extension_column(values, name)
    return np.asarray(values)


def _categories(categorical: Any, name: str) -> NDArray[Any]:
    codes = np.asarray(categorical.codes)
    if (codes < 0).any():
        if name == "kind":
            raise ValueError("kind must be 'call', 'put', 'c', 'p', +1 or -1, got a missing value")
        raise ValueError(f"{name} must be real numbers, got a categorical with missing values")
    values = column(categorical.categories, name)
    result: NDArray[Any] = values[codes]
    return result


def _masked(values: Any, name: str) -> NDArray[Any]:
    """Return a masked array with NaN for what is masked; a kind cannot be missing."""
    masked = np.ma.getmaskarray(values)
    if not masked.any():
        return np.asarray(values)
    if name == "kind":
        raise ValueError("kind must be 'call', 'put', 'c', 'p', +1 or -1, got a masked value")
    return np.where(masked, np.nan, np.asarray(values))


def _extension_column(values: Any, name: str) -> NDArray[Any]:
    """Return a pandas column of an extension type; a missing number is NaN."""
    try:
        plain: NDArray[Any]
        if name == "kind":
            plain = values.to_numpy(dtype=object)
        else:
            plain = values.to_numpy(dtype=np.float64, na_value=np.nan)
        return plain
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be real numbers: {error}") from None


def check_indexes(columns: dict[str, Any]) -> None:
    """Raise when two Series have different indexes: elements are matched by position, never aligned."""
    first: tuple[str, Any] | None = None
    for name, values in columns.items():
        index = getattr(values, "index", None)
        if index is None or not hasattr(index, "equals"):
            continue
        if first is None:
            first = (name, index)
        elif not first[1].equals(index):
            raise ValueError(
                f"{first[0]} and {name} have different indexes: align them first, or pass .to_numpy()"
            )
