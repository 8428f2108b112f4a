"""Instructions that put a program on a chain through the upgradeable loader.

The loader's instruction set is that of ``solana-loader-v3-interface``: a four-byte little-endian tag, then
the fields. A program is written into a buffer account in pieces, checked and deployed from it, and the
authority that could replace it is given up.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey
from solders.system_program import ID as SYSTEM_PROGRAM
from solders.system_program import CreateAccountParams, create_account
from solders.sysvar import CLOCK, RENT

UPGRADEABLE_LOADER = Pubkey.from_string("BPFLoaderUpgradeab1e11111111111111111111111")
BUFFER_HEADER_BYTES = 37
PROGRAM_BYTES = 36
PROGRAM_DATA_HEADER_BYTES = 45
_PIECE_BYTES = 900  # with one signature, well inside the 1,232 bytes of a transaction


def program_data_address(program: Pubkey) -> Pubkey:
    """Return where the loader keeps the code of ``program``."""
    return Pubkey.find_program_address([bytes(program)], UPGRADEABLE_LOADER)[0]


def write_buffer(
    payer: Pubkey, buffer: Pubkey, authority: Pubkey, elf: bytes, *, lamports: int
) -> Iterator[list[Instruction]]:
    """Yield the transactions that create ``buffer`` (it signs the first) and fill it with ``elf``.

    ``lamports`` is the rent of ``BUFFER_HEADER_BYTES + len(elf)`` bytes; the authority signs the writes.
    """
    size = BUFFER_HEADER_BYTES + len(elf)
    create = CreateAccountParams(
        from_pubkey=payer, to_pubkey=buffer, lamports=lamports, space=size, owner=UPGRADEABLE_LOADER
    )
    initialise = [AccountMeta(buffer, False, True), AccountMeta(authority, False, False)]
    yield [create_account(create), Instruction(UPGRADEABLE_LOADER, struct.pack("<I", 0), initialise)]
    for offset in range(0, len(elf), _PIECE_BYTES):
        piece = elf[offset : offset + _PIECE_BYTES]
        data = struct.pack("<IIQ", 1, offset, len(piece)) + piece
        accounts = [AccountMeta(buffer, False, True), AccountMeta(authority, True, False)]
        yield [Instruction(UPGRADEABLE_LOADER, data, accounts)]


def deploy(
    payer: Pubkey, buffer: Pubkey, program: Pubkey, authority: Pubkey, elf_bytes: int, *, lamports: int
) -> list[Instruction]:
    """Return the transaction that deploys a filled buffer; payer, ``program`` and authority sign.

    ``lamports`` is the rent of ``PROGRAM_BYTES`` bytes. There is room for ``elf_bytes`` and no more: the
    program is not meant to be replaced.
    """
    create = CreateAccountParams(
        from_pubkey=payer, to_pubkey=program, lamports=lamports, space=PROGRAM_BYTES, owner=UPGRADEABLE_LOADER
    )
    accounts = [
        AccountMeta(payer, True, True),
        AccountMeta(program_data_address(program), False, True),
        AccountMeta(program, False, True),
        AccountMeta(buffer, False, True),
        AccountMeta(RENT, False, False),
        AccountMeta(CLOCK, False, False),
        AccountMeta(SYSTEM_PROGRAM, False, False),
        AccountMeta(authority, True, False),
    ]
    data = struct.pack("<IQ", 2, elf_bytes)
    return [create_account(create), Instruction(UPGRADEABLE_LOADER, data, accounts)]


def make_immutable(program: Pubkey, authority: Pubkey) -> Instruction:
    """Return the instruction that gives the upgrade authority up; the authority signs."""
    accounts = [
        AccountMeta(program_data_address(program), False, True),
        AccountMeta(authority, True, False),
    ]
    return Instruction(UPGRADEABLE_LOADER, struct.pack("<I", 4), accounts)
