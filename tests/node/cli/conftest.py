from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.running_node import running_node, url_of


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    """Of a real node in this process."""
    async with running_node(tmp_path / "node") as node:
        yield url_of(node)
