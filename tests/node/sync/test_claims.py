import pytest

from pushmesh_node.sync import claims as claims_room
from pushmesh_node.sync.claims import Claims


def test_an_id_is_claimed_by_one_peer_until_it_lets_go() -> None:
    claims = Claims()
    assert claims.claim(b"a", b"1") and claims.claim(b"a", b"1")
    assert not claims.claim(b"b", b"1")
    claims.release(b"b", [b"1"])
    assert not claims.claim(b"b", b"1")
    claims.release(b"a", [b"1", b"2"])
    assert len(claims) == 0 and claims.claim(b"b", b"1")


def test_there_is_room_for_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims_room, "MAX_CLAIMS", 2)
    claims = Claims()
    claims.claim(b"a", b"1")
    assert claims.has_room
    claims.claim(b"b", b"2")
    assert not claims.has_room
