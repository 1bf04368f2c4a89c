"""Negentropy V1 against go-nostr, an implementation by other people, which both asks and answers."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from pushmesh_node.sync.fan_out import FanOut
from pushmesh_node.sync.index import Index
from pushmesh_node.sync.negentropy import MIN_MESSAGE_BYTES, Initiator, Limits, respond

Record = tuple[int, bytes]

DAY_MS = 86_400_000
FAN_OUTS = [FanOut(), FanOut(2, 1, 1), FanOut(16, 16, 31)]
ROOMS_BYTES = [1 << 20, MIN_MESSAGE_BYTES]
LIMITS = Limits()
MOST_ROUNDS = 200


class Foreign:
    """The Go process; every line that it is given it answers with one."""

    def __init__(self, program: Path) -> None:
        self._process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, line: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(line) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        assert "error" not in answer, answer
        return answer

    def hold(self, records: list[Record]) -> None:
        self.ask({"records": [(timestamp, record_id.hex()) for timestamp, record_id in records]})

    def end(self) -> None:
        self._process.communicate(timeout=30)


@pytest.fixture
def foreign(requires: Callable[[str], Path], go_negentropy: Path) -> Iterator[Foreign]:
    requires("go")
    side = Foreign(go_negentropy)
    yield side
    side.end()


def two_sets(seed: int, count: int, timestamps: int) -> tuple[list[Record], list[Record]]:
    randomness = Random(seed)
    share = randomness.choice([0.001, 0.02, 0.5])
    records = [(1_790_000_000_000 + randomness.randrange(timestamps), randomness.randbytes(32)) for _ in range(count)]
    mine = [each for each in records if randomness.random() > share]
    return mine, [each for each in records if randomness.random() > share]


def index_of(records: list[Record]) -> Index:
    return Index.of_sorted((*record, 0) for record in sorted(records))


def missing(here: list[Record], there: list[Record]) -> set[bytes]:
    return {record_id for _, record_id in there} - {record_id for _, record_id in here}


SETS = [
    (seed, count, span) for seed in range(3) for count, span in [(0, 1), (5, 9), (3000, 1), (3000, 40), (9000, DAY_MS)]
]


@pytest.mark.parametrize("room_bytes", ROOMS_BYTES)
@pytest.mark.parametrize("fan_out", FAN_OUTS)
def test_go_answers_us(foreign: Foreign, fan_out: FanOut, room_bytes: int) -> None:
    for chosen in SETS:
        mine, theirs = two_sets(*chosen)
        foreign.hold(theirs)
        initiator = Initiator(index_of(mine), fan_out, LIMITS)
        peer_lacks, we_lack = set[bytes](), set[bytes]()
        question: bytes | None = initiator.open(room_bytes=room_bytes)
        while question is not None:
            assert len(question) <= room_bytes
            answer = bytes.fromhex(foreign.ask({"message": question.hex()})["message"])
            difference, question = initiator.receive(answer, room_bytes=room_bytes)
            peer_lacks.update(difference.peer_lacks)
            we_lack.update(difference.we_lack)
        assert (peer_lacks, we_lack) == (missing(theirs, mine), missing(mine, theirs))


@pytest.mark.parametrize("room_bytes", ROOMS_BYTES)
@pytest.mark.parametrize("fan_out", FAN_OUTS)
def test_go_asks_us(foreign: Foreign, fan_out: FanOut, room_bytes: int) -> None:
    for chosen in SETS:
        mine, theirs = two_sets(*chosen)
        index = index_of(mine)
        foreign.hold(theirs)
        told = foreign.ask({"start": True})
        haves, havenots = set[str](), set[str]()
        for _ in range(MOST_ROUNDS):
            answer = respond(index, bytes.fromhex(told["message"]), fan_out, LIMITS, room_bytes)
            assert len(answer) <= room_bytes
            told = foreign.ask({"message": answer.hex()})
            haves.update(told["haves"] or ())
            havenots.update(told["havenots"] or ())
            if not told["message"]:
                break
        assert {bytes.fromhex(each) for each in haves} == missing(mine, theirs)
        assert {bytes.fromhex(each) for each in havenots} == missing(theirs, mine)
