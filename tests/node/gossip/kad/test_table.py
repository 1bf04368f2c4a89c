import random
from collections.abc import Iterator

from hypothesis import given, settings, strategies as st

from pushmesh_node.gossip.kad.contacts import Contact, K, place_of, shared_bits
from pushmesh_node.gossip.kad.table import (
    BUCKETS,
    CHECK_AFTER_MS,
    CHECK_AGAIN_MS,
    CHECK_FULL_AFTER_MS,
    CHECK_TIMEOUT_MS,
    GROUP_IN_BUCKET,
    GROUP_IN_TABLE,
    MAX_CHECKS,
    MAX_FAILURES,
    Check,
    Event,
    Reached,
    RoutingTable,
    Ticked,
    Unreachable,
)

OWN = b"o" * 32


def a_contact(n: int, group: str = "", address: bytes = b"a") -> Contact:
    return Contact(n.to_bytes(32, "big"), (address,), group)


def contacts_of(bits: int, group: str = "", least: int = 0) -> Iterator[Contact]:
    """Contacts that share exactly so many bits with this node."""
    own = place_of(OWN)
    for n in range(least, 10_000_000):
        contact = a_contact(n, group)
        if shared_bits(own, place_of(contact.node_id)) == bits:
            yield contact


def a_full_bucket(table: RoutingTable, bits: int = 0, now_ms: int = 0) -> tuple[list[Contact], Iterator[Contact]]:
    """Its contacts, and more of the same bucket."""
    more = contacts_of(bits)
    inside = [next(more) for _ in range(K)]
    for contact in inside:
        assert table.handle(Reached(contact), now_ms) == []
    return inside, more


def test_who_was_reached_is_in_the_table() -> None:
    table = RoutingTable(OWN)
    assert table.handle(Reached(a_contact(1)), 0) == []
    assert a_contact(1).node_id in table and len(table) == 1


def test_neither_this_node_itself_nor_one_without_addresses_enters() -> None:
    table = RoutingTable(OWN)
    table.handle(Reached(Contact(OWN, (b"a",))), 0)
    table.handle(Reached(Contact(b"x" * 32, ())), 0)
    assert len(table) == 0


def test_the_nearest_are_the_nearest_by_a_naive_reckoning() -> None:
    rng = random.Random(7)
    table = RoutingTable(OWN)
    for n in range(100):
        table.handle(Reached(a_contact(n)), 0)
    inside = [a_contact(n) for n in range(100) if a_contact(n).node_id in table]
    for _ in range(20):
        position = rng.getrandbits(256)
        naive = sorted(inside, key=lambda contact: place_of(contact.node_id) ^ position)[:K]
        assert table.nearest(position) == naive


def test_the_nearest_leave_out_whom_they_are_asked_to() -> None:
    table = RoutingTable(OWN)
    for n in range(3):
        table.handle(Reached(a_contact(n)), 0)
    found = table.nearest(place_of(a_contact(1).node_id), without={a_contact(1).node_id})
    assert set(found) == {a_contact(0), a_contact(2)}


def test_a_newcomer_to_a_full_bucket_makes_the_one_unseen_longest_be_checked_and_waits() -> None:
    table = RoutingTable(OWN)
    inside, more = a_full_bucket(table)
    newcomer = next(more)
    assert table.handle(Reached(newcomer), CHECK_FULL_AFTER_MS) == [Check(inside[0])]
    assert newcomer.node_id not in table


def test_an_old_node_that_answers_stays() -> None:
    table = RoutingTable(OWN)
    inside, more = a_full_bucket(table)
    newcomer = next(more)
    table.handle(Reached(newcomer), CHECK_FULL_AFTER_MS)
    table.handle(Reached(inside[0]), CHECK_FULL_AFTER_MS)
    assert newcomer.node_id not in table and all(contact.node_id in table for contact in inside)
    assert table.handle(Reached(newcomer), CHECK_FULL_AFTER_MS) == [Check(inside[1])]


def test_an_old_node_that_is_gone_gives_way_to_who_waits() -> None:
    table = RoutingTable(OWN)
    inside, more = a_full_bucket(table)
    first, last = next(more), next(more)
    table.handle(Reached(first), CHECK_FULL_AFTER_MS)
    table.handle(Reached(last), CHECK_FULL_AFTER_MS)
    for _ in range(MAX_FAILURES):
        assert first.node_id not in table and last.node_id not in table
        table.handle(Unreachable(inside[0].node_id), CHECK_FULL_AFTER_MS)
    assert inside[0].node_id not in table and last.node_id in table and first.node_id not in table


def test_many_newcomers_ask_for_one_check_of_a_bucket() -> None:
    table = RoutingTable(OWN)
    inside, more = a_full_bucket(table)
    checks = [check for _ in range(500) for check in table.handle(Reached(next(more)), CHECK_FULL_AFTER_MS)]
    assert checks == [Check(inside[0])]
    assert len(table) == K


def test_right_after_it_was_seen_nobody_is_checked_for_a_newcomer() -> None:
    table = RoutingTable(OWN)
    _, more = a_full_bucket(table)
    assert table.handle(Reached(next(more)), CHECK_FULL_AFTER_MS - 1) == []


def test_one_address_group_gets_its_share_of_a_bucket_and_of_the_table() -> None:
    table = RoutingTable(OWN)
    for bits in range(6):
        more = contacts_of(bits, "10.0.0.0/24")
        for _ in range(5):
            table.handle(Reached(next(more)), 0)
        assert len(table) == min(GROUP_IN_BUCKET * (bits + 1), GROUP_IN_TABLE)
    alone = next(contacts_of(0, least=1_000))
    table.handle(Reached(alone), 0)
    assert alone.node_id in table


def test_a_group_has_room_again_when_one_of_it_went() -> None:
    table = RoutingTable(OWN)
    more = contacts_of(0, "g")
    inside = [next(more) for _ in range(GROUP_IN_BUCKET)]
    newcomer = next(more)
    for contact in (*inside, newcomer):
        table.handle(Reached(contact), 0)
    assert newcomer.node_id not in table
    for _ in range(MAX_FAILURES):
        table.handle(Unreachable(inside[0].node_id), 0)
    table.handle(Reached(newcomer), 0)
    assert newcomer.node_id in table


def test_a_new_address_takes_the_place_of_the_old() -> None:
    table = RoutingTable(OWN)
    table.handle(Reached(a_contact(1, "g", b"old")), 0)
    table.handle(Reached(a_contact(1, "h", b"new")), 0)
    assert table.nearest(0) == [a_contact(1, "h", b"new")]


def test_who_failed_once_is_not_told_to_others_until_it_was_reached_again() -> None:
    table = RoutingTable(OWN)
    table.handle(Reached(a_contact(1)), 0)
    table.handle(Unreachable(a_contact(1).node_id), 0)
    assert table.nearest(0) == [] and a_contact(1).node_id in table
    table.handle(Reached(a_contact(1)), 1)
    assert table.nearest(0) == [a_contact(1)]


def test_who_was_not_seen_for_long_is_checked_few_at_a_time() -> None:
    table = RoutingTable(OWN)
    for n in range(MAX_CHECKS + 3):
        table.handle(Reached(a_contact(n)), n)
    assert table.handle(Ticked(), CHECK_AFTER_MS - 1) == []
    checks = table.handle(Ticked(), CHECK_AFTER_MS + 99)
    assert checks == [Check(a_contact(n)) for n in range(MAX_CHECKS)]
    assert table.handle(Ticked(), CHECK_AFTER_MS + 99) == []
    table.handle(Reached(a_contact(0)), CHECK_AFTER_MS + 99)
    assert table.handle(Ticked(), CHECK_AFTER_MS + 99) == [Check(a_contact(MAX_CHECKS))]


def test_a_check_that_nobody_answers_is_made_again() -> None:
    table = RoutingTable(OWN)
    table.handle(Reached(a_contact(1)), 0)
    assert table.handle(Ticked(), CHECK_AFTER_MS) == [Check(a_contact(1))]
    assert table.handle(Ticked(), CHECK_AFTER_MS + CHECK_TIMEOUT_MS) == []
    assert table.handle(Ticked(), CHECK_AFTER_MS + CHECK_TIMEOUT_MS + 1) == [Check(a_contact(1))]


def test_a_first_failure_is_looked_at_again_soon() -> None:
    table = RoutingTable(OWN)
    table.handle(Reached(a_contact(1)), 0)
    table.handle(Unreachable(a_contact(1).node_id), 0)
    assert table.handle(Ticked(), CHECK_AGAIN_MS - 1) == []
    assert table.handle(Ticked(), CHECK_AGAIN_MS) == [Check(a_contact(1))]


events = st.one_of(
    st.builds(lambda n, g: Reached(a_contact(n, g)), st.integers(0, 400), st.sampled_from(["", "g", "h"])),
    st.builds(lambda n: Unreachable(a_contact(n).node_id), st.integers(0, 400)),
    st.just(Ticked()),
)


@settings(max_examples=50)
@given(st.lists(st.tuples(events, st.integers(0, CHECK_AFTER_MS)), max_size=400))
def test_no_history_breaks_a_bound(history: list[tuple[Event, int]]) -> None:
    table = RoutingTable(OWN)
    now_ms = 0
    for event, later_ms in history:
        now_ms += later_ms
        assert len(table.handle(event, now_ms)) <= MAX_CHECKS
        assert len(table) <= BUCKETS * K
        groups = [contact.group for contact in table.nearest(0, limit=BUCKETS * K)]
        assert max(groups.count("g"), groups.count("h")) <= GROUP_IN_TABLE
