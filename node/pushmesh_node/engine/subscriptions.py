"""Who is subscribed to what, both ways round, from the subscriptions in force, and what wallets said to this node
alone."""

from collections import defaultdict
from collections.abc import Set as AbstractSet

from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.authority import Authority
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.kinds import Subscription
from pushmesh_protocol.types import Account, EnvelopeId

from .plain import PlainSubscribers
from .private import PrivateSubscriptions
from .versions import Versions

Key = tuple[Account, Topic]


class Subscriptions:
    """The subscriptions of the whole network, as far as this node knows them. What others may learn is asked of
    `in_force`, `of` and `subscribers`; what this node does with messages, of `word`, `readers` and `topics_on`."""

    def __init__(self, authority: Authority) -> None:
        self._versions: Versions[Key] = Versions(authority)
        self._subscribers: defaultdict[Topic, set[Account]] = defaultdict(set)
        self._plain = PlainSubscribers()
        self.private = PrivateSubscriptions()

    def add(self, envelope: Envelope) -> None:
        """Take in an authorised subscription whose slot is not void."""
        topic = envelope.body.topic
        assert topic is not None  # the kind says so
        key = (envelope.author, topic)
        self._index(key, self._versions.add(key, envelope))

    def add_void(self, envelope: Envelope) -> None:
        """Take in one whose slot is void: it never counts."""
        assert envelope.topic is not None  # the kind says so
        key = (envelope.author, envelope.topic)
        self._index(key, self._versions.add_void(key, envelope))

    def add_private(self, envelope: Envelope) -> bool:
        """Take in what a wallet said to this node alone; False where a newer word is held already."""
        if not self.private.add(envelope):
            return False
        assert envelope.topic is not None  # the kind says so
        self._plain.drop(envelope.topic, envelope.author)
        return True

    def make_private_room(self, envelope: Envelope, now_ms: int) -> list[Envelope]:
        """See `PrivateSubscriptions.make_room`; of those that went the public word decides again."""
        gone = self.private.make_room(envelope)
        for word in gone:
            assert word.topic is not None  # the kind says so
            key = (word.author, word.topic)
            self._index(key, self._versions.in_force(key, now_ms))
        return gone

    def withdraw(self, envelope_id: EnvelopeId) -> bool:
        """Unlearn a subscription whose slot turned out void; False where it was not held."""
        key = self._versions.withdraw(envelope_id)
        if key is not None:
            self._index(key, self._versions.choose(key))
        return key is not None

    def reconsider(self, account: Account) -> None:
        """Decide an account's subscriptions again, after a grant or a revocation of it became known."""
        for key in self._versions.keys_of(account):
            self._index(key, self._versions.choose(key))

    def _index(self, key: Key, chosen: Envelope | None) -> None:
        account, topic = key
        if chosen is not None and isinstance(chosen.body, Subscription) and chosen.body.on:
            self._subscribers[topic].add(account)
            if chosen.body.settings is None and not self.private.holds(account, topic):
                self._plain.put(topic, account, chosen.body.expires_at)
            else:
                self._plain.drop(topic, account)
            return
        self._plain.drop(topic, account)
        subscribers = self._subscribers.get(topic)
        if subscribers is not None:
            subscribers.discard(account)
            if not subscribers:
                del self._subscribers[topic]

    def in_force(self, account: Account, topic: Topic, now_ms: int) -> Envelope | None:
        """The wallet's public word on the topic, on or off; None where it has none that still holds."""
        return self._versions.in_force((account, topic), now_ms)

    def word(self, account: Account, topic: Topic, now_ms: int) -> Envelope | None:
        """The word that decides at this node: the private one where there is one, else the public one (SPEC 4.25)."""
        return self.private.word(account, topic, now_ms) or self.in_force(account, topic, now_ms)

    def of(self, account: Account, now_ms: int) -> list[Envelope]:
        """All public subscriptions in force of a wallet, on and off, by topic."""
        found = (self._versions.in_force(key, now_ms) for key in sorted(self._versions.keys_of(account)))
        return [envelope for envelope in found if envelope is not None]

    def topics_on(self, account: Account, now_ms: int) -> list[Topic]:
        """The topics that a wallet has switched on, for this node alone or for all."""
        topics = {topic for _account, topic in self._versions.keys_of(account)} | self.private.topics(account)
        words = (self.word(account, topic, now_ms) for topic in sorted(topics))
        return [e.body.topic for e in words if e is not None and isinstance(e.body, Subscription) and e.body.on]

    def versions(self, envelope: Envelope) -> list[Envelope]:
        """All that are held for the wallet and topic of this one."""
        assert envelope.topic is not None  # the kind says so
        return self._versions.versions((envelope.author, envelope.topic))

    def is_outdone(self, envelope: Envelope) -> bool:
        """Whether a newer one by the same signer lasts as long or longer (SPEC 9.3)."""
        assert envelope.topic is not None  # the kind says so
        return self._versions.is_outdone((envelope.author, envelope.topic), envelope)

    def subscribers(self, topic: Topic) -> AbstractSet[Account]:
        """Wallets whose public subscription is on; one that just expired may still be among them, `in_force`
        decides."""
        return self._subscribers.get(topic, frozenset())

    def plain(self, topic: Topic, now_ms: int) -> AbstractSet[Account]:
        """Wallets whose word in force is on, without settings, and the same for all nodes; perhaps not all, where one's
        newest word expired."""
        return self._plain.at(topic, now_ms)

    def readers(self, topic: Topic) -> AbstractSet[Account]:
        """Wallets that get the topic's messages here; of one whose word just expired `word` decides."""
        return self.private.readers(topic, self.subscribers(topic))

    def sweep(self, now_ms: int) -> None:
        """Forget what has expired; costs what it removes."""
        for key in self._versions.sweep(now_ms):
            self._index(key, self._versions.in_force(key, now_ms))
        for key in self.private.sweep(now_ms):
            self._index(key, self._versions.in_force(key, now_ms))
