"""Kind 1 `topic`: what a topic's owner says of it (SPEC 4.8)."""

from typing import Annotated

import msgspec

from ..text import check_text
from .checks import check_ascending, malformed
from .fields import SettingValue, Slug, Text64, Text128, Text1024, TopicBody

BOOLEAN, RANGE = 0, 1


class Category(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """A category that subscribers can choose."""

    slug: Slug
    title: Text64


class Setting(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """A setting that subscribers can fill; `kind` is BOOLEAN (0..1) or RANGE."""

    slug: Slug
    kind: Annotated[int, msgspec.Meta(ge=0, le=1)]
    title: Text64
    default: SettingValue
    low: SettingValue
    high: SettingValue


class TopicDetails(TopicBody, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """Body of a `topic` envelope; the icon is image data, since no client fetches a sender's URL."""

    title: Text128
    description: Text1024 | None
    icon: Annotated[bytes, msgspec.Meta(min_length=1, max_length=8192)] | None
    categories: Annotated[list[Category], msgspec.Meta(min_length=1, max_length=32)] | None
    settings: Annotated[list[Setting], msgspec.Meta(min_length=1, max_length=32)] | None


def check_details(body: TopicDetails) -> None:
    """Raise Refusal where the body breaks SPEC 4.8."""
    check_text("title", body.title)
    if body.description is not None:
        check_text("description", body.description)
    for category in body.categories or ():
        check_text("category title", category.title)
    check_ascending("4.8", "categories", (category.slug for category in body.categories or ()))
    check_ascending("4.8", "settings", (setting.slug for setting in body.settings or ()))
    for setting in body.settings or ():
        check_text("setting title", setting.title)
        _check_setting(setting)


def _check_setting(setting: Setting) -> None:
    if setting.kind == BOOLEAN and (setting.low, setting.high) != (0, 1):
        raise malformed("4.8", f"boolean setting {setting.slug} must run from 0 to 1")
    if not setting.low <= setting.default <= setting.high:
        raise malformed("4.8", f"setting {setting.slug} has its default outside low..high")
