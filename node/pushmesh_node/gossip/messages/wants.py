"""Which announced messages are asked of whom (IHAVE and IWANT). Knows no score and sends nothing.

Few ids are asked of one peer at a time, as an honest one answers only so many bytes; whoever else announced an id is
remembered and asked once the follow-up ends: first one peer, then two at once, then four, so that many liars delay a
message by few follow-ups, and strangers none that somebody who earned trust announces: who did is asked beside them.
What one peer announces takes room from no other.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

_MOST_AT_ONCE: Final = 4

Rank = Callable[[bytes], "tuple[bool, float] | None"]
"""How gladly a peer is asked: in good faith before in doubt, then by score; None for never."""


@dataclass(slots=True)
class Asking:
    """What to ask of one peer: `ids`, and those among them that it promised."""

    ids: list[bytes] = field(default_factory=list)
    promised: list[bytes] = field(default_factory=list)


@dataclass(slots=True)
class _Want:
    words: dict[bytes, bool] = field(default_factory=dict)  # who was not asked yet, and whether it promised
    asked: dict[bytes, None] = field(default_factory=dict)  # whose answer is awaited
    trusted: dict[bytes, None] = field(default_factory=dict)  # those among the words that earned it
    until_ms: int = 0
    rounds: int = 0
    is_trusted: bool = False  # somebody who earned it is asked in this round


class Wants:
    """One per node; its times are those of the follow-up."""

    def __init__(self, followup_ms: int, max_asked_per_peer: int, max_words_per_peer: int) -> None:
        self._followup_ms = followup_ms
        self._max_asked = max_asked_per_peer
        self._max_words = max_words_per_peer
        self._wants: dict[bytes, _Want] = {}
        self._words_of: dict[bytes, dict[bytes, None]] = {}  # ids that a peer has by its word, asked of it or not
        self._asked_of: dict[bytes, int] = {}

    def __len__(self) -> int:
        """Ids that are wanted."""
        return len(self._wants)

    def announced(
        self, peer: bytes, ids: Iterable[bytes], now_ms: int, *, at_once: bool, earned: bool = False
    ) -> list[bytes]:
        """A peer promised them. Which to ask of it now; where not `at_once`, `due` finds out whom to ask. One that is
        `earned` is asked beside strangers that were asked before."""
        ask: list[bytes] = []
        for one in ids:
            want = self._note(peer, one, now_ms, promised=True)
            if want is None or not self._has_window(peer):
                continue
            if (earned and not want.is_trusted) or (at_once and not want.rounds and not want.asked):
                self._ask(one, want, peer, now_ms, earned=earned)
                ask.append(one)
        return ask

    def heard(
        self,
        peer: bytes,
        ids: Iterable[bytes],
        now_ms: int,
        patience_ms: int,
        enough: int,
        *,
        earned: bool = False,
    ) -> dict[bytes, Asking]:
        """A peer promised what others will push. Asked for once `enough` peers have it, of the first of them, rather of
        one that is `earned`; or by `due`, after the patience."""
        asks: dict[bytes, Asking] = {}
        for one in ids:
            want = self._note(peer, one, now_ms + patience_ms, promised=True)
            if want is None:
                continue
            if earned:
                want.trusted[peer] = None
            if want.rounds or want.asked:
                if earned and not want.is_trusted and self._has_window(peer):
                    _add(asks, peer, one, self._ask(one, want, peer, now_ms, earned=True))
            elif len(want.words) >= enough:
                first = next((name for name in (*want.trusted, *want.words) if self._has_window(name)), None)
                if first is not None:
                    _add(asks, first, one, self._ask(one, want, first, now_ms, earned=first in want.trusted))
        return asks

    def hoped(self, peer: bytes, message_id: bytes, now_ms: int) -> None:
        """A peer may well have it, though it promised nothing."""
        self._note(peer, message_id, now_ms, promised=False)

    def _note(self, peer: bytes, one: bytes, now_ms: int, *, promised: bool) -> _Want | None:
        words = self._words_of.get(peer)
        if words is None:
            words = self._words_of[peer] = {}
        if one in words or len(words) >= self._max_words:
            return None
        want = self._wants.get(one)
        if want is None:
            want = self._wants[one] = _Want(until_ms=now_ms)
        words[one] = None
        want.words[peer] = promised
        return want

    def arrived(self, message_id: bytes, now_ms: int) -> dict[bytes, Asking]:
        """It is wanted no more; what to ask next of those whose window became half free by it."""
        want = self._wants.pop(message_id, None)
        if want is None:
            return {}
        for peer in want.words:
            self._drop_word(peer, message_id)
        asks: dict[bytes, Asking] = {}
        for peer in want.asked:
            self._release(peer, message_id)
            if self._asked_of.get(peer, 0) <= self._max_asked // 2:
                self._ask_next(peer, now_ms, asks)
        return asks

    def _ask_next(self, peer: bytes, now_ms: int, asks: dict[bytes, Asking]) -> None:
        for one in self._words_of.get(peer, ()):
            if not self._has_window(peer):
                return
            want = self._wants[one]
            if peer in want.words and not want.rounds:
                _add(asks, peer, one, self._ask(one, want, peer, now_ms))

    def due(self, now_ms: int, rank: Rank) -> dict[bytes, Asking]:
        """Whom to ask at this heartbeat, best rank first. The word of a peer without a rank is forgotten."""
        asks: dict[bytes, Asking] = {}
        ranks: dict[bytes, tuple[bool, float]] = {}  # of each peer once: liars have their words in many wants
        for one, want in list(self._wants.items()):
            if want.until_ms > now_ms:
                continue
            for peer in want.asked:
                self._release(peer, one)
            want.asked.clear()
            want.is_trusted = False
            for peer in self._best(one, want, rank, ranks):
                _add(asks, peer, one, self._ask(one, want, peer, now_ms))
            if not want.asked and not want.words:
                del self._wants[one]
        return asks

    def _best(self, one: bytes, want: _Want, rank: Rank, ranks: dict[bytes, tuple[bool, float]]) -> list[bytes]:
        asked_of, most = self._asked_of, self._max_asked
        willing: list[bytes] = []
        for peer in list(want.words):
            if peer not in ranks:
                faith = rank(peer)
                if faith is None:
                    self._forget_word(one, want, peer)
                    continue
                ranks[peer] = faith
            if asked_of.get(peer, 0) < most:
                willing.append(peer)
        willing.sort(key=ranks.__getitem__, reverse=True)
        return willing[: min(1 << want.rounds, _MOST_AT_ONCE)]

    def forget(self, peer: bytes) -> None:
        """It is gone: what was asked of it is due for another."""
        for one in self._words_of.pop(peer, ()):
            want = self._wants[one]
            want.words.pop(peer, None)
            want.trusted.pop(peer, None)
            if peer in want.asked:
                del want.asked[peer]
                want.until_ms = want.until_ms if want.asked else 0
            if not want.asked and not want.words:
                del self._wants[one]
        self._asked_of.pop(peer, None)

    def _has_window(self, peer: bytes) -> bool:
        return self._asked_of.get(peer, 0) < self._max_asked

    def _ask(self, one: bytes, want: _Want, peer: bytes, now_ms: int, *, earned: bool = False) -> bool:
        """Whether the peer promised it."""
        if not want.asked:
            want.rounds += 1
        if not want.asked or earned:
            want.until_ms = now_ms + self._followup_ms
        want.is_trusted = want.is_trusted or earned
        want.asked[peer] = None
        self._asked_of[peer] = self._asked_of.get(peer, 0) + 1
        return want.words.pop(peer)

    def _release(self, peer: bytes, one: bytes) -> None:
        """Its answer is not awaited any more."""
        self._asked_of[peer] -= 1
        if not self._asked_of[peer]:
            del self._asked_of[peer]
        self._drop_word(peer, one)

    def _forget_word(self, one: bytes, want: _Want, peer: bytes) -> None:
        del want.words[peer]
        want.trusted.pop(peer, None)
        self._drop_word(peer, one)

    def _drop_word(self, peer: bytes, one: bytes) -> None:
        words = self._words_of[peer]
        del words[one]
        if not words:
            del self._words_of[peer]


def _add(asks: dict[bytes, Asking], peer: bytes, one: bytes, promised: bool) -> None:
    asking = asks.setdefault(peer, Asking())
    asking.ids.append(one)
    if promised:
        asking.promised.append(one)
