from pushmesh_node.sync.faults import BadMessage, Fault


def test_the_fault_is_what_the_error_says() -> None:
    error = BadMessage(Fault.TRUNCATED)
    assert (error.fault, str(error)) == (Fault.TRUNCATED, "truncated")


def test_faults_are_words_that_a_peer_can_be_told() -> None:
    assert all(fault.value == fault.name.lower().replace("_", "-") for fault in Fault)
