"""A node's answer to one published envelope, as the SDK hands it on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pushmesh_protocol.armor import from_text
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.holds import HoldProof, decode_hold_proof
from pushmesh_protocol.levels import LEVELS, reaches
from pushmesh_protocol.receipts import Receipt, decode_receipt

from .errors import BadAnswer

LONGEST_RETRY_S = 86_400.0
"""A node that tells more tells nonsense."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """`level` is one of LEVELS; `reason` one of the protocol's; `id` None where the node could not read the
    envelope. `receipt` and `holds` are what the level rests on: decoded here, believed only after
    `receipts.check_outcome`."""

    id: bytes | None
    level: str
    reason: str
    rule: str
    detail: str
    commit_no: int | None
    receipt: Receipt | None = None
    holds: tuple[HoldProof, ...] = ()
    retry_after_s: float | None = None
    """Where the node had no room: from when on the same bytes may come again."""

    @property
    def ok(self) -> bool:
        """Whether it is committed there and counts: a repeated answer (`duplicate`) does, a void slot does not."""
        return self.reached("durable")

    def reached(self, level: str) -> bool:
        """Whether it got as far as one of LEVELS and counts. Raises ValueError for another word."""
        return reaches(self.level, level) and self.level != "refused" and self.reason != "slot-void"


def read_outcome(answer: Mapping[str, Any]) -> Outcome:
    """Raises BadAnswer for what is no outcome."""
    id_hex, commit_no = answer.get("id"), answer.get("commit_no")
    try:
        envelope_id = None if id_hex is None else bytes.fromhex(id_hex)
        if answer["level"] not in LEVELS or not (commit_no is None or isinstance(commit_no, int)):
            raise ValueError
        receipt, holds = answer.get("receipt"), answer.get("holds") or ()
        return Outcome(
            envelope_id,
            answer["level"],
            str(answer["reason"]),
            str(answer.get("rule", "")),
            str(answer.get("detail", "")),
            commit_no,
            None if receipt is None else decode_receipt(from_text(receipt)),
            tuple([decode_hold_proof(from_text(hold)) for hold in holds]),
            read_retry_after_s(answer),
        )
    except (KeyError, TypeError, ValueError, AttributeError, Refusal) as error:
        raise BadAnswer(f"the node gave an outcome that cannot be read: {str(answer)[:200]}") from error


def read_retry_after_s(answer: Mapping[str, Any]) -> float | None:
    """The time that a node told with a refusal, None where it told none or nonsense."""
    told = answer.get("retry_after_s")
    return float(told) if isinstance(told, int | float) and 0 <= told < LONGEST_RETRY_S else None
