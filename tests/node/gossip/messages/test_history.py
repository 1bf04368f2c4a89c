from pushmesh_node.gossip.messages.history import History
from pushmesh_node.gossip.wire.rpc import Message, Rpc


def rpc(data: bytes, topic: str = "/t") -> Rpc:
    return Rpc(messages=(Message(topic, data),))


def history(windows: int = 3, announced: int = 2, max_messages: int = 10, max_bytes: int = 100) -> History:
    return History(windows, announced, max_messages, max_bytes)


def test_a_message_is_announced_for_fewer_heartbeats_than_it_is_kept() -> None:
    held = history()
    held.put(b"1", rpc(b"x"))
    seen = []
    for _ in range(4):
        seen.append((held.announced("/t"), held.size_of(b"1")))
        held.shift()
    assert seen == [([b"1"], 1), ([b"1"], 1), ([], 1), ([], None)]


def test_ids_are_of_their_topic_and_newest_window_first() -> None:
    held = history()
    held.put(b"1", rpc(b"x"))
    held.shift()
    held.put(b"2", rpc(b"x"))
    held.put(b"3", rpc(b"x", "/u"))
    assert held.announced("/t") == [b"2", b"1"] and held.announced("/u") == [b"3"] and held.announced("/v") == []


def test_a_peer_takes_a_message_only_so_often() -> None:
    held = history()
    held.put(b"1", rpc(b"x"))
    assert [held.take(b"1", b"a", 2) for _ in range(3)] == [rpc(b"x"), rpc(b"x"), None]
    assert held.take(b"1", b"b", 2) == rpc(b"x")
    assert held.take(b"unknown", b"a", 2) is None


def test_the_same_object_goes_to_everybody() -> None:
    held = history()
    one = rpc(b"x")
    held.put(b"1", one)
    assert held.take(b"1", b"a", 1) is held.take(b"1", b"b", 1) is one


def test_the_oldest_goes_when_there_are_too_many() -> None:
    held = history(max_messages=2)
    for one in (b"1", b"2", b"3"):
        held.put(one, rpc(b"x"))
    assert len(held) == 2 and held.announced("/t") == [b"2", b"3"]


def test_the_oldest_goes_when_they_are_too_large() -> None:
    held = history(max_bytes=10)
    held.put(b"1", rpc(b"1234"))
    held.put(b"2", rpc(b"12345678"))
    assert held.size_of(b"1") is None and held.size_bytes == 8


def test_the_same_message_twice_is_held_once() -> None:
    held = history()
    held.put(b"1", rpc(b"1234"))
    held.put(b"1", rpc(b"1234"))
    assert held.size_bytes == 4 and held.announced("/t") == [b"1"]


def test_bytes_end_with_their_messages() -> None:
    held = history(windows=1, announced=1)
    held.put(b"1", rpc(b"1234"))
    held.shift()
    assert held.size_bytes == 0 and len(held) == 0


def test_of_many_ids_those_that_are_held_are_found_in_their_order() -> None:
    held = history()
    for one in (b"1", b"2"):
        held.put(one, rpc(one))
    assert held.held_of([b"x", b"2", b"y", b"1"]) == [b"2", b"1"]
    assert held.held_of([b"x", b"y"]) == []
