import os

import pytest

from pushmesh_node.lab.environment import child_environment


def test_children_get_the_paths_but_no_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUSHMESH_API_PORT", "1")
    monkeypatch.setenv("OTHER", "2")
    monkeypatch.syspath_prepend("/a/path")
    environment = child_environment()
    assert "PUSHMESH_API_PORT" not in environment
    assert environment["OTHER"] == "2"
    assert environment["PYTHONPATH"].split(os.pathsep)[0] == "/a/path"
