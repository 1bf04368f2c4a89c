"""The mesh as the rest of the node has it: the gossip process where there is one, its peers, and who hears of them."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import structlog

from .. import ipc
from ..metrics import Metrics
from ..storage.store import Store
from .gossip_link import GossipLink
from .gossip_process import GossipEvent, GossipLost, GossipProcess, GossipReady, Owner
from .gossip_streams import GossipStream
from .peer_book import KeptPeers
from .peer_list import PeerList
from .status import Status
from .sync_state import PeerSync


class PeerFollower(Protocol):
    """Who has something going on with each peer."""

    def peer_came(self, node_id: bytes) -> None:
        """It is connected."""
        ...

    def peer_left(self, node_id: bytes) -> None:
        """It is not any more."""
        ...

    def stream_came(self, stream: GossipStream) -> None:
        """It opened a stream of a protocol of this follower's."""
        ...


log = structlog.get_logger()


class MeshSide:
    """`make_process` gives the gossip process; without one nothing is sent and nobody comes. `link`, and `followers`
    by the protocols of their streams, are set before `start`; `began` is told when the process is ready."""

    link: GossipLink

    def __init__(
        self,
        make_process: Callable[[Owner], GossipProcess] | None,
        store: Store,
        status: Status,
        metrics: Metrics,
        began: Callable[[], None],
    ) -> None:
        self.followers: dict[str, PeerFollower] = {}
        self.kept_peers = KeptPeers(store)
        self._peer_list = PeerList()
        self._status = status
        self._metrics = metrics
        self._began = began
        owner = Owner(
            messages=self._take,
            event=self.happened,
            stream=self.stream_came,
            replay=lambda: [*self.kept_peers.replay(), *self.link.replay()],
        )
        self._process = make_process(owner) if make_process is not None else None

    async def start(self) -> None:
        """Start the process."""
        if self._process is not None:
            await self._process.start()

    async def stop(self) -> None:
        """Tell peers good-bye and keep what is known of them. Idempotent."""
        if self._process is not None:
            await self._process.stop()
        await self.kept_peers.save()

    async def send(self, messages: Sequence[ipc.Down]) -> bool:
        """What waits for credit; False where it cannot be sent."""
        return self._process is not None and await self._process.send(messages)

    def tell(self, messages: Sequence[ipc.Down]) -> None:
        """Small words that wait for no credit: judgements, known hashes, returned credit."""
        if self._process is not None:
            self._process.tell(messages)

    def open_stream(self, node_id: bytes, protocol: str) -> GossipStream | None:
        """None where the peer cannot be reached."""
        return None if self._process is None else self._process.open_stream(node_id, protocol)

    def reach(self, node_id: bytes) -> None:
        """Ask for a connection to a node that is none of the peers: where it was, or wherever the DHT finds it."""
        addresses = self.kept_peers.addresses_of(node_id)
        self.tell([*[ipc.Dial(address) for address in addresses], ipc.Seek(node_id)])

    def expects_peers(self, bootstrap: Sequence[str]) -> bool:
        """Whether there is somebody to be in sync with, as far as is known."""
        return self._process is not None and bool(bootstrap or self.kept_peers.replay())

    def rows(self, synced: dict[bytes, PeerSync]) -> list[dict[str, Any]]:
        """What operators are shown of each peer, JSON-ready."""
        return self._peer_list.rows(self.link.peers, synced)

    def peer_came(self, node_id: bytes) -> None:
        """The link saw it."""
        for follower in dict.fromkeys(self.followers.values()):
            follower.peer_came(node_id)

    def peer_left(self, node_id: bytes) -> None:
        """The link saw it go."""
        for follower in dict.fromkeys(self.followers.values()):
            follower.peer_left(node_id)

    def stream_came(self, stream: GossipStream) -> None:
        """Of a protocol that was named to the process."""
        self.followers[stream.protocol].stream_came(stream)

    def happened(self, event: GossipEvent) -> None:
        """The process is ready, or gone for a while."""
        match event:
            case GossipReady(ready):
                self._status.gossip_addresses = list(ready.addresses)
                self._began()
                self._status.waiting_for.discard("gossip")
                log.info("gossip process ready", addresses=ready.addresses)
            case GossipLost(reason, restart_in_ms):
                self._status.waiting_for.add("gossip")
                self.link.lost()
                self._peer_list.lost()
                self._metrics.gossip_lost(reason)
                log.error("the gossip process ended", reason=reason, restart_in_ms=restart_in_ms)

    def _take(self, messages: Sequence[ipc.Up]) -> None:
        self.kept_peers.take(messages)
        self._peer_list.take(messages)
        self.link.take(messages)
