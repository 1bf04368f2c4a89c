from hypothesis import given, strategies as st

from pushmesh_node.peer.limits import CROSSING_MS, FOYER, MAX_RATED_HOSTS, Gate, GateLimits, keeps_old

LOW, HIGH = b"a" * 32, b"b" * 32


def a_gate(
    max_peers: int = 99,
    per_host: int = 99,
    per_subnet: int = 99,
    handshakes: int = 99,
    at_once: int = 99,
    exempt: bool = True,
) -> Gate:
    return Gate(GateLimits(max_peers, per_host, per_subnet, exempt, handshakes, 60, at_once))


def test_inbound_peers_leave_a_quarter_of_the_room_to_outbound_ones() -> None:
    gate = a_gate(max_peers=4)
    assert [gate.enter(f"10.0.{n}.1", False, 0) for n in range(4)] == [None, None, None, "too-many-peers"]
    assert [gate.enter("10.1.1.1", True, 0), gate.enter("10.1.2.1", True, 0)] == [None, "too-many-peers"]


def test_few_seats_are_kept_for_outbound_peers_where_there_are_many() -> None:
    gate = Gate(GateLimits(max_peers=100, kept_outbound=3))
    answers = [gate.enter(f"10.0.{n}.1", False, 0) for n in range(100)]
    assert answers == [None] * 97 + ["too-many-peers"] * 3
    assert [gate.enter(f"10.1.{n}.1", True, 0) for n in range(4)] == [None] * 3 + ["too-many-peers"]


def crowded(subnet_peers: int) -> Gate:
    """Nine of nine inbound peers, so many of them from one subnet and the others each from their own."""
    gate = a_gate(max_peers=12)
    for n in range(subnet_peers):
        assert gate.enter(f"10.0.0.{n}", False, 0) is None
    for n in range(9 - subnet_peers):
        assert gate.enter(f"10.0.{n + 1}.1", False, 0) is None
    return gate


def test_who_comes_from_an_emptier_subnet_is_let_in_for_a_seat_that_is_to_be_freed() -> None:
    gate = crowded(2)
    assert not gate.is_overfull()
    assert gate.enter("10.9.0.1", False, 0) is None and gate.is_overfull()
    gate.leave("10.0.0.0", outbound=False)
    assert not gate.is_overfull()


def test_who_comes_from_a_subnet_as_full_as_any_is_not() -> None:
    assert crowded(1).enter("10.9.0.1", False, 0) == "too-many-peers"
    gate = crowded(2)
    assert gate.enter("10.0.0.9", False, 0) == gate.enter("10.0.1.9", False, 0) == "too-many-peers"


def test_only_so_many_wait_for_a_seat_and_they_take_none_from_who_is_dialled() -> None:
    gate = crowded(9)
    answers = [gate.enter(f"10.{n + 1}.0.1", False, 0) for n in range(FOYER + 1)]
    assert answers == [None] * FOYER + ["too-many-peers"]
    assert [gate.enter(f"10.200.{n}.1", True, 0) for n in range(4)] == [None] * 3 + ["too-many-peers"]


def test_one_host_takes_only_so_many_places_until_one_leaves() -> None:
    gate = a_gate(per_host=2)
    assert [gate.enter("10.0.0.1", False, 0) for _ in range(3)] == [None, None, "too-many-of-one-host"]
    gate.leave("10.0.0.1", outbound=False)
    assert gate.enter("10.0.0.1", False, 0) is None


def test_the_addresses_of_one_ipv6_customer_are_one_host() -> None:
    gate = a_gate(per_host=1)
    assert gate.enter("2001:db8:1:2::1", False, 0) is None
    assert gate.enter("2001:db8:1:2::2", False, 0) == "too-many-of-one-host"
    assert gate.enter("2001:db8:1:3::1", False, 0) is None


def test_one_subnet_takes_only_so_many_places_whoever_dials() -> None:
    gate = a_gate(per_subnet=2)
    assert [gate.enter(f"10.0.0.{n}", n == 0, 0) for n in range(3)] == [None, None, "too-many-of-one-subnet"]
    assert gate.enter("10.0.0.9", True, 0) == "too-many-of-one-subnet" and gate.enter("10.0.1.1", True, 0) is None
    gate.leave("10.0.0.0", outbound=True)
    assert gate.enter("10.0.0.9", True, 0) is None


def test_loopback_is_exempt_only_if_configured() -> None:
    for exempt, expected in ((True, None), (False, "too-many-of-one-host")):
        gate = a_gate(per_host=1, per_subnet=1, handshakes=1, at_once=1, exempt=exempt)
        gate.enter("127.0.0.1", False, 0)
        assert gate.enter("127.0.0.1", False, 0) == expected
        assert gate.is_exempt("127.0.0.1") is exempt and not gate.is_exempt("10.0.0.1")


def test_one_host_has_only_so_many_handshakes_under_way() -> None:
    gate = a_gate(handshakes=2)
    assert [gate.enter("10.0.0.1", False, 0) for _ in range(3)] == [None, None, "too-many-handshakes"]
    assert gate.enter("10.0.0.1", True, 0) is None  # a dial is this node's own choice
    gate.shaken("10.0.0.1")
    assert gate.enter("10.0.0.1", False, 0) is None


def test_one_host_arrives_only_so_often() -> None:
    gate = a_gate(at_once=2)
    answers = []
    for now_ms in (0, 0, 0, 999, 1_000, 1_000, 60_000, 60_000, 60_000):
        answers.append(gate.enter("10.0.0.1", False, now_ms))
        if answers[-1] is None:
            gate.shaken("10.0.0.1")
            gate.leave("10.0.0.1", outbound=False)
    late = "too-many-arrivals"
    assert answers == [None, None, late, late, None, late, None, None, late]


def test_the_memory_of_arrivals_is_bounded() -> None:
    gate = a_gate(at_once=1)
    for n in range(MAX_RATED_HOSTS + 1):
        host = f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}"
        assert gate.enter(host, False, 0) is None
        gate.leave(host, outbound=False)
    assert gate.enter("10.0.0.1", False, 0) == "too-many-arrivals"
    assert gate.enter("10.0.0.0", False, 0) is None  # the one that was forgotten


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=40))
def test_whoever_left_takes_no_room(visits: list[tuple[int, bool]]) -> None:
    gate = a_gate(max_peers=4, per_host=2, per_subnet=3)
    inside = []
    for n, outbound in visits:
        if gate.enter(f"10.0.0.{n}", outbound, 0) is None:
            inside.append((f"10.0.0.{n}", outbound))
    for host, outbound in inside:
        if not outbound:
            gate.shaken(host)
        gate.leave(host, outbound)
    assert [gate.enter("10.0.0.1", True, 0) for _ in range(3)] == [None, None, "too-many-of-one-host"]


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
