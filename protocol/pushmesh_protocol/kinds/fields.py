"""Field types that several kinds share; their bounds are checked by the decoder itself."""

from typing import Annotated

import msgspec

from ..accounts import Topic

U32 = Annotated[int, msgspec.Meta(ge=0, lt=2**32)]
Ms = Annotated[int, msgspec.Meta(ge=0, lt=253_402_300_800_000)]  # to the end of year 9999: RFC 3339 writes no later one
SettingValue = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]
Bin16 = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
Bin24 = Annotated[bytes, msgspec.Meta(min_length=24, max_length=24)]
Bin32 = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
Bin64 = Annotated[bytes, msgspec.Meta(min_length=64, max_length=64)]
Bin65 = Annotated[bytes, msgspec.Meta(min_length=65, max_length=65)]
Bin80 = Annotated[bytes, msgspec.Meta(min_length=80, max_length=80)]
Slug = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9-]{1,32}\Z")]
Text64 = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Text128 = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Text256 = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Text1024 = Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]
Text4096 = Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]
Url = Annotated[str, msgspec.Meta(min_length=1, max_length=2048, pattern=r"^(https?|ipfs)://")]


class Body(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """The start of every body (SPEC 4.3); times in Unix milliseconds."""

    issued_at: Ms
    seq: U32
    expires_at: Ms
    topic: Topic | None


class TopicBody(Body, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """The start of the bodies that belong to a topic."""

    topic: Topic
