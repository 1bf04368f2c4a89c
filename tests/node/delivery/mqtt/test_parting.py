"""The last words of a connection reach a client that was behind, whatever it still says."""

import pytest
from mqtt5 import DisconnectPacket, PubAckPacket, PublishPacket

from pushmesh_node.delivery.mqtt import Limits, link
from support.fake_inboxes import a_notification
from support.mqtt_talk import listening
from support.mqtt_world import World, a_connect, running
from support.until import until

MANY = 8_000


async def test_a_client_that_took_no_bytes_hears_why_it_ends_though_it_confirms_what_it_reads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(link, "GOODBYE_S", 60.0)
    world = World()
    world.inboxes.commit(*[a_notification(number, text="x" * 200) for number in range(1, MANY)])
    limits = Limits(write_timeout_s=0.1, acknowledge_after_s=0.0, outbound_window=MANY)
    async with running(world, limits) as endpoint:
        client = await listening(endpoint, a_connect(clean_start=False))
        await until(lambda: ("end", "slow-consumer") in world.seen)
        read = 0
        while isinstance(packet := await client.read(), PublishPacket):
            assert packet.packet_id is not None
            await client.send(PubAckPacket(packet.packet_id))
            read += 1
        assert isinstance(packet, DisconnectPacket)
        assert dict(packet.user_properties)["reason"] == "slow-consumer"
        assert 0 < read < MANY
        await client.close()
        await until(lambda: endpoint.connections == 0)
