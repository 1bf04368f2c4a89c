"""What the HTTP transports share: the node behind them, limits, acknowledgements, vouchers and log-in hints."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.armor import from_text, to_text
from pushmesh_protocol.codec import pack
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.limits import LOGIN_WINDOW_MS
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.vouchers import Voucher, decode_voucher

from ..admission import Door, Ticket
from ..engine.answers import Denied, Outcome, Principal
from ..engine.records import OWN_DEVICES
from ..http_kit import RefusedAccess
from .consumers import Consumers
from .contract import Authenticate, Inboxes
from .cursor import commit_no_of, find_start
from .following import OwnSubscriptions
from .live_topics import Readable
from .messages import MessageForms
from .session import Session, SessionLimits
from .wallet_state import WalletState

Publish = Callable[[Sequence[bytes], Sequence[Ticket]], Awaitable[Sequence[Sequence[Outcome]]]]
"""`await publish(frames, their tickets of the door)`: a list of outcomes a frame; raises Denied for all of them."""
Report = Callable[[BaseException, str], None]

MAX_DEVICE = 128


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What a wallet has to know of a node to log in to it; `hosts`, which may grow, are the names in log-ins."""

    node_id: bytes
    network: str
    hosts: Collection[str]


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Of the wallets' HTTP ways; `message_bytes` is the largest message of a client on a WebSocket."""

    page_messages: int = 256
    page_bytes: int = 1_048_576
    longest_poll_s: float = 30.0
    body_bytes: int = 65_536
    body_timeout_s: float = 60.0
    message_bytes: int = 524_288
    login_s: float = 10.0
    heartbeat_s: float = 30.0
    close_s: float = 5.0


@dataclass(frozen=True, slots=True)
class Service:
    """The node as the HTTP transports see it; `now_ms` is its clock, `report(error, where)` takes its own faults,
    `refused_access(transport, reason)` counts what clients are told that they may not."""

    facts: NodeFacts
    inboxes: Inboxes
    wallets: WalletState
    subscriptions: OwnSubscriptions
    authenticate: Authenticate
    publish: Publish
    door: Door
    consumers: Consumers
    forms: MessageForms
    now_ms: Callable[[], int]
    report: Report
    refused_access: RefusedAccess
    sessions: SessionLimits
    limits: HttpLimits

    async def session(
        self,
        principal: Principal,
        cursor: str | None,
        device: str,
        topics: frozenset[Topic] | None,
        limits: SessionLimits | None = None,
    ) -> Session:
        """A session that starts at the cursor, or at the device's. Raises Denied `bad-cursor` or `bad-request`."""
        start = await find_start(self.inboxes, principal, cursor, check_device(device))
        session = Session(self.inboxes, principal, start, topics=topics, limits=limits or self.sessions)
        session.device = device
        return session

    async def acknowledge(self, principal: Principal, device: str, cursor: str) -> None:
        """Remember how far a device has read. Raises Denied `bad-cursor` or `bad-request`."""
        commit_no = commit_no_of(cursor, self.inboxes.incarnation())
        await self.inboxes.acknowledge(principal, check_device(device), commit_no)

    async def take_voucher(self, transport: str, principal: Principal, voucher: Voucher | str) -> dict[str, Any]:
        """The answer to one voucher, given whole or as text: it never raises for a voucher's fault, but counts it."""
        answer = {"accepted": True, "reason": str(Reason.OK), "rule": "", "detail": ""}
        try:
            voucher = decode_voucher(from_text(voucher)) if isinstance(voucher, str) else voucher
            await self.inboxes.take_voucher(principal, voucher)
        except (Refusal, Denied) as error:
            denied = Denied.from_refusal(error) if isinstance(error, Refusal) else error
            self.refused_access(transport, denied.reason)
            answer |= {"accepted": False, **denied.as_json()}
        return answer

    def complaints(self, transport: str, named: Readable) -> list[dict[str, Any]]:
        """What is said over a transport about topics that were named and may not be read, each counted."""
        for _, denied in named.errors:
            self.refused_access(transport, denied.reason)
        return named.complaints()

    async def last_vouchers(self, principal: Principal) -> list[str]:
        """The wallet's newest vouchers (SPEC 10.5) as base64url, so that a client without storage goes on."""
        return [to_text(pack(voucher)) for voucher in await self.inboxes.last_vouchers(principal)]

    def challenge(self) -> dict[str, Any]:
        """What a wallet needs to build its log-in (SPEC 11.1); the nonce is its own choice."""
        return {
            "node_id": self.facts.node_id.hex(),
            "network": self.facts.network,
            "hosts": sorted(self.facts.hosts),
            "time_ms": self.now_ms(),
            "window_ms": LOGIN_WINDOW_MS,
        }


def check_device(device: str) -> str:
    """The name of a wallet's device. Raises Denied `bad-request` where it is too long, not printable, or not to be
    had."""
    if len(device) > MAX_DEVICE or not device.isprintable() or device.startswith(OWN_DEVICES):
        detail = f"a device is a printable text of at most {MAX_DEVICE} characters, without {OWN_DEVICES} in front"
        raise Denied(Reason.BAD_REQUEST, detail)
    return device
