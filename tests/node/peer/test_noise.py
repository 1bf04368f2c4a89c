from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest
import trio
import trio.testing
from libp2p.abc import ISecureConn
from libp2p.crypto.x25519 import create_new_key_pair as create_noise_key_pair
from libp2p.security.noise.transport import Transport

from pushmesh_node.peer.errors import UpgradeError
from pushmesh_node.peer.identity import key_pair_from, node_id_of_keys, peer_id_of
from pushmesh_node.peer.noise import MAX_PLAIN_BYTES, MESSAGES_PER_S, TAG_BYTES, NoiseConnection
from pushmesh_node.peer.rate import BURST_S
from pushmesh_node.peer.tcp import TcpConnection

NEAR, FAR = key_pair_from(b"n" * 32), key_pair_from(b"f" * 32)
BIG = bytes(range(256)) * 1_000  # several messages


@asynccontextmanager
async def a_pair() -> AsyncIterator[tuple[NoiseConnection, NoiseConnection]]:
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    near = TcpConnection(await trio.open_tcp_stream("127.0.0.1", listener.socket.getsockname()[1]), outbound=True)
    far = TcpConnection(await listener.accept(), outbound=False)
    found: list[NoiseConnection] = []

    async def be_dialled() -> None:
        transport = Transport(FAR, noise_privkey=create_noise_key_pair().private_key)
        found.append(NoiseConnection(far, await transport.secure_inbound(far)))

    async with listener:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(be_dialled)
            transport = Transport(NEAR, noise_privkey=create_noise_key_pair().private_key)
            session = await transport.secure_outbound(near, peer_id_of(node_id_of_keys(FAR)))
        try:
            with trio.fail_after(10):
                yield NoiseConnection(near, session), found[0]
        finally:
            near.abort()
            far.abort()


def test_what_is_written_comes_out_at_the_other_end_however_it_is_read() -> None:
    async def main() -> None:
        async with a_pair() as (near, far), trio.open_nursery() as nursery:
            nursery.start_soon(near.write, BIG)
            got = await far.read(3)
            while len(got) < len(BIG):
                got += far.take(1_000) or await far.read(70_000)
            assert got == BIG
            await far.write(b"back")
            assert await near.read_exactly(4) == b"back"

    trio.run(main)


def test_what_is_not_there_yet_is_not_waited_for() -> None:
    async def main() -> None:
        async with a_pair() as (near, far):
            assert far.take(1) == b""
            await near.write(b"abc")
            assert await far.read(1) == b"a"
            assert [far.take(3), far.take(2), far.take(1)] == [b"", b"bc", b""]

    trio.run(main)


def test_a_message_without_content_is_no_end() -> None:
    async def main() -> None:
        async with a_pair() as (near, far):
            sealed = near._encrypt(b"")
            await near._raw.write(len(sealed).to_bytes(2, "big") + sealed)
            await near.write(b"x")
            assert await far.read(9) == b"x"

    trio.run(main)


class EmptyMessages:
    """A socket and a cipher: many messages without content, a thousand a read, and then one with."""

    def __init__(self, reads: int) -> None:
        self.conn = self.noise_state = self
        self._left = reads

    def encrypt(self, data: bytes) -> bytes:
        return bytes(TAG_BYTES) + data

    def decrypt(self, data: bytes) -> bytes:
        return data[TAG_BYTES:]

    async def read(self) -> bytes:
        await trio.lowlevel.checkpoint()
        self._left -= 1
        sealed = self.encrypt(b"" if self._left >= 0 else b"x")
        return (len(sealed).to_bytes(2, "big") + sealed) * (1_000 if self._left >= 0 else 1)


def test_messages_beyond_the_rate_are_read_slowly_whatever_they_hold() -> None:
    async def main() -> None:
        within = MESSAGES_PER_S * BURST_S // 1_000
        for reads, seconds in ((within, 0.0), (within + MESSAGES_PER_S // 1_000, 1.0)):
            messages = EmptyMessages(reads)
            connection = NoiseConnection(cast(TcpConnection, messages), cast(ISecureConn, messages))
            began_s = trio.current_time()
            assert await connection.read(9) == b"x"
            assert trio.current_time() - began_s == pytest.approx(seconds)

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_the_end_gives_the_rest_and_then_nothing() -> None:
    async def main() -> None:
        async with a_pair() as (near, far):
            await near.write(b"rest")
            await near.close()
            assert [await far.read(9), await far.read(9), await far.read(9)] == [b"rest", b"", b""]
            with pytest.raises(UpgradeError, match="ended"):
                await far.read_exactly(1)

    trio.run(main)


def test_a_message_that_is_cut_off_by_the_end_is_nothing() -> None:
    async def main() -> None:
        async with a_pair() as (near, far):
            await near._raw.write(b"\x00\x30" + bytes(20))
            await near.close()
            assert await far.read(9) == b""

    trio.run(main)


@pytest.mark.parametrize("message", [b"\x00\x00", b"\x00\x05" + bytes(5), b"\x00\x20" + bytes(32)])
def test_bytes_that_another_key_or_none_has_sealed_are_refused(message: bytes) -> None:
    async def main() -> None:
        async with a_pair() as (near, far):
            await near._raw.write(message)
            with pytest.raises(Exception) as refused:  # the cipher's own, of no common kind
                await far.read(1)
            assert not isinstance(refused.value, trio.TooSlowError)

    trio.run(main)


def test_pieces_are_as_large_as_a_message_may_be() -> None:
    async def main() -> None:
        async with a_pair() as (near, far):
            for size in (MAX_PLAIN_BYTES, MAX_PLAIN_BYTES + 1):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(near.write, bytes(size))
                    assert await far.read_exactly(size) == bytes(size)

    trio.run(main)


def test_everything_else_is_the_sessions() -> None:
    async def main() -> None:
        async with a_pair() as (near, far):
            assert near.get_remote_peer() == peer_id_of(node_id_of_keys(FAR))
            assert far.get_remote_peer() == peer_id_of(node_id_of_keys(NEAR))

    trio.run(main)
