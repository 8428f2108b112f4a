"""Structured logs: one line an event, JSON or for the console, with correlation ids, secrets masked.

Not for the hot path: a JSON line costs some ten microseconds. With ``background=True`` the caller
pays for queueing only and a thread renders and writes.
"""

from __future__ import annotations

import atexit
import logging
import queue
import re
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from logging.handlers import QueueHandler, QueueListener
from typing import Any, Literal, TextIO

import structlog

MASK = "**********"
_SECRET_KEY = re.compile(
    r"(^|[_.-])(secret|password|passwd|passphrase|pin|token|api_?key|private_?key|secret_?key|keypair|mnemonic"
    r"|credentials?|authorization)$"
    r"|^secret",
    re.IGNORECASE,
)
_SECRET_TEXT = re.compile(
    r"(?P<name>\b[\w.-]*(?:secret(?:[_-]?key)?|password|passwd|passphrase|access_?token|api[_-]?key|private[_-]?key)"
    r"[\"']?\s*[=:]\s*)(?P<value>\"[^\"]*\"|'[^']*'|[^\s,;})\]]+)",
    re.IGNORECASE,
)

_listener: QueueListener | None = None
_known_secrets: list[str] = []


def register_secret(value: str) -> None:
    """Mask ``value`` wherever it stands in a log line from now on (ignored below 4 characters)."""
    if len(value) >= 4 and value not in _known_secrets:
        _known_secrets.append(value)
        _known_secrets.sort(key=len, reverse=True)  # a secret that contains another is masked whole


def mask_secrets(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask values of secret-looking keys, ``name=value`` pairs in text, and registered secrets."""
    for key, value in event.items():
        event[key] = _masked(key, value)
    return event


def configure_logging(
    *,
    style: Literal["json", "console"] = "json",
    level: str = "INFO",
    stream: TextIO | None = None,
    background: bool = False,
) -> None:
    """Set up structlog and the standard library's logging alike; a later call replaces the earlier.

    Parameters
    ----------
    style
        ``json``: one object a line; ``console``: for people.
    level
        Lowest level that is written: DEBUG, INFO, WARNING, ERROR or CRITICAL.
    stream
        Where lines go; None = standard error.
    background
        Render and write in a thread; lines still queued are written at exit.

    Raises
    ------
    ValueError
        If ``level`` is not one of the names.
    """
    levels = logging.getLevelNamesMapping()
    if level.upper() not in levels:
        raise ValueError(f"log level {level!r}: expected one of {', '.join(sorted(levels))}")
    shutdown_logging()
    before: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),  # wall-clock-ok: logs decide nothing
    ]
    render: list[Any] = (
        [structlog.processors.dict_tracebacks, mask_secrets, structlog.processors.JSONRenderer()]
        if style == "json"
        else [structlog.processors.format_exc_info, mask_secrets, structlog.dev.ConsoleRenderer(colors=False)]
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    root = logging.getLogger()
    for old in list(root.handlers):
        if getattr(old, "_optionsib", False):
            root.removeHandler(old)
    active: logging.Handler = _start_background(handler) if background else handler
    active._optionsib = True  # type: ignore[attr-defined]
    root.addHandler(active)
    root.setLevel(levels[level.upper()])
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *before,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def shutdown_logging() -> None:
    """Write what is queued and stop the background thread, if there is one."""
    global _listener  # noqa: PLW0603 (one log output a process)
    if _listener is not None:
        _listener.stop()
        _listener = None


def get_logger(name: str, **fields: Any) -> structlog.stdlib.BoundLogger:
    """Return a logger that adds ``fields`` to each line."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(name, **fields)
    return logger


@contextmanager
def correlation(**ids: str | int) -> Iterator[None]:
    """Add ids (``candidate_id``, ``order_ref``, ``trade_id``...) to every line logged inside.

    Examples
    --------
    >>> with correlation(candidate_id="c-1"):
    ...     structlog.contextvars.get_contextvars()
    {'candidate_id': 'c-1'}
    """
    with structlog.contextvars.bound_contextvars(**ids):
        yield


class _DeferredHandler(QueueHandler):
    """Queue a record as it is, so that rendering happens in the background."""

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        return record


def _start_background(handler: logging.Handler) -> logging.Handler:
    global _listener  # noqa: PLW0603
    lines: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    _listener = QueueListener(lines, handler)
    _listener.start()
    atexit.register(shutdown_logging)
    return _DeferredHandler(lines)


def _masked(key: str, value: Any) -> Any:
    if isinstance(key, str) and _SECRET_KEY.search(key):
        return MASK
    if isinstance(value, Mapping):
        return {inner: _masked(inner, item) for inner, item in value.items()}
    if isinstance(value, list | tuple):
        return [_masked("", item) for item in value]
    if isinstance(value, str):
        return mask_text(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    return mask_text(str(value))  # a renderer would print it by its text as well


def mask_text(text: str) -> str:
    """Mask registered secrets and ``name=value`` pairs that look like secrets."""
    for secret in _known_secrets:
        text = text.replace(secret, MASK)
    return _SECRET_TEXT.sub(lambda match: match["name"] + MASK, text)
