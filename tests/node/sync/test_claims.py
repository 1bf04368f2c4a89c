from pushmesh_node.sync.claims import Claims


def test_an_id_is_claimed_by_one_peer_until_it_lets_go() -> None:
    claims = Claims()
    assert claims.claim(b"a", b"1") and claims.claim(b"a", b"1")
    assert not claims.claim(b"b", b"1")
    claims.release(b"b", [b"1"])
    assert not claims.claim(b"b", b"1")
    claims.release(b"a", [b"1", b"2"])
    assert len(claims) == 0 and claims.claim(b"b", b"1")
