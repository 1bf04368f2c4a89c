import pytest
import trio
import trio.testing
from hypothesis import given, strategies as st

from pushmesh_node.peer.guard import (
    DATA,
    FRAMES_PER_S,
    HEADER,
    MAX_FRAME_BYTES,
    PING,
    PINGS_PER_S,
    STREAMS_PER_S,
    SYN,
    WINDOW_UPDATE,
    HeaderGuard,
    Violation,
)
from pushmesh_node.peer.rate import BURST_S
from support.trio_hosts import attacker, connect, echo, hosts

UPDATE = HEADER.pack(0, WINDOW_UPDATE, 0, 1, 0)


class Bytes:
    """A secured connection that gives what it holds, a piece at a time."""

    def __init__(self, data: bytes, piece: int = 5, broken: Exception | None = None) -> None:
        self.data = data
        self.piece = piece
        self.broken = broken

    def take(self, n: int) -> bytes:
        return b""

    async def read(self, n: int) -> bytes:
        await trio.lowlevel.checkpoint()
        if self.broken is not None:
            raise self.broken
        taken, self.data = self.data[: min(n, self.piece)], self.data[min(n, self.piece) :]
        return taken

    def get_remote_address(self) -> str:
        return "here"


async def leave_to_yamux(stream_id: int, length: int) -> bool:
    return False


def a_guard(data: bytes, broken: Exception | None = None) -> HeaderGuard:
    return HeaderGuard(Bytes(data, broken=broken), leave_to_yamux)


def test_headers_pass_whole_whatever_the_pieces() -> None:
    async def main() -> None:
        guard = a_guard(UPDATE * 3 + b"cut")
        assert [await guard.read(12) for _ in range(5)] == [UPDATE, UPDATE, UPDATE, b"cut", b""]
        assert guard.violation == "" and guard.get_remote_address() == "here"

    trio.run(main)


def test_plain_data_that_is_taken_is_never_shown_to_yamux() -> None:
    taken: list[tuple[int, bytes]] = []

    async def main() -> None:
        async def take(stream_id: int, length: int) -> bool:
            if stream_id == 3:
                return False
            taken.append((stream_id, await guard.read_exactly(length)))
            return True

        plain, fin, other = (HEADER.pack(0, DATA, flags, stream, 4) for flags, stream in ((0, 1), (4, 1), (0, 3)))
        guard = HeaderGuard(Bytes(plain + b"data" + plain + b"more" + fin + b"last" + other + b"rest" + UPDATE), take)
        assert [await guard.read(12), await guard.read_exactly(4)] == [fin, b"last"]
        assert [await guard.read(12), await guard.read_exactly(4)] == [other, b"rest"]
        assert [await guard.read(12), await guard.read(12)] == [UPDATE, b""]

    trio.run(main)
    assert taken == [(1, b"data"), (1, b"more")]


@pytest.mark.parametrize(
    ("header", "what"),
    [
        (HEADER.pack(1, DATA, 0, 1, 0), "no yamux header"),
        (HEADER.pack(0, 4, 0, 1, 0), "no yamux header"),
        (HEADER.pack(0, DATA, 16, 1, 0), "no yamux header"),
        (b"GET / HTTP/1", "no yamux header"),
        (HEADER.pack(0, DATA, 0, 1, MAX_FRAME_BYTES + 1), "oversize frame"),
    ],
)
def test_what_no_yamux_sends_is_a_violation(header: bytes, what: str) -> None:
    async def main() -> None:
        guard = a_guard(header)
        with pytest.raises(Violation, match=what):
            await guard.read(12)
        assert guard.violation == what

    trio.run(main)


@pytest.mark.parametrize(
    ("kind", "per_s", "what"),
    [(PING, PINGS_PER_S, "too many pings"), (WINDOW_UPDATE, STREAMS_PER_S, "too many streams")],
)
def test_more_pings_or_streams_than_any_peer_needs_are_a_violation(kind: int, per_s: int, what: str) -> None:
    async def main() -> None:
        guard = a_guard(HEADER.pack(0, kind, SYN, 1, 0) * (per_s * BURST_S + 1))
        for _ in range(per_s * BURST_S):
            await guard.read(12)
        with pytest.raises(Violation, match=what):
            await guard.read(12)

    trio.run(main, clock=trio.testing.MockClock())


def test_frames_beyond_the_rate_are_read_slowly() -> None:
    async def main() -> None:
        guard = a_guard(UPDATE * FRAMES_PER_S * (BURST_S + 1))
        began_s = trio.current_time()
        for _ in range(FRAMES_PER_S * BURST_S):
            await guard.read(12)
        assert trio.current_time() == began_s
        for _ in range(FRAMES_PER_S):
            await guard.read(12)
        assert trio.current_time() - began_s == pytest.approx(1.0)
        assert guard.violation == ""

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_bytes_that_do_not_decrypt_are_a_violation_and_a_lost_connection_is_none() -> None:
    async def main() -> None:
        forged = a_guard(b"", ValueError("InvalidTag"))
        with pytest.raises(Violation):
            await forged.read(12)
        lost = a_guard(b"", trio.BrokenResourceError())
        with pytest.raises(trio.BrokenResourceError):
            await lost.read(12)
        assert (forged.violation, lost.violation) == ("not decrypted: ValueError", "")

    trio.run(main)


@given(st.binary(max_size=100))
def test_any_bytes_are_headers_or_a_violation(data: bytes) -> None:
    async def main() -> None:
        guard = a_guard(data)
        try:
            while await guard.read(12):
                pass
        except Violation:
            assert guard.violation

    trio.run(main)


@pytest.mark.parametrize("frame", [b"\xff" * 12, HEADER.pack(0, PING, SYN, 0, 1) * 41, UPDATE[:1] + b"\x09" * 11])
def test_a_peer_that_sends_no_yamux_is_disconnected_and_others_stay(frame: bytes) -> None:
    async def main() -> None:
        async with hosts({"/echo": echo}, {}) as (a, b):
            connection = await connect(b, a)
            async with attacker(a.address) as muxer:
                await a.watching.until(lambda: len(a.watching.came) == 2)
                await muxer.secured_conn.write(frame)
                await a.watching.until(lambda: bool(a.watching.went))
            assert a.watching.went[0].reason == "violation"
            stream = await connection.open("/echo")
            await stream.write(b"x")
            assert await stream.read() == b"x"

    trio.run(main)


def test_bytes_on_the_bare_socket_after_the_handshake_are_a_violation() -> None:
    async def main() -> None:
        async with hosts({}) as (a,), attacker(a.address) as muxer:
            await a.watching.until(lambda: bool(a.watching.came))
            raw = muxer.secured_conn.conn.read_writer.read_write_closer  # type: ignore[attr-defined]  # below Noise
            await raw.write(b"\x00\x20" + bytes(32))  # a message of another key
            await a.watching.until(lambda: bool(a.watching.went))
            assert a.watching.went[0].reason == "violation"

    trio.run(main)
