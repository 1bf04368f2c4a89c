import resource
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from pushmesh_node.app.descriptors import FOR_ITSELF, raise_limit


@pytest.fixture
def hard() -> Iterator[int]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_the_limit_is_raised_to_what_the_system_allows(hard: int) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard // 2, hard))
    with capture_logs() as said:
        assert raise_limit(10) == hard
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
    assert said == []


def test_an_operator_is_told_where_the_connections_do_not_fit(hard: int) -> None:
    with capture_logs() as said:
        raise_limit(hard - FOR_ITSELF)
        assert said == []
        raise_limit(hard - FOR_ITSELF + 1)
    assert [(each["log_level"], each["open_files"]) for each in said] == [("warning", hard)]
