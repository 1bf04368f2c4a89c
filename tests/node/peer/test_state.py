from random import Random
from typing import cast

from pushmesh_node.gossip.events import PeerConnected, RpcReceived, Scored, Subscribed
from pushmesh_node.gossip.parameters import RouterParameters
from pushmesh_node.gossip.router import Router
from pushmesh_node.gossip.wire.dialects import Dialect
from pushmesh_node.gossip.wire.rpc import Graft, Rpc, Subscription
from pushmesh_node.ipc import MAX_PEER_STATES, Peers, PeerState
from pushmesh_node.ipc_wire import encode, up_decoder
from pushmesh_node.peer.connection import Connection, Identity
from pushmesh_node.peer.state import MAX_MILLI, milli, states_of

NODE = b"n" * 32


class Seen:
    """The part of a connection that is looked at."""

    def __init__(self, node_id: bytes, identity: Identity | None = None) -> None:
        self.node_id = node_id
        self.outbound = True
        self.opened_ms = 5
        self.remote = ("9.9.9.9", 1)
        self.identity = identity


def a_connection(node_id: bytes, identity: Identity | None = None) -> Connection:
    return cast(Connection, Seen(node_id, identity))


def test_a_peer_is_shown_with_its_meshes_and_what_its_score_is_made_of() -> None:
    router = Router(RouterParameters(), Random(1))
    router.handle(Subscribed(frozenset({"/t", "/u"})), 0)
    router.handle(PeerConnected(NODE), 0)
    router.handle(RpcReceived(NODE, Rpc(subscriptions=(Subscription(True, "/t"),), graft=(Graft("/t"),))), 0)
    router.handle(Scored(NODE, 2_500), 0)
    connection = a_connection(NODE, Identity("agent/1", frozenset(), ()))
    (state,) = states_of([connection], router, lambda node_id: Dialect.V1_2, 1_000)
    score = dict(state.score)
    assert state == PeerState(NODE, True, 1_005, "9.9.9.9", "/meshsub/1.2.0", "agent/1", ["/t"], state.score)
    assert score["app"] == score["total"] == 2_500
    assert set(score) == {
        *("time_in_mesh", "first_deliveries", "invalid", "app", "colocation", "behaviour"),
        "total",
    }
    assert up_decoder().feed(encode([Peers([state])])) == [Peers([state])]


def test_a_peer_of_which_little_is_known_yet_is_shown_too() -> None:
    (state,) = states_of([a_connection(NODE)], Router(RouterParameters(), Random(1)), lambda node_id: None, 0)
    assert (state.protocol, state.agent, state.topics) == ("", "", [])


def test_of_very_many_peers_some_are_shown() -> None:
    many = [a_connection(n.to_bytes(32, "big")) for n in range(MAX_PEER_STATES + 1)]
    assert len(states_of(many, Router(RouterParameters(), Random(1)), lambda node_id: None, 0)) == MAX_PEER_STATES


def test_points_of_any_size_fit_a_message() -> None:
    assert [milli(points) for points in (1.5, -1e300, 1e300)] == [1_500, -MAX_MILLI, MAX_MILLI]
