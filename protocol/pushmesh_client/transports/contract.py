"""The one face of every transport: open it, pull events, acknowledge, close. A lost connection is an exception, never
an event."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

LogIn = Callable[[], Awaitable[str]]
"""`await login()` gives a fresh credential text: a log-in is used once (SPEC 11.2)."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to listen to. `cursor` None is where this device stopped, "now" only what comes; `topics` in display form,
    None is all."""

    device: str
    cursor: str | None
    topics: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message, not verified yet; `verdict` and `reason` are the node's curation."""

    cursor: str
    frame: bytes
    verdict: str
    reason: str


@dataclass(frozen=True, slots=True)
class Welcome:
    """The node took the log-in."""

    node_id: bytes


@dataclass(frozen=True, slots=True)
class Live:
    """Everything older has been given; what follows is new."""

    cursor: str | None


@dataclass(frozen=True, slots=True)
class VoucherAnswer:
    """The node counted a voucher or did not; answers come in the order of the vouchers."""

    accepted: bool
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The node ends the stream and says why; it may be opened again."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class ReadState:
    """What a person has read by what the wallet's devices said: all up to `cursor`, and the `messages` of these cursors
    above it, None where there are too many to list; `unread` notifications are left, 1,000 stands for as many or more.
    `device` said so last."""

    device: str
    cursor: str
    messages: tuple[str, ...] | None
    unread: int


@dataclass(frozen=True, slots=True)
class MarkRefused:
    """The node did not take what was marked as read."""

    reason: str
    detail: str


Event = Welcome | Delivery | Live | VoucherAnswer | ReadState | MarkRefused | Ended


class Transport(Protocol):
    """One connection. Events are pulled by one task; acknowledgements may come from another."""

    answers_vouchers: bool
    """Whether `acknowledge` is answered by a VoucherAnswer for each voucher; else vouchers are given over HTTP."""

    async def open(self, request: Request) -> None:
        """Connect and log in. Raises Refused, Unreachable, TimedOut."""

    def events(self) -> AsyncGenerator[Event, None]:
        """Until the stream ends. Raises Unreachable when the connection is lost, Refused where the node refuses."""

    async def acknowledge(self, cursor: str, voucher: bytes | None) -> None:
        """Say that everything up to the cursor is taken. Raises Unreachable."""

    async def mark_read(self, cursor: str | None, messages: Sequence[str]) -> ReadState | None:
        """Say that everything up to the cursor is read, and the messages of these cursors. Where the answer comes as an
        event it is None here. Raises Refused, Unreachable."""

    async def close(self) -> None:
        """Idempotent; never raises for a connection that is gone."""
