"""What happened to an inbox so far."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class InboxCounts:
    """`faults` counts what did not verify or could not be read, by reason."""

    delivered: int = 0
    duplicates: int = 0
    expired: int = 0
    connections: int = 0
    vouchers: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    refused_vouchers: Counter[str] = field(default_factory=Counter)
    refused_marks: Counter[str] = field(default_factory=Counter)
