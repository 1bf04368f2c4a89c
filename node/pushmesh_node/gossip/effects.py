"""What the router orders, to be carried out in order. Every drop is a `Count` with its reason."""

from enum import IntEnum

import msgspec

from .wire.rpc import Rpc


class Lane(IntEnum):
    """What waits for a peer leaves in this order; a full queue drops the latest of the last lane first."""

    CONTROL = 0
    PRIORITY = 1
    """Messages of the control topics: grants, revocations, topics, node bindings."""

    DATA = 2


class SendRpc(msgspec.Struct, frozen=True):
    """Queue an RPC for a peer. A full queue drops and counts, it never blocks.

    `message_id` is set where the RPC is one message and nothing else, so that `Unsend` finds it."""

    peer: bytes
    rpc: Rpc
    lane: Lane = Lane.DATA
    message_id: bytes | None = None


class Unsend(msgspec.Struct, frozen=True):
    """Take a message out of a peer's queue, if it is still there: the peer has it already."""

    peer: bytes
    message_id: bytes


class Inspect(msgspec.Struct, frozen=True):
    """Find the verdict on a message and answer with `Judged`; the message stays pending until then."""

    peer: bytes
    message_id: bytes
    topic: str
    data: bytes


class Disconnect(msgspec.Struct, frozen=True):
    """End the connection; `PeerDisconnected` follows. Reason `graylisted` asks to refuse the peer for a while too."""

    peer: bytes
    reason: str


class Dial(msgspec.Struct, frozen=True):
    """A trusted peer recommends another: check its signed record, then dial it if there is room."""

    peer: bytes
    record: bytes


class Count(msgspec.Struct, frozen=True):
    """Add `n` to a counter. Names and labels come from closed lists in this room, never from peers."""

    name: str
    label: str = ""
    n: int = 1


Effect = SendRpc | Unsend | Inspect | Disconnect | Dial | Count
