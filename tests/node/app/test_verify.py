from collections.abc import Iterator

import pytest

from pushmesh_node.app.verify import SPLIT_FROM, VerifyPool
from pushmesh_protocol.auth.verify import Claim, envelope_claim
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.reasons import Reason
from support.app_world import NETWORK, a_note_now
from support.wallets import a_wallet


def claim(envelope: Envelope, author: bytes | None = None) -> Claim:
    return envelope_claim(author or envelope.author, envelope.kind, envelope.auth, envelope.body, envelope.id)  # type: ignore[arg-type]  # plain bytes are an account


@pytest.fixture
def sizes() -> list[int]:
    return []


@pytest.fixture
def pool(sizes: list[int]) -> Iterator[VerifyPool]:
    pool = VerifyPool(NETWORK, 3, sizes.append)
    yield pool
    pool.close()


async def test_answers_come_in_the_order_of_the_claims_however_many_there_are(
    pool: VerifyPool, sizes: list[int]
) -> None:
    note = a_note_now(a_wallet(1))
    good, bad = claim(note), claim(note, a_wallet(2).account)
    for count in (1, SPLIT_FROM - 1, SPLIT_FROM, 3 * SPLIT_FROM + 1):
        claims = [bad if number % 3 == 1 else good for number in range(count)]
        answers = await pool.verify(claims)
        assert [answer is not None and answer.reason for answer in answers] == [
            Reason.BAD_SIGNATURE if number % 3 == 1 else False for number in range(count)
        ]
    assert sizes == [1, SPLIT_FROM - 1, SPLIT_FROM, 3 * SPLIT_FROM + 1]


async def test_nothing_to_verify_is_no_call(pool: VerifyPool, sizes: list[int]) -> None:
    assert await pool.verify([]) == []
    assert sizes == []
