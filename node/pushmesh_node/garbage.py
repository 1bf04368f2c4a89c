"""Python's cycle collector, set for a process that lives long and must not pause."""

import gc

LEAST_NEW_OBJECTS = 10_000
"""Between two collections of the youngest; Python's own 700 is a collection for every few frames."""


def settle_garbage() -> None:
    """Call once, by who owns the process, when all is imported and nothing has begun.

    What is there now (modules, classes, compiled codecs: hundreds of thousands of objects) is never looked through
    again. It takes most of a full collection's time, and such a collection stops everything: up to half a second in
    eight busy nodes on two cores."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(LEAST_NEW_OBJECTS, *gc.get_threshold()[1:])
