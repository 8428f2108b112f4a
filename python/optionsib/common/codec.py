"""Canonical msgpack for events: equal events give equal bytes on every machine and run."""

from __future__ import annotations

import msgspec

from optionsib.common.events import AnyEvent

_encoder = msgspec.msgpack.Encoder(order="deterministic")
_decoder: msgspec.msgpack.Decoder[AnyEvent] = msgspec.msgpack.Decoder(AnyEvent)


def encode(event: object) -> bytes:
    """Return the canonical msgpack bytes of an event or of plain data."""
    return _encoder.encode(event)


def decode(data: bytes) -> AnyEvent:
    """Return the event that ``data`` encodes.

    Raises
    ------
    msgspec.DecodeError
        If ``data`` is not one of the known events.
    """
    return _decoder.decode(data)
