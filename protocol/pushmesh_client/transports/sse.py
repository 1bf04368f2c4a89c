"""The node's events over Server-Sent Events: one long HTTP answer, and a request for each acknowledgement."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

import aiohttp

from ..errors import BadAnswer, TimedOut, Unreachable
from ..node import Node, refused
from ..wallet_calls import mark_read
from .contract import Event, LogIn, ReadState, Request
from .reading import read_event, read_json

SILENCE_S = 60.0
"""The node sends a comment every 15 s; a longer silence than this is a lost connection."""
MAX_LINE_BYTES = 1024 * 1024
MAX_EVENT_BYTES = 4 * MAX_LINE_BYTES


class SseTransport:
    """See Transport."""

    answers_vouchers = False

    def __init__(self, node: Node, login: LogIn, *, timeout_s: float = 15.0) -> None:
        self._node = node
        self._login = login
        self._timeout_s = timeout_s
        self._device = ""
        self._http: aiohttp.ClientSession | None = None
        self._response: aiohttp.ClientResponse | None = None

    async def open(self, request: Request) -> None:
        """Connect and log in by header; the cursor goes in the query."""
        try:
            await self._open(request)
        except BaseException:
            await self.close()
            raise

    async def _open(self, request: Request) -> None:
        headers = {"Authorization": f"Bearer {await self._login()}", "Accept": "text/event-stream"}
        self._device = request.device
        query = [("device", request.device)]
        if request.cursor is not None:
            query.append(("cursor", request.cursor))
        if request.topics is not None:
            query.append(("topics", ",".join(request.topics)))
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._timeout_s, sock_read=SILENCE_S)
        self._http = aiohttp.ClientSession(timeout=timeout, read_bufsize=MAX_LINE_BYTES)
        try:
            async with asyncio.timeout(self._timeout_s):
                url = self._node.url.joinpath("v1/events")
                self._response = await self._http.get(url, params=query, headers=headers)
                if self._response.status != 200:
                    raise refused(self._response.status, read_json(await self._response.read()))
        except TimeoutError as error:
            raise TimedOut(f"{self._node.url} did not open the events within {self._timeout_s:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable.by(self._node.url, error) from error

    async def events(self) -> AsyncGenerator[Event, None]:
        """Events as they come; comments keep the connection alive."""
        assert self._response is not None, "open first"
        name, data, room = "", [], MAX_EVENT_BYTES
        try:
            async for raw in self._response.content:
                line = raw.decode().rstrip("\r\n")
                if line:
                    member, _, value = line.partition(":")
                    value = value.removeprefix(" ")
                    if member == "event":
                        name = value
                    elif member == "data":
                        data.append(value)
                        room -= len(raw)
                    if room < 0:
                        raise BadAnswer(f"{self._node.url} sent an event of more than {MAX_EVENT_BYTES} bytes")
                    continue
                if data:
                    event = read_event(
                        {"type": name} | dict(read_json("\n".join(data))) | ({"type": name} if name else {})
                    )
                    if event is not None:
                        yield event
                name, data, room = "", [], MAX_EVENT_BYTES
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise Unreachable(f"the events of {self._node.url} broke off") from error
        except (UnicodeError, ValueError) as error:
            raise BadAnswer(f"{self._node.url} sent events that cannot be read") from error
        raise Unreachable(f"{self._node.url} ended the events")

    async def acknowledge(self, cursor: str, voucher: bytes | None) -> None:
        """A request of its own, since nothing goes back over the events."""
        await self._node.acknowledge(cursor, self._device, await self._login(), voucher)

    async def mark_read(self, cursor: str | None, messages: Sequence[str]) -> ReadState:
        """A request of its own too."""
        return await mark_read(self._node, await self._login(), cursor, messages, self._device)

    async def close(self) -> None:
        """Cuts the answer off."""
        response, self._response = self._response, None
        if response is not None:
            response.close()
        if self._http is not None:
            await self._http.close()
            self._http = None
