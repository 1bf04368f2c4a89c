import importlib.metadata
import re

import pytest

from pushmesh_node.app import version


def test_it_is_the_version_of_the_installed_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(version, "version", lambda name: {"pushmesh": "7.8.9"}[name])
    assert version._installed() == "7.8.9"


def test_a_source_tree_that_is_not_installed_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(version, "version", missing)
    assert version._installed() == "0+source"


def test_it_fits_into_the_agent_that_peers_are_told() -> None:
    assert re.fullmatch(r"[0-9A-Za-z.+!-]{1,40}", version.VERSION)
