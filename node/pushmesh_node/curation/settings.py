"""A subscriber's settings of one topic, compiled into what the rules ask. Decides nothing."""

from collections.abc import Sequence
from typing import Final

import msgspec

from pushmesh_protocol.kinds.notification import Notification
from pushmesh_protocol.kinds.subscription import SettingChoice
from pushmesh_protocol.kinds.topic import Setting
from pushmesh_protocol.settings import CATEGORY_PREFIX, LEAST, MIN_PRIORITY, effective_settings


class Settings(msgspec.Struct, frozen=True, gc=False):
    """The least priority that the wallet wants of the topic, and the slugs of the categories that it switched off."""

    min_priority: int
    off: frozenset[str]


URGENT_PRIORITY: Final = 5
"""Reaches whoever did not deny or mute the sender, whatever the topic's settings say."""


def is_below(settings: Settings, note: Notification) -> bool:
    """The wallet wants only higher priorities of the topic."""
    return note.priority < settings.min_priority


def is_off(settings: Settings, note: Notification) -> bool:
    """The wallet switched its category off."""
    return note.category in settings.off and note.priority < URGENT_PRIORITY


NO_SETTINGS: Final = Settings(LEAST, frozenset())
"""Of a wallet that has chosen nothing, where the topic says nothing else."""


def compile_settings(choices: Sequence[SettingChoice] | None, schema: Sequence[Setting] | None) -> Settings:
    """`schema` is of the topic details in force, None where none are known (SPEC 4.21)."""
    if not choices and not schema:
        return NO_SETTINGS
    values = effective_settings(choices, schema)
    off = [slug for slug, value in values.items() if value == 0 and slug.startswith(CATEGORY_PREFIX)]
    return Settings(
        values.get(MIN_PRIORITY, LEAST),
        frozenset([slug.removeprefix(CATEGORY_PREFIX) for slug in off if slug != CATEGORY_PREFIX]),
    )
