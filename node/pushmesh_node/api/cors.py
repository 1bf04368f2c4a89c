"""Lets web pages of any origin call the API: it knows bearer credentials only, no cookies, so all origins are equal."""

from aiohttp import web

from .errors import Handler

ANY = "*"
HEADERS = {
    "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Last-Event-ID",
    "Access-Control-Max-Age": "86400",
}


async def allow_origins(request: web.Request, response: web.StreamResponse) -> None:
    """A signal for `on_response_prepare`."""
    response.headers["Access-Control-Allow-Origin"] = ANY
    response.headers["Access-Control-Expose-Headers"] = "Retry-After"


@web.middleware
async def answer_preflights(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers a browser that asks before it calls, whatever the route."""
    if request.method != "OPTIONS":
        return await handler(request)
    return web.Response(status=204, headers=HEADERS)
