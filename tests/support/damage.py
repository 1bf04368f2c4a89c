"""Damaged frames: real ones with bytes or members changed, for tests that promise that any bytes are survived."""

from collections.abc import Sequence
from random import Random
from typing import Any

import msgspec

from pushmesh_protocol.codec import pack

ODD_VALUES: list[Any] = [
    None, True, 0, 1, 5, 7, 64, 127, 255, 256, -1, 2**31, 2**32, 2**53, 2**63, 2**64 - 1,
    b"", b"\x00", b"\x00" * 21, b"\x01" * 29, b"\x02" + b"\x07" * 32, b"\x03" * 33, b"\x09" * 32, b"\xff" * 65,
    "", "a", "\u202e", "x" * 300, [], [[]], [0], [[[[]]]], [7, None], [9, b"new", [1, [2]]], [3, b"", b"", b"", None],
]  # fmt: skip


def damaged(rng: Random, frames: Sequence[bytes]) -> bytes:
    """One of the frames, changed somewhere: raw bytes, or a member replaced, dropped, doubled or moved."""
    data = rng.choice(frames)
    if rng.random() < 0.4:
        return _damaged_bytes(rng, data, rng.choice(frames))
    tree = msgspec.msgpack.decode(data)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        tree = _damaged_tree(rng, tree)
    return pack(tree)


def _damaged_bytes(rng: Random, data: bytes, other: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(changed) + 1)
        match rng.randrange(5):
            case 0 if place < len(changed):
                changed[place] ^= 1 << rng.randrange(8)
            case 1:
                del changed[place : place + rng.randint(1, 8)]
            case 2:
                changed[place:place] = rng.randbytes(rng.randint(1, 8))
            case 3:
                changed[place:] = other[rng.randrange(len(other)) :]
            case _:
                changed[place : place + 1] = rng.choice([b"\xdc", b"\xdd", b"\xc6", b"\x80", b"\xc1", b"\xcf", b"\xca"])
    return bytes(changed)


def _damaged_tree(rng: Random, tree: Any) -> Any:
    if isinstance(tree, bytes) and len(tree) > 40 and rng.random() < 0.5:  # perhaps a body: packed bytes in bytes
        try:
            return pack(_damaged_tree(rng, msgspec.msgpack.decode(tree)))
        except (msgspec.DecodeError, UnicodeError):
            return rng.choice(ODD_VALUES)
    if not isinstance(tree, list) or not tree or rng.random() < 0.05:
        return _alike(rng, tree) if rng.random() < 0.7 else rng.choice(ODD_VALUES)
    place = rng.randrange(len(tree))
    match rng.randrange(8):
        case 0:
            return tree[:place] + tree[place + 1 :]
        case 1:
            return [*tree[:place], tree[place], *tree[place:]]
        case 2:
            other = rng.randrange(len(tree))
            return [*tree[:place], tree[other], *tree[place + 1 :]]
        case _:
            return [*tree[:place], _damaged_tree(rng, tree[place]), *tree[place + 1 :]]


def _alike(rng: Random, value: Any) -> Any:
    """Another value of the same type and about the same size."""
    if isinstance(value, bytes) and value:
        changed = bytearray(value)
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
        return bytes(changed)
    if isinstance(value, int):
        return rng.choice([max(0, value - 1), min(value + 1, 2**64 - 1), value ^ 1 << rng.randrange(32)])
    return value[::-1] if isinstance(value, str) else value
