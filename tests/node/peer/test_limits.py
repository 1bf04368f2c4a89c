from hypothesis import given, strategies as st

from pushmesh_node.peer.limits import CROSSING_MS, MAX_BANS, Gate, keeps_old

LOW, HIGH = b"a" * 32, b"b" * 32


def test_inbound_peers_leave_a_quarter_of_the_room_to_outbound_ones() -> None:
    gate = Gate(max_peers=4, max_per_host=9, exempt_loopback=False)
    assert [gate.enter(f"10.0.0.{n}", outbound=False) for n in range(4)] == [None, None, None, "too-many-peers"]
    assert [gate.enter("10.0.1.1", outbound=True), gate.enter("10.0.1.2", outbound=True)] == [None, "too-many-peers"]


def test_one_host_takes_only_so_many_places_until_one_leaves() -> None:
    gate = Gate(max_peers=99, max_per_host=2, exempt_loopback=True)
    assert [gate.enter("10.0.0.1", False) for _ in range(3)] == [None, None, "too-many-of-one-host"]
    gate.leave("10.0.0.1")
    assert gate.enter("10.0.0.1", False) is None


def test_loopback_is_exempt_only_if_configured() -> None:
    for exempt, expected in ((True, None), (False, "too-many-of-one-host")):
        gate = Gate(max_peers=99, max_per_host=1, exempt_loopback=exempt)
        gate.enter("127.0.0.1", False)
        assert gate.enter("127.0.0.1", False) == expected


def test_a_ban_ends_by_itself_or_is_lifted() -> None:
    gate = Gate(9, 9, True)
    gate.ban(LOW, 100)
    gate.ban(HIGH, 200)
    assert gate.is_banned(LOW, 99) and list(gate.banned(150)) == [HIGH] and not gate.is_banned(LOW, 150)
    gate.ban(HIGH, 0)
    assert not gate.is_banned(HIGH, 150)


def test_bans_are_bounded() -> None:
    gate = Gate(9, 9, True)
    for n in range(MAX_BANS + 1):
        gate.ban(n.to_bytes(32, "big"), 1_000 + n)
    assert not gate.is_banned(bytes(32), 0) and len(list(gate.banned(0))) == MAX_BANS


@given(st.booleans(), st.integers(0, CROSSING_MS))
def test_both_ends_of_crossing_dials_keep_the_same_connection(low_sees_its_own_first: bool, age_ms: int) -> None:
    """Connection X was dialled by LOW, Y by HIGH; each end may see either first."""
    low_keeps_x = (
        keeps_old(LOW, HIGH, True, False, age_ms)
        if low_sees_its_own_first
        else not keeps_old(LOW, HIGH, False, True, age_ms)
    )
    for high_sees_x_first in (True, False):
        high_keeps_x = (
            keeps_old(HIGH, LOW, False, True, age_ms)
            if high_sees_x_first
            else not keeps_old(HIGH, LOW, True, False, age_ms)
        )
        assert low_keeps_x and high_keeps_x


def test_a_second_connection_the_same_way_or_much_later_replaces_the_first() -> None:
    assert not keeps_old(LOW, HIGH, False, False, 0)
    assert not keeps_old(LOW, HIGH, True, True, 0)
    assert not keeps_old(LOW, HIGH, True, False, CROSSING_MS + 1)
