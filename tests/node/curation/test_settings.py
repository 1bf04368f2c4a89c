import pytest

from pushmesh_node.curation import NO_SETTINGS, Settings, compile_settings
from pushmesh_protocol.kinds.subscription import SettingChoice
from pushmesh_protocol.kinds.topic import BOOLEAN, RANGE, Setting

LEAST_TWO = Setting("min-priority", RANGE, "Least", 2, 2, 4)
SALES_OFF = Setting("cat-sales", BOOLEAN, "Sales", 0, 0, 1)


@pytest.mark.parametrize(
    ("choices", "schema", "settings"),
    [
        (None, None, NO_SETTINGS),
        ({"min-priority": 4}, None, Settings(4, frozenset())),
        ({"cat-news": 0, "cat-sales": 1}, None, Settings(1, frozenset({"news"}))),
        (None, [LEAST_TWO], Settings(2, frozenset())),
        ({"min-priority": 5}, [LEAST_TWO], Settings(2, frozenset())),
        ({"min-priority": 3}, [LEAST_TWO], Settings(3, frozenset())),
        (None, [SALES_OFF], Settings(1, frozenset({"sales"}))),
        ({"cat-sales": 1}, [SALES_OFF], NO_SETTINGS),
        ({"cat-": 0, "volume": 0}, None, NO_SETTINGS),
    ],
)
def test_settings_come_to_a_least_priority_and_the_categories_that_are_off(
    choices: dict[str, int] | None, schema: list[Setting] | None, settings: Settings
) -> None:
    said = None if choices is None else [SettingChoice(slug, value) for slug, value in sorted(choices.items())]
    assert compile_settings(said, schema) == settings
