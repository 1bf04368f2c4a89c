import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from pushmesh_node.app import gathered
from pushmesh_node.app.gathered import Gathered
from pushmesh_node.engine.answers import Denied
from pushmesh_protocol.reasons import Reason
from support.until import until

GONE = Denied(Reason.STORE_FAILED, "the disk is gone", retry_after_s=5)


@dataclass
class Disk:
    """Keeps what is written; `gate`, once cleared, holds a write back, `faults` are raised first."""

    kept: dict[str, int] = field(default_factory=dict)
    writes: list[int] = field(default_factory=list)
    faults: list[Exception] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    began: asyncio.Event = field(default_factory=asyncio.Event)

    async def write(self, values: Mapping[str, int]) -> None:
        self.began.set()
        await self.gate.wait()
        if self.faults:
            raise self.faults.pop()
        self.writes.append(len(values))
        self.kept |= values


@pytest.fixture
def disk() -> Disk:
    disk = Disk()
    disk.gate.set()
    return disk


@pytest.fixture
def crashes() -> list[BaseException]:
    return []


@pytest.fixture
async def book(disk: Disk, crashes: list[BaseException]) -> Gathered[str, int]:
    return Gathered(disk.write, crashes.append)


async def test_a_thousand_who_wait_share_a_few_commits(book: Gathered[str, int], disk: Disk) -> None:
    async def acknowledge(name: str) -> None:
        book.put(name, 1)
        await book.settled(name)
        assert disk.kept[name] == 1

    await asyncio.gather(*(acknowledge(str(number)) for number in range(1_000)))
    assert sum(disk.writes) == 1_000
    assert len(disk.writes) <= 3


async def test_of_one_key_the_newest_is_written(book: Gathered[str, int], disk: Disk) -> None:
    book.put("a", 1)
    book.put("a", 2)
    await book.settled("a")
    assert (disk.kept, disk.writes) == ({"a": 2}, [1])
    assert "a" not in book


async def test_what_nobody_waits_for_is_written_too(book: Gathered[str, int], disk: Disk) -> None:
    book.put("a", 1)
    assert "a" in book
    await until(lambda: "a" not in book)
    assert disk.kept == {"a": 1}
    await book.settled("a")


async def test_what_comes_during_a_write_is_the_next_ones(book: Gathered[str, int], disk: Disk) -> None:
    disk.gate.clear()
    book.put("a", 1)
    first = asyncio.create_task(book.settled("a"))
    await disk.began.wait()
    book.put("a", 2)
    book.put("b", 1)
    second = asyncio.create_task(book.settled("a"))
    await asyncio.sleep(0)
    disk.gate.set()
    await first
    await second
    assert (disk.kept, disk.writes) == ({"a": 2, "b": 1}, [1, 2])


async def test_a_store_that_fails_is_told_and_tried_again(
    book: Gathered[str, int], disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathered, "RETRY_S", 0)
    disk.faults = [GONE]
    book.put("a", 1)
    book.put("b", 1)
    waiting = [asyncio.create_task(book.settled(name)) for name in "ab"]
    told = await asyncio.gather(*waiting, return_exceptions=True)
    assert [(each.reason, each.retry_after_s) for each in told if isinstance(each, Denied)] == [("store-failed", 5)] * 2
    assert told[0] is not told[1]
    book.put("b", 2)
    await book.settled("a")
    assert disk.kept == {"a": 1, "b": 2}


async def test_what_came_during_a_write_that_failed_is_newer(
    book: Gathered[str, int], disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathered, "RETRY_S", 0)
    disk.gate.clear()
    disk.faults = [GONE]
    book.put("a", 1)
    first = asyncio.create_task(book.settled("a"))
    await disk.began.wait()
    book.put("a", 2)
    disk.gate.set()
    with pytest.raises(Denied, match="store-failed"):
        await first
    disk.faults = []
    await book.settled("a")
    assert disk.kept == {"a": 2}


async def test_who_waits_waits_for_no_others(
    book: Gathered[str, int], disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathered, "GATHER_S", 3_600)
    book.put("a", 1)
    async with asyncio.timeout(20):
        await book.settled("a")
    assert disk.kept == {"a": 1}


async def test_too_much_that_the_store_has_not_taken_takes_no_new_key(
    book: Gathered[str, int], disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathered, "MOST", 2)
    disk.gate.clear()
    book.put("a", 1)
    book.put("b", 1)
    with pytest.raises(Denied, match="queue-full"):
        book.put("c", 1)
    book.put("a", 2)
    disk.gate.set()
    await book.close()
    assert disk.kept == {"a": 2, "b": 1}


async def test_the_end_writes_what_is_left_and_does_not_wait_for_a_broken_disk(
    book: Gathered[str, int], disk: Disk
) -> None:
    book.put("a", 1)
    await book.close()
    await book.close()
    assert disk.kept == {"a": 1}
    disk.faults = [GONE]
    book.put("b", 1)
    await book.close()
    assert disk.kept == {"a": 1}


async def test_our_own_fault_is_loud_and_leaves_nobody_waiting(
    book: Gathered[str, int], disk: Disk, crashes: list[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathered, "RETRY_S", 0)
    disk.faults = [ZeroDivisionError()]
    book.put("a", 1)
    with pytest.raises(Denied, match="internal"):
        await book.settled("a")
    await asyncio.sleep(0)
    assert [type(each) for each in crashes] == [ZeroDivisionError]
    book.put("a", 2)
    await book.settled("a")
    assert disk.kept == {"a": 2}


async def test_who_has_no_task_is_told_when_it_is_durable_and_at_once_where_it_is(
    book: Gathered[str, int], disk: Disk
) -> None:
    told: list[tuple[str, bool, Denied | None]] = []

    def tell(name: str) -> None:
        book.when_settled(name, lambda denied: told.append((name, name in disk.kept, denied)))

    book.put("phone", 1)
    tell("phone")
    await book.settled("phone")
    await asyncio.sleep(0)
    assert told == [("phone", True, None)]
    tell("tablet")
    await asyncio.sleep(0)
    assert told[1:] == [("tablet", False, None)]


async def test_who_has_no_task_is_told_why_it_is_not_durable(book: Gathered[str, int], disk: Disk) -> None:
    told: list[Denied | None] = []
    disk.faults.append(GONE)
    disk.gate.clear()
    book.put("phone", 1)
    book.when_settled("phone", told.append)
    await disk.began.wait()
    book.when_settled("phone", told.append)
    disk.gate.set()
    await until(lambda: len(told) >= 2)
    assert [denied and denied.reason for denied in told] == [Reason.STORE_FAILED] * 2
    await book.close()


async def test_who_fails_on_being_told_keeps_it_from_nobody_else(
    book: Gathered[str, int], disk: Disk, crashes: list[BaseException]
) -> None:
    told: list[Denied | None] = []

    def fail(denied: Denied | None) -> None:
        raise ZeroDivisionError

    book.put("phone", 1)
    for done in (fail, told.append):
        book.when_settled("phone", done)
    await until(lambda: told)
    assert (told, [type(crash) for crash in crashes]) == ([None], [ZeroDivisionError])


async def test_what_our_own_fault_kept_from_the_disk_is_tried_again_and_who_came_meanwhile_is_not_forgotten(
    book: Gathered[str, int], disk: Disk, crashes: list[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A place that memory knows and the disk does not would be told to be durable when it is told again."""
    monkeypatch.setattr(gathered, "RETRY_S", 0)
    disk.gate.clear()
    disk.faults = [ZeroDivisionError()]
    book.put("a", 1)
    first = asyncio.create_task(book.settled("a"))
    await disk.began.wait()
    book.put("b", 2)
    second = asyncio.create_task(book.settled("b"))
    await asyncio.sleep(0)
    disk.gate.set()
    with pytest.raises(Denied, match="internal"):
        await first
    async with asyncio.timeout(20):
        await second
    assert disk.kept == {"a": 1, "b": 2}
    assert len(crashes) == 1
