"""Checks the texts of a packet before the codec sees them, since mqtt5 0.8.0 panics on one that is no UTF-8, and what
that lets pass though MQTT forbids it.

Knows only the outline of the packets that a client may send; what the fields mean is the codec's matter.
"""

from typing import Final

CONNECT, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = 1, 3, 4, 5, 6, 7
SUBSCRIBE, UNSUBSCRIBE, PINGREQ, DISCONNECT, AUTH = 8, 10, 12, 14, 15

BINARY: Final = 0
TEXT: Final = -1
PAIR: Final = -2
VARIABLE: Final = -3

# MQTT 5 section 2.2.2.2: a positive number is a fixed size in bytes.
_PROPERTIES: Final = {
    0x01: 1, 0x02: 4, 0x03: TEXT, 0x08: TEXT, 0x09: BINARY, 0x0B: VARIABLE, 0x11: 4, 0x12: TEXT, 0x13: 2, 0x15: TEXT,
    0x16: BINARY, 0x17: 1, 0x18: 4, 0x19: 1, 0x1A: TEXT, 0x1C: TEXT, 0x1F: TEXT, 0x21: 2, 0x22: 2, 0x23: 2, 0x24: 1,
    0x25: 1, 0x26: PAIR, 0x27: 4, 0x28: 1, 0x29: 1, 0x2A: 1,
}  # fmt: skip


class BadPacket(ValueError):
    """Raised for a packet whose outline or texts are malformed; the message says which."""


def check_texts(first_byte: int, data: bytes) -> None:
    """`data` is the packet behind its fixed header. Raises BadPacket for a field past the end, a bad text, or a number
    or flag that may not be."""
    kind = first_byte >> 4
    walk = _Walk(data)
    if kind == CONNECT:
        _walk_connect(walk)
    elif kind == PUBLISH:
        walk.text()
        if first_byte & 0b110:
            walk.packet_id()
        elif first_byte & 0b1000:
            raise BadPacket("DUP is set under QoS 0")  # MQTT-3.3.1-2
        walk.properties()
    elif kind in (SUBSCRIBE, UNSUBSCRIBE):
        _walk_filters(walk, has_options=kind == SUBSCRIBE)
    elif kind != PINGREQ:
        walk.skip(3 if kind in (PUBACK, PUBREC, PUBREL, PUBCOMP) else 1)
        walk.properties()


def _walk_filters(walk: "_Walk", *, has_options: bool) -> None:
    walk.packet_id()
    walk.properties()
    if walk.at_end():
        raise BadPacket("no filter is named")  # MQTT-3.8.3-2, MQTT-3.10.3-2
    while not walk.at_end():
        walk.text()
        if has_options and walk.byte() & 0xC0:
            raise BadPacket("a reserved bit of the options is set")  # MQTT-3.8.3-5


def _walk_connect(walk: "_Walk") -> None:
    walk.text()
    walk.skip(1)
    flags = walk.byte()
    if flags & 0x01 or (flags & 0x38 and not flags & 0x04):
        raise BadPacket("a reserved flag is set")  # MQTT-3.1.2-3, and of a will that there is none of
    walk.skip(2)
    walk.properties()
    walk.text()
    if flags & 0x04:
        walk.properties()
        walk.text()
        walk.binary()
    if flags & 0x80:
        walk.text()
    if flags & 0x40:
        walk.binary()


class _Walk:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._end = len(data)

    def at_end(self) -> bool:
        return self._at >= self._end

    def skip(self, count: int) -> int:
        start = self._at
        self._at += count
        if self._at > self._end:
            raise BadPacket("a field reaches past the packet's end")
        return start

    def byte(self) -> int:
        return self._data[self.skip(1)]

    def packet_id(self) -> None:
        at = self.skip(2)
        if self._data[at : at + 2] == b"\0\0":
            raise BadPacket("a packet id is not 0")  # MQTT-2.2.1-3

    def binary(self) -> bytes:
        at = self.skip(2)
        size = self._data[at] << 8 | self._data[at + 1]
        start = self.skip(size)
        return self._data[start : start + size]

    def text(self) -> None:
        raw = self.binary()
        if raw.isascii():
            if 0 in raw:
                raise BadPacket("a text holds U+0000")
            return
        try:
            raw.decode()
        except UnicodeDecodeError as error:
            raise BadPacket("a text is not UTF-8") from error
        if 0 in raw:
            raise BadPacket("a text holds U+0000")

    def variable(self) -> int:
        value = 0
        for shift in (0, 7, 14, 21):
            digit = self.byte()
            value |= (digit & 0x7F) << shift
            if digit < 0x80:
                return value
        raise BadPacket("a variable byte integer is longer than four bytes")

    def properties(self) -> None:
        if self.at_end():  # short forms of acknowledgements, DISCONNECT and AUTH leave them out
            return
        end = self.variable() + self._at
        if end > self._end:
            raise BadPacket("the properties reach past the packet's end")
        while self._at < end:
            self._property()
        if self._at != end:
            raise BadPacket("a property reaches past the properties' end")

    def _property(self) -> None:
        shape = _PROPERTIES.get(self.variable())
        if shape is None:
            raise BadPacket("a property has no known number")
        if shape > 0:
            self.skip(shape)
        elif shape == TEXT:
            self.text()
        elif shape == BINARY:
            self.binary()
        elif shape == PAIR:
            self.text()
            self.text()
        else:
            self.variable()
