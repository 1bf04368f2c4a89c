import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSMessage, WSMsgType, WSServerHandshakeError

from pushmesh_node.delivery.following import Change
from pushmesh_node.delivery.service import HttpLimits
from pushmesh_node.delivery.session import SessionLimits
from pushmesh_node.engine.answers import Denied
from pushmesh_protocol.accounts import Topic, display_account, display_topic
from pushmesh_protocol.armor import from_text, to_text
from pushmesh_protocol.codec import pack
from pushmesh_protocol.frames import Part, open_publish
from pushmesh_protocol.reasons import Reason
from support.doors import a_door
from support.fake_inboxes import DAPP, NETWORK, WALLET, a_notification
from support.fake_node import NODE_ID, FakeNode, a_fake_node, bearer, items_json, serving
from support.until import until
from support.vouchers import a_voucher

STORE = "ab" * 16
ALERTS, NEWS = display_topic(Topic(DAPP, "alerts")), display_topic(Topic(DAPP, "news"))


async def hear(stream: ClientWebSocketResponse) -> dict[str, Any]:
    word: dict[str, Any] = await stream.receive_json(timeout=10)
    return word


async def ask(stream: ClientWebSocketResponse, **word: Any) -> dict[str, Any]:
    await stream.send_json(word)
    return await hear(stream)


@asynccontextmanager
async def connected(
    node: FakeNode, name: str = "wallet", **limits: Any
) -> AsyncIterator[tuple[ClientSession, ClientWebSocketResponse]]:
    """A logged-in stream after its welcome."""
    async with serving(node, **limits) as client:
        async with client.ws_connect("/v1/stream", headers=bearer(name)) as stream:
            assert (await hear(stream))["type"] == "welcome"
            yield client, stream


async def closing(stream: ClientWebSocketResponse) -> tuple[dict[str, Any], WSMessage]:
    """The last word, and the close after it."""
    word = await hear(stream)
    return word, await stream.receive(timeout=10)


async def test_a_welcome_tells_the_node_the_store_and_the_last_vouchers() -> None:
    node = a_fake_node()
    node.inboxes.vouchers = [a_voucher(1), a_voucher(2)]
    async with serving(node) as client, client.ws_connect("/v1/stream?auth=wallet") as stream:
        assert await hear(stream) == {
            "type": "welcome",
            "node_id": NODE_ID.hex(),
            "network": NETWORK.display,
            "incarnation": STORE,
            "account": display_account(WALLET),
            "vouchers": [to_text(pack(a_voucher(2)))],
        }
    assert node.addresses == ["127.0.0.1"]


async def test_the_first_word_may_be_the_log_in() -> None:
    node = a_fake_node()
    async with serving(node) as client, client.ws_connect("/v1/stream") as stream:
        assert (await ask(stream, type="login", auth="wallet"))["type"] == "welcome"
        assert (await ask(stream, type="login", auth="wallet"))["reason"] == "bad-request"


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ({"type": "login", "auth": "nobody"}, "bad-login"),
        ({"type": "login", "auth": "writer"}, "forbidden"),
        ({"type": "listen"}, "login-required"),
        ({"type": "sing"}, "bad-request"),
    ],
)
async def test_a_stream_without_a_log_in_is_told_why_and_closed(word: dict[str, Any], reason: str) -> None:
    node = a_fake_node()
    async with serving(node) as client, client.ws_connect("/v1/stream") as stream:
        await stream.send_json(word)
        said, close = await closing(stream)
    assert (said["type"], said["reason"]) == ("end", reason)
    assert (close.type, close.data, close.extra) == (WSMsgType.CLOSE, 1008, reason)


async def test_a_stream_that_says_nothing_is_closed_in_time() -> None:
    node = a_fake_node()
    async with serving(node, http=HttpLimits(login_s=0.05)) as client:
        async with client.ws_connect("/v1/stream") as stream:
            said, close = await closing(stream)
    assert (said["reason"], close.type) == ("timeout", WSMsgType.CLOSE)


async def test_a_wrong_credential_in_the_request_is_refused_before_the_upgrade() -> None:
    node = a_fake_node()
    async with serving(node) as client:
        with pytest.raises(WSServerHandshakeError) as caught:
            await client.ws_connect("/v1/stream", headers=bearer("nobody"))
    assert caught.value.status == 401


async def test_messages_come_from_the_store_then_live_then_new() -> None:
    node = a_fake_node()
    node.inboxes.commit(a_notification(1), a_notification(2))
    async with connected(node) as (_, stream):
        first = await ask(stream, type="listen", cursor=f"{STORE}.1")
        live = await hear(stream)
        node.inboxes.commit(a_notification(3), a_notification(4))
        new = [await hear(stream) for _ in range(2)]
    assert (first["type"], first["cursor"], first["verdict"], first["reason"]) == (
        "message",
        f"{STORE}.2",
        "now",
        "subscribed",
    )
    assert live == {"type": "live", "cursor": f"{STORE}.2"}
    assert [word["cursor"] for word in new] == [f"{STORE}.3", f"{STORE}.4"]
    (part,) = open_publish(NETWORK, from_text(new[1]["frame"])).parts
    assert isinstance(part, Part)
    assert part.envelopes[0] == a_notification(4)
    assert [transport for transport, _ in node.inboxes.handed_over] == ["websocket"] * 3


async def test_who_asks_for_frames_gets_the_same_messages_in_binary_several_in_one() -> None:
    node = a_fake_node()
    node.inboxes.commit(*(a_notification(seq) for seq in range(1, 6)))
    async with connected(node) as (_, stream):
        await stream.send_json({"type": "listen", "cursor": "0", "format": "frames"})
        message = await stream.receive(timeout=10)
        assert message.type is WSMsgType.BINARY
        rows = msgspec.msgpack.decode(message.data)
        assert [row[:3] for row in rows] == [[number, "now", "subscribed"] for number in range(1, 6)]
        parts = [part for row in rows for part in open_publish(NETWORK, row[3]).parts]
        assert parts == [Part((a_notification(seq),)) for seq in range(1, 6)]
        assert (await hear(stream))["type"] == "live"


async def test_a_message_is_encoded_once_however_many_listen() -> None:
    node = a_fake_node()
    async with serving(node) as client:
        streams = [await client.ws_connect("/v1/stream", headers=bearer()) for _ in range(5)]
        for stream in streams:
            await hear(stream)
            assert (await ask(stream, type="listen", cursor="now"))["type"] == "live"
        node.inboxes.commit(a_notification(1))
        for stream in streams:
            assert (await hear(stream))["type"] == "message"
            await stream.close()
    assert node.forms.encoded == 1


async def test_topics_change_while_listening_and_one_bad_topic_spoils_nothing() -> None:
    node = a_fake_node()
    async with connected(node) as (_, stream):
        error = await ask(stream, type="listen", cursor="now", topics=[ALERTS, "nonsense"])
        assert (error["type"], error["reason"], error["topic"]) == ("error", "bad-request", "nonsense")
        assert (await hear(stream))["type"] == "live"
        error = await ask(stream, type="topics", add=[NEWS, "x/y"], remove=[ALERTS])
        assert (error["type"], error["topic"]) == ("error", "x/y")
        assert await hear(stream) == {"type": "topics", "topics": [NEWS]}
        node.inboxes.commit(a_notification(1), a_notification(2, "news"))
        assert (await hear(stream))["cursor"] == f"{STORE}.2"


async def test_a_stream_of_all_topics_leaves_some_out_and_takes_them_back_from_a_cursor() -> None:
    node = a_fake_node()
    async with connected(node) as (_, stream):
        assert (await ask(stream, type="listen"))["type"] == "live"
        assert await ask(stream, type="topics", remove=[NEWS]) == {"type": "topics", "topics": None, "without": [NEWS]}
        node.inboxes.commit(a_notification(1, "news"), a_notification(2))
        assert (await hear(stream))["cursor"] == f"{STORE}.2"
        await stream.send_json({"type": "topics", "add": [NEWS], "since": "0"})
        said = [await hear(stream) for _ in range(3)]
        assert [each["type"] for each in said] == ["topics", "message", "live"]
        assert [each.get("cursor") for each in said] == [None, f"{STORE}.1", f"{STORE}.2"]
        assert (await ask(stream, type="topics", add=[NEWS], since="x"))["reason"] == "bad-cursor"


async def test_what_one_device_reads_is_shown_to_the_others_with_what_is_left() -> None:
    node = a_fake_node()
    node.inboxes.commit(*(a_notification(number) for number in range(4)))
    async with connected(node) as (client, phone), client.ws_connect("/v1/stream", headers=bearer()) as tablet:
        await hear(tablet)
        for stream, device in ((phone, "phone"), (tablet, "tablet")):
            await stream.send_json({"type": "listen", "cursor": "now", "device": device})
            assert (await hear(stream))["type"] == "live"
        said = await ask(phone, type="read", cursor=f"{STORE}.2", messages=[f"{STORE}.4"])
        assert said == {
            "type": "read",
            "device": "phone",
            "cursor": f"{STORE}.2",
            "messages": [f"{STORE}.4"],
            "unread": 1,
        }
        heard = await hear(tablet)
        assert (heard["type"], heard["device"], heard["unread"]) == ("read", "phone", 1)
        assert (await ask(phone, type="ping"))["type"] == "pong", "who read is not told what it said"
        devices = await ask(tablet, type="devices")
        assert (devices["read"]["cursor"], devices["unread"]) == (f"{STORE}.2", 1)
        assert (await ask(phone, type="read", cursor=f"{STORE}.9"))["reason"] == "bad-cursor"


async def test_the_wallets_own_subscriptions_are_followed_on_the_stream() -> None:
    node = a_fake_node()
    topic = Topic(DAPP, "news")
    async with connected(node) as (_, stream):
        whole = await ask(stream, type="subscriptions")
        assert whole == {"type": "subscriptions", "subscriptions": [], "more": False}
        node.subscriptions.followings[0].queue.put_nowait([Change(topic, None)])
        assert await hear(stream) == {"type": "subscription", "topic": NEWS, "subscription": None}
        assert (await ask(stream, type="subscriptions"))["reason"] == "bad-request"
    await until(lambda: not node.subscriptions.followings)
    assert node.reports == []


async def test_a_token_hears_of_no_topic_but_its_own() -> None:
    node = a_fake_node()
    async with connected(node, "alerts") as (_, stream):
        error = await ask(stream, type="listen", cursor="now", topics=[ALERTS, NEWS])
        assert (error["reason"], error["topic"]) == ("forbidden", NEWS)
        assert (await hear(stream))["type"] == "live"
        node.inboxes.commit(a_notification(1, "news"), a_notification(2))
        assert (await hear(stream))["cursor"] == f"{STORE}.2"


async def test_acknowledging_moves_the_devices_cursor_and_takes_the_voucher() -> None:
    node = a_fake_node()
    node.inboxes.denied_vouchers = {2: Reason.VOUCHER_STALE}
    node.inboxes.commit(a_notification(1))
    async with connected(node) as (_, stream):
        assert (await ask(stream, type="listen", device="phone"))["cursor"] == f"{STORE}.1"
        await hear(stream)
        said = await ask(stream, type="ack", cursor=f"{STORE}.1", voucher=to_text(pack(a_voucher(1))))
        assert said == {"type": "acked", "cursor": f"{STORE}.1"}
        assert await hear(stream) == {"type": "voucher", "accepted": True, "reason": "ok", "rule": "", "detail": ""}
        await ask(stream, type="ack", cursor=f"{STORE}.1", voucher=to_text(pack(a_voucher(2))))
        assert (await hear(stream))["reason"] == "voucher-stale"
        await ask(stream, type="ack", cursor=f"{STORE}.1", voucher="!")
        assert (await hear(stream))["reason"] == "malformed"
    assert node.inboxes.devices == {(WALLET, "phone"): 1}
    assert node.inboxes.vouchers == [a_voucher(1)]


@pytest.mark.parametrize("cursor", [f"{STORE}.2", "cd" * 16 + ".1", "now", "0", ""])
async def test_what_was_not_given_cannot_be_acknowledged(cursor: str) -> None:
    node = a_fake_node()
    node.inboxes.commit(a_notification(1))
    async with connected(node) as (_, stream):
        await ask(stream, type="listen")
        await hear(stream)
        assert (await ask(stream, type="ack", cursor=cursor))["reason"] == "bad-cursor"
    assert node.inboxes.devices == {}


async def test_a_wallet_publishes_on_its_stream() -> None:
    node = a_fake_node()
    async with connected(node) as (_, stream):
        said = await ask(stream, type="publish", no="a", **items_json(a_notification(1)))
        assert (said["type"], said["no"], said["outcomes"][0]["level"]) == ("published", "a", "durable")
        said = await ask(stream, type="publish", no=2, items=[{}])
        assert (said["type"], said["no"], said["reason"]) == ("error", 2, "malformed")
        node.publishing.broken = Denied(Reason.QUEUE_FULL, "too much waits")
        said = await ask(stream, type="publish", no=3, **items_json(a_notification(2)))
        assert (said["type"], said["no"], said["reason"]) == ("error", 3, "queue-full")
    assert len(node.inboxes.messages) == 1


async def test_a_wallet_that_there_is_no_room_for_is_told_when_to_come_again() -> None:
    node = a_fake_node()
    door = node.publishing.door = a_door(most_units=1)
    held = door.admit(door.caller("mqtt", "192.0.2.1", "somebody"), 0)
    async with connected(node) as (_, stream):
        said = await ask(stream, type="publish", no=3, **items_json(a_notification(2)))
        assert (said["type"], said["no"], said["reason"]) == ("error", 3, "rate-limited")
        assert said["retry_after_s"] > 0
        door.give_back(held)
        assert (await ask(stream, type="publish", no=4, **items_json(a_notification(2))))["type"] == "published"
    assert door.admission.held_units == 0


async def test_a_token_that_may_only_read_cannot_publish() -> None:
    node = a_fake_node()
    async with connected(node, "reader") as (_, stream):
        assert (await ask(stream, type="publish", **items_json(a_notification(1))))["reason"] == "forbidden"
    assert node.inboxes.messages == []


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("{", "bad-request"),
        ('{"type":"sing"}', "bad-request"),
        ('{"type":"listen","cursor":"yesterday"}', "bad-cursor"),
        (json.dumps({"type": "listen", "device": "x" * 129}), "bad-request"),
        (json.dumps({"type": "listen", "topics": ["x"] * 1_025}), "bad-request"),
        ('{"type":"topics","add":[]}', "bad-request"),
        ('{"type":"ack","cursor":"x"}', "bad-cursor"),
        (b"bytes", "bad-request"),
    ],
)
async def test_a_wrong_word_is_answered_and_the_stream_goes_on(word: str | bytes, reason: str) -> None:
    node = a_fake_node()
    async with connected(node) as (_, stream):
        await (stream.send_bytes(word) if isinstance(word, bytes) else stream.send_str(word))
        said = await hear(stream)
        assert (said["type"], said["reason"]) == ("error", reason)
        assert await ask(stream, type="ping", no=7) == {"type": "pong", "no": 7}
        assert (await ask(stream, type="listen"))["type"] == "live"
        assert (await ask(stream, type="listen"))["reason"] == "bad-request"
    assert node.reports == []


async def test_a_revoked_key_ends_its_stream_and_no_other() -> None:
    node = a_fake_node()
    async with connected(node) as (client, stream):
        await ask(stream, type="listen")
        (listener,) = node.inboxes.listeners
        async with client.ws_connect("/v1/stream", headers=bearer()) as other:
            await hear(other)
            assert (await ask(other, type="listen"))["type"] == "live"
            listener.end("grant-revoked", "the session key was revoked")
            said, close = await closing(stream)
            assert (said["type"], said["reason"], said["cursor"]) == ("end", "grant-revoked", f"{STORE}.0")
            assert (close.data, close.extra) == (1008, "grant-revoked")
            node.inboxes.commit(a_notification(1))
            assert (await hear(other))["type"] == "message"


async def test_one_wallet_may_not_listen_too_often() -> None:
    node = a_fake_node(per_account=1)
    async with connected(node) as (client, stream):
        await ask(stream, type="listen")
        async with client.ws_connect("/v1/stream", headers=bearer()) as other:
            await hear(other)
            assert (await ask(other, type="listen"))["reason"] == "too-many-connections"


async def test_a_store_that_fails_ends_the_stream_with_its_reason() -> None:
    node = a_fake_node()
    node.inboxes.commit(a_notification(1))
    node.inboxes.broken = Denied(Reason.STORE_FAILED, "disk")
    async with connected(node) as (_, stream):
        assert (await ask(stream, type="listen"))["reason"] == "store-failed"


async def test_a_fault_of_the_node_is_reported_and_hidden() -> None:
    node = a_fake_node()
    node.publishing.broken = RuntimeError("secret of the house")
    async with connected(node) as (_, stream):
        said = await ask(stream, type="publish", **items_json(a_notification(1)))
        close = await stream.receive(timeout=10)
    assert (said["type"], said["reason"]) == ("end", "internal")
    assert "secret" not in str(said)
    assert close.data == 1011
    assert [where for _, where in node.reports] == ["wallet stream"]


async def test_a_client_that_leaves_is_forgotten() -> None:
    node = a_fake_node()
    async with connected(node) as (_, stream):
        await ask(stream, type="listen")
        await stream.close()
        await until(lambda: not (node.inboxes.listeners or len(node.consumers)))
    assert node.reports == []


async def test_a_slow_client_reads_from_the_store_and_misses_nothing() -> None:
    node = a_fake_node()
    async with connected(node, sessions=SessionLimits(queue_messages=10, write_s=20)) as (_, stream):
        await ask(stream, type="listen", cursor="now")
        for number in range(160):
            node.inboxes.commit(*[a_notification(number, text="x" * 200)] * 50)
            if number % 10 == 0:
                await asyncio.sleep(0)
        found: list[int] = []
        while len(found) < 8_000:
            word = await hear(stream)
            if word["type"] == "message":
                found.append(int(word["cursor"].split(".")[1]))
    assert found == list(range(1, 8_001))
    assert node.inboxes.fallbacks > 0


async def test_a_client_that_takes_no_bytes_is_cut() -> None:
    node = a_fake_node()
    async with serving(node, sessions=SessionLimits(write_s=0.1), http=HttpLimits(close_s=0.1)):
        reader, writer = await asyncio.open_connection("127.0.0.1", node.port, limit=1_024)
        head = "GET /v1/stream?auth=wallet HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        writer.write(f"{head}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {'A' * 22}==\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        word = b'{"type":"listen"}'
        writer.write(bytes([0x81, 0x80 | len(word)]) + bytes(4) + word)
        big = [a_notification(1, text="x" * 200)] * 200
        async with asyncio.timeout(20):
            while not node.inboxes.listeners:  # noqa: ASYNC110  # the node knows nothing of this test
                await asyncio.sleep(0.005)
            while node.inboxes.listeners:
                node.inboxes.commit(*big)
                await asyncio.sleep(0.002)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            while True:
                await reader.readexactly(1_000_000)
        writer.close()
    assert node.reports == []


async def test_a_stream_that_does_not_listen_is_told_too_that_the_node_stops() -> None:
    node = a_fake_node()
    async with connected(node) as (client, stream):
        async with client.ws_connect("/v1/stream") as silent:
            await silent.ping()
            node.consumers.drain()
            for each in (stream, silent):
                said, close = await closing(each)
                assert (said["type"], said["reason"]) == ("end", "draining")
                assert (close.type, close.data, close.extra) == (WSMsgType.CLOSE, 1001, "draining")
    assert node.reports == []


async def test_a_stream_that_does_not_listen_ends_with_its_log_in_too() -> None:
    node = a_fake_node()
    async with connected(node, "token") as (client, stream), client.ws_connect("/v1/stream", headers=bearer()) as other:
        assert (await hear(other))["type"] == "welcome"
        node.consumers.end(lambda who: who.token is not None, Reason.BAD_TOKEN, "the token was revoked")
        word, closed = await closing(stream)
        assert (word["type"], word["reason"], word["detail"]) == ("end", "bad-token", "the token was revoked")
        assert closed.type is WSMsgType.CLOSE
        assert (await ask(other, type="ping", no=1))["type"] == "pong"
