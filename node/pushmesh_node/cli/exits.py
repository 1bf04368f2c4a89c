"""Exit codes of every command; docs/quickstart.md lists them too."""

from enum import IntEnum


class Exit(IntEnum):
    """What a program that calls `pushmesh` can tell from the code alone."""

    OK = 0
    REFUSED = 1
    """A node refused, or what was asked for failed."""
    USAGE = 2
    """The command line, a file that it names or the configuration is wrong."""
    UNREACHABLE = 3
    """No node answered."""
    TIMEOUT = 4
    """It did not happen in time."""
    INTERRUPTED = 130
