import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pushmesh_node.app import driver as driver_room
from pushmesh_node.app.clock import now_ms
from pushmesh_node.app.driver import Driver
from pushmesh_node.curation import NO_POLICY
from pushmesh_node.engine.answers import Level, Outcome
from pushmesh_node.engine.core import Engine
from pushmesh_node.engine.events import Candidate, Gossiped, ListenerCame, Offer, Offered, Published
from pushmesh_node.engine.records import Record, SlotRange, Write
from pushmesh_node.storage import Store, StoreBusy, StoreFailed
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.frames import Part
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.reasons import Reason, Verdict
from support.app_world import NETWORK, WAIT_S, a_note_now, signed, words
from support.wallets import a_wallet

WALLET = a_wallet(1)


@dataclass
class Notes:
    """The world: writes down what the driver does, with how much was durable then."""

    store: Store
    done: list[tuple[str, Any]] = field(default_factory=list)
    durable: list[int] = field(default_factory=list)
    early: list[int] = field(default_factory=list)
    crashes: list[BaseException] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def _note(self, what: str, value: Any) -> None:
        self.done.append((what, value))
        self.durable.append(self.store.last_commit)
        self.changed.set()

    def judge(self, effect: Any) -> None:
        self._note("judge", effect.verdict)

    def answer(self, request: int, outcomes: Sequence[Outcome]) -> None:
        self._note("answer", (request, outcomes))

    def decided(self, answers: Sequence[Any]) -> None:
        self.early += [answer.request for answer in answers]

    def relay(self, parts: Any, grants: Any) -> None:
        self._note("relay", len(parts))

    def deliver(self, orders: Sequence[Any]) -> None:
        self._note("deliver", [order.commit_no for order in orders])

    def end_access(self, grant_ids: Any) -> None:
        self._note("end access", list(grant_ids))

    def reoffer(self, parts: Any) -> None:
        self._note("reoffer", len(parts))

    def committed(self, records: Sequence[Record], seconds: float) -> None:
        self._note("committed", (sum([record.count for record in records]), seconds))

    def stored(self, writes: Sequence[Write]) -> None:
        assert self.done[-1][0] == "committed" and writes

    def tally(self, effect: Any) -> None:
        self._note("tally", effect.reason)

    def reload(self) -> None:
        self._note("reload", None)

    def crashed(self, error: BaseException) -> None:
        self.crashes.append(error)

    def names(self) -> list[str]:
        return [name for name, _ in self.done]

    def answers(self) -> dict[int, list[tuple[str, str]]]:
        return {value[0]: words(value[1]) for name, value in self.done if name == "answer"}

    async def answered(self, *requests: int) -> None:
        async with asyncio.timeout(WAIT_S):
            while not set(requests) <= self.answers().keys():
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(tmp_path / "store.db", new_incarnation=bytes(16))
    yield store
    await store.close()


@pytest.fixture
def notes(store: Store) -> Notes:
    return Notes(store)


@pytest.fixture
def driver(store: Store, notes: Notes) -> Driver:
    seconds = iter(range(1_000))
    engine = Engine(NETWORK, next_commit=1, policy=NO_POLICY)
    return Driver(engine, store, notes, now_ms, lambda: float(next(seconds)))


def publish(driver: Driver, request: int, *envelopes: Any) -> None:
    driver.handle(Offered([Offer(Published(request), [Candidate(Part((envelope,))) for envelope in envelopes])]))


async def test_nothing_behind_a_store_happens_before_it_is_durable(driver: Driver, notes: Notes) -> None:
    driver.handle(ListenerCame(WALLET.account))
    publish(driver, 1, signed(WALLET, Kind.SUBSCRIPTION, seq=2))
    publish(driver, 2, a_note_now(WALLET, 1))
    assert (notes.done, notes.early) == ([], [1, 2])  # decided, and no more than that
    await notes.answered(1, 2)
    await driver.settle()
    assert notes.names() == [
        *("committed", "answer", "relay", "tally"),
        *("committed", "answer", "relay", "tally", "deliver"),
    ]
    assert all(durable >= 1 for durable in notes.durable) and notes.durable[5] == 2
    assert notes.done[0] == ("committed", (1, 1.0)) or notes.done[0] == ("committed", (1, 2.0))


async def test_the_mesh_hears_the_judgement_at_once(driver: Driver, notes: Notes) -> None:
    part = Part((a_note_now(WALLET),))
    offer = Offer(Gossiped(b"\x0e" * 32, 5, 300), [Candidate(part, sizes=[290])])
    driver.handle(Offered([offer]))
    assert notes.done == [("judge", Verdict.ACCEPT)]
    assert notes.durable == [0]
    await driver.settle()


async def test_what_repeats_an_envelope_under_way_is_answered_when_that_is_durable(
    driver: Driver, notes: Notes
) -> None:
    note = a_note_now(WALLET)
    publish(driver, 1, note)
    publish(driver, 2, note)
    publish(driver, 3, note)
    await notes.answered(1, 2, 3)
    assert notes.answers() == {
        1: [("durable", "ok")],
        2: [("durable", "duplicate")],
        3: [("durable", "duplicate")],
    }
    assert all(at == 1 for (name, _), at in zip(notes.done, notes.durable, strict=True) if name == "answer")


@pytest.mark.parametrize(
    ("error", "reason"),
    [(StoreBusy("full"), Reason.QUEUE_FULL), (StoreFailed("the disk is full"), Reason.STORE_FAILED)],
)
async def test_of_a_failed_commit_nothing_is_acknowledged_relayed_or_delivered_to_anybody(
    driver: Driver,
    notes: Notes,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    reason: Reason,
) -> None:
    note, other = a_note_now(WALLET, 1), a_note_now(WALLET, 2)
    commit = store.commit

    async def fails_once(writes: Any) -> None:
        monkeypatch.setattr(store, "commit", commit)
        raise error

    monkeypatch.setattr(store, "commit", fails_once)
    publish(driver, 1, note)
    publish(driver, 2, note)  # waits for the first
    publish(driver, 3, note, other)  # repeats the first beside something new, which is stored
    await notes.answered(1, 2, 3)
    await driver.settle()
    assert notes.answers() == {
        1: [("refused", reason)],
        2: [("refused", "store-failed")],
        3: [("refused", "store-failed"), ("durable", "ok")],
    }
    assert notes.names().count("relay") == 1
    assert driver.failed_commits == 1
    publish(driver, 4, note)
    await notes.answered(4)
    assert notes.answers()[4] == [("durable", "ok")]
    found = await store.holders([SlotRange(WALLET.account, NETWORK.epoch(note.body.issued_at), 1, 3)])
    assert {holder.id for holder in found[0]} == {note.id, other.id}


async def test_a_long_failed_commit_leaves_room_to_remember_others(
    store: Store, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(writes: Any) -> None:
        raise StoreBusy("full")

    monkeypatch.setattr(driver_room, "LOST_SPANS", 2)
    monkeypatch.setattr(store, "commit", fails)
    driver = Driver(Engine(NETWORK, next_commit=1, policy=NO_POLICY), store, notes, now_ms, lambda: 0.0)
    first, *others = [a_note_now(WALLET, seq) for seq in range(9)]
    publish(driver, 1, first, *others[:4])
    publish(driver, 2, *others[4:])
    publish(driver, 3, first)
    await notes.answered(3)
    assert notes.answers()[3] == [("refused", "store-failed")]
    await driver.settle()


async def test_a_failed_commit_of_state_asks_for_a_reload(
    driver: Driver, notes: Notes, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(writes: Any) -> None:
        raise StoreFailed("the disk is full")

    monkeypatch.setattr(store, "commit", fails)
    publish(driver, 1, signed(WALLET, Kind.SUBSCRIPTION))
    await notes.answered(1)
    await driver.settle()
    assert "reload" in notes.names()


async def test_a_fault_of_ours_is_told_to_the_publisher_and_reported(
    driver: Driver, notes: Notes, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def breaks(writes: Any) -> None:
        raise OverflowError("too large for a column")

    monkeypatch.setattr(store, "commit", breaks)
    publish(driver, 1, a_note_now(WALLET))
    await notes.answered(1)
    await driver.settle()
    assert notes.answers() == {1: [("refused", "internal")]}
    assert [type(error) for error in notes.crashes] == [OverflowError]


async def test_settled_waits_for_what_lies_below_and_for_nothing_else(driver: Driver, store: Store) -> None:
    publish(driver, 1, a_note_now(WALLET, 1))
    publish(driver, 2, a_note_now(WALLET, 2))
    await driver.settled(1)
    assert store.last_commit >= 1
    await driver.settled(2)
    assert store.last_commit == 2
    await driver.settled(10**9)


async def test_a_refusal_needs_no_store_and_is_answered_at_once(driver: Driver, notes: Notes) -> None:
    note = a_note_now(WALLET)
    bad = Candidate(Part((note,)), failures=[Refusal(Reason.BAD_SIGNATURE, "5.3", "")])
    driver.handle(Offered([Offer(Published(1), [bad])]))
    assert notes.done[0] == (
        "answer",
        (1, [Outcome(note.id, Level.REFUSED, Reason.BAD_SIGNATURE, "5.3", "", None)]),
    )
