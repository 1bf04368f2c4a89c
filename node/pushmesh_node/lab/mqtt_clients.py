"""All clients of a measurement in one process, as cheap as they can be: many subscribers under QoS 1 and a publisher,
at any MQTT 5 server.

`python -m pushmesh_node.lab.mqtt_clients`; on standard input it is told in JSON lines what to do, and answers each.
{"connect": NAME, "port", "clients": [[id, user, password, [topic...]]...], "publisher": [id, user, password]} connects;
{"play": NAME, "frames": [base64...], "each"} publishes frames to a node, of which each becomes `each` messages for
every client; {"echo": NAME, "topics": [topic...], "turns", "each"} publishes what a client got last to these topics,
`each` times for a turn. IN_FLIGHT turns are on their way at a time. CPU time is this process's own.
"""

import base64
import json
import os
import select
import socket
import sys
import time
from collections.abc import Sequence
from typing import Any

from mqtt5 import ConnectPacket, PublishPacket, QoS, SubscribePacket, TopicFilter

READ_BYTES = 1 << 18
PATIENCE_S = 60.0
POLL_S = 1.0
MANY_EVENTS = 1_024
KEEP_ALIVE_S = 300
IN_FLIGHT = 4
PUBLISH_TOPIC = "pushmesh/publish"
SURE, PUBACK, CONNACK, SUBACK = 0x32, 0x40, 0x20, 0x90
"""First bytes of packets; SURE is a PUBLISH under QoS 1 for the first time."""
_MOST_IDS = 65_535


class ClientsError(Exception):
    """The server does not do what is measured."""


class Clients:
    """Subscribers and the publisher of one server."""

    def __init__(self, port: int, clients: Sequence[Sequence[Any]], publisher: Sequence[str | None]) -> None:
        self._links = [_connect(port, *client) for client in clients]
        id_, user, password = publisher
        self._publisher = _connect(port, id_, user, password, ())
        self._ready = select.epoll()
        for link in self._links:
            self._ready.register(link, select.EPOLLIN)
        self._ready.register(self._publisher, select.EPOLLIN)
        self._held: dict[int, bytes] = {}
        self._counts = dict.fromkeys([link.fileno() for link in self._links], 0)
        self._unsent = b""
        self._confirmed = 0
        self._next_id = 1
        self.sample = b""
        """A PUBLISH that came, from its properties on."""

    def play(self, turns: Sequence[Sequence[tuple[str, bytes]]], each: int) -> dict[str, Any]:
        """Publish (topic, properties and payload) of every turn; until all clients have `each` messages of each turn
        and all was confirmed. Raises ClientsError where that is not what happens."""
        packets = [[self._packet(topic, rest) for topic, rest in turn] for turn in turns]
        blobs, total = [b"".join(turn) for turn in packets], each * len(turns) * len(self._links)
        confirmed = sum(map(len, packets))
        self._counts = dict.fromkeys(self._counts, 0)
        self._confirmed = received = sent = 0
        cpu_s, started_s = time.process_time(), time.monotonic()
        while received < total or self._confirmed < confirmed:
            while sent < len(blobs) and received >= (sent - IN_FLIGHT + 1) * each * len(self._links):
                self._send(blobs[sent])
                sent += 1
            received += self._read_all()
            if time.monotonic() > started_s + PATIENCE_S:
                raise ClientsError(f"{received} of {total} messages came, {self._confirmed} of {confirmed} PUBACKs")
        ended_s, cpu_s = time.monotonic(), time.process_time() - cpu_s
        if set(self._counts.values()) != {each * len(turns)}:
            raise ClientsError("not every client got every message once")
        return {"received": received, "seconds": ended_s - started_s, "cpu_s": cpu_s}

    def close(self) -> None:
        """Hang up. Idempotent."""
        for link in (*self._links, self._publisher):
            link.close()

    def _packet(self, topic: str, rest: bytes) -> bytes:
        name = topic.encode()
        packet_id, self._next_id = self._next_id, self._next_id % _MOST_IDS + 1
        body = len(name).to_bytes(2, "big") + name + packet_id.to_bytes(2, "big") + rest
        return bytes((SURE,)) + _length(len(body)) + body

    def _send(self, data: bytes) -> None:
        if not self._unsent:
            self._ready.modify(self._publisher, select.EPOLLIN | select.EPOLLOUT)
        self._unsent += data

    def _read_all(self) -> int:
        """What is there from anybody; how many messages that were."""
        received = 0
        publisher = self._publisher.fileno()
        for number, what in self._ready.poll(POLL_S, MANY_EVENTS):
            if number != publisher:
                received += self._take(number)
                continue
            if what & select.EPOLLOUT and self._unsent:
                self._unsent = self._unsent[self._publisher.send(self._unsent) :]
                if not self._unsent:
                    self._ready.modify(self._publisher, select.EPOLLIN)
            if what & ~select.EPOLLOUT:
                self._take(number)
        return received

    def _take(self, number: int) -> int:
        """Read one connection, confirm what came; how many messages that were."""
        data = os.read(number, READ_BYTES)
        if not data:
            raise ClientsError("the server closed a connection")
        if number in self._held:
            data = self._held.pop(number) + data
        at, end = 0, len(data)
        ids = []
        while at + 4 <= end:
            size, start = data[at + 1], at + 2
            if size > 127:
                size, start = size & 127 | (data[start] & 127) << 7, start + 1
                if data[start - 1] > 127:
                    size, start = size | data[start] << 14, start + 1
            if start + size > end:
                break
            if data[at] == SURE:
                place = start + 2 + (data[start] << 8 | data[start + 1])
                ids.append(data[place : place + 2])
                if not self.sample:
                    self.sample = data[place + 2 : start + size]
            else:
                self._take_other(data[at], data[start : start + size])
            at = start + size
        if at < end:
            self._held[number] = data[at:]
        if ids:
            os.write(number, b"@\2" + b"@\2".join(ids))
            self._counts[number] += len(ids)
        return len(ids)

    def _take_other(self, first: int, body: bytes) -> None:
        if first == PUBACK and (len(body) == 2 or body[2] < 0x80):
            self._confirmed += 1
        else:
            raise ClientsError(f"the server said something else: {first:#x} {body[:80]!r}")


def _connect(
    port: int, id_: str | None, user: str | None, password: str | None, topics: Sequence[str]
) -> socket.socket:
    """Logged in and subscribed; does not block."""
    link = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
    try:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        secret = None if password is None else password.encode()
        packet = ConnectPacket(id_ or "", username=user, password=secret, clean_start=True, keep_alive=KEEP_ALIVE_S)
        _ask(link, packet.write(), CONNACK)
        if topics:
            filters = [TopicFilter(topic, max_qos=QoS.AT_LEAST_ONCE) for topic in topics]
            _ask(link, SubscribePacket(1, filters).write(), SUBACK)
        link.setblocking(False)
    except BaseException:
        link.close()
        raise
    return link


def _ask(link: socket.socket, data: bytes, answer: int) -> None:
    """Say it, and wait for an answer of this kind. Raises ClientsError where it is no success."""
    link.sendall(data)
    got = _exactly(link, 2)
    while got[-1] > 127:
        got += _exactly(link, 1)
    body = _exactly(link, sum([(digit & 127) << 7 * place for place, digit in enumerate(got[1:])]))
    code = body[1] if answer == CONNACK else body[-1]
    if got[0] != answer or code >= 0x80:
        raise ClientsError(f"the server did not take a client: {got + body!r}")


def _exactly(link: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size:
        part = link.recv(size - len(got))
        if not part:
            raise ClientsError("the server closed a connection")
        got += part
    return got


def _length(size: int) -> bytes:
    digits = bytearray()
    while size > 127:
        digits.append(size & 127 | 128)
        size >>= 7
    digits.append(size)
    return bytes(digits)


_BARE = PublishPacket("x", b"", qos=QoS.AT_LEAST_ONCE, packet_id=1).write()[-1:]
"""No properties."""


class Servers:
    """Obeys orders."""

    def __init__(self) -> None:
        self._clients: dict[str, Clients] = {}
        self._sample = b""

    def obey(self, order: dict[str, Any]) -> dict[str, Any]:
        """The answer to one order. Raises ClientsError."""
        if "connect" in order:
            self._clients[order["connect"]] = Clients(order["port"], order["clients"], order["publisher"])
            return {"connected": len(order["clients"])}
        if "play" in order:
            clients, each = self._clients[order["play"]], int(order["each"])
            turns = [[(PUBLISH_TOPIC, _BARE + base64.b64decode(frame))] for frame in order["frames"]]
            clients.sample = b""
            answer = clients.play(turns, each)
            self._sample = clients.sample
            return answer
        clients, each = self._clients[order["echo"]], int(order["each"])
        packets = [(topic, self._sample) for _ in range(each) for topic in order["topics"]]
        return clients.play([packets] * int(order["turns"]), each) | {"bytes": len(self._sample)}

    def close(self) -> None:
        """Hang up everywhere."""
        for clients in self._clients.values():
            clients.close()


def main() -> None:
    """Serve the laboratory until its standard input ends."""
    servers = Servers()
    try:
        for line in sys.stdin:
            print(json.dumps(servers.obey(json.loads(line))), flush=True)
    finally:
        servers.close()


if __name__ == "__main__":
    main()
