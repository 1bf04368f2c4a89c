"""What a publisher may send as JSON, into the bytes that a node opens. It never reads decoded fields."""

from typing import Annotated, Any

import msgspec

from .accounts import parse_account, parse_topic
from .armor import from_text
from .auth.schemes import Auth, Eip191, Eip712, Erc1271, Erc6492, Session, Solana
from .auth.statement import Statement
from .codec import pack
from .errors import AccountError, Refusal
from .forms import FrameForm, ItemForm, RunForm
from .kinds.registry import KIND_NAMES
from .reasons import Reason

RULE = "3.1"

_KIND_NUMBERS = {name: kind for kind, name in KIND_NAMES.items()}
_Kind = str | Annotated[int, msgspec.Meta(ge=0, lt=256)]
_Nonce = Annotated[int, msgspec.Meta(ge=0)] | Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,20}\Z")] | None


class _Eip712(msgspec.Struct, forbid_unknown_fields=True, tag="eip712", tag_field="scheme"):
    signature: str
    chain_id: Annotated[int, msgspec.Meta(ge=1, lt=2**53)] | None = None
    work: _Nonce = None


class _Signed(msgspec.Struct, forbid_unknown_fields=True, tag_field="scheme"):
    signature: str
    work: _Nonce = None


class _Eip191(_Signed, tag="eip191"):
    pass


class _Solana(_Signed, tag="solana"):
    pass


class _Erc1271(_Signed, tag="erc1271"):
    pass


class _Erc6492(_Signed, tag="erc6492"):
    pass


class _Session(msgspec.Struct, forbid_unknown_fields=True, tag="session", tag_field="scheme"):
    key: str
    grant_id: str
    signature: str
    work: _Nonce = None


_Auth = _Eip712 | _Eip191 | _Session | _Solana | _Erc1271 | _Erc6492


class _Statement(msgspec.Struct, forbid_unknown_fields=True):
    author: str
    kind: _Kind
    topic: str
    epoch: int
    first_seq: int
    count: int
    expires_at: int
    root: str
    auth: _Auth


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    """An item (kind, author, body, auth) or a run (statement, first, path, bodies); the last three are not read."""

    kind: _Kind | None = None
    author: str | None = None
    body: str | None = None
    auth: _Auth | None = None
    statement: int | None = None
    first: int | None = None
    path: list[str] | None = None
    bodies: list[str] | None = None
    id: str | None = None
    fields: dict[str, Any] | None = None
    cost: int | None = None


class _Frame(msgspec.Struct, forbid_unknown_fields=True):
    frame: str | None = None
    grants: list[_Entry] = []
    statements: list[_Statement] = []
    items: list[_Entry] = []


def frame_from_json(value: Any) -> bytes:
    """The frame (SPEC 8.1) of `{"grants", "statements", "items"}` or `{"frame": base64url}`, not opened yet.

    Raises Refusal `malformed`, and nothing else, for any JSON-ready value."""
    try:
        form = msgspec.convert(value, _Frame)
        if form.frame is not None:
            if form.grants or form.statements or form.items:
                raise _malformed("a frame is given whole or in parts, not both")
            return from_text(form.frame)
        grants = [_item(grant) for grant in form.grants]
        statements = [_statement(statement) for statement in form.statements]
        return pack(FrameForm(1, grants, statements, [_entry(entry) for entry in form.items]))
    except (msgspec.ValidationError, AccountError, OverflowError, UnicodeError) as error:
        raise _malformed(str(error)) from error


def item_from_json(value: Any) -> bytes:
    """The packed `[0, kind, author, body, auth]` of a JSON item, for `/v1/private`. Raises Refusal `malformed`."""
    try:
        return pack(_item(msgspec.convert(value, _Entry)))
    except (msgspec.ValidationError, AccountError, OverflowError, UnicodeError) as error:
        raise _malformed(str(error)) from error


def _entry(entry: _Entry) -> ItemForm | RunForm:
    if entry.bodies is None:
        return _item(entry)
    if entry.statement is None or any(
        [part is not None for part in (entry.kind, entry.author, entry.body, entry.auth)]
    ):
        raise _malformed("a run has statement, first, path and bodies, and nothing of an item")
    path = [_hex("path", node) for node in entry.path or ()]
    return RunForm(entry.statement, entry.first or 0, path, [from_text(body) for body in entry.bodies])


def _item(entry: _Entry) -> ItemForm:
    if entry.kind is None or entry.author is None or entry.body is None or entry.auth is None:
        raise _malformed("an item has kind, author, body and auth")
    if any([part is not None for part in (entry.statement, entry.first, entry.path, entry.bodies)]):
        raise _malformed("an item has no statement, first, path and bodies; a run has")
    return ItemForm(_kind(entry.kind), parse_account(entry.author), from_text(entry.body), _auth(entry.auth))


def _statement(form: _Statement) -> Statement:
    return Statement(
        parse_account(form.author),
        _kind(form.kind),
        parse_topic(form.topic),
        form.epoch,
        form.first_seq,
        form.count,
        form.expires_at,
        _hex("root", form.root),
        _auth(form.auth),
    )


def _auth(form: _Auth) -> Auth:
    signature, work = _hex("signature", form.signature), None if form.work is None else int(form.work)
    if isinstance(form, _Eip712):
        return Eip712(form.chain_id, signature, work)
    if isinstance(form, _Session):
        return Session(_hex("key", form.key), _hex("grant_id", form.grant_id), signature, work)
    if isinstance(form, _Eip191):
        return Eip191(signature, work)
    if isinstance(form, _Solana):
        return Solana(signature, work)
    return Erc1271(signature, work) if isinstance(form, _Erc1271) else Erc6492(signature, work)


def _kind(kind: str | int) -> int:
    number = kind if isinstance(kind, int) else _KIND_NUMBERS.get(kind)
    if number is None:
        raise _malformed(f"{kind!r} is not a kind")
    return number


def _hex(member: str, text: str) -> bytes:
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError as error:
        raise _malformed(f"{member} is not hex") from error


def _malformed(detail: str) -> Refusal:
    return Refusal(Reason.MALFORMED, RULE, detail)
