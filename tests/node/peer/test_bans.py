from hypothesis import given, strategies as st

from pushmesh_node.peer.bans import (
    BAN_MS,
    FORGIVE_MS,
    HOST_FAULTS,
    MAX_BAN_MS,
    MAX_BANS,
    PEER_FAULTS,
    REPEATED_MS,
    Ban,
    BanList,
    Bans,
)

LOW, HIGH = b"a" * 32, b"b" * 32


def a_list() -> BanList[bytes]:
    return BanList(PEER_FAULTS)


def some_bans(exempt: str = "127.0.0.1") -> Bans:
    return Bans(lambda host: host == exempt)


def test_a_ban_ends_by_itself_or_is_lifted() -> None:
    bans = a_list()
    bans.set(LOW, Ban(100, 1))
    bans.set(HIGH, Ban(200, 1))
    assert bans.is_banned(LOW, 99) and not bans.is_banned(LOW, 100)
    assert bans.banned(150) == {HIGH: Ban(200, 1)}
    bans.set(HIGH, Ban(0, 1))
    assert not bans.is_banned(HIGH, 150)


def test_each_repetition_doubles_a_ban_up_to_a_day() -> None:
    bans = a_list()
    now_ms, lengths = 0, []
    for _ in range(9):
        ban = bans.ban(LOW, now_ms)
        lengths.append(ban.until_ms - now_ms)
        now_ms = ban.until_ms
    assert lengths[:3] == [BAN_MS, 2 * BAN_MS, 4 * BAN_MS] and lengths[-1] == MAX_BAN_MS


def test_a_long_time_of_good_conduct_makes_the_next_ban_a_first_one() -> None:
    bans = a_list()
    bans.ban(LOW, 0)
    again = bans.ban(LOW, BAN_MS + REPEATED_MS)
    assert again == Ban(2 * BAN_MS + REPEATED_MS, 1)


def test_a_ban_is_never_shortened_by_another() -> None:
    bans = a_list()
    bans.set(LOW, Ban(10 * MAX_BAN_MS, 1))
    assert bans.ban(LOW, 0).until_ms == 10 * MAX_BAN_MS


def test_faults_add_up_to_a_ban() -> None:
    bans = a_list()
    assert [bans.fault(LOW, n) for n in range(PEER_FAULTS)] == [False] * (PEER_FAULTS - 1) + [True]
    assert bans.is_banned(LOW, PEER_FAULTS) and not bans.is_banned(HIGH, PEER_FAULTS)


def test_faults_are_forgiven_one_by_one() -> None:
    bans = a_list()
    assert not any(bans.fault(LOW, n * FORGIVE_MS) for n in range(50))


def test_bans_and_faults_are_bounded() -> None:
    bans = a_list()
    for n in range(MAX_BANS + 1):
        bans.fault(n.to_bytes(32, "big"), 0)
        bans.set((n + MAX_BANS).to_bytes(32, "big"), Ban(1_000, 1))
    assert len(bans.banned(0)) == MAX_BANS and not bans.is_banned(MAX_BANS.to_bytes(32, "big"), 0)
    assert not bans.fault(bytes(32), 0) and not bans.fault(bytes(32), 0)  # its first fault was forgotten


def test_a_host_is_banned_after_more_faults_than_a_peer_and_only_for_who_comes_from_there() -> None:
    bans = some_bans()
    for n in range(HOST_FAULTS):
        assert not bans.refuses("10.0.0.1", n)
        assert not bans.fault("10.0.0.1", None, n)
    assert bans.refuses("10.0.0.1", HOST_FAULTS) and not bans.refuses("10.0.0.2", HOST_FAULTS)
    assert not bans.peers.banned(HOST_FAULTS)


def test_a_peer_that_is_at_fault_is_one_wherever_it_comes_from() -> None:
    bans = some_bans()
    told = [bans.fault(f"10.0.0.{n}", LOW, n) for n in range(PEER_FAULTS)]
    assert told[-1] and bans.peers.is_banned(LOW, PEER_FAULTS)


def test_faults_of_an_exempt_host_count_for_its_peers_only() -> None:
    bans = some_bans()
    for n in range(2 * HOST_FAULTS):
        bans.fault("127.0.0.1", LOW, n)
        bans.graylist("127.0.0.1", HIGH, n)
    assert not bans.refuses("127.0.0.1", 99) and bans.peers.is_banned(LOW, 99) and bans.peers.is_banned(HIGH, 99)


def test_a_graylisted_peer_is_banned_at_once_and_its_host_once_it_sent_many() -> None:
    bans = some_bans()
    for n in range(HOST_FAULTS):
        assert bans.graylist("10.0.0.1", n.to_bytes(32, "big"), 0) == Ban(BAN_MS, 1)
    assert bans.refuses("10.0.0.1", 1)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 10**7)), max_size=60))
def test_a_ban_never_ends_before_its_time(steps: list[tuple[int, int]]) -> None:
    bans = a_list()
    now_ms, until_ms = 0, dict.fromkeys(range(6), 0)
    for who, passed_ms in steps:
        now_ms += passed_ms
        if bans.fault(bytes([who]) * 32, now_ms):
            until_ms[who] = max(until_ms[who], now_ms + BAN_MS)
        for each, end_ms in until_ms.items():
            assert bans.is_banned(bytes([each]) * 32, now_ms) or now_ms >= end_ms
