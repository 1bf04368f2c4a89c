from pathlib import Path

import pytest

from pushmesh_client import Dapp, Node, SlotBook, Subscriber
from pushmesh_client.wallet import save_wallet
from support.commands import check_one_sentence, pushmesh
from support.wallets import a_wallet

pytestmark = pytest.mark.integration
OWNER, READER = a_wallet(1), a_wallet(2)


async def test_a_proof_is_exported_once_and_verified_without_a_node(url: str, tmp_path: Path) -> None:
    save_wallet(tmp_path / "w.json", READER)
    async with Node(url) as node:
        topic = Dapp(node, OWNER, SlotBook()).topic("prices")
        reader, name = Subscriber(node, READER, SlotBook()), f"{OWNER.display}/prices"
        await reader.subscribe(topic)
        exported = await pushmesh("proof", "export", name, "--wallet", "w.json", "--node", url, cwd=tmp_path)
        (tmp_path / "yes").write_text(exported.out)
        await reader.unsubscribe(topic)
        later = await pushmesh("proof", "export", name, "--account", READER.display, "--node", url, cwd=tmp_path)
        (tmp_path / "no").write_text(later.out)
    offline = ("proof", "verify", "yes", "--topic", name, "--account", READER.display)
    shown = await pushmesh(*offline, "--json", cwd=tmp_path)
    assert shown.json["account"] == READER.display and shown.json["signed_by"] == "wallet"
    said = await pushmesh(*offline, cwd=tmp_path)
    assert said.out.startswith(f"yes {READER.display} wants")
    for arguments, word in (
        ((*offline, "--against", "no"), "a newer word says off"),
        (("proof", "verify", "no"), "it says off"),
        (("proof", "verify", "yes", "--topic", f"{OWNER.display}/news"), "it is about the topic"),
        (("proof", "verify", "yes", "--network", "testnet"), "other-network"),
        (("proof", "verify", "w.json"), "malformed"),
    ):
        check_one_sentence(await pushmesh(*arguments, cwd=tmp_path), 1, word)
    check_one_sentence(await pushmesh("proof", "verify", "absent", cwd=tmp_path), 2, "cannot be read")
