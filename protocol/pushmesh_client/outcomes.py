"""A node's answer to one published envelope, as the SDK hands it on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import BadAnswer

LEVELS = ("refused", "accepted", "durable")
"""How far an envelope got on the node that was asked, least first."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """`level` is one of LEVELS; `reason` one of the protocol's; `id` None where the node could not read the
    envelope."""

    id: bytes | None
    level: str
    reason: str
    rule: str
    detail: str
    commit_no: int | None

    @property
    def ok(self) -> bool:
        """Whether it is committed there and counts: a repeated answer (`duplicate`) does, a void slot does not."""
        return self.level == "durable" and self.reason != "slot-void"


def read_outcome(answer: Mapping[str, Any]) -> Outcome:
    """Raises BadAnswer for what is no outcome."""
    id_hex, commit_no = answer.get("id"), answer.get("commit_no")
    try:
        envelope_id = None if id_hex is None else bytes.fromhex(id_hex)
        if answer["level"] not in LEVELS or not (commit_no is None or isinstance(commit_no, int)):
            raise ValueError
        return Outcome(
            envelope_id,
            answer["level"],
            str(answer["reason"]),
            str(answer.get("rule", "")),
            str(answer.get("detail", "")),
            commit_no,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadAnswer(f"the node gave an outcome that cannot be read: {str(answer)[:200]}") from error
