"""One message to many, in several notifications with one thread, and what became of it at each recipient (pure)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pushmesh_protocol.accounts import parse_account
from pushmesh_protocol.errors import AccountError
from pushmesh_protocol.levels import LEVELS, reaches
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import Account

from .author import Published
from .errors import BadAnswer, ClientError


@dataclass(frozen=True, slots=True)
class ThreadPart:
    """One notification of a thread. `error` says why there is no answer to it; it may have been taken all the same,
    and `Dapp.resume` asks again."""

    recipients: tuple[Account, ...] | None
    published: Published | None
    error: ClientError | None = None

    @property
    def ok(self) -> bool:
        """Whether the node took it and it counts."""
        return self.published is not None and self.published.ok


@dataclass(frozen=True, slots=True)
class Thread:
    """`unsealed` are the recipients that nothing was sent to, since nothing can be sealed to them; recipients None is
    every subscriber."""

    id: bytes
    parts: tuple[ThreadPart, ...]
    unsealed: tuple[Account, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every recipient that could be sent to was."""
        return all([part.ok for part in self.parts])


@dataclass(frozen=True, slots=True)
class RecipientStatus:
    """How far a thread got with one recipient: one of LEVELS, and why where it is `refused`. `at_ms` is None until its
    node told of it; who does not allow receipts stays at its part's level."""

    level: str
    reason: str
    at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class ThreadStatus:
    """Sums over a thread. `delivered` and `acknowledged` count wallets, those too that may not be named."""

    recipients: Mapping[Account, RecipientStatus]
    delivered: int
    acknowledged: int

    def counted(self, level: str) -> int:
        """Recipients that are known by name to have got at least so far."""
        return sum([reaches(each.level, level) and each.level != "refused" for each in self.recipients.values()])


@dataclass(frozen=True, slots=True)
class StatusPage:
    """A page of what the origin says of a part: (account, level, at ms) of wallets that may be named, and sums."""

    rows: tuple[tuple[Account, str, int], ...]
    delivered: int
    acknowledged: int


def read_page(part: ThreadPart, answer: Mapping[str, Any]) -> StatusPage:
    """Raises BadAnswer for one that makes no sense or names others than the part's recipients."""
    try:
        rows = [(parse_account(str(row["account"])), str(row["level"]), int(row["at"])) for row in answer["recipients"]]
        if part.recipients is not None and not {account for account, _level, _at in rows} <= {*part.recipients}:
            raise ValueError("a wallet that is no recipient")
        if not {level for _account, level, _at in rows} <= {*LEVELS}:
            raise ValueError("a level that there is not")
        return StatusPage(tuple(rows), _wallets(part, answer["delivered"]), _wallets(part, answer["acknowledged"]))
    except (KeyError, TypeError, ValueError, AccountError) as error:
        raise BadAnswer("the node gave a status that cannot be read") from error


def status_of(thread: Thread, answers: Sequence[Sequence[StatusPage]]) -> ThreadStatus:
    """The sum of what the origin says of each part: its pages, in the parts' order, none for a part that it did not
    take."""
    recipients = {account: RecipientStatus("refused", Reason.NO_SEAL_KEY) for account in thread.unsealed}
    delivered, acknowledged = 0, 0
    for part, pages in zip(thread.parts, answers, strict=True):
        recipients |= _recipients_of(part, pages)
        if pages:  # the last page is the newest: no row says more than its sums
            delivered += pages[-1].delivered
            acknowledged += pages[-1].acknowledged
    return ThreadStatus(recipients, delivered, acknowledged)


def _recipients_of(part: ThreadPart, pages: Iterable[StatusPage]) -> dict[Account, RecipientStatus]:
    outcome = None if part.published is None else part.published.outcome
    if outcome is None or not part.ok:
        reason = part.error.reason if outcome is None and part.error is not None else outcome.reason if outcome else ""
        start = RecipientStatus("refused", reason)
    else:
        start = RecipientStatus(outcome.level, outcome.reason)
    found = dict.fromkeys(part.recipients or (), start)
    for account, level, at_ms in [row for page in pages for row in page.rows]:
        if LEVELS.index(level) > LEVELS.index(found.get(account, start).level):
            found[account] = RecipientStatus(level, Reason.OK, at_ms)
    return found


def _wallets(part: ThreadPart, total: Mapping[str, Any]) -> int:
    """A wallet that is at two nodes is counted by both; no more than there are count."""
    count = int(total["wallets"])
    return count if part.recipients is None else min(count, len(part.recipients))
