import pytest
from hypothesis import given, strategies as st

from pushmesh_protocol.kinds.subscription import SettingChoice
from pushmesh_protocol.kinds.topic import BOOLEAN, RANGE, Setting
from pushmesh_protocol.settings import bounds_of, effective_settings


def said(**choices: int) -> list[SettingChoice]:
    return [SettingChoice(slug.replace("_", "-"), value) for slug, value in sorted(choices.items())]


SCHEMA = [
    Setting("cat-sales", BOOLEAN, "Sales", 0, 0, 1),
    Setting("min-priority", RANGE, "Least", 3, 2, 9),
    Setting("threshold", RANGE, "Percent", 10, 5, 50),
]


@pytest.mark.parametrize(
    ("choices", "schema", "values"),
    [
        (None, None, {}),
        (said(threshold=7), None, {}),
        (said(cat_news=0, min_priority=4, threshold=7), None, {"cat-news": 0, "min-priority": 4}),
        (said(cat_news=2, min_priority=6), None, {"cat-news": 1, "min-priority": 1}),
        (None, SCHEMA, {"cat-sales": 0, "min-priority": 3, "threshold": 10}),
        (said(threshold=51), SCHEMA, {"cat-sales": 0, "min-priority": 3, "threshold": 10}),
        (said(cat_sales=1, min_priority=1), SCHEMA, {"cat-sales": 1, "min-priority": 3, "threshold": 10}),
        (said(min_priority=9, threshold=5), SCHEMA, {"cat-sales": 0, "min-priority": 3, "threshold": 5}),
        (said(min_priority=2), SCHEMA, {"cat-sales": 0, "min-priority": 2, "threshold": 10}),
    ],
)
def test_a_choice_counts_within_the_schema_and_the_default_outside_of_it(
    choices: list[SettingChoice] | None, schema: list[Setting] | None, values: dict[str, int]
) -> None:
    assert effective_settings(choices, schema) == values
    assert list(effective_settings(choices, schema)) == sorted(values)


def test_a_schema_cannot_put_a_reserved_setting_outside_its_own_range() -> None:
    wide = [Setting("cat-news", RANGE, "News", 7, -5, 9), Setting("min-priority", RANGE, "Least", 0, 0, 0)]
    assert effective_settings(None, wide) == {"cat-news": 1, "min-priority": 1}
    assert effective_settings(said(cat_news=-5, min_priority=0), wide) == {"cat-news": 1, "min-priority": 1}


@given(
    st.dictionaries(st.sampled_from(["cat-a", "min-priority", "x"]), st.integers(-3, 9)),
    st.lists(st.tuples(st.integers(-2, 9), st.integers(-2, 9), st.integers(-2, 9)), max_size=1),
)
def test_a_reserved_setting_is_always_in_its_range(choices: dict[str, int], bounds: list[tuple[int, int, int]]) -> None:
    schema = [Setting("min-priority", RANGE, "Least", sorted(each)[1], min(each), max(each)) for each in bounds]
    said = [SettingChoice(slug, value) for slug, value in sorted(choices.items())]
    for slug, value in effective_settings(said, schema).items():
        reserved = bounds_of(slug)
        assert reserved is not None and reserved[0] <= value <= reserved[1]
