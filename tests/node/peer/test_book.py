import os
import subprocess
import sys
from random import Random

from pushmesh_node.peer.book import (
    DROPPED_AT_ONCE,
    HEARSAY_PATIENCE,
    MAX_ADDRESSES_PER_PEER,
    MAX_DIALLING,
    MAX_PEERS,
    MAX_UNPROVEN,
    PeerBook,
    Remembered,
)
from pushmesh_node.peer.hosts import Address

HOUR_MS = 3_600_000


def an_address(n: int, port: int = 1) -> Address:
    return Address("ip4", "10.0.0.1", port, n.to_bytes(32, "big"))


def a_book() -> PeerBook:
    return PeerBook(100, 1_000, Random(1))


def test_bootstrap_peers_are_dialled_even_when_there_are_enough_peers() -> None:
    book = a_book()
    book.add(an_address(1))
    book.add(an_address(2), bootstrap=True)
    assert book.due(0, {bytes(32)}, set(), target=1) == [an_address(2)]


def test_known_peers_are_dialled_up_to_the_target() -> None:
    book = a_book()
    for n in range(5):
        book.add(an_address(n))
    assert len(book.due(0, set(), set(), target=3)) == 3
    assert book.due(0, set(), set(), target=3) == []


def test_the_connected_and_the_barred_are_not_dialled() -> None:
    book = a_book()
    for n in range(3):
        book.add(an_address(n))
    due = book.due(0, {an_address(0).node_id or b""}, {an_address(1).node_id or b""}, target=9)
    assert due == [an_address(2)]


def test_each_failure_doubles_the_pause_up_to_the_limit() -> None:
    book = a_book()
    book.add(an_address(1))
    node_id = an_address(1).node_id
    assert node_id is not None
    now_ms, pauses = 0, []
    for _ in range(6):
        assert book.due(now_ms, set(), set(), target=9) == [an_address(1)]
        book.failed(node_id, now_ms, jitter=1.0)
        pause_ms = next(ms for ms in range(2_000) if book.due(now_ms + ms, set(), set(), target=9))
        book.succeeded(an_address(1))
        now_ms += pause_ms
        pauses.append(pause_ms)
    assert pauses == [100, 200, 400, 800, 1_000, 1_000]


def test_jitter_halves_the_pause_at_most() -> None:
    book = a_book()
    book.add(an_address(1))
    book.due(0, set(), set(), target=9)
    book.failed(an_address(1).node_id or b"", 0, jitter=0.0)
    assert book.due(49, set(), set(), target=9) == [] and book.due(50, set(), set(), target=9) == [an_address(1)]


def test_a_connection_that_lasted_starts_the_pauses_anew() -> None:
    book = a_book()
    book.add(an_address(1))
    node_id = an_address(1).node_id or b""
    for _ in range(5):
        book.failed(node_id, 0, jitter=1.0)
    book.lasted(node_id)
    book.failed(node_id, 0, jitter=1.0)
    assert book.due(100, set(), set(), target=9) == [an_address(1)]


def test_the_addresses_of_a_peer_take_turns_and_are_bounded() -> None:
    book = a_book()
    for port in range(1, MAX_ADDRESSES_PER_PEER + 3):
        book.add(an_address(1, port))
    node_id = an_address(1).node_id or b""
    assert [address.port for address in book.addresses(node_id)] == list(range(MAX_ADDRESSES_PER_PEER + 2, 2, -1))
    first = book.due(0, set(), set(), target=9)
    book.failed(node_id, 0, jitter=0.0)
    assert book.due(10_000, set(), set(), target=9) != first


def test_few_dials_are_out_at_a_time() -> None:
    book = a_book()
    for n in range(MAX_DIALLING + 5):
        book.add(an_address(n), bootstrap=True)
    assert len(book.due(0, set(), set(), target=99)) == MAX_DIALLING


def a_proven(n: int, seen_h: int = 1, score_milli: int = 0) -> Remembered:
    return Remembered(n.to_bytes(32, "big"), (an_address(n),), seen_h * HOUR_MS, score_milli, True)


def test_a_full_book_forgets_the_worst_but_no_bootstrap_peer() -> None:
    book = a_book()
    book.add(an_address(0), bootstrap=True)
    for n in range(1, MAX_PEERS):
        book.remember(a_proven(n))
    for n in (0, 7):
        for _ in range(4):
            book.failed(an_address(n).node_id or b"", 0, jitter=1.0)
    book.remember(a_proven(5_000))
    assert len(book) == MAX_PEERS
    assert [n.to_bytes(32, "big") in book for n in (0, 7, 5_000)] == [True, False, True]


def test_made_up_peers_push_out_each_other_and_no_proven_one() -> None:
    book = a_book()
    for n in range(MAX_PEERS - MAX_UNPROVEN):
        book.remember(a_proven(n))
    for n in range(10_000, 10_000 + 2 * MAX_UNPROVEN):
        assert book.add(an_address(n))
        book.seen(n.to_bytes(32, "big"), 9 * HOUR_MS)
    assert MAX_PEERS - DROPPED_AT_ONCE < len(book) <= MAX_PEERS
    assert all(n.to_bytes(32, "big") in book for n in range(MAX_PEERS - MAX_UNPROVEN))


def test_neither_the_first_nor_the_last_of_made_up_peers_win() -> None:
    book = a_book()
    for n in range(MAX_UNPROVEN):
        book.hear([an_address(n)])
    for n in range(10_000, 10_000 + MAX_UNPROVEN):
        book.hear([an_address(n)])
    early = sum([n.to_bytes(32, "big") in book for n in range(MAX_UNPROVEN)])
    assert MAX_UNPROVEN // 3 < early < 2 * MAX_UNPROVEN // 3


BOOK_FLOODED = """
from random import Random
from pushmesh_node.peer.book import PeerBook
from pushmesh_node.peer.hosts import Address
book = PeerBook(100, 1_000, Random(1))
for n in range(2_000):
    book.hear([Address("ip4", "10.0.0.1", 1, n.to_bytes(32, "big"))])
print([n for n in range(2_000) if n.to_bytes(32, "big") in book])
"""


def test_who_makes_room_does_not_rest_on_the_hashes_of_a_process() -> None:
    paths = os.pathsep.join(sys.path)
    one, other = [
        subprocess.run(
            [sys.executable, "-c", BOOK_FLOODED],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": paths},
            capture_output=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in ("1", "2")
    ]
    assert one == other != b"[]\n"


def test_unproven_peers_of_a_bad_name_make_room_first() -> None:
    book = a_book()
    for n in range(MAX_UNPROVEN):
        book.hear([an_address(n)])
    faulty = [n.to_bytes(32, "big") for n in range(0, 2 * DROPPED_AT_ONCE, 2)]
    for node_id in faulty:
        book.seen(node_id, 0, score_milli=-1)
    book.hear([an_address(5_000)])
    assert [node_id in book for node_id in faulty] == [False] * DROPPED_AT_ONCE
    assert len(book) == MAX_UNPROVEN - DROPPED_AT_ONCE + 1


def test_proven_peers_take_the_place_of_unproven_ones() -> None:
    book = a_book()
    for n in range(MAX_UNPROVEN):
        book.hear([an_address(n)])
    for n in range(10_000, 10_000 + MAX_PEERS):
        book.remember(a_proven(n))
    assert len(book) == MAX_PEERS
    assert all(entry.proven for entry in book.entries()) and len(book.entries()) >= MAX_PEERS - MAX_UNPROVEN


def test_hearsay_comes_last_and_pushes_out_no_address() -> None:
    book = a_book()
    for port in range(1, MAX_ADDRESSES_PER_PEER + 1):
        book.add(an_address(1, port))
    known = book.addresses(an_address(1).node_id or b"")
    assert book.hear([an_address(1, 99), an_address(1, 100)])
    assert book.addresses(an_address(1).node_id or b"") == known
    book.hear([an_address(2, 5)])
    book.hear([an_address(2, 6)])
    assert [address.port for address in book.addresses(an_address(2).node_id or b"")] == [5, 6]


def test_the_address_that_worked_is_dialled_first() -> None:
    book = a_book()
    for port in (1, 2, 3):
        book.add(an_address(1, port))
    book.succeeded(an_address(1, 2))
    assert book.due(0, set(), set(), target=1) == [an_address(1, 2)]


def test_peers_with_a_good_past_are_dialled_before_others() -> None:
    book = a_book()
    book.hear([an_address(1)])
    book.remember(a_proven(2, seen_h=5, score_milli=-1))
    book.remember(a_proven(3, seen_h=4))
    book.remember(a_proven(4, seen_h=5, score_milli=1))
    book.remember(a_proven(5, seen_h=5, score_milli=2))
    book.add(an_address(6), bootstrap=True)
    order = book.due(0, set(), set(), target=9)
    assert [address.node_id and address.node_id[-1] for address in order] == [6, 5, 4, 3, 1, 2]


def test_a_peer_that_was_here_goes_before_strangers_even_after_its_connection_was_lost() -> None:
    book = a_book()
    book.remember(a_proven(1))
    book.failed(an_address(1).node_id or b"", 0, jitter=1.0)
    book.hear([an_address(2)])
    assert book.due(1_000, set(), set(), target=1) == [an_address(1)]


def test_whoever_connects_first_does_not_surround_this_node() -> None:
    book = a_book()
    for n in range(9):
        book.add(an_address(n))
    strangers = {n.to_bytes(32, "big") for n in range(100, 112)}
    assert book.due(0, strangers, set(), target=12) == []
    assert len(book.due(0, strangers, set(), target=12, dialled=4)) == 2
    assert book.due(0, strangers, set(), target=12, dialled=4) == []


def test_what_is_worth_keeping_is_remembered_in_another_life() -> None:
    book = a_book()
    book.add(an_address(1, 1))
    book.add(an_address(1, 2))
    book.succeeded(an_address(1, 1))
    book.seen(an_address(1).node_id or b"", 5 * HOUR_MS, score_milli=-7)
    book.seen(an_address(1).node_id or b"", 4 * HOUR_MS)
    book.hear([an_address(2)])
    kept = book.entries()
    assert kept == [
        Remembered(an_address(1).node_id or b"", (an_address(1, 1), an_address(1, 2)), 5 * HOUR_MS, -7, True)
    ]
    again = a_book()
    for peer in kept:
        again.remember(peer)
    assert again.entries() == kept
    assert book.entries(limit=0) == []


def test_hearsay_that_failed_most_makes_room_and_what_was_not_tried_stays() -> None:
    book = a_book()
    ids = [an_address(n).node_id or b"" for n in range(4)]
    for n in range(4):
        book.hear([an_address(n)])
    assert book.drop_failed(ids) is None
    for n, failures in ((1, 1), (2, 3), (3, 2)):
        for _ in range(failures):
            book.failed(ids[n], 0, jitter=1.0)
    book.succeeded(an_address(2))
    assert [book.is_unproven(node_id) for node_id in ids] == [True, True, False, True]
    assert [book.drop_failed(ids) for _ in range(3)] == [ids[3], ids[1], None]
    assert [bool(book.addresses(node_id)) for node_id in ids] == [True, False, True, False]


def test_who_is_known_by_hearsay_alone_is_dialled_ever_less() -> None:
    book = a_book()
    book.hear([an_address(1)])
    book.add(an_address(2))
    for node_id in (an_address(1).node_id or b"", an_address(2).node_id or b""):
        for _ in range(12):
            book.failed(node_id, 0, jitter=1.0)
    assert book.due(1_000, set(), set(), target=9) == [an_address(2)]
    book.failed(an_address(2).node_id or b"", 1_000, jitter=1.0)
    assert book.due(1_000 * HEARSAY_PATIENCE - 1, set(), set(), target=1) == [an_address(2)]
    assert book.due(1_000 * HEARSAY_PATIENCE, set(), set(), target=9) == [an_address(1)]


def test_a_word_of_the_peer_itself_makes_hearsay_a_peer_like_others() -> None:
    book = a_book()
    book.hear([an_address(1)])
    book.add(an_address(1, 2))
    for _ in range(12):
        book.failed(an_address(1).node_id or b"", 0, jitter=1.0)
    assert len(book.due(1_000, set(), set(), target=9)) == 1
