"""Reaches nodes that main knows by their id alone: asks the DHT for whom the peer book has no address, and dials.

Whoever is named may be made up, so that this is done one at a time, and for few beyond the peers that are wanted
anyhow."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import trio

from .connection import Connection
from .hosts import Address

MAX_WAITING: Final = 16
LOOK_UP_TIMEOUT_S: Final = 20.0
MAX_ADDRESSES: Final = 3

EXTRA_PEERS: Final = 8
"""Connections beyond those that are wanted; with so many nobody is sought."""


@dataclass(frozen=True, slots=True)
class SeekingPorts:
    """What it is given. `look_up` asks the DHT and puts what it hears into the book, of which `addresses` tells; `dial`
    says whether a connection came of it; `is_barred` is for this node itself and for who is banned."""

    connections: Mapping[bytes, Connection]
    wanted: Callable[[], int]
    is_barred: Callable[[bytes], bool]
    addresses: Callable[[bytes], Sequence[Address]]
    look_up: Callable[[bytes], Awaitable[None]]
    dial: Callable[[Address], Awaitable[bool]]
    count: Callable[[str, str], None]


class Seeking:
    """`run` is its task."""

    def __init__(self, ports: SeekingPorts) -> None:
        self._ports = ports
        self._send, self._receive = trio.open_memory_channel[bytes](MAX_WAITING)
        self._waiting: set[bytes] = set()

    def seek(self, node_id: bytes) -> None:
        """Try to get a connection, once. Never waits; who is sought already is not sought twice."""
        if node_id in self._waiting or node_id in self._ports.connections or self._ports.is_barred(node_id):
            return
        try:
            self._send.send_nowait(node_id)
        except trio.WouldBlock:
            self._ports.count("seeks", "dropped")
        else:
            self._waiting.add(node_id)

    async def run(self) -> None:
        """Until cancelled."""
        async for node_id in self._receive:
            self._ports.count("seeks", await self._reach(node_id))
            self._waiting.discard(node_id)

    async def _reach(self, node_id: bytes) -> str:
        ports = self._ports
        if len(ports.connections) >= ports.wanted() + EXTRA_PEERS:
            return "full"
        if not ports.addresses(node_id):
            with trio.move_on_after(LOOK_UP_TIMEOUT_S):
                await ports.look_up(node_id)
        addresses = ports.addresses(node_id)[:MAX_ADDRESSES]
        for address in addresses:
            if node_id in ports.connections or await ports.dial(address):
                return "reached"
        return "missed" if addresses else "unknown"
