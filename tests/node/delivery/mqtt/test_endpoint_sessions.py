"""What a client finds again on its next connection, and in which form, over real sockets."""

import asyncio
from typing import Any

from mqtt5 import (
    ConnAckPacket,
    ConnAckReasonCode,
    ConnectPacket,
    DisconnectReasonCode,
    PingReqPacket,
    PingRespPacket,
    PubAckPacket,
    SubAckPacket,
    SubscribePacket,
    TopicFilter,
)

from pushmesh_node.engine.answers import Principal
from pushmesh_protocol.accounts import Topic, display_account, display_topic
from pushmesh_protocol.frames import open_publish
from pushmesh_protocol.reasons import Reason
from support.fake_inboxes import DAPP, NETWORK, FakeInboxes, a_notification
from support.mqtt_talk import INCARNATION, connected, last_words, listening, publish_of
from support.mqtt_world import (
    ALICE,
    MALLORY,
    RawClient,
    World,
    a_connect,
    a_token,
    running,
    until,
)

Code = DisconnectReasonCode


def again_and_again(**changes: Any) -> ConnectPacket:
    return a_connect(clean_start=False, session_expiry_interval=600, **changes)


async def test_a_lost_connection_repeats_what_was_not_acknowledged_and_nothing_else() -> None:
    world = World()
    world.inboxes.commit(*[a_notification(number) for number in range(1, 6)])
    async with running(world) as endpoint:
        client = await listening(endpoint, again_and_again(receive_max=3))
        first = [await publish_of(client) for _ in range(3)]
        await client.send(PubAckPacket(first[0].packet_id or 0), PubAckPacket(first[2].packet_id or 0))
        later = [(await publish_of(client)).packet_id for _ in range(2)]
        await client.close()
        await until(lambda: world.inboxes.devices.get((ALICE, "phone")) == 1)
        await until(lambda: endpoint.connections == 0)

        again = await RawClient.dial(endpoint.port)
        await again.send(again_and_again(receive_max=3))
        answer = await again.read()
        assert isinstance(answer, ConnAckPacket) and answer.session_present
        repeated = [await publish_of(again) for _ in range(3)]
        cursors = [dict(each.user_properties)["cursor"] for each in repeated]
        assert cursors == [f"{INCARNATION}.{number}" for number in (2, 4, 5)], "the third was acknowledged"
        assert [each.duplicate for each in repeated] == [True, True, True]
        assert [each.packet_id for each in repeated] == [first[1].packet_id, *later]
        await again.send(*[PubAckPacket(each.packet_id or 0) for each in repeated])
        await until(lambda: world.inboxes.devices.get((ALICE, "phone")) == 5)
        world.inboxes.commit(a_notification(6))
        fresh = await publish_of(again)
        assert not fresh.duplicate and fresh.packet_id not in {each.packet_id for each in repeated}
        await again.close()


async def test_after_a_restart_of_the_node_the_session_is_new_but_goes_on_after_the_acknowledged() -> None:
    world = World()
    world.inboxes.commit(a_notification(1), a_notification(2))
    async with running(world) as endpoint:
        client = await listening(endpoint, again_and_again())
        await client.send(PubAckPacket((await publish_of(client)).packet_id or 0))
        await until(lambda: world.inboxes.devices.get((ALICE, "phone")) == 1)
    async with running(world) as endpoint:
        again = await RawClient.dial(endpoint.port)
        await again.send(again_and_again(), SubscribePacket(1, [TopicFilter("pushmesh/inbox")]))
        answer = await again.read()
        assert isinstance(answer, ConnAckPacket) and not answer.session_present
        assert isinstance(await again.read(), SubAckPacket)
        assert dict((await publish_of(again)).user_properties)["cursor"] == f"{INCARNATION}.2"
        await again.close()


async def test_a_clean_start_hears_only_what_comes_and_a_cursor_chooses_any_place() -> None:
    world = World()
    world.inboxes.commit(a_notification(1), a_notification(2))
    async with running(world) as endpoint:
        fresh = await listening(endpoint)
        chosen = await listening(endpoint, a_connect("other", user_properties=[("cursor", f"{INCARNATION}.1")]))
        world.inboxes.commit(a_notification(3))
        assert dict((await publish_of(fresh)).user_properties)["id"] == a_notification(3).id.hex()
        assert dict((await publish_of(chosen)).user_properties)["id"] == a_notification(2).id.hex()
        await fresh.close()
        await chosen.close()


async def test_a_cursor_of_another_store_is_told_as_a_gap() -> None:
    world = World()
    world.inboxes.commit(a_notification(1))
    async with running(world) as endpoint:
        client = await listening(endpoint, a_connect(user_properties=[("cursor", f"{'cd' * 16}.9")]))
        notice = await publish_of(client)
        assert notice.payload == b"" and dict(notice.user_properties)["kind"] == "gap"
        assert dict((await publish_of(client)).user_properties)["id"] == a_notification(1).id.hex()
        await client.close()


async def test_the_same_client_takes_over_its_own_session() -> None:
    world = World()
    world.inboxes.commit(a_notification(1))
    async with running(world) as endpoint:
        older = await listening(endpoint, again_and_again())
        await older.send(PubAckPacket((await publish_of(older)).packet_id or 0), PingReqPacket())
        assert isinstance(await older.read(), PingRespPacket)
        newer = await connected(endpoint, again_and_again())
        assert (await last_words(older)).reason_code == Code.SESSION_TAKEN_OVER
        assert world.inboxes.devices[(ALICE, "phone")] == 1, "what the older one acknowledged is stored first"
        world.inboxes.commit(a_notification(2))
        assert dict((await publish_of(newer)).user_properties)["id"] == a_notification(2).id.hex()
        assert endpoint.connections == 1
        await newer.close()


async def test_another_wallet_with_the_same_client_id_takes_over_nothing() -> None:
    world = World()
    async with running(world) as endpoint:
        alice = await listening(endpoint)
        token = a_token(MALLORY).encode()
        mallory = await connected(endpoint, a_connect(username=display_account(MALLORY), password=token))
        await alice.send(PingReqPacket())
        assert isinstance(await alice.read(), PingRespPacket)
        await mallory.close()
        await alice.close()


async def test_a_token_that_opens_less_takes_over_nothing_and_finds_no_session_of_one_that_opens_more() -> None:
    world = World()
    topic = Topic(DAPP, "alerts")
    world.inboxes.commit(a_notification(1))
    async with running(world) as endpoint:
        phone = await listening(endpoint, again_and_again())
        await publish_of(phone)
        for token in (a_token(topics=[topic]), a_token(scopes=[2])):
            other = await RawClient.dial(endpoint.port)
            await other.send(a_connect(clean_start=False, password=token.encode()))
            answer = await other.read()
            assert isinstance(answer, ConnAckPacket) and not answer.session_present
            await phone.send(PingReqPacket())
            assert isinstance(await phone.read(), PingRespPacket)
            await other.close()
        await phone.close()
        await until(lambda: endpoint.connections == 0)
        writer = await RawClient.dial(endpoint.port)
        await writer.send(again_and_again(password=a_token(scopes=[2]).encode()), PingReqPacket())
        answer = await writer.read()
        assert isinstance(answer, ConnAckPacket) and not answer.session_present
        assert isinstance(await writer.read(), PingRespPacket), "what may not read is sent nothing"
        await writer.close()


async def test_a_topic_is_named_once_to_a_client_that_takes_aliases() -> None:
    world = World()
    async with running(world) as endpoint:
        client = await connected(endpoint, a_connect(topic_alias_max=1))
        await client.send(SubscribePacket(1, [TopicFilter("pushmesh/inbox/#")]))
        await client.read()
        world.inboxes.commit(a_notification(1), a_notification(2), a_notification(3, "news"), a_notification(4))
        packets = [await publish_of(client) for _ in range(4)]
        alerts, news = (f"pushmesh/inbox/{display_topic(Topic(DAPP, name))}" for name in ("alerts", "news"))
        named = [(each.topic, each.topic_alias) for each in packets]
        assert named == [(alerts, 1), ("", 1), (news, None), ("", 1)], "there is room for one alias"
        await client.close()


async def test_a_subscriber_of_frames_can_verify_what_it_gets() -> None:
    world = World()
    async with running(world) as endpoint:
        client = await connected(endpoint)
        await client.send(SubscribePacket(1, [TopicFilter("pushmesh/inbox")], user_properties=[("format", "frame")]))
        await client.read()
        world.inboxes.commit(a_notification(1))
        packet = await publish_of(client)
        assert packet.content_type == "application/vnd.pushmesh.frame"
        (envelope,) = open_publish(NETWORK, packet.payload).envelopes()
        assert envelope == a_notification(1)
        await client.close()


async def test_a_connection_that_ends_or_is_refused_before_it_is_open_leaves_the_session_to_the_next() -> None:
    asked, told = asyncio.Event(), asyncio.Event()

    class Slow(FakeInboxes):
        async def acknowledged(self, principal: Principal, device: str) -> int | None:
            asked.set()
            await told.wait()
            return await super().acknowledged(principal, device)

    world = World(Slow())
    async with running(world) as endpoint:
        told.set()
        await (await listening(endpoint, again_and_again())).close()
        await until(lambda: endpoint.connections == 0)

        asked.clear()
        told.clear()
        gone = await RawClient.dial(endpoint.port)
        await gone.send(again_and_again())
        await asked.wait()
        world.consumers.end(lambda _: True, Reason.GRANT_REVOKED, "the key was revoked")
        told.set()
        await until(lambda: endpoint.connections == 0)

        refused = await RawClient.dial(endpoint.port)
        await refused.send(again_and_again(user_properties=[("cursor", "no cursor")]))
        answer = await refused.read()
        assert isinstance(answer, ConnAckPacket) and answer.reason_code != ConnAckReasonCode.SUCCESS

        again = await RawClient.dial(endpoint.port)
        await again.send(again_and_again())
        answer = await again.read()
        assert isinstance(answer, ConnAckPacket) and answer.session_present
        await again.close()


async def test_a_clean_start_gives_the_session_up_for_good() -> None:
    world = World()
    async with running(world) as endpoint:
        await (await listening(endpoint, again_and_again())).close()
        await until(lambda: endpoint.connections == 0)
        for connect in (a_connect(), again_and_again()):
            client = await RawClient.dial(endpoint.port)
            await client.send(connect)
            answer = await client.read()
            assert isinstance(answer, ConnAckPacket) and not answer.session_present
            world.inboxes.commit(a_notification(1))
            await client.send(PingReqPacket())
            assert isinstance(await client.read(), PingRespPacket), "nothing is subscribed to"
            await client.close()
            await until(lambda: endpoint.connections == 0)


async def test_a_session_that_began_with_what_comes_does_not_go_on_before_that() -> None:
    world = World()
    world.inboxes.commit(a_notification(1), a_notification(2))
    async with running(world) as endpoint:
        await (await listening(endpoint, a_connect(session_expiry_interval=600))).close()
        await until(lambda: endpoint.connections == 0)
        world.inboxes.commit(a_notification(3))
        again = await connected(endpoint, again_and_again())
        assert dict((await publish_of(again)).user_properties)["cursor"] == f"{INCARNATION}.3"
        await again.close()


async def test_whoever_took_over_is_taken_over_in_its_turn() -> None:
    async with running(World()) as endpoint:
        clients = [await connected(endpoint, again_and_again()) for _ in range(3)]
        for older in clients[:2]:
            assert (await last_words(older)).reason_code == Code.SESSION_TAKEN_OVER
        await until(lambda: endpoint.connections == 1)
        await clients[2].close()
