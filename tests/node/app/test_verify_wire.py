import pytest

from pushmesh_node.app.verify_wire import frame, pack_answers, pack_claims, read_answers, read_claims
from pushmesh_protocol.auth.signing import sign_login
from pushmesh_protocol.auth.verify import Claim, envelope_claim, login_claim, statement_claim, verify_claims
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.reasons import Reason
from support.app_world import NETWORK, a_note_now
from support.signed_things import some_login_words
from support.wallets import a_session, a_signed_batch, a_wallet

OWNER = a_wallet(1)
AT = NETWORK.epoch_origin_ms + 1_000


def some_claims() -> list[Claim]:
    note = a_note_now(OWNER)
    grant = a_session(NETWORK, OWNER, AT).grant
    statement = a_signed_batch(NETWORK, OWNER, AT, 3).statement
    assert statement is not None
    return [
        envelope_claim(note.author, note.kind, note.auth, note.body, note.id),
        envelope_claim(grant.author, grant.kind, grant.auth, grant.body, grant.id),
        statement_claim(NETWORK, statement),
        login_claim(NETWORK, sign_login(OWNER.key, NETWORK, some_login_words(OWNER.account))),
    ]


def test_claims_of_every_sort_come_out_as_they_went_in() -> None:
    claims = some_claims()
    assert read_claims(NETWORK, pack_claims(claims)) == claims
    assert verify_claims(NETWORK, read_claims(NETWORK, pack_claims(claims))) == [None] * len(claims)


def test_answers_come_out_as_they_went_in() -> None:
    refusal = Refusal(Reason.BAD_SIGNATURE, "5.3", "another key signed this")
    (nothing, again) = read_answers(pack_answers([None, refusal]))
    assert nothing is None
    assert again is not None
    assert (again.reason, again.rule, again.detail) == (Reason.BAD_SIGNATURE, "5.3", "another key signed this")


@pytest.mark.parametrize("size", [0, 1, 70_000])
def test_a_frame_is_its_length_and_itself(size: int) -> None:
    assert frame(bytes(size)) == size.to_bytes(4, "big") + bytes(size)
