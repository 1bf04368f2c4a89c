"""The gossipsub RPC as frozen data, and the limits on it. Its bytes are `rpc_wire`'s."""

from typing import Final

import msgspec

MAX_RPC_BYTES: Final = 1024 * 1024
MAX_SUBSCRIPTIONS: Final = 256
MAX_MESSAGES: Final = 4_096
MAX_CONTROL_ENTRIES: Final = 512  # of each kind
MAX_MESSAGE_IDS: Final = 10_000  # in one RPC, over all entries
MAX_FIELDS: Final = 65_536  # of protobuf in one RPC, at all depths
MAX_TOPIC_BYTES: Final = 256
MAX_MESSAGE_ID_BYTES: Final = 128  # foreign peers may use other ids
MAX_EXCHANGED_PEERS: Final = 64


class RpcError(Exception):
    """The peer sent bytes that are no gossipsub RPC within the limits."""


class Subscription(msgspec.Struct, frozen=True):
    """A peer joins or leaves a topic."""

    subscribe: bool
    topic: str


class Message(msgspec.Struct, frozen=True):
    """A published message. `signed` is true if it carries any of from, seqno, signature and key (StrictNoSign)."""

    topic: str
    data: bytes
    signed: bool = False


class IHave(msgspec.Struct, frozen=True):
    """Ids of a topic that the sender can give."""

    topic: str
    message_ids: tuple[bytes, ...]


class Graft(msgspec.Struct, frozen=True):
    """The sender took the receiver into its mesh."""

    topic: str


class ExchangedPeer(msgspec.Struct, frozen=True):
    """A peer that a PRUNE recommends; `record` is its signed peer record or empty."""

    peer_id: bytes
    record: bytes


class Prune(msgspec.Struct, frozen=True):
    """The sender dropped the receiver from its mesh for at least `backoff_s`."""

    topic: str
    peers: tuple[ExchangedPeer, ...] = ()
    backoff_s: int = 0


class Rpc(msgspec.Struct, frozen=True):
    """One RPC; `iwant` and `idontwant` are flat lists of message ids, `choke` and `unchoke` lists of topics."""

    subscriptions: tuple[Subscription, ...] = ()
    messages: tuple[Message, ...] = ()
    ihave: tuple[IHave, ...] = ()
    iwant: tuple[bytes, ...] = ()
    graft: tuple[Graft, ...] = ()
    prune: tuple[Prune, ...] = ()
    idontwant: tuple[bytes, ...] = ()
    choke: tuple[str, ...] = ()
    unchoke: tuple[str, ...] = ()
