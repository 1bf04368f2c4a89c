"""The bounds of the MQTT endpoint and what it tells of its node. Data only."""

from collections.abc import Collection
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one connection. Times in seconds or milliseconds as named; sizes with their packet's header."""

    connect_bytes: int = 81_920
    """A packet before log-in: a password is at most 65,535 bytes."""
    packet_bytes: int = 2_101_248
    """A packet after log-in: the largest publish of the API, and some."""
    inbound_window: int = 64
    """QoS 1 publishes of the client without PUBACK: the receive maximum that CONNACK states."""
    outbound_window: int = 256
    """QoS 1 messages to the client without PUBACK, where its own receive maximum is not lower."""
    inbound_aliases: int = 16
    """Topic aliases that the client may set; there are few topics to publish to."""
    outbound_aliases: int = 64
    """Those that the node sets, where the client does not allow fewer."""
    waiting_requests: int = 256
    waiting_bytes: int = 8_388_608
    """Requests and their bytes that wait for an answer; beyond either the connection is not read."""
    waiting_receipts: int = 256
    """Publishes that wait for their receipts, which may take longer than PUBACK; more are refused."""
    filters: int = 64
    connect_timeout_s: float = 10.0
    max_keep_alive_s: int = 300
    """Also stands in where a client asks for none."""
    write_timeout_s: float = 30.0
    max_session_expiry_s: int = 604_800
    acknowledge_after_s: float = 0.2
    """Acknowledgements wait so long for later ones before they are stored; a crash in between repeats messages."""
    connections: int = 10_000
    connections_per_host: int = 256
    exempt_loopback: bool = False
    """Whether this machine may exceed connections_per_host."""
    kept_sessions: int = 10_000
    batches_in_flight: int = 4
    """Publish calls of one connection that overlap."""


@dataclass(frozen=True, slots=True)
class Redirect:
    """Where clients are told to go when the node drains: host:port, several with spaces between, "" for nowhere.

    `for_good` says that they should not come back (SERVER_MOVED)."""

    servers: str = ""
    for_good: bool = False


@dataclass(frozen=True, slots=True)
class About:
    """What the endpoint tells of its node: in the log-in challenge, in CONNACK and at the end."""

    node_id: bytes
    network_id: bytes
    incarnation: bytes
    redirect: Redirect = field(default_factory=Redirect)
    hosts: Collection[str] = ()
    """The names that a log-in may be for; they may grow."""
