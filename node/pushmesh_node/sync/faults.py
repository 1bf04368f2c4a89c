"""What can be wrong with a peer's message of reconciliation. The caller ends the session with that peer."""

from enum import StrEnum


class Fault(StrEnum):
    """The closed list of reasons."""

    OVERSIZE = "oversize"
    """More bytes, ranges or parts than a message may have."""
    TRUNCATED = "truncated"
    """It ends within a range."""
    VARINT = "varint"
    """A number is above 2^64 - 1 or not written in its shortest form."""
    BOUND = "bound"
    """A bound has more than 32 bytes of an id, lies after everything and has an id, or below the one before it."""
    MODE = "mode"
    """A range is neither skipped, nor a fingerprint, nor a list of ids."""
    NOT_NEGENTROPY = "not-negentropy"
    """Its first byte is not a version of the protocol."""
    UNSUPPORTED_VERSION = "unsupported-version"
    """The peer answers in another version."""
    UNKNOWN_BUCKET = "unknown-bucket"
    """A part is of a bucket that the session is not about, or stands twice or out of order."""
    TOO_MANY_ROUNDS = "too-many-rounds"
    """The peer keeps finding differences where there can be none any more."""


class BadMessage(Exception):
    """A peer's message breaks the rules; `fault` says which."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.value)
        self.fault = fault
