"""Messages as PUBLISH packets: the payload once for all clients, the properties for each. Knows no connection."""

from collections import OrderedDict
from collections.abc import Sequence

import msgspec
from mqtt5 import PublishPacket, QoS

from pushmesh_protocol.display import envelope_json, kind_text

from ..contract import Cursor, Message
from ..cursor import format_cursor
from .aliases import Name
from .runs import Run, packet_id_of, puback_of
from .subscriptions import Form, Route

JSON_TYPE = "application/json"
FRAME_TYPE = "application/vnd.pushmesh.frame"

_PROPERTIES_BYTES = 1_024
"""About what the properties of a message take in memory."""

_encode_json = msgspec.json.Encoder().encode


class _Written:
    """What is the same for every client: the JSON (made when the first asks for it) and the properties."""

    __slots__ = ("json", "properties")

    def __init__(self, properties: list[tuple[str, str]]) -> None:
        self.properties = properties
        self.json: bytes | None = None


class Renderer:
    """Writes the messages of one store. Remembers the newest messages, at most about `cache_bytes` of them."""

    def __init__(self, incarnation: bytes, cache_bytes: int = 4_194_304) -> None:
        self._incarnation = incarnation
        self._cache_bytes = cache_bytes
        self.cached_bytes = 0
        """How much is held."""
        self._written: OrderedDict[tuple[int, str, str], _Written] = OrderedDict()

    def packet(
        self, message: Message, route: Route, packet_id: int | None, life_s: int, name: Name | None = None
    ) -> bytes:
        """The PUBLISH of a message; `packet_id` is set for QoS 1, `life_s` are the seconds until it expires, `name` is
        set where the topic has an alias."""
        written = self._of(message)
        is_frame = route.form is Form.FRAME
        return PublishPacket(
            route.topic if name is None else name.topic,
            message.frame if is_frame else self._json(message, written),
            qos=QoS.AT_MOST_ONCE if packet_id is None else QoS.AT_LEAST_ONCE,
            packet_id=packet_id,
            payload_format_indicator=0 if is_frame else 1,
            message_expiry_interval=life_s,
            content_type=FRAME_TYPE if is_frame else JSON_TYPE,
            topic_alias=None if name is None else name.alias,
            user_properties=written.properties,
        ).write()

    def run(self, messages: Sequence[Message], route: Route, alias: int, now_ms: int) -> Run:
        """Messages of one route as packets under QoS 1; `alias` 0 is none, another one is set already."""
        name = Name("", alias) if alias else Name(route.topic)
        sent = [(packet_id_of(message.commit_no), message.commit_no) for message in messages]
        packets = [
            self.packet(message, route, packet_id, max(1, (message.envelope.body.expires_at - now_ms) // 1000), name)
            for message, (packet_id, _) in zip(messages, sent, strict=True)
        ]
        return Run(
            b"".join(packets),
            b"".join([puback_of(packet_id) for packet_id, _ in sent]),
            tuple(sent),
            max(map(len, packets)),
            min([message.envelope.body.expires_at for message in messages]),
        )

    def notice(self, message: Message, route: Route, packet_id: int | None, reason: str) -> bytes:
        """A PUBLISH without payload that names a message which cannot be sent, and why."""
        properties = [*self._of(message).properties, ("notice", reason)]
        qos = QoS.AT_MOST_ONCE if packet_id is None else QoS.AT_LEAST_ONCE
        return PublishPacket(route.topic, b"", qos=qos, packet_id=packet_id, user_properties=properties).write()

    def live(self, topic: str, commit_no: int) -> bytes:
        """A PUBLISH without payload that tells that everything up to here was given: what follows is new."""
        properties = [("cursor", format_cursor(Cursor(self._incarnation, commit_no))), ("kind", "live")]
        return PublishPacket(topic, b"", qos=QoS.AT_MOST_ONCE, user_properties=properties).write()

    def _of(self, message: Message) -> _Written:
        key = (message.commit_no, message.verdict, message.reason)
        written = self._written.get(key)
        if written is None:
            written = self._written[key] = _Written(self._properties(message))
            self._grow(_PROPERTIES_BYTES)
        return written

    def _json(self, message: Message, written: _Written) -> bytes:
        if written.json is None:
            written.json = _encode_json(envelope_json(message.envelope, signed=False))
            self._grow(len(written.json))
        return written.json

    def _grow(self, size_bytes: int) -> None:
        self.cached_bytes += size_bytes
        while self.cached_bytes > self._cache_bytes and len(self._written) > 1:  # the newest is in use
            _, oldest = self._written.popitem(last=False)
            self.cached_bytes -= _PROPERTIES_BYTES + len(oldest.json or b"")

    def _properties(self, message: Message) -> list[tuple[str, str]]:
        return [
            ("id", message.envelope.id.hex()),
            ("cursor", format_cursor(Cursor(self._incarnation, message.commit_no))),
            ("verdict", message.verdict),
            ("reason", message.reason),
            ("kind", str(kind_text(message.envelope.kind))),
        ]


def news(topic: str, payload: bytes) -> bytes:
    """A PUBLISH of what is no message."""
    return PublishPacket(topic, payload, content_type=JSON_TYPE, payload_format_indicator=1).write()


def gap_notice(topic: str, detail: str) -> bytes:
    """A PUBLISH without payload that tells that the inbox is not read from where the client asked."""
    properties = [("kind", "gap"), ("notice", detail)]
    return PublishPacket(topic, b"", qos=QoS.AT_MOST_ONCE, user_properties=properties).write()
