import threading
from collections.abc import Iterable

import pytest
import trio
from hypothesis import given, strategies as st

from pushmesh_node.peer import mdns as mdns_room
from pushmesh_node.peer.errors import SourceError
from pushmesh_node.peer.hosts import Address
from pushmesh_node.peer.mdns import MAX_ADDRESSES, Mdns, read_texts, service_of, write_texts

NETWORK = bytes(range(32))


def an_address(n: int, host: str = "127.0.0.1") -> Address:
    return Address("ip4", host, 4000 + n, n.to_bytes(32, "big"))


def test_the_service_is_named_for_the_network() -> None:
    assert service_of(NETWORK) == "_p2p-00010203040._udp.local."
    assert service_of(bytes(32)) != service_of(NETWORK)


def test_what_is_announced_is_what_is_read() -> None:
    addresses = [an_address(1), an_address(2, "192.0.2.7"), Address("ip6", "2001:db8::1", 1, b"n" * 32)]
    assert read_texts(write_texts(addresses)) == addresses


def test_a_record_is_of_texts_each_with_its_length() -> None:
    text = f"dnsaddr={an_address(1)}".encode()
    assert write_texts([an_address(1)]) == bytes((len(text),)) + text


def test_few_addresses_are_told_and_few_believed() -> None:
    addresses = [an_address(n) for n in range(3 * MAX_ADDRESSES)]
    assert read_texts(write_texts(addresses)) == addresses[:MAX_ADDRESSES]
    many = b"".join(write_texts([address]) for address in addresses)
    assert read_texts(many) == addresses[:MAX_ADDRESSES]


def test_names_and_addresses_of_nobody_are_passed_over() -> None:
    record = write_texts([Address("dns4", "node.example", 1, b"n" * 32), Address("ip4", "127.0.0.1", 1)])
    assert read_texts(record) == []
    assert read_texts(bytes((5,)) + b"id=12" + write_texts([an_address(1)])) == [an_address(1)]


@given(st.binary(max_size=300))
def test_any_record_gives_addresses(record: bytes) -> None:
    assert read_texts(record) == []


class Neighbour:
    """An mDNS of its own on loopback, and what it heard."""

    def __init__(self, n: int, network: bytes = NETWORK) -> None:
        self.address = an_address(n)
        self.heard: set[Address] = set()
        self.changed = trio.Event()
        self.mdns = Mdns(network, ["127.0.0.1"], lambda: [self.address], self._hear)

    def _hear(self, addresses: Iterable[Address]) -> int:
        self.heard |= set(addresses)
        self.changed.set()
        self.changed = trio.Event()
        return 0

    async def until_heard(self, address: Address) -> None:
        with trio.fail_after(30):
            while address not in self.heard:
                await self.changed.wait()


def test_neighbours_hear_of_each_other_and_not_of_another_network() -> None:
    async def main() -> None:
        one, two, stranger = Neighbour(1), Neighbour(2), Neighbour(3, bytes(32))
        async with trio.open_nursery() as nursery:
            for each in (stranger, one, two):
                nursery.start_soon(each.mdns.serve)
            await one.until_heard(two.address)
            await two.until_heard(one.address)
            assert stranger.address not in one.heard | two.heard
            nursery.cancel_scope.cancel()

    trio.run(main)


def test_a_wildcard_is_announced_as_the_interfaces_and_loopback_only_where_it_is_asked_for() -> None:
    async def main() -> None:
        one, two = Neighbour(1), Neighbour(2)
        one.address = an_address(1, "0.0.0.0")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(one.mdns.serve)
            nursery.start_soon(two.mdns.serve)
            await two.until_heard(an_address(1, "127.0.0.1"))
            nursery.cancel_scope.cancel()

    trio.run(main)


@pytest.mark.parametrize(("interface", "believed"), [("192.168.1.2", False), ("127.0.0.1", True)])
def test_places_of_this_machine_are_believed_only_from_itself(interface: str, believed: bool) -> None:
    heard: list[Address] = []

    def hear(told: Iterable[Address]) -> int:
        heard.extend(told)
        return 0

    mdns = Mdns(NETWORK, [interface], lambda: [], hear)
    near, here = an_address(1, "192.168.1.3"), an_address(2, "127.0.0.1")
    mdns._take(write_texts([here, an_address(3, "224.0.0.1"), near]))
    assert heard == ([here, near] if believed else [near])


def test_what_was_heard_is_told_again_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mdns_room, "TELL_AGAIN_S", 0.05)

    async def main() -> None:
        one, two = Neighbour(1), Neighbour(2)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(one.mdns.serve)
            nursery.start_soon(two.mdns.serve)
            await one.until_heard(two.address)
            one.heard.clear()
            await one.until_heard(two.address)
            nursery.cancel_scope.cancel()

    trio.run(main)


def test_whoever_ends_leaves_no_thread_that_asks_on() -> None:
    async def main() -> None:
        one, two = Neighbour(1), Neighbour(2)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(one.mdns.serve)
            nursery.start_soon(two.mdns.serve)
            await one.until_heard(two.address)
            nursery.cancel_scope.cancel()

    trio.run(main)
    assert [thread.name for thread in threading.enumerate() if "ServiceBrowser" in thread.name] == []


def test_an_interface_that_is_not_there_is_an_error_in_a_sentence() -> None:
    async def main() -> None:
        mdns = Mdns(NETWORK, ["192.0.2.1"], lambda: [an_address(1)], lambda _: 0)
        with pytest.raises(SourceError, match="multicast DNS"):
            await mdns.serve()

    trio.run(main)
