"""The gossipsub RPC's protobuf: any bytes give an `Rpc` or `RpcError`, nothing else.

One canonical encoding goes out; unknown fields that come in are skipped, as protobuf asks. It never judges a message.
"""

from collections.abc import Callable
from typing import TypeVar

from .protobuf import bytes_field, fields, number_field
from .rpc import (
    MAX_CONTROL_ENTRIES,
    MAX_EXCHANGED_PEERS,
    MAX_MESSAGE_ID_BYTES,
    MAX_MESSAGE_IDS,
    MAX_MESSAGES,
    MAX_RPC_BYTES,
    MAX_SUBSCRIPTIONS,
    MAX_TOPIC_BYTES,
    ExchangedPeer,
    Graft,
    IHave,
    Message,
    Prune,
    Rpc,
    RpcError,
    Subscription,
)

# --- Encoding -------------------------------------------------------------------------------------------------------


def _encode_prune(prune: Prune) -> bytes:
    body = bytes_field(1, prune.topic.encode())
    for peer in prune.peers:
        body += bytes_field(2, bytes_field(1, peer.peer_id) + (bytes_field(2, peer.record) if peer.record else b""))
    return body + (number_field(3, prune.backoff_s) if prune.backoff_s else b"")


def _encode_control(rpc: Rpc) -> bytes:
    parts = [
        bytes_field(1, bytes_field(1, have.topic.encode()) + b"".join(bytes_field(2, one) for one in have.message_ids))
        for have in rpc.ihave
    ]
    if rpc.iwant:
        parts.append(bytes_field(2, b"".join(bytes_field(1, one) for one in rpc.iwant)))
    parts += [bytes_field(3, bytes_field(1, graft.topic.encode())) for graft in rpc.graft]
    parts += [bytes_field(4, _encode_prune(prune)) for prune in rpc.prune]
    if rpc.idontwant:
        parts.append(bytes_field(5, b"".join(bytes_field(1, one) for one in rpc.idontwant)))
    return b"".join(parts)


def encode(rpc: Rpc) -> bytes:
    """Protobuf bytes without the length prefix of the stream. The caller keeps them within MAX_RPC_BYTES."""
    parts = [
        bytes_field(1, number_field(1, int(sub.subscribe)) + bytes_field(2, sub.topic.encode()))
        for sub in rpc.subscriptions
    ]
    parts += [
        bytes_field(2, bytes_field(2, message.data) + bytes_field(4, message.topic.encode()))
        for message in rpc.messages
    ]
    control = _encode_control(rpc)
    if control:
        parts.append(bytes_field(3, control))
    return b"".join(parts)


# --- Decoding -------------------------------------------------------------------------------------------------------


def _bytes(value: int | bytes, limit_bytes: int) -> bytes:
    if isinstance(value, int) or len(value) > limit_bytes:
        raise RpcError("a field has the wrong type or is too long")
    return value


def _topic(value: int | bytes) -> str:
    try:
        return _bytes(value, MAX_TOPIC_BYTES).decode()
    except UnicodeDecodeError as error:
        raise RpcError("a topic is not UTF-8") from error


def _integer(value: int | bytes) -> int:
    if not isinstance(value, int):
        raise RpcError("a number has the wrong type")
    return value


T = TypeVar("T")


def _add(into: list[T], one: T, limit: int) -> None:
    if len(into) >= limit:
        raise RpcError(f"an RPC holds more than {limit} {type(one).__name__}")
    into.append(one)


def _decode_subscription(data: bytes) -> Subscription:
    subscribe, topic = False, ""
    for number, value in fields(data):
        if number == 1:
            subscribe = _integer(value) != 0
        elif number == 2:
            topic = _topic(value)
    return Subscription(subscribe, topic)


def _decode_message(data: bytes) -> Message:
    topic, body, signed = "", b"", False
    for number, value in fields(data):
        if number == 2:
            body = _bytes(value, MAX_RPC_BYTES)
        elif number == 4:
            topic = _topic(value)
        elif number in (1, 3, 5, 6):
            _bytes(value, MAX_RPC_BYTES)
            signed = True
    return Message(topic, body, signed)


def _decode_prune(data: bytes) -> Prune:
    topic, backoff_s = "", 0
    peers: list[ExchangedPeer] = []
    for number, value in fields(data):
        if number == 1:
            topic = _topic(value)
        elif number == 2:
            _add(peers, _decode_exchanged(_bytes(value, MAX_RPC_BYTES)), MAX_EXCHANGED_PEERS)
        elif number == 3:
            backoff_s = _integer(value)
    return Prune(topic, tuple(peers), backoff_s)


def _decode_exchanged(data: bytes) -> ExchangedPeer:
    peer_id = record = b""
    for number, value in fields(data):
        if number == 1:
            peer_id = _bytes(value, MAX_MESSAGE_ID_BYTES)
        elif number == 2:
            record = _bytes(value, MAX_RPC_BYTES)
    return ExchangedPeer(peer_id, record)


def _decode_graft(data: bytes) -> Graft:
    topic = ""
    for number, value in fields(data):
        if number == 1:
            topic = _topic(value)
    return Graft(topic)


class _Control:
    """Collects the control part; ids are counted over the whole RPC."""

    def __init__(self) -> None:
        self.ihave: list[IHave] = []
        self.iwant: list[bytes] = []
        self.graft: list[Graft] = []
        self.prune: list[Prune] = []
        self.idontwant: list[bytes] = []
        self._ids_left = MAX_MESSAGE_IDS

    def take(self, data: bytes) -> None:
        kinds: dict[int, Callable[[bytes], None]] = {
            1: lambda body: _add(self.ihave, self._ihave(body), MAX_CONTROL_ENTRIES),
            2: lambda body: self.iwant.extend(self._ids(body, 1)),
            3: lambda body: _add(self.graft, _decode_graft(body), MAX_CONTROL_ENTRIES),
            4: lambda body: _add(self.prune, _decode_prune(body), MAX_CONTROL_ENTRIES),
            5: lambda body: self.idontwant.extend(self._ids(body, 1)),
        }
        for number, value in fields(data):
            if number in kinds:
                kinds[number](_bytes(value, MAX_RPC_BYTES))

    def _ihave(self, data: bytes) -> IHave:
        topic = ""
        for number, value in fields(data):
            if number == 1:
                topic = _topic(value)
        return IHave(topic, tuple(self._ids(data, 2)))

    def _ids(self, data: bytes, field: int) -> list[bytes]:
        ids = [_bytes(value, MAX_MESSAGE_ID_BYTES) for number, value in fields(data) if number == field]
        self._ids_left -= len(ids)
        if self._ids_left < 0:
            raise RpcError(f"an RPC holds more than {MAX_MESSAGE_IDS} message ids")
        return ids


def decode(data: bytes) -> Rpc:
    """Raises RpcError for anything that is no RPC within the limits."""
    if len(data) > MAX_RPC_BYTES:
        raise RpcError(f"an RPC of {len(data)} bytes is over the limit of {MAX_RPC_BYTES}")
    subscriptions: list[Subscription] = []
    messages: list[Message] = []
    control = _Control()
    for number, value in fields(data):
        if number == 1:
            _add(subscriptions, _decode_subscription(_bytes(value, MAX_RPC_BYTES)), MAX_SUBSCRIPTIONS)
        elif number == 2:
            _add(messages, _decode_message(_bytes(value, MAX_RPC_BYTES)), MAX_MESSAGES)
        elif number == 3:
            control.take(_bytes(value, MAX_RPC_BYTES))
    return Rpc(
        tuple(subscriptions),
        tuple(messages),
        tuple(control.ihave),
        tuple(control.iwant),
        tuple(control.graft),
        tuple(control.prune),
        tuple(control.idontwant),
    )
