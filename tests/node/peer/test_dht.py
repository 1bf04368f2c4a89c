from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

import trio

from pushmesh_node.gossip.kad.contacts import Contact
from pushmesh_node.gossip.kad.wire import Asked, KadMessage, Told, encode_kad
from pushmesh_node.gossip.wire.framing import frame
from pushmesh_node.gossip.wire.node_ids import to_peer_id
from pushmesh_node.peer.connection import Connection, Identity
from pushmesh_node.peer.dht import Dht, DhtPorts, contact_of
from pushmesh_node.peer.hosts import Address
from pushmesh_node.peer.kad_streams import Questions
from pushmesh_node.peer.literals import to_literal
from pushmesh_node.peer.muxer import Stream
from support.trio_hosts import Running, connect, now_ms, run_host

NETWORK = bytes(32)
PROTOCOL = "/pushmesh/1/" + "00" * 32 + "/kad/1.0.0"
KEY = to_peer_id(b"k" * 32)


def wire(address: Address) -> bytes:
    data = to_literal(address)
    assert data is not None
    return data


async def until(condition: Callable[[], bool]) -> None:
    with trio.fail_after(20):
        while not condition():  # noqa: ASYNC110  # a table tells nobody that it changed
            await trio.sleep(0.01)


class Party:
    """A host that takes part in the DHT, and dials whom it hears of while it `wants_more`."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self.heard: list[Address] = []
        self.counts: Counter[tuple[str, str]] = Counter()
        self.wants_more = True
        self.running: Running

    async def start(self, seed: int, answer: KadMessage | None = None) -> "Party":
        """With `answer` it tells everybody the same."""

        async def tell(connection: Connection, protocol: str, stream: Stream) -> None:
            assert answer is not None
            while await stream.read():
                await stream.write(frame(encode_kad(answer)))

        self.running = await run_host(self._nursery, seed)
        ports = DhtPorts(self.running.host.connections, self._hear, lambda: self.wants_more, self._count, now_ms)
        self.dht = Dht(self.running.node_id, NETWORK, ports)
        self.running.host.handlers[PROTOCOL] = self.dht.answers.serve if answer is None else tell
        self.running.watching.tasks.append(self._meet)
        self._nursery.start_soon(self.dht.run)
        return self

    @property
    def node_id(self) -> bytes:
        return self.running.node_id

    @property
    def told(self) -> Told:
        return Told(self.node_id, (wire(self.running.address),))

    async def _meet(self, connection: Connection) -> None:
        """What identify tells, without asking: every party takes part and listens where it does."""
        said = (LISTENING[connection.node_id],) if connection.node_id in LISTENING else ()
        connection.identity = Identity("test", frozenset({PROTOCOL}), said)
        self.dht.arrived(connection)
        self.dht.identified(connection)

    def _hear(self, addresses: Iterable[Address]) -> int:
        news = [each for each in addresses if each not in self.heard and each.node_id != self.node_id]
        self.heard += news
        if self.wants_more:
            for address in news:
                self._nursery.start_soon(self._dial, address)
        return len(news)

    async def _dial(self, address: Address) -> None:
        if address.node_id in LISTENING:
            await self.running.host.dial(address, 20)

    def _count(self, name: str, label: str, n: int) -> None:
        self.counts[(name, label)] += n

    async def until_known(self, *others: "Party") -> None:
        """All of them are in the routing table."""
        await until(lambda: len(self.dht) >= len(others))


LISTENING: dict[bytes, Address] = {}


@asynccontextmanager
async def parties(count: int) -> AsyncIterator[list[Party]]:
    LISTENING.clear()
    async with trio.open_nursery() as nursery:
        all_of_them = [await Party(nursery).start(seed) for seed in range(1, count + 1)]
        for party in all_of_them:
            LISTENING[party.node_id] = party.running.address
        yield all_of_them
        nursery.cancel_scope.cancel()


def test_one_known_node_leads_to_all_that_know_it() -> None:
    async def main() -> None:
        async with parties(6) as (first, *others, new):
            for other in others:
                await connect(other.running, first.running)
            await first.until_known(*others)
            await connect(new.running, first.running)
            await new.until_known(first)
            await new.dht.look_up(to_peer_id(new.node_id))
            assert {address.node_id for address in new.heard} >= {other.node_id for other in others}
            assert set(new.running.host.connections) == {first.node_id, *(other.node_id for other in others)}

    trio.run(main)


def test_who_wants_no_more_peers_asks_only_those_that_are_connected() -> None:
    async def main() -> None:
        async with parties(4) as (first, *others, new):
            for other in others:
                await connect(other.running, first.running)
            await first.until_known(*others)
            new.wants_more = False
            await connect(new.running, first.running)
            await new.until_known(first)
            assert await new.dht.look_up(KEY) == len(others)
            assert new.counts[("dht_questions", "answered")] == 1
            assert set(new.running.host.connections) == {first.node_id}

    trio.run(main)


def test_who_dialled_is_told_to_others_only_if_somebody_listens_where_it_says() -> None:
    async def main() -> None:
        async with parties(3) as (first, listening, silent):
            LISTENING[silent.node_id] = Address("ip4", "127.0.0.1", 1)  # nobody listens there
            await connect(silent.running, first.running)
            await connect(listening.running, first.running)
            await first.until_known(listening)
            await until(lambda: first.counts[("dht_knocks", "closed")] > 0)
            connection = silent.running.host.connections[first.node_id]
            assert await Questions(PROTOCOL).ask(connection, KEY) == (listening.told,)

    trio.run(main)


def test_the_asker_is_not_told_of_itself() -> None:
    async def main() -> None:
        async with parties(2) as (first, other):
            connection = await connect(other.running, first.running)
            await first.until_known(other)
            assert await Questions(PROTOCOL).ask(connection, to_peer_id(other.node_id)) == ()

    trio.run(main)


def test_what_a_peer_makes_up_is_hearsay_and_never_enters_the_table() -> None:
    async def main() -> None:
        lies = tuple(Told(bytes([n]) * 32, (wire(Address("ip4", "127.0.0.1", n + 1)),)) for n in range(1, 21))
        async with trio.open_nursery() as nursery:
            LISTENING.clear()
            liar = await Party(nursery).start(1, KadMessage(Asked.FIND_NODE, KEY, lies))
            honest = await Party(nursery).start(2)
            honest.wants_more = False
            LISTENING[liar.node_id] = liar.running.address
            await connect(honest.running, liar.running)
            await honest.until_known(liar)
            assert await honest.dht.look_up(KEY) == 20
            assert len(honest.dht) == 1
            nursery.cancel_scope.cancel()

    trio.run(main)


def test_a_lookup_that_is_given_up_waits_for_nobody_any_more() -> None:
    async def main() -> None:
        lies = tuple(Told(bytes([n]) * 32, (wire(Address("ip4", "127.0.0.1", n)),)) for n in range(1, 4))
        async with trio.open_nursery() as nursery:
            LISTENING.clear()
            liar = await Party(nursery).start(1, KadMessage(Asked.FIND_NODE, KEY, lies))
            asker = await Party(nursery).start(2)
            LISTENING[liar.node_id] = liar.running.address
            await connect(asker.running, liar.running)
            await asker.until_known(liar)
            async with trio.open_nursery() as walk:
                walk.start_soon(asker.dht.look_up, KEY)
                await until(lambda: len(asker.dht._arrivals) == 3)
                walk.cancel_scope.cancel()
            assert asker.dht._arrivals == {}
            nursery.cancel_scope.cancel()

    trio.run(main)


def test_a_question_that_fails_ends_the_lookup_not_the_node() -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            LISTENING.clear()
            broken = await Party(nursery).start(1, KadMessage(Asked.FIND_NODE))
            broken.running.host.handlers[PROTOCOL] = garbage
            asker = await Party(nursery).start(2)
            LISTENING[broken.node_id] = broken.running.address
            await connect(asker.running, broken.running)
            await asker.until_known(broken)
            assert await asker.dht.look_up(KEY) == 0
            assert asker.counts[("dht_questions", "failed")] == 1
            nursery.cancel_scope.cancel()

    trio.run(main)


async def garbage(connection: Connection, protocol: str, stream: Stream) -> None:
    await stream.read()
    await stream.write(frame(b"\xff" * 9))


class FakeRemote(Connection):
    """A connection as far as `contact_of` looks at it."""

    def __init__(self, host: str, outbound: bool, said: tuple[Address, ...] = ()) -> None:
        self.node_id = b"n" * 32
        self.remote = (host, 4001)
        self.outbound = outbound
        self.dialled = Address("ip4", host, 4001) if outbound else None
        self.identity = Identity("", frozenset(), said)


def test_a_contact_is_where_this_node_dialled_or_what_the_peer_says_of_its_own_host() -> None:
    dialled = contact_of(FakeRemote("8.8.8.8", outbound=True, said=(Address("ip4", "9.9.9.9", 1),)))
    assert dialled == Contact(b"n" * 32, (wire(Address("ip4", "8.8.8.8", 4001)),), "8.8.8.0/24")
    said = (Address("ip4", "8.8.8.8", 5), Address("ip4", "9.9.9.9", 6), Address("dns4", "evil.example", 7))
    came = contact_of(FakeRemote("8.8.8.8", outbound=False, said=said))
    assert came == Contact(b"n" * 32, (wire(Address("ip4", "8.8.8.8", 5)),), "8.8.8.0/24")
    assert contact_of(FakeRemote("8.8.8.8", outbound=False, said=said[1:])) is None


def test_a_contact_that_was_dialled_over_websocket_is_told_so() -> None:
    remote = FakeRemote("8.8.8.8", outbound=True)
    remote.dialled = Address("dns4", "node.example", 4001, websocket=True)
    contact = contact_of(remote)
    assert contact is not None and contact.addresses == (wire(Address("ip4", "8.8.8.8", 4001, websocket=True)),)


def test_addresses_of_private_networks_are_no_group() -> None:
    for host in ("127.0.0.1", "10.1.2.3", "192.168.1.1"):
        contact = contact_of(FakeRemote(host, outbound=True))
        assert contact is not None and contact.group == ""
