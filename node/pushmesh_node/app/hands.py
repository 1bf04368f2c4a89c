"""What the driver's effects act on: one method per effect. None of them blocks or raises."""

from collections.abc import Sequence
from typing import Protocol

from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.frames import Part

from ..engine.answers import Outcome
from ..engine.effects import Answer, Deliver, Judge, Tally
from ..engine.records import Record, Write


class Hands(Protocol):
    """The world as the driver sees it; the node is it."""

    def judge(self, effect: Judge) -> None:
        """Tell the mesh."""

    def answer(self, request: int, outcomes: Sequence[Outcome]) -> None:
        """Answer a publisher."""

    def decided(self, answers: Sequence[Answer]) -> None:
        """These answers wait until they are durable."""

    def relay(self, parts: Sequence[Part], grants: Sequence[Envelope]) -> None:
        """Send in own frames."""

    def deliver(self, orders: Sequence[Deliver]) -> None:
        """Hand to connected wallets."""

    def end_access(self, grant_ids: Sequence[bytes]) -> None:
        """End connections and tokens of these grants."""

    def reoffer(self, parts: Sequence[tuple[bytes, Part]]) -> None:
        """Send parked parts the common way in again."""

    def committed(self, records: Sequence[Record], seconds: float) -> None:
        """These became durable in one call, which took so long."""

    def stored(self, writes: Sequence[Write]) -> None:
        """These became durable, in the order of the commits."""

    def tally(self, effect: Tally) -> None:
        """Count answers."""

    def reload(self) -> None:
        """Restore the engine from the store."""

    def crashed(self, error: BaseException) -> None:
        """A fault of ours in a driver's task."""
