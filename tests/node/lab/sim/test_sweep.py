from pushmesh_node.gossip.wire.dialects import Dialect
from pushmesh_node.lab.sim.sweep import DEGREES, run_sweep


def test_a_sweep_has_a_run_for_each_degree_from_three_to_eight_and_each_way() -> None:
    told: list[int] = []
    runs = run_sweep(9, 1, lambda done, count, run: told.append(count))
    assert [run.d for run in runs] == 2 * list(DEGREES) == 2 * [3, 4, 5, 6, 7, 8]
    assert [run.dialect for run in runs] == 6 * [Dialect.V1_2] + 6 * [Dialect.PUSHMESH]
    assert told == [12] * 12
    assert all(run.figures.delivered_fraction == 1.0 for run in runs)
