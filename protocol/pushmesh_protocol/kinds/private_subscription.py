"""Kind 65 `private_subscription`: a wallet's word on a topic for one node alone; never gossiped (SPEC 4.25)."""

from .checks import malformed
from .subscription import Subscription, check_subscription


class PrivateSubscription(Subscription, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """Body of a `private_subscription` envelope: the layout of a subscription, whose receipts are never allowed."""


def check_private_subscription(body: PrivateSubscription) -> None:
    """Raise Refusal where the body breaks SPEC 4.4, 4.13 or 4.25."""
    check_subscription(body)
    if body.receipts:
        raise malformed("4.25", "a private subscription allows no receipts: they would tell others of it")
