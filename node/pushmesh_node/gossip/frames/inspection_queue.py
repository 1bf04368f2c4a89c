"""In which order frames are inspected: whoever earned merit first, control topics first, each peer in its turn.

Signatures are the dearest thing that a stranger can make this node do; what strangers send must not hold up what the
mesh sends. The simulator runs it too.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from ..topics import is_priority

STRANGERS_TURN: Final = 8
"""One frame of so many is a stranger's, however much is waiting from others: else nobody new could earn anything."""


class Merit(IntEnum):
    """What a peer's score says about how soon to look at its frames."""

    FAULTY = 0  # below zero: when nothing else waits
    STRANGE = 1
    EARNED = 2


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """A frame that waits for its inspection."""

    peer: bytes
    message_id: bytes
    topic: str
    data: bytes


@dataclass(slots=True)
class _Waiting:
    control: deque[Job] = field(default_factory=deque)
    data: deque[Job] = field(default_factory=deque)


class InspectionQueue:
    """What is in it is bounded by the router: a frame enters only as a pending message.

    `merit` is asked when a frame is taken, so that the first bad one of a peer sets back all that wait behind it."""

    def __init__(self, merit: Callable[[bytes], Merit]) -> None:
        self._standing = merit
        self._peers: dict[bytes, _Waiting] = {}  # in the order of their turns
        self._jobs: dict[bytes, Job] = {}  # by message id, those that count
        self._taken: set[bytes] = set()
        self._turns = 0

    def __len__(self) -> int:
        """Frames that wait."""
        return len(self._jobs)

    def add(self, job: Job) -> None:
        """A frame that waits already goes over to the peer of this job; one that was taken stays as it is."""
        if job.message_id in self._taken:
            return
        self._jobs[job.message_id] = job
        waiting = self._peers.setdefault(job.peer, _Waiting())
        (waiting.control if is_priority(job.topic) else waiting.data).append(job)

    def take(self) -> Job | None:
        """The next one; `done` follows. None while nothing waits."""
        while self._peers:
            peer = self._next_peer()
            waiting = self._peers.pop(peer)
            job = (waiting.control or waiting.data).popleft()
            if waiting.control or waiting.data:
                self._peers[peer] = waiting  # behind all others
            if self._jobs.get(job.message_id) is job:
                del self._jobs[job.message_id]
                self._taken.add(job.message_id)
                self._turns += 1
                return job
        return None

    def done(self, message_id: bytes) -> None:
        """Its verdict is known, which the router is told next: it may order another look."""
        self._taken.discard(message_id)

    def _next_peer(self) -> bytes:
        if len(self._peers) == 1:
            return next(iter(self._peers))
        wanted = Merit.STRANGE if self._turns % STRANGERS_TURN == STRANGERS_TURN - 1 else Merit.EARNED
        best, best_rank = b"", (-1, False)
        for peer, waiting in self._peers.items():
            merit = self._standing(peer)
            rank = (len(Merit) if merit is wanted else int(merit), bool(waiting.control))
            if rank > best_rank:
                best, best_rank = peer, rank
        return best
