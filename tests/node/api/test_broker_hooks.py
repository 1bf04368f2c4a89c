"""What brokers ask over HTTP, in both forms that they have, and how a refusal is said to each."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from pushmesh_node.api.broker_hooks import BrokerHookRoutes
from pushmesh_node.api.errors import error_middleware
from pushmesh_node.engine.answers import Denied
from pushmesh_protocol.reasons import Reason

SECRET = {"Authorization": "Bearer s3cret"}
ALLOWED = {"ok": True, "error": "", "result": "allow", "is_superuser": False}


class FakeHooks:
    """Lets alice in, to what is hers."""

    def __init__(self) -> None:
        self.checked: list[tuple[str, bool, bool]] = []
        self.refused: list[Reason] = []

    def check_secret(self, bridge: str, secret: str) -> None:
        if (bridge, secret) != ("home", "s3cret"):
            raise Denied(Reason.LOGIN_REQUIRED, "who asks?")

    async def log_in(self, bridge: str, user: str, password: str, client_id: str, address: str) -> int | None:
        if (user, password) == ("node", "node"):
            return None
        if (user, password, client_id) != ("alice", "token", "phone"):
            raise Denied(Reason.BAD_TOKEN, "not that")
        return 1_700_000_000_999

    def check(self, bridge: str, user: str, client_id: str, topic: str, *, reads: bool, writes: bool) -> None:
        self.checked.append((topic, reads, writes))
        if user != "alice" or topic != "hers" or client_id != "phone":
            raise Denied(Reason.FORBIDDEN, "not hers")


@asynccontextmanager
async def asking(hooks: FakeHooks) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    def report(error: BaseException, where: str) -> None:
        raise AssertionError(where) from error

    app = web.Application(middlewares=[error_middleware(report)])
    app.add_routes(BrokerHookRoutes(hooks, 5.0, hooks.refused.append).routes())
    async with TestClient(TestServer(app)) as client:
        yield client


async def answer(client: Any, path: str, **more: Any) -> tuple[int, dict[str, Any]]:
    response: aiohttp.ClientResponse
    async with client.post(f"/v1/broker/home/{path}", **({"headers": SECRET} | more)) as response:
        return response.status, await response.json()


async def test_a_log_in_is_asked_in_json_or_as_a_form_and_says_when_it_ends() -> None:
    good = {"username": "alice", "password": "token", "clientid": "phone"}
    async with asking(FakeHooks()) as client:
        for body in ({"json": good}, {"data": good}):
            assert await answer(client, "auth", **body) == (200, ALLOWED | {"expire_at": 1_700_000_000})
        assert await answer(client, "auth", json={"username": "node", "password": "node"}) == (200, ALLOWED)
        for bad in ({**good, "password": "x"}, {**good, "clientid": 7}, {}, {"username": ["alice"]}):
            status, told = await answer(client, "auth", json=bad)
            assert (status, told["ok"], told["result"], told["reason"]) == (403, False, "deny", "bad-token")


@pytest.mark.parametrize(
    ("member", "reads", "writes"),
    [
        ({"acc": 1}, True, False),
        ({"acc": "2"}, False, True),
        ({"acc": 3}, True, True),
        ({"acc": 4}, True, False),
        ({"action": "publish"}, False, True),
        ({"action": "subscribe"}, True, False),
    ],
)
async def test_what_a_client_wants_is_read_in_both_vocabularies(
    member: dict[str, Any], reads: bool, writes: bool
) -> None:
    hooks = FakeHooks()
    async with asking(hooks) as client:
        asked = {"username": "alice", "clientid": "phone", "topic": "hers"} | member
        assert await answer(client, "acl", json=asked) == (200, ALLOWED)
        assert (await answer(client, "acl", json=asked | {"topic": "his"}))[0] == 403
    assert hooks.checked == [("hers", reads, writes), ("his", reads, writes)]
    assert hooks.refused == [Reason.FORBIDDEN]


async def test_what_is_wanted_but_not_understood_is_refused() -> None:
    hooks = FakeHooks()
    async with asking(hooks) as client:
        for member in ({}, {"acc": 5}, {"acc": 0}, {"acc": True}, {"action": "all"}, {"acc": None}):
            asked = {"username": "alice", "clientid": "phone", "topic": "hers"} | member
            assert (await answer(client, "acl", json=asked))[0] == 403
    assert hooks.checked == []


async def test_a_refusal_is_a_whole_answer_for_brokers_that_take_others_for_none() -> None:
    async with asking(FakeHooks()) as client:
        for path in ("auth", "acl", "superuser"):
            status, told = await answer(client, f"{path}?deny=200", json={"username": "mallory", "acc": 1})
            assert (status, told["ok"], told["result"], told["is_superuser"]) == (200, False, "deny", False)


async def test_nobody_may_do_everything() -> None:
    hooks = FakeHooks()
    async with asking(hooks) as client:
        for user in ("alice", "node"):
            assert (await answer(client, "superuser", json={"username": user}))[0] == 403
    assert hooks.refused == [], "brokers ask so of everybody"


async def test_who_does_not_know_the_secret_is_told_nothing() -> None:
    good = {"username": "alice", "password": "token", "clientid": "phone"}
    async with asking(FakeHooks()) as client:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic s3cret"}):
            for path in ("auth", "acl", "superuser", "auth?deny=200", "auth?secret=wrong"):
                status, told = await answer(client, path, json=good, headers=headers)
                assert (status, told["reason"]) == (401, "login-required")
        assert (await answer(client, "auth?secret=s3cret", json=good, headers={}))[0] == 200
        async with client.post("/v1/broker/other/auth", json=good, headers=SECRET) as response:
            assert response.status == 401


async def test_bodies_that_are_no_question_are_bad_requests() -> None:
    async with asking(FakeHooks()) as client:
        for body in (b"{", b"[]", b"\xff", b"7"):
            assert (await answer(client, "auth", data=body))[0] == 400
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        for body in (b"\xff", b"&".join([b"a=1"] * 100)):
            assert (await answer(client, "auth", data=body, headers=SECRET | form))[0] == 400
