"""Base58 in Bitcoin's alphabet, as Solana keys and libp2p peer ids are shown. Quadratic: for short bytes only."""

from typing import Final

_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
MAX_TEXT: Final = 128


def base58_encode(data: bytes) -> str:
    """Each leading zero byte is a `1`."""
    number = int.from_bytes(data, "big")
    digits = ""
    while number:
        number, digit = divmod(number, 58)
        digits = _ALPHABET[digit] + digits
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + digits


def base58_decode(text: str) -> bytes:
    """Raises ValueError for nothing, other characters, and more than 128 of them."""
    if not text or len(text) > MAX_TEXT:
        raise ValueError("a base58 text has 1 to 128 characters")
    number = 0
    for character in text:
        digit = _ALPHABET.find(character)
        if digit < 0:
            raise ValueError(f"{character!r} is no digit of base58")
        number = number * 58 + digit
    zeros = len(text) - len(text.lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")
