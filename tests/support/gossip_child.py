"""The gossip process with a validator for tests: `python tests/support/gossip_child.py DESCRIPTOR`.

Frames are any bytes. A first byte of `R` is refused and `I` ignored by the inspector; all others are main's to judge.
"""

import sys
from collections.abc import Sequence
from hashlib import sha256

from pushmesh_node.gossip.frames.inspection import Inspection
from pushmesh_node.ipc import ACCEPT, IGNORE, REJECT, Allowances, ItemVerdict, Start
from pushmesh_node.peer.main import main


class AcceptAllInspector:
    """Passes everything to main, but what asks by its first byte for another fate."""

    def inspect(self, node_id: bytes, topic: str, data: bytes, now_ms: int) -> Inspection:
        match data[:1]:
            case b"R":
                return Inspection(REJECT, "malformed", [])
            case b"I":
                return Inspection(IGNORE, "throttled", [])
            case b"X":
                raise RuntimeError("an inspector that fails")
        digest = sha256(data).digest()
        return Inspection(None, "", [ItemVerdict(ACCEPT, "ok", digest, digest, False, len(data))])

    def remember(self, item_hashes: Sequence[bytes]) -> None:
        pass

    def allow(self, allowances: Allowances) -> None:
        pass


def build_accept_all(start: Start) -> AcceptAllInspector:
    return AcceptAllInspector()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], build_accept_all))
