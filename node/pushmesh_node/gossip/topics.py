"""What the name of a gossip topic tells the router (SPEC 8.6). It knows no network: any topic is a string."""

from typing import Final

from .effects import Lane

CONTROL_MARK: Final = "/control/"


def is_priority(topic: str) -> bool:
    """True for the topics of grants, revocations, topics and node bindings: what others rest on goes first."""
    return CONTROL_MARK in topic


def lane_of(topic: str) -> Lane:
    """The lane of this topic's messages."""
    return Lane.PRIORITY if CONTROL_MARK in topic else Lane.DATA
