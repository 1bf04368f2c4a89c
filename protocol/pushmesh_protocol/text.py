"""Text rules (SPEC 3.3): which characters a text may hold."""

import re

from .errors import Refusal
from .reasons import Reason

_FORBIDDEN = re.compile("[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]")
_FORBIDDEN_IN_BODY = re.compile("[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]")


def check_text(member: str, value: str, *, lines: bool = False) -> None:
    """Raise Refusal `malformed` for a control or bidirectional control character; `lines` allows tab and newline."""
    if value.isprintable():  # the common case: it excludes every forbidden character at a tenth of the search's cost
        return
    found = (_FORBIDDEN_IN_BODY if lines else _FORBIDDEN).search(value)
    if found is not None:
        raise Refusal(Reason.MALFORMED, "3.3", f"{member} holds U+{ord(found.group()):04X}")
