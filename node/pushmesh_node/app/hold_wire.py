"""What two nodes say to each other about what they hold (SPEC 12.8)."""

from typing import Annotated, Final

import msgspec

from pushmesh_protocol.codec import Codec
from pushmesh_protocol.holds import MAX_HOLD_IDS, Hold, HoldIds
from pushmesh_protocol.kinds.fields import Bin32, Ms

PROTOCOL: Final = "/pushmesh/hold/1"

MAX_MESSAGE_BYTES: Final = 65_536
"""More than the largest question and the largest answer."""

WRITE_S: Final = 10.0

SILENCE_S: Final = 600.0
"""Whoever is asked ends a stream on which nothing is asked for so long."""


class AskHolds(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1):
    """Tell me when these are on your disk: ids with their issued-at, which finds them at once."""

    network_id: Bin32
    wanted: Annotated[list[tuple[Bin32, Ms]], msgspec.Meta(min_length=1, max_length=MAX_HOLD_IDS)]


class TellHold(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=2):
    """These are, in the order of the hold's tree."""

    hold: Hold
    ids: HoldIds


class EndHolds(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=3):
    """The stream ends, for this reason."""

    reason: Annotated[str, msgspec.Meta(max_length=64)]


questions: Final = Codec[AskHolds](AskHolds)
answers: Final = Codec[TellHold | EndHolds](TellHold | EndHolds)
