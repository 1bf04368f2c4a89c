from support.attacks import PUSH_ALONE, UNSCORED, is_held_off, small_siege


def test_a_small_network_holds_it_off() -> None:
    siege, _ = small_siege("invalid-spam")
    assert is_held_off(siege)


def test_a_mesh_alone_loses_frames_to_it() -> None:
    siege, _ = small_siege("invalid-spam", PUSH_ALONE)
    assert siege.delivered_fraction < 1.0


def test_without_scores_no_frame_is_looked_at_before_the_spam() -> None:
    unscored, _ = small_siege("invalid-spam", UNSCORED)
    scored, _ = small_siege("invalid-spam")
    assert unscored.p99_ms > scored.p99_ms
