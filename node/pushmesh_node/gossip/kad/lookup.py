"""One iterative lookup: asks ever nearer nodes for the ones nearest to a position. Pure; bounded in every direction."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from heapq import nlargest, nsmallest
from typing import Final

from .contacts import Contact, K, place_of

ALPHA: Final = 3
MAX_ASKED: Final = 32
MAX_HEARD: Final = 256
GROUP_ASKED: Final = 4
"""Of one address group so many are asked: one owner's nodes cannot keep a lookup among themselves."""


@dataclass(frozen=True, slots=True)
class Began:
    """Start with these."""

    seeds: Sequence[Contact]


@dataclass(frozen=True, slots=True)
class Answered:
    """A node that was asked told of these; nobody checked them."""

    node_id: bytes
    contacts: Sequence[Contact]


@dataclass(frozen=True, slots=True)
class Failed:
    """A node that was asked could not be reached or did not answer in time."""

    node_id: bytes


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask this node for the nearest it knows; answer with `Answered` or `Failed`."""

    contact: Contact


@dataclass(frozen=True, slots=True)
class Finished:
    """The nearest nodes that answered, the nearest first. Nothing follows."""

    contacts: tuple[Contact, ...]


Event = Began | Answered | Failed
Effect = Ask | Finished


class _State(Enum):
    HEARD = auto()
    ASKED = auto()
    ANSWERED = auto()
    FAILED = auto()


@dataclass(slots=True)
class _Node:
    contact: Contact
    distance: int
    state: _State = _State.HEARD


class Lookup:
    """`own` is never asked. At most 3 questions are out at a time and 32 in all."""

    def __init__(self, own: bytes, position: int) -> None:
        self._own = own
        self._position = position
        self._nodes: dict[bytes, _Node] = {}
        self._groups: Counter[str] = Counter()
        self._asked = 0
        self._out = 0
        self._finished = False

    def handle(self, event: Event) -> list[Effect]:
        """Whom to ask now, or the end. An answer that nobody waits for changes nothing."""
        match event:
            case Began(seeds):
                self._hear(seeds)
            case Answered(node_id, contacts):
                if not self._close(node_id, _State.ANSWERED):
                    return []
                self._hear(contacts)
            case Failed(node_id):
                if not self._close(node_id, _State.FAILED):
                    return []
        return self._go_on()

    def _close(self, node_id: bytes, state: _State) -> bool:
        node = self._nodes.get(node_id)
        if node is None or node.state is not _State.ASKED:
            return False
        node.state = state
        self._out -= 1
        return True

    def _hear(self, contacts: Iterable[Contact]) -> None:
        for contact in contacts:
            if contact.node_id != self._own and contact.addresses and contact.node_id not in self._nodes:
                self._nodes[contact.node_id] = _Node(contact, place_of(contact.node_id) ^ self._position)
        if len(self._nodes) > MAX_HEARD:
            heard = [node for node in self._nodes.values() if node.state is _State.HEARD]
            for node in nlargest(len(self._nodes) - MAX_HEARD, heard, key=lambda node: node.distance):
                del self._nodes[node.contact.node_id]

    def _go_on(self) -> list[Effect]:
        effects: list[Effect] = []
        for node in self._nearest():
            if self._out >= ALPHA or self._asked >= MAX_ASKED:
                break
            if node.state is _State.HEARD and self._may_ask(node.contact):
                effects.append(self._ask(node))
        if not self._out and not self._finished:
            self._finished = True
            answered = [node.contact for node in self._nearest() if node.state is _State.ANSWERED]
            effects.append(Finished(tuple(answered)))
        return effects

    def _ask(self, node: _Node) -> Ask:
        node.state = _State.ASKED
        self._groups[node.contact.group] += 1
        self._asked += 1
        self._out += 1
        return Ask(node.contact)

    def _may_ask(self, contact: Contact) -> bool:
        return not contact.group or self._groups[contact.group] < GROUP_ASKED

    def _nearest(self) -> list[_Node]:
        """The 20 nearest that did not fail, without those that will never be asked."""
        nodes = [
            node
            for node in self._nodes.values()
            if node.state is not _State.FAILED and (node.state is not _State.HEARD or self._may_ask(node.contact))
        ]
        return nsmallest(K, nodes, key=lambda node: node.distance)
