"""Kind 5 `notification`: what it is all for (SPEC 4.15, 4.16)."""

from typing import Annotated

import msgspec

from ..accounts import check_account
from ..text import check_text
from .checks import check_ascending, malformed
from .fields import Bin16, Bin24, Bin32, Bin80, Ms, Slug, Text64, Text256, Text4096, TopicBody, Url

MAX_SEALED_AUDIENCE = 500


class Action(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """A button: its title and where it leads."""

    title: Text64
    url: Url


Actions = Annotated[list[Action], msgspec.Meta(min_length=1, max_length=3)]


class SealedBox(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """The content key, sealed to one grant's seal key."""

    seal_key: Bin32
    box: Bin80


class Sealed(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """Content that only the holders of the listed seal keys can read."""

    nonce: Bin24
    ciphertext: Annotated[bytes, msgspec.Meta(min_length=1, max_length=65_536)]
    boxes: Annotated[list[SealedBox], msgspec.Meta(min_length=1, max_length=1000)]


class Notification(TopicBody, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """Body of a `notification` envelope; an audience of None is every subscriber, priority runs from 1 (low) to 5."""

    audience: Annotated[list[bytes], msgspec.Meta(min_length=1, max_length=2000)] | None
    title: Text256 | None
    body: Text4096 | None
    url: Url | None
    actions: Actions | None
    category: Slug | None
    priority: Annotated[int, msgspec.Meta(ge=1, le=5)]
    collapse: Text64 | None
    not_before: Ms | None
    language: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9-]{2,35}\Z")] | None
    thread: Bin16 | None
    origin: Bin32 | None
    sealed: Sealed | None


def check_notification(body: Notification) -> None:
    """Raise Refusal where the body breaks SPEC 3.3, 4.15 or 4.16."""
    if body.title is not None:
        check_text("title", body.title)
    if body.body is not None:
        check_text("body", body.body, lines=True)
    elif body.title is None and body.sealed is None:
        raise malformed("4.15", "none of title, body and sealed is set")
    if body.url is not None:
        check_text("url", body.url)
    if body.collapse is not None:
        check_text("collapse key", body.collapse)
    for action in body.actions or ():
        check_text("action title", action.title)
        check_text("action url", action.url)
    if body.not_before is not None and body.not_before >= body.expires_at:
        raise malformed("4.15", "not-before is not before expires-at")
    _check_audience(body)


def _check_audience(body: Notification) -> None:
    if body.audience is not None:
        for account in body.audience:
            check_account("audience", account)
        check_ascending("4.15", "audience", body.audience)
    if body.sealed is not None:
        if body.audience is None or len(body.audience) > MAX_SEALED_AUDIENCE:
            raise malformed("4.16", "a sealed notification needs an audience of at most 500")
        check_ascending("4.16", "seal keys", (box.seal_key for box in body.sealed.boxes))
