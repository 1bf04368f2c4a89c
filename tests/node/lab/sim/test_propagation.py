from dataclasses import replace

from pushmesh_node.gossip.parameters import RouterParameters
from pushmesh_node.gossip.wire.dialects import Dialect
from pushmesh_node.lab.sim.conditions import Conditions
from pushmesh_node.lab.sim.propagation import connect_ring, run_propagation, with_degree
from pushmesh_node.lab.sim.reports import propagation_report
from pushmesh_node.lab.sim.world import World
from support.sim_world import NETWORK


def test_thirty_nodes_get_everything() -> None:
    run = run_propagation(30, 1)
    assert run.figures.delivered_fraction == 1.0
    assert len(run.figures.delays_ms) == 50 * 29


def test_a_second_run_is_the_same() -> None:
    first, second = run_propagation(12, 1), run_propagation(12, 1)
    assert replace(first, wall_s=0.0) == replace(second, wall_s=0.0)
    assert propagation_report(first) | {"wall_s": 0} == propagation_report(second) | {"wall_s": 0}


def test_another_seed_is_another_world_in_which_everything_arrives_too() -> None:
    one, other = run_propagation(12, 1), run_propagation(12, 2)
    assert one.figures.delays_ms != other.figures.delays_ms
    assert other.figures.delivered_fraction == 1.0


def test_each_node_has_twenty_connections_half_of_them_its_own() -> None:
    world = World(NETWORK, 1, 200, Conditions())
    for _ in range(200):
        world.add_node(["t"])
    connect_ring(world, 20)
    counts = [len(node.peering.links) for node in world.nodes]
    assert 19 <= sum(counts) / 200 <= 20 and max(counts) == 20
    for node in world.nodes:
        assert sum([link.dialler is node for link in node.peering.links.values()]) <= 10


def test_a_lower_degree_is_cheaper_and_slower() -> None:
    low, high = (run_propagation(40, 1, d=d, dialect=Dialect.V1_2) for d in (3, 8))
    assert (low.d, high.d) == (3, 8)
    assert low.figures.bytes_ratio < high.figures.bytes_ratio
    assert low.figures.p99_ms > high.figures.p99_ms


def test_choking_saves_bytes_and_loses_nothing() -> None:
    plain, choking = (run_propagation(40, 1, dialect=dialect) for dialect in (Dialect.V1_2, Dialect.PUSHMESH))
    assert choking.figures.delivered_fraction == 1.0
    assert choking.figures.bytes_ratio < 0.75 * plain.figures.bytes_ratio


def test_the_degree_of_the_defaults_is_the_defaults() -> None:
    parameters = RouterParameters()
    assert with_degree(parameters, None) == with_degree(parameters, parameters.mesh.d) == parameters
    for d in range(3, 9):
        mesh = with_degree(parameters, d).mesh
        assert 0 < mesh.d_out < mesh.d_low <= mesh.d <= mesh.d_high
