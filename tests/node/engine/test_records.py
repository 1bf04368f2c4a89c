from pushmesh_node.engine.records import Record
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.types import EnvelopeId, Epoch, UnixMs
from support.envelopes import ALICE, TOPIC


def test_a_record_counts_its_envelopes() -> None:
    ids = tuple(EnvelopeId(bytes([n]) * 32) for n in range(3))
    at = UnixMs(5)
    record = Record(
        7, Kind.NOTIFICATION, ALICE, TOPIC, Epoch(1), 10, 13, at, UnixMs(9), ids, (at,) * 3, (None,) * 3, True, b""
    )
    assert record.count == 3
