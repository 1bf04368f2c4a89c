"""Which grants say what content can be sealed to: what publishers ask for, and check themselves (SPEC 4.28)."""

from collections.abc import Callable, Sequence

from pushmesh_protocol.authority import Authority
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.types import Account

MAX_GRANTS_SHOWN = 16
"""Of one wallet, the newest: publishers seal to no more."""


def seal_grants(
    authority: Authority, grant_of: Callable[[bytes], Envelope | None], account: Account, now_ms: int
) -> Sequence[Envelope]:
    """The wallet's grants that name a seal key, hold now and have no cut, the newest first."""
    found = []
    for grant in reversed(authority.grants_of(account)):
        body = grant.body
        if body.seal_key is None or not body.not_before <= now_ms < body.expires_at or authority.cut_of(grant):
            continue
        envelope = grant_of(grant.id)
        if envelope is not None:
            found.append(envelope)
        if len(found) == MAX_GRANTS_SHOWN:
            break
    return found
