from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pushmesh_node.app.node import Node
from support.app_world import a_node


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    """A running node with an empty store, without transports and mesh."""
    async with a_node(tmp_path) as node:
        yield node
