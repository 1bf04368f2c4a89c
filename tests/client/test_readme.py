import asyncio
import re
import sys
from pathlib import Path

from pushmesh_client import new_wallet, save_wallet
from support.running_node import running_node, url_of

ROOT = Path(__file__).parents[2]


async def test_the_readmes_example_runs_as_it_stands(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    save_wallet(tmp_path / "wallet.json", new_wallet())
    async with running_node(tmp_path / "node") as served:
        program = code.replace("http://127.0.0.1:8080", url_of(served))
        assert program != code
        run = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        said, complained = await asyncio.wait_for(run.communicate(), 60)
    assert (run.returncode, complained) == (0, b"")
    assert re.fullmatch(r"durable [0-9a-f]{64}\n", said.decode())
