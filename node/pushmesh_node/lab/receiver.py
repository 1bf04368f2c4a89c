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

from .framing import CLOSE, PING, PONG, TEXT, FrameReader, FramingError, client_frame, connect

READ_BYTES = 1 << 20
_MESSAGE = b'{"type":"message"'
PATIENCE_S = 60.0


class _Envelope(msgspec.Struct):
    id: str


class _Message(msgspec.Struct):
    envelope: _Envelope


_id_of = msgspec.json.Decoder(_Message).decode


class Receiver:
    """One logged-in stream."""

    def __init__(self, host: str, port: int, auth: str) -> None:
        self._link, rest = connect(host, port, "/v1/stream")
        self._reader = FrameReader()
        self._arrived: list[bytes] = []
        self._seen: set[str] = set()
        self._last_s = 0.0
        self._welcome = b""
        self._say({"type": "login", "auth": auth})
        self._take(rest)
        while not self._welcome:
            self.read()
        if b'"type":"welcome"' not in self._welcome:
            self.close()
            raise FramingError(f"the node did not take the log-in: {self._welcome.decode()[:300]}")
        self._say({"type": "listen", "cursor": "now", "device": "bench"})

    def close(self) -> None:
        """Idempotent."""
        self._link.close()

    def fileno(self) -> int:
        """For selectors."""
        return self._link.fileno()

    def read(self) -> None:
        """Take what is there; waits for the first byte."""
        data = self._link.recv(READ_BYTES)
        if not data:
            raise FramingError("the node closed the stream")
        self._take(data)

    def expect(self, count: int) -> dict[str, Any]:
        """Read until `count` messages have come since the last call, or for PATIENCE_S; look into them afterwards."""
        deadline = time.monotonic() + PATIENCE_S
        while len(self._arrived) < count and time.monotonic() < deadline:
            self.read()
        ids = {_id_of(payload).envelope.id for payload in self._arrived}
        answer = {"received": len(self._arrived), "different": len(ids - self._seen), "ended_s": self._last_s}
        self._seen |= ids
        self._arrived.clear()
        return answer

    def _take(self, data: bytes) -> None:
        before = len(self._arrived)
        for opcode, payload in self._reader.feed(data):
            if opcode == TEXT:
                if payload.startswith(_MESSAGE):
                    self._arrived.append(payload)
                elif not self._welcome:
                    self._welcome = payload
            elif opcode == PING:
                self._link.sendall(client_frame(PONG, payload))
            elif opcode == CLOSE:
                raise FramingError("the node closed the stream")
        if len(self._arrived) > before:
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
                    continue
                line = sys.stdin.readline()
                if not line:
                    return
                print(json.dumps(receiver.expect(json.loads(line)["expect"])), flush=True)


if __name__ == "__main__":
    main()
