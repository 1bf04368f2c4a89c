"""What the devices of a wallet know of each other: how far each got, what was read, how much was not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from ..engine.answers import Principal

MOST_MARKS: Final = 1_024
"""Messages that are read one by one above the place up to which all is read."""

MOST_UNREAD: Final = 1_000
"""Nobody counts farther."""


@dataclass(frozen=True, slots=True)
class ReadState:
    """What a wallet has read: all up to `commit_no`, and `marks`, the commit numbers above it, ascending."""

    commit_no: int = 0
    marks: tuple[int, ...] = ()

    def after(self, commit_no: int, marks: Sequence[int]) -> "ReadState":
        """With these read too. What was read stays read."""
        place = max(self.commit_no, commit_no)
        return ReadState(place, tuple(sorted({mark for mark in (*self.marks, *marks) if mark > place})))


class WalletState(Protocol):
    """One book for all transports; the composition root hands it in. Of a principal that is limited to some topics it
    is a book of its own. All raise Denied where the store fails."""

    async def places(self, principal: Principal) -> Mapping[str, int]:
        """How far each device has acknowledged."""

    async def read_state(self, principal: Principal) -> ReadState:
        """What was read."""

    async def read(
        self, principal: Principal, device: str, commit_no: int, marks: Sequence[int]
    ) -> tuple[ReadState, int]:
        """Everything up to a commit number was read, and these; durable on return, and shown to the wallet's other
        devices. What is read then, and how much is not, at most MOST_UNREAD.

        Raises Denied: `forbidden` for who may not read, `bad-cursor` for what was never given, `bad-request` for more
        than MOST_MARKS one by one."""

    async def unread(self, principal: Principal) -> int:
        """How many notifications that the wallet gets were not read, at most MOST_UNREAD."""
