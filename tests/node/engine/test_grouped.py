"""Decisions about many wallets at once against the same one by one, over random worlds."""

from collections.abc import Iterable
from random import Random
from typing import Any

from pushmesh_node.curation import compile_policy
from pushmesh_node.engine.audience import Listeners
from pushmesh_node.engine.core import Engine
from pushmesh_node.engine.curator import DELIVERS
from pushmesh_node.engine.events import Candidate, Offer, Offered, PrivateShown, Published, Restored
from pushmesh_node.engine.recording import audience_of
from pushmesh_protocol.accounts import Topic, evm_account
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.frames import Part
from pushmesh_protocol.kinds import Kind, Preference, SettingChoice
from pushmesh_protocol.kinds.topic import RANGE, Setting
from pushmesh_protocol.limits import DAY_MS
from pushmesh_protocol.types import Account, UnixMs
from support.engine_world import NETWORK, an_engine
from support.envelopes import ALICE, ISSUED_AT, NOW, TOPIC, an_envelope

WALLETS = [evm_account(bytes([9, n]) * 10) for n in range(12)]
OTHER = Topic(ALICE, "other")


def a_word(rng: Random, seq: int) -> Envelope:
    """A subscription: on or off, with settings or without, some of them short."""
    on = rng.random() < 0.8
    at = ISSUED_AT + rng.randrange(5)
    wish = [SettingChoice("cat-news", rng.randrange(2)), SettingChoice("min-priority", rng.randint(1, 5))]
    values: dict[str, Any] = {"on": on, "settings": wish if rng.random() < 0.3 else None, "issued_at": at}
    values["expires_at"] = at + (rng.choice([NOW - at + 2, NOW - at + 4, DAY_MS]) if on else 400 * DAY_MS)
    return an_envelope(
        NETWORK, Kind.SUBSCRIPTION, rng.choice(WALLETS), seq=seq, topic=rng.choice([TOPIC, TOPIC, OTHER]), **values
    )


def some_topic(rng: Random) -> Envelope:
    schema = [Setting("min-priority", RANGE, "Least", rng.randint(1, 4), 1, 4)]
    return an_envelope(NETWORK, Kind.TOPIC, ALICE, topic=TOPIC, seq=900, settings=schema, expires_at=NOW + 3)


def some_preferences(rng: Random, account: Account) -> Envelope:
    entries = [Preference(rng.randint(1, 3), ALICE if rng.random() < 0.5 else TOPIC)]
    return an_envelope(NETWORK, Kind.PREFERENCES, account, private=True, seq=0, entries=entries, expires_at=NOW + 4)


def a_world(rng: Random) -> Engine:
    policy = compile_policy(mute=[TOPIC]) if rng.random() < 0.1 else compile_policy()
    engine = an_engine(policy=policy)
    words = [a_word(rng, seq) for seq in range(rng.randint(4, 24))]
    words += [some_topic(rng)] if rng.random() < 0.4 else []
    words += [
        an_envelope(NETWORK, Kind.RETRACTION, ALICE, seq=901, target=a_message(rng).id, expires_at=ISSUED_AT + DAY_MS)
    ]
    engine.handle(Restored([(n, word, False) for n, word in enumerate(words, 1)]), NOW)
    notes = [Part((a_message(rng, seq),)) for seq in range(50, 50 + rng.randrange(4))]
    engine.handle(Offered([Offer(Published(1), [Candidate(note) for note in notes])]), NOW)
    for account in rng.sample(WALLETS, rng.randrange(4)):
        engine.handle(PrivateShown(1, some_preferences(rng, account)), NOW)
    return engine


def a_message(rng: Random, seq: int | None = None) -> Envelope:
    values: dict[str, Any] = {"priority": rng.randint(1, 5), "category": rng.choice([None, "news"])}
    values["collapse"] = rng.choice([None, "price"])
    audience = sorted(rng.sample(WALLETS, 3)) if rng.random() < 0.2 else None
    return an_envelope(
        NETWORK,
        Kind.NOTIFICATION,
        ALICE,
        topic=TOPIC,
        seq=rng.randrange(6) if seq is None else seq,
        audience=audience,
        **values,
    )


def one_by_one(engine: Engine, message: Envelope, accounts: Iterable[Account], at: UnixMs, late: bool) -> set[Any]:
    decided = {(account, engine.state.curator.decide(message, account, at, late=late)) for account in accounts}
    return {(account, decision.verdict, decision.reason) for account, decision in decided}


def test_wallets_that_are_decided_together_get_what_each_would_get_alone(rng: Random) -> None:
    seen: set[str] = set()
    together = 0
    for _ in range(150):
        engine = a_world(rng)
        for at in (NOW, UnixMs(NOW + 3), UnixMs(NOW + 5), UnixMs(NOW + 70_000)):
            message, late = a_message(rng), rng.random() < 0.2
            engine.listeners = Listeners()
            for account in rng.sample(WALLETS, rng.randint(1, len(WALLETS))):
                engine.listeners.come(account)
            state, audience = engine.state, audience_of(message)
            concerned = list(engine.listeners.concerned(message.topic, audience, state.subscriptions))
            divided = state.curator.divide(TOPIC, concerned, at)
            groups, held = state.curator.decide_groups(message, divided, at, late=late)
            told = {(account, group.verdict, group.reason) for group in groups for account in group.accounts}
            told |= {(account, decision.verdict, decision.reason) for account, decision in held}
            assert told == one_by_one(engine, message, concerned, at, late)
            assert sum(len(group.accounts) for group in groups) + len(held) == len(concerned)
            assert not any(decision.verdict in DELIVERS for _, decision in held)
            seen |= {reason for _, _, reason in told}
            together += any(len(group.accounts) > 2 for group in groups)
    stopped = {"below-min-priority", "category-off", "not-subscribed", "replaced"}
    assert stopped | {"subscribed", "low-priority", "late"} <= seen
    assert together > 20
