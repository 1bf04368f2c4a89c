from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pushmesh_client.node import Node
from support.running_node import running_node, url_of


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    """A real node, as its clients see it."""
    async with running_node(tmp_path / "node") as served, Node(url_of(served)) as client:
        yield client
