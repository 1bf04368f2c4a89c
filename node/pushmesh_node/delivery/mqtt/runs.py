"""Messages as packets that are alike for many clients: what becomes live together is written once for all of them.

A packet id is free to choose where nothing else of its client has it, so it follows from the commit number.
"""

from dataclasses import dataclass

HIGHEST_PACKET_ID = 65_535


@dataclass(frozen=True, slots=True)
class Run:
    """Packets under QoS 1 in commit order, never none: (packet id, commit number) of each. `pubacks` is what a client
    answers that confirms them one by one, `expires_at` when the first of them expires."""

    data: bytes
    pubacks: bytes
    sent: tuple[tuple[int, int], ...]
    largest_bytes: int
    expires_at: int

    @property
    def first_commit(self) -> int:
        """The lowest commit number."""
        return self.sent[0][1]

    @property
    def last_commit(self) -> int:
        """The highest one."""
        return self.sent[-1][1]


def packet_id_of(commit_no: int) -> int:
    """From 1 to HIGHEST_PACKET_ID; the same one comes again so many commits later."""
    return commit_no % HIGHEST_PACKET_ID + 1


def puback_of(packet_id: int) -> bytes:
    """How a client confirms a packet that it took."""
    return b"\x40\x02" + packet_id.to_bytes(2, "big")
