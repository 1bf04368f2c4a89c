from collections.abc import Sequence

import pytest
import trio
from hypothesis import given, strategies as st

from pushmesh_node.peer.dnsaddr import (
    MAX_ADDRESSES,
    MAX_DEPTH,
    MAX_NAMES,
    MAX_RECORDS,
    MAX_TEXT_BYTES,
    Resolver,
    resolve_list,
)
from pushmesh_node.peer.errors import SourceError
from pushmesh_node.peer.hosts import Address
from support.dns_server import DnsServer, dns_server

LIST = "mesh.example.org"
QUERY = "_dnsaddr.mesh.example.org"


def an_address(n: int, kind: str = "ip4", host: str = "192.0.2.1") -> Address:
    return Address(kind, host, 4001, n.to_bytes(32, "big"))


def record(address: Address | str) -> bytes:
    return f"dnsaddr={address}".encode()


class Names:
    """Answers from a table, and keeps who was asked for."""

    def __init__(self, table: dict[str, Sequence[bytes]]) -> None:
        self.table = table
        self.asked: list[str] = []

    async def look_up(self, name: str) -> Sequence[bytes]:
        await trio.lowlevel.checkpoint()
        self.asked.append(name)
        if name not in self.table:
            raise SourceError(f"no {name}")
        return self.table[name]


def found(names: Names, name: str = LIST) -> list[Address]:
    return trio.run(resolve_list, name, names.look_up)


def test_a_list_gives_its_addresses_in_order_and_each_once() -> None:
    addresses = [an_address(1), an_address(2, "dns4", "two.example"), an_address(3, "ip6", "2001:db8::3")]
    names = Names({QUERY: [record(each) for each in [*addresses, addresses[0]]]})
    assert found(names) == addresses
    assert found(names, QUERY) == addresses and found(names, "Mesh.Example.ORG.") == addresses


def test_what_is_no_address_that_can_be_dialled_is_passed_over() -> None:
    texts = [
        b"v=spf1 -all",
        b"dnsaddr=",
        b"dnsaddr=/ip4/192.0.2.1/udp/4001/quic-v1/p2p/12D3KooW",
        record(Address("ip4", "192.0.2.1", 4001)),  # nobody to expect there
        b"dnsaddr=/ip4/\xff\xff",
        record(an_address(1)) + b"/" + bytes(MAX_TEXT_BYTES),
        record(an_address(2)),
    ]
    assert found(Names({QUERY: texts})) == [an_address(2)]


def test_a_list_may_name_other_lists() -> None:
    names = Names(
        {
            QUERY: [record("/dnsaddr/eu.example.org"), record(an_address(1)), record("/dnsaddr/gone.example.org")],
            "_dnsaddr.eu.example.org": [record(an_address(2)), record("/dnsaddr/mesh.example.org")],
        }
    )
    assert found(names) == [an_address(1), an_address(2)]
    assert sorted(names.asked) == sorted([QUERY, "_dnsaddr.eu.example.org", "_dnsaddr.gone.example.org"])


def test_a_list_named_for_one_peer_gives_only_that_peer() -> None:
    only = str(an_address(7)).rpartition("/")[2]
    names = Names(
        {QUERY: [record(f"/dnsaddr/eu.example.org/p2p/{only}")], "_dnsaddr.eu.example.org": [*map(record, both())]}
    )
    assert found(names) == [an_address(7)]


def both() -> list[Address]:
    return [an_address(6), an_address(7)]


def test_lists_within_lists_end_at_a_depth() -> None:
    table: dict[str, Sequence[bytes]] = {
        f"_dnsaddr.n{n}.example": [record(f"/dnsaddr/n{n + 1}.example"), record(an_address(n))] for n in range(20)
    }
    names = Names(table)
    assert found(names, "n0.example") == [an_address(n) for n in range(MAX_DEPTH)]


def test_few_names_are_asked_for_whatever_a_list_holds() -> None:
    table: dict[str, Sequence[bytes]] = {QUERY: [record(f"/dnsaddr/n{n}.example") for n in range(MAX_RECORDS)]}
    names = Names(table)
    assert found(names) == [] and len(names.asked) == MAX_NAMES


def test_records_and_addresses_are_bounded() -> None:
    inner = [f"n{n}.example" for n in range(4)]
    table: dict[str, Sequence[bytes]] = {
        f"_dnsaddr.{name}": [record(an_address(100 * place + n)) for n in range(2 * MAX_RECORDS)]
        for place, name in enumerate(inner)
    }
    table[QUERY] = [record(f"/dnsaddr/{name}") for name in inner]
    addresses = found(Names(table))
    assert len(addresses) == MAX_ADDRESSES
    assert addresses[:MAX_RECORDS] == [an_address(n) for n in range(MAX_RECORDS)]


def test_a_list_that_cannot_be_had_is_an_error_in_a_sentence() -> None:
    with pytest.raises(SourceError, match=QUERY):
        found(Names({}))


@given(st.lists(st.binary(max_size=80), max_size=20))
def test_any_records_give_addresses(texts: list[bytes]) -> None:
    assert found(Names({QUERY: [b"dnsaddr=" + text for text in texts]})) == []


async def ask(server: DnsServer) -> list[Address]:
    return await resolve_list(LIST, Resolver([server.address]).look_up)


def test_a_real_server_is_asked_over_udp() -> None:
    async def main() -> None:
        async with dns_server({QUERY: [record(an_address(1)), record(an_address(2))]}) as server:
            assert sorted(await ask(server), key=str) == sorted([an_address(1), an_address(2)], key=str)
            assert server.asked == [("udp", QUERY)]

    trio.run(main)


def test_what_udp_cannot_carry_is_fetched_over_tcp() -> None:
    async def main() -> None:
        addresses = {an_address(n, "dns4", f"{'a' * 60}.{'b' * 60}.{'c' * 60}.{n}.example") for n in range(40)}
        async with dns_server({QUERY: [record(each) for each in addresses]}) as server:
            assert set(await ask(server)) == addresses
            assert server.asked == [("udp", QUERY), ("tcp", QUERY)]

    trio.run(main)


def test_a_name_without_such_records_gives_nothing_and_one_that_does_not_exist_an_error() -> None:
    async def main() -> None:
        async with dns_server({QUERY: []}) as server:
            assert await ask(server) == []
            server.records.clear()
            with pytest.raises(SourceError, match="does not exist"):
                await ask(server)

    trio.run(main)


def test_a_silent_server_is_an_error_after_a_while() -> None:
    async def main() -> None:
        async with dns_server({}) as server:
            server.silent = True
            with pytest.raises(SourceError, match="lifetime"):
                await Resolver([server.address], timeout_s=0.2).look_up(QUERY)

    trio.run(main)


def test_a_name_that_no_server_can_be_asked_for_is_an_error() -> None:
    async def main() -> None:
        async with dns_server({}) as server:
            with pytest.raises(SourceError):
                await Resolver([server.address]).look_up("_dnsaddr." + "x" * 80 + ".example")

    trio.run(main)
