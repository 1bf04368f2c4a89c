"""Whatever makes room, nothing goes that a receipt promises or an open epoch needs: every way, at every time, for any
number of shards. A plain list of promises stands beside the store."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import pytest
from msgspec import structs

from pushmesh_node.engine.records import DueRecord, Record
from pushmesh_node.storage import Store, StoreSettings
from pushmesh_node.storage.copies import compact
from pushmesh_node.storage.errors import StoreDamaged
from pushmesh_node.storage.receipts import Issuer
from pushmesh_node.storage.upkeep import Usage
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.types import UnixMs
from support.damaged_files import change_index, spoil
from support.records import EVERYBODY, HOUR_MS, NOW, SHOP, record
from support.sealing import ISSUER, a_wish

LIFE_MS = 20 * HOUR_MS
KEEP_MS = 6 * HOUR_MS
STEPS = 60

WAYS = {
    "count": StoreSettings(max_envelopes=3),
    "bytes": StoreSettings(max_bytes=400),
    "age": StoreSettings(max_age_ms=HOUR_MS),
    "budget": StoreSettings(budget_bytes=1),
}


@dataclass
class World:
    """A store, its clock, and what must be there until when."""

    path: Path
    shards: int
    settings: StoreSettings
    now_ms: int = NOW
    promised: dict[int, int] = field(default_factory=dict)
    issued: dict[int, int] = field(default_factory=dict)
    ends: dict[int, int] = field(default_factory=dict)
    open_ms: int | None = None
    """How long an epoch stays open, where one needs anything."""
    store: Store | None = None

    async def open(self) -> Store:
        issuer: Issuer = replace(ISSUER, keep_ms=KEEP_MS, clock=lambda: self.now_ms)
        self.store = await Store.open(
            self.path,
            new_incarnation=bytes(16),
            settings=self.settings,
            shard_of=lambda topic: len(topic.name) % self.shards,
            issuer=issuer,
        )
        return self.store

    async def take(self, one: Record) -> None:
        assert self.store is not None
        await self.store.commit([one])
        numbers = range(one.first_commit, one.first_commit + one.count)
        self.issued |= dict.fromkeys(numbers, one.issued_at)
        self.ends |= dict.fromkeys(numbers, one.expires_at)
        if one.published:
            self.promised |= dict.fromkeys(numbers, self.now_ms + KEEP_MS)

    async def ask(self, commit_no: int) -> None:
        """Its publisher asks for a receipt long after."""
        assert self.store is not None
        await self.store.commit([structs.replace(a_wish(commit_no), expires_at=UnixMs(self.ends[commit_no]))])
        if commit_no in await self.held():
            self.promised.setdefault(commit_no, self.now_ms + KEEP_MS)

    async def held(self) -> set[int]:
        assert self.store is not None
        items = await self.store.log(0, 1 << 30)
        return {number for item in items for number in range(item.first_commit, item.first_commit + item.count)}

    async def make_room(self) -> None:
        assert self.store is not None
        self.store._usage = Usage(10_000_000, 0, 0, 1 << 40)
        while await self.store.expire(self.now_ms, 4):
            pass
        while await self.store.prune(self.now_ms, self.open_since_ms, 4):
            pass

    @property
    def open_since_ms(self) -> int:
        return 2**60 if self.open_ms is None else self.now_ms - self.open_ms

    def owed(self) -> set[int]:
        """What must be there now."""
        needed = {number for number, issued_at in self.issued.items() if issued_at >= self.open_since_ms}
        kept = {number for number, until in self.promised.items() if until > self.now_ms}
        return {number for number in needed | kept if self.ends[number] > self.now_ms}


def a_random_record(rng: Random, world: World, first: int) -> Record:
    leaves = rng.choice([1, 1, 1, 4])
    one = record(
        first,
        *[EVERYBODY] * leaves,
        topic=Topic(SHOP, "t" * rng.randrange(1, 12)),
        kind=5 if leaves > 1 else rng.choice([5, 5, 4, 2]),
        issued_at=world.now_ms - rng.randrange(4 * HOUR_MS),
        expires_at=world.now_ms + rng.randrange(1, LIFE_MS),
        data=rng.randbytes(rng.randrange(20, 300)),
    )
    return structs.replace(one, published=rng.random() < 0.4)


@pytest.mark.parametrize("open_ms", [None, 2 * HOUR_MS], ids=["settled", "open epoch"])
@pytest.mark.parametrize("shards", [1, 2, 8])
@pytest.mark.parametrize("way", WAYS)
async def test_no_way_of_making_room_costs_what_is_owed(
    way: str, shards: int, open_ms: int | None, path: Path, rng: Random
) -> None:
    world = World(path, shards, WAYS[way], open_ms=open_ms)
    store = await world.open()
    went: set[int] = set()
    for step in range(STEPS):
        await world.take(a_random_record(rng, world, store.last_commit + 1))
        if step % 7 == 0:
            await world.ask(rng.choice(sorted(world.issued)))
        if step % 20 == 10:
            await store.close()
            compact(path)
            store = await world.open()
        await world.make_room()
        held = await world.held()
        assert world.owed() <= held
        went |= {number for number, end in world.ends.items() if number not in held and end > world.now_ms}
        world.now_ms += rng.randrange(HOUR_MS // 2)
    assert len(went) > 5  # there was something to let go
    assert not went & {number for number, until in world.promised.items() if until > world.now_ms}
    await store.close()


async def test_all_that_was_promised_may_go_once_the_promises_are_over(path: Path, rng: Random) -> None:
    world = World(path, 2, WAYS["budget"])
    store = await world.open()
    for _ in range(20):
        one = a_random_record(rng, world, store.last_commit + 1)
        await world.take(structs.replace(one, published=True, expires_at=UnixMs(NOW + LIFE_MS)))
    await world.make_room()
    assert len(await world.held()) == len(world.issued)
    world.now_ms = NOW + KEEP_MS - 1
    await world.make_room()
    assert len(await world.held()) == len(world.issued)
    world.now_ms += 1
    await world.make_room()
    assert await world.held() == set()
    await store.close()


async def shown_by_inboxes(store: Store) -> set[int]:
    return {one.commit_no for one in await store.topic_messages([Topic(SHOP, "news")], 0, None, 100)}


async def test_what_inboxes_show_of_a_scheduled_message_stays_as_long_as_the_message(path: Path) -> None:
    world = World(path, 1, WAYS["budget"])
    store = await world.open()
    due = UnixMs(NOW + 5)
    one = record(1, due_ats=(due,), expires_at=NOW + LIFE_MS, issued_at=NOW - HOUR_MS)
    await world.take(structs.replace(one, published=True))
    await store.commit([DueRecord(2, 1, due, None, b"shown")])
    await world.make_room()
    assert await shown_by_inboxes(store) == {2}
    spoil(
        path, "UPDATE items SET kind = 6 WHERE first_commit = 1"
    )  # what was promised is damaged, and shown all the same
    while (await store.scrub(64)).position is not None:
        pass
    await world.make_room()
    assert [item.first_commit for item in await store.log(0, 1 << 20)] == []
    assert await shown_by_inboxes(store) == {2}
    world.now_ms = NOW + KEEP_MS
    await world.make_room()
    assert await shown_by_inboxes(store) == set()
    await store.close()


STRIKES = (
    "UPDATE receipts SET kept_until = 1",
    "UPDATE receipts SET last_commit = 0, first_commit = 0",
    "UPDATE receipts SET data = x'00'",
    "UPDATE late_receipts SET number = 700",
    "UPDATE late_receipts SET sum = 1",
)


@pytest.mark.parametrize("strike", STRIKES)
@pytest.mark.parametrize("looked", [True, False], ids=["scrubbed", "met first by who makes room"])
@pytest.mark.parametrize("late", [1, 2])
async def test_a_damaged_receipt_is_no_reason_to_let_go(path: Path, strike: str, looked: bool, late: int) -> None:
    world = World(path, 1, WAYS["budget"])
    store = await world.open()
    for number in (1, 2):
        one = record(number, expires_at=NOW + LIFE_MS + number, issued_at=NOW)
        await world.take(structs.replace(one, published=number != late))
    await world.ask(late)
    spoil(path, strike)
    if looked:
        while (await store.scrub(64)).position is not None:
            pass
    await world.make_room()
    assert await world.held() == {1, 2}
    await store.close()


@pytest.mark.parametrize("change", ["first_commit + 900", "first_commit - 900"])
async def test_an_index_that_does_not_lead_to_a_promise_is_no_reason_to_let_go(path: Path, change: str) -> None:
    """A bit of an index flips: no sum guards it, so that its neighbours have to fit."""
    world = World(path, 1, WAYS["budget"])
    store = await world.open()
    for number in (1_000, 2_000):
        one = record(number, expires_at=NOW + LIFE_MS + number, issued_at=NOW)
        await world.take(structs.replace(one, published=number == 2_000))
    await store.close()
    change_index(path, "receipts_by_commit", "first_commit", f"iif(number = 1, {change}, first_commit)")
    store = await world.open()
    with pytest.raises(StoreDamaged):
        await world.make_room()
    await store.close()
    store = await world.open()
    assert store.salvaged is not None
    await world.make_room()
    assert 2_000 in await world.held()
    await store.close()
