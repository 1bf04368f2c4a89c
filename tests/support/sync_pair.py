"""An asker and the honest answers of a peer, word by word in memory; frames are the ids that they hold."""

from collections.abc import Callable, Sequence
from hashlib import sha256

from pushmesh_node.sync import answering
from pushmesh_node.sync.asking import Asking
from pushmesh_node.sync.claims import Claims
from pushmesh_node.sync.digests import digest_of
from pushmesh_node.sync.memory import PeerMemory
from pushmesh_node.sync.node_sets import NodeSets
from pushmesh_node.sync.parts import common_floors
from pushmesh_node.sync.ports import (
    Digest,
    Digested,
    Due,
    End,
    Event,
    Finished,
    Heard,
    OwnTags,
    Probe,
    Probed,
    Say,
    Settle,
    Settled,
    Show,
    Take,
    Taken,
)
from pushmesh_node.sync.words import (
    AskHashes,
    AskHeads,
    AskIds,
    Compare,
    Frames,
    Head,
    Heads,
    Hello,
    Steps,
    Want,
    Word,
    words,
)
from pushmesh_protocol.codec import pack
from pushmesh_protocol.reasons import Reason

SHARDS = 2
NETWORK_ID = b"n" * 32
PEER = b"p" * 32
DAY_MS = 86_400_000
NOW_MS = 20_000 * DAY_MS

Record = tuple[int, int, bytes]
"""(part, timestamp, id)."""


def id_of(number: int) -> bytes:
    return sha256(str(number).encode()).digest()


def sets_of(records: Sequence[Record]) -> NodeSets:
    """Each under its place in the list as commit number."""
    sets = NodeSets(SHARDS)
    for place, record in enumerate(records):
        sets.insert(*record, place)
    return sets


def a_hello(ask: bool = True, floor_ms: int = NOW_MS) -> Hello:
    return Hello(NETWORK_ID, b"i" * 16, NOW_MS, [floor_ms] * (SHARDS + 1), ask)


class HonestPeer:
    """Answers from its records; each is an item of its own, issued at its place in the list, of the topic that `tags`
    says."""

    def __init__(
        self, records: Sequence[Record], floor_ms: int = NOW_MS, tags: Callable[[int], int] = lambda place: 0
    ) -> None:
        self.records = list(records)
        self.tags = tags
        self.sets = sets_of(records)
        self.floor_ms = floor_ms
        self.floors: Sequence[int] = ()
        self.heard: list[Word] = []

    def add(self, record: Record) -> None:
        self.sets.insert(*record, len(self.records))
        self.records.append(record)

    def answer(self, word: Word) -> list[Word]:
        word = words.decode(pack(word))  # as it comes over the wire
        self.heard.append(word)
        match word:
            case Hello():
                mine = a_hello(False, self.floor_ms)
                self.floors = common_floors(mine.floors, word.floors, NOW_MS)
                return [mine]
            case Compare():
                return [answering.differ(self.sets, self.floors, word)]
            case Steps():
                return [answering.replies(self.sets, self.floors, word)]
            case AskHeads():
                found = answering.places(self.sets, word)
                return [Heads([Head(no, no, self.tags(no), 32, 1, [place], [0]) for place, no in found.items()])]
            case Want():
                frames = [self.records[item.item_no][2] for item in word.items]
                half = len(frames) // 2
                return [Frames(word.want_no, True, frames[:half]), Frames(word.want_no, False, frames[half:])]
            case AskHashes():
                return [answering.hashes(answering.snapshots(self.sets, self.floors, word))]
            case AskIds():
                return [answering.ids(self.sets, self.floors, word)]
            case _:
                raise AssertionError(f"no question: {word}")


class Asker:
    """Drives an Asking: what it takes stands in its sets at once, unless `judge` says otherwise."""

    def __init__(
        self,
        records: Sequence[Record],
        memory: PeerMemory | None = None,
        claims: Claims | None = None,
        judge: Callable[[bytes], Reason] = lambda id_: Reason.OK,
        peer: bytes = PEER,
        own_tags: OwnTags = frozenset,
    ) -> None:
        self.sets = sets_of(records)
        self.memory = memory or PeerMemory(NOW_MS)
        self.claims = claims if claims is not None else Claims()
        self.judge = judge
        self.taken: list[bytes] = []
        self.shown: list[int] = []
        self.held: dict[bytes, int] = {}
        self.ended = ""
        self.finished: Finished | None = None
        self.now_ms = NOW_MS
        self.asking = Asking(NETWORK_ID, SHARDS, peer, self.sets, self.claims, self.memory, own_tags)

    def round(self, answer: Callable[[Word], Sequence[Word]], floor_ms: int = NOW_MS) -> None:
        """One round, to its end."""
        self.finished, self.ended = None, ""
        events: list[Event] = [Due(a_hello(True, floor_ms))]
        while events:
            for effect in self.asking.handle(events.pop(0), self.now_ms):
                match effect:
                    case Say(word):
                        events += [Heard(each) for each in answer(word)]  # type: ignore[arg-type]  # a liar may say anything
                    case Probe(asked):
                        events.append(Probed({id_: self.held[id_] for _, id_ in asked if id_ in self.held}))
                    case Take(want_no, frames):
                        self.taken += frames
                        events.append(Taken(want_no, [(frame, self.judge(frame)) for frame in frames]))
                    case Show(commit_nos):
                        self.shown += commit_nos
                    case Digest(snapshots):
                        events.append(Digested([digest_of(each.ids) for each in snapshots]))
                    case Settle():
                        events.append(Settled())
                    case Finished():
                        self.finished = effect
                    case End(reason):
                        self.ended = reason
                        return
