"""One node's sets in `pushmesh bench sync --buckets`: many buckets, compared and then reconciled in the words of
sync."""

import time
from typing import Final

from pushmesh_protocol.codec import pack

from ..sync.answering import REPLIES_BYTES, differ, replies
from ..sync.node_sets import BucketReconciliation, NodeSets
from ..sync.words import BucketName, BucketStep, Compare, Differ, Replies, Steps, Word, words

SHARDS: Final = 8
FLOORS: Final = (0,) * (SHARDS + 1)
"""Nothing is let go."""


class BucketSide:
    """`found`: ids that it lacks, as reconciliation told."""

    def __init__(self, sets: NodeSets, lacked: set[bytes]) -> None:
        self.lacked = lacked
        self.found = set[bytes]()
        self.cpu_s = 0.0
        self._sets = sets
        self._open: dict[BucketName, BucketReconciliation] = {}

    def open(self) -> bytes:
        """The first word: the fingerprints of all buckets."""
        began_s = time.process_time()
        word = pack(Compare(self._sets.prints(FLOORS)))
        self.cpu_s += time.process_time() - began_s
        return word

    def respond(self, data: bytes) -> bytes:
        """As who is asked. Raises ValueError for what is no question."""
        began_s = time.process_time()
        match words.decode(data):
            case Compare() as asked:
                answer = pack(differ(self._sets, FLOORS, asked))
            case Steps() as asked:
                answer = pack(replies(self._sets, FLOORS, asked))
            case other:
                raise ValueError(f"no question: {type(other).__name__}")
        self.cpu_s += time.process_time() - began_s
        return answer

    def receive(self, data: bytes) -> bytes | None:
        """As who asks; None at the end. Raises ValueError for what is no answer."""
        began_s = time.process_time()
        steps = self._next_steps(words.decode(data))
        question = pack(Steps(steps)) if steps else None
        self.cpu_s += time.process_time() - began_s
        return question

    def _next_steps(self, word: Word) -> list[BucketStep]:
        match word:
            case Differ(names):
                room_bytes = REPLIES_BYTES // max(1, len(names))
                self._open = {name: self._sets.reconcile(name, FLOORS, room_bytes) for name in names}
                return [BucketStep(*_key(name), one.begin()) for name, one in self._open.items()]
            case Replies(answered):
                return [step for each in answered if (step := self._take(each))]
        raise ValueError(f"no answer: {type(word).__name__}")

    def _take(self, answered: BucketStep) -> BucketStep | None:
        name = BucketName(answered.part, answered.number)
        message, needs = self._open[name].take(answered.message)
        self.found.update(record_id for need in needs for record_id in need.ids)
        return None if message is None else BucketStep(*_key(name), message)


def _key(name: BucketName) -> tuple[int, int]:
    return name.part, name.number
