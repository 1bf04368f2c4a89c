from pushmesh_node.lab.recovery import RecoverySlices


def test_recovery_is_measured() -> None:
    assert RecoverySlices(8).measure() > 0
