import asyncio
import json
from typing import Any

import pytest

from pushmesh_node.delivery.service import HttpLimits
from pushmesh_node.engine.answers import Denied
from pushmesh_protocol.accounts import Topic, display_topic
from pushmesh_protocol.armor import from_text, to_text
from pushmesh_protocol.codec import pack
from pushmesh_protocol.frames import Part, open_publish
from pushmesh_protocol.reasons import Reason
from support.fake_inboxes import DAPP, NETWORK, a_notification
from support.fake_node import NODE_ID, a_fake_node, bearer, serving
from support.until import until
from support.vouchers import a_voucher

STORE = "ab" * 16


async def get(client: Any, path: str, name: str = "wallet") -> tuple[int, Any]:
    async with client.get(path, headers=bearer(name)) as response:
        return response.status, await response.json()


def commits(page: dict[str, Any]) -> list[int]:
    return [int(message["cursor"].split(".")[1]) for message in page["messages"]]


async def test_an_inbox_is_paged_to_its_end_with_nothing_lost() -> None:
    node = a_fake_node()
    node.inboxes.commit(*(a_notification(number) for number in range(23)), None)
    found: list[int] = []
    async with serving(node) as client:
        after = "0"
        while True:
            status, page = await get(client, f"/v1/inbox?after={after}&limit=5")
            assert status == 200
            found += commits(page)
            after = page["cursor"]
            if not page["more"]:
                break
    assert found == list(range(1, 24))
    assert after == f"{STORE}.24"
    assert len(node.inboxes.handed_over) == 23
    assert node.inboxes.listeners == []


async def test_a_message_can_be_verified_from_its_frame() -> None:
    node, envelope = a_fake_node(), a_notification(1)
    node.inboxes.commit(envelope)
    async with serving(node) as client:
        _, page = await get(client, "/v1/inbox")
    (part,) = open_publish(NETWORK, from_text(page["messages"][0]["frame"])).parts
    assert isinstance(part, Part)
    assert part.envelopes[0] == envelope


async def test_a_device_goes_on_where_it_acknowledged() -> None:
    node = a_fake_node()
    node.inboxes.commit(*(a_notification(number) for number in range(5)))
    async with serving(node) as client:
        said = {"cursor": f"{STORE}.3", "device": "phone"}
        async with client.post("/v1/ack", json=said, headers=bearer()) as response:
            assert await response.json() == {"acked": f"{STORE}.3", "voucher": None}
        assert commits((await get(client, "/v1/inbox?device=phone"))[1]) == [4, 5]
        assert commits((await get(client, "/v1/inbox?device=tablet"))[1]) == [1, 2, 3, 4, 5]


async def test_an_empty_inbox_is_waited_on_until_something_comes() -> None:
    node = a_fake_node()
    async with serving(node) as client:
        waiting = asyncio.create_task(get(client, "/v1/inbox?after=now&wait_s=20"))
        await until(lambda: node.inboxes.listeners)
        node.inboxes.commit(a_notification(1))
        status, page = await waiting
    assert (status, commits(page), page["more"]) == (200, [1], False)


async def test_a_wait_that_ends_is_an_empty_page_with_a_cursor_to_go_on() -> None:
    node = a_fake_node()
    node.inboxes.commit(a_notification(1), None)
    async with serving(node, http=HttpLimits(longest_poll_s=0.02)) as client:
        for path in ("/v1/inbox?after=now", "/v1/inbox?after=now&wait_s=999"):
            status, page = await get(client, path)
            assert (status, page) == (
                200,
                {"messages": [], "cursor": f"{STORE}.2", "more": False, "gap": None, "errors": []},
            )


async def test_a_page_is_bounded_in_bytes() -> None:
    node = a_fake_node()
    node.inboxes.commit(*(a_notification(number, text="x" * 200) for number in range(64)))
    async with serving(node, http=HttpLimits(page_bytes=2_000)) as client:
        _, page = await get(client, "/v1/inbox")
    assert page["more"]
    assert 0 < len(page["messages"]) < 64


async def test_topics_are_chosen_and_a_token_never_reads_beyond_its_own() -> None:
    node = a_fake_node()
    node.inboxes.commit(a_notification(1), a_notification(2, "news"))
    news = display_topic(Topic(DAPP, "news"))
    async with serving(node) as client:
        assert commits((await get(client, f"/v1/inbox?topics={news}"))[1]) == [2]
        assert commits((await get(client, "/v1/inbox", "alerts"))[1]) == [1]
        assert commits((await get(client, f"/v1/inbox?topics={news}", "alerts"))[1]) == []


async def test_a_topic_that_cannot_be_read_is_told_and_spoils_no_other() -> None:
    node = a_fake_node()
    node.inboxes.commit(a_notification(1), a_notification(2, "news"))
    alerts, news = (display_topic(Topic(DAPP, name)) for name in ("alerts", "news"))
    async with serving(node) as client:
        status, page = await get(client, f"/v1/inbox?topics={news},{alerts},nonsense", "alerts")
        assert (status, commits(page)) == (200, [1])
        assert [(each["topic"], each["reason"]) for each in page["errors"]] == [
            (news, "forbidden"),
            ("nonsense", "bad-request"),
        ]


async def test_devices_are_listed_with_what_was_read_and_what_was_not() -> None:
    node = a_fake_node()
    node.inboxes.commit(*(a_notification(number) for number in range(5)))
    async with serving(node) as client:
        await client.post("/v1/ack", json={"cursor": f"{STORE}.3", "device": "phone"}, headers=bearer())
        said = {"cursor": f"{STORE}.1", "messages": [f"{STORE}.4"], "device": "phone"}
        async with client.post("/v1/read", json=said, headers=bearer()) as response:
            assert (response.status, await response.json()) == (200, {**said, "unread": 3})
        assert (await get(client, "/v1/unread"))[1] == {"unread": 3}
        _, devices = await get(client, "/v1/devices")
    assert devices == {
        "devices": [{"device": "phone", "cursor": f"{STORE}.3"}],
        "read": {"cursor": f"{STORE}.1", "messages": [f"{STORE}.4"]},
        "unread": 3,
    }


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"cursor": "yesterday"}, "bad-cursor"),
        ({"cursor": f"{STORE}.2"}, "bad-cursor"),
        ({"messages": ["cd" * 16 + ".1"]}, "bad-cursor"),
        ({"messages": [f"{STORE}.1"] * 1_025}, "bad-request"),
        ({"device": "a\nb"}, "bad-request"),
        ({"ids": []}, "bad-request"),
    ],
)
async def test_what_cannot_be_read_is_refused_with_its_reason(said: dict[str, Any], reason: str) -> None:
    node = a_fake_node()
    node.inboxes.commit(a_notification(1))
    async with serving(node) as client:
        async with client.post("/v1/read", json=said, headers=bearer()) as response:
            assert (response.status, (await response.json())["reason"]) == (400, reason)
    assert node.wallets.states == {}


async def test_a_cursor_of_another_store_reads_from_the_beginning_and_says_so() -> None:
    node = a_fake_node()
    node.inboxes.commit(a_notification(1))
    async with serving(node) as client:
        for cursor in ("cd" * 16 + ".1", f"{STORE}.999"):
            _, page = await get(client, f"/v1/inbox?after={cursor}")
            assert commits(page) == [1]
            assert "store" in page["gap"]


@pytest.mark.parametrize(
    ("path", "name", "status", "reason"),
    [
        ("/v1/inbox", "nobody", 401, "bad-login"),
        ("/v1/inbox", "writer", 403, "forbidden"),
        ("/v1/inbox?after=yesterday", "wallet", 400, "bad-cursor"),
        ("/v1/inbox?limit=0", "wallet", 400, "bad-request"),
        ("/v1/inbox?limit=257", "wallet", 400, "bad-request"),
        ("/v1/inbox?wait_s=-1", "wallet", 400, "bad-request"),
        ("/v1/inbox?topics=" + ",".join(["x"] * 1_025), "wallet", 400, "bad-request"),
        (f"/v1/inbox?device={'x' * 129}", "wallet", 400, "bad-request"),
        ("/v1/inbox?device=a%0Ab", "wallet", 400, "bad-request"),
        ("/v1/vouchers", "nobody", 401, "bad-login"),
    ],
)
async def test_a_bad_question_is_answered_with_its_reason(path: str, name: str, status: int, reason: str) -> None:
    node = a_fake_node()
    async with serving(node) as client:
        got, body = await get(client, path, name)
    assert (got, body["reason"]) == (status, reason)
    assert node.reports == []
    assert node.inboxes.listeners == []


async def test_one_wallet_may_not_open_too_many_and_a_broken_store_is_told() -> None:
    node = a_fake_node(per_account=0)
    async with serving(node) as client:
        status, body = await get(client, "/v1/inbox")
        assert (status, body["reason"]) == (429, "too-many-connections")
    node = a_fake_node()
    node.inboxes.commit(a_notification(1))
    node.inboxes.broken = Denied(Reason.STORE_FAILED, "disk")
    async with serving(node) as client:
        status, body = await get(client, "/v1/inbox")
        assert (status, body["reason"]) == (503, "store-failed")


async def test_a_wallet_learns_what_its_log_in_needs() -> None:
    async with serving(a_fake_node()) as client, client.get("/v1/challenge") as response:
        assert await response.json() == {
            "node_id": NODE_ID.hex(),
            "network": NETWORK.display,
            "hosts": ["node.example.org"],
            "time_ms": 1_790_000_000_000,
            "window_ms": 300_000,
        }


async def test_vouchers_are_taken_each_with_its_answer_and_given_back() -> None:
    node = a_fake_node()
    node.inboxes.denied_vouchers = {2: Reason.VOUCHER_STALE}
    given = [to_text(pack(a_voucher(1))), to_text(pack(a_voucher(2))), "AAAA", to_text(pack(a_voucher(3, DAPP)))]
    async with serving(node) as client:
        async with client.post("/v1/vouchers", json={"vouchers": given}, headers=bearer()) as response:
            answers = (await response.json())["vouchers"]
        headers = bearer() | {"Content-Type": "application/msgpack"}
        async with client.post("/v1/vouchers", data=pack(a_voucher(4)), headers=headers) as response:
            assert (await response.json())["vouchers"][0]["accepted"]
        assert (await get(client, "/v1/vouchers"))[1] == {"vouchers": [to_text(pack(a_voucher(4)))]}
    assert [(answer["accepted"], answer["reason"]) for answer in answers] == [
        (True, "ok"),
        (False, "voucher-stale"),
        (False, "malformed"),
        (False, "bad-voucher"),
    ]
    assert node.inboxes.vouchers == [a_voucher(1), a_voucher(4)]


async def test_a_voucher_rides_on_an_acknowledgement() -> None:
    node = a_fake_node()
    said = {"cursor": f"{STORE}.0", "voucher": to_text(pack(a_voucher(1)))}
    async with serving(node) as client, client.post("/v1/ack", json=said, headers=bearer()) as response:
        assert (await response.json())["voucher"]["accepted"]
    assert node.inboxes.vouchers == [a_voucher(1)]


@pytest.mark.parametrize(
    ("path", "content_type", "body", "status", "reason"),
    [
        ("/v1/ack", "application/json", b"{", 400, "bad-request"),
        ("/v1/ack", "application/json", b"{}", 400, "bad-request"),
        ("/v1/ack", "application/json", b'{"cursor":"now"}', 400, "bad-cursor"),
        ("/v1/ack", "application/json", json.dumps({"cursor": "cd" * 16 + ".1"}).encode(), 400, "bad-cursor"),
        ("/v1/ack", "application/json", b" " * 65_537, 413, "oversize"),
        ("/v1/vouchers", "application/json", b'{"voucher":[]}', 400, "bad-request"),
        ("/v1/vouchers", "application/json", json.dumps({"vouchers": ["AA"] * 65}).encode(), 400, "bad-request"),
        ("/v1/vouchers", "application/msgpack", b"\xc1", 400, "malformed"),
    ],
)
async def test_a_bad_word_is_answered_and_kept_nowhere(
    path: str, content_type: str, body: bytes, status: int, reason: str
) -> None:
    node = a_fake_node()
    async with serving(node) as client:
        headers = bearer() | {"Content-Type": content_type}
        async with client.post(path, data=body, headers=headers) as response:
            assert (response.status, (await response.json())["reason"]) == (status, reason)
    assert node.inboxes.devices == {}
    assert node.inboxes.vouchers == []
