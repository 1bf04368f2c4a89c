from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from pushmesh_node.app import read_marks as room
from pushmesh_node.app.devices import group_of
from pushmesh_node.app.read_marks import ReadMarks
from pushmesh_node.delivery.wallet_state import MOST_MARKS, ReadState
from pushmesh_node.engine.answers import Denied, Permission
from pushmesh_node.storage.store import Store
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.types import Account, UnixMs
from support.app_world import a_principal
from support.records import NOW, record

OWNER = Account(b"\x00" + b"\x01" * 20)
ME = a_principal(OWNER)
NEWS = replace(ME, topics=frozenset([Topic(OWNER, "news")]))
LAST = 5_000


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(tmp_path / "store.db", new_incarnation=bytes(16))
    await store.commit([record(LAST)])
    yield store
    await store.close()


def a_book(store: Store, end: int = LAST, at: int = NOW) -> ReadMarks:
    def crashed(error: BaseException) -> None:
        raise error

    return ReadMarks(store, lambda: end, lambda: UnixMs(at), crashed)


async def test_what_was_read_stays_read_and_outlives_the_book(store: Store) -> None:
    marks = a_book(store)
    assert await marks.state(ME) == ReadState()
    assert await marks.mark(ME, 7, [9, 12, 3]) == ReadState(7, (9, 12))
    assert await marks.mark(ME, 5, []) == ReadState(7, (9, 12))
    assert await marks.mark(ME, 10, [30, 12]) == ReadState(10, (12, 30))
    assert await a_book(store).state(ME) == ReadState(10, (12, 30))


async def test_a_token_for_some_topics_reads_nothing_for_its_wallet(store: Store) -> None:
    await a_book(store).mark(NEWS, 9, [])
    again = a_book(store)
    assert await again.state(ME) == ReadState()
    assert await again.state(NEWS) == ReadState(9)


async def test_single_marks_are_bounded_and_reading_up_to_a_place_makes_room(store: Store) -> None:
    marks = a_book(store)
    await marks.mark(ME, 0, range(1, MOST_MARKS + 1))
    with pytest.raises(Denied, match="bad-request"):
        await marks.mark(ME, 0, [LAST])
    assert await marks.mark(ME, 2, [LAST]) == ReadState(2, (*range(3, MOST_MARKS + 1), LAST))


@pytest.mark.parametrize(("commit_no", "marks"), [(LAST + 1, []), (0, [1, LAST + 1])])
async def test_nobody_has_read_what_was_never_given(store: Store, commit_no: int, marks: list[int]) -> None:
    with pytest.raises(Denied, match="bad-cursor"):
        await a_book(store).mark(ME, commit_no, marks)


async def test_who_may_not_read_marks_nothing(store: Store) -> None:
    with pytest.raises(Denied, match="forbidden"):
        await a_book(store).mark(replace(ME, permissions=frozenset([Permission.PUBLISH])), 1, [])


async def test_on_disk_nothing_is_read_that_is_not_durable(store: Store) -> None:
    assert await a_book(store, end=LAST + 9).mark(ME, LAST + 2, [LAST + 5]) == ReadState(LAST + 2, (LAST + 5,))
    assert await a_book(store).state(ME) == ReadState(LAST)


async def test_memory_and_store_are_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, most in (("MOST_AT_HAND", 2), ("MOST_WALLETS", 3), ("COUNT_EACH", 1)):
        monkeypatch.setattr(room, name, most)
    wallets = [a_principal(Account(b"\x00" + bytes([number]) * 20)) for number in range(6)]
    for number, wallet in enumerate(wallets):
        marks = a_book(store, at=NOW + number)
        await marks.mark(wallet, 4, [])
    for wallet in wallets:
        await marks.state(wallet)
    assert len(marks._states) == 2
    assert [(await marks.state(wallet)).commit_no for wallet in wallets] == [0, 0, 0, 4, 4, 4]


async def test_single_marks_of_all_wallets_together_are_bounded_in_memory(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "MOST_MARKS_AT_HAND", 10)
    marks = a_book(store)
    wallets = [a_principal(Account(b"\x00" + bytes([number]) * 20)) for number in range(6)]
    for wallet in wallets:
        await marks.mark(wallet, 0, [1, 2, 3])
        await marks.mark(wallet, 1, [4])
        assert marks._marks == sum(len(state.marks) for state in marks._states.values()) <= 10
    for wallet in wallets:
        assert await marks.state(wallet) == ReadState(1, (2, 3, 4))
        assert marks._marks == sum(len(state.marks) for state in marks._states.values()) <= 10
    assert await marks.mark(wallets[0], 1, range(10, 30)) == ReadState(1, (2, 3, 4, *range(10, 30)))
    assert list(marks._states) == [group_of(wallets[0])]
