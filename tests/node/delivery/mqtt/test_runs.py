"""Runs of packets that all clients share: their ids, and that they say what single packets say."""

import mqtt5
from hypothesis import given, strategies as st
from mqtt5 import PubAckPacket

from pushmesh_node.delivery.mqtt.rendering import Renderer
from pushmesh_node.delivery.mqtt.runs import HIGHEST_PACKET_ID, packet_id_of, puback_of
from pushmesh_node.delivery.mqtt.subscriptions import Form, Route
from pushmesh_protocol.limits import DAY_MS
from support.bodies import ISSUED_AT
from support.fake_inboxes import a_message

ROUTE = Route("pushmesh/inbox", True, Form.JSON)


@given(st.integers(0, 2**40), st.integers(1, HIGHEST_PACKET_ID - 1))
def test_packet_ids_are_never_zero_and_neighbours_never_share_one(commit_no: int, distance: int) -> None:
    assert 1 <= packet_id_of(commit_no) <= HIGHEST_PACKET_ID
    assert packet_id_of(commit_no) != packet_id_of(commit_no + distance)


@given(st.integers(1, HIGHEST_PACKET_ID))
def test_the_answer_is_what_a_client_writes(packet_id: int) -> None:
    assert puback_of(packet_id) == PubAckPacket(packet_id).write()


def test_a_run_is_the_packets_of_its_messages_one_after_the_other() -> None:
    renderer, now_ms = Renderer(b"\xab" * 16), ISSUED_AT + DAY_MS - 61_900
    messages = [a_message(number) for number in (65_533, 65_534, 65_536)]
    run = renderer.run(messages, ROUTE, 0, now_ms)
    ids = [65_534, 65_535, 2]
    assert run.data == b"".join(
        [renderer.packet(message, ROUTE, id_, 61) for message, id_ in zip(messages, ids, strict=True)]
    )
    assert run.sent == tuple(zip(ids, (65_533, 65_534, 65_536), strict=True))
    assert run.pubacks == b"".join(map(puback_of, ids))
    assert (run.first_commit, run.last_commit, run.expires_at) == (65_533, 65_536, ISSUED_AT + DAY_MS)
    _, size = mqtt5.read(memoryview(run.data))
    assert size <= run.largest_bytes < len(run.data)


def test_an_alias_stands_for_the_topic() -> None:
    run = Renderer(b"\xab" * 16).run([a_message(4)], ROUTE, 3, ISSUED_AT)
    packet, _ = mqtt5.read(memoryview(run.data))
    assert isinstance(packet, mqtt5.PublishPacket)
    assert (packet.topic, packet.topic_alias, packet.packet_id) == ("", 3, 5)
