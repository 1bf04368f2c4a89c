"""The DHT on trio: learns which connected peers take part, asks them, answers them, and knocks at doors.

What others tell is hearsay until this node reached it. A lookup asks connected nodes only: whether one that it hears of
is dialled is the peer book's to decide, as for every other peer.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import trio

from ..gossip.kad.contacts import MAX_ADDRESSES, Contact, K, position_of, protocol_of
from ..gossip.kad.lookup import ALPHA, Answered, Ask, Began, Event, Failed, Finished, Lookup
from ..gossip.kad.table import Check, Reached, RoutingTable, Ticked, Unreachable
from ..gossip.kad.wire import Told
from ..remote import subnet_of
from .connection import Connection
from .errors import PeerError
from .hosts import Address, address_of, is_public, may_name
from .kad_streams import Answers, Questions
from .literals import from_literal, to_literal

TICK_S: Final = 10.0
KNOCK_TIMEOUT_S: Final = 5.0
KNOCKERS: Final = 4
MAX_KNOCKS_WAITING: Final = 128
ARRIVAL_TIMEOUT_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class DhtPorts:
    """What it is given. `hear` takes addresses with node ids that others told and gives how many peers were news;
    `wants_more` tells whether peers that are heard of are being dialled now."""

    connections: Mapping[bytes, Connection]
    hear: Callable[[Iterable[Address]], int]
    wants_more: Callable[[], bool]
    count: Callable[[str, str, int], None]
    now_ms: Callable[[], int]


class Dht:
    """`answers.serve` is the handler of `protocol`; `run` is its task."""

    def __init__(self, own: bytes, network_id: bytes, ports: DhtPorts) -> None:
        self.protocol = protocol_of(network_id)
        self._own = own
        self._ports = ports
        self._table = RoutingTable(own)
        self._questions = Questions(self.protocol)
        self.answers = Answers(self._nearest, lambda name, label: ports.count(name, label, 1), ports.now_ms)
        self._knocks, self._doors = trio.open_memory_channel[Contact](MAX_KNOCKS_WAITING)
        self._arrivals: dict[bytes, trio.Event] = {}

    def __len__(self) -> int:
        """Nodes in the routing table."""
        return len(self._table)

    # What the node tells

    def arrived(self, connection: Connection) -> None:
        """A connection stands."""
        arrival = self._arrivals.pop(connection.node_id, None)
        if arrival is not None:
            arrival.set()

    def identified(self, connection: Connection) -> bool:
        """A peer said who it is; whether it takes part. One that dialled this node is knocked at first."""
        if connection.identity is None or self.protocol not in connection.identity.protocols:
            return False
        contact = contact_of(connection)
        if contact is not None and connection.outbound:
            self._tell_table(Reached(contact))
        elif contact is not None:
            self._knock_at(contact)
        return True

    def left(self, connection: Connection) -> None:
        """The connection is gone; the node may still be there."""
        self._questions.forget(connection)

    def not_reached(self, node_id: bytes) -> None:
        """A dial failed."""
        self._tell_table(Unreachable(node_id))

    # Looking up

    async def look_up(self, key: bytes) -> int:
        """Asks towards `key`, a peer id, and hands on what it hears; how many peers were news."""
        lookup = Lookup(self._own, position_of(key))
        answers, results = trio.open_memory_channel[tuple[Event, int]](ALPHA)
        news = 0
        async with trio.open_nursery() as nursery:
            effects = lookup.handle(Began(self._seeds(key)))
            while True:
                for effect in effects:
                    if isinstance(effect, Finished):
                        return news
                    nursery.start_soon(self._ask, effect, key, answers)
                event, heard = await results.receive()
                news += heard
                effects = lookup.handle(event)

    def _seeds(self, key: bytes) -> list[Contact]:
        near = self._table.nearest(position_of(key))
        others = [contact_of(each) for each in self._ports.connections.values() if self._takes_part(each)]
        return [*near, *(each for each in others if each is not None)]

    def _takes_part(self, connection: Connection) -> bool:
        return connection.identity is not None and self.protocol in connection.identity.protocols

    async def _ask(self, ask: Ask, key: bytes, answers: trio.MemorySendChannel[tuple[Event, int]]) -> None:
        node_id = ask.contact.node_id
        event, news = Failed(node_id), 0
        connection = self._ports.connections.get(node_id) or await self._arrival(node_id)
        if connection is not None:
            try:
                told = await self._questions.ask(connection, key)
            except PeerError:
                self._ports.count("dht_questions", "failed", 1)
                self._tell_table(Unreachable(node_id))
            else:
                self._ports.count("dht_questions", "answered", 1)
                believed = list(_believe(connection, told))
                news = self._ports.hear(address for _, addresses in believed for address in addresses)
                await answers.send((Answered(node_id, [contact for contact, _ in believed]), news))
                return
        await answers.send((event, news))

    async def _arrival(self, node_id: bytes) -> Connection | None:
        """The connection to a peer that was just heard of, if the book has it dialled and it answers soon."""
        if not self._ports.wants_more():
            return None
        arrival = self._arrivals.setdefault(node_id, trio.Event())
        try:
            with trio.move_on_after(ARRIVAL_TIMEOUT_S):
                await arrival.wait()
        finally:  # a walk that takes too long is cancelled
            self._arrivals.pop(node_id, None)
        return self._ports.connections.get(node_id)

    # Answering

    def _nearest(self, connection: Connection, key: bytes) -> tuple[Told, ...]:
        contacts = self._table.nearest(position_of(key), without={connection.node_id})
        told = (Told(each.node_id, _fit_for(connection, each.addresses)) for each in contacts)
        return tuple(each for each in told if each.addresses)

    # Knocking

    async def run(self) -> None:
        """Until cancelled."""
        async with trio.open_nursery() as nursery:
            for _ in range(KNOCKERS):
                nursery.start_soon(self._knock)
            while True:
                await trio.sleep(TICK_S)
                self._tell_table(Ticked())

    async def _knock(self) -> None:
        """Whether somebody listens where a node is said to be. Who it is shows when somebody dials it."""
        async for contact in self._doors:
            address = from_literal(contact.addresses[0])
            open_door = address is not None and await _is_open(address)
            self._ports.count("dht_knocks", "open" if open_door else "closed", 1)
            self._tell_table(Reached(contact) if open_door else Unreachable(contact.node_id))

    def _knock_at(self, contact: Contact) -> None:
        try:
            self._knocks.send_nowait(contact)
        except trio.WouldBlock:
            self._ports.count("dht_knocks", "dropped", 1)

    def _tell_table(self, event: Reached | Unreachable | Ticked) -> None:
        for check in self._table.handle(event, self._ports.now_ms()):
            self._check(check)

    def _check(self, check: Check) -> None:
        if check.contact.node_id in self._ports.connections:  # its pings show that it lives
            self._tell_table(Reached(check.contact))
        else:
            self._knock_at(check.contact)


def contact_of(connection: Connection) -> Contact | None:
    """Where a connected peer can be dialled: where this node did, or where it says at the host that it speaks from."""
    host, port = connection.remote
    if connection.outbound:
        addresses = [address_of(host, port, websocket=connection.dialled is not None and connection.dialled.websocket)]
    else:
        said = connection.identity.addresses if connection.identity is not None else ()
        addresses = [address for address in said if address.host == host]
    wires = [wire for address in addresses[:MAX_ADDRESSES] if (wire := to_literal(address)) is not None]
    return Contact(connection.node_id, tuple(wires), _group_of(host)) if wires else None


def _group_of(host: str) -> str:
    """Nodes of a private network or of this machine count as alone: there nobody rents addresses by the block."""
    return subnet_of(host) if is_public(host) else ""


def _believe(connection: Connection, told: Sequence[Told]) -> Iterable[tuple[Contact, list[Address]]]:
    """What an answer may mean: literal addresses only, and none that the teller has no business to name."""
    for each in told[:K]:
        found = [from_literal(wire, each.node_id) for wire in each.addresses[:MAX_ADDRESSES]]
        addresses = [each for each in found if each is not None and may_name(connection.remote[0], each.host)]
        if addresses:
            wires = tuple(wire for address in addresses if (wire := to_literal(address)) is not None)
            yield Contact(each.node_id, wires, _group_of(addresses[0].host)), addresses


def _fit_for(connection: Connection, wires: Iterable[bytes]) -> tuple[bytes, ...]:
    """The addresses that the peer would believe and could reach."""
    found = ((wire, from_literal(wire)) for wire in wires)
    return tuple(wire for wire, each in found if each is not None and may_name(connection.remote[0], each.host))


async def _is_open(address: Address) -> bool:
    with trio.move_on_after(KNOCK_TIMEOUT_S):
        try:
            stream = await trio.open_tcp_stream(address.host, address.port)
        except OSError:
            return False
        await stream.aclose()
        return True
    return False
