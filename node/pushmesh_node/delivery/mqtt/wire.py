"""Bytes of a connection into whole MQTT 5 packets, within a size limit. Never raises for a client's fault."""

from dataclasses import dataclass
from typing import Final, TypeAlias

import mqtt5
from mqtt5 import DisconnectReasonCode, Packet

from .texts import (
    AUTH,
    CONNECT,
    DISCONNECT,
    PINGREQ,
    PUBACK,
    PUBCOMP,
    PUBLISH,
    PUBREC,
    PUBREL,
    SUBSCRIBE,
    UNSUBSCRIBE,
    BadPacket,
    check_texts,
)

OLD_REFUSAL: Final = b"\x20\x02\x00\x01"
"""CONNACK of MQTT 3.1 and 3.1.1 with return code 1: unacceptable protocol version."""

_FROM_CLIENTS = frozenset(
    {CONNECT, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, UNSUBSCRIBE, PINGREQ, DISCONNECT, AUTH}
)
_OLD_VERSIONS = (b"\x00\x04MQTT\x03", b"\x00\x04MQTT\x04", b"\x00\x06MQIsdp\x03")
_NAME = b"\x00\x04MQTT"
_VERSION_5 = b"\x00\x04MQTT\x05"


@dataclass(frozen=True, slots=True)
class Broken:
    """What follows on the connection cannot be read; the last thing that a reader gives."""

    code: DisconnectReasonCode
    detail: str


@dataclass(frozen=True, slots=True)
class OtherVersion:
    """A CONNECT of another protocol version; `old` ones are answered in their own form."""

    old: bool


Inbound: TypeAlias = Packet | Broken | OtherVersion


MOST_AT_ONCE: Final = 1_024
"""Packets that one call gives, so that a flood of small ones leaves others their turn."""


class PacketReader:
    """Collects bytes; `limit_bytes` bounds the size of one packet, header included, and so what is held.

    Where `has_more`, more is whole than was given: feed it nothing, a little later."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self._held = bytearray()
        self._wanted_bytes = 0
        self._ended = False
        self.has_more = False

    @property
    def is_between(self) -> bool:
        """Whether the next byte begins a packet that is still to be read."""
        return not self._held and not self._ended

    def feed(self, data: bytes) -> list[Inbound]:
        """The packets that are now complete. After a Broken or OtherVersion everything that comes is ignored."""
        if self._ended:
            return []
        if self._held:
            self._held += data
            if (
                len(self._held) < self._wanted_bytes
            ):  # else a large packet in small pieces would be copied with each piece
                return []
            data = bytes(self._held)
        found, taken = self._split(data)
        self._held = bytearray(data[taken:])
        return found

    def _split(self, data: bytes) -> tuple[list[Inbound], int]:
        found: list[Inbound] = []
        at, size, view = 0, len(data), memoryview(data)
        self._wanted_bytes = 0
        while not self._ended and len(found) < MOST_AT_ONCE:
            header = _header(data, at, size)
            if header is None:
                break
            start, end = header
            entry: Inbound
            if end - at > self.limit_bytes:
                entry = Broken(
                    DisconnectReasonCode.PACKET_TOO_LARGE, f"a packet is larger than {self.limit_bytes} bytes"
                )
            elif start < 0:
                entry = Broken(DisconnectReasonCode.MALFORMED_PACKET, "the remaining length is longer than four bytes")
            elif end > size:
                self._wanted_bytes = end - at
                break
            else:
                entry = _read(data, view, at, start, end)
            found.append(entry)
            self._ended = isinstance(entry, Broken | OtherVersion)
            at = end
        self.has_more = len(found) == MOST_AT_ONCE and not self._ended and at < size
        return found, size if self._ended else at


def _header(data: bytes, at: int, size: int) -> tuple[int, int] | None:
    """Where the variable header starts and the packet ends; None while unknown, start -1 where it is malformed."""
    length, shift, position = 0, 0, at + 1
    while position < size:
        digit = data[position]
        length |= (digit & 0x7F) << shift
        position += 1
        if digit < 0x80:
            return position, position + length
        shift += 7
        if shift > 21:
            return -1, at
    return None


def _read(data: bytes, view: memoryview, at: int, start: int, end: int) -> Inbound:
    first = data[at]
    if first >> 4 not in _FROM_CLIENTS:
        return Broken(DisconnectReasonCode.PROTOCOL_ERROR, f"packet type {first >> 4} is not for clients to send")
    if first == CONNECT << 4 and data[start : start + 7] != _VERSION_5:
        return _other_version(data[start:end])
    try:
        if end - start > 2:
            check_texts(first, data[start:end])
        packet, taken = mqtt5.read(view[at:end])
    except (BadPacket, ValueError) as error:
        return Broken(DisconnectReasonCode.MALFORMED_PACKET, str(error))
    except IndexError:
        return Broken(DisconnectReasonCode.MALFORMED_PACKET, "a field reaches past the packet's end")
    if taken != end - at:
        return Broken(DisconnectReasonCode.MALFORMED_PACKET, "the packet is longer than its fields")
    return packet


def _other_version(body: bytes) -> Inbound:
    if body.startswith(_OLD_VERSIONS):
        return OtherVersion(old=True)
    if body.startswith(_NAME) and len(body) > len(_NAME):
        return OtherVersion(old=False)
    return Broken(DisconnectReasonCode.MALFORMED_PACKET, "this is no MQTT CONNECT")
