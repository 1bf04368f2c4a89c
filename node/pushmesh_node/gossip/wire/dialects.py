"""The gossip protocols this node speaks, by their libp2p protocol ids, and what each can carry. Data only."""

from enum import IntEnum
from typing import Final


class Dialect(IntEnum):
    """Ordered: a later one understands everything that an earlier one does."""

    V1_1 = 11
    """gossipsub v1.1."""

    V1_2 = 12
    """gossipsub v1.2: IDONTWANT too."""

    PUSHMESH = 100
    """v1.2 with CHOKE and UNCHOKE (SPEC 8.13)."""


PROTOCOL_IDS: Final[dict[str, Dialect]] = {
    "/pushmesh/meshsub/1.0.0": Dialect.PUSHMESH,
    "/meshsub/1.2.0": Dialect.V1_2,
    "/meshsub/1.1.0": Dialect.V1_1,
}
"""In the order of preference when a stream is opened."""
