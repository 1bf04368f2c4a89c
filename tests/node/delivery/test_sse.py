import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pushmesh_node.delivery.following import Change
from pushmesh_node.delivery.messages import MessageForms
from pushmesh_node.delivery.service import HttpLimits
from pushmesh_node.delivery.session import Mark, Marker, SessionLimits
from pushmesh_node.delivery.sse import HEARTBEAT, encode_events, encode_lines
from pushmesh_protocol.accounts import Topic, display_topic
from support.fake_inboxes import DAPP, a_message, a_notification
from support.fake_node import a_fake_node, bearer, serving
from support.until import until

STORE = "ab" * 16
ALERTS, NEWS = (display_topic(Topic(DAPP, name)) for name in ("alerts", "news"))
Event = dict[str, str]


async def next_event(response: aiohttp.ClientResponse) -> Event:
    """The next event that is neither a heartbeat nor the stream's name."""
    while (event := await any_event(response)).get("event") == "stream":
        pass
    return event


async def any_event(response: aiohttp.ClientResponse) -> Event:
    """The next event that is not a heartbeat."""
    while True:
        async with asyncio.timeout(10):
            block = await response.content.readuntil(b"\n\n")
        fields = [line.partition(": ") for line in block.decode().splitlines()]
        event = {name: value for name, _, value in fields if name}
        if event:
            return event


async def test_events_carry_their_cursor_and_go_live() -> None:
    node = a_fake_node()
    node.inboxes.commit(a_notification(1), a_notification(2))
    async with serving(node) as client, client.get("/v1/events", headers=bearer()) as response:
        assert response.content_type == "text/event-stream"
        seen = [await next_event(response) for _ in range(3)]
        node.inboxes.commit(a_notification(3))
        seen.append(await next_event(response))
    assert [(event["event"], event["id"]) for event in seen] == [
        ("message", f"{STORE}.1"),
        ("message", f"{STORE}.2"),
        ("live", f"{STORE}.2"),
        ("message", f"{STORE}.3"),
    ]
    assert json.loads(seen[3]["data"])["envelope"]["id"] == a_notification(3).id.hex()
    assert [transport for transport, _ in node.inboxes.handed_over] == ["sse"] * 3


async def test_a_browser_resumes_after_its_last_event() -> None:
    node = a_fake_node()
    node.inboxes.commit(*(a_notification(number) for number in range(3)))
    headers = {"Last-Event-ID": f"{STORE}.2"}
    async with serving(node) as client:
        async with client.get("/v1/events?auth=wallet&cursor=0", headers=headers) as response:
            assert (await next_event(response))["id"] == f"{STORE}.3"


async def test_a_cursor_of_another_store_is_answered_with_a_gap_first() -> None:
    node = a_fake_node()
    node.inboxes.commit(a_notification(1))
    async with serving(node) as client:
        async with client.get(f"/v1/events?cursor={'cd' * 16}.9", headers=bearer()) as response:
            assert [(await next_event(response))["event"] for _ in range(3)] == ["gap", "message", "live"]


async def test_an_idle_stream_is_kept_alive() -> None:
    node = a_fake_node()
    async with serving(node, sessions=SessionLimits(idle_s=0.01)) as client:
        async with client.get("/v1/events?cursor=now", headers=bearer()) as response:
            await next_event(response)
            async with asyncio.timeout(10):
                assert await response.content.readuntil(b"\n\n") == HEARTBEAT


async def test_json_lines_say_the_same() -> None:
    node = a_fake_node()
    node.inboxes.commit(a_notification(1))
    headers = bearer() | {"Accept": "application/x-ndjson"}
    async with serving(node) as client, client.get("/v1/events", headers=headers) as response:
        assert response.content_type == "application/x-ndjson"
        name: Any = json.loads(await response.content.readline())
        lines: list[Any] = [json.loads(await response.content.readline()) for _ in range(2)]
    assert (name["type"], len(bytes.fromhex(name["id"]))) == ("stream", 16)
    assert [(line["type"], line["cursor"]) for line in lines] == [("message", f"{STORE}.1"), ("live", f"{STORE}.1")]


async def test_the_end_says_why_and_closes() -> None:
    node = a_fake_node()
    async with serving(node) as client, client.get("/v1/events", headers=bearer()) as response:
        await next_event(response)
        (listener,) = node.inboxes.listeners
        listener.end("grant-revoked", "the session key was revoked")
        event = await next_event(response)
        assert (event["event"], json.loads(event["data"])["reason"]) == ("end", "grant-revoked")
        assert await response.content.read() == b""
    assert len(node.consumers) == 0


async def test_a_client_that_leaves_is_forgotten() -> None:
    node = a_fake_node()
    async with serving(node, sessions=SessionLimits(idle_s=0.01)) as client:
        async with client.get("/v1/events", headers=bearer()) as response:
            await next_event(response)
        await until(lambda: not (node.inboxes.listeners or len(node.consumers)))
    assert node.reports == []


async def test_a_client_that_takes_no_bytes_is_cut_and_can_resume() -> None:
    node = a_fake_node()
    node.inboxes.commit(*(a_notification(number, text="x" * 200) for number in range(100)))
    async with serving(node, sessions=SessionLimits(write_s=0.1), http=HttpLimits(close_s=0.1)) as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", node.port, limit=1_024)
        writer.write(b"GET /v1/events?auth=wallet HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(20):
            while not node.inboxes.listeners:  # noqa: ASYNC110  # the node knows nothing of this test
                await asyncio.sleep(0.005)
            number = 0
            while node.inboxes.listeners:
                number += 1
                big = a_notification(number % 100, text="x" * 200)
                node.inboxes.commit(*[big] * 200)
                await asyncio.sleep(0.002)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            while True:
                await reader.readexactly(1_000_000)
        writer.close()
        async with client.get(f"/v1/events?cursor={STORE}.7", headers=bearer()) as response:
            assert (await next_event(response))["id"] == f"{STORE}.8"


async def test_a_client_that_took_no_bytes_hears_why_it_ends_once_it_reads_on() -> None:
    node = a_fake_node()
    async with serving(node, sessions=SessionLimits(write_s=0.1), http=HttpLimits(close_s=20)):
        reader, writer = await asyncio.open_connection("127.0.0.1", node.port, limit=1_024)
        writer.write(b"GET /v1/events?auth=wallet HTTP/1.1\r\nHost: x\r\nAccept: application/x-ndjson\r\n\r\n")
        async with asyncio.timeout(20):
            while not node.inboxes.listeners:  # noqa: ASYNC110  # the node knows nothing of this test
                await asyncio.sleep(0.005)
            while node.inboxes.listeners:
                node.inboxes.commit(*[a_notification(1, text="x" * 200)] * 200)
                await asyncio.sleep(0.002)
        async with asyncio.timeout(20):
            lines = [line for line in (await reader.read(-1)).splitlines() if line.startswith(b'{"type"')]
        writer.close()
    *earlier, last = [json.loads(line) for line in lines]
    assert (last["type"], last["reason"]) == ("end", "slow-consumer")
    given = [word["cursor"] for word in earlier if word["type"] == "message"]
    assert last["cursor"] == given[-1]
    assert [int(cursor.split(".")[1]) for cursor in given] == list(range(1, len(given) + 1))


async def test_curl_reads_the_stream(requires: Callable[[str], Path]) -> None:
    node = a_fake_node()
    node.inboxes.commit(a_notification(1))
    async with serving(node):
        curl = await asyncio.create_subprocess_exec(
            requires("curl"),
            *("--silent", "--no-buffer", "--max-time", "20", "-H", "Authorization: Bearer wallet"),
            f"{node.url}/v1/events",
            stdout=asyncio.subprocess.PIPE,
        )
        assert curl.stdout is not None
        async with asyncio.timeout(20):
            assert (await curl.stdout.readuntil(b"\n\n")).startswith(b"event: stream\ndata: {")
            assert await curl.stdout.readuntil(b"\n\n") == encode_events(node.forms, [a_message(1)])
            assert (await curl.stdout.readuntil(b"\n\n")).startswith(f"id: {STORE}.1\nevent: live\n".encode())
            node.inboxes.commit(a_notification(2))
            assert (await curl.stdout.readuntil(b"\n\n")).startswith(f"id: {STORE}.2\nevent: message\n".encode())
        curl.kill()
        await curl.communicate()


@pytest.mark.parametrize(
    ("query", "status", "reason"),
    [
        ("", 401, "login-required"),
        ("?auth=nobody", 401, "bad-login"),
        ("?auth=writer", 403, "forbidden"),
        ("?auth=wallet&cursor=x", 400, "bad-cursor"),
        ("?auth=wallet&topics=" + ",".join(["x"] * 1_025), 400, "bad-request"),
        (f"?auth=wallet&device={'x' * 129}", 400, "bad-request"),
    ],
)
async def test_a_bad_request_is_refused_before_the_stream_starts(query: str, status: int, reason: str) -> None:
    node = a_fake_node()
    async with serving(node) as client, client.get(f"/v1/events{query}") as response:
        assert (response.status, (await response.json())["reason"]) == (status, reason)
    assert node.inboxes.listeners == []
    assert len(node.consumers) == 0


async def test_one_wallet_may_not_open_too_many() -> None:
    node = a_fake_node(per_account=1)
    async with serving(node) as client, client.get("/v1/events", headers=bearer()):
        async with client.get("/v1/events", headers=bearer()) as response:
            assert (response.status, (await response.json())["reason"]) == (429, "too-many-connections")


async def test_a_topic_that_cannot_be_read_is_told_and_the_others_come() -> None:
    node = a_fake_node()
    node.inboxes.commit(a_notification(1), a_notification(2, "news"))
    async with serving(node) as client:
        query = f"/v1/events?auth=alerts&topics={NEWS},{ALERTS},nonsense"
        async with client.get(query) as response:
            told = [await next_event(response) for _ in range(4)]
    assert [event["event"] for event in told] == ["error", "error", "message", "live"]
    errors = [json.loads(event["data"]) for event in told[:2]]
    assert [(each["topic"], each["reason"]) for each in errors] == [(NEWS, "forbidden"), ("nonsense", "bad-request")]
    assert told[2]["id"] == f"{STORE}.1"
    assert all("id" not in event for event in told[:2]), "a browser resumes after messages only"


async def test_topics_change_while_the_stream_lasts_and_what_was_missed_comes_with_them() -> None:
    node = a_fake_node()
    node.inboxes.commit(a_notification(1), a_notification(2, "news"))
    async with serving(node) as client, client.get(f"/v1/events?auth=wallet&topics={ALERTS}") as response:
        name = json.loads((await any_event(response))["data"])["id"]
        assert [(await next_event(response))["event"] for _ in range(2)] == ["message", "live"]
        path = f"/v1/streams/{name}/topics"
        said = {"add": [NEWS, "x/y"], "remove": [ALERTS], "since": "0"}
        async with client.post(path, json=said, headers=bearer()) as answer:
            changed = await answer.json()
        assert (changed["topics"], [each["topic"] for each in changed["errors"]]) == ([NEWS], ["x/y"])
        node.inboxes.commit(a_notification(3), a_notification(4, "news"))
        seen = [await next_event(response) for _ in range(3)]
        events = [(event["event"], event["id"].partition(".")[2]) for event in seen]
        assert events in (
            [("message", "2"), ("message", "4"), ("live", "4")],
            [("message", "2"), ("live", "2"), ("message", "4")],
        )
        for who, status in (("dapp", 404), ("alerts", 404), ("nobody", 401), ("writer", 403)):
            async with client.post(path, json={"add": []}, headers=bearer(who)) as answer:
                assert answer.status == status
        async with client.post(path, json={"since": "yesterday"}, headers=bearer()) as answer:
            assert (await answer.json())["reason"] == "bad-cursor"
        async with client.post("/v1/streams/x/topics", json={}, headers=bearer()) as answer:
            assert (answer.status, (await answer.json())["reason"]) == (404, "not-found")


async def test_a_stream_that_has_ended_has_no_name_any_more() -> None:
    node = a_fake_node()
    async with serving(node, sessions=SessionLimits(idle_s=0.01)) as client:
        async with client.get("/v1/events", headers=bearer()) as response:
            name = json.loads((await any_event(response))["data"])["id"]
        await until(lambda: not len(node.consumers))
        async with client.post(f"/v1/streams/{name}/topics", json={}, headers=bearer()) as answer:
            assert answer.status == 404


async def test_news_of_other_devices_and_own_subscriptions_come_on_the_stream() -> None:
    node = a_fake_node()
    topic = Topic(DAPP, "news")
    async with serving(node) as client:
        async with client.get("/v1/events?auth=wallet&cursor=now&device=tablet&subscriptions=1") as response:
            told = [await next_event(response) for _ in range(2)]
            assert sorted(event["event"] for event in told) == ["live", "subscriptions"]
            node.inboxes.commit(a_notification(1))
            said = {"cursor": f"{STORE}.1", "device": "phone"}
            async with client.post("/v1/read", json=said, headers=bearer()) as answer:
                assert answer.status == 200
            assert [(await next_event(response))["event"] for _ in range(2)] == ["message", "read"]
            node.subscriptions.followings[0].queue.put_nowait([Change(topic, None)])
            event = await next_event(response)
            assert json.loads(event["data"]) == {"type": "subscription", "topic": NEWS, "subscription": None}
    await until(lambda: not node.subscriptions.followings)
    assert node.reports == []


def test_a_batch_is_one_piece_of_bytes() -> None:
    forms = MessageForms(b"\xab" * 16)
    batch = [a_message(1), a_message(2)]
    assert encode_events(forms, batch).count(b"\n\n") == 2
    assert encode_lines(forms, batch).count(b"\n") == 2
    assert encode_events(forms, Marker(Mark.IDLE, 2)) == HEARTBEAT
    assert json.loads(encode_lines(forms, Marker(Mark.IDLE, 2))) == {"type": "idle", "cursor": f"{STORE}.2"}
