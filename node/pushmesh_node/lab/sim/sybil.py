"""One identity of an adversary: an end of connections that decides nothing by itself. It has no router."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from ...gossip.effects import Lane
from ...gossip.wire.rpc import Message, Rpc
from .lines import Line
from .node import SimNode
from .wire import WINDOW_BYTES, Link, Payload, Sent

if TYPE_CHECKING:
    from .adversary import Adversary


class Garbage(NamedTuple):
    """Bytes that are no RPC; who receives them hangs up."""

    why: str


class Sybil:
    """Obeys `Endpoint`; all it does is tell its adversary, which also decides whose dials it answers."""

    def __init__(self, adversary: "Adversary", node_id: bytes, host: str) -> None:
        network = adversary.world.conditions.network
        self.node_id = node_id
        self.host = host
        self.up = Line(network.up_bits_per_s)
        self.down = Line(network.down_bits_per_s)
        self.links: dict[bytes, Link] = {}
        self._adversary = adversary

    def send(self, victim: SimNode, rpc: Rpc, lane: Lane = Lane.DATA) -> bool:
        """Queue an RPC; False if there is no connection. What would not decode arrives as the garbage that it is."""
        payload, size = self._adversary.encoded(rpc)
        return self.say(victim, payload, size, lane)

    def publish(self, victim: SimNode, topic: str, data: bytes) -> bool:
        """Send one frame."""
        return self.send(victim, Rpc(messages=(Message(topic, data),)))

    def say(self, victim: SimNode, payload: Payload, size_bytes: int, lane: Lane = Lane.DATA) -> bool:
        """Queue anything else, such as a word of sync."""
        link = self.links.get(victim.node_id)
        if link is None:
            return False
        link.way_from(self).push(payload, size_bytes, lane)
        return True

    def hang_up(self, victim: SimNode) -> None:
        """End the connection, if there is one."""
        link = self.links.get(victim.node_id)
        if link is not None:
            link.close(self, "attack")

    # Endpoint

    def enter(self, host: str, *, outbound: bool) -> str | None:
        """See `Endpoint`."""
        return None

    def shaken(self, host: str) -> None:
        """See `Endpoint`."""

    def leave(self, host: str, *, outbound: bool) -> None:
        """See `Endpoint`."""

    def accepts(self, link: Link) -> str | None:
        """See `Endpoint`."""
        peer = link.other(self)
        if peer.node_id in self.links:
            return "busy"
        if isinstance(peer, SimNode) and link.dialler is peer and not self._adversary.lets_in(self, peer):
            return "unwilling"
        return None

    def opened(self, link: Link) -> None:
        """See `Endpoint`."""
        victim = link.other(self)
        self.links[victim.node_id] = link
        if self._adversary.is_over:
            link.close(self, "attack")  # it was dialled before
        elif isinstance(victim, SimNode):
            self._adversary.on_connected(self, victim)

    def window_bytes(self, peer: bytes) -> int:
        """See `Endpoint`."""
        return WINDOW_BYTES

    def ignores(self, payload: Payload) -> bool:
        """See `Endpoint`."""
        return self._adversary.ignores(payload)

    def received(self, link: Link, batch: Sequence[Sent], overhead_bytes: int) -> None:
        """See `Endpoint`."""
        victim = link.other(self)
        link.way_from(victim).read(sum([sent.size_bytes for sent in batch]))
        if isinstance(victim, SimNode):
            for sent in batch:
                self._adversary.heard(self, victim, sent.payload)

    def wrote(self, size_bytes: int) -> None:
        """See `Endpoint`: its computer costs nothing."""

    def closed(self, link: Link, reason: str) -> None:
        """See `Endpoint`."""
        victim = link.other(self)
        self.links.pop(victim.node_id, None)
        if isinstance(victim, SimNode):
            self._adversary.on_disconnected(self, victim, reason)
