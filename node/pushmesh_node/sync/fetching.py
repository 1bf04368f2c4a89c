"""The second half of a round: from ids that are missing to frames that were taken (SPEC 9.9, 9.10, 9.13).

Ids are claimed, their heads looked at, the most wanted items asked for first, two wants ahead."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.reasons import Reason

from .claims import Claims
from .memory import PASSING, PeerMemory
from .ports import Effect, Outcomes, OwnTags, Say, Show
from .wishes import Wishes
from .words import MAX_WANTED, Frames, Head, IdRange, Want, WantedItem, ids_of

WANTS_AHEAD: Final = 2
PAGES_AHEAD: Final = 3
"""Pages of frames that may wait to be taken before more is asked for."""

WANT_ENVELOPES: Final = 2_048
WANT_BYTES: Final = 512 * 1024
"""A want ends with the item that reaches either."""

MAX_QUEUED: Final = 262_144
"""Ids whose heads are known. With so many, or when all that is listed was looked at, they are fetched; once half of
them are, more heads are asked for."""

LEAST_QUEUED: Final = 16_384
"""So many each peer may have, however many others have."""

SOME: Final = 8
"""Where fewer than one in so many of a run's leaves are missing, these alone are asked for."""

SLACK_BYTES: Final = 65_536
PAGE_COST_BYTES: Final = 64
LEAF_BYTES: Final = 2_048
MAX_SHOWN: Final = 64


@dataclass(slots=True)
class _Item:
    head: Head
    ids: dict[bytes, int]  # to their indexes


@dataclass(slots=True)
class _Wanted:
    ids: set[bytes]
    runs: set[int]  # that come whole
    room_bytes: int
    pages: int = 0
    is_whole: bool = False


class Fetching:
    """Of one peer; `begin` starts over, `close` gives back all claims."""

    def __init__(self, peer: bytes, claims: Claims, memory: PeerMemory, own_tags: OwnTags) -> None:
        self.unresolved = 0
        """Ids of this round that time may mend."""

        self.elsewhere = 0
        """Ids of this round that are being asked of another peer."""

        self._peer = peer
        self._claims = claims
        self._memory = memory
        self._own_tags = own_tags
        self._asked: list[bytes] = []
        self._probing: list[_Item] = []
        self.is_probing = False
        self._wishes = Wishes(own_tags())
        self._is_full = False
        self._wants: dict[int, _Wanted] = {}
        self._untaken = 0
        self._want_no = 0
        self._pending: set[bytes] = set()
        self._shown = 0

    def begin(self) -> None:
        """A round begins; what an earlier one left is let go."""
        self.close()
        self.unresolved = self.elsewhere = self._shown = 0

    def close(self) -> None:
        """Others may be asked. Idempotent."""
        self._claims.release(self._peer, self._pending)
        self._pending.clear()
        self._asked, self._probing, self.is_probing = [], [], False
        self._wishes = Wishes(self._own_tags())
        self._is_full = False
        self._wants.clear()

    @property
    def missing(self) -> int:
        """Ids that are known to be missing here and not yet taken."""
        return len(self._pending) + self.unresolved + self.elsewhere

    @property
    def waits(self) -> bool:
        """Whether frames are to come."""
        return any(not want.is_whole for want in self._wants.values())

    @property
    def is_fed(self) -> bool:
        """Whether frames that came wait to be taken: the next step is this node's own."""
        return self._untaken > 0

    def finds_room(self) -> bool:
        """Whether more heads may be asked for."""
        waiting = len(self._wishes)
        if waiting >= MAX_QUEUED or (waiting >= LEAST_QUEUED and not self._claims.has_room):
            self._is_full = True
        elif waiting <= max(LEAST_QUEUED, MAX_QUEUED // 2):
            self._is_full = False
        return not self._is_full

    @property
    def is_idle(self) -> bool:
        """Whether nothing is queued or under way."""
        return not self._wishes and not self._wants

    def claim(self, ids: Sequence[bytes], now_ms: int) -> list[bytes]:
        """Those that are to be asked of this peer, once each."""
        mine = []
        hold = (self._peer, now_ms)
        for id_ in ids:
            if id_ in self._pending or self._memory.is_settled(id_):
                continue
            if self._claims.claim(hold, id_):
                self._pending.add(id_)
                mine.append(id_)
            else:
                self.elsewhere += 1
        return mine

    def asked(self, ranges: Sequence[IdRange]) -> None:
        """The question for heads went out."""
        self._asked = ids_of(ranges)

    def heads(self, heads: Sequence[Head]) -> list[tuple[int, bytes]]:
        """What the peer says of the ids that were asked about; (issued-at, id) to look up here. Ids without a head were
        promised and are not there. Raises Refusal for places that cannot be."""
        left = set(range(len(self._asked)))
        self._probing = []
        for head in heads:
            if len(head.places) != len(head.indexes) or not left.issuperset(head.places):
                raise Refusal(Reason.MALFORMED, "9.9", "a head of what was not asked")
            if max(head.indexes) >= head.count or len(set(head.places)) != len(head.places):
                raise Refusal(Reason.MALFORMED, "9.9", "a head that names an envelope twice or none")
            left.difference_update(head.places)
            ids = {self._asked[place]: index for place, index in zip(head.places, head.indexes, strict=True)}
            self._probing.append(_Item(head, ids))
        self._resolve([(self._asked[place], None) for place in left])
        self._asked = []
        self.is_probing = True
        return [(item.head.issued_at, id_) for item in self._probing for id_ in item.ids]

    def probed(self, held: Mapping[bytes, int]) -> list[Effect]:
        """What the store holds outside of the sets is not asked for; the peer may be shown why."""
        shown: list[int] = []
        for item in self._probing:
            for id_ in [each for each in item.ids if each in held]:
                del item.ids[id_]
                self._drop(id_)
                self._memory.settle(id_)
                if self._shown < MAX_SHOWN:
                    self._shown += 1
                    shown.append(held[id_])
            if any(item.head.item_no in want.runs for want in self._wants.values()):
                for id_ in item.ids:
                    self._drop(id_)  # on its way with the rest of its run
            else:
                self._wishes.put(item.head, item.ids.items())
        self._probing, self.is_probing = [], False
        return [Show(shown)] if shown else []

    def wants(self, is_scanned: bool) -> list[Effect]:
        """The next questions for frames, once the heads of all that is missing were looked at (`is_scanned`), or as
        many as there is room for: only then is it known what comes first."""
        self._wishes.follow(self._own_tags())
        effects: list[Effect] = []
        while self._wishes and len(self._wants) < WANTS_AHEAD and self._untaken < PAGES_AHEAD:
            if not is_scanned and self.finds_room():
                break
            want = self._next_want(is_scanned)
            if want.items:
                effects.append(Say(want))
        return effects

    def _next_want(self, is_scanned: bool) -> Want:
        items: list[WantedItem] = []
        ids: set[bytes] = set()
        runs: set[int] = set()
        envelopes = size_bytes = 0
        while self._wishes and len(items) < MAX_WANTED and envelopes < WANT_ENVELOPES and size_bytes < WANT_BYTES:
            wish = self._wishes.pop()
            self._leave([id_ for id_ in wish.ids if not self._claims.is_held(self._peer, id_)], wish.ids)
            if not wish.ids:
                continue
            # While there is more to be looked at, more leaves of the run are likely to be missing.
            some = is_scanned and SOME * len(wish.ids) < wish.count
            if not some and wish.count > 1:
                runs.add(wish.item_no)
            ids.update(wish.ids)
            items.append(WantedItem(wish.item_no, sorted(wish.ids.values()) if some else None))
            envelopes += len(wish.ids) if some else wish.count
            size_bytes += LEAF_BYTES * len(wish.ids) if some else wish.size_bytes
        if items:
            self._want_no += 1
            self._wants[self._want_no] = _Wanted(ids, runs, 2 * size_bytes + SLACK_BYTES)
        return Want(self._want_no, items)

    def _leave(self, ids: Sequence[bytes], wished: dict[bytes, int]) -> None:
        """It took so long that another peer is asked for these."""
        for id_ in ids:
            del wished[id_]
            self._pending.discard(id_)
        self.elsewhere += len(ids)

    def frames(self, word: Frames) -> None:
        """A page came; it is taken next. Raises Refusal where it is out of turn, or more than the heads told."""
        want = self._wants.get(word.want_no)
        first = next((number for number, each in self._wants.items() if not each.is_whole), None)
        if want is None or word.want_no != first:
            raise Refusal(Reason.MALFORMED, "9.10", "frames that were not asked for")
        want.room_bytes -= sum([len(frame) for frame in word.frames]) + PAGE_COST_BYTES
        if want.room_bytes < 0:
            raise Refusal(Reason.MALFORMED, "9.10", "more bytes than were told")
        want.pages += 1
        want.is_whole = not word.more
        self._untaken += 1

    def taken(self, want_no: int, outcomes: Outcomes) -> None:
        """What became of a page. What a whole want did not bring was withheld."""
        if not want_no:
            return
        self._untaken -= 1
        want = self._wants.get(want_no)
        if want is None:
            return  # of a round that is over
        want.pages -= 1
        mine = [(id_, reason) for id_, reason in dict(outcomes).items() if id_ in want.ids]
        want.ids.difference_update([id_ for id_, _ in mine])
        self._resolve(mine)
        if want.is_whole and not want.pages:
            del self._wants[want_no]
            self._resolve([(id_, None) for id_ in want.ids])

    def _resolve(self, outcomes: Sequence[tuple[bytes, Reason | None]]) -> None:
        for id_, reason in outcomes:
            self._drop(id_)
            self._memory.answered(id_, reason)
            if reason in PASSING:
                self.unresolved += 1

    def _drop(self, id_: bytes) -> None:
        self._pending.discard(id_)
        self._claims.release(self._peer, (id_,))
