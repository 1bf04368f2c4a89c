"""Choking (SPEC 8.13): of a mesh only the few peers that bring messages first push them here, the others announce them.

Knows no score and no time. Only peers that speak `Dialect.PUSHMESH` can be choked; the rest always push.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..orders import Orders
from ..parameters import ChokingParameters
from ..peers import Peer
from ..wire.dialects import Dialect
from .meshes import Meshes


@dataclass(slots=True)
class _Early:
    """Who were the first to bring or announce a message; they are credited once it was accepted."""

    since_beat: int
    names: dict[bytes, None] = field(default_factory=dict)
    is_accepted: bool = False


@dataclass(slots=True)
class _Topic:
    choked: dict[bytes, None] = field(default_factory=dict)
    credits: dict[bytes, float] = field(default_factory=dict)
    beats: dict[bytes, int] = field(default_factory=dict)  # with traffic, since the peer came into the mesh
    accepted: int = 0  # since the last heartbeat


class Choking:
    """Who may push is chosen by deeds alone: being among the first with what turned out acceptable."""

    def __init__(self, parameters: ChokingParameters, meshes: Meshes, orders: Orders) -> None:
        self._parameters = parameters
        self._meshes = meshes
        self._orders = orders
        self._topics: dict[str, _Topic] = {}
        self._early: OrderedDict[bytes, _Early] = OrderedDict()
        self._beat = 0

    def has_choked(self, topic: str, name: bytes) -> bool:
        """Whether this node asked the peer not to push."""
        state = self._topics.get(topic)
        return state is not None and name in state.choked

    # What peers do

    def came(self, topic: str, name: bytes, message_id: bytes) -> None:
        """A mesh member brought or announced a message, for the first or a further time."""
        if name not in self._meshes.of(topic):
            return
        early = self._early_of(message_id)
        if name in early.names or len(early.names) >= self._parameters.pushers:
            return
        early.names[name] = None
        if early.is_accepted:
            self._credit(topic, name)

    def accepted(self, topic: str, message_id: bytes) -> None:
        """It was judged ACCEPT."""
        early = self._early_of(message_id)
        early.is_accepted = True
        for name in early.names:
            self._credit(topic, name)
        self._state(topic).accepted += 1

    def _early_of(self, message_id: bytes) -> _Early:
        early = self._early.get(message_id)
        if early is None:
            early = self._early[message_id] = _Early(self._beat)
            if len(self._early) > self._parameters.max_tracked_ids:
                self._early.popitem(last=False)
        return early

    def _credit(self, topic: str, name: bytes) -> None:
        credits = self._state(topic).credits
        credits[name] = credits.get(name, 0.0) + 1.0

    def _state(self, topic: str) -> _Topic:
        state = self._topics.get(topic)
        if state is None:
            state = self._topics[topic] = _Topic()
        return state

    def forget(self, name: bytes) -> None:
        """It is gone; should it come back it pushes at first, as everybody does."""
        for state in self._topics.values():
            for kept in (state.choked, state.credits, state.beats):
                kept.pop(name, None)

    # Time

    def maintain(self) -> None:
        """Each heartbeat, after the mesh: forget who left and what is old, fill up, and where there was traffic choose
        anew."""
        self._beat += 1
        self._forget_old()
        for topic in list(self._topics):
            if topic not in self._meshes:
                del self._topics[topic]
                continue
            state, mesh = self._topics[topic], self._meshes.of(topic)
            for kept in (state.choked, state.credits, state.beats):
                for name in [name for name in kept if name not in mesh]:
                    del kept[name]
            self._fill(topic, state, mesh)
            if state.accepted:
                self._choose(topic, state, mesh)

    def _forget_old(self) -> None:
        first_kept = self._beat - self._parameters.tracked_heartbeats
        while self._early and next(iter(self._early.values())).since_beat < first_kept:
            self._early.popitem(last=False)

    def _fill(self, topic: str, state: _Topic, mesh: dict[bytes, Peer]) -> None:
        """Never fewer pushers than there must be: the best of the choked push again."""
        missing = self._parameters.pushers - (len(mesh) - len(state.choked))
        for name in self._best_first(state, state.choked)[: max(0, missing)]:
            self._unchoke(topic, state, name)

    def _choose(self, topic: str, state: _Topic, mesh: dict[bytes, Peer]) -> None:
        for name in mesh:
            state.beats[name] = state.beats.get(name, 0) + 1
        self._swap(topic, state, mesh)
        self._choke_surplus(topic, state, mesh)
        state.accepted = 0
        for name in state.credits:
            state.credits[name] *= self._parameters.credit_decay

    def _swap(self, topic: str, state: _Topic, mesh: dict[bytes, Peer]) -> None:
        """The best announcer pushes again once it is clearly better than the worst pusher, who is then surplus."""
        pushers = self._best_first(state, (name for name in mesh if name not in state.choked))
        choked = self._best_first(state, state.choked)
        if not choked or len(pushers) > self._parameters.pushers:
            return
        best, worst = state.credits.get(choked[0], 0.0), state.credits.get(pushers[-1], 0.0)
        if best > worst * self._parameters.swap_factor + self._parameters.swap_margin:
            self._unchoke(topic, state, choked[0])

    def _choke_surplus(self, topic: str, state: _Topic, mesh: dict[bytes, Peer]) -> None:
        """Worst first, but nobody before its trial is over, nobody who cannot be choked, and never the last pusher
        that this node dialled: those who dial it may be sent by one attacker."""
        pushers = self._best_first(state, (name for name in mesh if name not in state.choked))
        dialled = sum([mesh[name].outbound for name in pushers])
        surplus = len(pushers) - self._parameters.pushers
        for name in reversed(pushers):
            if surplus <= 0:
                return
            peer = mesh[name]
            tried = state.beats.get(name, 0) >= self._parameters.trial_heartbeats
            if peer.dialect < Dialect.PUSHMESH or not tried or (peer.outbound and dialled == 1):
                continue
            state.choked[name] = None
            self._orders.choke(name, topic)
            surplus -= 1
            dialled -= peer.outbound

    def _unchoke(self, topic: str, state: _Topic, name: bytes) -> None:
        del state.choked[name]
        self._orders.unchoke(name, topic)

    def _best_first(self, state: _Topic, names: Iterable[bytes]) -> list[bytes]:
        return sorted(names, key=lambda name: -state.credits.get(name, 0.0))
