"""The JSON words of every HTTP transport, as bytes without newline. A message is encoded once for all consumers."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import msgspec

from pushmesh_protocol.armor import to_text
from pushmesh_protocol.codec import pack
from pushmesh_protocol.display import envelope_json

from .contract import Cursor, Message, WalletEvent
from .cursor import format_cursor
from .session import Mark, Marker
from .ws_frames import Opcode, frame

_encode = msgspec.json.Encoder().encode


class MessageForms:
    """Encodes messages of one store and remembers the newest, bounded by number and bytes."""

    def __init__(self, incarnation: bytes, most: int = 4_096, most_bytes: int = 33_554_432) -> None:
        self._incarnation = incarnation
        self._most = most
        self._most_bytes = most_bytes
        self._kept: OrderedDict[tuple[int, str, str], bytes] = OrderedDict()
        self._kept_bytes = 0
        self.encoded = 0

    def message(self, message: Message) -> bytes:
        """`{"type":"message", cursor, verdict, reason, envelope, frame}`; the frame is what the wallet verifies."""
        key = (message.commit_no, message.verdict, message.reason)
        form = self._kept.get(key)
        if form is None:
            form = self._encode(message)
            self._keep(key, form)
        return form

    def marker(self, marker: Marker) -> bytes:
        """`{"type": "live" | "gap" | "idle" | "end", cursor, ...}`."""
        form: dict[str, Any] = {"type": MARK_NAMES[marker.mark], "cursor": self.cursor(marker.commit_no)}
        if marker.mark in (Mark.GAP, Mark.ENDED):
            form |= {"reason": marker.reason, "detail": marker.detail}
        return _encode(form)

    def text_frames(self, messages: Sequence[Message]) -> bytes:
        """A WebSocket text frame each."""
        return b"".join([frame(Opcode.TEXT, self.message(each)) for each in messages])

    def binary_frame(self, messages: Sequence[Message]) -> bytes:
        """All in one WebSocket binary frame, MessagePack: [[commit number, verdict, reason, frame]...]."""
        rows = [(each.commit_no, each.verdict, each.reason, each.frame) for each in messages]
        return frame(Opcode.BINARY, pack(rows))

    def event(self, event: WalletEvent) -> bytes:
        """`{"type": "acked" | "read" | ..., ...}`."""
        return _encode({"type": event.kind, **event.form})

    def cursor(self, commit_no: int) -> str:
        """The text that resumes after this commit number."""
        return format_cursor(Cursor(self._incarnation, commit_no))

    def _encode(self, message: Message) -> bytes:
        self.encoded += 1
        return _encode(
            {
                "type": "message",
                "cursor": self.cursor(message.commit_no),
                "verdict": message.verdict,
                "reason": message.reason,
                "envelope": envelope_json(message.envelope, signed=False),
                "frame": to_text(message.frame),
            }
        )

    def _keep(self, key: tuple[int, str, str], form: bytes) -> None:
        self._kept[key] = form
        self._kept_bytes += len(form)
        while len(self._kept) > self._most or self._kept_bytes > self._most_bytes:
            _, oldest = self._kept.popitem(last=False)
            self._kept_bytes -= len(oldest)


MARK_NAMES = {Mark.LIVE: "live", Mark.GAP: "gap", Mark.IDLE: "idle", Mark.ENDED: "end"}
