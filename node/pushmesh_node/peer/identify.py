"""The identify protocol: what this node says of itself, and what of a peer's answer is of use."""

from collections.abc import Iterable
from itertools import islice
from typing import Final

import trio
from google.protobuf.message import DecodeError
from libp2p.crypto.keys import PublicKey
from libp2p.identity.identify.pb.identify_pb2 import Identify

from ..gossip.wire.framing import frame
from ..gossip.wire.protobuf import decode_varint
from ..gossip.wire.rpc import RpcError
from .address import from_wire, to_wire
from .connection import Connection, Identity
from .errors import AddressError, PeerError
from .hosts import Address
from .muxer import Stream
from .records import MAX_RECORD_BYTES

IDENTIFY: Final = "/ipfs/id/1.0.0"
MAX_IDENTIFY_BYTES: Final = 64 * 1024
MAX_ADDRESSES: Final = 8
MAX_PROTOCOLS: Final = 128
"""Of a peer, as long as it is connected; sixty-four kilobytes hold tens of thousands of short names."""
IDENTIFY_TIMEOUT_S: Final = 10.0
_PROTOCOL_VERSION: Final = "ipfs/0.1.0"


def describe(
    key: PublicKey, agent: str, addresses: Iterable[Address], protocols: Iterable[str], observed: Address, record: bytes
) -> bytes:
    """The answer to an identify request, with its length. `record` is this node's signed peer record."""
    message = Identify(
        protocol_version=_PROTOCOL_VERSION,
        agent_version=agent,
        public_key=key.serialize(),
        listen_addrs=[to_wire(address) for address in addresses],
        observed_addr=to_wire(observed),
        protocols=list(protocols),
        signedPeerRecord=record,
    )
    return frame(message.SerializeToString())


def read_identity(body: bytes) -> Identity:
    """`body` with its length. Raises PeerError on anything that is not one whole identify message."""
    message = Identify()
    try:
        length, at = decode_varint(body, 0)
        if not 0 < length <= len(body) - at:
            raise PeerError("the peer's identify message is cut off or too long")
        message.ParseFromString(body[at : at + length])
    except (RpcError, DecodeError, UnicodeDecodeError) as error:
        raise PeerError("the peer's identify message does not decode") from error
    return Identity(
        "".join(character for character in message.agent_version[:64] if character.isprintable()),
        frozenset(islice(message.protocols, MAX_PROTOCOLS)),
        tuple(_dialable(message.listen_addrs)),
        message.signedPeerRecord if len(message.signedPeerRecord) <= MAX_RECORD_BYTES else b"",
    )


def _dialable(wires: Iterable[bytes]) -> list[Address]:
    found: list[Address] = []
    for wire in islice(wires, MAX_ADDRESSES * 4):
        try:
            found.append(from_wire(wire))
        except AddressError:
            continue  # other transports than ours
    return found[:MAX_ADDRESSES]


async def ask_identity(connection: Connection) -> Identity:
    """Asks a peer who it is. Raises PeerError."""
    stream = await connection.open(IDENTIFY)
    body = b""
    try:
        with trio.move_on_after(IDENTIFY_TIMEOUT_S):
            while len(body) <= MAX_IDENTIFY_BYTES and (data := await stream.read()):
                body += data
            return read_identity(body)
        raise PeerError("the peer did not identify in time")
    finally:
        await stream.reset()


async def answer_identify(
    stream: Stream,
    key: PublicKey,
    agent: str,
    addresses: Iterable[Address],
    protocols: Iterable[str],
    observed: Address,
    record: bytes,
) -> None:
    """The handler's whole work: one message, then the end of the stream."""
    await stream.write(describe(key, agent, addresses, protocols, observed, record))
    await stream.close_write()
    with trio.move_on_after(IDENTIFY_TIMEOUT_S):
        await stream.read()  # a reset behind the message would throw it away; the peer's end says that it came
