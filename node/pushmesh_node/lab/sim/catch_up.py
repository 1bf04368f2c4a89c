"""Catch-up between simulated nodes: the rounds of `app.catch_up` and the answers of `app.catch_up_answers`, as messages
on the simulated network."""

from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from random import Random

from pushmesh_protocol.codec import pack
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.frames import Part
from pushmesh_protocol.network import Network

from ...app.catch_up import AGAIN_S, FIRST_REST_S, LONGEST_REST_S, NOWHERE, SETTLE_S
from ...app.catch_up_answers import PAGE_BYTES
from ...app.catch_up_wire import ANSWER_S, MAX_DIGESTS, Answer, Ask, AskDigests, Digests, Page, Question, Sorry, Want
from ...app.frame_digests import digest_of
from ...app.offers import Finding, entry_of, parts_of
from ...app.serving_pace import ServingPace
from ...engine.events import CaughtUp
from ...engine.records import StoredItem
from .clock import Clock
from .main_half import MainHalf
from .sense import SharedSense

Word = Question | Answer

MAX_AHEAD = 4
"""Answers that a stream's window holds; a peer that sends more is not read."""


@dataclass(slots=True)
class _Peer:
    """A peer's cursor, which stays as in a store, and where the round with it stands."""

    incarnation: bytes = NOWHERE
    commit_no: int = 0
    round_no: int = 0  # of a connection; 0 while there is none
    expects: type[Page] | type[Digests] | None = None
    since_us: int = 0
    told: Digests | None = None  # the digests of which some are being fetched
    is_busy: bool = False  # with a page
    answers: deque[Page | Digests] = field(default_factory=deque)
    rest_s: float = FIRST_REST_S
    given_bytes: int = 0  # of frames, on this connection


class CatchUpRounds:
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
        self.caught_up = 0
        """Envelopes that pages brought, new or not."""

        self._network = network
        self._main = main
        self._sense = sense
        self._clock = clock
        self._random = random
        self._say = say
        self._peers: dict[bytes, _Peer] = {}
        self._rounds = 0
        self._pace = ServingPace()

    def peer_came(self, node_id: bytes) -> None:
        """Start to ask a peer."""
        self._rounds += 1
        peer = self._peers.setdefault(node_id, _Peer())
        peer.round_no, peer.rest_s, peer.given_bytes = self._rounds, FIRST_REST_S, 0
        self._ask(node_id, peer, self._rounds)

    def peer_left(self, node_id: bytes) -> None:
        """Ask no more."""
        if (peer := self._peers.get(node_id)) is not None:
            peer.round_no, peer.expects = 0, None

    def take(self, node_id: bytes, word: Word) -> None:
        """A word of a peer."""
        peer = self._peers.get(node_id)
        if peer is None or not peer.round_no:
            return
        if isinstance(word, Ask | AskDigests | Want):
            self._answer(node_id, word)
        elif peer.expects is not None:
            if not isinstance(word, peer.expects):  # Sorry, or no answer to what was asked
                self._fail(node_id, peer)
            elif len(peer.answers) < MAX_AHEAD:
                peer.since_us = self._clock.now_us
                peer.answers.append(word)
                self._go_on(node_id, peer)

    # Asking

    def _ask(self, node_id: bytes, peer: _Peer, round_no: int) -> None:
        if peer.round_no != round_no:
            return
        peer.answers.clear()
        peer.is_busy, peer.told = False, None
        if peer.incarnation == NOWHERE and self._main.store.last_commit == 0:
            self._expect(node_id, peer, Page, Ask(self._network.id, None, 0))
        else:
            self._expect(node_id, peer, Digests, AskDigests(self._network.id, peer.incarnation, peer.commit_no))

    def _expect(self, node_id: bytes, peer: _Peer, kind: type[Page] | type[Digests], question: Question) -> None:
        if peer.expects is None:
            self._clock.after(int(ANSWER_S * 1e6), self._watch, node_id, peer, peer.round_no)
        peer.expects, peer.since_us = kind, self._clock.now_us
        self._send(node_id, question)

    def _watch(self, node_id: bytes, peer: _Peer, round_no: int) -> None:
        """The wait for each next answer ends after so long."""
        if peer.round_no != round_no or peer.expects is None:
            return
        end_us = peer.since_us + int(ANSWER_S * 1e6)
        if end_us > self._clock.now_us or peer.is_busy:
            self._clock.at(max(end_us, self._clock.now_us + 1_000_000), self._watch, node_id, peer, round_no)
        else:
            self._fail(node_id, peer)

    def _fail(self, node_id: bytes, peer: _Peer) -> None:
        """A round that failed is tried again, after a longer rest each time."""
        peer.expects = None
        self._clock.after(int(peer.rest_s * 1e6), self._ask, node_id, peer, peer.round_no)
        peer.rest_s = min(2 * peer.rest_s, LONGEST_REST_S)

    def _complete(self, node_id: bytes, peer: _Peer) -> None:
        peer.expects, peer.rest_s = None, FIRST_REST_S
        rest_s = AGAIN_S * (0.5 + self._random.random())
        self._clock.after(int(rest_s * 1e6), self._ask, node_id, peer, peer.round_no)

    def _go_on(self, node_id: bytes, peer: _Peer) -> None:
        """One answer is under way at a time."""
        if peer.is_busy or not peer.answers or peer.expects is None:
            return
        answer = peer.answers.popleft()
        moved = answer.incarnation != peer.incarnation or answer.next_commit > peer.commit_no
        if answer.more and not moved:
            self._fail(node_id, peer)
        elif isinstance(answer, Page):
            self._take_page(node_id, peer, answer)
        else:
            self._take_digests(node_id, peer, answer)

    def _take_digests(self, node_id: bytes, peer: _Peer, told: Digests) -> None:
        """What is missing is asked for when gossip has had the time to bring it."""
        missing = self._missing(told.digests)
        if not missing or told.more:
            self._want(node_id, peer, told, missing)
            return
        peer.is_busy = True
        self._clock.after(int(SETTLE_S * 1e6), self._settled, node_id, peer, peer.round_no, told, missing)

    def _settled(self, node_id: bytes, peer: _Peer, round_no: int, told: Digests, missing: Sequence[bytes]) -> None:
        if peer.round_no == round_no and peer.is_busy:
            peer.is_busy, peer.since_us = False, self._clock.now_us
            self._want(node_id, peer, told, self._missing(missing))

    def _missing(self, digests: Sequence[bytes]) -> list[bytes]:
        return [digest for digest in digests if digest not in self._main.digests]

    def _want(self, node_id: bytes, peer: _Peer, told: Digests, missing: list[bytes]) -> None:
        if not missing:
            self._told(node_id, peer, told)
            return
        after = peer.commit_no if told.incarnation == peer.incarnation else 0
        peer.told = told
        self._expect(node_id, peer, Page, Want(told.incarnation, after, told.next_commit, missing))

    def _told(self, node_id: bytes, peer: _Peer, told: Digests) -> None:
        """All that these digests name is here."""
        peer.incarnation, peer.commit_no = told.incarnation, told.next_commit
        if told.more:
            self._ask(node_id, peer, peer.round_no)
        else:
            self._complete(node_id, peer)

    def _take_page(self, node_id: bytes, peer: _Peer, page: Page) -> None:
        """The cursor follows what is durable."""
        peer.is_busy = True
        round_no = peer.round_no

        def durable() -> None:
            if peer.round_no != round_no or not peer.is_busy:
                return
            peer.is_busy = False
            peer.since_us = self._clock.now_us
            peer.incarnation, peer.commit_no = page.incarnation, page.next_commit
            if page.more:
                self._go_on(node_id, peer)
            elif peer.told is not None:
                told, peer.told = peer.told, None
                self._told(node_id, peer, told)
            else:
                self._complete(node_id, peer)

        parts = self._open(page)
        if not parts:
            durable()
            return
        self.caught_up += sum([len(part.envelopes) for part in parts])
        findings = [Finding(data=self._sense.frame_alone(part)) for part in parts]
        entry = entry_of(CaughtUp(node_id), parts, findings)
        self._main.take(entry, lambda: self._main.when_durable(durable))

    def _open(self, page: Page) -> list[Part]:
        parts: list[Part] = []
        for data in page.frames:
            try:
                frame = self._sense.open(data, None)
            except Refusal:
                continue
            parts += parts_of(frame)[0]
            expires_ats = [envelope.body.expires_at for envelope in frame.envelopes()]
            self._main.digests.let_go(data, expires_ats, self._clock.unix_ms)
        return parts

    # Serving

    def _answer(self, node_id: bytes, asked: Question) -> None:
        store = self._main.store
        if isinstance(asked, Want):
            if asked.incarnation != store.incarnation:
                self._send(node_id, Sorry("other-incarnation"))
            else:
                self._give(node_id, self._peers[node_id].round_no, asked, set(asked.digests), asked.after)
            return
        after = asked.commit_no if asked.incarnation == store.incarnation else 0
        if asked.network_id != self._network.id:
            self._send(node_id, Sorry("other-network"))
        elif isinstance(asked, Ask):
            self._tell(node_id, self._peers[node_id].round_no, after)
        else:
            found = self._main.digests.after(after, MAX_DIGESTS)
            assert found is not None, "a world is shorter than what digests remember"
            digests, after, more = found
            self._send(node_id, Digests(store.incarnation, after, more, digests))

    def _tell(self, node_id: bytes, round_no: int, after: int) -> None:
        """A page, and after it the next; a peer that is gone, or came again, gets no more."""
        if self._peers[node_id].round_no == round_no:
            items, after, more = self._read(after)
            page = Page(self._main.store.incarnation, after, more, [item.data for item in items])
            self._send_page(node_id, page, lambda: self._tell(node_id, round_no, after))

    def _give(self, node_id: bytes, round_no: int, want: Want, wanted: Collection[bytes], after: int) -> None:
        more, frames = True, list[bytes]()
        while more and not frames:
            items, after, more = self._read(after)
            more = more and after < want.until
            frames = [item.data for item in items if digest_of(item.data) in wanted]
        if self._peers[node_id].round_no == round_no:
            page = Page(want.incarnation, after, more, frames)
            self._send_page(node_id, page, lambda: self._give(node_id, round_no, want, wanted, after))

    def _send_page(self, node_id: bytes, page: Page, go_on: Callable[[], None]) -> None:
        peer, size_bytes = self._peers[node_id], sum([len(frame) for frame in page.frames])
        try:
            wait_s = self._pace.wait_s(peer.given_bytes, size_bytes, self._clock.now_us / 1e6)
        except TimeoutError:  # a node resets the stream
            self._send(node_id, Sorry("timeout"))
            return
        peer.given_bytes += size_bytes
        self._clock.after(int(wait_s * 1e6), self._page_due, node_id, peer.round_no, page, go_on)

    def _page_due(self, node_id: bytes, round_no: int, page: Page, go_on: Callable[[], None]) -> None:
        if self._peers[node_id].round_no == round_no:
            self._send(node_id, page)
            if page.more:
                go_on()

    def _read(self, after: int) -> tuple[list[StoredItem], int, bool]:
        store = self._main.store
        items = store.log(after, PAGE_BYTES)
        next_commit = items[-1].first_commit + items[-1].count - 1 if items else max(after, store.last_commit)
        return items, next_commit, bool(items) and next_commit < store.last_commit

    def _send(self, node_id: bytes, word: Word) -> None:
        self._say(node_id, word, len(pack(word)) + 4)
