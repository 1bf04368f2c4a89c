"""What strangers and thieves try at the endpoint, over real sockets."""

from collections.abc import Callable

import pytest
from mqtt5 import (
    AuthPacket,
    AuthReasonCode,
    DisconnectReasonCode,
    PingReqPacket,
    PingRespPacket,
    PubAckPacket,
    PubAckReasonCode,
    PublishPacket,
    QoS,
    SubAckPacket,
    SubAckReasonCode,
    SubscribePacket,
    TopicFilter,
)

from pushmesh_node.delivery.mqtt import Limits
from pushmesh_protocol.accounts import Topic, display_account, display_topic
from support.fake_inboxes import DAPP, a_notification
from support.mqtt_talk import connected, last_words, listening, publish_of
from support.mqtt_world import (
    ALICE,
    MALLORY,
    RawClient,
    World,
    a_connect,
    a_frame,
    a_token,
    running,
    until,
)

Code = DisconnectReasonCode


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: example.org\r\nUser-Agent: a browser that took a wrong turn\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",
        b"\x00" * 64,
        PingReqPacket().write(),
        b"\x10\xff\xff\xff\x7f",
    ],
)
async def test_garbage_in_place_of_connect_is_cut_and_counted(garbage: bytes) -> None:
    world = World()
    async with running(world) as endpoint:
        client = await RawClient.dial(endpoint.port)
        await client.send(garbage)
        assert await client.raw() == b""
        await until(lambda: endpoint.connections == 0)
        assert world.seen in ([("end", "malformed")], [("end", "oversize")])
        await (await connected(endpoint)).close()


async def test_a_connection_that_never_logs_in_is_cut() -> None:
    world = World()
    async with running(world, Limits(connect_timeout_s=0.05)) as endpoint:
        silent, half = await RawClient.dial(endpoint.port), await RawClient.dial(endpoint.port)
        await half.send(a_connect().write()[:20])
        assert [await silent.raw(), await half.raw()] == [b"", b""]
        assert world.seen == [("end", "timeout")] * 2


async def test_more_connections_than_allowed_are_cut_and_counted() -> None:
    world = World()
    async with running(world, Limits(connections_per_host=2)) as endpoint:
        held = [await connected(endpoint, a_connect(name)) for name in "ab"]
        third = await RawClient.dial(endpoint.port)
        assert await is_cut(third)
        assert world.seen == [("connect", "too-many-connections")]
        await held[0].close()
        await until(lambda: endpoint.connections == 1)
        held.append(await connected(endpoint, a_connect("c")))
        for client in held[1:]:
            await client.close()


async def is_cut(client: RawClient) -> bool:
    try:
        return await client.raw() == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize(
    ("packet", "code"),
    [
        (lambda: b"\x30\xff\xff\xff\x7f", Code.PACKET_TOO_LARGE),
        (lambda: b"\x00\x00", Code.PROTOCOL_ERROR),
        (lambda: b"\x32\x04\x00\x09ab", Code.MALFORMED_PACKET),
        (a_connect, Code.PROTOCOL_ERROR),
        (lambda: PublishPacket("pushmesh/inbox", b"spoof"), Code.NOT_AUTHORIZED),
        (lambda: PublishPacket("pushmesh/ack", b"{"), Code.PAYLOAD_FORMAT_INVALID),
        (lambda: PublishPacket("pushmesh/publish", b"", retain=True), Code.RETAIN_NOT_SUPPORTED),
        (lambda: PublishPacket("a", b"", qos=QoS.EXACTLY_ONCE, packet_id=1), Code.QOS_NOT_SUPPORTED),
        (lambda: PublishPacket("pushmesh/publish", b"", topic_alias=17), Code.TOPIC_ALIAS_INVALID),
        (lambda: SubscribePacket(1, [TopicFilter("a")], subscription_id=1), Code.SUBSCRIPTION_IDS_NOT_SUPPORTED),
        (lambda: AuthPacket(reason_code=AuthReasonCode.RE_AUTHENTICATE), Code.PROTOCOL_ERROR),
    ],
)
async def test_what_breaks_the_protocol_ends_the_connection_with_its_code(
    packet: Callable[[], PublishPacket | bytes], code: DisconnectReasonCode
) -> None:
    world = World()
    async with running(world) as endpoint:
        client = await connected(endpoint)
        await client.send(packet())
        words = await last_words(client)
        assert words.reason_code == code and words.reason_str
        assert len(world.seen) == 1 and world.seen[0][1] != "ok"
        await (await connected(endpoint)).close()
    assert world.published == []


async def test_publishing_elsewhere_and_subscribing_elsewhere_is_refused_and_the_connection_lives() -> None:
    world = World()
    foreign = f"pushmesh/inbox/{display_account(MALLORY)}"
    filters = [
        "#",
        "+/inbox",
        "pushmesh/+",
        "pushmesh/inbox/+/alerts",
        "pushmesh/publish",
        foreign,
        "$SYS/broker",
        "$share/g/pushmesh/inbox",
    ]
    codes = SubAckReasonCode
    async with running(world) as endpoint:
        client = await connected(endpoint)
        await client.send(SubscribePacket(1, [TopicFilter(each) for each in filters]))
        granted = await client.read()
        assert isinstance(granted, SubAckPacket)
        assert granted.reason_codes == [
            *[codes.WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED] * 4,
            *[codes.NOT_AUTHORIZED] * 3,
            codes.SHARED_SUBSCRIPTIONS_NOT_SUPPORTED,
        ]
        await client.send(PublishPacket(foreign, b"x", qos=QoS.AT_LEAST_ONCE, packet_id=9))
        refused = await client.read()
        assert isinstance(refused, PubAckPacket)
        assert (refused.packet_id, refused.reason_code) == (9, PubAckReasonCode.NOT_AUTHORIZED)
        assert "pushmesh/publish" in (refused.reason_str or "")
        assert world.refused == ["forbidden"] * 9
        await client.send(PingReqPacket())
        assert isinstance(await client.read(), PingRespPacket)
        await client.close()
    assert world.seen.count(("subscribe", "forbidden")) == 8
    assert ("publish", "forbidden") in world.seen


async def test_a_token_reads_and_publishes_within_its_scope_only() -> None:
    world = World()
    mine, other = Topic(DAPP, "alerts"), Topic(DAPP, "other")
    token = a_token(scopes=[1], topics=[mine]).encode()
    async with running(world) as endpoint:
        client = await connected(endpoint, a_connect(password=token))
        await client.send(
            SubscribePacket(1, [TopicFilter(f"pushmesh/inbox/{display_topic(each)}") for each in (mine, other)])
        )
        granted = await client.read()
        assert isinstance(granted, SubAckPacket)
        assert granted.reason_codes == [SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE, SubAckReasonCode.NOT_AUTHORIZED]
        await client.send(
            PublishPacket("pushmesh/publish", a_frame(a_notification(1)), qos=QoS.AT_LEAST_ONCE, packet_id=2)
        )
        refused = await client.read()
        assert isinstance(refused, PubAckPacket) and refused.reason_code == PubAckReasonCode.NOT_AUTHORIZED
        assert dict(refused.user_properties) == {"reason": "forbidden", "rule": "11.3"}
        await client.close()
    assert world.published == []


async def test_a_forged_puback_moves_nothing() -> None:
    world = World()
    world.inboxes.commit(*[a_notification(number) for number in range(1, 4)])
    async with running(world) as endpoint:
        client = await listening(endpoint, a_connect(clean_start=False))
        for number in range(1, 4):
            assert (await publish_of(client)).packet_id == number
        await client.send(PubAckPacket(77), PubAckPacket(3), PubAckPacket(2), PubAckPacket(2), PingReqPacket())
        assert isinstance(await client.read(), PingRespPacket)
        assert world.seen == [("puback", "not-found")] * 2
        assert world.inboxes.devices == {}
        await client.send(PubAckPacket(1))
        await until(lambda: world.inboxes.devices.get((ALICE, "phone")) == 3)
        await client.close()
