"""Turn what users pass into what the kernels take: float64 and int8 arrays that are not copied needlessly."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from optionsib._native import _scalar

MODELS = {"bsm": 0, "black76": 1}
_KIND = "kind must be 'call', 'put', 'c', 'p', +1 or -1"
_MOST_OVERLAP_WORK = 10_000


def model_number(model: str, dividend_yield: object) -> int:
    """Return the kernel's number of `model`; refuse a dividend yield where the model has none."""
    try:
        number = MODELS[model]
    except (KeyError, TypeError):
        raise ValueError(f"model must be one of {', '.join(MODELS)}, got {model!r}") from None
    if number and not (isinstance(dividend_yield, float | int) and dividend_yield == 0):
        carried = numbers(dividend_yield, "dividend_yield")
        if np.any(carried != 0):
            wrong = carried[carried != 0].flat[0]
            raise ValueError(
                f"dividend_yield must be 0 for model {model!r} (spot is the forward), got {wrong}"
            )
    return number


def thread_count(threads: object) -> int:
    """Return `threads` as an int; 0 stands for every CPU of the process."""
    try:
        count = operator.index(threads)  # type: ignore[arg-type]
    except TypeError:
        count = -1
    if isinstance(threads, bool) or not 0 <= count <= 4096:
        raise ValueError(f"threads must be an integer from 0 to 4096, got {threads!r}")
    return count


def numbers(values: Any, name: str) -> NDArray[np.float64]:
    """Return `values` as a float64 array, without a copy when they are one already."""
    array = np.asarray(values)
    if array.dtype == np.float64:
        return array
    if array.dtype.kind in "fiuO":
        try:
            return array.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{name} must be real numbers: {error}") from None
    raise ValueError(f"{name} must be real numbers, got dtype {array.dtype}")


def kinds(values: Any) -> NDArray[np.int8]:
    """Return option kinds as an int8 array of +1 and -1; int8 input is not copied."""
    if isinstance(values, str):
        return np.array(_scalar.kind_sign(values), dtype=np.int8)
    array = np.asarray(values)
    if array.dtype.kind in "iuf":
        wrong = (array != 1) & (array != -1)
        if wrong.any():
            raise ValueError(f"{_KIND}, got {array[wrong].flat[0]}")
        return array.astype(np.int8, copy=False)
    if array.dtype.kind in "UO":
        return _spelled_kinds(array)
    raise ValueError(f"{_KIND}, got dtype {array.dtype}")


def _spelled_kinds(array: NDArray[Any]) -> NDArray[np.int8]:
    result = np.zeros(array.shape, dtype=np.int8)
    for value in dict.fromkeys(array.ravel().tolist()):
        sign = _scalar.kind_sign(value.item() if isinstance(value, np.generic) else value)
        if sign is None:
            raise ValueError(f"{_KIND}, got {value!r}")
        result[array == value] = sign
    return result


class OptionArrays(NamedTuple):
    """What describes the options of one call, in the order of the arguments."""

    kind: NDArray[np.int8]
    spot: NDArray[np.float64]
    strike: NDArray[np.float64]
    time_to_expiry: NDArray[np.float64]
    rate: NDArray[np.float64]
    dividend_yield: NDArray[np.float64]


def option_arrays(
    kind: Any, spot: Any, strike: Any, time_to_expiry: Any, rate: Any, dividend_yield: Any
) -> OptionArrays:
    """Return the arguments as arrays; see `kinds` and `numbers`."""
    return OptionArrays(
        kinds(kind),
        numbers(spot, "spot"),
        numbers(strike, "strike"),
        numbers(time_to_expiry, "time_to_expiry"),
        numbers(rate, "rate"),
        numbers(dividend_yield, "dividend_yield"),
    )


def broadcast_shape(options: OptionArrays, **others: NDArray[Any]) -> tuple[int, ...]:
    """Return the common shape, or raise a `ValueError` that lists every shape by name."""
    arrays: dict[str, NDArray[Any]] = {**options._asdict(), **others}
    try:
        return np.broadcast_shapes(*(array.shape for array in arrays.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items() if array.ndim)
        raise ValueError(f"the shapes do not broadcast: {shapes}") from None


def checked_output(
    out: Any, dtype: type[np.generic], shape: tuple[int, ...], name: str, others: Sequence[NDArray[Any]]
) -> NDArray[Any]:
    """Return `out` if the kernel may write the result there.

    Raises
    ------
    ValueError
        If it is no writable array of that dtype and shape, or shares memory with one of `others`.
    """
    wanted = np.dtype(dtype)
    if not isinstance(out, np.ndarray):
        raise ValueError(f"{name} must be a NumPy array of {wanted}, got {type(out).__name__}")
    if out.dtype != wanted:
        raise ValueError(f"{name} must have dtype {wanted}, got {out.dtype}")
    if out.shape != shape:
        raise ValueError(f"{name} must have the broadcast shape {shape}, got {out.shape}")
    if not out.flags.writeable:
        raise ValueError(f"{name} is read-only")
    for other in others:
        try:
            overlaps = np.shares_memory(out, other, max_work=_MOST_OVERLAP_WORK)  # type: ignore[arg-type]
        except np.exceptions.TooHardError:
            overlaps = True
        if overlaps:
            raise ValueError(f"{name} shares memory with an input or another output")
    return out
