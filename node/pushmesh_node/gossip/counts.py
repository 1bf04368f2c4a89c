"""All that the router counts: names and labels are closed lists, and every drop is in one of them. Data only."""

from typing import Final

from pushmesh_protocol.reasons import Reason

GATED: Final = "gated"
GRAYLISTED: Final = "graylisted"
LOW_SCORE: Final = "low-score"
NOT_PENDING: Final = "not-pending"
NO_PEER: Final = "no-peer"
NO_RECORD: Final = "no-record"
REJECTED_BEFORE: Final = "rejected-before"
OVER_BYTES: Final = "over-bytes"
TOO_MANY: Final = "too-many"
TOO_MANY_PEERS: Final = "too-many-peers"
TOO_MANY_TOPICS: Final = "too-many-topics"
TOO_OFTEN: Final = "too-often"
UNKNOWN_PEER: Final = "unknown-peer"
UNKNOWN_TOPIC: Final = "unknown-topic"

# Why a peer came into a mesh.
GRAFTED: Final = "grafted"
GRAFTED_BY_PEER: Final = "grafted-by-peer"

# Why a peer left a mesh, or was not let in.
DIRECT_PEER: Final = "direct-peer"
IN_BACKOFF: Final = "in-backoff"
MESH_FULL: Final = "mesh-full"
DISCONNECTED: Final = "disconnected"
PRUNED_BY_PEER: Final = "pruned-by-peer"
TOPIC_LEFT: Final = "topic-left"
UNSUBSCRIBED: Final = "unsubscribed"

_REASONS: Final = frozenset(str(reason) for reason in Reason)

COUNTS: Final[dict[str, frozenset[str]]] = {
    "exchanges_dropped": frozenset({LOW_SCORE, NO_RECORD, TOO_MANY}),
    "frames_accepted": frozenset({""}),
    "frames_asked": frozenset({""}),
    "frames_ignored": _REASONS | {GATED},
    "frames_published": frozenset({"", NO_PEER}),
    "frames_rejected": _REASONS | {REJECTED_BEFORE},
    "grafts_refused": frozenset({DIRECT_PEER, IN_BACKOFF, LOW_SCORE, MESH_FULL, TOO_MANY_TOPICS, UNKNOWN_TOPIC}),
    "idontwants_dropped": frozenset({TOO_MANY}),
    "ihaves_dropped": frozenset({LOW_SCORE, TOO_MANY, UNKNOWN_TOPIC}),
    "iwants_dropped": frozenset({LOW_SCORE, OVER_BYTES, TOO_MANY, TOO_OFTEN}),
    "judgements_dropped": frozenset({NOT_PENDING}),
    "mesh_joins": frozenset({GRAFTED, GRAFTED_BY_PEER}),
    "mesh_leaves": frozenset({DISCONNECTED, LOW_SCORE, MESH_FULL, PRUNED_BY_PEER, TOPIC_LEFT, UNSUBSCRIBED}),
    "promises_broken": frozenset({""}),
    "publishes_dropped": frozenset({str(Reason.OVERSIZE)}),
    "rpcs_dropped": frozenset({GRAYLISTED, UNKNOWN_PEER}),
    "subscriptions_dropped": frozenset({TOO_MANY_TOPICS}),
}
"""Labels by name. A verdict's reason that is not in the protocol's list is the driver's own; metrics calls it other."""
