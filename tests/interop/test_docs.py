"""What docs/interop.md tells the authors of other nodes is what the nodes of these tests do."""

import json
import re

import pytest

from pushmesh_node.gossip.wire.dialects import PROTOCOL_IDS, Dialect
from support.tree import ROOT

INTEROP = ROOT / "tests" / "interop"
PAGE = (ROOT / "docs" / "interop.md").read_text()
SOURCES = {"js": INTEROP / "js" / "mesh_node.mjs", "go": INTEROP / "go" / "node.go"}


@pytest.mark.parametrize("language", SOURCES)
def test_its_examples_are_lines_of_the_nodes_that_join(language: str) -> None:
    source = SOURCES[language].read_text()
    examples = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    lines = [line.strip() for example in examples for line in example.splitlines()]
    assert lines
    assert [line for line in lines if line not in source] == []


def test_it_names_the_versions_that_are_tested() -> None:
    npm = json.loads((INTEROP / "package.json").read_text())["dependencies"]
    go = dict(
        re.findall(
            r"^\tgithub.com/libp2p/(go-libp2p(?:-pubsub)?) v(\S+)$", (INTEROP / "go" / "go.mod").read_text(), re.M
        )
    )
    assert f"`libp2p` {npm['libp2p']}, `@libp2p/gossipsub` {npm['@libp2p/gossipsub']}" in PAGE
    assert f"go-libp2p ({go['go-libp2p']}, `go-libp2p-pubsub` {go['go-libp2p-pubsub']})" in PAGE


def test_it_names_every_protocol_and_every_file_there_is() -> None:
    foreign = [name for name, dialect in PROTOCOL_IDS.items() if dialect < Dialect.PUSHMESH]
    assert " or ".join(f"`{name}`" for name in foreign) in PAGE
    assert all(f"`{name}`" in PAGE for name in PROTOCOL_IDS)
    named = set(re.findall(r"`(tests/interop/[\w/.]+)`", PAGE))
    assert named
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []
