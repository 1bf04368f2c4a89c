import random
import sqlite3

from pushmesh_node.engine.records import SlotRange
from pushmesh_node.storage.slots import holders
from pushmesh_node.storage.topics import TopicNumbers
from pushmesh_node.storage.transaction import write_group
from pushmesh_protocol.types import Epoch
from support.plans import plans, tables_walked
from support.records import EVERYBODY, SHOP, record

EPOCH = Epoch(7)


def test_the_question_of_a_frame_is_one_statement_that_walks_no_table(connection: sqlite3.Connection) -> None:
    write_group(connection, [record(n) for n in range(1, 200)], TopicNumbers(), 0)
    seen: list[str] = []
    connection.set_trace_callback(seen.append)
    holders(connection, [SlotRange(SHOP, EPOCH, n, n + 1) for n in range(256)])
    assert len(seen) == 1
    steps = plans(connection, lambda: holders(connection, [SlotRange(SHOP, EPOCH, 5, 6), SlotRange(SHOP, EPOCH, 7, 9)]))
    assert tables_walked(steps) == []
    assert (
        sum("s USING PRIMARY KEY (epoch=? AND author=? AND wide=? AND first_seq>? AND first_seq<?)" in s for s in steps)
        == 2
    )


def test_every_overlap_of_random_records_and_ranges_is_found(
    connection: sqlite3.Connection, rng: random.Random
) -> None:
    records = []
    first_commit = 1
    for _record in range(300):
        leaves, width = rng.choice([(1, 1), (1, 1), (1, 40), (rng.randrange(2, 60), None), (64, None)])
        records.append(record(first_commit, *[EVERYBODY] * leaves, first_seq=rng.randrange(3_000), width=width))
        first_commit += leaves
    write_group(connection, records, TopicNumbers(), 0)

    ranges = [SlotRange(SHOP, EPOCH, a, a + rng.choice([1, 1, 2, 50, 700])) for a in range(0, 3_100, 7)]
    for asked, found in zip(ranges, holders(connection, ranges), strict=True):
        wanted = [
            r.first_commit + i
            for r in records
            for i in range(r.count)
            for first in [r.first_seq + i]
            for end in [r.end_seq if r.count == 1 else first + 1]
            if first < asked.end_seq and asked.first_seq < end
        ]
        assert [holder.commit_no for holder in found] == sorted(wanted)
