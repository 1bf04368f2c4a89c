"""What clients of a network under faults saw, event by event in one order of time: the checker's input.

Facts only, as each client knew them: a publish is invoked, then answered, refused, or of unknown outcome; a message
came to a subscriber; the store held something when it was looked through. An id is 32 bytes, a commit number the
node's own.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec


class Event(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Base of all; the place in the history is its time."""


class Subscribed(Event, frozen=True):
    """From here on this subscriber is to get every notification of the topic."""

    subscriber: str
    topic: str


class Invoked(Event, frozen=True):
    """A publisher is about to send these; nobody can have any of them before."""

    node: str
    topic: str
    ids: tuple[bytes, ...]
    expires_at_ms: int


class Durable(Event, frozen=True):
    """The node said that it holds the envelope under this number of this incarnation of its store, and gave a receipt
    for it where it was asked to."""

    node: str
    id: bytes
    commit_no: int
    incarnation: bytes
    receipt: bytes = b""


class RefusedOutright(Event, frozen=True):
    """The node said that it has not taken the envelope, and will not."""

    node: str
    id: bytes
    reason: str


class Unknown(Event, frozen=True):
    """The connection broke, or the node said that its disk failed: it may hold the envelope or not."""

    node: str
    id: bytes


class Listened(Event, frozen=True):
    """A subscriber opened a session that goes on after a commit number: its own cursor, or 0."""

    subscriber: str
    node: str
    incarnation: bytes
    after: int


class Delivered(Event, frozen=True):
    """A message came in the subscriber's open session."""

    subscriber: str
    node: str
    incarnation: bytes
    commit_no: int
    id: bytes


class Handed(Event, frozen=True):
    """What an application got after its SDK's own dedup."""

    subscriber: str
    id: bytes


class Held(Event, frozen=True):
    """Everything that a node's store held when it was looked through: commit number of each id."""

    node: str
    incarnation: bytes
    ids: dict[bytes, int]
    now_ms: int


class Struck(Event, frozen=True):
    """A fault: which one, and to whom."""

    node: str
    fault: str


class Renumbers(Event, frozen=True):
    """The node's store was damaged, or an older copy was put in its place: from here on envelopes may come again under
    new numbers, and what it answered before no longer binds it. Applications still get each one once."""

    node: str
    why: str


class Ended(Event, frozen=True):
    """Everybody has had the time to get everything."""

    now_ms: int


AnyEvent = (
    Subscribed
    | Invoked
    | Durable
    | RefusedOutright
    | Unknown
    | Listened
    | Delivered
    | Handed
    | Held
    | Struck
    | Renumbers
    | Ended
)
_decode: Final = msgspec.json.Decoder(AnyEvent).decode
_encode: Final = msgspec.json.Encoder().encode


class History:
    """Grows at its end."""

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.events: list[Event] = list(events)

    def add(self, event: Event) -> None:
        """The latest event."""
        self.events.append(event)


def write_history(path: Path, events: Sequence[Event]) -> None:
    """An event a line."""
    path.write_bytes(b"\n".join([_encode(event) for event in events]) + b"\n")


def read_history(path: Path) -> list[Event]:
    """What `write_history` wrote."""
    return [_decode(line) for line in path.read_bytes().splitlines()]
