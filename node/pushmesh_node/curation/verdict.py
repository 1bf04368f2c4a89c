"""The delivery verdicts and a decision. A relay verdict is another thing and lives in the protocol."""

from dataclasses import dataclass
from enum import StrEnum

from pushmesh_protocol.reasons import Reason


class DeliveryVerdict(StrEnum):
    """What becomes of a message for one wallet."""

    NOW = "now"
    SILENT = "silent"
    """Delivered without asking for attention."""

    COLLAPSE = "collapse"
    """Takes the place of an earlier one with its collapse key."""

    DIGEST = "digest"
    """Delivered later, together with others."""

    REQUEST_INBOX = "request-inbox"
    """Waits apart until the wallet looks at what strangers sent."""

    HOLD = "hold"
    """Kept, not delivered; another decision may follow."""

    DROP = "drop"
    """Never delivered."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict, why, and the rule that decided (its id in `rules.RULES`)."""

    verdict: DeliveryVerdict
    reason: Reason
    rule: str
