"""What stands for the topics that a token is limited to: devices of such a token are not those of its wallet."""

from functools import lru_cache

from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.codec import pack
from pushmesh_protocol.hashing import sha256

from ..engine.answers import Principal


def restriction_of(principal: Principal) -> str:
    """Empty for whoever may read the whole inbox, else 32 hex digits, alike for tokens of the same topics.

    A message that such a token was never shown is not acknowledged by it, read by it, or lost to the wallet by it."""
    return "" if principal.topics is None else _digest(principal.topics)


@lru_cache(1_024)
def _digest(topics: frozenset[Topic]) -> str:
    return sha256(pack(sorted(topics)))[:16].hex()
