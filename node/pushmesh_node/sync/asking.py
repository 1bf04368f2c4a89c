"""One node's questions to one peer in sync: what does it hold that this node lacks, and may I have it (SPEC section 9).

Pure: `handle(event, now_ms) -> effects`. It trusts nothing that the peer says, and keeps a bounded part of it."""

from collections import deque
from collections.abc import Sequence
from typing import Final, assert_never

from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.reasons import Reason

from .auditing import Auditing
from .claims import Claims
from .fetching import Fetching
from .memory import PeerMemory
from .messages import a_word_of_ranges
from .parts import common_floors, is_control, is_subscription, length_ms
from .ports import (
    Digest,
    Digested,
    Due,
    Effect,
    End,
    Event,
    Finished,
    Heard,
    Needs,
    OwnTags,
    Probe,
    Probed,
    Reconciliation,
    Say,
    Sets,
    Settle,
    Settled,
    Take,
    Taken,
)
from .words import (
    MAX_HEADS,
    MAX_WORD_BYTES,
    AskHashes,
    AskHeads,
    AskIds,
    BucketName,
    BucketStep,
    Compare,
    Differ,
    Frames,
    Hashes,
    Heads,
    Hello,
    IdRange,
    Ids,
    Replies,
    Sorry,
    Steps,
)

AT_ONCE: Final = 16
"""Buckets that are reconciled side by side."""

STEPS_BYTES: Final = MAX_WORD_BYTES - 65_536
"""Of all messages in one word, the rest is for what stands around them."""

SMALL: Final = 512
"""So few needs may be what gossip is just bringing: they wait a moment."""


class Asking:
    """One for each peer and stream; `close` gives back what it had claimed."""

    def __init__(
        self,
        network_id: bytes,
        shards: int,
        peer: bytes,
        sets: Sets,
        claims: Claims,
        memory: PeerMemory,
        own_tags: OwnTags,
    ) -> None:
        self.peer_floors: Sequence[int] = ()
        """As the peer told them last."""

        self._network_id = network_id
        self._shards = shards
        self._sets = sets
        self._memory = memory
        self._fetching = Fetching(peer, claims, memory, own_tags)
        self._audit = Auditing(sets, memory)
        self._my_floors: Sequence[int] = ()
        self._floors: Sequence[int] = ()
        self._asked: object | None = None  # the question that is open, but for wants
        self._is_settling = self._has_settled = False
        self._phases: deque[list[BucketName]] = deque()
        self._waiting: deque[BucketName] = deque()  # buckets of this phase, not begun
        self._active: dict[BucketName, Reconciliation] = {}
        self._messages: dict[BucketName, bytes] = {}
        self._backlog: deque[Needs] = deque()
        self._listed_ids = 0  # in the backlog
        self._runs = False
        self._disputed: set[BucketName] = set()  # buckets where what the peer has more was settled before,
        self._fruitful: set[BucketName] = set()  # and where some was not

    @property
    def missing(self) -> int:
        """Envelopes that the peer has and this node has not, as far as is known."""
        return self._listed_ids + self._fetching.missing

    @property
    def waits(self) -> bool:
        """Whether the peer owes an answer."""
        return self._asked is not None or self._fetching.waits

    @property
    def is_fed(self) -> bool:
        """Whether this node has yet to take what came: the peer need not say anything meanwhile."""
        return self._fetching.is_fed

    def close(self) -> None:
        """Others may be asked for what this one had claimed. Idempotent."""
        self._fetching.close()

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """What is to be done, in order. After an `End` nothing more is to be handled."""
        effects: list[Effect] = []
        try:
            match event:
                case Due(hello):
                    self._begin(hello, effects)
                case Heard(word):
                    self._hear(word, now_ms, effects)
                case Probed(held):
                    effects += self._fetching.probed(held)
                case Taken(want_no, outcomes):
                    self._fetching.taken(want_no, outcomes)
                case Digested(hashes):
                    self._audit.digested(hashes)
                case Settled():
                    self._is_settling, self._has_settled = False, True
                case _:
                    assert_never(event)
            if self._memory.judge():
                raise Refusal(Reason.POISONED, "9.12", "most of what the peer gave was refused")
            if self._runs:
                self._go_on(now_ms, effects)
        except Refusal as refusal:
            effects.append(End(str(refusal.reason)))
        return effects

    # Words

    def _begin(self, hello: Hello, effects: list[Effect]) -> None:
        self._fetching.begin()
        self._my_floors = hello.floors
        self._phases.clear()
        self._waiting.clear()
        self._active.clear()
        self._messages.clear()
        self._backlog.clear()
        self._listed_ids = 0
        self._audit.begin()
        self._disputed.clear()
        self._fruitful.clear()
        self._is_settling = self._has_settled = False
        self._runs = True
        self._ask(hello, effects)

    def _ask(self, question: object, effects: list[Effect]) -> None:
        self._asked = question
        effects.append(Say(question))  # type: ignore[arg-type]  # each caller gives a word

    def _hear(self, word: object, now_ms: int, effects: list[Effect]) -> None:
        if isinstance(word, Frames):
            effects += self._frames(word)
            return
        asked, self._asked = self._asked, None
        match word:
            case Hello() if isinstance(asked, Hello):
                self._greeted(word, now_ms, effects)
            case Differ() if isinstance(asked, Compare):
                self._differ(word, asked, now_ms)
            case Replies() if isinstance(asked, Steps):
                self._replied(word, asked)
            case Heads() if isinstance(asked, AskHeads):
                effects.append(Probe(self._fetching.heads(word.heads)))
            case Hashes() if isinstance(asked, AskHashes):
                if snapshots := self._audit.hashed(word, asked, self._floors):
                    effects.append(Digest(snapshots))
            case Ids() if isinstance(asked, AskIds):
                if needs := self._audit.listed(word, asked):
                    self._list([needs])
            case Sorry(reason):
                raise Refusal(Reason.PEER_REFUSED, "9.5", reason)
            case _:
                raise _malformed("no answer to what was asked")

    def _frames(self, word: Frames) -> list[Effect]:
        self._fetching.frames(word)
        return [Take(word.want_no, word.frames)]

    def _greeted(self, hello: Hello, now_ms: int, effects: list[Effect]) -> None:
        if hello.network_id != self._network_id:
            raise Refusal(Reason.OTHER_NETWORK, "9.6", "the peer is of another network")
        if len(hello.floors) != len(self._my_floors) or hello.ask:
            raise _malformed("a hello of another shape")
        self.peer_floors = hello.floors
        self._floors = common_floors(self._my_floors, hello.floors, now_ms)
        self._ask(Compare(list(self._sets.prints(self._floors))), effects)

    def _differ(self, word: Differ, asked: Compare, now_ms: int) -> None:
        names = list(word.buckets)
        if len(set(names)) != len(names) or any(name.part > 2 * self._shards for name in names):
            raise _malformed("buckets that cannot be")
        different = set(names)
        names = [name for name in names if not self._memory.rests(name, now_ms)]
        control = [name for name in names if is_control(name.part, self._shards)]
        subscriptions = [name for name in names if is_subscription(name.part, self._shards)]
        rest = [name for name in names if name.part < self._shards]
        for phase in (control, subscriptions, rest):
            self._phases.append(sorted(phase, key=self._begins_ms, reverse=True))
        compared = [BucketName(each.part, each.number) for each in asked.buckets]
        self._audit.seem_same([name for name in compared if name not in different])

    def _begins_ms(self, name: BucketName) -> int:
        return name.number * length_ms(name.part, self._shards)

    def _replied(self, word: Replies, asked: Steps) -> None:
        if [(one.part, one.number) for one in word.steps] != [(one.part, one.number) for one in asked.steps]:
            raise _malformed("replies to other steps")
        numbers = a_word_of_ranges()
        for step in word.steps:
            name = BucketName(step.part, step.number)
            message, needs = self._active[name].take(step.message, numbers)
            self._list(needs)
            if message is None:
                del self._active[name]
            else:
                self._messages[name] = message

    # The next question

    def _go_on(self, now_ms: int, effects: list[Effect]) -> None:
        """Wants beside whatever else is asked; of the rest one question at a time."""
        effects += self._fetching.wants(self._is_scanned)
        while self._runs and not self._is_waiting:
            if not self._ask_next(now_ms, effects):
                break
        effects += self._fetching.wants(self._is_scanned)

    @property
    def _is_waiting(self) -> bool:
        """Whether an answer has to come first, the peer's or this node's own."""
        return self._asked is not None or self._is_settling or self._fetching.is_probing or self._audit.is_digesting

    def _ask_next(self, now_ms: int, effects: list[Effect]) -> bool:
        """The next question; False where there is none until some of what is wanted has come."""
        has_steps = bool(self._messages) or (bool(self._waiting) and len(self._active) < AT_ONCE)
        if self._backlog and (self._listed_ids >= MAX_HEADS or not has_steps):
            if not self._fetching.finds_room():
                return False
            self._ask_heads(now_ms, effects)
        elif has_steps:
            self._ask_steps(effects)
        elif self._audit.is_listing:
            self._ask(self._audit.next_ids(), effects)
        elif self._fetching.is_idle:
            self._next_phase(now_ms, effects)
        else:
            return False
        return True

    @property
    def _is_scanned(self) -> bool:
        """Whether the heads of all that is missing in this phase are known."""
        looks = self._asked is not None or self._fetching.is_probing or self._audit.is_listing
        return not (looks or self._backlog or self._messages or self._waiting or self._active)

    def _list(self, needs: Sequence[Needs]) -> None:
        self._backlog.extend(needs)
        self._listed_ids += sum([len(each.ids) for each in needs])

    def _ask_heads(self, now_ms: int, effects: list[Effect]) -> None:
        if not self._has_settled and self.missing <= SMALL:
            self._is_settling = True
            effects.append(Settle())
            return
        ranges: list[IdRange] = []
        room = MAX_HEADS
        while self._backlog and room:
            needs = self._backlog.popleft()
            some, left = needs.ids[:room], needs.ids[room:]
            if left:
                self._backlog.appendleft(Needs(needs.name, needs.lower, needs.upper, left))
            self._listed_ids -= len(some)
            held = self._sets.between(needs.name, needs.lower, needs.upper)  # with the rest of a run, or by gossip
            missing = [id_ for id_ in some if id_ not in held]
            if missing:
                is_settled = all(self._memory.is_settled(id_) for id_ in missing)
                (self._disputed if is_settled else self._fruitful).add(needs.name)
            ids = self._fetching.claim(missing, now_ms)
            room -= len(ids)
            if ids:
                ranges.append(IdRange(needs.name.part, needs.name.number, needs.lower, needs.upper, ids))
        if ranges:
            self._fetching.asked(ranges)
            self._ask(AskHeads(ranges), effects)

    def _ask_steps(self, effects: list[Effect]) -> None:
        limit = STEPS_BYTES // min(AT_ONCE, max(1, len(self._active) + len(self._waiting)))
        while self._waiting and len(self._active) < AT_ONCE:
            name = self._waiting.popleft()
            self._active[name] = reconciliation = self._sets.reconcile(name, self._floors, limit)
            self._messages[name] = reconciliation.begin()
        steps = [BucketStep(name.part, name.number, message) for name, message in self._messages.items()]
        self._messages.clear()
        self._ask(Steps(steps), effects)

    def _next_phase(self, now_ms: int, effects: list[Effect]) -> None:
        while self._phases:
            self._has_settled = False
            self._waiting.extend(self._phases.popleft())
            if self._waiting:
                self._ask_steps(effects)
                return
        if (question := self._audit.next_hashes(now_ms)) is not None:
            self._ask(question, effects)
            return
        self._runs = False
        self._memory.rest(self._disputed - self._fruitful, now_ms)
        effects.append(Finished(self._fetching.unresolved, self._fetching.elsewhere))


def _malformed(detail: str) -> Refusal:
    return Refusal(Reason.MALFORMED, "9.5", detail)
