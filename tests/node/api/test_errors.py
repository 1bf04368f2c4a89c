import asyncio
import logging
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession, web
from aiohttp.http_exceptions import BadHttpMessage
from aiohttp.test_utils import TestServer

from pushmesh_node.api.errors import error_middleware, refusal_reply, remember_started, server_logger
from pushmesh_node.engine.answers import Denied
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.reasons import Reason
from support.fake_inboxes import a_notification
from support.fake_node import FakeNode, a_fake_node, serving
from support.rude_client import RudeClient
from support.until import until


async def deny(request: web.Request) -> web.Response:
    raise Denied(Reason.RATE_LIMITED, "slowly", "1.2", retry_after_s=3)


async def refuse(request: web.Request) -> web.Response:
    raise Refusal(Reason.BAD_SIGNATURE, "5.3", "not the author")


async def break_down(request: web.Request) -> web.Response:
    raise RuntimeError("secret of the house")


async def break_half_way(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"half")
    raise RuntimeError("secret of the house")


async def time_out(request: web.Request) -> web.Response:
    raise TimeoutError


async def move(request: web.Request) -> web.Response:
    raise web.HTTPFound("/elsewhere")


def a_server(reports: list[tuple[str, str]]) -> TestServer:
    app = web.Application(middlewares=[error_middleware(lambda error, where: reports.append((repr(error), where)))])
    app.on_response_prepare.append(remember_started)
    app.add_routes([web.get("/deny", deny), web.get("/refuse", refuse), web.get("/break/{id}", break_down)])
    app.add_routes([web.get("/half", break_half_way), web.get("/time", time_out), web.get("/move", move)])
    return TestServer(app)


async def test_every_error_becomes_a_reason_and_none_shows_its_inside() -> None:
    reports: list[tuple[str, str]] = []
    answers = {}
    async with a_server(reports) as server, ClientSession() as client:
        for path in ("/deny", "/refuse", "/break/7", "/time", "/nowhere"):
            async with client.get(server.make_url(path)) as response:
                answers[path] = (response.status, await response.json(), response.headers.get("Retry-After"))
        async with client.post(server.make_url("/deny")) as response:
            answers["post"] = (response.status, await response.json(), response.headers["Allow"])
        async with client.get(server.make_url("/move"), allow_redirects=False) as response:
            assert response.status == 302

    own = {"reason": "internal", "rule": "", "detail": "this is the node's own fault; it has been logged"}
    assert answers == {
        "/deny": (429, {"reason": "rate-limited", "rule": "1.2", "detail": "slowly", "retry_after_s": 3}, "3"),
        "/refuse": (400, {"reason": "bad-signature", "rule": "5.3", "detail": "not the author"}, None),
        "/break/7": (500, own, None),
        "/time": (500, own, None),
        "/nowhere": (404, {"reason": "not-found", "rule": "", "detail": "Not Found"}, None),
        "post": (405, {"reason": "bad-request", "rule": "", "detail": "Method Not Allowed"}, "GET,HEAD"),
    }
    assert reports == [("RuntimeError('secret of the house')", "GET /break/{id}"), ("TimeoutError()", "GET /time")]


async def test_half_an_answer_is_cut_and_never_looks_whole() -> None:
    reports: list[tuple[str, str]] = []
    async with a_server(reports) as server, ClientSession() as client:
        try:
            async with client.get(server.make_url("/half")) as response:
                await response.read()
            whole = True
        except (ClientError, asyncio.IncompleteReadError):
            whole = False
    assert not whole
    assert reports == [("RuntimeError('secret of the house')", "GET /half")]


def test_the_servers_own_faults_are_reported_and_strangers_garbage_is_not() -> None:
    reports: list[tuple[str, str]] = []
    logger = server_logger(lambda error, where: reports.append((repr(error), where)))
    for error in (BadHttpMessage("garbage"), RuntimeError("a fault")):
        try:
            raise error
        except Exception:
            logger.exception("Error handling request")
    logger.debug("noise")
    logger.error("no exception")
    assert reports == [("RuntimeError('a fault')", "http server"), ("RuntimeError('no exception')", "http server")]


def test_a_refusal_can_carry_a_status_of_its_own() -> None:
    assert refusal_reply(Denied(Reason.BAD_REQUEST, "")).status == 400
    assert refusal_reply(Denied(Reason.BAD_REQUEST, ""), 405).status == 405


class Kept(logging.Handler):
    """What the HTTP server would log, before anybody filters it."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


async def cut(node: FakeNode, path: str, moment: str) -> None:
    """A client that resets its connection before it is answered, or in the middle of a write that it does not take."""
    client, upgrade = RudeClient(node.port), path == "/v1/stream"
    await client.ask(f"{path}?auth=wallet", upgrade=upgrade)
    if moment == "writing":
        await client.hear()
        if upgrade:
            await client.say(b'{"type":"listen","cursor":"0"}')
        await until(lambda: node.inboxes.listeners)
        for _ in range(20):
            node.inboxes.commit(*[a_notification(1, text="x" * 200)] * 200)
            await asyncio.sleep(0)
    client.reset()


@pytest.mark.parametrize("moment", ["asking", "writing"])
@pytest.mark.parametrize("path", ["/v1/events", "/v1/stream"])
async def test_a_client_that_resets_its_connection_leaves_no_trace_in_the_log(
    path: str, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, kept, loop_said = a_fake_node(), Kept(), list[Any]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: loop_said.append(context))
    authenticate = node.authenticate

    async def slowly(credential: str, address: str) -> Any:
        await asyncio.sleep(0.01)  # the reset comes while the node is at work
        return await authenticate(credential, address)

    if moment == "asking":
        monkeypatch.setattr(node, "authenticate", slowly)
    async with serving(node):
        assert node.api is not None
        node.api.logger.addHandler(kept)
        gate = node.api.gate
        for _ in range(5):
            node.inboxes.messages.clear()
            await cut(node, path, moment)
            await until(lambda: not (node.inboxes.listeners or gate.connections))
    assert (kept.lines, node.reports, loop_said) == ([], [], [])


async def test_what_needs_a_credential_is_counted_by_its_transport_and_what_needs_none_is_not() -> None:
    node = a_fake_node()
    paths = ("/v1/inbox", "/v1/events", "/v1/stream?auth=nobody", "/v1/tokens", "/v1/topics/nobody/nothing", "/nowhere")
    async with serving(node) as client:
        for path in paths:
            async with client.get(path) as response:
                assert response.status >= 400
    assert node.barred == [
        ("rest", "login-required"),
        ("sse", "login-required"),
        ("websocket", "bad-login"),
        ("rest", "login-required"),
    ]
    assert len(node.refused) == len(paths)
