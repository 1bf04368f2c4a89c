import asyncio
import gzip
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from pushmesh_node.api.app import ApiLimits
from pushmesh_node.engine.answers import Denied
from pushmesh_protocol.accounts import display_account
from pushmesh_protocol.armor import to_text
from pushmesh_protocol.auth.schemes import Eip712
from pushmesh_protocol.codec import pack
from pushmesh_protocol.forms import ItemForm
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.reasons import Reason
from support.bodies import a_body
from support.doors import a_door
from support.fake_inboxes import WALLET, a_notification
from support.fake_node import a_fake_node, bearer, frame_of, items_json, serving

MSGPACK = {"Content-Type": "application/msgpack"}
FRAME = {"Content-Type": "application/vnd.pushmesh.frame"}
JSON = {"Content-Type": "application/json"}


async def answer(response: aiohttp.ClientResponse) -> tuple[int, Any]:
    return response.status, await response.json()


async def test_a_frame_is_durable_when_it_is_answered() -> None:
    node, envelope = a_fake_node(), a_notification(1)
    async with serving(node) as client:
        for headers in (MSGPACK, FRAME):
            async with client.post("/v1/publish", data=frame_of(envelope), headers=headers) as response:
                status, body = await answer(response)
            assert status == 200
            assert body["outcomes"][0]["id"] == envelope.id.hex()
            assert body["outcomes"][0]["commit_no"] == 1
    assert [message.envelope.id for message in node.inboxes.messages] == [envelope.id]


async def test_a_duplicate_is_no_error() -> None:
    node, frame = a_fake_node(), frame_of(a_notification(1))
    async with serving(node) as client:
        async with client.post("/v1/publish", data=frame, headers=MSGPACK):
            pass
        async with client.post("/v1/publish", data=frame, headers=MSGPACK) as response:
            status, body = await answer(response)
    assert (status, body["outcomes"][0]["reason"], body["outcomes"][0]["level"]) == (200, "duplicate", "durable")


async def test_the_json_form_says_the_same_as_the_bytes() -> None:
    node, envelopes = a_fake_node(), [a_notification(1), a_notification(2)]
    async with serving(node) as client:
        async with client.post("/v1/publish", json=items_json(*envelopes)) as response:
            status, body = await answer(response)
        async with client.post("/v1/publish", json={"frame": to_text(frame_of(a_notification(3)))}) as response:
            assert response.status == 200
    assert status == 200
    assert [outcome["id"] for outcome in body["outcomes"]] == [each.id.hex() for each in envelopes]
    assert len(node.inboxes.messages) == 3


async def test_one_durable_among_refused_is_200_and_each_has_its_own_reason() -> None:
    node = a_fake_node()
    form = items_json(a_notification(1), a_notification(2))
    form["items"][0]["kind"] = 200
    async with serving(node) as client, client.post("/v1/publish", json=form) as response:
        status, body = await answer(response)
    assert status == 200
    assert [(outcome["level"], outcome["reason"]) for outcome in body["outcomes"]] == [
        ("refused", "unknown-kind"),
        ("durable", "ok"),
    ]


BAD: list[tuple[str, bytes, dict[str, str], int, str]] = [
    ("no frame", b"", MSGPACK, 400, "malformed"),
    ("not msgpack", b"\xc1\xff", MSGPACK, 400, "malformed"),
    ("another structure", pack([1, [], []]), MSGPACK, 400, "malformed"),
    ("nothing in it", pack([1, [], [], []]), FRAME, 413, "oversize"),
    ("a trailing byte", frame_of(a_notification(1)) + b"\0", MSGPACK, 400, "malformed"),
    ("no JSON", b"{", JSON, 400, "bad-request"),
    ("JSON that is no frame", b"[]", JSON, 400, "malformed"),
    ("JSON in wrong bytes", b'{"frame":"\xff"}', JSON, 400, "bad-request"),
    ("JSON deeper than any frame", b"[" * 9_000, JSON, 400, "bad-request"),
    ("a wrong content type", b"x", {"Content-Type": "text/html"}, 400, "bad-request"),
    ("too many bytes", b"x" * 10_001, MSGPACK, 413, "oversize"),
    ("too much JSON", b" " * 20_001, JSON, 413, "oversize"),
    ("a gzip that is none", b"abc", MSGPACK | {"Content-Encoding": "gzip"}, 400, "bad-request"),
]


@pytest.mark.parametrize(("what", "body", "headers", "status", "reason"), BAD, ids=[case[0] for case in BAD])
async def test_bad_input_is_answered_with_its_reason_and_stores_nothing(
    what: str, body: bytes, headers: dict[str, str], status: int, reason: str
) -> None:
    node = a_fake_node()
    async with serving(node, api=ApiLimits(api_batch_bytes=10_000, drain_s=1)) as client:
        async with client.post("/v1/publish", data=body, headers=headers) as response:
            got, said = await answer(response)
        first = said["outcomes"][0] if "outcomes" in said else said
        assert (got, first["reason"]) == (status, reason)
        assert {"reason", "rule", "detail"} <= first.keys()
        async with client.get("/healthz") as alive:
            assert alive.status == 200
    assert node.inboxes.messages == []
    assert node.reports == []


async def test_a_compressed_body_counts_with_the_bytes_that_come_out() -> None:
    node = a_fake_node()
    bomb = gzip.compress(bytes(5_000_000))
    async with serving(node, api=ApiLimits(api_batch_bytes=100_000, drain_s=1)) as client:
        headers = MSGPACK | {"Content-Encoding": "gzip"}
        async with client.post("/v1/publish", data=bomb, headers=headers) as response:
            assert (await answer(response))[1]["reason"] == "oversize"
        good = gzip.compress(frame_of(a_notification(1)))
        async with client.post("/v1/publish", data=good, headers=headers) as response:
            assert response.status == 200


async def test_a_full_node_says_when_to_come_back() -> None:
    node = a_fake_node()
    node.publishing.broken = Denied(Reason.QUEUE_FULL, "too much waits", retry_after_s=7)
    async with serving(node) as client:
        async with client.post("/v1/publish", data=frame_of(a_notification(1)), headers=MSGPACK) as response:
            status, body = await answer(response)
    assert (status, body["reason"], response.headers["Retry-After"]) == (503, "queue-full", "7")


async def test_where_there_is_no_room_the_body_is_not_read_and_the_answer_says_when_to_come_back() -> None:
    node = a_fake_node()
    door = node.publishing.door = a_door(most_units=1)
    held = door.admit(door.caller("mqtt", "192.0.2.1", "somebody"), 0)

    async def endless() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.Event().wait()

    async with serving(node) as client:
        async with client.post("/v1/publish", data=endless(), headers=MSGPACK) as response:
            status, body = await answer(response)
        assert (status, body["reason"], response.headers["Retry-After"]) == (429, "rate-limited", "1")
        assert body["retry_after_s"] > 0
        door.give_back(held)
        async with client.post("/v1/publish", data=frame_of(a_notification(1)), headers=MSGPACK) as response:
            assert response.status == 200
    assert door.admission.held_units == 0


def private_item(author: Any = WALLET, kind: int = Kind.PREFERENCES) -> bytes:
    return pack(ItemForm(kind, author, pack(a_body(kind, author)), Eip712(None, b"\x20" * 65, None)))


async def test_a_private_envelope_is_taken_from_its_wallet() -> None:
    node = a_fake_node()
    form = {
        "kind": "preferences",
        "author": display_account(WALLET),
        "body": to_text(pack(a_body(Kind.PREFERENCES, WALLET))),
        "auth": {"scheme": "eip712", "signature": "20" * 65},
    }
    async with serving(node) as client:
        async with client.post("/v1/private", data=private_item(), headers=MSGPACK | bearer()) as response:
            assert (await answer(response))[1]["outcomes"][0]["reason"] == "ok"
        async with client.post("/v1/private", json=form, headers=bearer()) as response:
            assert response.status == 200
    assert node.publishing.private == [(WALLET, private_item())] * 2


@pytest.mark.parametrize(
    ("credential", "item", "status", "reason"),
    [
        (None, private_item(), 401, "login-required"),
        ("nobody", private_item(), 401, "bad-login"),
        ("reader", private_item(), 403, "forbidden"),
        ("dapp", private_item(), 403, "forbidden"),
        ("wallet", b"\x00", 400, "malformed"),
        ("wallet", private_item(kind=Kind.NODE_BINDING), 400, "private-kind"),
    ],
)
async def test_private_is_for_a_logged_in_wallet_and_its_private_kinds(
    credential: str | None, item: bytes, status: int, reason: str
) -> None:
    node = a_fake_node()
    headers = MSGPACK | ({} if credential is None else bearer(credential))
    async with serving(node) as client, client.post("/v1/private", data=item, headers=headers) as response:
        got, body = await answer(response)
    first = body["outcomes"][0] if "outcomes" in body else body
    assert (got, first["reason"]) == (status, reason)
    assert node.publishing.private == []
