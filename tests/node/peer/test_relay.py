from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from pushmesh_node.ipc import StreamClose, StreamCredit, StreamData, StreamOpen, Up
from pushmesh_node.peer.errors import StreamBroken
from pushmesh_node.peer.relay import Relay
from pushmesh_node.peer.stats import Counters
from support.trio_hosts import Running, connect, echo, hosts

P = "/pushmesh/test/1"
WINDOW = 1_000


class Relayed:
    """A relay on a host, and what it sent to main."""

    def __init__(self, running: Running, nursery: trio.Nursery) -> None:
        self.running = running
        self.up: list[Up] = []
        self.blamed: list[tuple[bytes, str]] = []
        self.relay = Relay(nursery, WINDOW, 2, running.host.connections.get, self._send, self._blame, Counters())
        running.host.handlers[P] = self.relay.accept

    def _blame(self, node_id: bytes, what: str) -> None:
        self.blamed.append((node_id, what))

    def _send(self, message: Up) -> None:
        self.up.append(message)
        self.running.watching._stir()

    def data(self, stream_no: int) -> bytes:
        return b"".join(
            message.data for message in self.up if isinstance(message, StreamData) and message.stream_no == stream_no
        )

    async def until(self, message: Up) -> None:
        await self.running.watching.until(lambda: message in self.up)


@asynccontextmanager
async def a_relay(*, peer_echoes: bool = True) -> AsyncIterator[tuple[Relayed, Running]]:
    """Connected to a peer that echoes what it gets."""
    async with hosts({}, {P: echo} if peer_echoes else {}) as (a, b), trio.open_nursery() as nursery:
        relayed = Relayed(a, nursery)
        await connect(a, b)
        yield relayed, b
        nursery.cancel_scope.cancel()


def test_data_of_main_goes_out_and_comes_back() -> None:
    async def main() -> None:
        async with a_relay() as (a, b):
            a.relay.open(StreamOpen(2, b.node_id, P))
            a.relay.data(StreamData(2, b"hello"))
            a.relay.close(StreamClose(2, None))
            await a.until(StreamClose(2, None))
            assert a.data(2) == b"hello" and StreamCredit(2, 5) in a.up

    trio.run(main)


def test_a_peers_stream_is_told_to_main_and_answered() -> None:
    async def main() -> None:
        async with a_relay() as (a, b):
            stream = await b.watching.came[0].open(P)
            await stream.write(b"question")
            await a.running.watching.until(lambda: a.data(1) == b"question")
            assert a.up[0] == StreamOpen(1, b.node_id, P)
            a.relay.data(StreamData(1, b"answer"))
            assert await stream.read_exactly(6) == b"answer"
            await stream.reset()
            await a.until(StreamClose(1, "reset"))

    trio.run(main)


def test_no_more_goes_up_than_main_gave_credit_for() -> None:
    async def main() -> None:
        async with a_relay() as (a, b):
            stream = await b.watching.came[0].open(P)
            await stream.write(b"x" * 3 * WINDOW)
            await a.running.watching.until(lambda: len(a.data(1)) == WINDOW)
            await trio.sleep(0.1)
            assert len(a.data(1)) == WINDOW
            a.relay.credit(StreamCredit(1, 500))
            await a.running.watching.until(lambda: len(a.data(1)) == WINDOW + 500)

    trio.run(main)


def test_a_main_that_overdraws_loses_the_stream() -> None:
    async def main() -> None:
        async with a_relay() as (a, b):
            a.relay.open(StreamOpen(2, b.node_id, P))
            a.relay.data(StreamData(2, b"x" * (WINDOW + 1)))
            assert a.up == [StreamClose(2, "overdrawn")]
            a.relay.data(StreamData(2, b"x"))
            a.relay.close(StreamClose(2, None))
            a.relay.credit(StreamCredit(2, 1))
            assert a.up == [StreamClose(2, "overdrawn")]

    trio.run(main)


def test_what_cannot_be_opened_is_closed_with_its_reason() -> None:
    async def main() -> None:
        async with a_relay(peer_echoes=False) as (a, b):
            a.relay.open(StreamOpen(3, b.node_id, P))
            a.relay.open(StreamOpen(2, bytes(32), P))
            a.relay.open(StreamOpen(4, b.node_id, P))
            a.relay.open(StreamOpen(6, b.node_id, P))
            a.relay.open(StreamOpen(8, b.node_id, P))
            assert a.up == [
                StreamClose(3, "bad-number"),
                StreamClose(2, "not-connected"),
                StreamClose(8, "too-many-streams"),
            ]
            await a.until(StreamClose(4, "not-opened"))
            await a.until(StreamClose(6, "not-opened"))

    trio.run(main)


def test_a_lost_connection_ends_its_streams_at_main() -> None:
    async def main() -> None:
        async with a_relay() as (a, b):
            a.relay.open(StreamOpen(2, b.node_id, P))
            a.relay.data(StreamData(2, b"x"))
            await a.running.watching.until(lambda: a.data(2) == b"x")
            theirs = await b.watching.came[0].open(P)
            await theirs.write(b"y")
            await a.running.watching.until(lambda: a.data(1) == b"y")
            a.running.watching.came[0].close("enough")
            await a.running.watching.until(lambda: bool(a.running.watching.went))
            ends = {message.stream_no for message in a.up if isinstance(message, StreamClose) and message.error}
            assert ends == {1, 2}

    trio.run(main)


def test_places_of_ended_streams_are_free_again() -> None:
    async def main() -> None:
        async with a_relay() as (a, b):
            for n in range(2, 12, 2):
                a.relay.open(StreamOpen(n, b.node_id, P))
                a.relay.data(StreamData(n, b"x"))
                a.relay.close(StreamClose(n, None))
                await a.until(StreamClose(n, None))
                await trio.testing.wait_all_tasks_blocked()
                assert a.relay._streams == {}

    trio.run(main)


def test_a_stream_that_main_resets_is_reset_at_the_peer() -> None:
    async def main() -> None:
        async with a_relay() as (a, b):
            stream = await b.watching.came[0].open(P)
            await a.running.watching.until(lambda: bool(a.up))
            a.relay.close(StreamClose(1, "enough"))
            with pytest.raises(StreamBroken):
                await stream.read()
            assert a.blamed == []

    trio.run(main)


def test_a_peer_whose_bytes_main_cannot_read_is_blamed() -> None:
    async def main() -> None:
        async with a_relay() as (a, b):
            stream = await b.watching.came[0].open(P)
            await stream.write(b"nonsense")
            await a.running.watching.until(lambda: bool(a.up))
            a.relay.close(StreamClose(1, "malformed"))
            a.relay.close(StreamClose(1, "malformed"))  # there is no such stream any more
            with pytest.raises(StreamBroken):
                await stream.read()
            assert a.blamed == [(b.node_id, "malformed")]

    trio.run(main)
