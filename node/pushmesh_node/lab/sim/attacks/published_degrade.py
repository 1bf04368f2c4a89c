"""Sybils in all meshes that forward half of what they should, or nothing (network degradation)."""

from ....gossip.wire.rpc import Message
from ..registry import attack
from ..sybil import Sybil
from .published_crowd import Crowd, Insiders, Ring


@attack("degrade-50", "sybils in all meshes forward half of the frames, each another half")
class DegradeHalf(Insiders):
    """Chance decides for each sybil and frame, so that no frame is conspicuous."""

    def forwards(self, ring: Ring, sybil: Sybil, message: Message) -> bool:
        """See `Insiders`."""
        return self.random.random() < 0.5


@attack("degrade-100", "sybils take all free seats and places in the meshes and forward nothing")
class DegradeAll(Crowd):
    """They keep their connections and their places, and stay silent."""
