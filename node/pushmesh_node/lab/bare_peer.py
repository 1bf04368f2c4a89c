"""`python -m pushmesh_node.lab.bare_peer SOCKET`: the gossip process with bare sockets in libp2p's place."""

import sys

from ..garbage import settle_garbage
from ..peer.__main__ import build_inspector
from ..peer.main import main
from .bare_muxer import BareUpgrader

if __name__ == "__main__":
    settle_garbage()
    sys.exit(main(sys.argv[1:], build_inspector, BareUpgrader))
