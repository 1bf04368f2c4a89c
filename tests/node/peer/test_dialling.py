from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import trio

from pushmesh_node.gossip.parameters import RouterParameters
from pushmesh_node.gossip.router import Router
from pushmesh_node.peer.acquaintances import Acquaintances
from pushmesh_node.peer.book import PeerBook
from pushmesh_node.peer.dialling import Dialling
from pushmesh_node.peer.hosts import Address
from pushmesh_node.peer.stats import Counters
from support.trio_hosts import Running, now_ms, run_host


class Dialler:
    """A host that dials by its book."""

    def __init__(self, running: Running, wanted: int) -> None:
        self.running = running
        self.missed: list[bytes] = []
        self.counters = Counters()
        router = Router(RouterParameters(), Random(1))
        self.known = Acquaintances(
            PeerBook(50, 200, Random(1)), running.bans, router, lambda addresses: None, self.counters, now_ms, now_ms
        )
        self.dialling = Dialling(
            running.node_id, running.host, self.known, lambda: wanted, self._missed, self.counters, 5.0, now_ms
        )

    def _missed(self, node_id: bytes) -> None:
        self.missed.append(node_id)
        self.running.watching._stir()


@asynccontextmanager
async def a_dialler(wanted: int = 9) -> AsyncIterator[tuple[Dialler, trio.Nursery]]:
    async with trio.open_nursery() as nursery:
        dialler = Dialler(await run_host(nursery, 1), wanted)
        nursery.start_soon(dialler.dialling.run)
        yield dialler, nursery
        nursery.cancel_scope.cancel()


def test_who_is_in_the_book_is_dialled_and_proven() -> None:
    async def main() -> None:
        async with a_dialler() as (dialler, nursery):
            other = await run_host(nursery, 2)
            dialler.known.book.hear([other.address])
            await dialler.running.watching.until(lambda: bool(dialler.running.watching.came))
            assert not dialler.known.book.is_unproven(other.node_id)
            assert ("dials", "ok", 1) in dialler.counters.drain([]).counters

    trio.run(main)


def test_who_is_not_there_is_missed_again_and_again() -> None:
    async def main() -> None:
        async with a_dialler() as (dialler, _):
            dialler.known.book.add(Address("ip4", "127.0.0.1", 1, b"n" * 32))
            await dialler.running.watching.until(lambda: len(dialler.missed) >= 3)
            assert set(dialler.missed) == {b"n" * 32} and dialler.running.host.connections == {}

    trio.run(main)


def test_neither_this_node_itself_nor_the_banned_nor_more_than_are_wanted_are_dialled() -> None:
    async def main() -> None:
        async with a_dialler(wanted=1) as (dialler, nursery):
            hosts = [await run_host(nursery, seed) for seed in (2, 3, 4)]
            dialler.known.ban(hosts[0].node_id, 60)
            for each in (dialler.running, *hosts):
                dialler.known.book.hear([each.address])
            await dialler.running.watching.until(lambda: bool(dialler.running.watching.came))
            await trio.sleep(0.5)  # another one would be dialled now
            assert len(dialler.running.host.connections) == 1 and not hosts[0].watching.came
            assert dialler.missed == []

    trio.run(main)
