"""One place where whatever goes wrong in a handler becomes an answer. Clients see a reason, never a traceback."""

import logging
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Middleware

from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.reasons import Reason

from ..engine.answers import Denied
from ..http_kit import ASKED_OVER, RefusedAccess, json_reply
from .statuses import BAD_REQUEST, CLIENT_GONE, INTERNAL, NOT_FOUND, TOO_LARGE, retry_headers, status_of

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Report = Callable[[BaseException, str], None]
"""`report(error, where)`: log and count an error that is this node's own fault."""
Refused = Callable[[Reason], None]
"""`refused(reason)`: count a request that was refused as a whole."""


def uncounted(_reason: Reason) -> None:
    """For a server without metrics."""


def unnoted(_transport: str, _reason: Reason) -> None:
    """The same for what wallets' clients are refused."""


_STARTED = web.RequestKey("pushmesh-started", bool)
_HTTP_REASONS = {NOT_FOUND: Reason.NOT_FOUND, TOO_LARGE: Reason.OVERSIZE}


def refusal_reply(denied: Denied, status: int | None = None) -> web.Response:
    """The answer to a request that is refused as a whole."""
    status = status_of(denied.reason) if status is None else status
    return json_reply(denied.as_json(), status, retry_headers(status, denied.retry_after_s))


async def remember_started(request: web.Request, response: web.StreamResponse) -> None:
    """A signal for `on_response_prepare`: from here on no other answer can be given."""
    request[_STARTED] = True


def error_middleware(
    report: Report, refused: Refused = uncounted, refused_access: RefusedAccess = unnoted
) -> Middleware:
    """Maps Denied, Refusal, aiohttp's own errors and any other exception to `{"reason", "rule", "detail"}`."""

    def count(request: web.Request, reason: Reason) -> None:
        refused(reason)
        transport = request.get(ASKED_OVER)
        if transport is not None:
            refused_access(transport, reason)

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except Denied as denied:
            count(request, denied.reason)
            return refusal_reply(denied)
        except Refusal as refusal:
            count(request, refusal.reason)
            return refusal_reply(Denied.from_refusal(refusal))
        except web.HTTPException as error:
            return _http_reply(error, refused)
        except ConnectionError:  # the client has gone, or is to be cut
            return _cut(request, CLIENT_GONE)
        except Exception as error:
            report(error, f"{request.method} {_route_of(request)}")
            if _STARTED in request:  # half an answer must not look like a whole one
                return _cut(request, INTERNAL)
            return refusal_reply(Denied(Reason.INTERNAL, "this is the node's own fault; it has been logged"))

    return answer


def _cut(request: web.Request, status: int) -> web.Response:
    """Ends the connection. The answer reaches nobody: the server, which must get one that can be written whatever was
    begun before, finds the connection gone and goes on without a word."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=status)


def server_logger(report: Report) -> logging.Logger:
    """A logger for the HTTP server itself: its own faults are reported, bytes that are no HTTP are not."""
    logger = logging.Logger("pushmesh.http", logging.ERROR)
    logger.addHandler(_Reporting(report))
    return logger


class _Reporting(logging.Handler):
    def __init__(self, report: Report) -> None:
        super().__init__()
        self._report = report

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, HttpProcessingError | web.RequestPayloadError | ConnectionError):
            self._report(error or RuntimeError(record.getMessage()), "http server")


def _http_reply(error: web.HTTPException, refused: Refused) -> web.StreamResponse:
    if error.status < BAD_REQUEST:
        raise error
    reason = _HTTP_REASONS.get(error.status, Reason.BAD_REQUEST)
    refused(reason)
    reply = refusal_reply(Denied(reason, error.reason), error.status)
    if "Allow" in error.headers:
        reply.headers["Allow"] = error.headers["Allow"]
    return reply


def _route_of(request: web.Request) -> str:
    """The route's pattern, which names no wallet."""
    resource = request.match_info.route.resource
    return "?" if resource is None else resource.canonical
