"""What a subscriber's settings of a topic come to, by the topic's own schema and the slugs that every topic has (SPEC
4.21). Pure; it knows no clock and no wallet."""

from collections.abc import Sequence
from typing import Final

from .kinds.subscription import SettingChoice
from .kinds.topic import Setting

MIN_PRIORITY: Final = "min-priority"
"""Reserved: the least priority, 1..5, that reaches the subscriber."""

CATEGORY_PREFIX: Final = "cat-"
"""Reserved with the slug of a category behind it: 0 switches the category off."""

LEAST, MOST = 1, 5
"""The priorities of a notification."""


def effective_settings(choices: Sequence[SettingChoice] | None, schema: Sequence[Setting] | None) -> dict[str, int]:
    """Every setting of the schema and every reserved one that the subscriber chose, by slug in ascending order.

    A value outside the setting's range counts as the default; what is neither in the schema nor reserved is left out.
    """
    chosen = {choice.slug: choice.value for choice in choices or ()}
    known = {setting.slug: setting for setting in schema or ()}
    reserved = {slug for slug in chosen if bounds_of(slug) is not None}
    return {slug: _value(slug, chosen.get(slug), known.get(slug)) for slug in sorted(known.keys() | reserved)}


def bounds_of(slug: str) -> tuple[int, int, int] | None:
    """(low, high, default) of a reserved slug, None for any other."""
    if slug == MIN_PRIORITY:
        return LEAST, MOST, LEAST
    return (0, 1, 1) if len(slug) > len(CATEGORY_PREFIX) and slug.startswith(CATEGORY_PREFIX) else None


def _value(slug: str, chosen: int | None, setting: Setting | None) -> int:
    """A schema narrows the range of a reserved slug and may set another default in it; it never widens it."""
    bounds = bounds_of(slug)
    if setting is None:
        assert bounds is not None, "only reserved slugs stand outside the schema"
        low, high, default = bounds
    elif bounds is None:
        low, high, default = setting.low, setting.high, setting.default
    else:
        low, high = max(setting.low, bounds[0]), min(setting.high, bounds[1])
        default = setting.default if low <= setting.default <= high else bounds[2]
    return chosen if chosen is not None and low <= chosen <= high else default
