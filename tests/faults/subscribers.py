"""Subscribers under faults: one that keeps nothing but its cursor, and one that is an application on the SDK."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import aiohttp
import msgspec

from pushmesh_client import ClientError, Node, SlotBook, Subscriber, Wallet
from pushmesh_client.author import unix_ms
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.frames import Part, open_publish
from pushmesh_protocol.network import Network

from .history import Delivered, Handed, History, Listened, Subscribed

PAUSE_S = 0.05
_rows = msgspec.msgpack.Decoder(list[tuple[int, str, str, bytes]]).decode


class CursorReader:
    """Reads a node's stream, and goes on after the last number that it was given, whatever happens to the node."""

    def __init__(
        self, name: str, network: Network, wallet: Wallet, history: History, *, now_ms: Callable[[], int] = unix_ms
    ) -> None:
        self.name = name
        self.wallet = wallet
        self.got: set[bytes] = set()
        self._now_ms = now_ms
        self._network = network
        self._history = history
        self._place: tuple[bytes, int] | None = None

    async def subscribe(self, url: str, topic: Topic, label: str) -> None:
        """Raises where the node does not take it."""
        async with Node(url, network=self._network) as node:
            published = await self._subscriber(node).subscribe(topic)
            assert published.ok, published.outcome
        self._history.add(Subscribed(self.name, label))

    async def run(self, name: str, url: str) -> None:
        """Until it is cancelled: connects again whenever the connection breaks."""
        while True:
            with suppress(aiohttp.ClientError, ConnectionError, ClientError, TimeoutError):
                await self._session(name, url)
            await asyncio.sleep(PAUSE_S)

    def _subscriber(self, node: Node) -> Subscriber:
        return Subscriber(node, self.wallet, SlotBook(), now_ms=self._now_ms)

    async def _session(self, name: str, url: str) -> None:
        async with Node(url, network=self._network) as node:
            credential = await self._subscriber(node).credential()
            async with node.http.ws_connect(f"{url}/v1/stream", timeout=_AT_ONCE) as stream:
                await stream.send_json({"type": "login", "auth": credential})
                first = await stream.receive(timeout=10)
                welcome = first.json() if first.type is aiohttp.WSMsgType.TEXT else {}
                if welcome.get("type") != "welcome":
                    return
                incarnation = bytes.fromhex(welcome["incarnation"])
                known, after = self._place or (incarnation, 0)
                if known != incarnation:
                    after = 0
                self._history.add(Listened(self.name, name, incarnation, after))
                cursor = f"{incarnation.hex()}.{after}" if after else "0"
                await stream.send_json({"type": "listen", "cursor": cursor, "device": self.name, "format": "frames"})
                await self._read(name, incarnation, stream)

    async def _read(self, name: str, incarnation: bytes, stream: aiohttp.ClientWebSocketResponse) -> None:
        async for message in stream:
            if message.type is aiohttp.WSMsgType.TEXT:
                if message.json()["type"] == "gap":  # the node does not know this cursor, says so, and begins anew
                    self._history.add(Listened(self.name, name, incarnation, 0))
                continue
            for commit_no, _, _, frame in _rows(message.data):
                (part,) = open_publish(self._network, frame).parts
                assert isinstance(part, Part), part
                id_ = part.envelopes[0].id
                self._history.add(Delivered(self.name, name, incarnation, commit_no, id_))
                self.got.add(id_)
                self._place = (incarnation, commit_no)


class Application:
    """What an application sees that leaves everything to the SDK: each message once, whatever nodes do."""

    def __init__(
        self, name: str, network: Network, wallet: Wallet, history: History, *, now_ms: Callable[[], int] = unix_ms
    ) -> None:
        self.name = name
        self.wallet = wallet
        self.got: set[bytes] = set()
        self._now_ms = now_ms
        self._network = network
        self._history = history

    async def run(self, urls: list[str], topic: Topic, label: str) -> None:
        """Subscribes at the first node, then listens until it is cancelled, at the others where that one is away."""
        nodes = [Node(url, network=self._network) for url in urls]
        try:
            subscriber = Subscriber(nodes[0], self.wallet, SlotBook(), others=nodes[1:], now_ms=self._now_ms)
            published = await subscriber.subscribe(topic)
            assert published.ok, published.outcome
            self._history.add(Subscribed(self.name, label))
            async with await subscriber.listen("ws", device=self.name, cursor="0") as inbox:
                async for message in inbox:
                    self._history.add(Handed(self.name, message.id))
                    self.got.add(message.id)
        finally:
            for node in nodes:
                await node.close()


_AT_ONCE = aiohttp.ClientWSTimeout(ws_close=0.5)
