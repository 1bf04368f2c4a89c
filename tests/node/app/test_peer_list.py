from pushmesh_node.app.peer_list import PeerList
from pushmesh_node.app.sync_state import PeerSync, State
from pushmesh_node.ipc import Peers, PeerState, Stats

OLD, YOUNG, NEW = b"o" * 32, b"y" * 32, b"n" * 32
ADDRESSES = {NEW: [], YOUNG: ["/ip4/9.9.9.9/tcp/1/p2p/x"], OLD: []}
SYNCS = {OLD: PeerSync(state=State.IN_SYNC), NEW: PeerSync()}


def a_state(node_id: bytes, since_ms: int) -> PeerState:
    score = [("app", -1_500), ("behaviour", 0), ("total", -1_500)]
    return PeerState(node_id, True, since_ms, "9.9.9.9", "/meshsub/1.2.0", "agent/1", ["/t"], score)


def test_peers_are_listed_by_the_time_they_came_and_the_newest_without_details() -> None:
    peers = PeerList()
    peers.take([Stats([], []), Peers([a_state(YOUNG, 9), a_state(OLD, 5), a_state(b"g" * 32, 1)])])
    rows = peers.rows(ADDRESSES, SYNCS)
    assert [row["node_id"] for row in rows] == [OLD.hex(), YOUNG.hex(), NEW.hex()]
    assert [row["caught_up"] for row in rows] == [True, False, False]
    assert rows[1] == {
        "node_id": YOUNG.hex(),
        "addresses": ["/ip4/9.9.9.9/tcp/1/p2p/x"],
        "caught_up": False,
        "connected_since": 9,
        "outbound": True,
        "host": "9.9.9.9",
        "protocol": "/meshsub/1.2.0",
        "agent": "agent/1",
        "mesh_topics": ["/t"],
        "score": -1.5,
        "score_parts": {"app": -1.5, "behaviour": 0.0},
    }
    assert rows[2] == {"node_id": NEW.hex(), "addresses": [], "caught_up": False}


def test_the_latest_word_of_the_process_counts_until_it_is_gone() -> None:
    peers = PeerList()
    peers.take([Peers([a_state(OLD, 5)]), Peers([a_state(YOUNG, 9)])])
    assert ["score" in row for row in peers.rows(ADDRESSES, SYNCS)] == [True, False, False]
    peers.lost()
    assert not any("score" in row for row in peers.rows(ADDRESSES, SYNCS))
