"""Every metric of the main process, declared once, and one method for each."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Protocol

from prometheus_client import CollectorRegistry, Gauge, Histogram, ProcessCollector, generate_latest

from pushmesh_protocol.reasons import Reason, Verdict

from .counts import Counts
from .gossip import OTHER, GossipStats
from .sync import SyncShown, SyncStats

SOURCES: Final = ("published", "gossiped", "caught-up")
DELIVERY_VERDICTS: Final = ("now", "silent", "collapse", "digest", "request-inbox", "hold", "drop")
TRANSPORTS: Final = ("websocket", "sse", "ndjson", "rest", "mqtt", "bridge", "publish")
"""`publish` is the publishers' stream; the others lead to wallets."""
PUBLISHERS: Final = ("http", "publish", "websocket", "mqtt", "bridge")
"""Over which publishes come: plain requests, the publishers' stream, a wallet's own streams, a broker."""
QUEUES: Final = ("publish", "frames", "relay", "store", "decisions", "live", "outcomes", "private")
ACKNOWLEDGEMENTS: Final = (
    *("hold-wanted", "hold-asked", "hold-told", "hold-heard"),
    *("outcome-told", "outcome-heard", "acknowledged"),
)
DIRECTIONS: Final = ("in", "out")
MQTT_EVENTS: Final = (
    *("connect", "end", "subscribe", "publish", "puback", "message", "acknowledge", "take-over"),
    "certificate",
)
BRIDGE_EVENTS: Final = ("connection", "publish", "read", "message", "intake", "wallet")
REASONS: Final = tuple(str(reason) for reason in Reason)
VERDICTS: Final = tuple(verdict.name.lower() for verdict in Verdict)
OWN_MATTERS: Final = frozenset(
    {
        *(Reason.OK, Reason.DUPLICATE, Reason.SLOW_CONSUMER, Reason.DRAINING, Reason.NOT_READY, Reason.TIMEOUT),
        *(Reason.QUEUE_FULL, Reason.STORE_FULL, Reason.STORE_FAILED, Reason.CHAIN_UNAVAILABLE, Reason.INTERNAL),
    }
)
"""Reasons that speak of the node or of a pace: nobody is refused access for them."""
STATUSES: Final = tuple(str(code) for code in range(100, 600))

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 4_096)
_NAMES: Final = {verdict: verdict.name.lower() for verdict in Verdict}


CONTROL_SET: Final = 255
"""As the store numbers the set of control kinds."""


class Amount(Protocol):
    """What the store holds of a set."""

    @property
    def envelopes(self) -> int:
        """Envelopes of all its records."""

    @property
    def bytes(self) -> int:
        """Of their frames."""


class Metrics:
    """All metrics of one node, in a registry of its own: two nodes in one process do not meet.

    `routes` are the path templates of the HTTP API; a request to another path counts as `other`."""

    def __init__(self, routes: Sequence[str] = ()) -> None:
        self.registry = registry = CollectorRegistry()
        self._routes = {OTHER, *routes}
        ProcessCollector(registry=registry)
        self._judged = Counts(
            registry,
            "pushmesh_envelopes_judged",
            "Envelopes that got a relay verdict.",
            source=SOURCES,
            verdict=VERDICTS,
            reason=REASONS,
        )
        self._committed = Counts(registry, "pushmesh_envelopes_committed", "Envelopes that are on the disk.")
        self._frames = Counts(
            registry,
            "pushmesh_frames",
            "Frames between the mesh and this node, by the main process.",
            direction=DIRECTIONS,
            verdict=VERDICTS,
            reason=REASONS,
        )
        self._decisions = Counts(
            registry,
            "pushmesh_curation_decisions",
            "Delivery decisions, one per message and wallet, made again at each read.",
            verdict=DELIVERY_VERDICTS,
            reason=REASONS,
        )
        self._deliveries = Counts(
            registry, "pushmesh_deliveries", "Messages that were handed to a wallet's transport.", transport=TRANSPORTS
        )
        self._vouchers = Counts(
            registry, "pushmesh_vouchers", "Vouchers that wallets showed; reason ok counts.", reason=REASONS
        )
        self._acknowledgements = Counts(
            registry,
            "pushmesh_acknowledgements",
            "Holds, outcomes and wallets' own words between this node, its peers and its wallets; reason ok counts.",
            what=ACKNOWLEDGEMENTS,
            reason=REASONS,
        )
        self._drops = Counts(
            registry,
            "pushmesh_queue_drops",
            "What a queue did not keep; each is told to its sender or repaired by sync.",
            queue=QUEUES,
            reason=REASONS,
        )
        self._requests = Counts(
            registry,
            "pushmesh_http_requests",
            "Answered HTTP requests.",
            route=self._routes,
            status=STATUSES,
        )
        self._refused = Counts(
            registry,
            "pushmesh_refused_requests",
            "Connections, requests and stream messages that were refused before anything in them was judged.",
            reason=REASONS,
        )
        self._turned_away = Counts(
            registry,
            "pushmesh_publish_turned_away",
            "Frames that were not let in, unread; each publisher is told when to come again.",
            transport=PUBLISHERS,
            reason=REASONS,
        )
        self._log_ins = Counts(
            registry, "pushmesh_log_ins", "Log-ins and tokens that were shown; reason ok let in.", reason=REASONS
        )
        self._refused_access = Counts(
            registry,
            "pushmesh_refused_access",
            "Refusals that wallets' clients were told: of credentials, requests, topics, words; and streams that ended"
            " with what had let them in.",
            transport=TRANSPORTS,
            reason=REASONS,
        )
        self._mqtt = Counts(
            registry,
            "pushmesh_mqtt_events",
            "What went another way than asked on MQTT connections, and their ends.",
            what=MQTT_EVENTS,
            reason=REASONS,
        )
        self._bridge = Counts(
            registry,
            "pushmesh_bridge_events",
            "What a bridge could not do; but for an expired message, and a wallet's wish that ended, it tries again.",
            what=BRIDGE_EVENTS,
            reason=REASONS,
        )
        self._bridge_wallets = Gauge(
            "pushmesh_bridge_wallets", "Wallets that asked for a bridge and are served.", registry=registry
        )
        self._sync = SyncStats(registry)
        self._restarts = Counts(registry, "pushmesh_gossip_restarts", "Times that the gossip process was lost.")
        self._crashes = Counts(registry, "pushmesh_crashes", "Tasks of this node that failed by a fault of ours.")
        self._gossip = GossipStats(registry)
        self._connections = Gauge("pushmesh_connections", "Open connections.", ["transport"], registry=registry)
        self._peers = Gauge("pushmesh_peers", "Connected peers.", registry=registry)
        self._last_commit = Gauge("pushmesh_last_commit_number", "Highest durable commit number.", registry=registry)
        self._epoch = Gauge("pushmesh_epoch_current", "Epoch of the network by this node's clock.", registry=registry)
        self._publish_held = Gauge(
            "pushmesh_publish_held_units",
            "Frames of publishers that are under way; of a large one every 2 KiB.",
            registry=registry,
        )
        self._publish_limit = Gauge(
            "pushmesh_publish_limit_units", "How many may be at the present pace.", registry=registry
        )
        self._parked = Gauge("pushmesh_parked_envelopes", "Envelopes that wait for a grant.", registry=registry)
        self._store_envelopes = Gauge(
            "pushmesh_store_envelopes",
            "Envelopes held, by the set that is synced: a shard, or control.",
            ["set"],
            registry=registry,
        )
        self._store_bytes = Gauge("pushmesh_store_bytes", "Bytes of their frames.", ["set"], registry=registry)
        self._store_room = Gauge(
            "pushmesh_store_room", "0 the store takes all, 1 nothing by work alone, 2 nothing.", registry=registry
        )
        self._store_damaged = Gauge(
            "pushmesh_store_quarantined_rows", "Damaged rows that were moved aside since the start.", registry=registry
        )
        self._store_remade = Gauge(
            "pushmesh_store_remade_rows", "Rows that were lost and made again since the start.", registry=registry
        )
        self._scrubbed = Counts(registry, "pushmesh_store_scrubbed_rows", "Rows that were looked through for damage.")
        self._commit_seconds = Histogram(
            "pushmesh_store_commit_seconds",
            "From the first waiting write to durable.",
            buckets=SECONDS,
            registry=registry,
        )
        self._commit_sizes = Histogram(
            "pushmesh_store_commit_envelopes", "Envelopes of one transaction.", buckets=SIZES, registry=registry
        )
        self._verify_sizes = Histogram(
            "pushmesh_verify_batch_envelopes", "Signatures of one call.", buckets=SIZES, registry=registry
        )
        self._publish_seconds = Histogram(
            "pushmesh_publish_seconds", "From a request's last byte to its answer.", buckets=SECONDS, registry=registry
        )

    def judged(self, source: str, verdict: Verdict, reason: Reason, count: int = 1) -> None:
        """`source` is one of SOURCES."""
        self._judged.add(count, source, _NAMES[verdict], reason)

    def committed(self, envelopes: int, seconds: float) -> None:
        """One transaction is durable."""
        self._committed.add(envelopes)
        self._commit_sizes.observe(envelopes)
        self._commit_seconds.observe(seconds)

    def frame(self, direction: str, verdict: Verdict, reason: Reason, count: int = 1) -> None:
        """`direction` is one of DIRECTIONS."""
        self._frames.add(count, direction, _NAMES[verdict], reason)

    def decided(self, verdict: str, reason: Reason, count: int = 1) -> None:
        """`verdict` is one of DELIVERY_VERDICTS."""
        self._decisions.add(count, verdict, reason)

    def delivered(self, transport: str, count: int) -> None:
        """`transport` is one of TRANSPORTS."""
        self._deliveries.add(count, transport)

    def voucher(self, reason: Reason) -> None:
        """Reason ok for one that counts."""
        self._vouchers.add(1, reason)

    def acknowledgement(self, what: str, reason: Reason, count: int = 1) -> None:
        """`what` is one of ACKNOWLEDGEMENTS."""
        self._acknowledgements.add(count, what, reason)

    def dropped(self, queue: str, reason: Reason, count: int = 1) -> None:
        """`queue` is one of QUEUES."""
        self._drops.add(count, queue, reason)

    def refused(self, reason: Reason) -> None:
        """A request was refused as a whole."""
        self._refused.add(1, reason)

    def turned_away(self, transport: str, reason: Reason) -> None:
        """`transport` is one of PUBLISHERS."""
        self._turned_away.add(1, transport, reason)

    def admission(self, held_units: int, limit_units: int) -> None:
        """Told at each tick."""
        self._publish_held.set(held_units)
        self._publish_limit.set(limit_units)

    def log_in(self, reason: Reason) -> None:
        """Reason ok for one that let in."""
        self._log_ins.add(1, reason)

    def refused_access(self, transport: str, reason: Reason) -> None:
        """`transport` is one of TRANSPORTS: where a client was told so. OWN_MATTERS are not counted."""
        if reason not in OWN_MATTERS:
            self._refused_access.add(1, transport, reason)

    def mqtt(self, what: str, reason: str) -> None:
        """`what` is one of MQTT_EVENTS, `reason` of the closed list of reasons."""
        self._mqtt.add(1, what, reason)

    def bridge(self, what: str, reason: str) -> None:
        """`what` is one of BRIDGE_EVENTS, `reason` of the closed list of reasons."""
        self._bridge.add(1, what, reason)

    def bridge_wallets(self, count: int) -> None:
        """So many asked for a bridge and are served."""
        self._bridge_wallets.set(count)

    def serve_routes(self, routes: Iterable[str]) -> None:
        """Path templates of the API; until they are told every request counts as `other`."""
        self._routes.update(routes)

    def answered(self, route: str, status: int) -> None:
        """`route` is a path template, never the path itself."""
        self._requests.add(1, route if route in self._routes else OTHER, str(status))

    def published(self, seconds: float) -> None:
        """One publishing request was answered."""
        self._publish_seconds.observe(seconds)

    def verified(self, signatures: int) -> None:
        """One call for the signatures of a batch."""
        self._verify_sizes.observe(signatures)

    def caught_up(self, envelopes: int) -> None:
        """Frames of a peer were read."""
        self._sync.received(envelopes)

    def sync_ended(self, why: str) -> None:
        """A session that was asking; `why` is a reason, or anything else, which counts as `other`."""
        self._sync.ended(why)

    def sync_peers(self, peers: Mapping[bytes, SyncShown], now_ms: int) -> None:
        """How far in step this node is with each peer, at each tick."""
        self._sync.peers(peers, now_ms)

    def gossip(self, counters: Iterable[tuple[str, str, int]], gauges: Iterable[tuple[str, str, int]]) -> None:
        """The gossip process's own counts since its last word, and present values."""
        self._gossip.take(counters, gauges)

    def gossip_lost(self, reason: str) -> None:
        """The sentence is for the log; only the loss counts here."""
        self._restarts.add(1)

    def crashed(self) -> None:
        """A task failed by a fault of ours."""
        self._crashes.add(1)

    def connections(self, transport: str, count: int) -> None:
        """`transport` is one of TRANSPORTS. Raises ValueError for another."""
        if transport not in TRANSPORTS:
            raise ValueError(f"{transport!r} is no transport of pushmesh_connections")
        self._connections.labels(transport).set(count)

    def peers(self, count: int) -> None:
        """Connected now."""
        self._peers.set(count)

    def gauges(self, *, last_commit: int, epoch: int, parked: int) -> None:
        """Told at each tick."""
        self._last_commit.set(last_commit)
        self._epoch.set(epoch)
        self._parked.set(parked)

    def store(self, sets: Mapping[int, Amount], *, quarantined: int, remade: int, scrubbed: int, room: int) -> None:
        """Told at each tick; `sets` by number, 255 being the control kinds."""
        for number, amount in sets.items():
            name = "control" if number == CONTROL_SET else str(number)
            self._store_envelopes.labels(name).set(amount.envelopes)
            self._store_bytes.labels(name).set(amount.bytes)
        self._store_room.set(room)
        self._store_damaged.set(quarantined)
        self._store_remade.set(remade)
        self._scrubbed.add(scrubbed)

    def exposition(self) -> bytes:
        """Prometheus text, version 0.0.4."""
        return generate_latest(self.registry)
