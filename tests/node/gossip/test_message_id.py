from hashlib import sha256

from pushmesh_node.gossip.message_id import message_id


def test_the_id_is_the_hash_of_domain_length_topic_and_data() -> None:
    topic = "/tö".encode()
    assert len(topic) == 4
    whole = bytes(4) + b"\x04\x00\x00\x00\x00\x00\x00\x00" + topic + b"\x00data"
    assert message_id("/tö", b"\x00data") == sha256(whole).digest()[:20]


def test_bytes_cannot_move_between_topic_and_data() -> None:
    assert message_id("ab", b"c") != message_id("a", b"bc")
