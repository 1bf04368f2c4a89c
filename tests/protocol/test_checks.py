from typing import Any

import pytest

from pushmesh_protocol.accounts import Topic, contract_account, solana_account
from pushmesh_protocol.auth.schemes import Auth, Eip712, Erc1271, Session, Solana
from pushmesh_protocol.auth.statement import Statement
from pushmesh_protocol.checks import check_item, check_leaf
from pushmesh_protocol.codec import pack
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.hashing import hash_statement
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.limits import DAY_MS
from pushmesh_protocol.network import ByteLimits, Network
from pushmesh_protocol.types import Account
from support.bodies import ISSUED_AT, WALLET_RANGE, a_body, a_network
from support.envelopes import ALICE, BOB, TOPIC, WALLET_AUTH
from support.refusals import refusal_of

NETWORK = a_network()
CONTRACT = contract_account(1, b"\x0c" * 20)
PHONE = solana_account(b"\x0d" * 32)
SESSION = Session(b"\x22" * 32, b"\x33" * 32, b"\x44" * 64, None)
BY_CONTRACT = Erc1271(b"\x55", None)
BY_PHONE = Solana(b"\x66" * 64, None)


def check(
    kind: int = Kind.NOTIFICATION,
    author: Account = ALICE,
    auth: Auth = WALLET_AUTH,
    *,
    network: Network = NETWORK,
    private: bool = False,
    **changes: Any,
) -> Envelope:
    return check_item(network, kind, author, pack(a_body(kind, author, **changes)), auth, private=private)


def refused(*args: Any, **kwargs: Any) -> tuple[str, str]:
    return refusal_of(check, *args, **kwargs)


def test_a_checked_item_has_its_id_its_body_and_its_cost() -> None:
    body = a_body(Kind.NOTIFICATION, ALICE, body="x" * 4_000)
    envelope = check_item(NETWORK, Kind.NOTIFICATION, ALICE, pack(body), WALLET_AUTH)
    subject = hash_statement("envelope", NETWORK.id, b"\x05", ALICE, pack(body))
    assert envelope == Envelope(subject, 5, ALICE, body, pack(body), WALLET_AUTH, 3)  # type: ignore[arg-type]  # bytes are ids


def test_private_kinds_are_posted_and_only_they() -> None:
    assert refused(Kind.PREFERENCES, seq=0) == ("private-kind", "4.5")
    assert refused(Kind.NOTIFICATION, private=True) == ("private-kind", "4.5")
    assert check(Kind.PREFERENCES, seq=0, private=True).cost == 0
    assert refused(Kind.PRIVATE_SUBSCRIPTION) == ("private-kind", "4.5")
    assert check(Kind.PRIVATE_SUBSCRIPTION, private=True).cost == 0


@pytest.mark.parametrize("kind", [64, 66, 127])
def test_a_private_kind_that_is_not_known_is_still_private(kind: int) -> None:
    assert refusal_of(check_item, NETWORK, kind, ALICE, b"", WALLET_AUTH) == ("private-kind", "4.5")


@pytest.mark.parametrize("kind", [0, 8, 63, 128, 255])
def test_other_kinds_are_unknown(kind: int) -> None:
    assert refusal_of(check_item, NETWORK, kind, ALICE, b"", WALLET_AUTH) == ("unknown-kind", "4.5")


@pytest.mark.parametrize("author", [b"", b"\x00", b"\x00" * 20, b"\x01" + bytes(28), b"\x03" * 33])
def test_an_author_is_an_account(author: bytes) -> None:
    body = pack(a_body(Kind.NOTIFICATION, ALICE))
    assert refusal_of(check_item, NETWORK, 5, author, body, WALLET_AUTH) == ("malformed", "2.1")


def test_a_private_envelope_has_seq_0_and_no_work() -> None:
    assert refused(Kind.PREFERENCES, seq=1, private=True) == ("malformed", "6.1")
    worked = Eip712(None, b"\x01" * 65, 0)
    assert refused(Kind.PREFERENCES, ALICE, worked, seq=0, private=True) == ("malformed", "6.1")


def test_nothing_is_issued_before_the_origin() -> None:
    network = a_network(epoch_origin_ms=ISSUED_AT)
    check(network=network)
    assert refused(network=network, issued_at=ISSUED_AT - 1) == ("malformed", "1.6")


# Lives (SPEC 4.4)


def test_a_kind_lives_as_long_as_the_genesis_says() -> None:
    network = a_network(lives_ms=NETWORK.lives_ms | {int(Kind.NOTIFICATION): 1_000})
    check(network=network, expires_at=ISSUED_AT + 1_000)
    assert refused(network=network, expires_at=ISSUED_AT + 1_001) == ("life-too-long", "4.4")


@pytest.mark.parametrize(("author", "auth", "days"), [(ALICE, WALLET_AUTH, 400), (CONTRACT, BY_CONTRACT, 7)])
def test_a_contracts_grant_lives_a_week(author: Account, auth: Auth, days: int) -> None:
    last = ISSUED_AT + days * DAY_MS
    check(Kind.GRANT, author, auth, expires_at=last)
    assert refused(Kind.GRANT, author, auth, expires_at=last + 1) == ("life-too-long", "4.4")


def test_a_private_subscription_lives_as_long_as_a_public_one() -> None:
    network = a_network(lives_ms=NETWORK.lives_ms | {int(Kind.SUBSCRIPTION): 1_000})
    check(Kind.PRIVATE_SUBSCRIPTION, network=network, private=True, expires_at=ISSUED_AT + 1_000)
    late = refused(Kind.PRIVATE_SUBSCRIPTION, network=network, private=True, expires_at=ISSUED_AT + 1_001)
    assert late == ("life-too-long", "4.4")


def test_a_contracts_grant_lives_no_longer_than_any_other() -> None:
    network = a_network(lives_ms=NETWORK.lives_ms | {int(Kind.GRANT): DAY_MS})
    check(Kind.GRANT, CONTRACT, BY_CONTRACT, network=network, expires_at=ISSUED_AT + DAY_MS)
    late = refused(Kind.GRANT, CONTRACT, BY_CONTRACT, network=network, expires_at=ISSUED_AT + DAY_MS + 1)
    assert late == ("life-too-long", "4.4")


# Owners and schemes


def test_only_the_owner_speaks_on_a_topic() -> None:
    assert refused(author=BOB, topic=TOPIC) == ("not-topic-owner", "4.6")
    assert refused(author=BOB, topic=TOPIC, seq=WALLET_RANGE, auth=SESSION) == ("not-topic-owner", "4.6")
    check(Kind.SUBSCRIPTION, BOB, topic=TOPIC)


def test_an_author_signs_with_its_own_scheme() -> None:
    check(author=PHONE, auth=BY_PHONE)
    assert refused(author=PHONE) == ("scheme-not-allowed", "5.2")
    assert refused(auth=BY_PHONE) == ("scheme-not-allowed", "5.2")
    assert refused(Kind.GRANT, auth=SESSION) == ("scheme-not-allowed", "5.2")


# Ranges (SPEC 6.1, 6.2)


def test_wallet_and_session_have_their_own_ranges() -> None:
    check(seq=WALLET_RANGE - 1)
    check(seq=WALLET_RANGE, auth=SESSION)
    check(seq=2**32 - 1, auth=SESSION)
    assert refused(seq=WALLET_RANGE) == ("malformed", "6.1")
    assert refused(seq=WALLET_RANGE - 1, auth=SESSION) == ("malformed", "6.1")


@pytest.mark.parametrize(("end", "auth"), [(WALLET_RANGE, WALLET_AUTH), (2**32, SESSION)])
def test_slots_stay_in_their_range(end: int, auth: Auth) -> None:
    assert check(seq=end - 3, auth=auth, body="x" * 4_000).cost == 3
    assert refused(seq=end - 2, auth=auth, body="x" * 4_000) == ("malformed", "6.2")


# Self-revocation (SPEC 4.12)

OWN_CUT: dict[str, Any] = {
    "seq": WALLET_RANGE,
    "grant_id": SESSION.grant_id,
    "cut_time": ISSUED_AT,
    "cut_seq": WALLET_RANGE,
}


def test_a_session_key_revokes_itself_now() -> None:
    check(Kind.REVOCATION, auth=SESSION, **OWN_CUT)


@pytest.mark.parametrize(
    "change",
    [
        {"grant_id": b"\x34" * 32},
        {"grant_id": None, "before": ISSUED_AT},
        {"cut_time": ISSUED_AT - 1},
        {"cut_seq": WALLET_RANGE + 1},
    ],
)
def test_a_session_key_revokes_nothing_else(change: dict[str, Any]) -> None:
    assert refused(Kind.REVOCATION, auth=SESSION, **(OWN_CUT | change)) == ("scheme-not-allowed", "4.12")
    check(Kind.REVOCATION, **(OWN_CUT | {"seq": 7} | change))  # a wallet may


# Leaves (SPEC 5.11)

EPOCH = NETWORK.epoch(ISSUED_AT)
STATEMENT = Statement(ALICE, Kind.NOTIFICATION, TOPIC, EPOCH, 100, 9, ISSUED_AT + DAY_MS, b"\x77" * 32, WALLET_AUTH)


def leaf(index: int = 2, network: Network = NETWORK, **changes: Any) -> Envelope:
    body = a_body(Kind.NOTIFICATION, ALICE, **({"seq": 102} | changes))
    return check_leaf(network, STATEMENT, index, pack(body))


def test_a_leaf_is_an_envelope_with_the_statements_author_kind_and_auth() -> None:
    found = leaf()
    body = a_body(Kind.NOTIFICATION, ALICE, seq=102)
    assert found.id == NETWORK.hash_envelope(b"\x05", ALICE, pack(body))
    assert (found.auth, found.statement, found.index, found.cost) == (WALLET_AUTH, STATEMENT, 2, 1)


@pytest.mark.parametrize(
    "change",
    [
        {"topic": Topic(ALICE, "other")},
        {"seq": 101},
        {"index": 3},
        {"expires_at": ISSUED_AT + DAY_MS + 1},
        {"issued_at": ISSUED_AT - 3_600_000},
    ],
)
def test_a_leaf_is_what_its_statement_says(change: dict[str, Any]) -> None:
    assert refusal_of(leaf, **change) == ("bad-batch-leaf", "5.11")


def test_a_leaf_has_at_most_its_bytes_of_body() -> None:
    size = len(pack(a_body(Kind.NOTIFICATION, ALICE, seq=102)))
    leaf(network=a_network(limits=ByteLimits(leaf_bytes=size)))
    small = a_network(limits=ByteLimits(leaf_bytes=size - 1))
    assert refusal_of(leaf, network=small) == ("bad-batch-leaf", "5.11")


def test_a_leaf_keeps_the_rules_of_its_kind() -> None:
    assert refusal_of(leaf, title=None, body=None) == ("malformed", "4.15")
    assert refusal_of(check_leaf, NETWORK, STATEMENT, 2, b"\xc0") == ("malformed", "3.1")
    short = a_network(lives_ms=NETWORK.lives_ms | {int(Kind.NOTIFICATION): DAY_MS - 1})
    assert refusal_of(leaf, network=short) == ("life-too-long", "4.4")
