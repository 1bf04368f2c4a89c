"""What this node knows of peers and makes of it: where they are, how they behaved, whom to dial and whom to refuse.

It brings the pure book and bans together with connections, and tells main what is worth keeping."""

import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

import structlog

from ..gossip.events import Remembered as ScoreRemembered
from ..gossip.router import Router
from ..ipc import MAX_BOOK_ADDRESSES, MAX_BOOK_ENTRIES, Book, BookEntry
from .address import parse_address
from .bans import Ban, Bans
from .book import PeerBook, Remembered
from .connection import Connection, Identity
from .errors import AddressError, PeerError
from .hosts import Address, may_tell
from .introductions import Introductions
from .records import open_record
from .stats import Counters

LASTED_MS: Final = 30_000  # a connection this old was a good one
MAX_SCORE_MILLI: Final = 10**12
FAULTS: Final = frozenset({"malformed-rpc", "too-many-streams", "violation"})
"""Reasons for which this node ended a connection, and for which no honest peer gives cause."""

GRAYLISTED: Final = "graylisted"

log = structlog.get_logger()


class Acquaintances:
    """`hear` takes the addresses of one peer that another one told. `now_ms` is steady, `wall_ms` the world's time."""

    def __init__(
        self,
        book: PeerBook,
        bans: Bans,
        router: Router,
        hear: Callable[[Sequence[Address]], object],
        counters: Counters,
        now_ms: Callable[[], int],
        wall_ms: Callable[[], int],
    ) -> None:
        self.book = book
        self.bans = bans
        self.introductions = Introductions(hear, counters)
        self.has_news = False
        """Whether main should hear of it soon: somebody was banned."""

        self._router = router
        self._counters = counters
        self._now_ms = now_ms
        self._wall_ms = wall_ms

    # Connections

    def came(self, connection: Connection) -> None:
        """It was admitted."""
        if connection.dialled is not None:
            self.book.add(connection.dialled)
        self.book.seen(connection.node_id, self._wall_ms())

    def went(self, connection: Connection) -> None:
        """It ended; what it ended for may cost the peer and its host."""
        node_id, now_ms = connection.node_id, self._now_ms()
        self.book.seen(node_id, self._wall_ms(), self._score_milli(node_id))
        if now_ms - connection.opened_ms >= LASTED_MS:
            self.book.lasted(node_id)
        self.book.failed(node_id, now_ms, jitter())
        if connection.reason == GRAYLISTED:
            self.bans.graylist(connection.remote[0], node_id, now_ms)
            self._banned(node_id)
        elif connection.reason in FAULTS and self.bans.fault(connection.remote[0], node_id, now_ms):
            self._banned(node_id)

    def offended(self, connection: Connection) -> None:
        """It did on a stream what no honest peer does; one time too many ends the connection."""
        if self.bans.fault(connection.remote[0], connection.node_id, self._now_ms()):
            self._banned(connection.node_id)
            connection.close("banned")

    def _banned(self, node_id: bytes) -> None:
        log.warning("peer banned", peer=node_id.hex())
        self._counters.add("peers_banned")
        self.has_news = True

    def ban(self, node_id: bytes, seconds: int) -> None:
        """The operator's; 0 lifts it."""
        self.bans.peers.set(node_id, Ban(self._now_ms() + seconds * 1_000, 1))
        self.has_news = True

    def learn(self, connection: Connection, identity: Identity) -> bytes:
        """From a peer's own word: without a signature only where it spoke from, else it could make this node dial
        strangers. Gives its signed record if that holds, which others may be handed, else b""."""
        node_id, host = connection.node_id, connection.remote[0]
        for address in identity.addresses:
            if address.host == host:
                self.book.add(replace(address, node_id=node_id))
        self.book.seen(node_id, self._wall_ms())
        if not identity.record:
            return b""
        try:
            record = open_record(identity.record)
        except PeerError as error:
            log.debug("peer record not used", peer=node_id.hex(), error=str(error))
            return b""
        if record.node_id != node_id or not self.introductions.is_news(record):
            return b""
        self.book.hear(address for address in record.addresses if may_tell(host, address))
        return identity.record

    # What lasts

    def remember(self, entries: Iterable[BookEntry]) -> None:
        """What an earlier process told main."""
        now_ms, wall_ms = self._now_ms(), self._wall_ms()
        for entry in entries:
            addresses = [address for text in entry.addresses if (address := _address(text, entry.node_id)) is not None]
            self.book.remember(
                Remembered(entry.node_id, tuple(addresses), entry.last_seen_ms, entry.score_milli, entry.proven)
            )
            if entry.banned_until_ms:
                self.bans.peers.set(entry.node_id, Ban(now_ms + entry.banned_until_ms - wall_ms, entry.bans))
            if entry.score_milli < 0:
                self._router.handle(ScoreRemembered(entry.node_id, entry.score_milli), now_ms)

    def tell(self, connected: Iterable[bytes]) -> Book:
        """What the next process should know."""
        self.has_news = False
        now_ms, wall_ms = self._now_ms(), self._wall_ms()
        for node_id in connected:
            self.book.seen(node_id, wall_ms, self._score_milli(node_id))
        bans = self.bans.peers.kept(now_ms)
        known = {each.node_id: each for each in self.book.entries(MAX_BOOK_ENTRIES // 2)}
        names = [*known, *(node_id for node_id in bans if node_id not in known)][:MAX_BOOK_ENTRIES]
        return Book([_entry(name, known.get(name), bans.get(name), wall_ms - now_ms) for name in names])

    def _score_milli(self, node_id: bytes) -> int:
        score_milli = int(self._router.score_of(node_id) * 1_000)
        return max(-MAX_SCORE_MILLI, min(MAX_SCORE_MILLI, score_milli))


def _entry(node_id: bytes, known: Remembered | None, ban: Ban | None, wall_less_steady_ms: int) -> BookEntry:
    known = known or Remembered(node_id, ())
    return BookEntry(
        node_id,
        [str(address) for address in known.addresses[:MAX_BOOK_ADDRESSES]],
        known.last_seen_ms,
        known.score_milli,
        known.proven,
        max(1, ban.until_ms + wall_less_steady_ms) if ban is not None else 0,
        ban.times if ban is not None else 0,
    )


def _address(text: str, node_id: bytes) -> Address | None:
    """None for what an older version could dial and this one cannot."""
    try:
        address = parse_address(text)
    except AddressError:
        return None
    return address if address.node_id == node_id else None


def jitter() -> float:
    """From 0 to 1, for back-offs."""
    return secrets.randbelow(1000) / 1000
