from typing import cast

import trio
import trio.testing

from pushmesh_node.peer.connection import Connection
from pushmesh_node.peer.errors import StreamBroken
from pushmesh_node.peer.liveness import ANSWERS_PER_S, PING, answer_pings, watch
from pushmesh_node.peer.muxer import Stream
from pushmesh_node.peer.rate import BURST_S
from support.trio_hosts import connect, hosts


async def watched(connection: Connection) -> None:
    await watch(connection, 0.05, 0.2, 2, lambda n: bytes(n))


def test_a_peer_that_answers_stays() -> None:
    async def main() -> None:
        enough = trio.Event()

        async def count(connection: Connection, protocol: str, stream: Stream) -> None:
            for _ in range(5):
                await stream.write(await stream.read_exactly(32))
            enough.set()
            await answer_pings(connection, protocol, stream)

        async with hosts({PING: count}, {}) as (a, b):
            b.watching.tasks.append(watched)
            connection = await connect(b, a)
            with trio.fail_after(10):
                await enough.wait()
            assert not connection.is_closing

    trio.run(main)


def test_a_peer_without_the_protocol_lives_too() -> None:
    async def main() -> None:
        async with hosts({}, {}) as (a, b):
            b.watching.tasks.append(watched)
            connection = await connect(b, a)
            await trio.sleep(0.5)
            assert not connection.is_closing

    trio.run(main)


def test_a_silent_peer_is_disconnected() -> None:
    async def sit(connection: Connection, protocol: str, stream: Stream) -> None:
        await trio.sleep_forever()

    async def main() -> None:
        async with hosts({PING: sit}, {}) as (a, b):
            b.watching.tasks.append(watched)
            connection = await connect(b, a)
            await b.watching.until(lambda: connection in b.watching.went)
            assert connection.reason == "ping"

    trio.run(main)


def test_a_peer_that_answers_wrongly_is_disconnected() -> None:
    async def lie(connection: Connection, protocol: str, stream: Stream) -> None:
        while True:
            await stream.read_exactly(32)
            await stream.write(b"x" * 32)

    async def main() -> None:
        async with hosts({PING: lie}, {}) as (a, b):
            b.watching.tasks.append(watched)
            connection = await connect(b, a)
            await b.watching.until(lambda: connection in b.watching.went)
            assert connection.reason == "ping"

    trio.run(main)


def test_pings_are_echoed_until_the_end() -> None:
    async def main() -> None:
        async with hosts({PING: answer_pings}, {}) as (a, b):
            stream = await (await connect(b, a)).open(PING)
            for n in (1, 2):
                await stream.write(bytes([n]) * 32)
                assert await stream.read_exactly(32) == bytes([n]) * 32
            await stream.close_write()
            assert await _ended(stream)

    trio.run(main)


async def _ended(stream: Stream) -> bool:
    try:
        return await stream.read() == b""
    except StreamBroken:
        return True


class Eager:
    """A stream that has another ping at once, however many were answered."""

    def __init__(self) -> None:
        self.answered_s: list[float] = []

    async def read_exactly(self, n: int) -> bytes:
        await trio.lowlevel.checkpoint()
        if len(self.answered_s) > 999:
            raise StreamBroken("enough")
        return bytes(n)

    async def write(self, data: bytes) -> None:
        self.answered_s.append(trio.current_time())


def test_pings_beyond_any_need_are_answered_slowly() -> None:
    async def main() -> None:
        eager, began_s, burst = Eager(), trio.current_time(), ANSWERS_PER_S * BURST_S
        with trio.move_on_after(2.05):  # of a clock that only sleeping moves
            await answer_pings(cast(Connection, None), PING, cast(Stream, eager))
        assert set(eager.answered_s[:burst]) == {began_s}
        assert len(eager.answered_s) == burst + 2 * ANSWERS_PER_S

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
