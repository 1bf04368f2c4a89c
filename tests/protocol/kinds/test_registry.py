from random import Random
from typing import Any

import pytest

from pushmesh_protocol.accounts import Topic, evm_account
from pushmesh_protocol.codec import pack
from pushmesh_protocol.kinds import (
    GENESIS_KINDS,
    GOSSIPED_KINDS,
    KIND_NAMES,
    PRIVATE_KINDS,
    Kind,
    check_body,
    decode_body,
)
from pushmesh_protocol.types import Account
from support.bodies import ISSUED_AT, WALLET_RANGE, a_body, a_random_body, an_account
from support.kinds import AUTHOR, PASSES, outcome
from support.refusals import refusal_of

OTHER = evm_account(b"\xcd" * 20)
OWNED = [Kind.TOPIC, Kind.NOTIFICATION, Kind.RETRACTION]
OF_A_TOPIC = [*OWNED, Kind.SUBSCRIPTION, Kind.PRIVATE_SUBSCRIPTION]
SUBSCRIPTIONS = [Kind.SUBSCRIPTION, Kind.PRIVATE_SUBSCRIPTION]
WITHOUT_TOPIC = [Kind.GRANT, Kind.REVOCATION, Kind.NODE_BINDING, Kind.PREFERENCES]


@pytest.mark.parametrize("kind", list(Kind))
def test_the_plain_body_of_every_kind_passes(kind: Kind) -> None:
    assert outcome(kind) == PASSES


@pytest.mark.parametrize("kind", list(Kind))
def test_random_bodies_pass_and_survive_their_bytes(kind: Kind, rng: Random) -> None:
    for _ in range(60):
        author = an_account(rng)
        body = a_random_body(rng, kind, author)
        again = decode_body(kind, pack(body))
        assert again == body
        check_body(kind, author, again, WALLET_RANGE)


@pytest.mark.parametrize("kind", [0, 8, 63, 66, 127, 128, 255])
def test_another_kind_is_unknown_and_not_malformed(kind: int) -> None:
    assert refusal_of(decode_body, kind, b"") == ("unknown-kind", "4.5")


def test_kinds_are_gossiped_or_private_and_named() -> None:
    assert {kind for kind in Kind if kind in PRIVATE_KINDS} == {Kind.PREFERENCES, Kind.PRIVATE_SUBSCRIPTION}
    assert GOSSIPED_KINDS | {Kind.PREFERENCES, Kind.PRIVATE_SUBSCRIPTION} == set(Kind) == set(KIND_NAMES)
    assert set(Kind) - GENESIS_KINDS == {Kind.PRIVATE_SUBSCRIPTION}
    assert KIND_NAMES[Kind.NODE_BINDING] == "node_binding"


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind != Kind.REVOCATION])
@pytest.mark.parametrize("expires_at", [ISSUED_AT, ISSUED_AT - 1, 0])
def test_a_body_that_ends_before_it_begins_is_malformed(kind: Kind, expires_at: int) -> None:
    assert outcome(kind, expires_at=expires_at) == ("malformed", "4.3")


@pytest.mark.parametrize("kind", OWNED)
def test_only_the_owner_writes_to_a_topic(kind: Kind) -> None:
    assert outcome(kind, topic=Topic(OTHER, "alerts")) == ("not-topic-owner", "4.6")


@pytest.mark.parametrize("kind", SUBSCRIPTIONS)
def test_anybody_subscribes_to_a_topic(kind: Kind) -> None:
    assert outcome(kind, topic=Topic(OTHER, "alerts")) == PASSES


@pytest.mark.parametrize("kind", OF_A_TOPIC)
def test_a_kind_of_a_topic_needs_one(kind: Kind) -> None:
    assert outcome(kind, topic=None) == ("malformed", "3.1")


@pytest.mark.parametrize("kind", WITHOUT_TOPIC)
def test_a_kind_without_topic_has_none(kind: Kind) -> None:
    assert outcome(kind, topic=Topic(AUTHOR, "alerts")) == ("malformed", "4.3")


@pytest.mark.parametrize("kind", OF_A_TOPIC)
def test_a_topic_is_an_account_and_a_name(kind: Kind) -> None:
    assert outcome(kind, topic=Topic(AUTHOR, "No")) == ("malformed", "2.3")
    assert outcome(kind, topic=Topic(Account(b"\x00"), "alerts")) == ("malformed", "2.1")


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize(
    "changes",
    [
        {"issued_at": -1},
        {"issued_at": 253_402_300_800_000},
        {"expires_at": 253_402_300_800_000},
        {"seq": -1},
        {"seq": 2**32},
    ],
)
def test_times_and_seqs_out_of_bounds_do_not_decode(kind: Kind, changes: dict[str, Any]) -> None:
    assert outcome(kind, **changes) == ("malformed", "3.1")


@pytest.mark.parametrize("kind", list(Kind))
def test_a_field_too_few_or_too_many_does_not_decode(kind: Kind) -> None:
    fields = [getattr(a_body(kind, AUTHOR), name) for name in a_body(kind, AUTHOR).__struct_fields__]
    assert decode_body(kind, pack(fields)) == a_body(kind, AUTHOR)
    assert refusal_of(decode_body, kind, pack(fields[:-1])) == ("malformed", "3.1")
    assert refusal_of(decode_body, kind, pack([*fields, None])) == ("malformed", "3.1")
