"""A wallet that listens through whatever happens: the SDK's own inbox over any way, and a note of every message as it
came and as the application was handed it."""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from random import Random
from typing import Protocol

from pushmesh_client import Inbox, Node, Wallet
from pushmesh_client.author import unix_ms
from pushmesh_client.link import Source
from pushmesh_client.transports import Delivery, Ended, Event, ReadState, Transport
from pushmesh_client.transports.contract import Request
from pushmesh_protocol.accounts import display_account
from pushmesh_protocol.auth.signing import sign_login
from pushmesh_protocol.authority import Authority
from pushmesh_protocol.frames import Part, open_publish
from pushmesh_protocol.login import LogInWords, format_login
from pushmesh_protocol.network import Network
from pushmesh_protocol.outcomes import Disclosure
from pushmesh_protocol.vouchers import Voucher

from ..history import Delivered, Handed, History, Listened
from .ways import transport_of

HOST = "127.0.0.1"


class Trouble(Protocol):
    """What is done to a client's connection. Called by the client, on its own task."""

    def opening(self) -> None:
        """A connection begins."""

    async def taken(self, transport: Transport, delivery: Delivery) -> None:
        """The application is done with a message, and nothing was acknowledged since."""


@dataclass(frozen=True, slots=True)
class Place:
    """The node that clients listen to, as they know it."""

    name: str
    network: Network
    node_id: bytes
    incarnation: bytes


class Client:
    """Listens until it is cancelled. On each connection it goes on after its own cursor or, half of the time, where the
    node says that it stopped."""

    def __init__(
        self,
        name: str,
        way: str,
        wallet: Wallet,
        place: Place,
        history: History,
        random: Random,
        *,
        port: int,
        trouble: Trouble | None = None,
        may_open: Callable[[], Awaitable[object]] | None = None,
        at_once: int = 1,
    ) -> None:
        """`port` is of the node or of a wire before it. It dials `at_once` times in a row before it pauses, and waits
        for `may_open` each time."""
        self.name = name
        self.way = way
        self.wallet = wallet
        self.got: set[bytes] = set()
        self.connections = 0
        self.told: Counter[str] = Counter()
        """Reasons that the node gave for ending a connection."""
        self._place = place
        self._history = history
        self._random = random
        self._port = port
        self._trouble = trouble
        self._may_open = may_open
        self._at_once = at_once

    async def run(self) -> None:
        """Until it is cancelled. Raises what the SDK gives up for."""
        async with self._inbox() as inbox:
            async for message in inbox:
                self._history.add(Handed(self.name, message.id))
                self.got.add(message.id)

    def _inbox(self) -> Inbox:
        async def node_id() -> bytes:
            return self._place.node_id

        url = f"http://{HOST}:{self._port}"
        source = Source(url, node_id, self._transport, _introduced, _no_voucher, _no_disclosure, _no_grant)
        return Inbox(
            [source] * self._at_once,
            network=self._place.network,
            account=self.wallet.account,
            authority=Authority(),
            request=Request(self.way, None, None),
            tally=None,
            now_ms=unix_ms,
        )

    async def _transport(self) -> Transport:
        if self._may_open is not None:
            await self._may_open()
        if self._trouble is not None:
            self._trouble.opening()
        node = Node(f"http://{HOST}:{self._port}", network=self._place.network)
        account = display_account(self.wallet.account)
        return _Observed(self, node, transport_of(self.way, node, self._port, account, self._log_in))

    async def _log_in(self) -> str:
        place, now_ms = self._place, unix_ms()
        words = LogInWords(place.node_id, HOST, self.wallet.account, secrets.token_bytes(32), now_ms, "outages")
        return format_login(sign_login(self.wallet.key, place.network, words))

    # What a connection tells.

    def asked(self, request: Request) -> Request:
        """A connection is about to be made; what it asks for."""
        self.connections += 1
        if request.cursor is not None and self._random.random() < 0.5:
            request = replace(request, cursor=None)
        after = 0 if request.cursor is None else int(request.cursor.rpartition(".")[2])
        self._history.add(Listened(self.name, self._place.name, self._place.incarnation, after))
        return request

    def came(self, delivery: Delivery) -> None:
        """A message, before anything looks at it."""
        incarnation, _, commit_no = delivery.cursor.rpartition(".")
        (part,) = open_publish(self._place.network, delivery.frame).parts
        assert isinstance(part, Part), part
        id_ = part.envelopes[0].id
        place = self._place.name
        self._history.add(Delivered(self.name, place, bytes.fromhex(incarnation), int(commit_no), id_))

    async def is_taken(self, transport: Transport, delivery: Delivery) -> None:
        """The application asks for the next one."""
        if self._trouble is not None:
            await self._trouble.taken(transport, delivery)


class _Observed:
    """A transport of the SDK that tells its client what it sees."""

    def __init__(self, client: Client, node: Node, inner: Transport) -> None:
        self.answers_vouchers = inner.answers_vouchers
        self._client = client
        self._node = node
        self._inner = inner

    async def open(self, request: Request) -> None:
        """As the client wishes."""
        await self._inner.open(self._client.asked(request))

    async def events(self) -> AsyncGenerator[Event, None]:
        """All of the inner one's."""
        async with aclosing(self._inner.events()) as events:
            async for event in events:
                if isinstance(event, Ended):
                    self._client.told[event.reason] += 1
                if isinstance(event, Delivery):
                    self._client.came(event)
                yield event
                if isinstance(event, Delivery):
                    await self._client.is_taken(self._inner, event)

    async def acknowledge(self, cursor: str, voucher: bytes | None) -> None:
        """Passed on."""
        await self._inner.acknowledge(cursor, voucher)

    async def mark_read(self, cursor: str | None, messages: Sequence[str]) -> ReadState | None:
        """Passed on."""
        return await self._inner.mark_read(cursor, messages)

    async def close(self) -> None:
        """The transport and its node's connections."""
        await self._inner.close()
        await self._node.close()


async def _introduced() -> None:
    """A wallet that signs by itself has no grant to tell of."""


async def _no_voucher(voucher: Voucher) -> None:
    raise AssertionError(f"nothing is vouchered without a session key: {voucher}")


async def _no_disclosure(disclosure: Disclosure) -> None:
    raise AssertionError(f"nothing is disclosed without a session key: {disclosure}")


async def _no_grant(grant_id: bytes) -> bytes:
    raise AssertionError(f"nobody publishes by a session key: {grant_id.hex()}")


async def ended(tasks: list[asyncio.Task[None]]) -> None:
    """Cancels them, and waits until they have ended. Raises what one of them failed with."""
    for task in tasks:
        task.cancel()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    for error in found:
        if isinstance(error, BaseException) and not isinstance(error, asyncio.CancelledError):
            raise error
