"""Which accounts say that a node is theirs, and the node says so too: node bindings in force (SPEC 4.18)."""

from collections.abc import Sequence

from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.kinds import NodeBinding
from pushmesh_protocol.types import Account, EnvelopeId

MAX_BINDINGS = 65_536
"""Of all nodes together; the one that was learnt first makes room."""


class Operators:
    """By node id; both signatures were checked before one comes here."""

    def __init__(self) -> None:
        self._bindings: dict[EnvelopeId, tuple[bytes, Account, int]] = {}
        self._by_node: dict[bytes, set[EnvelopeId]] = {}

    def add(self, envelope: Envelope) -> None:
        """Take in an authorised binding."""
        body = envelope.body
        assert isinstance(body, NodeBinding)
        self._bindings[envelope.id] = (body.node_id, envelope.author, body.expires_at)
        self._by_node.setdefault(body.node_id, set()).add(envelope.id)
        if len(self._bindings) > MAX_BINDINGS:
            self.withdraw(next(iter(self._bindings)))

    def withdraw(self, envelope_id: EnvelopeId) -> None:
        """Unlearn one that turned out void. Idempotent."""
        found = self._bindings.pop(envelope_id, None)
        if found is not None:
            mine = self._by_node[found[0]]
            mine.discard(envelope_id)
            if not mine:
                del self._by_node[found[0]]

    def of(self, node_id: bytes, now_ms: int) -> Sequence[Account]:
        """The accounts that a node is bound to now, ascending."""
        found = (self._bindings[id_] for id_ in self._by_node.get(node_id, ()))
        return sorted({account for _, account, expires_at in found if expires_at > now_ms})

    def sweep(self, now_ms: int) -> None:
        """Forget what has expired."""
        for id_ in [id_ for id_, (_, _, expires_at) in self._bindings.items() if expires_at <= now_ms]:
            self.withdraw(id_)
