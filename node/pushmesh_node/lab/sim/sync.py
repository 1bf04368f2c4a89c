"""Sync between simulated nodes: the asker and the answers of the `sync` room, as words on the simulated network."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from pushmesh_protocol.codec import pack
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.frames import Part, encode_frame
from pushmesh_protocol.network import Network
from pushmesh_protocol.reasons import Reason

from ...app.offers import Finding, entry_of, parts_of, slots_of
from ...app.serving_pace import ServingPace
from ...app.sync import AGAIN_S, BEHIND_S, FIRST_REST_S, LONGEST_REST_S, SETTLE_S
from ...app.sync_answers import MAX_PAGE_FRAMES, MAX_SHOWN_FRAMES, PAGE_BYTES, SHOWN_EVERY_S, Allowed
from ...app.sync_state import FLOOR_SLACK_MS, PeerSync, State
from ...app.sync_stream import ANSWER_S
from ...app.topic_shards import tag_of
from ...engine.answers import Outcome
from ...engine.events import CaughtUp
from ...engine.parts import leaf_part, leaf_parts
from ...sync import answering
from ...sync.asking import Asking
from ...sync.claims import Claims
from ...sync.digests import digest_of
from ...sync.fetching import MAX_SHOWN
from ...sync.memory import MEMORY_MS, PeerMemory
from ...sync.parts import FLOOR_AHEAD_MS, common_floors
from ...sync.ports import (
    Digest,
    Digested,
    Due,
    End,
    Event,
    Finished,
    Heard,
    Probe,
    Probed,
    Say,
    Settle,
    Settled,
    Show,
    Take,
    Taken,
)
from ...sync.words import (
    Answer,
    AskHashes,
    AskHeads,
    AskIds,
    Compare,
    Frames,
    Head,
    Heads,
    Hello,
    Question,
    Sorry,
    Steps,
    Want,
    Word,
)
from .clock import Clock
from .main_half import MainHalf
from .sense import SharedSense


@dataclass(slots=True)
class _Peer:
    """A peer, what is remembered of it, and where the round with it stands."""

    session_no: int = 0  # 0 while there is none
    asking: Asking | None = None
    sync: PeerSync = field(default_factory=PeerSync)
    memory: PeerMemory | None = None
    heard_us: int = 0
    rest_s: float = FIRST_REST_S
    floors: Sequence[int] = ()  # of the round that the peer asks in
    given_bytes: int = 0
    shown: Allowed = field(default_factory=lambda: Allowed(MAX_SHOWN_FRAMES, SHOWN_EVERY_S))
    answers_us: int = 0  # when the last of what was asked is on its way


class SyncRounds:
    """Asks each connected peer at once, and again and again, and answers their questions. `say(peer, word, size)`
    sends."""

    def __init__(
        self,
        network: Network,
        main: MainHalf,
        sense: SharedSense,
        clock: Clock,
        random: Random,
        say: Callable[[bytes, Word, int], None],
    ) -> None:
        self.brought = 0
        """Envelopes that frames brought, new or not."""

        self.floor_ahead_ms = FLOOR_AHEAD_MS
        """How far after now this node's floors lie."""

        self._network = network
        self._main = main
        self._sense = sense
        self._clock = clock
        self._random = random
        self._say = say
        self._peers: dict[bytes, _Peer] = {}
        self._sessions = 0
        self._claims = Claims()
        self._pace = ServingPace()
        self._waiting: dict[int, Callable[[Sequence[Outcome]], None]] = {}
        self._requests = 0
        main.answered = self._answered

    def peer_came(self, node_id: bytes) -> None:
        """Start to ask a peer."""
        peer = self._peers.setdefault(node_id, _Peer())
        peer.rest_s, peer.given_bytes, peer.floors = FIRST_REST_S, 0, ()
        peer.sync = PeerSync()
        self._sessions += 1
        peer.session_no = self._sessions
        self._begin(node_id, peer, peer.session_no)

    def peer_left(self, node_id: bytes) -> None:
        """Ask no more."""
        if (peer := self._peers.get(node_id)) is not None:
            peer.session_no = 0
            if peer.asking is not None:
                peer.asking.close()
                peer.asking = None

    def states(self) -> dict[bytes, PeerSync]:
        """Of the peers that are connected."""
        return {node_id: peer.sync for node_id, peer in self._peers.items() if peer.session_no}

    def take(self, node_id: bytes, word: Word) -> None:
        """A word of a peer."""
        peer = self._peers.get(node_id)
        if peer is None or not peer.session_no:
            return
        is_question = isinstance(word, Question) or (isinstance(word, Hello) and word.ask)
        if is_question or (isinstance(word, Frames) and not word.want_no):
            self._answer(node_id, peer, word)
        elif peer.asking is not None and isinstance(word, Hello | Answer | Sorry):
            peer.heard_us = self._clock.now_us
            if isinstance(word, Hello):
                self._greeted(peer, word)
            self._handle(node_id, peer, Heard(word))

    def hello(self, ask: bool) -> Hello:
        """What this node says of itself."""
        now_ms = self._clock.unix_ms
        floors = [now_ms + self.floor_ahead_ms] * (self._network.shard_count + 1)
        return Hello(self._network.id, self._main.store.incarnation, now_ms, floors, ask)

    # Asking

    def _begin(self, node_id: bytes, peer: _Peer, session_no: int) -> None:
        if peer.session_no != session_no or peer.asking is not None:
            return
        now_ms = self._clock.unix_ms
        if peer.memory is None or now_ms - peer.memory.since_ms > MEMORY_MS:
            peer.memory = PeerMemory(now_ms, None if peer.memory is None else peer.memory.hashed_ms)
        network = self._network
        peer.asking = Asking(
            network.id, network.shard_count, node_id, self._main.sets, self._claims, peer.memory, frozenset
        )
        peer.sync.state = State.ASKING
        peer.heard_us = self._clock.now_us
        self._clock.after(int(ANSWER_S * 1e6), self._watch, node_id, peer, peer.asking)
        self._handle(node_id, peer, Due(self.hello(True)))

    def _watch(self, node_id: bytes, peer: _Peer, asking: Asking) -> None:
        """The wait for each next word ends after so long."""
        if peer.asking is not asking:
            return
        end_us = peer.heard_us + int(ANSWER_S * 1e6)
        if end_us <= self._clock.now_us and asking.waits and not asking.is_fed:
            self._fail(node_id, peer, str(Reason.TIMEOUT))
        else:
            self._clock.at(max(end_us, self._clock.now_us + 1_000_000), self._watch, node_id, peer, asking)

    def _fail(self, node_id: bytes, peer: _Peer, reason: str) -> None:
        """A session that failed is tried again, after a longer rest each time."""
        if peer.asking is not None:
            peer.asking.close()
            peer.asking = None
        peer.sync.reason = reason
        peer.sync.state = State.POISONED if peer.memory is not None and peer.memory.is_poisoned else State.FAILED
        self._clock.after(int(peer.rest_s * 1e6), self._begin, node_id, peer, peer.session_no)
        peer.rest_s = min(2 * peer.rest_s, LONGEST_REST_S)

    def _greeted(self, peer: _Peer, hello: Hello) -> None:
        mine = self.hello(True)
        peer.sync.clock_offset_ms = hello.now_ms - mine.now_ms
        peer.sync.has_floor_above = any(
            theirs > floor + FLOOR_SLACK_MS for theirs, floor in zip(hello.floors, mine.floors, strict=False)
        )

    def _handle(self, node_id: bytes, peer: _Peer, event: Event) -> None:
        events = [event]
        while events and (asking := peer.asking) is not None:
            for effect in asking.handle(events.pop(0), self._clock.unix_ms):
                match effect:
                    case Say(word):
                        if not asking.is_fed:
                            peer.heard_us = self._clock.now_us
                        self._send(node_id, word)
                    case Probe(asked):
                        found = {id_: self._main.store.commit_no(id_) for _, id_ in asked}
                        events.append(Probed({id_: no for id_, no in found.items() if no is not None}))
                    case Take():
                        self._take(node_id, peer, asking, effect)
                    case Show(commit_nos):
                        self._show(node_id, commit_nos)
                    case Digest(snapshots):
                        events.append(Digested([digest_of(each.ids) for each in snapshots]))
                    case Settle():
                        self._later(node_id, peer, asking, SETTLE_S, Settled)
                    case Finished(missing, elsewhere):
                        peer.rest_s = FIRST_REST_S
                        peer.sync.ended(missing + elsewhere, self._clock.unix_ms)
                        rest_s = BEHIND_S if missing + elsewhere else AGAIN_S
                        rest_s *= 0.5 + self._random.random()
                        self._later(node_id, peer, asking, rest_s, lambda: Due(self.hello(True)))
                    case End(reason):
                        self._fail(node_id, peer, reason)
                        return

    def _later(self, node_id: bytes, peer: _Peer, asking: Asking, delay_s: float, event: Callable[[], Event]) -> None:
        def due() -> None:
            if peer.asking is asking:
                self._handle(node_id, peer, event())

        self._clock.after(int(delay_s * 1e6), due)

    def _take(self, node_id: bytes, peer: _Peer, asking: Asking, take: Take) -> None:
        def taken(outcomes: Sequence[Outcome]) -> None:
            if peer.asking is asking:
                peer.heard_us = self._clock.now_us
                found = [(bytes(each.id), each.reason) for each in outcomes if each.id is not None]
                self._handle(node_id, peer, Taken(take.want_no, found))

        self._bring(node_id, take.frames, taken)

    def _bring(self, node_id: bytes, frames: Sequence[bytes], taken: Callable[[Sequence[Outcome]], None]) -> None:
        """Frames on their common way in."""
        parts: list[Part] = []
        for data in frames:
            try:
                parts += parts_of(self._sense.open(data, None))[0]
            except Refusal:
                continue
        if not parts:
            self._clock.after(0, taken, ())
            return
        self.brought += sum([len(part.envelopes) for part in parts])
        self._requests -= 1
        self._waiting[self._requests] = taken
        findings = [Finding(data=self._sense.frame_alone(part)) for part in parts]
        self._main.take(entry_of(CaughtUp(node_id, self._requests), parts, findings))

    def _answered(self, request: int, outcomes: Sequence[Outcome]) -> None:
        self._waiting.pop(request)(outcomes)

    def _show(self, node_id: bytes, commit_nos: Sequence[int]) -> None:
        """See `app.sync.Sync.rivals`."""
        main, store = self._main, self._main.store
        void = [number for number in commit_nos if store.is_void(number)]
        envelopes = [main.envelope(number) for number in void]
        holders = store.holders([slots_of(self._network, Part((envelope,))) for envelope in envelopes])
        others = {
            holder.commit_no
            for envelope, found in zip(envelopes, holders, strict=True)
            for holder in found
            if holder.id != envelope.id
        }
        frames = [self._alone(number) for number in sorted(others)[:MAX_SHOWN]]
        if frames:
            self._send(node_id, Frames(0, False, frames))

    def _alone(self, commit_no: int) -> bytes:
        data, index = self._main.store.frame_of(commit_no)
        part = self._sense.open(data, None).parts[0]
        assert isinstance(part, Part)  # it was stored
        return encode_frame([leaf_part(part, index)])

    # Answering

    def _answer(self, node_id: bytes, peer: _Peer, word: Word) -> None:
        sets, floors = self._main.sets, peer.floors
        try:
            match word:
                case Hello():
                    mine = self.hello(False)
                    if word.network_id != self._network.id or len(word.floors) != len(mine.floors):
                        raise Refusal(Reason.OTHER_NETWORK, "9.6", "another network")
                    peer.floors = common_floors(mine.floors, word.floors, mine.now_ms)
                    self._send(node_id, mine)
                case _ if not floors:
                    raise Refusal(Reason.MALFORMED, "9.6", "a question before the hello")
                case Compare():
                    self._send(node_id, answering.differ(sets, floors, word))
                case Steps():
                    self._send(node_id, answering.replies(sets, floors, word))
                case AskHeads():
                    self._send(node_id, self._heads(word))
                case Want():
                    self._give(node_id, peer, word)
                case AskHashes():
                    self._send(node_id, answering.hashes(answering.snapshots(sets, floors, word)))
                case AskIds():
                    self._send(node_id, answering.ids(sets, floors, word))
                case Frames():
                    if peer.shown.spend(max(1, len(word.frames)), self._clock.now_us / 1e6):
                        self._bring(node_id, word.frames, lambda outcomes: None)
                case _:
                    pass
        except Refusal as refusal:
            peer.floors = ()
            self._send(node_id, Sorry(str(refusal.reason)))

    def _heads(self, asked: AskHeads) -> Heads:
        heads: dict[int, Head] = {}
        for place, commit_no in answering.places(self._main.sets, asked).items():
            record = self._main.store.record(commit_no)
            first = record.first_commit
            head = heads.get(first)
            if head is None:
                tag, size = tag_of(record.topic), len(record.data)
                heads[first] = Head(first, record.issued_at, tag, size, record.count, [place], [commit_no - first])
            else:
                head.places.append(place)
                head.indexes.append(commit_no - first)
        return Heads(list(heads.values()))

    def _give(self, node_id: bytes, peer: _Peer, want: Want) -> None:
        frames: list[bytes] = []
        for item in want.items:
            record = self._main.store.record(item.item_no)
            if item.indexes is None:
                frames.append(record.data)
                continue
            part = self._sense.open(record.data, None).parts[0]
            assert isinstance(part, Part)  # it was stored
            frames += [encode_frame([leaf]) for leaf in leaf_parts(part, sorted(set(item.indexes)))]
        pages: list[list[bytes]] = [[]]
        size = 0
        for frame in frames:
            if pages[-1] and (size + len(frame) > PAGE_BYTES or len(pages[-1]) == MAX_PAGE_FRAMES):
                pages.append([])
                size = 0
            pages[-1].append(frame)
            size += len(frame)
        for number, page in enumerate(pages, 1):
            self._send_page(node_id, peer, Frames(want.want_no, number < len(pages), page))

    def _send_page(self, node_id: bytes, peer: _Peer, page: Frames) -> None:
        size_bytes = sum([len(frame) for frame in page.frames])
        try:
            wait_s = self._pace.wait_s(peer.given_bytes, size_bytes, self._clock.now_us / 1e6)
        except TimeoutError:  # a node resets the stream
            raise Refusal(Reason.TIMEOUT, "9.5", "too many ask for too much") from None
        peer.given_bytes += size_bytes
        # One after the other, so that an answer never overtakes the one before.
        peer.answers_us = max(peer.answers_us, self._clock.now_us + int(wait_s * 1e6))
        self._clock.at(peer.answers_us, self._page_due, node_id, peer.session_no, page)

    def _page_due(self, node_id: bytes, session_no: int, page: Frames) -> None:
        if self._peers[node_id].session_no == session_no:
            self._send(node_id, page)

    def _send(self, node_id: bytes, word: Word) -> None:
        self._say(node_id, word, len(pack(word)) + 4)
