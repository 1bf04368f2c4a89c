"""The three relay verdicts; the numbers are those of the process boundary."""

from enum import IntEnum


class Verdict(IntEnum):
    """ACCEPT forwards, IGNORE drops without blame, REJECT drops and blames whoever sent it."""

    ACCEPT = 0
    IGNORE = 1
    REJECT = 2
