"""Base58 with Bitcoin's alphabet, as Solana writes keys, signatures and the data of inner instructions."""

from __future__ import annotations

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def base58(data: bytes) -> str:
    """Return base58 with Bitcoin's alphabet. Quadratic: for instruction data, not for accounts."""
    number, digits = int.from_bytes(data, "big"), ""
    while number:
        number, rest = divmod(number, 58)
        digits = _ALPHABET[rest] + digits
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + digits


def unbase58(text: str) -> bytes:
    """Invert :func:`base58`.

    Raises
    ------
    ValueError
        If a character is not of the alphabet.
    """
    number = 0
    for letter in text:
        number = number * 58 + _ALPHABET.index(letter)
    zeros = len(text) - len(text.lstrip("1"))
    return b"\0" * zeros + number.to_bytes((number.bit_length() + 7) // 8, "big")
