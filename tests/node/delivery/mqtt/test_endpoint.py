"""Coming in and being sent away: the endpoint over real sockets, with a raw client."""

import json
from collections.abc import Callable

import pytest
from mqtt5 import (
    AuthPacket,
    AuthReasonCode,
    ConnAckPacket,
    ConnAckReasonCode,
    ConnectPacket,
    DisconnectReasonCode,
    PingReqPacket,
    PingRespPacket,
    Will,
)

from pushmesh_node.engine.answers import Denied, Principal
from pushmesh_protocol.accounts import display_account
from pushmesh_protocol.hashing import sha256
from pushmesh_protocol.reasons import Reason
from support.fake_inboxes import NETWORK, a_notification
from support.mqtt_talk import INCARNATION, connected, last_words, listening, publish_of
from support.mqtt_world import (
    ALICE,
    ALICE_KEY,
    MALLORY,
    MALLORY_KEY,
    QUICK,
    RawClient,
    World,
    a_connect,
    a_login,
    a_token,
    running,
    until,
)

Code = DisconnectReasonCode


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
        world.consumers.end(lambda who: who.account == ALICE, Reason.GRANT_REVOKED, "the wallet has revoked this key")
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
    await endpoint.listen("127.0.0.1", 0)
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
        late = await RawClient.dial(endpoint.port)
        await late.send(a_connect())
        answer = await late.read()
        assert isinstance(answer, ConnAckPacket)
        assert answer.reason_code == ConnAckReasonCode.USE_ANOTHER_SERVER


async def test_a_client_that_only_publishes_ends_with_its_token_too() -> None:
    world = World()
    async with running(world) as endpoint:
        token = a_token()
        client = await connected(endpoint, a_connect(password=token.encode()))
        other = await connected(endpoint, a_connect("other"))
        assert not world.inboxes.listeners
        digest = sha256(token.encode())
        world.consumers.end(lambda who: who.token == digest, Reason.BAD_TOKEN, "the token was revoked")
        words = await last_words(client)
        assert (words.reason_code, words.reason_str) == (Code.NOT_AUTHORIZED, "the token was revoked")
        assert dict(words.user_properties) == {"reason": "bad-token"}
        await other.send(PingReqPacket())
        assert isinstance(await other.read(), PingRespPacket)
        await other.close()


async def test_an_inbox_that_ends_a_session_ends_the_connection() -> None:
    world = World()
    async with running(world) as endpoint:
        client = await listening(endpoint)
        await until(lambda: len(world.inboxes.listeners) == 1)
        world.inboxes.listeners[0].end("store-failed", "disk full")
        words = await last_words(client)
        assert (words.reason_str, dict(words.user_properties)) == ("disk full", {"reason": "store-failed"})


async def test_the_node_is_told_where_a_log_in_comes_from() -> None:
    world = World()
    async with running(world) as endpoint:
        await (await connected(endpoint)).close()
    assert world.addresses == ["127.0.0.1"]


async def test_who_is_told_to_wait_learns_it_from_connack() -> None:
    world = World()

    async def refuse(_credential: str, _address: str) -> Principal:
        raise Denied(Reason.RATE_LIMITED, "too many log-ins; try again in 3 s", retry_after_s=3)

    world.authenticate = refuse  # type: ignore[method-assign,assignment]  # the node's answer is what the test is about
    async with running(world) as endpoint:
        client = await RawClient.dial(endpoint.port)
        await client.send(a_connect())
        answer = await client.read()
        assert isinstance(answer, ConnAckPacket)
        assert answer.reason_code == ConnAckReasonCode.CONNECTION_RATE_EXCEEDED
        assert answer.reason_str == "too many log-ins; try again in 3 s"
    assert world.seen == [("end", "rate-limited")]
