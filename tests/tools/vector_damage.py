"""Damaged frames: golden ones with a bit turned, a member replaced, or a body changed and signed again.

Two implementations must give them one verdict; the vectors say only what was thought of."""

import json
import random
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import msgspec

from pushmesh_protocol.codec import pack
from tools.vector_case import Json
from tools.vector_keys import CAROL
from tools.vector_makers import Own, frame, make
from tools.vector_networks import DAY, HOUR, NETWORKS, NOW
from tools.vector_run import run

STRANGE: tuple[Any, ...] = (
    *(None, True, False, 0, 1, 3, 5, 31, 32, 127, 128, 255, 256, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53),
    *(2**63, 2**64 - 1, -1, -32, -33, NOW, NOW + 1, "", "a", "news", "https://x", "\u202e", "\n", b"", b"\x00"),
    *(bytes(16), bytes(32), bytes(64), bytes(65), [], [None], [[]], b"\x00" + bytes(20), b"\x02" + bytes(32)),
)
MAX_FRAME_BYTES = 4096
"""Larger frames are left alone: they cost time and say no more."""


def damaged(folder: Path, count: int, rng: random.Random) -> Iterator[Json]:
    """Vectors that expect what our code says; where it REJECTs, the verdict alone, since two faults may meet."""
    golden = [
        vector
        for path in sorted(folder.glob("[a-z]*.json"))
        for vector in json.loads(path.read_text())["vectors"]
        if vector["do"] == "judge" and len(vector["input"]["frame"]) <= 2 * MAX_FRAME_BYTES
    ]
    for number in range(count):
        vector = deepcopy(rng.choice(golden))
        data = bytes.fromhex(vector["input"]["frame"])
        vector["name"] = f"{number}: {vector['name']}"
        vector["input"]["frame"] = rng.choice((_damage_bytes, _damage_values, _sign_again))(data, rng).hex()
        vector["given"]["now_ms"] += rng.choice((0, 0, 0, 1, -1, HOUR, -HOUR))
        said = run(NETWORKS, vector)
        answers = said["envelopes"]
        if [answer["verdict"] for answer in answers] == ["REJECT"]:
            said["envelopes"] = [{"verdict": "REJECT"}]
        yield {**vector, "expect": said}


def _damage_bytes(data: bytes, rng: random.Random) -> bytes:
    damaged_data = bytearray(data or b"\x00")
    place = rng.randrange(len(damaged_data))
    match rng.randrange(3):
        case 0:
            damaged_data[place] ^= 1 << rng.randrange(8)
        case 1:
            damaged_data[place] = rng.randrange(256)
        case _:
            del damaged_data[place : place + rng.randrange(1, 4)]
    return bytes(damaged_data)


def _damage_values(data: bytes, rng: random.Random) -> bytes:
    value = _read(data)
    return pack(_changed(value, rng)) if value is not None else _damage_bytes(data, rng)


def _sign_again(data: bytes, rng: random.Random) -> bytes:
    """The first item with its body damaged, signed by Carol if it was hers: deep enough to reach every rule."""
    value = _read(data)
    try:
        _tag, kind, author, body, _auth = value[3][0]  # type: ignore[index]  # what is no frame ends in the except
        damaged_body = pack(_changed(msgspec.msgpack.decode(body), rng))
    except (TypeError, ValueError, IndexError, msgspec.DecodeError):
        return _damage_values(data, rng)
    if author != CAROL.account or not 0 <= kind < 256:
        return _damage_values(data, rng)
    return frame(make(Own(CAROL), kind, damaged_body))


def _read(data: bytes) -> list[Any] | None:
    """The frame's value, or None where it has none that can be written again."""
    try:
        value = msgspec.msgpack.decode(data)
        return value if isinstance(value, list) and pack(value) == data else None
    except (msgspec.DecodeError, RecursionError):
        return None


def _changed(value: Any, rng: random.Random) -> Any:
    """The value with one member of it, at any depth, changed."""
    if isinstance(value, list) and value and rng.random() < 0.8:
        place = rng.randrange(len(value))
        return [*value[:place], _changed(value[place], rng), *value[place + 1 :]]
    if isinstance(value, list) and value:
        place = rng.randrange(len(value))
        return rng.choice((value[:place] + value[place + 1 :], [*value, value[place]], value[::-1]))
    if isinstance(value, bytes) and value and rng.random() < 0.7:
        return _damage_bytes(value, rng)
    if type(value) is int and rng.random() < 0.5:
        return min(2**64 - 1, max(-(2**63), value + rng.choice((-1, 1, 2**31, -(2**31), DAY, -DAY))))
    return rng.choice(STRANGE)
