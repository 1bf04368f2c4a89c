"""Bytes that a simulated node received and sent, by what they were."""

from collections.abc import Callable
from dataclasses import dataclass

from ...gossip.wire.rpc import Rpc


@dataclass(slots=True)
class ByteCounts:
    """`payload` are the first copies of frames, all else of gossip but further copies is `control`: subscriptions,
    announcements, framing."""

    payload: int = 0
    duplicate: int = 0
    control: int = 0
    sync: int = 0
    sent: int = 0

    @property
    def gossip(self) -> int:
        """All that gossip made this node receive."""
        return self.payload + self.duplicate + self.control

    def count(self, rpc: Rpc, size_bytes: int, has_copy: Callable[[bytes], bool]) -> None:
        """An RPC came in, with its encoded size; `has_copy` tells of a frame whether it was here before."""
        for message in rpc.messages:
            length = len(message.data)
            size_bytes -= length
            if has_copy(message.data):
                self.duplicate += length
            else:
                self.payload += length
        self.control += size_bytes
