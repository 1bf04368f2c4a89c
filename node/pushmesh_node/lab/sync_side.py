"""One of the two nodes of `pushmesh bench sync`: a set of records in a process of its own, and its half of
reconciliation.

`python -m pushmesh_node.lab.sync_side` is told in JSON lines what to do and answers each with one: `build` makes its
set, then one side is told to `open`, and each is handed what the other said. Ends with its standard input.
"""

import json
import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from ..sync.fan_out import FanOut
from ..sync.index import Index
from ..sync.negentropy import Initiator, Limits, respond

DAY_MS: Final = 86_400_000
FIRST_MS: Final = 20_720 * DAY_MS
"""The day whose bucket is reconciled."""

FAN_OUT: Final = FanOut()
LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True)
class Held:
    """What a side holds: of `made` records, the same on both sides, all but those of these numbers."""

    made: int
    seed: int
    lacks: range


@dataclass(slots=True)
class Side:
    """`found`, `owed`: ids that it lacks and that the other lacks, as reconciliation told."""

    index: Index
    initiator: Initiator
    lacked: set[bytes]
    cpu_s: float = 0.0
    found: set[bytes] = field(default_factory=set)
    owed: set[bytes] = field(default_factory=set)

    def open(self) -> bytes:
        """The first message."""
        began_s = time.process_time()
        message = self.initiator.open()
        self.cpu_s += time.process_time() - began_s
        return message

    def respond(self, message: bytes) -> bytes:
        """As who is asked."""
        began_s = time.process_time()
        answer = respond(self.index, message, FAN_OUT, LIMITS)
        self.cpu_s += time.process_time() - began_s
        return answer

    def receive(self, message: bytes) -> bytes | None:
        """As who asks; None at the end."""
        began_s = time.process_time()
        difference, question = self.initiator.receive(message)
        self.found.update(difference.we_lack)
        self.owed.update(difference.peer_lacks)
        self.cpu_s += time.process_time() - began_s
        return question


def build(held: Held) -> Side:
    """By inserts, in an order that says nothing about the records' own: as gossip brings them."""
    randomness, index, lacked = Random(held.seed), Index(), set[bytes]()
    for number in range(held.made):
        timestamp, record_id = FIRST_MS + randomness.randrange(DAY_MS), randomness.randbytes(32)
        if number in held.lacks:
            lacked.add(record_id)
        else:
            index.insert(timestamp, record_id)
    return Side(index, Initiator(index, FAN_OUT, LIMITS), lacked)


def resident_bytes() -> int:
    """Of this process. Linux only."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Answers:
    """The side that this process is, and what it answers to an order."""

    def __init__(self) -> None:
        self._side = build(Held(0, 0, range(0)))

    def answer(self, order: dict[str, Any]) -> dict[str, Any]:
        """`{"message": hex or null}`, or what was built or found."""
        match order:
            case {"build": {"made": made, "seed": seed, "lacks": [low, high]}}:
                before_bytes = resident_bytes()
                self._side = build(Held(made, seed, range(low, high)))
                return {"resident_bytes": resident_bytes() - before_bytes, "records": len(self._side.index)}
            case {"open": True}:
                return _message(self._side.open())
            case {"respond": str(message)}:
                return _message(self._side.respond(bytes.fromhex(message)))
            case {"receive": str(message)}:
                return _message(self._side.receive(bytes.fromhex(message)))
            case {"end": True}:
                side = self._side
                return {"cpu_s": side.cpu_s, "found_all": side.found == side.lacked, "owed": len(side.owed)}
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
