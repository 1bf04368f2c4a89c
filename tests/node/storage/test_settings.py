from pushmesh_node.storage import StoreSettings


def test_pruning_begins_before_anything_is_refused() -> None:
    settings = StoreSettings(budget_bytes=1_000)
    assert settings.prune_to_bytes == 900
    assert StoreSettings().prune_to_bytes == 0
