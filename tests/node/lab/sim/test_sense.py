from random import Random

import pytest

from pushmesh_node.gossip.frames.inspect import FrameSense
from pushmesh_node.gossip.frames.outline import digests_of
from pushmesh_node.gossip.wire.message_id import message_id
from pushmesh_node.lab.sim.sense import NodeSense, SharedSense
from pushmesh_node.lab.sim.traffic import Publisher, new_author
from pushmesh_protocol.auth.verify import verify_one
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.examine import claim_of
from pushmesh_protocol.frames import encode_frame, open_frame
from pushmesh_protocol.reasons import Reason
from support.bodies import ISSUED_AT, a_network
from support.envelopes import a_note
from support.sim_world import NETWORK

AUTHOR = new_author(NETWORK, "an author", ISSUED_AT, shard=0)
TOPIC, PARTS, _ = Publisher(NETWORK, [AUTHOR], Random(1)).frame_of(16_384, ISSUED_AT)
DATA = encode_frame(PARTS)


def test_a_frame_opens_to_the_same_as_without_a_memory_and_to_one_object() -> None:
    sense = SharedSense(NETWORK)
    assert sense.open(DATA, TOPIC) == open_frame(NETWORK, DATA, gossip_topic=TOPIC)
    assert sense.open(DATA, TOPIC) is sense.open(bytes(bytearray(DATA)), TOPIC)


def test_what_is_refused_once_is_refused_again_for_the_same_reason() -> None:
    sense = SharedSense(NETWORK)
    for _ in range(2):
        with pytest.raises(Refusal) as caught:
            sense.open(DATA[:-1], TOPIC)
        assert caught.value.reason is Reason.MALFORMED
    with pytest.raises(Refusal, match="another gossip topic"):
        sense.open(DATA, TOPIC[:-1] + "7")


def test_signatures_get_the_answer_of_the_real_check_and_forged_ones_too() -> None:
    sense = SharedSense(NETWORK)
    forged = a_note(NETWORK)
    for part in (*PARTS, forged):
        claim = claim_of(NETWORK, part)
        for _ in range(2):
            found, real = sense.verify(claim), verify_one(NETWORK, claim)
            assert (found and found.reason) == (real and real.reason)
    assert sense.verify(claim_of(NETWORK, forged)) is not None


def test_digests_outlines_ids_and_frames_are_those_of_the_plain_functions() -> None:
    sense = SharedSense(NETWORK)
    node = NodeSense(sense)
    plain = FrameSense()
    for part in PARTS:
        assert sense.digests(part) == digests_of(part)
        assert node.verify(NETWORK, part) == plain.verify(NETWORK, part)
        assert sense.frame_alone(part) == encode_frame([part])
    assert node.outline(NETWORK, DATA, TOPIC) == plain.outline(NETWORK, DATA, TOPIC)
    assert sense.message_id(TOPIC, DATA) == message_id(TOPIC, DATA)


def test_each_node_pays_for_what_others_have_checked_already() -> None:
    sense = SharedSense(NETWORK)
    nodes = [NodeSense(sense), NodeSense(sense)]
    for node in nodes:
        node.verify(NETWORK, PARTS[0])
    assert [node.checks for node in nodes] == [1, 1]


def test_networks_do_not_share_a_memory() -> None:
    sense = SharedSense(a_network())
    with pytest.raises(Refusal):
        sense.open(DATA, TOPIC)
