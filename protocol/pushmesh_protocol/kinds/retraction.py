"""Kind 6 `retraction`: takes back, cancels or replaces a notification (SPEC 4.17)."""

from typing import Annotated

import msgspec

from .checks import malformed
from .fields import Bin32, TopicBody

RETRACT, CANCEL, REPLACED_BY = 1, 2, 3
MODE_NAMES = {RETRACT: "retract", CANCEL: "cancel", REPLACED_BY: "replaced-by"}


class Retraction(TopicBody, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """Body of a `retraction` envelope; `replacement` is set for REPLACED_BY alone."""

    target: Bin32
    mode: Annotated[int, msgspec.Meta(ge=1, le=3)]
    replacement: Bin32 | None


def check_retraction(body: Retraction) -> None:
    """Raise Refusal where the body breaks SPEC 4.17."""
    if (body.mode == REPLACED_BY) != (body.replacement is not None):
        raise malformed("4.17", "the replacement is set for mode 3 alone")
