"""A publisher under faults: keeps a stream full, notes what it knew when, asks again about what was left open."""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Final

import aiohttp
import msgspec

from pushmesh_client import Wallet
from pushmesh_client.author import unix_ms
from pushmesh_client.compose import Draft, notification_of, signed_batch, signed_envelope
from pushmesh_protocol.armor import from_text
from pushmesh_protocol.frames import Part, encode_frame
from pushmesh_protocol.kinds import Kind, Notification
from pushmesh_protocol.network import Network

from .history import Durable, History, Invoked, RefusedOutright, Unknown

TOPIC = "alerts"
LIFE_MS = 20 * 86_400_000
BATCH = 8
MAY_BE_THERE = frozenset({"store-failed", "store-full", "internal"})
"""Refusals after which the disk may hold the envelope all the same."""


class Publisher:
    """Publishes single envelopes and small batches of one wallet to whatever node it is told."""

    def __init__(
        self,
        network: Network,
        wallet: Wallet,
        history: History,
        random: Random,
        *,
        rate: float,
        now_ms: Callable[[], int] = unix_ms,
        life_ms: int = LIFE_MS,
        batch: int = BATCH,
        batches: float = 0.2,
        topic: str = TOPIC,
    ) -> None:
        """`rate` is requests a second, on average, while a stream is open; the share `batches` of them are batches of
        so many; everything expires after `life_ms`."""
        self.topic = topic
        self._batches = batches
        self._life_ms = life_ms
        self._batch = batch
        self.wallet = wallet
        self._now_ms = now_ms
        self.durable = 0
        self.incarnation = b""
        self._network = network
        self._history = history
        self._random = random
        self._pause_s = 1 / rate
        self._seq = 0
        self._numbers = 0
        self._open: dict[int, tuple[str, bytes, tuple[bytes, ...]]] = {}
        self._unknown: list[tuple[str, bytes, tuple[bytes, ...]]] = []
        self.refusals: dict[str, int] = {}

    def skip(self, seqs: int) -> None:
        """Leave out slots that an earlier life of this wallet has used."""
        self._seq += seqs

    async def run(self, name: str, url: str, window: int) -> None:
        """Until the node is gone or this is cancelled; what has no answer then is of unknown outcome."""
        try:
            async with aiohttp.ClientSession() as http:
                self.incarnation = await _incarnation(http, url)
                async with http.ws_connect(f"{url}/v1/publish/stream", timeout=_AT_ONCE) as stream:
                    async with asyncio.TaskGroup() as group:
                        reading = group.create_task(self._read(name, stream))
                        while not reading.done():
                            if len(self._open) < window:
                                await self._send(name, stream)
                            await asyncio.sleep(self._random.expovariate(1 / self._pause_s))
        except* (aiohttp.ClientError, ConnectionError, TimeoutError):
            pass
        finally:
            self._give_up()

    async def settle(self, name: str, url: str) -> None:
        """Ask again, with the same bytes, about all that is unknown. Raises where the node does not answer."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as http:
            self.incarnation = await _incarnation(http, url)
            while self._unknown:
                _, frame, ids = self._unknown[0]
                self._history.add(self._invoked(name, ids))
                async with http.post(f"{url}/v1/publish", data=frame, headers=_FRAME) as response:
                    rows = (await response.json())["outcomes"]
                for row in rows:
                    receipt = from_text(row["receipt"]) if row.get("receipt") else None
                    self._note(name, bytes.fromhex(row["id"]), row["level"], row["reason"], row["commit_no"], receipt)
                self._unknown.pop(0)

    async def _send(self, name: str, stream: aiohttp.ClientWebSocketResponse) -> None:
        part = self._next()
        ids = tuple([envelope.id for envelope in part.envelopes])
        frame, number = encode_frame([part]), self._numbers
        self._numbers += 1
        self._open[number] = (name, frame, ids)
        self._history.add(self._invoked(name, ids))
        await stream.send_bytes(msgspec.msgpack.encode([number, frame, *self._random.choice(_WAITS)]))

    async def _read(self, name: str, stream: aiohttp.ClientWebSocketResponse) -> None:
        while (message := await stream.receive()).type is aiohttp.WSMsgType.BINARY:
            for number, rows in msgspec.msgpack.decode(message.data):
                self._open.pop(number)
                for row in rows:
                    self._note(name, row[0], row[1], row[2], row[5], row[6] if len(row) > 6 else None)

    def _note(
        self, name: str, id_: bytes, level: str, reason: str, commit_no: int | None, receipt: bytes | None
    ) -> None:
        if level == "durable":
            assert commit_no is not None, "a durable envelope has a number"
            self.durable += 1
            self._history.add(Durable(name, id_, commit_no, self.incarnation, receipt or b""))
        else:
            self.refusals[reason] = self.refusals.get(reason, 0) + 1
            refused = Unknown(name, id_) if reason in MAY_BE_THERE else RefusedOutright(name, id_, reason)
            self._history.add(refused)

    def _give_up(self) -> None:
        for entry in self._open.values():
            self._unknown.append(entry)
            for id_ in entry[2]:
                self._history.add(Unknown(entry[0], id_))
        self._open.clear()

    def _next(self) -> Part:
        now_ms = self._now_ms()
        if self._random.random() >= self._batches:
            self._seq += 1
            body = self._note_of(now_ms, self._seq)
            return Part(
                (signed_envelope(self._network, self.wallet.key, self.wallet.account, Kind.NOTIFICATION, body),)
            )
        first, self._seq = self._seq + 1, self._seq + self._batch
        bodies = [self._note_of(now_ms, first + index) for index in range(self._batch)]
        return signed_batch(self._network, self.wallet.key, self.wallet.account, bodies)

    def _note_of(self, now_ms: int, seq: int) -> Notification:
        draft = Draft(title=f"Alert {seq}", body="It moved.", life_ms=self._life_ms)
        return notification_of(draft, self.wallet.topic(self.topic), now_ms, seq)

    def _invoked(self, name: str, ids: tuple[bytes, ...]) -> Invoked:
        return Invoked(name, self.topic, ids, self._now_ms() + self._life_ms)


_WAITS: Final = ((), (("durable", 1, 10_000),))
"""Half of all requests ask for receipts."""

_FRAME = {"Content-Type": "application/vnd.pushmesh.frame"}
_AT_ONCE = aiohttp.ClientWSTimeout(ws_close=0.5)


async def _incarnation(http: aiohttp.ClientSession, url: str) -> bytes:
    async with http.get(f"{url}/v1/status") as response:
        return bytes.fromhex((await response.json())["incarnation"])
