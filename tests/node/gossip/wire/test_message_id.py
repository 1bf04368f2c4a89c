from hashlib import sha256

from pushmesh_node.gossip.wire.message_id import MessageIds, message_id


def test_the_id_is_the_hash_of_domain_length_topic_and_data() -> None:
    topic = "/tö".encode()
    assert len(topic) == 4
    whole = bytes(4) + b"\x04\x00\x00\x00\x00\x00\x00\x00" + topic + b"\x00data"
    assert message_id("/tö", b"\x00data") == sha256(whole).digest()[:20]


def test_bytes_cannot_move_between_topic_and_data() -> None:
    assert message_id("ab", b"c") != message_id("a", b"bc")


def test_a_memory_gives_the_same_ids() -> None:
    ids = MessageIds(2)
    bodies = [b"%d" % n * 10 for n in range(4)]
    for data in bodies + bodies + [bytes(bytearray(bodies[3]))]:
        for topic in ("/t", "/u"):
            assert ids(topic, data) == message_id(topic, data)


def test_a_memory_goes_by_the_object() -> None:
    ids = MessageIds(2)
    data = bytes(bytearray(b"data"))
    assert ids("/t", data) is ids("/t", data)
    assert ids("/t", bytes(bytearray(b"data"))) == ids("/t", data)
