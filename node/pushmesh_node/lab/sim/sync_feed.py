"""Keeps a simulated node's sets in step with its store: the synchronous twin of `app.sync_feed`, on the engine's own
judgement of what belongs."""

from collections.abc import Iterable, Sequence

from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.kinds import Grant, Revocation
from pushmesh_protocol.network import Network

from ...engine.core import Engine
from ...engine.membership import REPLACED_KINDS, belongs, member_of, siblings
from ...engine.records import Record, VoidMark, Write
from ...sync.node_sets import NodeSets
from .sense import SharedSense
from .store import SimStore


class SimFeed:
    """`stored` at each commit."""

    def __init__(self, network: Network, store: SimStore, engine: Engine, sense: SharedSense) -> None:
        self.sets = NodeSets(network.shard_count)
        self._network = network
        self._store = store
        self._engine = engine
        self._sense = sense
        self._signed: dict[bytes, list[int]] = {}  # by sessions, of each author

    def stored(self, writes: Sequence[Write]) -> None:
        """These are durable, and the store has them."""
        for write in writes:
            if isinstance(write, Record):
                numbers: Iterable[int] = range(write.first_commit, write.first_commit + write.count)
            elif isinstance(write, VoidMark):
                numbers = (write.commit_no,)
            else:
                continue
            for commit_no in numbers:
                self._look(commit_no, is_new=isinstance(write, Record))

    def envelope(self, commit_no: int) -> Envelope:
        """A stored envelope."""
        data, index = self._store.frame_of(commit_no)
        return list(self._sense.open(data, None).envelopes())[index]

    def _look(self, commit_no: int, *, is_new: bool) -> None:
        envelope = self.envelope(commit_no)
        self._place(envelope, commit_no)
        if envelope.session is not None and is_new:
            self._signed.setdefault(envelope.author, []).append(commit_no)
        if isinstance(envelope.body, Grant | Revocation):
            for other in self._signed.get(envelope.author, ()):
                self._place(self.envelope(other), other)
        if envelope.kind in REPLACED_KINDS:
            for sibling in siblings(self._engine.state, envelope):
                if (number := self._store.commit_no(sibling.id)) is not None:
                    self._place(sibling, number)

    def _place(self, envelope: Envelope, commit_no: int) -> None:
        member = member_of(self._network, envelope)
        if belongs(self._engine.state, envelope, self._store.is_void(commit_no)):
            self.sets.insert(*member, commit_no)
        else:
            self.sets.remove(*member)
