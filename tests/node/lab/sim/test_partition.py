from pushmesh_node.lab.sim.partition import run_partition


def test_two_halves_become_one_network_again_and_both_hold_everything() -> None:
    partition = run_partition(8, 1)
    assert partition.crossing_links == 0
    assert partition.healed_s is not None and partition.healed_s > 0
    assert partition.figures.delivered_fraction == 1.0
