import pytest

from pushmesh_node.app import joined_shards
from pushmesh_node.app.joined_shards import LINGER_MS, LOOKS_PER_TICK, MAX_WALLETS, WALLET_MS, JoinedShards
from pushmesh_node.config import ConfigError
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.codec import pack
from pushmesh_protocol.frames import Part
from pushmesh_protocol.types import Account, UnixMs
from support.app_world import NETWORK, a_note_now
from support.wallets import a_wallet

OWNER = a_wallet(1).account
ALL = frozenset(range(NETWORK.shard_count))


def topic_in(shard: int, place: int = 0) -> Topic:
    """One of the topics in that shard."""
    topics = (Topic(OWNER, f"t{n}") for n in range(10_000))
    found = [topic for topic in topics if NETWORK.shard(pack(topic)) == shard]
    return found[place]


def an_account(n: int) -> Account:
    return Account(b"\x00" + n.to_bytes(20, "big"))


class World:
    """Shards that follow what wallets subscribe to, on a clock of their own."""

    def __init__(self, wish: str = "needed", *always: Topic) -> None:
        self.now_ms = 2 * WALLET_MS
        self.subscribed: dict[Account, list[Topic]] = {}
        self.looked_at: list[Account] = []
        self.here: set[Account] = set()
        self.shards = JoinedShards(
            NETWORK, wish, self._topics_of, self.here.__contains__, always, lambda: UnixMs(self.now_ms)
        )

    def _topics_of(self, account: Account, now_ms: UnixMs) -> list[Topic]:
        self.looked_at.append(account)
        return self.subscribed.get(account, [])

    def tick(self, later_ms: int = 1_000) -> frozenset[int]:
        self.now_ms += later_ms
        before = self.shards.joined
        assert self.shards.tick() == (self.shards.joined != before)
        return self.shards.joined


def test_a_node_that_wants_all_shards_is_in_all_of_them() -> None:
    world = World("all")
    world.shards.came(an_account(1))
    assert (world.tick(), world.shards.left, world.looked_at) == (ALL, frozenset(), [])


def test_a_node_is_in_the_shards_that_its_operator_names_whatever_wallets_want() -> None:
    world = World("0,3")
    world.subscribed[an_account(1)] = [topic_in(5)]
    world.shards.came(an_account(1))
    assert world.tick() == {0, 3} and world.shards.left == ALL - {0, 3}


def test_a_shard_that_the_network_has_not_is_a_mistake_of_the_configuration() -> None:
    with pytest.raises(ConfigError, match=r"names 8, but the network has 8 shards"):
        World("3,8")


def test_a_node_without_wallets_is_in_no_shard_but_those_always_needed() -> None:
    assert World().tick() == frozenset()
    assert World("needed", topic_in(6)).tick() == {6}


def test_a_wallet_that_comes_brings_its_shards() -> None:
    world = World()
    world.subscribed[an_account(1)] = [topic_in(2), topic_in(4), topic_in(2, place=1)]
    world.subscribed[an_account(2)] = [topic_in(7)]
    world.shards.came(an_account(1))
    assert world.tick() == {2, 4}


def test_a_subscription_that_reaches_this_node_later_is_found_in_the_round() -> None:
    world = World()
    world.shards.came(an_account(1))
    assert world.tick() == frozenset()
    world.subscribed[an_account(1)] = [topic_in(3)]
    assert world.tick() == {3}


def test_what_is_published_here_brings_its_shard() -> None:
    world = World()
    note = a_note_now(a_wallet(1))
    assert note.topic is not None
    world.shards.relayed([Part((note,))])
    assert world.tick() == {NETWORK.shard(pack(note.topic))}


def test_what_is_sent_in_a_joined_shard_does_not_say_that_it_is_needed() -> None:
    world = World()
    note = a_note_now(a_wallet(1))
    world.shards.relayed([Part((note,))])
    world.tick()
    world.tick(LINGER_MS - 2_000)
    world.shards.relayed([Part((note,))])
    assert world.tick() == frozenset()


def test_a_shard_is_left_long_after_nobody_needs_it() -> None:
    world = World()
    world.subscribed[an_account(1)] = [topic_in(1)]
    world.shards.came(an_account(1))
    assert world.tick() == {1}
    world.subscribed.clear()
    assert world.tick(LINGER_MS - 1) == {1}
    assert world.tick(1) == frozenset()


def test_a_shard_that_is_still_needed_is_not_left() -> None:
    world = World()
    world.subscribed[an_account(1)] = [topic_in(1)]
    world.shards.came(an_account(1))
    for _ in range(4):
        assert world.tick(LINGER_MS // 2) == {1}


def test_a_wallet_that_was_not_seen_for_long_is_of_this_node_no_more() -> None:
    world = World()
    world.subscribed[an_account(1)] = [topic_in(1)]
    world.shards.came(an_account(1), world.now_ms - WALLET_MS)
    assert world.tick() == frozenset()
    world.shards.came(an_account(1))
    assert world.tick() == {1}


def test_a_wallet_that_stays_connected_is_seen_all_the_time() -> None:
    world = World()
    world.subscribed[an_account(1)] = [topic_in(1)]
    world.here.add(an_account(1))
    world.shards.came(an_account(1))
    for _ in range(3):
        assert world.tick(WALLET_MS - 1) == {1}
    world.here.clear()
    assert world.tick(WALLET_MS + 1) == frozenset()


def test_many_wallets_are_looked_at_by_turns_and_new_ones_first() -> None:
    world = World()
    for n in range(3 * LOOKS_PER_TICK):
        world.shards.came(an_account(n))
    for _ in range(3):
        world.tick()
    assert sorted(world.looked_at) == [an_account(n) for n in range(3 * LOOKS_PER_TICK)]
    world.shards.came(an_account(9_999))
    world.looked_at.clear()
    world.tick()
    assert world.looked_at[0] == an_account(9_999) and len(world.looked_at) == LOOKS_PER_TICK


def test_where_all_shards_are_plainly_needed_nobody_is_looked_at() -> None:
    world = World()
    world.subscribed[an_account(1)] = [topic_in(shard) for shard in ALL]
    world.shards.came(an_account(1))
    assert world.tick() == ALL
    world.looked_at.clear()
    assert world.tick() == ALL and world.looked_at == []
    assert world.tick(LINGER_MS // 2) == ALL and world.looked_at == [an_account(1)]


def test_wallets_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joined_shards, "MAX_WALLETS", 3)
    world = World()
    for n in range(5):
        world.shards.came(an_account(n))
    world.tick()
    assert sorted(world.looked_at) == [an_account(n) for n in range(3)]


def test_all_wallets_have_their_turn_before_a_shard_could_be_left() -> None:
    assert MAX_WALLETS / LOOKS_PER_TICK * 1_000 < LINGER_MS / 2
