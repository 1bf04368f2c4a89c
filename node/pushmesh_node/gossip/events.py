"""What the router is told. Peers are named by their 32-byte node id, messages by their gossipsub message id."""

import msgspec

from pushmesh_protocol.reasons import Verdict

from .wire.dialects import Dialect
from .wire.rpc import Rpc


class PeerConnected(msgspec.Struct, frozen=True):
    """A gossip stream to the peer stands; RPCs may be queued for it at once.

    `outbound` is true if this node dialled. `host` names where it comes from, as far as peers of one owner may share
    it: an IPv4 address, the /64 of an IPv6 one, or "" to count it as alone (P6)."""

    peer: bytes
    outbound: bool = False
    dialect: Dialect = Dialect.V1_1
    host: str = ""


class PeerDisconnected(msgspec.Struct, frozen=True):
    """The connection is gone, and everything queued for the peer with it."""

    peer: bytes


class RecordShown(msgspec.Struct, frozen=True):
    """The signed peer record of a connected peer, verified: what peer exchange may hand on."""

    peer: bytes
    record: bytes


class RpcReceived(msgspec.Struct, frozen=True):
    """One decoded RPC of a connected peer."""

    peer: bytes
    rpc: Rpc


class Published(msgspec.Struct, frozen=True):
    """An own frame, valid by definition."""

    topic: str
    data: bytes


class Judged(msgspec.Struct, frozen=True):
    """The answer to `Inspect`. `new_bytes` are the encoded bytes of the frame's new accepted items."""

    message_id: bytes
    verdict: Verdict
    reason: str = ""
    new_bytes: int = 0


class Subscribed(msgspec.Struct, frozen=True):
    """The whole set of topics this node takes part in."""

    topics: frozenset[str]


class Scored(msgspec.Struct, frozen=True):
    """Main's own opinion of a peer in thousandths (P5); it stays until the next one."""

    peer: bytes
    score_milli: int


class Remembered(msgspec.Struct, frozen=True):
    """What an earlier run thought of a peer in thousandths; only what is below 0 counts. Comes before the peer does."""

    peer: bytes
    score_milli: int


class Heartbeat(msgspec.Struct, frozen=True):
    """Time passed; sent every `heartbeat_ms`."""


Event = (
    PeerConnected
    | PeerDisconnected
    | RecordShown
    | RpcReceived
    | Published
    | Judged
    | Subscribed
    | Scored
    | Remembered
    | Heartbeat
)
