from random import Random
from typing import Any

import pytest
from msgspec.structs import asdict, replace

from pushmesh_protocol.accounts import Topic, contract_account, evm_account, solana_account
from pushmesh_protocol.auth.schemes import Auth, Eip191, Eip712, Erc1271, Erc6492, Session, Solana
from pushmesh_protocol.auth.statement import Statement, batch_id, check_statement
from pushmesh_protocol.codec import Codec, pack
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.hashing import hash_statement
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.network import ByteLimits
from pushmesh_protocol.types import Account
from support.bodies import WALLET_RANGE, a_network
from support.refusals import refusal_of
from support.signed_things import a_batch, a_random_batch

NETWORK = a_network()
AUTHOR = evm_account(b"\xab" * 20)
TYPED = Eip712(None, bytes(65), None)
SESSION = Session(bytes(32), bytes(32), bytes(64), None)
CODEC = Codec[Statement](Statement)


def a_statement(auth: Auth = TYPED, author: Account = AUTHOR, **changes: Any) -> Statement:
    return Statement(**asdict(replace(a_batch(author), **changes)), auth=auth)


@pytest.mark.parametrize("auth", [TYPED, Eip191(bytes(65), 5), SESSION, Solana(bytes(64), 2**64 - 1)])
def test_statement_survives_its_bytes(auth: Auth, rng: Random) -> None:
    statement = Statement(**asdict(a_random_batch(rng, AUTHOR)), auth=auth)
    assert CODEC.decode(pack(statement)) == statement


def test_layout_is_that_of_the_specification() -> None:
    batch = a_batch(AUTHOR)
    said = [AUTHOR, 5, [AUTHOR, "alerts"], batch.epoch, batch.first_seq, batch.count, batch.expires_at, batch.root]
    assert pack(a_statement()) == pack([*said, [1, None, bytes(65), None]])
    assert batch_id(NETWORK, batch) == hash_statement("batch", NETWORK.id, pack(said))


def test_batch_id_is_the_same_whatever_the_auth_and_differs_by_network() -> None:
    assert (
        batch_id(NETWORK, a_statement(TYPED))
        == batch_id(NETWORK, a_statement(SESSION))
        == batch_id(NETWORK, a_batch(AUTHOR))
    )
    assert batch_id(a_network(nonce=bytes(16)), a_batch(AUTHOR)) != batch_id(NETWORK, a_batch(AUTHOR))


@pytest.mark.parametrize(
    "statement",
    [
        a_statement(),
        a_statement(kind=Kind.RETRACTION),
        a_statement(first_seq=0, count=1),
        a_statement(first_seq=0, count=1024),
        a_statement(first_seq=WALLET_RANGE - 1024, count=1024),
        a_statement(SESSION, first_seq=WALLET_RANGE, count=1024),
        a_statement(SESSION, first_seq=2**32 - 1024, count=1024),
        a_statement(SESSION, author=contract_account(1, bytes(20)), first_seq=WALLET_RANGE),
        a_statement(Solana(bytes(64), None), author=solana_account(bytes(32))),
    ],
)
def test_statement_within_the_rules_passes(statement: Statement) -> None:
    check_statement(NETWORK, statement)


@pytest.mark.parametrize(
    ("statement", "reason", "rule"),
    [
        (a_statement(kind=Kind.GRANT), "malformed", "5.10"),
        (a_statement(kind=Kind.SUBSCRIPTION), "malformed", "5.10"),
        (a_statement(count=1025), "malformed", "5.10"),
        (a_statement(author=Account(b"\x00short")), "malformed", "2.1"),
        (a_statement(topic=Topic(AUTHOR, "Upper")), "malformed", "2.3"),
        (a_statement(topic=Topic(evm_account(bytes(20)), "alerts")), "not-topic-owner", "4.6"),
        (a_statement(first_seq=WALLET_RANGE - 1, count=2), "malformed", "6.1"),
        (a_statement(first_seq=WALLET_RANGE, count=1), "malformed", "6.1"),
        (a_statement(SESSION, first_seq=WALLET_RANGE - 1, count=1), "malformed", "6.1"),
        (a_statement(SESSION, first_seq=2**32 - 1, count=2), "malformed", "6.1"),
        (a_statement(Solana(bytes(64), None)), "scheme-not-allowed", "5.2"),
        (a_statement(author=solana_account(bytes(32))), "scheme-not-allowed", "5.2"),
        (a_statement(author=contract_account(1, bytes(20))), "scheme-not-allowed", "5.2"),
        (a_statement(Erc1271(b"x", None), author=contract_account(1, bytes(20))), "scheme-not-allowed", "5.2"),
        (a_statement(Erc6492(b"x", None), author=contract_account(1, bytes(20))), "scheme-not-allowed", "5.2"),
    ],
)
def test_statement_outside_the_rules_is_refused(statement: Statement, reason: str, rule: str) -> None:
    assert refusal_of(check_statement, NETWORK, statement) == (reason, rule)


def test_the_network_says_how_many_leaves_a_batch_has() -> None:
    small = a_network(limits=ByteLimits(batch_count=8))
    check_statement(small, a_statement(count=8))
    assert refusal_of(check_statement, small, a_statement(count=9)) == ("malformed", "5.10")


@pytest.mark.parametrize(
    "changes",
    [{"count": 0}, {"count": -1}, {"first_seq": 2**32}, {"epoch": -1}, {"expires_at": 2**53}, {"root": bytes(31)}],
)
def test_bytes_with_a_member_out_of_bounds_do_not_decode(changes: dict[str, Any]) -> None:
    with pytest.raises(Refusal, match="malformed"):
        CODEC.decode(pack(a_statement(**changes)))
