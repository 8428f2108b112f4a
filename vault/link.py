"""Link BPF objects of clang into a program that Solana's loader takes (SBPF version 3), or say why not.

    python vault/link.py -o vault.so a.o b.o ...

The output holds nothing but an ELF header, two program headers, the read-only data at address 0 and the code
at 2**32, as ``anza-xyz/sbpf`` demands of version 3. Refused is whatever would not do on the chain what it
says in C:

- 32-bit arithmetic and jumps (Solana sign-extends where clang assumes zeros), atomics, indirect calls, byte
  swaps and every other opcode that is not known to mean the same;
- data that can be written, thread-local or not;
- functions that are neither defined nor on the list of syscalls, symbols defined twice, no entry point;
- relocations and sections of unknown kinds, stack accesses outside the frame of 4096 bytes.
"""

from __future__ import annotations

import argparse
import struct
import sys
from dataclasses import dataclass, field
from pathlib import Path

SYSCALLS = (
    "sol_memcpy_",
    "sol_memset_",
    "sol_memcmp_",
    "sol_sha256",
    "sol_log_data",
    "sol_get_clock_sysvar",
    "sol_get_rent_sysvar",
    "sol_create_program_address",
    "sol_try_find_program_address",
    "sol_invoke_signed_c",
)
ENTRY = "entrypoint"
TEXT_ADDRESS = 1 << 32
FRAME = 4096
MACHINE = 247
SBPF_VERSION = 3

_LDDW, _CALL, _CALL_REGISTER, _EXIT = 0x18, 0x85, 0x8D, 0x95
_MEMORY = {kind | width | 0x60 for kind in (1, 2, 3) for width in (0x00, 0x08, 0x10, 0x18)}
_ALU64 = {op | source | 7 for op in range(0, 0xD0, 0x10) for source in (0, 8)} - {0x8F}
_JUMPS = {op | source | 5 for op in range(0x10, 0xE0, 0x10) for source in (0, 8)} - {0x85, 0x8D, 0x95, 0x9D}
ALLOWED = {_LDDW, _CALL, _EXIT, 0x05} | _MEMORY | _ALU64 | _JUMPS

_PROGBITS, _NOBITS, _SYMTAB, _RELA, _REL = 1, 8, 2, 4, 9
_WRITE, _ALLOC, _EXECUTE, _TLS = 1, 2, 4, 0x400
_RELOCATE_LDDW, _RELOCATE_ADDRESS, _RELOCATE_CALL = 1, 2, 10


class LinkError(ValueError):
    """The objects do not make a program that may be deployed."""


@dataclass
class _Symbol:
    name: str
    section: int
    value: int
    is_global: bool


@dataclass
class _Section:
    name: str
    kind: int
    flags: int
    data: bytes
    link: int
    info: int
    alignment: int
    offset: int = -1  # in the output's text or read-only data


@dataclass
class _Object:
    name: str
    sections: list[_Section] = field(default_factory=list)
    symbols: list[_Symbol] = field(default_factory=list)


def murmur3_32(data: bytes) -> int:
    """Return MurmurHash3 (32 bits, seed 0): how version 3 names a syscall."""
    mask, value = 0xFFFFFFFF, 0

    def mix(word: int) -> int:
        word = word * 0xCC9E2D51 & mask
        word = (word << 15 | word >> 17) & mask
        return word * 0x1B873593 & mask

    whole = len(data) // 4 * 4
    for (word,) in struct.iter_unpack("<I", data[:whole]):
        value ^= mix(word)
        value = (value << 13 | value >> 19) & mask
        value = (value * 5 + 0xE6546B64) & mask
    value ^= mix(int.from_bytes(data[whole:], "little")) if data[whole:] else 0
    value ^= len(data)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        value = (value ^ value >> shift) * factor & mask
    return value


def _text_at(table: bytes, offset: int) -> str:
    return table[offset : table.index(b"\0", offset)].decode()


def _read(name: str, raw: bytes) -> _Object:
    try:
        return _parse(name, raw)
    except (struct.error, IndexError, ValueError) as error:
        if isinstance(error, LinkError):
            raise
        raise LinkError(f"{name}: not a readable object file ({error})") from error


def _parse(name: str, raw: bytes) -> _Object:
    if raw[:6] != b"\x7fELF\x02\x01":
        raise LinkError(f"{name}: not a 64-bit little-endian ELF")
    kind, machine = struct.unpack_from("<HH", raw, 16)
    if (kind, machine) != (1, MACHINE):
        raise LinkError(f"{name}: type {kind} of machine {machine}, expected a BPF object (1 of {MACHINE})")
    table, _, _, _, _, size, count, names_index = struct.unpack_from("<QIHHHHHH", raw, 40)
    found = _Object(name)
    heads = [struct.unpack_from("<IIQQQQIIQQ", raw, table + i * size) for i in range(count)]
    names = raw[heads[names_index][4] :]
    for label, kind, flags, _, offset, length, link, info, alignment, _ in heads:
        data = bytes(length) if kind == _NOBITS else raw[offset : offset + length]
        if len(data) != length:
            raise LinkError(f"{name}: section beyond the end of the file")
        found.sections.append(_Section(_text_at(names, label), kind, flags, data, link, info, alignment))
    for section in found.sections:
        if section.kind == _SYMTAB:
            strings = found.sections[section.link].data
            for label, info, _, index, value, _ in struct.iter_unpack("<IBBHQQ", section.data):
                found.symbols.append(_Symbol(_text_at(strings, label), index, value, info >> 4 != 0))
    return found


def _kind(owner: _Object, section: _Section) -> str:
    """Return where a section goes: ``text``, ``rodata`` or nowhere."""
    if not section.flags & _ALLOC or not section.data:
        return ""
    where = f"{owner.name}: section {section.name}"
    if section.flags & _TLS:
        raise LinkError(f"{where}: thread-local data")
    if section.flags & _EXECUTE:
        return "text"
    if section.flags & _WRITE and not section.name.startswith(".data.rel.ro"):
        raise LinkError(f"{where}: data that can be written; keep it on the heap")
    if section.kind != _PROGBITS:
        raise LinkError(f"{where}: unknown kind {section.kind}")
    return "rodata"


def _place(objects: list[_Object]) -> tuple[bytearray, bytearray]:
    parts = {"text": bytearray(), "rodata": bytearray()}
    for owner in objects:
        for section in owner.sections:
            kind = _kind(owner, section)
            if kind:
                part = parts[kind]
                part.extend(bytes(-len(part) % max(section.alignment, 8)))
                section.offset = len(part)
                part.extend(section.data)
    for part in parts.values():
        part.extend(bytes(-len(part) % 8))
    return parts["text"], parts["rodata"]


def _globals(objects: list[_Object]) -> dict[str, tuple[_Object, _Symbol]]:
    found: dict[str, tuple[_Object, _Symbol]] = {}
    for owner in objects:
        for symbol in owner.symbols:
            if symbol.is_global and symbol.section:
                if symbol.name in found or symbol.name in SYSCALLS:
                    raise LinkError(f"{owner.name}: {symbol.name} is defined twice")
                found[symbol.name] = (owner, symbol)
    return found


def _resolve(
    owner: _Object, symbol: _Symbol, table: dict[str, tuple[_Object, _Symbol]]
) -> tuple[_Section, int] | None:
    """Return section and offset of a symbol, or nothing for a syscall."""
    if not symbol.section:
        if symbol.name in SYSCALLS:
            return None
        if symbol.name not in table:
            raise LinkError(f"{owner.name}: {symbol.name} is neither defined nor an allowed syscall")
        owner, symbol = table[symbol.name]
    if symbol.section >= len(owner.sections) or owner.sections[symbol.section].offset < 0:
        raise LinkError(f"{owner.name}: {symbol.name or 'a symbol'} lies in no section of the program")
    return owner.sections[symbol.section], symbol.value


def _relocate_call(
    owner: _Object, text: bytearray, at: int, target: tuple[_Section, int] | None, name: str
) -> None:
    if text[at] != _CALL:
        raise LinkError(f"{owner.name}: a call relocation on opcode {text[at]:#x}")
    if target is None:
        text[at + 1] &= 0x0F
        struct.pack_into("<I", text, at + 4, murmur3_32(name.encode()))
        return
    section, offset = target
    if not section.flags & _EXECUTE:
        raise LinkError(f"{owner.name}: a call into data")
    addend = (struct.unpack_from("<i", text, at + 4)[0] + 1) * 8
    goal = section.offset + offset + addend
    text[at + 1] = text[at + 1] & 0x0F | 0x10
    struct.pack_into("<i", text, at + 4, (goal - at) // 8 - 1)


def _address(owner: _Object, target: tuple[_Section, int] | None, addend: int) -> int:
    if target is None or target[0].flags & _EXECUTE:
        raise LinkError(f"{owner.name}: the address of a function is taken; calls must be direct")
    return target[0].offset + target[1] + addend


def _relocate(objects: list[_Object], text: bytearray, rodata: bytearray) -> set[int]:
    """Resolve all relocations; return the offsets of the calls that were resolved to syscalls."""
    table, syscalls = _globals(objects), set()
    for owner in objects:
        for section in owner.sections:
            if section.kind not in (_REL, _RELA) or owner.sections[section.info].offset < 0:
                continue
            if section.kind == _RELA:
                raise LinkError(f"{owner.name}: relocations with addends")
            patched = owner.sections[section.info]
            for where, info in struct.iter_unpack("<QQ", section.data):
                symbol = owner.symbols[info >> 32]
                target, at, kind = _resolve(owner, symbol, table), patched.offset + where, info & 0xFFFFFFFF
                if patched.flags & _EXECUTE and kind == _RELOCATE_CALL:
                    _relocate_call(owner, text, at, target, symbol.name)
                    if target is None:
                        syscalls.add(at)
                elif patched.flags & _EXECUTE and kind == _RELOCATE_LDDW and text[at] == _LDDW:
                    low, high = (
                        struct.unpack_from("<I", text, at + 4)[0],
                        struct.unpack_from("<I", text, at + 12)[0],
                    )
                    value = _address(owner, target, high << 32 | low)
                    struct.pack_into("<I", text, at + 4, value & 0xFFFFFFFF)
                    struct.pack_into("<I", text, at + 12, value >> 32)
                elif not patched.flags & _EXECUTE and kind == _RELOCATE_ADDRESS:
                    value = _address(owner, target, struct.unpack_from("<Q", rodata, at)[0])
                    struct.pack_into("<Q", rodata, at, value)
                else:
                    raise LinkError(f"{owner.name}: relocation of unknown kind {kind}")
    return syscalls


def _check_code(text: bytes, syscalls: set[int]) -> None:
    at = 0
    while at < len(text):
        opcode, registers, offset, immediate = struct.unpack_from("<BBhi", text, at)
        where = f"instruction {at // 8}"
        if opcode == _CALL_REGISTER:
            raise LinkError(f"{where}: indirect call")
        if opcode & 7 in (4, 6):
            raise LinkError(f"{where}: 32-bit arithmetic or jump ({opcode:#x}): compile with -mcpu=v2")
        if opcode & 0xE7 in (0xC3, 0xC1, 0xC2):
            raise LinkError(f"{where}: atomic ({opcode:#x})")
        if opcode not in ALLOWED:
            raise LinkError(f"{where}: opcode {opcode:#x} is not known to be right")
        # Stores go by the destination register, loads by the source.
        base = registers & 15 if opcode & 7 in (2, 3) else registers >> 4
        if opcode in _MEMORY and base == 10 and not -FRAME <= offset < 0:
            raise LinkError(f"{where}: stack access at {offset}, outside the frame of {FRAME} bytes")
        if opcode == _CALL and at not in syscalls:
            goal = at // 8 + 1 + immediate
            if registers >> 4 != 1 or not 0 <= goal < len(text) // 8:
                raise LinkError(f"{where}: call that leads nowhere")
        at += 16 if opcode == _LDDW else 8
    if at != len(text):
        raise LinkError("the code ends within an instruction")


def link(objects: dict[str, bytes]) -> bytes:
    """Return the program made of named object files.

    Raises
    ------
    LinkError
        Naming the object or instruction and what is wrong with it.
    """
    parsed = [_read(name, raw) for name, raw in objects.items()]
    text, rodata = _place(parsed)
    entry = _globals(parsed).get(ENTRY)
    if entry is None:
        raise LinkError(f"no function {ENTRY}")
    _check_code(text, _relocate(parsed, text, rodata))
    target = _resolve(*entry, {})
    if target is None or not target[0].flags & _EXECUTE:
        raise LinkError(f"{ENTRY} is no function")
    start = target[0].offset + target[1]
    head = 64 + 2 * 56
    elf = struct.pack(
        "<16sHHIQQQIHHHHHH",
        b"\x7fELF\x02\x01\x01",
        3,
        MACHINE,
        1,
        TEXT_ADDRESS + start,
        64,
        0,
        SBPF_VERSION,
        64,
        56,
        2,
        64,
        0,
        0,
    )
    for flags, address, offset, part in ((4, 0, head, rodata), (1, TEXT_ADDRESS, head + len(rodata), text)):
        elf += struct.pack("<IIQQQQQQ", 1, flags, offset, address, address, len(part), len(part), 8)
    return bytes(elf + rodata + text)


def main(arguments: list[str] | None = None) -> int:
    """Link from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-o", dest="output", type=Path, required=True)
    parser.add_argument("objects", type=Path, nargs="+")
    options = parser.parse_args(arguments)
    try:
        program = link({path.name: path.read_bytes() for path in options.objects})
    except LinkError as error:
        print(f"link: {error}", file=sys.stderr)
        return 1
    options.output.write_bytes(program)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
