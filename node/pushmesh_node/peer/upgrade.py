"""From a TCP connection to a multiplexed one: Noise, then Yamux, nothing else is offered or accepted."""

from typing import Final, Protocol

from libp2p.abc import ISecureConn
from libp2p.crypto.keys import KeyPair
from libp2p.crypto.x25519 import create_new_key_pair as create_noise_key_pair
from libp2p.peer.id import ID
from libp2p.security.noise.transport import Transport as NoiseTransport

from .errors import UpgradeError
from .muxer import BoundedYamux, Muxer
from .negotiate import answer, propose
from .noise import NoiseConnection
from .tcp import TcpConnection

NOISE: Final = "/noise"
YAMUX: Final = "/yamux/1.0.0"


class Upgrades(Protocol):
    """Makes a socket a connection of many streams to a peer that is known by its key."""

    async def upgrade(self, raw: TcpConnection, expected: ID | None) -> Muxer:
        """`expected` None means inbound. Raises UpgradeError; the caller sets the deadline and closes `raw`."""
        ...


class Upgrader:
    """Obeys `Upgrades`. Holds this node's keys. `upgrade` may be called by many tasks."""

    def __init__(self, keys: KeyPair) -> None:
        self._noise = NoiseTransport(keys, noise_privkey=create_noise_key_pair().private_key)

    async def upgrade(self, raw: TcpConnection, expected: ID | None) -> Muxer:
        """`expected` None means inbound. Raises UpgradeError; the caller sets the deadline and closes `raw`."""
        try:
            session = await self._secure(raw, expected)
            conn = NoiseConnection(raw, session)
            await (propose(conn, [YAMUX]) if expected is not None else answer(conn, (YAMUX,)))
        except Exception as error:  # a handshake is a peer's bytes in three libraries, whose errors have no common base
            raise UpgradeError(f"{type(error).__name__}: {error}") from error
        return BoundedYamux(conn, session.get_remote_peer(), outbound=expected is not None)

    async def _secure(self, raw: TcpConnection, expected: ID | None) -> ISecureConn:
        if expected is None:
            await answer(raw, (NOISE,))
            return await self._noise.secure_inbound(raw)
        await propose(raw, [NOISE])
        return await self._noise.secure_outbound(raw, expected)
