"""The order of arrival decides nothing about inboxes: the same envelopes in any order come out the same, at whatever
node, from the store or live (SPEC 4.11, 4.14, 4.17, 4.23, 4.24)."""

from collections.abc import Sequence
from random import Random
from typing import Any

from pushmesh_node.app.opened import Opener
from pushmesh_node.curation import NO_POLICY
from pushmesh_node.engine.core import Engine
from pushmesh_node.engine.curator import DELIVERS
from pushmesh_node.engine.effects import Deliver, Effect, Reoffer, Store
from pushmesh_node.engine.events import Candidate, DueCame, Event, Gossiped, ListenerCame, Offer, Offered
from pushmesh_node.engine.records import Target
from pushmesh_node.engine.targets import target_of
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.frames import Part
from pushmesh_protocol.kinds import Kind, Notification, Retraction, SettingChoice
from pushmesh_protocol.kinds.topic import RANGE, Setting
from pushmesh_protocol.limits import DAY_MS
from pushmesh_protocol.types import Account, EnvelopeId, UnixMs
from support.bodies import a_network
from support.envelopes import ALICE, BOB, CAROL, ISSUED_AT, NOW, WALLET_RANGE, a_session, an_envelope
from support.naive_store import NaiveStore

NETWORK = a_network()
TOPICS = [Topic(ALICE, "one"), Topic(ALICE, "two")]
READERS = [BOB, CAROL]
LATER = UnixMs(NOW + 10)
Told = set[tuple[EnvelopeId, str, str]]


class Node:
    """An engine with a store in memory. Look-ups before a decision may be stale, as they are in a node."""

    def __init__(self, rng: Random) -> None:
        self.engine = Engine(NETWORK, next_commit=1, policy=NO_POLICY)
        self.store = NaiveStore(b"i" * 16)
        self.heard: list[tuple[Account, Envelope]] = []
        self._opener = Opener(NETWORK)
        self._rng = rng
        self._looked_up: tuple[int, dict[bytes, Target]] = (0, {})
        for account in READERS:
            self.engine.handle(ListenerCame(account), NOW)

    async def take(self, word: Envelope) -> None:
        waiting = [Part((word,))]
        while waiting:
            part = waiting.pop(0)
            if self._rng.random() < 0.5:
                self._looked_up = (self.store.last_commit, await self._targets())
            seen, targets = self._looked_up
            offer = Offer(Gossiped(b"\x0e" * 32, 1, 1_000), [Candidate(part, sizes=[100])])
            for effect in await self._handle(Offered([offer], seen, targets), NOW):
                if isinstance(effect, Reoffer):
                    waiting = [again for _, again in effect.parts] + waiting

    async def show_due(self, at: UnixMs) -> None:
        while rows := await self.store.due(at, 2):
            entries = [(row.commit_no, row.due_at, self._opener.due(row), row.late) for row in rows]
            await self._handle(DueCame(entries, await self._targets()), at)

    async def inbox(self, account: Account, at: UnixMs) -> Told:
        """All of it that is delivered, read from the store."""
        curator, found = self.engine.state.curator, Told()
        topics = self.engine.state.subscriptions.topics_on(account, at)
        for row in await self.store.inbox(account, topics, 0, 1_000):
            part, index = self._opener.open(row)
            audience = [account] if row.listed else None
            decision = curator.decide(part.envelopes[index], account, at, audience=audience)
            if decision.verdict in DELIVERS:
                found.add((part.envelopes[index].id, str(decision.verdict), str(decision.reason)))
        return found

    async def _targets(self) -> dict[bytes, Target]:
        """Of every notification in the store."""
        found = {}
        for commit_no, index, record in list(self.store._envelopes()):
            if record.kind == Kind.NOTIFICATION:
                note = self._opener._open(record.data).envelopes[index]
                found[bytes(note.id)] = target_of(note)
                assert commit_no
        return found

    async def _handle(self, event: Event, at: UnixMs) -> list[Effect]:
        effects = self.engine.handle(event, at)
        for effect in effects:
            if isinstance(effect, Store):
                await self.store.commit(effect.writes)
            if isinstance(effect, Deliver):
                envelope = effect.part.envelopes[effect.index]
                self.heard += [(account, envelope) for group in effect.groups for account in group.accounts]
        return effects


def some_subscriptions(rng: Random) -> list[Envelope]:
    words = []
    for seq in range(rng.randint(2, 6)):
        on, at = rng.random() < 0.8, ISSUED_AT + rng.randrange(3)
        wish = [SettingChoice("cat-news", 0), SettingChoice("min-priority", rng.randint(1, 4))]
        values: dict[str, Any] = {"on": on, "settings": wish if rng.random() < 0.4 else None, "issued_at": at}
        values["expires_at"] = at + (DAY_MS if on else 400 * DAY_MS)
        topic = rng.choice(TOPICS)
        words.append(an_envelope(NETWORK, Kind.SUBSCRIPTION, rng.choice(READERS), seq=seq, topic=topic, **values))
    least = [Setting("min-priority", RANGE, "Least", rng.randint(1, 3), 1, 3)]
    return [*words, an_envelope(NETWORK, Kind.TOPIC, ALICE, topic=TOPICS[0], seq=90, settings=least)]


def some_messages(rng: Random, grant: Envelope | None = None) -> list[Envelope]:
    """Notifications and what takes them back; some pairs share a slot."""
    words: list[Envelope] = []
    for seq in range(rng.randint(3, 9)):
        values: dict[str, Any] = {
            "topic": rng.choice(TOPICS),
            "issued_at": ISSUED_AT + rng.randrange(4),
            "expires_at": NOW + rng.choice([50, 60]),
            "collapse": rng.choice([None, "price", "price"]),
            "audience": rng.choice([None, None, [BOB], sorted(READERS)]),
            "not_before": rng.choice([None, None, None, LATER]),
            "priority": rng.randint(1, 5),
            "category": rng.choice([None, "news"]),
            "title": f"note {seq}",
        }
        slot: dict[str, Any] = {"seq": 100 + rng.randrange(12)}
        if grant is not None and rng.random() < 0.5:
            slot = {"seq": WALLET_RANGE + seq, "auth": a_session(grant)}
        words.append(an_envelope(NETWORK, Kind.NOTIFICATION, ALICE, **values, **slot))
    notes = list(words)
    for seq in range(rng.randrange(4)):
        target = rng.choice(notes)
        mode = rng.choice([1, 2, 3])
        ends: dict[str, Any] = {"expires_at": target.body.expires_at - rng.choice([0, 0, 0, 1])}
        ends |= {"mode": mode, "replacement": b"\x07" * 32 if mode == 3 else None}
        topic = target.topic if rng.random() < 0.9 else rng.choice(TOPICS)
        words.append(an_envelope(NETWORK, Kind.RETRACTION, ALICE, target=target.id, seq=120 + seq, topic=topic, **ends))
    return words


def at_most_two_in_a_slot(words: Sequence[Envelope]) -> bool:
    """A third is surplus, so that the first two decide; such sets prove nothing."""
    slots = [(word.author, NETWORK.epoch(word.body.issued_at), word.body.seq) for word in words]
    return all(slots.count(slot) <= 2 for slot in slots)


def visible(envelopes: Sequence[Envelope]) -> set[bytes]:
    """What a wallet shows that was given these: of each collapse key the newest, of what was not taken back."""
    taken = {word.body.target for word in envelopes if isinstance(word.body, Retraction)}
    shown: dict[object, Envelope] = {}
    for word in envelopes:
        body = word.body
        if isinstance(body, Notification) and word.id not in taken:
            key = word.id if body.collapse is None else key_of(word)
            if key not in shown or shown[key].order < word.order:
                shown[key] = word
    return {bytes(word.id) for word in shown.values()}


def came_behind_what_was_taken_back(messages: Sequence[Envelope]) -> set[bytes]:
    """Notifications of collapse keys of which one came behind another that did not stay: what gave way to that is not
    pushed again, only found by who reads on from before it (SPEC 4.23)."""
    taken = {word.body.target for word in messages if isinstance(word.body, Retraction)}
    notes = [word for word in messages if isinstance(word.body, Notification) and word.body.collapse is not None]
    left: set[object] = set()
    keys: set[object] = set()
    for word in notes:
        keys |= {key_of(word)} & left
        left |= {key_of(word)} if word.id in taken else set()
    return {word.id for word in notes if key_of(word) in keys}


def key_of(note: Envelope) -> object:
    assert isinstance(note.body, Notification)
    return note.body.topic, note.body.collapse


async def after(words: Sequence[Envelope], rng: Random) -> Node:
    node = Node(rng)
    for word in words:
        await node.take(word)
    await node.show_due(LATER)
    return node


async def test_the_same_envelopes_in_any_order_give_the_same_inboxes(rng: Random) -> None:
    reasons: set[str] = set()
    compared = retractions = 0
    for _ in range(60):
        grant = an_envelope(NETWORK, Kind.GRANT, ALICE, seq=1, scopes=[5, 6])
        words = [grant, *some_subscriptions(rng), *some_messages(rng, grant)]
        words = list({word.id: word for word in words}.values())
        if not at_most_two_in_a_slot(words):
            continue
        first = await after(words, rng)
        expected = [await first.inbox(account, LATER) for account in READERS]
        for _ in range(5):
            rng.shuffle(words)
            node = await after(words, rng)
            assert [await node.inbox(account, LATER) for account in READERS] == expected
        compared += 1
        reasons |= {reason for inbox in expected for _, _, reason in inbox}
        taken_back = {word.id for word in words if word.kind == Kind.RETRACTION}
        retractions += any(id_ in taken_back for inbox in expected for id_, _, _ in inbox)
    assert compared > 20 and retractions > 10
    assert {"subscribed", "low-priority"} <= reasons


async def test_a_key_that_was_revoked_before_leaves_nothing_in_an_inbox_whenever_that_became_known(rng: Random) -> None:
    grant = an_envelope(NETWORK, Kind.GRANT, ALICE, seq=1, scopes=[5, 6])
    cut: dict[str, Any] = {"grant_id": grant.id, "cut_time": ISSUED_AT, "cut_seq": WALLET_RANGE + 1}
    revocation = an_envelope(NETWORK, Kind.REVOCATION, ALICE, seq=2, **cut)
    on = an_envelope(NETWORK, Kind.SUBSCRIPTION, BOB, seq=3, topic=TOPICS[0], on=True)
    notes = [
        an_envelope(
            NETWORK, Kind.NOTIFICATION, ALICE, topic=TOPICS[0], seq=WALLET_RANGE + n, auth=a_session(grant), title="x"
        )
        for n in range(4)
    ]
    words = [grant, revocation, on, *notes]
    for _ in range(12):
        rng.shuffle(words)
        inbox = await (await after(words, rng)).inbox(BOB, NOW)
        assert {id_ for id_, _, _ in inbox} == {note.id for note in notes[:2]}


async def test_who_listened_all_the_time_shows_what_a_late_reader_finds(rng: Random) -> None:
    shown = silent = alike = 0
    for _ in range(60):
        subscriptions, messages = some_subscriptions(rng), some_messages(rng)
        messages = [message for message in messages if [m.body.seq for m in messages].count(message.body.seq) == 1]
        rng.shuffle(messages)
        node = await after([*subscriptions, *messages], rng)
        by_id = {message.id: message for message in messages}
        for account in READERS:
            stored = [by_id[id_] for id_, _, _ in sorted(await node.inbox(account, LATER))]
            live = [message for reader, message in node.heard if reader == account]
            assert len(live) == len({message.id for message in live}), "each once"
            assert visible(live) ^ visible(stored) <= came_behind_what_was_taken_back(messages)
            alike += not visible(live) ^ visible(stored)
            shown += len(visible(live))
            silent += len(live) > len(stored)
    assert shown > 40 and silent > 5 and alike > 100
