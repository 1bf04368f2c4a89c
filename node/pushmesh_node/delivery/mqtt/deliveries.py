"""Messages to one client: which packet each becomes, and how far the client has acknowledged. No socket."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pushmesh_protocol.reasons import Reason

from ..contract import Batch, Message
from .aliases import OutboundAliases
from .rendering import Renderer
from .subscriptions import Route, Subscriptions
from .window import InFlight, Window

MOST_GROWTH, MOST_HEAD_BYTES = 8, 4_096
"""A packet is never larger than so many times the frame of its message, which JSON escapes, and its topic and
properties."""


@dataclass(frozen=True, slots=True)
class Written:
    """Packets to write at once, the messages that are in them, and the reasons of those that are not."""

    packets: list[bytes] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    passed_over: list[Reason] = field(default_factory=list)


class Deliveries:
    """The way out of one connection; `size`, `max_packet_bytes` and `aliases` are the client's receive maximum, packet
    size and topic alias maximum, `left` what an earlier connection of its session left."""

    def __init__(
        self,
        renderer: Renderer,
        *,
        size: int,
        max_packet_bytes: int,
        aliases: int = 0,
        left: InFlight | None = None,
    ) -> None:
        self._renderer = renderer
        self._max_packet_bytes = max_packet_bytes
        self._aliases = OutboundAliases(aliases)
        self.window = Window(size, left)

    def write_run(self, batch: Batch, subscriptions: Subscriptions, now_ms: int) -> bytes | None:
        """The packets of a batch as they are for every client like this one; None, and nothing happens, where `write`
        has to look at each."""
        route = subscriptions.only_route
        if route is None or not route.is_sure:
            return None
        alias = self._aliases.settled(route.topic)
        if alias is None:
            return None
        # remade each second or so: packets tell how many seconds are left
        run = batch.encoded(
            ("mqtt", route.form, alias, now_ms >> 10),
            lambda messages: self._renderer.run(messages, route, alias, now_ms),
        )
        if (
            run.largest_bytes > self._max_packet_bytes
            or run.expires_at < now_ms + 1000
            or not self.window.send_run(run)
        ):
            return None
        return run.data

    def takes_all(self, messages: Sequence[Message], subscriptions: Subscriptions, now_ms: int) -> bool:
        """Whether `write` would surely pass over none of these messages."""
        if len(messages) > self.window.room or self.window.repeats:
            return False
        room_bytes = self._max_packet_bytes - MOST_HEAD_BYTES
        return all(
            message.envelope.body.expires_at >= now_ms + 1000
            and len(message.frame) * MOST_GROWTH <= room_bytes
            and subscriptions.route(message.envelope.topic) is not None
            for message in messages
        )

    def write(self, messages: Sequence[Message], subscriptions: Subscriptions, now_ms: int) -> Written:
        """The packets of these messages, at most as many as the window has room for, in commit order."""
        written = Written()
        for message in messages:
            route = subscriptions.route(message.envelope.topic)
            life_s = (message.envelope.body.expires_at - now_ms) // 1000
            if route is None:
                continue  # unsubscribed while it was on its way
            if life_s <= 0:
                self.window.pass_over(message.commit_no)
                written.passed_over.append(Reason.EXPIRED)
                continue
            again = self.window.repeat(message.commit_no) if self.window.repeats and route.is_sure else None
            if again == 0:
                continue  # the client acknowledged it before its connection went
            packet_id = again or self._packet_id(message, route)
            name = self._aliases.name(route.topic)
            packet = self._renderer.packet(message, route, packet_id, life_s, name)
            if len(packet) <= self._max_packet_bytes:
                self._aliases.sent(name)
                written.packets.append(packet if again is None else as_duplicate(packet))
                written.messages.append(message)
            else:
                written.passed_over.append(Reason.OVERSIZE)
                written.packets.extend(self._notice(message, route, packet_id))
        return written

    def _packet_id(self, message: Message, route: Route) -> int | None:
        if route.is_sure:
            return self.window.send(message.commit_no)
        self.window.pass_over(message.commit_no)  # at most once: what is sent counts as acknowledged
        return None

    def _notice(self, message: Message, route: Route, packet_id: int | None) -> list[bytes]:
        """MQTT forbids the packet: name the message, so that the client can fetch it elsewhere."""
        notice = self._renderer.notice(message, route, packet_id, Reason.OVERSIZE)
        if len(notice) <= self._max_packet_bytes:
            return [notice]
        if packet_id is not None:
            self.window.acknowledge(packet_id)
        return []


def as_duplicate(publish: bytes) -> bytes:
    """The same PUBLISH with DUP set."""
    return bytes((publish[0] | 0x08,)) + publish[1:]
