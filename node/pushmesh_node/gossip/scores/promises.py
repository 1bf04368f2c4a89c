"""Broken promises (gossipsub v1.1, P7): who announced a message in an IHAVE and did not send it when asked.

Tracks one random id of each IWANT, so that a liar cannot know which of its ids must be true. Scores nobody.
"""

from collections import Counter
from collections.abc import Sequence

from ..randomness import Randomness


class Promises:
    """Every promise ends: kept by whoever delivers the message, broken at its time, or forgotten with its peer."""

    def __init__(self, followup_ms: int, max_promises: int) -> None:
        self._followup_ms = followup_ms
        self._max_promises = max_promises
        self._due_ms: dict[tuple[bytes, bytes], int] = {}  # (message id, peer), in the order of their times
        self._peers: dict[bytes, set[bytes]] = {}  # by message id
        self._ids: dict[bytes, set[bytes]] = {}  # by peer

    def __len__(self) -> int:
        """Promises that stand."""
        return len(self._due_ms)

    def asked(self, peer: bytes, ids: Sequence[bytes], now_ms: int, randomness: Randomness) -> None:
        """An IWANT for these ids of its own IHAVE went to the peer. `now_ms` never goes back.

        A promise that stands keeps its time. While there is no room nothing is tracked: nobody pushes out another's."""
        if not ids or len(self._due_ms) >= self._max_promises:
            return
        promised = ids[randomness.randrange(len(ids))]
        if (promised, peer) in self._due_ms:
            return
        self._due_ms[promised, peer] = now_ms + self._followup_ms
        self._peers.setdefault(promised, set()).add(peer)
        self._ids.setdefault(peer, set()).add(promised)

    def arrived(self, message_id: bytes) -> None:
        """Whoever sent it, and whatever it is worth, nobody owes it any more."""
        for peer in self._peers.pop(message_id, ()):
            del self._due_ms[message_id, peer]
            self._forget_id(peer, message_id)

    def forget(self, peer: bytes) -> None:
        """It is gone, and its promises with it."""
        for message_id in self._ids.pop(peer, ()):
            del self._due_ms[message_id, peer]
            self._forget_peer(message_id, peer)

    def broken(self, now_ms: int) -> dict[bytes, int]:
        """How many promises each peer broke since the last call."""
        late: Counter[bytes] = Counter()
        while self._due_ms:
            (message_id, peer), due_ms = next(iter(self._due_ms.items()))
            if now_ms < due_ms:
                break
            del self._due_ms[message_id, peer]
            self._forget_id(peer, message_id)
            self._forget_peer(message_id, peer)
            late[peer] += 1
        return dict(late)

    def _forget_id(self, peer: bytes, message_id: bytes) -> None:
        ids = self._ids[peer]
        ids.discard(message_id)
        if not ids:
            del self._ids[peer]

    def _forget_peer(self, message_id: bytes, peer: bytes) -> None:
        peers = self._peers[message_id]
        peers.discard(peer)
        if not peers:
            del self._peers[message_id]
