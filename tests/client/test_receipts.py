from dataclasses import replace
from typing import Any

import pytest
from msgspec.structs import replace as changed

from pushmesh_client.errors import BadAnswer, Equivocation
from pushmesh_client.outcomes import Outcome
from pushmesh_client.receipts import DURABLE, ReceiptKeeper, Wait
from pushmesh_protocol.auth.ed25519 import public_key
from pushmesh_protocol.holds import HoldProof, HoldWords, sign_hold
from pushmesh_protocol.receipts import (
    NO_PREVIOUS,
    Receipt,
    SealWords,
    proves_equivocation,
    seal_hash,
    sign_seal,
)
from pushmesh_protocol.tree import root_of
from support.bodies import a_network

NETWORK = a_network()
SEED, OTHER_SEED = b"\x41" * 32, b"\x42" * 32
NODE = public_key(SEED)
ID, OTHER_ID = b"\x01" * 32, b"\x02" * 32
WORDS = SealWords(NODE, bytes(16), 1, NO_PREVIOUS, 2, 1_000, 2_000, 0, 1, root_of([ID]))


def a_receipt(seed: bytes = SEED, id_: bytes = ID, **changes: Any) -> Receipt:
    words = changed(WORDS, root=root_of([id_]), node_id=public_key(seed), **changes)
    return Receipt(sign_seal(seed, NETWORK, words), id_, 0, [])


def a_hold(seed: bytes, id_: bytes = ID) -> HoldProof:
    return HoldProof(sign_hold(seed, NETWORK, HoldWords(public_key(seed), 1_000, 1, root_of([id_]))), id_, 0, [])


GOOD = Outcome(ID, "durable", "ok", "", "", 7, a_receipt())


def check(outcome: Outcome, wait: Wait = DURABLE, keeper: ReceiptKeeper | None = None) -> None:
    (keeper or ReceiptKeeper()).check(NETWORK, NODE, outcome, wait)


def test_what_holds_passes_again_and_again() -> None:
    keeper = ReceiptKeeper()
    for _ in range(3):
        check(GOOD, keeper=keeper)
    check(replace(GOOD, level="propagated", holds=(a_hold(OTHER_SEED),)), Wait("propagated"), keeper)
    check(Outcome(None, "refused", "malformed", "3.1", "", None))
    check(replace(GOOD, level="accepted", receipt=None), Wait("accepted"))


@pytest.mark.parametrize(
    "outcome",
    [
        replace(GOOD, receipt=None),
        replace(GOOD, receipt=a_receipt(OTHER_SEED)),
        replace(GOOD, receipt=a_receipt(id_=OTHER_ID)),
        replace(GOOD, receipt=changed(a_receipt(), seal=changed(a_receipt().seal, kept_until=9))),
        replace(GOOD, holds=(a_hold(OTHER_SEED, OTHER_ID),)),
        replace(GOOD, holds=(changed(a_hold(OTHER_SEED), index=1),)),
    ],
    ids=["no receipt", "another node's", "another envelope's", "changed", "hold of another", "hold without way"],
)
def test_a_level_that_nothing_shows_is_not_believed(outcome: Outcome) -> None:
    with pytest.raises(BadAnswer):
        check(outcome)


def test_propagated_needs_as_many_others_as_were_asked_for() -> None:
    one_other = replace(GOOD, level="propagated", holds=(a_hold(OTHER_SEED), a_hold(OTHER_SEED), a_hold(SEED)))
    check(one_other, Wait("propagated", 1))
    with pytest.raises(BadAnswer, match="1 of 2 others"):
        check(one_other, Wait("propagated", 2))


def test_two_stories_are_caught_and_the_proof_is_kept() -> None:
    keeper = ReceiptKeeper()
    check(GOOD, keeper=keeper)
    with pytest.raises(Equivocation) as caught:
        check(replace(GOOD, receipt=a_receipt(time=1_001)), keeper=keeper)
    assert proves_equivocation(NETWORK, caught.value.one, caught.value.other)


def test_a_chain_that_forgets_what_came_before_is_caught_from_either_side() -> None:
    first = a_receipt()
    honest = a_receipt(number=2, previous=seal_hash(NETWORK, first.seal))
    forgetful = a_receipt(number=2, previous=b"\x09" * 32)
    keeper = ReceiptKeeper()
    check(GOOD, keeper=keeper)
    check(replace(GOOD, receipt=honest), keeper=keeper)
    for order in ((first, forgetful), (forgetful, first)):
        keeper = ReceiptKeeper()
        check(replace(GOOD, receipt=order[0]), keeper=keeper)
        with pytest.raises(Equivocation):
            check(replace(GOOD, receipt=order[1]), keeper=keeper)
