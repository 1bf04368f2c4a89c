"""Stores that earlier schemas left behind, killed under load: this version upgrades them under load, through kills in
the middle of it, and loses nothing."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from msgspec.structs import replace

from faults.checker import check
from faults.control import WRITES, Action, Call
from faults.history import Durable, History, Invoked, Struck
from faults.looking import look_through
from faults.nodes import FaultyNode
from faults.old_stores import AUTHOR, NODE, READER, old_stores, unpack_store
from faults.publisher import LIFE_MS, Publisher
from faults.subscribers import CursorReader
from pushmesh_client.author import unix_ms
from pushmesh_node.lab.networks import shipped_network
from pushmesh_node.storage.migrations import MIGRATIONS
from support.processes import a_plan, eventually
from support.wallets import a_wallet

KILLS = 4
NETWORK = shipped_network("devnet")

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


def clock_of(events: list[object]) -> Callable[[], int]:
    """The time right after the recording, going on from now."""
    recorded = max(event.expires_at_ms for event in events if isinstance(event, Invoked)) - LIFE_MS
    offset_ms = recorded - unix_ms()
    return lambda: unix_ms() + offset_ms


def schema_of(place: Path) -> int:
    return int(place.name.partition("-")[2])


def test_stores_of_the_first_the_previous_and_the_present_schema_are_kept() -> None:
    """A new migration comes with a store that `faults.old_stores` records: it is the previous one's some day."""
    kept = [schema_of(place) for place in old_stores()]
    assert kept[0] == 4 and kept[-2:] == [len(MIGRATIONS) - 1, len(MIGRATIONS)]


@pytest.mark.parametrize("place", old_stores()[:-1], ids=lambda place: place.name)
async def test_an_old_store_is_upgraded_under_load_and_through_kills(place: Path, tmp_path: Path, rng: Random) -> None:
    plan = a_plan(tmp_path, NODE, mqtt__enabled=False)
    history = History(unpack_store(place, plan.folder))
    before = {event.id for event in history.events if isinstance(event, Durable)}
    assert len(before) > 30
    now_ms = clock_of(list(history.events))
    node = FaultyNode(plan)
    node.control.set_clock(now_ms() - unix_ms())
    reader = CursorReader("reader", NETWORK, a_wallet(READER), history, now_ms=now_ms)
    publisher = Publisher(NETWORK, a_wallet(AUTHOR), history, rng, rate=60, now_ms=now_ms)
    publisher.skip(10_000)  # seqs of the recording
    tasks = [asyncio.create_task(reader.run(NODE, plan.url)), asyncio.create_task(publish_forever(publisher, plan.url))]
    try:
        for kill in range(KILLS):
            node.control.arm(WRITES | Call.LOG_SYNC, Action.KILL_AFTER, 1 + kill * 3)
            assert not await node.start_or_die() or await node.dies_within(5)
            history.add(Struck(NODE, f"killed while it upgraded, at change {1 + kill * 3}"))
        node.control.disarm()
        await node.ready()

        async def all_came() -> bool:
            return before <= reader.got and publisher.durable > 20

        await eventually(all_came, "all that the old store held, and new ones")
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await publisher.settle(NODE, plan.url)
    finally:
        await node.client.close()
        await node.kill()
    held = replace(await look_through(NODE, NETWORK, plan.folder), now_ms=now_ms())
    verdict = check([*history.events, held], NETWORK)
    assert verdict.holds, str(verdict.counterexamples[0])
    assert node.faults() == []


async def publish_forever(publisher: Publisher, url: str) -> None:
    while True:
        await publisher.run(NODE, url, 4)
        await asyncio.sleep(0.02)
