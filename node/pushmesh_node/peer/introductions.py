"""Peers that a trusted peer recommends: their signed records are checked apart from the gossip, one after the other,
and then their addresses are hearsay like any other. It dials nobody; the peer book does."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

import structlog
import trio

from ..gossip.effects import Dial
from .connection import Connection
from .errors import PeerError
from .hosts import Address, may_tell
from .records import PeerRecord, open_record
from .stats import Counters

MAX_WAITING: Final = 64
MAX_NEWEST: Final = 2_048

log = structlog.get_logger()


class Introductions:
    """`hear` takes the addresses of one peer, each with its node id, and says whether there was room for them."""

    def __init__(self, hear: Callable[[Sequence[Address]], object], counters: Counters) -> None:
        self._hear = hear
        self._counters = counters
        self._newest: OrderedDict[bytes, int] = OrderedDict()  # sequence number of the newest record of a peer
        self._send, self._receive = trio.open_memory_channel[tuple[str, Dial]](MAX_WAITING)

    def introduce(self, source: Connection, dial: Dial) -> None:
        """Never waits; what finds no room is counted."""
        try:
            self._send.send_nowait((source.remote[0], dial))
        except trio.WouldBlock:
            self._counters.add("introductions", "queue-full")

    async def run(self) -> None:
        """Until cancelled."""
        async for speaker, dial in self._receive:
            self._counters.add("introductions", self._take(speaker, dial))
            await trio.lowlevel.checkpoint()

    def _take(self, speaker: str, dial: Dial) -> str:
        """How it ended, as a label."""
        try:
            record = open_record(dial.record)
        except PeerError as error:
            log.debug("introduction not used", peer=dial.peer.hex(), error=str(error))
            return "malformed"
        if record.node_id != dial.peer:
            return "other-peer"
        if not self.is_news(record):
            return "old"
        addresses = [address for address in record.addresses if may_tell(speaker, address)]
        if not addresses:
            return "no-address"
        self._hear(addresses)
        return "ok"

    def is_news(self, record: PeerRecord) -> bool:
        """Whether no newer record of that peer was seen lately; from now on this one counts."""
        newest = self._newest.pop(record.node_id, -1)
        self._newest[record.node_id] = max(newest, record.seq)
        if len(self._newest) > MAX_NEWEST:
            self._newest.popitem(last=False)
        return record.seq >= newest
