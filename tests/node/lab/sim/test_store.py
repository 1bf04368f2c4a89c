import asyncio
from random import Random

from pushmesh_node.engine.recording import record_of
from pushmesh_node.engine.records import SentMark, SlotRange
from pushmesh_node.lab.sim.store import SimStore
from pushmesh_protocol.types import Epoch
from support.bodies import a_network
from support.envelopes import ALICE, NOW, a_note, a_run
from support.naive_store import NaiveStore

NETWORK = a_network()
EPOCH = Epoch(3)


def test_it_answers_as_its_naive_twin_whatever_was_written(rng: Random) -> None:
    ours, twin = SimStore(b"\x01" * 16), NaiveStore(b"\x01" * 16)
    next_commit = 1
    for _ in range(60):
        seq = rng.randrange(30)
        part = a_note(NETWORK, seq) if rng.random() < 0.6 else a_run(NETWORK, rng.randrange(2, 6), seq)
        record = record_of(NETWORK, part, next_commit, EPOCH, sent=rng.random() < 0.5, data=None, now_ms=NOW)
        marks = [SentMark(rng.randrange(1, next_commit))] if next_commit > 1 and rng.random() < 0.3 else []
        next_commit += record.count
        ours.commit([record, *marks])
        asyncio.run(twin.commit([record, *marks]))
        first = rng.randrange(30)
        ranges = [SlotRange(ALICE, EPOCH, first, first + rng.randrange(1, 6))]
        assert ours.holders(ranges) == asyncio.run(twin.holders(ranges))
        after, room = rng.randrange(next_commit + 1), rng.choice([1, 2_000, 10**6])
        assert ours.log(after, room) == asyncio.run(twin.log(after, room))
        assert ours.last_commit == twin.last_commit
