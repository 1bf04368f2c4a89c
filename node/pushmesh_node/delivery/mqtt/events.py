"""What comes to a connection as facts, and what it orders as actions. Data only."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.vouchers import Voucher

from ...engine.answers import Acknowledged, Outcome, Principal, Wait
from ..contract import Message
from .subscriptions import Subscriptions
from .window import InFlight


@dataclass(frozen=True, slots=True)
class Received:
    """Bytes came."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Authenticated:
    """The credential was good."""

    principal: Principal


@dataclass(frozen=True, slots=True)
class Refused:
    """The node does not take this client: bad credential, bad cursor, no room."""

    reason: Reason
    rule: str
    detail: str


@dataclass(frozen=True, slots=True)
class Opened:
    """The way is free: an older connection of this client has gone. `kept` holds a resumed session's subscriptions,
    `left` what was on its way then."""

    kept: Subscriptions | None
    vouchers: Sequence[Voucher]
    left: InFlight | None = None


@dataclass(frozen=True, slots=True)
class Offered:
    """Messages to send now, in commit order, at most `Connection.room`. With `is_counted` whoever offers them counts
    them as delivered itself."""

    messages: Sequence[Message]
    is_counted: bool = False


@dataclass(frozen=True, slots=True)
class StartedElsewhere:
    """The inbox is not read from where the client asked."""

    detail: str


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """The client was sent everything up to this commit number: what follows is new."""

    commit_no: int


@dataclass(frozen=True, slots=True)
class FrameAnswered:
    """The outcomes of a SubmitFrame."""

    number: int
    outcomes: Sequence[Outcome]


@dataclass(frozen=True, slots=True)
class ReceiptsGiven:
    """How far a SubmitFrame with a wait got, with its receipts; its FrameAnswered may come before or after."""

    number: int
    acknowledged: Sequence[Acknowledged]


@dataclass(frozen=True, slots=True)
class MarkedRead:
    """A SubmitRead was done; `form`, as JSON, says what is read then, and how much is not."""

    number: int
    form: bytes


@dataclass(frozen=True, slots=True)
class RequestAnswered:
    """The answer to any request that has no outcomes: reason ok, or why it was refused as a whole, and after how many
    seconds the same may come again."""

    number: int
    reason: Reason
    rule: str
    detail: str
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class NewsCame:
    """Something of the wallet that is no message, for one of the topics of Follow."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Ended:
    """The node ends the connection."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class TakenOver:
    """The same client has connected again."""


@dataclass(frozen=True, slots=True)
class Ticked:
    """Time has passed; due at `Connection.deadline_ms`."""


Event: TypeAlias = (
    Received
    | Authenticated
    | Refused
    | Opened
    | Offered
    | StartedElsewhere
    | CaughtUp
    | NewsCame
    | FrameAnswered
    | ReceiptsGiven
    | MarkedRead
    | RequestAnswered
    | Ended
    | TakenOver
    | Ticked
)


@dataclass(frozen=True, slots=True)
class Send:
    """Write these bytes, one or many packets, at once."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Authenticate:
    """Find out who this is: Authenticated or Refused comes back."""

    credential: str


@dataclass(frozen=True, slots=True)
class Open:
    """End the older connection of this client, look up where it goes on: Opened or Refused comes back.

    `cursor` None is the device's acknowledged cursor; `clean` forgets the session that was kept."""

    principal: Principal
    client_id: str
    cursor: str | None
    clean: bool


@dataclass(frozen=True, slots=True)
class Renewed:
    """The connection rests on this log-in from now on, which opens the same."""

    principal: Principal


@dataclass(frozen=True, slots=True)
class Timed:
    """`Connection.deadline_ms` is another one now."""


@dataclass(frozen=True, slots=True)
class Listen:
    """Offer messages of these topics (None is all) from now on; the first time from where Open found the start. With
    `tells_live` CaughtUp comes back, though it may have come before."""

    topics: frozenset[Topic] | None
    tells_live: bool = False


@dataclass(frozen=True, slots=True)
class Follow:
    """Tell of these news of the wallet from now on, and of no others."""

    topics: frozenset[str]


@dataclass(frozen=True, slots=True)
class SubmitFrame:
    """Publish what the client sent: FrameAnswered or RequestAnswered comes back. `is_json` tells its form. With a
    `wait` ReceiptsGiven comes back too."""

    number: int
    payload: bytes
    is_json: bool
    wait: Wait | None = None


@dataclass(frozen=True, slots=True)
class SubmitAcknowledgement:
    """Take an explicit acknowledgement: RequestAnswered comes back. `cursor` and `voucher` may each be absent."""

    number: int
    cursor: str | None
    voucher: Voucher | None


@dataclass(frozen=True, slots=True)
class SubmitRead:
    """Mark as read everything up to a cursor, which may be absent, and the messages of these: MarkedRead or
    RequestAnswered comes back."""

    number: int
    cursor: str | None
    messages: Sequence[str]


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """Remember that the device has everything up to this commit number. May be merged with a later one."""

    commit_no: int


@dataclass(frozen=True, slots=True)
class CountDelivered:
    """So many messages of the offered ones, from the first on, went to the transport."""

    messages: Sequence[Message]


@dataclass(frozen=True, slots=True)
class Count:
    """Count something that was refused or passed over, under a reason; `refuses_access` where the client was told that
    it may not, and not only that what it published was judged so."""

    what: str
    reason: Reason
    refuses_access: bool = False


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection once everything is written. The last action."""

    reason: Reason


Action: TypeAlias = (
    Send
    | Authenticate
    | Open
    | Renewed
    | Timed
    | Listen
    | Follow
    | SubmitFrame
    | SubmitAcknowledgement
    | SubmitRead
    | Acknowledge
    | CountDelivered
    | Count
    | Close
)
