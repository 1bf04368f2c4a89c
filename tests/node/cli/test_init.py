import asyncio
import os
import sys
from pathlib import Path

import pytest

from pushmesh_node.app.keys import load_key
from pushmesh_node.config import load_config
from support.commands import check_one_sentence, pushmesh, python_path

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
    (tmp_path / "wrong.toml").write_text("[genesis]\n")
    check_one_sentence(await pushmesh("init", "--network", "wrong.toml", cwd=tmp_path), 2, "network file wrong.toml")
    assert os.listdir(tmp_path) == ["wrong.toml"]


async def test_what_is_missing_of_a_node_is_made_and_the_rest_is_kept(tmp_path: Path) -> None:
    config, key = tmp_path / "data" / "pushmesh.toml", tmp_path / "data" / "node.key"
    made = await pushmesh("init", "--json", "--network", "bench", cwd=tmp_path)
    text = config.read_text()
    config.unlink()
    again = await pushmesh("init", "--json", "--network", "bench", cwd=tmp_path)
    assert (again.json, config.read_text()) == (made.json, text)
    key.unlink()
    config.write_text(text + "# mine\n")
    new = await pushmesh("init", "--json", cwd=tmp_path)
    assert (new.json["network"], config.read_text()) == ("bench", text + "# mine\n")
    assert new.json["node_id"] != made.json["node_id"]


async def test_a_folder_that_cannot_be_made_or_written_is_one_sentence_and_nothing_is_half_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in ("file", "file/deep"):
        check_one_sentence(await pushmesh("init", folder, cwd=tmp_path), 2, f"the folder {folder}", "name another")
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", f'ulimit -f 1; "{sys.executable}" -m pushmesh_node init'),
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": python_path()},
        stderr=asyncio.subprocess.PIPE,
    )
    _, err = await process.communicate()
    assert (process.returncode, err.decode().count("\n")) == (2, 1)
    assert "data cannot be made or written: File too large" in err.decode()
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["node.key"]
    assert (await pushmesh("init", cwd=tmp_path)).code == 0


async def test_another_folder_is_told_how_to_start(tmp_path: Path) -> None:
    made = await pushmesh("init", "elsewhere", cwd=tmp_path)
    assert "pushmesh run --config elsewhere/pushmesh.toml" in made.out
