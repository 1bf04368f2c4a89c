"""What the envelopes that this node holds add up to: who may sign, who subscribes, what a topic is, what was taken
back, what each wallet wishes. Judges nothing, gives nothing out, and can be made again from the store at any time."""

from collections.abc import Iterable

from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.authority import Authority
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.kinds import Grant, Kind, Notification, Revocation
from pushmesh_protocol.network import Network
from pushmesh_protocol.types import Account, EnvelopeId

from ..curation import Policy
from .collapse import Collapses
from .curator import Curator
from .grants import Grants
from .operators import Operators
from .retractions import Retractions
from .subscriptions import Subscriptions
from .versions import Versions

ACTING_KINDS = frozenset({Kind.GRANT, Kind.REVOCATION})
"""They act whether their slot is void or not (SPEC 6.5), so everybody must have them."""


class State:
    """The same whatever order the envelopes came in."""

    def __init__(self, network: Network, policy: Policy) -> None:
        self.authority = Authority()
        self.grants = Grants(network)
        self.subscriptions = Subscriptions(self.authority)
        self.topics: Versions[Topic] = Versions(self.authority)
        self.retractions = Retractions(self.authority)
        self.collapses = Collapses(self.retractions)
        self.operators = Operators()
        self.curator = Curator(self.subscriptions, self.topics, self.retractions, self.collapses, policy)
        self._restored: set[Account] = set()

    def restore(self, entries: Iterable[tuple[int, Envelope, bool]], *, more: bool) -> None:
        """These are held: (commit number, envelope, void). Authors are reconsidered once, when there is no `more` to
        come: of one with many grants a start would take for ever. Nothing is asked before."""
        for commit_no, envelope, void in entries:
            self._take(envelope, commit_no, void=void)
            if envelope.kind in ACTING_KINDS:
                self._restored.add(envelope.author)
        if not more:
            for author in self._restored:
                self._reconsider(author)
            self._restored.clear()

    def apply(self, envelope: Envelope, commit_no: int, *, void: bool) -> None:
        """One more is held."""
        self._take(envelope, commit_no, void=void)
        if envelope.kind in ACTING_KINDS:
            self._reconsider(envelope.author)

    def _take(self, envelope: Envelope, commit_no: int, *, void: bool) -> None:
        kind, body = envelope.kind, envelope.body
        if isinstance(body, Notification):
            if body.collapse is not None and not void:
                self.collapses.add(envelope)
        elif isinstance(body, Grant):
            self.authority.add(envelope)
            self.grants.add(envelope)
        elif isinstance(body, Revocation):
            self.authority.add(envelope)
        elif void:
            self._pass_over(envelope)
        elif kind == Kind.SUBSCRIPTION:
            self.subscriptions.add(envelope)
        elif kind == Kind.TOPIC and body.topic is not None:
            self.topics.add(body.topic, envelope)
        elif kind == Kind.RETRACTION:
            self.retractions.add(envelope, commit_no)
        elif kind == Kind.NODE_BINDING:
            self.operators.add(envelope)

    def _pass_over(self, envelope: Envelope) -> None:
        """What never counts may still be what older versions are outlasted by (SPEC 4.14)."""
        if envelope.kind == Kind.SUBSCRIPTION:
            self.subscriptions.add_void(envelope)
        elif envelope.kind == Kind.TOPIC and envelope.topic is not None:
            self.topics.add_void(envelope.topic, envelope)

    def _reconsider(self, author: Account) -> None:
        self.subscriptions.reconsider(author)
        self.topics.reconsider(author)

    def withdraw(self, envelope_id: EnvelopeId) -> None:
        """Undo what an envelope changed that turns out void, so that the order of arrival decides nothing (SPEC 6.5).

        Grants and revocations act all the same."""
        self.subscriptions.withdraw(envelope_id)
        self.topics.withdraw(envelope_id)
        self.retractions.withdraw(envelope_id)
        self.collapses.withdraw(envelope_id)
        self.operators.withdraw(envelope_id)

    def has_room_for(self, envelope: Envelope) -> bool:
        """Whether a private envelope may be kept, in place of the one that it replaces."""
        if envelope.kind == Kind.PRIVATE_SUBSCRIPTION:
            return self.subscriptions.private.has_room(envelope)
        return self.curator.has_room(envelope)

    def set_private(self, envelope: Envelope) -> bool:
        """Take a private envelope in, also from the store; False where a newer one is held already."""
        if envelope.kind == Kind.PRIVATE_SUBSCRIPTION:
            return self.subscriptions.add_private(envelope)
        return self.curator.set_preferences(envelope)

    def sweep(self, now_ms: int) -> None:
        """Forget what expired; costs what it removes."""
        self.grants.sweep(now_ms)
        self.subscriptions.sweep(now_ms)
        self.topics.sweep(now_ms)
        self.retractions.sweep(now_ms)
        self.collapses.sweep(now_ms)
        self.operators.sweep(now_ms)
        self.curator.sweep(now_ms)
