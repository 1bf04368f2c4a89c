"""The same work with no product logic: what a machine could do if a node decided nothing.

`python -m pushmesh_node.lab.lower_bound FOLDER` serves the publish stream: socket read, decode, EIP-712 digest and
recovery in
threads, one SQLite commit with synchronous=FULL a batch, acknowledgement, one write to one subscriber. No checks of
rules,
slots, subscriptions, curation, metrics or gossip. It prints its port and ends with its standard input.
"""

import asyncio
import os
import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import msgspec
import uvloop

from pushmesh_protocol.auth.eip712 import batch_digest, envelope_digest
from pushmesh_protocol.auth.secp256k1 import recover_account
from pushmesh_protocol.forms import FrameForm, ItemForm
from pushmesh_protocol.kinds import Notification
from pushmesh_protocol.network import Network
from pushmesh_protocol.tree import root_of

from .framing import BINARY, TEXT, FrameReader, accept_of, server_frame
from .networks import shipped_network

BATCHES = 2
"""Batches under way at a time, so that verifying and storing overlap."""
Row = tuple[bytes, bytes]
Request = tuple[int, bytes]

_request = msgspec.msgpack.Decoder(Request).decode
_frame = msgspec.msgpack.Decoder(FrameForm).decode
_body = msgspec.msgpack.Decoder(Notification).decode
_pack = msgspec.msgpack.Encoder().encode
_json = msgspec.json.Encoder().encode


def verify(network: Network, frame: bytes) -> list[Row]:
    """(id, body) of every envelope in a frame whose signature was recovered. Raises ValueError for a wrong signer."""
    form = _frame(frame)
    rows: list[Row] = []
    for item in form.items:
        if isinstance(item, ItemForm):
            envelope_id = network.hash_envelope(bytes((item.kind,)), item.author, item.body)
            digest = envelope_digest(network, None, item.kind, _body(item.body), envelope_id)
            signer, auth, found = item.author, cast(Any, item.auth), [(envelope_id, item.body)]
        else:
            statement = form.statements[item.statement]
            kind = bytes((statement.kind,))
            found = [(network.hash_envelope(kind, statement.author, body), body) for body in item.bodies]
            for body in item.bodies:
                _body(body)
            if root_of([row[0] for row in found]) != statement.root:
                raise ValueError("the leaves do not lead to the root")
            digest = batch_digest(network, None, statement)
            signer, auth = statement.author, cast(Any, statement.auth)
        if recover_account(digest, auth.signature) != signer:
            raise ValueError("another key signed this")
        rows += found
    return rows


class Store:
    """One table, one connection, one thread."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=FULL")
        self._database.execute("PRAGMA cache_size=-65536")
        self._database.execute("CREATE TABLE items (number INTEGER PRIMARY KEY, data BLOB)")
        self._database.execute("CREATE TABLE ids (id BLOB PRIMARY KEY, number INTEGER) WITHOUT ROWID")
        self._next = 1

    def commit(self, rows: list[Row]) -> int:
        """All rows in one transaction, on the disk when it returns; the number of the first."""
        first, self._next = self._next, self._next + len(rows)
        database = self._database
        database.execute("BEGIN IMMEDIATE")
        database.executemany("INSERT INTO items VALUES (?, ?)", enumerate([body for _, body in rows], first))
        numbered = [(row[0], number) for number, row in enumerate(rows, first)]
        database.executemany("INSERT OR IGNORE INTO ids VALUES (?, ?)", numbered)
        database.execute("COMMIT")
        return first

    def close(self) -> None:
        """Nothing is committed after it."""
        self._database.close()


class Server:
    """Requests of one publisher, deliveries to one subscriber."""

    def __init__(self, store: Store) -> None:
        self._network = shipped_network("bench")
        self._store = store
        self._verifiers = ThreadPoolExecutor(max(1, (os.cpu_count() or 2) - 1))
        self._writer = ThreadPoolExecutor(1)
        self._waiting: list[tuple[asyncio.Transport, bytes]] = []
        self._subscriber: asyncio.Transport | None = None
        self._running = 0

    def subscribe(self, transport: asyncio.Transport) -> None:
        """From now on everything is delivered there."""
        self._subscriber = transport

    def take(self, transport: asyncio.Transport, messages: list[bytes]) -> None:
        """Whatever one read brought."""
        self._waiting += [(transport, message) for message in messages]
        self._start()

    def _start(self) -> None:
        while self._waiting and self._running < BATCHES:
            batch, self._waiting = self._waiting, []
            self._running += 1
            task = asyncio.get_running_loop().create_task(self._serve(batch))
            task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._running -= 1
        task.result()
        self._start()

    async def _serve(self, batch: list[tuple[asyncio.Transport, bytes]]) -> None:
        loop = asyncio.get_running_loop()
        requests = [_request(message) for _, message in batch]
        found = await loop.run_in_executor(self._verifiers, self._verify, requests)
        first = await loop.run_in_executor(self._writer, self._store.commit, [row for rows in found for row in rows])
        self._answer(batch[0][0], requests, found, first)

    def _verify(self, requests: list[Request]) -> list[list[Row]]:
        return [verify(self._network, frame) for _, frame in requests]

    def _answer(
        self, transport: asyncio.Transport, requests: list[Request], found: list[list[Row]], first: int
    ) -> None:
        replies, deliveries = [], []
        for (number, _), rows in zip(requests, found, strict=True):
            replies.append((number, [(id, "durable", "ok", "", "", first + at) for at, (id, _) in enumerate(rows)]))
            for at, (_, body) in enumerate(rows):
                deliveries.append((first + at, "now", "subscribed", body))
            first += len(rows)
        transport.write(server_frame(BINARY, _pack(replies)))
        if self._subscriber is not None:
            self._subscriber.write(server_frame(BINARY, _pack(deliveries)))


class Link(asyncio.Protocol):
    """One connection: the handshake, then frames. A path that ends in /publish/stream publishes, another subscribes."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._reader = FrameReader()
        self._head = b""
        self._publishes: bool | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep it."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are one in all but the class

    def data_received(self, data: bytes) -> None:
        """A handshake, requests, or a subscriber's words."""
        if self._publishes is None:
            self._head += data
            if b"\r\n\r\n" not in self._head:
                return
            head, _, data = self._head.partition(b"\r\n\r\n")
            self._shake_hands(head)
        frames = self._reader.feed(data)
        if self._publishes:
            self._server.take(self._transport, [payload for opcode, payload in frames if opcode == BINARY])
        elif any(b'"login"' in payload for _, payload in frames):
            self._transport.write(server_frame(TEXT, _json({"type": "welcome"})))
            self._server.subscribe(self._transport)

    def _shake_hands(self, head: bytes) -> None:
        lines = head.split(b"\r\n")
        key = next(line.partition(b":")[2].strip() for line in lines if line.lower().startswith(b"sec-websocket-key:"))
        self._publishes = b"/publish/stream " in lines[0]
        self._transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: %b\r\n\r\n" % accept_of(key)
        )


async def serve(folder: Path) -> None:
    """Until standard input ends."""
    loop = asyncio.get_running_loop()
    server = Server(Store(folder / "lower_bound.db"))
    listening = await loop.create_server(lambda: Link(server), "127.0.0.1", 0)
    print(_json({"port": listening.sockets[0].getsockname()[1]}).decode(), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    listening.close()


def main() -> None:
    """Serve the laboratory."""
    uvloop.run(serve(Path(sys.argv[1])))


if __name__ == "__main__":
    main()
