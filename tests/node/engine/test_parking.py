from random import Random

import pytest

from pushmesh_node.engine import parking as room
from pushmesh_node.engine.parking import (
    IN_ALL,
    IN_ALL_BYTES,
    OVERHEAD_BYTES,
    PATIENCE_MS,
    PER_PEER,
    PER_PEER_BYTES,
    Parking,
)
from pushmesh_protocol.auth.schemes import Session
from pushmesh_protocol.frames import Part
from support.bodies import a_network
from support.envelopes import NOW, WALLET_RANGE, a_note, a_run

NETWORK = a_network()
PEER, OTHER = b"\x0e" * 32, b"\x0f" * 32
GRANT_ID = b"\x33" * 32


def waiting(seq: int = 0, *, signature: int = 1, grant_id: bytes = GRANT_ID, body: str = "x") -> Part:
    auth = Session(b"\x22" * 32, grant_id, bytes([signature]) * 64, None)
    return a_note(NETWORK, WALLET_RANGE + seq, auth=auth, body=body)


def parked(parking: Parking, part: Part, peer: bytes = PEER, now_ms: int = NOW) -> bool:
    session = part.envelopes[0].session
    assert session is not None
    return parking.park(peer, session.grant_id, part, now_ms)


def test_parts_come_out_with_their_peer_when_their_grant_comes() -> None:
    parking = Parking()
    assert parked(parking, waiting(1))
    assert parked(parking, waiting(2), OTHER)
    assert parked(parking, waiting(3, grant_id=b"\x34" * 32))
    assert parking.release(GRANT_ID) == [(PEER, waiting(1)), (OTHER, waiting(2))]
    assert parking.release(GRANT_ID) == []
    assert len(parking) == 1


def test_the_same_item_is_kept_once_whoever_brings_it() -> None:
    parking = Parking()
    assert parked(parking, waiting(1))
    assert parked(parking, waiting(1), OTHER)
    assert parking.release(GRANT_ID) == [(PEER, waiting(1))]


def test_nobody_takes_the_place_of_an_id_that_they_cannot_sign() -> None:
    parking = Parking()
    bogus, real = waiting(1, signature=9), waiting(1)
    assert bogus.envelopes[0].id == real.envelopes[0].id
    assert parked(parking, bogus, OTHER)
    assert parked(parking, real)
    assert [part for _, part in parking.release(GRANT_ID)] == [bogus, real]


def test_a_peer_has_its_share_in_envelopes() -> None:
    parking = Parking()
    run = a_run(NETWORK, PER_PEER, WALLET_RANGE, auth=Session(b"\x22" * 32, GRANT_ID, bytes(64), None))
    assert parked(parking, run)
    assert len(parking) == PER_PEER
    assert not parked(parking, waiting(5_000))
    assert parked(parking, waiting(5_000), OTHER)
    parking.release(GRANT_ID)
    assert parked(parking, waiting(5_000))


def test_a_peer_has_its_share_in_bytes() -> None:
    parking = Parking()
    large = 0
    while parked(parking, waiting(100 * large, body="y" * 4_096)):
        large += 1
    size = len(waiting(body="y" * 4_096).envelopes[0].body_bytes) + OVERHEAD_BYTES
    assert large == PER_PEER_BYTES // size < PER_PEER
    assert not parked(parking, waiting(2**21, body="z" * 4_096))
    assert parked(parking, waiting(2**21), OTHER)


def test_all_peers_together_have_a_bound() -> None:
    parking = Parking()
    for peer in range(IN_ALL // PER_PEER + 1):
        grant_id = bytes([peer]) * 32
        run = a_run(NETWORK, PER_PEER, WALLET_RANGE, auth=Session(b"\x22" * 32, grant_id, bytes(64), None))
        assert parked(parking, run, bytes([peer])) is (peer < IN_ALL // PER_PEER)
    assert len(parking) == IN_ALL
    assert IN_ALL_BYTES >= IN_ALL * OVERHEAD_BYTES


def test_all_peers_together_have_a_bound_in_bytes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    part = waiting(1)
    size = len(part.envelopes[0].body_bytes) + OVERHEAD_BYTES
    monkeypatch.setattr(room, "IN_ALL_BYTES", 2 * size)
    parking = Parking()
    assert [parked(parking, waiting(seq), bytes([seq]) * 32) for seq in (1, 2, 3)] == [True, True, False]
    parking.release(GRANT_ID)
    assert parked(parking, waiting(3))


def test_patience_ends() -> None:
    parking = Parking()
    parked(parking, waiting(1))
    parked(parking, waiting(2), now_ms=NOW + 5)
    assert (parking.sweep(NOW + PATIENCE_MS - 1), len(parking)) == (0, 2)
    assert (parking.sweep(NOW + PATIENCE_MS), len(parking)) == (1, 1)
    assert parking.release(GRANT_ID) == [(PEER, waiting(2))]


def test_counts_agree_with_a_list_of_what_waits(rng: Random) -> None:
    parking, naive = Parking(), list[tuple[bytes, bytes, int]]()
    now = int(NOW)
    for seq in range(600):
        peer, grant_id = rng.choice([PEER, OTHER]), bytes([rng.randrange(6)]) * 32
        parked(parking, waiting(seq, grant_id=grant_id), peer, now)
        naive.append((peer, grant_id, now + PATIENCE_MS))
        if rng.random() < 0.05:
            freed = bytes([rng.randrange(6)]) * 32
            assert [peer for peer, _ in parking.release(freed)] == [one[0] for one in naive if one[1] == freed]
            naive = [one for one in naive if one[1] != freed]
        if rng.random() < 0.05:
            now += PATIENCE_MS // 4
            parking.sweep(now)
            naive = [one for one in naive if one[2] > now]
        assert len(parking) == len(naive)
    assert sum(parking._per_peer.values()) == len(naive)
    for grant_id in {one[1] for one in naive}:
        parking.release(grant_id)
    assert (len(parking), parking._bytes, dict(parking._per_peer), dict(parking._bytes_per_peer)) == (0, 0, {}, {})


def test_who_brings_little_finds_room_where_another_filled_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "IN_ALL", 8)
    parking = Parking()
    assert all(parked(parking, waiting(seq)) for seq in range(8))
    assert parked(parking, waiting(20), OTHER)
    assert not parked(parking, waiting(21), PEER)
    assert len(parking) == 8
    assert (OTHER, waiting(20)) in parking.release(GRANT_ID)


def test_those_who_filled_it_in_even_shares_do_not_drive_each_other_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "IN_ALL", 8)
    parking = Parking()
    assert all(parked(parking, waiting(seq), bytes([seq % 2]) * 32) for seq in range(8))
    assert not parked(parking, waiting(9), b"\x00" * 32)
    assert parked(parking, waiting(10), OTHER)
    assert len(parking) == 8


def test_what_two_bring_counts_for_the_one_who_brought_less(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "IN_ALL", 8)
    parking = Parking()
    assert all(parked(parking, waiting(seq)) for seq in range(8))
    assert parked(parking, waiting(0), OTHER)  # a copy of the oldest, which would be the first to go
    assert all(parked(parking, waiting(20 + seq), bytes([seq + 1]) * 32) for seq in range(3))
    assert (OTHER, waiting(0)) in parking.release(GRANT_ID)
    assert len(parking) == 0
