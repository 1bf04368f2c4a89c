"""A broker that answers a client as a test tells it to: what no real one can be made to do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mqtt5 import (
    ConnAckPacket,
    ConnectPacket,
    Packet,
    PubAckPacket,
    PubAckReasonCode,
    PublishPacket,
    SubAckPacket,
    SubAckReasonCode,
    SubscribePacket,
)

from pushmesh_node.delivery.mqtt.wire import Broken, OtherVersion, PacketReader


class ScriptedBroker:
    """Answers CONNECT at once; everything else is read by the test, packet by packet."""

    def __init__(self, **welcome: Any) -> None:
        self.port = 0
        self.connections = 0
        self._welcome = ConnAckPacket(**welcome)
        self._packets: asyncio.Queue[Packet] = asyncio.Queue()
        self._writer: asyncio.StreamWriter | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        packets = PacketReader(1 << 24)
        self._writer = writer
        try:
            while data := await reader.read(65_536):
                for packet in packets.feed(data):
                    assert not isinstance(packet, Broken | OtherVersion), packet
                    if isinstance(packet, ConnectPacket):
                        self.connections += 1
                        writer.write(self._welcome.write())
                    else:
                        self._packets.put_nowait(packet)
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def publish(self) -> PublishPacket:
        """The next PUBLISH of the client."""
        async with asyncio.timeout(20):
            while not isinstance(packet := await self._packets.get(), PublishPacket):
                pass
        return packet

    async def refuse_subscription(self) -> None:
        """The next SUBSCRIBE of the client."""
        async with asyncio.timeout(20):
            while not isinstance(packet := await self._packets.get(), SubscribePacket):
                pass
        assert self._writer is not None
        self._writer.write(SubAckPacket(packet.packet_id, [SubAckReasonCode.NOT_AUTHORIZED]).write())

    def waiting(self) -> int:
        """Packets that the client has sent and nobody has read."""
        return self._packets.qsize()

    def confirm(self, *packets: PublishPacket, code: PubAckReasonCode = PubAckReasonCode.SUCCESS) -> None:
        """PUBACKs in one write, in the order given."""
        assert self._writer is not None
        answers = []
        for packet in packets:
            assert packet.packet_id is not None
            answers.append(PubAckPacket(packet.packet_id, reason_code=code).write())
        self._writer.write(b"".join(answers))

    def hang_up(self) -> None:
        assert self._writer is not None
        self._writer.close()


@asynccontextmanager
async def scripted_broker(**welcome: Any) -> AsyncIterator[ScriptedBroker]:
    """`welcome` is what its CONNACK carries."""
    broker = ScriptedBroker(**welcome)
    server = await asyncio.start_server(broker.serve, "127.0.0.1", 0)
    broker.port = server.sockets[0].getsockname()[1]
    try:
        yield broker
    finally:
        server.close()
        if broker._writer is not None:
            broker._writer.close()
        await server.wait_closed()
