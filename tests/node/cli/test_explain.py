from pathlib import Path

import pytest

from pushmesh_client import Dapp, Node, SlotBook, Subscriber
from pushmesh_client.wallet import save_wallet
from support.commands import check_one_sentence, pushmesh
from support.wallets import a_wallet

pytestmark = pytest.mark.integration
OWNER, READER = a_wallet(1), a_wallet(2)


async def test_a_muted_sender_is_explained_with_what_would_change_it(url: str, tmp_path: Path) -> None:
    save_wallet(tmp_path / "w.json", READER)
    async with Node(url) as node:
        dapp, reader = Dapp(node, OWNER, SlotBook()), Subscriber(node, READER, SlotBook())
        await reader.subscribe(dapp.topic("prices"))
        await reader.set_preferences(mute=[OWNER.display])
        muted = await dapp.publish("prices", title="muted")
    ran = await pushmesh("explain", muted.id.hex(), "--wallet", "w.json", "--node", url, cwd=tmp_path)
    assert ran.out.startswith("hold: muted-by-wallet")
    assert "● wallet-mutes" in ran.out


async def test_mistakes_are_one_sentence(url: str, tmp_path: Path) -> None:
    save_wallet(tmp_path / "w.json", READER)
    for id, code, word in (("abc", 2, "64 hex digits"), ("00" * 32, 1, "not-found")):
        ran = await pushmesh("explain", id, "--wallet", "w.json", "--node", url, cwd=tmp_path)
        check_one_sentence(ran, code, word)
