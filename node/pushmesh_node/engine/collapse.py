"""Which notifications gave their place to a newer one with their topic and collapse key (SPEC 4.23)."""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final

from msgspec.structs import replace

from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.kinds import Notification
from pushmesh_protocol.types import Account, EnvelopeId

from .expiries import Expiries
from .retractions import Retractions

MAX_COLLAPSING_BYTES = 128 * 1024 * 1024
"""Of memory, as it is estimated here. What no longer fits is forgotten, the soonest to expire first: then an older one
may be shown beside the newest."""

MOST_LOOKED_AT: Final = 256
"""Newer ones of a line that are looked at for one message and wallet, the newest first: nearly always the first counts,
but a sender can make very many that do not. An older one may then be shown beside the newest, too."""

_ONE_BYTES, _LISTED_BYTES = 1_500, 100

_EVERYBODY: Final = b""
_LISTS: Final = b"*"
"""In place of an account: who subscribed, and lists of several."""

Line = tuple[Topic, str, bytes]
"""Topic, collapse key, and whom it is for."""


class Collapses:
    """The live notifications with a collapse key, without their content."""

    def __init__(self, retractions: Retractions) -> None:
        self._retractions = retractions
        self._lines: dict[Line, list[tuple[tuple[int, int, bytes], Envelope]]] = {}
        self._listed: Counter[tuple[Topic, str]] = Counter()
        self._held: dict[EnvelopeId, tuple[Line, Envelope]] = {}
        self._expiries = Expiries()
        self._bytes = 0

    def __len__(self) -> int:
        """Notifications that are held."""
        return len(self._held)

    def add(self, envelope: Envelope) -> None:
        """Take in a notification with a collapse key whose slot is not void; twice changes nothing."""
        if envelope.id in self._held:
            return
        line = _line_of(envelope)
        slim = _without_content(envelope)
        self._held[envelope.id] = (line, slim)
        insort(self._lines.setdefault(line, []), (envelope.order, slim), key=lambda entry: entry[0])
        if line[2] != _EVERYBODY:
            self._listed[line[:2]] += 1
        self._expiries.add(envelope.body.expires_at, envelope.id)
        self._bytes += _weight(slim)
        while self._bytes > MAX_COLLAPSING_BYTES:
            self.withdraw(self._expiries.soonest())

    def withdraw(self, envelope_id: EnvelopeId) -> bool:
        """Unlearn a notification, void or expired; False where it was not held."""
        held = self._held.pop(envelope_id, None)
        if held is None:
            return False
        line, slim = held
        entries = self._lines[line]
        del entries[bisect_left(entries, slim.order, key=lambda entry: entry[0])]
        if not entries:
            del self._lines[line]
        if line[2] != _EVERYBODY:
            self._listed[line[:2]] -= 1
            if not self._listed[line[:2]]:
                del self._listed[line[:2]]
        self._bytes -= _weight(slim)
        return True

    def sweep(self, now_ms: int) -> None:
        """Forget what has expired; costs what it removes."""
        for envelope_id in self._expiries.due(now_ms):
            self.withdraw(envelope_id)

    def is_same_for_all(self, envelope: Envelope) -> bool:
        """Whether what became of a message to all subscribers cannot differ between two of them."""
        body = envelope.body
        if not isinstance(body, Notification) or body.collapse is None or body.topic is None:
            return True
        return (body.topic, body.collapse) not in self._listed

    def taker_of(
        self,
        envelope: Envelope,
        account: Account,
        now_ms: int,
        *,
        subscribed: bool,
        wants: Callable[[Notification], bool] = lambda _newer: True,
    ) -> EnvelopeId | None:
        """The newest notification that took the place of this one for a wallet, of those that its settings let through;
        None where none did."""
        whom = (_EVERYBODY, account, _LISTS) if subscribed else (account, _LISTS)
        return self._newest(envelope, whom, account, now_ms, wants)

    def taker_for_all(self, envelope: Envelope, now_ms: int) -> EnvelopeId | None:
        """The newest that took the place of a notification to all subscribers for whoever got that one, whatever their
        settings."""
        note = envelope.body
        if not isinstance(note, Notification) or note.audience is not None:
            return None

        def passes(newer: Notification) -> bool:
            return newer.category in (note.category, None) and newer.priority >= note.priority

        return self._newest(envelope, (_EVERYBODY,), _EVERYBODY, now_ms, passes)

    def _newest(
        self,
        envelope: Envelope,
        whom: Sequence[bytes],
        account: bytes,
        now_ms: int,
        wants: Callable[[Notification], bool],
    ) -> EnvelopeId | None:
        body = envelope.body
        if not isinstance(body, Notification) or body.collapse is None or body.topic is None:
            return None
        best: Envelope | None = None
        for each in whom:
            newest_first = reversed(self._lines.get((body.topic, body.collapse, each), ()))
            for order, newer in islice(newest_first, MOST_LOOKED_AT):
                if order <= (envelope if best is None else best).order:
                    break
                if self._counts(newer, account, now_ms, wants):
                    best = newer
                    break
        return None if best is None else best.id

    def _counts(self, newer: Envelope, account: bytes, now_ms: int, wants: Callable[[Notification], bool]) -> bool:
        body = newer.body
        assert isinstance(body, Notification)  # nothing else is held
        if body.expires_at <= now_ms or (body.not_before or 0) > now_ms:
            return False
        if (body.audience is not None and not _lists(body.audience, account)) or not wants(body):
            return False
        return self._retractions.of(newer) is None and not self._retractions.is_revoked(newer)


def _line_of(envelope: Envelope) -> Line:
    body = envelope.body
    assert isinstance(body, Notification) and body.topic is not None and body.collapse is not None  # the caller looked
    audience = body.audience
    whom = _EVERYBODY if audience is None else audience[0] if len(audience) == 1 else _LISTS
    return body.topic, body.collapse, whom


def _lists(audience: Sequence[bytes], account: bytes) -> bool:
    place = bisect_left(audience, account)
    return place < len(audience) and audience[place] == account


def _without_content(envelope: Envelope) -> Envelope:
    """All that decides whom it is for, who signed it, and when it ends."""
    body = replace(envelope.body, title=None, body=None, url=None, actions=None, sealed=None)
    return replace(envelope, body=body, body_bytes=b"")


def _weight(slim: Envelope) -> int:
    body = slim.body
    listed = len(body.audience or ()) if isinstance(body, Notification) else 0
    return _ONE_BYTES + _LISTED_BYTES * listed
