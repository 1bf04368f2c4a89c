"""Messages that found no room for judging: on whose account another look may be had, or who is asked for them again."""

from collections.abc import Iterable
from typing import Final

from pushmesh_protocol.reasons import Reason

from ..caches import SeenCache
from ..effects import Inspect
from ..mesh.meshes import Meshes
from ..orders import Orders
from ..parameters import RouterParameters
from ..peers import Peers
from ..rotating import RotatingCounter
from .fetching import Fetching
from .idontwant import told_of
from .pending import Pending, PendingMessages

NO_ROOM: Final = frozenset({Reason.THROTTLED, Reason.NO_CREDIT, Reason.QUEUE_FULL})
"""Verdicts on the moment or on the sender and not on the message: another's copy gets another look, else whoever is
over its budget could keep a message from this node by sending it first."""

HOPES_PER_MESSAGE: Final = 3
"""Rounds of asking for what found no room; under lasting load more would only add to it, and sync repairs."""


class Retrying:
    """Gives a message that was ignored for NO_ROOM another way, or lets it go."""

    def __init__(
        self,
        parameters: RouterParameters,
        peers: Peers,
        meshes: Meshes,
        pending: PendingMessages,
        seen: SeenCache,
        fetching: Fetching,
        orders: Orders,
    ) -> None:
        self._parameters = parameters.mesh
        self._peers = peers
        self._meshes = meshes
        self._pending = pending
        self._seen = seen
        self._fetching = fetching
        self._orders = orders
        self._refusals = Refusals(parameters.limits.max_pending_messages)
        self._hopes = RotatingCounter(parameters.limits.max_pending_messages)

    def was_refused(self, one: bytes, name: bytes) -> bool:
        """Whether this peer's budget did not suffice for the message just now."""
        return len(self._refusals) > 0 and self._refusals.has(one, name)

    def retry(self, one: bytes, pending: Pending, reason: str, now_ms: int) -> None:
        """No word on the message: another sender's account may do, else it may come again.

        The mesh may hold it back by now, as it was told that it came: so the mesh is asked for it, a few times."""
        others = [name for name in pending.senders if name not in pending.tried and name != pending.account]
        if reason == Reason.THROTTLED:
            self._refusals.add(one, pending.account)
            if others and self._pending.has_room(others[0], 0, len(self._peers)):
                self._pending.move(pending, others[0])
                self._orders.do(Inspect(others[0], one, pending.message.topic, pending.message.data))
                return
        self._pending.pop(one)
        self._seen.forget(one)
        if self._hopes.add(one) <= HOPES_PER_MESSAGE:
            self._fetching.hope(self._holders(pending, others, reason), one, now_ms)

    def _holders(self, pending: Pending, others: Iterable[bytes], reason: str) -> list[bytes]:
        """Connected ones that may have it, but for one whose own budget was the reason."""
        may_have_it = dict.fromkeys(others)
        may_have_it.update(dict.fromkeys(told_of(pending.message, self._meshes, self._parameters)))
        if reason == Reason.THROTTLED:
            may_have_it.pop(pending.account, None)
        else:
            may_have_it[pending.account] = None
        return [name for name in may_have_it if self._peers.get(name) is not None]

    def expire(self) -> None:
        """Each heartbeat."""
        self._refusals.shift()


class Refusals:
    """Whose budget did not suffice for which message, for one to two heartbeats.

    A peer over its budget could else keep a message busy by sending it again and again."""

    def __init__(self, max_messages: int) -> None:
        self._max_messages = max_messages
        self._new: dict[bytes, set[bytes]] = {}
        self._old: dict[bytes, set[bytes]] = {}

    def __len__(self) -> int:
        """Messages that are remembered."""
        return len(self._new) + len(self._old)

    def add(self, message_id: bytes, peer: bytes) -> None:
        """While there are too many, no more are remembered."""
        if message_id in self._new or len(self._new) < self._max_messages:
            self._new.setdefault(message_id, set()).add(peer)

    def has(self, message_id: bytes, peer: bytes) -> bool:
        """Whether looking again is idle by now."""
        return peer in self._new.get(message_id, ()) or peer in self._old.get(message_id, ())

    def shift(self) -> None:
        """A heartbeat passed."""
        self._old, self._new = self._new, {}
