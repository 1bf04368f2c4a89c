"""Kind 2 `grant`: a session key and what it may do for an author (SPEC 4.9)."""

from enum import IntEnum
from typing import Annotated

import msgspec

from ..accounts import Topic, check_topic
from .checks import check_ascending, malformed
from .fields import Bin32, Body, Ms


class Scope(IntEnum):
    """What a grant may name: the gossiped kinds but `grant`, and the three edge scopes."""

    TOPIC = 1
    REVOCATION = 3
    SUBSCRIPTION = 4
    NOTIFICATION = 5
    RETRACTION = 6
    NODE_BINDING = 7
    LOGIN = 128
    TOKEN = 129
    VOUCHER = 130


SCOPE_NAMES = {scope: scope.name.lower() for scope in Scope}
_KNOWN = frozenset(int(scope) for scope in Scope)


class Grant(Body, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """Body of a `grant` envelope; seqs are the half-open range [first_seq, end_seq)."""

    key: Bin32
    seal_key: Bin32 | None
    scopes: Annotated[list[int], msgspec.Meta(min_length=1, max_length=9)]
    topics: Annotated[list[Topic], msgspec.Meta(min_length=1, max_length=32)] | None
    first_seq: Annotated[int, msgspec.Meta(ge=0, lt=2**32)]
    end_seq: Annotated[int, msgspec.Meta(ge=0, lt=2**32)]
    not_before: Ms


def check_grant(body: Grant, wallet_range: int) -> None:
    """Raise Refusal where the body breaks SPEC 4.9."""
    check_ascending("4.9", "scopes", body.scopes)
    if not _KNOWN.issuperset(body.scopes):
        raise malformed("4.9", "a scope number is not known")
    for topic in body.topics or ():
        check_topic(topic)
    check_ascending("4.9", "topics", body.topics or ())
    if not wallet_range <= body.first_seq < body.end_seq:
        raise malformed("4.9", "the seq range is empty or reaches into the wallet's own")
    if not body.issued_at <= body.not_before < body.expires_at:
        raise malformed("4.9", "not-before lies outside issued-at..expires-at")
