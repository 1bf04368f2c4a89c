from random import Random
from typing import Any

import pytest

from pushmesh_node.engine import private as room
from pushmesh_node.engine.private import PrivateSubscriptions
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.kinds import Kind, SettingChoice
from pushmesh_protocol.limits import DAY_MS
from pushmesh_protocol.types import Account
from support.bodies import a_network
from support.envelopes import ALICE, BOB, CAROL, NOW, an_envelope

NETWORK = a_network()
NEWS = Topic(ALICE, "news")
LOANS = Topic(ALICE, "loans")
OFF = 400 * DAY_MS


def a_word(
    at: int = 0, *, on: bool = True, author: Account = BOB, topic: Topic = NEWS, life: int = DAY_MS, **changes: Any
) -> Envelope:
    ends = NOW + at + (life if on else OFF)
    said: dict[str, Any] = {"on": on, "topic": topic, "issued_at": NOW + at, "expires_at": ends}
    return an_envelope(NETWORK, Kind.PRIVATE_SUBSCRIPTION, author, private=True, **said | changes)


def words(*envelopes: Envelope) -> PrivateSubscriptions:
    held = PrivateSubscriptions()
    for envelope in envelopes:
        held.add(envelope)
    return held


def test_the_newest_word_decides_whatever_came_first() -> None:
    on, off = a_word(1), a_word(2, on=False)
    for order in ((on, off), (off, on)):
        assert words(*order).word(BOB, NEWS, NOW) == off


def test_of_two_words_of_one_time_off_counts() -> None:
    on, off = a_word(1), a_word(1, on=False)
    for order in ((on, off), (off, on)):
        assert words(*order).word(BOB, NEWS, NOW) == off


def test_the_same_word_again_and_an_older_one_change_nothing() -> None:
    held = words(a_word(2))
    assert not held.add(a_word(2))
    assert not held.add(a_word(1, on=False))
    assert len(held) == 1


def test_a_word_counts_for_its_wallet_and_topic_alone() -> None:
    held = words(a_word())
    assert held.word(CAROL, NEWS, NOW) is None
    assert held.word(BOB, LOANS, NOW) is None
    assert held.topics(BOB) == {NEWS} and held.topics(CAROL) == frozenset()


def test_a_word_that_has_expired_counts_no_more_and_is_forgotten() -> None:
    held = words(a_word(life=5))
    assert held.word(BOB, NEWS, NOW + 4) is not None
    assert held.word(BOB, NEWS, NOW + 5) is None
    held.sweep(NOW + 5)
    assert len(held) == 0
    assert held.readers(NEWS, {CAROL}) == {CAROL} and held.topics(BOB) == frozenset()


def test_the_end_of_a_word_that_was_replaced_takes_nothing_away() -> None:
    held = words(a_word(life=5), a_word(1, life=500))
    held.sweep(NOW + 100)
    assert held.word(BOB, NEWS, NOW + 100) == a_word(1, life=500)


def test_readers_are_the_public_ones_and_those_who_said_yes_here_without_those_who_said_no() -> None:
    public = {ALICE, CAROL}
    held = words(a_word(), a_word(on=False, author=CAROL))
    readers = held.readers(NEWS, public)
    assert set(readers) == {ALICE, BOB} and len(readers) == 2
    assert [account in readers for account in (ALICE, BOB, CAROL)] == [True, True, False]
    assert held.readers(LOANS, public) is public


def test_the_view_agrees_with_a_set_whatever_was_said(rng: Random) -> None:
    accounts = [Account(bytes([0]) + rng.randbytes(20)) for _ in range(12)]
    for _ in range(60):
        public = set(rng.sample(accounts, rng.randrange(12)))
        said = {account: rng.random() < 0.5 for account in rng.sample(accounts, rng.randrange(1, 12))}
        held = words(*[a_word(on=on, author=account) for account, on in said.items()])
        naive = {account for account in accounts if said.get(account, account in public)}
        readers = held.readers(NEWS, public)
        assert sorted(readers) == sorted(naive) and len(readers) == len(naive)
        assert all((account in readers) == (account in naive) for account in accounts)


def test_a_full_room_takes_no_new_word_but_the_newer_one_of_a_held_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MAX_WORDS", 2)
    held = words(a_word(), a_word(author=CAROL))
    assert not held.has_room(a_word(author=ALICE))
    assert held.has_room(a_word(1, on=False))


def test_one_wallet_cannot_fill_the_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MAX_WORDS_OF_A_WALLET", 1)
    held = words(a_word())
    assert not held.has_room(a_word(topic=LOANS))
    assert held.has_room(a_word(topic=LOANS, author=CAROL))
    held.sweep(NOW + 2 * OFF)
    assert held.has_room(a_word(topic=LOANS))


def test_words_with_many_settings_have_their_bound_in_bytes_and_who_says_less_always_may(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    short, other = a_word(), a_word(topic=LOANS)
    long = a_word(1, settings=[SettingChoice(f"s-{number}", number) for number in range(10, 40)])
    both = len(short.body_bytes) + len(other.body_bytes)
    monkeypatch.setattr(room, "MAX_BYTES_OF_A_WALLET", both)
    held = words(short)
    assert held.has_room(other) and not held.has_room(long)
    held.add(other)
    assert held.has_room(a_word(2, on=False)) and held.has_room(a_word(author=CAROL))
    monkeypatch.setattr(room, "MAX_BYTES", both + len(short.body_bytes) - 1)
    assert not held.has_room(a_word(author=CAROL))
    assert held.has_room(a_word(2, on=False))
    held.sweep(NOW + 2 * OFF)
    assert held.has_room(a_word(author=CAROL)) and (held._all_bytes, held._bytes) == (0, {})


def topics(count: int) -> list[Topic]:
    return [Topic(ALICE, f"topic-{number}") for number in range(count)]


def accounts(count: int) -> list[Account]:
    return [Account(b"\x00" + bytes([number + 1]) * 20) for number in range(count)]


def let_in(held: PrivateSubscriptions, word: Envelope) -> list[Envelope] | None:
    """What went for it; None where it found no room."""
    gone = [] if held.has_room(word) else held.make_room(word)
    if not held.has_room(word):
        assert not gone
        return None
    held.add(word)
    return gone


def test_who_says_most_makes_room_with_its_newest_words_until_all_have_as_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MAX_WORDS", 6)
    greedy = [a_word(at, topic=topic) for at, topic in enumerate(topics(6))]
    held = words(*greedy)
    assert let_in(held, a_word(topic=NEWS, author=CAROL)) == [greedy[5]]
    assert let_in(held, a_word(topic=LOANS, author=CAROL)) == [greedy[4]]
    assert let_in(held, a_word(topic=topics(1)[0], author=CAROL)) == [greedy[3]]
    assert let_in(held, a_word(topic=topics(2)[1], author=CAROL)) is None, "she would have more than he"
    assert let_in(held, greedy[3]) is None, "and he than she"
    assert held.topics(BOB) == set(topics(3)) and len(held.topics(CAROL)) == 3


def test_fresh_wallets_that_fill_the_room_keep_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MAX_WORDS", 64)
    monkeypatch.setattr(room, "MAX_WORDS_OF_A_WALLET", 16)
    crowd = accounts(4)
    held = words(*[a_word(at, topic=topic, author=who) for who in crowd for at, topic in enumerate(topics(16))])
    assert len(held) == 64
    for number, topic in enumerate(topics(8)):
        assert let_in(held, a_word(number, topic=topic, author=BOB))
    assert len(held) == 64 and len(held.topics(BOB)) == 8
    assert sorted(len(held.topics(who)) for who in crowd) == [14, 14, 14, 14]


def test_of_those_with_as_much_the_one_that_came_last_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MAX_WORDS", 6)
    first, second, third = accounts(3)
    held = words(*[a_word(topic=topic, author=who) for who in (first, second, third) for topic in topics(2)])
    assert [word.author for word in let_in(held, a_word(author=BOB)) or ()] == [third]
    assert [word.author for word in let_in(held, a_word(author=CAROL)) or ()] == [second]


def test_room_in_bytes_is_made_by_as_many_words_as_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    greedy = [a_word(at, topic=topic) for at, topic in enumerate(topics(30))]
    long = a_word(author=CAROL, settings=[SettingChoice(f"s-{number}", number) for number in range(10, 40)])
    assert len(long.body_bytes) > 2 * len(greedy[0].body_bytes)
    monkeypatch.setattr(room, "MAX_BYTES", sum(len(word.body_bytes) for word in greedy) + 10)
    held = words(*greedy)
    gone = let_in(held, long)
    assert gone is not None and gone == greedy[: -len(gone) - 1 : -1] and 2 <= len(gone) <= 6
    assert held.word(CAROL, NEWS, NOW) == long and held._all_bytes <= room.MAX_BYTES


def test_nobody_makes_room_for_who_is_beyond_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MAX_WORDS", 4)
    monkeypatch.setattr(room, "MAX_WORDS_OF_A_WALLET", 3)
    held = words(*[a_word(topic=topic) for topic in topics(3)], a_word(author=CAROL))
    monkeypatch.setattr(room, "MAX_WORDS_OF_A_WALLET", 1)
    assert let_in(held, a_word(topic=LOANS, author=CAROL)) is None
    assert len(held) == 4


def test_the_largest_share_is_the_largest_whatever_came_and_went(rng: Random, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MAX_WORDS", 40)
    held = PrivateSubscriptions()
    for step in range(600):
        word = a_word(step, author=rng.choice(accounts(7)), topic=rng.choice(topics(20)), life=rng.choice((50, 9_000)))
        if held.has_room(word) or held.make_room(word):
            held.add(word)
        if not step % 50:
            held.sweep(NOW + step)
        counts = {who: len(held.topics(who)) for who in accounts(7)}
        largest = held._shares.largest()
        assert largest is not None and held._weight(largest) == max(map(held._weight, counts))
        assert len(held) == sum(counts.values()) <= 40
        assert len(held._shares._heap) <= 2 * 7 + 65
