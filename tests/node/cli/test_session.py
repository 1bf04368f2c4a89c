from pathlib import Path

import pytest

from pushmesh_client import SlotBook, load_session
from pushmesh_client.author import unix_ms
from pushmesh_client.errors import KeyFileError
from pushmesh_client.wallet import save_wallet
from pushmesh_node.cli.guard import CommandError
from pushmesh_node.cli.session import book_path, open_dapp, open_node, open_subscriber, session_path
from support.wallets import a_wallet


async def test_a_session_is_made_once_and_kept_beside_the_wallet(url: str, tmp_path: Path) -> None:
    path = tmp_path / "w.json"
    save_wallet(path, a_wallet())
    sessions = []
    for _ in range(2):
        async with open_subscriber(url, path, with_session=True) as subscriber:
            sessions.append(subscriber.session)
            with SlotBook(book_path(path)):  # a listener leaves the book to others
                pass
    assert sessions[0] == sessions[1] is not None
    async with open_node(url) as node:
        assert load_session(session_path(path), await node.network(), a_wallet().account, unix_ms()) == sessions[0]


async def test_a_dapp_holds_the_book_and_a_lost_wallet_is_said(url: str, tmp_path: Path) -> None:
    path = tmp_path / "w.json"
    save_wallet(path, a_wallet())
    async with open_dapp(url, path) as dapp:
        assert dapp.wallet == a_wallet()
        assert book_path(path).exists()  # a test may look at its own disk
    with pytest.raises(KeyFileError):
        async with open_dapp(url, tmp_path / "absent"):
            pass
    with pytest.raises(CommandError):
        open_node("nonsense")
