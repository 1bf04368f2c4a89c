from pushmesh_node.gossip.caches import RecentCache, SeenCache


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


def test_recent_messages_are_bounded_by_count_and_by_bytes() -> None:
    recent = RecentCache(max_messages=2, max_bytes=10)
    for one in (b"a", b"b", b"c"):
        recent.add(one, "/t", b"1234")
    assert recent.take(b"a", b"p", 1) is None and recent.take(b"c", b"p", 1) == ("/t", b"1234")
    recent.add(b"d", "/t", b"12345678")
    assert len(recent) == 1 and recent.take(b"d", b"p", 1) == ("/t", b"12345678")


def test_a_peer_takes_a_message_only_so_often() -> None:
    recent = RecentCache(max_messages=2, max_bytes=10)
    recent.add(b"a", "/t", b"1")
    assert [recent.take(b"a", b"p", 2) is not None for _ in range(3)] == [True, True, False]
    assert recent.take(b"a", b"q", 2) == ("/t", b"1")
