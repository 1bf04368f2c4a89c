from pushmesh_node.lab.sim.plan import Traffic, figures_of, start_traffic, topics_of
from support.sim_world import NETWORK, a_world


def test_traffic_comes_at_its_rate_within_its_time_from_nodes_that_may_publish() -> None:
    world = a_world(4, sync=False)
    start_traffic(world, Traffic(2.0, 12.0, per_s=2.0, sizes=((2_048, 1),)), sources=lambda: world.nodes[:1])
    world.run_until(20)
    samples = world.measures.samples
    assert len(samples) == 20
    assert all(2.0 <= sample.published_us / 1e6 < 12.0 and sample.publisher == 0 for sample in samples)
    assert {int((sample.published_us / 1e6 - 2.0) * 2) for sample in samples} == set(range(20))


def test_figures_tell_what_arrived_how_fast_and_for_how_many_bytes() -> None:
    world = a_world(4, sync=False)
    start_traffic(world, Traffic(5.0, 10.0, sizes=((2_048, 1),)))
    world.run_until(15)
    figures = figures_of(world)
    assert figures.delivered_fraction == 1.0
    assert len(figures.delays_ms) == 5 * 3
    assert 0 < figures.p50_ms <= figures.p99_ms <= figures.worst_ms
    needed = sum([sample.size_bytes for sample in world.measures.samples]) * 3
    assert figures.bytes_ratio == sum(figures.node_bytes) / needed > 1 + figures.control_ratio
    assert figures.sync_ratio == 0
    first = figures_of(world, world.measures.samples[:1])
    assert first.delays_ms == figures.delays_ms[:3]


def test_what_never_arrives_is_missing_and_not_slow() -> None:
    world = a_world(3, connected=False, sync=False)
    world.connect(world.nodes[0], world.nodes[1])
    start_traffic(world, Traffic(5.0, 6.0, sizes=((2_048, 1),)), sources=lambda: world.nodes[:1])
    world.run_until(15)
    figures = figures_of(world)
    assert figures.delivered_fraction == 2 / 3
    assert len(figures.delays_ms) == 1


def test_traffic_is_on_one_shard_or_on_all() -> None:
    world = a_world(2)
    assert len(topics_of(world, shard=None)) == NETWORK.shard_count
    assert topics_of(world, shard=3) == [topics_of(world, shard=None)[3]]
