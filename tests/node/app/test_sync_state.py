import pytest

from pushmesh_node.app.sync_state import COUNTED_MS, PeerSync, State, clock_offset_ms, in_sync_at_ms, is_in_sync

NOW = 10_000_000


def a_peer(missing: int = 0, age_ms: int = 0, **changes: object) -> PeerSync:
    peer = PeerSync()
    peer.ended(missing, NOW - age_ms)
    for name, value in changes.items():
        setattr(peer, name, value)
    return peer


@pytest.mark.parametrize(
    ("peers", "in_sync"),
    [
        ([], None),
        ([a_peer()], True),
        ([a_peer(3)], False),
        ([PeerSync()], False),
        ([a_peer(), a_peer(1)], False),
        ([a_peer(), a_peer(), a_peer(9)], True),
        ([a_peer(age_ms=COUNTED_MS + 1)], False),
        ([a_peer(age_ms=-COUNTED_MS - 1)], False),  # this node's clock was set back since
        ([a_peer(age_ms=-COUNTED_MS)], True),
        ([a_peer(state=State.POISONED)], None),
        ([a_peer(has_floor_above=True)], None),
        ([PeerSync(state=State.FAILED, is_silent=True)], None),
        ([a_peer(5), a_peer(5, state=State.POISONED), a_peer(has_floor_above=True)], False),
    ],
)
def test_more_than_half_of_the_peers_that_count_must_say_so(peers: list[PeerSync], in_sync: bool | None) -> None:
    assert is_in_sync(peers, NOW) is in_sync


def test_in_sync_is_what_was_true_when_the_oldest_round_that_counts_ended() -> None:
    assert in_sync_at_ms([a_peer(age_ms=7), a_peer(age_ms=30), a_peer(5), a_peer(age_ms=2)], NOW) == NOW - 30
    assert in_sync_at_ms([a_peer(age_ms=7), a_peer(5)], NOW) is None
    assert in_sync_at_ms([], NOW) is None


def test_a_gap_is_as_old_as_its_first_sight_until_it_closes() -> None:
    peer = PeerSync()
    peer.found(5, 1_000)
    peer.found(3, 9_000)
    assert peer.row(11_000)["oldest_gap_s"] == 10.0
    peer.ended(0, 12_000)
    assert (peer.row(13_000)["oldest_gap_s"], peer.complete) == (None, True)


@pytest.mark.parametrize(
    ("offsets", "median"),
    [
        ([], 0),
        ([90_000], 0),
        ([90_000, 90_000], 90_000),
        ([-90_000, 90_000], 0),
        ([40_000, 50_000, 1], 1),
        ([-9, -8], -8),
    ],
)
def test_one_wrong_clock_moves_nobody_and_two_that_agree_do(offsets: list[int], median: int) -> None:
    peers = {bytes([place]): a_peer(clock_offset_ms=offset) for place, offset in enumerate(offsets)}
    assert clock_offset_ms(peers) == median
