from pushmesh_node.gossip.mesh.backoff import Backoff, Backoffs


def backoffs(max_backoffs: int = 10) -> Backoffs:
    return Backoffs(slack_ms=1_000, max_backoffs=max_backoffs)


def test_it_holds_until_its_time_and_own_grafts_wait_for_the_slack() -> None:
    held = backoffs()
    held.add(b"a", "/t", 0, 60_000)
    assert held.running(b"a", "/t", 59_999) == Backoff(0, 60_000) and held.running(b"a", "/t", 60_000) is None
    assert not held.allows_graft(b"a", "/t", 60_999) and held.allows_graft(b"a", "/t", 61_000)


def test_it_holds_for_one_peer_and_topic() -> None:
    held = backoffs()
    held.add(b"a", "/t", 0, 60_000)
    assert held.running(b"b", "/t", 1) is None and held.running(b"a", "/u", 1) is None
    assert held.allows_graft(b"b", "/t", 1) and held.allows_graft(b"a", "/u", 1)


def test_a_shorter_one_never_ends_a_longer_one() -> None:
    held = backoffs()
    held.add(b"a", "/t", 0, 60_000)
    held.add(b"a", "/t", 10, 1_000)
    assert held.running(b"a", "/t", 59_999) == Backoff(10, 60_000)


def test_a_longer_one_extends() -> None:
    held = backoffs()
    held.add(b"a", "/t", 0, 1_000)
    held.add(b"a", "/t", 10, 60_000)
    assert held.running(b"a", "/t", 60_009) is not None


def test_expiry_forgets_what_holds_nobody() -> None:
    held = backoffs()
    held.add(b"a", "/t", 0, 1_000)
    held.add(b"b", "/t", 0, 2_000)
    held.expire(1_999)
    assert len(held) == 2
    held.expire(2_000)
    assert len(held) == 1 and held.running(b"b", "/t", 1_999) is not None


def test_the_one_set_longest_ago_makes_room() -> None:
    held = backoffs(max_backoffs=2)
    for name in (b"a", b"b"):
        held.add(name, "/t", 0, 60_000)
    held.add(b"a", "/t", 1, 60_000)
    held.add(b"c", "/t", 2, 60_000)
    assert [held.running(name, "/t", 3) is not None for name in (b"a", b"b", b"c")] == [True, False, True]
