"""What a delivering node says to the origin of a notification, and the answer (SPEC 12.9)."""

from typing import Annotated, Final

import msgspec

from pushmesh_protocol.codec import Codec
from pushmesh_protocol.kinds.fields import Bin32
from pushmesh_protocol.outcomes import OutcomeStatement

PROTOCOL: Final = "/pushmesh/outcome/1"

MAX_MESSAGE_BYTES: Final = 1_048_576

STATEMENT_BYTES: Final = 524_288
"""A sender fills a statement to about this size."""

WRITE_S: Final = 30.0
ANSWER_S: Final = 30.0


class Tell(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1):
    """One statement; the next one follows its answer."""

    network_id: Bin32
    statement: OutcomeStatement


class Taken(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=2):
    """It is on the origin's disk, or was none of its business: it need not come again."""

    refused_rows: Annotated[int, msgspec.Meta(ge=0)]


class EndOutcomes(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=3):
    """The stream ends, for this reason."""

    reason: Annotated[str, msgspec.Meta(max_length=64)]


questions: Final = Codec[Tell](Tell)
answers: Final = Codec[Taken | EndOutcomes](Taken | EndOutcomes)
