"""Write the C header of the Vault program from its schema: python vault/generate_header.py [--check]."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).parent / "program"
ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
SIZES = {"u8": 1, "u64": 8, "i64": 8, "pubkey": 32, "hash": 32}
C_TYPES = {"u8": "u8", "u64": "u64", "i64": "s64", "pubkey": "Key", "hash": "Key"}
FIXED = {"token_program": "FIXED_TOKEN", "system_program": "FIXED_SYSTEM", "instructions": "FIXED_SYSVAR"}


def base58(text: str) -> bytes:
    """Return the 32 bytes of an address."""
    number = 0
    for letter in text:
        number = number * 58 + ALPHABET.index(letter)
    return number.to_bytes(32, "big")


def braces(raw: bytes) -> str:
    """Return bytes as a C initialiser."""
    return "{{" + ", ".join(str(b) for b in raw) + "}}"


def header(schema: dict[str, Any]) -> str:
    """Return the text of ``schema.h``."""
    types: dict[str, list[dict[str, str]]] = schema["types"]

    def parts(kind: str) -> tuple[str, str, int]:
        array = re.fullmatch(r"\[(\w+);(\d+)\]", kind)
        base, count = (array[1], int(array[2])) if array else (kind, 1)
        size = SIZES[base] if base in SIZES else struct_size(types[base])
        return C_TYPES.get(base, base), f"[{count}]" if array else "", size * count

    def struct_size(fields: list[dict[str, str]]) -> int:
        return sum(parts(f["type"])[2] for f in fields)

    def struct(name: str, fields: list[dict[str, str]]) -> list[str]:
        lines, checks, offset = ["typedef struct {"], [], 0
        for field in fields:
            c_type, suffix, size = parts(field["type"])
            lines.append(f"  {c_type} {field['name']}{suffix};")
            checks.append(
                f"_Static_assert(__builtin_offsetof({name}, {field['name']}) == {offset}, "
                f'"{name} has a gap");'
            )
            offset += size
        lines.append(f"}} {name};")
        checks.append(f'_Static_assert(sizeof({name}) == {offset}, "{name} has a tail");')
        return [*lines, *checks, ""]

    out = [
        "// Generated from vault.json by vault/generate_header.py; do not edit.",
        "#pragma once",
        "",
        "typedef unsigned char u8;",
        "typedef unsigned short u16;",
        "typedef unsigned int u32;",
        "typedef unsigned long long u64;",
        "typedef long long s64;",
        "typedef struct {",
        "  u8 bytes[32];",
        "} Key;",
        "",
    ]
    out += [f"#define {name} {value}ull" for name, value in schema["constants"].items()] + [""]
    out += [f"#define ERROR_{e['name']} {e['code']}ull" for e in schema["errors"]] + [""]
    for name, fields in types.items():
        out += struct(name, fields)
    for instruction in schema["instructions"]:
        camel = "".join(word.title() for word in instruction["name"].split("_"))
        if instruction["args"]:
            out += struct(f"{camel}Args", instruction["args"])
    out += [f"#define INSTRUCTION_{i['name'].upper()} {i['code']}" for i in schema["instructions"]]
    out += [f"#define INSTRUCTION_COUNT {len(schema['instructions'])}", ""]
    roles: list[str] = []
    for instruction in schema["instructions"]:
        roles += [a["name"] for a in instruction["accounts"] if a["name"] not in roles]
    out += [f"#define ROLE_{role.upper()} {number}" for number, role in enumerate(roles)]
    out += [f"#define ROLE_COUNT {len(roles)}", ""]
    most = max(len(i["accounts"]) for i in schema["instructions"])
    flags = ("SIGNER", "WRITABLE", "ALIAS", "FIXED_TOKEN", "FIXED_SYSTEM", "FIXED_SYSVAR")
    out += [f"#define {flag} {1 << bit}" for bit, flag in enumerate(flags)]
    out += [
        f"#define MAX_ACCOUNTS {most}",
        "",
        "typedef struct {",
        "  u64 accounts, data_length, durable_nonce;",
        f"  struct {{ u8 role, flags; }} slot[{most}];",
        "} InstructionRule;",
        "",
        "#ifdef SCHEMA_TABLES",
        "static const InstructionRule RULES[INSTRUCTION_COUNT] = {",
    ]
    for instruction in schema["instructions"]:
        slots = []
        for account in instruction["accounts"]:
            marks = [FIXED[account["name"]]] if account["name"] in FIXED else []
            marks += ["SIGNER"] if account.get("signer") is True else []
            marks += ["WRITABLE"] if account.get("writable") is True else []
            marks += ["ALIAS"] if account.get("alias") else []
            slots.append(f"{{ROLE_{account['name'].upper()}, {' | '.join(marks) or '0'}}}")
        length = 8 + struct_size(instruction["args"])
        head = f"{len(slots)}, {length}, {int(instruction['durable_nonce'])}"
        out.append(f"  {{{head}, {{{', '.join(slots)}}}}}, // {instruction['name']}")
    out += ["};", "#endif", ""]
    for name, address in schema["programs"].items():
        out.append(
            f"static const Key PROGRAM_{name.upper()} __attribute__((unused)) = {braces(base58(address))};"
        )
    for name, text in schema["domains"].items():
        raw = text.encode().ljust(32, b"\0")
        out.append(f"static const Key {name} __attribute__((unused)) = {braces(raw)};")
    return "\n".join(out) + "\n"


def main() -> int:
    """Write the header, or compare with ``--check``."""
    text = header(json.loads((PROGRAM / "vault.json").read_text()))
    if "--check" in sys.argv[1:]:
        same = (PROGRAM / "schema.h").read_text() == text
        if not same:
            print("vault/program/schema.h is not what vault.json gives", file=sys.stderr)
        return 0 if same else 1
    (PROGRAM / "schema.h").write_text(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
