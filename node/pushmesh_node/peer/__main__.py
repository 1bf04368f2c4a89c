"""`python -m pushmesh_node.peer DESCRIPTOR`: the gossip process with the real frame validator."""

import random
import sys

from pushmesh_protocol.network import load_network

from ..garbage import give_back_freed_memory, settle_garbage
from ..gossip.frames.inspect import FrameInspector
from ..ipc import Start
from .main import main


def build_inspector(start: Start) -> FrameInspector:
    """The validator of main's network; peers cannot foresee the order of its signature checks (SPEC 7.7)."""
    return FrameInspector(
        load_network(start.network),
        checks_per_peer_per_s=start.settings.checks_per_peer_per_s,
        shuffle=random.SystemRandom().shuffle,
    )


if __name__ == "__main__":
    settle_garbage()
    give_back_freed_memory()
    sys.exit(main(sys.argv[1:], build_inspector))
