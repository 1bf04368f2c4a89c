"""The gossipsub RPC's protobuf: any bytes give an `Rpc` or `RpcError`, nothing else.

One canonical encoding goes out; unknown fields that come in are skipped, as protobuf asks. It never judges a message.
"""

from typing import Final, TypeVar

from .protobuf import FieldLimit, bytes_field, bytes_head, fields, number_field
from .rpc import (
    MAX_CONTROL_ENTRIES,
    MAX_EXCHANGED_PEERS,
    MAX_FIELDS,
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

_CHOKE: Final = 14
_UNCHOKE: Final = 15
"""Fields of the control part that only `Dialect.PUSHMESH` knows."""

# --- Encoding -------------------------------------------------------------------------------------------------------


def _message_parts(message: Message) -> tuple[bytes, ...]:
    """To be joined once: the data is large, and copies of it are what encoding costs."""
    topic = bytes_field(4, message.topic.encode())
    head = bytes_head(2, len(message.data))
    return bytes_head(2, len(head) + len(message.data) + len(topic)), head, message.data, topic


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
    parts += [bytes_field(_CHOKE, topic.encode()) for topic in rpc.choke]
    parts += [bytes_field(_UNCHOKE, topic.encode()) for topic in rpc.unchoke]
    return b"".join(parts)


def encode(rpc: Rpc) -> bytes:
    """Protobuf bytes without the length prefix of the stream. The caller keeps them within MAX_RPC_BYTES."""
    parts = [
        bytes_field(1, number_field(1, int(sub.subscribe)) + bytes_field(2, sub.topic.encode()))
        for sub in rpc.subscriptions
    ]
    parts += [part for message in rpc.messages for part in _message_parts(message)]
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


class _Reader:
    """Reads one RPC. Its fields and its message ids are counted over all parts, however they are nested."""

    def __init__(self) -> None:
        self.subscriptions: list[Subscription] = []
        self.messages: list[Message] = []
        self.ihave: list[IHave] = []
        self.iwant: list[bytes] = []
        self.graft: list[Graft] = []
        self.prune: list[Prune] = []
        self.idontwant: list[bytes] = []
        self.choke: list[str] = []
        self.unchoke: list[str] = []
        self._fields = FieldLimit(MAX_FIELDS)
        self._ids_left = MAX_MESSAGE_IDS

    @property
    def fields_taken(self) -> int:
        return MAX_FIELDS - self._fields.left

    def read(self, data: bytes) -> None:
        for number, value in fields(data, self._fields):
            if number == 2:
                _add(self.messages, self._message(_bytes(value, MAX_RPC_BYTES)), MAX_MESSAGES)
            elif number == 3:
                self._control(_bytes(value, MAX_RPC_BYTES))
            elif number == 1:
                _add(self.subscriptions, self._subscription(_bytes(value, MAX_RPC_BYTES)), MAX_SUBSCRIPTIONS)

    def _subscription(self, data: bytes) -> Subscription:
        subscribe, topic = False, ""
        for number, value in fields(data, self._fields):
            if number == 1:
                subscribe = _integer(value) != 0
            elif number == 2:
                topic = _topic(value)
        return Subscription(subscribe, topic)

    def _message(self, data: bytes) -> Message:
        topic, body, signed = "", b"", False
        for number, value in fields(data, self._fields):
            if number == 2:
                body = _bytes(value, MAX_RPC_BYTES)
            elif number == 4:
                topic = _topic(value)
            elif number in (1, 3, 5, 6):
                _bytes(value, MAX_RPC_BYTES)
                signed = True
        return Message(topic, body, signed)

    def _control(self, data: bytes) -> None:
        for number, value in fields(data, self._fields):
            if number in (_CHOKE, _UNCHOKE):
                _add(self.choke if number == _CHOKE else self.unchoke, _topic(value), MAX_CONTROL_ENTRIES)
                continue
            if not 1 <= number <= 5:
                continue
            body = _bytes(value, MAX_RPC_BYTES)
            match number:
                case 1:
                    _add(self.ihave, self._have(body), MAX_CONTROL_ENTRIES)
                case 2:
                    self.iwant += self._ids(body)
                case 3:
                    _add(self.graft, self._graft(body), MAX_CONTROL_ENTRIES)
                case 4:
                    _add(self.prune, self._prune(body), MAX_CONTROL_ENTRIES)
                case 5:
                    self.idontwant += self._ids(body)

    def _have(self, data: bytes) -> IHave:
        topic = ""
        ids: list[bytes] = []
        for number, value in fields(data, self._fields):
            if number == 2:
                ids.append(_bytes(value, MAX_MESSAGE_ID_BYTES))
            elif number == 1:
                topic = _topic(value)
        return IHave(topic, tuple(self._counted(ids)))

    def _ids(self, data: bytes) -> list[bytes]:
        return self._counted(
            [_bytes(value, MAX_MESSAGE_ID_BYTES) for number, value in fields(data, self._fields) if number == 1]
        )

    def _counted(self, ids: list[bytes]) -> list[bytes]:
        self._ids_left -= len(ids)
        if self._ids_left < 0:
            raise RpcError(f"an RPC holds more than {MAX_MESSAGE_IDS} message ids")
        return ids

    def _graft(self, data: bytes) -> Graft:
        topic = ""
        for number, value in fields(data, self._fields):
            if number == 1:
                topic = _topic(value)
        return Graft(topic)

    def _prune(self, data: bytes) -> Prune:
        topic, backoff_s = "", 0
        peers: list[ExchangedPeer] = []
        for number, value in fields(data, self._fields):
            if number == 1:
                topic = _topic(value)
            elif number == 2:
                _add(peers, self._exchanged(_bytes(value, MAX_RPC_BYTES)), MAX_EXCHANGED_PEERS)
            elif number == 3:
                backoff_s = _integer(value)
        return Prune(topic, tuple(peers), backoff_s)

    def _exchanged(self, data: bytes) -> ExchangedPeer:
        peer_id = record = b""
        for number, value in fields(data, self._fields):
            if number == 1:
                peer_id = _bytes(value, MAX_MESSAGE_ID_BYTES)
            elif number == 2:
                record = _bytes(value, MAX_RPC_BYTES)
        return ExchangedPeer(peer_id, record)


def decode(data: bytes) -> Rpc:
    """Raises RpcError for anything that is no RPC within the limits."""
    return decode_counting(data)[0]


def decode_counting(data: bytes) -> tuple[Rpc, int]:
    """The same, and how many fields of protobuf it took: reading and routing cost by that, whatever the fields are, and
    two bytes make one."""
    if len(data) > MAX_RPC_BYTES:
        raise RpcError(f"an RPC of {len(data)} bytes is over the limit of {MAX_RPC_BYTES}")
    reader = _Reader()
    reader.read(data)
    rpc = Rpc(
        tuple(reader.subscriptions),
        tuple(reader.messages),
        tuple(reader.ihave),
        tuple(reader.iwant),
        tuple(reader.graft),
        tuple(reader.prune),
        tuple(reader.idontwant),
        tuple(reader.choke),
        tuple(reader.unchoke),
    )
    return rpc, reader.fields_taken
