"""The open connection: what a client says and is told between CONNACK and the end. No socket, no clock, no waiting."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from mqtt5 import (
    AuthPacket,
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
from .codes import disconnect_code
from .deliveries import Deliveries
from .events import (
    Action,
    Authenticate,
    CaughtUp,
    Close,
    Count,
    CountDelivered,
    Event,
    Follow,
    FrameAnswered,
    Listen,
    MarkedRead,
    NewsCame,
    Offered,
    Opened,
    ReceiptsGiven,
    Renewed,
    RequestAnswered,
    StartedElsewhere,
    Timed,
)
from .handshake import Hello
from .limits import About, Limits
from .publisher import Publisher, Reply
from .rendering import Renderer, gap_notice, news
from .renewing import Renewal
from .requests import Why
from .subscribing import subscribe, unsubscribe
from .subscriptions import INBOX, Subscriptions
from .window import InFlight
from .wire import Broken, Inbound

_PING = PingRespPacket().write()


@dataclass(frozen=True, slots=True)
class Farewell:
    """The node ends the connection."""

    code: DisconnectReasonCode
    reason: Reason
    detail: str


Said: TypeAlias = bytes | Action | Broken | Farewell
"""What follows from what happened: a packet to write, something to do, or the end."""


class Conversation:
    """With one client, which asked for `hello`; `opened` is what was found of its session."""

    def __init__(
        self,
        about: About,
        limits: Limits,
        renderer: Renderer,
        hello: Hello,
        principal: Principal,
        opened: Opened,
        now_ms: int,
    ) -> None:
        self._limits = limits
        self._renderer = renderer
        self._hello = hello
        self._principal = principal
        self._is_resumed = opened.kept is not None
        self._subscriptions = Subscriptions(limits.filters) if opened.kept is None else opened.kept
        self._deliveries = Deliveries(
            renderer,
            size=hello.window,
            max_packet_bytes=hello.max_packet_bytes,
            aliases=hello.aliases,
            left=opened.left if self._is_resumed else None,
        )
        self._publisher = Publisher(limits, wants_words=hello.wants_words, max_packet_bytes=hello.max_packet_bytes)
        self._renewal = Renewal(about, hello.method, int(limits.connect_timeout_s * 1000))
        self._expiry_s = hello.expiry_s
        self._acknowledged: int | None = None
        self._is_listening = False
        self._followed: frozenset[str] = frozenset()
        self.heard_ms = now_ms
        """When the client said something last."""

    def begin(self) -> Sequence[Said]:
        """What a resumed session subscribed to goes on without a SUBSCRIBE."""
        return self._listen() if self._is_resumed else ()

    @property
    def room(self) -> int:
        """How many messages may be offered now."""
        return self._deliveries.window.room

    @property
    def is_full(self) -> bool:
        """Whether the client must not be read from for now."""
        return self._publisher.is_full

    @property
    def deadline_ms(self) -> int:
        """When to `tick`."""
        silent_ms = self.heard_ms + self._hello.keep_alive_s * 1500
        others = (self._principal.expires_at, self._renewal.deadline_ms)
        return min([silent_ms, *[each for each in others if each is not None]])

    @property
    def kept(self) -> tuple[Subscriptions, InFlight, int] | None:
        """What outlives the connection and for how many seconds; None where nothing does."""
        if not self._expiry_s:
            return None
        return self._subscriptions, self._deliveries.window.in_flight, self._expiry_s

    def tick(self) -> Sequence[Said]:
        """The deadline has passed."""
        if self._principal.expires_at == self.deadline_ms:
            return [Farewell(disconnect_code(Reason.EXPIRED), Reason.EXPIRED, "the credential has expired")]
        if self._renewal.deadline_ms == self.deadline_ms:
            return [Farewell(disconnect_code(Reason.LOGIN_REQUIRED), Reason.TIMEOUT, "no log-in came in time")]
        return [Farewell(DisconnectReasonCode.KEEP_ALIVE_TIMEOUT, Reason.TIMEOUT, "nothing came for long")]

    # The short way of most of what happens: `handle` and `take` do the same, but look at each packet.

    def write_run(self, batch: Batch, now_ms: int) -> bytes | None:
        """What to write so that the client has the batch; None, and nothing happens, where it is to be offered."""
        return self._deliveries.write_run(batch, self._subscriptions, now_ms)

    def takes_all(self, batch: Batch, now_ms: int) -> bool:
        """Whether the batch can be offered now and none of its messages would be passed over."""
        return self._deliveries.takes_all(batch.messages, self._subscriptions, now_ms)

    def take_pubacks(self, data: bytes, now_ms: int) -> int | None:
        """Take bytes that are PUBACKs of what was sent, in order and nothing else: the commit number up to which the
        client has everything. None, and nothing happens, where they are something else."""
        window = self._deliveries.window
        if not window.acknowledge_run(data):
            return None
        self.heard_ms = now_ms
        self._acknowledged = window.acknowledged
        return self._acknowledged

    def reached(self) -> int | None:
        """The commit number up to which the client has everything, where that is news."""
        acknowledged = self._deliveries.window.acknowledged
        if acknowledged == self._acknowledged:
            return None
        self._acknowledged = acknowledged
        return acknowledged

    # What the node tells.

    def handle(self, event: Event, now_ms: int) -> Sequence[Said]:
        """What follows from an event that only an open connection is concerned with."""
        match event:
            case Offered():
                return self._deliver(event, now_ms)
            case FrameAnswered(number, outcomes):
                return _replied(self._publisher.frame_answered(number, outcomes))
            case ReceiptsGiven(number, acknowledged):
                return _replied(self._publisher.told(number, acknowledged))
            case MarkedRead(number, form):
                return _replied(self._publisher.marked(number, form))
            case RequestAnswered(number, reason, rule, detail, retry_after_s):
                return _replied(self._publisher.answered(number, Why(reason, rule, detail, retry_after_s)))
            case StartedElsewhere(detail):
                return [gap_notice(INBOX, detail)]
            case CaughtUp(commit_no):
                markers = [self._renderer.live(topic, commit_no) for topic in self._subscriptions.marked]
                return [marker for marker in markers if len(marker) <= self._hello.max_packet_bytes]
            case NewsCame(topic, payload):
                return self._pass_on(topic, payload)
        return ()

    def renewed(self, principal: Principal) -> Sequence[Said]:
        """A log-in on the open connection was good."""
        answer = self._renewal.succeed(self._principal, principal)
        if isinstance(answer, Reason):
            return [Farewell(disconnect_code(answer), answer, "the log-in is not of the same wallet and reach")]
        self._principal = principal
        return [answer.write(), Renewed(principal), Timed()]

    def _pass_on(self, topic: str, payload: bytes) -> Sequence[Said]:
        data = news(topic, payload)
        return [data] if topic in self._subscriptions.news and len(data) <= self._hello.max_packet_bytes else ()

    def _deliver(self, event: Offered, now_ms: int) -> Sequence[Said]:
        written = self._deliveries.write(event.messages, self._subscriptions, now_ms)
        said: list[Said] = list(written.packets)
        if written.messages and not event.is_counted:
            said.append(CountDelivered(written.messages))
        return said + [Count("message", reason) for reason in written.passed_over]

    # What the client says.

    def take(self, packet: Inbound, now_ms: int) -> Sequence[Said]:
        """What follows from a packet."""
        match packet:
            case PubAckPacket():
                known = self._deliveries.window.acknowledge(packet.packet_id)
                return () if known else [Count("puback", Reason.NOT_FOUND)]
            case PublishPacket():
                return self._publish(packet)
            case PingReqPacket():
                return [_PING]
            case SubscribePacket():
                return self._subscribe(packet)
            case UnsubscribePacket():
                return self._unsubscribe(packet)
            case DisconnectPacket():
                return [self._leave(packet)]
            case AuthPacket():
                return self._renew(packet, now_ms)
        return [Broken(DisconnectReasonCode.PROTOCOL_ERROR, "this packet does not belong here")]

    def _renew(self, packet: AuthPacket, now_ms: int) -> Sequence[Said]:
        answer = self._renewal.take(packet, now_ms)
        if isinstance(answer, Broken):
            return [answer]
        if isinstance(answer, AuthPacket):
            return [answer.write(), Timed()]
        return [Timed(), Authenticate(answer)]

    def _subscribe(self, packet: SubscribePacket) -> Sequence[Said]:
        if packet.subscription_id is not None:
            detail = "there are no subscription identifiers"
            return [Broken(DisconnectReasonCode.SUBSCRIPTION_IDS_NOT_SUPPORTED, detail)]
        answer = subscribe(
            self._subscriptions,
            self._principal,
            packet,
            wants_words=self._hello.wants_words,
            max_packet_bytes=self._hello.max_packet_bytes,
        )
        orders = self._listen(tells_live=answer.wants_live)
        refused = [Count("subscribe", reason, refuses_access=True) for reason in answer.refused]
        return [answer.data, *refused, *orders]

    def _unsubscribe(self, packet: UnsubscribePacket) -> Sequence[Said]:
        words, most = self._hello.wants_words, self._hello.max_packet_bytes
        return [
            unsubscribe(self._subscriptions, packet, wants_words=words, max_packet_bytes=most),
            *self._listen(),
        ]

    def _listen(self, *, tells_live: bool = False) -> Sequence[Said]:
        orders: list[Said] = []
        if self._followed != self._subscriptions.news:
            self._followed = self._subscriptions.news
            orders.append(Follow(self._followed))
        if self._is_listening or self._subscriptions.wants_inbox:
            self._is_listening = True
            orders.append(Listen(self._subscriptions.selection, tells_live))
        return orders

    def _leave(self, packet: DisconnectPacket) -> Said:
        expiry_s = packet.session_expiry_interval
        if expiry_s and not self._expiry_s:
            return Broken(DisconnectReasonCode.PROTOCOL_ERROR, "the session ends with its connection")
        if expiry_s is not None:
            self._expiry_s = min(expiry_s, self._limits.max_session_expiry_s)
        return Close(Reason.OK)

    def _publish(self, packet: PublishPacket) -> Sequence[Said]:
        topic = self._publisher.open(packet)
        if isinstance(topic, Broken):
            return [topic]
        answer = self._publisher.take(packet, topic, self._principal, self._subscriptions)
        return _replied(answer, refuses_access=True) if isinstance(answer, Reply) else [answer]


def _replied(reply: Reply, *, refuses_access: bool = False) -> Sequence[Said]:
    said: list[Said] = [reply.data] if reply.data else []
    return said if reply.refused is None else [*said, Count("publish", reply.refused, refuses_access)]
