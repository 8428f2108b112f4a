"""The vault program's schema (``vault/program/vault.json``) and the codec that follows it.

Structures are packed: the listed fields in their order, little-endian, no alignment. An instruction's data is
its code as u64 and then its arguments. This module needs only msgspec; keys and addresses are 32 bytes.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from optionsib.common.errors import SettlementError

SCHEMA_FILE = "vault.json"
PROGRAM_FILE = "vault.so"


class Field(msgspec.Struct, frozen=True):
    """A field of a structure; ``type`` is u8, u64, i64, pubkey, hash, [TYPE;N] or a structure's name."""

    name: str
    type: str


class AccountRole(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An account of an instruction; ``address`` where it is always the same one.

    ``optional``: the program looks at it only where it pays a profit.
    """

    name: str
    signer: bool | Literal["optional"] = False
    writable: bool | Literal["optional"] = False
    alias: bool = False
    address: str = ""


class InstructionSchema(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An instruction."""

    code: int
    name: str
    doc: str
    durable_nonce: bool
    accounts: tuple[AccountRole, ...]
    args: tuple[Field, ...]


class ErrorSchema(msgspec.Struct, frozen=True):
    """A custom error code of the program."""

    code: int
    name: str
    message: str


class Schema(msgspec.Struct, frozen=True):
    """The whole file."""

    name: str
    programs: dict[str, str]
    constants: dict[str, int]
    domains: dict[str, str]
    addresses: dict[str, tuple[str, ...]]
    types: dict[str, tuple[Field, ...]]
    instructions: tuple[InstructionSchema, ...]
    errors: tuple[ErrorSchema, ...]

    def instruction(self, name: str) -> InstructionSchema:
        """Return the instruction of this name.

        Raises
        ------
        ValueError
            If there is none.
        """
        for found in self.instructions:
            if found.name == name:
                return found
        raise ValueError(f"{name!r}: expected one of {[found.name for found in self.instructions]}")


def program_file(name: str) -> Path:
    """Return where a file of the program lies: in the checkout, or in the installed package.

    Raises
    ------
    SettlementError
        If it is in neither.
    """
    places = [Path(__file__).resolve().parents[3] / "vault" / "program"]
    native = importlib.util.find_spec("optionsib._native._core")
    if native is not None and native.origin:
        places.append(Path(native.origin).parent.parent / "_vault_program")
    for place in places:
        if (place / name).is_file():
            return place / name
    raise SettlementError(f"{name}: not in {' nor '.join(str(place) for place in places)}")


@functools.cache
def load_schema() -> Schema:
    """Read the schema.

    Raises
    ------
    SettlementError
        If the file is missing or not of the known form.
    """
    path = program_file(SCHEMA_FILE)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Schema)
    except msgspec.MsgspecError as error:
        raise SettlementError(f"{path}: {error}") from error


_INTEGERS = {"u8": (1, False), "u16": (2, False), "u32": (4, False), "u64": (8, False), "i64": (8, True)}
_BYTES = {"pubkey": 32, "hash": 32}


def _array(kind: str) -> tuple[str, int] | None:
    if not kind.startswith("["):
        return None
    element, _, count = kind[1:-1].partition(";")
    return element, int(count)


def size_of(kind: str) -> int:
    """Return the packed size of a type, bytes."""
    if kind in _INTEGERS:
        return _INTEGERS[kind][0]
    if kind in _BYTES:
        return _BYTES[kind]
    if (array := _array(kind)) is not None:
        return array[1] * size_of(array[0])
    return sum(size_of(field.type) for field in load_schema().types[kind])


def encode(kind: str, value: Any) -> bytes:
    """Pack ``value``: an integer, 32 bytes (or what ``bytes`` turns into them), a sequence, or a structure.

    A structure is a mapping or any object with attributes of the fields' names.

    Raises
    ------
    ValueError
        If a value does not fit its type; the message names the field.
    """
    if kind in _INTEGERS:
        size, signed = _INTEGERS[kind]
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"{value!r}: expected a whole number ({kind})")
        try:
            return value.to_bytes(size, "little", signed=signed)
        except OverflowError:
            raise ValueError(f"{value}: out of range of {kind}") from None
    if kind in _BYTES:
        data = b"" if isinstance(value, int) else bytes(value)
        if len(data) != _BYTES[kind]:
            raise ValueError(f"{value!r}: expected {_BYTES[kind]} bytes ({kind})")
        return data
    if (array := _array(kind)) is not None:
        if len(value) != array[1]:
            raise ValueError(f"{len(value)} elements, expected {array[1]} ({kind})")
        return b"".join(encode(array[0], element) for element in value)
    return encode_fields(load_schema().types[kind], value)


def encode_fields(fields: tuple[Field, ...], value: Any) -> bytes:
    """Pack the named fields of ``value``."""
    parts = []
    for field in fields:
        try:
            inner = value[field.name] if isinstance(value, Mapping) else getattr(value, field.name)
            parts.append(encode(field.type, inner))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"{field.name}: {error}") from None
    return b"".join(parts)


def decode(kind: str, data: bytes) -> Any:
    """Unpack exactly one value: an int, bytes, tuple, or a dict of a structure's fields.

    Raises
    ------
    ValueError
        If ``data`` is not of the type's size.
    """
    if len(data) != size_of(kind):
        raise ValueError(f"{len(data)} bytes, expected {size_of(kind)} ({kind})")
    if kind in _INTEGERS:
        return int.from_bytes(data, "little", signed=_INTEGERS[kind][1])
    if kind in _BYTES:
        return bytes(data)
    if (array := _array(kind)) is not None:
        size = size_of(array[0])
        return tuple(decode(array[0], data[at : at + size]) for at in range(0, len(data), size))
    return dict(_decode_fields(kind, data))


def _decode_fields(kind: str, data: bytes) -> Iterator[tuple[str, Any]]:
    at = 0
    for field in load_schema().types[kind]:
        size = size_of(field.type)
        yield field.name, decode(field.type, data[at : at + size])
        at += size
