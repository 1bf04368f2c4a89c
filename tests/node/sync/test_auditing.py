import pytest

from pushmesh_node.sync.auditing import HASHES_AT_ONCE, Auditing
from pushmesh_node.sync.digests import digest_of
from pushmesh_node.sync.keys import END, START, bound_at
from pushmesh_node.sync.memory import HASHES_EVERY_MS, PeerMemory
from pushmesh_node.sync.ports import Needs
from pushmesh_node.sync.words import AskHashes, AskIds, BucketName, Hashes, Ids
from pushmesh_protocol.errors import Refusal
from support.sync_pair import DAY_MS, NOW_MS, id_of, sets_of

DAY = NOW_MS // DAY_MS
NAMES = [BucketName(0, DAY + number) for number in range(HASHES_AT_ONCE + 2)]
FLOORS = [0] * 3


@pytest.fixture
def memory() -> PeerMemory:
    return PeerMemory(0)


@pytest.fixture
def audit(memory: PeerMemory) -> Auditing:
    audit = Auditing(sets_of([(0, NOW_MS + number * DAY_MS, id_of(number)) for number in range(len(NAMES))]), memory)
    audit.seem_same(NAMES)
    return audit


def told(audit: Auditing, asked: AskHashes, *lies: int) -> Hashes:
    mine = [audit._sets.snapshot(name, FLOORS) for name in asked.buckets]
    true = [(each.fingerprint, digest_of(each.ids)) for each in mine]
    return Hashes([(print_, b"?" * 32 if place in lies else hash_) for place, (print_, hash_) in enumerate(true)])


def test_all_that_seems_the_same_is_asked_about_once_a_day(audit: Auditing, memory: PeerMemory) -> None:
    first, second = audit.next_hashes(NOW_MS), audit.next_hashes(NOW_MS)
    assert first and second and [*first.buckets, *second.buckets] == NAMES
    assert audit.next_hashes(NOW_MS) is None
    for later_ms, is_due in ((HASHES_EVERY_MS - 1, False), (HASHES_EVERY_MS, True)):
        audit.begin()
        audit.seem_same(NAMES)
        assert (audit.next_hashes(NOW_MS + later_ms) is not None) is is_due
    assert memory.hashed_ms == NOW_MS + HASHES_EVERY_MS


def test_where_the_hashes_are_the_same_nothing_is_listed(audit: Auditing) -> None:
    asked = audit.next_hashes(NOW_MS)
    assert asked is not None
    snapshots = audit.hashed(told(audit, asked), asked, FLOORS)
    assert audit.is_digesting and len(snapshots) == HASHES_AT_ONCE
    audit.digested([digest_of(each.ids) for each in snapshots])
    assert not audit.is_digesting and not audit.is_listing


def test_where_a_hash_is_another_the_ids_are_listed_page_by_page_and_what_is_missing_is_needed(audit: Auditing) -> None:
    asked = audit.next_hashes(NOW_MS)
    assert asked is not None
    snapshots = audit.hashed(told(audit, asked, 1), asked, FLOORS)
    audit.digested([digest_of(each.ids) for each in snapshots])
    question = audit.next_ids()
    assert question == AskIds(0, DAY + 1, START) and not audit.is_listing
    page = bound_at(NOW_MS + DAY_MS + 1)
    assert audit.listed(Ids(page, [id_of(1), id_of(99)]), question) == Needs(NAMES[1], START, page, [id_of(99)])
    question = audit.next_ids()
    assert question == AskIds(0, DAY + 1, page)
    assert audit.listed(Ids(END, []), question) is None and not audit.is_listing


def test_a_bucket_that_changed_meanwhile_is_not_hashed(audit: Auditing) -> None:
    asked = audit.next_hashes(NOW_MS)
    assert asked is not None
    answer = told(audit, asked)
    audit._sets.insert(0, NOW_MS + 1, id_of(77), 77)  # type: ignore[attr-defined]  # the real ones
    assert len(audit.hashed(answer, asked, FLOORS)) == HASHES_AT_ONCE - 1


@pytest.mark.parametrize("page", [Ids(START, [id_of(1)]), Ids(bound_at(5), [])], ids=["back", "empty"])
def test_a_page_that_does_not_move_on_is_refused(audit: Auditing, page: Ids) -> None:
    with pytest.raises(Refusal, match="move on"):
        audit.listed(page, AskIds(0, DAY, START))


def test_as_many_hashes_come_as_were_asked_for(audit: Auditing) -> None:
    with pytest.raises(Refusal, match="other buckets"):
        audit.hashed(Hashes([]), AskHashes([NAMES[0]]), FLOORS)
