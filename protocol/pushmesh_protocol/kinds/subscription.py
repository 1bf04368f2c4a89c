"""Kind 4 `subscription`: a wallet's signed yes or no to a topic (SPEC 4.13, 4.14)."""

from typing import Annotated

import msgspec

from ..limits import DAY_MS
from .checks import check_ascending, malformed
from .fields import SettingValue, Slug, TopicBody

OFF_LIFE_MS = 400 * DAY_MS


class SettingChoice(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """A subscriber's value for one of the topic's settings."""

    slug: Slug
    value: SettingValue


class Subscription(TopicBody, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """Body of a `subscription` envelope; `receipts` allows per-recipient outcomes to travel."""

    on: bool
    settings: Annotated[list[SettingChoice], msgspec.Meta(min_length=1, max_length=32)] | None
    receipts: bool


def check_subscription(body: Subscription) -> None:
    """Raise Refusal where the body breaks SPEC 4.4 or 4.13."""
    check_ascending("4.13", "settings", (choice.slug for choice in body.settings or ()))
    if not body.on and body.expires_at - body.issued_at != OFF_LIFE_MS:
        raise malformed("4.4", "an off subscription lives exactly 400 days")
