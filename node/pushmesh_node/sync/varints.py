"""Numbers of variable size as Negentropy V1 writes them: base 128, most significant digit first, as few as possible."""

from typing import Final

from .faults import BadMessage, Fault

MAX_VARINT: Final = 2**64 - 1

_ONE_DIGIT: Final = tuple(bytes([number]) for number in range(128))


def varint(number: int) -> bytes:
    """Of a number from 0 to MAX_VARINT."""
    if number < 128:
        return _ONE_DIGIT[number]
    digits = [number & 127]
    while number := number >> 7:
        digits.append(number & 127 | 128)
    return bytes(reversed(digits))


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The number that begins at `at`, and where it ends. Raises BadMessage `truncated` or `varint`."""
    number = 0
    for where in range(at, len(data)):
        digit = data[where]
        if digit < 128:
            number = number << 7 | digit
            if number > MAX_VARINT:
                break
            return number, where + 1
        if (digit == 128 and where == at) or where - at > 9:
            break
        number = number << 7 | digit & 127
    else:
        raise BadMessage(Fault.TRUNCATED)
    raise BadMessage(Fault.VARINT)
