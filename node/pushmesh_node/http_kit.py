"""What both HTTP edges share: bodies and parameters within limits, JSON replies, who a request comes from. No route."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from aiohttp import ClientPayloadError, web

from pushmesh_protocol.accounts import Topic, parse_account, parse_topic
from pushmesh_protocol.errors import AccountError
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import Account

from .engine.answers import Denied, Permission, Principal

Authenticate = Callable[[str, str], Awaitable[Principal]]
"""`await authenticate(text of a log-in or a token, remote address)`; raises Denied."""
RefusedAccess = Callable[[str, Reason], None]
"""`refused_access(transport, reason)`: count that a wallet's client was told so over one of the transports."""
ASKED_OVER = web.RequestKey("pushmesh-asked-over", str)
"""The transport of a request that needs a credential, by its name in metrics; without it nobody need log in."""
REST = "rest"
"""Its name for plain requests."""
JSON_TYPE = "application/json"
MAX_TOPICS = 1_024
T = TypeVar("T")

_encode_json = msgspec.json.Encoder().encode
json_encode = _encode_json
_decode_json = msgspec.json.Decoder().decode


def json_reply(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A whole answer that no cache keeps."""
    headers = {"Cache-Control": "no-store", **(headers or {})}
    return web.Response(body=_encode_json(value), status=status, content_type=JSON_TYPE, headers=headers)


async def read_body(request: web.Request, limit_bytes: int, timeout_s: float) -> bytes:
    """The body after any Content-Encoding. Raises Denied `oversize`, `timeout` or `bad-request`."""
    too_large = Denied(Reason.OVERSIZE, f"the body is larger than {limit_bytes} bytes", "8.2")
    if (request.content_length or 0) > limit_bytes:
        raise too_large
    data = bytearray()
    try:
        async with asyncio.timeout(timeout_s):
            async for chunk in request.content.iter_any():
                data += chunk
                if len(data) > limit_bytes:
                    raise too_large
    except TimeoutError as error:
        raise Denied(Reason.TIMEOUT, f"the body did not arrive within {timeout_s:g} s") from error
    except (web.RequestPayloadError, ClientPayloadError) as error:
        raise Denied(Reason.BAD_REQUEST, "the body could not be read") from error
    return bytes(data)


def decode_json(data: bytes | str) -> Any:
    """Any JSON value. Raises Denied `bad-request`."""
    try:
        return _decode_json(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Denied(Reason.BAD_REQUEST, f"not JSON: {error}") from error


def decode_as(kind: type[T], value: Any) -> T:
    """A JSON value as a Struct. Raises Denied `bad-request` that names the wrong member."""
    try:
        converted: T = msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise Denied(Reason.BAD_REQUEST, str(error)) from error
    return converted


async def principal_of(
    request: web.Request, authenticate: Authenticate, needs: Permission, transport: str = REST
) -> Principal:
    """Who asks: by `Authorization: Bearer <log-in or token>` or `?auth=`. Raises Denied."""
    request[ASKED_OVER] = transport
    credential = credential_of(request)
    if credential is None:
        raise Denied(Reason.LOGIN_REQUIRED, "send Authorization: Bearer <log-in or token>", "11.1")
    principal = await authenticate(credential, address_of(request))
    require(principal, needs)
    return principal


def address_of(request: web.Request) -> str:
    """Where the request comes from; "" for a Unix socket or a client that has gone."""
    return request.remote or ""


def connection_of(request: web.Request) -> str:
    """What tells one connection from another while both are open."""
    return f"{id(request.transport):x}"


def credential_of(request: web.Request) -> str | None:
    """The text of a log-in or token, if the request carries one."""
    scheme, _, credential = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and credential.strip():
        return credential.strip()
    return request.query.get("auth") or None


def require(principal: Principal, needs: Permission) -> None:
    """Raise Denied `forbidden` unless the principal may do it."""
    if needs not in principal.permissions:
        raise Denied(Reason.FORBIDDEN, f"the token has no scope {needs.name.lower()}", "11.3")


def integer(request: web.Request, name: str, default: int, low: int, high: int) -> int:
    """A whole number in the query. Raises Denied `bad-request`."""
    text = request.query.get(name)
    if text is None:
        return default
    value = int(text) if text.isascii() and text.isdigit() and len(text) <= 16 else -1
    if not low <= value <= high:
        raise Denied(Reason.BAD_REQUEST, f"{name} is a whole number from {low} to {high}")
    return value


def seconds(request: web.Request, name: str, most: float) -> float:
    """A time in the query, 0 where it is absent and cut to `most`. Raises Denied `bad-request`."""
    text = request.query.get(name, "0")
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e9:  # NaN compares false
        raise Denied(Reason.BAD_REQUEST, f"{name} is a number of seconds from 0")
    return min(value, most)


def hex_id(request: web.Request, name: str) -> bytes:
    """32 bytes in hex in the query. Raises Denied `bad-request`."""
    return hex_bytes(name, request.query.get(name, ""))


def hex_bytes(name: str, text: str) -> bytes:
    """32 bytes of their hex. Raises Denied `bad-request` that names what it was to be."""
    try:
        value = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        value = b""
    if len(value) != 32:
        raise Denied(Reason.BAD_REQUEST, f"{name} is 32 bytes in hex")
    return value


def account(text: str) -> Account:
    """The account of a CAIP-10 text. Raises Denied `bad-request`."""
    try:
        return parse_account(text)
    except AccountError as error:
        raise Denied(Reason.BAD_REQUEST, str(error), "2.2") from error


def topic(text: str) -> Topic:
    """The topic of its display form. Raises Denied `bad-request`."""
    try:
        return parse_topic(text)
    except AccountError as error:
        raise Denied(Reason.BAD_REQUEST, str(error), "2.3") from error


def topics(request: web.Request) -> list[str] | None:
    """`?topics=<topic>,<topic>` as texts; None, which is all, where it is absent."""
    text = request.query.get("topics")
    return None if text is None else text.split(",")
