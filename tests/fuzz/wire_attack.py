"""Garbage at every depth of a connection to a node: on the bare port, within Noise, within Yamux, on each protocol's
streams. Runs on trio; whatever the node does to the connection is the end of one attempt and no failure."""

import struct
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Final

import trio
from libp2p.abc import ISecureConn
from libp2p.crypto.x25519 import create_new_key_pair
from libp2p.security.noise.transport import Transport as NoiseTransport
from libp2p.stream_muxer.exceptions import MuxedConnUnavailable

from fuzz.hostile_rpcs import HostileRpcs
from pushmesh_node.gossip.wire.framing import frame
from pushmesh_node.peer.errors import PeerError
from pushmesh_node.peer.hosts import Address
from pushmesh_node.peer.identity import key_pair_from, peer_id_of
from pushmesh_node.peer.muxer import Muxer, Stream
from pushmesh_node.peer.negotiate import answer, propose
from pushmesh_node.peer.tcp import TcpConnection
from support.trio_hosts import attacker, keys_of, open_raw, open_stream

OLD_IDENTITIES: Final = 4
WORKERS: Final = 4
PATIENCE_S: Final = 5.0
YAMUX_HEADER: Final = struct.Struct(">BBHII")  # version, type, flags, stream, length
MULTISTREAM: Final = b"\x13/multistream/1.0.0\n"
NOISE_LINE: Final = b"\x07/noise\n"
YAMUX_LINE: Final = b"\x0d/yamux/1.0.0\n"
GOSSIP: Final = ("/meshsub/1.1.0", "/meshsub/1.2.0")


@asynccontextmanager
async def visitor(target: Address, seed: int) -> AsyncIterator[Muxer]:
    """A peer that takes the node's gossip as any other does, or the node would read none of its own."""
    async with attacker(target, seed) as muxer, trio.open_nursery() as nursery:
        nursery.start_soon(_take_streams, muxer, nursery)
        yield muxer
        nursery.cancel_scope.cancel()


async def _take_streams(muxer: Muxer, nursery: trio.Nursery) -> None:
    try:
        while True:
            nursery.start_soon(_take_gossip, await muxer.accept())
    except MuxedConnUnavailable:
        return


async def _take_gossip(stream: Stream) -> None:
    try:
        await answer(stream, GOSSIP)
        while await stream.read():
            pass
    except PeerError:
        return


class WireAttack:
    """`protocols` are those beside gossip that the node serves. `done` counts the attempts of each kind that ran."""

    def __init__(self, random: Random, target: Address, rpcs: HostileRpcs, protocols: Sequence[str]) -> None:
        self.done: Counter[str] = Counter()
        self._random = random
        self._target = target
        self._rpcs = rpcs
        self._protocols = protocols
        self._kinds: tuple[Callable[[], Awaitable[None]], ...] = (
            self.on_the_bare_port,
            self.in_the_handshake,
            self.within_noise,
            self.within_yamux,
            self.on_a_gossip_stream,
            self.on_another_stream,
        )

    async def run(self, attempts: int) -> None:
        """So many of each kind, several at a time."""
        waiting = [kind for kind in self._kinds for _ in range(attempts)]
        self._random.shuffle(waiting)
        async with trio.open_nursery() as nursery:
            for _ in range(WORKERS):
                nursery.start_soon(self._work, waiting)

    async def _work(self, waiting: list[Callable[[], Awaitable[None]]]) -> None:
        while waiting:
            kind = waiting.pop()
            with trio.move_on_after(PATIENCE_S):
                try:
                    await kind()
                except Exception:
                    # The node hung up, in any of the ways in which the attacker's own libp2p and trio say so.
                    self.done["cut short"] += 1
            self.done[kind.__name__] += 1

    async def on_the_bare_port(self) -> None:
        raw = await open_raw(self._target)
        try:
            for _ in range(self._random.randint(1, 4)):
                await raw.write(self._noise())
            await self._listen(raw)
        finally:
            raw.abort()

    async def in_the_handshake(self) -> None:
        """multistream-select is right, Noise's messages are not."""
        raw = await open_raw(self._target)
        try:
            await raw.write(MULTISTREAM + NOISE_LINE)
            for _ in range(self._random.randint(1, 4)):
                message = self._noise()
                length = len(message) if self._random.random() < 0.7 else self._random.randrange(65_536)
                await raw.write(min(length, 65_535).to_bytes(2, "big") + message[:65_535])
            await self._listen(raw)
        finally:
            raw.abort()

    async def within_noise(self) -> None:
        """An identity, and then something else than Yamux."""
        raw = await open_raw(self._target)
        try:
            secured = await self._secure(raw)
            opening = self._random.choice((b"", MULTISTREAM, MULTISTREAM + b"\x03na\n"))
            await secured.write(opening + self._noise()[:60_000])
            await self._listen(raw)
        finally:
            raw.abort()

    async def within_yamux(self) -> None:
        """Frames with every header there may be, and data that is none."""
        raw = await open_raw(self._target)
        try:
            secured = await self._secure(raw)
            await secured.write(MULTISTREAM + YAMUX_LINE)
            for _ in range(self._random.randint(1, 30)):
                await secured.write(self._yamux_frame())
            await self._listen(raw)
        finally:
            raw.abort()

    async def on_a_gossip_stream(self) -> None:
        """RPCs of the fuzzer, cut into pieces, on one or several streams."""
        async with visitor(self._target, self._identity()) as muxer:
            for _ in range(self._random.choice((1, 1, 1, 2, 5))):
                stream = await open_stream(muxer)
                await propose(stream, [self._random.choice(GOSSIP)])
                for _ in range(self._random.randint(1, 20)):
                    data = self._noise() if self._random.random() < 0.1 else frame(self._rpcs.one()[: 1 << 20])
                    cut = self._random.randrange(len(data) + 1)
                    await stream.write(data[:cut])
                    await stream.write(data[cut:])
                if self._random.random() < 0.3:
                    await stream.reset()
            await trio.sleep(0.05)

    async def on_another_stream(self) -> None:
        async with visitor(self._target, self._identity()) as muxer:
            for protocol in self._random.sample(self._protocols, min(3, len(self._protocols))):
                stream = await open_stream(muxer)
                try:
                    if self._random.random() < 0.8:
                        await propose(stream, [protocol])
                    await stream.write(self._noise())
                    await self._random.choice((stream.close_write, stream.reset))()
                except PeerError:
                    self.done["streams broken"] += 1
            await trio.sleep(0.05)

    def _identity(self) -> int:
        """Mostly a new one; some come back until they are banned, and then still."""
        if self._random.random() < 0.7:
            return self._random.randrange(1 << 20, 1 << 60)
        return 1_000 + self._random.randrange(OLD_IDENTITIES)

    async def _secure(self, raw: TcpConnection) -> ISecureConn:
        assert self._target.node_id is not None
        await propose(raw, ["/noise"])
        noise = NoiseTransport(
            key_pair_from(keys_of(self._identity())), noise_privkey=create_new_key_pair().private_key
        )
        return await noise.secure_outbound(raw, peer_id_of(self._target.node_id))

    async def _listen(self, raw: TcpConnection) -> None:
        """What the node answers, to its end or for a moment."""
        with trio.move_on_after(0.1):
            while await raw.read():
                pass

    def _noise(self) -> bytes:
        random = self._random
        match random.randrange(6):
            case 0:
                return random.randbytes(random.choice((1, 20, 300, 70_000)))
            case 1:
                return random.choice((b"\x00", b"\xff", b"\x80", b"\n")) * random.choice((1, 12, 9_000))
            case 2:
                return MULTISTREAM + random.choice((b"\x03\xff\xfe\n", b"\x00", b"\xff\xff\x7f", b"\x03ls\n" * 40))
            case 3:
                return b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
            case 4:
                return MULTISTREAM * random.randint(1, 50) + random.randbytes(20)
            case _:
                return self._rpcs.one()[:100_000]

    def _yamux_frame(self) -> bytes:
        random = self._random
        body = random.randbytes(random.choice((0, 0, 1, 200)))
        length = len(body) if random.random() < 0.7 else random.choice((1, 2**18 + 1, 2**24, 2**31, 2**32 - 1))
        version, kind = (random.choice((0, 0, 0, 0, 1, 255)), random.choice((0, 0, 1, 2, 3, 4, 255)))
        flags = random.choice((0, 1, 2, 4, 8, 3, 15, 16, 65_535))
        stream_id = random.choice((0, 1, 2, 3, 5, 2**31, 2**32 - 1, random.randrange(100)))
        return YAMUX_HEADER.pack(version, kind, flags, stream_id, length) + body
