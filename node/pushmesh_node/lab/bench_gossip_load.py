"""The load generator of the mesh: publishes at one node as cheaply as it can, and watches the disks of all nodes.

`python -m pushmesh_node.lab.bench_gossip_load HOST PORT STORE...`; the first store is the publishing node's. On its
standard input it is told in JSON lines what to do, and answers each line with one: {"load": FILE} reads messages;
{"saturate": WINDOW} sends them with at most so many not yet on every disk; {"pace": RATE} sends so many a second
whatever happens; {"latencies": true} tells of the last run; {"check": true} looks for everything that was ever
acknowledged on every disk.
"""

import json
import select
import socket
import struct
import sys
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from .bench_gossip_disk import StoreWatch
from .framing import BINARY, CLOSE, PING, PONG, FrameReader, FramingError, client_frame, connect
from .load import Reply

READ_BYTES = 1 << 20
SILENCE_S = 60
POLL_S = 0.002
"""Between two looks at the disks: latencies are too long by up to so much."""
STALL_S = 20.0
"""Without any progress for so long a run ends; what is missing then counts as lost."""

TAKEN = "durable:ok"
"""The answer to an envelope that is new and on the first node's disk: from then on it must come to every disk."""

_decode = msgspec.msgpack.Decoder(list[Reply]).decode

Goal = Callable[[float, int], int]
"""How many messages are to be sent, by the seconds since the start and the envelopes that are on every disk."""


class Disks:
    """What is on each disk since the last `begin`, looked at together."""

    def __init__(self, stores: Sequence[Path]) -> None:
        self._watches = [StoreWatch(path) for path in stores]
        self._bases = [0] * len(self._watches)
        self._samples: list[tuple[list[float], list[int]]] = []
        self.begin()

    def begin(self) -> None:
        """Count from here."""
        self._bases = [watch.last_commit() for watch in self._watches]
        self._samples = [([], []) for _ in self._watches]

    def look(self) -> int:
        """How many envelopes are on every disk."""
        least = sys.maxsize
        for watch, base, (times_s, counts) in zip(self._watches, self._bases, self._samples, strict=True):
            count = watch.last_commit() - base
            if not counts or count > counts[-1]:
                times_s.append(time.monotonic())
                counts.append(count)
            least = min(least, count)
        return least

    def stored_s(self) -> list[dict[bytes, float]]:
        """For each disk, when each id was first seen on it."""
        found = []
        for watch, base, (times_s, counts) in zip(self._watches, self._bases, self._samples, strict=True):
            commits = watch.ids_after(base)
            places = {id_: bisect_left(counts, number - base) for id_, number in commits.items()}
            found.append({id_: times_s[place] for id_, place in places.items() if place < len(times_s)})
        return found

    def lost(self, ids: set[bytes]) -> int:
        """How many of these are not on every disk."""
        everywhere = set(ids)
        for watch in self._watches:
            everywhere.intersection_update(watch.ids_after(0))
        return len(ids) - len(everywhere)

    def close(self) -> None:
        """Idempotent."""
        for watch in self._watches:
            watch.close()


class Generator:
    """One connection to the first node; `messages` are whole WebSocket frames, the number of each is its place."""

    def __init__(self, host: str, port: int, stores: Sequence[Path]) -> None:
        self._link, rest = connect(host, port, "/v1/publish/stream")
        self._link.setblocking(True)
        self._link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", SILENCE_S, 0))
        self._reader = FrameReader()
        self._reader.feed(rest)
        self._poll = select.poll()  # a descriptor over 1,023 is no matter for it
        self._poll.register(self._link, select.POLLIN)
        self._disks = Disks(stores)
        self._messages: list[bytes] = []
        self._due_s: list[float] = []
        self._answers: Counter[str] = Counter()
        self._numbers: dict[bytes, int] = {}
        self._acknowledged: set[bytes] = set()

    def close(self) -> None:
        """Idempotent."""
        self._link.close()
        self._disks.close()

    def load(self, path: Path) -> int:
        """Read messages and remove the file, which may be large; returns how many."""
        self._messages = msgspec.msgpack.decode(path.read_bytes(), type=list[bytes])
        path.unlink()
        return len(self._messages)

    def saturate(self, window: int) -> dict[str, Any]:
        """Keep `window` envelopes on their way to the last disk."""
        return self._run(lambda elapsed_s, stored: stored + window, None)

    def pace(self, rate: float) -> dict[str, Any]:
        """Envelope n is due n / rate seconds after the start, and timed from then, however late it could be sent."""
        return self._run(lambda elapsed_s, stored: int(elapsed_s * rate) + 1, rate)

    def _run(self, goal: Goal, rate: float | None) -> dict[str, Any]:
        """Until everything that was taken is on every disk, or nothing moves any more."""
        total = len(self._messages)
        self._disks.begin()
        self._due_s, self._answers, self._numbers = [], Counter(), {}
        started_s = moved_s = time.monotonic()
        sent = stored = 0
        while self._answers.total() < total or stored < self._answers[TAKEN]:
            now_s = time.monotonic()
            until = min(total, goal(now_s - started_s, stored))
            if until > sent:
                due_s = [now_s] * (until - sent) if rate is None else [started_s + n / rate for n in range(sent, until)]
                self._due_s += due_s
                self._link.sendall(b"".join(self._messages[sent:until]))
                sent = until
            self._read(now_s + POLL_S)
            found = self._disks.look()
            if found > stored:
                stored, moved_s = found, time.monotonic()
            elif time.monotonic() - moved_s > STALL_S:
                break
        return {"messages": sent, "stored": stored, "seconds": moved_s - started_s, "answers": dict(self._answers)}

    def rest(self, until_readable: int) -> None:
        """Wait until this descriptor can be read; the node's pings are answered meanwhile, else it hangs up. Raises
        FramingError where the node closed the stream."""
        poll = select.poll()
        poll.register(self._link, select.POLLIN)
        poll.register(until_readable, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in poll.poll()}
            if self._link.fileno() in ready:
                self._receive()
            if until_readable in ready:
                return

    def _read(self, until_s: float) -> None:
        """Take answers until the next look at the disks is due."""
        while (left_s := until_s - time.monotonic()) > 0 and self._poll.poll(max(1, int(left_s * 1000))):
            self._receive()

    def _receive(self) -> None:
        data = self._link.recv(READ_BYTES)
        if not data:
            raise FramingError("the node closed the stream")
        for opcode, payload in self._reader.feed(data):
            if opcode == BINARY:
                self._take(_decode(payload))
            elif opcode == PING:
                self._link.sendall(client_frame(PONG, payload))
            elif opcode == CLOSE:
                raise FramingError("the node closed the stream")

    def _take(self, replies: list[Reply]) -> None:
        for number, rows in replies:
            for row in rows:
                answer = f"{row.level}:{row.reason}"
                self._answers[answer] += 1
                if row.id is not None and answer == TAKEN:
                    self._numbers[row.id] = number
                    self._acknowledged.add(row.id)

    def latencies_ms(self) -> list[float]:
        """Of the last run: from when each envelope was due to when the last disk was seen to have it."""
        stored_s = self._disks.stored_s()
        everywhere = [id_ for id_ in self._numbers if all(id_ in found for found in stored_s)]
        due_s, numbers = self._due_s, self._numbers
        return [1000 * (max([found[id_] for found in stored_s]) - due_s[numbers[id_]]) for id_ in everywhere]

    def check(self) -> dict[str, int]:
        """Everything that was acknowledged in any run, and how much of it is not on every disk."""
        return {"acknowledged": len(self._acknowledged), "lost": self._disks.lost(self._acknowledged)}


def main() -> None:
    """Serve the laboratory until its standard input ends."""
    generator = Generator(sys.argv[1], int(sys.argv[2]), [Path(text) for text in sys.argv[3:]])
    print(json.dumps({"connected": True}), flush=True)
    while True:
        generator.rest(sys.stdin.fileno())
        line = sys.stdin.readline()  # one order waits for the answer to the one before, so nothing is left behind it
        if not line:
            return
        print(json.dumps(_obey(generator, json.loads(line))), flush=True)


def _obey(generator: Generator, order: dict[str, Any]) -> dict[str, Any]:
    if "load" in order:
        return {"loaded": generator.load(Path(order["load"]))}
    if "saturate" in order:
        return generator.saturate(order["saturate"])
    if "pace" in order:
        return generator.pace(order["pace"])
    if "latencies" in order:
        return {"latencies_ms": generator.latencies_ms()}
    return generator.check()


if __name__ == "__main__":
    main()
