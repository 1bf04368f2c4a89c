"""The order of arrival decides nothing about the sets either: the same words in any order give one set (SPEC 9.3)."""

from collections.abc import Sequence
from itertools import permutations
from random import Random
from typing import Any

from pushmesh_node.curation import NO_POLICY
from pushmesh_node.engine.core import Engine
from pushmesh_node.engine.effects import Reoffer, Store
from pushmesh_node.engine.events import Candidate, Gossiped, Offer, Offered
from pushmesh_node.engine.membership import Member, belongs, member_of
from pushmesh_node.lab.sim.sense import SharedSense
from pushmesh_node.lab.sim.store import SimStore
from pushmesh_node.lab.sim.sync_feed import SimFeed
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.frames import Part
from pushmesh_protocol.kinds import Kind
from support.bodies import a_network
from support.envelopes import ALICE, ISSUED_AT, NOW, WALLET_RANGE, a_session, an_envelope

NETWORK = a_network()
TOPIC = Topic(ALICE, "one")
PEER = b"\x0e" * 32


def after(words: Sequence[Envelope]) -> tuple[SimFeed, Engine, SimStore]:
    """What a node holds when these came in this order; what was parked comes again when its grant is there."""
    engine, store = Engine(NETWORK, next_commit=1, policy=NO_POLICY), SimStore(b"i" * 16)
    feed = SimFeed(NETWORK, store, engine, SharedSense(NETWORK))
    waiting = [Part((word,)) for word in words]
    while waiting:
        offer = Offer(Gossiped(PEER, 1, 1_000), [Candidate(waiting.pop(0), sizes=[100])])
        for effect in engine.handle(Offered([offer]), NOW):
            if isinstance(effect, Reoffer):
                waiting = [part for _, part in effect.parts] + waiting
            elif isinstance(effect, Store):
                store.commit(effect.writes)
                feed.stored(effect.writes)
    return feed, engine, store


def naive(engine: Engine, store: SimStore, words: Sequence[Envelope]) -> set[Member]:
    """Record by record, by what is known in the end."""
    found = set()
    for word in words:
        number = store.commit_no(word.id)
        if number is not None and belongs(engine.state, word, store.is_void(number)):
            found.add(member_of(NETWORK, word))
    return found


def some_words(rng: Random) -> list[Envelope]:
    grant = an_envelope(
        NETWORK,
        Kind.GRANT,
        seq=1,
        key=b"\x28" * 32,
        issued_at=ISSUED_AT,
        not_before=ISSUED_AT,
        first_seq=WALLET_RANGE,
        end_seq=WALLET_RANGE + 100,
        scopes=[4, 5],
    )
    by_session: dict[str, Any] = {
        "auth": a_session(grant),
        "seq": WALLET_RANGE + rng.randrange(3),
        "issued_at": ISSUED_AT + 5,
    }
    life = ISSUED_AT + rng.choice([10**8, 2 * 10**8])
    words = [
        grant,
        an_envelope(NETWORK, Kind.NOTIFICATION, topic=TOPIC, title="by session", **by_session),
        an_envelope(NETWORK, Kind.SUBSCRIPTION, topic=TOPIC, seq=3, issued_at=ISSUED_AT + 1, expires_at=10**8 + life),
        an_envelope(NETWORK, Kind.SUBSCRIPTION, topic=TOPIC, seq=4, issued_at=ISSUED_AT + 2, expires_at=life),
        an_envelope(NETWORK, Kind.NOTIFICATION, topic=TOPIC, seq=rng.choice([4, 9]), title="another in a slot, or not"),
    ]
    if rng.random() < 0.7:
        cut: dict[str, Any] = {"cut_time": ISSUED_AT + rng.randrange(10), "cut_seq": 0}
        words.append(an_envelope(NETWORK, Kind.REVOCATION, seq=5, grant_id=grant.id, before=None, **cut))
    return words


def test_the_same_words_in_any_order_give_the_same_set(rng: Random) -> None:
    sizes = set()
    for _ in range(12):
        words = some_words(rng)
        orders = list(permutations(words))
        found = []
        for order in [orders[0], *rng.sample(orders, 24)]:
            feed, engine, store = after(order)
            found.append({Member(*each) for each in feed.sets.members()})
            assert found[-1] == naive(engine, store, words)
        assert all(each == found[0] for each in found)
        sizes.add(len(found[0]))
    assert len(sizes) > 1
