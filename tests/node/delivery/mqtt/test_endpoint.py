"""The endpoint over real sockets, with Mosquitto's clients, aiomqtt and a raw client; and what attackers try."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from mqtt5 import (
    AuthPacket,
    AuthReasonCode,
    ConnAckPacket,
    ConnAckReasonCode,
    ConnectPacket,
    DisconnectPacket,
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
    Will,
)
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from pushmesh_node.delivery.mqtt import Limits, MqttEndpoint
from pushmesh_protocol.accounts import Topic, display_account, display_topic
from pushmesh_protocol.frames import open_publish
from support.fake_inboxes import DAPP, NETWORK, a_notification
from support.mqtt_world import (
    ALICE,
    ALICE_KEY,
    MALLORY,
    MALLORY_KEY,
    QUICK,
    RawClient,
    World,
    a_connect,
    a_frame,
    a_login,
    a_token,
    running,
    until,
)

INCARNATION = "ab" * 16
Code = DisconnectReasonCode
OUTCOME = {"id": None, "level": "durable", "reason": "ok", "rule": "", "detail": "", "commit_no": None}


async def connected(endpoint: MqttEndpoint, connect: ConnectPacket | None = None) -> RawClient:
    client = await RawClient.dial(endpoint.port)
    await client.send(a_connect() if connect is None else connect)
    answer = await client.read()
    assert isinstance(answer, ConnAckPacket) and answer.reason_code == ConnAckReasonCode.SUCCESS, answer
    return client


async def listening(
    endpoint: MqttEndpoint, connect: ConnectPacket | None = None, qos: QoS = QoS.AT_LEAST_ONCE
) -> RawClient:
    client = await connected(endpoint, connect)
    await client.send(SubscribePacket(1, [TopicFilter("pushmesh/inbox", max_qos=qos)]))
    assert isinstance(await client.read(), SubAckPacket)
    return client


async def publish_of(client: RawClient) -> PublishPacket:
    packet = await client.read()
    assert isinstance(packet, PublishPacket), packet
    return packet


async def last_words(client: RawClient) -> DisconnectPacket:
    packet = await client.read()
    assert isinstance(packet, DisconnectPacket), packet
    assert await client.read() is None
    return packet


async def run(program: Path, endpoint: MqttEndpoint, *arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        program, "-V", "5", "-h", "127.0.0.1", "-p", str(endpoint.port), *arguments,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(30):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


def as_alice() -> list[str]:
    return ["-u", display_account(ALICE), "-P", a_token()]


# Independent clients.


@pytest.mark.integration
async def test_mosquitto_sub_reads_the_inbox_and_its_acknowledgements_move_the_cursor(
    requires: Callable[[str], Path],
) -> None:
    world = World()
    world.inboxes.commit(a_notification(1), None, a_notification(2))
    async with running(world) as endpoint:
        arguments = ["-i", "phone", "-c", "-q", "1", "-t", "pushmesh/inbox", "-C", "2", "-F", "%t|%m|%E|%P|%p"]
        code, out, _ = await run(requires("mosquitto_sub"), endpoint, *as_alice(), *arguments)
        assert code == 0
        await until(lambda: world.inboxes.devices.get((ALICE, "phone")) == 3)
    lines = [line.split("|") for line in out.splitlines()]
    assert [json.loads(line[4])["fields"]["title"] for line in lines] == ["Note 1 ", "Note 2 "]
    first = lines[0]
    assert first[0] == "pushmesh/inbox" and 86_000 < int(first[2]) <= 86_400
    assert f"id:{a_notification(1).id.hex()} cursor:{INCARNATION}.1 verdict:now reason:subscribed" in first[3]
    assert len(world.inboxes.handed_over) == 2


@pytest.mark.integration
async def test_mosquitto_sub_comes_back_and_goes_on_where_it_was(requires: Callable[[str], Path]) -> None:
    world = World()
    world.inboxes.commit(a_notification(1))
    arguments = ["-i", "phone", "-c", "-q", "1", "-t", "pushmesh/inbox/#", "-C", "1", "-F", "%t"]
    async with running(world) as endpoint:
        for number in (2, 3):
            _, out, _ = await run(requires("mosquitto_sub"), endpoint, *as_alice(), *arguments)
            assert out.strip() == f"pushmesh/inbox/{display_topic(Topic(DAPP, 'alerts'))}"
            await until(lambda: world.inboxes.devices.get((ALICE, "phone")) == len(world.inboxes.messages))
            world.inboxes.commit(a_notification(number))
    assert [each for _, each in world.inboxes.handed_over] == [a_notification(1).id, a_notification(2).id]


@pytest.mark.integration
async def test_mosquitto_pub_publishes_a_frame_and_is_told_when_it_is_durable(
    requires: Callable[[str], Path], tmp_path: Path
) -> None:
    world = World()
    (tmp_path / "frame").write_bytes(a_frame(a_notification(5), a_notification(6)))
    arguments = ["-q", "1", "-t", "pushmesh/publish", "-f", str(tmp_path / "frame")]
    async with running(world) as endpoint:
        code, _, err = await run(requires("mosquitto_pub"), endpoint, *as_alice(), *arguments)
    assert (code, err) == (0, "")
    assert [each.id for each in world.published] == [a_notification(5).id, a_notification(6).id]


@pytest.mark.integration
async def test_mosquitto_pub_of_version_3_1_1_is_told_in_its_own_form(requires: Callable[[str], Path]) -> None:
    world = World()
    async with running(world) as endpoint:
        arguments = ["-V", "311", "-t", "pushmesh/publish", "-m", "x"]
        code, _, err = await run(requires("mosquitto_pub"), endpoint, *as_alice(), *arguments)
    assert code != 0 and "unacceptable protocol version" in err
    assert ("end", "bad-request") in world.seen


async def test_aiomqtt_publishes_and_reads_the_outcomes_and_the_message() -> None:
    world = World()
    async with running(world) as endpoint:
        async with aiomqtt.Client(
            "127.0.0.1", endpoint.port, username=display_account(ALICE), password=a_login(),
            protocol=aiomqtt.ProtocolVersion.V5, identifier="laptop",
        ) as client:  # fmt: skip
            await client.subscribe("pushmesh/receipts/laptop", qos=1)
            await client.subscribe("pushmesh/inbox", qos=1)
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho has no types here
            properties.ResponseTopic = "pushmesh/receipts/laptop"
            properties.CorrelationData = b"seven"
            await client.publish("pushmesh/publish", a_frame(a_notification(7)), qos=1, properties=properties)
            received = {}
            async with asyncio.timeout(20):
                async for message in client.messages:
                    received[str(message.topic)] = message
                    if len(received) == 2:
                        break
    receipt = received["pushmesh/receipts/laptop"]
    assert getattr(receipt.properties, "CorrelationData", None) == b"seven"
    assert json.loads(bytes(receipt.payload)) == {
        "outcomes": [
            {
                "id": a_notification(7).id.hex(),
                "level": "durable",
                "reason": "ok",
                "rule": "",
                "detail": "",
                "commit_no": 1,
            }
        ]
    }
    assert json.loads(bytes(received["pushmesh/inbox"].payload))["id"] == a_notification(7).id.hex()


# Logging in.


async def test_a_wallet_that_asks_for_the_challenge_logs_in_within_mqtt() -> None:
    world = World()
    async with running(world) as endpoint:
        client = await RawClient.dial(endpoint.port)
        await client.send(ConnectPacket("phone", authentication_method="pushmesh-login"))
        asked = await client.read()
        assert isinstance(asked, AuthPacket) and asked.reason_code == AuthReasonCode.CONTINUE_AUTHENTICATION
        shown = json.loads(asked.authentication_data or b"")
        assert shown["network"] == NETWORK.id.hex()
        login = a_login(node_id=bytes.fromhex(shown["node_id"]))
        await client.send(
            AuthPacket(
                reason_code=AuthReasonCode.CONTINUE_AUTHENTICATION,
                authentication_method="pushmesh-login",
                authentication_data=login.encode(),
            )
        )
        answer = await client.read()
        assert isinstance(answer, ConnAckPacket)
        assert (answer.reason_code, answer.authentication_method) == (ConnAckReasonCode.SUCCESS, "pushmesh-login")
        assert dict(answer.user_properties)["incarnation"] == INCARNATION
        await client.close()


BAD, DENIED = ConnAckReasonCode.BAD_USER_NAME_OR_PASSWORD, ConnAckReasonCode.NOT_AUTHORIZED


@pytest.mark.parametrize(
    ("connect", "code", "word"),
    [
        (lambda: ConnectPacket("phone"), DENIED, "user name"),
        (lambda: a_connect(password=None), DENIED, "password"),
        (lambda: a_connect(username="alice"), BAD, "no account"),
        (lambda: a_connect(username=display_account(MALLORY)), BAD, "another account"),
        (lambda: a_connect(password=b"guess"), BAD, ""),
        (lambda: a_connect(password=b"\xff\xfe"), BAD, "base64url"),
        (lambda: a_connect(password=a_login(MALLORY_KEY).encode()), BAD, "another account"),
        (lambda: a_connect(password=a_login(host="evil.example.org").encode()), BAD, "host"),
        (lambda: a_connect(password=a_login(node_id=b"\x01" * 32).encode()), BAD, "node id"),
        (lambda: a_connect(password=a_token(life_ms=-1).encode()), BAD, "expires-at"),
        (
            lambda: a_connect(authentication_method="SCRAM"),
            ConnAckReasonCode.BAD_AUTHENTICATION_METHOD,
            "pushmesh-login",
        ),
        (lambda: a_connect(will=Will("a")), ConnAckReasonCode.TOPIC_NAME_INVALID, "will"),
        (lambda: a_connect("x" * 129), ConnAckReasonCode.CLIENT_ID_NOT_VALID, "client id"),
        (lambda: a_connect(user_properties=[("cursor", "yesterday")]), DENIED, "cursor"),
    ],
)
async def test_whoever_proves_nothing_is_refused_with_the_reason(
    connect: Callable[[], ConnectPacket], code: ConnAckReasonCode, word: str
) -> None:
    world = World()
    async with running(world) as endpoint:
        client = await RawClient.dial(endpoint.port)
        await client.send(connect())
        answer = await client.read()
        assert isinstance(answer, ConnAckPacket)
        assert answer.reason_code == code
        assert word in (answer.reason_str or "")
        assert await client.read() is None
        assert len(world.seen) == 1 and world.seen[0][0] == "end" and world.seen[0][1] != "ok"
        await (await connected(endpoint)).close()


async def test_a_login_is_good_for_one_connection() -> None:
    world, login = World(), a_login(ALICE_KEY)
    async with running(world) as endpoint:
        first = await connected(endpoint, a_connect(password=login.encode()))
        second = await RawClient.dial(endpoint.port)
        await second.send(a_connect("other", password=login.encode()))
        answer = await second.read()
        assert isinstance(answer, ConnAckPacket) and (answer.reason_code, answer.reason_str) == (BAD, "nonce")
        await first.close()


# Attacks on the wire.


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
        (lambda: PublishPacket("pushmesh/publish", b"", topic_alias=1), Code.TOPIC_ALIAS_INVALID),
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


# Sessions.


def again_and_again(**changes: Any) -> ConnectPacket:
    return a_connect(clean_start=False, session_expiry_interval=600, **changes)


async def test_a_lost_connection_repeats_what_was_not_acknowledged_and_nothing_else() -> None:
    world = World()
    world.inboxes.commit(*[a_notification(number) for number in range(1, 6)])
    async with running(world) as endpoint:
        client = await listening(endpoint, again_and_again(receive_max=3))
        first = [await publish_of(client) for _ in range(3)]
        await client.send(PubAckPacket(first[0].packet_id or 0), PubAckPacket(first[2].packet_id or 0))
        await publish_of(client), await publish_of(client)
        await client.close()
        await until(lambda: world.inboxes.devices.get((ALICE, "phone")) == 1)
        await until(lambda: endpoint.connections == 0)

        again = await RawClient.dial(endpoint.port)
        await again.send(again_and_again(receive_max=3))
        answer = await again.read()
        assert isinstance(answer, ConnAckPacket) and answer.session_present
        repeated = [dict((await publish_of(again)).user_properties)["cursor"] for _ in range(3)]
        assert repeated == [f"{INCARNATION}.{number}" for number in (2, 3, 4)]
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


# How the node ends a connection.


async def test_a_draining_node_says_so() -> None:
    world = World()
    async with running(world) as endpoint:
        client = await listening(endpoint)
        await endpoint.close()
        words = await last_words(client)
        assert (words.reason_code, dict(words.user_properties)) == (
            Code.SERVER_SHUTTING_DOWN,
            {"reason": "draining"},
        )


async def test_a_revoked_grant_ends_the_connection_even_when_its_window_is_full() -> None:
    world = World()
    world.inboxes.commit(a_notification(1), a_notification(2))
    async with running(world) as endpoint:
        client = await listening(endpoint, a_connect(clean_start=False, receive_max=1))
        await publish_of(client)
        for listener in list(world.inboxes.listeners):
            listener.end("grant-revoked", "the wallet has revoked this key")
        words = await last_words(client)
        assert (words.reason_code, words.reason_str) == (
            Code.NOT_AUTHORIZED,
            "the wallet has revoked this key",
        )
        await until(lambda: world.inboxes.listeners == [])


async def test_a_token_that_expires_ends_the_connection() -> None:
    world = World()
    async with running(world) as endpoint:
        client = await connected(endpoint, a_connect(password=a_token(life_ms=300).encode()))
        words = await last_words(client)
        assert (words.reason_code, words.reason_str) == (
            Code.NOT_AUTHORIZED,
            "the credential has expired",
        )
    assert world.seen == [("end", "expired")]


async def test_a_client_that_falls_silent_is_cut_after_its_keep_alive() -> None:
    world = World()
    async with running(world) as endpoint:
        client = await connected(endpoint, a_connect(keep_alive=1))
        assert (await last_words(client)).reason_code == Code.KEEP_ALIVE_TIMEOUT


async def test_a_fault_of_ours_is_reported_and_the_client_told() -> None:
    world = World()

    async def breaks(*_: object) -> None:
        raise RuntimeError("the directory is on fire")

    world.inboxes.last_vouchers = breaks  # type: ignore[method-assign,assignment]  # a fault cannot come from a good node
    endpoint = world.endpoint(QUICK)
    await endpoint.start("127.0.0.1", 0)
    client = await RawClient.dial(endpoint.port)
    await client.send(a_connect())
    answer = await client.read()
    assert isinstance(answer, ConnAckPacket) and answer.reason_code == ConnAckReasonCode.UNSPECIFIED_ERROR
    assert "fire" not in (answer.reason_str or "")
    await endpoint.close()
    await client.close()
    assert [str(fault) for fault in world.faults] == ["the directory is on fire"]


async def test_the_consumers_of_all_transports_end_together() -> None:
    world = World()
    async with running(world) as endpoint:
        client = await listening(endpoint)
        await until(lambda: len(world.consumers) == 1)
        world.consumers.drain()
        assert (await last_words(client)).reason_code == Code.SERVER_SHUTTING_DOWN
        await until(lambda: len(world.consumers) == 0)
        late = await listening(endpoint)
        assert (await last_words(late)).reason_code == Code.SERVER_SHUTTING_DOWN


# Forms.


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
