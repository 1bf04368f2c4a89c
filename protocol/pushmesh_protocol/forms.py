"""Frames as bytes (SPEC 8.1): their exact layout, decoded in one pass, and a slower pass for schemes not known yet."""

from typing import Annotated, Any

import msgspec

from .auth.schemes import Auth
from .auth.statement import Statement
from .codec import Codec, decode_small, pack
from .errors import Refusal
from .kinds.fields import Bin32
from .reasons import Reason

AUTH_DEPTH = 3
"""How deep any auth nests, its own list counted (SPEC 5.1)."""

Count = Annotated[int, msgspec.Meta(ge=0, lt=2**32)]


class ItemForm(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=0, gc=False):
    """An envelope with its own auth."""

    kind: Annotated[int, msgspec.Meta(ge=0, lt=256)]
    author: bytes
    body: bytes
    auth: Auth


class RunForm(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1, gc=False):
    """Leaves of one batch with the audit path of their subtree."""

    statement: Count
    first: Count
    path: Annotated[list[Bin32], msgspec.Meta(max_length=10)]
    bodies: Annotated[list[bytes], msgspec.Meta(min_length=1, max_length=1024)]


class FrameForm(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """A whole frame."""

    version: Annotated[int, msgspec.Meta(ge=1, le=1)]
    grants: list[ItemForm]
    statements: list[Statement]
    items: list[ItemForm | RunForm]


class _LooseItem(msgspec.Struct, array_like=True, forbid_unknown_fields=True, tag=0):
    kind: Annotated[int, msgspec.Meta(ge=0, lt=256)]
    author: bytes
    body: bytes
    auth: msgspec.Raw


class _LooseFrame(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    version: Annotated[int, msgspec.Meta(ge=1, le=1)]
    grants: list[_LooseItem]
    statements: list[msgspec.Raw]
    items: list[_LooseItem | RunForm]


UNKNOWN_SCHEME = Refusal(Reason.UNKNOWN_SCHEME, "5.1", "the auth scheme is not known here")

_frame: Codec[FrameForm] = Codec(FrameForm)
_auth: Codec[Auth] = Codec(Auth)
_statement: Codec[Statement] = Codec(Statement)
_loose_frame = msgspec.msgpack.Decoder(_LooseFrame, strict=True)

Loose = ItemForm | RunForm | Refusal


def decode_frame(data: bytes) -> tuple[list[ItemForm | Refusal], list[Statement | Refusal], list[Loose]]:
    """Grant table, statements and items of a frame; a Refusal `unknown-scheme` stands where an auth is not known here.

    Raises Refusal `malformed` for anything else that is not a canonical frame.
    """
    try:
        form = _frame.decode(data)
    except Refusal as refusal:
        return _decode_loose(data, refusal)
    return list(form.grants), list(form.statements), list(form.items)


def _decode_loose(
    data: bytes, refusal: Refusal
) -> tuple[list[ItemForm | Refusal], list[Statement | Refusal], list[Loose]]:
    try:
        loose = _loose_frame.decode(data)
        if pack(loose) != data:  # what stays raw in it is checked by decode_small
            raise refusal
    except (msgspec.DecodeError, UnicodeError, RecursionError, OverflowError):
        raise refusal from None
    items: list[Loose] = [_tighten(item) if isinstance(item, _LooseItem) else item for item in loose.items]
    return [_tighten(item) for item in loose.grants], [_tighten_statement(part) for part in loose.statements], items


def _tighten(item: _LooseItem) -> ItemForm | Refusal:
    auth = _known(bytes(item.auth))
    return auth if isinstance(auth, Refusal) else ItemForm(item.kind, item.author, item.body, auth)


def _known(data: bytes) -> Auth | Refusal:
    if _has_unknown_number(decode_small(data, AUTH_DEPTH)):
        return UNKNOWN_SCHEME
    auth: Auth = _auth.decode(data)
    return auth


def _tighten_statement(raw: msgspec.Raw) -> Statement | Refusal:
    data = bytes(raw)
    value = decode_small(data, AUTH_DEPTH + 1)
    if isinstance(value, list) and len(value) == 9 and _has_unknown_number(value[8]):
        return UNKNOWN_SCHEME
    return _statement.decode(data)


def _has_unknown_number(auth: Any) -> bool:
    return isinstance(auth, list) and bool(auth) and type(auth[0]) is int and not 1 <= auth[0] <= 6
