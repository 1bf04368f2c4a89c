import re
from pathlib import Path

import pytest

from pushmesh_client.wallet import save_wallet
from support.commands import check_one_sentence, pushmesh
from support.wallets import a_wallet

pytestmark = pytest.mark.integration


async def test_pages_follow_each_other(url: str, tmp_path: Path) -> None:
    save_wallet(tmp_path / "w.json", a_wallet())
    wallet = ("--wallet", "w.json", "--node", url)
    empty = await pushmesh("inbox", *wallet, cwd=tmp_path)
    assert "empty" in empty.out
    assert (await pushmesh("subscribe", "prices", *wallet, cwd=tmp_path)).code == 0
    lines = b"\n".join(b'{"title": "number %d"}' % number for number in range(3))
    assert (await pushmesh("publish", "prices", "--file", "-", *wallet, cwd=tmp_path, stdin=lines)).code == 0
    first = await pushmesh("inbox", "--limit", "2", *wallet, cwd=tmp_path, COLUMNS="40")
    assert "number 1" in first.out
    assert "number 2" not in first.out
    (id,) = re.findall(r"number 1.*\n  id ([0-9a-f]{64})\n", first.out)
    assert "now: subscribed" in (await pushmesh("explain", id, *wallet, cwd=tmp_path, COLUMNS="40")).out
    cursor = first.out.split("--after")[1].split()[0]
    rest = await pushmesh("inbox", "--after", cursor, *wallet, "--json", cwd=tmp_path)
    assert [message["envelope"]["fields"]["title"] for message in rest.json["messages"]] == ["number 2"]


async def test_mistakes_are_one_sentence(url: str, tmp_path: Path) -> None:
    save_wallet(tmp_path / "w.json", a_wallet())
    for arguments, code, word in ((["--after", "yesterday"], 1, "bad-cursor"), (["--node", "nonsense"], 2, "nonsense")):
        ran = await pushmesh("inbox", "--wallet", "w.json", *arguments, cwd=tmp_path, PUSHMESH_URL=url)
        check_one_sentence(ran, code, word)
