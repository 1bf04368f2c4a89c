from contextlib import AsyncExitStack
from typing import Any

import pytest
import trio

from pushmesh_node.peer.address import parse_address
from pushmesh_node.peer.bans import HOST_FAULTS, Ban
from pushmesh_node.peer.connection import Connection
from pushmesh_node.peer.errors import AddressError, PeerError
from pushmesh_node.peer.hosts import Address
from pushmesh_node.peer.limits import GateLimits
from support.trio_hosts import attacker, connect, echo, hosts, now_ms, open_raw, run_host


def test_both_ends_know_a_connection_from_its_begin_to_its_end() -> None:
    async def main() -> None:
        async with hosts({}, {}) as (a, b):
            connection = await connect(a, b)
            assert (connection.node_id, connection.outbound, connection.dialled) == (b.node_id, True, b.address)
            assert (b.watching.came[0].node_id, b.watching.came[0].outbound) == (a.node_id, False)
            connection.close("enough")
            await b.watching.until(lambda: bool(b.watching.went))
            await a.watching.until(lambda: bool(a.watching.went))
            assert a.host.connections == b.host.connections == {}

    trio.run(main)


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff" * 4_000,
        b"\x13/multistream/1.0.0\n\x07/noise\n" + b"\x00\x20" + b"n" * 32,
        b"\x13/multistream/1.0.0\n\x07/noise\n" + b"\xff\xff" + b"n" * 70_000,
        b"\x13/multistream/1.0.0\n\x03\xff\xfe\n",
    ],
)
def test_garbage_on_the_port_is_refused_and_harms_nobody(garbage: bytes) -> None:
    async def main() -> None:
        async with hosts({"/echo": echo}, {}) as (a, b):
            raw = await open_raw(a.address)
            await raw.write(garbage)
            raw.abort()
            await a.watching.until(lambda: a.watching.refusals == ["handshake"])
            stream = await (await connect(b, a)).open("/echo")
            await stream.write(b"x")
            assert await stream.read() == b"x"

    trio.run(main)


def test_who_only_looks_whether_somebody_listens_is_at_no_fault() -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            a = await run_host(nursery, 1, limits=GateLimits(exempt_loopback=False, arrivals_at_once=99))
            for n in range(HOST_FAULTS + 1):
                (await open_raw(a.address)).abort()
                await a.watching.until(lambda n=n: a.watching.refusals == ["probe"] * (n + 1))  # type: ignore[misc]  # binds n
            assert not a.bans.refuses("127.0.0.1", now_ms())
            nursery.cancel_scope.cancel()

    trio.run(main)


def test_a_host_that_sends_garbage_again_and_again_is_not_let_in_any_more() -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            a = await run_host(nursery, 1, limits=GateLimits(exempt_loopback=False, arrivals_at_once=99))
            for n in range(HOST_FAULTS):
                raw = await open_raw(a.address)
                await raw.write(b"\xff" * 99)
                await a.watching.until(lambda n=n: len(a.watching.refusals) > n)  # type: ignore[misc]  # binds n
                raw.abort()
            raw = await open_raw(a.address)
            assert await raw.read(1) == b"" and a.watching.refusals == ["handshake"] * HOST_FAULTS + ["banned-host"]
            raw.abort()
            nursery.cancel_scope.cancel()

    trio.run(main)


def test_silent_connections_of_one_host_take_few_places() -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            a = await run_host(nursery, 1, limits=GateLimits(exempt_loopback=False, handshakes_per_host=2))
            silent = [await open_raw(a.address) for _ in range(3)]
            await a.watching.until(lambda: a.watching.refusals == ["too-many-handshakes"])
            for raw in silent:
                raw.abort()
            nursery.cancel_scope.cancel()

    trio.run(main)


def test_a_peer_that_connects_again_is_kept_by_its_new_connection() -> None:
    """Its old one may look alive here for a long time after the peer lost its end."""

    async def main() -> None:
        async with hosts({}) as (a,), attacker(a.address, seed=7):
            await a.watching.until(lambda: len(a.watching.came) == 1)
            async with attacker(a.address, seed=7):
                await a.watching.until(lambda: len(a.watching.came) == 2)
                await a.watching.until(lambda: bool(a.watching.went))
                first, second = a.watching.came
                assert a.watching.went == [first] and first.reason == "replaced"
                assert a.host.connections == {second.node_id: second}

    trio.run(main)


def test_dials_that_cross_leave_one_connection_and_it_is_the_same_at_both_ends() -> None:
    async def main() -> None:
        async with hosts({"/echo": echo}, {"/echo": echo}) as (a, b), trio.open_nursery() as nursery:
            nursery.start_soon(a.host.dial, b.address, 5)
            nursery.start_soon(b.host.dial, a.address, 5)
            for end in (a.watching, b.watching):  # each has met both connections
                await end.until(lambda end=end: len(end.came) + len(end.refusals) == 2)  # type: ignore[misc]  # binds the variable
            near, far = a.host.connections[b.node_id], b.host.connections[a.node_id]
            assert near.outbound != far.outbound and near.outbound == (a.node_id < b.node_id)
            stream = await near.open("/echo")
            await stream.write(b"x")
            assert await stream.read() == b"x"

    trio.run(main)


def test_a_banned_peer_is_refused() -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            a = await run_host(nursery, 1)
            b = await run_host(nursery, 2)
            a.bans.peers.set(b.node_id, Ban(10**15, 1))
            await b.host.dial(a.address, 5)
            await a.watching.until(lambda: a.watching.refusals == ["banned"])
            await b.watching.until(lambda: bool(b.watching.went))
            assert a.watching.came == []
            nursery.cancel_scope.cancel()

    trio.run(main)


def test_one_peer_too_many_is_refused_before_its_handshake() -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            a = await run_host(nursery, 1, limits=GateLimits(max_peers=1))
            async with attacker(a.address):
                await a.watching.until(lambda: bool(a.watching.came))
                raw = await open_raw(a.address)
                assert await raw.read(1) == b""
                assert a.watching.refusals == ["too-many-peers"]
                raw.abort()
            await a.watching.until(lambda: bool(a.watching.went))
            nursery.cancel_scope.cancel()

    trio.run(main)


def test_a_newcomer_of_another_subnet_gets_the_place_of_one_of_a_crowd() -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery, AsyncExitStack() as stack:
            limits = GateLimits(max_peers=4, exempt_loopback=False)  # three of them for those who come
            a = await run_host(nursery, 1, limits=limits)
            for seed in (7, 8, 9):
                await stack.enter_async_context(attacker(a.address, seed))
                await a.watching.until(lambda seed=seed: len(a.watching.came) == seed - 6)  # type: ignore[misc]  # binds
            await stack.enter_async_context(attacker(a.address, 10, source="127.0.9.9"))
            await a.watching.until(lambda: bool(a.watching.went))
            assert (a.watching.went[0].reason, len(a.watching.came)) == ("crowded-out", 4)
            raw = await open_raw(a.address)  # one more of the crowd
            assert await raw.read(1) == b"" and a.watching.refusals == ["too-many-peers"]
            raw.abort()
            nursery.cancel_scope.cancel()

    trio.run(main)


def test_places_are_given_back() -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            a = await run_host(nursery, 1, limits=GateLimits(max_peers=1))
            for n in range(3):
                async with attacker(a.address):
                    await a.watching.until(lambda n=n: len(a.watching.came) == n + 1)  # type: ignore[misc]  # binds n
                await a.watching.until(lambda n=n: len(a.watching.went) == n + 1)  # type: ignore[misc]  # binds n
                await trio.sleep(0.05)
            nursery.cancel_scope.cancel()

    trio.run(main)


def test_a_dial_that_cannot_succeed_is_a_peers_error() -> None:
    async def main() -> None:
        async with hosts({}, {}) as (a, b):
            for address, seconds in (
                (Address("ip4", "127.0.0.1", 1, b.node_id), 5.0),
                (Address("dns4", "no-such-host.invalid", 1, b.node_id), 5.0),
                (Address("ip4", "127.0.0.1", b.address.port, bytes(32)), 5.0),  # somebody else lives there
                (b.address, 0.0),
                (Address("ip4", "127.0.0.1", b.address.port, a.node_id), 5.0),
            ):
                with pytest.raises(PeerError):
                    await a.host.dial(address, seconds)
            assert a.host.connections == {}

    trio.run(main)


def test_a_name_that_a_peer_told_leads_to_no_private_place() -> None:
    async def main() -> None:
        async with hosts({}, {}) as (a, b):
            told = Address("dns4", "localhost", b.address.port, b.node_id)
            with pytest.raises(AddressError, match="no public address"):
                await a.host.dial(told, 5)
            a.host.trusted_names.add("localhost")  # the operator's
            assert (await a.host.dial(told, 5)).node_id == b.node_id

    trio.run(main)


class OneHost(trio.abc.HostnameResolver):
    """Whatever the name, it leads to the same place."""

    async def getaddrinfo(
        self, host: object, port: object, *rest: object, **named: object
    ) -> list[tuple[int, int, int, str, tuple[Any, ...]]]:
        return [(trio.socket.AF_INET, trio.socket.SOCK_STREAM, 6, "", ("8.8.8.8", port))]

    async def getnameinfo(self, sockaddr: object, flags: int) -> tuple[str, str]:
        raise AssertionError("nobody asks for names")


def test_of_names_that_lead_to_one_host_no_more_are_dialled_than_of_its_address() -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            a = await run_host(nursery, 1, limits=GateLimits(max_per_host=1))
            trio.socket.set_custom_hostname_resolver(OneHost())
            assert a.host._gate.enter("8.8.8.8", outbound=True, now_ms=0) is None
            for name in ("one.example", "two.example"):
                with pytest.raises(PeerError, match="too-many-of-one-host"):
                    await a.host.dial(Address("dns4", name, 4001, bytes(32)), 5)
            nursery.cancel_scope.cancel()

    trio.run(main)


def test_an_address_that_cannot_be_bound_is_named() -> None:
    async def main() -> None:
        async with hosts({}) as (a,), trio.open_nursery() as nursery:
            for text in (f"/ip4/127.0.0.1/tcp/{a.address.port}", "/ip4/192.0.2.1/tcp/0", "/dns4/localhost/tcp/0"):
                with pytest.raises(AddressError, match=text):
                    await a.host.listen(nursery, [parse_address(text)])

    trio.run(main)


def test_a_task_that_fails_ends_its_connection_and_no_other() -> None:
    async def fail(connection: Connection) -> None:
        raise RuntimeError("a task that fails")

    async def main() -> None:
        async with hosts({}, {}, {}) as (a, b, c):
            await connect(b, a)
            a.watching.tasks.append(fail)
            await c.host.dial(a.address, 5)
            await a.watching.until(lambda: [each.node_id for each in a.watching.went] == [c.node_id])
            assert list(a.host.connections) == [b.node_id]

    trio.run(main)


def test_shutdown_tells_every_peer() -> None:
    async def main() -> None:
        async with hosts({}, {}, {}) as (a, b, c):
            await connect(b, a)
            await connect(c, a)
            await a.host.shutdown()
            assert a.host.connections == {} and {each.reason for each in a.watching.went} == {"shutdown"}
            for other in (b, c):
                await other.watching.until(lambda other=other: bool(other.watching.went))  # type: ignore[misc]  # binds

    trio.run(main)
