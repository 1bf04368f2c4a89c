from typing import Any, cast

import pytest
import trio
import trio.testing

from pushmesh_node.peer import seeking as seeking_room
from pushmesh_node.peer.connection import Connection
from pushmesh_node.peer.hosts import Address, address_of
from pushmesh_node.peer.seeking import EXTRA_PEERS, MAX_ADDRESSES, MAX_WAITING, Seeking, SeekingPorts

NODE, OTHER, BARRED = b"n" * 32, b"o" * 32, b"b" * 32


def an_address(port: int) -> Address:
    return address_of("127.0.0.1", port, websocket=False)


class World:
    """A node's surroundings: who is connected, what the book and the DHT know, and which ports answer."""

    def __init__(self) -> None:
        self.connections: dict[bytes, Connection] = {}
        self.book: dict[bytes, list[Address]] = {}
        self.dht: dict[bytes, list[Address]] = {}
        self.open_ports: set[int] = set()
        self.looked_up: list[bytes] = []
        self.dialled: list[int] = []
        self.counts: list[str] = []
        self.answers = True
        ports = SeekingPorts(
            connections=self.connections,
            wanted=lambda: 2,
            is_barred=lambda node_id: node_id == BARRED,
            addresses=lambda node_id: self.book.get(node_id, []),
            look_up=self._look_up,
            dial=self._dial,
            count=lambda name, label: self.counts.append(f"{name} {label}"),
        )
        self.seeking = Seeking(ports)

    async def _look_up(self, node_id: bytes) -> None:
        self.looked_up.append(node_id)
        if not self.answers:
            await trio.sleep_forever()
        self.book.update({key: found for key, found in self.dht.items() if key == node_id})

    async def _dial(self, address: Address) -> bool:
        await trio.lowlevel.checkpoint()
        self.dialled.append(address.port)
        return address.port in self.open_ports

    async def seek(self, *node_ids: bytes) -> list[str]:
        """What came of it."""
        before = len(self.counts)
        for node_id in node_ids:
            self.seeking.seek(node_id)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.seeking.run)
            await trio.testing.wait_all_tasks_blocked(0.01)
            nursery.cancel_scope.cancel()
        return self.counts[before:]


def test_whom_the_book_knows_is_dialled_and_whom_it_does_not_know_is_looked_up_first() -> None:
    world = World()
    world.book[NODE], world.dht[OTHER] = [an_address(1), an_address(2)], [an_address(3)]
    world.open_ports = {2, 3}
    assert trio.run(world.seek, NODE, OTHER) == ["seeks reached"] * 2
    assert (world.looked_up, world.dialled) == ([OTHER], [1, 2, 3])


def test_who_is_nowhere_or_does_not_answer_is_counted_so() -> None:
    world = World()
    world.book[OTHER] = [an_address(port) for port in range(1, 9)]
    assert trio.run(world.seek, NODE, OTHER) == ["seeks unknown", "seeks missed"]
    assert len(world.dialled) == MAX_ADDRESSES


def test_peers_this_node_itself_and_the_banned_are_not_sought() -> None:
    world = World()
    world.connections[NODE] = cast(Any, object())  # never looked into
    assert trio.run(world.seek, NODE, BARRED) == []


def test_beyond_some_more_connections_than_wanted_nobody_is_sought() -> None:
    world = World()
    world.connections.update({bytes([place]): cast(Any, object()) for place in range(2 + EXTRA_PEERS)})
    assert trio.run(world.seek, NODE) == ["seeks full"] and world.looked_up == []


def test_one_is_sought_once_at_a_time_and_no_more_wait_than_may() -> None:
    world = World()
    names = [bytes([place]) * 32 for place in range(MAX_WAITING + 3)]
    found = trio.run(world.seek, *names[:1] * 5, *names[1:])
    assert found.count("seeks dropped") == 3 and found.count("seeks unknown") == MAX_WAITING
    assert trio.run(world.seek, names[0]) == ["seeks unknown"]


def test_a_lookup_that_never_ends_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seeking_room, "LOOK_UP_TIMEOUT_S", 0.001)
    world = World()
    world.answers = False
    world.book[OTHER], world.open_ports = [an_address(1)], {1}
    assert trio.run(world.seek, NODE, OTHER) == ["seeks unknown", "seeks reached"]
