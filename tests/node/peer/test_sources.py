from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings, strategies as st

from pushmesh_node.peer.book import LOST_FAILURES, MAX_UNPROVEN, PeerBook
from pushmesh_node.peer.hosts import Address
from pushmesh_node.peer.sources import PEERS_OF_ONE_SUBNET, QUOTAS, Hearsay, Source
from pushmesh_node.remote import subnet_of

OWN = b"o" * 32


def an_address(n: int, host: str | None = None) -> Address:
    """Each of another subnet, where no host is given."""
    return Address("ip4", host or f"8.{n // 256}.{n % 256}.1", 4001, n.to_bytes(32, "big"))


def id_of(n: int) -> bytes:
    return n.to_bytes(32, "big")


class World:
    def __init__(self) -> None:
        self.book = PeerBook(100, 1_000, Random(1))
        self.counts: Counter[tuple[str, str]] = Counter()
        self.hearsay = Hearsay(OWN, self.book, self._count)

    def _count(self, name: str, label: str, n: int) -> None:
        self.counts[(name, label)] += n

    def hear(self, source: Source, *numbers: int, host: str | None = None) -> int:
        return self.hearsay.hear(source, [an_address(n, host) for n in numbers])


def test_what_a_source_tells_is_in_the_book_and_counted_for_it() -> None:
    world = World()
    assert world.hear(Source.DNS, 1, 2) == 2
    assert world.hear(Source.DHT, 2, 3) == 1
    assert [bool(world.book.addresses(id_of(n))) for n in (1, 2, 3)] == [True, True, True]
    assert world.counts == {("peers_heard", "dns"): 2, ("peers_heard", "dht"): 1}


def test_nobody_tells_this_node_of_itself_or_of_nobody() -> None:
    world = World()
    assert world.hearsay.hear(Source.DHT, [Address("ip4", "8.8.8.8", 1, OWN), Address("ip4", "8.8.8.8", 1)]) == 0
    assert len(world.book) == 0


@pytest.mark.parametrize("source", Source)
def test_a_source_fills_its_share_and_no_more(source: Source) -> None:
    world = World()
    others = [each for each in Source if each is not source]
    for place, other in enumerate(others):
        world.hear(other, 5_000 + place)
    assert world.hear(source, *range(2_000)) == QUOTAS[source]
    assert world.counts[("peers_unheard", source)] == 2_000 - QUOTAS[source]
    assert all(world.book.addresses(id_of(5_000 + place)) for place in range(len(others)))


def test_all_sources_together_leave_room_in_the_book_for_what_peers_say_of_themselves() -> None:
    assert sum(QUOTAS.values()) < MAX_UNPROVEN


def test_who_was_reached_counts_no_more() -> None:
    world = World()
    world.hear(Source.MDNS, *range(QUOTAS[Source.MDNS]))
    assert world.hear(Source.MDNS, 900) == 0
    world.book.succeeded(an_address(3))
    assert world.hear(Source.MDNS, 900) == 1
    assert world.book.addresses(id_of(3))


def test_who_could_not_be_reached_gives_way() -> None:
    world = World()
    world.hear(Source.MDNS, *range(QUOTAS[Source.MDNS]))
    world.book.failed(id_of(5), 0, jitter=1.0)
    assert world.hear(Source.MDNS, 900, 901) == 1
    assert not world.book.addresses(id_of(5)) and world.book.addresses(id_of(900))


def test_one_subnet_gets_its_share_whoever_tells_of_it() -> None:
    world = World()
    half = PEERS_OF_ONE_SUBNET // 2
    assert world.hear(Source.DHT, *range(half), host="9.9.9.9") == half
    assert world.hear(Source.DNS, *range(100, 200), host="9.9.9.8") == half
    assert world.hear(Source.DNS, 300, host="9.9.8.9") == 1
    world.book.failed(id_of(0), 0, jitter=1.0)
    assert world.hear(Source.DNS, 301, host="9.9.9.7") == 1


def test_loopback_is_no_subnet() -> None:
    world = World()
    assert world.hear(Source.DHT, *range(2 * PEERS_OF_ONE_SUBNET), host="127.0.0.1") == 2 * PEERS_OF_ONE_SUBNET


def test_hearsay_about_a_peer_that_is_where_it_was_changes_nothing() -> None:
    world = World()
    world.book.add(an_address(1, "7.7.7.7"), bootstrap=True)
    world.hear(Source.DNS, 2, host="7.7.7.8")
    world.book.succeeded(an_address(2, "7.7.7.8"))
    for last in range(1, 100):
        world.hear(Source.DHT, 1, 2, host=f"6.6.6.{last}")
    assert world.book.addresses(id_of(1)) == [an_address(1, "7.7.7.7")]
    assert world.book.addresses(id_of(2)) == [an_address(2, "7.7.7.8")]
    assert len(world.hearsay) == 0


def test_hearsay_about_a_peer_that_is_lost_comes_behind_where_it_was() -> None:
    world = World()
    world.book.add(an_address(1, "7.7.7.7"), bootstrap=True)
    for _ in range(LOST_FAILURES):
        assert world.hear(Source.DHT, 1, host="6.6.6.6") == 0
        assert len(world.book.addresses(id_of(1))) == 1
        world.book.failed(id_of(1), 0, jitter=1.0)
    world.hear(Source.DHT, 1, host="6.6.6.6")
    assert world.book.addresses(id_of(1)) == [an_address(1, "7.7.7.7"), an_address(1, "6.6.6.6")]


steps = st.one_of(
    st.tuples(st.sampled_from(list(Source)), st.integers(0, 600), st.integers(0, 40)),
    st.tuples(st.just("failed"), st.integers(0, 600), st.just(0)),
    st.tuples(st.just("reached"), st.integers(0, 600), st.just(0)),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(steps, max_size=1_500))
def test_no_history_breaks_a_bound(history: list[tuple[Source | str, int, int]]) -> None:
    world = World()
    for step, n, subnet in history:
        if isinstance(step, Source):
            world.hear(step, n, host=f"9.9.{subnet}.9")
        elif step == "failed":
            world.book.failed(id_of(n), 0, jitter=1.0)
        elif world.book.addresses(id_of(n)):
            world.book.succeeded(world.book.addresses(id_of(n))[0])
    unproven = [id_of(n) for n in range(601) if world.book.is_unproven(id_of(n))]
    subnets = Counter(subnet_of(world.book.addresses(each)[0].host) for each in unproven)
    assert max(subnets.values(), default=0) <= PEERS_OF_ONE_SUBNET
    assert len(unproven) <= len(world.hearsay) <= sum(QUOTAS.values())
