"""What the router is told. Peers are named by their 32-byte node id, messages by their gossipsub message id."""

from dataclasses import dataclass

from pushmesh_protocol.reasons import Verdict

from .rpc import Rpc


@dataclass(frozen=True, slots=True)
class PeerConnected:
    """A connection stands; RPCs may be queued for the peer at once. `outbound` is true if this node dialled."""

    peer: bytes
    outbound: bool = False


@dataclass(frozen=True, slots=True)
class PeerDisconnected:
    """The connection is gone, and everything queued for the peer with it."""

    peer: bytes


@dataclass(frozen=True, slots=True)
class RpcReceived:
    """One decoded RPC of a connected peer."""

    peer: bytes
    rpc: Rpc


@dataclass(frozen=True, slots=True)
class Published:
    """An own frame, valid by definition."""

    topic: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Judged:
    """The answer to `Inspect`. `new_bytes` are the encoded bytes of the frame's new accepted items."""

    message_id: bytes
    verdict: Verdict
    reason: str = ""
    new_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The whole set of topics this node takes part in."""

    topics: frozenset[str]


@dataclass(frozen=True, slots=True)
class Scored:
    """Main's own opinion of a peer in thousandths; it stays until the next one."""

    peer: bytes
    score_milli: int


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Time passed; sent every `heartbeat_ms`."""


Event = PeerConnected | PeerDisconnected | RpcReceived | Published | Judged | Subscribed | Scored | Heartbeat
