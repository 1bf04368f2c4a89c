import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import msgspec
import trio

from pushmesh_node.gossip.frames.inspection import Inspection
from pushmesh_node.ipc import Allowances, Discovery, Peer, Ready, Seek, Start, Stats, Subscribe
from pushmesh_node.ipc_wire import up_decoder
from pushmesh_node.peer.main_link import MainLink
from pushmesh_node.peer.node import Node
from support.dns_server import dns_server
from support.gossip_node import QUICK, TOPIC, a_start

DHT = Discovery(dht=True)


class NoFrames:
    """No frame comes in these tests."""

    def inspect(self, node_id: bytes, topic: str, data: bytes, now_ms: int) -> Inspection:
        raise AssertionError

    def remember(self, item_hashes: Sequence[bytes]) -> None:
        raise AssertionError

    def allow(self, allowances: Allowances) -> None:
        raise AssertionError


class Running:
    """A node of the peer room, and what it told main."""

    def __init__(self) -> None:
        self.node: Node
        self.ready: Ready
        self.peers: set[bytes] = set()
        self.counts: Counter[tuple[str, str]] = Counter()
        self.gauges: dict[str, int] = {}
        self._changed = trio.Event()

    @property
    def node_id(self) -> bytes:
        return self.ready.node_id

    @property
    def address(self) -> str:
        return self.ready.addresses[0]

    async def start(self, nursery: trio.Nursery, start: Start) -> "Running":
        near, far = (trio.SocketStream(trio.socket.from_stdlib_socket(each)) for each in socket.socketpair())
        link = MainLink(near)
        self.node = Node(start, NoFrames(), link, nursery, lambda: 0)
        self.ready = await self.node.listen()
        self.node.take(Subscribe([TOPIC]))
        nursery.start_soon(link.run_writer)
        nursery.start_soon(self._listen, far, near)
        return self

    async def _listen(self, far: trio.SocketStream, near: trio.SocketStream) -> None:
        decoder = up_decoder()
        async with far, near:
            while True:
                for message in decoder.feed(await far.receive_some(65_536)):
                    match message:
                        case Peer(connected=True):
                            self.peers.add(message.node_id)
                        case Peer():
                            self.peers.discard(message.node_id)
                        case Stats():
                            self.counts.update({(name, label): n for name, label, n in message.counters})
                            self.gauges = {name: value for name, _, value in message.gauges}
                self._changed.set()
                self._changed = trio.Event()

    async def until(self, condition: Callable[[], bool]) -> None:
        with trio.fail_after(60):
            while not condition():
                await self._changed.wait()


class Network:
    """Starts nodes one after the other, with seeds from 1 on."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self._seed = 0

    async def node(self, discovery: Discovery = DHT, bootstrap: Sequence[str] = (), target_peers: int = 12) -> Running:
        self._seed += 1
        settings = msgspec.structs.replace(QUICK, target_peers=target_peers)
        start = a_start(self._seed, settings, bootstrap)
        return await Running().start(self._nursery, msgspec.structs.replace(start, discovery=discovery))


@asynccontextmanager
async def a_network() -> AsyncIterator[Network]:
    async with trio.open_nursery() as nursery:
        yield Network(nursery)
        nursery.cancel_scope.cancel()


def test_a_node_with_one_bootstrap_address_finds_all_the_others_by_the_dht() -> None:
    async def main() -> None:
        async with a_network() as network:
            first = await network.node()
            others = [await network.node(bootstrap=[first.address]) for _ in range(4)]
            for other in others:
                await other.until(lambda other=other: first.node_id in other.peers)  # type: ignore[misc]  # binds the variable
            new = await network.node(bootstrap=[first.address])
            await new.until(lambda: new.peers == {first.node_id, *(other.node_id for other in others)})
            await new.until(lambda: new.gauges["dht_nodes"] >= 5)
            await new.until(lambda: new.counts[("peers_heard", "dht")] >= 1 and new.counts[("dht_walks", "news")] >= 1)

    trio.run(main)


def test_a_node_without_the_dht_takes_no_part_in_it_and_finds_nobody_by_it() -> None:
    async def main() -> None:
        async with a_network() as network:
            first = await network.node()
            other = await network.node(bootstrap=[first.address])
            await first.until(lambda: first.gauges.get("dht_nodes") == 1)
            alone = await network.node(Discovery(), bootstrap=[first.address])
            last = await network.node(bootstrap=[first.address])
            await last.until(lambda: last.peers == {first.node_id, other.node_id})
            assert alone.peers == {first.node_id}

    trio.run(main)


def test_a_node_that_main_names_by_its_id_alone_is_found_by_the_dht_and_dialled() -> None:
    async def main() -> None:
        async with a_network() as network:
            hub = await network.node()
            seeker, sought = [await network.node(bootstrap=[hub.address], target_peers=1) for _ in range(2)]
            for content in (seeker, sought):
                content.node.take(Subscribe([]))  # no topic lacks peers
                await content.until(lambda content=content: content.peers == {hub.node_id})  # type: ignore[misc]  # binds the variable
            await hub.until(lambda: hub.gauges.get("dht_nodes") == 2)
            assert seeker.peers == sought.peers == {hub.node_id}
            seeker.node.take(Seek(sought.node_id))
            await seeker.until(lambda: sought.node_id in seeker.peers)
            await seeker.until(lambda: seeker.counts[("seeks", "reached")] == 1)
            seeker.node.take(Seek(b"x" * 32))
            await seeker.until(lambda: seeker.counts[("seeks", "unknown")] == 1)

    trio.run(main)


def test_nodes_of_another_network_are_no_help() -> None:
    async def main() -> None:
        async with a_network() as network:
            first = await network.node()
            await network.node(bootstrap=[first.address])
            await first.until(lambda: first.gauges.get("dht_nodes") == 1)
            settings = msgspec.structs.replace(QUICK, target_peers=12)
            start = msgspec.structs.replace(
                a_start(77, settings, [first.address]), discovery=DHT, network_id=b"\x01" * 32
            )
            stranger = await Running().start(network._nursery, start)
            await stranger.until(lambda: stranger.counts[("connections_opened", "outbound")] > 0)
            await stranger.until(lambda: "dht_nodes" in stranger.gauges)
            assert (stranger.gauges["dht_nodes"], stranger.counts[("peers_heard", "dht")]) == (0, 0)

    trio.run(main)


def test_a_dns_list_leads_to_its_nodes() -> None:
    async def main() -> None:
        async with a_network() as network, dns_server({}) as server:
            listed = [await network.node(Discovery()) for _ in range(2)]
            server.records["_dnsaddr.mesh.example"] = [f"dnsaddr={each.address}".encode() for each in listed]
            lists = Discovery(dns_lists=["gone.example", "mesh.example"], dns_servers=[server.address])
            new = await network.node(lists)
            await new.until(lambda: new.peers == {each.node_id for each in listed})
            await new.until(lambda: new.counts[("source_failures", "dns")] == 1)
            await new.until(lambda: new.counts[("peers_heard", "dns")] == 2)

    trio.run(main)


def test_neighbours_find_each_other_by_multicast_dns() -> None:
    async def main() -> None:
        async with a_network() as network:
            mdns = Discovery(mdns=True, mdns_interfaces=["127.0.0.1"])
            one, two = await network.node(mdns), await network.node(mdns)
            await one.until(lambda: one.peers == {two.node_id})
            await two.until(lambda: two.peers == {one.node_id})

    trio.run(main)


def test_a_node_with_peers_enough_whose_topic_lacks_peers_wants_more_of_them() -> None:
    async def main() -> None:
        async with a_network() as network:
            first = await network.node(target_peers=1)
            second = await network.node(bootstrap=[first.address], target_peers=1)
            await first.until(lambda: first.gauges.get("dht_nodes") == 1)
            third = await network.node(bootstrap=[first.address], target_peers=1)
            await third.until(lambda: third.gauges.get("wanted_peers", 0) > 1)
            await third.until(lambda: third.peers >= {first.node_id, second.node_id})

    trio.run(main)
