"""The JSON form of what the protocol carries, for people, browsers and logs; `publish_form` is the way back.

Ids, keys, hashes and signatures are lower hex, other binary base64url without padding, accounts CAIP-10, times Unix ms.
"""

from typing import Any

import msgspec

from .accounts import Topic, display_account, display_topic
from .armor import to_text
from .auth.schemes import SCHEME_NAMES, Auth, scheme_of
from .auth.statement import Batch, Statement
from .envelope import Envelope
from .kinds.fields import Body
from .kinds.grant import SCOPE_NAMES, Grant
from .kinds.notification import Notification, Sealed
from .kinds.preferences import ALLOW, DENY, MUTE, Preferences
from .kinds.registry import KIND_NAMES, AnyBody
from .kinds.retraction import MODE_NAMES, Retraction
from .kinds.subscription import Subscription
from .kinds.topic import BOOLEAN, RANGE, TopicDetails
from .publish_form import frame_from_json, item_from_json

__all__ = [
    "auth_json",
    "body_json",
    "envelope_json",
    "frame_from_json",
    "item_from_json",
    "kind_text",
    "statement_json",
]

SAFE_INTEGER = 2**53
"""From here on JavaScript cannot hold an integer: a work nonce is written as decimal text."""

_SETTING_NAMES = {BOOLEAN: "boolean", RANGE: "range"}
_ACTION_NAMES = {ALLOW: "allow", MUTE: "mute", DENY: "deny"}


def envelope_json(envelope: Envelope, *, signed: bool = True) -> dict[str, Any]:
    """An envelope as JSON-ready data: `fields` is its body decoded, `body` (only if `signed`) the signed bytes.

    With `body` and without `statement` it is an item for `frame_from_json`. A leaf's `auth` is its statement's."""
    shown: dict[str, Any] = {
        "id": envelope.id.hex(),
        "kind": kind_text(envelope.kind),
        "author": display_account(envelope.author),
        "fields": body_json(envelope.body),
        "auth": auth_json(envelope.auth),
        "cost": envelope.cost,
    }
    if signed:
        shown["body"] = to_text(envelope.body_bytes)
    if envelope.statement is not None:
        shown["statement"] = statement_json(envelope.statement)
        shown["index"] = envelope.index
    return shown


def kind_text(kind: int) -> str | int:
    """A kind's name, or the number itself where it has none here."""
    return KIND_NAMES.get(kind, kind)


def body_json(body: AnyBody) -> dict[str, Any]:
    """The members of a body under their own names."""
    shown = _plain(body)
    if body.topic is not None:
        shown["topic"] = display_topic(body.topic)
    if isinstance(body, Notification):
        shown |= _notification_json(body)
    elif isinstance(body, Grant):
        shown["scopes"] = [SCOPE_NAMES.get(scope, scope) for scope in body.scopes]  # type: ignore[call-overload]  # an int finds its IntEnum
        shown["topics"] = None if body.topics is None else [display_topic(topic) for topic in body.topics]
    elif isinstance(body, Subscription):
        shown["settings"] = None if body.settings is None else {each.slug: each.value for each in body.settings}
    elif isinstance(body, Retraction):
        shown["mode"] = MODE_NAMES[body.mode]
    elif isinstance(body, TopicDetails):
        shown |= _details_json(body)
    elif isinstance(body, Preferences):
        shown["entries"] = [
            {"action": _ACTION_NAMES[entry.action], "subject": _subject_text(entry.subject)} for entry in body.entries
        ]
    return shown


def auth_json(auth: Auth) -> dict[str, Any]:
    """An auth under its scheme's name."""
    shown = {"scheme": SCHEME_NAMES[scheme_of(auth)], **_plain(auth)}
    if auth.work is not None and auth.work >= SAFE_INTEGER:
        shown["work"] = str(auth.work)
    return shown


def statement_json(statement: Statement) -> dict[str, Any]:
    """A batch statement, as `frame_from_json` takes it."""
    return _plain(statement) | {
        "author": display_account(statement.author),
        "kind": kind_text(statement.kind),
        "topic": display_topic(statement.topic),
        "auth": auth_json(statement.auth),
    }


def _plain(struct: Batch | Body | Auth) -> dict[str, Any]:
    """Members by name with every binary in hex: right for ids, keys and signatures; callers mend the rest."""
    members = msgspec.structs.asdict(struct)
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in members.items()}


def _notification_json(body: Notification) -> dict[str, Any]:
    return {
        "audience": None if body.audience is None else [display_account(account) for account in body.audience],
        "actions": None if body.actions is None else [msgspec.structs.asdict(action) for action in body.actions],
        "sealed": None if body.sealed is None else _sealed_json(body.sealed),
    }


def _sealed_json(sealed: Sealed) -> dict[str, Any]:
    return {
        "nonce": to_text(sealed.nonce),
        "ciphertext": to_text(sealed.ciphertext),
        "boxes": [{"seal_key": box.seal_key.hex(), "box": to_text(box.box)} for box in sealed.boxes],
    }


def _details_json(body: TopicDetails) -> dict[str, Any]:
    return {
        "icon": None if body.icon is None else to_text(body.icon),
        "categories": None if body.categories is None else [msgspec.structs.asdict(each) for each in body.categories],
        "settings": None
        if body.settings is None
        else [msgspec.structs.asdict(each) | {"kind": _SETTING_NAMES[each.kind]} for each in body.settings],
    }


def _subject_text(subject: bytes | Topic) -> str:
    return display_topic(subject) if isinstance(subject, Topic) else display_account(subject)
