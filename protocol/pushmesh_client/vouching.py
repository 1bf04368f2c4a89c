"""A wallet's running totals for one node, ready to be signed (pure; SPEC section 10)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pushmesh_protocol.mmr import Mountains, append, root
from pushmesh_protocol.network import Network
from pushmesh_protocol.outcomes import Disclosure
from pushmesh_protocol.types import Account, Epoch
from pushmesh_protocol.vouchers import Voucher, VoucherWords, sign_voucher, voucher_leaf

from .disclosing import Leaves
from .session_key import SessionGrant

EVERY_MESSAGES = 32
EVERY_MS = 60_000
WANTED_MS = 1_000
"""A message whose publisher asked what becomes of it does not wait for others any longer."""

MAX_LEAVES = 4_096
"""Of one stream; then another one begins, so that finding a path stays cheap."""


@dataclass(slots=True)
class Stream:
    """One voucher stream: a node and an epoch. `signed` and `settled` count messages: in the last voucher, and
    answered for."""

    node_id: bytes
    epoch: Epoch
    stream: bytes
    salt: bytes
    sequence: int = 0
    units: int = 0
    mountains: Mountains = field(default_factory=Mountains)
    signed: int = 0
    settled: int = 0
    signed_at_ms: int = 0
    leaves: Leaves = field(default_factory=lambda: Leaves(b""))


class Tally:
    """What a wallet got from whom, in streams that a voucher each closes. `random_bytes(n)` names and salts new
    streams."""

    def __init__(
        self, network: Network, account: Account, session: SessionGrant, random_bytes: Callable[[int], bytes]
    ) -> None:
        self._network = network
        self._account = account
        self._session = session
        self._random_bytes = random_bytes
        self._streams: dict[tuple[bytes, int, bytes], Stream] = {}
        self._current: dict[tuple[bytes, int], Stream] = {}

    def count(self, node_id: bytes, envelope_id: bytes, units: int, now_ms: int, issued_at: int | None = None) -> bool:
        """Add a message; `issued_at` where its publisher asked what becomes of it. True when a voucher is due by
        number (EVERY_MESSAGES)."""
        stream = self._stream(node_id, self._network.epoch(now_ms), now_ms)
        leaf = voucher_leaf(self._network, stream.salt, envelope_id)
        stream.mountains = append(stream.mountains, leaf)
        stream.leaves.add(leaf, envelope_id, issued_at)
        stream.units += units
        return stream.mountains.count - stream.signed >= EVERY_MESSAGES

    def due(self, node_id: bytes, now_ms: int) -> bool:
        """Whether something waits that is older than EVERY_MS, or than WANTED_MS where somebody asked for it."""
        return any(
            stream.mountains.count > stream.signed
            and now_ms - stream.signed_at_ms >= (WANTED_MS if stream.leaves.wanted else EVERY_MS)
            for stream in self._of(node_id)
        )

    def sign(self, node_id: bytes, now_ms: int, *, again: bool = False) -> list[Voucher]:
        """Vouchers for what is not signed yet; with `again` also for what the node never answered for."""
        epoch = self._network.epoch(now_ms)
        vouchers = []
        for stream in self._of(node_id):
            covered = stream.settled if again else stream.signed
            if stream.mountains.count > covered and stream.epoch >= epoch - 1:  # an older epoch is closed (SPEC 10.5)
                vouchers.append(self._sign(stream, now_ms))
        return vouchers

    def settle(self, voucher: Voucher) -> None:
        """The node counted this voucher."""
        stream = self._streams.get((voucher.node_id, voucher.epoch, voucher.stream))
        if stream is not None:
            stream.settled = max(stream.settled, voucher.count)

    def disclosures(self, voucher: Voucher) -> Sequence[Disclosure]:
        """What may be shown to the node that counted this voucher; nothing for one of an earlier life."""
        stream = self._streams.get((voucher.node_id, voucher.epoch, voucher.stream))
        return () if stream is None else stream.leaves.disclosures(voucher)

    def shown(self, disclosure: Disclosure) -> None:
        """The node answered it."""
        voucher = disclosure.voucher
        stream = self._streams.get((voucher.node_id, voucher.epoch, voucher.stream))
        if stream is not None:
            stream.leaves.shown(disclosure)

    def settled(self) -> int:
        """Messages that nodes have counted."""
        return sum(stream.settled for stream in self._streams.values())

    def counted(self) -> int:
        """Messages in all streams."""
        return sum(stream.mountains.count for stream in self._streams.values())

    def _stream(self, node_id: bytes, epoch: Epoch, now_ms: int) -> Stream:
        stream = self._current.get((node_id, epoch))
        if stream is None or stream.mountains.count >= MAX_LEAVES:
            stream = Stream(node_id, epoch, self._random_bytes(16), self._random_bytes(16), signed_at_ms=now_ms)
            stream.leaves.salt = stream.salt
            self._streams[node_id, epoch, stream.stream] = self._current[node_id, epoch] = stream
        return stream

    def _of(self, node_id: bytes) -> list[Stream]:
        return [stream for (node, _, _), stream in self._streams.items() if node == node_id]

    def _sign(self, stream: Stream, now_ms: int) -> Voucher:
        stream.sequence += 1
        stream.signed = stream.mountains.count
        stream.signed_at_ms = now_ms
        words = VoucherWords(
            account=self._account,
            node_id=stream.node_id,
            epoch=stream.epoch,
            stream=stream.stream,
            sequence=stream.sequence,
            count=stream.mountains.count,
            units=stream.units,
            root=root(stream.mountains),
        )
        return sign_voucher(self._session.seed, self._session.grant_id, self._network, words)
