"""Catch-up between simulated nodes: the rounds of `app.catch_up` as messages on the simulated network."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from pushmesh_protocol.codec import pack
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.frames import Part
from pushmesh_protocol.limits import CATCH_UP_PAGE_BYTES
from pushmesh_protocol.network import Network

from ...app.catch_up import AGAIN_S, ANSWER_S, Ask, Page, Sorry
from ...app.offers import Finding, entry_of, parts_of
from ...engine.events import CaughtUp
from .clock import Clock
from .main_half import MainHalf
from .sense import SharedSense

Word = Ask | Page | Sorry

MAX_PAGES_AHEAD = 4
"""What a stream's window holds; a peer that sends more is not read."""


@dataclass(slots=True)
class _Peer:
    incarnation: bytes | None = None
    commit_no: int = 0
    asked_no: int = 0
    waiting: bool = False  # for a page
    busy: bool = False  # with one
    pages: deque[Page] = field(default_factory=deque)


class CatchUpRounds:
    """Asks each connected peer at once and again and again, and answers their questions. `say(peer, word, size)` sends.

    Cursors of peers stay as long as the node, as in its store."""

    def __init__(
        self,
        network: Network,
        main: MainHalf,
        sense: SharedSense,
        clock: Clock,
        say: Callable[[bytes, Word, int], None],
    ) -> None:
        self.caught_up = 0
        """Envelopes that pages brought, new or not."""
        self._network = network
        self._main = main
        self._sense = sense
        self._clock = clock
        self._say = say
        self._peers: dict[bytes, _Peer] = {}
        self._connected: dict[bytes, int] = {}
        self._rounds = 0

    def peer_came(self, node_id: bytes) -> None:
        """Start to ask a peer."""
        self._rounds += 1
        self._connected[node_id] = self._rounds
        self._ask(node_id, self._rounds)

    def peer_left(self, node_id: bytes) -> None:
        """Ask no more."""
        self._connected.pop(node_id, None)

    def take(self, node_id: bytes, word: Word) -> None:
        """A word of a peer."""
        round_no = self._connected.get(node_id)
        if round_no is None:
            return
        if isinstance(word, Ask):
            self._answer(node_id, word)
        elif isinstance(word, Page) and self._peers[node_id].waiting:
            peer = self._peers[node_id]
            peer.waiting = word.more
            if len(peer.pages) < MAX_PAGES_AHEAD:
                peer.pages.append(word)
            self._next_page(node_id, round_no)

    # Asking

    def _ask(self, node_id: bytes, round_no: int) -> None:
        if self._connected.get(node_id) != round_no:
            return
        peer = self._peers.setdefault(node_id, _Peer())
        peer.waiting, peer.busy = True, False
        peer.pages.clear()
        peer.asked_no += 1
        self._send(node_id, Ask(self._network.id, peer.incarnation, peer.commit_no))
        self._clock.after(int(ANSWER_S * 1e6), self._give_up, node_id, round_no, peer.asked_no)

    def _give_up(self, node_id: bytes, round_no: int, asked_no: int) -> None:
        peer = self._peers[node_id]
        if self._connected.get(node_id) == round_no and peer.waiting and peer.asked_no == asked_no:
            self._ask(node_id, round_no)

    def _next_page(self, node_id: bytes, round_no: int) -> None:
        """One page is under way at a time, and the cursor follows what is durable."""
        peer = self._peers[node_id]
        if peer.busy or not peer.pages:
            return
        page = peer.pages.popleft()
        moved = page.incarnation != peer.incarnation or page.next_commit > peer.commit_no
        if page.more and not moved:
            self._rest(node_id, round_no)
            return
        peer.busy = True
        asked_no = peer.asked_no

        def durable() -> None:
            if peer.asked_no != asked_no:
                return
            peer.busy = False
            peer.incarnation, peer.commit_no = page.incarnation, page.next_commit
            if page.more:
                self._next_page(node_id, round_no)
            else:
                self._rest(node_id, round_no)

        parts = self._open(page)
        if not parts:
            durable()
            return
        self.caught_up += sum([len(part.envelopes) for part in parts])
        findings = [Finding(data=self._sense.frame_alone(part)) for part in parts]
        self._main.take(entry_of(CaughtUp(node_id), parts, findings), lambda: self._main.when_durable(durable))

    def _open(self, page: Page) -> list[Part]:
        parts: list[Part] = []
        for data in page.frames:
            try:
                parts += parts_of(self._sense.open(data, None))[0]
            except Refusal:
                continue
        return parts

    def _rest(self, node_id: bytes, round_no: int) -> None:
        self._clock.after(int(AGAIN_S * 1e6), self._ask, node_id, round_no)

    # Serving

    def _answer(self, node_id: bytes, ask: Ask) -> None:
        store = self._main.store
        after = ask.commit_no if ask.incarnation == store.incarnation else 0
        while True:
            end = store.last_commit
            items = store.log(after, CATCH_UP_PAGE_BYTES - 4_096)
            next_commit = items[-1].first_commit + items[-1].count - 1 if items else max(after, end)
            more = bool(items) and next_commit < store.last_commit
            self._send(node_id, Page(store.incarnation, next_commit, more, [item.data for item in items]))
            after = next_commit
            if not more:
                return

    def _send(self, node_id: bytes, word: Word) -> None:
        size = sum([len(data) + 5 for data in word.frames]) + 64 if isinstance(word, Page) else len(pack(word))
        self._say(node_id, word, size + 4)
