from random import Random

import pytest

from pushmesh_node.gossip.frames.packer import Packer
from pushmesh_node.lab.sim.traffic import Publisher, new_author
from pushmesh_protocol.auth.schemes import Eip712, Session
from pushmesh_protocol.auth.verify import verify_one
from pushmesh_protocol.authority import Authority
from pushmesh_protocol.examine import cheap_failures, claim_of
from pushmesh_protocol.frames import Part, encode_frame, open_frame
from support.bodies import ISSUED_AT
from support.sim_world import NETWORK

AUTHOR = new_author(NETWORK, "an author", ISSUED_AT, shard=3)


@pytest.mark.parametrize("size", [2_048, 16_384, 63 * 1_024])
def test_a_frame_has_the_wanted_size_and_every_item_holds(size: int) -> None:
    publisher = Publisher(NETWORK, [AUTHOR], Random(1))
    authority = Authority()
    authority.add(AUTHOR.grant)
    for _ in range(5):
        topic, parts, made = publisher.frame_of(size, ISSUED_AT)
        data = encode_frame(parts)
        assert topic.endswith("/shard/3")
        assert 0.9 * size <= made == len(data) <= size
        assert [part for part in open_frame(NETWORK, data, gossip_topic=topic).parts] == parts
        for part in parts:
            assert verify_one(NETWORK, claim_of(NETWORK, part)) is None
            assert not cheap_failures(NETWORK, part, ISSUED_AT)
            for envelope in part.envelopes:
                authority.check(envelope)


def test_no_two_items_share_a_slot() -> None:
    publisher = Publisher(NETWORK, [AUTHOR], Random(2))
    seqs = [
        envelope.body.seq
        for _ in range(20)
        for part in publisher.frame_of(16_384, ISSUED_AT)[1]
        for envelope in part.envelopes
    ]
    assert len(seqs) == len(set(seqs))


def test_session_keys_wallets_and_batches_all_have_their_part() -> None:
    publisher = Publisher(NETWORK, [AUTHOR], Random(3))
    parts = [part for _ in range(10) for part in publisher.frame_of(16_384, ISSUED_AT)[1]]
    assert {type(part.envelopes[0].auth) for part in parts if part.statement is None} == {Eip712, Session}
    assert any(part.statement is not None for part in parts)


def test_what_an_author_publishes_at_once_leaves_in_one_frame_without_the_grant() -> None:
    _, parts, size = Publisher(NETWORK, [AUTHOR], Random(4)).frame_of(63 * 1_024, ISSUED_AT)
    (packed,) = Packer(NETWORK).add(parts, [], ISSUED_AT)
    assert len(packed.data) == size


def test_an_item_is_signed_by_whom_it_should() -> None:
    publisher = Publisher(NETWORK, [AUTHOR], Random(5))
    by_wallet = publisher.item(AUTHOR, ISSUED_AT, by_wallet=True)
    by_session = publisher.item(AUTHOR, ISSUED_AT)
    assert (type(by_wallet.auth), type(by_session.auth)) == (Eip712, Session)
    assert all(verify_one(NETWORK, claim_of(NETWORK, Part((each,)))) is None for each in (by_wallet, by_session))
