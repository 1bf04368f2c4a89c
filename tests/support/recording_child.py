"""The gossip process of `gossip_child`, which writes down every RPC that peers send it: one line of hex each.

`python tests/support/recording_child.py FILE SOCKET`.
"""

import sys
from pathlib import Path

from pushmesh_node.gossip.wire.framing import RpcSplitter
from pushmesh_node.peer.main import main

sys.path.append(str(Path(__file__).resolve().parents[1]))

from support.gossip_child import build_accept_all  # the line above makes it importable


def record(path: str) -> None:
    """Before the process starts; whatever splitter it makes then writes to the file."""
    feed = RpcSplitter.feed
    out = open(path, "a", buffering=1)  # as long as the process

    def feed_and_write(self: RpcSplitter, data: bytes) -> list[bytes]:
        bodies = feed(self, data)
        out.writelines(body.hex() + "\n" for body in bodies)
        return bodies

    RpcSplitter.feed = feed_and_write  # type: ignore[method-assign]  # the one place where all bytes of peers pass


if __name__ == "__main__":
    record(sys.argv[1])
    sys.exit(main(sys.argv[2:], build_accept_all))
