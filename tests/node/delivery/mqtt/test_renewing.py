"""A new log-in on an open connection: what the client may say when, and that it opens no more than before."""

import json
from dataclasses import replace

import pytest
from mqtt5 import (
    AuthPacket,
    AuthReasonCode,
    DisconnectPacket,
    DisconnectReasonCode,
    PingReqPacket,
    PingRespPacket,
    SubscribePacket,
    TopicFilter,
)

from pushmesh_node.delivery.mqtt.limits import About, Limits
from pushmesh_node.delivery.mqtt.renewing import Renewal
from pushmesh_node.delivery.mqtt.wire import Broken
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.reasons import Reason
from support.fake_inboxes import DAPP, a_notification, a_principal
from support.mqtt_talk import connected, last_words, publish_of
from support.mqtt_world import ALICE, MALLORY, RawClient, World, a_connect, a_login, a_token, running

METHOD = "pushmesh-login"
ABOUT = About(b"\x0e" * 32, b"\x0f" * 32, b"\xab" * 16)
AGAIN, GO_ON = AuthReasonCode.RE_AUTHENTICATE, AuthReasonCode.CONTINUE_AUTHENTICATION


def auth(code: AuthReasonCode, data: bytes | None = None, method: str | None = METHOD) -> AuthPacket:
    return AuthPacket(reason_code=code, authentication_method=method, authentication_data=data)


def a_renewal(method: str | None = METHOD) -> Renewal:
    return Renewal(ABOUT, method, 10_000)


def test_a_log_in_comes_at_once_or_after_a_challenge() -> None:
    assert a_renewal().take(auth(AGAIN, b"word"), 5) == "word"
    renewal = a_renewal()
    asked = renewal.take(auth(AGAIN), 5)
    assert isinstance(asked, AuthPacket) and asked.reason_code == GO_ON
    assert json.loads(asked.authentication_data or b"")["node_id"] == "0e" * 32
    assert renewal.take(auth(GO_ON, b"word"), 6) == "word"
    assert renewal.deadline_ms == 10_005, "the time runs from the beginning, and while it is checked"


@pytest.mark.parametrize(
    ("method", "packets"),
    [
        (None, [auth(AGAIN, b"word")]),
        (METHOD, [auth(AGAIN, b"word", "other")]),
        (METHOD, [auth(AGAIN, b"word", None)]),
        (METHOD, [auth(GO_ON, b"word")]),
        (METHOD, [auth(AuthReasonCode.SUCCESS, b"word")]),
        (METHOD, [auth(AGAIN), auth(AGAIN, b"word")]),
        (METHOD, [auth(AGAIN, b"word"), auth(AGAIN, b"word")]),
        (METHOD, [auth(AGAIN, b"\xff")]),
    ],
)
def test_what_does_not_belong_there_is_a_broken_protocol(method: str | None, packets: list[AuthPacket]) -> None:
    renewal = a_renewal(method)
    answers = [renewal.take(packet, 5) for packet in packets]
    assert isinstance(answers[-1], Broken) and not any(isinstance(answer, Broken) for answer in answers[:-1])
    assert answers[-1].code == DisconnectReasonCode.PROTOCOL_ERROR


def test_it_renews_and_changes_neither_the_wallet_nor_what_it_reads() -> None:
    before = a_principal()
    renewal = a_renewal()
    renewal.take(auth(AGAIN, b"word"), 5)
    answer = renewal.succeed(before, replace(before, token=b"\x01" * 32))
    assert isinstance(answer, AuthPacket) and answer.reason_code == AuthReasonCode.SUCCESS
    assert renewal.deadline_ms is None
    assert renewal.take(auth(AGAIN, b"word"), 6) == "word", "and again"
    for after in (
        a_principal(MALLORY),
        replace(before, topics=frozenset[Topic]()),
        replace(before, permissions=frozenset()),
    ):
        assert renewal.succeed(before, after) is Reason.FORBIDDEN


async def by_method(world_port: int, credential: str) -> RawClient:
    client = await RawClient.dial(world_port)
    data = credential.encode()
    await client.send(a_connect(username=None, password=None, authentication_method=METHOD, authentication_data=data))
    await client.read()
    return client


async def test_a_connection_lives_on_under_a_newer_token() -> None:
    world = World()
    async with running(world) as endpoint:
        client = await by_method(endpoint.port, a_token(life_ms=700))
        await client.send(SubscribePacket(1, [TopicFilter("pushmesh/inbox")]))
        await client.read()
        (listener,) = world.inboxes.listeners
        before = listener.principal
        await client.send(auth(AGAIN, a_token(life_ms=60_000).encode()))
        answer = await client.read()
        assert isinstance(answer, AuthPacket) and answer.reason_code == AuthReasonCode.SUCCESS
        assert listener.principal.token != before.token
        renewed_until = listener.principal.expires_at or 0
        world.consumers.end(
            lambda who: who.expires_at is not None and who.expires_at < renewed_until,
            Reason.EXPIRED,
            "the older token expired",
        )
        world.inboxes.commit(a_notification(1))
        assert dict((await publish_of(client)).user_properties)["id"] == a_notification(1).id.hex()
        world.consumers.end(lambda who: who.account == ALICE, Reason.EXPIRED, "the newer token expired")
        assert (await last_words(client)).reason_str == "the newer token expired"


async def test_a_client_may_ask_for_the_challenge_again_and_be_served_meanwhile() -> None:
    world = World()
    async with running(world) as endpoint:
        client = await by_method(endpoint.port, a_login())
        await client.send(auth(AGAIN), PingReqPacket())
        challenge = await client.read()
        assert isinstance(challenge, AuthPacket)
        assert json.loads(challenge.authentication_data or b"")["purpose"] == "mqtt"
        assert isinstance(await client.read(), PingRespPacket)
        await client.send(auth(GO_ON, a_login().encode()))
        answer = await client.read()
        assert isinstance(answer, AuthPacket) and answer.reason_code == AuthReasonCode.SUCCESS


@pytest.mark.parametrize(
    ("credential", "reason"),
    [
        (lambda: a_token(MALLORY), "forbidden"),
        (lambda: a_token(topics=[Topic(DAPP, "alerts")]), "forbidden"),
        (lambda: a_token(life_ms=-1), "bad-token"),
        (lambda: "nonsense", "malformed"),
    ],
)
async def test_a_log_in_that_is_not_as_good_ends_the_connection(credential: object, reason: str) -> None:
    world = World()
    async with running(world) as endpoint:
        client = await by_method(endpoint.port, a_token())
        assert callable(credential)
        await client.send(auth(AGAIN, credential().encode()))
        words = await last_words(client)
        assert words.reason_code == DisconnectReasonCode.NOT_AUTHORIZED
        assert dict(words.user_properties) == {"reason": reason}
    assert world.seen == [("end", reason)]


async def test_a_client_that_came_with_a_password_cannot() -> None:
    world = World()
    async with running(world) as endpoint:
        client = await connected(endpoint)
        await client.send(auth(AGAIN, a_token().encode()))
        assert (await last_words(client)).reason_code == DisconnectReasonCode.PROTOCOL_ERROR


async def test_a_challenge_that_is_not_answered_ends_the_connection() -> None:
    world = World()
    async with running(world, Limits(connect_timeout_s=0.1)) as endpoint:
        client = await by_method(endpoint.port, a_token())
        await client.send(auth(AGAIN))
        assert isinstance(await client.read(), AuthPacket)
        words = await client.read()
        assert isinstance(words, DisconnectPacket) and dict(words.user_properties) == {"reason": "timeout"}
