from pathlib import Path

import pytest

from support.commands import check_one_sentence, pushmesh

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(("option", "chain"), [((), "eip155:1:0x"), (("--solana",), "solana:")])
async def test_a_wallet_is_made_once_and_its_secret_is_never_shown(
    tmp_path: Path, option: tuple[str, ...], chain: str
) -> None:
    made = await pushmesh("key", "new", "--json", *option, cwd=tmp_path)
    assert made.json["account"].startswith(chain)
    wallet = tmp_path / ".pushmesh" / "wallet.json"
    assert made.json["wallet"] == str(wallet)
    assert wallet.stat().st_mode & 0o777 == 0o600
    shown = await pushmesh("key", "show", cwd=tmp_path)
    assert made.json["account"] in shown.out
    secret = wallet.read_text().split('"private_key": "0x')[1][:64]
    assert secret not in made.out + made.err + shown.out + shown.err
    check_one_sentence(await pushmesh("key", "new", cwd=tmp_path), 2, "exists already")


async def test_a_wallet_that_is_not_there_or_open_to_others_says_what_to_do(tmp_path: Path) -> None:
    check_one_sentence(await pushmesh("key", "show", cwd=tmp_path), 2, "pushmesh key new")
    (tmp_path / "w.json").write_text("{}")
    (tmp_path / "w.json").chmod(0o644)
    check_one_sentence(await pushmesh("key", "show", "--wallet", "w.json", cwd=tmp_path), 2, "chmod 600")
