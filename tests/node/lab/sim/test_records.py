from pushmesh_node.lab.sim.clock import Clock
from pushmesh_node.lab.sim.records import address_of, read_record, record_of, signed_record
from support.sim_world import Ear


def test_a_record_tells_where_its_signer_is() -> None:
    ear = Ear(1, Clock(0))
    assert read_record(record_of(ear)) == address_of(ear)
    assert record_of(ear) == signed_record(ear.node_id, ear.host)


def test_what_is_no_record_tells_nothing() -> None:
    assert read_record(b"") is None
    assert read_record(b"\x93\x01\x02\x03") is None
