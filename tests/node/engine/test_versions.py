from itertools import permutations
from random import Random
from typing import Any

import pytest

from pushmesh_node.engine import versions as room
from pushmesh_node.engine.versions import FEW, OUTLASTED, SPARE, Versions, outlasts, signer_of
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.authority import Authority
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.limits import DAY_MS
from pushmesh_protocol.newest import newer
from support.bodies import a_network
from support.envelopes import ALICE, BOB, ISSUED_AT, NOW, TOPIC, WALLET_RANGE, a_session, an_envelope

NETWORK = a_network()
GRANT = an_envelope(NETWORK, Kind.GRANT, BOB, seq=20, scopes=[4])
CUT = an_envelope(NETWORK, Kind.REVOCATION, BOB, seq=21, grant_id=GRANT.id, cut_time=ISSUED_AT + DAY_MS, cut_seq=0)


def said(at: int, *, on: bool = True, key: Envelope | None = None, **changes: Any) -> Envelope:
    """BOB's word on TOPIC, `at` milliseconds later, by his wallet or a session key."""
    issued_at = ISSUED_AT + at
    signer: dict[str, Any] = {"seq": 100 + at} if key is None else {"seq": WALLET_RANGE + at, "auth": a_session(key)}
    life = {"expires_at": issued_at + (DAY_MS if on else 400 * DAY_MS)}
    values: dict[str, Any] = {"issued_at": issued_at, "topic": TOPIC, "on": on} | signer | life | changes
    return an_envelope(NETWORK, Kind.SUBSCRIPTION, BOB, **values)


def versions(*known: Envelope) -> Versions[Topic]:
    authority = Authority()
    for envelope in known:
        authority.add(envelope)
    return Versions(authority)


def filled(found: Versions[Topic], *envelopes: Envelope) -> Envelope | None:
    for envelope in envelopes:
        found.add(TOPIC, envelope)
    return found.in_force(TOPIC, NOW)


def test_the_newest_is_in_force_in_any_order() -> None:
    words = [said(1), said(2, on=False), said(3), said(3, seq=9)]
    best = filled(versions(), *words)
    assert best is not None and best.body.issued_at == ISSUED_AT + 3
    assert {filled(versions(), *order) for order in permutations(words)} == {best}


def test_nothing_is_in_force_where_nothing_was_said() -> None:
    assert versions().in_force(TOPIC, NOW) is None
    assert versions().choose(TOPIC) is None


def test_a_revoked_keys_word_stops_counting_whatever_its_time() -> None:
    by_wallet, by_key = said(1), said(2, key=GRANT)
    assert filled(versions(GRANT), by_wallet, by_key) == by_key
    assert filled(versions(GRANT, CUT), by_wallet, by_key) == by_wallet
    found = versions(GRANT)
    filled(found, by_wallet, by_key)
    found._authority.add(CUT)
    found.reconsider(BOB)
    assert found.in_force(TOPIC, NOW) == by_wallet


def test_a_withdrawn_word_gives_way_to_the_one_before() -> None:
    found, (one, two, three) = versions(), (said(1), said(2), said(3))
    filled(found, one, two, three)
    assert found.withdraw(three.id) == TOPIC
    assert found.in_force(TOPIC, NOW) == two
    assert found.withdraw(one.id) == TOPIC
    assert found.in_force(TOPIC, NOW) == two
    assert found.withdraw(two.id) == TOPIC
    assert (found.in_force(TOPIC, NOW), found.versions(TOPIC)) == (None, [])
    assert found.withdraw(two.id) is None
    assert found.withdraw(said(4).id) is None


def test_an_expired_word_gives_way_before_any_sweep() -> None:
    lasting, brief = said(1), said(2, expires_at=NOW + 5)
    found = versions()
    filled(found, lasting, brief)
    assert [found.in_force(TOPIC, NOW + at) for at in (4, 5)] == [brief, lasting]
    assert found.in_force(TOPIC, lasting.body.expires_at) is None


def test_a_sweep_forgets_what_expired_and_nothing_else() -> None:
    lasting, brief = said(1), said(2, expires_at=NOW + 5)
    found = versions()
    filled(found, lasting, brief)
    assert (found.sweep(NOW + 4), len(found)) == ([], 2)
    assert (found.sweep(NOW + 5), len(found)) == ([TOPIC], 1)
    assert found.choose(TOPIC) == lasting
    assert found.sweep(lasting.body.expires_at) == [TOPIC]
    assert (len(found), found.keys_of(BOB)) == (0, frozenset())


def test_the_same_word_twice_is_one() -> None:
    found = versions()
    filled(found, said(1), said(1))
    assert len(found) == 1


def test_keys_are_known_by_their_author() -> None:
    found = versions()
    other = Topic(ALICE, "other")
    found.add(TOPIC, said(1))
    found.add(other, said(2, topic=other))
    assert found.keys_of(BOB) == {TOPIC, other}
    assert found.keys_of(ALICE) == frozenset()


def test_it_agrees_with_a_naive_list(rng: Random) -> None:
    """Words, withdrawals, a cut and sweeps in random order against a list that is searched each time."""
    for _ in range(40):
        found, naive, void, now, cut = versions(GRANT), list[Envelope](), set[bytes](), int(NOW), False
        for _ in range(rng.randrange(70)):
            match rng.randrange(6):
                case 0 if naive:
                    gone = rng.choice(naive)
                    void.add(gone.id)
                    found.withdraw(gone.id)
                case 1 if not cut and rng.random() < 0.3:
                    found._authority.add(CUT)
                    found.reconsider(BOB)
                    cut = True
                case 2:
                    now += rng.randrange(20)
                    found.sweep(now)
                case _:
                    at = rng.randrange(30)
                    key = rng.choice([None, GRANT])
                    ends = rng.choice([now + rng.randint(1, 60), NOW + 3_000])
                    word = said(at, key=key, expires_at=ends, receipts=rng.random() < 0.5)
                    if rng.random() < 0.2:
                        void.add(word.id)
                    (found.add_void if word.id in void else found.add)(TOPIC, word)
                    naive = [one for one in naive if one.id != word.id] + [word]
            assert found.in_force(TOPIC, now) == naively_in_force(naive, void, now, cut)


def naively_in_force(words: list[Envelope], void: set[bytes], now: int, cut: bool) -> Envelope | None:
    """By SPEC 4.14, from all that was ever said."""
    counting = [
        one
        for one in words
        if one.body.expires_at > now
        and one.id not in void
        and not (cut and one.session)
        and sum(outlasts(other, one) for other in words) < OUTLASTED
    ]
    return min(counting, key=lambda one: (-one.body.issued_at, one.id), default=None)


# What is outlasted


def lasting(at: int, **changes: Any) -> Envelope:
    """Like the newest of many words, each of which ends after all before it."""
    return said(at, expires_at=NOW + DAY_MS + at, **changes)


def test_a_word_that_eight_newer_ones_outlast_never_counts_again_in_whatever_order_they_come(rng: Random) -> None:
    words = [lasting(at) for at in range(OUTLASTED + 1)]
    seventh = words[:OUTLASTED]
    for _ in range(20):
        rng.shuffle(words)
        gone = rng.sample(sorted(words, key=lambda word: word.body.issued_at)[1:], OUTLASTED)
        found, first = versions(), min(words, key=lambda word: word.body.issued_at)
        for word in words:
            if word in gone and rng.random() < 0.5:
                found.add_void(TOPIC, word)
                gone.remove(word)
            else:
                found.add(TOPIC, word)
        for word in gone:
            found.withdraw(word.id)
        assert found.in_force(TOPIC, NOW) is None
        assert found.is_outdone(TOPIC, first)
    found = versions()
    filled(found, *seventh)
    for word in seventh[1:]:
        found.withdraw(word.id)
    assert found.in_force(TOPIC, NOW) == seventh[0]
    assert not found.is_outdone(TOPIC, seventh[0])


def test_one_that_ends_sooner_outlasts_nothing_and_neither_does_another_signers() -> None:
    found, old = versions(GRANT), lasting(0)
    filled(found, old)
    for at in range(1, 12):
        filled(found, said(at, expires_at=NOW + at), lasting(at + 20, key=GRANT))
    assert found.in_force(TOPIC, NOW) == lasting(31, key=GRANT)
    found._authority.add(CUT)
    found.reconsider(BOB)
    assert found.in_force(TOPIC, NOW + 100) == old


def test_what_is_held_of_a_wallet_that_changes_its_mind_for_ever_is_bounded() -> None:
    found = versions()
    for at in range(500):
        found.add(TOPIC, said(at, on=at % 2 == 0))
        if at % 10 == 0:
            found.sweep(NOW)
    found.sweep(NOW)
    found.sweep(NOW)
    assert found.sweep(NOW) == []
    assert OUTLASTED <= len(found) <= 2 * OUTLASTED
    assert len(found._expiries) <= 4 * OUTLASTED + SPARE
    assert found.in_force(TOPIC, NOW) == said(499, on=False)


def test_what_is_outlasted_is_found_until_the_second_sweep_after_it() -> None:
    found = versions()
    filled(found, *(lasting(at) for at in range(OUTLASTED + 1)))
    assert (found.sweep(NOW), len(found)) == ([], OUTLASTED + 1)
    assert (found.sweep(NOW), len(found)) == ([TOPIC], OUTLASTED)


@pytest.mark.parametrize("step", [1, 0, -1])
@pytest.mark.parametrize("order", [1, -1])
def test_a_word_is_compared_with_few_however_many_its_wallet_said_before(
    step: int, order: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start takes in all that the store has before anything is swept: a wallet must not make that take for ever."""
    looked = 0

    def signer(envelope: Envelope) -> bytes | None:
        nonlocal looked
        looked += 1
        return signer_of(envelope)

    def compared(one: Envelope, other: Envelope) -> bool:
        nonlocal looked
        looked += 1
        return newer(one, other)

    monkeypatch.setattr(room, "signer_of", signer)
    monkeypatch.setattr(room, "newer", compared)
    words = [said(at, expires_at=NOW + DAY_MS + step * at) for at in range(600)]
    found = versions()
    filled(found, *words[::order])
    assert found.in_force(TOPIC, NOW) == words[-1]
    assert [found.is_outdone(TOPIC, word) for word in words] == [step >= 0] * (len(words) - 1) + [False]
    assert looked <= 16 * OUTLASTED * len(words)


def test_words_that_end_at_one_time_outlast_each_other_too() -> None:
    words = [said(at, expires_at=NOW + DAY_MS) for at in range(OUTLASTED + 1)]
    found = versions()
    filled(found, *words)
    for word in words[1:]:
        found.withdraw(word.id)
    assert found.in_force(TOPIC, NOW) is None


def test_how_many_outlast_a_word_is_known_wherever_it_comes_among_them(rng: Random) -> None:
    words = [lasting(at) for at in range(3 * OUTLASTED)]
    for _ in range(10):
        found = versions()
        filled(found, *rng.sample(words, len(words)))
        for word in words[1 - OUTLASTED :]:
            found.withdraw(word.id)
        assert found.in_force(TOPIC, NOW) == words[-OUTLASTED]
        found.withdraw(words[-OUTLASTED].id)
        assert found.in_force(TOPIC, NOW) is None


def test_nothing_is_kept_of_a_signer_whose_last_word_of_a_full_key_has_gone() -> None:
    found = versions(GRANT)
    filled(found, *(said(at, expires_at=NOW + DAY_MS - at) for at in range(FEW)))
    filled(found, said(50, key=GRANT, expires_at=NOW + 5))
    assert set(found._lines) == {(TOPIC, signer_of(said(50, key=GRANT)))}
    filled(found, said(60, expires_at=NOW + 6))
    found.sweep(NOW + 5)
    assert (set(found._lines), len(found)) == ({(TOPIC, None)}, FEW + 1)
    filled(found, said(70, key=GRANT, expires_at=NOW + 7))
    assert found.in_force(TOPIC, NOW + 6) == said(70, key=GRANT, expires_at=NOW + 7)
