"""The constants of protocol 1 that are not in a genesis, and the times of its windows."""

DAY_MS = 86_400_000

MAX_AHEAD_MS = 60_000
"""How far issued-at may lie after now (SPEC 7.4)."""

MAX_EPOCHS_OLD = 1
"""How many epochs an envelope may lie behind (SPEC 7.3)."""

MAX_AUTHS_PER_ID = 4
"""How many auths of one id a node remembers (SPEC 7.6)."""

LOGIN_WINDOW_MS = 300_000
LOGIN_NONCE_MEMORY_MS = 600_000
TOKEN_LIFE_MS = 30 * DAY_MS

PACK_TARGET_BYTES = 65_536
"""A packer fills frames to this size (SPEC 8.8)."""

GRANT_RIDES_MS = 3_600_000
"""A grant younger than this rides with its items (SPEC 8.9)."""

MAX_UNREVOKED_GRANTS = 16
"""Live grants per author that APIs and SDKs keep to."""
