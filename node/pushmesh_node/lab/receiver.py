"""The one subscriber of a measurement: a process of its own that takes messages from /v1/stream and counts different
ones.

`python -m pushmesh_node.lab.receiver HOST PORT`; its standard input gives {"auth": TEXT} first, then {"expect": N};
it answers
when N more messages have come: {"received", "different", "ended_s"} on the system's monotonic clock.
"""

import json
import selectors
import sys
import time
from typing import Any

import msgspec

from .framing import BINARY, CLOSE, PING, PONG, TEXT, FrameReader, FramingError, client_frame, connect

READ_BYTES = 1 << 20
PATIENCE_S = 60.0

_rows = msgspec.msgpack.Decoder(list[tuple[int, str, str, bytes]]).decode


def count_of(message: bytes) -> int:
    """How many rows a binary message has, from its MessagePack head alone: looking into them waits for a pause."""
    if message[0] == 0xDC:
        return int.from_bytes(message[1:3], "big")
    if message[0] == 0xDD:
        return int.from_bytes(message[1:5], "big")
    return message[0] & 0x0F


class Receiver:
    """One logged-in stream."""

    def __init__(self, host: str, port: int, auth: str) -> None:
        self._link, rest = connect(host, port, "/v1/stream")
        self._reader = FrameReader()
        self._messages: list[bytes] = []
        self._arrived = 0
        self._seen: set[bytes] = set()
        self._last_s = 0.0
        self._welcome = b""
        self.is_closed = False
        self._say({"type": "login", "auth": auth})
        self._take(rest)
        while not self._welcome and not self.is_closed:
            self.read()
        if b'"type":"welcome"' not in self._welcome:
            self.close()
            raise FramingError(f"the node did not take the log-in: {self._welcome.decode()[:300]}")
        self._say({"type": "listen", "cursor": "now", "device": "bench", "format": "frames"})

    def close(self) -> None:
        """Idempotent."""
        self._link.close()

    def fileno(self) -> int:
        """For selectors."""
        return self._link.fileno()

    def read(self) -> None:
        """Take what is there; waits for the first byte."""
        data = self._link.recv(READ_BYTES)
        self.is_closed = self.is_closed or not data
        self._take(data)

    def expect(self, count: int) -> dict[str, Any]:
        """Read until `count` messages have come since the last call, or for PATIENCE_S; look into them afterwards."""
        deadline = time.monotonic() + PATIENCE_S
        while self._arrived < count and time.monotonic() < deadline:
            if self.is_closed:
                raise FramingError("the node closed the stream")
            self.read()
        frames = {frame for message in self._messages for _, _, _, frame in _rows(message)}
        answer = {"received": self._arrived, "different": len(frames - self._seen), "ended_s": self._last_s}
        self._seen |= frames
        self._messages.clear()
        self._arrived = 0
        return answer

    def _take(self, data: bytes) -> None:
        before = self._arrived
        for opcode, payload in self._reader.feed(data):
            if opcode == BINARY:
                self._messages.append(payload)
                self._arrived += count_of(payload)
            elif opcode == TEXT:
                self._welcome = self._welcome or payload
            elif opcode == PING:
                self._link.sendall(client_frame(PONG, payload))
            elif opcode == CLOSE:
                self.is_closed = True
        if self._arrived > before:
            self._last_s = time.monotonic()

    def _say(self, word: dict[str, Any]) -> None:
        self._link.sendall(client_frame(TEXT, json.dumps(word).encode()))


def main() -> None:
    """Serve the laboratory until its standard input ends."""
    receiver = Receiver(sys.argv[1], int(sys.argv[2]), json.loads(sys.stdin.readline())["auth"])
    print(json.dumps({"connected": True}), flush=True)
    with selectors.DefaultSelector() as ready:
        ready.register(sys.stdin, selectors.EVENT_READ)
        ready.register(receiver, selectors.EVENT_READ)
        while True:
            for key, _ in ready.select():
                if key.fileobj is receiver:
                    receiver.read()
                    if receiver.is_closed:
                        raise FramingError("the node closed the stream")
                    continue
                line = sys.stdin.readline()
                if not line:
                    return
                print(json.dumps(receiver.expect(json.loads(line)["expect"])), flush=True)


if __name__ == "__main__":
    main()
