"""What the router orders, to be carried out in order. Every drop is a `Count` with its reason."""

from dataclasses import dataclass

from .rpc import Rpc


@dataclass(frozen=True, slots=True)
class SendRpc:
    """Queue an RPC for a peer; `control` goes before data. A full queue drops and counts, it never blocks."""

    peer: bytes
    rpc: Rpc
    control: bool = False


@dataclass(frozen=True, slots=True)
class Inspect:
    """Find the verdict on a message and answer with `Judged`; the message stays pending until then."""

    peer: bytes
    message_id: bytes
    topic: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Disconnect:
    """End the connection; `PeerDisconnected` follows."""

    peer: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Count:
    """Add `n` to a counter. Names and labels come from closed lists in this room, never from peers."""

    name: str
    label: str = ""
    n: int = 1


Effect = SendRpc | Inspect | Disconnect | Count
