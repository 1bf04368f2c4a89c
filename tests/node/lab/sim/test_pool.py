from pushmesh_node.lab.sim.pool import run_all


def test_results_come_in_the_order_of_the_orders_on_one_core_and_on_more() -> None:
    orders = [(2, 5), (3, 2), (7, 1)]
    for processes in (1, 2):
        seen: list[int] = []
        results = run_all(pow, orders, lambda done, result, seen=seen: seen.append(done), processes)  # type: ignore[misc]  # bound per loop
        assert results == [32, 9, 7]
        assert seen == [1, 2, 3]
