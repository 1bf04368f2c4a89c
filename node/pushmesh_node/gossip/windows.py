"""How much of what a peer sends may be on its way to this node at a time.

What is on its way stands in front of this node's line, where nothing can be sorted: however good the order inside the
node, a frame of the mesh waits there behind all that a crowd of strangers was allowed to send. So strangers share a
total, and whoever earned trust has its window to itself. The simulator runs it too."""

from typing import Final

from .frames.inspection_queue import Merit

MOST_BYTES: Final = 256 * 1024
"""As much as Yamux lets be on its way on one stream: a stream alone is held up by nothing else."""

LEAST_BYTES: Final = 64 * 1024
"""What Linux announces before anybody can tell it otherwise; a frame of the largest size fits."""

STRANGERS_BYTES: Final = 4 * 1024 * 1024
"""All strangers together: a third of a second of 100 Mbit/s, and all that sixteen of them can use."""


def window_bytes(merit: Merit, strangers: int) -> int:
    """Of one peer, where so many are strangers or worse."""
    if merit is Merit.EARNED:
        return MOST_BYTES
    if merit is Merit.FAULTY:
        return LEAST_BYTES
    return max(LEAST_BYTES, min(MOST_BYTES, STRANGERS_BYTES // max(1, strangers)))
