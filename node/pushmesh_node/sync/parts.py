"""Sets, parts and buckets (SPEC 9.1): which part of which set a record belongs to, and which span of time."""

from collections.abc import Sequence
from typing import Final

from pushmesh_protocol.kinds.registry import SHARD_KINDS, Kind

DAY_MS: Final = 86_400_000
LONG_MS: Final = 32 * DAY_MS

FLOOR_AHEAD_MS: Final = 60_000
"""What ends sooner is not compared (SPEC 9.4)."""

HIGHEST_FLOOR_MS: Final = DAY_MS
"""A floor that lies further ahead counts as this far."""


def part_of(kind: int, shard: int | None, shards: int) -> int:
    """The part of an envelope; `shard` is that of its topic, for the kinds that have one."""
    if kind not in SHARD_KINDS or shard is None:
        return 2 * shards
    return shards + shard if kind == Kind.SUBSCRIPTION else shard


def is_control(part: int, shards: int) -> bool:
    """Whether it holds grants and revocations, which the others rest on."""
    return part == 2 * shards


def is_subscription(part: int, shards: int) -> bool:
    """Whether it holds subscriptions, which tell whom a message is for."""
    return shards <= part < 2 * shards


def set_of(part: int, shards: int) -> int:
    """The number of the set, and so the place of its floor in a hello."""
    return shards if is_control(part, shards) else part % shards


def length_ms(part: int, shards: int) -> int:
    """How long the part's buckets are."""
    return DAY_MS if part < shards else LONG_MS


def common_floors(mine: Sequence[int], theirs: Sequence[int], now_ms: int) -> list[int]:
    """What both hold whole (SPEC 9.4)."""
    highest = now_ms + HIGHEST_FLOOR_MS
    return [max(one, min(other, highest)) for one, other in zip(mine, theirs, strict=True)]
