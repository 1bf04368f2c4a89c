from msgspec.structs import replace

from pushmesh_node.engine.recording import record_of
from pushmesh_node.engine.records import Record
from pushmesh_node.lab.sim.measures import NEVER, Measures
from pushmesh_protocol.types import Epoch
from support.bodies import a_network
from support.envelopes import NOW, a_run

NETWORK = a_network()
RUN = a_run(NETWORK, 2)
IDS = [leaf.id for leaf in RUN.envelopes]


def a_record(*ids: bytes) -> Record:
    whole = record_of(NETWORK, RUN, 1, Epoch(1), sent=True, data=None, now_ms=NOW)
    return replace(whole, ids=ids)


def test_a_frame_is_there_when_the_last_of_its_items_is() -> None:
    measures = Measures(3)
    measures.expect(IDS, 1_000, publisher=0, size_bytes=500)
    measures.committed(1, a_record(IDS[0]), 5_000)
    measures.committed(1, a_record(IDS[1]), 9_000)
    measures.committed(2, a_record(IDS[0]), 2_000)
    (sample,) = measures.samples
    assert measures.delays_us(sample) == [8_000, NEVER]
    assert measures.wanted_items() == (6, 3)


def test_only_the_first_time_counts_and_what_nobody_expects_does_not() -> None:
    measures = Measures(2)
    measures.expect(IDS[:1], 0, publisher=0, size_bytes=500)
    measures.committed(1, a_record(IDS[0]), 10)
    measures.committed(1, a_record(*IDS), 20)
    assert measures.delays_us(measures.samples[0]) == [10]


def test_only_those_that_must_have_it_are_asked() -> None:
    measures = Measures(4)
    measures.expect(IDS[:1], 0, publisher=0, size_bytes=500, expected=frozenset({0, 2}))
    measures.committed(2, a_record(IDS[0]), 10)
    assert measures.delays_us(measures.samples[0]) == [10]
    assert measures.wanted_items() == (2, 1)


def test_blame_of_honest_nodes_is_told_from_blame_of_others() -> None:
    measures = Measures(2)
    measures.honest[b"one of us"] = 0
    measures.blamed(1, b"one of us", "malformed")
    measures.blamed(1, b"a stranger", "malformed")
    assert (measures.penalties, measures.rejects) == ({"malformed": 1}, {"malformed": 1})


def test_a_node_that_does_not_run_waits_for_nothing() -> None:
    measures = Measures(3)
    measures.expect(IDS[:1], 1_000, publisher=0, size_bytes=500)
    measures.was_down(1, 500, 4_000)
    measures.committed(1, a_record(IDS[0]), 5_000)
    measures.was_down(1, 6_000, 9_000)
    (sample,) = measures.samples
    assert measures.delays_us(sample) == [4_000, NEVER]
    assert measures.waits_us(sample) == [1_000, NEVER]
