"""The order of arrival decides nothing: the same words in any order leave the same state (SPEC 4.11, 4.14, 6.5)."""

from collections.abc import Sequence
from itertools import permutations
from random import Random
from typing import Any

from pushmesh_node.curation import NO_POLICY
from pushmesh_node.engine.core import Engine
from pushmesh_node.engine.effects import Reoffer
from pushmesh_node.engine.events import Candidate, Gossiped, Offer, Offered, Restored, Ticked
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.frames import Part
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.limits import DAY_MS
from pushmesh_protocol.types import Account, UnixMs
from support.bodies import a_network
from support.envelopes import ALICE, BOB, ISSUED_AT, NOW, WALLET_RANGE, a_session, an_envelope

NETWORK = a_network()
TOPICS = [Topic(ALICE, "one"), Topic(BOB, "two")]
PEER = b"\x0e" * 32


def some_words(rng: Random) -> list[Envelope]:
    """Grants (some overlap), revocations, subscriptions and topics of two accounts; some pairs share a slot."""
    words: list[Envelope] = []
    for author in (ALICE, BOB):
        grants = [_some_grant(rng, author, seq) for seq in range(rng.randint(1, 4))]
        words += grants
        words += [_some_revocation(rng, author, 10 + n, grants) for n in range(rng.randrange(3))]
        for n in range(rng.randint(2, 10)):
            words.append(_some_state(rng, author, 20 + n, rng.choice([None, *grants])))
        for n in range(rng.randrange(3)):  # another word in a slot that the wallet has used
            words.append(_some_state(rng, author, 20 + n, None))
    return list({word.id: word for word in words}.values())


def _some_grant(rng: Random, author: Account, seq: int) -> Envelope:
    at = ISSUED_AT + rng.randrange(4)
    low = WALLET_RANGE + rng.choice([0, 0, 100])
    slots: dict[str, Any] = {"first_seq": low, "end_seq": low + 200, "scopes": [1, 4]}
    return an_envelope(
        NETWORK, Kind.GRANT, author, seq=seq, key=bytes([40 + seq]) * 32, issued_at=at, not_before=at, **slots
    )


def _some_revocation(rng: Random, author: Account, seq: int, grants: Sequence[Envelope]) -> Envelope:
    named = rng.random() < 0.6
    return an_envelope(
        NETWORK,
        Kind.REVOCATION,
        author,
        seq=seq,
        grant_id=rng.choice(grants).id if named else None,
        before=None if named else ISSUED_AT + rng.randrange(5),
        cut_time=ISSUED_AT + rng.randrange(9),
        cut_seq=0,
    )


def _some_state(rng: Random, author: Account, seq: int, grant: Envelope | None) -> Envelope:
    at = ISSUED_AT + 4 + rng.randrange(5)
    signer: dict[str, Any] = {"seq": seq, "issued_at": at}
    if grant is not None:
        signer |= {"seq": WALLET_RANGE + 100 + seq, "auth": a_session(grant)}
    if rng.random() < 0.3:
        title = rng.choice(["A", "B", "C"])
        return an_envelope(NETWORK, Kind.TOPIC, author, topic=Topic(author, "one"), title=title, **signer)
    on = rng.random() < 0.6
    life = at + (DAY_MS if on else 400 * DAY_MS)
    return an_envelope(NETWORK, Kind.SUBSCRIPTION, author, topic=rng.choice(TOPICS), on=on, expires_at=life, **signer)


def after(words: Sequence[Envelope], every_ms: int = 0) -> Engine:
    """The engine when these were gossiped in this order, so far apart; what was parked came again with its grant."""
    engine = Engine(NETWORK, next_commit=1, policy=NO_POLICY)
    waiting, now_ms = [Part((word,)) for word in words], NOW
    while waiting:
        now_ms = UnixMs(now_ms + every_ms)
        engine.handle(Ticked(), now_ms)
        offer = Offer(Gossiped(PEER, 1, 1_000), [Candidate(waiting.pop(0), sizes=[100])])
        for effect in engine.handle(Offered([offer]), now_ms):
            if isinstance(effect, Reoffer):
                waiting = [part for _, part in effect.parts] + waiting
    return engine


def state(engine: Engine, words: Sequence[Envelope]) -> dict[str, Any]:
    authority = engine.state.authority
    grants = [grant for author in (ALICE, BOB) for grant in authority.grants_of(author)]
    return {
        "grants": [(grant.id, authority.cut_of(grant)) for grant in grants],
        "subscriptions": [
            engine.state.subscriptions.in_force(author, topic, NOW) for author in (ALICE, BOB) for topic in TOPICS
        ],
        "subscribers": [set(engine.state.subscriptions.subscribers(topic)) for topic in TOPICS],
        "topics": [engine.state.topics.in_force(Topic(author, "one"), NOW) for author in (ALICE, BOB)],
    }


def in_one_slot_of_two(words: Sequence[Envelope]) -> bool:
    """A third id of a slot is surplus, so that in a wallet's slots the first two decide; such sets prove nothing."""
    slots = [(word.author, NETWORK.epoch(word.body.issued_at), word.body.seq) for word in words]
    return all(slots.count(slot) <= 2 for slot in slots)


def test_the_same_words_in_any_order_leave_the_same_state(rng: Random) -> None:
    compared, voids, revoked = 0, 0, 0
    for _ in range(80):
        words = some_words(rng)
        if not in_one_slot_of_two(words):
            continue
        expected = state(after(words), words)
        for _ in range(6):
            rng.shuffle(words)
            assert state(after(words), words) == expected
        compared += 1
        voids += len({(word.author, word.body.seq) for word in words}) < len(words)
        revoked += any(cut is not None for _, cut in expected["grants"])
    assert min(compared, voids, revoked) > 10


def test_many_words_of_one_wallet_of_which_some_share_a_slot_leave_the_same_state_in_any_order(rng: Random) -> None:
    outlasted = 0
    for _ in range(25):
        words = [_a_word(n, seq=20 + n) for n in range(12)]
        twice = rng.sample(range(12), rng.randint(6, 12))
        words += [_a_word(rng.randrange(24), seq=20 + n, receipts=True) for n in twice]
        expected = state(after(words, every_ms=0), words)
        for _ in range(4):
            rng.shuffle(words)
            assert state(after(words, every_ms=rng.choice([0, 20_000, 60_000])), words) == expected
        outlasted += expected["subscriptions"][0] is None
    assert 0 < outlasted < 25


def _a_word(at: int, *, seq: int, receipts: bool = False) -> Envelope:
    return an_envelope(
        NETWORK,
        Kind.SUBSCRIPTION,
        ALICE,
        topic=TOPICS[0],
        seq=seq,
        issued_at=ISSUED_AT + at,
        expires_at=ISSUED_AT + at + 10 * DAY_MS,
        receipts=receipts,
    )


def test_a_key_ends_itself_in_whatever_order_a_thief_fills_its_slot() -> None:
    grant = an_envelope(NETWORK, Kind.GRANT, ALICE, seq=1, scopes=[4, 5])
    by_key: dict[str, Any] = {"auth": a_session(grant), "seq": WALLET_RANGE}
    end = an_envelope(
        NETWORK, Kind.REVOCATION, ALICE, grant_id=grant.id, cut_time=ISSUED_AT, cut_seq=WALLET_RANGE, **by_key
    )
    rivals = [an_envelope(NETWORK, Kind.NOTIFICATION, ALICE, title=title, **by_key) for title in ("one", "two")]
    for words in permutations([*rivals, end]):
        authority = after([grant, *words]).state.authority
        known = authority.grant(grant.id)
        assert known is not None
        assert authority.cut_of(known) == (ISSUED_AT, WALLET_RANGE)


def test_restored_words_leave_the_same_state_as_offered_ones(rng: Random) -> None:
    for _ in range(20):
        words = some_words(rng)
        if not in_one_slot_of_two(words):
            continue
        words.sort(key=lambda word: word.kind not in (Kind.GRANT, Kind.REVOCATION))
        slots = [(word.author, word.body.seq) for word in words]
        offered = after(words)
        refused = {word.id for word in words if not _is_allowed(offered, word)}
        taken = [word for word in words if word.id not in refused]
        slots = [(word.author, word.body.seq) for word in taken]
        entries = [(n, word, slots.count((word.author, word.body.seq)) > 1) for n, word in enumerate(taken, 1)]
        restored = Engine(NETWORK, next_commit=len(entries) + 1, policy=NO_POLICY)
        restored.handle(Restored(entries), NOW)
        assert state(restored, words) == state(offered, words)


def _is_allowed(engine: Engine, word: Envelope) -> bool:
    return word.session is None or engine.state.authority.counts(word)
