"""The exceptions of the SDK; every one carries `reason`, `rule` and `detail` for programs and reads as one sentence
for people.

ClientError
+-- Refused        a node answered no: reason and rule are the node's own
+-- Unreachable    nothing answered at the node's address, or it broke off; the same bytes may be sent again
+-- TimedOut       the node did not answer in time; the same bytes may be sent again
+-- BadAnswer      what answered does not speak this protocol, or lied: another network, a frame that does not verify
|   +-- Equivocation   two signed receipts of the node contradict each other: the two are the proof
+-- KeyFileError   a wallet or session file is missing, open to others, or not one
+-- BookError      the slot book cannot be written or belongs to something else
+-- NoFreeSlot     the account has no free slot of the asked size in this epoch
+-- NoSealKey      content was to be sealed, and nothing can be sealed to some of its recipients; nothing was sent
"""

import os
from collections.abc import Sequence

from pushmesh_protocol.accounts import display_account
from pushmesh_protocol.receipts import Seal
from pushmesh_protocol.types import Account


class ClientError(Exception):
    """Base of everything that the SDK raises on purpose."""

    default_reason = "client"

    def __init__(self, detail: str, *, reason: str = "", rule: str = "") -> None:
        super().__init__(detail)
        self.reason = reason or self.default_reason
        self.rule = rule
        self.detail = detail


class Refused(ClientError):
    """Carries the node's HTTP status too, and how long to wait where the node said so."""

    default_reason = "refused"

    def __init__(
        self, detail: str, *, reason: str, rule: str = "", status: int = 0, retry_after_s: float | None = None
    ) -> None:
        super().__init__(detail, reason=reason, rule=rule)
        self.status = status
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        """Reason, detail and rule."""
        rule = f" (SPEC {self.rule})" if self.rule else ""
        return f"{self.reason}: {self.detail}{rule}" if self.detail else f"{self.reason}{rule}"


class Unreachable(ClientError):
    """See above."""

    default_reason = "unreachable"

    @classmethod
    def by(cls, address: object, error: Exception) -> "Unreachable":
        """What a connection to this address failed with, in the system's own words where it has some."""
        number = error.errno or 0 if isinstance(error, OSError) else 0
        words = os.strerror(number) if number > 0 else str(error) or type(error).__name__
        return cls(f"{address} is not reachable ({words})")


class TimedOut(ClientError):
    """See above."""

    default_reason = "timeout"


class BadAnswer(ClientError):
    """See above."""

    default_reason = "bad-answer"


class Equivocation(BadAnswer):
    """Carries both seals: whoever is shown them can check that the node lied."""

    default_reason = "equivocation"

    def __init__(self, detail: str, one: Seal, other: Seal) -> None:
        super().__init__(detail)
        self.one = one
        self.other = other


class KeyFileError(ClientError):
    """See above."""

    default_reason = "key-file"


class BookError(ClientError):
    """See above."""

    default_reason = "slot-book"


class NoFreeSlot(ClientError):
    """See above."""

    default_reason = "no-free-slot"


class NoSealKey(ClientError):
    """Carries the accounts."""

    default_reason = "no-seal-key"

    def __init__(self, accounts: Sequence[Account]) -> None:
        names = ", ".join([display_account(account) for account in accounts[:3]])
        more = f" and {len(accounts) - 3} more" if len(accounts) > 3 else ""
        super().__init__(f"no live grant of {names}{more} names a seal key, so nothing was sent to anybody")
        self.accounts = tuple(accounts)
