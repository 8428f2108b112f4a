"""Retry of calls that may safely happen twice, on stamina.

An order, a cancel-replace or a release of money sent twice is a loss, so ``retry`` takes only what its
author has declared idempotent: the type checker and the run time refuse a plain callable.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, ParamSpec, TypeVar

import stamina

P = ParamSpec("P")
R = TypeVar("R")


class Idempotent(Generic[P, R]):
    """The author's word that calling ``function`` twice has the effect of calling it once.

    Examples
    --------
    >>> @Idempotent
    ... def double(value: int) -> int:
    ...     return 2 * value
    >>> retry(double, on=OSError)(4)
    8
    """

    def __init__(self, function: Callable[P, R]) -> None:
        self.function = function

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function once."""
        return self.function(*args, **kwargs)


def retry(
    function: Idempotent[P, R],
    *,
    on: type[Exception] | tuple[type[Exception], ...],
    attempts: int = 4,
    timeout: float = 30.0,
    wait_initial: float = 0.1,
    wait_max: float = 5.0,
    wait_jitter: float = 0.1,
) -> Callable[P, R]:
    """Return ``function`` with retries; coroutine functions give coroutine functions.

    Waits double from ``wait_initial`` up to ``wait_max`` seconds plus up to ``wait_jitter``. The last error
    is raised unchanged after ``attempts`` calls or when ``timeout`` seconds are spent.

    Parameters
    ----------
    function
        A call declared idempotent by its type.
    on
        The transient errors. ``Exception`` itself is refused: a programming error is not transient.
    attempts
        Calls in all, at least 1.
    timeout, wait_initial, wait_max, wait_jitter
        Real seconds.

    Raises
    ------
    TypeError
        If ``function`` is not declared idempotent; it was not called.
    ValueError
        If ``on`` names every exception or ``attempts`` is below 1.
    """
    if not isinstance(function, Idempotent):
        raise TypeError(
            f"retry of {function!r} refused: expected Idempotent(...); a call that must not happen twice "
            "(order, release of money) is never retried"
        )
    kinds = on if isinstance(on, tuple) else (on,)
    if not kinds or any(kind in (Exception, BaseException) for kind in kinds):
        raise ValueError(f"retry on {on!r}: expected the transient errors by name")
    if attempts < 1:
        raise ValueError(f"retry with attempts = {attempts!r}: expected at least 1")
    # Jitter only moves real waiting times; nothing that is journaled depends on it.
    return stamina.retry(
        on=kinds,
        attempts=attempts,
        timeout=timeout,
        wait_initial=wait_initial,
        wait_max=wait_max,
        wait_jitter=wait_jitter,
    )(function.function)
