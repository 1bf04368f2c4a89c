"""The quiet one: a process that publishes one notification after another to a wallet of its own, and tells how long
each took to be durable, to be delivered, and to be acknowledged.

`python -m pushmesh_node.lab.probe HOST PORT`; its standard input gives {"auth": TEXT} first, then {"load": FILE}, then
{"seconds": S, "every_s": E}. It answers each line with one; the last with {"singles": [[at on the system's monotonic
clock, reason, durable ms, delivered ms, acknowledged ms]...]}, times 0 where it was refused.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from .framing import BINARY, CLOSE, PING, PONG, TEXT, FrameReader, FramingError, client_frame, connect
from .load import READ_BYTES, Reply
from .receiver import count_of

PATIENCE_S = 30.0

_decode = msgspec.msgpack.Decoder(list[Reply]).decode

Single = tuple[float, str, float, float, float]


class Talk:
    """A WebSocket whose messages are taken one by one."""

    def __init__(self, host: str, port: int, path: str) -> None:
        self._link, rest = connect(host, port, path, PATIENCE_S)
        self._reader = FrameReader()
        self._messages = self._reader.feed(rest)

    def say(self, frame: bytes) -> None:
        """A whole frame."""
        self._link.sendall(frame)

    def hear(self, wanted: int) -> bytes:
        """The next message of a kind; others of the node's own are answered or passed over."""
        while True:
            while self._messages:
                opcode, payload = self._messages.pop(0)
                if opcode == PING:
                    self.say(client_frame(PONG, payload))
                elif opcode == CLOSE:
                    raise FramingError(f"the node closed the stream: {payload[2:].decode(errors='replace')}")
                elif opcode == wanted:
                    return payload
            try:
                data = self._link.recv(READ_BYTES)
            except TimeoutError as error:
                raise FramingError(f"the node was silent for {PATIENCE_S:g} s") from error
            if not data:
                raise FramingError("the node closed the stream")
            self._messages = self._reader.feed(data)

    def close(self) -> None:
        """Idempotent."""
        self._link.close()


class Probe:
    """A publisher's stream, and the stream of the wallet that follows it."""

    def __init__(self, host: str, port: int, auth: str) -> None:
        self._publish = Talk(host, port, "/v1/publish/stream")
        self._wallet = Talk(host, port, "/v1/stream")
        self._tell({"type": "login", "auth": auth})
        welcome = json.loads(self._wallet.hear(TEXT))
        if welcome["type"] != "welcome":
            self.close()
            raise FramingError(f"the node did not take the log-in: {welcome}")
        self._incarnation = welcome["incarnation"]
        self._tell({"type": "listen", "cursor": "now", "device": "probe", "format": "frames"})
        self._messages: list[bytes] = []

    def load(self, path: Path) -> int:
        """Read the messages; returns how many."""
        self._messages = msgspec.msgpack.decode(path.read_bytes(), type=list[bytes])
        return len(self._messages)

    def run(self, seconds: float, every_s: float) -> list[Single]:
        """One at a time, for so long, at most one in `every_s`."""
        singles: list[Single] = []
        end_s = time.monotonic() + seconds
        for message in self._messages:
            at_s = time.monotonic()
            if at_s >= end_s:
                break
            singles.append(self._single(message, at_s))
            time.sleep(max(0.0, at_s + every_s - time.monotonic()))
        return singles

    def close(self) -> None:
        """Idempotent."""
        self._publish.close()
        self._wallet.close()

    def _single(self, message: bytes, at_s: float) -> Single:
        self._publish.say(message)
        ((_, (row,)),) = _decode(self._publish.hear(BINARY))
        durable_s = time.monotonic()
        if row.level != "durable":
            return at_s, row.reason, 0.0, 0.0, 0.0
        while not count_of(self._wallet.hear(BINARY)):
            continue
        delivered_s = time.monotonic()
        self._tell({"type": "ack", "cursor": f"{self._incarnation}.{row.commit_no}"})
        while json.loads(self._wallet.hear(TEXT))["type"] != "acked":
            continue
        acked_s = time.monotonic()
        times = (durable_s - at_s, delivered_s - at_s, acked_s - delivered_s)
        return at_s, row.reason, 1000 * times[0], 1000 * times[1], 1000 * times[2]

    def _tell(self, word: dict[str, Any]) -> None:
        self._wallet.say(client_frame(TEXT, json.dumps(word).encode()))


def main() -> None:
    """Serve the laboratory until its standard input ends."""
    probe = Probe(sys.argv[1], int(sys.argv[2]), json.loads(sys.stdin.readline())["auth"])
    print(json.dumps({"connected": True}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        if "load" in order:
            answer: dict[str, Any] = {"loaded": probe.load(Path(order["load"]))}
        else:
            answer = {"singles": probe.run(order["seconds"], order["every_s"])}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
