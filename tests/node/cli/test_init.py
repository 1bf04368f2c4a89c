from pathlib import Path

import pytest

from pushmesh_node.app.keys import load_key
from pushmesh_node.config import load_config
from support.commands import check_one_sentence, pushmesh

pytestmark = pytest.mark.integration


async def test_a_node_folder_is_made_once_with_a_key_that_nobody_else_can_read(tmp_path: Path) -> None:
    made = await pushmesh("init", "--json", "--network", "bench", cwd=tmp_path)
    assert made.code == 0
    assert set(made.json) == {"config", "key", "node_id", "network"}
    config = load_config(tmp_path / "data" / "pushmesh.toml", {}, {})
    assert (config.node.data_dir, config.node.network) == ("data", "bench")
    assert len(load_key(tmp_path / "data" / "node.key")) == 32
    assert (tmp_path / "data" / "node.key").stat().st_mode & 0o777 == 0o600
    check_one_sentence(await pushmesh("init", cwd=tmp_path), 2, "is there already", "pushmesh run")


async def test_a_network_that_is_none_makes_nothing(tmp_path: Path) -> None:
    check_one_sentence(await pushmesh("init", "--network", "devnett", cwd=tmp_path), 2, "did you mean devnet")
    assert not (tmp_path / "data").exists()


async def test_another_folder_is_told_how_to_start(tmp_path: Path) -> None:
    made = await pushmesh("init", "elsewhere", cwd=tmp_path)
    assert "pushmesh run --config elsewhere/pushmesh.toml" in made.out
