"""How a wallet asks for a bridge over HTTP: with what credential, and what it is told."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from pushmesh_node.api.errors import error_middleware
from pushmesh_node.api.guests import GuestRoutes
from pushmesh_node.engine.answers import Denied, Permission, Principal
from pushmesh_protocol.reasons import Reason
from support.fake_inboxes import WALLET

WHO = {"wallet": Permission.READ, "writer": Permission.PUBLISH}


class FakeGuests:
    """One bridge that serves whoever asks."""

    def __init__(self) -> None:
        self.served: set[bytes] = set()

    def wishes(self, principal: Principal) -> Sequence[dict[str, Any]]:
        return [self._form("home", principal)]

    async def ask(self, principal: Principal, bridge: str) -> dict[str, Any]:
        if bridge != "home":
            raise Denied(Reason.NOT_FOUND, "no such bridge")
        self.served.add(principal.account)
        return self._form(bridge, principal)

    async def leave(self, principal: Principal, bridge: str) -> dict[str, Any]:
        self.served.discard(principal.account)
        return self._form(bridge, principal)

    def _form(self, bridge: str, principal: Principal) -> dict[str, Any]:
        return {"bridge": bridge, "topic": "a", "until": 5 if principal.account in self.served else None}


async def authenticate(credential: str, _address: str) -> Principal:
    if credential not in WHO:
        raise Denied(Reason.BAD_TOKEN, "who is that?")
    return Principal(WALLET, frozenset({WHO[credential]}), None, None, None)


@asynccontextmanager
async def asking(guests: FakeGuests) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    def report(error: BaseException, where: str) -> None:
        raise AssertionError(where) from error

    app = web.Application(middlewares=[error_middleware(report)])
    app.add_routes(GuestRoutes(guests, authenticate).routes())
    async with TestClient(TestServer(app)) as client:
        yield client


async def answer(client: Any, method: str, path: str, who: str = "wallet") -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {who}"} if who else {}
    async with client.request(method, path, headers=headers) as response:
        return response.status, await response.json()


async def test_a_wallet_asks_is_told_and_takes_it_back() -> None:
    async with asking(FakeGuests()) as client:
        wanted = {"bridge": "home", "topic": "a", "until": 5}
        assert await answer(client, "PUT", "/v1/bridges/home") == (200, wanted)
        assert await answer(client, "GET", "/v1/bridges") == (200, {"bridges": [wanted]})
        assert await answer(client, "DELETE", "/v1/bridges/home") == (200, wanted | {"until": None})
        assert (await answer(client, "PUT", "/v1/bridges/other"))[0] == 404


async def test_nobody_else_asks_for_it() -> None:
    guests = FakeGuests()
    async with asking(guests) as client:
        for method, path in (("PUT", "/v1/bridges/home"), ("DELETE", "/v1/bridges/home"), ("GET", "/v1/bridges")):
            assert [(await answer(client, method, path, who))[0] for who in ("", "mallory", "writer")] == [
                401,
                401,
                403,
            ]
    assert guests.served == set()
