"""Kind 64 `preferences`: a wallet's own allow, mute and deny list; never gossiped (SPEC 4.19)."""

from typing import Annotated

import msgspec

from ..accounts import Topic, check_account, check_topic
from ..codec import pack
from .checks import check_ascending
from .fields import Body

ALLOW, MUTE, DENY = 1, 2, 3


class Preference(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """One entry: an action on a sender's account or on a topic."""

    action: Annotated[int, msgspec.Meta(ge=1, le=3)]
    subject: bytes | Topic


class Preferences(Body, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """Body of a `preferences` envelope."""

    entries: Annotated[list[Preference], msgspec.Meta(max_length=1024)]


def check_preferences(body: Preferences) -> None:
    """Raise Refusal where the body breaks SPEC 4.19."""
    for entry in body.entries:
        if isinstance(entry.subject, Topic):
            check_topic(entry.subject)
        else:
            check_account("preference", entry.subject)
    check_ascending("4.19", "preferences", ((entry.action, pack(entry.subject)) for entry in body.entries))
