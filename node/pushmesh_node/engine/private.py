"""What wallets said of topics to this node alone (SPEC 4.25): the newest word of each, never relayed, never listed."""

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Set as AbstractSet
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
can have wallets: where there is no room, who has said most makes some for who has said less."""

WORD_BYTES = MAX_BYTES // MAX_WORDS
"""What a word weighs beside its body, when shares are compared."""

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
        self._shares = Shares(self._weight)

    def __len__(self) -> int:
        """Words that are held."""
        return len(self._words)

    def has_room(self, envelope: Envelope) -> bool:
        """Whether a word may come in; one that takes another's place always may where it is no longer."""
        held = self._words.get(_key(envelope))
        more_bytes = self._more_bytes(envelope)
        if held is not None and more_bytes <= 0:
            return True
        if self._all_bytes + more_bytes > MAX_BYTES or not self._is_within_its_own(envelope):
            return False
        return held is not None or len(self._words) < MAX_WORDS

    def make_room(self, envelope: Envelope) -> list[Envelope]:
        """Let go of words for one that has no room: the newest of the wallet that has said most, if it keeps as much
        (but for half a word) as this one's author will have. Gives those that went; if none did, there is no room."""
        if not self._is_within_its_own(envelope):
            return []
        largest = self._shares.largest()
        if largest is None:
            return []
        author, more_bytes = envelope.author, self._more_bytes(envelope)
        more_words = _key(envelope) not in self._words
        said = [self._words[largest, topic] for topic in self._topics[largest]]
        gone: list[Envelope] = []
        freed_bytes = 0
        for word in sorted(said, key=lambda word: word.body.issued_at, reverse=True):
            gone.append(word)
            freed_bytes += len(word.body_bytes)
            has_bytes = self._all_bytes + more_bytes - freed_bytes <= MAX_BYTES
            if has_bytes and len(self._words) + more_words - len(gone) <= MAX_WORDS:
                break
        left = self._weight(largest) - freed_bytes - WORD_BYTES * len(gone)
        if left < self._weight(author) + more_bytes + WORD_BYTES * more_words - WORD_BYTES // 2:
            return []
        for word in gone:
            self._drop(_key(word))
        return gone

    def _is_within_its_own(self, envelope: Envelope) -> bool:
        """Whether the wallet has room, whatever there is for all."""
        account = envelope.author
        is_new = _key(envelope) not in self._words
        if self._bytes[account] + self._more_bytes(envelope) > MAX_BYTES_OF_A_WALLET:
            return False
        return not is_new or self._counts[account] < MAX_WORDS_OF_A_WALLET

    def _more_bytes(self, envelope: Envelope) -> int:
        held = self._words.get(_key(envelope))
        return len(envelope.body_bytes) - (0 if held is None else len(held.body_bytes))

    def _weight(self, account: Account) -> int:
        return self._bytes.get(account, 0) + WORD_BYTES * self._counts.get(account, 0)

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
        self._shares.note(account)
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
        self._shares.note(account)
        _take_out(self._topics, account, topic)
        _take_out(self._on, topic, account)
        _take_out(self._off, topic, account)


class Shares:
    """Who has most, without looking at all: of those with as much the one whose share changed last."""

    def __init__(self, weight: Callable[[Account], int]) -> None:
        self._weight = weight
        self._noted = 0
        self._heap: list[tuple[int, int, Account]] = []
        self._latest: dict[Account, tuple[int, int, Account]] = {}

    def note(self, account: Account) -> None:
        """A share changed. What was noted of it before is passed over later, or all at once when that is most."""
        self._noted += 1
        weight = self._weight(account)
        if not weight:
            self._latest.pop(account, None)
        else:
            self._latest[account] = (-weight, -self._noted, account)
            heapq.heappush(self._heap, self._latest[account])
        if len(self._heap) > 2 * len(self._latest) + 64:
            self._heap = list(self._latest.values())
            heapq.heapify(self._heap)

    def largest(self) -> Account | None:
        """None where nobody has anything."""
        while self._heap and self._latest.get(self._heap[0][2]) is not self._heap[0]:
            heapq.heappop(self._heap)
        return self._heap[0][2] if self._heap else None


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
