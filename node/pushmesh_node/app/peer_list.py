"""The connected peers as operators see them: what main, sync and the gossip process know of each."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..ipc import Peers, PeerState, Up
from .sync_state import PeerSync


class PeerList:
    """Holds the latest of what the gossip process shows, which is a few seconds old."""

    def __init__(self) -> None:
        self._states: dict[bytes, PeerState] = {}

    def take(self, messages: Sequence[Up]) -> None:
        """All messages of one read."""
        for message in messages:
            if isinstance(message, Peers):
                self._states = {state.node_id: state for state in message.peers}

    def lost(self) -> None:
        """The gossip process is gone."""
        self._states.clear()

    def rows(self, addresses: Mapping[bytes, Sequence[str]], syncs: Mapping[bytes, PeerSync]) -> list[dict[str, Any]]:
        """JSON-ready, those connected longest first; who has just come has no details yet."""
        names = sorted(addresses, key=lambda name: (name not in self._states, self._since_ms(name), name))
        return [
            {
                "node_id": name.hex(),
                "addresses": list(addresses[name]),
                "caught_up": (sync := syncs.get(name)) is not None and sync.complete,
                **self._details(name),
            }
            for name in names
        ]

    def _since_ms(self, name: bytes) -> int:
        state = self._states.get(name)
        return state.since_ms if state is not None else 0

    def _details(self, name: bytes) -> dict[str, Any]:
        state = self._states.get(name)
        if state is None:
            return {}
        parts = {part: points / 1_000 for part, points in state.score}
        return {
            "connected_since": state.since_ms,
            "outbound": state.outbound,
            "host": state.host,
            "protocol": state.protocol,
            "agent": state.agent,
            "mesh_topics": list(state.topics),
            "score": parts.pop("total", 0.0),
            "score_parts": parts,
        }
