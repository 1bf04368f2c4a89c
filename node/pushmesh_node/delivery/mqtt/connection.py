"""One MQTT 5 client as a state machine: `handle(event, now) -> actions`. No socket, no clock, no waiting.

A client sees its wallet's topics and nothing else, so there is nothing to control access to.
"""

from collections import deque
from enum import Enum, auto

from mqtt5 import (
    AuthPacket,
    AuthReasonCode,
    ConnAckPacket,
    ConnAckReasonCode,
    ConnectPacket,
    DisconnectPacket,
    DisconnectReasonCode,
    PingReqPacket,
    PingRespPacket,
    PubAckPacket,
    PublishPacket,
    SubscribePacket,
    UnsubscribePacket,
)

from pushmesh_protocol.reasons import Reason

from ...engine.answers import Principal
from ..contract import Batch
from .codes import disconnect_code, reason_of_break
from .deliveries import Deliveries
from .events import (
    Acknowledge,
    Action,
    Authenticate,
    Authenticated,
    Close,
    Count,
    CountDelivered,
    Ended,
    Event,
    Follow,
    FrameAnswered,
    Listen,
    NewsCame,
    Offered,
    Open,
    Opened,
    ReceiptsGiven,
    Received,
    Refused,
    Renewed,
    RequestAnswered,
    Send,
    StartedElsewhere,
    TakenOver,
    Ticked,
    Timed,
)
from .handshake import METHOD, Hello, No, challenge, goodbye, no, read_connect, welcome
from .limits import About, Limits
from .publisher import Publisher, Reply
from .rendering import Renderer, gap_notice, news
from .renewing import Renewal
from .requests import Why
from .subscribing import subscribe, unsubscribe
from .subscriptions import INBOX, Subscriptions
from .window import InFlight
from .wire import OLD_REFUSAL, Broken, Inbound, OtherVersion, PacketReader

_PING = PingRespPacket().write()


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
        self._is_draining = is_draining
        self._limits = limits
        self._renderer = renderer
        self._assigned_id = assigned_id
        self._phase = _Phase.FRESH
        self._reader = PacketReader(limits.connect_bytes)
        self._early: deque[Inbound] = deque()
        self._deadline_ms = now_ms + int(limits.connect_timeout_s * 1000)
        self._heard_ms = now_ms
        self._now_ms = now_ms
        self._out: list[bytes] = []
        self._actions: list[Action] = []
        self._asked: ConnectPacket | None = None
        self._hello: Hello | None = None
        self._principal: Principal | None = None
        self._subscriptions = Subscriptions(limits.filters)
        self._deliveries = Deliveries(renderer, size=0, max_packet_bytes=0)
        self._publisher = Publisher(limits, wants_words=False, max_packet_bytes=0)
        self._renewal = Renewal(about, None, 0)
        self._acknowledged: int | None = None
        self._is_listening = False
        self._followed: frozenset[str] = frozenset()
        self._expiry_s = 0

    @property
    def room(self) -> int:
        """How many messages may be offered now."""
        return self._deliveries.window.room if self._phase is _Phase.OPEN else 0

    @property
    def is_full(self) -> bool:
        """Whether the client must not be read from for now."""
        if self._phase is _Phase.OPEN:
            return self._publisher.is_full
        return self._phase in (_Phase.AUTHENTICATING, _Phase.OPENING)

    @property
    def deadline_ms(self) -> int:
        """When to handle Ticked."""
        if self._phase is not _Phase.OPEN:
            return self._deadline_ms
        assert self._hello is not None and self._principal is not None
        silent_ms = self._heard_ms + self._hello.keep_alive_s * 1500
        others = (self._principal.expires_at, self._renewal.deadline_ms)
        return min([silent_ms, *[each for each in others if each is not None]])

    @property
    def kept(self) -> tuple[Subscriptions, InFlight, int] | None:
        """What outlives the connection and for how many seconds; None where nothing does."""
        if not self._expiry_s:
            return None
        return self._subscriptions, self._deliveries.window.in_flight, self._expiry_s

    @property
    def remembers(self) -> bool:
        """Whether acknowledgements are worth storing: not for a client that will never be known again."""
        return self._hello is not None and not (self._hello.is_assigned and not self._hello.expiry_s)

    def handle(self, event: Event, now_ms: int) -> list[Action]:
        """Never raises for what a client sends."""
        if self._phase is _Phase.CLOSED:
            return []
        self._now_ms = now_ms
        match event:
            case Offered():
                self._deliver(event)
            case Received(data):
                self._receive(data)
            case Authenticated(principal):
                self._take_principal(principal)
            case Refused(reason, _rule, detail) if self._phase is _Phase.OPEN:
                self._disconnect(disconnect_code(Reason.LOGIN_REQUIRED), reason, detail)
            case Refused(reason, _rule, detail):
                self._refuse(no(reason, detail))
            case Opened():
                self._open(event)
            case FrameAnswered(number, outcomes):
                self._reply(self._publisher.frame_answered(number, outcomes))
            case ReceiptsGiven(number, acknowledged):
                self._reply(self._publisher.told(number, acknowledged))
            case RequestAnswered(number, reason, rule, detail, retry_after_s):
                self._reply(self._publisher.answered(number, Why(reason, rule, detail, retry_after_s)))
            case StartedElsewhere(detail):
                self._out.append(gap_notice(INBOX, detail))
            case NewsCame(topic, payload):
                self._pass_on(topic, payload)
            case Ended(reason, detail):
                self._disconnect(disconnect_code(reason), reason, detail)
            case TakenOver():
                detail = "the same client has connected again"
                self._disconnect(DisconnectReasonCode.SESSION_TAKEN_OVER, Reason.OK, detail)
            case Ticked():
                self._tick()
        return self._flush()

    # The short way of most of what happens: `handle` does the same, but looks at each packet.

    def write_run(self, batch: Batch, now_ms: int) -> bytes | None:
        """What to write so that the client has the batch; None, and nothing happens, where it is to be offered."""
        if self._phase is not _Phase.OPEN:
            return None
        return self._deliveries.write_run(batch, self._subscriptions, now_ms)

    def takes_all(self, batch: Batch, now_ms: int) -> bool:
        """Whether the batch can be offered now and none of its messages would be passed over."""
        return self._phase is _Phase.OPEN and self._deliveries.takes_all(batch.messages, self._subscriptions, now_ms)

    def take_pubacks(self, data: bytes, now_ms: int) -> int | None:
        """Take bytes that are PUBACKs of what was sent, in order and nothing else: the commit number up to which the
        client has everything. None, and nothing happens, where they are something else."""
        if self._phase is not _Phase.OPEN or not data or not self._reader.is_between:
            return None
        window = self._deliveries.window
        if not window.acknowledge_run(data):
            return None
        self._heard_ms = now_ms
        self._acknowledged = window.acknowledged
        return self._acknowledged

    def _flush(self) -> list[Action]:
        actions = self._actions
        if self._out:
            actions.insert(0, Send(b"".join(self._out)))
            self._out = []
        acknowledged = self._deliveries.window.acknowledged
        if acknowledged is not None and acknowledged != self._acknowledged:
            self._acknowledged = acknowledged
            actions.insert(0, Acknowledge(acknowledged))
        self._actions = []
        return actions

    # Everything that ends the connection.

    def _close(self, reason: Reason) -> None:
        self._phase = _Phase.CLOSED
        self._early.clear()
        self._actions.append(Close(reason))

    def _disconnect(self, code: DisconnectReasonCode, reason: Reason, detail: str) -> None:
        if self._phase is _Phase.OPEN:
            self._out.append(goodbye(code, reason, detail, self._about))
        elif self._phase is not _Phase.FRESH:
            self._out.append(no(reason, detail).packet(self._about).write())
        self._close(reason)

    def _break(self, code: DisconnectReasonCode, detail: str) -> None:
        self._disconnect(code, reason_of_break(code), detail)

    def _refuse(self, refusal: No) -> None:
        self._out.append(refusal.packet(self._about).write())
        self._close(refusal.reason)

    def _tick(self) -> None:
        if self._now_ms < self.deadline_ms:
            return
        if self._phase is not _Phase.OPEN:
            self._close(Reason.TIMEOUT)
        elif self._principal is not None and self._principal.expires_at == self.deadline_ms:
            self._disconnect(disconnect_code(Reason.EXPIRED), Reason.EXPIRED, "the credential has expired")
        elif self._renewal.deadline_ms == self.deadline_ms:
            self._disconnect(disconnect_code(Reason.LOGIN_REQUIRED), Reason.TIMEOUT, "no log-in came in time")
        else:
            self._disconnect(DisconnectReasonCode.KEEP_ALIVE_TIMEOUT, Reason.TIMEOUT, "nothing came for long")

    # Packets.

    def _receive(self, data: bytes) -> None:
        self._heard_ms = self._now_ms
        for packet in self._reader.feed(data):
            if self._phase in (_Phase.AUTHENTICATING, _Phase.OPENING):
                self._early.append(packet)
            else:
                self._take(packet)

    def _take(self, packet: Inbound) -> None:
        match self._phase, packet:
            case _Phase.CLOSED, _:
                return
            case _Phase.OPEN, PubAckPacket():
                if not self._deliveries.window.acknowledge(packet.packet_id):
                    self._actions.append(Count("puback", Reason.NOT_FOUND))
            case _, Broken(code, detail):
                self._break(code, detail)
            case _, OtherVersion(old):
                self._refuse_version(old)
            case _Phase.FRESH, ConnectPacket():
                self._connect(packet)
            case _Phase.CHALLENGED, AuthPacket():
                self._prove(packet)
            case _Phase.OPEN, _:
                self._take_open(packet)
            case _:
                self._break(DisconnectReasonCode.PROTOCOL_ERROR, "this packet does not belong here")

    def _take_open(self, packet: Inbound) -> None:
        match packet:
            case PublishPacket():
                self._publish(packet)
            case PingReqPacket():
                self._out.append(_PING)
            case SubscribePacket():
                self._subscribe(packet)
            case UnsubscribePacket():
                self._unsubscribe(packet)
            case DisconnectPacket():
                self._leave(packet)
            case AuthPacket():
                self._renew(packet)
            case _:
                self._break(DisconnectReasonCode.PROTOCOL_ERROR, "this packet does not belong here")

    # From CONNECT to CONNACK.

    def _refuse_version(self, old: bool) -> None:
        code = ConnAckReasonCode.UNSUPPORTED_PROTOCOL_VERSION
        answer = ConnAckPacket(reason_code=code, reason_str="this node speaks MQTT 5")
        if self._phase is _Phase.FRESH:
            self._out.append(OLD_REFUSAL if old else answer.write())
        self._close(Reason.BAD_REQUEST)

    def _connect(self, packet: ConnectPacket) -> None:
        if self._is_draining:
            self._refuse(no(Reason.DRAINING, "the node is going down"))
            return
        hello = read_connect(packet, self._limits, self._assigned_id)
        if isinstance(hello, No):
            self._refuse(hello)
            return
        self._asked, self._hello = packet, hello
        if hello.credential is not None:
            self._authenticate(hello.credential)
            return
        self._phase = _Phase.CHALLENGED
        self._out.append(
            AuthPacket(
                reason_code=AuthReasonCode.CONTINUE_AUTHENTICATION,
                authentication_method=METHOD,
                authentication_data=challenge(self._about, self._now_ms),
            ).write()
        )

    def _prove(self, packet: AuthPacket) -> None:
        data = packet.authentication_data or b""
        if packet.reason_code != AuthReasonCode.CONTINUE_AUTHENTICATION or packet.authentication_method != METHOD:
            self._refuse(no(Reason.BAD_LOGIN, f"AUTH continues {METHOD}"))
        elif not data.isascii():
            self._refuse(no(Reason.BAD_LOGIN, "a log-in or token is base64url"))
        else:
            self._authenticate(data.decode())

    def _authenticate(self, credential: str) -> None:
        self._phase = _Phase.AUTHENTICATING
        self._actions.append(Authenticate(credential))

    def _take_principal(self, principal: Principal) -> None:
        assert self._hello is not None
        hello = self._hello
        if self._phase is _Phase.OPEN:
            self._renewed(principal)
            return
        if hello.account is not None and hello.account != principal.account:
            self._refuse(no(Reason.BAD_LOGIN, "the user name is another account than the credential's"))
            return
        self._principal = principal
        self._phase = _Phase.OPENING
        cursor = hello.cursor if hello.cursor is not None else "now" if hello.clean else None
        self._actions.append(Open(principal, hello.client_id, cursor, hello.clean))

    def _open(self, event: Opened) -> None:
        assert self._hello is not None and self._asked is not None
        hello, resumed = self._hello, event.kept is not None
        self._phase = _Phase.OPEN
        self._reader.limit_bytes = self._limits.packet_bytes
        size_bytes = hello.max_packet_bytes
        self._deliveries = Deliveries(
            self._renderer,
            size=hello.window,
            max_packet_bytes=size_bytes,
            aliases=hello.aliases,
            left=event.left if resumed else None,
        )
        self._publisher = Publisher(self._limits, wants_words=hello.wants_words, max_packet_bytes=size_bytes)
        self._renewal = Renewal(self._about, hello.method, int(self._limits.connect_timeout_s * 1000))
        self._expiry_s = hello.expiry_s
        self._heard_ms = self._now_ms
        data = welcome(hello, self._asked, self._about, self._limits, resumed=resumed, vouchers=event.vouchers)
        self._out.append(data)
        if event.kept is not None:
            self._subscriptions = event.kept
            self._listen()
        while self._early:
            self._take(self._early.popleft())

    # The open connection.

    def _renew(self, packet: AuthPacket) -> None:
        answer = self._renewal.take(packet, self._now_ms)
        if isinstance(answer, Broken):
            self._break(answer.code, answer.detail)
        elif isinstance(answer, AuthPacket):
            self._out.append(answer.write())
            self._actions.append(Timed())
        else:
            self._actions += [Timed(), Authenticate(answer)]

    def _renewed(self, principal: Principal) -> None:
        assert self._principal is not None
        answer = self._renewal.succeed(self._principal, principal)
        if isinstance(answer, Reason):
            self._disconnect(disconnect_code(answer), answer, "the log-in is not of the same wallet and reach")
            return
        self._principal = principal
        self._out.append(answer.write())
        self._actions += [Renewed(principal), Timed()]

    def _subscribe(self, packet: SubscribePacket) -> None:
        if packet.subscription_id is not None:
            self._break(DisconnectReasonCode.SUBSCRIPTION_IDS_NOT_SUPPORTED, "there are no subscription identifiers")
            return
        assert self._principal is not None and self._hello is not None
        answer = subscribe(
            self._subscriptions,
            self._principal,
            packet,
            wants_words=self._hello.wants_words,
            max_packet_bytes=self._hello.max_packet_bytes,
        )
        self._out.append(answer.data)
        self._actions += [Count("subscribe", reason) for reason in answer.refused]
        self._listen()

    def _unsubscribe(self, packet: UnsubscribePacket) -> None:
        assert self._hello is not None
        words, most = self._hello.wants_words, self._hello.max_packet_bytes
        self._out.append(unsubscribe(self._subscriptions, packet, wants_words=words, max_packet_bytes=most))
        self._listen()

    def _pass_on(self, topic: str, payload: bytes) -> None:
        assert self._hello is not None
        data = news(topic, payload)
        if topic in self._subscriptions.news and len(data) <= self._hello.max_packet_bytes:
            self._out.append(data)

    def _listen(self) -> None:
        if self._followed != self._subscriptions.news:
            self._followed = self._subscriptions.news
            self._actions.append(Follow(self._followed))
        if self._is_listening or self._subscriptions.wants_inbox:
            self._is_listening = True
            self._actions.append(Listen(self._subscriptions.selection))

    def _leave(self, packet: DisconnectPacket) -> None:
        expiry_s = packet.session_expiry_interval
        if expiry_s and not self._expiry_s:
            self._break(DisconnectReasonCode.PROTOCOL_ERROR, "the session ends with its connection")
            return
        if expiry_s is not None:
            self._expiry_s = min(expiry_s, self._limits.max_session_expiry_s)
        self._close(Reason.OK)

    def _publish(self, packet: PublishPacket) -> None:
        assert self._principal is not None
        topic = self._publisher.open(packet)
        if isinstance(topic, Broken):
            self._break(topic.code, topic.detail)
            return
        answer = self._publisher.take(packet, topic, self._principal, self._subscriptions)
        if isinstance(answer, Broken):
            self._break(answer.code, answer.detail)
        elif isinstance(answer, Reply):
            self._reply(answer)
        else:
            self._actions.append(answer)

    def _reply(self, reply: Reply) -> None:
        if reply.data:
            self._out.append(reply.data)
        if reply.refused is not None:
            self._actions.append(Count("publish", reply.refused))

    def _deliver(self, event: Offered) -> None:
        written = self._deliveries.write(event.messages, self._subscriptions, self._now_ms)
        self._out += written.packets
        if written.messages and not event.is_counted:
            self._actions.append(CountDelivered(written.messages))
        self._actions += [Count("message", reason) for reason in written.passed_over]
