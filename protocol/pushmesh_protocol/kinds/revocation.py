"""Kind 3 `revocation`: ends one grant or all earlier ones of its author (SPEC 4.10-4.12)."""

from ..limits import DAY_MS
from .checks import malformed
from .fields import U32, Bin32, Body, Ms

LIFE_MS = 490 * DAY_MS


class Revocation(Body, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """Body of a `revocation` envelope: either `grant_id` or `before` is set; the cut is (cut_time, cut_seq)."""

    grant_id: Bin32 | None
    before: Ms | None
    cut_time: Ms
    cut_seq: U32


def check_revocation(body: Revocation) -> None:
    """Raise Refusal where the body breaks SPEC 4.4 or 4.10."""
    if (body.grant_id is None) == (body.before is None):
        raise malformed("4.10", "exactly one of grant id and before is set")
    if body.expires_at - body.issued_at != LIFE_MS:
        raise malformed("4.4", "a revocation lives exactly 490 days")
