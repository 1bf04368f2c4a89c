"""The store against its naive twin: random writes in random groups give the same answers."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings, strategies as st
from msgspec.structs import replace

from pushmesh_node.engine.records import (
    CursorRecord,
    DecisionRecord,
    DueRecord,
    GuestRecord,
    LateMark,
    PrivateRecord,
    PrivateTopicRecord,
    Record,
    Scheduled,
    SentMark,
    SlotRange,
    VoidMark,
    VoucherRecord,
    Write,
)
from pushmesh_node.storage import Store
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.types import Account, Epoch, UnixMs
from support.naive_store import NaiveStore
from support.records import ALICE, BOB, HOUR_MS, NEWS, NOW, OFFERS, SHOP, id_of, record

ACCOUNTS = (ALICE, BOB)
TOPICS = (NEWS, OFFERS)
MAX_COMMITS = 60
DUE = (UnixMs(NOW + 1), UnixMs(NOW + 2))
AGAIN = UnixMs(NOW + 3)
MEMORY = Path("/dev/shm")
"""A thousand syncs of a busy disk may take minutes, and what is asked here is answers, not durability."""

accounts = st.sampled_from(ACCOUNTS)
audiences = st.none() | st.lists(accounts, max_size=2, unique=True).map(tuple)
leaves = st.one_of(st.lists(audiences, min_size=1, max_size=1), st.lists(audiences, min_size=2, max_size=9))
shapes = st.fixed_dictionaries(
    {
        "kind": st.sampled_from([5, 5, 5, 2, 6]),
        "topic": st.sampled_from(TOPICS),
        "epoch": st.integers(7, 8),
        "first_seq": st.integers(0, 40),
        "issued_at": st.integers(0, 3).map(lambda hours: NOW - hours * HOUR_MS),
        "expires_at": st.integers(1, 4).map(lambda hours: NOW + hours * HOUR_MS),
        "sent": st.booleans(),
        "data": st.binary(min_size=1, max_size=40),
    }
)


def marks(numbers: st.SearchStrategy[int]) -> st.SearchStrategy[Write]:
    """Writes about what is there already, and small keyed ones."""
    times = st.integers(0, 3).map(UnixMs)
    ends = st.integers(1, 4).map(lambda hours: UnixMs(NOW + hours * HOUR_MS))
    small = st.integers(0, 2)
    verdicts = st.sampled_from(["drop", "hold"])
    return st.one_of(
        st.builds(SentMark, numbers),
        st.builds(VoidMark, numbers),
        st.builds(LateMark, numbers),
        st.builds(Scheduled, numbers, st.just(AGAIN)),
        st.builds(DecisionRecord, accounts, numbers, verdicts, st.just("why"), st.just("r"), times),
        st.builds(CursorRecord, accounts, st.sampled_from(["a", "", "\x1fnews\x1fa", "\x1fnews\x1f"]), numbers, ends),
        st.builds(PrivateRecord, accounts, st.just(64), times, ends, st.binary(max_size=3)),
        st.builds(GuestRecord, st.sampled_from(["home", "away"]), accounts, st.none() | st.just(b"g"), st.none(), ends),
        st.builds(
            PrivateTopicRecord, accounts, st.sampled_from([b"t", b"u"]), times, ends, st.binary(max_size=3),
        ),
        st.builds(
            VoucherRecord, small.map(Epoch), accounts, st.just(b"k"), st.sampled_from([b"s", b"t"]),
            small, small, small, st.just(b"v"), st.none() | st.just(b"fork"),
        ),
    )  # fmt: skip


@st.composite
def histories(draw: st.DrawFn) -> list[list[list[Write]]]:
    """Groups of calls of writes; within a call records stand before marks about them."""
    next_commit, old, groups, due = 1, list[Record](), [], list[DueRecord]()
    for _group in range(draw(st.integers(1, 4))):
        calls = []
        for _call in range(draw(st.integers(1, 4))):
            new = []
            for shape, who in draw(st.lists(st.tuples(shapes, leaves), max_size=3)):
                fitting: Any = {**shape, "width": draw(st.integers(1, 5)) if len(who) == 1 else None}
                due_ats = draw(st.just(()) | st.tuples(*(st.sampled_from([None, *DUE]) for _ in who)))
                keyed = draw(st.just(()) | st.tuples(*(st.booleans() for _ in who)))
                new.append(record(next_commit, *who, **fitting, due_ats=due_ats, collapsing=keyed))
                due += [
                    DueRecord(0, next_commit + index, due_at, who[index], b"shown")
                    for index, due_at in enumerate(due_ats)
                    if due_at is not None and fitting["kind"] in (5, 6)
                ]
                next_commit += len(who) + draw(st.integers(0, 1))
            again = draw(st.lists(st.sampled_from(old), max_size=2)) if old else []
            old += new
            about = draw(st.lists(marks(st.integers(1, next_commit - 1)), max_size=4)) if old else []
            shown = draw(st.lists(st.sampled_from(due), max_size=2, unique_by=lambda one: one.origin)) if due else []
            due = [one for one in due if one not in shown]
            numbered = [replace(one, commit_no=next_commit + place) for place, one in enumerate(shown)]
            next_commit += len(shown)
            calls.append([*new, *(replace(copy, data=b"another") for copy in again), *numbered, *about])
        groups.append(calls)
    return groups


async def answers(store: Store | NaiveStore) -> dict[str, object]:
    """All that can be asked, asked in many ways."""
    found: dict[str, object] = {"last": store.last_commit}
    found["due"] = [await store.due(now, limit) for now, limit in ((NOW, 9), (DUE[0], 2), (DUE[1], 100), (AGAIN, 100))]
    ranges = [
        SlotRange(who, Epoch(e), a, a + n) for who in (SHOP, BOB) for e in (7, 8) for a in range(50) for n in (1, 7)
    ]
    found["holders"] = await store.holders(ranges)
    found["late"] = await store.is_late(range(1, MAX_COMMITS))
    found["voids"] = (await store.voids(3, 30), await store.is_void(range(1, MAX_COMMITS)))
    found["collapsing"] = [await store.collapsing(after, limit) for after, limit in ((0, 100), (0, 2), (9, 1))]
    found["find all"] = [
        await store.find_all([id_of(n) for n in numbers], since)
        for numbers in ((), (1, 3), range(60))
        for since in (0, NOW - HOUR_MS, NOW, NOW + HOUR_MS)
    ]
    for number in range(0, MAX_COMMITS, 3):
        found[f"find {number}"] = [await store.find(id_of(number), at) for at in (None, NOW, NOW - HOUR_MS)]
        found[f"log {number}"] = [await store.log(number, size) for size in (1, 60)]
        found[f"state {number}"] = await store.state(number, 3)
    found["wallets"] = await store.wallets()
    for account in ACCOUNTS:
        found[f"decisions {account!r}"] = await store.decisions(account, range(1, MAX_COMMITS))
        found[f"cursor {account!r}"] = await store.cursors([(account, ""), (account, "\x1fnews\x1f")])
        for after, before, limit in ((0, None, 100), (4, 30, 3), (11, None, 1)):
            for topics in ([NEWS], [NEWS, OFFERS], list[Topic]()):
                key = f"{account!r} {after} {len(topics)}"
                found[f"topic {key}"] = await store.topic_messages(topics, after, before, limit)
                found[f"inbox {key}"] = await store.inbox(account, topics, after, limit)
            found[f"targeted {account!r} {after}"] = await store.targeted_messages(
                Account(account), after, before, limit
            )
    found["vouchers"] = [(await store.vouchers(Epoch(e)), await store.epoch_totals(Epoch(e))) for e in range(3)]
    found["preferences"] = await store.preferences()
    found["private topics"] = await store.private_topics()
    found["guests"] = await store.guests()
    return found


async def compare(path: Path, history: list[list[list[Write]]], expired_hours: int, limit: int) -> None:
    store, twin = await Store.open(path, new_incarnation=bytes(16)), NaiveStore(bytes(16))
    try:
        for calls in history:
            await asyncio.gather(*(store.commit(call) for call in calls))
            for call in calls:
                await twin.commit(call)
        assert await answers(store) == await answers(twin)
        end = NOW + expired_hours * HOUR_MS
        await store.expire(end, limit)
        await twin.expire(end, limit)
        assert await answers(store) == await answers(twin)
    finally:
        await store.close()


@settings(suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no fault of the strategy
@given(histories(), st.integers(0, 5), st.integers(1, 20))
def test_random_writes_in_random_groups_give_the_twins_answers(
    history: list[list[list[Write]]], expired_hours: int, limit: int
) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        asyncio.run(compare(Path(folder) / "store.db", history, expired_hours, limit))
