from pushmesh_node.lab.networks import shipped_network


def test_the_shipped_networks_are_different_ones() -> None:
    names = ("devnet", "bench", "testnet")
    assert [shipped_network(name).name for name in names] == list(names)
    assert len({shipped_network(name).id for name in names}) == 3
