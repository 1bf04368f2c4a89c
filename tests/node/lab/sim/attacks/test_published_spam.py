from support.attacks import is_held_off, small_siege


def test_a_small_network_holds_it_off() -> None:
    siege, _ = small_siege("invalid-spam")
    assert is_held_off(siege)
