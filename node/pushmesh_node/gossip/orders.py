"""Collects what one event leads to: effects in order, and the control for each peer gathered into one RPC."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from .effects import Count, Effect, Lane, SendRpc
from .wire.rpc import Graft, IHave, Prune, Rpc, Subscription


@dataclass(slots=True)
class _Letter:
    subscriptions: list[Subscription] = field(default_factory=list)
    ihave: list[IHave] = field(default_factory=list)
    iwant: list[bytes] = field(default_factory=list)
    graft: list[Graft] = field(default_factory=list)
    prune: list[Prune] = field(default_factory=list)
    choke: list[str] = field(default_factory=list)
    unchoke: list[str] = field(default_factory=list)


class Orders:
    """Filled while an event is handled, emptied by `drain` at its end."""

    def __init__(self, idontwant_ids_per_rpc: int) -> None:
        self._ids_per_rpc = idontwant_ids_per_rpc
        self._effects: list[Effect] = []
        self._letters: dict[bytes, _Letter] = {}
        self._idontwant: dict[bytes, list[bytes]] = {}

    def do(self, effect: Effect) -> None:
        """Everything but control goes out in the order of the calls."""
        self._effects.append(effect)

    def count(self, name: str, label: str = "", n: int = 1) -> None:
        """Names and labels are those of `counts`."""
        self._effects.append(Count(name, label, n))

    def tell_topics(self, peer: bytes, changes: Iterable[Subscription]) -> None:
        """Topics that this node joined or left."""
        self._letter(peer).subscriptions += changes

    def ihave(self, peer: bytes, announced: IHave) -> None:
        """The caller keeps all ids for one peer and heartbeat within what one RPC may hold."""
        self._letter(peer).ihave.append(announced)

    def iwant(self, peer: bytes, ids: Iterable[bytes]) -> None:
        """Ids in the order in which they shall be answered."""
        self._letter(peer).iwant += ids

    def graft(self, peer: bytes, topic: str) -> None:
        """The peer is in the mesh now."""
        self._letter(peer).graft.append(Graft(topic))

    def prune(self, peer: bytes, prune: Prune) -> None:
        """The peer is out of the mesh, or was not let in."""
        self._letter(peer).prune.append(prune)

    def choke(self, peer: bytes, topic: str) -> None:
        """To peers of `Dialect.PUSHMESH` only, as with `unchoke`."""
        self._letter(peer).choke.append(topic)

    def unchoke(self, peer: bytes, topic: str) -> None:
        """It pushes again."""
        self._letter(peer).unchoke.append(topic)

    def idontwant(self, peer: bytes, message_id: bytes) -> None:
        """To peers of `Dialect.V1_2` only."""
        self._idontwant.setdefault(peer, []).append(message_id)

    def drop(self, peer: bytes) -> None:
        """The peer is gone: nothing more is for it."""
        self._letters.pop(peer, None)
        self._idontwant.pop(peer, None)
        self._effects = [
            effect for effect in self._effects if not (isinstance(effect, SendRpc) and effect.peer == peer)
        ]

    def drain(self) -> list[Effect]:
        """All of it, control at the end: its lane overtakes anyway."""
        effects, self._effects = self._effects, []
        if self._letters:
            effects += [SendRpc(peer, _control(letter), Lane.CONTROL) for peer, letter in self._letters.items()]
            self._letters.clear()
        if self._idontwant:
            effects += self._drain_idontwant()
        return effects

    def _drain_idontwant(self) -> list[Effect]:
        # Mostly the same ids for the whole mesh: one object is encoded once.
        effects: list[Effect] = []
        last_ids: Sequence[bytes] = ()
        rpcs: list[Rpc] = []
        for peer, ids in self._idontwant.items():
            if ids != last_ids:
                step = self._ids_per_rpc
                rpcs = [Rpc(idontwant=tuple(ids[at : at + step])) for at in range(0, len(ids), step)]
                last_ids = ids
            effects += [SendRpc(peer, rpc, Lane.CONTROL) for rpc in rpcs]
        self._idontwant.clear()
        return effects

    def _letter(self, peer: bytes) -> _Letter:
        letter = self._letters.get(peer)
        if letter is None:
            letter = self._letters[peer] = _Letter()
        return letter


def _control(letter: _Letter) -> Rpc:
    return Rpc(
        subscriptions=tuple(letter.subscriptions),
        ihave=tuple(letter.ihave),
        iwant=tuple(letter.iwant),
        graft=tuple(letter.graft),
        prune=tuple(letter.prune),
        choke=tuple(letter.choke),
        unchoke=tuple(letter.unchoke),
    )
