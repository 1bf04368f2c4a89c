import pytest

from pushmesh_node.sync import memory as room
from pushmesh_node.sync.memory import PeerMemory
from pushmesh_node.sync.words import BucketName
from pushmesh_protocol.reasons import Reason
from support.sync_pair import id_of


def test_half_of_what_came_must_be_good_once_enough_came() -> None:
    memory = PeerMemory(0)
    for number in range(room.JUDGED_FROM - 1):
        memory.answered(id_of(number), Reason.BAD_SIGNATURE)
    assert not memory.judge()
    memory.answered(b"one more", None)
    assert memory.judge() and memory.is_poisoned and memory.refused == room.JUDGED_FROM


@pytest.mark.parametrize("reason", [Reason.DUPLICATE, Reason.SLOT_VOID, Reason.SURPLUS])
def test_what_both_know_to_be_void_counts_for_the_peer_and_is_not_asked_again(reason: Reason) -> None:
    memory = PeerMemory(0)
    assert memory.answered(b"1", reason)
    assert (memory.accepted, memory.refused, memory.is_settled(b"1")) == (1, 0, True)


def test_what_passes_counts_nothing_and_what_is_foreign_is_nobodys_fault() -> None:
    memory = PeerMemory(0)
    assert not memory.answered(b"1", Reason.QUEUE_FULL)
    assert memory.answered(b"2", Reason.UNKNOWN_KIND)
    assert (memory.accepted, memory.refused) == (0, 0)
    assert (memory.is_settled(b"1"), memory.is_settled(b"2")) == (False, True)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MAX_SETTLED", 3)
    memory = PeerMemory(0)
    for number in range(4):
        memory.settle(id_of(number))
    assert [memory.is_settled(id_of(number)) for number in range(4)] == [False, False, False, True]
    for number in range(10, 14):
        memory.answered(id_of(number), Reason.UNKNOWN_SCHEME)
    assert memory.judge()


def test_a_bucket_rests_until_its_time_is_over_and_is_forgotten_then() -> None:
    memory, name, other = PeerMemory(0), BucketName(1, 7), BucketName(1, 8)
    assert not memory.rests(name, 5)
    memory.rest([name], 5)
    assert memory.rests(name, 5 + room.REST_MS - 1) and not memory.rests(name, 5 + room.REST_MS)
    memory.rest([other], 5 + room.REST_MS)
    assert list(memory._rests) == [other]


def test_of_a_peer_that_counts_no_more_nothing_is_remembered_but_that() -> None:
    memory = PeerMemory(0)
    memory.settle(b"held")
    for number in range(2 * room.JUDGED_FROM):
        memory.answered(id_of(number), None)
    assert memory.judge() and memory.refused == 2 * room.JUDGED_FROM
    assert not memory._refused and not memory._settled
    for number in range(9 * room.JUDGED_FROM):
        memory.answered(id_of(number), Reason.OK)
    assert memory.judge()
