import asyncio

from aiohttp import ClientError, ClientSession, web
from aiohttp.http_exceptions import BadHttpMessage
from aiohttp.test_utils import TestServer

from pushmesh_node.api.errors import error_middleware, refusal_reply, remember_started, server_logger
from pushmesh_node.engine.answers import Denied
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.reasons import Reason


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
        "/deny": (429, {"reason": "rate-limited", "rule": "1.2", "detail": "slowly"}, "3"),
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
