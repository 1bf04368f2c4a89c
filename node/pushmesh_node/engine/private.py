"""What wallets said of topics to this node alone (SPEC 4.25): the newest word of each, never relayed, never listed."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Set as AbstractSet
from typing import TypeVar

from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.kinds import PrivateSubscription
from pushmesh_protocol.newest import newer
from pushmesh_protocol.types import Account, EnvelopeId

from .expiries import Expiries

MAX_WORDS, MAX_WORDS_OF_A_WALLET = 65_536, 512
MAX_BYTES, MAX_BYTES_OF_A_WALLET = 16 * 1024 * 1024, 64 * 1024
"""Of signed bodies; with many settings they weigh some six times as much. They cost no slot and no work, and anybody
can have wallets."""

Key = tuple[Account, Topic]
K = TypeVar("K")
V = TypeVar("V")


class PrivateSubscriptions:
    """One word for each wallet and topic: only the wallet itself can sign it, so the newest decides."""

    def __init__(self) -> None:
        self._words: dict[Key, Envelope] = {}
        self._key_of: dict[EnvelopeId, Key] = {}
        self._counts: Counter[Account] = Counter()
        self._bytes: Counter[Account] = Counter()
        self._all_bytes = 0
        self._on: defaultdict[Topic, set[Account]] = defaultdict(set)
        self._off: defaultdict[Topic, set[Account]] = defaultdict(set)
        self._topics: defaultdict[Account, set[Topic]] = defaultdict(set)
        self._expiries = Expiries()

    def __len__(self) -> int:
        """Words that are held."""
        return len(self._words)

    def has_room(self, envelope: Envelope) -> bool:
        """Whether a word may come in; one that takes another's place always may where it is no longer."""
        held = self._words.get(_key(envelope))
        more_bytes = len(envelope.body_bytes) - (0 if held is None else len(held.body_bytes))
        if held is not None and more_bytes <= 0:
            return True
        account = envelope.author
        if self._all_bytes + more_bytes > MAX_BYTES or self._bytes[account] + more_bytes > MAX_BYTES_OF_A_WALLET:
            return False
        return held is not None or (len(self._words) < MAX_WORDS and self._counts[account] < MAX_WORDS_OF_A_WALLET)

    def add(self, envelope: Envelope) -> bool:
        """Take a word in; False where a newer one, or this one, is held already."""
        key = _key(envelope)
        held = self._words.get(key)
        if held is not None and (held.id == envelope.id or not newer(envelope, held)):
            return False
        if held is not None:
            self._drop(key)
        account, topic = key
        self._words[key] = envelope
        self._key_of[envelope.id] = key
        self._counts[account] += 1
        self._bytes[account] += len(envelope.body_bytes)
        self._all_bytes += len(envelope.body_bytes)
        self._topics[account].add(topic)
        assert isinstance(envelope.body, PrivateSubscription)  # the kind says so
        (self._on if envelope.body.on else self._off)[topic].add(account)
        self._expiries.add(envelope.body.expires_at, envelope.id)
        return True

    def holds(self, account: Account, topic: Topic) -> bool:
        """Whether there is a word, perhaps one that just expired."""
        return (account, topic) in self._words

    def word(self, account: Account, topic: Topic, now_ms: int) -> Envelope | None:
        """The wallet's private word on the topic, on or off, while it lasts."""
        held = self._words.get((account, topic))
        return held if held is not None and held.body.expires_at > now_ms else None

    def topics(self, account: Account) -> AbstractSet[Topic]:
        """The topics that a wallet has a private word on, perhaps one that just expired."""
        return self._topics.get(account, frozenset())

    def readers(self, topic: Topic, public: AbstractSet[Account]) -> AbstractSet[Account]:
        """The topic's public subscribers without those who privately said no, and with those who privately said
        yes."""
        on, off = self._on.get(topic), self._off.get(topic)
        return _Readers(public, on or frozenset(), off or frozenset()) if on or off else public

    def sweep(self, now_ms: int) -> list[Key]:
        """Forget what has expired, and say of whom and of what; costs what it removes."""
        keys = [self._key_of.get(envelope_id) for envelope_id in self._expiries.due(now_ms)]
        over = [key for key in keys if key is not None]
        for key in over:
            self._drop(key)
        return over

    def _drop(self, key: Key) -> None:
        account, topic = key
        word = self._words.pop(key)
        del self._key_of[word.id]
        self._counts[account] -= 1
        self._bytes[account] -= len(word.body_bytes)
        self._all_bytes -= len(word.body_bytes)
        if not self._counts[account]:
            del self._counts[account], self._bytes[account]
        _take_out(self._topics, account, topic)
        _take_out(self._on, topic, account)
        _take_out(self._off, topic, account)


class _Readers(AbstractSet[Account]):
    """A view: nothing is copied, however many subscribe."""

    def __init__(self, public: AbstractSet[Account], on: AbstractSet[Account], off: AbstractSet[Account]) -> None:
        self._public, self._on, self._off = public, on, off

    def __contains__(self, account: object) -> bool:
        return account in self._on or (account in self._public and account not in self._off)

    def __iter__(self) -> Iterator[Account]:
        yield from self._on
        for account in self._public:
            if account not in self._on and account not in self._off:
                yield account

    def __len__(self) -> int:
        public, on, off = self._public, self._on, self._off
        both = sum([account in public for account in on]) + sum([account in public for account in off])
        return len(public) + len(on) - both


def _key(envelope: Envelope) -> Key:
    assert envelope.topic is not None  # the kind says so
    return envelope.author, envelope.topic


def _take_out(sets: defaultdict[K, set[V]], key: K, value: V) -> None:
    members = sets.get(key)
    if members is not None:
        members.discard(value)
        if not members:
            del sets[key]
