"""Peers to be scored, by numbers of their own: what is tuned for the mesh is no matter of how a score is made."""

from dataclasses import replace
from typing import Final

from pushmesh_node.gossip.parameters import ScoreParameters, TopicScoreParameters
from pushmesh_node.gossip.scores.scoring import PeerScores

P: Final = ScoreParameters(  # Waku's
    topic=TopicScoreParameters(
        weight=1.0,
        time_in_mesh_weight=0.01,
        time_in_mesh_cap=1_000.0,
        first_deliveries_weight=1.0,
        first_deliveries_cap=10.0,
        first_deliveries_decay=0.5,
        invalid_weight=-100.0,
        invalid_decay=0.5,
    ),
    topic_score_cap=100.0,
    app_weight=1.0,
    colocation_weight=-50.0,
    colocation_threshold=5,
    behaviour_weight=-10.0,
    behaviour_threshold=0.0,
    behaviour_decay=0.986,
    decay_interval_ms=12_000,
    decay_to_zero=0.01,
    retain_ms=600_000,
    sharing_ms=50,
    graylist_threshold=-10_000.0,
)
ANN, BOB, CID = b"ann", b"bob", b"cid"
TOPIC, CONTROL = "/shard/1", "/control/grant"
NOW: Final = 1_700_000_000_000
SECOND: Final = 1_000
KIB: Final = 1_024


def with_topic(**changed: float) -> ScoreParameters:
    """P with other numbers of a topic."""
    return replace(P, topic=replace(P.topic, **changed))


def scores_of(*peers: bytes, parameters: ScoreParameters = P) -> PeerScores:
    """They are connected, each from a host of its own."""
    scores = PeerScores(parameters)
    scores.refresh(NOW)
    for peer in peers:
        scores.connected(peer, "", NOW)
    return scores


def crowd_at(host: str, size: int) -> tuple[PeerScores, list[bytes]]:
    """So many peers, all connected from one host."""
    scores = scores_of()
    peers = [bytes((number,)) for number in range(size)]
    for peer in peers:
        scores.connected(peer, host, NOW)
    return scores, peers
