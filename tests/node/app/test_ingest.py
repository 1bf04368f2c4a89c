import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pushmesh_node.app import ingest as ingest_room
from pushmesh_node.app.clock import now_ms
from pushmesh_node.app.ingest import FEW_ENVELOPES, LONGEST_REST_S, SEVERAL_ENTRIES, Ingest, rest_s
from pushmesh_node.app.lanes import BATCH_ENVELOPES, BATCHES_AHEAD, LEAST_BATCH_ENVELOPES, Lane
from pushmesh_node.app.offers import Finding, entry_of
from pushmesh_node.app.verify import VerifyPool
from pushmesh_node.engine.events import Candidate, CaughtUp, Gossiped, Offered, Published
from pushmesh_node.engine.recording import record_of
from pushmesh_node.storage import Store, StoreFailed
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.frames import Part
from pushmesh_protocol.reasons import Reason
from support.app_world import NETWORK, WAIT_S, a_node, a_note_now, publish
from support.until import until
from support.wallets import a_signed_batch, a_signed_note, a_wallet

WALLET = a_wallet(1)
LEAST = LEAST_BATCH_ENVELOPES[Lane.PUBLISHED]
PEER = b"\x0e" * 32
WEEK_MS = 7 * 86_400_000


class Gate:
    """An Ingest with what it decided, and with the verifying counted."""

    def __init__(self, store: Store, max_envelopes: int = 100_000) -> None:
        self.checked: list[int] = []
        self.decided: list[Offered] = []
        self.pool = VerifyPool(NETWORK, 0, self.checked.append)
        self.ingest = Ingest(NETWORK, store, self.pool, self.decided.append, now_ms, max_envelopes=max_envelopes)

    async def candidates(self, *entries: Any) -> list[Candidate]:
        before = sum(len(offered.offers) for offered in self.decided)
        for entry in entries:
            self.ingest.take(entry)
        await until(lambda: sum(len(offered.offers) for offered in self.decided) == before + len(entries))
        offers = [offer for offered in self.decided for offer in offered.offers][before:]
        return [candidate for offer in offers for candidate in offer.candidates]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(tmp_path / "store.db", new_incarnation=bytes(16))
    yield store
    await store.close()


@pytest.fixture
async def gate(store: Store) -> AsyncIterator[Gate]:
    gate = Gate(store)
    running = asyncio.create_task(gate.ingest.run())
    yield gate
    running.cancel()
    await asyncio.wait((running,))
    await gate.pool.close()


def reasons(candidate: Candidate) -> list[str]:
    return ["ok" if failure is None else str(failure.reason) for failure in candidate.failures]


def forged(seq: int) -> Part:
    """Another wallet's envelope under a signature that is not its own."""
    good = a_note_now(WALLET, seq)
    other = a_note_now(a_wallet(2), seq)
    return Part((msgspec.structs.replace(good, auth=other.auth),))


async def test_what_holds_comes_without_failures_and_in_its_order(gate: Gate) -> None:
    parts = [Part((a_note_now(WALLET, seq),)) for seq in range(5)]
    entries = [entry_of(Published(number), [part]) for number, part in enumerate(parts)]
    candidates = await gate.candidates(*entries)
    assert [candidate.part for candidate in candidates] == parts
    assert [candidate.failures for candidate in candidates] == [()] * 5


async def test_a_bad_signature_fails_its_part_alone(gate: Gate) -> None:
    batch = a_signed_batch(NETWORK, WALLET, now_ms(), 3)
    good = Part((a_note_now(WALLET, 1),))
    candidates = await gate.candidates(entry_of(Published(1), [good, forged(2), batch]))
    assert [reasons(candidate) for candidate in candidates] == [[], ["bad-signature"], []]


async def test_what_is_cheap_is_found_before_a_signature_is_paid_for(gate: Gate) -> None:
    old = a_signed_note(NETWORK, WALLET, now_ms() - WEEK_MS, 1, expires_at=now_ms() + WEEK_MS)
    over = a_signed_note(NETWORK, WALLET, now_ms() + 120_000, 2)
    (first, second) = await gate.candidates(entry_of(Published(1), [Part((old,)), Part((over,))]))
    assert (reasons(first), reasons(second)) == (["too-old"], ["ahead-of-time"])
    assert gate.checked == []


async def test_what_the_gossip_process_verified_is_not_verified_again(gate: Gate) -> None:
    failure = Refusal(Reason.EXPIRED, "7.2", "")
    finding = Finding(verified=True, failures=[failure], known=[False], sizes=[300])
    entry = entry_of(Gossiped(PEER, 1, 400), [forged(1)], [finding])
    (candidate,) = await gate.candidates(entry)
    assert (candidate.failures, candidate.sizes, gate.checked) == ([failure], [300], [])


async def test_catch_up_may_be_old_and_pays_for_what_is_new_only(tmp_path: Path) -> None:
    held = a_note_now(WALLET, 1)
    async with a_node(tmp_path) as node:
        await publish(node, held)
        gate = Gate(node.store)
        running = asyncio.create_task(gate.ingest.run())
        old = a_signed_note(NETWORK, WALLET, now_ms() - WEEK_MS, 2, expires_at=now_ms() + WEEK_MS)
        first, second = await gate.candidates(entry_of(CaughtUp(PEER), [Part((held,)), Part((old,))]))
        running.cancel()
        await asyncio.wait((running,))
        await gate.pool.close()
    assert [holder.id for holder in first.holders] == [held.id]
    assert (second.failures, second.holders) == ((), [])
    assert gate.checked == [1]


async def test_decided_is_told_after_the_decision(gate: Gate) -> None:
    decided: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    gate.ingest.take(entry_of(Published(1), [Part((a_note_now(WALLET),))], decided=decided))
    async with asyncio.timeout(WAIT_S):
        await decided
    assert len(gate.decided) == 1


async def test_batches_are_bounded_and_an_entry_is_never_torn(store: Store) -> None:
    gate = Gate(store)
    part = a_signed_batch(NETWORK, WALLET, now_ms(), 200)
    for number in range(12):
        gate.ingest.take(entry_of(Published(number), [part]))
    running = asyncio.create_task(gate.ingest.run())
    await until(lambda: sum(len(offered.offers) for offered in gate.decided) == 12)
    assert 3 * 200 > BATCH_ENVELOPES >= 2 * 200
    assert [len(offered.offers) for offered in gate.decided][:3] == [2, 2, 2]
    assert max(len(offered.offers) for offered in gate.decided) == 2
    running.cancel()
    await asyncio.wait((running,))
    await gate.pool.close()


async def test_a_batch_is_a_share_of_what_waits_so_that_the_stages_overlap(store: Store) -> None:
    gate = Gate(store)
    parts = [Part((a_note_now(WALLET, seq=seq),)) for seq in range(2 * BATCHES_AHEAD * LEAST)]
    for number, part in enumerate(parts):
        gate.ingest.take(entry_of(Published(number), [part]))
    running = asyncio.create_task(gate.ingest.run())
    await until(lambda: sum(len(offered.offers) for offered in gate.decided) == len(parts))
    sizes = [len(offered.offers) for offered in gate.decided]
    assert sizes[0] == 2 * LEAST
    assert sizes[-2] == LEAST
    running.cancel()
    await asyncio.wait((running,))
    await gate.pool.close()


@pytest.mark.parametrize(("came", "begun"), [(FEW_ENVELOPES - 1, [1]), (FEW_ENVELOPES, [1, FEW_ENVELOPES])])
async def test_few_wait_for_the_batch_before_them_and_many_are_begun_beside_it(
    store: Store, monkeypatch: pytest.MonkeyPatch, came: int, begun: list[int]
) -> None:
    gate, looked_up, holders, hold = Gate(store), list[int](), store.holders, asyncio.Event()

    async def lasts(ranges: Sequence[Any]) -> Any:
        looked_up.append(len(ranges))
        await hold.wait()
        return await holders(ranges)

    monkeypatch.setattr(store, "holders", lasts)
    running = asyncio.create_task(gate.ingest.run())
    gate.ingest.take(entry_of(Published(0), [Part((a_note_now(WALLET, 0),))]))
    await until(lambda: looked_up == [1])
    for seq in range(1, came + 1):
        gate.ingest.take(entry_of(Published(seq), [Part((a_note_now(WALLET, seq),))]))
        await asyncio.sleep(0)  # each is seen to have come
    await asyncio.sleep(0.05)
    assert looked_up == begun
    hold.set()
    await until(lambda: sum(len(offered.offers) for offered in gate.decided) == came + 1)
    assert looked_up == [1, came]
    running.cancel()
    await asyncio.wait((running,))
    await gate.pool.close()


@pytest.mark.parametrize(("came", "begun"), [(FEW_ENVELOPES - 1, [2]), (FEW_ENVELOPES, [2, FEW_ENVELOPES])])
async def test_after_a_batch_of_several_few_wait_for_more_and_many_do_not(
    store: Store, monkeypatch: pytest.MonkeyPatch, came: int, begun: list[int]
) -> None:
    gate, looked_up, holders = Gate(store), list[int](), store.holders

    async def counted(ranges: Sequence[Any]) -> Any:
        looked_up.append(len(ranges))
        return await holders(ranges)

    monkeypatch.setattr(store, "holders", counted)
    monkeypatch.setattr(ingest_room, "rest_s", lambda took_s, entries: 3_600 if entries > 1 else 0)
    for seq in range(2):
        gate.ingest.take(entry_of(Published(seq), [Part((a_note_now(WALLET, seq),))]))
    running = asyncio.create_task(gate.ingest.run())
    await until(lambda: bool(gate.decided))
    for seq in range(2, came + 2):
        gate.ingest.take(entry_of(Published(seq), [Part((a_note_now(WALLET, seq),))]))
        await asyncio.sleep(0)  # each is seen to have come
    await asyncio.sleep(0.05)
    assert looked_up == begun
    running.cancel()
    await asyncio.wait((running,))
    await gate.pool.close()


async def test_a_rest_ends_by_itself(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest_room, "rest_s", lambda took_s, entries: 0.05)
    for seq in range(3):
        assert len(await gate.candidates(entry_of(Published(seq), [Part((a_note_now(WALLET, seq),))]))) == 1


@pytest.mark.parametrize(
    ("took_s", "entries", "rest"),
    [(0.001, SEVERAL_ENTRIES, 0.004), (0.1, SEVERAL_ENTRIES, LONGEST_REST_S), (0.1, SEVERAL_ENTRIES - 1, 0.0)],
    ids=["four times the work", "never long", "few who wait for their answers"],
)
def test_a_rest_is_as_long_as_batches_are_dear(took_s: float, entries: int, rest: float) -> None:
    assert rest_s(took_s, entries) == pytest.approx(rest)


async def test_it_ends_with_all_that_it_began(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(store)
    begun: list[asyncio.Task[Any] | None] = []

    async def lasts(ranges: Sequence[Any]) -> Any:
        begun.append(asyncio.current_task())
        await asyncio.Event().wait()

    monkeypatch.setattr(store, "holders", lasts)
    for seq in range((BATCHES_AHEAD + 4) * LEAST):
        gate.ingest.take(entry_of(Published(seq), [Part((a_note_now(WALLET, seq),))]))
    running = asyncio.create_task(gate.ingest.run())
    await until(lambda: len(begun) == BATCHES_AHEAD + 2)  # one is waited for, and one finds the queue full
    running.cancel()
    await asyncio.wait((running,))
    await gate.pool.close()
    assert [task for task in begun if task is not None and not task.done()] == []


async def test_a_statement_is_checked_once_however_many_pieces_its_run_comes_in(gate: Gate) -> None:
    whole = a_signed_batch(NETWORK, WALLET, now_ms(), 6)
    other = a_signed_batch(NETWORK, a_wallet(2), now_ms(), 2)
    assert whole.statement is not None and other.statement is not None
    false = msgspec.structs.replace(whole.statement, auth=other.statement.auth)
    good = [Part((envelope,), whole.statement) for envelope in whole.envelopes]
    bad = [Part((envelope,), false) for envelope in whole.envelopes[:2]]
    single = Part((a_note_now(WALLET, 99),))
    parts = [good[0], bad[0], *good[1:], single, bad[1], other, forged(100)]
    candidates = await gate.candidates(entry_of(Published(1), parts))
    assert [candidate.part for candidate in candidates] == parts
    no = ["bad-signature"]
    assert [reasons(candidate) for candidate in candidates] == [[], no, [], [], [], [], [], [], no, [], no]
    assert gate.checked == [5]


async def test_room_ends_at_the_bound_and_comes_back_when_things_are_decided(store: Store) -> None:
    gate = Gate(store, max_envelopes=2)
    assert gate.ingest.room(Lane.PUBLISHED)
    for seq in range(2):
        gate.ingest.take(entry_of(Published(seq), [Part((a_note_now(WALLET, seq),))]))
    assert not gate.ingest.room(Lane.PUBLISHED)
    waiting = asyncio.create_task(gate.ingest.wait_for_room(Lane.PUBLISHED))
    running = asyncio.create_task(gate.ingest.run())
    async with asyncio.timeout(WAIT_S):
        await waiting
    assert gate.ingest.room(Lane.PUBLISHED)
    running.cancel()
    await asyncio.wait((running,))
    await gate.pool.close()


async def test_nothing_is_decided_while_much_waits_for_the_disk(
    gate: Gate, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    little = asyncio.Event()
    monkeypatch.setattr(store, "caught_up", little.wait)
    gate.ingest.take(entry_of(Published(1), [Part((a_note_now(WALLET),))]))
    await until(lambda: gate.checked == [1])
    await asyncio.sleep(0.05)
    assert gate.decided == [] and gate.ingest.room(Lane.PUBLISHED)
    little.set()
    await until(lambda: len(gate.decided) == 1)


async def test_while_paused_nothing_is_decided_and_nothing_is_lost(gate: Gate) -> None:
    async with gate.ingest.paused():
        gate.ingest.take(entry_of(Published(1), [Part((a_note_now(WALLET),))]))
        await until(lambda: gate.checked == [1])
        await asyncio.sleep(0.05)
        assert gate.decided == []
    await until(lambda: len(gate.decided) == 1)


async def test_what_became_durable_after_the_look_up_is_found_after_a_pause(gate: Gate, store: Store) -> None:
    """An engine that was made new in the pause cannot know it from before."""
    note = a_note_now(WALLET)
    async with gate.ingest.paused():
        gate.ingest.take(entry_of(Published(1), [Part((note,))]))
        await until(lambda: gate.checked == [1])
        record = record_of(
            NETWORK, Part((note,)), 5, NETWORK.epoch(note.body.issued_at), sent=True, data=None, now_ms=now_ms()
        )
        await store.commit([record])
    await until(lambda: len(gate.decided) == 1)
    (candidate,) = gate.decided[0].offers[0].candidates
    assert [(holder.id, holder.commit_no) for holder in candidate.holders] == [(note.id, 5)]
    assert gate.decided[0].seen_commit == 5


async def test_a_disk_that_cannot_be_read_for_a_while_delays_and_loses_nothing(
    gate: Gate, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest_room, "READ_AGAIN_S", 0.01)
    read, tries = store.holders, []

    async def fails_twice(ranges: Sequence[Any]) -> Any:
        tries.append(len(ranges))
        if len(tries) < 3:
            raise StoreFailed("the disk sleeps")
        return await read(ranges)

    monkeypatch.setattr(store, "holders", fails_twice)
    (candidate,) = await gate.candidates(entry_of(Published(1), [Part((a_note_now(WALLET),))]))
    assert (candidate.failures, tries) == ((), [1, 1, 1])


async def test_a_disk_that_stays_unreadable_ends_the_way_in_loudly(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(ranges: Sequence[Any]) -> Any:
        raise StoreFailed("the disk is gone")

    monkeypatch.setattr(ingest_room, "READ_AGAIN_S", 0.0)
    monkeypatch.setattr(store, "holders", fails)
    gate = Gate(store)
    gate.ingest.take(entry_of(Published(1), [Part((a_note_now(WALLET),))]))
    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.timeout(WAIT_S):
            await gate.ingest.run()
    assert caught.group_contains(StoreFailed)
    await gate.pool.close()
