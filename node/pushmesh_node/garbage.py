"""Python's cycle collector and the C library's heap, set for a process that lives long and must not pause."""

import ctypes
import gc
import threading
import time
from collections.abc import Callable

LEAST_NEW_OBJECTS = 10_000
"""Between two collections of the youngest; Python's own 700 is a collection for every few frames."""

GIVE_BACK_S = 60.0


def settle_garbage() -> None:
    """Call once, by who owns the process, when all is imported and nothing has begun.

    What is there now (modules, classes, compiled codecs: hundreds of thousands of objects) is never looked through
    again. It takes most of a full collection's time, and such a collection stops everything: up to half a second in
    eight busy nodes on two cores."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(LEAST_NEW_OBJECTS, *gc.get_threshold()[1:])


def give_back_freed_memory() -> None:
    """Call once, likewise: from then on what was freed goes back to the system once a minute, as long as the process
    lives. glibc keeps it else, between pieces that are in use, and then each burst that is larger than all before
    leaves the process larger for good. No effect with another C library."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim.argtypes = [ctypes.c_size_t]
        threading.Thread(target=_give_back, args=(trim,), name="give-back", daemon=True).start()


def _give_back(trim: Callable[[int], int]) -> None:
    while True:
        time.sleep(GIVE_BACK_S)
        trim(0)  # everything else runs meanwhile, but for whoever wants of the very heap that is looked through
