"""Frames as bytes (SPEC 8.1): their exact layout, decoded in one pass, and a slower pass for schemes not known yet."""

from collections.abc import Sequence
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

_STATEMENT_MEMBERS = 9

Count = Annotated[int, msgspec.Meta(ge=0, lt=2**32)]
KindNumber = Annotated[int, msgspec.Meta(ge=0, lt=256)]


class ItemForm(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=0, gc=False):
    """An envelope with its own auth."""

    kind: KindNumber
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


class UnknownAuth(msgspec.Struct, frozen=True, gc=False):
    """Stands for an item or statement whose auth scheme is not known here; `kind` is None for a statement."""

    kind: int | None
    size_bytes: int


class OpenForm(msgspec.Struct, frozen=True, gc=False):
    """The members of a frame, as far as their schemes are known."""

    grants: Sequence[ItemForm | UnknownAuth]
    statements: Sequence[Statement | UnknownAuth]
    items: Sequence[ItemForm | RunForm | UnknownAuth]


class _LooseItem(msgspec.Struct, array_like=True, forbid_unknown_fields=True, tag=0):
    kind: KindNumber
    author: bytes
    body: bytes
    auth: msgspec.Raw


class _LooseFrame(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    version: Annotated[int, msgspec.Meta(ge=1, le=1)]
    grants: list[_LooseItem]
    statements: list[msgspec.Raw]
    items: list[_LooseItem | RunForm]


_frame: Codec[FrameForm] = Codec(FrameForm)
_auth: Codec[Auth] = Codec(Auth)
_statement: Codec[Statement] = Codec(Statement)
_loose_frame = msgspec.msgpack.Decoder(_LooseFrame, strict=True)


def decode_frame(data: bytes, count_limit: int) -> FrameForm | OpenForm:
    """Grant table, statements and items of a frame; an UnknownAuth stands where an auth scheme is not known here.

    Raises Refusal `malformed` for anything else that is not a canonical frame. Only the slower pass looks at the limit,
    before it reads entry by entry: `oversize`. Whoever counts leaves too counts again."""
    try:
        return _frame.decode(data)
    except Refusal as refusal:
        return _decode_loose(data, refusal, count_limit)


def _decode_loose(data: bytes, refusal: Refusal, count_limit: int) -> OpenForm:
    """Raises the Refusal of the exact layout where the frame has no unknown scheme that explains it."""
    try:
        loose = _loose_frame.decode(data)
        if pack(loose) != data:  # what stays raw in it is checked by decode_small
            raise refusal
    except (msgspec.DecodeError, UnicodeError, RecursionError, OverflowError):
        raise refusal from None
    # [REJECT] more entries than a frame carries, or more statements than they can refer to (SPEC 8.2, 8.4)
    if max(len(loose.grants) + len(loose.items), len(loose.statements)) > count_limit:
        raise Refusal(Reason.OVERSIZE, "8.2", f"a frame carries 1 to {count_limit} envelopes")
    return OpenForm(
        [_tighten(item) for item in loose.grants],
        [_tighten_statement(bytes(raw)) for raw in loose.statements],
        [_tighten(item) if isinstance(item, _LooseItem) else item for item in loose.items],
    )


def _tighten(item: _LooseItem) -> ItemForm | UnknownAuth:
    data = bytes(item.auth)
    if _has_unknown_number(decode_small(data, AUTH_DEPTH)):
        return UnknownAuth(item.kind, len(pack(item)))
    return ItemForm(item.kind, item.author, item.body, _auth.decode(data))


def _tighten_statement(data: bytes) -> Statement | UnknownAuth:
    value = decode_small(data, 1 + AUTH_DEPTH)
    if isinstance(value, list) and len(value) == _STATEMENT_MEMBERS and _has_unknown_number(value[-1]):
        return UnknownAuth(None, len(data))
    return _statement.decode(data)


def _has_unknown_number(auth: Any) -> bool:
    return isinstance(auth, list) and bool(auth) and type(auth[0]) is int and not 1 <= auth[0] <= 6
