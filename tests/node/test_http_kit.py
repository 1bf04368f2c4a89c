from typing import Any

import msgspec
import pytest
from aiohttp.test_utils import make_mocked_request

from pushmesh_node import http_kit
from pushmesh_node.engine.answers import Denied, Permission
from pushmesh_protocol.accounts import Topic, display_topic
from pushmesh_protocol.reasons import Reason
from support.fake_inboxes import DAPP, WALLET, a_principal
from support.fake_node import READER, a_fake_node

ALERTS = Topic(DAPP, "alerts")


def a_request(path: str = "/", **headers: str) -> Any:
    return make_mocked_request("GET", path, headers=headers)


def reason_of(call: Any, *args: Any) -> Reason:
    with pytest.raises(Denied) as caught:
        call(*args)
    return caught.value.reason


@pytest.mark.parametrize(
    ("path", "headers", "credential"),
    [
        ("/", {}, None),
        ("/?auth=abc", {}, "abc"),
        ("/?auth=", {}, None),
        ("/", {"Authorization": "Bearer abc"}, "abc"),
        ("/", {"Authorization": "bearer  abc "}, "abc"),
        ("/?auth=query", {"Authorization": "Bearer header"}, "header"),
        ("/", {"Authorization": "Basic abc"}, None),
        ("/", {"Authorization": "Bearer "}, None),
    ],
)
def test_a_credential_comes_as_bearer_or_in_the_query(
    path: str, headers: dict[str, str], credential: str | None
) -> None:
    assert http_kit.credential_of(a_request(path, **headers)) == credential


async def test_who_asks_is_told_by_the_credential_and_where_from_by_the_connection() -> None:
    node = a_fake_node()
    request = a_request("/?auth=wallet", **{"X-Forwarded-For": "192.0.2.1"}).clone(remote="192.0.2.7")
    principal = await http_kit.principal_of(request, node.authenticate, Permission.READ)
    assert principal.account == WALLET
    assert node.addresses == ["192.0.2.7"]


async def test_nobody_is_refused_and_a_scope_is_not_exceeded() -> None:
    node = a_fake_node()
    with pytest.raises(Denied) as caught:
        await http_kit.principal_of(a_request(), node.authenticate, Permission.READ)
    assert caught.value.reason is Reason.LOGIN_REQUIRED
    assert reason_of(http_kit.require, READER, Permission.PUBLISH) is Reason.FORBIDDEN
    http_kit.require(a_principal(), Permission.PUBLISH)


def test_whole_numbers_of_the_query_keep_their_range() -> None:
    assert http_kit.integer(a_request(), "n", 7, 1, 9) == 7
    assert http_kit.integer(a_request("/?n=1"), "n", 7, 1, 9) == 1
    for text in ("0", "10", "-1", "1.0", "", "x", "٣", "1" * 17):
        assert reason_of(http_kit.integer, a_request(f"/?n={text}"), "n", 7, 1, 9) is Reason.BAD_REQUEST


def test_seconds_of_the_query_are_cut_to_the_most() -> None:
    assert http_kit.seconds(a_request(), "s", 30) == 0
    assert http_kit.seconds(a_request("/?s=1.5"), "s", 30) == 1.5
    assert http_kit.seconds(a_request("/?s=1000"), "s", 30) == 30
    for text in ("-1", "nan", "inf", "x", ""):
        assert reason_of(http_kit.seconds, a_request(f"/?s={text}"), "s", 30) is Reason.BAD_REQUEST


def test_topics_of_the_query_are_texts_or_all() -> None:
    text = display_topic(ALERTS)
    assert http_kit.topics(a_request()) is None
    assert http_kit.topics(a_request(f"/?topics={text},x")) == [text, "x"]
    assert http_kit.topics(a_request("/?topics=")) == [""]


def test_ids_accounts_and_topics_are_read_or_refused() -> None:
    assert http_kit.hex_id(a_request(f"/?id=0x{'0a' * 32}"), "id") == b"\x0a" * 32
    assert reason_of(http_kit.hex_id, a_request("/"), "id") is Reason.BAD_REQUEST
    assert reason_of(http_kit.account, "x") is Reason.BAD_REQUEST
    assert reason_of(http_kit.topic, "x/y") is Reason.BAD_REQUEST


class Form(msgspec.Struct):
    name: str


def test_a_form_names_the_member_that_is_wrong() -> None:
    assert http_kit.decode_as(Form, {"name": "x"}) == Form("x")
    with pytest.raises(Denied, match="name"):
        http_kit.decode_as(Form, {"name": 1})
    assert reason_of(http_kit.decode_json, b"{") is Reason.BAD_REQUEST


def test_replies_are_json_that_no_cache_keeps() -> None:
    reply = http_kit.json_reply({"a": 1}, 418, {"X": "y"})
    assert (reply.status, reply.body, reply.content_type) == (418, b'{"a":1}', "application/json")
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.headers["X"] == "y"
