"""The flood: a process that offers so many publishes a second over several connections, whatever it is answered.

`python -m pushmesh_node.lab.flood HOST PORT CONNECTIONS`. On standard input it is told in JSON lines what to do, and
answers each line with one: {"load": FILE} reads messages; {"rate": R, "seconds": S} offers them at that rate, again
those that were refused, and waits for every answer; {"again": N} sends so many of those that were taken once more, one
after the other, and tells how many the node still has.
"""

import json
import select
import socket
import sys
import time
from collections import Counter, deque
from pathlib import Path
from typing import Any

import msgspec

from .framing import BINARY, CLOSE, PING, PONG, FrameReader, FramingError, client_frame, connect
from .load import READ_BYTES, Reply

SILENCE_S = 20.0
"""Without any answer for so long a run ends; what has none then is told."""

BEHIND_BYTES = 262_144
"""A connection that the node reads no faster is offered nothing more: then the true rate is lower than asked."""

TURN_S = 0.002
_decode = msgspec.msgpack.Decoder(list[Reply]).decode


class Connection:
    """One publisher: what is still to be written, and what it was answered."""

    def __init__(self, host: str, port: int) -> None:
        self.link, rest = connect(host, port, "/v1/publish/stream")
        self.link.setblocking(False)
        self.link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = FrameReader()
        self._reader.feed(rest)
        self.out = bytearray()
        self.taken = 0

    def write(self) -> None:
        """As much as the socket takes."""
        try:
            while self.out:
                del self.out[: self.link.send(memoryview(self.out)[:BEHIND_BYTES])]
        except BlockingIOError:
            pass

    def read(self) -> list[Reply]:
        """The answers that are there."""
        data = self.link.recv(READ_BYTES)
        if not data:
            raise FramingError("the node closed the stream")
        replies: list[Reply] = []
        for opcode, payload in self._reader.feed(data):
            if opcode == BINARY:
                replies += _decode(payload)
            elif opcode == PING:
                self.out += client_frame(PONG, payload)
            elif opcode == CLOSE:
                raise FramingError("the node closed the stream")
        return replies


class Flood:
    """`messages` are whole WebSocket frames, the number of each is its place; none is under way twice."""

    def __init__(self, host: str, port: int, connections: int) -> None:
        self._connections = [Connection(host, port) for _ in range(connections)]
        self._poll = select.poll()
        for each in self._connections:
            self._poll.register(each.link, select.POLLIN)
        self._by_fd = {each.link.fileno(): each for each in self._connections}
        self._messages: list[bytes] = []
        self._free: deque[int] = deque()
        self._sent_s: dict[int, float] = {}
        self._turn = 0
        self.commits: dict[int, int] = {}
        """Of those that were taken, the number that they have in the store."""
        self.sent = self.without_retry = 0
        self.answers: Counter[str] = Counter()
        self.taken_ms: list[tuple[float, float]] = []
        self.refused_ms: list[float] = []

    def load(self, path: Path) -> int:
        """Read the messages; returns how many."""
        self._messages = msgspec.msgpack.decode(path.read_bytes(), type=list[bytes])
        self._free.extend(range(len(self._messages)))
        return len(self._messages)

    def run(self, rate: float, seconds: float) -> dict[str, Any]:
        """Offer for so long, then wait until all is answered. Each time counts from when a message was handed over."""
        began_s = time.monotonic()
        end_s = began_s + seconds
        offered, cpu_s = 0, time.process_time()
        while (now_s := time.monotonic()) < end_s:
            due = int((now_s - began_s) * rate) - offered
            offered += due
            self._offer(due, now_s)
            self._exchange(TURN_S)
        sent, cpu_s = self.sent, time.process_time() - cpu_s
        heard_s = time.monotonic()
        while self._sent_s and time.monotonic() < heard_s + SILENCE_S:
            if self._exchange(0.1):
                heard_s = time.monotonic()
        return {
            "began_s": began_s,
            "flooded_s": end_s,
            "sent": sent,
            "cpu_s": cpu_s,
            "answers": dict(self.answers),
            "without_retry": self.without_retry,
            "unanswered": len(self._sent_s),
            "taken_ms": self.taken_ms,
            "refused_ms": self.refused_ms,
            "shares": [each.taken for each in self._connections],
        }

    def again(self, count: int) -> dict[str, Any]:
        """Of so many that were taken, spread over the run, how many are answered as the duplicates that they are."""
        every = max(1, len(self.commits) // max(1, count))
        asked = dict(list(self.commits.items())[::every])
        connection, kept = self._connections[0], 0
        for number, commit_no in asked.items():
            connection.out += self._messages[number]
            rows = self._answer_of(connection)
            kept += [(row.level, row.reason, row.commit_no) for row in rows] == [("durable", "duplicate", commit_no)]
        return {"asked": len(asked), "kept": kept}

    def close(self) -> None:
        """Idempotent."""
        for each in self._connections:
            each.link.close()

    def _offer(self, due: int, now_s: float) -> None:
        """To each connection its part; who is first, by turns."""
        count = len(self._connections)
        for place in range(count):
            connection = self._connections[(self._turn + place) % count]
            for _ in range(due // count + (place < due % count)):
                if not self._free or len(connection.out) >= BEHIND_BYTES:
                    break
                number = self._free.popleft()
                connection.out += self._messages[number]
                self._sent_s[number] = now_s
                self.sent += 1
        self._turn += due % count

    def _exchange(self, timeout_s: float) -> bool:
        """Write and read what can be; whether anything was answered."""
        answered = False
        for descriptor, _ in self._poll.poll(timeout_s * 1000):
            connection = self._by_fd[descriptor]
            now_s = time.monotonic()
            for number, rows in connection.read():
                answered = True
                self._note(connection, number, rows, now_s)
        for connection in self._connections:
            connection.write()
        return answered

    def _note(self, connection: Connection, number: int, rows: Any, now_s: float) -> None:
        wait_ms = 1000 * (now_s - self._sent_s.pop(number))
        (row,) = rows
        self.answers[f"{row.level}:{row.reason}"] += 1
        if row.level == "durable":
            connection.taken += 1
            self.commits[number] = row.commit_no
            self.taken_ms.append((now_s, wait_ms))
        else:
            self.without_retry += row.retry_after_s is None
            self.refused_ms.append(wait_ms)
            self._free.append(number)

    def _answer_of(self, connection: Connection) -> Any:
        deadline_s = time.monotonic() + SILENCE_S
        while time.monotonic() < deadline_s:
            connection.write()
            if self._poll.poll(100):
                for _, rows in connection.read():
                    return rows
        raise FramingError(f"the node was silent for {SILENCE_S} s")


def main() -> None:
    """Serve the laboratory until its standard input ends."""
    flood = Flood(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    print(json.dumps({"connected": True}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        if "load" in order:
            answer: dict[str, Any] = {"loaded": flood.load(Path(order["load"]))}
        elif "again" in order:
            answer = flood.again(order["again"])
        else:
            answer = flood.run(order["rate"], order["seconds"])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
