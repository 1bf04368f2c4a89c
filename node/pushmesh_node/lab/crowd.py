"""Many wallets at /v1/stream in one process, which reads as cheaply as it can: bytes are counted, and one stream is
looked into. All streams are alike, so what that one was given tells how many bytes the others lack.

`python -m pushmesh_node.lab.crowd`; on standard input it is told in JSON lines what to do, and answers each with one:
{"listen": FILE, "host", "port"} opens a stream for each log-in in the file, {"look": true} reads what came
meanwhile, {"bare": PORT} opens as many connections to `bare_fanout`; {"publish": FILE, "each": N, "window": N,
"ack_every": N} sends requests to the node with so many not wholly received; {"write": N, "size": BYTES, "each": N,
"window": N} does the same with the bare server. These two tell the CPU time of this process too.
"""

import json
import re
import select
import socket
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from .framing import BINARY, CLOSE, TEXT, FrameReader, FramingError, client_frame, connect

READ_BYTES = 1 << 18
SILENCE_S = 30.0
QUIET_S = 0.3
_CURSOR = re.compile(rb'"cursor":"([0-9a-f]+\.\d+)"')


class Reference:
    """The one stream that is looked into: after how many bytes each message was complete, and its newest cursor."""

    def __init__(self) -> None:
        self._reader = FrameReader()
        self.begin()

    def begin(self) -> None:
        """Count from here; what came before was whole."""
        self.ends: list[int] = []
        self.bytes = self.acked = 0
        self.cursor = b""

    def feed(self, data: bytes) -> None:
        """Raises FramingError where the node ended the stream."""
        for opcode, payload in self._reader.feed(data):
            size = len(payload) + (2 if len(payload) < 126 else 4 if len(payload) < 65_536 else 10)
            self.bytes += size
            if opcode == CLOSE or payload.startswith((b'{"type":"end"', b'{"type":"error"')):
                raise FramingError(f"the node ended a stream: {payload[:200].decode(errors='replace')}")
            if payload.startswith(b'{"type":"message"'):
                self.ends.append(self.bytes)
                found = _CURSOR.search(payload)
                assert found is not None  # every message has one
                self.cursor = found[1]
            elif payload.startswith(b'{"type":"acked"'):
                self.acked += 1


class Crowd:
    """Connections of one kind, all given the same."""

    def __init__(self, links: list[socket.socket]) -> None:
        self._links = links
        self._by_number = {link.fileno(): link for link in links}
        self._first = links[0].fileno()
        self._poll = select.epoll()
        self._buffer = bytearray(READ_BYTES)
        for link in links:
            link.setblocking(False)
            self._poll.register(link, select.EPOLLIN)
        self.total = 0
        self.last_s = 0.0

    def __len__(self) -> int:
        return len(self._links)

    def read(self, wait_s: float) -> bool:
        """Take what is there; whether anything was."""
        ready = self._poll.poll(wait_s, 2 * len(self._links))
        for number, _ in ready:
            if number == self._first:
                data = self._by_number[number].recv(READ_BYTES)
                size = len(data)
                self.look(data)
            elif self.other(number):
                continue
            else:
                size = self._by_number[number].recv_into(self._buffer)
            if not size:
                raise FramingError("a stream was closed")
            self.total += size
        if ready:
            self.last_s = time.monotonic()
        return bool(ready)

    def look(self, data: bytes) -> None:
        """What the first connection was given."""

    def other(self, number: int) -> bool:
        """Whether this descriptor is none of the crowd's; it is read then."""
        return False

    def begin(self) -> None:
        """Read until nothing comes, then count from zero."""
        while self.read(QUIET_S):
            pass
        self.total = 0

    def say(self, word: bytes) -> None:
        """The same word on every stream."""
        data = client_frame(TEXT, word)
        for link in self._links:
            link.send(data)

    def read_until(self, bytes_each: int) -> None:
        """Until every stream was given so many bytes. Raises FramingError where nothing comes any more."""
        while self.total < len(self) * bytes_each:
            if not self.read(SILENCE_S):
                raise FramingError(f"{self.total} bytes came, {len(self) * bytes_each} were due")


class Wallets(Crowd):
    """Streams of a node, and a connection that publishes."""

    def __init__(self, host: str, port: int, auths: list[str]) -> None:
        self._publisher, rest = connect(host, port, "/v1/publish/stream")
        self._answers = FrameReader()
        self._answers.feed(rest)
        super().__init__([_listen(host, port, auth) for auth in auths])
        self._poll.register(self._publisher, select.EPOLLIN)
        self._by_number[self._publisher.fileno()] = self._publisher
        self.reference = Reference()
        self._durable = 0

    def look(self, data: bytes) -> None:
        """The reference."""
        self.reference.feed(data)

    def other(self, number: int) -> bool:
        """The publisher's answers are not counted."""
        if number != self._publisher.fileno():
            return False
        self._take_answers()
        return True

    def publish(self, messages: list[bytes], each: int, window: int, ack_every: int) -> dict[str, Any]:
        """Send requests of `each` envelopes, and acknowledge every so many messages on every stream. The time ends with
        the last message and the last answer to an acknowledgement but the final one, which is waited for untimed."""
        self.begin()
        self.reference.begin()
        self._durable = sent = done = acked = 0
        count = len(messages)
        started_s, cpu_s = time.monotonic(), time.process_time()
        while done < count:
            while sent < count and sent - done < window:
                self._publisher.sendall(messages[sent])
                sent += 1
            if not self.read(SILENCE_S):
                raise FramingError(f"{done} of {count} requests were delivered, then nothing came")
            ends = self.reference.ends
            while len(ends) >= (done + 1) * each and self.total >= len(self) * ends[(done + 1) * each - 1]:
                done += 1
            if ack_every and done < count and done * each >= (acked + 1) * ack_every:
                acked += 1
                self._acknowledge()
        while self.reference.acked < acked:
            self.read(SILENCE_S)
        self.read_until(self.reference.bytes)
        ended_s, cpu_s = self.last_s, time.process_time() - cpu_s
        self._acknowledge()
        while self.reference.acked <= acked or self._durable < count * each:
            if not self.read(SILENCE_S):
                raise FramingError("not everything was acknowledged")
        self.read_until(self.reference.bytes)
        return {
            "seconds": ended_s - started_s,
            "cpu_s": cpu_s,
            "durable": self._durable,
            "size": self.reference.ends[0],
            "acks": acked + 1,
        }

    def _acknowledge(self) -> None:
        self.say(b'{"type":"ack","cursor":"%b"}' % self.reference.cursor)

    def _take_answers(self) -> None:
        data = self._publisher.recv(READ_BYTES)
        if not data:
            raise FramingError("the node closed the publisher's stream")
        for opcode, payload in self._answers.feed(data):
            if opcode == BINARY:
                for _, rows in msgspec.msgpack.decode(payload):
                    self._durable += sum([row[1] == "durable" and row[2] == "ok" for row in rows])


class BareCrowd(Crowd):
    """Connections to the bare server, and one that tells it to write."""

    def __init__(self, port: int, count: int) -> None:
        self._publisher = socket.create_connection(("127.0.0.1", port))
        self._publisher.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().__init__([_subscribe(port) for _ in range(count)])

    def write(self, count: int, size: int, each: int, window: int) -> dict[str, Any]:
        """As `publish`, without acknowledgements: so many lines, for each of which every stream gets `each` frames."""
        self.begin()
        sent = done = 0
        started_s, cpu_s = time.monotonic(), time.process_time()
        while done < count:
            while sent < count and sent - done < window:
                self._publisher.sendall(b"%d %d\n" % (size, each))
                sent += 1
            self.read_until((done + 1) * size * each)
            done = self.total // (len(self) * size * each)
        return {"seconds": self.last_s - started_s, "cpu_s": time.process_time() - cpu_s}


def _listen(host: str, port: int, auth: str) -> socket.socket:
    """A stream that has read the store. Raises FramingError where the node refuses."""
    link, rest = connect(host, port, "/v1/stream")
    reader = FrameReader()
    words = reader.feed(rest)
    link.sendall(client_frame(TEXT, json.dumps({"type": "login", "auth": auth}).encode()))
    link.sendall(client_frame(TEXT, b'{"type":"listen","cursor":"now","device":"bench"}'))
    while not any([payload.startswith(b'{"type":"live"') for _, payload in words]):
        data = link.recv(READ_BYTES)
        if not data:
            raise FramingError(f"the node did not let a wallet listen: {words}")
        words += reader.feed(data)
    return link


def _subscribe(port: int) -> socket.socket:
    link = socket.create_connection(("127.0.0.1", port))
    link.sendall(b"+")
    return link


def main() -> None:
    """Serve the laboratory until its standard input ends."""
    wallets: Wallets | None = None
    bare: BareCrowd | None = None
    for line in sys.stdin:
        order: dict[str, Any] = json.loads(line)
        answer: dict[str, Any] = {}
        match order:
            case {"listen": path, "host": host, "port": port}:
                wallets = Wallets(host, port, json.loads(Path(path).read_text()))
                answer = {"listening": len(wallets)}
            case {"look": True}:
                assert wallets is not None
                wallets.begin()  # raises where one of them is closed
                answer = {"listening": len(wallets)}
            case {"bare": port}:
                assert wallets is not None
                bare = BareCrowd(port, len(wallets))
            case {"publish": path, "each": each, "window": window, "ack_every": ack_every}:
                assert wallets is not None
                messages = msgspec.msgpack.decode(Path(path).read_bytes(), type=list[bytes])
                answer = wallets.publish(messages, each, window, ack_every)
            case {"write": count, "size": size, "each": each, "window": window}:
                assert bare is not None
                answer = bare.write(count, size, each, window)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
