"""What a simulated world is made of, as numbers. Data only; `docs/simulator.md` says where each comes from."""

from dataclasses import dataclass, field

from ...gossip.wire.dialects import Dialect


@dataclass(frozen=True, slots=True)
class NetworkConditions:
    """Lines and paths. Every pair of nodes has one latency, the same both ways, as long as the world lasts."""

    latency_mean_ms: float = 100.0
    """One way: the mean of the lognormal itself, exp(mu + sigma^2 / 2), not of the normal inside it."""

    latency_sigma: float = 0.3
    """The standard deviation of the normal inside, of the logarithm of the latency."""

    up_bits_per_s: int = 100_000_000
    down_bits_per_s: int = 100_000_000
    loss: float = 0.001
    """Of each segment. TCP repairs it, so that loss is delay: of the segment and of all that follows it."""

    segment_bytes: int = 1_448
    least_timeout_ms: int = 200
    handshake_round_trips: float = 4.0
    """From the dial to a gossip stream both ways: TCP 1, Noise and Yamux 2, the stream's own negotiation 1."""

    dial_timeout_ms: int = 10_000
    write_bytes: int = 60_000
    """What the writer of a connection takes out of its queue at once, as the peer room does."""

    write_overhead_bytes: int = 30
    """Yamux header 12, Noise length and tag 18, for each write. TCP and IP headers are not counted."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Virtual processor time. The gossip process and the main process of a node have one core each."""

    rpc_read_us: int = 100
    rpc_write_us: int = 200
    byte_ns: int = 20
    id_us: int = 3
    """Each message id that an RPC announces, asks for or does not want."""

    frame_us: int = 100
    item_us: int = 15
    signature_us: int = 60
    ipc_us: int = 200
    decide_item_us: int = 40
    commit_us: int = 5_000
    """From the order to durable: one group commit with its fsync."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """All of it."""

    network: NetworkConditions = field(default_factory=NetworkConditions)
    costs: Costs = field(default_factory=Costs)
    dial_tick_ms: int = 1_000
    """How often a node looks whom to dial; a real one does so five times as often."""

    dialect: Dialect = Dialect.PUSHMESH
    """The latest that all nodes speak."""

    skew_ms: int = 0
    """How far the wall clock of a node may be off, either way."""

    sync: bool = True
    """Whether nodes compare what they hold with their peers, and ask for what gossip did not bring."""
