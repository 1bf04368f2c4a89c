"""Messages as PUBLISH packets: the payload once for all clients, the properties for each. Knows no connection."""

from collections import OrderedDict

import msgspec
from mqtt5 import PublishPacket, QoS

from pushmesh_protocol.display import envelope_json, kind_text

from ..contract import Cursor, Message
from ..cursor import format_cursor
from .subscriptions import Form, Route

JSON_TYPE = "application/json"
FRAME_TYPE = "application/vnd.pushmesh.frame"

_encode_json = msgspec.json.Encoder().encode


class Renderer:
    """Writes the messages of one store. Keeps the JSON of the newest messages, at most `cache_bytes` of it."""

    def __init__(self, incarnation: bytes, cache_bytes: int = 4_194_304) -> None:
        self._incarnation = incarnation
        self._cache_bytes = cache_bytes
        self._held_bytes = 0
        self._payloads: OrderedDict[int, bytes] = OrderedDict()

    def packet(self, message: Message, route: Route, packet_id: int | None, life_s: int) -> bytes:
        """The PUBLISH of a message; `packet_id` is set for QoS 1, `life_s` are the seconds until it expires."""
        is_frame = route.form is Form.FRAME
        return PublishPacket(
            route.topic,
            message.frame if is_frame else self._json(message),
            qos=QoS.AT_LEAST_ONCE if route.is_sure else QoS.AT_MOST_ONCE,
            packet_id=packet_id,
            payload_format_indicator=0 if is_frame else 1,
            message_expiry_interval=life_s,
            content_type=FRAME_TYPE if is_frame else JSON_TYPE,
            user_properties=self._properties(message),
        ).write()

    def notice(self, message: Message, route: Route, packet_id: int | None, reason: str) -> bytes:
        """A PUBLISH without payload that names a message which cannot be sent, and why."""
        properties = [*self._properties(message), ("notice", reason)]
        return PublishPacket(
            route.topic,
            b"",
            qos=QoS.AT_LEAST_ONCE if route.is_sure else QoS.AT_MOST_ONCE,
            packet_id=packet_id,
            user_properties=properties,
        ).write()

    @property
    def cached_bytes(self) -> int:
        """How much JSON is held."""
        return self._held_bytes

    def _properties(self, message: Message) -> list[tuple[str, str]]:
        return [
            ("id", message.envelope.id.hex()),
            ("cursor", format_cursor(Cursor(self._incarnation, message.commit_no))),
            ("verdict", message.verdict),
            ("reason", message.reason),
            ("kind", str(kind_text(message.envelope.kind))),
        ]

    def _json(self, message: Message) -> bytes:
        payload = self._payloads.get(message.commit_no)
        if payload is not None:
            self._payloads.move_to_end(message.commit_no)
            return payload
        payload = _encode_json(envelope_json(message.envelope, signed=False))
        self._payloads[message.commit_no] = payload
        self._held_bytes += len(payload)
        while self._held_bytes > self._cache_bytes:
            _, oldest = self._payloads.popitem(last=False)
            self._held_bytes -= len(oldest)
        return payload


def gap_notice(topic: str, detail: str) -> bytes:
    """A PUBLISH without payload that tells that the inbox is not read from where the client asked."""
    properties = [("kind", "gap"), ("notice", detail)]
    return PublishPacket(topic, b"", qos=QoS.AT_MOST_ONCE, user_properties=properties).write()
