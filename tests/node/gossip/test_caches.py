from pushmesh_node.gossip.caches import SeenCache


def test_an_id_is_seen_until_its_time_is_up_however_often_it_comes() -> None:
    seen = SeenCache(ttl_ms=100, max_ids=10)
    seen.add(b"a", 0)
    seen.add(b"a", 90)
    assert seen.has(b"a", 99) and not seen.has(b"a", 100)


def test_an_expired_id_can_be_seen_anew() -> None:
    seen = SeenCache(ttl_ms=100, max_ids=10)
    seen.add(b"a", 0)
    seen.add(b"a", 150)
    assert seen.has(b"a", 249)


def test_the_oldest_id_goes_when_there_are_too_many() -> None:
    seen = SeenCache(ttl_ms=100, max_ids=2)
    for one in (b"a", b"b", b"c"):
        seen.add(one, 0)
    assert [seen.has(one, 0) for one in (b"a", b"b", b"c")] == [False, True, True]


def test_expiry_lets_go_of_the_old_only() -> None:
    seen = SeenCache(ttl_ms=100, max_ids=10)
    seen.add(b"a", 0)
    seen.add(b"b", 60)
    seen.expire(120)
    assert len(seen) == 1 and seen.has(b"b", 120)


def test_a_forgotten_id_is_new() -> None:
    seen = SeenCache(ttl_ms=100, max_ids=10)
    seen.add(b"a", 0)
    seen.forget(b"a")
    assert not seen.has(b"a", 0)
