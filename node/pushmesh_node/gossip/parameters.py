"""Every number of the router, frozen, with its source. Defaults are the published ones unless a line says why not.

Sources: gossipsub v1.0, v1.1 and v1.2 of the libp2p specifications; go-libp2p-pubsub's defaults; Waku's score.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class MeshParameters:
    """Degrees, times and limits of the mesh and of lazy gossip: d_low <= d <= d_high, d_out <= d_low; 0 is no mesh."""

    d: int = 6
    d_low: int = 5  # go-libp2p's
    d_high: int = 8  # Waku's: at 12 or 10 meshes hold 7.7 on average, and every link more is a copy more of each frame
    d_score: int = 4
    d_out: int = 2
    d_lazy: int = 6
    gossip_factor: float = 1.0  # not 0.25: where sybils hold a mesh, each step by IWANT takes 1 s less (cold boot)
    heartbeat_ms: int = 1_000
    history_heartbeats: int = 12  # not 5: whoever is asked last, after two broken promises, must still have it
    gossip_heartbeats: int = 1  # not 3: all hear of a message at the next heartbeat, once
    fanout_ttl_ms: int = 60_000
    flood_publish: bool = True
    prune_backoff_ms: int = 60_000
    unsubscribe_backoff_ms: int = 10_000
    full_backoff_ms: int = 15_000  # of whoever a full mesh refuses
    displacing_points: float = 1.0  # by which a peer must be better than the worst member of a full mesh
    max_backoff_ms: int = 3_600_000
    backoff_slack_ms: int = 1_000
    graft_flood_ms: int = 10_000
    opportunistic_graft_heartbeats: int = 10  # not 60: sybils that took all places at once hold them no longer
    opportunistic_graft_peers: int = 2
    exchanged_peers: int = 16
    exchange_again_ms: int = 60_000  # one peer is offered others no more often
    ihaves_per_heartbeat: int = 10
    ihave_ids_per_heartbeat: int = 5_000
    iwant_followup_ms: int = 3_000
    doubt_ms: int = 60_000  # after a broken promise others are asked before this peer
    asked_at_once: int = 16  # of one peer: 1 MiB of full frames, which its IWANT bytes allow within the follow-up
    iwant_times_per_message: int = 2  # to one peer (SPEC of IWANT answers)
    iwant_bytes_per_heartbeat: int = 512 * 1024  # to one peer
    idontwant_least_bytes: int = 1_024
    idontwants_per_heartbeat: int = 1_000  # RPCs of one peer
    idontwant_ids_per_rpc: int = 10  # sent; go-libp2p-pubsub takes no more from one RPC
    idontwant_ids_per_heartbeat: int = 1_000  # taken from one peer
    idontwant_heartbeats: int = 3

    def __post_init__(self) -> None:
        if not (0 <= self.d_low <= self.d <= self.d_high and 0 <= self.d_out <= self.d_low):
            raise ValueError("a mesh needs 0 <= d_low <= d <= d_high and 0 <= d_out <= d_low")


@dataclass(frozen=True, slots=True)
class ChokingParameters:
    """Who of a mesh pushes and who announces (our own extension; the figures are the simulator's)."""

    pushers: int = 3
    trial_heartbeats: int = 5  # with traffic; before they are over nobody is choked
    credit_decay: float = 0.95  # each heartbeat with traffic
    swap_factor: float = 1.25  # an announcer must be better than a pusher by this and the margin
    swap_margin: float = 2.0
    words_needed: int = 2  # announcements of one message before it is asked for
    patience_ms: int = 300  # with fewer of them
    announces_per_heartbeat: int = 1_000  # of one peer
    max_tracked_ids: int = 8_192
    tracked_heartbeats: int = 60  # copies come within seconds; who is later than this earns nothing


@dataclass(frozen=True, slots=True)
class TopicScoreParameters:
    """P1, P2 and P4 of one topic. P3 is left out: a topic with little traffic would punish honest peers."""

    weight: float = 1.0
    time_in_mesh_weight: float = 0.01  # P1, for each second
    time_in_mesh_cap: float = 50.0  # seconds: at most half a point, as who is silent long enough is no better for it
    first_deliveries_weight: float = 1.0  # P2, for each KiB of new accepted items
    first_deliveries_cap: float = 10.0  # KiB: at most 10 points
    first_deliveries_decay: float = 0.8  # to a half in 37 s, so that who publishes now and then is known for it
    invalid_weight: float = -100.0  # P4, of the squared count
    invalid_decay: float = 0.5


@dataclass(frozen=True, slots=True)
class ScoreParameters:
    """How a peer's score is made of its deeds, and from which score on it loses what."""

    topic: TopicScoreParameters = field(default_factory=TopicScoreParameters)
    topic_score_cap: float = 100.0  # the positive part of all topics together
    app_weight: float = 1.0  # P5
    colocation_weight: float = -50.0  # P6, of the squared surplus
    colocation_threshold: int = 5  # peers of one address
    behaviour_weight: float = -10.0  # P7, of the squared count
    behaviour_threshold: float = 6.0  # as Lotus and Prysm: a lost answer or a restart within a backoff is no misdeed
    behaviour_decay: float = 0.986
    decay_interval_ms: int = 12_000
    decay_to_zero: float = 0.01
    retain_ms: int = 600_000
    max_retained: int = 4_096
    max_topics: int = 64  # of one peer; what it does on further ones is counted together
    sharing_ms: int = 50  # copies this close behind the first share its credit (SPEC of relay credit)
    gossip_threshold: float = -100.0
    publish_threshold: float = -1_000.0
    graylist_threshold: float = -10_000.0
    accept_px_threshold: float = 5.0  # half of what deliveries of one topic can earn
    opportunistic_graft_threshold: float = 1.0


@dataclass(frozen=True, slots=True)
class GaterParameters:
    """The peer gater: who is dropped at random while frames pile up unvalidated (go-libp2p-pubsub's defaults)."""

    threshold: float = 0.33  # of throttled to validated frames
    duplicate_weight: float = 0.125
    ignore_weight: float = 1.0
    reject_weight: float = 16.0
    global_decay: float = 0.962_4  # of the two counts of frames: to a hundredth in two minutes
    source_decay: float = 0.998_72  # of what is known of a host: to a hundredth in an hour
    decay_interval_ms: int = 1_000
    decay_to_zero: float = 0.01
    quiet_ms: int = 60_000
    max_hosts: int = 4_096


@dataclass(frozen=True, slots=True)
class RouterLimits:
    """Bounds on everything that the router keeps."""

    max_peers: int = 256
    max_topics_per_peer: int = 64
    max_data_bytes: int = 512 * 1024
    seen_ttl_ms: int = 600_000
    max_seen_ids: int = 200_000
    max_pending_messages: int = 2_048
    max_pending_bytes: int = 32 * 1024 * 1024
    max_pending_per_peer: int = 512
    unread_beyond_pending: int = 256  # of one peer; what one read brings fits on top of it
    unread_beyond_pending_faulty: int = 1  # of a peer below zero: its bytes stay on its side of the line
    judge_timeout_ms: int = 30_000
    max_recent_messages: int = 4_096
    max_recent_bytes: int = 16 * 1024 * 1024
    max_backoffs: int = 65_536
    max_promises: int = 131_072  # and words of peers about ids, shared evenly
    max_rejected_ids: int = 4_096
    max_owed_per_peer: int = 64  # ids of IWANT that wait for the next heartbeat
    max_record_bytes: int = 4_096
    max_fanout_topics: int = 64


@dataclass(frozen=True, slots=True)
class RouterParameters:
    """All of it."""

    mesh: MeshParameters = field(default_factory=MeshParameters)
    score: ScoreParameters = field(default_factory=ScoreParameters)
    gater: GaterParameters = field(default_factory=GaterParameters)
    choking: ChokingParameters = field(default_factory=ChokingParameters)
    limits: RouterLimits = field(default_factory=RouterLimits)
    direct: frozenset[bytes] = frozenset()
    """Node ids of direct peers, v1.1's explicit peering agreements: always pushed to, in no mesh, above every score."""
