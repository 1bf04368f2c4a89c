"""What the router orders, to be carried out in order. Every drop is a `Count` with its reason."""

from dataclasses import dataclass
from enum import IntEnum

from .wire.rpc import Rpc


class Lane(IntEnum):
    """What waits for a peer leaves in this order; a full queue drops the latest of the last lane first."""

    CONTROL = 0
    PRIORITY = 1
    """Messages of the control topics: grants, revocations, topics, node bindings."""

    DATA = 2


@dataclass(frozen=True, slots=True)
class SendRpc:
    """Queue an RPC for a peer. A full queue drops and counts, it never blocks.

    `message_id` is set where the RPC is one message and nothing else, so that `Unsend` finds it."""

    peer: bytes
    rpc: Rpc
    lane: Lane = Lane.DATA
    message_id: bytes | None = None


@dataclass(frozen=True, slots=True)
class Unsend:
    """Take a message out of a peer's queue, if it is still there: the peer has it already."""

    peer: bytes
    message_id: bytes


@dataclass(frozen=True, slots=True)
class Inspect:
    """Find the verdict on a message and answer with `Judged`; the message stays pending until then."""

    peer: bytes
    message_id: bytes
    topic: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Disconnect:
    """End the connection; `PeerDisconnected` follows. Reason `graylisted` asks to refuse the peer for a while too."""

    peer: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Dial:
    """A trusted peer recommends another: check its signed record, then dial it if there is room."""

    peer: bytes
    record: bytes


@dataclass(frozen=True, slots=True)
class Count:
    """Add `n` to a counter. Names and labels come from closed lists in this room, never from peers."""

    name: str
    label: str = ""
    n: int = 1


Effect = SendRpc | Unsend | Inspect | Disconnect | Dial | Count
