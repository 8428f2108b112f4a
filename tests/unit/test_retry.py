"""Retry: only what is declared idempotent, only the named errors, the last error unchanged."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
import stamina

from optionsib.common.retry import Idempotent, retry


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[None]:
    stamina.set_testing(False)
    yield
    stamina.set_testing(False)


class Flaky:
    """Fails the first ``failures`` times."""

    def __init__(self, failures: int, error: type[Exception] = ConnectionError) -> None:
        self.calls, self.failures, self.error = 0, failures, error

    def ask(self, value: int) -> int:
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error(f"call {self.calls}")
        return value

    async def ask_async(self, value: int) -> int:
        await asyncio.sleep(0)
        return self.ask(value)


FAST = {"wait_initial": 0.001, "wait_max": 0.002, "wait_jitter": 0.0}


def test_transient_errors_are_retried() -> None:
    service = Flaky(2)
    assert retry(Idempotent(service.ask), on=ConnectionError, attempts=3, **FAST)(5) == 5
    assert service.calls == 3


def test_coroutines_are_retried() -> None:
    service = Flaky(2)
    ask = retry(Idempotent(service.ask_async), on=(OSError, TimeoutError), attempts=3, **FAST)
    assert asyncio.run(ask(5)) == 5
    assert service.calls == 3


def test_the_last_error_comes_out_unchanged() -> None:
    service = Flaky(9)
    with pytest.raises(ConnectionError, match="call 3"):
        retry(Idempotent(service.ask), on=ConnectionError, attempts=3, **FAST)(5)
    assert service.calls == 3


def test_other_errors_are_not_retried() -> None:
    service = Flaky(9, ValueError)
    with pytest.raises(ValueError, match="call 1"):
        retry(Idempotent(service.ask), on=ConnectionError, attempts=3, **FAST)(5)
    assert service.calls == 1


def test_what_is_not_declared_idempotent_is_refused_and_not_called() -> None:
    service = Flaky(0)
    for plain in (service.ask, service.ask_async, lambda value: value):
        with pytest.raises(TypeError, match="expected Idempotent"):
            retry(plain, on=ConnectionError)  # type: ignore[arg-type, call-overload]
    assert service.calls == 0


@pytest.mark.parametrize("on", [Exception, BaseException, (), (OSError, Exception)])
def test_retry_on_everything_is_refused(on: object) -> None:
    with pytest.raises(ValueError, match="by name"):
        retry(Idempotent(Flaky(0).ask), on=on)  # type: ignore[arg-type]


def test_attempts_out_of_range() -> None:
    with pytest.raises(ValueError, match="attempts = 0"):
        retry(Idempotent(Flaky(0).ask), on=OSError, attempts=0)


def test_declared_calls_work_without_retry() -> None:
    assert Idempotent(Flaky(0).ask)(7) == 7
