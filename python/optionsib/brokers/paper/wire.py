"""The TWS text protocol on the byte level: frames, fields, numbers.

A frame is a 4-byte big-endian length and that many bytes: fields, each ended by NUL. There is no
acknowledgement and no heartbeat. Prices travel as decimal text, exact to 1/10000; money exact to
1/1000000; "not set" is an empty field or one of the largest numbers of the client's language.
"""

from __future__ import annotations

import asyncio
import math
import re
import struct
from collections.abc import Iterable

from optionsib.common.errors import BrokerError
from optionsib.common.types import MONEY_SCALE, PRICE_SCALE

Field = str | int | None

MAGIC = b"API\0"
MAXIMUM_FRAME = 256 * 1024
MAXIMUM_SERVER_VERSION = 178
MINIMUM_SERVER_VERSION = 157
UNSET_NUMBER = "1.7976931348623157E308"

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_VERSIONS = re.compile(rb"v([0-9]{1,6})(?:\.\.([0-9]{1,6}))?(?: .*)?", re.DOTALL)
_LARGEST_INTEGERS = frozenset({"2147483647", "9223372036854775807"})
_LARGEST_SIZE = 1e12


class WireError(BrokerError):
    """The peer sent bytes that are not the protocol; nothing was done with them."""


async def read_payload(reader: asyncio.StreamReader) -> bytes:
    """Read one frame and return what follows its length.

    Raises
    ------
    WireError
        If the announced length is above ``MAXIMUM_FRAME`` bytes.
    asyncio.IncompleteReadError
        If the peer closes inside or before the frame.
    """
    (length,) = struct.unpack(">I", await reader.readexactly(4))
    if length > MAXIMUM_FRAME:
        raise WireError(f"frame of {length} bytes announced, at most {MAXIMUM_FRAME} are accepted")
    return await reader.readexactly(length)


def split_fields(payload: bytes) -> list[str]:
    """Return the fields of a frame's payload."""
    fields = payload.decode("utf-8", "replace").split("\0")
    if fields[-1] == "":
        fields.pop()
    return fields


def pack(fields: Iterable[Field]) -> bytes:
    """Return the frame that carries ``fields``; None becomes an empty field, bool 1 or 0."""
    texts = [field if type(field) is str else "" if field is None else str(int(field)) for field in fields]
    body = ("\0".join(texts) + "\0").encode("ascii", "backslashreplace")
    return struct.pack(">I", len(body)) + body


def negotiate_version(payload: bytes) -> int | None:
    """Return the server version to answer to ``v<min>..<max>``, or None if there is none.

    Raises
    ------
    WireError
        If ``payload`` is not such a range.
    """
    match = _VERSIONS.fullmatch(payload.rstrip(b"\0"))
    if match is None:
        raise WireError(f"version range expected (v157..178), got {payload[:40]!r}")
    lowest = int(match[1])
    version = min(int(match[2] or match[1]), MAXIMUM_SERVER_VERSION)
    if version == 158:  # the client libraries disagree about the layout of 158
        version = 157
    if version < max(lowest, MINIMUM_SERVER_VERSION):
        return None
    return version


def connect_options(payload: bytes) -> frozenset[str]:
    """Return the options that a client put after its version range, e.g. ``+PACEAPI``."""
    return frozenset(payload.rstrip(b"\0").decode("ascii", "replace").split(" ")[1:])


class FieldReader:
    """Takes the fields of one message from left to right."""

    def __init__(self, fields: list[str]) -> None:
        self._fields = fields
        self._next = 0

    def text(self) -> str:
        """Return the next field as it is.

        Raises
        ------
        WireError
            If the message has no further field.
        """
        if self._next >= len(self._fields):
            raise WireError(f"message ends after {len(self._fields)} fields, more were expected")
        self._next += 1
        return self._fields[self._next - 1]

    def skip(self, count: int) -> None:
        """Pass over ``count`` fields."""
        for _ in range(count):
            self.text()

    def integer(self, default: int | None = 0) -> int:
        """Return the next field as an integer; empty or unset gives ``default``.

        Raises
        ------
        WireError
            If the field is not an integer, or is empty while ``default`` is None.
        """
        field = self.text()
        if field == "" or field in _LARGEST_INTEGERS:
            if default is None:
                raise WireError("integer expected, the field is empty")
            return default
        if not _INTEGER.fullmatch(field):
            raise WireError(f"integer expected, got {field[:40]!r}")
        return int(field)

    def boolean(self) -> bool:
        """Return the next field as a truth value; empty is False."""
        field = self.text()
        if field in ("", "0", "false"):
            return False
        if field in ("1", "true"):
            return True
        raise WireError(f"0 or 1 expected, got {field[:40]!r}")

    def number(self) -> float | None:
        """Return the next field as a finite number; None if it is empty or unset."""
        field = self.text()
        if field == "":
            return None
        if not _NUMBER.fullmatch(field):
            raise WireError(f"number expected, got {field[:40]!r}")
        value = float(field)
        if math.isinf(value) or value > 1e300:
            return None
        if abs(value) > _LARGEST_SIZE:
            raise WireError(f"number between -1e12 and 1e12 expected, got {field[:40]!r}")
        return value

    def count(self, maximum: int) -> int:
        """Return the next field as a number of repeated groups, 0 to ``maximum``."""
        value = self.integer()
        if not 0 <= value <= maximum:
            raise WireError(f"count between 0 and {maximum} expected, got {value}")
        return value


def price_from_number(value: float) -> int | None:
    """Return ``value`` in 1/10000, or None if it is no multiple of that (to binary rounding)."""
    scaled = value * PRICE_SCALE
    nearest = round(scaled)
    return nearest if abs(scaled - nearest) <= 1e-6 * max(1.0, abs(scaled) * 1e-6) else None


def _decimal(value: int, scale: int, digits: int, at_least: int) -> str:
    whole, part = divmod(abs(value), scale)
    tail = f"{part:0{digits}d}".rstrip("0").ljust(at_least, "0")
    return ("-" if value < 0 else "") + (f"{whole}.{tail}" if tail else str(whole))


def format_price(price: int) -> str:
    """Return a price in 1/10000 as exact decimal text, e.g. ``1.25``."""
    return _decimal(price, PRICE_SCALE, 4, 0)


def format_money(money: int) -> str:
    """Return money in 1/1000000 as exact decimal text with two decimals or more."""
    return _decimal(money, MONEY_SCALE, 6, 2)


def format_ratio(numerator: int, denominator: int, scale: int = PRICE_SCALE) -> str:
    """Return ``numerator / denominator`` (in units of 1/``scale``) as text; 0 over 0 is ``0``."""
    if denominator == 0:
        return "0"
    return f"{numerator / denominator / scale:.12g}"
