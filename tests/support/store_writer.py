"""A process that writes to a store and prints what became durable: `python store_writer.py PATH MODE`.

MODE `forever` commits calls and prints the last number of each acknowledged one, until somebody ends it. MODE `full`
lets files grow no further, prints how the store answers, gives the room back and goes on.
"""

import asyncio
import os
import resource
import sys
from pathlib import Path

from pushmesh_node.engine.records import Record
from pushmesh_node.storage import Store, StoreFailed, StoreSettings
from support.records import ALICE, EVERYBODY, record

CALLS = 8


def call(first_commit: int) -> list[Record]:
    """What one call writes: three records, six envelopes, every kind of row. It is there whole or not at all."""
    return [
        record(first_commit, data=os.urandom(700)),
        record(first_commit + 1, EVERYBODY, (ALICE,), EVERYBODY, (ALICE,), data=os.urandom(1_500), sent=False),
        record(first_commit + 5, (ALICE,), data=os.urandom(700)),
    ]


CALL_ENVELOPES = 6


async def commit_and_print(store: Store, first_commit: int) -> None:
    await store.commit(call(first_commit))
    print(first_commit + CALL_ENVELOPES - 1, flush=True)


async def write_forever(path: Path) -> None:
    store = await Store.open(path, new_incarnation=bytes(16), settings=StoreSettings(log_bytes=1 << 18))
    # The first number of a call is 1 above a multiple of its envelopes, also in a file that was opened before.
    first_commit = -(-store.last_commit // CALL_ENVELOPES) * CALL_ENVELOPES + 1
    while True:
        firsts = [first_commit + CALL_ENVELOPES * n for n in range(CALLS)]
        await asyncio.gather(*(commit_and_print(store, first) for first in firsts))
        first_commit += CALL_ENVELOPES * CALLS


async def write_until_full(path: Path) -> None:
    store = await Store.open(path, new_incarnation=bytes(16))
    await store.commit(call(1))
    before = await store.stats()
    _soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Python ignores the signal that goes with it: writes past the limit fail with an errno, as on a full disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (before.wal_bytes + 20_000, hard))
    refused = await asyncio.gather(
        *(store.commit(call(7 + CALL_ENVELOPES * n)) for n in range(20)), return_exceptions=True
    )
    print("refused", sum(isinstance(answer, StoreFailed) for answer in refused), store.last_commit, refused[0])
    print("readable", len(await store.log(0, 1_000_000)))

    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    await store.commit(call(7))
    stats = await store.stats()
    print("again", store.last_commit, stats.failed_transactions, stats.items)
    await store.close()


if __name__ == "__main__":
    asyncio.run({"forever": write_forever, "full": write_until_full}[sys.argv[2]](Path(sys.argv[1])))
