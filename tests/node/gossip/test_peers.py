from pushmesh_node.gossip.peers import Peer, Peers, Unwanted
from pushmesh_node.gossip.wire.dialects import Dialect


def peer(name: bytes) -> Peer:
    return Peer(name, False, Dialect.V1_2, "host")


def test_peers_are_found_by_topic_in_the_order_of_their_word() -> None:
    peers = Peers(max_topics_per_peer=2)
    one, other = peer(b"a"), peer(b"b")
    peers.add(one)
    peers.add(other)
    assert peers.subscribe(other, "/t") and peers.subscribe(one, "/t")
    assert list(peers.of_topic("/t").values()) == [other, one]
    assert peers.of_topic("/u") == {} and len(peers) == 2


def test_topics_of_a_peer_are_bounded_and_the_same_one_counts_once() -> None:
    peers = Peers(max_topics_per_peer=1)
    one = peer(b"a")
    peers.add(one)
    assert peers.subscribe(one, "/t") and peers.subscribe(one, "/t") and not peers.subscribe(one, "/u")
    peers.unsubscribe(one, "/t")
    assert peers.subscribe(one, "/u") and peers.of_topic("/t") == {}


def test_who_is_removed_is_gone_everywhere() -> None:
    peers = Peers(max_topics_per_peer=2)
    one = peer(b"a")
    peers.add(one)
    peers.subscribe(one, "/t")
    assert peers.remove(b"a") is one and one.is_gone
    assert peers.of_topic("/t") == {} and peers.get(b"a") is None and peers.all() == []
    assert peers.remove(b"a") is None


def test_direct_peers_are_found_by_topic_too() -> None:
    peers = Peers(max_topics_per_peer=2)
    one, other = Peer(b"a", False, Dialect.V1_2, "host", is_direct=True), peer(b"b")
    for each in (other, one):
        peers.add(each)
        assert peers.direct_of("/t") == {}
        peers.subscribe(each, "/t")
    assert peers.direct_of("/t") == {b"a": one} and peers.direct_of("/u") == {}
    peers.unsubscribe(one, "/t")
    assert peers.direct_of("/t") == {}
    peers.subscribe(one, "/t")
    peers.remove(b"a")
    assert peers.direct_of("/t") == {}


def test_leaving_a_topic_that_was_not_joined_changes_nothing() -> None:
    peers = Peers(max_topics_per_peer=2)
    one = peer(b"a")
    peers.add(one)
    peers.unsubscribe(one, "/t")
    assert one.topics == {}


def test_what_a_peer_does_not_want_is_forgotten_heartbeat_by_heartbeat() -> None:
    unwanted = Unwanted()
    unwanted.add([b"1", b"2"])
    unwanted.shift(2)
    unwanted.add([b"2", b"3"])
    assert [one in unwanted for one in (b"1", b"2", b"3", b"4")] == [True, True, True, False]
    unwanted.shift(2)
    assert [one in unwanted for one in (b"1", b"2", b"3")] == [False, True, True]
    unwanted.shift(2)
    assert [one in unwanted for one in (b"1", b"2", b"3")] == [False, False, False]
