"""One of the two nodes of `pushmesh bench sync`: a set of records in a process of its own, and its half of
reconciliation.

`python -m pushmesh_node.lab.sync_side` is told in JSON lines what to do and answers each with one: `build` makes its
set, then one side is told to `open`, and each is handed what the other said. Ends with its standard input.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final, Protocol

from ..sync.fan_out import FanOut
from ..sync.index import Index
from ..sync.negentropy import Initiator, Limits, respond
from ..sync.node_sets import NodeSets
from .bucket_side import SHARDS, BucketSide

DAY_MS: Final = 86_400_000
FIRST_DAY: Final = 20_720
"""Whose bucket is reconciled; of many buckets those of a day are one for each shard."""

FAN_OUT: Final = FanOut()
LIMITS: Final = Limits(lacking=None)


@dataclass(frozen=True, slots=True)
class Held:
    """What a side holds: of `made` records, the same on both sides, all but those of these numbers."""

    made: int
    seed: int
    lacks: range
    buckets: int = 1


class Side(Protocol):
    """`lacked` is what it really lacks, `found` what reconciliation told of it."""

    lacked: set[bytes]
    found: set[bytes]
    cpu_s: float

    def open(self) -> bytes:
        """The first message."""
        ...

    def respond(self, message: bytes) -> bytes:
        """As who is asked."""
        ...

    def receive(self, message: bytes) -> bytes | None:
        """As who asks; None at the end."""
        ...


@dataclass(slots=True)
class IndexSide:
    """One bucket, by nothing but messages of Negentropy."""

    index: Index
    initiator: Initiator
    lacked: set[bytes]
    cpu_s: float = 0.0
    found: set[bytes] = field(default_factory=set)

    def open(self) -> bytes:
        """See `Side`."""
        began_s = time.process_time()
        message = self.initiator.open()
        self.cpu_s += time.process_time() - began_s
        return message

    def respond(self, message: bytes) -> bytes:
        """See `Side`."""
        began_s = time.process_time()
        answer = respond(self.index, message, FAN_OUT, LIMITS)
        self.cpu_s += time.process_time() - began_s
        return answer

    def receive(self, message: bytes) -> bytes | None:
        """See `Side`."""
        began_s = time.process_time()
        difference, question = self.initiator.receive(message)
        self.found.update(difference.we_lack)
        self.cpu_s += time.process_time() - began_s
        return question


def build(held: Held) -> IndexSide:
    """By inserts, in an order that says nothing about the records' own: as gossip brings them."""
    index, lacked = Index(), set[bytes]()
    for number, time_of_day_ms, record_id in _records(held):
        if number in held.lacks:
            lacked.add(record_id)
        else:
            index.insert(FIRST_DAY * DAY_MS + time_of_day_ms, record_id)
    return IndexSide(index, Initiator(index, FAN_OUT, LIMITS), lacked)


def build_buckets(held: Held) -> BucketSide:
    """The same records, in as many buckets."""
    sets, lacked = NodeSets(SHARDS), set[bytes]()
    for number, time_of_day_ms, record_id in _records(held):
        day, part = divmod(number % held.buckets, SHARDS)
        if number in held.lacks:
            lacked.add(record_id)
        else:
            sets.insert(part, (FIRST_DAY + day) * DAY_MS + time_of_day_ms, record_id, number)
    return BucketSide(sets, lacked)


def _records(held: Held) -> Iterator[tuple[int, int, bytes]]:
    randomness = Random(held.seed)
    for number in range(held.made):
        yield number, randomness.randrange(DAY_MS), randomness.randbytes(32)


def resident_bytes() -> int:
    """Of this process. Linux only."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Answers:
    """The side that this process is, and what it answers to an order."""

    def __init__(self) -> None:
        self._side: Side = build(Held(0, 0, range(0)))

    def answer(self, order: dict[str, Any]) -> dict[str, Any]:
        """`{"message": hex or null}`, or what was built or found."""
        match order:
            case {"build": {"made": made, "seed": seed, "lacks": [low, high], "buckets": buckets}}:
                held = Held(made, seed, range(low, high), buckets)
                before_bytes = resident_bytes()
                self._side = build(held) if buckets == 1 else build_buckets(held)
                return {"resident_bytes": resident_bytes() - before_bytes, "records": made - len(self._side.lacked)}
            case {"open": True}:
                return _message(self._side.open())
            case {"respond": str(message)}:
                return _message(self._side.respond(bytes.fromhex(message)))
            case {"receive": str(message)}:
                return _message(self._side.receive(bytes.fromhex(message)))
            case {"end": True}:
                side = self._side
                return {"cpu_s": side.cpu_s, "found_all": side.found == side.lacked}
        raise ValueError(f"no such order: {order}")


def _message(message: bytes | None) -> dict[str, Any]:
    return {"message": None if message is None else message.hex()}


def main() -> None:
    """Until the end of standard input."""
    answers = Answers()
    for line in sys.stdin:
        print(json.dumps(answers.answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
