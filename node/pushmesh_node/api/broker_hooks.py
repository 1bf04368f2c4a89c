"""What an external broker asks over HTTP before it lets a client in, or to a topic, in the forms of mosquitto-go-auth
and of EMQX. Never lets in anybody by itself."""

from collections.abc import Awaitable
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl

from aiohttp import web

from pushmesh_protocol.reasons import Reason

from ..engine.answers import Denied
from ..http_kit import ASKED_OVER, address_of, decode_json, json_reply, read_body
from .errors import Refused, uncounted

BODY_BYTES: Final = 65_536
FORM_TYPE: Final = "application/x-www-form-urlencoded"
FORBIDDEN: Final = 403

READS: Final = {"1": True, "2": False, "3": True, "4": True, "publish": False, "subscribe": True}
"""Whether a client that wants this wants to read: numbers are those of Mosquitto's plugins, words those of EMQX."""
WRITES: Final = {"1": False, "2": True, "3": True, "4": False, "publish": True, "subscribe": False}


class Hooks(Protocol):
    """Who may do what at the broker of a bridge."""

    def check_secret(self, bridge: str, secret: str) -> None:
        """Raise Denied where it is not the broker of this bridge that asks."""

    def log_in(self, bridge: str, user: str, password: str, client_id: str, address: str) -> Awaitable[int | None]:
        """When the connection must end (Unix ms), None for never. Raises Denied where it may not begin."""

    def check(self, bridge: str, user: str, client_id: str, topic: str, *, reads: bool, writes: bool) -> None:
        """Raise Denied unless a connection may do that with a topic."""


class BrokerHookRoutes:
    """POST /v1/broker/{bridge}/auth, acl and superuser: 200 where it may, 403 where it may not, and both said in the
    body. With `?deny=200` that is 200 too, for brokers that read the body and take other answers for none. `refused`
    counts what clients were refused."""

    def __init__(self, hooks: Hooks, body_timeout_s: float, refused: Refused = uncounted) -> None:
        self._hooks = hooks
        self._body_timeout_s = body_timeout_s
        self._refused = refused

    def routes(self) -> list[web.RouteDef]:
        """The table of this file's routes."""
        return [
            web.post("/v1/broker/{bridge}/auth", self.auth),
            web.post("/v1/broker/{bridge}/acl", self.acl),
            web.post("/v1/broker/{bridge}/superuser", self.superuser),
        ]

    async def auth(self, request: web.Request) -> web.Response:
        """`{username, password, clientid}`: a wallet's account with a token, or the bridge's own user."""
        bridge, asked = await self._asked(request)
        try:
            ends_at = await self._hooks.log_in(
                bridge, asked["username"], asked["password"], asked["clientid"], address_of(request)
            )
        except Denied as denied:
            return self._refuse(request, denied)
        return _allowed({} if ends_at is None else {"expire_at": ends_at // 1000})

    async def acl(self, request: web.Request) -> web.Response:
        """`{username, clientid, topic}` with `acc` (1 read, 2 write, 3 both, 4 subscribe) or `action`."""
        bridge, asked = await self._asked(request)
        wanted = asked["acc"] or asked["action"]
        try:
            if wanted not in READS:
                raise Denied(Reason.BAD_REQUEST, "acc is 1 to 4, or action is publish or subscribe")
            self._hooks.check(
                bridge,
                asked["username"],
                asked["clientid"],
                asked["topic"],
                reads=READS[wanted],
                writes=WRITES[wanted],
            )
        except Denied as denied:
            return self._refuse(request, denied)
        return _allowed({})

    async def superuser(self, request: web.Request) -> web.Response:
        """Nobody is."""
        await self._asked(request)
        return _denied(request, Denied(Reason.FORBIDDEN, "nobody may do everything"))

    def _refuse(self, request: web.Request, denied: Denied) -> web.Response:
        self._refused(denied.reason)
        return _denied(request, denied)

    async def _asked(self, request: web.Request) -> tuple[str, dict[str, str]]:
        """The bridge and what its broker asks, absent members empty. Raises Denied."""
        request[ASKED_OVER] = "bridge"
        bridge = request.match_info["bridge"]
        scheme, _, credential = request.headers.get("Authorization", "").partition(" ")
        secret = credential.strip() if scheme.lower() == "bearer" else request.query.get("secret", "")
        self._hooks.check_secret(bridge, secret)
        data = await read_body(request, BODY_BYTES, self._body_timeout_s)
        form = _form(data) if request.content_type == FORM_TYPE else decode_json(data)
        if not isinstance(form, dict):
            raise Denied(Reason.BAD_REQUEST, "what a broker asks is an object, or a form")
        names = ("username", "password", "clientid", "topic", "acc", "action")
        return bridge, {name: _text(form.get(name)) for name in names}


def _form(data: bytes) -> dict[str, str]:
    try:
        return dict(parse_qsl(data.decode(), keep_blank_values=True, max_num_fields=64))
    except ValueError as error:  # UnicodeDecodeError is one
        raise Denied(Reason.BAD_REQUEST, "the form cannot be read") from error


def _text(value: Any) -> str:
    """A text, or a number as one; anything else is absent."""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _allowed(more: dict[str, Any]) -> web.Response:
    return json_reply({"ok": True, "error": "", "result": "allow", "is_superuser": False} | more)


def _denied(request: web.Request, denied: Denied) -> web.Response:
    told = {"ok": False, "error": denied.detail, "result": "deny", "is_superuser": False, "reason": denied.reason}
    return json_reply(told, 200 if request.query.get("deny") == "200" else FORBIDDEN)
