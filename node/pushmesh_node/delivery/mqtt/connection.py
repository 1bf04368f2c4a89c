"""One MQTT 5 client as a state machine: `handle(event, now) -> actions`. No socket, no clock, no waiting.

A client sees its wallet's topics and nothing else, so there is nothing to control access to.
"""

from collections import deque
from collections.abc import Iterable
from enum import Enum, auto

from mqtt5 import AuthPacket, ConnAckPacket, ConnAckReasonCode, ConnectPacket, DisconnectReasonCode

from pushmesh_protocol.reasons import Reason

from ...engine.answers import Principal
from ..contract import Batch
from .codes import disconnect_code, reason_of_break
from .conversation import Conversation, Farewell, Said
from .events import (
    Acknowledge,
    Action,
    Authenticate,
    Authenticated,
    Close,
    Ended,
    Event,
    Opened,
    Received,
    Refused,
    Send,
    TakenOver,
    Ticked,
)
from .greeting import Greeting
from .handshake import FOREVER, No, goodbye, no, welcome
from .limits import About, Limits
from .rendering import Renderer
from .subscriptions import Subscriptions
from .window import InFlight
from .wire import OLD_REFUSAL, Broken, Inbound, OtherVersion, PacketReader


class _Phase(Enum):
    FRESH = auto()
    CHALLENGED = auto()
    AUTHENTICATING = auto()
    OPENING = auto()
    OPEN = auto()
    CLOSED = auto()


class Connection:
    """One client. After Close nothing more is to be handled; `assigned_id` is for a client that brings no id."""

    def __init__(
        self,
        about: About,
        limits: Limits,
        renderer: Renderer,
        *,
        assigned_id: str,
        now_ms: int,
        is_draining: bool = False,
    ) -> None:
        self._about = about
        self._limits = limits
        self._renderer = renderer
        self._phase = _Phase.FRESH
        self._reader = PacketReader(limits.connect_bytes)
        self._early: deque[Inbound] = deque()
        self._deadline_ms = now_ms + int(limits.connect_timeout_s * 1000)
        self._now_ms = now_ms
        self._out: list[bytes] = []
        self._actions: list[Action] = []
        self._greeting = Greeting(about, limits, assigned_id, is_draining=is_draining)
        self._principal: Principal | None = None
        self._open: Conversation | None = None
        self._conversation: Conversation | None = None
        """The same, and what is left of it when it is over."""

    @property
    def room(self) -> int:
        """How many messages may be offered now."""
        return 0 if self._open is None else self._open.room

    @property
    def has_more(self) -> bool:
        """Whether more came than was looked at: to be handled as Received of nothing after others had their turn."""
        return self._phase is not _Phase.CLOSED and self._reader.has_more

    @property
    def is_full(self) -> bool:
        """Whether the client must not be read from for now."""
        if self._open is not None:
            return self.has_more or self._open.is_full
        return self.has_more or self._phase in (_Phase.AUTHENTICATING, _Phase.OPENING)

    @property
    def deadline_ms(self) -> int:
        """When to handle Ticked."""
        return self._deadline_ms if self._open is None else self._open.deadline_ms

    @property
    def kept(self) -> tuple[Subscriptions, InFlight, int] | None:
        """What outlives the connection and for how many seconds; None where nothing does."""
        return None if self._conversation is None else self._conversation.kept

    @property
    def remembers(self) -> bool:
        """Whether acknowledgements are worth storing: not for a client that will never be known again."""
        hello = self._greeting.hello
        return hello is not None and not (hello.is_assigned and not hello.expiry_s)

    @property
    def _most_bytes(self) -> int:
        hello = self._greeting.hello
        return FOREVER if hello is None else hello.max_packet_bytes

    def handle(self, event: Event, now_ms: int) -> list[Action]:
        """Never raises for what a client sends."""
        if self._phase is _Phase.CLOSED:
            return []
        self._now_ms = now_ms
        match event:
            case Received(data):
                self._receive(data)
            case Authenticated(principal):
                self._take_principal(principal)
            case Refused(reason, _rule, detail) if self._phase is _Phase.OPEN:
                self._disconnect(disconnect_code(Reason.LOGIN_REQUIRED), reason, detail)
            case Refused(reason, _rule, detail):
                self._refuse(no(reason, detail))
            case Opened():
                self._begin(event)
            case Ended(reason, detail):
                self._disconnect(disconnect_code(reason), reason, detail)
            case TakenOver():
                detail = "the same client has connected again"
                self._disconnect(DisconnectReasonCode.SESSION_TAKEN_OVER, Reason.OK, detail)
            case Ticked():
                self._tick()
            case _:
                if self._open is not None:
                    self._obey(self._open.handle(event, now_ms))
        return self._flush()

    # The short way of most of what happens: `handle` does the same, but looks at each packet.

    def write_run(self, batch: Batch, now_ms: int) -> bytes | None:
        """What to write so that the client has the batch; None, and nothing happens, where it is to be offered."""
        conversation = self._open
        return None if conversation is None else conversation.write_run(batch, now_ms)

    def takes_all(self, batch: Batch, now_ms: int) -> bool:
        """Whether the batch can be offered now and none of its messages would be passed over."""
        conversation = self._open
        return conversation is not None and conversation.takes_all(batch, now_ms)

    def take_pubacks(self, data: bytes, now_ms: int) -> int | None:
        """Take bytes that are PUBACKs of what was sent, in order and nothing else: the commit number up to which the
        client has everything. None, and nothing happens, where they are something else."""
        conversation = self._open
        if conversation is None or not data or not self._reader.is_between:
            return None
        return conversation.take_pubacks(data, now_ms)

    def _obey(self, said: Iterable[Said]) -> None:
        """Do what follows from something."""
        for each in said:
            match each:
                case bytes():
                    self._out.append(each)
                case Broken(code, detail):
                    self._break(code, detail)
                case Farewell(code, reason, detail):
                    self._disconnect(code, reason, detail)
                case Close(reason):
                    self._close(reason)
                case _:
                    self._actions.append(each)

    def _flush(self) -> list[Action]:
        actions = self._actions
        if self._out:
            actions.insert(0, Send(b"".join(self._out)))
            self._out = []
        reached = None if self._conversation is None else self._conversation.reached()
        if reached is not None:
            actions.insert(0, Acknowledge(reached))
        self._actions = []
        return actions

    # Everything that ends the connection.

    def _close(self, reason: Reason) -> None:
        self._phase = _Phase.CLOSED
        self._open = None
        self._early.clear()
        self._actions.append(Close(reason))

    def _disconnect(self, code: DisconnectReasonCode, reason: Reason, detail: str) -> None:
        if self._phase is _Phase.OPEN:
            self._out.append(goodbye(code, reason, detail, self._about, self._most_bytes))
        elif self._phase is not _Phase.FRESH:
            self._out.append(no(reason, detail).write(self._about, self._most_bytes))
        self._close(reason)

    def _break(self, code: DisconnectReasonCode, detail: str) -> None:
        self._disconnect(code, reason_of_break(code), detail)

    def _refuse(self, refusal: No) -> None:
        self._out.append(refusal.write(self._about, self._most_bytes))
        self._close(refusal.reason)

    def _tick(self) -> None:
        if self._open is not None and self._open.is_full:
            self._open.heard_ms = self._now_ms  # it is not read from, so that it cannot be heard
        if self._now_ms < self.deadline_ms:
            return
        if self._open is None:
            self._close(Reason.TIMEOUT)
        else:
            self._obey(self._open.tick())

    # Packets.

    def _receive(self, data: bytes) -> None:
        if self._open is not None:
            self._open.heard_ms = self._now_ms
        for packet in self._reader.feed(data):
            if self._phase in (_Phase.AUTHENTICATING, _Phase.OPENING):
                self._early.append(packet)
            else:
                self._take(packet)

    def _take(self, packet: Inbound) -> None:
        match self._phase, packet:
            case _Phase.CLOSED, _:
                return
            case _, Broken(code, detail):
                self._break(code, detail)
            case _, OtherVersion(old):
                self._refuse_version(old)
            case _Phase.FRESH, ConnectPacket():
                self._answer(self._greeting.connect(packet, self._now_ms))
            case _Phase.CHALLENGED, AuthPacket():
                self._answer(self._greeting.prove(packet))
            case _Phase.OPEN, _:
                assert self._open is not None
                self._obey(self._open.take(packet, self._now_ms))
            case _:
                self._break(DisconnectReasonCode.PROTOCOL_ERROR, "this packet does not belong here")

    # From CONNECT to CONNACK.

    def _refuse_version(self, old: bool) -> None:
        code = ConnAckReasonCode.UNSUPPORTED_PROTOCOL_VERSION
        answer = ConnAckPacket(reason_code=code, reason_str="this node speaks MQTT 5")
        if self._phase is _Phase.FRESH:
            self._out.append(OLD_REFUSAL if old else answer.write())
        self._close(Reason.BAD_REQUEST)

    def _answer(self, answer: str | AuthPacket | No) -> None:
        """What the greeting came to: a credential, a challenge or a refusal."""
        if isinstance(answer, No):
            self._refuse(answer)
        elif isinstance(answer, AuthPacket):
            self._phase = _Phase.CHALLENGED
            self._out.append(answer.write())
        else:
            self._phase = _Phase.AUTHENTICATING
            self._actions.append(Authenticate(answer))

    def _take_principal(self, principal: Principal) -> None:
        if self._open is not None:
            self._obey(self._open.renewed(principal))
            return
        order = self._greeting.admit(principal)
        if isinstance(order, No):
            self._refuse(order)
            return
        self._principal = principal
        self._phase = _Phase.OPENING
        self._actions.append(order)

    def _begin(self, event: Opened) -> None:
        hello, asked = self._greeting.hello, self._greeting.asked
        assert hello is not None and asked is not None and self._principal is not None
        self._phase = _Phase.OPEN
        self._reader.limit_bytes = self._limits.packet_bytes
        conversation = Conversation(
            self._about, self._limits, self._renderer, hello, self._principal, event, self._now_ms
        )
        self._open = self._conversation = conversation
        resumed = event.kept is not None
        self._out.append(welcome(hello, asked, self._about, self._limits, resumed=resumed, vouchers=event.vouchers))
        self._obey(conversation.begin())
        while self._early:
            self._take(self._early.popleft())
