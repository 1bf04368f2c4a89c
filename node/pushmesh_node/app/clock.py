"""The one place where the node reads the wall clock."""

import time

from pushmesh_protocol.types import UnixMs


def now_ms() -> UnixMs:
    """Unix time in milliseconds."""
    return UnixMs(time.time_ns() // 1_000_000)
