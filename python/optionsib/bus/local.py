"""The bus inside the daemon: a synchronous call with one global sequence.

1. Every event gets the next number and passes the tap (capture) before any handler sees it.
2. Every handler sees the events in the order of their numbers, in the order of subscription.
3. An event published by a handler is delivered after the present one and before the outermost
   ``publish`` returns.
4. Nothing is dropped: a handler that raises does not keep the event from the others; the errors are
   raised together to the outermost publisher.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from optionsib.common.errors import BusError
from optionsib.common.events import Event

E = TypeVar("E", bound=Event)
Tap = Callable[[int, Event], None]


class LocalBus:
    """Publish and subscribe by class of event, in one thread.

    Parameters
    ----------
    tap
        Called with number and event before the handlers; if it raises, nobody sees the event and its
        number is given to the next one.

    Examples
    --------
    >>> from optionsib.common.events import Halted
    >>> bus, seen = LocalBus(), []
    >>> cancel = bus.subscribe(Halted, lambda event: seen.append(event.reason))
    >>> bus.publish(Halted(at_ns=0, reason="drill"))
    1
    >>> seen
    ['drill']
    """

    def __init__(self, tap: Tap | None = None) -> None:
        self._tap = tap
        self._handlers: list[tuple[type[Event], Callable[[Any], None]]] = []
        self._queue: deque[Event] = deque()
        self._sequence = 0
        self._delivering = False
        self._thread = threading.get_ident()

    @property
    def sequence(self) -> int:
        """Number of the last event, 0 before the first."""
        return self._sequence

    def subscribe(self, kind: type[E], handler: Callable[[E], None]) -> Callable[[], None]:
        """Call ``handler`` for each event of ``kind`` (``Event`` = all); return how to cancel it."""
        entry: tuple[type[Event], Callable[[Any], None]] = (kind, handler)
        self._handlers.append(entry)

        def cancel() -> None:
            self._handlers[:] = [kept for kept in self._handlers if kept is not entry]

        return cancel

    def publish(self, event: Event) -> int:
        """Deliver ``event`` and return its number.

        Raises
        ------
        BusError
            If ``event`` is not a (frozen) event, or the caller is in another thread than the maker of
            the bus; nothing was delivered.
        ExceptionGroup
            Of what the handlers raised, after all of them ran.
        """
        if not isinstance(event, Event) or not event.__struct_config__.frozen:
            raise BusError(f"cannot publish {event!r}: expected a frozen Event; nothing was delivered")
        if threading.get_ident() != self._thread:
            raise BusError(f"publish of {type(event).__name__} from a second thread; nothing was delivered")
        if self._tap is not None:
            self._tap(self._sequence + 1, event)
        self._sequence += 1
        number = self._sequence
        self._queue.append(event)
        if not self._delivering:
            self._deliver()
        return number

    def _deliver(self) -> None:
        errors: list[Exception] = []
        self._delivering = True
        try:
            while self._queue:
                event = self._queue.popleft()
                for kind, handler in tuple(self._handlers):
                    if isinstance(event, kind):
                        try:
                            handler(event)
                        except Exception as error:  # collected, and raised to the publisher below
                            errors.append(error)
        finally:
            self._delivering = False
        if errors:
            raise ExceptionGroup("handlers of the local bus failed", errors)
