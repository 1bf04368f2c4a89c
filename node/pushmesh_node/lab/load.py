"""The load generator: a process of its own that sends frames which were built and signed beforehand, as cheaply as it
can.

`python -m pushmesh_node.lab.load HOST PORT` keeps one pipelined connection to /v1/publish/stream. On standard input
it is
told in JSON lines what to do: {"load": FILE} reads a round's messages, {"go": WINDOW} sends them with at most so many
unanswered, {"pace": RATE} sends so many a second whatever happens. It answers each line with one.
"""

import json
import select
import socket
import struct
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from .framing import BINARY, CLOSE, PING, PONG, FrameReader, FramingError, client_frame, connect

READ_BYTES = 1 << 18
SILENCE_S = 60


class Row(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The answer to one envelope."""

    id: bytes | None
    level: str
    reason: str
    rule: str
    detail: str
    commit_no: int | None
    retry_after_s: float | None = None


Reply = tuple[int, list[Row]]
_decode = msgspec.msgpack.Decoder(list[Reply]).decode


class Generator:
    """One connection; `messages` are whole WebSocket frames, the number of each is its place."""

    def __init__(self, host: str, port: int) -> None:
        self._link, rest = connect(host, port, "/v1/publish/stream")
        self._link.setblocking(True)  # a time limit of Python's own would cost a second system call for each read
        self._link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", SILENCE_S, 0))
        self._reader = FrameReader()
        self._early = self._reader.feed(rest)
        self._messages: list[bytes] = []

    def close(self) -> None:
        """Idempotent."""
        self._link.close()

    def load(self, path: Path) -> int:
        """Read a round's messages; returns how many."""
        self._messages = msgspec.msgpack.decode(path.read_bytes(), type=list[bytes])
        return len(self._messages)

    def run(self, window: int) -> dict[str, Any]:
        """Send all, wait for every answer. CPU time is this process's own, sending and reading alike."""
        messages, total = self._messages, len(self._messages)
        sends: list[tuple[int, float]] = []
        reads: list[tuple[list[Reply], float]] = []
        cpu_s, started_s = time.process_time(), time.monotonic()
        sent = answered = 0
        while answered < total:
            goal = min(total, answered + window)
            if sent < goal:
                sends.append((goal, time.monotonic()))
                self._link.sendall(b"".join(messages[sent:goal]))
                sent = goal
            replies = self._replies()
            reads.append((replies, time.monotonic()))
            answered += len(replies)
        ended_s, cpu_s = time.monotonic(), time.process_time() - cpu_s
        return {"started_s": started_s, "ended_s": ended_s, "cpu_s": cpu_s} | _summary(sends, reads)

    def pace(self, rate: int) -> dict[str, Any]:
        """Send so many a second whatever happens, wait for every answer. Each request's time counts from when it was
        due, so that a stall is told by all that it held up."""
        messages, total = self._messages, len(self._messages)
        reads: list[tuple[list[Reply], float]] = []
        poll = select.poll()  # a descriptor over 1,023 is no matter for it
        poll.register(self._link, select.POLLIN)
        cpu_s, started_s = time.process_time(), time.monotonic()
        sent = answered = 0
        while answered < total:
            now_s = time.monotonic() - started_s
            goal = min(total, int(now_s * rate) + 1)
            if sent < goal:
                self._link.sendall(b"".join(messages[sent:goal]))
                sent = goal
            wait_s = SILENCE_S if sent == total else max(0.0, sent / rate - now_s)
            if poll.poll(wait_s * 1000):
                replies = self._replies()
                reads.append((replies, time.monotonic()))
                answered += len(replies)
            elif sent == total:
                raise FramingError(f"the node was silent for {SILENCE_S} s")
        ended_s, cpu_s = time.monotonic(), time.process_time() - cpu_s
        due = [(number + 1, started_s + number / rate) for number in range(total)]
        return {"started_s": started_s, "ended_s": ended_s, "cpu_s": cpu_s} | _summary(due, reads)

    def _replies(self) -> list[Reply]:
        while True:
            data = self._link.recv(READ_BYTES)
            if not data:
                raise FramingError("the node closed the stream")
            replies: list[Reply] = []
            for opcode, payload in self._reader.feed(data):
                if opcode == BINARY:
                    replies += _decode(payload)
                elif opcode == PING:
                    self._link.sendall(client_frame(PONG, payload))
                elif opcode == CLOSE:
                    raise FramingError("the node closed the stream")
            if replies:
                return replies


def _summary(sends: list[tuple[int, float]], reads: list[tuple[list[Reply], float]]) -> dict[str, Any]:
    """After the clock has stopped: how long each request took, and what the answers said."""
    sent_s: list[float] = []
    for goal, at_s in sends:
        sent_s += [at_s] * (goal - len(sent_s))
    answers: Counter[str] = Counter()
    latencies_ms: list[float] = []
    for replies, at_s in reads:
        for number, rows in replies:
            latencies_ms.append(1000 * (at_s - sent_s[number]))
            answers.update(f"{row.level}:{row.reason}" for row in rows)
    return {"answers": dict(answers), "latencies_ms": latencies_ms}


def main() -> None:
    """Serve the laboratory until its standard input ends."""
    generator = Generator(sys.argv[1], int(sys.argv[2]))
    print(json.dumps({"connected": True}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        if "load" in order:
            answer: dict[str, Any] = {"loaded": generator.load(Path(order["load"]))}
        elif "pace" in order:
            answer = generator.pace(order["pace"])
        else:
            answer = generator.run(order["go"])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
