"""The standard streams of a process whose shell closed them, whose disk is full or whose reader has left."""

import os
import sys


def open_closed_streams() -> None:
    """A standard stream that is closed (`>&-`) is an empty one, and its number is not given to another file."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))


def flush_or_forget() -> None:
    """Write out what was printed, or else forget it: Python would try again at exit, and complain."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
