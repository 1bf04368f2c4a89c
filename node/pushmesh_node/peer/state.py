"""What operators are shown of each connected peer. It looks, and changes nothing."""

from collections.abc import Callable, Iterable
from dataclasses import asdict
from itertools import islice
from typing import Final

from ..gossip.router import Router
from ..gossip.wire.dialects import PROTOCOL_IDS, Dialect
from ..ipc import MAX_PEER_STATES, PeerState
from .connection import Connection

MAX_MILLI: Final = 10**15
_NAMES: Final = {dialect: protocol for protocol, dialect in PROTOCOL_IDS.items()}


def milli(points: float) -> int:
    """Thousandths, within what a message holds."""
    return max(-MAX_MILLI, min(MAX_MILLI, int(points * 1_000)))


def states_of(
    connections: Iterable[Connection],
    router: Router,
    dialect_of: Callable[[bytes], Dialect | None],
    wall_less_steady_ms: int,
) -> list[PeerState]:
    """Those of the first so many peers; the last argument makes wall times of a connection's."""
    return [
        PeerState(
            connection.node_id,
            connection.outbound,
            max(0, connection.opened_ms + wall_less_steady_ms),
            connection.remote[0],
            _NAMES[dialect] if (dialect := dialect_of(connection.node_id)) is not None else "",
            connection.identity.agent if connection.identity is not None else "",
            router.meshes_with(connection.node_id),
            [(name, milli(points)) for name, points in asdict(router.parts_of(connection.node_id)).items()],
        )
        for connection in islice(connections, MAX_PEER_STATES)
    ]
