"""The tick tape: every quote the daemon saw, in the order it saw them; append-only and unsynced.

A file is ``MAGIC`` and then frames: length and CRC-32 of the payload (4 bytes each, little-endian),
payload = canonical msgpack of ``(at_ns, quotes)``. Decisions name the offset of the frame they
saw. After a power cut the last frames may be missing or torn: the reader says how many bytes it
left out, and a tape opened for appending drops them.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import msgspec

from optionsib.common import codec
from optionsib.common.errors import DataError
from optionsib.common.events import Quote

MAGIC = b"OIBTAPE1"
_FRAME = struct.Struct("<II")


class TapeFrame(msgspec.Struct, frozen=True):
    """The quotes of one step. ``offset`` is where the frame begins in the file."""

    offset: int
    at_ns: int
    quotes: tuple[Quote, ...]


_Row = tuple[int, int | None, int | None, int, int, int, int]
_payload_decoder: msgspec.msgpack.Decoder[tuple[int, list[_Row]]] = msgspec.msgpack.Decoder(
    tuple[int, list[_Row]]
)


class TickTape:
    """Append steps of quotes to a tape, or continue one after a crash.

    Parameters
    ----------
    path
        The file; it is created if absent. A torn tail of an existing tape is cut off.

    Attributes
    ----------
    cut_bytes
        Size of the torn tail that was cut off at opening, 0 if there was none.

    Raises
    ------
    DataError
        If ``path`` exists and is not a tape, or is damaged before its tail; it is unchanged.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.cut_bytes = 0
        self._last_at_ns: int | None = None
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.exists() and self.path.stat().st_size:
            with TapeReader(self.path) as reader:
                for frame in reader:
                    self._last_at_ns = frame.at_ns
                end, self.cut_bytes = reader.end, reader.torn_bytes
            self._file: BinaryIO = self.path.open("r+b")
            self._file.truncate(end)
            self._file.seek(end)
            self._offset = end
        else:
            self._file = self.path.open("wb")
            self._offset = 0
        if self._offset == 0:
            self._file.write(MAGIC)
            self._file.flush()
            self._offset = len(MAGIC)

    @property
    def offset(self) -> int:
        """Where the next frame will begin."""
        return self._offset

    @property
    def last_at_ns(self) -> int | None:
        """Time of the last frame, None on an empty tape."""
        return self._last_at_ns

    def append(self, at_ns: int, quotes: Sequence[Quote]) -> int:
        """Write the quotes of one step and return the offset of their frame.

        The frame reaches the operating system, not yet the disk.

        Raises
        ------
        ValueError
            If ``at_ns`` lies before the last frame; nothing is written.
        """
        if self._last_at_ns is not None and at_ns < self._last_at_ns:
            raise ValueError(
                f"tape is at {self._last_at_ns} ns, asked to write {at_ns} ns; nothing was written"
            )
        rows = [(q.con_id, q.bid, q.ask, q.bid_size, q.ask_size, q.as_of_ns, q.changed_ns) for q in quotes]
        payload = codec.encode((at_ns, rows))
        offset = self._offset
        self._file.write(_FRAME.pack(len(payload), zlib.crc32(payload)) + payload)
        self._file.flush()
        self._offset += _FRAME.size + len(payload)
        self._last_at_ns = at_ns
        return offset

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class TapeReader:
    """Iterate the frames of a tape, also while it is being written.

    After the iteration ``torn_bytes`` says how much of an unfinished tail was left out (0 = none) and
    ``end`` where the last whole frame ends.

    Raises
    ------
    DataError
        If ``path`` is absent or not a tape; during iteration if a frame before the tail is damaged.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.torn_bytes = 0
        try:
            self._file: BinaryIO = self.path.open("rb")
        except OSError as error:
            raise DataError(f"cannot read tape {self.path}: {error.strerror}") from error
        head = self._file.read(len(MAGIC))
        if not MAGIC.startswith(head):
            self._file.close()
            raise DataError(f"{self.path} is not a tick tape: it begins with {head!r}, expected {MAGIC!r}")
        # A crash may have left less than the magic: then the whole file is a torn tail.
        self.end = len(MAGIC) if head == MAGIC else 0

    def frame(self, offset: int) -> TapeFrame:
        """Return the frame that begins at ``offset``.

        Raises
        ------
        DataError
            If no whole frame begins there.
        """
        frame = self._read(offset)
        if frame is None:
            raise DataError(f"{self.path}: no whole frame at offset {offset}")
        return frame[0]

    def __iter__(self) -> Iterator[TapeFrame]:
        """Yield all whole frames in order."""
        self.torn_bytes = 0
        size = self.path.stat().st_size
        if self.end == 0:
            self.torn_bytes = size
            return
        offset = len(MAGIC)
        while offset < size:
            found = self._read(offset)
            if found is None:
                self._judge_tail(offset, size)
                break
            frame, offset = found
            yield frame
        self.end = offset

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self, offset: int) -> tuple[TapeFrame, int] | None:
        self._file.seek(offset)
        head = self._file.read(_FRAME.size)
        if len(head) < _FRAME.size:
            return None
        length, checksum = _FRAME.unpack(head)
        payload = self._file.read(length)
        if length == 0 or len(payload) < length or zlib.crc32(payload) != checksum:
            return None
        try:
            at_ns, rows = _payload_decoder.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise DataError(f"{self.path}: the frame at offset {offset} holds no quotes: {error}") from error
        quotes = tuple(
            Quote(
                con_id=con_id,
                bid=bid,
                ask=ask,
                bid_size=bid_size,
                ask_size=ask_size,
                as_of_ns=as_of,
                changed_ns=ch,
            )
            for con_id, bid, ask, bid_size, ask_size, as_of, ch in rows
        )
        return TapeFrame(offset, at_ns, quotes), offset + _FRAME.size + length

    def _judge_tail(self, offset: int, size: int) -> None:
        """Accept an unreadable rest as torn if it can be the end of a write; else raise."""
        self._file.seek(offset)
        rest = self._file.read(size - offset)
        length = _FRAME.unpack_from(rest)[0] if len(rest) >= _FRAME.size else 0
        unfinished = len(rest) < _FRAME.size or _FRAME.size + length >= len(rest) or not any(rest)
        if not unfinished:
            raise DataError(
                f"{self.path}: the frame at offset {offset} is damaged and {len(rest)} bytes follow; "
                "the tape is unchanged"
            )
        self.torn_bytes = len(rest)
