from typing import Any

from pushmesh_node.engine.subscriptions import Subscriptions
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.authority import Authority
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.limits import DAY_MS
from support.bodies import a_network
from support.envelopes import ALICE, BOB, CAROL, ISSUED_AT, NOW, TOPIC, WALLET_RANGE, a_session, an_envelope

NETWORK = a_network()
OTHER = Topic(ALICE, "other")


def word(account: Any = BOB, at: int = 0, *, on: bool = True, **changes: Any) -> Envelope:
    issued_at = ISSUED_AT + at
    expires_at = issued_at + (DAY_MS if on else 400 * DAY_MS)
    values: dict[str, Any] = {
        "issued_at": issued_at,
        "expires_at": expires_at,
        "topic": TOPIC,
        "on": on,
        "seq": 9 + at,
    } | changes
    return an_envelope(NETWORK, Kind.SUBSCRIPTION, account, **values)


def after(*words: Envelope, authority: Authority | None = None) -> Subscriptions:
    found = Subscriptions(authority or Authority())
    for envelope in words:
        found.add(envelope)
    return found


def test_subscribers_are_those_who_are_on() -> None:
    found = after(word(BOB), word(CAROL), word(CAROL, 1, on=False))
    assert found.subscribers(TOPIC) == {BOB}
    assert found.subscribers(OTHER) == frozenset()


def test_on_again_counts_and_an_older_off_does_not() -> None:
    assert after(word(at=3), word(at=2, on=False)).subscribers(TOPIC) == {BOB}
    assert after(word(at=3), word(at=4, on=False)).subscribers(TOPIC) == frozenset()
    assert after(word(at=3), word(at=4, on=False), word(at=5)).subscribers(TOPIC) == {BOB}


def test_of_a_topic_that_the_last_subscriber_left_nothing_is_kept() -> None:
    found = after(word(), word(at=1, on=False))
    assert not found._subscribers  # topics cost their inventors little, so an empty set each would grow for ever


def privately(account: Any = BOB, at: int = 0, *, on: bool = True, topic: Topic = TOPIC) -> Envelope:
    ends = ISSUED_AT + at + (DAY_MS if on else 400 * DAY_MS)
    said: dict[str, Any] = {"topic": topic, "on": on, "issued_at": ISSUED_AT + at, "expires_at": ends}
    return an_envelope(NETWORK, Kind.PRIVATE_SUBSCRIPTION, account, private=True, **said)


def test_a_private_word_decides_here_and_is_told_to_nobody() -> None:
    found = after(word(BOB))
    found.add_private(privately(BOB, on=False))
    found.add_private(privately(CAROL))
    assert set(found.readers(TOPIC)) == {CAROL} and found.subscribers(TOPIC) == {BOB}
    assert found.topics_on(BOB, NOW) == [] and found.topics_on(CAROL, NOW) == [TOPIC]
    assert found.word(CAROL, TOPIC, NOW) == privately(CAROL) and found.in_force(CAROL, TOPIC, NOW) is None
    assert found.of(CAROL, NOW) == [] and found.of(BOB, NOW) == [word(BOB)]


def test_who_has_a_private_word_is_decided_by_itself() -> None:
    found = after(word(BOB), word(CAROL))
    found.add_private(privately(BOB, on=False))
    found.add_private(privately(CAROL))
    assert found.plain(TOPIC, NOW) == frozenset()
    found.add(word(BOB, 1))
    assert found.plain(TOPIC, NOW) == frozenset()


def test_when_the_private_word_is_over_the_public_one_is_plain_again() -> None:
    found = after(word(BOB, expires_at=ISSUED_AT + 2 * DAY_MS))
    found.add_private(privately(BOB))
    assert found.plain(TOPIC, NOW) == frozenset()
    found.sweep(ISSUED_AT + DAY_MS)
    assert found.plain(TOPIC, ISSUED_AT + DAY_MS) == {BOB}


def test_without_a_private_word_the_public_one_decides_again() -> None:
    found = after(word(BOB, on=False))
    found.add_private(privately(BOB))
    over = ISSUED_AT + DAY_MS
    assert found.topics_on(BOB, over - 1) == [TOPIC] and found.topics_on(BOB, over) == []
    found.sweep(over)
    assert set(found.readers(TOPIC)) == set()


def test_a_wallets_words_are_listed_by_topic_on_and_off() -> None:
    other, off = word(topic=OTHER), word(at=1, on=False)
    found = after(other, word(), off)
    assert found.of(BOB, NOW) == [off, other]
    assert found.topics_on(BOB, NOW) == [OTHER]
    assert found.in_force(BOB, TOPIC, NOW) == off
    assert found.of(CAROL, NOW) == []


def test_a_withdrawn_word_no_longer_counts() -> None:
    on, off = word(), word(at=1, on=False)
    found = after(on, off)
    assert found.withdraw(off.id)
    assert found.subscribers(TOPIC) == {BOB}
    assert found.withdraw(on.id)
    assert found.subscribers(TOPIC) == frozenset()
    assert not found.withdraw(on.id)


def test_words_of_a_revoked_key_are_decided_again() -> None:
    grant = an_envelope(NETWORK, Kind.GRANT, BOB, seq=20, scopes=[4])
    cut = an_envelope(NETWORK, Kind.REVOCATION, BOB, seq=21, grant_id=grant.id)
    authority = Authority()
    authority.add(grant)
    found = after(word(seq=WALLET_RANGE, auth=a_session(grant)), authority=authority)
    assert found.subscribers(TOPIC) == {BOB}
    authority.add(cut)
    found.reconsider(CAROL)
    assert found.subscribers(TOPIC) == {BOB}
    found.reconsider(BOB)
    assert found.subscribers(TOPIC) == frozenset()


def test_a_sweep_forgets_who_expired() -> None:
    brief = word(BOB, expires_at=NOW + 5)
    found = after(brief, word(CAROL))
    found.sweep(NOW + 4)
    assert found.subscribers(TOPIC) == {BOB, CAROL}
    assert found.in_force(BOB, TOPIC, NOW + 5) is None
    found.sweep(NOW + 5)
    assert found.subscribers(TOPIC) == {CAROL}
    assert found.of(BOB, NOW) == []


def test_a_sweep_leaves_an_older_word_that_lasts() -> None:
    found = after(word(at=1), word(at=2, expires_at=NOW + 5))
    found.sweep(NOW + 5)
    assert found.subscribers(TOPIC) == {BOB}
