import pytest

from pushmesh_node.sync import claims as claims_room
from pushmesh_node.sync.claims import STALE_MS, Claims

A, B = (b"a", 0), (b"b", 0)


def test_an_id_is_claimed_by_one_peer_until_it_lets_go() -> None:
    claims = Claims()
    assert claims.claim(A, b"1") and claims.claim(A, b"1")
    assert not claims.claim(B, b"1")
    claims.release(b"b", [b"1"])
    assert not claims.claim(B, b"1")
    claims.release(b"a", [b"1", b"2"])
    assert len(claims) == 0 and claims.claim(B, b"1")


def test_a_peer_that_dawdles_loses_what_it_claimed_to_whoever_asks_next() -> None:
    claims = Claims()
    assert claims.claim(A, b"1")
    assert not claims.claim((b"b", STALE_MS), b"1") and claims.is_held(b"a", b"1")
    assert claims.claim((b"b", STALE_MS + 1), b"1")
    assert claims.is_held(b"b", b"1") and not claims.is_held(b"a", b"1")
    assert not claims.claim((b"a", STALE_MS + 2), b"1")


def test_there_is_room_for_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims_room, "MAX_CLAIMS", 2)
    claims = Claims()
    claims.claim(A, b"1")
    assert claims.has_room
    claims.claim(B, b"2")
    assert not claims.has_room
