import asyncio

from pushmesh_node.storage.errors import Fault, StoreFailed
from pushmesh_node.storage.trouble import Trouble, Troubles

FULL = StoreFailed("disk is full", Fault.FULL)
IO = StoreFailed("i/o error", Fault.IO)


class Disk:
    """Refuses so often, each time with the next of its failures."""

    def __init__(self, *failures: StoreFailed) -> None:
        self.failures = list(failures)
        self.probes = 0

    async def probe(self) -> None:
        self.probes += 1
        if self.failures:
            raise self.failures.pop(0)


async def test_a_trouble_ends_by_itself_when_the_disk_takes_something_again() -> None:
    disk = Disk(FULL, IO)
    troubles = Troubles(disk.probe, probe_s=0.001)
    seen: list[Trouble | None] = []
    over = asyncio.Event()

    def told(trouble: Trouble | None) -> None:
        seen.append(trouble)
        if trouble is None:
            over.set()

    troubles.on_change = told
    troubles.met(FULL)
    troubles.met(FULL)
    async with asyncio.timeout(20):
        await over.wait()
    assert seen == [Trouble(Fault.FULL, "disk is full"), Trouble(Fault.IO, "i/o error"), None]
    assert disk.probes == 3
    await troubles.close()


async def test_a_commit_that_works_ends_it_at_once() -> None:
    disk = Disk(*[FULL] * 1_000)
    troubles = Troubles(disk.probe, probe_s=3600)
    troubles.over()
    troubles.met(FULL)
    assert troubles.now == Trouble(Fault.FULL, "disk is full")
    troubles.over()
    assert disk.probes == 0
    assert not troubles.now
    await troubles.close()


async def test_the_next_trouble_is_probed_too() -> None:
    disk = Disk()
    troubles = Troubles(disk.probe, probe_s=0.001)
    for number in (1, 2):
        over = asyncio.Event()
        troubles.on_change = lambda trouble, over=over: None if trouble else over.set()  # type: ignore[misc]  # bound early
        troubles.met(IO)
        async with asyncio.timeout(20):
            await over.wait()
        assert disk.probes == number
    await troubles.close()
    troubles.met(IO)  # after the end nothing is started
    assert disk.probes == 2
