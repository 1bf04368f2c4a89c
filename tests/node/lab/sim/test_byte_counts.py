from pushmesh_node.gossip.wire.rpc import Message, Rpc, Subscription
from pushmesh_node.lab.sim.byte_counts import ByteCounts


def test_first_copies_are_payload_further_ones_duplicates_and_all_else_is_control() -> None:
    counts = ByteCounts()
    rpc = Rpc(messages=(Message("t", b"new"), Message("t", b"known")), subscriptions=(Subscription(True, "t"),))
    counts.count(rpc, 30, {b"known"}.__contains__)
    counts.count(Rpc(), 4, {b"known"}.__contains__)
    assert counts == ByteCounts(payload=3, duplicate=5, control=22 + 4)
    assert counts.gossip == 34


def test_what_is_sent_and_what_sync_brings_is_not_of_gossip() -> None:
    assert ByteCounts(payload=1, sync=10, sent=100).gossip == 1
