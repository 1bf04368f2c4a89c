"""The networks and the hour in which the vectors take place."""

from dataclasses import replace

from pushmesh_protocol.network import ByteLimits, Network, Parameters
from pushmesh_protocol.types import Account
from tools.vector_keys import ALICE, NODE

DAY = 86_400_000
HOUR = 3_600_000
ORIGIN = 1_767_225_600_000  # 2026-01-01T00:00:00Z
NOW = ORIGIN + 1000 * HOUR + HOUR // 2
EPOCH = 1000
LIVES = {1: 400 * DAY, 2: 90 * DAY, 3: 490 * DAY, 4: 400 * DAY, 5: 30 * DAY, 6: 30 * DAY, 7: 180 * DAY, 64: 400 * DAY}
WORK_BITS = 8


def _nonce(name: str) -> bytes:
    return name.encode().ljust(16, b".")


PLAIN = Network(
    name="plain",
    nonce=_nonce("plain"),
    epoch_length_ms=HOUR,
    epoch_origin_ms=ORIGIN,
    shard_count=8,
    wallet_range=2**31,
    slot_bytes=2048,
    limits=ByteLimits(),
    lives_ms=LIVES,
    admins=(NODE.public,),
    threshold=1,
    parameters=Parameters(0, 0, 2**32, {}, {}),
)
"""Everybody may do everything: no vector here is about quotas."""

OTHER = replace(PLAIN, nonce=_nonce("other"))
"""Like PLAIN but for its nonce."""

WORK = replace(
    PLAIN,
    name="work",
    nonce=_nonce("work"),
    parameters=Parameters(0, 0, 0, {Account(ALICE.account): 64}, {kind: WORK_BITS for kind in LIVES}),
)
"""Alice has 64 slots, the others must work."""

SMALL = replace(
    PLAIN,
    name="small",
    nonce=_nonce("small"),
    limits=ByteLimits(800, 900, 2000, 4, 256, 8, 4000),
    parameters=Parameters(0, 0, 2**32, {}, {}),
)
"""Byte limits so low that vectors about them stay short."""

NETWORKS = {"plain": PLAIN, "other": OTHER, "work": WORK, "small": SMALL}
